"""The bias as one more row of the kernel, with a column of ones."""

import numpy as np


def with_ones(x):
    return np.concatenate([x, np.ones((len(x), 1), x.dtype)], axis=1)


def dense_forward(x, kernel, bias, relu=False):
    bias = np.zeros(kernel.shape[1], kernel.dtype) if bias is None else bias
    y = with_ones(x) @ np.vstack([kernel, bias])
    return np.maximum(0, y) if relu else y


def dense_backward(dy, x, kernel, y=None, needs_dx=True):
    dy = np.where(y > 0, dy, 0).astype(dy.dtype) if y is not None else dy
    both = with_ones(x).T @ dy
    return (dy @ kernel.T if needs_dx else None), both[:-1], both[-1]
