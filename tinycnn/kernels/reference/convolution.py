"""Convolution and dense layers as products of matrices, with im2col.

Read this file first. `im2col` writes the windows of the images as the rows of a matrix. A
convolution is then one matrix product, and its backward is two.

Legend: N images of H x W pixels and C channels; F filters of KH x KW; strides SH, SW; outputs of
OH x OW; D inputs and U units of a dense layer. Images are NHWC and kernels HWIO, as in Keras:
    x (N, H, W, C)   kernel (KH, KW, C, F)   bias (F,)   y (N, OH, OW, F)

Sources: Chellapilla et al. 2006 (im2col); Goodfellow et al. 2016, chapters 6 and 9.
"""

import numpy as np

from tinycnn.kernels.reference.activations import relu_backward, relu_forward
from tinycnn.support.geometry import Pair, output_length, window_padding
from tinycnn.utils import Array

__all__ = [
    "col2im",
    "conv2d_backward",
    "conv2d_forward",
    "dense_backward",
    "dense_forward",
    "im2col",
]

# --- im2col: images as a matrix of windows, and back ----------------------------------------------


def im2col(x: Array, size: Pair, strides: Pair = (1, 1), padding: str = "valid") -> Array:
    """The windows of `x` as the rows of a matrix: im2col.

    Row (n, i, j) holds the KH*KW*C inputs that output (i, j) of image n sees. Their order is (row,
    column, channel): the order in which a kernel (KH, KW, C, F) reshapes to (KH*KW*C, F).

    Args:
        x: (N, H, W, C).
        size: (KH, KW).
        strides: (SH, SW).
        padding: "valid", or "same" (zeros around the image, TensorFlow's rule).

    Returns:
        cols (N*OH*OW, KH*KW*C), a copy that takes about KH*KW/(SH*SW) times the memory of `x`.
    """
    KH, KW = size
    SH, SW = strides
    N, H, W, C = x.shape
    x = np.pad(x, ((0, 0), *window_padding(H, W, size, strides, padding), (0, 0)))
    # (N, H, W, C) -> (N, OH, OW, C, KH, KW), a view: no memory is copied yet.
    windows = np.lib.stride_tricks.sliding_window_view(x, (KH, KW), axis=(1, 2))[:, ::SH, ::SW]
    # -> (N, OH, OW, KH, KW, C) -> (N*OH*OW, KH*KW*C): here the windows are written out.
    return windows.transpose(0, 1, 2, 4, 5, 3).reshape(-1, KH * KW * C)


def col2im(
    dcols: Array,
    x_shape: tuple[int, int, int, int],
    size: Pair,
    strides: Pair = (1, 1),
    padding: str = "valid",
) -> Array:
    """The adjoint of `im2col`: adds every window's gradient to the pixels that it was read from.

    `im2col` copies a pixel into each window that sees it. The pixel's gradient is therefore the sum
    over those windows. The gradients of the zeros around the image are dropped.

    Args:
        dcols: (N*OH*OW, KH*KW*C).
        x_shape: (N, H, W, C) of the `x` that `im2col` was given.
        size: (KH, KW).
        strides: (SH, SW).
        padding: as for `im2col`.

    Returns:
        dx (N, H, W, C).
    """
    KH, KW = size
    SH, SW = strides
    N, H, W, C = x_shape
    (top, bottom), (left, right) = window_padding(H, W, size, strides, padding)
    OH, OW = output_length(H, KH, SH, padding), output_length(W, KW, SW, padding)
    windows = dcols.reshape(N, OH, OW, KH, KW, C)
    dx = np.zeros((N, H + top + bottom, W + left + right, C), dcols.dtype)
    for i in range(KH):
        for j in range(KW):
            # Pixel (i, j) of every window at once: these pixels lie one stride apart.
            dx[:, i : i + SH * OH : SH, j : j + SW * OW : SW] += windows[:, :, :, i, j]
    return dx[:, top : top + H, left : left + W]


# --- convolution ----------------------------------------------------------------------------------


def conv2d_forward(
    x: Array,
    kernel: Array,
    bias: Array | None,
    strides: Pair = (1, 1),
    padding: str = "valid",
    relu: bool = False,
) -> Array:
    """Convolution as deep learning means it: a cross-correlation, so the kernel is not flipped.

    y[n, i, j, f] = bias[f] + sum over u, v, c of x[n, i*SH + u, j*SW + v, c] * kernel[u, v, c, f]

    Args:
        x: (N, H, W, C).
        kernel: (KH, KW, C, F).
        bias: (F,), or None for none.
        strides: (SH, SW).
        padding: "valid" or "same".
        relu: apply max(y, 0) before returning.

    Returns:
        y (N, OH, OW, F).
    """
    N, H, W, _ = x.shape
    KH, KW, C, F = kernel.shape
    OH = output_length(H, KH, strides[0], padding)
    OW = output_length(W, KW, strides[1], padding)
    cols = im2col(x, (KH, KW), strides, padding)
    # (N*OH*OW, KH*KW*C) @ (KH*KW*C, F) -> (N*OH*OW, F)
    y = cols @ kernel.reshape(KH * KW * C, F)
    if bias is not None:
        y += bias
    if relu:
        y = relu_forward(y)
    return y.reshape(N, OH, OW, F)


def conv2d_backward(
    dy: Array,
    x: Array,
    kernel: Array,
    strides: Pair = (1, 1),
    padding: str = "valid",
    y: Array | None = None,
    needs_dx: bool = True,
) -> tuple[Array | None, Array, Array]:
    """The gradients of `conv2d_forward`.

    Write cols = im2col(x), with a row r for each output pixel and a column k for each input of a
    window. Let kernel be (KH*KW*C, F) and y, dy be (N*OH*OW, F). Then
        y[r, f] = sum over k of cols[r, k] * kernel[k, f] + bias[f].
    1. kernel[k, f] is in y[r, f] for every r, with the factor cols[r, k]. By the chain rule
           dkernel[k, f] = sum over r of cols[r, k] * dy[r, f],   that is cols^T @ dy.
    2. bias[f] is in y[r, f] for every r, with the factor 1:
           dbias[f] = sum over r of dy[r, f].
    3. cols[r, k] is in y[r, f] for every f, with the factor kernel[k, f]:
           dcols[r, k] = sum over f of dy[r, f] * kernel[k, f],   that is dy @ kernel^T.
    4. cols holds copies of pixels of x, so dx = col2im(dcols).
    With relu, dy goes through `relu_backward` first.

    Args:
        dy: (N, OH, OW, F).
        x: (N, H, W, C), the forward's input.
        kernel: (KH, KW, C, F).
        strides: (SH, SW).
        padding: as in the forward.
        y: (N, OH, OW, F), the forward's output if it ran with relu=True, else None.
        needs_dx: False leaves out dx, the larger part of the work.

    Returns:
        dx (N, H, W, C) or None, dkernel (KH, KW, C, F), dbias (F,).
    """
    KH, KW, C, F = kernel.shape
    if y is not None:
        dy = relu_backward(dy, y)
    dy = dy.reshape(-1, F)
    cols = im2col(x, (KH, KW), strides, padding)
    # (KH*KW*C, N*OH*OW) @ (N*OH*OW, F) -> (KH*KW*C, F)
    dkernel = (cols.T @ dy).reshape(KH, KW, C, F)
    dbias = dy.sum(axis=0)
    if not needs_dx:
        return None, dkernel, dbias
    # (N*OH*OW, F) @ (F, KH*KW*C) -> (N*OH*OW, KH*KW*C)
    dcols = dy @ kernel.reshape(KH * KW * C, F).T
    N, H, W, _ = x.shape
    return col2im(dcols, (N, H, W, C), (KH, KW), strides, padding), dkernel, dbias


# --- dense ----------------------------------------------------------------------------------------


def dense_forward(x: Array, kernel: Array, bias: Array | None, relu: bool = False) -> Array:
    """y = x @ kernel + bias.

    Args:
        x: (N, D).
        kernel: (D, U).
        bias: (U,), or None for none.
        relu: apply max(y, 0) before returning.

    Returns:
        y (N, U).
    """
    # (N, D) @ (D, U) -> (N, U)
    y = x @ kernel
    if bias is not None:
        y += bias
    return relu_forward(y) if relu else y


def dense_backward(
    dy: Array, x: Array, kernel: Array, y: Array | None = None, needs_dx: bool = True
) -> tuple[Array | None, Array, Array]:
    """The gradients of `dense_forward`, as in `conv2d_backward` with x in place of cols.

    dkernel = x^T @ dy,   dbias = sum of dy over the samples,   dx = dy @ kernel^T

    Args:
        dy: (N, U).
        x: (N, D), the forward's input.
        kernel: (D, U).
        y: (N, U), the forward's output if it ran with relu=True, else None.
        needs_dx: False leaves out dx.

    Returns:
        dx (N, D) or None, dkernel (D, U), dbias (U,).
    """
    if y is not None:
        dy = relu_backward(dy, y)
    # (D, N) @ (N, U) -> (D, U)
    dkernel = x.T @ dy
    dbias = dy.sum(axis=0)
    # (N, U) @ (U, D) -> (N, D)
    return (dy @ kernel.T if needs_dx else None), dkernel, dbias
