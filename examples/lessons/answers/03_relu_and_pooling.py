"""Answers to lesson 3.

The question: what was thrown away gets a gradient of 0, and the winner gets all of it.

The mistake: `=` for `+=`. Where windows overlap, an input can win in several of them. With `=` the
last one's gradient takes the place of the others.
"""

import numpy as np

from tinycnn.support.geometry import window_padding


def max_pool_forward(x, pool_size, strides, padding="valid"):
    """The largest value of each window of x (N, H, W, C), and its place in the window."""
    PH, PW = pool_size
    SH, SW = strides
    N, H, W, C = x.shape
    around = ((0, 0), *window_padding(H, W, pool_size, strides, padding), (0, 0))
    x = np.pad(x, around, constant_values=-np.inf)
    OH, OW = (x.shape[1] - PH) // SH + 1, (x.shape[2] - PW) // SW + 1
    y = np.zeros((N, OH, OW, C), x.dtype)
    winners = np.zeros((N, OH, OW, C), np.int32)
    for n, i, j, c in np.ndindex(N, OH, OW, C):
        window = x[n, i * SH : i * SH + PH, j * SW : j * SW + PW, c]
        y[n, i, j, c] = window.max()
        winners[n, i, j, c] = window.argmax()  # of equal values argmax takes the first
    return y, winners


def max_pool_backward(dy, winners, x_shape, pool_size, strides, padding="valid"):
    """The gradient of max_pool_forward."""
    PH, PW = pool_size
    SH, SW = strides
    N, H, W, C = x_shape
    (top, bottom), (left, right) = window_padding(H, W, pool_size, strides, padding)
    dx = np.zeros((N, H + top + bottom, W + left + right, C), dy.dtype)
    for n, i, j, c in np.ndindex(dy.shape):
        u, v = divmod(int(winners[n, i, j, c]), PW)
        dx[n, i * SH + u, j * SW + v, c] += dy[n, i, j, c]
    return dx[:, top : top + H, left : left + W]
