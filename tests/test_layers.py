"""Layers: one conformance test over all of them, then each by numbers worked by hand."""

import json

import numpy as np
import pytest

from tinycnn import Activation, Dense, Flatten, Input, Sequential, layers, load_model
from tinycnn.layers import Conv2D, MaxPooling2D, ReLU, Rescaling, Softmax

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
    (Activation, (("relu",), {}), (3, 2), (3, 2)),
    (Activation, (("softmax",), {}), (3,), (3,)),
    (Activation, ((None,), {}), (3,), (3,)),
    (ReLU, ((), {}), (2, 3, 1), (2, 3, 1)),
    (Softmax, ((), {}), (4,), (4,)),
    (Rescaling, ((0.5,), {"offset": -1.0}), (2, 2, 1), (2, 2, 1)),
    (Input, (((2, 3),), {}), (2, 3), (2, 3)),
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
        assert parameter.grad.shape == parameter.value.shape
        assert parameter.grad.dtype == parameter.value.dtype == dtype

    # Gradients are assigned, never accumulated: a second backward gives the same again.
    dx_first, gradients = dx.copy(), [p.grad.copy() for p in layer.parameters]
    np.testing.assert_array_equal(layer.backward(dy), dx_first)
    for parameter, gradient in zip(layer.parameters, gradients, strict=True):
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
    model = Sequential([Input(shape), layer, Flatten(), Dense(2)], dtype=dtype)
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
    assert {array.dtype.name for array in [dx, *(p.grad for p in layer.parameters)]} == {"float32"}


def test_an_initializer_function_does_not_decide_the_dtype(rung):
    layer = Dense(2, kernel_initializer=lambda shape, rng, dtype: rng.normal(size=shape))
    assert layer.forward(draw((3,))).dtype == "float32"
    assert {weight.dtype.name for weight in layer.get_weights()} == {"float32"}


def test_an_initializer_function_cannot_make_another_shape(numpy_rung):
    with pytest.raises(ValueError, match=r"\(3, 2\)"):
        Dense(2, kernel_initializer=lambda shape, rng, dtype: np.zeros(2, dtype)).build((3,))
