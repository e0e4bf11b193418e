"""Pools through the windows' matrix: argmax, take_along_axis, a mean without NaN."""

import numpy as np


def matrix(x, pool_size, strides, padding, fill):
    N, H, W, C = x.shape
    sizes = []
    for length, size, stride in zip((H, W), pool_size, strides):
        out = -(-length // stride) if padding == "same" else (length - size) // stride + 1
        total = max((out - 1) * stride + size - length, 0)
        sizes.append((out, total // 2, total - total // 2))
    (OH, top, bottom), (OW, left, right) = sizes
    x = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=fill)
    parts = [
        x[:, u : u + OH * strides[0] : strides[0], v : v + OW * strides[1] : strides[1]][
            :, :OH, :OW
        ]
        for u in range(pool_size[0])
        for v in range(pool_size[1])
    ]
    return np.stack(parts)


def max_pool_forward(x, pool_size, strides, padding="valid"):
    windows = matrix(x, pool_size, strides, padding, np.finfo(x.dtype).min)
    winners = np.argmax(windows, axis=0)
    return np.take_along_axis(windows, winners[None], axis=0)[0], winners


def average_pool_forward(x, pool_size, strides, padding="valid"):
    return np.nanmean(matrix(x, pool_size, strides, padding, np.nan), axis=0).astype(x.dtype)
