"""Replay the Keras trace with tinycnn, without Keras: both rungs, float32 and float64.

    python -m pytest tests/test_keras_trace.py
    python tests/test_keras_trace.py     # the package installed: a table of the differences

`make_keras_trace.py` wrote the trace, and says what is in it. The tests and the table share the
comparisons: a comparison yields rows of (quantity, difference, tolerance).
"""

import functools
from collections.abc import Iterator
from typing import NamedTuple

import keras_trace as trace
import numpy as np
import pytest

import tinycnn
from tinycnn import initializers, kernels, layers, losses, optimizers
from tinycnn.parameter import Parameter

RUNGS = ("numpy", "numba")

# Every tolerance is some five times or more what was measured, and far below what a wrong formula
# does (a wrong tie rule in max-pooling: 0.1 to 0.9 of the largest gradient; Adam's epsilon at
# another place: 5e-7 in 200 steps, hence the bits).

#: Logits, probabilities, losses: absolute. Sums of up to 576 products of order 1, so float32
#: rounds at some 1e-7 in an order that is each library's own; float64 at some 1e-16.
FORWARD = {"float32": 1e-5, "float64": 1e-12}
#: Gradients: relative to the largest entry of the tensor, for the entries of a sum over a batch
#: cancel, so that each is only as exact as the terms of the sum are large. Measured 1e-6 and 2e-15.
GRADIENT = {"float32": 5e-6, "float64": 1e-12}
#: Weights after the steps of SGD: absolute. Linear in the gradients, so their rounding is only
#: multiplied by the learning rate. Measured 3e-8 and 6e-17.
SGD = {"float32": 1e-6, "float64": 1e-12}
#: Weights after 12 steps of Adam: absolute. It divides each gradient by its own size, so that the
#: rounding of a tiny gradient becomes a share of a whole step of 1e-3. Measured 2e-6 and 3e-15.
ADAM = {"float32": 1e-5, "float64": 1e-12}
#: Shares of right answers: the same count, but Keras averages in the dtype of the model, and
#: float32 rounds at 6e-8.
ACCURACY = {"float32": 1e-6, "float64": 1e-12}
#: Whole numbers, additions in an order that both sides define, or arithmetic in the same order.
EXACT = 0.0


class Row(NamedTuple):
    """One comparison with Keras."""

    quantity: str
    difference: float
    tolerance: float
    detail: str = ""


load = functools.cache(trace.load)


def difference(ours, theirs, relative=False) -> float:
    """Return the largest absolute difference, by the largest entry of `theirs` if `relative`."""
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    if ours.shape != theirs.shape:
        return np.inf
    largest = np.max(np.abs(ours.astype(np.float64) - theirs.astype(np.float64)))
    if relative:
        largest /= np.max(np.abs(theirs)) or 1.0
    return float(largest) if np.isfinite(largest) else np.inf


# The whole network.


def make_optimizer(name):
    class_name, arguments = trace.OPTIMIZERS[name]
    return getattr(optimizers, class_name)(**arguments)


def make_model(dtype, *, variant="reference", softmax=True, optimizer="adam"):
    """Return the compiled network with the weights of the trace."""
    arguments = trace.NARROW if variant == "narrow" else {}
    model = tinycnn.Sequential(trace.network(layers, softmax=softmax, **arguments), dtype=dtype)
    loss = losses.CategoricalCrossentropy(from_logits=not softmax)
    model.compile(optimizer=make_optimizer(optimizer), loss=loss, metrics=["accuracy"])
    model.set_weights([load("network")[f"{variant}.weight.{index}"] for index in range(10)])
    return model


def inputs(dtype):
    """Return all images and one-hot labels of the trace."""
    recorded = load("network")
    return trace.scaled(recorded["images"], dtype), trace.one_hot(recorded["labels"], dtype)


def compare_pass(dtype, variant, softmax) -> Iterator[Row]:
    """One forward and backward pass, through the softmax layer or ending in logits."""
    keras = {
        name.removeprefix(f"{dtype}.{variant}."): value for name, value in load("network").items()
    }
    x, y = (array[: trace.BATCH] for array in inputs(dtype))
    model = make_model(dtype, variant=variant, softmax=softmax)
    loss, gradients = model.loss_and_gradients(x, y)
    yield Row("loss", difference(loss, keras["loss"]), FORWARD[dtype])
    output = "probabilities" if softmax else "logits"
    predicted = model.predict(x, verbose=0)
    yield Row(output, difference(predicted, keras[output]), FORWARD[dtype])
    assert predicted.dtype == dtype
    assert len(gradients) == 10
    for index, gradient in enumerate(gradients):
        expected = keras[f"gradient.{index}"]
        assert gradient.dtype == dtype
        yield Row(
            "gradients (relative)",
            difference(gradient, expected, relative=True),
            GRADIENT[dtype],
            f"tensor {index}",
        )
        # Dead units and empty pixels: what is exactly zero in Keras is exactly zero here.
        yield Row(
            "gradients that are exactly zero",
            float(np.max(np.abs(gradient[expected == 0]), initial=0.0)),
            EXACT,
            f"tensor {index}",
        )


def compare_evaluation(dtype, variant) -> Iterator[Row]:
    """Predict and evaluate on 83 images in batches of 32."""
    recorded = load("network")
    x, y = (array[: trace.EVALUATED] for array in inputs(dtype))
    model = make_model(dtype, variant=variant)
    expected_loss, expected_accuracy = recorded[f"{dtype}.{variant}.evaluate"]
    predicted = model.predict(x, batch_size=32, verbose=0)
    loss, accuracy = model.evaluate(x, y, batch_size=32, verbose=0)
    yield Row(
        "predict", difference(predicted, recorded[f"{dtype}.{variant}.predict"]), FORWARD[dtype]
    )
    yield Row("evaluate, loss", difference(loss, expected_loss), FORWARD[dtype])
    yield Row("evaluate, accuracy", difference(accuracy, expected_accuracy), ACCURACY[dtype])


def compare_training(dtype, optimizer) -> Iterator[Row]:
    """12 steps: the loss and accuracy of each, and every weight at the end."""
    recorded = load("training")
    x, y = inputs(dtype)
    model = make_model(dtype, optimizer=optimizer)
    before = model.get_weights()
    for step in range(trace.STEPS):
        batch = slice(trace.BATCH * step, trace.BATCH * (step + 1))
        loss, accuracy = model.train_on_batch(x[batch], y[batch])
        expected_loss = recorded[f"{dtype}.{optimizer}.loss"][step]
        expected_accuracy = recorded[f"{dtype}.{optimizer}.accuracy"][step]
        yield Row(
            f"12 steps of {optimizer}, losses",
            difference(loss, expected_loss),
            FORWARD[dtype],
            f"step {step + 1}",
        )
        yield Row(
            f"12 steps of {optimizer}, accuracies",
            difference(accuracy, expected_accuracy),
            ACCURACY[dtype],
            f"step {step + 1}",
        )
    tolerance = (ADAM if optimizer == "adam" else SGD)[dtype]
    for index, (start, weight) in enumerate(zip(before, model.get_weights(), strict=True)):
        expected = recorded[f"{dtype}.{optimizer}.weight.{index}"]
        where = f"tensor {index}"
        yield Row(
            f"12 steps of {optimizer}, weights", difference(weight, expected), tolerance, where
        )
        # A weight whose gradient was zero in every step has not moved at all.
        unmoved = expected == start
        yield Row(
            f"12 steps of {optimizer}, unmoved weights",
            float(np.max(np.abs(weight - start)[unmoved], initial=0.0)),
            EXACT if optimizer == "adam" else tolerance,
            where,
        )


def compare_fit(dtype, optimizer) -> Iterator[Row]:
    """Two epochs on 66 images, the last batch of 2, and 17 for validation, the last batch of 1."""
    recorded = load("network")
    x, y = (array[: trace.EVALUATED] for array in inputs(dtype))
    history = make_model(dtype, optimizer=optimizer).fit(
        x,
        y,
        batch_size=trace.BATCH,
        epochs=2,
        validation_split=0.2,
        shuffle=False,
        verbose=0,
    )
    assert list(history.history) == list(recorded["history.keys"])
    assert list(history.epoch) == list(recorded["history.epoch"])
    for key, values in history.history.items():
        tolerance = (ACCURACY if "accuracy" in key else FORWARD)[dtype]
        yield Row(
            f"fit with {optimizer}, history",
            difference(values, recorded[f"{dtype}.fit.{optimizer}.{key}"]),
            tolerance,
            key,
        )


# The parts.


def compare_convolution(dtype, name) -> Iterator[Row]:
    """Conv2D alone: output and all gradients."""
    keras = part(f"conv.{name}", dtype)
    layer = layers.Conv2D(**trace.CONVOLUTIONS[name][1])
    layer.build(keras["x"].shape[1:], dtype=dtype)
    layer.set_weights([keras["kernel"], keras["bias"]])
    yield Row("Conv2D, output", difference(layer.forward(keras["x"]), keras["y"]), FORWARD[dtype])
    dx = layer.backward(keras["dy"])
    found = {"dx": dx, "dkernel": layer.parameters[0].grad, "dbias": layer.parameters[1].grad}
    for key, gradient in found.items():
        yield Row(
            "Conv2D, gradients (relative)",
            difference(gradient, keras[key], relative=True),
            GRADIENT[dtype],
            key,
        )


def compare_pool(dtype, name) -> Iterator[Row]:
    """MaxPooling2D alone, on ties: small whole numbers, so no rounding anywhere."""
    keras = part(f"pool.{name}", dtype)
    layer = layers.MaxPooling2D(**trace.POOLS[name][1])
    layer.build(keras["x"].shape[1:], dtype=dtype)
    yield Row("MaxPooling2D, output", difference(layer.forward(keras["x"]), keras["y"]), EXACT)
    yield Row("MaxPooling2D, gradient", difference(layer.backward(keras["dy"]), keras["dx"]), EXACT)


def part(prefix, dtype):
    """Return the arrays of one layer's case, without the prefix, in the dtype."""
    return {
        name.removeprefix(f"{prefix}."): value.astype(dtype)
        for name, value in load("parts").items()
        if name.startswith(f"{prefix}.")
    }


def compare_loss(dtype, name) -> Iterator[Row]:
    """A loss on predictions that no softmax layer has made: value and gradient."""
    recorded = load("parts")
    class_name, arguments, targets, predictions = trace.LOSSES[name]
    y_true = recorded[f"loss.input.{targets}"]
    y_pred = recorded[f"loss.input.{predictions}"].astype(dtype)
    if y_true.dtype.kind == "f":
        y_true = y_true.astype(dtype)
    loss = getattr(losses, class_name)(**arguments)
    value = loss.forward(y_true, y_pred)
    yield Row(
        "loss alone", difference(value, recorded[f"loss.{dtype}.{name}.value"]), FORWARD[dtype]
    )
    gradients = loss.backward()
    assert gradients.dtype == dtype
    expected = recorded[f"loss.{dtype}.{name}.gradient"]
    assert gradients.shape == expected.shape
    # Sample by sample: 1 / probability makes one gradient 1e6 times another.
    for row, (ours, theirs) in enumerate(zip(gradients, expected, strict=True)):
        yield Row(
            "loss alone, gradient (relative)",
            difference(ours, theirs, relative=True),
            GRADIENT[dtype],
            f"{name}, sample {row}",
        )


def compare_weighting(dtype) -> Iterator[Row]:
    """150 samples in batches of 64: an epoch is the mean over samples, not over batches.

    Keras was asked in float32 only: its tolerances hold for both dtypes.
    """
    recorded = load("parts")
    x, y = recorded["weighting.x"].astype(dtype), recorded["weighting.y"].astype(dtype)
    model = softmax_model(recorded["weighting.kernel"], dtype)
    history = model.fit(x, y, batch_size=64, shuffle=False, verbose=0).history
    loss, accuracy = recorded["weighting.epoch"]
    yield Row(
        "epoch of unequal batches, loss", difference(history["loss"], [loss]), FORWARD["float32"]
    )
    yield Row(
        "epoch of unequal batches, accuracy",
        difference(history["accuracy"], [accuracy]),
        ACCURACY["float32"],
    )
    for start, expected in zip((0, 64, 128), recorded["weighting.batches"], strict=True):
        found = model.test_on_batch(x[start : start + 64], y[start : start + 64])
        yield Row("test_on_batch", difference(found, expected), FORWARD["float32"])


def compare_gap(dtype) -> Iterator[Row]:
    """Certain and wrong by 100 logits: the loss is 100, unless it is taken from probabilities."""
    recorded = load("parts")
    x, y = recorded["gap.x"].astype(dtype), recorded["gap.y"].astype(dtype)
    model = softmax_model(np.eye(3), dtype)
    found = model.evaluate(x, y, verbose=0)
    yield Row("loss of a gap of 100 logits", difference(found, recorded["gap.evaluate"]), EXACT)
    clipped = losses.CategoricalCrossentropy().forward(y, model.predict(x, verbose=0))
    yield Row(
        "the same gap, loss from probabilities",
        difference(clipped, recorded["gap.clipped"]),
        FORWARD["float32"],  # Keras was asked in float32 only
    )


def softmax_model(kernel, dtype):
    """Return a dense softmax layer without bias, compiled not to learn."""
    model = tinycnn.Sequential(
        [layers.Input(kernel.shape[:1]), layers.Dense(3, "softmax", use_bias=False)], dtype=dtype
    )
    model.compile(optimizers.SGD(0.0), "categorical_crossentropy", metrics=["accuracy"])
    model.set_weights([kernel])
    return model


def compare_updates(dtype, name) -> Iterator[Row]:
    """A bare optimizer: three tensors, 200 updates by gradients of all magnitudes."""
    recorded = load("parts")
    parameters = [
        Parameter(f"w{index}", recorded[f"update.initial.{index}"].astype(dtype))
        for index in range(len(trace.UPDATE_SHAPES))
    ]
    # Adam's float32 arithmetic is Keras's, operation for operation: equal to the bit.
    tolerance = EXACT if (name, dtype) == ("adam", "float32") else SGD[dtype]
    optimizer = make_optimizer(name)
    for step in range(1, trace.UPDATE_CHECKPOINTS[-1] + 1):
        for parameter, gradient in zip(
            parameters, trace.update_gradients(step, dtype), strict=True
        ):
            parameter.grad = gradient
        optimizer.update(parameters)
        if step in trace.UPDATE_CHECKPOINTS:
            for index, parameter in enumerate(parameters):
                assert parameter.value.dtype == dtype
                yield Row(
                    f"200 updates of {name}",
                    difference(
                        parameter.value, recorded[f"update.{dtype}.{name}.{step}.w.{index}"]
                    ),
                    tolerance,
                    f"step {step}, tensor {index}",
                )
    if name == "adam":
        for index, moments in enumerate(optimizer.state):
            for moment in ("m", "v"):
                expected = recorded[f"update.{dtype}.{name}.{step}.{moment}.{index}"]
                yield Row(
                    f"200 updates of {name}",
                    difference(moments[moment], expected),
                    tolerance,
                    f"step {step}, {moment} of tensor {index}",
                )


COMPARISONS = (
    {
        f"pass-{variant}-{'softmax' if softmax else 'logits'}": functools.partial(
            compare_pass, variant=variant, softmax=softmax
        )
        for variant in ("reference", "narrow")
        for softmax in (True, False)
    }
    | {
        f"evaluation-{variant}": functools.partial(compare_evaluation, variant=variant)
        for variant in ("reference", "narrow")
    }
    | {
        f"training-{name}": functools.partial(compare_training, optimizer=name)
        for name in trace.TRAINED_WITH
    }
    | {f"fit-{name}": functools.partial(compare_fit, optimizer=name) for name in ("adam", "sgd")}
    | {
        f"conv-{name}": functools.partial(compare_convolution, name=name)
        for name in trace.CONVOLUTIONS
    }
    | {f"pool-{name}": functools.partial(compare_pool, name=name) for name in trace.POOLS}
    | {f"loss-{name}": functools.partial(compare_loss, name=name) for name in trace.LOSSES}
    | {"weighting": compare_weighting, "gap": compare_gap}
    | {
        f"updates-{name}": functools.partial(compare_updates, name=name)
        for name in trace.OPTIMIZERS
    }
)


@pytest.mark.parametrize("dtype", trace.DTYPES)
@pytest.mark.parametrize("name", COMPARISONS)
def test_replay(name, dtype, rung):
    rows = list(COMPARISONS[name](dtype))
    assert rows
    wrong = [row for row in rows if not row.difference <= row.tolerance]
    assert not wrong, "\n".join(map(str, wrong))


# The trace itself.


@pytest.mark.parametrize("name", ["network", "training", "parts"])
def test_trace_says_what_wrote_it(name):
    recorded = load(name)
    for package in ("keras", "tensorflow", "numpy", "python"):
        assert recorded[f"version.{package}"].item().count(".") >= 2


def test_update_gradients_are_those_that_keras_was_given():
    assert trace.update_digest() == load("parts")["update.digest"].item()


@pytest.mark.parametrize("dtype", trace.DTYPES)
def test_trace_has_ties_above_zero(dtype, numpy_rung):
    # Or a max-pool that gives every tied maximum the gradient would pass.
    weights = make_model(dtype).get_weights()
    x = inputs(dtype)[0][: trace.BATCH]
    y = kernels.conv2d_forward(x, weights[0], weights[1], relu=True)
    windows = y.reshape(trace.BATCH, 13, 2, 13, 2, 32).transpose(0, 1, 3, 5, 2, 4).reshape(-1, 4)
    largest = windows.max(axis=1)
    tied = np.count_nonzero(windows == largest[:, None], axis=1) > 1
    assert np.mean(tied & (largest > 0)) > 0.1


@pytest.mark.parametrize("when, columns", [("before_fit", 80), ("after_fit", 80), ("wide", 120)])
def test_summary_is_that_of_keras(when, columns, numpy_rung, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    model = make_model("float32")
    if when == "after_fit":
        x, y = inputs("float32")
        model.train_on_batch(x[:2], y[:2])
    model.summary()
    expected = (trace.DATA / f"keras_trace_summary_{when}.txt").read_text(encoding="utf-8")
    assert capsys.readouterr().out == expected


# Initial weights: drawn from NumPy, so their distribution is compared and not their values.


@pytest.mark.parametrize("index", range(len(trace.KERNEL_SHAPES)))
@pytest.mark.parametrize("name", trace.INITIALIZERS)
def test_initializers_draw_from_the_distribution_of_keras(name, index):
    recorded = load("parts")
    shape = trace.KERNEL_SHAPES[index]
    scale = recorded[f"initializer.{name}.{index}.scale"].item()
    draws = -(-50_000 // int(np.prod(shape)))
    rng = np.random.default_rng(index)
    initialize = getattr(initializers, name)
    values = np.stack([initialize(shape, rng, "float64") for _ in range(draws)])
    if recorded[f"initializer.{name}.{index}.kind"] == "uniform":
        bound, deviation = scale, scale / np.sqrt(3)
    else:
        # Keras cuts a normal off at two of its standard deviations.
        bound, deviation = 2 * scale, scale * initializers.TRUNCATED_STDDEV
    assert np.max(np.abs(values)) <= bound
    assert np.max(np.abs(values)) > 0.99 * bound
    # 50,000 values or more: the standard error of a deviation is at most 0.0032 of it.
    assert np.std(values) == pytest.approx(deviation, rel=0.015)
    assert abs(np.mean(values)) < 5 * deviation / np.sqrt(values.size)
    # Keras's own draw of one kernel keeps the same bound.
    assert recorded[f"initializer.{name}.{index}.absmax"] <= bound * (1 + 1e-6)


def test_reference_weights_keep_the_glorot_limit():
    recorded = load("parts")
    for index, kernel in ((0, 0), (1, 2), (3, 6), (4, 8)):
        limit = recorded[f"initializer.glorot_uniform.{index}.scale"]
        weight = load("network")[f"reference.weight.{kernel}"]
        assert weight.shape == trace.KERNEL_SHAPES[index]
        assert 0.97 * limit < np.max(np.abs(weight)) <= limit * (1 + 1e-6)


def table() -> str:
    """Return the largest difference of every quantity on each rung, and its tolerance, as text."""
    worst: dict[str, dict[tuple[str, str], Row]] = {}
    for dtype in trace.DTYPES:
        for rung in RUNGS:
            with kernels.use(rung):
                for compare in COMPARISONS.values():
                    for row in compare(dtype):
                        found = worst.setdefault(row.quantity, {})
                        before = found.get((dtype, rung))
                        if before is None or row.difference > before.difference:
                            found[dtype, rung] = row
    lines = ["| largest difference |", "|---|"]
    for dtype in trace.DTYPES:
        lines[0] += "".join(f" {dtype}, {rung} |" for rung in RUNGS) + " tolerance |"
        lines[1] += "---|" * (len(RUNGS) + 1)
    for quantity, found in worst.items():
        line = f"| {quantity} |"
        for dtype in trace.DTYPES:
            for rung in RUNGS:
                row = found[dtype, rung]
                failed = " (TOO LARGE)" * (not row.difference <= row.tolerance)
                line += f" {shown(row.difference)}{failed} |"
            line += f" {shown(row.tolerance)} |"
        lines.append(line)
    return "\n".join(lines)


def shown(number) -> str:
    return f"{number:.0e}" if number else "0"


if __name__ == "__main__":
    print(table())
