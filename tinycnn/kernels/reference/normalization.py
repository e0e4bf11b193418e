"""Batch normalisation: brings every channel to mean 0 and variance 1, then scales and shifts it.

Legend: C channels, the last axis; M is the product of all other axes. So x (..., C) is M rows of C
channels. Every channel is treated by itself, and sums without an index run over its M rows.

Source: Ioffe and Szegedy 2015; for what it leaves open, Keras 3 on TensorFlow.
"""

import numpy as np

from tinycnn.utils import Array

__all__ = [
    "batch_norm_backward",
    "batch_norm_forward",
    "moments",
]


def moments(x: Array) -> tuple[Array, Array]:
    """Mean and variance of every channel; the variance is biased, that is, divided by M.

    Args:
        x: (..., C).

    Returns:
        mean (C,), variance (C,).
    """
    rows = x.reshape(-1, x.shape[-1])
    # In float64, whatever the dtype, because M may be tens of thousands.
    mean = rows.mean(axis=0, dtype=np.float64)
    variance = np.square(rows - mean).mean(axis=0)
    return mean.astype(x.dtype), variance.astype(x.dtype)


def batch_norm_forward(
    x: Array, gamma: Array, beta: Array, mean: Array, variance: Array, epsilon: float
) -> Array:
    """y = gamma * x_hat + beta with x_hat = (x - mean) / sqrt(variance + epsilon), by channel.

    Args:
        x: (..., C).
        gamma: (C,), the scale.
        beta: (C,), the offset.
        mean: (C,), this batch's in training, the moving mean in inference.
        variance: (C,), likewise.
        epsilon: keeps the square root away from 0.

    Returns:
        y (..., C).
    """
    return (x - mean) * (gamma / np.sqrt(variance + variance.dtype.type(epsilon))) + beta


def batch_norm_backward(
    dy: Array,
    x: Array,
    gamma: Array,
    mean: Array,
    variance: Array,
    epsilon: float,
    of_batch: bool = True,
) -> tuple[Array, Array, Array]:
    """The gradients of `batch_norm_forward`, with respect to x, gamma and beta.

    For one channel, with s = 1 / sqrt(variance + epsilon), the forward is
        x_hat = (x - mean) * s,   y = gamma * x_hat + beta.
    1. gamma and beta are in every row of y:
           dgamma = sum(dy * x_hat),   dbeta = sum(dy),   and   dx_hat = gamma * dy.
    2. If mean and variance are constants (of_batch=False), x reaches y through its own x_hat alone:
           dx = s * dx_hat = gamma * s * dy.
    3. If they are those of x (of_batch=True), every x also moves the mean and the variance, and
       these move every x_hat. The variance does so through s = (variance + epsilon)^(-1/2), whose
       derivative is -1/2 * (variance + epsilon)^(-3/2) = -s^3 / 2. With x - mean = x_hat / s,
           ds        = sum(dx_hat * (x - mean)) = gamma * sum(dy * x_hat) / s = gamma * dgamma / s,
           dvariance = ds * (-s^3 / 2) = -gamma * dgamma * s^2 / 2.
       The mean does so directly, with the derivative -s:
           dmean     = sum(dx_hat * (-s)) = -gamma * s * sum(dy) = -gamma * dbeta * s.
       The mean is also in the variance, sum((x - mean)^2) / M, but no gradient comes that way: the
       derivative is -2 * sum(x - mean) / M, and differences from the mean add up to 0.
    4. The derivative of the mean with respect to one x is 1 / M, and that of the variance is
       2 * (x - mean) / M = 2 * x_hat / (s * M). The chain rule adds up the three paths from x:
           dx = s * dx_hat  +  dmean / M  +  dvariance * 2 * x_hat / (s * M)
              = gamma * s * dy  -  gamma * s * dbeta / M  -  gamma * s * x_hat * dgamma / M
              = gamma * s * (dy - dbeta / M - x_hat * dgamma / M).
    So dx is dy without its mean and without its part along x_hat, times gamma * s. It has to be so:
    y does not change when a constant is added to all x or, with epsilon = 0, when all x are scaled.

    Args:
        dy: (..., C).
        x: (..., C), the forward's input.
        gamma: (C,).
        mean: (C,), the forward's.
        variance: (C,), the forward's.
        epsilon: as in the forward.
        of_batch: whether mean and variance are those of `x`.

    Returns:
        dx (..., C), dgamma (C,), dbeta (C,).
    """
    C = x.shape[-1]
    s = 1 / np.sqrt(variance + variance.dtype.type(epsilon))
    x_hat = (x - mean) * s
    dbeta = dy.reshape(-1, C).sum(axis=0)
    dgamma = (dy * x_hat).reshape(-1, C).sum(axis=0)
    if of_batch:
        M = x.size // C
        dy = dy - dbeta / M - x_hat * (dgamma / M)
    return dy * (gamma * s), dgamma, dbeta
