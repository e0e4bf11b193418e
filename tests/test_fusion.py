"""Fused steps: the same numbers as layer by layer, for what fits; all else runs as it is."""

import copy

import numpy as np
import pytest
from without_numba import simd

from tinycnn import Conv2D, Dense, Flatten, MaxPooling2D, ReLU, Sequential, kernels
from tinycnn.layers import fused

# Two orders of summation, of sums of about a hundred terms: 3e-7 apart in float32; a window
# missed, or taken twice, shows in the first digits.
CLOSE = {"rtol": 0, "atol": 2e-6}


def network(*layers, input_shape=(11, 9, 16), seed=0):
    layers = layers or (
        Conv2D(5, (3, 2), activation="relu", padding="same"),
        MaxPooling2D(2),
        Conv2D(18, 2, activation="relu"),
        MaxPooling2D(2),
    )
    model = Sequential([*layers, Flatten(), Dense(3, activation="softmax")], seed=seed)
    model.build(input_shape)
    model.compile("adam", "categorical_crossentropy", ["accuracy"])
    return model


def data(n=6, input_shape=(11, 9, 16), classes=3):
    rng = np.random.default_rng(1)
    x = rng.uniform(-1, 1, (n, *input_shape)).astype("float32")
    return x, np.eye(classes, dtype="float32")[rng.integers(0, classes, n)]


def test_loss_and_gradients_are_those_of_the_layers(rung):
    model, (x, y) = network(), data()
    assert [type(step) for step in fused.steps(model.layers)][:2] == [fused.ConvPool] * 2
    loss, gradients = model.loss_and_gradients(x, y)
    with fused.off():
        assert fused.steps(model.layers) == model.layers
        expected, wanted = model.loss_and_gradients(x, y)
    assert loss == pytest.approx(expected, rel=1e-6)
    for gradient, want in zip(gradients, wanted, strict=True):
        assert np.abs(want).max() > 1e-3
        np.testing.assert_allclose(gradient, want, **CLOSE)


def test_gradient_by_the_input(rung):
    model, (x, _) = network(), data()
    dy = np.random.default_rng(2).standard_normal((6, 3)).astype("float32")
    model.forward(x)
    dx = model.backward(dy)
    with fused.off():
        model.forward(x)
        expected = model.backward(dy)
    assert np.abs(expected).max() > 1e-2
    np.testing.assert_allclose(dx, expected, **CLOSE)


def test_each_layer_can_go_backward_by_itself_after_a_fused_forward(rung):
    model, (x, _) = network(), data()
    dy = np.random.default_rng(2).standard_normal((6, 3)).astype("float32")
    model.forward(x)
    expected = model.backward(dy)
    model.forward(x)
    gradient = dy
    for layer in reversed(model.layers):
        gradient = layer.backward(gradient)
    np.testing.assert_allclose(gradient, expected, **CLOSE)
    conv, pool = model.layers[:2]
    np.testing.assert_array_equal(conv.branches()[0], conv.forward(x) > 0)
    winners = pool.branches()[0]
    pool.forward(conv.forward(x))
    np.testing.assert_array_equal(winners, pool.branches()[0])


def test_a_copy_of_a_model_in_the_middle_of_a_step_goes_its_own_way():
    model, (x, _) = network(), data()
    model.forward(x)
    twin = copy.deepcopy(model)
    twin.layers[0].kernel.value[...] = 0
    assert not twin.layers[0].branches()[0][..., 0].all()
    assert model.layers[0].branches()[0].any()
    assert twin.layers[0].cache[0] is not x


def test_backward_needs_a_forward():
    model, (x, _) = network(), data()
    with pytest.raises(RuntimeError, match="needs a forward"):
        model.backward(np.ones((6, 3), "float32"))
    model.predict(x, verbose=0)
    with pytest.raises(RuntimeError, match="needs a forward"):
        model.backward(np.ones((6, 3), "float32"))
    with pytest.raises(RuntimeError, match="needs a forward"):
        model.layers[0].backward(np.ones((6, 11, 9, 5), "float32"))


class MyConv(Conv2D):
    pass


class MyPool(MaxPooling2D):
    pass


def conv(**changes):
    return Conv2D(**{"filters": 4, "kernel_size": 3, "activation": "relu"} | changes)


@pytest.mark.parametrize(
    "layers",
    [
        (conv(activation=None), MaxPooling2D(2)),
        (conv(activation="softmax"), MaxPooling2D(2)),
        (conv(strides=2), MaxPooling2D(2)),
        (conv(strides=(1, 2)), MaxPooling2D(2)),
        (conv(), MaxPooling2D(3)),
        (conv(), MaxPooling2D((2, 1))),
        (conv(), MaxPooling2D(2, strides=1)),
        (conv(), MaxPooling2D(3, strides=2)),
        (conv(), MaxPooling2D(2, padding="same")),  # 9x7 outputs: odd
        (conv(), ReLU(), MaxPooling2D(2)),
        (MyConv(4, 3, activation="relu"), MaxPooling2D(2)),
        (conv(), MyPool(2)),
        (MaxPooling2D(2), conv()),
    ],
    ids=lambda layers: "-".join(type(layer).__name__ for layer in layers),
)
def test_what_does_not_fit_runs_layer_by_layer(layers):
    model, (x, y) = network(*layers), data()
    assert fused.steps(model.layers) == model.layers
    assert np.isfinite(model.train_on_batch(x, y)[0])


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_what_fits(padding):
    model = network(
        conv(padding=padding, use_bias=False),
        MaxPooling2D(2, padding=padding),
        input_shape=(8, 6, 1),
    )
    assert isinstance(fused.steps(model.layers)[0], fused.ConvPool)
    x, y = data(input_shape=(8, 6, 1))
    loss, gradients = model.loss_and_gradients(x, y)
    with fused.off():
        expected, wanted = model.loss_and_gradients(x, y)
    assert loss == pytest.approx(expected, rel=1e-6)
    for gradient, want in zip(gradients, wanted, strict=True):
        np.testing.assert_allclose(gradient, want, **CLOSE)


@pytest.mark.parametrize("index", [0, 1])
def test_a_layer_with_a_forward_of_its_own_is_called(index):
    model, (x, _) = network(), data()
    layer, seen = model.layers[index], []
    forward = layer.forward
    layer.forward = lambda *args: (seen.append(1), forward(*args))[1]
    model.forward(x)
    assert seen == [1]


def test_backward_after_a_forward_that_broke_off_says_so():
    model = Sequential([conv(), MaxPooling2D(2), conv(padding="same"), MaxPooling2D(2)])
    model.build((11, 9, 16))
    model.layers[0].kernel.value = np.ones((3, 3, 15, 4), "float32")  # of 15 channels, not 16
    with pytest.raises(ValueError):
        model.forward(data()[0])
    message = r"Conv2D\(.*\) with MaxPooling2D\(.*\): backward needs a forward before it"
    with pytest.raises(RuntimeError, match=message):
        model.backward(np.zeros((6, *model.output_shape), "float32"))


@pytest.mark.parametrize("vectors", [1, 3, 4, 5, 6, 7, 12])
@pytest.mark.parametrize("needs_dx", [True, False])
def test_lines_of_every_width(vectors, needs_dx):
    """The line of a 1x1 kernel is a pixel's channels; 2 numbers short of filling its vectors."""
    C, F, rng = vectors * simd.LANES - 2, 5, np.random.default_rng(vectors)
    # Numbers of eight bits: every sum of products of them is exact, in any order.
    x = rng.integers(-128, 128, (4, 4, 6, C)).astype("float32")
    kernel = rng.integers(-128, 128, (1, 1, C, F)).astype("float32")
    dy = rng.integers(-128, 128, (4, 2, 3, F)).astype("float32")
    winners = rng.integers(0, 5, dy.shape).astype("uint8")
    results = []
    for rung in ("numba", "numpy"):
        with kernels.use(rung):
            results.append(
                kernels.conv2d_relu_pool_backward(dy, x, kernel, winners, needs_dx=needs_dx)
            )
    for ours, expected in zip(*results, strict=True):
        assert (ours is None) == (expected is None)
        if expected is not None:
            np.testing.assert_array_equal(ours, expected)


def test_training_is_the_same_to_rounding(rung):
    x, y = data(40)
    losses = []
    for switch in (None, fused.off):
        model = network()
        if switch is None:
            history = model.fit(x, y, batch_size=8, epochs=2, verbose=0)
        else:
            with switch():
                history = model.fit(x, y, batch_size=8, epochs=2, verbose=0)
        losses.append(history.history["loss"])
    # Ten steps of Adam amplify the rounding of the last bit to about 1e-5.
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


def test_the_fused_kernels_are_called(monkeypatch):
    calls = []
    for name in ("conv2d_relu_pool_forward", "conv2d_relu_pool_backward"):
        kernel = getattr(kernels, name)
        monkeypatch.setattr(
            kernels,
            name,
            lambda *a, k=kernel, n=name, **kw: (calls.append(n), k(*a, **kw))[1],
            raising=False,
        )
    model, (x, y) = network(), data()
    model.train_on_batch(x, y)
    assert calls == ["conv2d_relu_pool_forward"] * 2 + ["conv2d_relu_pool_backward"] * 2
