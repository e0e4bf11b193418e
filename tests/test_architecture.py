"""The promises of the layout: import order, light import, and what no file may contain."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

import tinycnn

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "tinycnn"

# A file imports only from files above it. A new file gets its place here first.
ORDER = [
    "errors",
    "support",
    "support.arguments",
    "support.reprs",
    "support.keras_names",
    "support.keywords",
    "support.refusals",
    "support.use",
    "utils",
    "tensors",
    "support.geometry",
    "support.cores",
    "support.job",
    "support.console",
    "support.progress",
    "support.tables",
    "support.files",
    "support.extras",
    "kernels.reference.activations",
    "kernels.reference.convolution",
    "kernels.reference.pooling",
    "kernels.reference.fused",
    "kernels.reference.normalization",
    "kernels.reference.regularization",
    "kernels.reference.images",
    "kernels.reference.optimizers",
    "kernels.reference.adaptive",
    "kernels.reference.more_activations",
    "kernels.reference.reshaping",
    "kernels.reference",
    "kernels.compiled.checks",
    "kernels.compiled.simd",
    "kernels.compiled.words",
    "kernels.compiled.jit",
    "kernels.compiled.team",
    "kernels.compiled.launch",
    "kernels.compiled.plans",
    "kernels.compiled.together",
    "kernels.compiled.tiles",
    "kernels.compiled.tile_arithmetic",
    "kernels.compiled.tile_sizes",
    "kernels.compiled.blocks",
    "kernels.compiled.windows",
    "kernels.compiled.panels",
    "kernels.compiled.winograd",
    "kernels.compiled.convolution_forward",
    "kernels.compiled.convolution_dkernel",
    "kernels.compiled.convolution_columns",
    "kernels.compiled.convolution",
    "kernels.compiled.pooling",
    "kernels.compiled.activations",
    "kernels.compiled.more_activations",
    "kernels.compiled.fused",
    "kernels.compiled.normalization",
    "kernels.compiled.regularization",
    "kernels.compiled.images",
    "kernels.compiled.optimizers",
    "kernels.compiled.adaptive",
    "kernels.compiled.warming",
    "kernels.compiled",
    "kernels",
    "support.scripts",
    "support.threads",
    "support.mpi",
    "support.ending",
    "support.meeting",
    "support.ordered_sum",
    "regularizers",
    "parameter",
    "initializers",
    "layers.base",
    "layers.activations",
    "layers.kernel_and_bias",
    "layers.regularization",
    "layers.normalization",
    "layers.convolutional",
    "layers.pooling",
    "layers.core",
    "layers.reshaping",
    "layers.preprocessing",
    "layers.augmentation",
    "layers.fused",
    "layers.together",
    "layers",
    "losses.base",
    "losses.crossentropy",
    "losses.elementwise",
    "losses.functions",
    "activations",
    "losses",
    "metrics.base",
    "metrics.means",
    "metrics.counts",
    "metrics.epoch",
    "metrics",
    "optimizers.schedules",
    "optimizers.clipping",
    "optimizers.variables",
    "optimizers.base",
    "optimizers.rules",
    "optimizers.adaptive",
    "optimizers",
    "support.serialization",
    "support.large",
    "support.mapped",
    "support.data",
    "support.stream",
    "support.distribution",
    "support.shards",
    "support.warning_signs",
    "support.diagnosis",
    "hooks",
    "network",
    "interop",
    "interop.hdf5",
    "interop.keras_weights",
    "interop.keras_config",
    "interop.keras_optimizer",
    "interop.keras_files",
    "state",
    "learner",
    "support.interrupt",
    "callbacks.base",
    "callbacks.run",
    "callbacks.monitors",
    "callbacks.learning_rate",
    "callbacks.csv_logger",
    "callbacks.tensorboard",
    "callbacks.checkpoint",
    "callbacks",
    "models",
    "support.folds",
    "functional",
    "model_selection",
    "distributed",
    "inspection",
    "keras_weights",
    "interop.onnx_nodes",
    "interop.onnx",
    "interop.torch_tensors",
    "interop.torch_weights",
    "interop.sklearn",
    "gradient_check.slopes",
    "gradient_check.patterns",
    "gradient_check.report",
    "gradient_check.rules",
    "gradient_check.definitions",
    "gradient_check.optimizers",
    "gradient_check.cases",
    "gradient_check",
    "gradient_check.__main__",
    "datasets.idx",
    "datasets.download",
    "datasets.cache",
    "datasets.official",
    "datasets.mnist",
    "datasets.stand_in",
    "datasets.fashion_mnist",
    "datasets.kmnist",
    "datasets.cifar_format",
    "datasets.cifar10",
    "datasets.cifar100",
    "datasets.pictures",
    "datasets.folder",
    "datasets.normalization",
    "datasets.skeletons",
    "datasets.synthetic",
    "datasets.digits",
    "datasets",
    "plotting.picture",
    "plotting.figures",
    "plotting.arrays",
    "plotting.gradients",
    "plotting.history",
    "plotting.inside",
    "plotting.machinery",
    "plotting.network",
    "plotting.predictions",
    "plotting",
    "grader.skeleton",
    "grader.definitions",
    "grader.calls",
    "grader.cases.base",
    "grader.cases.windows",
    "grader.cases.rows",
    "grader.cases.others",
    "grader.cases",
    "grader.exercises",
    "grader.verdicts",
    "grader.answers",
    "grader.mistakes.base",
    "grader.mistakes.reading",
    "grader.mistakes.adding",
    "grader.mistakes.convolution_forward",
    "grader.mistakes.convolution_backward",
    "grader.mistakes.max_pooling",
    "grader.mistakes.average_pooling",
    "grader.mistakes.dense",
    "grader.mistakes.softmax",
    "grader.mistakes.optimizers",
    "grader.mistakes.extras",
    "grader.mistakes",
    "grader.signatures",
    "grader.matching",
    "grader.diagnosis",
    "grader.whereabouts",
    "grader.slopes",
    "grader.report",
    "grader.wording",
    "grader.grading",
    "grader.wire",
    "grader.worker",
    "grader.submissions",
    "grader.settings",
    "grader.exports",
    "grader",
    "grader.__main__",
    "explorer.describe",
    "explorer.samples",
    "explorer.check",
    "explorer.page",
    "explorer",
    "",  # tinycnn/__init__.py
    "commands",
    "__main__",
    "explorer.__main__",
]

FILES = sorted(PACKAGE.rglob("*.py"))
every_file = pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(PACKAGE)))


def name_of(file):
    """tinycnn/layers/core.py -> "layers.core", tinycnn/kernels/__init__.py -> "kernels"."""
    parts = file.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


MODULES = {name_of(file): ast.parse(file.read_text("utf-8")) for file in FILES}


def walk(tree):
    """All nodes, those that only type checkers read included: an annotation points, too."""
    return ast.walk(tree)


def imported(tree):
    """The full name of every module or object that a file imports, wherever it does so."""
    for node in walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def module_of(name):
    """The module of the package that `name`, a module or an object in one, is taken from."""
    parts = name.split(".")[1:]
    while ".".join(parts) not in MODULES:
        parts.pop()
    return ".".join(parts)


def dotted(node):
    """`a.b.c` as text, or "" for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = dotted(node.value)
        return before and f"{before}.{node.attr}"
    return ""


def names_in(tree):
    """Every dotted name that a file uses."""
    return {name for node in walk(tree) if (name := dotted(node))}


# --- imports --------------------------------------------------------------------------------------


def test_every_file_has_its_place():
    assert set(MODULES) <= set(ORDER)
    assert len(set(ORDER)) == len(ORDER)


@every_file
def test_a_file_imports_only_from_files_above_it(file):
    name = name_of(file)
    above = ORDER[: ORDER.index(name)]
    ours = {n for n in imported(MODULES[name]) if n.split(".")[0] == "tinycnn"}
    assert {n for n in ours if module_of(n) not in above} == set()


def test_the_order_is_checked_at_all():
    tree = ast.parse(
        "def f():\n    from tinycnn.models import Sequential\n    import tinycnn.layers"
    )
    assert [module_of(n) for n in imported(tree)] == ["models", "layers"]
    hidden = ast.parse("if TYPE_CHECKING:\n    import tinycnn.models")
    assert list(imported(hidden)) == ["tinycnn.models"]


ALLOWED = {"numpy", "numba", "llvmlite", "matplotlib", "PIL", "requests", "urllib3", "tinycnn"}


@every_file
def test_imports_are_the_runtime_packages_or_the_standard_library(file):
    # urllib3 is part of requests, PIL of matplotlib.
    roots = {n.split(".")[0] for n in imported(MODULES[name_of(file)])}
    assert roots - ALLOWED - sys.stdlib_module_names == set()


def test_runtime_packages_are_four():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    names = {dependency.split(">")[0].strip() for dependency in project["dependencies"]}
    assert sorted(names) == ["matplotlib", "numba", "numpy", "requests"]


HEAVY = ("numba", "llvmlite", "matplotlib", "requests", "urllib3", "multiprocessing")


def test_import_is_light():
    code = f"""
import sys, tinycnn, tinycnn.datasets, tinycnn.kernels, tinycnn.utils
model = tinycnn.Sequential([tinycnn.Dense(2, input_shape=(3,))])  # still no arithmetic
print([name for name in {HEAVY} if name in sys.modules])
"""
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )
    assert (result.stdout, result.stderr) == ("[]\n", "")


def test_reference_rung_does_without_numba():
    code = """
import sys, numpy as np, tinycnn
tinycnn.kernels.use("numpy")
model = tinycnn.Sequential([tinycnn.Conv2D(2, 2, input_shape=(4, 4, 1)), tinycnn.Flatten()])
model.predict(np.zeros((1, 4, 4, 1)), verbose=0)
print("numba" in sys.modules)
"""
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout == "False\n"


@every_file
def test_only_what_makes_machine_code_knows_numba_and_llvm(file):
    names = ("simd", "words", "jit", "team", "launch", "tiles", "tile_arithmetic")
    if name_of(file) in [f"kernels.compiled.{name}" for name in names]:
        return
    tree = MODULES[name_of(file)]
    assert {n for n in imported(tree) if n.split(".")[0] in ("numba", "llvmlite")} <= {"numba"}
    used = {n for n in names_in(tree) if n.startswith("numba.")}
    assert used <= {"numba.__version__"}


def test_everything_public_is_at_the_top():
    for name in tinycnn.layers.__all__:
        assert getattr(tinycnn, name) is getattr(tinycnn.layers, name)
    assert set(tinycnn.layers.__all__) < set(tinycnn.__all__)
    for table in (tinycnn.losses.LOSSES, tinycnn.optimizers.OPTIMIZERS):
        for name, cls in table.items():
            assert getattr(tinycnn, name) is cls
    assert all(hasattr(tinycnn, name) for name in tinycnn.__all__)
    assert sorted(set(tinycnn.__all__)) == sorted(tinycnn.__all__)


# --- what no file contains ------------------------------------------------------------------------


@every_file
def test_no_assert(file):
    # `python -O` would drop it.
    assert not [n.lineno for n in walk(MODULES[name_of(file)]) if isinstance(n, ast.Assert)]


@every_file
def test_no_print_but_in_console(file):
    if name_of(file) != "support.console":
        used = names_in(MODULES[name_of(file)])
        assert not used & {"print", "sys.stdout", "sys.stdout.write", "sys.stderr"}


@every_file
def test_no_global_random_numbers(file):
    tree = MODULES[name_of(file)]
    own = {"default_rng", "Generator", "SeedSequence", "BitGenerator", "PCG64"}
    used = {n.split(".")[2] for n in names_in(tree) if n.startswith("np.random.")}
    theirs = {n for n in imported(tree) if n.split(".")[0] in ("random", "secrets")}
    if name_of(file) == "utils":  # Keras's set_random_seed seeds them, for the caller's own use
        assert {n for n in names_in(tree) if n.startswith("random.")} == {"random.seed"}
        used, theirs = used - {"seed"}, theirs - {"random"}
    assert used <= own
    assert not theirs


@every_file
def test_no_bare_except(file):
    handlers = [n for n in walk(MODULES[name_of(file)]) if isinstance(n, ast.ExceptHandler)]
    assert not [n.lineno for n in handlers if n.type is None or dotted(n.type) == "BaseException"]


def undocumented(tree, prefix=""):
    """Public classes, functions and methods without a docstring; functions in functions are own."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
            setter = any(dotted(d).endswith(".setter") for d in node.decorator_list)
            if not setter and not ast.get_docstring(node):
                yield prefix + node.name
            if isinstance(node, ast.ClassDef):
                yield from undocumented(node, f"{prefix}{node.name}.")


@every_file
def test_everything_public_has_a_docstring(file):
    tree = MODULES[name_of(file)]
    assert ast.get_docstring(tree), "the module has no docstring"
    assert list(undocumented(tree)) == []


# Sizes of the reference network: images, maps, windows by channels, pixels by channels, classes by
# units. Left out are 1, 3, 5, 10 and what is also a number of lanes, bits or lines: 9, 32 and 64.
NETWORK = {11, 13, 26, 28, 49, 121, 169, 288, 320, 576, 640, 650, 676, 784, 1600, 10816, 18432}
NETWORK |= {18496, 21632, 36864, 36928, 48000, 60000, 93322}


@pytest.mark.parametrize("name", [name for name in MODULES if name.startswith("kernels")])
def test_no_kernel_knows_the_network(name):
    constants = {n.value for n in walk(MODULES[name]) if isinstance(n, ast.Constant)}
    assert {c for c in constants if type(c) is int} & NETWORK == set()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *((name, "fastmath=True") for name in MODULES if name.startswith("kernels.compiled")),
        ("support.serialization", "allow_pickle=True"),
    ],
)
def test_texts_that_must_not_be(name, text):
    (file,) = (file for file in FILES if name_of(file) == name)
    assert text not in file.read_text("utf-8")


def test_the_top_level_holds_what_it_should():
    try:
        command = ["git", "ls-files", "--cached", "-z"]
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    top = {name.split("/")[0] for name in listed.stdout.split("\0") if name}
    assert top <= {
        ".ci",
        ".github",
        ".gitignore",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "LICENSE",
        "README.md",
        "benchmarks",
        "examples",
        "pyproject.toml",
        "tests",
        "tinycnn",
    }


def test_importing_and_training_leave_numpy_s_global_generator_alone():
    before = np.random.get_state()[1].tobytes()  # noqa: NPY002 - it is what must not be used
    with tinycnn.kernels.use("numpy"):
        model = tinycnn.Sequential([tinycnn.Dense(2, input_shape=(3,))])
        model.compile("adam", "mse")
        model.fit(np.zeros((4, 3)), np.zeros((4, 2)), verbose=0)
    assert np.random.get_state()[1].tobytes() == before  # noqa: NPY002
