"""Initial weights: Keras's limits, the right variance, the truncation, and the seed."""

import math

import numpy as np
import pytest

from tinycnn import Conv2D, Dense, initializers

UNIFORM = ["glorot_uniform", "he_uniform", "lecun_uniform", "random_uniform"]
NORMAL = ["glorot_normal", "he_normal", "lecun_normal", "truncated_normal"]
RANDOM = [*UNIFORM, *NORMAL]

# The reference network's kernels: Keras's fans and limits (keras/src/initializers, run on Keras 3).
KERAS = [
    ((3, 3, 1, 32), 9, 288, 0.1421338),
    ((3, 3, 32, 64), 288, 576, 0.0833333),
    ((3, 3, 64, 64), 576, 576, 0.0721688),
    ((576, 64), 576, 64, 0.0968246),
    ((64, 10), 64, 10, 0.2847474),
]


def generator(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize(("shape", "fan_in", "fan_out", "limit"), KERAS)
def test_fans_and_limits_are_keras_s(shape, fan_in, fan_out, limit):
    assert initializers.fans(shape) == (fan_in, fan_out)
    values = initializers.glorot_uniform(shape, generator(), "float64")
    # Below Keras's limit (7 digits printed), and up to it: of 288 or more uniform draws the largest
    # falls below 97% with a chance of 0.97^288 = 2e-4, on a seed that is fixed.
    largest = np.abs(values).max()
    assert 0.97 * limit < largest < limit + 1e-7


def test_a_vector_has_its_length_as_both_fans():
    assert initializers.fans((7,)) == (7, 7)


# Variances by the definition, for a kernel of fan_in 288, fan_out 576 (18,432 numbers):
SHAPE = (3, 3, 32, 64)
VARIANCES = {
    "glorot_uniform": 2 / (288 + 576),
    "glorot_normal": 2 / (288 + 576),
    "he_uniform": 2 / 288,
    "he_normal": 2 / 288,
    "lecun_uniform": 1 / 288,
    "lecun_normal": 1 / 288,
    "random_uniform": 0.05**2 / 3,
    "truncated_normal": (0.05 * 0.87962566) ** 2,
}


@pytest.mark.parametrize("name", RANDOM)
def test_variance_and_mean(name):
    values = initializers.get(name)(SHAPE, generator(), "float64")
    # The sample variance of n draws of kurtosis k spreads by sqrt((k - 1) / n): at most
    # sqrt(1.37 / 18432) = 0.9% here (k = 1.8 uniform, 2.37 truncated normal). Five of those. A
    # normal without the correction for its cut-off tails would be 23% off.
    assert values.var() == pytest.approx(VARIANCES[name], rel=0.045)
    # The mean spreads by sigma / sqrt(18432) = sigma / 136.
    assert abs(values.mean()) < 5 * math.sqrt(VARIANCES[name]) / 136


def test_a_plain_normal():
    values = initializers.get("random_normal")(SHAPE, generator(), "float64")
    # Its variance spreads by sqrt(2 / 18432) = 1%, and a share of 0.27% lies beyond 3 deviations,
    # 50 of 18,432, give or take 7.
    assert values.var() == pytest.approx(0.05**2, rel=0.05)
    assert 15 < np.count_nonzero(np.abs(values) > 0.15) < 85


@pytest.mark.parametrize("name", NORMAL)
def test_normals_are_cut_off_at_two_of_their_own_deviations(name):
    # A normal cut off at 2 has a deviation of 0.87962566, so the cut is at 2 / 0.87962566 of the
    # deviation asked for.
    cut = 2 / 0.87962566 * math.sqrt(VARIANCES[name])
    largest = np.abs(initializers.get(name)(SHAPE, generator(), "float64")).max()
    # Some of 18,432 draws lie beyond 99% of the cut (a share of 0.2%).
    assert 0.99 * cut < largest <= cut * (1 + 1e-8)


@pytest.mark.parametrize("name", UNIFORM)
def test_uniforms_fill_their_interval_evenly(name):
    values = initializers.get(name)(SHAPE, generator(), "float64")
    limit = math.sqrt(3 * VARIANCES[name])
    assert np.abs(values).max() <= limit
    counts, _ = np.histogram(values, bins=8, range=(-limit, limit))
    # 2304 in each of 8 bins, give or take sqrt(2304 * 7/8) = 45; five of those.
    assert np.abs(counts - 2304).max() < 225


@pytest.mark.parametrize("name", list(initializers.INITIALIZERS))
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_shape_and_dtype(name, dtype):
    for shape in [(3,), (4, 5), (2, 3, 4, 5)]:
        values = initializers.get(name)(shape, generator(), dtype)
        assert values.shape == shape
        assert values.dtype == dtype


@pytest.mark.parametrize("name", RANDOM)
def test_the_generator_decides(name):
    draw = initializers.get(name)
    np.testing.assert_array_equal(
        draw((4, 5), generator(3), "float32"), draw((4, 5), generator(3), "float32")
    )
    assert not np.array_equal(
        draw((4, 5), generator(3), "float32"), draw((4, 5), generator(4), "float32")
    )
    # float32 weights are the float64 ones, rounded: one seed, one network.
    np.testing.assert_array_equal(
        draw((4, 5), generator(3), "float32"),
        draw((4, 5), generator(3), "float64").astype("float32"),
    )


def test_zeros_and_ones():
    np.testing.assert_array_equal(
        initializers.zeros((2, 3), generator(), "float32"), np.zeros((2, 3))
    )
    np.testing.assert_array_equal(
        initializers.ones((2, 3), generator(), "float32"), np.ones((2, 3))
    )


@pytest.mark.parametrize("layer", [Conv2D(8, 3), Dense(8)], ids=str)
def test_layers_begin_with_glorot_uniform_and_no_bias(layer):
    layer.build((9, 9, 8) if isinstance(layer, Conv2D) else (72,), generator())
    # Both have fan_in 72; fan_out is 72 and 8: limits sqrt(6/144) and sqrt(6/80).
    limit = 0.2041241 if isinstance(layer, Conv2D) else 0.2738613
    kernel, bias = layer.get_weights()
    assert 0.97 * limit < np.abs(kernel).max() < limit + 1e-7  # of 576 draws, see above
    np.testing.assert_array_equal(bias, np.zeros(8))


def test_layers_take_a_name_or_a_function():
    def twos(shape, rng, dtype):
        return np.full(shape, 2, dtype)

    layer = Dense(3, kernel_initializer=twos, bias_initializer="ones")
    layer.build((2,))
    np.testing.assert_array_equal(layer.get_weights()[0], np.full((2, 3), 2))
    np.testing.assert_array_equal(layer.get_weights()[1], np.ones(3))


def test_an_unseeded_layer_is_unpredictable():
    weights = []
    for _ in range(2):
        layer = Dense(4)
        layer.build((4,))
        weights.append(layer.get_weights()[0])
    assert not np.array_equal(*weights)


def of_keras(shape, dtype=None):
    return np.full(shape, 0.5, dtype)


class LikeKeras:
    def __call__(self, shape, dtype=None):
        return np.full(shape, 0.25, dtype)


def with_names_of_its_own(size, generator, kind):
    return generator.standard_normal(size).astype(kind)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_initializers_of_ones_own_in_both_forms(dtype):
    for function, value in ((of_keras, 0.5), (LikeKeras(), 0.25)):
        layer = Dense(2, kernel_initializer=function)
        layer.build((3,), np.random.default_rng(0), dtype)
        np.testing.assert_array_equal(layer.kernel.value, np.full((3, 2), value, dtype))
        assert layer.kernel.value.dtype == dtype
    layer = Dense(2, kernel_initializer=with_names_of_its_own)
    layer.build((3,), np.random.default_rng(0), dtype)
    expected = np.random.default_rng(0).standard_normal((3, 2)).astype(dtype)
    np.testing.assert_array_equal(layer.kernel.value, expected)


@pytest.mark.parametrize("function", [lambda: 0, lambda shape: 0, lambda a, b, c, d: 0])
def test_an_initializer_of_another_form_is_told_the_right_one(function):
    with pytest.raises(TypeError, match=r"f\(shape, rng, dtype\), or f\(shape, dtype\).*<lambda>"):
        Dense(2, kernel_initializer=function).build((3,))


@pytest.mark.parametrize("name", ["variance_scaling", "orthogonal", 5, None])
def test_an_initializer_that_is_not_there_is_told_the_known_ones(name):
    with pytest.raises(ValueError, match=r"known are glorot_uniform, .*ones"):
        Dense(2, kernel_initializer=name).build((3,))
