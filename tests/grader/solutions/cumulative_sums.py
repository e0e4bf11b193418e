"""Average-pooling by a table of sums, and its backward by repeating the shares."""

import numpy as np


def bounds(length, size, stride, padding):
    if padding == "same":
        out = -(-length // stride)
        first = -(max((out - 1) * stride + size - length, 0) // 2)
    else:
        out, first = (length - size) // stride + 1, 0
    starts = first + stride * np.arange(out)
    return np.maximum(starts, 0), np.minimum(starts + size, length)


def average_pool_forward(x, pool_size, strides, padding="valid"):
    N, H, W, C = x.shape
    table = np.zeros((N, H + 1, W + 1, C))
    table[:, 1:, 1:] = x.cumsum(axis=1, dtype=float).cumsum(axis=2)
    r0, r1 = bounds(H, pool_size[0], strides[0], padding)
    s0, s1 = bounds(W, pool_size[1], strides[1], padding)
    sums = table[:, r1][:, :, s1] - table[:, r0][:, :, s1] - table[:, r1][:, :, s0]
    sums += table[:, r0][:, :, s0]
    counts = np.outer(r1 - r0, s1 - s0)[:, :, None]
    return (sums / counts).astype(x.dtype)


def average_pool_backward(dy, x_shape, pool_size, strides, padding="valid"):
    r0, r1 = bounds(x_shape[1], pool_size[0], strides[0], padding)
    s0, s1 = bounds(x_shape[2], pool_size[1], strides[1], padding)
    rows = ((np.arange(x_shape[1])[:, None] >= r0) & (np.arange(x_shape[1])[:, None] < r1)) / (
        r1 - r0
    )
    columns = ((np.arange(x_shape[2])[:, None] >= s0) & (np.arange(x_shape[2])[:, None] < s1)) / (
        s1 - s0
    )
    return np.einsum("ri,sj,nijc->nrsc", rows, columns, dy).astype(dy.dtype)
