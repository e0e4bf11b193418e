"""Real Keras and tinycnn side by side on random networks: both rungs, float32 and float64.

    python -m pytest -m "reference and not full" tests/test_keras_live.py  # a fifth of the networks
    python -m pytest -m reference tests/test_keras_live.py                 # all of them
    python -m pytest -m reference tests/test_keras_live.py -k quick        # ten
    python tests/test_keras_live.py [networks]                            # a table of differences

`keras_live.py` draws the cases. As in `test_keras_trace.py`, a comparison yields rows of (quantity,
difference, tolerance), which the tests and the table share.
"""

import functools
import itertools
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import keras_live as live
import numpy as np
import pytest
from test_keras_trace import ACCURACY, ADAM, EXACT, FORWARD, GRADIENT, RUNGS, SGD, Row, shown
from test_keras_trace import difference as absolute
from without_numba import NUMBA

from tinycnn import Callback, Sequential, keras_weights, kernels, layers, losses, optimizers

# TensorFlow 2.21's oneDNN kernels are wrong in float32 (measured on AVX-512): the gradient of a 1x1
# kernel with strides of 2 writes outside its memory, and a 5x4 kernel with strides (1, 3) on one
# channel gives other outputs than in float64. Without them TensorFlow and tinycnn agree. Read by
# TensorFlow when it is imported, hence up here.
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"

pytestmark = [
    pytest.mark.reference,
    # All are right: a softmax over one channel is drawn now and then, and images of normal noise.
    pytest.mark.filterwarnings("ignore:You are using a softmax over axis -1:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*a softmax over one unit is always 1:UserWarning"),
    pytest.mark.filterwarnings("ignore:the images hold values up to:UserWarning"),
    # Keras 3.15's variables under NumPy 2, when it saves them.
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning"),
]

NETWORKS = 220
FITS = 40
TRAVELS = 20
LAYERED_NETS = 60
GROUP = 10
BRANCHED = "networks that branched"
#: Of the ten networks of a group on two rungs: see `branched`. Only flat patches, whose windows are
#: all the same sums, make that likely: the quantised of them from the second step on. Measured 4.
BRANCHED_AT_MOST = 6


@functools.cache
def import_keras():
    """Return (keras, tensorflow), quiet and on the CPU."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    pytest.importorskip("tensorflow", reason="no TensorFlow")
    keras = pytest.importorskip("keras", reason="no Keras")
    import tensorflow as tf

    return keras, tf


@contextmanager
def side_by_side():
    """Leave Keras with the dtype it had, and TensorFlow's threads a core.

    tinycnn gives the same bits on any number of threads, which `test_compiled.py` holds. On two
    cores its threads and TensorFlow's would wait for each other in turns, 7 ms a kernel.
    """
    keras, _ = import_keras()
    threads = kernels.get_num_threads()
    if NUMBA:
        kernels.set_num_threads(1)
    try:
        yield
    finally:
        if NUMBA:
            kernels.set_num_threads(threads)
        start("float32")
        keras.utils.clear_session()


@pytest.fixture(autouse=True)
def tidy():
    with side_by_side():
        yield


def start(dtype):
    """Make `dtype` the default of Keras; return (keras, tensorflow)."""
    keras, tf = import_keras()
    keras.config.set_floatx(dtype)  # of losses, metrics and what is not given another one
    keras.config.set_dtype_policy(dtype)  # of layers
    return keras, tf


def difference(ours, theirs):
    """The largest difference: absolute up to 1, relative to the largest entry above it.

    Rounding is relative: a loss of 300 in float32 comes in steps of 3e-5.
    """
    return absolute(ours, theirs) / max(1.0, float(np.max(np.abs(np.asarray(theirs)), initial=0)))


# --- one network in both --------------------------------------------------------------------------


def made(library, case):
    """Return the layers of a case; `library` is `keras.layers` or ours."""
    drawn = [getattr(library, name)(**arguments) for name, arguments in case.layers]
    return [library.Input(case.shape), *drawn]


def named(library, thing):
    return getattr(library, thing[0])(**thing[1])


def tiny_model(case, dtype, optimizer=("SGD", {}), metrics=None):
    model = drawn_model(case, dtype, optimizer, metrics)
    model.set_weights(case.weights([weight.shape for weight in model.get_weights()]))
    return model


def drawn_model(case, dtype, optimizer=("SGD", {}), metrics=None):
    """Ours, with initial weights of its own."""
    model = Sequential(made(layers, case), dtype=dtype, seed=0)
    model.compile(named(optimizers, optimizer), named(losses, case.loss), metrics)
    return model


def keras_model(keras, case):
    model = keras.Sequential(made(keras.layers, case))
    model.set_weights(case.weights([weight.shape for weight in model.get_weights()]))
    return model


class Step(NamedTuple):
    """What Keras did on one batch."""

    x: np.ndarray
    y: np.ndarray
    loss: Any
    gradients: list[np.ndarray]
    outputs: list[np.ndarray]  # the input, then the output of every layer


class Run(NamedTuple):
    """Steps of one optimizer in Keras, and the weights they led to."""

    steps: list[Step]
    weights: list[np.ndarray]


def keras_run(case, dtype, optimizer, steps=live.STEPS) -> Run:
    keras, tf = start(dtype)
    model = keras_model(keras, case)
    loss, updates = named(keras.losses, case.loss), named(keras.optimizers, optimizer)
    made = []
    for x, y in itertools.islice(case.batches(dtype), steps):
        outputs = [x]
        with tf.GradientTape() as tape:
            for layer in model.layers:
                outputs.append(layer(outputs[-1], training=True))
            value = loss(y, outputs[-1])
        gradients = tape.gradient(value, model.trainable_variables)
        updates.apply(gradients, model.trainable_variables)
        outputs = [np.asarray(output) for output in outputs]
        made.append(Step(x, y, value, list(map(np.asarray, gradients)), outputs))
    return Run(made, model.get_weights())


def branched(model, outputs) -> bool:
    """Whether a layer went another way than Keras's: the sign of a relu, the winner of a pool.

    Two sums that are equal but for their rounding decide nothing in exact arithmetic, and each
    library rounds in its own order. Their outputs are then as good as equal, which is compared,
    their gradients are not: from there on this run is left alone, and counted.
    """
    for layer, x, y in zip(model.layers, outputs[:-1], outputs[1:], strict=True):
        ours = layer.branches()
        if isinstance(layer, layers.MaxPooling2D):
            twin = layers.MaxPooling2D(layer.pool_size, layer.strides, layer.padding)
            twin.build(x.shape[1:], dtype=x.dtype.name)
            twin.forward(x)
            theirs = twin.branches()
        else:
            theirs = [y > 0] if ours else []
        if not all(map(np.array_equal, ours, theirs)):
            return True
    return False


def compare_network(seed, dtype) -> Iterator[tuple[str, Row]]:
    """One pass, then some steps of SGD and of Adam. Yields (rung, row)."""
    case = live.draw(seed)
    for optimizer in (("SGD", case.sgd), ("Adam", case.adam)):
        theirs = keras_run(case, dtype, optimizer)
        exact = theirs
        if (dtype, optimizer[0]) == ("float32", "SGD"):
            exact = keras_run(case, "float64", optimizer, steps=1)
        for rung in RUNGS:
            with kernels.use(rung):
                if optimizer[0] == "SGD":
                    for row in compare_pass(case, dtype, theirs.steps[0], exact.steps[0]):
                        yield rung, row._replace(detail=f"network {seed}, {row.detail}")
                for row in compare_steps(case, dtype, optimizer, theirs):
                    yield rung, row._replace(detail=f"network {seed}, {row.detail}")


def compare_pass(case, dtype, theirs, exact) -> Iterator[Row]:
    model = tiny_model(case, dtype)
    x = theirs.x
    loss, gradients = model.loss_and_gradients(x, theirs.y)
    unlike, unsure = branched(model, theirs.outputs), branched(model, exact.outputs)
    yield Row("loss", difference(loss, theirs.loss), FORWARD[dtype])
    assert all(gradient.dtype == dtype for gradient in gradients)
    yield Row(BRANCHED, float(unlike), np.inf)
    if not unlike:
        triples = zip(gradients, theirs.gradients, exact.gradients, strict=True)
        for index, (ours, expected, best) in enumerate(triples):
            # Where sums cancel, less of float32 is left than the tolerance: over the batch, where
            # the measure is what Keras's own float32 is off by; and, if the loss is tiny, in
            # softmax - y, of numbers near 1 that are rounded to 6e-8 each.
            own = 0.0 if unsure else absolute(expected, best, relative=True)
            own = max(own, -4e-8 / np.expm1(-float(exact.loss))) if dtype == "float32" else 0.0
            yield Row(
                "gradients (relative)",
                absolute(ours, expected, relative=True),
                max(GRADIENT[dtype], 3 * own),
                f"tensor {index}",
            )
    predicted = model.predict(x, verbose=0)
    assert predicted.dtype == dtype
    yield Row("predict", difference(predicted, theirs.outputs[-1]), FORWARD[dtype])
    for layer, expected in zip(model.layers, theirs.outputs[1:], strict=True):
        x = layer.forward(x)
        yield Row("output of every layer", difference(x, expected), FORWARD[dtype], str(layer))


def compare_steps(case, dtype, optimizer, theirs) -> Iterator[Row]:
    name = optimizer[0]
    model = tiny_model(case, dtype, optimizer)
    for number, step in enumerate(theirs.steps, start=1):
        loss = model.train_on_batch(step.x, step.y)
        yield Row(f"{name}, losses", difference(loss, step.loss), FORWARD[dtype], f"step {number}")
        unlike = branched(model, step.outputs)
        yield Row(f"{name}, {BRANCHED}", float(unlike), np.inf, f"step {number}")
        if unlike:
            return
    tolerance = (ADAM if name == "Adam" else SGD)[dtype]
    for index, (ours, expected) in enumerate(zip(model.get_weights(), theirs.weights, strict=True)):
        if (name, dtype) == ("Adam", "float32"):
            told = told_from_noise([step.gradients[index] for step in theirs.steps])
            ours, expected = np.where(told, ours, 0), np.where(told, expected, 0)
        yield Row(
            f"{name}, weights after {len(theirs.steps)} steps",
            difference(ours, expected),
            tolerance,
            f"tensor {index}",
        )


def told_from_noise(gradients) -> np.ndarray:
    """Which entries are in no step below a thousandth of their tensor's largest, but for 0.

    A float32 gradient is off by some 1e-6 of the largest, in both libraries. Adam divides every
    entry by its own size: of one that is not much larger than that it makes steps of up to a whole
    learning rate, of which then the first digits differ. In float64 all entries are compared.
    """
    return np.all([(g == 0) | (np.abs(g) > 1e-3 * np.max(np.abs(g))) for g in gradients], axis=0)


# --- fit ------------------------------------------------------------------------------------------

HOOKS = (
    "on_train_begin",
    "on_epoch_begin",
    "on_train_batch_begin",
    "on_train_batch_end",
    "on_epoch_end",
    "on_train_end",
)


def recorder(base, stop=None, writes=()):
    """Return a callback of either library that notes its calls, and may write logs, or stop."""
    calls = []

    def hook(name):
        def note(self, *arguments, logs=None):  # the logs come by position or by name
            index = [argument for argument in arguments if isinstance(argument, int)]
            logs = next((argument for argument in arguments if isinstance(argument, dict)), logs)
            calls.append((name, *index, dict(logs or {})))
            if name in writes:
                logs[f"from {name}"] = len(calls) / 2
            if stop == (name, sum(call[0] == name for call in calls) - 1):
                self.model.stop_training = True

        return note

    made = type("Recorder", (base,), {name: hook(name) for name in HOOKS})()
    made.calls = calls
    return made


def run_fit(model, fit, base, dtype):
    """Two fits, evaluate and predict, in either library; return all there is to compare."""
    x, y = fit.case.data(dtype)
    callback = recorder(base, fit.stop)
    arguments = fit.arguments | {"callbacks": [callback]}
    at = len(x) - fit.validation
    if fit.validation:
        arguments["validation_data"] = (x[at:], y[at:])
    history = model.fit(x[:at], y[:at], **arguments)
    again = model.fit(x[:at], y[:at], **{**arguments, "epochs": arguments["initial_epoch"] + 1})
    return {
        "calls": callback.calls,
        "params": dict(callback.params),
        "histories": [history, again],
        "weights": model.get_weights(),
        "evaluate": np.ravel(model.evaluate(x, y, batch_size=fit.batch, verbose=0)),
        "predict": model.predict(x, batch_size=fit.batch, verbose=0),
    }


def compare_fit(seed, dtype) -> Iterator[tuple[str, Row]]:
    """Split, partial batches, means, validation, history, callbacks, evaluate, predict."""
    fit = live.draw_fit(seed)
    keras, _ = start(dtype)
    model = keras_model(keras, fit.case)
    model.compile(
        named(keras.optimizers, fit.optimizer),
        named(keras.losses, fit.case.loss),
        metrics=fit.metrics,
        run_eagerly=not fit.graph,
    )
    theirs = run_fit(model, fit, keras.callbacks.Callback, dtype)
    for rung in RUNGS:
        with kernels.use(rung):
            ours = run_fit(
                tiny_model(fit.case, dtype, fit.optimizer, fit.metrics), fit, Callback, dtype
            )
        for row in compare_runs(ours, theirs, dtype, fit.optimizer[0]):
            yield rung, row._replace(detail=f"fit {seed}, {row.detail}")


def compare_runs(ours, theirs, dtype, optimizer) -> Iterator[Row]:
    def skeleton(calls):
        return [(*call[:-1], list(call[-1])) for call in calls]

    def values(name, found, expected, detail):
        for key in found:
            tolerance = (ACCURACY if "accuracy" in key else FORWARD)[dtype]
            kind = "accuracy" if "accuracy" in key else "loss" if "loss" in key else "other"
            yield Row(
                f"fit, {name}, {kind}", difference(found[key], expected[key]), tolerance, detail
            )

    same = skeleton(ours["calls"]) == skeleton(theirs["calls"])
    yield Row("fit, order and arguments of the hooks", float(not same), EXACT, "hooks")
    yield Row("fit, params", float(ours["params"] != theirs["params"]), EXACT, "params")
    for found, expected in zip(ours["calls"], theirs["calls"], strict=False):
        yield from values("logs of the hooks", found[-1], expected[-1], str(found[:-1]))
    for found, expected in zip(ours["histories"], theirs["histories"], strict=True):
        same = list(found.history) == list(expected.history) and (found.epoch, found.params) == (
            expected.epoch,
            expected.params,
        )
        yield Row("fit, history's keys, epochs and params", float(not same), EXACT, "history")
        yield from values("history", found.history, expected.history, "history")
    for index, pair in enumerate(zip(ours["weights"], theirs["weights"], strict=True)):
        tolerance = (ADAM if optimizer == "Adam" else SGD)[dtype]
        yield Row(f"fit, weights at the end, {optimizer}", difference(*pair), tolerance, f"{index}")
    for key, tolerance in (("evaluate", FORWARD), ("predict", FORWARD)):
        yield Row(key, difference(ours[key], theirs[key]), tolerance[dtype])


def test_what_verbose_0_prints(capfd, numpy_rung):  # which has no compile to tell of
    keras, _ = start("float32")
    case = live.draw_fit(0).case
    x, y = case.data("float32")
    theirs = keras_model(keras, case)
    theirs.compile("sgd", named(keras.losses, case.loss), run_eagerly=True)
    for model in (theirs, tiny_model(case, "float32")):
        capfd.readouterr()  # what TensorFlow says while it starts
        model.fit(x, y, verbose=0)
        model.evaluate(x, y, verbose=0)
        model.predict(x, verbose=0)
        assert capfd.readouterr() == ("", "")


# --- weights travel -------------------------------------------------------------------------------


def compare_travel(seed, folder) -> Iterator[tuple[str, Row]]:
    """Weights go across by hand and through the three kinds of files, in both directions."""
    case = live.draw(20_000 + seed)
    keras, _ = start("float32")
    x, y = case.data("float32")
    theirs = keras_model(keras, case)
    theirs.compile("adam", named(keras.losses, case.loss), run_eagerly=True)
    theirs.train_on_batch(x, y)  # the files then hold an optimizer's state too
    expected = theirs.get_weights()
    theirs.save_weights(folder / "keras.weights.h5")
    theirs.save(folder / "keras.keras")
    ours = tiny_model(case, "float32")
    drawn = ours.get_weights()
    keras_weights.save_weights(ours, folder / "ours.weights.h5")

    ways = {
        "Keras to tinycnn, set_weights": lambda: ours.set_weights(theirs.get_weights()),
        "Keras to tinycnn, .weights.h5": lambda: keras_weights.load_weights(
            ours, folder / "keras.weights.h5"
        ),
        "Keras to tinycnn, .keras": lambda: keras_weights.load_weights(
            ours, folder / "keras.keras"
        ),
        "tinycnn to Keras, set_weights": lambda: theirs.set_weights(ours.get_weights()),
        "tinycnn to Keras, .weights.h5": lambda: theirs.load_weights(folder / "ours.weights.h5"),
    }
    for way, travel in ways.items():
        theirs.set_weights(expected)
        ours.set_weights(drawn)
        travel()
        pairs = zip(ours.get_weights(), theirs.get_weights(), strict=True)
        worst = max((absolute(*pair) for pair in pairs), default=0.0)
        predicted = theirs.predict(x, verbose=0)
        for rung in RUNGS:
            with kernels.use(rung):
                yield rung, Row(f"{way}: weights", worst, EXACT, f"network {seed}")
                yield (
                    rung,
                    Row(
                        f"{way}: predictions",
                        difference(ours.predict(x, verbose=0), predicted),
                        FORWARD["float32"],
                        f"network {seed}",
                    ),
                )


# --- the layers beyond the reference network ------------------------------------------------------

#: Batch statistics divide by the spread of a channel: what was rounded before is multiplied by up
#: to 1 / sqrt(0.001) = 32. Measured 2e-5 and 1e-14.
LAYERED = {"float32": 1e-4, "float64": 1e-12}


def layered_weights(case, model):
    """Weights of a case, in float32 values; variances positive, gammas around 1."""
    rng = np.random.default_rng(case.x.size)
    drawn = case.weights([parameter.value.shape for parameter in model.parameters])
    for parameter, weight in zip(model.parameters, drawn, strict=True):
        if parameter.name in ("gamma", "moving_variance"):
            weight[...] = np.float32(rng.uniform(0.5, 2.0, weight.shape))
        if parameter.name in ("beta", "moving_mean"):
            weight[...] = np.float32(rng.uniform(-0.5, 0.5, weight.shape))
    return drawn


def compare_layers(seed, dtype) -> Iterator[tuple[str, Row]]:
    """Gradients of one batch, steps of SGD with penalties and statistics, then inference."""
    case = live.draw_with_layers(seed)
    keras, tf = start(dtype)
    sgd = ("SGD", {"learning_rate": 0.0078125})
    theirs = keras.Sequential(made(keras.layers, case))
    theirs.compile(named(keras.optimizers, sgd), named(keras.losses, case.loss), run_eagerly=True)
    weights = layered_weights(case, drawn_model(case, dtype))
    theirs.set_weights(weights)
    batches = list(case.batches(dtype))
    x, y = batches[0]
    with tf.GradientTape() as tape:
        value = theirs.loss(y, theirs(x, training=True)) + sum(theirs.losses)
    gradients = list(map(np.asarray, tape.gradient(value, theirs.trainable_variables)))
    theirs.set_weights(weights)  # the forward has moved Keras's statistics
    losses = [theirs.train_on_batch(*batch) for batch in batches]
    evaluated = theirs.test_on_batch(x, y)
    predicted = theirs.predict_on_batch(x)
    tolerance, where = LAYERED[dtype], f"network {seed}"
    for rung in RUNGS:
        with kernels.use(rung):
            ours = drawn_model(case, dtype, sgd)
            ours.set_weights(weights)
            loss, found = ours.loss_and_gradients(x, y)
            yield rung, Row("layers: loss", difference(loss, value), tolerance, where)
            for index, pair in enumerate(zip(found, gradients, strict=True)):
                # Relative to the largest entry of all: that of a bias before a batch norm is 0.
                scale = max(float(np.max(np.abs(g), initial=0)) for g in gradients) or 1.0
                off = absolute(*pair) / scale
                yield rung, Row("layers: gradients", off, tolerance, f"{where}, tensor {index}")
            for batch, expected in zip(batches, losses, strict=True):
                off = difference(ours.train_on_batch(*batch), expected)
                yield rung, Row("layers: losses of steps", off, tolerance, where)
            for index, pair in enumerate(
                zip(ours.get_weights(), theirs.get_weights(), strict=True)
            ):
                off = difference(*pair)
                yield rung, Row("layers: weights", off, tolerance, f"{where}, tensor {index}")
            off = difference(ours.test_on_batch(x, y), evaluated)
            yield rung, Row("layers: evaluation", off, tolerance, where)
            off = difference(ours.predict(x, verbose=0), predicted)
            yield rung, Row("layers: prediction", off, tolerance, where)


# --- the tests ------------------------------------------------------------------------------------


def check(rows) -> int:
    """Every row keeps its tolerance; return on how many rungs a network branched."""
    rungs = set()
    for rung, row in rows:
        assert row.difference <= row.tolerance, (rung, row)
        if BRANCHED in row.quantity and row.difference:
            rungs.add(rung)
    return len(rungs)


def beyond(seeds, count, name=str):
    """The seeds as parameters, those from `count` on for the `full` tier."""
    full = pytest.mark.full
    return [pytest.param(n, id=name(n), marks=[full] if n >= count else []) for n in seeds]


def groups(count):
    """The first seeds of groups; at least two groups, or a fifth of all, are for every run."""
    names = {0: "quick"}
    seeds = range(0, count, GROUP)
    return beyond(seeds, max(2 * GROUP, count // 5), lambda n: names.get(n, f"from {n}"))


@pytest.mark.parametrize("dtype", live.DTYPES)
@pytest.mark.parametrize("first", groups(NETWORKS))
def test_networks(first, dtype):
    found = sum(check(compare_network(seed, dtype)) for seed in range(first, first + GROUP))
    assert found <= BRANCHED_AT_MOST


@pytest.mark.parametrize("dtype", live.DTYPES)
@pytest.mark.parametrize("first", groups(LAYERED_NETS))
def test_networks_with_other_layers(first, dtype):
    for seed in range(first, first + GROUP):
        check(compare_layers(seed, dtype))


@pytest.mark.parametrize("dtype", live.DTYPES)
@pytest.mark.parametrize(
    "name, arguments",
    [
        ("LeakyReLU", {}),
        ("ELU", {}),
        *(("Activation", {"activation": name}) for name in ("leaky_relu", *live.SMOOTH)),
    ],
)
def test_activations_with_their_defaults(name, arguments, dtype):
    keras, tf = start(dtype)
    x = np.random.default_rng(0).standard_normal((20, 30)).astype(dtype)
    x[0, :3] = 0  # at 0, too, the derivative is Keras's
    with tf.GradientTape() as tape:
        inputs = tf.constant(x)
        tape.watch(inputs)
        y = getattr(keras.layers, name)(**arguments)(inputs)
    dx = tape.gradient(y, inputs)
    ours = getattr(layers, name)(**arguments)
    for rung in RUNGS:
        with kernels.use(rung):
            # In float64, too, Keras's slopes are float32: 0.2 is off by 3e-9, 0.3 by 1e-8.
            tolerance = 5e-8 if "leaky" in str(arguments) or name == "LeakyReLU" else 1e-15
            tolerance = 1e-6 if dtype == "float32" else tolerance
            assert difference(ours.forward(x), y) <= tolerance
            assert difference(ours.backward(np.ones_like(x)), dx) <= tolerance


@pytest.mark.parametrize("rate", [0.1, 0.25, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("dtype", live.DTYPES)
def test_dropout_scales_as_in_keras(rate, dtype):
    """The masks are each library's own; what is kept has the same bits, what is not is 0."""
    keras, _ = start(dtype)
    x = np.random.default_rng(0).standard_normal((200, 30)).astype(dtype)
    theirs = np.asarray(keras.layers.Dropout(rate, seed=1)(x, training=True))
    ours = layers.Dropout(rate)
    for rung in RUNGS:
        with kernels.use(rung):
            y = ours.forward(x, training=True)
        both = (y != 0) & (theirs != 0)
        assert both.any() == (rate < 1)
        np.testing.assert_array_equal(y[both], theirs[both])
        # 6000 draws: the share varies by 0.0065; five times that, for each.
        assert abs((y == 0).mean() - (theirs == 0).mean()) <= 0.065


@pytest.mark.filterwarnings("ignore:Skipping variable loading for optimizer:UserWarning")  # ours
def test_weights_of_batch_norm_and_dropout_travel(tmp_path):
    keras, _ = start("float32")

    def network(library):
        return [
            library.Input((6, 6, 1)),
            library.Conv2D(3, 3),
            library.BatchNormalization(),
            library.Dropout(0.5),
            library.BatchNormalization(scale=False),
            library.Flatten(),
            library.Dropout(0.0),
            library.Dense(2),
        ]

    x = np.random.default_rng(0).random((5, 6, 6, 1)).astype("float32")
    theirs, ours = keras.Sequential(network(keras.layers)), Sequential(network(layers))
    theirs.compile("sgd", "mse", run_eagerly=True)
    theirs.train_on_batch(x, np.ones((5, 2)))  # statistics that are not those of the start
    theirs.save_weights(tmp_path / "keras.weights.h5")
    keras_weights.load_weights(ours, tmp_path / "keras.weights.h5")
    for pair in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(*pair)
    assert difference(ours.predict(x, verbose=0), theirs.predict(x, verbose=0)) <= 1e-5
    fresh = keras.Sequential(network(keras.layers))
    keras_weights.save_weights(ours, tmp_path / "ours.weights.h5")
    fresh.load_weights(tmp_path / "ours.weights.h5")
    for pair in zip(fresh.get_weights(), ours.get_weights(), strict=True):
        np.testing.assert_array_equal(*pair)


@pytest.mark.parametrize("dtype", live.DTYPES)
@pytest.mark.parametrize("first", groups(FITS))
def test_fits(first, dtype):
    for seed in range(first, first + GROUP):
        check(compare_fit(seed, dtype))


@pytest.mark.filterwarnings("ignore:Skipping variable loading for optimizer:UserWarning")  # ours
@pytest.mark.parametrize("seed", beyond(range(TRAVELS), TRAVELS // 4))
def test_weights_travel(seed, tmp_path):
    check(compare_travel(seed, tmp_path))


# --- differences found, each with its smallest case -----------------------------------------------


def test_what_is_written_into_the_logs_stays_in_its_call():
    """A key that a callback adds reaches the later callbacks of that call, History among them.

    It does not reach the epoch from a batch, nor the end of the training from an epoch.
    """
    keras, _ = start("float32")
    case = live.draw_fit(0).case
    x, y = case.data("float32")
    theirs = keras_model(keras, case)
    theirs.compile("sgd", named(keras.losses, case.loss), run_eagerly=True)
    seen = []
    for model, base in (
        (theirs, keras.callbacks.Callback),
        (tiny_model(case, "float32"), Callback),
    ):
        first, second = (
            recorder(base, writes=("on_train_batch_end", "on_epoch_end")),
            recorder(base),
        )
        history = model.fit(x, y, epochs=2, callbacks=[first, second], verbose=0)
        seen.append([[sorted(call[-1]) for call in second.calls], sorted(history.history)])
    assert seen[1] == seen[0]


#: Layers behind a softmax, and before a cross-entropy: is the loss that of the logits, or clipped?
HEADS = {
    "softmax": [("Dense", {"units": 5, "activation": "softmax"})],
    "softmax, linear": [
        ("Dense", {"units": 5, "activation": "softmax"}),
        ("Activation", {"activation": "linear"}),
    ],
    "softmax, flatten": [("Dense", {"units": 5, "activation": "softmax"}), ("Flatten", {})],
    "softmax, relu": [("Dense", {"units": 5, "activation": "softmax"}), ("ReLU", {})],
    "softmax, softmax": [("Dense", {"units": 5, "activation": "softmax"}), ("Softmax", {})],
    "softmax, rescaling": [
        ("Dense", {"units": 5, "activation": "softmax"}),
        ("Rescaling", {"scale": 0.5, "offset": 0.25}),
    ],
    "linear": [("Dense", {"units": 5})],
}


@pytest.mark.filterwarnings("ignore:the loss expects logits:UserWarning")  # ours, and
@pytest.mark.filterwarnings("ignore:.*received `from_logits=True`:UserWarning")  # Keras's
@pytest.mark.parametrize("from_logits", [False, True])
@pytest.mark.parametrize("loss", [live.CATEGORICAL, live.SPARSE])
@pytest.mark.parametrize(
    "head",
    HEADS,
)
def test_heads(head, loss, from_logits):
    """Logits up to 100: there a clipped loss is 16, and its gradient 0."""
    keras, tf = start("float64")
    rng = np.random.default_rng(3)
    x, labels = rng.normal(0.0, 1.0, (6, 3, 3, 2)), rng.integers(0, 5, 6)
    y = np.eye(5)[labels] if loss == live.CATEGORICAL else labels
    case = live.draw(0)._replace(
        shape=(3, 3, 2),
        layers=[("Flatten", {}), *HEADS[head]],
        loss=(loss, {"from_logits": from_logits}),
    )
    ours, theirs = tiny_model(case, "float64"), keras_model(keras, case)
    weights = [30 * weight for weight in ours.get_weights()]
    ours.set_weights(weights)
    theirs.set_weights(weights)
    theirs.compile("sgd", named(keras.losses, case.loss), run_eagerly=True)
    assert np.max(np.abs(x.reshape(6, -1) @ weights[0])) > 50
    expected = theirs.train_on_batch(x, y)
    for rung in RUNGS:
        with kernels.use(rung):
            ours.set_weights(weights)
            assert difference(ours.train_on_batch(x, y), expected) <= FORWARD["float64"]
            for pair in zip(ours.get_weights(), theirs.get_weights(), strict=True):
                assert difference(*pair) <= SGD["float64"]


# --- the table ------------------------------------------------------------------------------------


def table(networks) -> str:
    """Return the largest difference of every quantity on each rung, and its tolerance, as text."""
    found: dict[str, dict[tuple[str, str], list[Row]]] = {}
    cases: dict[str, set[int]] = {}

    def note(seed, dtype, rows):
        for rung, row in rows:
            found.setdefault(row.quantity, {}).setdefault((dtype, rung), []).append(row)
            cases.setdefault(row.quantity, set()).add(seed)

    for compare, count in (
        (compare_network, networks),
        (compare_layers, min(networks, LAYERED_NETS)),
        (compare_fit, min(networks, FITS)),
    ):
        for seed in range(count):
            for dtype in live.DTYPES:
                note(seed, dtype, compare(seed, dtype))
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(min(networks, TRAVELS)):
            note(seed, "float32", compare_travel(seed, Path(folder)))
    lines = ["| largest difference | networks |", "|---|---|"]
    for dtype in live.DTYPES:
        lines[0] += "".join(f" {dtype}, {rung} |" for rung in RUNGS) + " tolerance |"
        lines[1] += "---|" * (len(RUNGS) + 1)
    for quantity, by_rung in found.items():
        line = f"| {quantity} | {len(cases[quantity])} |"
        for dtype in live.DTYPES:
            for rung in RUNGS:
                line += f" {worst(by_rung.get((dtype, rung), []))} |"
            tolerances = [row.tolerance for row in by_rung.get((dtype, RUNGS[0]), [])]
            line += f" {shown(min(tolerances)) if tolerances else '-'} |"
        lines.append(line)
    return "\n".join(lines)


def worst(rows) -> str:
    """The largest difference; how many needed more than the smallest tolerance, or branched."""
    if not rows:
        return "-"
    if BRANCHED in rows[0].quantity:
        return f"{int(sum(row.difference for row in rows))}"
    largest = max(row.difference for row in rows)
    slack = sum(row.difference > min(row.tolerance for row in rows) for row in rows)
    failed = any(row.difference > row.tolerance for row in rows)
    return shown(largest) + f" ({slack} by rounding)" * bool(slack) + " (TOO LARGE)" * failed


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # see `pytestmark`
    with side_by_side():
        print(table(int(sys.argv[1]) if sys.argv[1:] else NETWORKS))
