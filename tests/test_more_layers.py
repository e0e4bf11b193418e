"""The smaller layers: their definition, numbers worked by hand, what they refuse."""

import doctest
import inspect
import math

import naive
import numpy as np
import pytest
from without_numba import compiled

from tinycnn import (
    Activation,
    Conv2D,
    Dense,
    Flatten,
    GaussianNoise,
    GlobalMaxPooling2D,
    Input,
    Normalization,
    RandomFlip,
    ReLU,
    Reshape,
    Sequential,
    UpSampling2D,
    ZeroPadding2D,
    kernels,
    load_model,
)
from tinycnn.kernels.reference import more_activations, reshaping
from tinycnn.layers import augmentation, preprocessing, regularization
from tinycnn.layers import reshaping as reshaping_layers

pytestmark = pytest.mark.usefixtures("numpy_rung")  # kernels have both: see `each_rung`
each_rung = pytest.mark.parametrize("rung", [kernels.reference, compiled], ids=["numpy", "numba"])
COMPILED = {f"{name}_{way}" for name in ("silu", "softplus") for way in ("forward", "backward")}


def test_which_functions_are_compiled():
    for module in (more_activations, reshaping):
        for name in module.__all__:
            same = getattr(compiled, name) is getattr(kernels.reference, name)
            assert same == (name not in COMPILED)


# --- the definition -------------------------------------------------------------------------------


def draw(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


PADDING, SIZE = ((1, 0), (2, 3)), (2, 3)
SETTINGS = [
    (None, 0.0, 0.0),
    (6.0, 0.0, 0.0),
    (6.0, 0.0, 0.5),
    (1.0, 0.0, 0.0),
    (1.0, 0.25, 0.5),
    (None, 0.0, 0.5),
]
CASES = [
    ("silu_forward", (draw(3, 40),), ()),
    ("silu_backward", (draw(3, 40), draw(3, 40, seed=1)), ()),
    ("softplus_forward", (draw(3, 40),), ()),
    ("softplus_backward", (draw(3, 40), np.abs(draw(3, 40, seed=1))), ()),
    *(("bounded_relu_forward", (draw(3, 40),), settings) for settings in SETTINGS),
    *(
        ("bounded_relu_backward", (draw(3, 40), draw(3, 40, seed=1)), settings)
        for settings in SETTINGS
    ),
    # At the threshold, at the largest output, below and above.
    *(
        ("bounded_relu_backward", (draw(1, 4), np.array([[0.5, 1.0, 0.0, 6.0]])), settings)
        for settings in SETTINGS
    ),
    ("zero_pad_forward", (draw(2, 3, 4, 2),), (PADDING,)),
    ("zero_pad_backward", (draw(2, 4, 9, 2),), (PADDING,)),
    ("upsample_forward", (draw(2, 3, 4, 2),), (SIZE,)),
    ("upsample_backward", (draw(2, 4, 9, 2),), (SIZE,)),
    ("global_max_pool_forward", (draw(2, 3, 4, 5),), ()),
]


@each_rung
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "arrays", "rest"), CASES, ids=[case[0] for case in CASES])
def test_a_kernel_is_its_definition(rung, name, arrays, rest, dtype):
    arrays = [array.astype(dtype) for array in arrays]
    found = getattr(rung, name)(*arrays, *rest)
    assert found.dtype == dtype
    # A handful of roundings of numbers of order 1, of exp and log among them.
    tolerance = 2e-6 if dtype == "float32" else 1e-14
    np.testing.assert_allclose(found, getattr(naive, name)(*arrays, *rest), rtol=0, atol=tolerance)


def test_the_global_pool_shares_a_tie_as_its_definition_does():
    x = np.random.default_rng(0).integers(0, 3, (4, 3, 4, 5)).astype(float)
    y, dy = kernels.global_max_pool_forward(x), draw(4, 5)
    found = kernels.global_max_pool_backward(dy, x, y)
    np.testing.assert_allclose(found, naive.global_max_pool_backward(dy, x, y), rtol=1e-15)
    assert ((found != 0).sum(axis=(1, 2)) > 1).any()
    np.testing.assert_allclose(found.sum(axis=(1, 2)), dy, rtol=1e-14)


def test_no_definition_is_forgotten():
    functions = [n for module in (more_activations, reshaping) for n in module.__all__]
    assert set(functions) == {case[0] for case in CASES} | {"global_max_pool_backward"}
    assert all(inspect.isfunction(getattr(naive, name)) for name in functions)


def test_smooth_activations_are_exact_in_every_digit():
    x = np.concatenate([np.linspace(-700, 40, 1481), [-1e-300, -1e-12, 0.0, 1e-300]])
    exact = [math.log1p(math.exp(v)) for v in x]
    np.testing.assert_allclose(kernels.softplus_forward(x), exact, rtol=4e-16)
    y = kernels.softplus_forward(x)
    exact = [math.exp(v) / (1 + math.exp(v)) for v in x]
    # Where y is large, 1 - e^-y rounds twice.
    np.testing.assert_allclose(kernels.softplus_backward(np.ones_like(y), y), exact, rtol=8e-16)
    silu = [v / (1 + math.exp(-v)) for v in x]
    np.testing.assert_allclose(kernels.silu_forward(x), silu, rtol=8e-16)


# --- activations by hand --------------------------------------------------------------------------

S1, S2 = 0.2689414213699951, 0.8807970779778824  # the sigmoid of -1 and of 2
ACTIVATIONS = {
    "silu": ([-S1, 0, 2 * S2], [S1 - S1 * (1 - S1), 0.5, S2 + 2 * S2 * (1 - S2)]),
    "swish": ([-S1, 0, 2 * S2], [S1 - S1 * (1 - S1), 0.5, S2 + 2 * S2 * (1 - S2)]),
    "softplus": ([-math.log(1 - S1), math.log(2), -math.log(1 - S2)], [S1, 0.5, S2]),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_by_hand(name):
    y, slope = ACTIVATIONS[name]
    layer = Activation(name)
    np.testing.assert_allclose(layer.forward(np.array([[-1.0, 0.0, 2.0]])), [y], rtol=1e-14)
    np.testing.assert_allclose(layer.backward(np.ones((1, 3))), [slope], rtol=1e-14)
    x = np.array([[-1e4, 1e4, np.nan]])
    np.testing.assert_array_equal(layer.forward(x), [[0, 1e4, np.nan]])
    np.testing.assert_array_equal(layer.backward(np.ones((1, 3)))[0, :2], [0, 1])


@pytest.mark.parametrize("activation", ["silu", "softplus"])
def test_an_activation_inside_a_layer_is_the_one_behind_it(activation):
    x, dy = draw(3, 4), draw(3, 5, seed=1)
    inside, dense, outside = Dense(5, activation=activation), Dense(5), Activation(activation)
    y = inside.forward(x)
    dense.build((4,), dtype="float64")
    dense.set_weights(inside.get_weights())
    np.testing.assert_array_equal(outside.forward(dense.forward(x)), y)
    np.testing.assert_array_equal(dense.backward(outside.backward(dy)), inside.backward(dy))
    np.testing.assert_array_equal(dense.kernel.grad, inside.kernel.grad)


@pytest.mark.parametrize(
    ("layer", "y", "dx"),
    [
        # of -2, 0, 1, 6, 9
        (ReLU(), [0, 0, 1, 6, 9], [0, 0, 1, 1, 1]),
        (ReLU(max_value=6.0), [0, 0, 1, 6, 6], [0, 0, 1, 0, 0]),
        (ReLU(negative_slope=0.5), [-1, 0, 1, 6, 9], [0.5, 0.5, 1, 1, 1]),  # as LeakyReLU at 0
        (ReLU(threshold=1.0), [0, 0, 0, 6, 9], [0, 0, 0, 1, 1]),
        (ReLU(max_value=1.0), [0, 0, 1, 1, 1], [0, 0, 1, 0, 0]),
        (ReLU(7.0, 0.5, 1.0), [-1.5, -0.5, 0, 6, 7], [0.5, 0.5, 0, 1, 0]),
    ],
)
def test_relu_with_all_its_settings_by_hand(layer, y, dx):
    np.testing.assert_array_equal(layer.forward(np.array([[-2.0, 0, 1, 6, 9]])), [y])
    np.testing.assert_array_equal(layer.backward(np.ones((1, 5))), [dx])
    odd = layer.forward(np.array([[np.nan, -np.inf, 0, 0, 0]]))
    assert np.isnan(odd[0, 0]) and odd[0, 1] == (-np.inf if layer.negative_slope else 0)


def test_a_relu_with_settings_is_not_fused_as_if_it_had_none():
    """Its name is "relu" for the fused kernels and for Dense, which know the plain one only."""
    model = Sequential([Input((4, 4, 1)), Conv2D(2, 1), ReLU(0.5), Flatten(), Dense(1)])
    y = model.layers[0].forward(x := np.abs(draw(2, 4, 4, 1)).astype("f"))
    model.forward(x)
    assert model.layers[1].cache[2].max() <= 0.5 < np.abs(y).max()


# --- shapes by hand -------------------------------------------------------------------------------


def test_reshape_keeps_the_memory_order():
    layer = Reshape((3, -1))
    x = np.arange(12.0).reshape(1, 2, 6)
    np.testing.assert_array_equal(layer.forward(x)[0], [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]])
    np.testing.assert_array_equal(layer.backward(layer.forward(x)), x)
    assert Reshape((5,)).build((5,)) == (5,)
    assert Reshape((2, 3)).forward(np.zeros((0, 6))).shape == (0, 2, 3)


def test_zeros_are_put_around_an_image():
    x = np.reshape([1.0, 2, 3, 4], (1, 2, 2, 1))
    layer = ZeroPadding2D(((1, 0), (0, 2)))
    y = layer.forward(x)
    np.testing.assert_array_equal(y[0, :, :, 0], [[0, 0, 0, 0], [1, 2, 0, 0], [3, 4, 0, 0]])
    dy = np.arange(12.0).reshape(1, 3, 4, 1)
    np.testing.assert_array_equal(layer.backward(dy)[0, :, :, 0], [[4, 5], [8, 9]])
    assert ZeroPadding2D(2).padding == ZeroPadding2D((2, 2)).padding == ((2, 2), (2, 2))
    assert ZeroPadding2D((1, (2, 3))).padding == ((1, 1), (2, 3))
    assert not np.shares_memory(layer.backward(dy), dy)


def test_pixels_are_repeated():
    layer = UpSampling2D((2, 3))
    y = layer.forward(np.reshape([1.0, 2], (1, 1, 2, 1)))
    np.testing.assert_array_equal(y[0, :, :, 0], [[1, 1, 1, 2, 2, 2]] * 2)
    dx = layer.backward(np.arange(12.0).reshape(1, 2, 6, 1))
    # 0+1+2 + 6+7+8, 3+4+5 + 9+10+11
    np.testing.assert_array_equal(dx.ravel(), [24, 42])


def test_the_largest_of_an_image():
    layer = GlobalMaxPooling2D()
    x = np.reshape([1.0, 8, 3, 8, 2, 5, 3, 5], (1, 2, 2, 2))  # channels 1, 3, 2, 3 and 8, 8, 5, 5
    np.testing.assert_array_equal(layer.forward(x), [[3, 8]])
    dx = layer.backward(np.array([[4.0, 6.0]]))
    # As TensorFlow's reduce_max: equal ones share.
    np.testing.assert_array_equal(dx[0, :, :, 0], [[0, 2], [0, 2]])
    np.testing.assert_array_equal(dx[0, :, :, 1], [[3, 3], [0, 0]])


# --- noise and flips ------------------------------------------------------------------------------


def test_noise_has_its_deviation_and_only_in_training():
    layer, x = GaussianNoise(0.25), np.full((100, 1000), 3.0)
    layer.rng = np.random.default_rng(0)
    noise = layer.forward(x, training=True) - x
    # Of 100,000 draws the mean varies by 0.25 / sqrt(1e5) = 8e-4 and the deviation by 6e-4.
    assert abs(noise.mean()) < 4e-3 and abs(noise.std() - 0.25) < 3e-3
    np.testing.assert_array_equal(layer.backward(noise), noise)
    np.testing.assert_array_equal(layer.forward(x), x)
    np.testing.assert_array_equal(GaussianNoise(0).forward(x, training=True), x)


def test_both_dtypes_get_the_same_noise():
    drawn = []
    for dtype in ("float32", "float64"):
        layer = GaussianNoise(1.0)
        layer.build((50,), dtype=dtype)
        layer.rng = np.random.default_rng(1)
        drawn.append(layer.forward(np.zeros((2, 50), dtype), training=True))
    np.testing.assert_array_equal(*drawn)


class Fixed:
    def random(self, count):
        return np.array([0.1, 0.9, 0.5])[:count]


@pytest.mark.parametrize(
    ("mode", "flipped"),
    [
        ("horizontal", [[2, 1], [4, 3]]),
        ("vertical", [[3, 4], [1, 2]]),
        ("horizontal_and_vertical", [[4, 3], [2, 1]]),
    ],
)
def test_flips_by_hand(mode, flipped):
    layer = RandomFlip(mode)
    layer.rng = Fixed()
    image = np.reshape([1.0, 2, 3, 4], (2, 2, 1))
    x = np.stack([image] * 3)
    for moved in (layer.forward(x, training=True), layer.backward(x)):
        np.testing.assert_array_equal(moved[..., 0], [flipped, image[..., 0], flipped])
    np.testing.assert_array_equal(layer.forward(x), x)


def test_half_of_the_images_are_flipped():
    layer = RandomFlip("vertical")
    layer.rng = np.random.default_rng(0)
    x = np.tile(np.reshape([0.0, 1.0], (1, 2, 1, 1)), (10_000, 1, 1, 1))
    share = layer.forward(x, training=True)[:, 0].mean()
    assert abs(share - 0.5) < 0.025  # five times sqrt(1/4 / 10000)


# --- normalization --------------------------------------------------------------------------------


def test_normalization_by_hand():
    # Channel means 3 and 10; variances (4 + 4) / 2 = 4 and 0.
    layer = Normalization()
    layer.adapt(np.array([[1, 10], [5, 10]], np.uint8))
    y = layer.forward(np.array([[9.0, 10.0]]))
    np.testing.assert_array_equal(y, [[3, 0]])
    np.testing.assert_allclose(layer.backward(np.ones((1, 2))), [[0.5, 1e7]], rtol=1e-6)
    back = Normalization(invert=True, mean=[3, 10], variance=[4, 0])
    np.testing.assert_array_equal(back.forward(np.array([[3.0, 0.0]])), [[9, 10]])
    np.testing.assert_allclose(back.backward(np.ones((1, 2))), [[2, 1e-7]], rtol=1e-15)
    whole = Normalization(axis=None)
    whole.adapt(np.array([[[0.0, 2.0], [4.0, 6.0]]]))  # mean 3, variance (9 + 1 + 1 + 9) / 4
    np.testing.assert_allclose(whole.forward(np.full((1, 2, 2), 8.0)), 5**0.5, rtol=1e-6)
    assert Normalization().forward(np.array([[7.0]])) == 7  # before it is adapted


def test_adapting_before_and_after_building_is_the_same(tmp_path):
    data = np.random.default_rng(0).normal(5, 3, (50, 4, 3))
    before, after = Normalization(), Normalization()
    before.adapt(data)
    models = [Sequential([Input((4, 3)), layer], dtype="float64") for layer in (before, after)]
    after.adapt(data)
    x = data[:7]
    y = models[0].predict(x, verbose=0)
    np.testing.assert_array_equal(y, models[1].predict(x, verbose=0))
    expected = (x - data.mean(axis=(0, 1))) / data.std(axis=(0, 1))
    np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-13)
    assert [p.name for p in before.parameters] == ["mean", "variance", "count"]
    assert before.count_params() == 7 and not models[0].learning
    models[0].save(tmp_path / "model.npz")
    again = load_model(tmp_path / "model.npz")
    np.testing.assert_array_equal(again.predict(x, verbose=0), y)


def test_training_leaves_the_statistics_alone():
    layer = Normalization()
    layer.adapt(draw(20, 3))
    model = Sequential([Input((3,)), layer, Dense(1)])
    model.compile("sgd", "mse")
    before = layer.get_weights()
    model.fit(draw(20, 3), draw(20, 1), verbose=0)
    for one, other in zip(layer.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ReLU(max_value=-1), "`max_value` must be a finite number >= 0. Received: max_val"),
        (lambda: ReLU(negative_slope=None), "negative_slope=None"),
        (lambda: ReLU(threshold=-0.5), "threshold=-0.5"),
        (lambda: Activation("swich"), "unknown activation; known are .*silu, swish, softplus"),
        (lambda: Reshape((2, -1, -1)), r"one of which may be -1. Received: target_shape=\(2, -1"),
        (lambda: Reshape(4), "tuple of positive integers.* target_shape=4"),
        (lambda: Reshape(()), r"target_shape=\(\)"),
        (lambda: Reshape((0, 3)), r"target_shape=\(0, 3\)"),
        (lambda: Reshape((2, 3)).build((7,)), r"of 7 numbers. Received: input of shape \(7,\)"),
        (lambda: Reshape((2, -1)).build((7,)), r"of 7 numbers"),
        (lambda: ZeroPadding2D(-1), "`padding` must be an integer >= 0, .* Received: padding=-1"),
        (lambda: ZeroPadding2D((1, 2, 3)), r"padding=\(1, 2, 3\)"),
        (lambda: ZeroPadding2D(((1, 2, 3), 1)), r"padding=\(\(1, 2, 3\), 1\)"),
        (lambda: ZeroPadding2D("same"), "padding='same'"),
        (lambda: ZeroPadding2D(1).build((3, 3)), r"images of shape .*\(N, 3, 3\)"),
        (lambda: UpSampling2D(0), "`size` must be a positive integer.* size=0"),
        (lambda: UpSampling2D(interpolation="bilinear"), "known are nearest. Received: 'bilinear'"),
        (lambda: UpSampling2D().build((3,)), r"images of shape .*\(N, 3\)"),
        (lambda: GlobalMaxPooling2D().build((3,)), r"images of shape .*\(N, 3\)"),
        (lambda: GaussianNoise(1.5), r"`stddev` must be in \[0, 1\]. Received: stddev=1.5"),
        (lambda: GaussianNoise(-0.1), "stddev=-0.1"),
        (lambda: RandomFlip("both"), "unknown mode; known are horizontal, vertical, .*'both'"),
        (lambda: Normalization(axis=1), "`axis` must be -1 or None. Received: axis=1"),
        (lambda: Normalization(mean=1.0), "both or neither. Received: mean=1.0, variance=None"),
        (lambda: Normalization(mean=1, variance=-1), "variance=-1"),
        (lambda: Normalization(mean=[1, 2], variance=1).build((3,)), r"inputs of shape \(3,\)"),
        (lambda: Normalization(mean=0, variance=1).adapt(draw(3, 2)), "can't be adapted"),
        (lambda: Normalization().adapt(np.zeros((0, 3))), r"array of numbers.* shape \(0, 3\)"),
        (lambda: Normalization().adapt(["a"]), "array of numbers"),
        (lambda: Normalization().adapt(np.full((2, 2), np.nan)), "`data` must be finite"),
        (lambda: Normalization(input_shape=(3,)).adapt(draw(4, 2)), r"shape \(3,\). Received: \(4"),
    ],
)
def test_what_does_not_fit_is_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_another_number_of_channels_than_adapted_is_refused():
    layer = Normalization()
    layer.adapt(draw(9, 2))
    with pytest.raises(
        ValueError, match=r"adapted to 2 channels. Received: inputs of shape \(3,\)"
    ):
        layer.build((3,))


@pytest.mark.parametrize("cls", [UpSampling2D, GlobalMaxPooling2D, ZeroPadding2D])
def test_data_format_is_refused(cls):
    with pytest.raises(
        TypeError, match=f"{cls.__name__} has no argument `data_format`. Images are"
    ):
        cls(data_format="channels_first")


@pytest.mark.parametrize(
    "module", [reshaping_layers, preprocessing, regularization, augmentation], ids=str
)
def test_the_examples_of_the_docstrings(module):
    result = doctest.testmod(module, extraglobs={"np": np})
    assert result.attempted and not result.failed
