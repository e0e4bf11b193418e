"""The formulas of the layers that the reference network does without, in plain NumPy.

The second half of `reference.py`, which says what holds for both: no function changes an array it
was given, and the dtype of the result is that of `x`. `compiled_layers.py` holds the same functions
in Numba.

Legend: images (N, H, W, C); pools of PH x PW, strides SH, SW, output OH x OW; for what treats every
channel by itself, M is the product of all axes but the last: x (..., C) as M rows of C channels.

Sources: Ioffe and Szegedy 2015 (batch normalisation); Srivastava et al. 2014 (dropout); Maas et al.
2013 (leaky relu); Clevert et al. 2016 (elu); for what these leave open, and for augmentation, Keras
3 on TensorFlow.
"""

from collections.abc import Iterator

import numpy as np

from tinycnn.geometry import Pair, output_length, window_padding
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

# --- average-pooling ------------------------------------------------------------------------------


def average_pool_forward(x: Array, pool_size: Pair, strides: Pair, padding: str = "valid") -> Array:
    """The mean of every window; zeros around the image are not counted.

    y[n, i, j, c] = sum over u, v of x[n, i*SH + u, j*SW + v, c] / count[i, j]

    Args:
        x: (N, H, W, C).
        pool_size: (PH, PW).
        strides: (SH, SW).
        padding: "valid" or "same".

    Returns:
        y (N, OH, OW, C).
    """
    PH, PW = pool_size
    SH, SW = strides
    N, H, W, C = x.shape
    OH, OW = output_length(H, PH, SH, padding), output_length(W, PW, SW, padding)
    x = np.pad(x, ((0, 0), *window_padding(H, W, pool_size, strides, padding), (0, 0)))
    y = np.zeros((N, OH, OW, C), x.dtype)
    for i in range(PH):
        for j in range(PW):
            y += x[:, i : i + SH * OH : SH, j : j + SW * OW : SW]
    return y / _counts(H, W, pool_size, strides, padding).astype(x.dtype)


def average_pool_backward(
    dy: Array,
    x_shape: tuple[int, int, int, int],
    pool_size: Pair,
    strides: Pair,
    padding: str = "valid",
) -> Array:
    """The gradient of `average_pool_forward`: each window's is shared equally by its inputs.

    Args:
        dy: (N, OH, OW, C).
        x_shape: (N, H, W, C) of the forward's input.
        pool_size: (PH, PW).
        strides: (SH, SW).
        padding: as in the forward.

    Returns:
        dx (N, H, W, C).
    """
    PH, PW = pool_size
    SH, SW = strides
    N, H, W, C = x_shape
    (top, bottom), (left, right) = window_padding(H, W, pool_size, strides, padding)
    OH, OW = dy.shape[1:3]
    share = dy / _counts(H, W, pool_size, strides, padding).astype(dy.dtype)
    dx = np.zeros((N, H + top + bottom, W + left + right, C), dy.dtype)
    for i in range(PH):
        for j in range(PW):
            dx[:, i : i + SH * OH : SH, j : j + SW * OW : SW] += share
    return dx[:, top : top + H, left : left + W]


def _counts(H: int, W: int, size: Pair, strides: Pair, padding: str) -> Array:
    """How many pixels of the image each window covers: (OH, OW, 1)."""
    counts = []
    for length, window, stride, (before, _) in zip(
        (H, W), size, strides, window_padding(H, W, size, strides, padding), strict=True
    ):
        starts = np.arange(output_length(length, window, stride, padding)) * stride - before
        counts.append(np.minimum(starts + window, length) - np.maximum(starts, 0))
    rows, columns = counts
    return (rows[:, None] * columns)[..., None]


# --- batch normalisation --------------------------------------------------------------------------


def moments(x: Array) -> tuple[Array, Array]:
    """Mean and variance of every channel; the variance is biased, that is, divided by M.

    Args:
        x: (..., C).

    Returns:
        mean (C,), variance (C,).
    """
    rows = x.reshape(-1, x.shape[-1])
    # In float64, whatever the dtype: M may be tens of thousands.
    mean = rows.mean(axis=0, dtype=np.float64)
    variance = np.square(rows - mean).mean(axis=0)
    return mean.astype(x.dtype), variance.astype(x.dtype)


def batch_norm_forward(
    x: Array, gamma: Array, beta: Array, mean: Array, variance: Array, epsilon: float
) -> Array:
    """y = gamma * x_hat + beta with x_hat = (x - mean) / sqrt(variance + epsilon), by channel.

    Args:
        x: (..., C).
        gamma: (C,), the scale.
        beta: (C,), the offset.
        mean: (C,): of this batch in training, the moving mean in inference.
        variance: (C,), likewise.
        epsilon: keeps the square root away from 0.

    Returns:
        y (..., C).
    """
    return (x - mean) * (gamma / np.sqrt(variance + variance.dtype.type(epsilon))) + beta


def batch_norm_backward(
    dy: Array,
    x: Array,
    gamma: Array,
    mean: Array,
    variance: Array,
    epsilon: float,
    of_batch: bool = True,
) -> tuple[Array, Array, Array]:
    """The gradients of `batch_norm_forward`.

    With s = 1 / sqrt(variance + epsilon) and sums over the M rows,
        dbeta = sum of dy,   dgamma = sum of dy * x_hat,   dx = gamma * s * dy.
    That is all if mean and variance are constants. If they are those of x itself, every x moves
    them, and so all other outputs; with dmean and dvariance put in, what is left is
        dx = gamma * s * (dy - dbeta / M - x_hat * dgamma / M):
    dy without its mean and without its share along x_hat, which normalising takes away.

    Args:
        dy: (..., C).
        x: (..., C), the forward's input.
        gamma: (C,).
        mean: (C,), the forward's.
        variance: (C,), the forward's.
        epsilon: as in the forward.
        of_batch: whether mean and variance are those of `x`.

    Returns:
        dx (..., C), dgamma (C,), dbeta (C,).

    Source: Ioffe and Szegedy 2015, the chain rule of Section 3, simplified.
    """
    C = x.shape[-1]
    s = 1 / np.sqrt(variance + variance.dtype.type(epsilon))
    x_hat = (x - mean) * s
    dbeta = dy.reshape(-1, C).sum(axis=0)
    dgamma = (dy * x_hat).reshape(-1, C).sum(axis=0)
    if of_batch:
        M = x.size // C
        dy = dy - dbeta / M - x_hat * (dgamma / M)
    return dy * (gamma * s), dgamma, dbeta


# --- rescaling ------------------------------------------------------------------------------------


def rescale(x: Array, scale: float, offset: float, dtype: np.dtype[np.floating]) -> Array:
    """x * scale + offset.

    Args:
        x: any shape and any dtype: pixels are uint8.
        scale: factor.
        offset: added after it.
        dtype: of the result, and of the arithmetic.

    Returns:
        y, the shape of `x`.
    """
    return x.astype(dtype, copy=False) * dtype.type(scale) + dtype.type(offset)


# --- dropout --------------------------------------------------------------------------------------


def dropout(x: Array, kept: Array, rate: float) -> Array:
    """x / (1 - rate) where `kept`, else 0: the mean stays what it was. Its own gradient: dx of dy.

    Args:
        x: any shape.
        kept: bool, the same shape, each True with probability 1 - rate.
        rate: share that is dropped, in [0, 1]; 1 drops everything.

    Returns:
        y, the shape of `x`.
    """
    scale = x.dtype.type(1 / (1 - rate) if rate < 1 else 0)
    return np.where(kept, x * scale, np.zeros((), x.dtype))


# --- augmentation ---------------------------------------------------------------------------------


def affine_transform_forward(x: Array, transforms: Array) -> Array:
    """Every image under a transform of its own, bilinear, with zeros outside the image.

    y[n, i, j] = sum over the four pixels (h, w) around (row, column) of weight * x[n, h, w], where
    (column, row) = transforms[n] @ (j, i, 1) and weight = (1 - |row - h|) * (1 - |column - w|)

    Args:
        x: (N, H, W, C).
        transforms: (N, 2, 3), from places in the output to places in the input.

    Returns:
        y (N, H, W, C).

    Source: ImageProjectiveTransformV3 of TensorFlow, which Keras calls.
    """
    # One pixel of zeros around the image stands for all that lies outside.
    x = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    y = np.zeros((len(x), x.shape[1] - 2, x.shape[2] - 2, x.shape[3]), x.dtype)
    for place, weight in _four_pixels(y.shape, transforms):
        y += weight.astype(x.dtype) * x[place]
    return y


def affine_transform_backward(dy: Array, transforms: Array) -> Array:
    """The gradient of `affine_transform_forward`: the same weights, from y to x.

    Args:
        dy: (N, H, W, C).
        transforms: as in the forward.

    Returns:
        dx (N, H, W, C).
    """
    N, H, W, C = dy.shape
    dx = np.zeros((N, H + 2, W + 2, C), dy.dtype)
    for place, weight in _four_pixels(dy.shape, transforms):
        np.add.at(dx, place, weight.astype(dy.dtype) * dy)
    return dx[:, 1:-1, 1:-1]


def _four_pixels(
    shape: tuple[int, ...], transforms: Array
) -> Iterator[tuple[tuple[Array, Array, Array], Array]]:
    """Yields one of the four input pixels of every output pixel, four times, and its weight.

    The pixel is given by its place (n, h + 1, w + 1) in the images with zeros around them, three
    arrays that broadcast to (N, H, W); the weight is (N, H, W, 1), float64.
    """
    N, H, W, _ = shape
    i, j = np.mgrid[:H, :W]
    here = np.stack([j, i, np.ones_like(i)]).reshape(3, H * W)
    # (N, 2, 3) @ (3, H*W) -> (N, 2, H*W)
    there = (transforms.astype(np.float64) @ here).reshape(N, 2, H, W)
    column, row = np.clip(there[:, 0], -1, W), np.clip(there[:, 1], -1, H)
    n = np.arange(N)[:, None, None]
    # A last row or column with weight 0 stays inside.
    top = np.minimum(np.floor(row).astype(int), H - 1)
    left = np.minimum(np.floor(column).astype(int), W - 1)
    for h in (top, top + 1):
        for w in (left, left + 1):
            weight = (1 - np.abs(row - h)) * (1 - np.abs(column - w))
            yield (n, h + 1, w + 1), weight[..., None]


# --- activations: element by element, any shape; each gradient needs only the output y ------------


def sigmoid_forward(x: Array) -> Array:
    """1 / (1 + exp(-x)), without the overflow of exp(-x) for x far below 0."""
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + e), e / (1 + e))


def sigmoid_backward(dy: Array, y: Array) -> Array:
    """dx = dy * y * (1 - y)."""
    return dy * y * (1 - y)


def tanh_forward(x: Array) -> Array:
    """tanh(x)."""
    return np.tanh(x)


def tanh_backward(dy: Array, y: Array) -> Array:
    """dx = dy * (1 - y^2)."""
    return dy * (1 - y * y)


def leaky_relu_forward(x: Array, negative_slope: float) -> Array:
    """y = x where positive, else negative_slope * x."""
    return np.where(x > 0, x, x * x.dtype.type(negative_slope))


def leaky_relu_backward(dy: Array, y: Array, negative_slope: float) -> Array:
    """dx = dy where y is positive, else negative_slope * dy: at exactly 0 the slope of below."""
    return np.where(y > 0, dy, dy * dy.dtype.type(negative_slope))


def elu_forward(x: Array, alpha: float) -> Array:
    """y = x where positive, else alpha * (exp(x) - 1)."""
    return np.where(x > 0, x, x.dtype.type(alpha) * np.expm1(np.minimum(x, 0)))


def elu_backward(dy: Array, y: Array, alpha: float) -> Array:
    """dx = dy where y is positive, else dy * alpha * exp(x), and alpha * exp(x) = y + alpha."""
    return np.where(y > 0, dy, dy * (y + dy.dtype.type(alpha)))
