"""Masks for every decision."""

import numpy as np


def relu_forward(x):
    return x * (x > 0)


def relu_backward(dy, y):
    return dy * (y > 0)


def max_pool_forward(x, pool_size, strides, padding="valid"):
    (PH, PW), (SH, SW) = pool_size, strides
    N, H, W, C = x.shape
    top = left = 0
    OH, OW = (H - PH) // SH + 1, (W - PW) // SW + 1
    if padding == "same":
        OH, OW = -(-H // SH), -(-W // SW)
        down, across = max((OH - 1) * SH + PH - H, 0), max((OW - 1) * SW + PW - W, 0)
        top, left = down // 2, across // 2
        x = np.pad(
            x,
            ((0, 0), (top, down - top), (left, across - left), (0, 0)),
            constant_values=-np.inf,
        )
    y = np.empty((N, OH, OW, C), x.dtype)
    winners = np.empty((N, OH, OW, C), int)
    for i in range(OH):
        for j in range(OW):
            window = x[:, i * SH : i * SH + PH, j * SW : j * SW + PW].reshape(N, PH * PW, C)
            y[:, i, j] = window.max(axis=1)
            mask = window == y[:, i, j][:, None]
            winners[:, i, j] = mask.argmax(axis=1)
    return y, winners


def max_pool_backward(dy, winners, x_shape, pool_size, strides, padding="valid"):
    (PH, PW), (SH, SW) = pool_size, strides
    N, H, W, C = x_shape
    OH, OW = dy.shape[1:3]
    down = max((OH - 1) * SH + PH - H, 0)
    across = max((OW - 1) * SW + PW - W, 0)
    dx = np.zeros((N, H + down, W + across, C), dy.dtype)
    for k in range(PH * PW):
        mask = (winners == k) * dy
        for i in range(OH):
            for j in range(OW):
                dx[:, i * SH + k // PW, j * SW + k % PW] += mask[:, i, j]
    return dx[:, down // 2 : down // 2 + H, across // 2 : across // 2 + W]


def dropout(x, kept, rate):
    return (x * kept / (1 - rate)).astype(x.dtype) if rate < 1 else np.zeros_like(x)


def dense_forward(x, kernel, bias, relu=False):
    y = x @ kernel
    if bias is not None:
        y = y + bias
    if relu:
        y = y * (y > 0)
    return y
