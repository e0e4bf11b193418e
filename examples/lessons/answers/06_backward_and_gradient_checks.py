"""Answers to lesson 6.

The question: hold the gradient against measured slopes, where code tends to be wrong.

The mistake: the window of output (i, j) begins at (i * SH, j * SW). Without the stride it begins at
(i, j), which is right only for a stride of one.
"""

import numpy as np

from tinycnn.kernels import reference


def conv2d_backward(dy, x, kernel, strides=(1, 1), padding="valid", y=None, needs_dx=True):
    """dx, dkernel and dbias of conv2d_forward; the last two are sums over the images.

    needs_dx=False says that nobody needs dx: it may be None then.
    """
    KH, KW, C, F = kernel.shape
    if y is not None:  # the layer had a relu
        dy = np.where(y > 0, dy, np.zeros_like(dy))
    dy = dy.reshape(-1, F)  # (N*OH*OW, F)
    cols = reference.im2col(x, (KH, KW), strides, padding)  # (N*OH*OW, KH*KW*C)
    columns = kernel.reshape(KH * KW * C, F)
    dkernel = cols.T @ dy
    dbias = dy.sum(axis=0)
    dcols = dy @ columns.T
    dx = reference.col2im(dcols, x.shape, (KH, KW), strides, padding)
    return dx, dkernel.reshape(KH, KW, C, F), dbias


def dkernel_of_a_project(dy, x, kernel, strides):
    """The gradient of the kernel (KH, KW, C, F)."""
    KH, KW, _, _ = kernel.shape
    SH, SW = strides
    dkernel = np.zeros_like(kernel)
    for n, i, j, f in np.ndindex(dy.shape):
        dkernel[..., f] += x[n, i * SH : i * SH + KH, j * SW : j * SW + KW] * dy[n, i, j, f]
    return dkernel


def strides_that_tell():
    """(SH, SW) for which the mistake makes a difference."""
    return (2, 1)
