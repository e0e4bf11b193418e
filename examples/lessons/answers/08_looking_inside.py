"""Answers to lesson 8.

The question: saliency shows which pixels move the score. What may be claimed is the share of fresh
digits that it reads, with its interval, and of which kind these digits were.

The mistake: `training` is never asked, so that half of the features are dropped in use, too, and
the accuracy depends on the dice.

The page: 3 * 3 = 9 products and the bias make a number, and a pixel in the middle lies in as many
windows, each of them with eight filters. Where the pool passes nothing back, a window's part is 0.
"""

import numpy as np

from tinycnn.kernels import reference
from tinycnn.support.geometry import output_length, window_padding


def col2im(dcols, x_shape, size, strides=(1, 1), padding="valid"):
    """The gradient (N, H, W, C) of the images from that of their windows (N*OH*OW, KH*KW*C)."""
    KH, KW = size
    SH, SW = strides
    N, H, W, C = x_shape
    (top, bottom), (left, right) = window_padding(H, W, size, strides, padding)
    OH, OW = output_length(H, KH, SH, padding), output_length(W, KW, SW, padding)
    windows = dcols.reshape(N, OH, OW, KH, KW, C)
    dx = np.zeros((N, H + top + bottom, W + left + right, C), dcols.dtype)
    for n, i, j in np.ndindex(N, OH, OW):
        dx[n, i * SH : i * SH + KH, j * SW : j * SW + KW] += windows[n, i, j]
    return dx[:, top : top + H, left : left + W]


def scores_of_a_project(features, kernel, bias, training, rng):
    """The scores (N, 10) of the last layer, with dropout before it."""
    if training:
        kept = rng.random(features.shape) >= 0.5
        features = reference.dropout(features, kept, 0.5)
    return reference.dense_forward(features, kernel, bias)
