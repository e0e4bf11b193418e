"""Both rungs against the definition: naive == reference == compiled, in float32 and float64.

The lanes and JIT-off tests of test_compiled.py run parts of this file again, chosen by name.
"""

import functools
import inspect
import math
import warnings

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from without_numba import compiled

from tinycnn.kernels import reference

RUNGS = [reference, compiled]
# Sums of up to a few hundred terms of size 1: rounding leaves about sqrt(terms) * eps * max|sum|,
# at most 3e-6 and 6e-15 here; a wrong, missing or doubled term is off by 1e-3 and more.
TOLERANCE = {"float32": 1e-5, "float64": 1e-13}

each_rung = pytest.mark.parametrize("rung", RUNGS, ids=["numpy", "numba"])
each_dtype = pytest.mark.parametrize("dtype", ["float32", "float64"])
each_padding = pytest.mark.parametrize("padding", ["valid", "same"])


def random(shape, dtype, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def check(actual, expected, dtype):
    assert actual.dtype == dtype
    assert actual.shape == expected.shape
    scale = np.abs(expected).max(initial=1.0)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=TOLERANCE[dtype] * scale)


# --- im2col ---------------------------------------------------------------------------------------


@each_rung
@each_padding
@pytest.mark.parametrize("strides", [(1, 1), (1, 2), (3, 2)])
def test_im2col_and_its_adjoint(rung, strides, padding):
    x = random((2, 5, 7, 3), "float64")
    cols = rung.im2col(x, (2, 3), strides, padding)
    np.testing.assert_array_equal(cols, naive.im2col(x, (2, 3), strides, padding))
    dcols = random(cols.shape, "float64", seed=1)
    dx = rung.col2im(dcols, x.shape, (2, 3), strides, padding)
    check(dx, naive.col2im(dcols, x.shape, (2, 3), strides, padding), "float64")
    # The definition of an adjoint: <im2col(x), dcols> = <x, col2im(dcols)>.
    assert np.vdot(cols, dcols) == pytest.approx(np.vdot(x, dx), rel=1e-12)


# --- convolution ----------------------------------------------------------------------------------

# N, H, W, C, KH, KW, strides, F
CONVOLUTIONS = {
    "asymmetric": (2, 5, 7, 3, 2, 3, (1, 1), 5),
    "stride_1_2": (2, 5, 7, 3, 2, 3, (1, 2), 17),
    "stride_2_1": (2, 6, 5, 2, 2, 3, (2, 1), 16),
    "stride_2_2": (1, 7, 6, 5, 3, 2, (2, 2), 33),
    "stride_3_2": (2, 8, 7, 1, 2, 3, (3, 2), 3),
    "stride_over_kernel": (2, 7, 8, 2, 1, 2, (3, 3), 4),
    "one_output": (1, 3, 3, 2, 3, 3, (1, 1), 70),
    "one_of_all": (1, 1, 1, 1, 1, 1, (1, 1), 1),
    "narrow": (3, 6, 3, 17, 3, 2, (1, 1), 3),
    "pointwise": (2, 5, 4, 33, 1, 1, (1, 1), 33),
    "pointwise_stride_2": (2, 5, 4, 3, 1, 1, (2, 2), 18),
    "whole_panel_1": (2, 4, 5, 1, 3, 3, (1, 1), 16),
    "whole_panel_2": (2, 4, 5, 2, 3, 3, (1, 1), 32),
    "whole_panel_4": (1, 5, 5, 2, 3, 3, (1, 1), 64),
    "nearly_a_panel": (1, 4, 5, 2, 3, 3, (1, 1), 15),
    "two_panels": (1, 4, 5, 2, 2, 2, (1, 1), 128),
    "tall_kernel": (2, 9, 4, 2, 7, 1, (1, 1), 6),
    # Enough images for a tile of one pixel of each, which leaves out what meets only padding.
    "many_images": (13, 3, 4, 3, 3, 3, (1, 1), 5),
    "many_images_stride": (25, 5, 4, 2, 3, 4, (2, 1), 4),
    "many_images_wide": (13, 4, 3, 40, 2, 3, (1, 1), 33),
    "many_images_of_one_window": (14, 2, 2, 2, 2, 2, (1, 1), 3),
    "many_outputs": (3, 20, 20, 1, 2, 3, (1, 1), 5),  # every sample group, chunks of many tiles
    "many_wide_outputs": (3, 20, 20, 1, 2, 3, (1, 1), 50),
    # One filter behind a whole panel of channels, at 4, 8 and 16 lanes: dx reads a flipped kernel
    # whose filters lie side by side.
    "one_filter_4": (2, 4, 5, 4, 3, 2, (1, 1), 1),
    "one_filter_8": (2, 4, 5, 8, 3, 2, (1, 1), 1),
    "one_filter_16": (2, 4, 5, 16, 3, 2, (2, 1), 1),
    "one_filter_32": (1, 4, 5, 32, 2, 3, (1, 1), 1),
}
each_convolution = pytest.mark.parametrize("case", CONVOLUTIONS)


@functools.cache
def convolution(case, dtype, padding, relu, bias):
    """(x, kernel, bias, strides), dy, and by the definition y, dx, dkernel, dbias."""
    N, H, W, C, KH, KW, strides, F = CONVOLUTIONS[case] if isinstance(case, str) else case
    x, kernel = random((N, H, W, C), dtype), random((KH, KW, C, F), dtype, 1)
    # Positive biases: with bias 0 a relu forgotten in the backward could stay unseen.
    b = np.abs(random((F,), dtype, 2)) if bias else None
    y = naive.conv2d_forward(x, kernel, b, strides, padding, relu)
    dy = random(y.shape, dtype, 3)
    back = naive.conv2d_backward(dy, x, kernel, strides, padding, y if relu else None)
    return (x, kernel, b, strides), dy, (y, *back)


def check_convolution(rung, case, dtype, padding, relu, bias):
    (x, kernel, b, strides), dy, expected = convolution(case, dtype, padding, relu, bias)
    y = rung.conv2d_forward(x, kernel, b, strides, padding, relu)
    check(y, expected[0], dtype)
    mask = expected[0].astype(dtype) if relu else None
    backward = rung.conv2d_backward(dy, x, kernel, strides, padding, mask)
    for actual, wanted in zip(backward, expected[1:], strict=True):
        check(actual, wanted, dtype)


@each_rung
@each_dtype
@each_padding
@each_convolution
def test_convolution(rung, case, padding, dtype):
    check_convolution(rung, case, dtype, padding, relu=False, bias=True)


@each_rung
@each_dtype
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("case", ["asymmetric", "stride_2_2", "pointwise", "whole_panel_2"])
def test_convolution_with_relu(rung, case, dtype, bias):
    check_convolution(rung, case, dtype, "valid", relu=True, bias=bias)
    check_convolution(rung, case, dtype, "same", relu=True, bias=bias)


@each_rung
def test_convolution_without_dx(rung):
    (x, kernel, _, strides), dy, expected = convolution("asymmetric", "float32", "same", 0, True)
    dx, dkernel, dbias = rung.conv2d_backward(dy, x, kernel, strides, "same", needs_dx=False)
    assert dx is None
    check(dkernel, expected[2], "float32")
    check(dbias, expected[3], "float32")


@each_rung
@each_dtype
@pytest.mark.parametrize("F", [1, 2, 3, 5, 8, 9, 17])
def test_nan_and_infinity_stay_in_their_windows(rung, dtype, F):
    # Few filters take several inputs at once, beside which others lie, or none.
    x, kernel = random((2, 6, 7, 3), dtype), random((3, 3, 3, F), dtype, 1)
    x[0, 2, 3, 1], x[1, 5, 6, 2] = np.nan, np.inf
    for padding in ("valid", "same"):
        expected = naive.conv2d_forward(x, kernel, None, (1, 1), padding)
        with np.errstate(invalid="ignore"):  # whether infinity is seen is the platform's business
            y = rung.conv2d_forward(x, kernel, None, (1, 1), padding)
        for kind in (np.isnan, np.isposinf, np.isneginf):
            np.testing.assert_array_equal(kind(y), kind(expected))


@each_rung
def test_relu_in_the_kernels_lets_nan_through(rung):
    x = random((1, 3, 4, 2), "float32")
    x[0, 1, 1, 0] = np.nan
    y = rung.conv2d_forward(x, random((2, 2, 2, 3), "float32"), None, relu=True)
    np.testing.assert_array_equal(np.isnan(y[0, :, :, 0]), [[True, True, False]] * 2)


@each_rung
def test_no_images(rung):
    x, kernel = np.zeros((0, 4, 4, 2), "float32"), random((2, 2, 2, 3), "float32")
    y = rung.conv2d_forward(x, kernel, None)
    assert y.shape == (0, 3, 3, 3)
    dx, dkernel, dbias = rung.conv2d_backward(y, x, kernel)
    assert dx.shape == x.shape
    np.testing.assert_array_equal(dkernel, np.zeros_like(kernel))
    np.testing.assert_array_equal(dbias, np.zeros(3))


shapes = st.tuples(
    st.integers(1, 3) | st.integers(12, 16),  # N
    st.integers(1, 7),  # H
    st.integers(1, 7),  # W
    st.integers(1, 5),  # C
    st.integers(1, 4),  # KH
    st.integers(1, 4),  # KW
    st.tuples(st.integers(1, 4), st.integers(1, 4)),  # strides
    st.integers(1, 40),  # F
)


def check_random_convolution(shape, padding, relu, bias, dtype):
    _, H, W, _, KH, KW, _, _ = shape
    if padding == "same" or (KH <= H and KW <= W):
        check_convolution(compiled, shape, dtype, padding, relu, bias)


random_convolution = given(
    shape=shapes,
    padding=st.sampled_from(["valid", "same"]),
    relu=st.booleans(),
    bias=st.booleans(),
    dtype=st.sampled_from(["float32", "float64"]),
)
test_random_convolution = settings(max_examples=50, deadline=None, derandomize=True)(
    random_convolution(check_random_convolution)
)
test_many_random_convolutions = pytest.mark.full(
    settings(max_examples=2000, deadline=None)(random_convolution(check_random_convolution))
)


# --- convolution, relu and pool in one ------------------------------------------------------------

# N, H, W, C, KH, KW, F
PAIRS = {
    "wide_lines": (5, 6, 7, 16, 3, 3, 5),
    "odd_output": (4, 7, 5, 24, 2, 3, 3),
    "two_parts_of_a_line": (4, 4, 5, 40, 2, 2, 2),
    "pointwise": (4, 4, 6, 33, 1, 1, 18),
    "narrow_lines": (5, 8, 7, 1, 3, 3, 33),
    "few_images": (2, 6, 6, 16, 3, 3, 4),
    "one_pool": (4, 3, 4, 20, 2, 3, 17),
    "no_pool": (4, 3, 4, 20, 3, 3, 2),  # valid: 1x2 outputs, which no whole pool covers
    "whole_panels": (4, 4, 4, 16, 3, 3, 64),
    "many_images": (21, 4, 5, 16, 3, 3, 3),
}


@functools.cache
def pair(case, dtype, padding):
    """(x, kernel, bias), and y and winners by the definition.

    Small whole numbers, so that every sum is exact, with ties and with outputs of exactly 0.
    """
    N, H, W, C, KH, KW, F = PAIRS[case]
    rng = np.random.default_rng(0)
    x, kernel = (
        rng.integers(-2, 3, shape).astype(dtype) for shape in ((N, H, W, C), (KH, KW, C, F))
    )
    bias = rng.integers(-9, 10, F).astype(dtype)
    return (x, kernel, bias), naive.conv2d_relu_pool_forward(x, kernel, bias, padding)


@each_rung
@each_dtype
@each_padding
@pytest.mark.parametrize("case", PAIRS)
def test_conv2d_relu_pool(rung, case, padding, dtype):
    arguments, expected = pair(case, dtype, padding)
    y, winners = rung.conv2d_relu_pool_forward(*arguments, padding)
    assert winners.dtype == np.uint8
    np.testing.assert_array_equal(winners, expected[1])
    np.testing.assert_array_equal(y, expected[0])
    x, kernel, _ = arguments
    dy = random(y.shape, dtype, 3)
    backward = rung.conv2d_relu_pool_backward(dy, x, kernel, winners, padding)
    wanted = naive.conv2d_relu_pool_backward(dy, x, kernel, winners, padding)
    for actual, gradient in zip(backward, wanted, strict=True):
        check(actual, gradient, dtype)
    dx, dkernel, dbias = rung.conv2d_relu_pool_backward(dy, x, kernel, winners, padding, False)
    assert dx is None
    check(dkernel, wanted[1], dtype)
    check(dbias, wanted[2], dtype)


@each_dtype
@each_padding
@pytest.mark.parametrize("shape", [(5, 12, 30, 64, 3, 3, 6), (4, 40, 9, 48, 5, 2, 20)])
def test_conv2d_relu_pool_in_strips_many_at_once(shape, padding, dtype):
    """Images that are worked on a few rows at a time."""
    N, H, W, C, KH, KW, F = shape
    x, kernel = random((N, H, W, C), dtype), random((KH, KW, C, F), dtype, 1)
    y, winners = compiled.conv2d_relu_pool_forward(x, kernel, None, padding)
    expected, _ = reference.conv2d_relu_pool_forward(x, kernel, None, padding)
    check(y, expected, dtype)
    dy = random(y.shape, dtype, 2)
    backward = compiled.conv2d_relu_pool_backward(dy, x, kernel, winners, padding)
    wanted = reference.conv2d_relu_pool_backward(dy, x, kernel, winners, padding)
    for actual, gradient in zip(backward, wanted, strict=True):
        check(actual, gradient, dtype)


@each_rung
def test_conv2d_relu_pool_passes_nan_on_and_its_gradient_not(rung):
    x = np.full((4, 4, 4, 16), 1.0, "float32")
    x[1, 1, 1, 3] = np.nan
    kernel = np.full((1, 1, 16, 3), 1.0, "float32")
    y, winners = rung.conv2d_relu_pool_forward(x, kernel, None)
    assert np.isnan(y[1, 0, 0]).all()
    assert np.isnan(y).sum() == 3
    assert (winners[1, 0, 0] == 4).all()
    assert (winners == 0).sum() == winners.size - 3


# --- max-pooling ----------------------------------------------------------------------------------

# x shape, pool size, strides
POOLS = {
    "2x2": ((2, 6, 8, 3), (2, 2), (2, 2)),
    "11_by_2": ((2, 11, 11, 2), (2, 2), (2, 2)),
    "overlapping": ((2, 7, 6, 5), (3, 2), (2, 1)),
    "overlapping_rows": ((1, 6, 7, 17), (2, 3), (1, 2)),
    "gaps": ((2, 7, 8, 1), (2, 1), (3, 2)),
    "one_window": ((1, 3, 4, 33), (3, 4), (1, 1)),
    "stride_1": ((1, 5, 5, 2), (3, 3), (1, 1)),
}


def check_pool(rung, x, size, strides, padding, dtype):
    y, winners = rung.max_pool_forward(x, size, strides, padding)
    expected_y, expected_winners = naive.max_pool_forward(x, size, strides, padding)
    assert y.dtype == dtype and winners.dtype == np.int32
    np.testing.assert_array_equal(y, expected_y)
    np.testing.assert_array_equal(winners, expected_winners)
    dy = random(y.shape, dtype, 1)
    dx = rung.max_pool_backward(dy, winners, x.shape, size, strides, padding)
    check(dx, naive.max_pool_backward(dy, winners, x.shape, size, strides, padding), dtype)


@each_rung
@each_dtype
@each_padding
@pytest.mark.parametrize("values", ["distinct", "ties", "nan_and_inf"])
@pytest.mark.parametrize("case", POOLS)
def test_max_pool(rung, case, values, padding, dtype):
    shape, size, strides = POOLS[case]
    x = random(shape, dtype)
    if values == "ties":
        x = np.maximum(np.round(x), 0)  # mostly zeros, as behind a relu
    if values == "nan_and_inf":
        kind = np.random.default_rng(2).integers(0, 6, shape)
        x[kind == 0], x[kind == 1], x[kind >= 3] = np.nan, np.inf, -np.inf
    check_pool(rung, x, size, strides, padding, dtype)


@each_rung
def test_max_pool_of_only_minus_infinity_or_nan(rung):
    for value in (-np.inf, np.nan):
        x = np.full((1, 4, 4, 3), value, "float32")
        check_pool(rung, x, (3, 3), (2, 2), "same", "float32")
        check_pool(rung, x, (2, 2), (2, 2), "valid", "float32")


def check_random_pool(shape, size, strides, padding, seed):
    if padding == "same" or (size[0] <= shape[1] and size[1] <= shape[2]):
        x = np.round(random(shape, "float32", seed))
        for rung in RUNGS:
            check_pool(rung, x, size, strides, padding, "float32")


random_pool = given(
    shape=st.tuples(st.integers(1, 2), st.integers(1, 8), st.integers(1, 8), st.integers(1, 20)),
    size=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    strides=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    padding=st.sampled_from(["valid", "same"]),
    seed=st.integers(0, 9),
)
test_random_pool = settings(max_examples=40, deadline=None, derandomize=True)(
    random_pool(check_random_pool)
)
test_many_random_pools = pytest.mark.full(
    settings(max_examples=1000, deadline=None)(random_pool(check_random_pool))
)


# --- dense, activations, loss ---------------------------------------------------------------------


@each_rung
@each_dtype
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("N, D, U", [(1, 1, 1), (7, 5, 3), (3, 70, 17), (65, 3, 33), (200, 9, 64)])
def test_dense(rung, N, D, U, bias, relu, dtype):
    x, kernel = random((N, D), dtype), random((D, U), dtype, 1)
    b = np.abs(random((U,), dtype, 2)) if bias else None
    y = naive.dense_forward(x, kernel, b, relu)
    check(rung.dense_forward(x, kernel, b, relu), y, dtype)
    dy, mask = random(y.shape, dtype, 3), y.astype(dtype) if relu else None
    expected = naive.dense_backward(dy, x, kernel, mask)
    for actual, wanted in zip(rung.dense_backward(dy, x, kernel, mask), expected, strict=True):
        check(actual, wanted, dtype)
    assert rung.dense_backward(dy, x, kernel, mask, needs_dx=False)[0] is None


@each_rung
@each_dtype
@pytest.mark.parametrize("shape", [(7,), (3, 5), (2, 3, 4, 5), (0, 4), (9000,)])
def test_relu(rung, shape, dtype):
    x = random(shape, dtype)
    y = rung.relu_forward(x)
    assert np.asarray(y).dtype == dtype
    np.testing.assert_array_equal(y, naive.relu_forward(x))
    dy = random(shape, dtype, 1)
    y = np.maximum(x, 0)  # at exactly 0 the derivative is 0
    np.testing.assert_array_equal(rung.relu_backward(dy, y), naive.relu_backward(dy, y))


@each_rung
def test_relu_lets_nan_through(rung):
    x = np.array([np.nan, -1, 2], "float32")
    np.testing.assert_array_equal(rung.relu_forward(x), [np.nan, 0, 2])


@each_rung
@each_dtype
@pytest.mark.parametrize("shape", [(1, 1), (4, 10), (70, 3), (2, 3, 5)])
def test_softmax(rung, shape, dtype):
    x = 3 * random(shape, dtype)
    y = naive.softmax_forward(x)
    check(rung.softmax_forward(x), y, dtype)
    check(rung.log_softmax(x), naive.log_softmax(x), dtype)
    dy = random(shape, dtype, 1)
    check(rung.softmax_backward(dy, y.astype(dtype)), naive.softmax_backward(dy, y), dtype)


@each_rung
@each_dtype
@pytest.mark.parametrize("N, K", [(1, 1), (5, 10), (70, 3)])
def test_softmax_cross_entropy(rung, N, K, dtype):
    logits = 3 * random((N, K), dtype)
    targets = np.abs(random((N, K), dtype, 1))  # any targets, no distribution: sums count
    losses, p = rung.softmax_cross_entropy_forward(logits, targets)
    expected_losses, expected_p = naive.softmax_cross_entropy_forward(logits, targets)
    check(losses, expected_losses, dtype)
    check(p, expected_p, dtype)
    dlogits = rung.softmax_cross_entropy_backward(p, targets)
    check(dlogits, naive.softmax_cross_entropy_backward(expected_p, targets), dtype)


@each_rung
@each_dtype
def test_huge_logits_stay_finite(rung, dtype):
    logits = np.array([[-1e4, 1e4, 0], [-1e4, -1e4, -1e4]], dtype)
    targets = np.array([[1, 0, 0], [1, 0, 0]], dtype)
    np.testing.assert_allclose(
        rung.softmax_forward(logits), [[0, 1, 0], [1 / 3, 1 / 3, 1 / 3]], rtol=1e-6
    )
    losses, p = rung.softmax_cross_entropy_forward(logits, targets)
    np.testing.assert_allclose(losses, [2e4, np.log(3)], rtol=1e-6)
    assert np.isfinite(rung.softmax_cross_entropy_backward(p, targets)).all()
    # Differences beyond what the dtype can hold: the loss is its largest number.
    most = np.finfo(dtype).max
    logits = most * np.array([[0.9, -0.9, 0], [-0.9, -0.9, -0.9]], dtype)
    targets = np.array([[0, 1, 0], [1, 0, 0]], dtype)
    with np.errstate(all="raise"):
        losses, p = rung.softmax_cross_entropy_forward(logits, targets)
        np.testing.assert_allclose(losses, [most, np.log(3)], rtol=1e-6)
        np.testing.assert_array_equal(p[0], [1, 0, 0])
        np.testing.assert_array_equal(rung.softmax_forward(logits)[0], [1, 0, 0])
        assert np.isfinite(rung.log_softmax(logits)).all()
        assert np.isfinite(rung.softmax_cross_entropy_backward(p, targets)).all()


@each_rung
def test_softmax_of_nan_is_nan(rung):
    x = np.array([[1, np.nan, 2], [1, 2, 3]], "float32")
    assert np.isnan(rung.softmax_forward(x)).tolist() == [[True] * 3, [False] * 3]


# --- the other layers -----------------------------------------------------------------------------


def check_average_pool(rung, shape, size, strides, padding, dtype, seed=0):
    x = random(shape, dtype, seed)
    y = rung.average_pool_forward(x, size, strides, padding)
    check(y, naive.average_pool_forward(x, size, strides, padding), dtype)
    dy = random(y.shape, dtype, seed + 1)
    dx = rung.average_pool_backward(dy, shape, size, strides, padding)
    check(dx, naive.average_pool_backward(dy, shape, size, strides, padding), dtype)


@each_rung
@each_dtype
@each_padding
@pytest.mark.parametrize("case", POOLS)
def test_average_pool(rung, case, padding, dtype):
    check_average_pool(rung, *POOLS[case], padding, dtype)


def check_random_average_pool(shape, size, strides, padding, seed):
    if padding == "same" or (size[0] <= shape[1] and size[1] <= shape[2]):
        for rung in RUNGS:
            check_average_pool(rung, shape, size, strides, padding, "float64", seed)


random_average_pool = given(
    shape=st.tuples(st.integers(1, 2), st.integers(1, 8), st.integers(1, 8), st.integers(1, 20)),
    size=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    strides=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    padding=st.sampled_from(["valid", "same"]),
    seed=st.integers(0, 9),
)
test_random_average_pool = settings(max_examples=40, deadline=None, derandomize=True)(
    random_average_pool(check_random_average_pool)
)

# Several groups of rows, one and a part of one; a row wider than a group; few and many channels.
BATCHES = [(1, 1), (7, 3), (2, 3, 5, 17), (3, 20, 25, 3), (5, 4, 4, 33), (2, 4100)]


@each_rung
@each_dtype
@pytest.mark.parametrize("shape", BATCHES, ids=str)
def test_batch_norm(rung, shape, dtype):
    C = shape[-1]
    x = (2 * random(shape, dtype) + 3 * random((C,), dtype, 1)).astype(dtype)
    mean, variance = rung.moments(x)
    expected_mean, expected_variance = naive.moments(x)
    check(mean, expected_mean, dtype)
    check(variance, expected_variance, dtype)
    # An epsilon that counts: a channel of one row has no variance, and then 1 / epsilon is large.
    statistics = (mean, variance, 0.1)
    gamma, beta, dy = random((C,), dtype, 2), random((C,), dtype, 3), random(shape, dtype, 4)
    y = rung.batch_norm_forward(x, gamma, beta, *statistics)
    check(y, naive.batch_norm_forward(x, gamma, beta, *statistics), dtype)
    for of_batch in (True, False):
        found = rung.batch_norm_backward(dy, x, gamma, *statistics, of_batch)
        expected = naive.batch_norm_backward(dy, x, gamma, *statistics, of_batch)
        for actual, wanted in zip(found, expected, strict=True):
            check(actual, wanted, dtype)


@each_rung
@each_dtype
@pytest.mark.parametrize("kind", ["uint8", "int64", "bool", "float32", "float64"])
def test_rescale(rung, kind, dtype):
    """In pieces, of views, to the bit: a product that was not rounded before the sum would show."""
    whole = np.random.default_rng(0).integers(0, 256, (2, 9001)).astype(kind)
    for x in (whole, whole[:, ::2], whole[:0]):
        found = rung.rescale(x, 1 / 255, -0.1, np.dtype(dtype))
        scalar = np.dtype(dtype).type
        one_by_one = [scalar(v) * scalar(1 / 255) + scalar(-0.1) for v in x.ravel().tolist()]
        assert found.dtype == dtype
        assert np.array_equal(found, np.array(one_by_one, dtype).reshape(x.shape))


@each_rung
@each_dtype
@pytest.mark.parametrize("shape", [(7,), (2, 3, 4, 5), (0, 4), (9000,)], ids=str)
@pytest.mark.parametrize("rate", [0.0, 0.3, 1.0])
def test_dropout(rung, rate, shape, dtype):
    x, kept = random(shape, dtype), np.random.default_rng(1).random(shape) >= rate
    check(rung.dropout(x, kept, rate), naive.dropout(x, kept, rate), dtype)


# For each image a linear part, and where the upper left pixel leads to; of 5 x 7 pixels.
TRANSFORMS = {
    "identity": ([[1, 0], [0, 1]], (0, 0)),
    "whole pixels": ([[1, 0], [0, 1]], (2, -1)),
    "parts of pixels": ([[1, 0], [0, 1]], (-0.25, 1.625)),
    "turned and sheared": ([[0.7, -0.6], [0.9, 0.8]], (1.2, -2.1)),
    "mirrored": ([[-1, 0], [0, -1]], (6, 4)),
    "larger": ([[0.3, 0], [0, 0.4]], (2.1, 1.2)),
    "smaller": ([[2.5, 0], [0, 1.7]], (-4.5, -1.4)),
    "one pixel everywhere": ([[0, 0], [0, 0]], (5.5, 3.5)),
    "past the first row and column": ([[1, 0], [0, 1]], (-6.5, -4.5)),
    "past the last row and column": ([[1, 0], [0, 1]], (6.5, 4.5)),
    "far away": ([[1, 0], [0, 1]], (1e300, -1e300)),
}


@each_rung
@each_dtype
@pytest.mark.parametrize("channels", [1, 3])
def test_affine_transform(rung, channels, dtype):
    transforms = np.array([np.column_stack(transform) for transform in TRANSFORMS.values()])
    x = random((len(transforms), 5, 7, channels), dtype)
    dy = random(x.shape, dtype, 1)
    y = rung.affine_transform_forward(x, transforms)
    check(y, naive.affine_transform_forward(x, transforms), dtype)
    dx = rung.affine_transform_backward(dy, transforms)
    check(dx, naive.affine_transform_backward(dy, transforms), dtype)
    assert np.abs(y).max(axis=(1, 2, 3))[:-1].all(), "all but the last show something"
    nothing = rung.affine_transform_forward(x[:0], transforms[:0])
    assert nothing.shape == (0, 5, 7, channels)


@each_rung
@each_dtype
@pytest.mark.parametrize("shape", [(7,), (2, 3, 4, 5), (0, 4), (9000,)], ids=str)
@pytest.mark.parametrize(
    "name, arguments",
    [
        *(("sigmoid", ()), ("tanh", ()), ("leaky_relu", (0.3,)), ("elu", (1.0,)), ("elu", (0.25,))),
        *(("softplus", ()), ("silu", ())),
    ],
)
def test_smooth_activations(rung, name, arguments, shape, dtype):
    x, dy = 3 * random(shape, dtype), random(shape, dtype, 1)
    x.reshape(-1)[:2] = 0  # at 0 the slope is that of below
    forward, backward = f"{name}_forward", f"{name}_backward"
    y = getattr(naive, forward)(x, *arguments)
    check(getattr(rung, forward)(x, *arguments), y, dtype)
    y = x if name == "silu" else y.astype(dtype)  # which needs its input
    expected = getattr(naive, backward)(dy, y, *arguments)
    check(getattr(rung, backward)(dy, y, *arguments), expected, dtype)


@each_rung
def test_activations_are_exact_in_every_digit(rung):
    """Relative errors, over the whole range: a sigmoid of -30 is 1e-13, and not 0."""
    x = np.concatenate([np.linspace(-600, 20, 2001), [-1e-300, -1e-12, 0.0, 1e-300]])
    exact = [math.exp(v) / (1 + math.exp(v)) for v in x]
    np.testing.assert_allclose(rung.sigmoid_forward(x), exact, rtol=4e-16)
    exact = [v if v > 0 else math.expm1(v) for v in x]
    np.testing.assert_allclose(rung.elu_forward(x, 1.0), exact, rtol=4e-16)
    exact = [math.log1p(math.exp(v)) for v in x]
    np.testing.assert_allclose(rung.softplus_forward(x), exact, rtol=4e-16)
    exact = [v / (1 + math.exp(-v)) for v in x]
    np.testing.assert_allclose(rung.silu_forward(x), exact, rtol=8e-16)


@each_rung
@each_dtype
def test_smooth_activations_far_out(rung, dtype):
    big = np.finfo(dtype).max
    x = np.array([-np.inf, -big, -1e30, -800, 800, 1e30, big, np.inf, np.nan], dtype)
    with np.errstate(all="ignore"):
        expected = [np.nan, 0, 0, 0, *x[4:]]
        np.testing.assert_array_equal(rung.silu_forward(x), expected)
        np.testing.assert_array_equal(rung.softplus_forward(x), [0, 0, 0, 0, *x[4:]])
        slopes = rung.silu_backward(np.ones_like(x), x)
        np.testing.assert_array_equal(slopes[1:7], [0, 0, 0, 1, 1, 1])
        slopes = rung.softplus_backward(np.ones_like(x), np.abs(x))
        np.testing.assert_array_equal(slopes[:8], 1)
        assert np.isnan(slopes[8])


# --- optimizers -----------------------------------------------------------------------------------


@each_rung
@each_dtype
@pytest.mark.parametrize("shape", [(5,), (3, 3, 2, 4), (9001,)])
def test_adam(rung, shape, dtype):
    value, m, v = random(shape, dtype), np.zeros(shape, dtype), np.zeros(shape, dtype)
    arrays = [value, m, v]
    expected = [np.float64(array) for array in arrays]
    for step in (1, 2, 3):
        g = random(shape, dtype, step)
        size = rung.adam_step_size(step, 0.01, 0.9, 0.999, np.dtype(dtype))
        rung.adam_update(value, g, m, v, size, 0.9, 0.999, 1e-7)
        naive.adam_update(expected[0], g, *expected[1:], size, 0.9, 0.999, 1e-7)
    for actual, wanted in zip(arrays, expected, strict=True):
        check(actual, wanted, dtype)


@each_rung
@each_dtype
def test_adam_of_many_parameters_is_adam_of_each(rung, dtype):
    """More than one launch takes; one is empty, one longer than a piece, one not contiguous."""
    shapes = [(3,), (4, 5), (0,), (9001,), (2, 3), (1,), (7,), (8,), (9,), (10,), (6, 2)]
    lists = [[abs(random(s, dtype, i)) for s in shapes] for i in range(4)]
    lists[0][4] = abs(random((3, 4), dtype))[:, ::2].T
    expected = [[np.array(array) for array in arrays] for arrays in lists]
    rung.adam_update_all(*lists, 0.1, 0.9, 0.99, 1e-3)
    for arrays in zip(*expected, strict=True):
        rung.adam_update(*arrays, 0.1, 0.9, 0.99, 1e-3)
    for updated, wanted in zip(lists, expected, strict=True):
        for one, other in zip(updated, wanted, strict=True):
            assert np.array_equal(one, other)
    rung.adam_update_all([], [], [], [], 0.1, 0.9, 0.99, 1e-3)  # nothing to learn: nothing to do


def test_adam_of_many_checks_all_before_it_changes_any():
    good, bad = np.ones(3, "float32"), np.ones(4, "float32")
    values = [good.copy(), good.copy()[::1], np.ones((3, 2), "float32")[:, 0]]
    with pytest.raises(ValueError, match=r"`gradient` must have shape \(3,\)"):
        compiled.adam_update_all(
            values, [good, good, bad], [good.copy()] * 3, [good.copy()] * 3, 0.1, 0.9, 0.99, 1e-7
        )
    assert all((value == 1).all() for value in values)


SGD = [(None, 0.0, False), (0.0, 0.9, False), (0.0, 0.9, True)]


@each_rung
@each_dtype
@pytest.mark.parametrize("velocity, momentum, nesterov", SGD)
def test_sgd(rung, velocity, momentum, nesterov, dtype):
    value = random((3, 7), dtype)
    velocity = None if velocity is None else random((3, 7), dtype, 5)
    expected = np.float64(value)
    expected_velocity = None if velocity is None else np.float64(velocity)
    for step in (1, 2, 3):
        g = random((3, 7), dtype, step)
        rung.sgd_update(value, g, velocity, 0.1, momentum, nesterov)
        naive.sgd_update(expected, g, expected_velocity, 0.1, momentum, nesterov)
    check(value, expected, dtype)
    if velocity is not None:
        check(velocity, expected_velocity, dtype)


@each_rung
@each_dtype
@pytest.mark.parametrize("centered", [False, True])
@pytest.mark.parametrize("moving", [False, True])
def test_rmsprop(rung, moving, centered, dtype):
    value = random((3, 7), dtype)
    means = [np.zeros((3, 7), dtype) if used else None for used in (True, centered, moving)]
    expected = [None if array is None else np.float64(array) for array in (value, *means)]
    for step in (1, 2, 3):
        g = random((3, 7), dtype, step)
        rung.rmsprop_update(value, g, *means, 0.01, 0.8, 0.9, 1e-3)
        naive.rmsprop_update(expected[0], g, *expected[1:], 0.01, 0.8, 0.9, 1e-3)
    for actual, wanted in zip((value, *means), expected, strict=True):
        if wanted is not None:
            check(actual, wanted, dtype)


@each_rung
def test_centered_rmsprop_survives_a_variance_rounded_below_zero(rung):
    """A gradient that never changes has no variance, but means of it that round."""
    value, g = np.zeros(50, "float32"), np.linspace(900, 1000, 50, dtype="float32")
    mean_square, mean_gradient = np.zeros_like(value), np.zeros_like(value)
    for _ in range(300):
        rung.rmsprop_update(value, g, mean_square, mean_gradient, None, 1e-6, 0.9, 0.0, 1e-7)
    assert (mean_square < mean_gradient * mean_gradient).any()
    assert np.isfinite(value).all()


@each_dtype
def test_both_rungs_update_to_the_same_bits(dtype):
    """A fused multiply-add or another order of operations would show in the last bit."""
    start = [np.abs(random((5000,), dtype, seed)) for seed in range(3)]
    g = random((5000,), dtype, 9)
    ends = []
    for rung in RUNGS:
        value, m, v = (array.copy() for array in start)
        rung.adam_update(value, g, m, v, 0.0123, 0.9, 0.999, 1e-7)
        moved, velocity = value.copy(), m.copy()
        for momentum, nesterov in ((0.9, False), (0.8, True)):
            rung.sgd_update(moved, g, velocity, 0.0123, momentum, nesterov)
        rung.sgd_update(moved, g, None, 0.3)
        slow, *means = (array.copy() for array in (*start, g))
        rung.rmsprop_update(slow, g, means[0], None, None, 0.0123, 0.9, 0.0, 1e-7)
        rung.rmsprop_update(slow, g, *means, 0.0123, 0.9, 0.8, 1e-7)
        ends.append([value, m, v, moved, velocity, slow, *means])
    for one, other in zip(*ends, strict=True):
        assert one.tobytes() == other.tobytes()


@each_rung
def test_updates_of_strided_arrays_are_in_place(rung):
    big = random((6, 8), "float32")
    value, g = big[::2, ::2], random((8, 6), "float32", 1)[::2, ::2].T
    expected = np.float64(value)
    naive.sgd_update(expected, g, None, 0.5)
    rung.sgd_update(value, g, None, 0.5)
    check(big[::2, ::2], expected, "float32")


# --- what every function promises -----------------------------------------------------------------

IMAGE, KERNEL = (2, 5, 5, 3), (2, 3, 3, 5)
ROWS = (4, 6)
# name: (shapes of the arrays, the other arguments)
FUNCTIONS = {
    "conv2d_forward": ([IMAGE, KERNEL, (5,)], ((1, 1), "same", True)),
    "conv2d_backward": ([(2, 4, 3, 5), IMAGE, KERNEL], ((1, 1), "valid")),
    "max_pool_forward": ([IMAGE], ((2, 2), (2, 2))),
    "conv2d_relu_pool_forward": ([IMAGE, KERNEL, (5,)], ("same",)),
    "im2col": ([IMAGE], ((2, 2), (1, 1), "valid")),
    "col2im": ([(32, 12)], (IMAGE, (2, 2), (1, 1), "valid")),
    "dense_forward": ([ROWS, (6, 3), (3,)], ()),
    "dense_backward": ([(4, 3), ROWS, (6, 3)], ()),
    "average_pool_forward": ([IMAGE], ((2, 2), (2, 2))),
    "average_pool_backward": ([IMAGE], (IMAGE, (3, 2), (1, 1), "same")),
    "moments": ([IMAGE], ()),
    "batch_norm_forward": ([IMAGE, (3,), (3,), (3,), (3,)], (9.0,)),
    "batch_norm_backward": ([IMAGE, IMAGE, (3,), (3,), (3,)], (9.0,)),
    "sigmoid_forward": ([ROWS], ()),
    "sigmoid_backward": ([ROWS, ROWS], ()),
    "tanh_forward": ([ROWS], ()),
    "tanh_backward": ([ROWS, ROWS], ()),
    "leaky_relu_forward": ([ROWS], (0.3,)),
    "leaky_relu_backward": ([ROWS, ROWS], (0.3,)),
    "elu_forward": ([ROWS], (0.5,)),
    "elu_backward": ([ROWS, ROWS], (0.5,)),
    "silu_forward": ([ROWS], ()),
    "silu_backward": ([ROWS, ROWS], ()),
    "softplus_forward": ([ROWS], ()),
    "softplus_backward": ([ROWS, ROWS], ()),
    "bounded_relu_forward": ([ROWS], (1.0, 0.2, 0.3)),
    "bounded_relu_backward": ([ROWS, ROWS], (1.0, 0.2, 0.3)),
    "zero_pad_forward": ([IMAGE], (((1, 0), (2, 3)),)),
    "zero_pad_backward": ([IMAGE], (((1, 0), (2, 1)),)),
    "upsample_forward": ([IMAGE], ((2, 3),)),
    "upsample_backward": ([(2, 4, 6, 3)], ((2, 3),)),
    "global_max_pool_forward": ([IMAGE], ()),
    "relu_forward": ([ROWS], ()),
    "relu_backward": ([ROWS, ROWS], ()),
    "softmax_forward": ([ROWS], ()),
    "softmax_backward": ([ROWS, ROWS], ()),
    "log_softmax": ([ROWS], ()),
    "softmax_cross_entropy_forward": ([ROWS, ROWS], ()),
    "softmax_cross_entropy_backward": ([ROWS, ROWS], ()),
}
# These also take arrays of a dtype of their own, or write in place: each has tests of its own.
OTHERS = {
    *("adam_step_size", "adam_update", "adam_update_all", "rmsprop_update", "sgd_update"),
    *("affine_transform_backward", "affine_transform_forward", "conv2d_relu_pool_backward"),
    *("dropout", "max_pool_backward", "rescale"),
    *("adadelta_update", "adagrad_update", "amsgrad_update"),
    *("nadam_momentum_product", "nadam_update", "global_max_pool_backward"),
}


def test_no_kernel_is_left_out_of_what_every_function_promises():
    kernels = {name for name, thing in vars(reference).items() if inspect.isfunction(thing)}
    assert {*FUNCTIONS} | OTHERS == kernels


def results(answer):
    return answer if isinstance(answer, tuple) else (answer,)


@each_rung
@each_dtype
@pytest.mark.parametrize("name", FUNCTIONS)
def test_inputs_are_left_alone_and_may_be_read_only_or_strided(rung, name, dtype):
    function, (shapes, rest) = getattr(rung, name), FUNCTIONS[name]
    arrays = [random(shape, dtype, seed) for seed, shape in enumerate(shapes)]
    copies = [array.copy() for array in arrays]
    expected = results(function(*arrays, *rest))
    for array, copy in zip(arrays, copies, strict=True):
        np.testing.assert_array_equal(array, copy)
    for result in expected:
        assert result.dtype in (np.dtype(dtype), np.int32, np.uint8)  # or who has won
        assert not any(np.shares_memory(result, array) for array in arrays)
    for array in arrays:
        array.flags.writeable = False
    strided = [np.repeat(array, 2, axis=-1)[..., ::2] for array in arrays]
    fortran = [np.asfortranarray(array) for array in arrays]
    for variant in (arrays, strided, fortran):
        for one, other in zip(results(function(*variant, *rest)), expected, strict=True):
            # BLAS may sum in another order for another memory layout.
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


# name: (shapes, other arguments); the last array is relu's output.
MASKED = {
    "conv2d_backward": ([(2, 4, 3, 5), IMAGE, KERNEL, (2, 4, 3, 5)], ((1, 1), "valid")),
    "dense_backward": ([(4, 3), ROWS, (6, 3), (4, 3)], ()),
}
TWICE = [name for name, (shapes, _) in FUNCTIONS.items() if shapes[:2] == [ROWS, ROWS]]


@each_rung
@pytest.mark.parametrize("name", [*TWICE, *MASKED])
def test_one_array_may_be_given_twice(rung, name):
    """What a function does depends on the numbers that it is given, not on whose they are."""
    function = getattr(rung, name)
    if name in MASKED:
        shapes, rest = MASKED[name]
        dy, x, kernel = (random(shape, "float32", seed) for seed, shape in enumerate(shapes[:3]))
        same, copy = (function(dy, x, kernel, *rest, y) for y in (dy, dy.copy()))
    else:
        array = random(ROWS, "float32")
        rest = FUNCTIONS[name][1]
        same, copy = (function(array, other, *rest) for other in (array, array.copy()))
    for one, other in zip(results(same), results(copy), strict=True):
        np.testing.assert_array_equal(one, other)


def test_max_pool_backward_takes_read_only_and_strided_arrays():
    x = random((1, 4, 6, 2), "float32")
    _, winners = reference.max_pool_forward(x, (2, 2), (2, 2))
    dy = random(winners.shape, "float32", 1)
    expected = reference.max_pool_backward(dy, winners, x.shape, (2, 2), (2, 2))
    winners.flags.writeable = dy.flags.writeable = False
    dx = compiled.max_pool_backward(np.asfortranarray(dy), winners, x.shape, (2, 2), (2, 2))
    np.testing.assert_array_equal(dx, expected)


X, K, B = np.ones(IMAGE, "float32"), np.ones(KERNEL, "float32"), np.ones(5, "float32")
DY = np.ones((2, 4, 3, 5), "float32")
I32 = np.zeros((2, 2, 2, 3), np.int32)


@pytest.mark.parametrize(
    "call",
    [
        lambda c: c.conv2d_forward(X, K[:, :, :2], B),
        lambda c: c.conv2d_forward(X, K, B[:4]),
        lambda c: c.conv2d_forward(X[0], K, B),
        lambda c: c.conv2d_forward(X[:, :1], K, B),
        lambda c: c.conv2d_backward(DY[:1], X, K),
        lambda c: c.conv2d_backward(DY, X, K, (1, 2)),
        lambda c: c.conv2d_backward(DY, X, K, y=DY[:, :2]),
        lambda c: c.dense_forward(np.ones((4, 5), "float32"), K[0, 0], None),
        lambda c: c.dense_forward(K[0, 0], K[0, 0].T.copy(), B[:1]),
        lambda c: c.dense_backward(K[0, 0, :1], K[0, 0], K[0, 0]),
        lambda c: c.dense_backward(X, K[0, 0], K[0, 0]),
        lambda c: c.max_pool_forward(X[0], (2, 2), (2, 2)),
        lambda c: c.max_pool_backward(X[:, :2, :2], I32[:1], X.shape, (2, 2), (2, 2)),
        lambda c: c.max_pool_backward(X[:, :1, :2], I32[:, :1], X.shape, (2, 2), (2, 2)),
        lambda c: c.relu_backward(DY, DY[:1]),
        lambda c: c.average_pool_forward(X[0], (2, 2), (2, 2)),
        lambda c: c.average_pool_backward(X, X.shape, (2, 2), (2, 2)),
        lambda c: c.batch_norm_forward(X, B, B, B, B, 0.1),
        lambda c: c.batch_norm_forward(DY, B, B[:4], B, B, 0.1),
        lambda c: c.batch_norm_backward(DY[:1], DY, B, B, B, 0.1),
        lambda c: c.dropout(X, np.ones(X.shape[1:], bool), 0.5),
        lambda c: c.elu_backward(DY, DY[:1], 1.0),
        lambda c: c.affine_transform_forward(X[0], np.zeros((len(X), 2, 3))),
        lambda c: c.affine_transform_forward(X, np.zeros((len(X) + 1, 2, 3))),
        lambda c: c.affine_transform_forward(X, np.zeros((len(X), 3, 2))),
        lambda c: c.affine_transform_backward(DY, np.zeros((len(DY) - 1, 2, 3))),
        lambda c: c.softmax_cross_entropy_forward(K[0, 0], K[0, 0, :2]),
        lambda c: c.softmax_cross_entropy_backward(K[0, 0], K[0, 0, :2]),
        lambda c: c.adam_update(B.copy(), B[:3], B.copy(), B.copy(), 1, 0.9, 0.9, 1e-7),
        lambda c: c.sgd_update(B.copy(), B, B[:3].copy(), 0.1, 0.9),
        lambda c: c.rmsprop_update(B.copy(), B, B.copy(), None, B[:3].copy(), 0.1, 0.9, 0.9, 1e-7),
    ],
)
def test_a_wrong_shape_never_reaches_a_kernel(call):
    with pytest.raises(ValueError, match=r"shape|axes|fit"):
        call(compiled)


@pytest.mark.parametrize(
    "call",
    [
        lambda c: c.conv2d_forward(np.float64(X), K, B),
        lambda c: c.conv2d_forward(X, K, np.float64(B)),
        lambda c: c.conv2d_forward(X.astype(">f4"), K, B),
        lambda c: c.conv2d_backward(np.float64(DY), X, K),
        lambda c: c.max_pool_forward(X.astype("int64"), (2, 2), (2, 2)),
        lambda c: c.max_pool_backward(X, X, X.shape, (1, 1), (1, 1)),
        lambda c: c.conv2d_backward(DY, X, np.float64(K)),
        lambda c: c.conv2d_backward(DY, X, K, y=np.float64(DY)),
        lambda c: c.dense_forward(K[0, 0], np.float64(K[0, 0].T), None),
        lambda c: c.dense_backward(K[0, 0], np.float64(K[0, 0]), K[0, 0]),
        lambda c: c.max_pool_backward(X.astype("i4"), X.astype("i4"), X.shape, (1, 1), (1, 1)),
        lambda c: c.max_pool_backward(X, X.astype("int64"), X.shape, (1, 1), (1, 1)),
        lambda c: c.relu_forward(X.astype("float16")),
        lambda c: c.relu_backward(DY, np.float64(DY)),
        lambda c: c.softmax_forward(X.astype("complex64")),
        lambda c: c.log_softmax(X.astype("int32")),
        lambda c: c.softmax_cross_entropy_backward(K[0, 0], np.float64(K[0, 0])),
        lambda c: c.sgd_update(B.copy(), B, np.zeros(B.shape), 0.1, 0.9),
        lambda c: c.sigmoid_forward(X.astype("float16")),
        lambda c: c.tanh_backward(X, np.float64(X)),
        lambda c: c.average_pool_forward(X.astype("int64"), (2, 2), (2, 2)),
        lambda c: c.moments(X.astype("int64")),
        lambda c: c.batch_norm_forward(DY, B, B, B, np.float64(B), 0.1),
        lambda c: c.batch_norm_backward(DY, np.float64(DY), B, B, B, 0.1),
        lambda c: c.dropout(X, X, 0.5),
        lambda c: c.affine_transform_forward(X.astype("uint8"), np.zeros((len(X), 2, 3))),
        lambda c: c.softmax_cross_entropy_forward(K[0, 0], np.float64(K[0, 0])),
        lambda c: c.adam_update(B.copy(), np.float64(B), B.copy(), B.copy(), 1, 0.9, 0.9, 1e-7),
    ],
)
def test_a_wrong_dtype_never_reaches_a_kernel(call):
    with pytest.raises(TypeError, match=r"dtype|float32"):
        call(compiled)


@pytest.mark.parametrize("rung", RUNGS)
@pytest.mark.parametrize("size, strides", [((0, 2), (1, 1)), ((2, -1), (1, 1)), ((2, 2), (0, 1))])
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_empty_windows_and_strides_never_reach_a_kernel(rung, size, strides, padding):
    # A window of no pixels would be read from behind the end of the array.
    with pytest.raises(ValueError, match="must be positive"):
        rung.max_pool_forward(X, size, strides, padding)
    if min(size) > 0:
        with pytest.raises(ValueError, match="must be positive"):
            rung.conv2d_forward(X, K, B, strides, padding)


def test_updates_refuse_read_only_parameters():
    value = B.copy()
    value.flags.writeable = False
    for rung in RUNGS:
        with pytest.raises(ValueError, match="read-only"):
            rung.sgd_update(value, B, None, 0.1)


def test_overflow_warns_nobody():
    """The compiled rung is silent, like BLAS: the loss check names numbers that went wrong."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        huge = np.full((3, 3), 1e30, "float32")
        y = compiled.dense_forward(huge, huge, None)
    assert np.isinf(y).all()
