"""Fixtures of the whole suite: the two rungs, and a network small enough to train at once."""

import os
import signal
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import other_sums
import pytest
from without_numba import NUMBA, need

from tinycnn import Conv2D, Dense, Flatten, MaxPooling2D, Sequential, kernels
from tinycnn.utils import set_random_seed

ROOT = Path(__file__).parents[1]

# What the tests start imports this checkout, as they do, whatever is installed.
os.environ["PYTHONPATH"] = os.pathsep.join(
    [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
)

# Without Numba each process would say that it runs on NumPy, into what the tests read of it.
if not NUMBA:
    os.environ.setdefault("TINYCNN_KERNELS", "numpy")

# Triton, the compiler for GPUs that PyTorch may bring, has an LLVM of its own. It can crash beside
# that of TensorFlow, and PyTorch works without it.
sys.modules.setdefault("triton", None)

for setting in filter(None, os.environ.get("OTHER_SUMS", "").split(",")):
    name, _, seed = setting.partition(":")
    other_sums.replace(import_module(f"tinycnn.kernels.{name}"), int(seed))


def pytest_sessionstart(session):
    """On an empty cache the whole suite begins by compiling the kernels on two cores at once.

    Every layer's adjoint runs every kernel: float32 in one process, float64 in another. Whether
    they pass is seen when they run again.
    """
    folder = Path(os.environ.get("NUMBA_CACHE_DIR") or Path(kernels.__file__).parent)
    whole = session.config.args_source is pytest.Config.ArgsSource.TESTPATHS
    whole = whole and not session.config.option.collectonly
    whole = whole and not hasattr(session.config, "workerinput")  # one of several, see pytest-xdist
    if NUMBA and whole and not any(folder.rglob("*.nbc")):
        print("compiling the kernels, once for this copy of tinycnn", flush=True)
        command = [sys.executable, "-m", "pytest", "-q", "tests/test_adjoint.py", "-k"]
        halves = [
            subprocess.Popen([*command, f"numba and {dtype}"], cwd=ROOT, stdout=subprocess.DEVNULL)
            for dtype in ("float32", "float64")
        ]
        for half in halves:
            half.wait()


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup():
    """Models that are given no seed have the same ones in every run, whatever ran before."""
    set_random_seed(0)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call():
    """As for the fixtures."""
    set_random_seed(0)


@pytest.fixture(scope="session", autouse=True)
def ctrl_c():
    """Ctrl-C means what it does at a terminal: a shell's background jobs start with it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(params=["numpy", "numba"])
def rung(request):
    """Runs the test once on each rung; an unusable compiled rung is a failure, not a fallback."""
    need(request.param)
    with kernels.use(request.param):
        assert kernels.active() == request.param, "the compiled rung cannot be set up here"
        yield request.param


@pytest.fixture
def numpy_rung():
    """The reference rung, for tests of what does not depend on the rung."""
    with kernels.use("numpy"):
        yield


@pytest.fixture
def small_model():
    """A function that makes a compiled network with every kind of layer, for `small_data`."""

    def make(optimizer="adam", loss="categorical_crossentropy", first=(), seed=0, **arguments):
        model = Sequential(
            [
                *first,
                Conv2D(3, (3, 3), activation="relu", input_shape=(6, 6, 1)),
                MaxPooling2D((2, 2)),
                Flatten(),
                Dense(5, activation="relu"),
                Dense(3, activation="softmax"),
            ],
            seed=seed,
            **arguments,
        )
        model.compile(optimizer, loss, metrics=["accuracy"])
        return model

    return make


@pytest.fixture
def small_data():
    """A function that draws n images (n, 6, 6, 1) in [0, 1) and one-hot labels (n, 3)."""

    def draw(n, seed=0):
        rng = np.random.default_rng(seed)
        return rng.random((n, 6, 6, 1), np.float32), np.eye(3)[rng.integers(0, 3, n)]

    return draw
