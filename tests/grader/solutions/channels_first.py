"""Works on (N, C, H, W) inside, and turns the axes on the way in and out."""

import numpy as np


def to_first(x):
    return np.moveaxis(x, 3, 1)


def outputs(length, size, stride, padding):
    if padding == "same":
        out = int(np.ceil(length / stride))
        total = max((out - 1) * stride + size - length, 0)
        return out, (total // 2, total - total // 2)
    return int((length - size) / stride) + 1, (0, 0)


def conv2d_forward(x, kernel, bias, strides=(1, 1), padding="valid", relu=False):
    a, k = to_first(x), kernel.transpose(3, 2, 0, 1)
    F, C, KH, KW = k.shape
    OH, rows = outputs(a.shape[2], KH, strides[0], padding)
    OW, columns = outputs(a.shape[3], KW, strides[1], padding)
    a = np.pad(a, ((0, 0), (0, 0), rows, columns))
    y = np.zeros((len(a), F, OH, OW), x.dtype)
    for i in range(OH):
        for j in range(OW):
            r, s = i * strides[0], j * strides[1]
            window = a[:, None, :, r : r + KH, s : s + KW]
            y[:, :, i, j] = (window * k).sum(axis=(2, 3, 4))
    if bias is not None:
        y += bias[:, None, None]
    if relu:
        y = np.where(y > 0, y, y * 0)
    return np.moveaxis(y, 1, 3)


def conv2d_backward(dy, x, kernel, strides=(1, 1), padding="valid", y=None, needs_dx=True):
    a, g, k = (
        to_first(x),
        to_first(dy if y is None else dy * (y != 0)),
        kernel.transpose(3, 2, 0, 1),
    )
    F, C, KH, KW = k.shape
    OH, rows = outputs(a.shape[2], KH, strides[0], padding)
    OW, columns = outputs(a.shape[3], KW, strides[1], padding)
    a = np.pad(a, ((0, 0), (0, 0), rows, columns))
    da, dk = np.zeros_like(a), np.zeros_like(k)
    for n in range(len(a)):
        for i in range(OH):
            for j in range(OW):
                r, s = i * strides[0], j * strides[1]
                for f in range(F):
                    da[n, :, r : r + KH, s : s + KW] += k[f] * g[n, f, i, j]
                    dk[f] += a[n, :, r : r + KH, s : s + KW] * g[n, f, i, j]
    H, W = x.shape[1:3]
    da = da[:, :, rows[0] : rows[0] + H, columns[0] : columns[0] + W]
    return np.moveaxis(da, 1, 3), dk.transpose(2, 3, 1, 0), g.sum(axis=(0, 2, 3))
