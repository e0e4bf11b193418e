"""The machinery under the compiled rung: cache, notices, lanes, threads, the JIT switched off."""

import errno
import hashlib
import importlib.util
import inspect
import os
import shutil
import threading
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from processes import ROOT, finish, finish_tests, start, start_tests
from without_numba import compiled, jit, launch, numba, simd, team, warming

from tinycnn import kernels
from tinycnn.kernels import reference

jit_on = pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="nothing compiles")


# --- the cache, in this process: every `kernel` knows nothing yet ---------------------------------


def double(piece, x, y):
    y[piece] = 2 * x[piece]


@pytest.fixture
def compiles(monkeypatch, tmp_path):
    """An empty cache folder, and a list that grows with every compile."""
    team.team()  # the threads' own code is there already
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    events = []
    monkeypatch.setattr(jit, "before_compile", events.append)
    return events


def use_double():
    x, y = np.arange(5.0), np.empty(5)
    launch.kernel(double)(5, (x, y))
    np.testing.assert_array_equal(y, 2 * x)


def cache_file(tmp_path):
    (file,) = tmp_path.rglob("*.nbc")
    return file


@jit_on
def test_the_second_process_finds_the_first_ones_kernel(compiles):
    use_double()
    assert len(compiles) == 1
    use_double()
    assert len(compiles) == 1


@jit_on
def test_a_full_disk_is_not_filled_with_halves_of_files(compiles, monkeypatch, tmp_path):
    write_bytes = Path.write_bytes

    def full(path, content):
        write_bytes(path, content[:100])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    use_double()
    use_double()
    assert len(compiles) == 2 and not list(tmp_path.rglob("*.nbc*"))


def emptied(content):
    return b""


def zeroed(content):
    return bytes(len(content))


def halved(content):
    return content[: len(content) // 2]


def one_bit_flipped(content):
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def resealed_nonsense(content):
    """Passes the checksum, and is no pickle."""
    return hashlib.sha256(jit._sources() + b"nonsense").digest() + b"nonsense"


@jit_on
@pytest.mark.parametrize("damage", [emptied, halved, zeroed, one_bit_flipped, resealed_nonsense])
def test_a_damaged_cache_file_is_compiled_again(compiles, tmp_path, damage):
    use_double()
    file = cache_file(tmp_path)
    file.write_bytes(damage(file.read_bytes()))
    use_double()
    assert len(compiles) == 2
    use_double()  # and was replaced by a good one
    assert len(compiles) == 2


@jit_on
def test_other_sources_or_other_lanes_are_another_kernel(compiles, tmp_path, monkeypatch):
    use_double()
    monkeypatch.setattr(jit, "_sources", lambda: b"edited")
    use_double()
    assert len(compiles) == 2
    cache_file(tmp_path)  # the stale file was replaced
    monkeypatch.setattr(jit, "LANES", 2)
    use_double()
    assert len(compiles) == 3
    assert len(list(tmp_path.rglob("*.nbc"))) == 2


# A kernel with a helper from another file.
POOL = """
import numpy as np
from tinycnn.kernels import compiled
from tinycnn.kernels.compiled import jit
compiles = []
jit.before_compile = compiles.append
y, winners = compiled.max_pool_forward(np.ones((1, 1, 1, 1)), (1, 1), (1, 1))
print(int(y[0, 0, 0, 0]), compiles.count("_pool"))
"""


@jit_on
def test_a_kernel_is_compiled_again_when_a_helper_in_another_file_changes(tmp_path):
    without = shutil.ignore_patterns("__pycache__")
    package = shutil.copytree(ROOT / "tinycnn", tmp_path / "tinycnn", ignore=without)
    code = f"import os; os.chdir({str(tmp_path)!r}){POOL}"
    folders = {"NUMBA_CACHE_DIR": str(tmp_path / "cache"), "PYTHONPATH": str(tmp_path)}

    def go():
        return finish(start(code, **folders))[0].split()

    assert go() == ["1", "1"]
    assert go() == ["1", "0"]
    blocks = package / "kernels" / "compiled" / "blocks.py"
    source = blocks.read_text("utf-8")
    assert source.count("target[i] = source[i]\n") == 1
    blocks.write_text(source.replace("target[i] = source[i]\n", "target[i] = 7\n"), "utf-8")
    assert go() == ["7", "1"]


def test_every_file_that_kernels_are_made_of_is_in_their_key(tmp_path, monkeypatch):
    folder = Path(jit.__file__).parent
    without = shutil.ignore_patterns("__pycache__")
    copy = shutil.copytree(folder, tmp_path / "compiled", ignore=without)
    monkeypatch.setattr(jit, "__file__", str(copy / "jit.py"))
    keys = {jit._sources.__wrapped__()}
    files = sorted(copy.glob("*.py"))
    for file in files:
        with file.open("a", encoding="utf-8") as stream:
            stream.write("# changed\n")
        keys.add(jit._sources.__wrapped__())
    assert len(keys) == 1 + len(files)
    # There are no others: each jitted function that a kernel may call stands in one of these.
    for file in files:
        for name, value in vars(import_module(f"{compiled.__name__}.{file.stem}")).items():
            if hasattr(value, "py_func"):
                assert Path(value.py_func.__code__.co_filename).parent == folder, name


@jit_on
def test_without_any_writable_folder_kernels_compile_and_run(compiles, monkeypatch):
    from numba.core.caching import CacheImpl

    monkeypatch.setattr(CacheImpl, "_locator_classes", [])
    use_double()
    use_double()
    assert len(compiles) == 2


@jit_on
def test_a_full_disk_does_not_stop_a_kernel(compiles, monkeypatch):
    def full(self, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    use_double()
    use_double()
    assert len(compiles) == 2


# What Numba needs to compile, and other modules that take long to load.
COMPILING = ("numba.np.arrayobj", "numba.np.linalg", "numba.cpython.unicode")
HEAVY = ("scipy.linalg", "numpy.ma", "matplotlib", "requests", "multiprocessing", "unittest")
STEP = f"""
import sys
import numba
import numpy as np
unavoidable = set(sys.modules)
from tinycnn import Dense, Sequential
model = Sequential([Dense(2, activation="softmax", input_shape=(3,))])
model.compile("adam", "categorical_crossentropy")
model.train_on_batch(np.zeros((4, 3)), np.eye(2)[[0, 1, 0, 1]])
print([name for name in {COMPILING + HEAVY} if name in sys.modules.keys() - unavoidable])
"""


@jit_on
def test_a_training_step_with_kernels_in_the_cache_loads_no_compiler():
    assert all(importlib.util.find_spec(name) for name in COMPILING)
    finish(start(STEP))  # compiles what the cache lacks
    assert finish(start(STEP)) == ("[]\n", "")


# A kernel whose name, in a process that compiles it first, is the same for every number.
WRITER = """
from tinycnn.kernels.compiled.launch import kernel
def writer(number):
    def write(piece, y):
        y[0] = number
    return kernel(write)
"""

WRITE = """
import sys
import numpy as np
from tinycnn.kernels.compiled import jit
from writer import writer
compiles = []
jit.before_compile = compiles.append
y = np.zeros(1)
for number in {numbers}:
    writer(number)(1, (y,))
    print(int(y[0]))
print(compiles.count("write"))
"""


@jit_on
@pytest.mark.full
def test_kernels_to_which_two_processes_gave_one_name(tmp_path):
    (tmp_path / "writer.py").write_text(WRITER)
    folders = {
        "NUMBA_CACHE_DIR": str(tmp_path / "cache"),
        "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}",
    }

    def written(*numbers):
        return finish(start(WRITE.format(numbers=numbers), **folders))[0].split()

    assert (written(1), written(2)) == (["1", "1"], ["2", "1"])
    assert (written(1, 2), written(2, 1)) == (["1", "2", "0"], ["2", "1", "0"])


# --- several processes, several lanes, one cache folder -------------------------------------------

COUNT_AND_CHECK = """
import numpy as np
from tinycnn.kernels import compiled, reference
from tinycnn.kernels.compiled import jit, simd
compiles = []
jit.before_compile = compiles.append
rng = np.random.default_rng(0)
x, kernel = rng.standard_normal((2, 5, 6, 3)), rng.standard_normal((2, 3, 3, 4))
x, kernel = x.astype("float32"), kernel.astype("float32")
for rung in (reference, compiled):
    y = rung.conv2d_forward(x, kernel, None)
    results = [y, *rung.conv2d_backward(y, x, kernel, needs_dx=False)[1:]]
    if rung is reference:
        expected = results
for one, other in zip(results, expected):
    np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)
print(simd.LANES, len(compiles))
"""


@jit_on
@pytest.mark.full
@pytest.mark.parametrize("lanes", ["16", "8", "4"])
def test_four_processes_start_on_one_empty_cache(tmp_path, lanes):
    def go():
        return start(COUNT_AND_CHECK, TINYCNN_LANES=lanes, NUMBA_CACHE_DIR=str(tmp_path))

    for process in [go() for _ in range(4)]:
        assert int(finish(process)[0].split()[1]) > 0
    assert finish(go())[0].split() == [lanes, "0"]


@pytest.mark.parametrize(
    "widths", [("4",), pytest.param(("16", "8"), marks=pytest.mark.full)], ids=" ".join
)
def test_a_convolution_at_every_width(widths):
    # Side by side: in a fresh clone each compiles its own kernels.
    processes = {n: start(COUNT_AND_CHECK, TINYCNN_LANES=n) for n in widths}
    for lanes, process in processes.items():
        assert finish(process)[0].split()[0] == lanes


# A kernel that tells for how many lanes its code was made, and compiles at once.
WIDTH = """
from tinycnn.kernels.compiled.launch import kernel
from tinycnn.kernels.compiled.simd import LANES
@kernel
def width(piece, y):
    y[0] = LANES
"""

COUNT_AND_TELL = """
import numpy as np
from tinycnn.kernels.compiled import jit
from width import width
compiles = []
jit.before_compile = compiles.append
y = np.zeros(1)
width(1, (y,))
print(int(y[0]), compiles.count("width"))
"""


@jit_on
@pytest.mark.parametrize("level", [False, True])
def test_a_cache_is_carried_to_another_processor_if_it_was_made_for_a_level(level, tmp_path):
    (tmp_path / "width.py").write_text(WIDTH)
    folders = {
        "NUMBA_CACHE_DIR": str(tmp_path / "cache"),
        "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}",
    }
    # What both of them are able to run on any machine; "sse2" says nothing on ARM.
    told = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": "+sse2"} if level else {}
    other = (
        "import llvmlite.binding as llvm\n"  # an LLVM older than the processor may call it generic
        "other = 'x86-64' if llvm.get_host_cpu_name() == 'generic' else 'generic'\n"
        "llvm.get_host_cpu_name = lambda: other\n" + COUNT_AND_TELL
    )
    compiled_here, compiled_there = (
        finish(start(code, **folders, **told))[0].split()[1] for code in (COUNT_AND_TELL, other)
    )
    assert (compiled_here, compiled_there) == ("1", "0" if level else "1")


@jit_on
def test_processes_of_16_8_and_4_lanes_share_one_cache_folder(tmp_path):
    (tmp_path / "width.py").write_text(WIDTH)
    path = f"{ROOT}{os.pathsep}{tmp_path}"

    def go(lanes):
        folders = {"NUMBA_CACHE_DIR": str(tmp_path / "cache"), "PYTHONPATH": path}
        return start(COUNT_AND_TELL, TINYCNN_LANES=str(lanes), **folders)

    # All at once on an empty folder: each compiles, none gets another's code.
    racing = [go(lanes) for lanes in (16, 8, 4)]
    assert [finish(process)[0].split() for process in racing] == [
        ["16", "1"],
        ["8", "1"],
        ["4", "1"],
    ]
    # Then one by one: everything is found, whatever ran in between.
    for lanes in (16, 8, 16):
        assert finish(go(lanes))[0].split() == [str(lanes), "0"]
    assert not list(tmp_path.rglob("*.nbc.*")), "an unfinished file was left behind"


FIRST_USE = """
import numpy as np
from tinycnn.kernels import compiled
compiled.relu_forward(np.ones(3, "float32"))
compiled.relu_forward(np.ones(3, "float64"))
"""


@jit_on
def test_the_first_use_announces_the_compile_once(tmp_path):
    _, err = finish(start(FIRST_USE, NUMBA_CACHE_DIR=str(tmp_path)))
    assert err.count("compiling kernels that have not run here before") == 1
    _, err = finish(start(FIRST_USE, NUMBA_CACHE_DIR=str(tmp_path)))
    assert err == ""


def test_warm_up_leaves_nothing_to_compile(monkeypatch, capsys):
    for dtype in ("float32", "float64"):
        compiled.warm_up(dtype)
    capsys.readouterr()
    assert 0 < compiled.warm_up("float32") < 1
    assert capsys.readouterr() == ("", "")  # nothing compiled, nothing said
    compiles = []
    monkeypatch.setattr(jit, "before_compile", compiles.append)
    for dtype in ("float32", "float64"):
        x = np.ones((2, 9, 9, 3), dtype)
        # Up to half a vector of filters take kernels of their own.
        for F in (simd.LANES // 2 + 1, 20, 40, 70, 140):
            kernel = np.ones((3, 2, 3, F), dtype)
            bias = np.ones(2 * F, dtype)[::2]  # to Numba an array of another type
            y = compiled.conv2d_forward(x, kernel, bias, (2, 1), "same", True)
            # As in a first layer, which is the only one with so few channels.
            compiled.conv2d_backward(y, x, kernel, (2, 1), "same", y, needs_dx=False)
            dy = np.ones((2, 9, 9, 20), dtype)
            compiled.conv2d_backward(dy, dy, np.ones((3, 3, 20, 20), dtype), (1, 1), "same", dy)
            dense = np.ones((20, F), dtype)
            compiled.dense_backward(np.ones((4, F), dtype), np.ones((4, 20), dtype), dense)
        y, winners = compiled.max_pool_forward(x, (3, 3), (2, 2), "same")
        compiled.max_pool_backward(y, winners, x.shape, (3, 3), (2, 2), "same")
        for function in (compiled.relu_forward, compiled.softmax_forward, compiled.log_softmax):
            function(x)
        compiled.softmax_cross_entropy_backward(
            compiled.softmax_cross_entropy_forward(x[0, 0], x[0, 0])[1], x[0, 0]
        )
        compiled.relu_backward(x, x)
        state = [np.ones(5, dtype) for _ in range(4)]
        compiled.adam_update(*state, 0.1, 0.9, 0.99, 1e-7)
        compiled.sgd_update(*state[:3], 0.1, 0.9, True)
        compiled.sgd_update(*state[:2], None, 0.1)
    assert compiles == []


@jit_on
def test_warm_up_leaves_the_other_layers_to_their_first_use():
    """The first compile ever has to stay short, and most models need few of them."""
    codes = named_while(lambda: warming._usual_training("float32"))
    assert codes == {
        "_cross_entropy_gradient",
        "_log_softmax",
        "_relu",
        "_place",
        "_pack",
        "_forward",
        "_dkernel",
        "_finish",
        "_cut_into_lines",
        "_scatter",
        "_adam",
        "_sgd",
        "_pool",
        "_unpool",
    }


def named_while(work):
    """The names of the kernels that a piece of work calls."""
    with launch.planning() as codes:
        work()
    return {code.name for code in codes}


@jit_on
def test_a_model_s_warm_up_takes_what_it_needs_and_changes_nothing(small_model, small_data):
    model = small_model(optimizer="sgd")
    x, y = small_data(8)
    before = model.fingerprint(), x.copy(), y.copy()
    with kernels.use("numba"):
        names = []
        with pytest.MonkeyPatch.context() as patch:
            ready = launch.Code.ready
            patch.setattr(
                launch.Code, "ready", lambda code, *a, **k: names.append(code.name) or ready(code)
            )
            assert model.warm_up(x, y) > 0
        assert {"_forward", "_dkernel", "_sgd", "_log_softmax"} < set(names)
        assert not {"_adam", "_pool", "_average", "_drop"} & set(names)
        compiles = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(jit, "before_compile", compiles.append)
            assert model.fingerprint() == before[0]
            np.testing.assert_array_equal(x, before[1])
            np.testing.assert_array_equal(y, before[2])
            model.train_on_batch(x, y)
        assert compiles == []


def test_warm_up_shows_progress_when_it_compiles(monkeypatch, capsys):
    before = jit.before_compile
    code = next(iter(planned(lambda: compiled.relu_forward(np.ones(3)))))

    def fail(compiles=True):
        if compiles:
            raise ArithmeticError
        return False

    monkeypatch.setattr(code, "ready", fail)
    with pytest.raises(ArithmeticError):
        warming.warm_up(lambda: compiled.relu_forward(np.ones(3)))
    assert "compiling the kernels" in capsys.readouterr().out
    assert jit.before_compile is before


def planned(work):
    with launch.planning() as codes:
        work()
    return codes


# --- lanes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("lanes", ["0", "12", "sixteen"])
def test_wrong_lanes_end_on_the_reference_rung_with_a_notice(lanes):
    code = "from tinycnn import kernels; print(kernels.active())"
    out, err = finish(start(code, TINYCNN_LANES=lanes, TINYCNN_KERNELS="numba"))
    assert out.split() == ["numpy"]
    assert "must be 16, 8 or 4" in err and f"'{lanes}'" in err


def test_lanes_follow_the_host(monkeypatch):
    features = {"avx512f": True, "avx2": True}
    monkeypatch.setattr(simd.binding, "get_host_cpu_features", lambda: features)
    assert simd._lanes_of_host() == 16
    features["avx512f"] = False
    assert simd._lanes_of_host() == 8
    features.clear()
    assert simd._lanes_of_host() == 4


@jit_on
@pytest.mark.parametrize(
    ("told", "lanes"), [("+avx2,+fma", 8), ("+avx2,-avx512f", 8), ("+sse2", 4), ("+avx512f", 16)]
)
def test_lanes_follow_what_numba_is_told_of_the_processor(told, lanes, monkeypatch):
    monkeypatch.setattr(simd.binding, "get_host_cpu_features", lambda: {"avx512f": True})
    monkeypatch.setattr(numba.config, "CPU_FEATURES", told)
    assert simd._lanes_of_host() == lanes


@pytest.mark.full
@pytest.mark.parametrize("lanes", ["16", "8", "4"])
def test_every_kernel_at_every_width(lanes):
    finish_tests(start_tests("numba or random or bits", TINYCNN_LANES=lanes))


# --- the JIT off: the SIMD verbs' plain Python twins check every index ----------------------------

# Every case that is not slow, on the compiled rung in float32.
TRIMMED = "numba and not float64 and not many and not 9000 and not 9001 and not 200-9"


def test_bounds_with_the_jit_off():
    finish_tests(start_tests(TRIMMED, NUMBA_DISABLE_JIT="1", TINYCNN_LANES="4"))


@pytest.mark.full
def test_more_bounds_with_the_jit_off():
    many_too = f"{TRIMMED} or (many_images and float32)"
    finish_tests(start_tests(many_too, NUMBA_DISABLE_JIT="1", TINYCNN_LANES="16"))
    finish_tests(start_tests("numba or random", NUMBA_DISABLE_JIT="1", TINYCNN_LANES="8"))


def test_the_twins_do_check_bounds():
    code = """
import numpy as np
from tinycnn.kernels.compiled.simd import LANES
from tinycnn.kernels.compiled.tiles import (
    indices, load_row, load_tile, multiply_add, multiply_add_parts, store_part, store_tile
)
flat = np.zeros(2 * LANES)
load_row(flat, 0, (0, 0))
tile = load_tile(flat, (0, LANES), (0,))
for action in (
    lambda: load_row(flat, 1, (0, 0)),
    lambda: load_row(flat, -1, (0,)),
    lambda: load_tile(flat, (0, LANES + 1), (0,)),
    lambda: store_tile(flat, (0, LANES), 1, tile),
    lambda: store_part(flat, (0, LANES), 1, tile, LANES),
    lambda: multiply_add(tile, flat, (0, LANES), LANES, (tile[0],)),
    lambda: multiply_add_parts(tile, flat, (0, LANES), LANES - 1, (tile[0],), (0, 0)),
    lambda: indices(np.arange(3), 2, (0, 0)),
):
    try:
        action()
    except IndexError:
        continue
    raise SystemExit("not noticed")
"""
    finish(start(code, NUMBA_DISABLE_JIT="1"))


# --- threads --------------------------------------------------------------------------------------

ONE_HASH = """
import hashlib
import numpy as np
from tinycnn import kernels
from tinycnn.kernels import compiled as c
rng = np.random.default_rng(0)
def random(*shape):
    return rng.standard_normal(shape).astype("float32")
def everything():
    global rng
    rng = np.random.default_rng(0)
    x, kernel, bias = random(7, 13, 11, 5), random(3, 2, 5, 19), random(19)
    for strides, padding in (((1, 1), "valid"), ((2, 1), "same")):
        y = c.conv2d_forward(x, kernel, bias, strides, padding, True)
        yield y
        yield from c.conv2d_backward(y, x, kernel, strides, padding, y)
    big = random(9, 30, 30, 1)
    yield from c.conv2d_backward(random(9, 29, 30, 3), big, random(2, 1, 1, 3))
    pooled, winners = c.max_pool_forward(x, (3, 3), (2, 1), "same")
    yield from (pooled, winners)
    yield c.max_pool_backward(pooled, winners, x.shape, (3, 3), (2, 1), "same")
    logits = c.dense_forward(random(200, 70), random(70, 10), bias[:10])
    yield from c.dense_backward(logits, random(200, 70), random(70, 10))
    yield from c.softmax_cross_entropy_forward(logits, abs(logits))
    state = [abs(random(30000)) for _ in range(4)]
    c.adam_update(*state, 0.1, 0.9, 0.99, 1e-7)
    yield from state
    images = random(9, 20, 21, 40)
    gamma, beta = random(40), random(40)
    mean, variance = c.moments(images)
    yield from (mean, variance, c.batch_norm_forward(images, gamma, beta, mean, variance, 0.1))
    yield from c.batch_norm_backward(images[::-1], images, gamma, mean, variance, 0.1)
    pooled = c.average_pool_forward(images, (3, 3), (2, 1), "same")
    yield from (pooled, c.average_pool_backward(pooled, images.shape, (3, 3), (2, 1), "same"))
    kept = rng.random(images.shape) >= 0.3
    yield c.dropout(images, kept, 0.3)
    transforms = rng.normal(size=(9, 2, 3))
    yield c.affine_transform_forward(images, transforms)
    yield c.affine_transform_backward(images, transforms)
    yield from (c.sigmoid_forward(images), c.elu_forward(images, 0.5))
    yield c.elu_backward(images, images, 0.5)
for threads in THREADS:
    kernels.set_num_threads(threads)
    for repeat in range(3):
        print(hashlib.sha256(b"".join(a.tobytes() for a in everything())).hexdigest())
"""


def test_any_number_of_threads_gives_the_same_bits():
    code = ONE_HASH.replace("THREADS", "(1, 2, 3, 5, 8)")
    out, _ = finish(start(code))
    assert len(out.split()) == 15
    assert len(set(out.split())) == 1


def test_two_python_threads_may_run_kernels_at_once():
    code = """
import threading
import numpy as np
from tinycnn.kernels import compiled
x = np.random.default_rng(0).standard_normal(200_000).astype("float32")
expected = np.maximum(x, 0)
wrong = []
def work():
    for _ in range(200):
        if not np.array_equal(compiled.relu_forward(x), expected):
            wrong.append(1)
workers = [threading.Thread(target=work) for _ in range(3)]
for worker in workers: worker.start()
for worker in workers: worker.join()
print(len(wrong))
"""
    out, _ = finish(start(code))
    assert out.split() == ["0"]


TWO_TRAININGS = """
import threading
import numpy as np
from tinycnn import Conv2D, Dense, Flatten, MaxPooling2D, Sequential
rng = np.random.default_rng(0)
x, y = rng.random((64, 8, 8, 1)), rng.integers(0, 3, 64)
def train(seed, weights):
    layers = [Conv2D(4, 3, activation="relu"), MaxPooling2D(2), Flatten()]
    model = Sequential([*layers, Dense(3, activation="softmax")], seed=seed)
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(x, y, batch_size=16, epochs=20, verbose=0)
    weights[seed] = np.concatenate([w.ravel() for w in model.get_weights()])
alone, together = {}, {}
for seed in (0, 1): train(seed, alone)
workers = [threading.Thread(target=train, args=(seed, together)) for seed in (0, 1)]
for worker in workers: worker.start()
for worker in workers: worker.join()
print(*[np.array_equal(alone[seed], together[seed]) for seed in (0, 1)])
"""


def test_two_python_threads_may_train_at_once():
    out, _ = finish(start(TWO_TRAININGS))
    assert out.split() == ["True", "True"]


@jit_on
def test_a_kernel_that_fails_to_compile_leaves_the_others_usable():
    def wrong(piece, x):
        x.no_such_method()

    with pytest.raises(numba.core.errors.TypingError):
        launch.kernel(wrong)(1, (np.ones(3),))
    done = threading.Event()
    worker = threading.Thread(
        target=lambda: (compiled.relu_forward(np.ones(3)), done.set()), daemon=True
    )
    worker.start()
    worker.join(60)
    assert done.is_set()


SUBJECTS = sorted(file.stem for file in Path(reference.__file__).parent.glob("[a-z]*.py"))


@pytest.mark.parametrize("subject", SUBJECTS)
def test_the_rungs_have_the_same_files_and_in_them_the_same_functions(subject):
    ours = import_module(f"{reference.__name__}.{subject}")
    if subject == "reshaping":  # not hot: the reference's own
        assert all(getattr(compiled, name) is getattr(ours, name) for name in ours.__all__)
        return
    theirs = import_module(f"{compiled.__name__}.{subject}")
    assert set(ours.__all__) == set(theirs.__all__)
    for name in ours.__all__:
        function, twin = getattr(reference, name), getattr(compiled, name)
        assert function is getattr(ours, name) and twin is getattr(theirs, name)
        assert inspect.signature(function) == inspect.signature(twin), name


def test_every_public_function_has_a_subject():
    listed = {
        name
        for subject in SUBJECTS
        for name in import_module(f"{reference.__name__}.{subject}").__all__
    }
    for rung, more in (
        (reference, set()),
        (compiled, {"get_num_threads", "repeated", "set_num_threads", "taking_turns", "warm_up"}),
    ):
        assert {n for n, value in vars(rung).items() if inspect.isfunction(value)} == listed | more
