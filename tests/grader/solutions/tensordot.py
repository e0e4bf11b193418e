"""A convolution as a sum of tensordots over the offsets of the kernel."""

import math

import numpy as np


def setup(x, size, strides, padding):
    lengths, before, after = [], [], []
    for length, k, s in zip(x.shape[1:3], size, strides):
        out = math.ceil(length / s) if padding == "same" else (length - k + s) // s
        total = max(0, (out - 1) * s + k - length) if padding == "same" else 0
        lengths.append(out)
        before.append(total // 2)
        after.append(total - total // 2)
    big = np.zeros(
        (
            x.shape[0],
            x.shape[1] + before[0] + after[0],
            x.shape[2] + before[1] + after[1],
            x.shape[3],
        ),
        x.dtype,
    )
    big[:, before[0] : before[0] + x.shape[1], before[1] : before[1] + x.shape[2]] = x
    return big, lengths, before


def part(u, v, lengths, strides):
    return (
        slice(None),
        slice(u, u + (lengths[0] - 1) * strides[0] + 1, strides[0]),
        slice(v, v + (lengths[1] - 1) * strides[1] + 1, strides[1]),
    )


def conv2d_forward(x, kernel, bias, strides=(1, 1), padding="valid", relu=False):
    big, lengths, _ = setup(x, kernel.shape[:2], strides, padding)
    y = np.zeros((x.shape[0], *lengths, kernel.shape[3]), x.dtype)
    for u, v in np.ndindex(kernel.shape[:2]):
        y += np.tensordot(big[part(u, v, lengths, strides)], kernel[u, v], axes=(3, 0))
    if bias is not None:
        y += bias
    return y * (y > 0) if relu else y


def conv2d_backward(dy, x, kernel, strides=(1, 1), padding="valid", y=None, needs_dx=True):
    if y is not None:
        dy = dy * (y > 0).astype(dy.dtype)
    big, lengths, before = setup(x, kernel.shape[:2], strides, padding)
    dbig, dkernel = np.zeros_like(big), np.empty_like(kernel)
    for u, v in np.ndindex(kernel.shape[:2]):
        where = part(u, v, lengths, strides)
        dkernel[u, v] = np.tensordot(big[where], dy, axes=([0, 1, 2], [0, 1, 2]))
        dbig[where] += np.tensordot(dy, kernel[u, v], axes=(3, 1))
    dx = dbig[:, before[0] : before[0] + x.shape[1], before[1] : before[1] + x.shape[2]]
    return dx, dkernel, dy.sum((0, 1, 2))


def dense_forward(x, kernel, bias, relu=False):
    y = np.tensordot(x, kernel, 1) + (0 if bias is None else bias)
    return np.clip(y, 0, None) if relu else y
