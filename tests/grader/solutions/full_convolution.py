"""dx as the textbooks have it: dy with zeros between, padded, convolved with the rotated kernel."""

import numpy as np


def pads(length, size, stride, padding):
    out = (length - size) // stride + 1 if padding == "valid" else -(-length // stride)
    total = 0 if padding == "valid" else max((out - 1) * stride + size - length, 0)
    return total // 2, total - total // 2


def correlate(x, kernel):
    KH, KW, C, F = kernel.shape
    OH, OW = x.shape[1] - KH + 1, x.shape[2] - KW + 1
    y = np.zeros((len(x), OH, OW, F), x.dtype)
    for i in range(OH):
        for j in range(OW):
            y[:, i, j] = x[:, i : i + KH, j : j + KW].reshape(len(x), -1) @ kernel.reshape(-1, F)
    return y


def conv2d_forward(x, kernel, bias, strides=(1, 1), padding="valid", relu=False):
    around = [pads(a, b, c, padding) for a, b, c in zip(x.shape[1:3], kernel.shape, strides)]
    y = correlate(np.pad(x, [(0, 0), *around, (0, 0)]), kernel)[:, :: strides[0], :: strides[1]]
    if bias is not None:
        y = y + bias
    return np.fmax(y, 0) if relu else y


def conv2d_backward(dy, x, kernel, strides=(1, 1), padding="valid", y=None, needs_dx=True):
    if y is not None:
        dy = dy * np.sign(y)
    KH, KW, C, F = kernel.shape
    around = [pads(a, b, c, padding) for a, b, c in zip(x.shape[1:3], kernel.shape, strides)]
    big = np.pad(x, [(0, 0), *around, (0, 0)])
    spread = np.zeros((len(x), big.shape[1] - KH + 1, big.shape[2] - KW + 1, F), dy.dtype)
    spread[:, :: strides[0], :: strides[1]] = dy
    wide = np.pad(spread, [(0, 0), (KH - 1, KH - 1), (KW - 1, KW - 1), (0, 0)])
    dbig = correlate(wide, kernel[::-1, ::-1].transpose(0, 1, 3, 2))
    dx = dbig[:, around[0][0] : around[0][0] + x.shape[1], around[1][0] : around[1][0] + x.shape[2]]
    # The gradient of the kernel is a correlation, too: images take the place of channels.
    dkernel = correlate(big.transpose(3, 1, 2, 0), spread.transpose(1, 2, 0, 3))
    return dx, dkernel.transpose(1, 2, 0, 3), dy.reshape(-1, F).sum(0)
