"""The softmax's Jacobian written out, a matrix for each sample."""

import numpy as np


def softmax_forward(x):
    shifted = x - np.amax(x, axis=-1)[:, np.newaxis]
    return np.exp(shifted) / np.exp(shifted).sum(axis=-1)[:, np.newaxis]


def softmax_backward(dy, y):
    return np.stack([(np.diag(p) - np.outer(p, p)) @ g for p, g in zip(y, dy)])


def relu_backward(dy, y):
    jacobian = np.diag((y.ravel() > 0).astype(dy.dtype))
    return (jacobian @ dy.ravel()).reshape(dy.shape)


def relu_forward(x):
    return (x + np.abs(x)) / 2
