"""Losses beside live Keras: values, gradients, functions, and what stands at a model's end.

python -m pytest -m reference tests/test_keras_losses.py
"""

import functools
import os

import numpy as np
import pytest

from tinycnn import Sequential, layers, losses

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

pytestmark = [pytest.mark.reference, pytest.mark.usefixtures("numpy_rung")]

# Sums of some numbers round at a few eps of themselves, 1e-7 and 2e-16; the log and exp of two
# libraries differ by a unit in the last place or two.
TOLERANCE = {"float32": 2e-6, "float64": 1e-12}


@functools.cache
def import_keras():
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    tf = pytest.importorskip("tensorflow", reason="no TensorFlow")
    return pytest.importorskip("keras", reason="no Keras"), tf


@pytest.fixture(params=["float32", "float64"])
def keras(request):
    """(Keras, TensorFlow, dtype), with that dtype as Keras's own."""
    keras, tf = import_keras()
    keras.config.set_floatx(request.param)
    keras.config.set_dtype_policy(request.param)
    yield keras, tf, request.param
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")


rng = np.random.default_rng(0)
LABELS = rng.integers(5, size=7)
TARGETS = {
    "one_hot": np.eye(5)[LABELS],
    "soft": rng.dirichlet(np.ones(5), 7),
    "many": rng.integers(2, size=(7, 5)).astype(float),
    "numbers": rng.standard_normal((7, 5)),
    "rows": rng.dirichlet(np.ones(5), (7, 2)),
}
PREDICTIONS = {
    "scores": 2 * rng.standard_normal((7, 5)),
    "large": 80 * rng.standard_normal((7, 5)),
    "probabilities": rng.dirichlet(np.ones(5), 7),
    "extremes": rng.choice([0.0, 1e-9, 0.3, 1.0], (7, 5)),
    "rows": rng.dirichlet(np.ones(5), (7, 2)),
}
CASES = [
    *(
        (name, arguments, targets, predictions)
        for name, arguments in (
            ("MeanAbsoluteError", {}),
            ("MeanSquaredError", {}),
            ("Huber", {}),
            ("Huber", {"delta": 0.4}),
        )
        for targets, predictions in (("numbers", "scores"), ("rows", "rows"))
    ),
    *(
        ("BinaryCrossentropy", {"label_smoothing": smoothing}, targets, predictions)
        for smoothing in (0.0, 0.2)
        for targets, predictions in (
            ("many", "probabilities"),
            ("soft", "extremes"),
            ("rows", "rows"),
        )
    ),
    *(
        (name, {"from_logits": True, "label_smoothing": smoothing}, targets, predictions)
        for name in ("BinaryCrossentropy", "CategoricalCrossentropy")
        for smoothing in (0.0, 0.2)
        for targets in ("one_hot", "soft")
        for predictions in ("scores", "large")
    ),
    ("CategoricalCrossentropy", {"label_smoothing": 0.2}, "one_hot", "probabilities"),
    *(("KLDivergence", {}, targets, "probabilities") for targets in ("soft", "one_hot")),
    ("KLDivergence", {}, "soft", "extremes"),
    ("KLDivergence", {}, "rows", "rows"),
]


def close(ours, theirs, dtype, factor=1.0):
    theirs = np.asarray(theirs)
    scale = max(1.0, float(np.abs(theirs).max(initial=0)))
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=factor * TOLERANCE[dtype] * scale)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_value_gradient_and_function(case, keras):
    keras, tf, dtype = keras
    name, arguments, targets, predictions = case
    y, p = TARGETS[targets].astype(dtype), PREDICTIONS[predictions].astype(dtype)
    ours, theirs = getattr(losses, name)(**arguments), getattr(keras.losses, name)(**arguments)
    x = tf.constant(p)
    with tf.GradientTape() as tape:
        tape.watch(x)
        expected = theirs(tf.constant(y), x)
    close(ours.forward(y, p), expected, dtype)
    close(ours.backward(), tape.gradient(expected, x), dtype)
    function = next(f.__name__ for f, c in losses.functions.LOSS_OF.items() if c is type(ours))
    found = getattr(losses, function)(y, p, **arguments)
    wanted = getattr(keras.losses, function)(tf.constant(y), x, **arguments)
    assert found.shape == wanted.shape and found.dtype == dtype
    close(found, wanted, dtype)


HEADS = {
    "softmax": [("Dense", {"units": 5, "activation": "softmax"})],
    "sigmoid": [("Dense", {"units": 5, "activation": "sigmoid"})],
    "sigmoid layer": [("Dense", {"units": 5}), ("Activation", {"activation": "sigmoid"})],
    "sigmoid, linear": [
        ("Dense", {"units": 5, "activation": "sigmoid"}),
        ("Activation", {"activation": "linear"}),
    ],
    "sigmoid, flatten": [("Dense", {"units": 5, "activation": "sigmoid"}), ("Flatten", {})],
    "tanh": [("Dense", {"units": 5, "activation": "tanh"})],
    "linear": [("Dense", {"units": 5})],
}


@pytest.mark.filterwarnings("ignore:the loss expects logits:UserWarning")  # ours, and
@pytest.mark.filterwarnings("ignore:.*received `from_logits=True`:UserWarning")  # Keras's
@pytest.mark.parametrize("from_logits", [False, True])
@pytest.mark.parametrize(
    "loss", ["BinaryCrossentropy", "CategoricalCrossentropy", "SparseCategoricalCrossentropy"]
)
@pytest.mark.parametrize("head", HEADS)
def test_what_stands_at_the_end(head, loss, from_logits):
    """Is the loss that of the logits, or clipped? Logits up to 100 tell."""
    keras, _ = import_keras()
    keras.config.set_dtype_policy("float64")
    keras.config.set_floatx("float64")
    try:
        theirs = keras.Sequential(
            [keras.layers.Input((3,)), *(getattr(keras.layers, n)(**a) for n, a in HEADS[head])]
        )
        x = np.random.default_rng(3).normal(0.0, 1.0, (6, 3))
        y = np.eye(5)[LABELS[:6]] if loss != "SparseCategoricalCrossentropy" else LABELS[:6]
        weights = [40 * np.random.default_rng(4).standard_normal((3, 5)), np.zeros(5)]
        arguments = {"from_logits": from_logits}
        ours = Sequential(
            [layers.Input((3,)), *(getattr(layers, n)(**a) for n, a in HEADS[head])],
            dtype="float64",
        )
        for model, library in ((ours, losses), (theirs, keras.losses)):
            model.set_weights(weights)
            model.compile("sgd", getattr(library, loss)(**arguments))
        close(ours.test_on_batch(x, y), theirs.test_on_batch(x, y), "float64")
        close(ours.train_on_batch(x, y), theirs.train_on_batch(x, y), "float64")
        for pair in zip(ours.get_weights(), theirs.get_weights(), strict=True):
            close(*pair, "float64")
    finally:
        keras.config.set_dtype_policy("float32")
        keras.config.set_floatx("float32")
