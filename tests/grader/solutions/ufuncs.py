"""Unusual ufuncs for usual things."""

import numpy as np


def relu_forward(x):
    return np.clip(x, 0, None)


def relu_backward(dy, y):
    return np.heaviside(y, 0) * dy


def softmax_forward(x):
    return np.apply_along_axis(
        lambda row: np.exp(row - row.max()) / np.exp(row - row.max()).sum(), 1, x
    )


def softmax_backward(dy, y):
    return (
        np.subtract(dy, np.vecdot(dy, y)[:, None]) * y
        if hasattr(np, "vecdot")
        else y * (dy - (dy * y).sum(1, keepdims=True))
    )


def dropout(x, kept, rate):
    y = np.zeros_like(x)
    if rate < 1:
        np.divide(x, x.dtype.type(1) - x.dtype.type(rate), out=y, where=kept)
    return y


def softmax_cross_entropy_backward(probabilities, targets):
    return np.multiply.outer(targets.sum(1), np.ones(1, targets.dtype)) * probabilities - targets
