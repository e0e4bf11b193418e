"""Relatives of Adam: one step of Adagrad, Adadelta, Nadam and AMSGrad, in place.

Like those in `optimizers.py`, these functions write into `value` and into what the optimizer
remembers of it. All arrays of one step have the shape of the parameter, whatever it is. Of Nadam
and AMSGrad there is a compiled version; of the others both rungs run these.

Legend: g is the gradient, t the number of the step, counted from 1, and lr the learning rate.

Sources: Duchi et al. 2011 (Adagrad); Zeiler 2012 (Adadelta); Dozat 2015 (Nadam); Reddi et al. 2018
(AMSGrad); the files of Keras 3 that are named below, for every choice that these leave open.
"""

import numpy as np

from tinycnn.utils import Array

__all__ = [
    "adadelta_update",
    "adagrad_update",
    "amsgrad_update",
    "nadam_momentum_product",
    "nadam_update",
]


def adagrad_update(
    value: Array, gradient: Array, sum_of_squares: Array, learning_rate: float, epsilon: float
) -> None:
    """One step of Adagrad, in place on `value` and `sum_of_squares`.

    sum_of_squares += g^2;  value -= lr * g / sqrt(sum_of_squares + epsilon)

    The sum only grows, so the steps only shrink: fast where gradients are large or frequent, and
    slowly where they are rare.

    Args:
        value: the parameter, any shape.
        gradient: g, the same shape.
        sum_of_squares: the same shape, a positive number or 0 before the first step.
        learning_rate: lr.
        epsilon: added inside the root, as in Keras; PyTorch adds it outside.

    Source: keras/src/optimizers/adagrad.py
    """
    scalar = value.dtype.type
    sum_of_squares += gradient * gradient
    value -= scalar(learning_rate) * gradient / np.sqrt(sum_of_squares + scalar(epsilon))


def adadelta_update(
    value: Array,
    gradient: Array,
    mean_square: Array,
    mean_square_step: Array,
    learning_rate: float,
    rho: float,
    epsilon: float,
) -> None:
    """One step of Adadelta, in place on `value` and on the two running means.

    mean_square = rho * mean_square + (1 - rho) * g^2
    step = sqrt(mean_square_step + epsilon) / sqrt(mean_square + epsilon) * g
    mean_square_step = rho * mean_square_step + (1 - rho) * step^2
    value -= lr * step

    The numerator is the size of the steps so far. It has the unit of the parameter, as a step
    should, and takes the place of a learning rate: the paper has none, which is lr = 1. The first
    step is about sqrt(epsilon), so everything begins slowly.

    Args:
        value: the parameter, any shape.
        gradient: g, the same shape.
        mean_square: mean of g^2, the same shape, 0 before the first step.
        mean_square_step: mean of step^2, the same shape, 0 before the first step.
        learning_rate: lr.
        rho: decay rate of the two means.
        epsilon: added inside both roots.

    Source: keras/src/optimizers/adadelta.py
    """
    scalar = value.dtype.type
    mean_square *= scalar(rho)
    mean_square += scalar(1 - rho) * (gradient * gradient)
    size_of_steps = np.sqrt(mean_square_step + scalar(epsilon))
    step = size_of_steps * gradient / np.sqrt(mean_square + scalar(epsilon))
    mean_square_step *= scalar(rho)
    mean_square_step += scalar(1 - rho) * (step * step)
    value -= scalar(learning_rate) * step


def amsgrad_update(
    value: Array,
    gradient: Array,
    m: Array,
    v: Array,
    v_max: Array,
    step_size: float | np.floating,
    beta_1: float,
    beta_2: float,
    epsilon: float,
) -> None:
    """One step of AMSGrad, in place on `value`, the moments `m` and `v`, and `v_max`.

    As `adam_update`, but it divides by the largest v so far:
    v_max = max(v_max, v);  value -= m * step_size / (sqrt(v_max) + epsilon)

    Adam's v forgets, so that a large gradient that comes rarely is divided by the small ones in
    between. Reddi et al. give a problem on which Adam therefore never converges.

    Args:
        value: the parameter, any shape.
        gradient: g, the same shape.
        m: first moment, the same shape, 0 before the first step.
        v: second moment, the same shape, 0 before the first step.
        v_max: the largest v so far, the same shape, 0 before the first step. As in Keras it is the
            largest before the bias correction.
        step_size: from `adam_step_size`.
        beta_1: decay rate of the first moment.
        beta_2: decay rate of the second moment.
        epsilon: the paper's "epsilon hat", added before the bias correction.

    Source: keras/src/optimizers/adam.py
    """
    scalar = value.dtype.type
    m += (gradient - m) * scalar(1 - beta_1)
    v += (gradient * gradient - v) * scalar(1 - beta_2)
    np.maximum(v_max, v, out=v_max)
    value -= (m * scalar(step_size)) / (np.sqrt(v_max) + scalar(epsilon))


def nadam_momentum_product(
    first: int, last: int, before: float | np.floating, beta_1: float, dtype: np.dtype[np.floating]
) -> np.floating:
    """Continues the product of Nadam's momentums: before * mu_first * ... * mu_last.

    mu_t = beta_1 * (1 - 0.5 * 0.96^t) is the momentum of step t: half of beta_1 at first, and
    almost beta_1 after a hundred steps.

    Args:
        first: the first step whose momentum is a factor, counted from 1.
        last: the last one.
        before: the product of the momentums before it.
        beta_1: their limit.
        dtype: of the parameters, in which Keras computes it.

    Returns:
        A number of that dtype. Where 1 - product is 1, further factors do not count and are left
        out.

    Source: keras/src/optimizers/nadam.py
    """
    scalar = dtype.type
    product: np.floating = scalar(before)
    for t in range(first, last + 1):
        if scalar(1) - product == 1:
            break
        product = product * scalar(beta_1) * (scalar(1) - scalar(0.5) * scalar(0.96) ** scalar(t))
    return product


def nadam_update(
    value: Array,
    gradient: Array,
    m: Array,
    v: Array,
    learning_rate: float,
    step: int,
    momentum_product: float | np.floating,
    beta_1: float,
    beta_2: float,
    epsilon: float,
) -> None:
    """One step of Nadam, Adam with Nesterov's momentum, in place on `value`, `m` and `v`.

    With the momentums mu_t of `nadam_momentum_product`, and P_t = mu_1 * ... * mu_t:
    m += (g - m) * (1 - beta_1);  v += (g^2 - v) * (1 - beta_2)
    m_hat = mu_(t+1) * m / (1 - P_(t+1))  +  (1 - mu_t) * g / (1 - P_t)
    value -= lr * m_hat / (sqrt(v / (1 - beta_2^t)) + epsilon)

    m_hat looks ahead as Nesterov's momentum does: it takes the momentum that m will have in the
    next step, and today's gradient once more.

    Args:
        value: the parameter, any shape.
        gradient: g, the same shape.
        m: first moment, the same shape, 0 before the first step.
        v: second moment, the same shape, 0 before the first step.
        learning_rate: lr.
        step: t, counted from 1.
        momentum_product: P_t, from `nadam_momentum_product`.
        beta_1: decay rate of the first moment.
        beta_2: decay rate of the second moment.
        epsilon: added after the bias correction, unlike Adam's.

    Source: keras/src/optimizers/nadam.py, operation for operation. The decays are rounded to
    float32 first, whatever the dtype.
    """
    settings = (learning_rate, step, momentum_product, beta_1, beta_2, epsilon)
    rate_1, rate_2, rate, eps, *shares, whole_v = nadam_numbers(value.dtype, *settings)
    share_m, whole_m, share_g, whole_g = shares
    m += (gradient - m) * rate_1
    v += (gradient * gradient - v) * rate_2
    m_hat = share_m * m / whole_m + share_g * gradient / whole_g
    value -= m_hat * rate / (np.sqrt(v / whole_v) + eps)


def nadam_numbers(
    dtype: np.dtype[np.floating],
    learning_rate: float,
    step: int,
    momentum_product: float | np.floating,
    beta_1: float,
    beta_2: float,
    epsilon: float,
) -> list[np.floating]:
    """The numbers of a step of Nadam that are the same for all elements, in `dtype`.

    Returns:
        1 - beta_1, 1 - beta_2, lr, epsilon, mu_(t+1), 1 - P_(t+1), 1 - mu_t, 1 - P_t, 1 - beta_2^t
    """
    scalar = dtype.type
    one, half, decay = scalar(1), scalar(0.5), scalar(np.float32(0.96))
    b1, b2 = scalar(np.float32(beta_1)), scalar(np.float32(beta_2))
    mu = b1 * (one - half * decay ** scalar(step))
    next_mu = b1 * (one - half * decay ** scalar(step + 1))
    product = scalar(momentum_product)
    return [
        *(one - b1, one - b2, scalar(learning_rate), scalar(epsilon)),
        *(next_mu, one - product * next_mu, one - mu, one - product),
        one - b2 ** scalar(step),
    ]
