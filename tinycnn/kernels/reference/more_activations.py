"""Silu, softplus, and the relu with all its settings, which has no compiled version.

Legend: x is the input of an activation and y its output, of any shape.

Sources: Ramachandran et al. 2017 and Elfwing et al. 2018 (silu, or swish); Glorot et al. 2011
(softplus); keras/src/activations/activations.py (the relu's settings).
"""

import numpy as np

from tinycnn.kernels.reference.activations import sigmoid_forward
from tinycnn.utils import Array

__all__ = [
    "bounded_relu_backward",
    "bounded_relu_forward",
    "silu_backward",
    "silu_forward",
    "softplus_backward",
    "softplus_forward",
]


def silu_forward(x: Array) -> Array:
    """y = x * sigmoid(x), also called swish: a smooth relu that dips below 0 before it."""
    return x * sigmoid_forward(x)


def silu_backward(dy: Array, x: Array) -> Array:
    """dx = dy * (s + x * s * (1 - s)), with s = sigmoid(x).

    By the product rule, as s' = s * (1 - s). Unlike the other activations it needs its input: two
    different x below 0 have the same y.

    Args:
        dy: gradient of the output.
        x: the input of the forward.
    """
    s = sigmoid_forward(x)
    return dy * (s + x * s * (1 - s))


def softplus_forward(x: Array) -> Array:
    """y = log(1 + e^x), a smooth relu; as max(x, 0) + log(1 + e^-|x|), which never overflows."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def softplus_backward(dy: Array, y: Array) -> Array:
    """dx = dy * (1 - e^-y).

    The derivative is e^x / (1 + e^x) = sigmoid(x), and e^y = 1 + e^x makes that 1 - e^-y.

    Args:
        dy: gradient of the output.
        y: the output of the forward.
    """
    return -dy * np.expm1(-y)


def bounded_relu_forward(
    x: Array, max_value: float | None, negative_slope: float, threshold: float
) -> Array:
    """y = min(x, max_value) above the threshold, else negative_slope * (x - threshold).

    Args:
        x: any shape.
        max_value: the largest y; None for no limit.
        negative_slope: of the line below the threshold.
        threshold: where the relu begins, >= 0.
    """
    scalar = x.dtype.type
    above = x if max_value is None else np.minimum(x, scalar(max_value))
    if negative_slope:
        below = scalar(negative_slope) * (x - scalar(threshold))
    else:  # 0 * infinity would be NaN
        below = np.where(np.isnan(x), x, scalar(0))
    return np.where(x > scalar(threshold), above, below)


def bounded_relu_backward(
    dy: Array, x: Array, max_value: float | None, negative_slope: float, threshold: float
) -> Array:
    """dx = dy from the threshold to max_value, negative_slope * dy below the threshold, else 0.

    As in Keras it is 0 at exactly the threshold, and dy at exactly max_value; but for a max_value
    of 6 without a threshold Keras uses TensorFlow's relu6, where it is 0.

    Args:
        dy: gradient of the output.
        x: the input of the forward.
        max_value: as in the forward.
        negative_slope: likewise.
        threshold: likewise.
    """
    scalar = x.dtype.type
    zero, start = scalar(0), scalar(threshold)
    rising = x > start
    if max_value is not None:
        is_relu6 = max_value == 6 and not threshold
        rising &= x < scalar(max_value) if is_relu6 else x <= scalar(max_value)
    return np.where(rising, dy, np.where(x < start, scalar(negative_slope) * dy, zero))
