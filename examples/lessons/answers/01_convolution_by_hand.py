"""Answers to lesson 1.

The question: by sums of products, the same at every place of the image.

The mistake: the kernel is read at [v, u] for [u, v], so it lies on the window with its rows and
columns exchanged. Any kernel tells that is not its own transpose. One that is not square would end
in an IndexError, which is the better test.
"""

import numpy as np

from tinycnn.support.geometry import window_padding


def conv2d_forward(x, kernel, bias, strides=(1, 1), padding="valid", relu=False):
    """The convolution of x (N, H, W, C) with kernel (KH, KW, C, F)."""
    KH, KW, C, F = kernel.shape
    SH, SW = strides
    N, H, W, _ = x.shape
    x = np.pad(x, ((0, 0), *window_padding(H, W, (KH, KW), strides, padding), (0, 0)))
    OH, OW = (x.shape[1] - KH) // SH + 1, (x.shape[2] - KW) // SW + 1
    y = np.zeros((N, OH, OW, F), x.dtype)
    for n, i, j, f in np.ndindex(N, OH, OW, F):
        for u, v, c in np.ndindex(KH, KW, C):
            y[n, i, j, f] += x[n, i * SH + u, j * SW + v, c] * kernel[u, v, c, f]
    if bias is not None:
        y += bias
    return np.maximum(y, 0) if relu else y


def conv2d_of_a_project(x, kernel):
    """A convolution with stride one, without padding and bias."""
    KH, KW, C, F = kernel.shape
    N, H, W, _ = x.shape
    y = np.zeros((N, H - KH + 1, W - KW + 1, F))
    for u in range(KH):
        for v in range(KW):
            for n, i, j, f in np.ndindex(y.shape):
                y[n, i, j, f] += x[n, i + u, j + v] @ kernel[u, v, :, f]
    return y


def kernel_that_tells():
    """A kernel (3, 3) for which the mistake makes a difference."""
    return [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
