"""Answers to lesson 2.

The question: one product of matrices, of the windows as rows and the kernel as columns.

The mistake: `kernel.reshape(F, KH * KW * C).T` has the right shape and the wrong order. F is the
last axis of the kernel, so only `kernel.reshape(KH * KW * C, F)` keeps each filter together.
"""

import numpy as np

from tinycnn.kernels import reference
from tinycnn.support.geometry import output_length, window_padding


def im2col(x, size, strides=(1, 1), padding="valid"):
    """The windows of x (N, H, W, C) as the rows of a matrix (N*OH*OW, KH*KW*C)."""
    KH, KW = size
    SH, SW = strides
    N, H, W, C = x.shape
    x = np.pad(x, ((0, 0), *window_padding(H, W, size, strides, padding), (0, 0)))
    OH, OW = (x.shape[1] - KH) // SH + 1, (x.shape[2] - KW) // SW + 1
    cols = np.zeros((N, OH, OW, KH * KW * C), x.dtype)
    for n, i, j in np.ndindex(N, OH, OW):
        cols[n, i, j] = x[n, i * SH : i * SH + KH, j * SW : j * SW + KW].reshape(-1)
    return cols.reshape(N * OH * OW, KH * KW * C)


def conv2d_forward(x, kernel, bias, strides=(1, 1), padding="valid", relu=False):
    """A convolution by im2col."""
    KH, KW, C, F = kernel.shape
    N, H, W, _ = x.shape
    OH = output_length(H, KH, strides[0], padding)
    OW = output_length(W, KW, strides[1], padding)
    cols = reference.im2col(x, (KH, KW), strides, padding)  # (N*OH*OW, KH*KW*C)
    y = cols @ kernel.reshape(KH * KW * C, F)
    if bias is not None:
        y = y + bias
    y = y.reshape(N, OH, OW, F)
    return np.maximum(y, 0) if relu else y
