"""Every argument of every public class, with values that are none: a clear error, or it works."""

import inspect
import math

import numpy as np
import pytest

import tinycnn
from tinycnn import callbacks, optimizers, regularizers

pytestmark = pytest.mark.usefixtures("numpy_rung")

HOSTILE = [10**20, 10**400, -(10**400), 10**5000, -1, 0, 1, True, None, math.nan, math.inf]
HOSTILE += [-math.inf, 1e308, 5e-324, "3", "", b"3", [], {}, (), [10**400], (10**20, 1), (1, 2, 3)]
HOSTILE += [np.float32(2), np.int64(3), np.array(3), np.array([3]), np.bool_(True), 1 + 2j, object]

CLASSES = {
    cls.__name__: cls
    for module in (tinycnn, callbacks, optimizers, optimizers.schedules, regularizers)
    for cls in vars(module).values()
    if isinstance(cls, type)
    and cls.__module__.startswith("tinycnn.")
    and not issubclass(cls, BaseException)
    and cls.__name__ not in ("Optimizer", "Named", "Parameter", "ProgressLine")
}
# What a class must be given, for the others of its arguments to be looked at.
NEEDED = {
    "filters": 2,
    "kernel_size": 2,
    "units": 2,
    "target_shape": (-1,),
    "stddev": 0.5,
    "shape": (3,),
    "rate": 0.5,
    "activation": "relu",
    "pool_size": 2,
    "scale": 0.5,
    "height_factor": 0.1,
    "width_factor": 0.1,
    "factor": 0.1,
    "path": "c.npz",
    "filepath": "c.npz",
    "filename": "c.csv",
    "schedule": lambda epoch: 0.1,
    "initial_learning_rate": 0.1,
    "decay_steps": 10,
    "decay_rate": 0.5,
    "boundaries": [1],
    "values": [1.0, 0.1],
}


def parameters():
    for name, cls in sorted(CLASSES.items()):
        given = {}
        for base in cls.__mro__[:-1]:
            if "__init__" in vars(base):
                signature = inspect.signature(base.__init__).parameters.values()
                given |= {p.name: p for p in signature if p.kind not in (p.VAR_KEYWORD,)}
                if not any(p.kind == p.VAR_KEYWORD for p in signature):
                    break
        for argument, parameter in given.items():
            if argument != "self" and parameter.kind != parameter.VAR_POSITIONAL:
                yield name, argument


def use(thing):
    """What a made thing is for: a layer is built, a schedule asked, an optimizer makes a step."""
    if isinstance(thing, tinycnn.Layer):
        for shape in ((6, 6, 2), (5,)):
            try:
                thing.build(shape)
            except MemoryError:
                pass
    elif isinstance(thing, optimizers.schedules.LearningRateSchedule):
        for step in (0, 1, 10**9):
            thing(step)
    elif isinstance(thing, optimizers.Optimizer):
        weight = tinycnn.parameter.Parameter("w", np.ones(2), np.ones(2))
        thing.update([weight])


@pytest.mark.parametrize(("name", "argument"), list(parameters()))
def test_hostile_values_are_refused_or_work(name, argument, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if name == "TensorBoard":
        pytest.importorskip("tensorboardX", reason="needs tensorboardX")
    cls = CLASSES[name]
    required = {
        p.name: NEEDED[p.name]
        for p in inspect.signature(cls).parameters.values()
        if p.default is p.empty and p.name in NEEDED
    }
    for value in HOSTILE:
        try:
            thing = cls(**{**required, argument: value})
            use(thing)
        except (ValueError, TypeError) as error:
            told = str(error)
            assert told, f"{value!r:.50}: an error without words"
            assert len(told) < 700, told[:100]
            assert "\n" not in told
        except NotImplementedError as error:
            assert "needs a" in str(error)
        except ImportError as error:  # of an extra, whose arguments have been checked by now
            assert "pip install 'tinycnn[" in str(error)


def test_the_classes_are_all_there():
    assert {"Conv2D", "Adam", "CosineDecay", "EarlyStopping", "L2", "Sequential"} <= set(CLASSES)
    assert len(list(parameters())) > 150


@pytest.mark.parametrize("call", ["strides", "pool_size", "kernel_size"])
@pytest.mark.parametrize("value", [2**31 - 1, 2**31, 10**20, 10**400])
def test_windows_of_any_size(call, value):
    make = tinycnn.MaxPooling2D if call == "pool_size" else tinycnn.Conv2D
    arguments = {"pool_size": 2} if call == "pool_size" else {"filters": 1, "kernel_size": 2}
    x = np.ones((1, 4, 4, 1))
    if value < 2**31 and call == "strides":  # one window
        layer = make(**arguments, strides=value)
        assert layer.forward(x).shape == (1, 1, 1, 1)
        assert layer.backward(np.ones((1, 1, 1, 1))).shape == x.shape
    else:
        with pytest.raises(ValueError, match=f"`{call}` must "):
            make(**{**arguments, call: value}).forward(x)
