"""Scattering with np.bincount over flat indices."""

import numpy as np


def flat_places(x_shape, rows, columns, n, c):
    _, H, W, C = x_shape
    return ((n * H + rows) * W + columns) * C + c


def start(length, size, stride, padding):
    if padding == "valid":
        return 0, (length - size) // stride + 1
    out = (length + stride - 1) // stride
    return max((out - 1) * stride + size - length, 0) // 2, out


def col2im(dcols, x_shape, size, strides=(1, 1), padding="valid"):
    N, H, W, C = x_shape
    top, OH = start(H, size[0], strides[0], padding)
    left, OW = start(W, size[1], strides[1], padding)
    n, i, j, u, v, c = np.indices((N, OH, OW, *size, C)).reshape(6, -1)
    rows, columns = i * strides[0] + u - top, j * strides[1] + v - left
    inside = (rows >= 0) & (rows < H) & (columns >= 0) & (columns < W)
    places = flat_places(x_shape, rows, columns, n, c)[inside]
    sums = np.bincount(places, dcols.ravel()[inside], N * H * W * C)
    return sums.reshape(x_shape).astype(dcols.dtype)


def max_pool_backward(dy, winners, x_shape, pool_size, strides, padding="valid"):
    top, _ = start(x_shape[1], pool_size[0], strides[0], padding)
    left, _ = start(x_shape[2], pool_size[1], strides[1], padding)
    n, i, j, c = np.indices(dy.shape)
    rows = i * strides[0] + winners // pool_size[1] - top
    columns = j * strides[1] + winners % pool_size[1] - left
    places = flat_places(x_shape, rows, columns, n, c)
    sums = np.bincount(places.ravel(), dy.ravel(), int(np.prod(x_shape)))
    return sums.reshape(x_shape).astype(dy.dtype)
