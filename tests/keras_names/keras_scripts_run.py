"""Runs the scripts of `scripts/` on Keras, and on tinycnn with other import lines.

What is compared is what a script asks of its models: each `fit`, `evaluate`, `predict` and
`train_on_batch`, with its result, and the shapes and counts that the script prints. Before a model
is first used it is given weights that follow from their shapes, the same on both sides, and no
training shuffles: so the numbers are the same within float32. A script with noise of its own
(dropout, augmentation) can have equal shapes and keys only.
"""

import contextlib
import functools
import io
import os
import re
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

SCRIPTS = Path(__file__).with_name("scripts")
NAMES = sorted(path.stem for path in SCRIPTS.glob("*.py"))
NOISE = re.compile(r"Dropout\((?!0\.0)|Random[A-Z]|GaussianNoise")

# A line of this form is rewritten, and no other.
IMPORTS = (
    (r"^import tensorflow as tf$", "import tinycnn as tf"),
    (r"^import keras$", "import tinycnn as keras"),
    (r"^from tensorflow import keras$", "from tinycnn import keras"),
    (r"^from (?:tensorflow\.)?keras import ", "from tinycnn import "),
    (r"^from (?:tensorflow\.)?keras\.([\w.]+) import ", r"from tinycnn.\1 import "),
)


class Record(NamedTuple):
    """What a script did."""

    calls: list[tuple[str, Any]]  # (method, result)
    printed: list[str]  # shapes and counts, in order
    warned: list[str]


def import_keras() -> Any:
    """Keras, quiet and on the CPU, without the kernels that are wrong: see test_keras_live.py."""
    os.environ |= {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
    os.environ |= {"CUDA_VISIBLE_DEVICES": "", "TF_ENABLE_ONEDNN_OPTS": "0"}
    import keras

    return keras


def text_of(name: str, ours: bool) -> str:
    """The script; for tinycnn with its import lines changed."""
    text = (SCRIPTS / f"{name}.py").read_text("utf-8")
    if ours:
        for theirs, new in IMPORTS:
            text = re.sub(theirs, new, text, flags=re.MULTILINE)
    return text


def is_noisy(name: str) -> bool:
    return bool(NOISE.search(text_of(name, False)))


def digits(count, seed):
    """Images (count, 28, 28) of uint8 that tell their class: a bright block at its place."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 10, count)
    x = rng.integers(0, 60, (count, 28, 28))
    for image, label in zip(x, y, strict=True):
        row, column = 2 + 12 * (label // 5), 1 + 5 * (label % 5)
        image[row : row + 9, column : column + 5] += 180
    return x.astype(np.uint8), y.astype(np.uint8)


def load_data(path="mnist.npz"):
    return digits(320, 1), digits(100, 2)


def weights_for(shapes):
    """Weights of these shapes: kernels of the usual size, and what else is there as it is."""
    rng = np.random.default_rng(len(shapes))
    return [
        rng.normal(0, np.sqrt(1.5 / np.prod(shape[:-1])), shape).astype(np.float32)
        if len(shape) > 1
        else None
        for shape in shapes
    ]


def run(name: str, package: Any, classes: Sequence[type], ours: bool) -> Record:
    """Runs a script in the current folder.

    Args:
        name: one of NAMES.
        package: `keras` or `tinycnn`.
        classes: those that have the methods of its models.
        ours: whether it is tinycnn's.
    """
    calls: list[tuple[str, Any]] = []
    started: list[Any] = []  # models that have their weights; held, so that no id comes again
    depth = 0

    def start(model, x):
        if any(model is other for other in started):
            return
        started.append(model)
        if not model.built:
            model.build((None, *np.shape(x)[1:]))
        old = model.get_weights()
        # Of layers that are in an earlier model, too, the weights stay as they are.
        earlier = {id(weight) for m in started[:-1] for weight in m.weights}
        kept = [id(weight) in earlier for weight in model.weights]
        new = weights_for([weight.shape for weight in old])
        model.set_weights(
            [o if k or n is None else n for o, n, k in zip(old, new, kept, strict=True)]
        )

    def noting(method, cls):
        original = vars(cls)[method]

        @functools.wraps(original)
        def call(self, x, *arguments, **keywords):
            nonlocal depth
            if depth:  # `fit` evaluates
                return original(self, x, *arguments, **keywords)
            start(self, x)
            if method == "fit":
                keywords["shuffle"] = False
            depth += 1
            try:
                result = original(self, x, *arguments, **keywords)
            finally:
                depth -= 1
            calls.append((method, result.history if method == "fit" else result))
            return result

        return original, call

    methods = ("fit", "evaluate", "predict", "train_on_batch", "test_on_batch", "predict_on_batch")
    replaced = [
        (cls, method, *noting(method, cls))
        for cls in {base: None for c in classes for base in c.__mro__}
        for method in methods
        if method in vars(cls)
    ]
    mnist = package.datasets.mnist
    real_data = mnist.load_data
    output = io.StringIO()
    try:
        mnist.load_data = load_data
        for cls, method, _, call in replaced:
            setattr(cls, method, call)
        package.utils.clear_session()  # Keras counts the names of layers through a session
        package.utils.set_random_seed(1)
        with contextlib.redirect_stdout(output), warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            exec(compile(text_of(name, ours), f"{name}.py", "exec"), {"__name__": "__main__"})
    finally:
        mnist.load_data = real_data
        for cls, method, original, _ in replaced:
            setattr(cls, method, original)
    return Record(calls, shapes_in(output.getvalue()), [str(w.message) for w in caught])


def shapes_in(output: str) -> list[str]:
    """What a script and `summary` print of shapes, names and counts, without Keras's progress."""
    found = []
    for line in output.splitlines():
        if not re.search(r"━━|\bstep\b|/step|^Epoch \d", line) or line.startswith(("┏", "┡")):
            line = re.sub(r"\x1b\[[0-9;]*m", "", line)  # colours
            line = re.sub(r"-?\d+\.\d+(e[+-]?\d+)?", "", line)  # losses and the like
            found += re.findall(r"\((?:(?:None|\d+),? ?)+\)|\{.*\}|\[.*\]|(?<!\w)\d[\d,]*", line)
    return found


def in_folder(folder, *arguments) -> Record:
    before = os.getcwd()
    os.chdir(folder)
    try:
        return run(*arguments)
    finally:
        os.chdir(before)


def flat(result: Any) -> list[tuple[str, np.ndarray]]:
    """The numbers of a result by their names."""
    if isinstance(result, dict):
        return [(name, np.asarray(values, float)) for name, values in sorted(result.items())]
    if isinstance(result, list) and result and isinstance(result[0], np.ndarray):
        return [(str(i), np.asarray(part, float)) for i, part in enumerate(result)]
    return [("", np.asarray(result, float))]


def difference(theirs: Any, ours: Any) -> float:
    """The largest difference of the numbers of two results, relative where they exceed 1."""
    worst = 0.0
    for (_, a), (_, b) in zip(flat(theirs), flat(ours), strict=True):
        if a.size:
            worst = max(worst, float(np.max(np.abs(a - b) / np.maximum(1, np.abs(a)))))
    return worst


def main() -> None:
    """Prints a line a script: what it compared, and the largest differences."""
    import tempfile

    import tinycnn

    keras = import_keras()
    good = 0
    for name in sys.argv[1:] or NAMES:
        with tempfile.TemporaryDirectory() as folder:
            theirs = in_folder(folder, name, keras, [keras.Sequential, keras.Model], False)
        with tempfile.TemporaryDirectory() as folder:
            try:
                ours = in_folder(folder, name, tinycnn, [tinycnn.Model], True)
            except Exception as error:
                print(f"{name:24} FAILED {type(error).__name__}: {error}")
                continue
        kinds = [method for method, _ in theirs.calls]
        if kinds != [method for method, _ in ours.calls] or theirs.printed != ours.printed:
            print(f"{name:24} DIFFERS", theirs.printed, ours.printed)
            continue
        good += 1
        worst = [difference(a, b) for (_, a), (_, b) in zip(theirs.calls, ours.calls, strict=True)]
        noisy = "noise" if is_noisy(name) else ""
        print(
            f"{name:24} {len(kinds)} calls, {max(worst, default=0):.1e} {noisy}", ours.warned or ""
        )
    print(f"{good} scripts do the same on both")


if __name__ == "__main__":
    main()
