"""<A x, dy> = <x, A^T dy>: every linear forward against the backward that should be its transpose.

A convolution is linear in its input, in its kernel and in its bias; a max-pool is linear once it is
known who won, a relu once it is known which outputs are positive. For a linear A no difference
quotient is needed: there is no step size and no kink, and the two products agree to the rounding of
float64. One pair of random vectors is enough, for a wrong A^T agrees with a random pair by accident
only with probability 0.

Every check also holds the two rules that no product can see: what a backward is given it leaves as
it was, and it answers in the shape and dtype of what it is the gradient of. Each layer has seen
another batch before, which its backward must not remember.

`CHECKS` holds them by name, each a function of a `Draw`; test_museum.py runs them on wrong code.
"""

import functools

import numpy as np
import pytest

from tinycnn import kernels
from tinycnn.layers import (
    ELU,
    Activation,
    AveragePooling2D,
    Conv2D,
    Dense,
    Flatten,
    GlobalAveragePooling2D,
    GlobalMaxPooling2D,
    Layer,
    LeakyReLU,
    MaxPooling2D,
    Normalization,
    ReLU,
    Rescaling,
    Reshape,
    UpSampling2D,
    ZeroPadding2D,
)

# Relative to the norms. Both sides are sums of at most some thousand products: their rounding is
# 1e-15 and less in float64 and 5e-7 in float32, one wrong term of thousands 1e-4 and more.
TOLERANCE = {"float64": 1e-13, "float32": 1e-5}

# N, H, W, C, KH, KW, strides, F: odd sizes, kernels that are not square, strides that leave pixels
# out, and channels and filters that are one, a whole number of SIMD lanes, and neither.
CONVOLUTIONS = {
    "3x3": (2, 6, 5, 3, 3, 3, (1, 1), 4),
    "2x3": (2, 5, 7, 3, 2, 3, (1, 1), 5),
    "3x2, strides 1x2": (2, 5, 6, 2, 3, 2, (1, 2), 17),
    "3x3, strides 2": (3, 7, 8, 2, 3, 3, (2, 2), 3),
    "4x4, strides 2": (1, 6, 9, 1, 4, 4, (2, 2), 16),
    "5x3, strides 3": (2, 8, 5, 3, 5, 3, (3, 3), 2),
    "2x2, strides 3": (2, 8, 7, 1, 2, 2, (3, 3), 33),
    "1x1": (2, 3, 4, 17, 1, 1, (1, 1), 5),
    "1x1, strides 2": (2, 5, 4, 2, 1, 1, (2, 2), 18),
    "one output": (2, 3, 2, 2, 3, 2, (1, 1), 3),
    "one of all": (1, 1, 1, 1, 1, 1, (1, 1), 1),
    "many images": (13, 3, 4, 3, 3, 3, (1, 1), 5),
    # One filter behind whole SIMD vectors, 4, 8 or 16 lanes wide, and one and two of them.
    "4 channels to 1": (1, 3, 4, 4, 2, 3, (1, 1), 1),
    "8 channels to 1": (1, 3, 4, 8, 2, 3, (1, 1), 1),
    "16 channels to 1": (1, 3, 4, 16, 2, 3, (1, 1), 1),
    "32 channels to 1": (1, 3, 4, 32, 2, 3, (1, 1), 1),
}

# N, H, W, C, PH, PW, strides: tiling, not tiling, overlapping, and with pixels between the windows.
POOLS = {
    "2x2": (2, 6, 4, 3, 2, 2, (2, 2)),
    "2x2 of 5x7": (2, 5, 7, 17, 2, 2, (2, 2)),
    "3x3, strides 1": (2, 7, 6, 3, 3, 3, (1, 1)),
    "3x2, strides 1x2": (2, 5, 6, 2, 3, 2, (1, 2)),
    "3x3, strides 2": (2, 6, 5, 1, 3, 3, (2, 2)),
    "2x2, strides 3": (2, 8, 9, 16, 2, 2, (3, 3)),
    "4x4, strides 2": (1, 7, 9, 3, 4, 4, (2, 2)),
}

PADDINGS = ("valid", "same")


class Draw:
    """Random arrays of one seed and dtype."""

    def __init__(self, seed, dtype):
        self.rng, self.dtype = np.random.default_rng(seed), np.dtype(dtype)

    def __call__(self, *shape):
        return self.rng.standard_normal(shape).astype(self.dtype)


def check_adjoint(forward, backward, x, dy, *given):
    """<forward(x), dy> = <x, backward(dy)>; `given`, x and dy stay as they are."""
    arrays = (x, dy, *given)
    before = [array.copy() for array in arrays]
    y = forward(x)
    assert y.shape == dy.shape
    dx = backward(dy)
    assert dx is not None, "no gradient came back"
    for array, copy in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, copy, "a backward has changed what it was given")
    assert dx.shape == x.shape
    assert dx.dtype == x.dtype
    x, y, dy, dx = (array.astype(np.float64) for array in (x, y, before[1], dx))
    scale = max(
        np.linalg.norm(y) * np.linalg.norm(dy), np.linalg.norm(x) * np.linalg.norm(dx), 1e-300
    )
    error = abs(np.vdot(y, dy) - np.vdot(x, dx)) / scale
    assert error <= TOLERANCE[arrays[0].dtype.name], f"relative difference {error:.1e}"


# --- kernels --------------------------------------------------------------------------------------


def check_im2col(draw, case, padding):
    N, H, W, C, KH, KW, strides, _ = CONVOLUTIONS[case]
    x = draw(N, H, W, C)
    window = ((KH, KW), strides, padding)
    dcols = draw(*kernels.im2col(x, *window).shape)
    check_adjoint(
        lambda x: kernels.im2col(x, *window),
        lambda dcols: kernels.col2im(dcols, x.shape, *window),
        x,
        dcols,
    )


def check_conv2d(draw, case, padding, relu):
    """In x given the kernel, in the kernel given x, and in the bias; a relu given its signs."""
    N, H, W, C, KH, KW, strides, F = CONVOLUTIONS[case]
    x, kernel, bias = draw(N, H, W, C), draw(KH, KW, C, F), draw(F)
    y = kernels.conv2d_forward(x, kernel, bias, strides, padding, relu)
    dy = draw(*y.shape)
    on = (y > 0).astype(y.dtype) if relu else np.ones_like(y)

    def forward(x, kernel, bias=None):
        return on * kernels.conv2d_forward(x, kernel, bias, strides, padding)

    def backward(dy, which):
        relu_output = y if relu else None
        return kernels.conv2d_backward(dy, x, kernel, strides, padding, relu_output)[which]

    given = (x, kernel, y)
    check_adjoint(
        lambda x: forward(x, kernel), lambda dy: backward(dy, 0), draw(*x.shape), dy, *given
    )
    check_adjoint(
        lambda k: forward(x, k), lambda dy: backward(dy, 1), draw(*kernel.shape), dy, *given
    )
    nothing = np.zeros_like(x)
    check_adjoint(
        lambda b: forward(nothing, kernel, b), lambda dy: backward(dy, 2), draw(F), dy, *given
    )


def check_dense(draw, N, D, U, relu):
    x, kernel, bias = draw(N, D), draw(D, U), draw(U)
    y = kernels.dense_forward(x, kernel, bias, relu)
    dy = draw(N, U)
    on = (y > 0).astype(y.dtype) if relu else np.ones_like(y)

    def forward(x, kernel, bias=None):
        return on * kernels.dense_forward(x, kernel, bias)

    def backward(dy, which):
        return kernels.dense_backward(dy, x, kernel, y if relu else None)[which]

    given = (x, kernel, y)
    check_adjoint(lambda x: forward(x, kernel), lambda dy: backward(dy, 0), draw(N, D), dy, *given)
    check_adjoint(lambda k: forward(x, k), lambda dy: backward(dy, 1), draw(D, U), dy, *given)
    nothing = np.zeros_like(x)
    check_adjoint(
        lambda b: forward(nothing, kernel, b), lambda dy: backward(dy, 2), draw(U), dy, *given
    )


def check_max_pool(draw, case, padding):
    """Given the winners of some x, the pool of any x picks its values at their places."""
    N, H, W, C, PH, PW, strides = POOLS[case]
    window = ((PH, PW), strides, padding)
    y, winners = kernels.max_pool_forward(draw(N, H, W, C), *window)
    rows, columns = places(winners, H, W, *window)
    pick = (np.arange(N)[:, None, None, None], rows, columns, np.arange(C))
    check_adjoint(
        lambda x: x[pick],
        lambda dy: kernels.max_pool_backward(dy, winners, (N, H, W, C), *window),
        draw(N, H, W, C),
        draw(*y.shape),
        winners,
    )


def places(winners, H, W, size, strides, padding):
    """The row and column in the image of every winner, from its place in the window."""
    _, OH, OW, _ = winners.shape
    top, left = (
        max((outputs - 1) * stride + length - pixels, 0) // 2 if padding == "same" else 0
        for outputs, stride, length, pixels in zip((OH, OW), strides, size, (H, W), strict=True)
    )
    u, v = winners // size[1], winners % size[1]
    i, j = np.arange(OH)[:, None, None], np.arange(OW)[:, None]
    return i * strides[0] + u - top, j * strides[1] + v - left


def check_relu(draw):
    """Nothing goes back where the output is NaN, for it is not positive."""
    x = draw(3, 5, 7)
    x[0, 0, 0] = np.nan
    before = x.copy()
    y = kernels.relu_forward(x)
    np.testing.assert_array_equal(x, before, "a forward has changed what it was given")
    on = y > 0
    check_adjoint(
        lambda x: x * on, lambda dy: kernels.relu_backward(dy, y), draw(3, 5, 7), draw(3, 5, 7), y
    )


# --- layers: linear but for a constant, which the difference of two forwards takes out ------------

LAYERS = {
    "Conv2D": (lambda: Conv2D(5, (2, 3), (1, 2), "same"), (2, 5, 6, 3)),
    "Conv2D, no bias": (lambda: Conv2D(3, 2, use_bias=False), (2, 4, 5, 1)),
    "Dense": (lambda: Dense(4), (3, 5)),
    "Dense, 3 axes": (lambda: Dense(4, use_bias=False), (2, 3, 5)),
    "Flatten": (Flatten, (2, 3, 2, 4)),
    "Rescaling": (lambda: Rescaling(1 / 127.5, -1.0), (2, 3, 3, 1)),
    "Activation linear": (lambda: Activation(None), (3, 4)),
    "AveragePooling2D": (lambda: AveragePooling2D(2), (2, 5, 6, 3)),
    "AveragePooling2D, overlapping": (lambda: AveragePooling2D(3, 2, "same"), (2, 6, 5, 2)),
    "GlobalAveragePooling2D": (GlobalAveragePooling2D, (2, 3, 4, 5)),
    "Layer": (Layer, (3, 4)),
    "Reshape": (lambda: Reshape((4, -1)), (2, 3, 2, 4)),
    "ZeroPadding2D": (lambda: ZeroPadding2D(((1, 2), (0, 3))), (2, 3, 4, 2)),
    "ZeroPadding2D, none": (lambda: ZeroPadding2D(0), (2, 3, 4, 2)),
    "UpSampling2D": (lambda: UpSampling2D((2, 3)), (2, 3, 2, 3)),
    "Normalization, given": (lambda: Normalization(mean=0.5, variance=[4.0, 0.25]), (3, 4, 2)),
}

NONLINEAR_LAYERS = {
    "Conv2D, relu": (lambda: Conv2D(5, (3, 2), activation="relu"), (2, 5, 6, 3)),
    "Dense, relu": (lambda: Dense(6, activation="relu"), (3, 5)),
    "ReLU": (ReLU, (3, 7)),
    "LeakyReLU": (LeakyReLU, (3, 7)),
    "ELU": (ELU, (3, 7)),
    "Activation sigmoid": (lambda: Activation("sigmoid"), (3, 7)),
    "Activation tanh": (lambda: Activation("tanh"), (3, 7)),
    "Activation silu": (lambda: Activation("silu"), (3, 7)),
    "Activation softplus": (lambda: Activation("softplus"), (3, 7)),
    "ReLU, all settings": (lambda: ReLU(1.0, 0.2, 0.3), (3, 7)),
    "GlobalMaxPooling2D": (GlobalMaxPooling2D, (2, 3, 4, 5)),
    "MaxPooling2D": (lambda: MaxPooling2D(2), (2, 5, 6, 3)),
    "MaxPooling2D, overlapping": (lambda: MaxPooling2D(3, 2, "same"), (2, 6, 5, 2)),
}


def built(draw, make, shape):
    layer = make()
    layer.build(shape[1:], draw.rng, draw.dtype.name)
    return layer


def check_layer_in_x(draw, title):
    """dx, from a layer that has seen another batch in between two forwards of this one."""
    make, shape = LAYERS[title]
    layer = built(draw, make, shape)
    x, other = draw(*shape), draw(shape[0] + 1, *shape[1:])

    def forward(x):
        layer.forward(other)
        constant = layer.forward(np.zeros_like(x))
        return layer.forward(x) - constant

    check_adjoint(forward, layer.backward, x, draw(*forward(x).shape))


def check_layer_in_parameters(draw, title):
    """dkernel and dbias: the output is linear in both together."""
    make, shape = LAYERS[title]
    layer = built(draw, make, shape)
    x, other = draw(*shape), draw(shape[0] + 1, *shape[1:])
    for parameter in layer.parameters:
        others = [p for p in layer.parameters if p is not parameter]

        def forward(value, parameter=parameter, others=others):
            kept = [p.value for p in layer.parameters]
            parameter.value = value
            for p in others:
                p.value = np.zeros_like(p.value)
            layer.forward(other)
            y = layer.forward(x)
            for p, before in zip(layer.parameters, kept, strict=True):
                p.value = before
            return y

        def backward(dy, parameter=parameter):
            layer.backward(dy)
            return parameter.grad

        value = draw(*parameter.value.shape)
        check_adjoint(forward, backward, value, draw(*forward(value).shape), x)


def check_layer_remembers_the_last_batch(draw, title):
    """A relu's signs and a pool's winners are those of the last forward, and of no other."""
    make, shape = NONLINEAR_LAYERS[title]
    x, other = draw(*shape), draw(*shape)
    layer, fresh = built(draw, make, shape), built(draw, make, shape)
    fresh.set_weights(layer.get_weights())
    dy = draw(*fresh.forward(x).shape)
    expected, before = fresh.backward(dy.copy()), dy.copy()
    layer.forward(other)
    layer.forward(x)
    for _ in range(2):  # a second backward from the same forward says the same
        np.testing.assert_array_equal(layer.backward(dy), expected)
        for parameter, same in zip(layer.parameters, fresh.parameters, strict=True):
            np.testing.assert_array_equal(parameter.grad, same.grad)
    np.testing.assert_array_equal(dy, before, "a backward has changed what it was given")


# --- all of them ----------------------------------------------------------------------------------


def _checks():
    for case in CONVOLUTIONS:
        for padding in PADDINGS:
            yield (
                f"im2col, {case}, {padding}",
                functools.partial(check_im2col, case=case, padding=padding),
            )
            for relu in (False, True):
                yield (
                    f"conv2d, {case}, {padding}" + ", relu" * relu,
                    functools.partial(check_conv2d, case=case, padding=padding, relu=relu),
                )
    for N, D, U in ((3, 5, 4), (1, 1, 1), (2, 17, 33), (13, 3, 16)):
        for relu in (False, True):
            yield (
                f"dense, {N}x{D}x{U}" + ", relu" * relu,
                functools.partial(check_dense, N=N, D=D, U=U, relu=relu),
            )
    for case in POOLS:
        for padding in PADDINGS:
            yield (
                f"max_pool, {case}, {padding}",
                functools.partial(check_max_pool, case=case, padding=padding),
            )
    yield "relu", check_relu
    for title in LAYERS:
        yield f"{title}, in x", functools.partial(check_layer_in_x, title=title)
    for title in LAYERS:
        if built(Draw(0, "float64"), *LAYERS[title]).parameters:
            yield (
                f"{title}, in its parameters",
                functools.partial(check_layer_in_parameters, title=title),
            )
    for title in NONLINEAR_LAYERS:
        yield (
            f"{title}, the last batch",
            functools.partial(check_layer_remembers_the_last_batch, title=title),
        )


CHECKS = dict(_checks())


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", CHECKS)
def test_backward_is_the_adjoint(rung, name, dtype):
    CHECKS[name](Draw(0, dtype))


@pytest.mark.full
@pytest.mark.parametrize("seed", range(1, 51))
def test_backward_is_the_adjoint_with_many_seeds(rung, seed):
    for name, check in CHECKS.items():
        for dtype in TOLERANCE:
            try:
                check(Draw(seed, dtype))
            except AssertionError as error:
                raise AssertionError(f"{name}, {dtype}, seed {seed}") from error


# The check itself.


def test_what_is_not_the_adjoint_is_rejected():
    A = np.arange(6.0).reshape(2, 3)
    x, dy = np.ones(3), np.array([1.0, -2.0])
    check_adjoint(lambda x: A @ x, lambda dy: A.T @ dy, x, dy)
    with pytest.raises(AssertionError, match="relative difference"):
        check_adjoint(lambda x: A @ x, lambda dy: A.T @ dy * (1 + 1e-11), x, dy)
    with pytest.raises(AssertionError, match="changed what it was given"):
        check_adjoint(lambda x: A @ x, lambda dy: A.T @ np.negative(dy, out=dy), x, dy)


def test_a_winner_is_placed_by_hand():
    # 4x4 by 3x3, strides 2, "same": 2 windows of 3 over 4 pixels are 5 - 4 = 1 too wide, and the
    # odd one goes after. Place 5 of a window is row 1, column 2; that of window (1, 1) is (3, 4),
    # in the padding, so take place 4: row 1, column 1.
    winners = np.array([[[[5], [3]], [[2], [4]]]])
    rows, columns = places(winners, 4, 4, (3, 3), (2, 2), "same")
    np.testing.assert_array_equal(rows[0, ..., 0], [[1, 1], [2, 3]])
    np.testing.assert_array_equal(columns[0, ..., 0], [[2, 2], [2, 3]])
