"""A layer that is linear is a matrix: its backward is the transposed one."""

import numpy as np


def window_starts(length, size, stride, padding):
    if padding == "valid":
        return range(0, length - size + 1, stride)
    out = -(-length // stride)
    before = max((out - 1) * stride + size - length, 0) // 2
    return range(-before, -before + out * stride, stride)


def matrix(kernel, H, W, strides, padding, dtype):
    KH, KW, C, F = kernel.shape
    rows = window_starts(H, KH, strides[0], padding)
    columns = window_starts(W, KW, strides[1], padding)
    A = np.zeros((len(rows), len(columns), F, H, W, C), dtype)
    for i, r in enumerate(rows):
        for j, s in enumerate(columns):
            for u in range(KH):
                for v in range(KW):
                    if 0 <= r + u < H and 0 <= s + v < W:
                        A[i, j, :, r + u, s + v] = kernel[u, v].T
    return A


def conv2d_forward(x, kernel, bias, strides=(1, 1), padding="valid", relu=False):
    N, H, W, C = x.shape
    A = matrix(kernel, H, W, strides, padding, x.dtype)
    y = x.reshape(N, -1) @ A.reshape(-1, H * W * C).T
    y = y.reshape(N, *A.shape[:3])
    if bias is not None:
        y = y + bias.reshape(1, 1, 1, -1)
    return np.where(y < 0, np.zeros((), y.dtype), y) if relu else y


def conv2d_backward(dy, x, kernel, strides=(1, 1), padding="valid", y=None, needs_dx=True):
    N, H, W, C = x.shape
    g = dy if y is None else np.where(y > 0, dy, np.zeros((), dy.dtype))
    A = matrix(kernel, H, W, strides, padding, x.dtype).reshape(-1, H * W * C)
    dx = (g.reshape(N, -1) @ A).reshape(x.shape)
    dA = (g.reshape(N, -1).T @ x.reshape(N, -1)).reshape(*dy.shape[1:], H, W, C)
    dkernel = np.zeros_like(kernel)
    for i, r in enumerate(window_starts(H, kernel.shape[0], strides[0], padding)):
        for j, s in enumerate(window_starts(W, kernel.shape[1], strides[1], padding)):
            for u in range(kernel.shape[0]):
                for v in range(kernel.shape[1]):
                    if 0 <= r + u < H and 0 <= s + v < W:
                        dkernel[u, v] += dA[i, j, :, r + u, s + v].T
    return dx, dkernel, g.sum(axis=2).sum(axis=1).sum(axis=0)
