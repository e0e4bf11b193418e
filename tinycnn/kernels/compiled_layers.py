"""The functions of `reference_layers.py`, with the same meaning, in Numba.

The second half of `compiled.py`, under the same rules: how work is cut into pieces depends on the
shapes, never on the number of threads, and every sum has one order. `warm_up` leaves these kernels
alone: each is compiled when a model first needs it.

Legend as in `reference_layers.py`. Kernels see flat arrays only.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
# (Numba compiles the kernels for the types they are called with; the public functions are typed)

import numba
import numpy as np
from numba import prange

from tinycnn.geometry import Pair
from tinycnn.kernels.checks import pool_shape, ready, same_dtype, same_shape

# NumPy's tanh is already vectorized, unlike the system's that Numba would call.
from tinycnn.kernels.reference.activations import tanh_forward
from tinycnn.kernels.simd import jit
from tinycnn.utils import Array

__all__ = [
    "affine_transform_backward",
    "affine_transform_forward",
    "average_pool_backward",
    "average_pool_forward",
    "batch_norm_backward",
    "batch_norm_forward",
    "dropout",
    "elu_backward",
    "elu_forward",
    "leaky_relu_backward",
    "leaky_relu_forward",
    "moments",
    "rescale",
    "sigmoid_backward",
    "sigmoid_forward",
    "tanh_backward",
    "tanh_forward",
]

_PIECE = 4096  # elements of one piece of work

# --- average-pooling ------------------------------------------------------------------------------


@numba.njit
def _add_scaled(total, values, factor):
    for i in range(total.size):
        total[i] += values[i] * factor


@jit(parallel=True)
def _average(x, y, shape):
    N, H, W, C, PH, PW, SH, SW, OH, OW, top, left = shape
    one = x.dtype.type(1)
    for r in prange(N * OH):
        n, i = r // OH, r % OH * SH - top
        u0, u1 = max(0, -i), min(PH, H - i)
        for j_ in range(OW):
            j = j_ * SW - left
            v0, v1 = max(0, -j), min(PW, W - j)
            mean = y[(r * OW + j_) * C : (r * OW + j_ + 1) * C]
            mean[:] = 0
            for u in range(u0, u1):
                for v in range(v0, v1):
                    start = ((n * H + i + u) * W + j + v) * C
                    _add_scaled(mean, x[start : start + C], one)
            count = x.dtype.type((u1 - u0) * (v1 - v0))
            for c in range(C):
                mean[c] /= count


@jit(parallel=True)
def _spread(dy, dx, shape):
    """By rows of dx, each of which looks up the windows it is in: no two threads share a row."""
    N, H, W, C, PH, PW, SH, SW, OH, OW, top, left = shape
    for r in prange(N * H):
        n, h = r // H, r % H + top
        dx[r * W * C : (r + 1) * W * C] = 0
        # The windows i with i*SH <= h < i*SH + PH have this row.
        for i in range(max(0, (h - PH + SH) // SH), min(OH, h // SH + 1)):
            rows = min(PH, H + top - i * SH) - max(0, top - i * SH)
            for j in range(OW):
                v0, v1 = max(0, left - j * SW), min(PW, W + left - j * SW)
                start = ((n * OH + i) * OW + j) * C
                gradient = dy[start : start + C]
                share = dx.dtype.type(1) / dx.dtype.type(rows * (v1 - v0))
                for v in range(v0, v1):
                    pixel = (r * W + j * SW + v - left) * C
                    _add_scaled(dx[pixel : pixel + C], gradient, share)


def average_pool_forward(x: Array, pool_size: Pair, strides: Pair, padding: str = "valid") -> Array:
    """As `reference.average_pool_forward`."""
    x = ready(x, 4, "x")
    shape = pool_shape(x.shape, pool_size, strides, padding)
    y = np.empty((shape[0], shape[8], shape[9], shape[3]), x.dtype)
    _average(x.reshape(-1), y.reshape(-1), shape)
    return y


def average_pool_backward(
    dy: Array,
    x_shape: tuple[int, int, int, int],
    pool_size: Pair,
    strides: Pair,
    padding: str = "valid",
) -> Array:
    """As `reference.average_pool_backward`."""
    dy = ready(dy, 4, "dy")
    shape = pool_shape(x_shape, pool_size, strides, padding)
    same_shape((shape[0], shape[8], shape[9], shape[3]), dy=dy)
    dx = np.empty(x_shape, dy.dtype)
    _spread(dy.reshape(-1), dx.reshape(-1), shape)
    return dx


# --- batch normalisation --------------------------------------------------------------------------
#
# M rows of C channels are cut into groups of `size` rows, which fit the first-level cache. A group
# sums for itself; the groups' sums are added in their order, in float64.


@jit(parallel=True)
def _group_moments(x, means, squares, C, size):
    """Of every group, by channel: the mean, less the group's first row; the squares around it.

    Sums of differences from that row lose nothing where a channel is far from 0.
    """
    M = x.size // C
    for g in prange(means.size // C):
        mean, square = means[g * C : (g + 1) * C], squares[g * C : (g + 1) * C]
        mean[:] = 0
        square[:] = 0
        start, end = g * size, min((g + 1) * size, M)
        first = x[start * C : (start + 1) * C]
        for r in range(start + 1, end):
            row = x[r * C : (r + 1) * C]
            for c in range(C):
                mean[c] += row[c] - first[c]
        share = 1 / x.dtype.type(end - start)
        for c in range(C):
            mean[c] *= share
        for r in range(start, end):
            row = x[r * C : (r + 1) * C]
            for c in range(C):
                difference = (row[c] - first[c]) - mean[c]
                square[c] += difference * difference


@jit(parallel=True)
def _normalize(x, y, mean, factor, beta, size):
    C = mean.size
    M = x.size // C
    for g in prange((M + size - 1) // size):
        for r in range(g * size, min((g + 1) * size, M)):
            row, out = x[r * C : (r + 1) * C], y[r * C : (r + 1) * C]
            for c in range(C):
                out[c] = (row[c] - mean[c]) * factor[c] + beta[c]


@jit(parallel=True)
def _group_gradients(dy, x, mean, s, dgammas, dbetas, size):
    """Of every group, the sums of dy * x_hat and of dy, by channel."""
    C = mean.size
    M = x.size // C
    for g in prange(dbetas.size // C):
        dgamma, dbeta = dgammas[g * C : (g + 1) * C], dbetas[g * C : (g + 1) * C]
        dgamma[:] = 0
        dbeta[:] = 0
        for r in range(g * size, min((g + 1) * size, M)):
            row, gradient = x[r * C : (r + 1) * C], dy[r * C : (r + 1) * C]
            for c in range(C):
                dgamma[c] += gradient[c] * ((row[c] - mean[c]) * s[c])
                dbeta[c] += gradient[c]


@jit(parallel=True)
def _normalize_backward(dy, x, dx, mean, s, factor, offset, slope, size):
    """dx = factor * (dy - offset - x_hat * slope)."""
    C = mean.size
    M = x.size // C
    for g in prange((M + size - 1) // size):
        for r in range(g * size, min((g + 1) * size, M)):
            row, gradient = x[r * C : (r + 1) * C], dy[r * C : (r + 1) * C]
            out = dx[r * C : (r + 1) * C]
            for c in range(C):
                x_hat = (row[c] - mean[c]) * s[c]
                out[c] = (gradient[c] - offset[c] - x_hat * slope[c]) * factor[c]


def moments(x: Array) -> tuple[Array, Array]:
    """As `reference.moments`, in one pass over the memory.

    The variance of all rows from those of the groups, as Chan, Golub and LeVeque (1979) add them
    up: the squares within the groups, plus those of the groups' means around the mean of all.
    """
    x = ready(x, x.ndim, "x")
    C, size, groups = _cut(x)
    means, squares = np.empty((groups, C), x.dtype), np.empty((groups, C), x.dtype)
    _group_moments(x.reshape(-1), means.reshape(-1), squares.reshape(-1), C, size)
    M = x.size // C
    rows = np.full((groups, 1), float(size))
    rows[-1] = M - (groups - 1) * size
    means = x.reshape(M, C)[::size].astype(np.float64) + means
    mean = (rows * means).sum(axis=0) / M
    variance = (
        squares.sum(axis=0, dtype=np.float64) + (rows * (means - mean) ** 2).sum(axis=0)
    ) / M
    return mean.astype(x.dtype), variance.astype(x.dtype)


def batch_norm_forward(
    x: Array, gamma: Array, beta: Array, mean: Array, variance: Array, epsilon: float
) -> Array:
    """As `reference.batch_norm_forward`."""
    x = ready(x, x.ndim, "x")
    gamma, beta, mean, variance = _channels(x, gamma=gamma, beta=beta, mean=mean, variance=variance)
    factor = gamma / np.sqrt(variance + variance.dtype.type(epsilon))
    y = np.empty_like(x)
    _normalize(x.reshape(-1), y.reshape(-1), mean, factor, beta, _cut(x)[1])
    return y


def batch_norm_backward(
    dy: Array,
    x: Array,
    gamma: Array,
    mean: Array,
    variance: Array,
    epsilon: float,
    of_batch: bool = True,
) -> tuple[Array, Array, Array]:
    """As `reference.batch_norm_backward`, in two passes over the memory."""
    x, dy = ready(x, x.ndim, "x"), ready(dy, dy.ndim, "dy")
    same_dtype(x=x, dy=dy)
    same_shape(x.shape, dy=dy)
    gamma, mean, variance = _channels(x, gamma=gamma, mean=mean, variance=variance)
    C, size, groups = _cut(x)
    s = 1 / np.sqrt(variance + variance.dtype.type(epsilon))
    sums = np.empty((2, groups, C), x.dtype)
    flat = (dy.reshape(-1), x.reshape(-1))
    _group_gradients(*flat, mean, s, sums[0].reshape(-1), sums[1].reshape(-1), size)
    dgamma, dbeta = sums.sum(axis=1, dtype=np.float64).astype(x.dtype)
    M = x.size // C if of_batch else np.inf
    dx = np.empty_like(x)
    _normalize_backward(*flat, dx.reshape(-1), mean, s, gamma * s, dbeta / M, dgamma / M, size)
    return dx, dgamma, dbeta


def _cut(x: Array) -> tuple[int, int, int]:
    """The number of channels, of rows in a group, and of groups."""
    C = x.shape[-1]
    size = max(1, _PIECE // C)
    return C, size, -(-(x.size // C) // size)


def _channels(x: Array, **arrays: Array) -> list[Array]:
    """Arrays of one number a channel, ready."""
    same_dtype(x=x, **arrays)
    same_shape(x.shape[-1:], **arrays)
    return [ready(array, 1, name) for name, array in arrays.items()]


# --- rescaling ------------------------------------------------------------------------------------


@jit(parallel=True)
def _rescale(x, y, scale, offset):
    for g in prange((x.size + _PIECE - 1) // _PIECE):
        source, target = x[g * _PIECE : (g + 1) * _PIECE], y[g * _PIECE : (g + 1) * _PIECE]
        for i in range(source.size):
            target[i] = y.dtype.type(source[i]) * scale + offset


def rescale(x: Array, scale: float, offset: float, dtype: np.dtype[np.floating]) -> Array:
    """As `reference.rescale`; what is not uint8 is converted first."""
    if x.dtype != np.uint8:
        x = x.astype(dtype, copy=False)
    x = np.require(x, requirements=["C", "A", "W"])
    y = np.empty(x.shape, dtype)
    _rescale(x.reshape(-1), y.reshape(-1), dtype.type(scale), dtype.type(offset))
    return y


# --- dropout --------------------------------------------------------------------------------------


@jit(parallel=True)
def _drop(x, kept, y, scale):
    zero = x.dtype.type(0)
    for g in prange((x.size + _PIECE - 1) // _PIECE):
        here = slice(g * _PIECE, (g + 1) * _PIECE)
        source, keep, target = x[here], kept[here], y[here]
        for i in range(source.size):
            value = source[i] * scale  # in any case: no branch
            target[i] = value if keep[i] else zero


def dropout(x: Array, kept: Array, rate: float) -> Array:
    """As `reference.dropout`."""
    x = ready(x, x.ndim, "x")
    if kept.dtype != np.bool_:
        raise TypeError(f"`kept` must have dtype bool. Received: {kept.dtype}")
    same_shape(x.shape, kept=kept)
    kept = np.require(kept, requirements=["C", "A", "W"])
    y = np.empty_like(x)
    scale = x.dtype.type(1 / (1 - rate) if rate < 1 else 0)
    _drop(x.reshape(-1), kept.reshape(-1), y.reshape(-1), scale)
    return y


# --- augmentation ---------------------------------------------------------------------------------


@jit(parallel=True)
def _affine_transform(x, y, transforms, shape, backward):
    """y from x; or, for `backward`, the gradients: what is added to x from y. Image by image."""
    N, H, W, C = shape
    for n in prange(N):
        a0, a1, a2, b0, b1, b2 = transforms[n * 6 : (n + 1) * 6]
        for i in range(H):
            for j in range(W):
                column, row = a0 * j + a1 * i + a2, b0 * j + b1 * i + b2
                if not (-1 < row < H and -1 < column < W):
                    continue  # all four pixels are outside
                top, left = int(np.floor(row)), int(np.floor(column))
                down, right = row - top, column - left
                out = ((n * H + i) * W + j) * C
                for corner in range(4):
                    h, w = top + corner // 2, left + corner % 2
                    if 0 <= h < H and 0 <= w < W:
                        vertical = down if h > top else 1 - down
                        horizontal = right if w > left else 1 - right
                        weight = x.dtype.type(vertical * horizontal)
                        pixel = ((n * H + h) * W + w) * C
                        for c in range(C):
                            if backward:
                                x[pixel + c] += weight * y[out + c]
                            else:
                                y[out + c] += weight * x[pixel + c]


def affine_transform_forward(x: Array, transforms: Array) -> Array:
    """As `reference.affine_transform_forward`."""
    x = ready(x, 4, "x")
    y = np.zeros_like(x)
    _affine_transform(x.reshape(-1), y.reshape(-1), _transforms(transforms, x), x.shape, False)
    return y


def affine_transform_backward(dy: Array, transforms: Array) -> Array:
    """As `reference.affine_transform_backward`."""
    dy = ready(dy, 4, "dy")
    dx = np.zeros_like(dy)
    _affine_transform(dx.reshape(-1), dy.reshape(-1), _transforms(transforms, dy), dy.shape, True)
    return dx


def _transforms(transforms: Array, images: Array) -> Array:
    """A transform for each image, flat, ready."""
    same_shape((len(images), 2, 3), transforms=transforms)
    return ready(transforms.astype(np.float64, copy=False), 3, "transforms").reshape(-1)


# --- activations ----------------------------------------------------------------------------------

SIGMOID, LEAKY_RELU, ELU, TANH = range(4)


@numba.njit
def _exp(x):
    """(s, t) with exp(x) = s + t, in float64; s is a power of two, so exp(x) - 1 = (s - 1) + t.

    exp(x) = 2^n * exp(r) with |r| <= log(2) / 2, where thirteen terms of the series are exact to
    the last bit. LLVM vectorizes a loop of this, which it can't do with a call of the system's exp.
    """
    x = min(max(x, -700.0), 700.0)
    n = np.floor(x * 1.4426950408889634 + 0.5)
    r = (x - n * 0.6931471803691238) - n * 1.9082149292705877e-10  # log(2) in two parts
    t = 1 / 39916800 + r * (1 / 479001600 + r / 6227020800)
    t = 1 / 40320 + r * (1 / 362880 + r * (1 / 3628800 + r * t))
    t = 1 / 120 + r * (1 / 720 + r * (1 / 5040 + r * t))
    t = 1 / 2 + r * (1 / 6 + r * (1 / 24 + r * t))
    # 2^n by the bits of its exponent.
    s = np.int64((np.int64(np.int32(n)) + 1023) << 52).view(np.float64)
    return s, s * (r + r * r * t)


@jit(parallel=True)
def _activate(x, y, kind, slope):
    for g in prange((x.size + _PIECE - 1) // _PIECE):
        source, target = x[g * _PIECE : (g + 1) * _PIECE], y[g * _PIECE : (g + 1) * _PIECE]
        if kind == SIGMOID:
            for i in range(source.size):
                value = np.float64(source[i])
                s, t = _exp(-abs(value))
                e = s + t
                p = 1 / (1 + e)
                target[i] = p if value >= 0 else e * p
        elif kind == LEAKY_RELU:
            for i in range(source.size):
                value = source[i]
                below = value * slope
                target[i] = value if value > 0 else below
        else:
            for i in range(source.size):
                value = np.float64(source[i])
                s, t = _exp(0.0 if value > 0 else value)
                below = slope * ((s - 1) + t)
                target[i] = value if value > 0 else below


@jit(parallel=True)
def _activate_backward(dy, y, dx, kind, slope):
    one = dy.dtype.type(1)
    for g in prange((dy.size + _PIECE - 1) // _PIECE):
        here = slice(g * _PIECE, (g + 1) * _PIECE)
        source, out, target = dy[here], y[here], dx[here]
        if kind == SIGMOID:
            for i in range(source.size):
                target[i] = source[i] * out[i] * (one - out[i])
        elif kind == TANH:
            for i in range(source.size):
                target[i] = source[i] * (one - out[i] * out[i])
        else:
            for i in range(source.size):
                value = out[i]
                below = slope if kind == LEAKY_RELU else value + slope
                target[i] = source[i] * (one if value > 0 else below)


def _forward(x: Array, kind: int, slope: float = 0.0) -> Array:
    x = ready(x, x.ndim, "x")
    y = np.empty_like(x)
    _activate(x.reshape(-1), y.reshape(-1), kind, x.dtype.type(slope))
    return y


def _backward(dy: Array, y: Array, kind: int, slope: float = 0.0) -> Array:
    dy, y = ready(dy, dy.ndim, "dy"), ready(y, y.ndim, "y")
    same_dtype(dy=dy, y=y)
    same_shape(y.shape, dy=dy)
    dx = np.empty_like(dy)
    flat = (array.reshape(-1) for array in (dy, y, dx))
    _activate_backward(*flat, kind, dy.dtype.type(slope))
    return dx


def sigmoid_forward(x: Array) -> Array:
    """As `reference.sigmoid_forward`."""
    return _forward(x, SIGMOID)


def sigmoid_backward(dy: Array, y: Array) -> Array:
    """As `reference.sigmoid_backward`."""
    return _backward(dy, y, SIGMOID)


def tanh_backward(dy: Array, y: Array) -> Array:
    """As `reference.tanh_backward`."""
    return _backward(dy, y, TANH)


def leaky_relu_forward(x: Array, negative_slope: float) -> Array:
    """As `reference.leaky_relu_forward`."""
    return _forward(x, LEAKY_RELU, negative_slope)


def leaky_relu_backward(dy: Array, y: Array, negative_slope: float) -> Array:
    """As `reference.leaky_relu_backward`."""
    return _backward(dy, y, LEAKY_RELU, negative_slope)


def elu_forward(x: Array, alpha: float) -> Array:
    """As `reference.elu_forward`."""
    return _forward(x, ELU, alpha)


def elu_backward(dy: Array, y: Array, alpha: float) -> Array:
    """As `reference.elu_backward`."""
    return _backward(dy, y, ELU, alpha)
