"""AMSGrad and Nadam: `reference/adaptive.py`, in Numba, one pass over the memory for each step.

The arithmetic is the reference's, operation for operation, so the results are equal to the bit. An
array that a kernel can't write in place goes to the reference's function.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
# (Numba compiles the kernels for the types they are called with; the public functions are typed)

import numpy as np

from tinycnn.kernels.compiled.blocks import PIECE, pieces_of
from tinycnn.kernels.compiled.checks import ready, same_dtype, same_shape, writable_in_place
from tinycnn.kernels.compiled.launch import kernel
from tinycnn.kernels.reference import adaptive as reference
from tinycnn.kernels.reference.adaptive import (
    adadelta_update,
    adagrad_update,
    nadam_momentum_product,
)
from tinycnn.utils import Array

__all__ = [
    "adadelta_update",
    "adagrad_update",
    "amsgrad_update",
    "nadam_momentum_product",
    "nadam_update",
]


@kernel
def _amsgrad(piece, value, gradient, m, v, v_max, rates):
    step_size, rate_1, rate_2, epsilon = rates[0], rates[1], rates[2], rates[3]
    here = slice(piece * PIECE, (piece + 1) * PIECE)
    w, g, first, second, top = value[here], gradient[here], m[here], v[here], v_max[here]
    for i in range(w.size):
        first[i] += (g[i] - first[i]) * rate_1
        second[i] += (g[i] * g[i] - second[i]) * rate_2
        if not second[i] <= top[i]:  # which a NaN is not
            top[i] = top[i] if top[i] != top[i] else second[i]
        w[i] -= (first[i] * step_size) / (np.sqrt(top[i]) + epsilon)


@np.errstate(all="ignore")
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
    """Same as `reference.amsgrad_update`, in one pass over the memory."""
    gradient = ready(gradient, value.ndim, "gradient")
    same_dtype(value=value, gradient=gradient, m=m, v=v, v_max=v_max)
    same_shape(value.shape, gradient=gradient, m=m, v=v, v_max=v_max)
    arrays = (value, gradient, m, v, v_max)
    if not writable_in_place(value, m, v, v_max):
        reference.amsgrad_update(*arrays, step_size, beta_1, beta_2, epsilon)
        return
    rates = np.array([step_size, 1 - beta_1, 1 - beta_2, epsilon], value.dtype)
    _amsgrad(pieces_of(value.size), (*arrays, rates))


@kernel
def _nadam(piece, value, gradient, m, v, numbers):
    rate_1, rate_2, rate, epsilon = numbers[0], numbers[1], numbers[2], numbers[3]
    share_m, whole_m, share_g, whole_g = numbers[4], numbers[5], numbers[6], numbers[7]
    whole_v = numbers[8]
    here = slice(piece * PIECE, (piece + 1) * PIECE)
    w, g, first, second = value[here], gradient[here], m[here], v[here]
    for i in range(w.size):
        first[i] += (g[i] - first[i]) * rate_1
        second[i] += (g[i] * g[i] - second[i]) * rate_2
        m_hat = share_m * first[i] / whole_m + share_g * g[i] / whole_g
        w[i] -= m_hat * rate / (np.sqrt(second[i] / whole_v) + epsilon)


@np.errstate(all="ignore")
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
    """Same as `reference.nadam_update`, in one pass over the memory."""
    gradient = ready(gradient, value.ndim, "gradient")
    same_dtype(value=value, gradient=gradient, m=m, v=v)
    same_shape(value.shape, gradient=gradient, m=m, v=v)
    settings = (learning_rate, step, momentum_product, beta_1, beta_2, epsilon)
    if not writable_in_place(value, m, v):
        reference.nadam_update(value, gradient, m, v, *settings)
        return
    numbers = np.array(reference.nadam_numbers(value.dtype, *settings), value.dtype)
    _nadam(pieces_of(value.size), (value, gradient, m, v, numbers))
