"""Optimizers: one step of each, in place.

These are the only functions that write into their arguments: the parameter `value`, and what the
optimizer remembers of it. All arrays of one step have the shape of the parameter, whatever it is.

Legend: g is the gradient, t the number of the step, counted from 1, and lr the learning rate.

Sources: Kingma and Ba 2015 (Adam); Sutskever et al. 2013 (momentum); the files of Keras 3 that are
named below, for every choice that these leave open.
"""

from collections.abc import Sequence

import numpy as np

from tinycnn.utils import Array

__all__ = [
    "adam_step_size",
    "adam_update",
    "adam_update_all",
    "rmsprop_update",
    "sgd_update",
]

# --- Adam -----------------------------------------------------------------------------------------


def adam_step_size(
    step: int, learning_rate: float, beta_1: float, beta_2: float, dtype: np.dtype[np.floating]
) -> np.floating:
    """Adam's learning rate with both bias corrections: lr * sqrt(1 - beta_2^t) / (1 - beta_1^t).

    Why m and v need a correction:
    1. m starts at 0, and step t makes it beta_1 * m + (1 - beta_1) * g_t. Written out, that is
           m = (1 - beta_1) * (g_t + beta_1 * g_(t-1) + ... + beta_1^(t-1) * g_1).
    2. The weights of the gradients add up to
           (1 - beta_1) * (1 + beta_1 + ... + beta_1^(t-1)) = 1 - beta_1^t,
       a geometric series. That is less than 1: if the gradients have the mean G, m has the mean
       (1 - beta_1^t) * G. Its start at 0 pulls m down, most of all in the first steps.
    3. Divided by the sum of its weights, m is a true weighted mean of the g. The same holds for v,
       which starts at 0, too, and takes the mean of g^2 with beta_2:
           m_hat = m / (1 - beta_1^t),   v_hat = v / (1 - beta_2^t).

    Why one number holds both corrections:
    4. The paper's step is lr * m_hat / (sqrt(v_hat) + e). Let c = sqrt(1 - beta_2^t), so that
       c * sqrt(v_hat) = sqrt(v). Multiplying numerator and denominator by c gives
           lr * m / (1 - beta_1^t) * c / (sqrt(v) + c * e) = step_size * m / (sqrt(v) + epsilon),
       where step_size = lr * c / (1 - beta_1^t) and epsilon = c * e.
    5. c * e changes with t. Keras, and the paper in the form just before its Section 2.1, use a
       constant `epsilon` instead, which the paper calls "epsilon hat". Then `adam_update` needs
       only m, v and this number.

    In the first step m_hat = g and sqrt(v_hat) = |g|, so each element moves by about lr, whatever
    its gradient.

    It is computed as in Keras: in the dtype of the parameters, from betas that are first rounded to
    float32, whatever that dtype is.

    Args:
        step: t, counted from 1.
        learning_rate: lr, the step size alpha of the paper.
        beta_1: decay rate of the first moment.
        beta_2: decay rate of the second moment.
        dtype: of the parameters.

    Returns:
        step_size, a number of that dtype.
    """
    scalar = dtype.type
    one, t = scalar(1), scalar(step)
    with np.errstate(under="ignore"):  # after some hundred steps beta_1^t is 0
        power_1 = scalar(np.float32(beta_1)) ** t
        power_2 = scalar(np.float32(beta_2)) ** t
    step_size: np.floating = scalar(learning_rate) * np.sqrt(one - power_2) / (one - power_1)
    return step_size


def adam_update(
    value: Array,
    gradient: Array,
    m: Array,
    v: Array,
    step_size: float | np.floating,
    beta_1: float,
    beta_2: float,
    epsilon: float,
) -> None:
    """One step of Adam, in place on `value` and on the moments `m` and `v`.

    m += (g - m) * (1 - beta_1);  v += (g^2 - v) * (1 - beta_2);
    value -= m * step_size / (sqrt(v) + epsilon)

    The first line is m = beta_1 * m + (1 - beta_1) * g and v = beta_2 * v + (1 - beta_2) * g^2, in
    Keras's order of operations.

    Args:
        value: the parameter, any shape.
        gradient: g, the same shape.
        m: first moment, the same shape, 0 before the first step.
        v: second moment, the same shape, 0 before the first step.
        step_size: from `adam_step_size`, where the bias correction is derived.
        beta_1: decay rate of the first moment.
        beta_2: decay rate of the second moment.
        epsilon: the paper's "epsilon hat", added before the bias correction.

    Source: keras/src/optimizers/adam.py, operation for operation; in float32 equal to the bit.
    """
    scalar = value.dtype.type
    m += (gradient - m) * scalar(1 - beta_1)
    v += (gradient * gradient - v) * scalar(1 - beta_2)
    value -= (m * scalar(step_size)) / (np.sqrt(v) + scalar(epsilon))


def adam_update_all(
    values: Sequence[Array],
    gradients: Sequence[Array],
    ms: Sequence[Array],
    vs: Sequence[Array],
    step_size: float | np.floating,
    beta_1: float,
    beta_2: float,
    epsilon: float,
) -> None:
    """`adam_update` for several parameters, with their gradients and moments in the same order.

    Args:
        values: the parameters, each of any shape.
        gradients: one of its shape for each.
        ms: first moments, likewise.
        vs: second moments, likewise.
        step_size: as for `adam_update`, like those that follow.
        beta_1: decay rate of the first moment.
        beta_2: decay rate of the second moment.
        epsilon: "epsilon hat".
    """
    for arrays in zip(values, gradients, ms, vs, strict=True):
        adam_update(*arrays, step_size, beta_1, beta_2, epsilon)


# --- RMSprop --------------------------------------------------------------------------------------


def rmsprop_update(
    value: Array,
    gradient: Array,
    mean_square: Array,
    mean_gradient: Array | None,
    velocity: Array | None,
    learning_rate: float,
    rho: float,
    momentum: float,
    epsilon: float,
) -> None:
    """One step of RMSprop, in place on `value` and on the running means.

    mean_square = rho * mean_square + (1 - rho) * g^2;  step = lr * g / sqrt(mean_square + epsilon);
    value -= step,  or with momentum  velocity = momentum * velocity + step;  value -= velocity.

    If centered, mean_gradient^2 is subtracted from mean_square under the root: the mean of g^2
    minus the square of the mean of g is the variance of g. Rounding can make it negative. It is
    then set to 0 here; in Keras the root would be NaN.

    Args:
        value: the parameter, any shape.
        gradient: g, the same shape.
        mean_square: the same shape, 0 before the first step.
        mean_gradient: the same shape, 0 before the first step; None if not centered.
        velocity: the same shape, 0 before the first step; None without momentum.
        learning_rate: lr.
        rho: decay rate of the two means.
        momentum: share of the velocity that is kept.
        epsilon: added inside the root, as in Keras; PyTorch adds it outside.

    Source: keras/src/optimizers/rmsprop.py
    """
    scalar = value.dtype.type
    mean_square *= scalar(rho)
    mean_square += scalar(1 - rho) * (gradient * gradient)
    variance = mean_square
    if mean_gradient is not None:
        mean_gradient *= scalar(rho)
        mean_gradient += scalar(1 - rho) * gradient
        variance = np.maximum(mean_square - mean_gradient * mean_gradient, 0)
    step = scalar(learning_rate) * gradient / np.sqrt(variance + scalar(epsilon))
    if velocity is not None:
        velocity *= scalar(momentum)
        velocity += step
        step = velocity
    value -= step


# --- gradient descent -----------------------------------------------------------------------------


def sgd_update(
    value: Array,
    gradient: Array,
    velocity: Array | None,
    learning_rate: float,
    momentum: float = 0.0,
    nesterov: bool = False,
) -> None:
    """One step of gradient descent, in place on `value` and `velocity`.

    value -= lr * g,  or with momentum
    velocity = momentum * velocity - lr * g;  value += velocity,
    or with nesterov:                         value += momentum * velocity - lr * g.

    Args:
        value: the parameter, any shape.
        gradient: g, the same shape.
        velocity: the same shape, 0 before the first step; None without momentum.
        learning_rate: lr. It is inside the velocity, as in Keras; PyTorch keeps it outside.
        momentum: share of the velocity that is kept.
        nesterov: look ahead by one step (Sutskever et al. 2013).

    Source: keras/src/optimizers/sgd.py
    """
    scalar = value.dtype.type
    step = gradient * scalar(learning_rate)
    if velocity is None:
        value -= step
        return
    velocity *= scalar(momentum)
    velocity -= step
    value += velocity * scalar(momentum) - step if nesterov else velocity
