"""Batch normalisation: `reference/normalization.py`, in Numba.

Legend: as there. The M rows of C channels are cut into groups of `size` rows, which fit the
first-level cache. Each group has its own sums; these are added in the groups' order, in float64.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
# (Numba compiles the kernels for the types they are called with; the public functions are typed)

import numpy as np

from tinycnn.kernels.compiled.blocks import PIECE, clear
from tinycnn.kernels.compiled.checks import ready, same_dtype, same_shape
from tinycnn.kernels.compiled.launch import kernel
from tinycnn.utils import Array

__all__ = [
    "batch_norm_backward",
    "batch_norm_forward",
    "moments",
]


@kernel
def _group_moments(g, x, means, squares, C, size):
    """For each group and channel: mean minus the group's first row; sum of squares around the mean.

    Summing differences from that row loses no digits where a channel is far from 0.
    """
    M = x.size // C
    mean, square = means[g * C : (g + 1) * C], squares[g * C : (g + 1) * C]
    clear(mean)
    clear(square)
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


@kernel
def _normalize(g, x, y, mean, factor, beta, size):
    C = mean.size
    M = x.size // C
    for r in range(g * size, min((g + 1) * size, M)):
        row, out = x[r * C : (r + 1) * C], y[r * C : (r + 1) * C]
        for c in range(C):
            out[c] = (row[c] - mean[c]) * factor[c] + beta[c]


@kernel
def _group_gradients(g, dy, x, mean, s, dgammas, dbetas, size):
    """For each group and channel: the sums of dy * x_hat and of dy."""
    C = mean.size
    M = x.size // C
    dgamma, dbeta = dgammas[g * C : (g + 1) * C], dbetas[g * C : (g + 1) * C]
    clear(dgamma)
    clear(dbeta)
    for r in range(g * size, min((g + 1) * size, M)):
        row, gradient = x[r * C : (r + 1) * C], dy[r * C : (r + 1) * C]
        for c in range(C):
            dgamma[c] += gradient[c] * ((row[c] - mean[c]) * s[c])
            dbeta[c] += gradient[c]


@kernel
def _normalize_backward(g, dy, x, dx, mean, s, factor, offset, slope, size):
    """dx = factor * (dy - offset - x_hat * slope)."""
    C = mean.size
    M = x.size // C
    for r in range(g * size, min((g + 1) * size, M)):
        row, gradient = x[r * C : (r + 1) * C], dy[r * C : (r + 1) * C]
        out = dx[r * C : (r + 1) * C]
        for c in range(C):
            x_hat = (row[c] - mean[c]) * s[c]
            out[c] = (gradient[c] - offset[c] - x_hat * slope[c]) * factor[c]


@np.errstate(all="ignore")
def moments(x: Array) -> tuple[Array, Array]:
    """Same as `reference.moments`, in one pass over the memory.

    The groups' variances are combined as in Chan, Golub and LeVeque (1979): the squares within the
    groups, plus those of the groups' means around the mean of all rows.
    """
    x = ready(x, x.ndim, "x")
    C, size, groups = _cut(x)
    means, squares = np.empty((groups, C), x.dtype), np.empty((groups, C), x.dtype)
    _group_moments(groups, (x, means, squares), (C, size))
    M = x.size // C
    rows = np.full((groups, 1), float(size))
    rows[-1] = M - (groups - 1) * size
    means = x.reshape(M, C)[::size].astype(np.float64) + means
    mean = (rows * means).sum(axis=0) / M
    variance = (
        squares.sum(axis=0, dtype=np.float64) + (rows * (means - mean) ** 2).sum(axis=0)
    ) / M
    return mean.astype(x.dtype), variance.astype(x.dtype)


@np.errstate(all="ignore")
def batch_norm_forward(
    x: Array, gamma: Array, beta: Array, mean: Array, variance: Array, epsilon: float
) -> Array:
    """Same as `reference.batch_norm_forward`."""
    x = ready(x, x.ndim, "x")
    gamma, beta, mean, variance = _channels(x, gamma=gamma, beta=beta, mean=mean, variance=variance)
    factor = gamma / np.sqrt(variance + variance.dtype.type(epsilon))
    y = np.empty_like(x)
    _, size, groups = _cut(x)
    _normalize(groups, (x, y, mean, factor, beta), (size,))
    return y


@np.errstate(all="ignore")
def batch_norm_backward(
    dy: Array,
    x: Array,
    gamma: Array,
    mean: Array,
    variance: Array,
    epsilon: float,
    of_batch: bool = True,
) -> tuple[Array, Array, Array]:
    """Same as `reference.batch_norm_backward`, in two passes over the memory."""
    x, dy = ready(x, x.ndim, "x"), ready(dy, dy.ndim, "dy")
    same_dtype(x=x, dy=dy)
    same_shape(x.shape, dy=dy)
    gamma, mean, variance = _channels(x, gamma=gamma, mean=mean, variance=variance)
    C, size, groups = _cut(x)
    s = 1 / np.sqrt(variance + variance.dtype.type(epsilon))
    sums = np.empty((2, groups, C), x.dtype)
    _group_gradients(groups, (dy, x, mean, s, *sums), (size,))
    dgamma, dbeta = sums.sum(axis=1, dtype=np.float64).astype(x.dtype)
    M = x.size // C if of_batch else np.inf
    dx = np.empty_like(x)
    channels = (mean, s, gamma * s, dbeta / M, dgamma / M)
    _normalize_backward(groups, (dy, x, dx, *channels), (size,))
    return dx, dgamma, dbeta


def _cut(x: Array) -> tuple[int, int, int]:
    """The number of channels, of rows in a group, and of groups."""
    C = x.shape[-1]
    size = max(1, PIECE // C)
    return C, size, -(-(x.size // C) // size)


def _channels(x: Array, **arrays: Array) -> list[Array]:
    """Arrays of one number per channel, checked and ready for the kernels."""
    same_dtype(x=x, **arrays)
    same_shape(x.shape[-1:], **arrays)
    return [ready(array, 1, name) for name, array in arrays.items()]
