"""Max-pooling and average-pooling: one number for every window.

Legend: N images of H x W pixels and C channels; pools of PH x PW; strides SH, SW; outputs of OH x
OW. Every channel is pooled by itself:
    x (N, H, W, C)   y (N, OH, OW, C)

Source: for what happens at the edges, Keras 3 on TensorFlow.
"""

import numpy as np

from tinycnn.support.geometry import Pair, output_length, window_padding
from tinycnn.utils import Array

__all__ = [
    "average_pool_backward",
    "average_pool_forward",
    "max_pool_backward",
    "max_pool_forward",
]

# --- max-pooling ----------------------------------------------------------------------------------


def max_pool_forward(
    x: Array, pool_size: Pair, strides: Pair, padding: str = "valid"
) -> tuple[Array, Array]:
    """The largest value of every window, and which one it was.

    Rows and columns that no whole window covers are left out ("valid") or belong to a window that
    reaches over the edge ("same"). A NaN in a window makes its output NaN.

    Args:
        x: (N, H, W, C).
        pool_size: (PH, PW).
        strides: (SH, SW).
        padding: "valid" or "same".

    Returns:
        y (N, OH, OW, C), and winners (N, OH, OW, C), int32: the winner's place in its window,
        row * PW + column; of equal values the first.
    """
    PH, PW = pool_size
    SH, SW = strides
    N, H, W, C = x.shape
    OH, OW = output_length(H, PH, SH, padding), output_length(W, PW, SW, padding)
    around = ((0, 0), *window_padding(H, W, pool_size, strides, padding), (0, 0))
    x = np.pad(x, around, constant_values=-np.inf)
    inside = np.pad(np.ones((1, H, W, 1), bool), around)
    y = np.full((N, OH, OW, C), -np.inf, x.dtype)
    winners = np.full((N, OH, OW, C), -1, np.int32)
    for i in range(PH):
        for j in range(PW):
            here = (slice(None), slice(i, i + SH * OH, SH), slice(j, j + SW * OW, SW))
            value = x[here]
            # `>` alone would be the rule, were it not for NaN and for windows full of -inf.
            first = (winners < 0) & inside[here]
            wins = (value > y) | first | (np.isnan(value) & ~np.isnan(y))
            y = np.where(wins, value, y)
            winners[wins] = i * PW + j
    return y, winners


def max_pool_backward(
    dy: Array,
    winners: Array,
    x_shape: tuple[int, int, int, int],
    pool_size: Pair,
    strides: Pair,
    padding: str = "valid",
) -> Array:
    """The gradient of `max_pool_forward`: each output's gradient goes to the one input that won.

    y[n, i, j, c] is the winner of its window. Its derivative with respect to the winner is 1, and
    with respect to the window's other inputs it is 0. Windows may overlap: an input that won in
    several of them gets the sum of their gradients.

    Args:
        dy: (N, OH, OW, C).
        winners: (N, OH, OW, C), from the forward.
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
    dx = np.zeros((N, H + top + bottom, W + left + right, C), dy.dtype)
    for i in range(PH):
        for j in range(PW):
            won = winners == i * PW + j
            dx[:, i : i + SH * OH : SH, j : j + SW * OW : SW] += np.where(won, dy, 0)
    return dx[:, top : top + H, left : left + W]


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
    """The gradient of `average_pool_forward`: each output's gradient is shared by its inputs.

    The derivative of y[n, i, j, c] with respect to each input of its window is 1 / count[i, j], so
    the shares are equal. An input that lies in several windows gets the sum of its shares.

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
