"""Activations, and softmax with the cross-entropy on it.

Each backward needs only the output y of its forward, so a layer need not keep x.

Legend: arrays of any shape where a function works element by element; (..., K) with K classes on
the last axis for softmax; N samples for the cross-entropy.

Sources: Goodfellow et al. 2016, chapter 6 (relu, sigmoid, tanh, softmax); Maas et al. 2013 (leaky
relu); Clevert et al. 2016 (elu); for what these leave open, Keras 3 on TensorFlow.
"""

import numpy as np

from tinycnn.utils import Array

__all__ = [
    "elu_backward",
    "elu_forward",
    "leaky_relu_backward",
    "leaky_relu_forward",
    "log_softmax",
    "relu_backward",
    "relu_forward",
    "sigmoid_backward",
    "sigmoid_forward",
    "softmax_backward",
    "softmax_cross_entropy_backward",
    "softmax_cross_entropy_forward",
    "softmax_forward",
    "tanh_backward",
    "tanh_forward",
]

# --- element by element ---------------------------------------------------------------------------


def relu_forward(x: Array) -> Array:
    """y = max(x, 0); NaN stays NaN.

    Args:
        x: any shape.

    Returns:
        y, the shape of `x`.
    """
    return np.maximum(x, 0)


def relu_backward(dy: Array, y: Array) -> Array:
    """dx = dy where y is positive, else 0: the derivative at exactly 0 is taken as 0.

    y is positive exactly where x is, and there y = x has the derivative 1.

    Args:
        dy: any shape.
        y: the forward's output, the same shape.

    Returns:
        dx, the same shape.
    """
    return np.where(y > 0, dy, np.zeros((), dy.dtype))


def leaky_relu_forward(x: Array, negative_slope: float) -> Array:
    """y = x where positive, else negative_slope * x.

    Args:
        x: any shape.
        negative_slope: the slope below 0.

    Returns:
        y, the shape of `x`.
    """
    return np.where(x > 0, x, x * x.dtype.type(negative_slope))


def leaky_relu_backward(dy: Array, y: Array, negative_slope: float) -> Array:
    """dx = dy where y is positive, else negative_slope * dy, also at exactly 0.

    Args:
        dy: any shape.
        y: the forward's output, the same shape.
        negative_slope: as in the forward; not negative, so that y is positive only where x is.

    Returns:
        dx, the same shape.
    """
    return np.where(y > 0, dy, dy * dy.dtype.type(negative_slope))


def elu_forward(x: Array, alpha: float) -> Array:
    """y = x where positive, else alpha * (exp(x) - 1).

    Args:
        x: any shape.
        alpha: -alpha is what y tends to far below 0.

    Returns:
        y, the shape of `x`.
    """
    return np.where(x > 0, x, x.dtype.type(alpha) * np.expm1(np.minimum(x, 0)))


def elu_backward(dy: Array, y: Array, alpha: float) -> Array:
    """dx = dy where y is positive, else dy * (y + alpha).

    Below 0 the derivative of y = alpha * exp(x) - alpha is alpha * exp(x), which is y + alpha.

    Args:
        dy: any shape.
        y: the forward's output, the same shape.
        alpha: as in the forward; not negative, so that y is positive only where x is.

    Returns:
        dx, the same shape.
    """
    return np.where(y > 0, dy, dy * (y + dy.dtype.type(alpha)))


def sigmoid_forward(x: Array) -> Array:
    """y = 1 / (1 + exp(-x)), without the overflow of exp(-x) for x far below 0.

    There, numerator and denominator are multiplied by exp(x): y = exp(x) / (exp(x) + 1).

    Args:
        x: any shape.

    Returns:
        y, the shape of `x`.
    """
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + e), e / (1 + e))


def sigmoid_backward(dy: Array, y: Array) -> Array:
    """dx = dy * y * (1 - y).

    By the chain rule the derivative of y = 1 / (1 + exp(-x)) is exp(-x) / (1 + exp(-x))^2. One
    factor of it, 1 / (1 + exp(-x)), is y; the other, exp(-x) / (1 + exp(-x)), is 1 - y.

    Args:
        dy: any shape.
        y: the forward's output, the same shape.

    Returns:
        dx, the same shape.
    """
    return dy * y * (1 - y)


def tanh_forward(x: Array) -> Array:
    """y = tanh(x).

    Args:
        x: any shape.

    Returns:
        y, the shape of `x`.
    """
    return np.tanh(x)


def tanh_backward(dy: Array, y: Array) -> Array:
    """dx = dy * (1 - y^2).

    The derivative of y = sinh(x) / cosh(x) is (cosh(x)^2 - sinh(x)^2) / cosh(x)^2 = 1 - y^2.

    Args:
        dy: any shape.
        y: the forward's output, the same shape.

    Returns:
        dx, the same shape.
    """
    return dy * (1 - y * y)


# --- softmax: over the last axis ------------------------------------------------------------------


def softmax_forward(x: Array) -> Array:
    """y_i = exp(x_i) / sum_k exp(x_k), over the last axis.

    The maximum of x is subtracted first. That divides the numerator and the denominator by the same
    number, so y stays what it is, and no exponential exceeds 1.

    Args:
        x: (..., K).

    Returns:
        y (..., K), not negative; each row adds up to 1.
    """
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        e = np.exp(x - x.max(axis=-1, keepdims=True))
        return e / e.sum(axis=-1, keepdims=True)


def softmax_backward(dy: Array, y: Array) -> Array:
    """The gradient of `softmax_forward` from its output: dx_j = y_j * (dy_j - sum_i dy_i * y_i).

    Every output depends on every input of its row. For one row of x, y, dy and dx:
    1. Write y_i = e_i / S with e_i = exp(x_i) and S = sum_k e_k. With respect to x_j, the
       derivative of e_i is e_i for i = j, else 0; the derivative of S is e_j.
    2. By the quotient rule, the derivative of y_i with respect to x_j is
           J[i, j] = ([i = j] * e_i * S - e_i * e_j) / S^2 = y_i * ([i = j] - y_j),
       where [i = j] is 1 for i = j, else 0.
    3. x_j reaches the loss through every y_i. The chain rule adds up these paths:
           dx_j = sum_i dy_i * J[i, j]
                = sum_i dy_i * y_i * [i = j]  -  sum_i dy_i * y_i * y_j
                = dy_j * y_j  -  y_j * sum_i dy_i * y_i
                = y_j * (dy_j - sum_i dy_i * y_i).
    J need not be written down: one sum over the row is enough.

    Args:
        dy: (..., K).
        y: (..., K), the forward's output.

    Returns:
        dx (..., K).
    """
    return y * (dy - (dy * y).sum(axis=-1, keepdims=True))


def log_softmax(x: Array) -> Array:
    """log(softmax(x)) over the last axis, without ever taking the log of a probability.

    log(exp(x_i) / sum_k exp(x_k)) = x_i - log(sum_k exp(x_k)). The maximum is subtracted from x
    first, as in `softmax_forward`. A probability that rounds to 0 still has a finite logarithm.

    Args:
        x: (..., K).

    Returns:
        log_p (..., K), not positive.
    """
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        shifted = _not_overflown(x - x.max(axis=-1, keepdims=True), x)
        return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def _not_overflown(shifted: Array, x: Array) -> Array:
    """`shifted`, kept finite where `x` is: -3e38 - 3e38 becomes the lowest number of float32."""
    overflown = np.isneginf(shifted) & np.isfinite(x)
    return np.where(overflown, np.finfo(x.dtype).min, shifted) if overflown.any() else shifted


# --- softmax and cross-entropy --------------------------------------------------------------------


def softmax_cross_entropy_forward(logits: Array, targets: Array) -> tuple[Array, Array]:
    """Softmax and categorical cross-entropy in one, which is finite for any finite logits.

    losses_n = -sum_k targets_nk * log(softmax(logits)_nk)

    Args:
        logits: (N, K).
        targets: (N, K), one-hot or any distribution over the classes.

    Returns:
        losses (N,), and the probabilities softmax(logits) (N, K), which the backward needs.
    """
    log_p = log_softmax(logits)
    with np.errstate(over="ignore", under="ignore"):
        return -(targets * log_p).sum(axis=-1), np.exp(log_p)


def softmax_cross_entropy_backward(probabilities: Array, targets: Array) -> Array:
    """The gradient of each loss with respect to its logits: probabilities * sum(targets) - targets.

    For one sample, let x = logits, t = targets, p = probabilities and S = sum_k exp(x_k).
    1. As p_k = exp(x_k) / S, log(p_k) = x_k - log(S). So, with T = sum_k t_k, the loss is
           loss = -sum_k t_k * log(p_k) = -sum_k t_k * x_k  +  T * log(S).
    2. With respect to x_j, the derivative of the first sum is -t_j. That of S is exp(x_j), so that
       of log(S) is exp(x_j) / S, which is p_j. Together:
           dlogits_j = p_j * T - t_j.
    For one-hot targets T is 1, which leaves `probabilities - targets`.

    The two backwards one after the other give the same. The cross-entropy's gradient with respect
    to p_k is -t_k / p_k, and `softmax_backward` turns that into
        p_j * (-t_j / p_j - sum_k (-t_k / p_k) * p_k) = p_j * T - t_j.
    But that divides by p_k, which rounds to 0 for a class that is far behind. Here p_k cancels
    before anything is computed.

    These are the gradients of each sample's own loss; losses.py takes the mean over N.

    Args:
        probabilities: (N, K), from the forward.
        targets: (N, K).

    Returns:
        dlogits (N, K).
    """
    return probabilities * targets.sum(axis=-1, keepdims=True) - targets
