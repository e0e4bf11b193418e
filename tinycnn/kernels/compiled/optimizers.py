"""Optimizers: `reference/optimizers.py`, in Numba, one pass over the memory for each step.

The arithmetic is the reference's, operation for operation, so the results are equal to the bit. An
array that a kernel can't write in place goes to the reference's function.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
# (Numba compiles the kernels for the types they are called with; the public functions are typed)

from collections.abc import Sequence

import numpy as np
from numba import prange

from tinycnn.kernels.compiled.blocks import PIECE
from tinycnn.kernels.compiled.checks import ready, same_dtype, same_shape, writable_in_place
from tinycnn.kernels.compiled.jit import jit
from tinycnn.kernels.reference import optimizers as reference
from tinycnn.kernels.reference.optimizers import adam_step_size
from tinycnn.utils import Array

__all__ = [
    "adam_step_size",
    "adam_update",
    "adam_update_all",
    "rmsprop_update",
    "sgd_update",
]

# --- Adam -----------------------------------------------------------------------------------------

_TOGETHER = 4  # arrays that one launch of `_adam` takes


@jit(parallel=True)
def _adam(values, gradients, ms, vs, step_size, rate_1, rate_2, epsilon):
    """Updates _TOGETHER arrays, cut into pieces that are numbered from one array to the next."""
    first_pieces = np.zeros(len(values) + 1, np.int64)
    for a in range(len(values)):
        first_pieces[a + 1] = first_pieces[a] + (values[a].size + PIECE - 1) // PIECE
    for piece in prange(first_pieces[-1]):
        a = 0
        while first_pieces[a + 1] <= piece:
            a += 1
        start = (piece - first_pieces[a]) * PIECE
        here = slice(start, start + PIECE)
        w, g, m, v = values[a][here], gradients[a][here], ms[a][here], vs[a][here]
        for i in range(w.size):
            first = m[i] + (g[i] - m[i]) * rate_1
            second = v[i] + (g[i] * g[i] - v[i]) * rate_2
            m[i], v[i] = first, second
            w[i] -= (first * step_size) / (np.sqrt(second) + epsilon)


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
    """Same as `reference.adam_update`, in one pass over the memory."""
    adam_update_all([value], [gradient], [m], [v], step_size, beta_1, beta_2, epsilon)


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
    """Same as `reference.adam_update_all`, several parameters per launch, as most are small."""
    flat, others = [], []
    for arrays in zip(values, gradients, ms, vs, strict=True):
        value, gradient, m, v = arrays
        same_dtype(value=value, gradient=gradient, m=m, v=v, first=values[0])
        same_shape(value.shape, gradient=gradient, m=m, v=v)
        if writable_in_place(value, m, v):
            gradient = ready(gradient, value.ndim, "gradient")
            flat.append([array.reshape(-1) for array in (value, gradient, m, v)])
        else:
            others.append(arrays)
    for start in range(0, len(flat), _TOGETHER):
        group = flat[start : start + _TOGETHER]
        scalar = group[0][0].dtype.type
        group += [[np.empty(0, scalar)] * 4] * (_TOGETHER - len(group))
        rates = (scalar(step_size), scalar(1 - beta_1), scalar(1 - beta_2), scalar(epsilon))
        _adam(*zip(*group, strict=True), *rates)
    for arrays in others:
        reference.adam_update(*arrays, step_size, beta_1, beta_2, epsilon)


# --- RMSprop --------------------------------------------------------------------------------------


@jit(parallel=True)
def _rmsprop(
    value, gradient, mean_square, mean_gradient, velocity, rate, rho, new, momentum, epsilon
):
    """`mean_gradient` and `velocity` are empty if there are none; `new` is 1 - rho."""
    zero = value.dtype.type(0)
    for piece in prange((value.size + PIECE - 1) // PIECE):
        here = slice(piece * PIECE, (piece + 1) * PIECE)
        w, g, square = value[here], gradient[here], mean_square[here]
        mean, v = mean_gradient[here], velocity[here]
        for i in range(w.size):
            square[i] = square[i] * rho + new * (g[i] * g[i])
            variance = square[i]
            if mean.size > 0:
                mean[i] = mean[i] * rho + new * g[i]
                variance -= mean[i] * mean[i]
                variance = zero if variance < zero else variance
            step = rate * g[i] / np.sqrt(variance + epsilon)
            if v.size > 0:
                v[i] = v[i] * momentum + step
                step = v[i]
            w[i] -= step


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
    """Same as `reference.rmsprop_update`, in one pass over the memory."""
    gradient = ready(gradient, value.ndim, "gradient")
    means = {
        "mean_square": mean_square,
        "mean_gradient": value if mean_gradient is None else mean_gradient,
        "velocity": value if velocity is None else velocity,
    }
    same_dtype(value=value, gradient=gradient, **means)
    same_shape(value.shape, gradient=gradient, **means)
    arrays = (value, gradient, mean_square, mean_gradient, velocity)
    if not writable_in_place(value, *means.values()):
        reference.rmsprop_update(*arrays, learning_rate, rho, momentum, epsilon)
        return
    scalar = value.dtype.type
    flat = (np.empty(0, scalar) if array is None else array.reshape(-1) for array in arrays)
    numbers = (learning_rate, rho, 1 - rho, momentum, epsilon)
    _rmsprop(*flat, *(scalar(number) for number in numbers))


# --- gradient descent -----------------------------------------------------------------------------


@jit(parallel=True)
def _sgd(value, gradient, velocity, learning_rate, momentum, moving, nesterov):
    for piece in prange((value.size + PIECE - 1) // PIECE):
        here = slice(piece * PIECE, (piece + 1) * PIECE)
        w, g, v = value[here], gradient[here], velocity[here]
        for i in range(w.size):
            step = g[i] * learning_rate
            if moving:
                v[i] = v[i] * momentum - step
                w[i] += v[i] * momentum - step if nesterov else v[i]
            else:
                w[i] -= step


def sgd_update(
    value: Array,
    gradient: Array,
    velocity: Array | None,
    learning_rate: float,
    momentum: float = 0.0,
    nesterov: bool = False,
) -> None:
    """Same as `reference.sgd_update`, in one pass over the memory."""
    gradient = ready(gradient, value.ndim, "gradient")
    moved = value if velocity is None else velocity
    same_dtype(value=value, gradient=gradient, velocity=moved)
    same_shape(value.shape, gradient=gradient, velocity=moved)
    if not writable_in_place(value, moved):
        reference.sgd_update(value, gradient, velocity, learning_rate, momentum, nesterov)
        return
    flat = (array.reshape(-1) for array in (value, gradient, moved))
    scalar = value.dtype.type
    _sgd(*flat, scalar(learning_rate), scalar(momentum), velocity is not None, bool(nesterov))
