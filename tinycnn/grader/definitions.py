"""The right answers: tinycnn's own formulas, and two that it has in no single function."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tinycnn.kernels import reference
from tinycnn.kernels.reference import (
    conv2d_backward,
    conv2d_forward,
    dense_backward,
    dense_forward,
    max_pool_backward,
    max_pool_forward,
    sgd_update,
    softmax_cross_entropy_backward,
    softmax_cross_entropy_forward,
)
from tinycnn.utils import Array


def adam_step(
    value: Array,
    gradient: Array,
    m: Array,
    v: Array,
    step: int,
    learning_rate: float,
    beta_1: float,
    beta_2: float,
    epsilon: float,
) -> None:
    """One step of Adam, in place: `adam_step_size` and `adam_update` in one, with plain floats.

    `epsilon` is added to the corrected root, as in Algorithm 1 of Kingma and Ba 2015.
    """
    m[...] = beta_1 * m + (1 - beta_1) * gradient
    v[...] = beta_2 * v + (1 - beta_2) * gradient**2
    m_hat = m / (1 - beta_1**step)
    v_hat = v / (1 - beta_2**step)
    value -= learning_rate * m_hat / (np.sqrt(v_hat) + epsilon)


def network_step(
    x: Array,
    targets: Array,
    conv_kernel: Array,
    conv_bias: Array,
    dense_kernel: Array,
    dense_bias: Array,
    learning_rate: float,
) -> float:
    """One step of training of a small network: every function in its place."""
    pool = (2, 2)
    z = conv2d_forward(x, conv_kernel, conv_bias, relu=True)
    pooled, winners = max_pool_forward(z, pool, pool)
    flat = pooled.reshape(len(x), -1)
    logits = dense_forward(flat, dense_kernel, dense_bias)
    losses, probabilities = softmax_cross_entropy_forward(logits, targets)
    dlogits = softmax_cross_entropy_backward(probabilities, targets) / len(x)
    dflat, ddense_kernel, ddense_bias = dense_backward(dlogits, flat, dense_kernel)
    dpooled = np.reshape(np.asarray(dflat), pooled.shape)
    dz = max_pool_backward(dpooled, winners, z.shape, pool, pool)
    _, dconv_kernel, dconv_bias = conv2d_backward(dz, x, conv_kernel, y=z)
    sgd_update(conv_kernel, dconv_kernel, None, learning_rate)
    sgd_update(conv_bias, dconv_bias, None, learning_rate)
    sgd_update(dense_kernel, ddense_kernel, None, learning_rate)
    sgd_update(dense_bias, ddense_bias, None, learning_rate)
    return float(losses.mean())


def definition(name: str) -> Callable[..., Any]:
    """The right function of that name."""
    own: dict[str, Callable[..., Any]] = {"adam_step": adam_step, "network_step": network_step}
    return own.get(name) or getattr(reference, name)
