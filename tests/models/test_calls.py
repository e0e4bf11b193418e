"""`model(x)` and `layer(x)`, Keras's way to run them."""

import numpy as np
import pytest

from tinycnn import (
    BatchNormalization,
    Dense,
    Dropout,
    Flatten,
    Input,
    RandomTranslation,
    Sequential,
)
from tinycnn.tensors import Tensor

X = np.random.default_rng(0).random((6, 8, 8, 1), np.float32)


def test_a_call_is_a_prediction(rung, small_model, small_data):
    model, (x, _) = small_model(), small_data(7)
    y = model(x)
    np.testing.assert_array_equal(y, model.predict(x, verbose=0))
    np.testing.assert_array_equal(y, model.predict_on_batch(x))
    assert isinstance(y, Tensor) and type(y.numpy()) is np.ndarray
    assert y.dtype == np.float32 and y[:1].numpy().shape == (1, 3)
    np.testing.assert_array_equal(model(x[..., 0]), y)  # as in fit, the channel may be missing
    with pytest.raises(ValueError, match="`x` must have shape"):
        model(x[:, 1:])


def test_in_training_there_is_noise_and_each_call_has_its_own(numpy_rung):
    def calls(seed):
        model = Sequential([Flatten(), Dropout(0.5)], seed=seed)
        return [model(X, training=True).numpy() for _ in range(2)]

    first, second = calls(1)
    share = np.mean(first == 0)
    assert 0.3 < share < 0.7  # of 384 numbers; 0.5 with a standard deviation of 0.026
    assert not np.array_equal(first, second)
    for one, other in zip((first, second), calls(1), strict=True):
        np.testing.assert_array_equal(one, other)
    assert not np.array_equal(first, calls(2)[0])
    np.testing.assert_array_equal(Sequential([Flatten(), Dropout(0.5)])(X), X.reshape(6, -1))


def test_augmentation_is_on_in_a_plain_call_as_in_keras(numpy_rung):
    layers = [RandomTranslation(0.3, 0.3), Dropout(0.5)]
    model = Sequential(layers, seed=0)
    moved = [model(X).numpy(), model(X).numpy()]
    assert not np.array_equal(moved[0], X) and not np.array_equal(*moved)
    assert np.count_nonzero(moved[0]) > X.size / 2  # the dropout is not
    np.testing.assert_array_equal(model(X, training=False), X)
    np.testing.assert_array_equal(model.predict(X, verbose=0), X)
    alone = RandomTranslation(0.3, 0.3)
    assert not np.array_equal(alone(X), X)
    np.testing.assert_array_equal(alone(X, training=False), X)


def test_a_layer_is_built_in_float32_as_in_keras(numpy_rung):
    layer = Dense(2)
    assert layer([[1, 2, 3.0]]).dtype == np.float32
    assert layer.parameters[0].value.shape == (3, 2)
    np.testing.assert_array_equal(layer(np.ones((1, 3))), layer.forward(np.ones((1, 3))))


def test_a_call_in_training_uses_the_batch_s_statistics_and_moves_none(numpy_rung):
    model = Sequential([Input((2,)), BatchNormalization(epsilon=0.0)])
    x = np.array([[0.0, 1.0], [6.0, 3.0]])
    before = model.fingerprint()
    np.testing.assert_allclose(model(x, training=True), [[-1, -1], [1, 1]], rtol=1e-6)
    np.testing.assert_array_equal(model(x), x)
    assert model.fingerprint() == before


@pytest.mark.parametrize("make", [Dropout, lambda rate, **seed: RandomTranslation(rate, 0, **seed)])
def test_a_seed_of_a_layer_s_own_decides_its_noise(make, numpy_rung):
    def noise(model_seed, **arguments):
        layer = make(0.4, **arguments)
        model = Sequential([Input((8, 8, 1)), layer], seed=model_seed)
        model.seed_noise()
        return layer.forward(X, training=True)

    np.testing.assert_array_equal(noise(1, seed=5), noise(2, seed=5))
    assert not np.array_equal(noise(1, seed=5), noise(1, seed=6))
    assert not np.array_equal(noise(1), noise(2))
    alone = [make(0.4, seed=5).forward(X, training=True) for _ in range(2)]
    np.testing.assert_array_equal(*alone)
    assert make(0.4, seed=5).get_config()["seed"] == 5
    with pytest.raises(ValueError, match="`seed` must be an integer >= 0"):
        make(0.4, seed=0.5)
