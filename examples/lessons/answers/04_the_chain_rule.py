"""Answers to lesson 4.

The question: multiply along every path from the weight to the loss, and add up over the paths.

The mistake: the gradient from above is dropped, and relu passes ones down in its place. With a dy
of ones nobody sees the difference.
"""

import numpy as np


def dense_backward(dy, x, kernel, y=None, needs_dx=True):
    """dx (N, D), dkernel (D, U) and dbias (U,) of y = x @ kernel + bias.

    needs_dx=False says that nobody needs dx: it may be None then.
    """
    if y is not None:
        dy = np.where(y > 0, dy, np.zeros_like(dy))
    dx = dy @ kernel.T  # (N, U) @ (U, D)
    dkernel = x.T @ dy  # (D, N) @ (N, U)
    dbias = dy.sum(axis=0)
    return dx, dkernel, dbias


def relu_backward(dy, y):
    """The gradient of relu."""
    return np.where(y > 0, dy, np.zeros_like(dy))
