"""Reshaping of images: zeros around them, pixels repeated, the largest of a whole image.

There is no compiled version of these: NumPy moves memory as fast as it can be moved.

Legend: N images of H x W pixels and C channels; SH and SW are how often a pixel is repeated.

Source: keras/src/layers/reshaping/zero_padding2d.py, up_sampling2d.py and
keras/src/layers/pooling/global_max_pooling2d.py
"""

import numpy as np

from tinycnn.utils import Array

__all__ = [
    "global_max_pool_backward",
    "global_max_pool_forward",
    "upsample_backward",
    "upsample_forward",
    "zero_pad_backward",
    "zero_pad_forward",
]

Padding = tuple[tuple[int, int], tuple[int, int]]


def zero_pad_forward(x: Array, padding: Padding) -> Array:
    """(N, H, W, C) -> (N, top + H + bottom, left + W + right, C), zeros around every image.

    Args:
        x: (N, H, W, C).
        padding: ((top, bottom), (left, right)).
    """
    return np.pad(x, ((0, 0), *padding, (0, 0)))


def zero_pad_backward(dy: Array, padding: Padding) -> Array:
    """dx: dy without its border, as no pixel is in it.

    Args:
        dy: (N, top + H + bottom, left + W + right, C).
        padding: ((top, bottom), (left, right)).
    """
    (top, bottom), (left, right) = padding
    return dy[:, top : dy.shape[1] - bottom, left : dy.shape[2] - right].copy()


def upsample_forward(x: Array, size: tuple[int, int]) -> Array:
    """y[n, i, j] = x[n, i // SH, j // SW]: (N, H, W, C) -> (N, H*SH, W*SW, C).

    Args:
        x: (N, H, W, C).
        size: (SH, SW).
    """
    return x.repeat(size[0], axis=1).repeat(size[1], axis=2)


def upsample_backward(dy: Array, size: tuple[int, int]) -> Array:
    """dx[n, h, w] = the sum of dy over the SH x SW copies of the pixel.

    Args:
        dy: (N, H*SH, W*SW, C).
        size: (SH, SW).
    """
    N, OH, OW, C = dy.shape
    SH, SW = size
    # (N, H, SH, W, SW, C) -> (N, H, W, C)
    return dy.reshape(N, OH // SH, SH, OW // SW, SW, C).sum(axis=(2, 4))


def global_max_pool_forward(x: Array) -> Array:
    """y[n, c] = max over h, w of x[n, h, w, c]: (N, H, W, C) -> (N, C).

    Args:
        x: (N, H, W, C).
    """
    largest: Array = x.max(axis=(1, 2))
    return largest


def global_max_pool_backward(dy: Array, x: Array, y: Array) -> Array:
    """dx: dy at the largest pixel of each channel, shared equally where several are the largest.

    MaxPooling2D gives all of it to the first instead. Both are what TensorFlow does.

    Args:
        dy: (N, C).
        x: (N, H, W, C).
        y: (N, C), the output of the forward.
    """
    N, C = y.shape
    won = x == y.reshape(N, 1, 1, C)
    # (N, 1, 1, C) / (N, 1, 1, C)
    shares = dy.reshape(N, 1, 1, C) / won.sum(axis=(1, 2), keepdims=True).astype(dy.dtype)
    return np.where(won, shares, np.zeros((), dy.dtype))
