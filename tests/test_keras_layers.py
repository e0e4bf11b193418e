"""The smaller layers beside live Keras: outputs, gradients, parameters; what they draw at random.

python -m pytest -m reference tests/test_keras_layers.py
"""

import functools
import os

import numpy as np
import pytest

from tinycnn import Sequential, layers

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

pytestmark = [pytest.mark.reference, pytest.mark.usefixtures("numpy_rung")]

# A few roundings; exp and log of two libraries differ by a unit in the last place or two.
TOLERANCE = {"float32": 2e-6, "float64": 1e-14}


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


IMAGES, ROWS = (2, 4, 5, 3), (3, 12)
CASES = [
    ("Activation", {"activation": "silu"}, ROWS),
    ("Activation", {"activation": "swish"}, ROWS),
    ("Activation", {"activation": "softplus"}, ROWS),
    ("ReLU", {}, ROWS),
    ("ReLU", {"max_value": 6.0}, ROWS),
    ("ReLU", {"max_value": 0.75}, ROWS),
    ("ReLU", {"negative_slope": 0.25}, ROWS),
    ("ReLU", {"threshold": 0.5}, ROWS),
    ("ReLU", {"max_value": 1.25, "negative_slope": 0.25, "threshold": 0.5}, ROWS),
    ("ReLU", {"max_value": 1.25, "negative_slope": 0.25}, ROWS),
    ("ReLU", {"negative_slope": 0.25, "threshold": 0.5}, ROWS),
    ("Reshape", {"target_shape": (3, 4)}, ROWS),
    ("Reshape", {"target_shape": (-1, 6)}, IMAGES),
    ("ZeroPadding2D", {}, IMAGES),
    ("ZeroPadding2D", {"padding": (1, 2)}, IMAGES),
    ("ZeroPadding2D", {"padding": ((1, 0), (2, 3))}, IMAGES),
    ("UpSampling2D", {}, IMAGES),
    ("UpSampling2D", {"size": (3, 1)}, IMAGES),
    ("GlobalMaxPooling2D", {}, IMAGES),
    ("GaussianNoise", {"stddev": 0.5}, ROWS),
    ("RandomFlip", {}, IMAGES),
    ("Normalization", {"mean": [0.5, -1.0, 2.0], "variance": [4.0, 0.3, 0.0]}, IMAGES),
    ("Normalization", {"mean": 0.5, "variance": 3.0, "invert": True}, IMAGES),
    ("Normalization", {"axis": None, "mean": 0.5, "variance": 3.0}, ROWS),
]


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_output_and_gradient(case, ties, keras):
    """Also on few values, where maxima are equal and thresholds are met."""
    keras, tf, dtype = keras
    name, arguments, shape = case
    rng = np.random.default_rng(0)
    x = (10 * rng.standard_normal(shape)).astype(dtype)
    if ties:
        x = (rng.integers(-3, 5, shape) / 4).astype(dtype)
    ours, theirs = getattr(layers, name)(**arguments), getattr(keras.layers, name)(**arguments)
    variable = tf.constant(x)
    inference = {"training": False} if name == "RandomFlip" else {}  # there it is True by default
    with tf.GradientTape() as tape:
        tape.watch(variable)
        expected = theirs(variable, **inference)
    y = ours.forward(x)
    assert (y.shape, y.dtype) == (expected.shape, dtype)
    scale = max(1.0, float(np.abs(expected).max()))
    np.testing.assert_allclose(y, expected, rtol=0, atol=TOLERANCE[dtype] * scale)
    dy = rng.standard_normal(y.shape).astype(dtype)
    with tf.GradientTape() as tape:
        tape.watch(variable)
        loss = tf.reduce_sum(theirs(variable, **inference) * dy)
    wanted = np.asarray(tape.gradient(loss, variable))
    atol = TOLERANCE[dtype] * max(1.0, float(np.abs(wanted).max()))
    np.testing.assert_allclose(ours.backward(dy), wanted, rtol=0, atol=atol)


@pytest.mark.parametrize("axis", [-1, None])
@pytest.mark.parametrize("shape", [(9, 4), (9, 3, 5, 2)])
def test_adapted(shape, axis, keras):
    keras, _, dtype = keras
    data = np.random.default_rng(0).normal(3, 2, shape).astype(dtype)
    ours, theirs = layers.Normalization(axis), keras.layers.Normalization(axis)
    for layer in (ours, theirs):
        layer.adapt(data)
    expected = np.asarray(theirs(data))
    np.testing.assert_allclose(ours.forward(data), expected, atol=5 * TOLERANCE[dtype])
    mine, others = ours.get_weights(), theirs.get_weights()
    assert [w.shape for w in mine] == [w.shape for w in others]
    for one, other in zip(mine, others, strict=True):
        np.testing.assert_allclose(one, other, rtol=5 * TOLERANCE[dtype])
    assert ours.count_params() == theirs.count_params()


@pytest.mark.parametrize("mode", ["horizontal", "vertical", "horizontal_and_vertical"])
def test_flips_come_out_as_keras_s_do(mode):
    """Which images can come out, and how often."""
    keras, _ = import_keras()
    x = np.tile(np.arange(4, dtype="float32").reshape(1, 2, 2, 1), (4000, 1, 1, 1))
    ours = layers.RandomFlip(mode)
    ours.rng = np.random.default_rng(0)
    found = []
    for y in (ours.forward(x, True), np.asarray(keras.layers.RandomFlip(mode)(x, training=True))):
        images, counts = np.unique(y.reshape(len(y), 4), axis=0, return_counts=True)
        assert (abs(counts - 2000) < 160).all()  # five times sqrt(4000 / 4)
        found.append(images)
    np.testing.assert_array_equal(*found)


def test_noise_is_distributed_as_keras_s():
    keras, _ = import_keras()
    x = np.zeros((100, 1000), "float32")
    theirs = np.asarray(keras.layers.GaussianNoise(0.5)(x, training=True))
    ours = layers.GaussianNoise(0.5).forward(x, training=True)
    # The quantiles of 100,000 draws vary by up to 0.5 * sqrt(q (1 - q) / 1e5) / density: 4e-3.
    at = [0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99]
    np.testing.assert_allclose(np.quantile(ours, at), np.quantile(theirs, at), atol=0.03)


def test_an_autoencoder_learns_as_in_keras():
    """Convolution, pool, upsampling, sigmoid, binary crossentropy, Nadam: twelve steps alike."""
    keras, _ = import_keras()

    def network(library, sequential, **arguments):
        return sequential(
            [
                library.Input((8, 8, 1)),
                library.ZeroPadding2D(((0, 1), (1, 0))),
                library.Conv2D(4, 2, activation="swish"),
                library.MaxPooling2D(),
                library.Conv2D(3, 3, padding="same", activation="softplus"),
                library.UpSampling2D(),
                library.ReLU(6.0),
                library.Conv2D(1, 3, padding="same", activation="sigmoid"),
            ],
            **arguments,
        )

    x = np.random.default_rng(0).random((48, 8, 8, 1)).astype("float32")
    ours = network(layers, Sequential, seed=0)
    theirs = network(keras.layers, keras.Sequential)
    theirs.set_weights(ours.get_weights())
    histories = []
    for model in (ours, theirs):
        model.compile("nadam", "binary_crossentropy", metrics=["mse"])
        history = model.fit(x, x, batch_size=16, epochs=4, shuffle=False, verbose=0).history
        histories.append(history)
    assert sorted(histories[0]) == sorted(histories[1])
    for name, values in histories[1].items():
        np.testing.assert_allclose(histories[0][name], values, atol=1e-5, err_msg=name)
    for one, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        # Adam's kin divide by small moments: rounding is amplified, see test_keras_trace.py.
        np.testing.assert_allclose(one, other, atol=1e-4)
