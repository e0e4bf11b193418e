"""Layers: one conformance test over all of them, then each by numbers worked by hand."""

import json

import numpy as np
import pytest

from tinycnn import Activation, Dense, Flatten, Input, Sequential, kernels, layers, load_model
from tinycnn.gradient_check import check_layer, numerical_gradient
from tinycnn.layers import (
    ELU,
    AveragePooling2D,
    BatchNormalization,
    Conv2D,
    Dropout,
    GaussianNoise,
    GlobalAveragePooling2D,
    GlobalMaxPooling2D,
    LeakyReLU,
    MaxPooling2D,
    Normalization,
    RandomFlip,
    RandomRotation,
    RandomTranslation,
    RandomZoom,
    ReLU,
    Rescaling,
    Reshape,
    Softmax,
    UpSampling2D,
    ZeroPadding2D,
)

# (class, arguments, input shape, output shape worked by hand). Every layer has to be here.
CASES = [
    # (5 + 1 - 2) / 1 + 1 = 5 rows, ceil(6 / 2) = 3 columns
    (Conv2D, ((3, (2, 3), (1, 2), "same"), {"activation": "relu"}), (5, 6, 2), (5, 3, 3)),
    # (5 - 2) // 2 + 1 = 2 rows (the last one is not reached), (4 - 2) // 2 + 1 = 2 columns
    (Conv2D, ((3, 2, 2), {"use_bias": False, "activation": "softmax"}), (5, 4, 1), (2, 2, 3)),
    (Conv2D, ((1, 1), {"kernel_initializer": "he_normal"}), (2, 3, 4), (2, 3, 1)),
    (Dense, ((4, "relu"), {"bias_initializer": "ones"}), (6,), (4,)),
    (Dense, ((4,), {"activation": "softmax", "kernel_initializer": "he_uniform"}), (6,), (4,)),
    (Dense, ((5,), {"use_bias": False}), (2, 3, 4), (2, 3, 5)),
    (Flatten, ((), {}), (2, 3, 2), (12,)),
    (MaxPooling2D, ((), {}), (5, 7, 2), (2, 3, 2)),
    (MaxPooling2D, (((2, 3), (1, 2), "same"), {}), (5, 7, 2), (5, 4, 2)),
    (MaxPooling2D, ((3, 1), {}), (5, 5, 3), (3, 3, 3)),  # overlapping windows
    (AveragePooling2D, ((), {}), (5, 7, 2), (2, 3, 2)),
    (AveragePooling2D, (((2, 3), (1, 2), "same"), {}), (5, 7, 2), (5, 4, 2)),
    (GlobalAveragePooling2D, ((), {}), (5, 4, 3), (3,)),
    (BatchNormalization, ((), {}), (3, 2, 4), (3, 2, 4)),
    (BatchNormalization, ((), {"momentum": 0.5, "epsilon": 0.1, "scale": False}), (5,), (5,)),
    (BatchNormalization, ((), {"center": False}), (2, 1), (2, 1)),
    (Dropout, ((0.4,), {}), (3, 4), (3, 4)),
    (Dropout, ((0.0,), {}), (5,), (5,)),
    (LeakyReLU, ((), {}), (2, 3, 1), (2, 3, 1)),
    (LeakyReLU, ((0.125,), {}), (4,), (4,)),
    (ELU, ((), {}), (4,), (4,)),
    (ELU, ((0.5,), {}), (2, 3), (2, 3)),
    (Dense, ((4,), {"kernel_regularizer": "l2", "activation": "tanh"}), (6,), (4,)),
    (Conv2D, ((2, 2), {"kernel_regularizer": "L2", "activation": "sigmoid"}), (3, 3, 1), (2, 2, 2)),
    (Activation, (("leaky_relu",), {}), (3, 2), (3, 2)),
    (Activation, (("elu",), {}), (3, 2), (3, 2)),
    (Activation, (("sigmoid",), {}), (3, 2), (3, 2)),
    (Activation, (("tanh",), {}), (3, 2), (3, 2)),
    (Activation, (("relu",), {}), (3, 2), (3, 2)),
    (Activation, (("softmax",), {}), (3,), (3,)),
    (Activation, ((None,), {}), (3,), (3,)),
    (ReLU, ((), {}), (2, 3, 1), (2, 3, 1)),
    (Softmax, ((), {}), (4,), (4,)),
    (RandomTranslation, ((0.2, (-0.3, 0.1)), {"fill_mode": "constant"}), (5, 7, 2), (5, 7, 2)),
    (RandomRotation, ((0.1,), {}), (5, 7, 1), (5, 7, 1)),
    (RandomZoom, ((0.5,), {}), (4, 4, 3), (4, 4, 3)),
    (RandomZoom, (((-0.5, 0.1), 0.2), {}), (5, 7, 1), (5, 7, 1)),
    (Rescaling, ((0.5,), {"offset": -1.0}), (2, 2, 1), (2, 2, 1)),
    (Input, (((2, 3),), {}), (2, 3), (2, 3)),
    (Activation, (("swish",), {}), (3, 2), (3, 2)),
    (Activation, (("softplus",), {}), (3, 2), (3, 2)),
    (Dense, ((4, "silu"), {}), (6,), (4,)),
    (Conv2D, ((2, 2), {"activation": "softplus"}), (3, 3, 1), (2, 2, 2)),
    (ReLU, ((1.5, 0.25, 0.5), {}), (2, 3, 1), (2, 3, 1)),
    (ReLU, ((), {"negative_slope": 0.25}), (4,), (4,)),
    (ReLU, ((6.0,), {}), (4,), (4,)),
    (Reshape, (((2, 6),), {}), (3, 2, 2), (2, 6)),
    (Reshape, (((-1, 3, 1),), {}), (6, 2), (4, 3, 1)),
    (ZeroPadding2D, ((), {}), (3, 4, 2), (5, 6, 2)),
    (ZeroPadding2D, (((2, 0),), {}), (3, 4, 1), (7, 4, 1)),
    (ZeroPadding2D, ((((0, 1), (2, 3)),), {}), (3, 4, 2), (4, 9, 2)),
    (UpSampling2D, ((), {}), (3, 4, 2), (6, 8, 2)),
    (UpSampling2D, (((3, 1),), {}), (2, 3, 1), (6, 3, 1)),
    (GlobalMaxPooling2D, ((), {}), (5, 4, 3), (3,)),
    (GaussianNoise, ((0.5,), {}), (3, 4), (3, 4)),
    (RandomFlip, ((), {}), (4, 5, 2), (4, 5, 2)),
    (RandomFlip, (("horizontal",), {}), (4, 5, 1), (4, 5, 1)),
    (Normalization, ((), {}), (3, 2, 4), (3, 2, 4)),
    (Normalization, ((None,), {}), (5,), (5,)),
    (Normalization, ((), {"mean": [1.0, 2.0], "variance": 4.0}), (3, 2), (3, 2)),
    (Normalization, ((), {"mean": 3.0, "variance": 0.0, "invert": True}), (3, 2), (3, 2)),
]


def case_name(case):
    cls, (args, kwargs), *_ = case
    return "-".join([cls.__name__, *map(str, args), *map(str, kwargs.values())]).replace(" ", "")


every_layer = pytest.mark.parametrize("case", CASES, ids=case_name)
both_dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])


def make(case):
    cls, (args, kwargs), *_ = case
    return cls(*args, **kwargs)


def draw(shape, dtype="float32", seed=1):
    # Drawn around 0, so that a relu has both sides.
    return np.random.default_rng(seed).standard_normal((3, *shape)).astype(dtype)


def test_every_layer_has_a_case():
    public = {getattr(layers, name) for name in layers.__all__} | set(layers.LAYERS.values())
    assert {case[0] for case in CASES} == public - {layers.Layer}


def test_layers_are_saved_under_their_own_names():
    assert all(layers.LAYERS[name].__name__ == name for name in layers.LAYERS)
    assert layers.MaxPool2D is MaxPooling2D
    assert layers.AvgPool2D is AveragePooling2D
    assert layers.GlobalAvgPool2D is GlobalAveragePooling2D
    assert layers.GlobalMaxPool2D is GlobalMaxPooling2D


@every_layer
@both_dtypes
def test_conformance(case, dtype, rung):
    layer, shape, output_shape = make(case), *case[2:]

    assert layer.build(shape, np.random.default_rng(0), dtype) == output_shape
    assert layer.built
    assert (layer.input_shape, layer.output_shape) == (shape, output_shape)
    assert layer.count_params() == sum(w.size for w in layer.get_weights())

    x = draw(shape, dtype)
    x_before = x.copy()
    y = layer.forward(x, training=True)
    assert y.shape == (3, *output_shape)
    assert y.dtype == dtype
    np.testing.assert_array_equal(x, x_before, err_msg="forward changed its input")

    dy = draw(output_shape, dtype, seed=2)
    dy_before, y_before = dy.copy(), y.copy()
    dx = layer.backward(dy)
    assert dx.shape == x.shape
    assert dx.dtype == dtype
    np.testing.assert_array_equal(x, x_before, err_msg="backward changed the input")
    np.testing.assert_array_equal(dy, dy_before, err_msg="backward changed its gradient")
    np.testing.assert_array_equal(y, y_before, err_msg="backward changed the output")
    for parameter in layer.parameters:
        assert parameter.value.dtype == dtype
    learned = [parameter for parameter in layer.parameters if parameter.trainable]
    for parameter in learned:
        assert parameter.grad.shape == parameter.value.shape
        assert parameter.grad.dtype == dtype

    # Gradients are assigned, never accumulated: a second backward gives the same again.
    dx_first, gradients = dx.copy(), [p.grad.copy() for p in learned]
    np.testing.assert_array_equal(layer.backward(dy), dx_first)
    for parameter, gradient in zip(learned, gradients, strict=True):
        np.testing.assert_array_equal(parameter.grad, gradient)


@every_layer
def test_an_output_stays_what_it_was(case, rung):
    layer, shape = make(case), case[2]
    y = layer.forward(draw(shape))
    y_before = y.copy()
    dx = layer.backward(y_before)
    dx_before = dx.copy()
    layer.forward(draw(shape, seed=3))
    layer.backward(draw(case[3], seed=4))
    np.testing.assert_array_equal(y, y_before, err_msg="a later step changed an output")
    np.testing.assert_array_equal(dx, dx_before, err_msg="a later step changed a gradient")


@every_layer
def test_backward_before_forward_is_an_error(case, numpy_rung):
    layer, shape, output_shape = make(case), *case[2:]
    layer.build(shape)
    with pytest.raises(RuntimeError, match="backward needs a forward"):
        layer.backward(draw(output_shape))


@every_layer
def test_unbuilt_layer_builds_itself_from_the_data(case, numpy_rung):
    layer = make(case)
    assert layer.forward(draw(case[2], "float64")).dtype == "float64"
    assert layer.output_shape == case[3]
    # Bytes, as images come, are computed in float32.
    assert make(case).forward(np.ones((2, *case[2]), np.uint8)).dtype == "float32"


@every_layer
def test_other_shapes_are_refused(case, numpy_rung):
    layer, shape = make(case), case[2]
    layer.build(shape)
    for wrong in [(*shape[:-1], shape[-1] + 1), (1, *shape), shape[:-1]]:
        with pytest.raises(ValueError, match=r"expects input of shape .*Received: \(3,"):
            layer.forward(draw(wrong))


@every_layer
def test_a_gradient_of_another_number_of_samples_is_refused(case, numpy_rung):
    """One row was used for all of them, or an error came from deep inside NumPy."""
    layer = make(case)
    y = layer.forward(draw(case[2]))
    for wrong in (y[:1], y[:2], np.concatenate([y, y])):
        with pytest.raises(ValueError, match=r"expects dy of shape \(3, .*Received: \("):
            layer.backward(wrong)


@every_layer
def test_config_makes_an_equal_layer(case):
    layer = make(case)
    layer.name = "a_name"
    config = layer.get_config()
    assert config["name"] == "a_name"
    assert type(layer)(**config).get_config() == config
    # Through JSON, as in a model file: tuples come back as lists.
    loaded = type(layer)(**json.loads(json.dumps(config)))
    assert loaded.get_config() == config


@every_layer
@both_dtypes
def test_saved_model_predicts_the_same_bits(case, dtype, rung, tmp_path):
    layer, shape = make(case), case[2]
    first = [] if isinstance(layer, Input) else [Input(shape)]
    model = Sequential([*first, layer, Flatten(), Dense(2)], dtype=dtype)
    x = draw(shape)
    model.save(tmp_path / "model.npz")
    loaded = load_model(tmp_path / "model.npz")
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))


@pytest.mark.parametrize("cls", [Conv2D, Dense])
def test_input_gradient_is_made_unless_nobody_needs_it(cls, rung):
    layer = cls(2, 2) if cls is Conv2D else cls(3)
    x = draw((3, 3, 2) if cls is Conv2D else (4,))
    y = layer.forward(x)
    assert layer.needs_input_gradient
    assert layer.backward(y).shape == x.shape
    gradients = [p.grad.copy() for p in layer.parameters]
    layer.needs_input_gradient = False
    layer.forward(x)
    assert layer.backward(y) is None
    for parameter, gradient in zip(layer.parameters, gradients, strict=True):
        np.testing.assert_array_equal(parameter.grad, gradient)


# --- each layer by hand ---------------------------------------------------------------------------
# All numbers are small integers or powers of two, so every comparison is exact.


def test_convolution_does_not_flip_the_kernel(rung):
    layer = Conv2D(1, 2)
    layer.build((2, 2, 1))
    layer.set_weights([np.reshape([10, 20, 30, 40], (2, 2, 1, 1)), [5]])
    x = np.reshape([1, 2, 3, 4], (1, 2, 2, 1))
    # 1*10 + 2*20 + 3*30 + 4*40 + 5 = 305; with a flipped kernel it would be 205
    assert layer.forward(x).item() == 305
    # dy = 2: dx = 2 * kernel, dkernel = 2 * x, dbias = 2
    np.testing.assert_array_equal(
        layer.backward(np.full((1, 1, 1, 1), 2, np.float32)).ravel(), [20, 40, 60, 80]
    )
    np.testing.assert_array_equal(layer.kernel.grad.ravel(), [2, 4, 6, 8])
    np.testing.assert_array_equal(layer.bias.grad, [2])


def test_convolution_same_padding_puts_the_odd_zero_last(rung):
    layer = Conv2D(1, (1, 2), padding="same", use_bias=False)
    layer.build((1, 3, 1))
    layer.set_weights([np.reshape([1, 10], (1, 2, 1, 1))])
    # Windows (1, 2), (2, 3), (3, 0): 1+20, 2+30, 3+0. A zero in front would give 10, 21, 32.
    y = layer.forward(np.reshape([1, 2, 3], (1, 1, 3, 1)))
    np.testing.assert_array_equal(y.ravel(), [21, 32, 3])


def test_convolution_strides_are_rows_then_columns(rung):
    layer = Conv2D(1, 1, strides=(2, 1), use_bias=False, kernel_initializer="ones")
    y = layer.forward(np.arange(9.0).reshape(1, 3, 3, 1))
    np.testing.assert_array_equal(y[0, :, :, 0], [[0, 1, 2], [6, 7, 8]])


def test_relu_stops_the_gradient_at_zero_and_below(rung):
    for layer in (ReLU(), Activation("relu")):
        np.testing.assert_array_equal(layer.forward(np.array([[-2.0, 0.0, 3.0]])), [[0, 0, 3]])
        np.testing.assert_array_equal(layer.backward(np.array([[5.0, 6.0, 7.0]])), [[0, 0, 7]])


def test_relu_inside_a_layer_stops_the_gradient_too(rung):
    layer = Dense(2, activation="relu", use_bias=False)
    layer.build((1,))
    layer.set_weights([[[1, -1]]])
    np.testing.assert_array_equal(layer.forward(np.array([[3.0]])), [[3, 0]])
    # Only the first unit is alive: dx = 10 * 1, dkernel = 3 * [10, 0]
    np.testing.assert_array_equal(layer.backward(np.float32([[10, 20]])), [[10]])
    np.testing.assert_array_equal(layer.kernel.grad, [[30, 0]])


def test_max_pooling_drops_what_no_window_covers(rung):
    layer = MaxPooling2D()
    x = np.reshape([1, 2, 9, 4, 3, 9, 9, 9, 9], (1, 3, 3, 1))
    assert layer.forward(x).item() == 4  # of 1, 2, 4, 3; the nines are in the last row and column
    dx = layer.backward(np.full((1, 1, 1, 1), 7, np.float32))
    np.testing.assert_array_equal(dx[0, :, :, 0], [[0, 0, 0], [7, 0, 0], [0, 0, 0]])


def test_max_pooling_gives_a_tie_to_the_first_in_reading_order(rung):
    layer = MaxPooling2D()
    layer.forward(np.reshape([2, 3, 3, 3], (1, 2, 2, 1)))
    dx = layer.backward(np.full((1, 1, 1, 1), 7, np.float32))
    np.testing.assert_array_equal(dx[0, :, :, 0], [[0, 7], [0, 0]])


def test_max_pooling_adds_up_where_windows_overlap(rung):
    layer = MaxPooling2D((1, 2), strides=1)
    np.testing.assert_array_equal(
        layer.forward(np.reshape([1, 5, 2], (1, 1, 3, 1))).ravel(), [5, 5]
    )
    dx = layer.backward(np.reshape([10, 1], (1, 1, 2, 1)).astype("float32"))
    np.testing.assert_array_equal(dx.ravel(), [0, 11, 0])


def test_flatten_is_row_column_channel(rung):
    layer = Flatten()
    x = np.zeros((1, 2, 3, 2))
    x[0, 1, 2, 0] = 1  # (h*W + w)*C + c = (1*3 + 2)*2 + 0 = 10
    y = layer.forward(x)
    np.testing.assert_array_equal(np.flatnonzero(y), [10])
    np.testing.assert_array_equal(layer.backward(y), x)


def test_dense_by_hand(rung):
    layer = Dense(2)
    layer.build((3,))
    layer.set_weights([[[1, 2], [3, 4], [5, 6]], [10, 20]])
    # 1*1 + 0*3 + 2*5 + 10 = 21,  1*2 + 0*4 + 2*6 + 20 = 34;  and 0, 1, 0: 3 + 10, 4 + 20
    x = np.float32([[1, 0, 2], [0, 1, 0]])
    np.testing.assert_array_equal(layer.forward(x), [[21, 34], [13, 24]])
    # dx = dy @ kernel^T: (1, 1) -> 1+2, 3+4, 5+6; (0, 2) -> 4, 8, 12
    np.testing.assert_array_equal(
        layer.backward(np.float32([[1, 1], [0, 2]])), [[3, 7, 11], [4, 8, 12]]
    )
    # dkernel = x^T @ dy: rows 1*(1, 1) + 0*(0, 2);  0*(1, 1) + 1*(0, 2);  2*(1, 1) + 0*(0, 2)
    np.testing.assert_array_equal(layer.kernel.grad, [[1, 1], [0, 2], [2, 2]])
    np.testing.assert_array_equal(layer.bias.grad, [1, 3])


@pytest.mark.parametrize("make_layer", [Softmax, lambda: Activation("softmax")])
def test_softmax_by_hand(make_layer, rung):
    layer = make_layer()
    # exp of ln 1, ln 2, ln 5 sums to 8. float64: a few roundings of 1e-16.
    y = layer.forward(np.log([[1.0, 2.0, 5.0]]))
    np.testing.assert_allclose(y, [[1 / 8, 2 / 8, 5 / 8]], rtol=1e-14)
    # dx_i = y_i (dy_i - sum dy_k y_k); dy = (8, 0, 0): the sum is 1,
    # so 1/8 * 7, 2/8 * -1, 5/8 * -1
    np.testing.assert_allclose(
        layer.backward(np.array([[8.0, 0.0, 0.0]])), [[7 / 8, -2 / 8, -5 / 8]], rtol=1e-14
    )
    # Nothing overflows, whatever the scores.
    np.testing.assert_array_equal(layer.forward(np.array([[1e4, 0.0, -1e4]])), [[1, 0, 0]])


def test_softmax_inside_a_layer_has_a_true_backward(rung):
    inside, outside = Dense(3, activation="softmax"), Dense(3)
    x, dy = draw((4,), "float64"), draw((3,), "float64", seed=2)
    inside.forward(x), outside.build((4,), dtype="float64")
    outside.set_weights(inside.get_weights())
    softmax = Softmax()
    softmax.forward(outside.forward(x))
    dx = outside.backward(softmax.backward(dy))
    # The same operations in the same order.
    np.testing.assert_array_equal(inside.backward(dy), dx)
    np.testing.assert_array_equal(inside.kernel.grad, outside.kernel.grad)


def test_rescaling_by_hand(rung):
    layer = Rescaling(0.5, offset=-1.0)
    np.testing.assert_array_equal(layer.forward(np.uint8([[0, 4, 255]])), [[-1.0, 1.0, 126.5]])
    np.testing.assert_array_equal(layer.backward(np.float32([[2, 4, 6]])), [[1, 2, 3]])


def test_layer_weights_are_copies(numpy_rung):
    layer = Dense(2)
    layer.build((2,))
    before = layer.get_weights()
    layer.get_weights()[0][...] = 99
    np.testing.assert_array_equal(layer.get_weights()[0], before[0])
    mine = [np.ones((2, 2)), np.zeros(2)]
    layer.set_weights(mine)
    mine[0][...] = 99
    np.testing.assert_array_equal(layer.get_weights()[0], np.ones((2, 2)))
    assert layer.get_weights()[0].dtype == "float32"


@every_layer
def test_a_gradient_of_another_dtype_is_taken_as_the_layers_own(case, rung):
    # np.ones(y.shape), as one writes it in a loop by hand, is float64.
    layer, shape, output_shape = make(case), *case[2:]
    dy = draw(output_shape, seed=2)
    x = draw(shape)
    layer.forward(x)
    expected = layer.backward(dy)
    dx = layer.backward(dy.astype("float64"))
    np.testing.assert_array_equal(dx, expected)
    gradients = [p.grad for p in layer.parameters if p.trainable]
    assert {array.dtype.name for array in [dx, *gradients]} == {"float32"}


def test_an_initializer_function_does_not_decide_the_dtype(rung):
    layer = Dense(2, kernel_initializer=lambda shape, rng, dtype: rng.normal(size=shape))
    assert layer.forward(draw((3,))).dtype == "float32"
    assert {weight.dtype.name for weight in layer.get_weights()} == {"float32"}


def test_an_initializer_function_cannot_make_another_shape(numpy_rung):
    with pytest.raises(ValueError, match=r"\(3, 2\)"):
        Dense(2, kernel_initializer=lambda shape, rng, dtype: np.zeros(2, dtype)).build((3,))


# --- average pools --------------------------------------------------------------------------------


def test_average_pooling_counts_no_padding(rung):
    layer = AveragePooling2D(2, padding="same")
    # Windows: (1, 3, 5, 7); (2, 4) and (6, 8) with the padding to their right and below; (10).
    x = np.reshape([1, 3, 2, 5, 7, 4, 6, 8, 10], (1, 3, 3, 1))
    y = layer.forward(x)
    np.testing.assert_array_equal(y[0, :, :, 0], [[4, 3], [7, 10]])
    dx = layer.backward(np.reshape([8, 6, 4, 5], (1, 2, 2, 1)))
    np.testing.assert_array_equal(dx[0, :, :, 0], [[2, 2, 3], [2, 2, 3], [2, 2, 5]])


def test_average_pooling_drops_what_no_window_covers_and_adds_up_where_windows_overlap(rung):
    layer = AveragePooling2D((1, 2), strides=(1, 1))
    y = layer.forward(np.reshape([2, 6, 4], (1, 1, 3, 1)))
    np.testing.assert_array_equal(y.ravel(), [4, 5])
    dx = layer.backward(np.reshape([8, 2], (1, 1, 2, 1)))
    np.testing.assert_array_equal(dx.ravel(), [4, 5, 1])
    layer = AveragePooling2D((1, 2))
    np.testing.assert_array_equal(layer.forward(np.reshape([2, 6, 4], (1, 1, 3, 1))).ravel(), [4])
    dx = layer.backward(np.reshape([8], (1, 1, 1, 1)))
    np.testing.assert_array_equal(dx.ravel(), [4, 4, 0])


def test_global_average_pooling_by_hand(rung):
    layer = GlobalAveragePooling2D()
    x = np.float32([[[[1, 10], [2, 20]], [[3, 30], [6, 60]]]])
    np.testing.assert_array_equal(layer.forward(x), [[3, 30]])
    dx = layer.backward(np.float32([[4, 8]]))
    np.testing.assert_array_equal(dx, np.broadcast_to([1, 2], (1, 2, 2, 2)))


# --- batch normalisation --------------------------------------------------------------------------


def test_batch_normalization_by_hand(rung):
    layer = BatchNormalization(epsilon=0.0, momentum=0.75)
    layer.build((1,), dtype="float64")
    layer.set_weights([[3], [10], [8], [16]])
    x = np.array([[0.0], [8.0]])
    # Mean 4, variance (16 + 16) / 2 = 16 (and not 32): x_hat = -1, 1.
    np.testing.assert_array_equal(layer.forward(x, training=True), [[7], [13]])
    # dbeta = 6, dgamma = 4 - 2 = 2, and dx = 3 / 4 * (dy - 6 / 2 - x_hat * 2 / 2) = 0.
    np.testing.assert_array_equal(layer.backward(np.array([[2.0], [4.0]])), [[0], [0]])
    np.testing.assert_array_equal([layer.gamma.grad, layer.beta.grad], [[2], [6]])
    np.testing.assert_array_equal(layer.moving_mean.value, [8])
    layer.update_statistics()
    # 0.75 * 8 + 0.25 * 4 = 7,  0.75 * 16 + 0.25 * 16 = 16
    np.testing.assert_array_equal(layer.get_weights()[2:], [[7], [16]])
    # In inference: (x - 7) / 4, so 3 * -1.75 + 10 = 4.75 and 3 * 0.25 + 10 = 10.75
    np.testing.assert_array_equal(layer.forward(x), [[4.75], [10.75]])
    np.testing.assert_array_equal(layer.backward(np.array([[2.0], [4.0]])), [[1.5], [3]])
    layer.update_statistics()  # nothing moves after a forward in inference
    np.testing.assert_array_equal(layer.get_weights()[2:], [[7], [16]])


def test_batch_normalization_of_a_channel_that_never_changes(rung):
    layer = BatchNormalization()
    y = layer.forward(np.full((5, 3), 7.0), training=True)
    np.testing.assert_array_equal(y, np.zeros((5, 3)))
    assert np.isfinite(layer.backward(draw((3,))[:1].repeat(5, axis=0))).all()


@pytest.mark.parametrize("offset", [0, 1e4])
def test_batch_normalization_takes_channels_far_from_zero(offset, rung):
    """E[x^2] - E[x]^2 would lose all digits of the variance: in float32 1e8 comes in steps of 8."""
    rng = np.random.default_rng(0)
    x = (rng.standard_normal((500, 4, 3)) + offset).astype(np.float32)
    y = BatchNormalization(epsilon=0.0).forward(x, training=True)
    np.testing.assert_allclose(y.std(axis=(0, 1), dtype=np.float64), np.ones(3), atol=1e-4)
    # A mean near 1e4 is itself rounded by up to 5e-4.
    np.testing.assert_allclose(y.mean(axis=(0, 1), dtype=np.float64), np.zeros(3), atol=6e-4)


@pytest.mark.parametrize("options", [{}, {"center": False}, {"scale": False}])
def test_batch_normalization_weights_come_in_the_order_of_keras(options, numpy_rung):
    layer = BatchNormalization(**options)
    layer.build((2, 3))
    names = ["gamma"] * options.get("scale", True) + ["beta"] * options.get("center", True)
    assert [p.name for p in layer.parameters] == [*names, "moving_mean", "moving_variance"]
    assert [p.trainable for p in layer.parameters] == [True] * len(names) + [False, False]


def test_batch_normalization_in_inference_has_a_gradient_too(rung):
    layer = BatchNormalization()
    x, dy = draw((2, 4), "float64"), draw((2, 4), "float64", seed=2)
    layer.build((2, 4), dtype="float64")
    layer.set_weights([draw((4,), "float64", seed=s)[0] ** 2 + 0.5 for s in range(4)])
    layer.forward(x)
    dx, parameters = layer.backward(dy), layer.parameters[:2]
    for array, gradient in [(x, dx), *((p.value, p.grad) for p in parameters)]:
        numeric = numerical_gradient(lambda: dy * layer.forward(x), array)
        # Central differences of a linear function: only rounding, 1e-16 / 1e-5.
        np.testing.assert_allclose(gradient, numeric, rtol=0, atol=1e-9)


# --- dropout --------------------------------------------------------------------------------------


def test_dropout_by_hand(rung):
    layer = Dropout(0.75)

    class Fixed:
        def random(self, shape, dtype):
            return np.reshape([0.7, 0.75, 0.8, 0.1], shape).astype(dtype)

    layer.rng = Fixed()
    x = np.array([[1.0, 2.0, 3.0, 4.0]])
    np.testing.assert_array_equal(layer.forward(x, training=True), [[0, 8, 12, 0]])
    np.testing.assert_array_equal(layer.backward(x), [[0, 8, 12, 0]])
    np.testing.assert_array_equal(layer.forward(x), x)
    np.testing.assert_array_equal(layer.backward(x), x)


def test_dropout_keeps_the_mean_and_drops_its_share(rung):
    layer = Dropout(0.3)
    layer.rng = np.random.default_rng(0)
    y = layer.forward(np.ones((100, 1000), np.float32), training=True)
    # Of 100,000 draws the share varies by sqrt(0.3 * 0.7 / 1e5) = 0.0014; five times that.
    assert abs((y == 0).mean() - 0.3) < 0.0073
    assert set(np.unique(y)) == {0, np.float32(1 / 0.7)}
    assert len(np.unique((y == 0).mean(axis=0))) > 10, "each element is drawn by itself"


def test_dropout_of_nothing_and_of_everything(rung):
    x = draw((5,))
    np.testing.assert_array_equal(Dropout(0).forward(x, training=True), x)
    layer = Dropout(1)
    np.testing.assert_array_equal(layer.forward(x, training=True), 0 * x)
    np.testing.assert_array_equal(layer.backward(x), 0 * x)


def test_dropout_in_a_model_draws_anew_each_step_and_alike_from_one_seed(rung):
    def run(seed):
        model = Sequential([Input((50,)), Dropout(0.5), Dense(2)], seed=seed)
        model.compile("sgd", "mse")
        x, y = np.ones((1, 50)), np.ones((1, 2))
        masks = []
        for _ in range(3):
            model.loss_and_gradients(x, y)
            (kept,) = model.layers[0].cache
            model.train_on_batch(x, y)
            # The step's noise is known before the step is taken.
            np.testing.assert_array_equal(model.layers[0].cache[0], kept)
            masks.append(kept)
        return np.concatenate(masks)

    one, same, other = run(1), run(1), run(2)
    assert len({mask.tobytes() for mask in one}) == 3
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_dropout_does_not_depend_on_the_rung_or_the_dtype():
    masks = []
    for rung in ("numpy", "numba"):
        for dtype in ("float32", "float64"):
            with kernels.use(rung):
                layer = Dropout(0.5)
                layer.build((40,), dtype=dtype)
                layer.rng = np.random.default_rng(7)
                masks.append(layer.forward(np.ones((9, 40)), training=True) > 0)
    for mask in masks[1:]:
        np.testing.assert_array_equal(mask, masks[0])


# --- activations ----------------------------------------------------------------------------------

# exp(-1) - 1 = -0.632..., 1 / (1 + e) = 0.268..., each to the digits that float64 holds.
E1, S1 = -0.6321205588285577, 0.2689414213699951
ACTIVATIONS = {
    "LeakyReLU": (lambda: LeakyReLU(0.5), [-0.5, 0, 2], [5, 5, 10]),
    "LeakyReLU, default": (LeakyReLU, [-0.3, 0, 2], [3, 3, 10]),
    "leaky_relu": (lambda: Activation("leaky_relu"), [-0.2, 0, 2], [2, 2, 10]),
    "ELU": (lambda: ELU(0.5), [0.5 * E1, 0, 2], [5 * (E1 + 1), 5, 10]),
    "elu": (lambda: Activation("elu"), [E1, 0, 2], [10 * (E1 + 1), 10, 10]),
    "sigmoid": (
        lambda: Activation("sigmoid"),
        [S1, 0.5, 0.8807970779778824],
        [10 * S1 * (1 - S1), 2.5, 1.049935854035065],
    ),
    "tanh": (
        lambda: Activation("tanh"),
        [-0.7615941559557649, 0, 0.9640275800758169],
        [4.199743416140261, 10, 0.7065082485316443],
    ),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_by_hand(name, rung):
    make_layer, y, dx = ACTIVATIONS[name]
    layer = make_layer()
    # float64: a few roundings of 1e-16.
    np.testing.assert_allclose(layer.forward(np.array([[-1.0, 0.0, 2.0]])), [y], rtol=1e-14)
    np.testing.assert_allclose(layer.backward(np.full((1, 3), 10.0)), [dx], rtol=1e-14)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_overflow_nowhere_and_let_nan_through(name, rung):
    layer = ACTIVATIONS[name][0]()
    y = layer.forward(np.array([[-1e4, 1e4, np.nan]]))
    assert np.isfinite(y[0, :2]).all() and np.isnan(y[0, 2])
    assert np.isfinite(layer.backward(np.ones((1, 3)))[0, :2]).all()


class Forgetful(layers.Layer):
    """Its forward sets no cache; its build makes no end."""

    def __init__(self, builds):
        super().__init__()
        self.builds = builds

    def build(self, input_shape, rng=None, dtype="float32"):
        if self.builds:
            return super().build(input_shape, rng, dtype)
        return input_shape

    def forward(self, x, training=False):
        return self.receive(x)

    def backward(self, dy):
        return self.receive_gradient(dy) * self.recall()[0]


def test_a_layer_that_forgets_a_step_of_the_protocol_is_told_which():
    layer = Forgetful(builds=True)
    layer.forward(np.ones((1, 2)))
    with pytest.raises(RuntimeError, match="backward needs a forward before it that sets self"):
        layer.backward(np.ones((1, 2)))
    with pytest.raises(ValueError, match="build must end in `return self"):
        Forgetful(builds=False).forward(np.ones((1, 2)))


class Silent(layers.Layer):
    """The identity, whose method of this name forgets its `return`."""

    def __init__(self, method):
        super().__init__(name="mine")
        self.method = method

    def forward(self, x, training=False):
        y = super().forward(x)
        return None if self.method == "forward" else y

    def backward(self, dy):
        dx = super().backward(dy)
        return None if self.method == "backward" else dx


@pytest.mark.parametrize(
    ("method", "words"),
    [
        ("forward", "forward returned None; it must return y, its output"),
        (
            "backward",
            "backward returned None; it must return dx, the gradient with respect to its input",
        ),
    ],
)
def test_a_method_that_returns_none_is_blamed_and_not_the_next_layer(method, words):
    model = Sequential([layers.Dense(4), Silent(method), layers.Dense(2)])
    model.compile("sgd", "mse")
    with pytest.raises(TypeError, match=rf"^Silent\(mine\): {words}$"):
        model.fit(np.ones((8, 3)), np.ones((8, 2)), verbose=0)


def test_a_check_tells_of_a_forward_that_returns_none():
    report = check_layer(Silent("forward"), np.ones((2, 3)))
    assert report.faults == ["forward returns None: it must return y, its output"]


def test_the_lowest_layer_may_have_no_gradient_to_return():
    model = Sequential([Silent("backward"), layers.Dense(2)])
    model.forward(np.ones((8, 3)))
    assert model.backward(np.ones((8, 2))) is None
