"""Optimizers: `reference/optimizers.py`, in Numba, one pass over the memory for each step.

The arithmetic is the reference's, operation for operation, so the results are equal to the bit. An
array that a kernel can't write in place goes to the reference's function.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
# (Numba compiles the kernels for the types they are called with; the public functions are typed)

import functools
import math
from collections.abc import Sequence

import numpy as np

from tinycnn.kernels.compiled.blocks import PIECE, pieces_of
from tinycnn.kernels.compiled.checks import (
    Shape,
    checked,
    contiguous,
    ready,
    same_dtype,
    same_shape,
    writable_in_place,
)
from tinycnn.kernels.compiled.launch import array_from, kernel
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


@kernel
def _adam(piece, rates, first_pieces, values, gradients, ms, vs):
    """Updates all arrays of four lists, cut into pieces numbered from one array to the next."""
    step_size, rate_1, rate_2, epsilon = rates[0], rates[1], rates[2], rates[3]
    a = 0
    while first_pieces[a + 1] <= piece:
        a += 1
    start = (piece - first_pieces[a]) * PIECE
    here = slice(start, start + PIECE)
    w, g = array_from(values, a, rates)[here], array_from(gradients, a, rates)[here]
    m, v = array_from(ms, a, rates)[here], array_from(vs, a, rates)[here]
    for i in range(w.size):
        first = m[i] + (g[i] - m[i]) * rate_1
        second = v[i] + (g[i] * g[i] - v[i]) * rate_2
        m[i], v[i] = first, second
        w[i] -= (first * step_size) / (np.sqrt(second) + epsilon)


@functools.lru_cache(64)
def _first_pieces(shapes: tuple[Shape, ...]) -> Array:
    """The number of each array's first piece, and that of all pieces."""
    return np.cumsum([0, *[pieces_of(math.prod(shape)) for shape in shapes]], dtype=np.int64)


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


@np.errstate(all="ignore")
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
    """Same as `reference.adam_update_all`, all parameters in one launch, as most are small."""
    given = (values, gradients, ms, vs)
    shapes = [[array.shape for array in arrays] for arrays in given]
    dtypes = {array.dtype for arrays in given for array in arrays}
    if not shapes[0] == shapes[1] == shapes[2] == shapes[3] or len(dtypes) != 1:
        for value, gradient, m, v in zip(*given, strict=True):
            same_shape(value.shape, gradient=gradient, m=m, v=v)
            same_dtype(value=value, gradient=gradient, m=m, v=v, first=values[0])
        return  # there are no parameters
    if not writable_in_place(*values, *ms, *vs):
        update = reference.adam_update if len(values) == 1 else adam_update
        for arrays in zip(*given, strict=True):
            update(*arrays, step_size, beta_1, beta_2, epsilon)
        return
    checked(gradients[0], gradients[0].ndim, "gradient")
    gradients = [contiguous(gradient) for gradient in gradients]
    rates = np.array([step_size, 1 - beta_1, 1 - beta_2, epsilon], values[0].dtype)
    first_pieces = _first_pieces(tuple(shapes[0]))
    lists = (list(values), gradients, list(ms), list(vs))
    _adam(int(first_pieces[-1]), (rates, first_pieces, *lists))


# --- RMSprop --------------------------------------------------------------------------------------


@kernel
def _rmsprop(piece, value, gradient, mean_square, mean_gradient, velocity, numbers):
    """`mean_gradient` and `velocity` are empty if there are none; `new` is 1 - rho."""
    rate, rho, new, momentum, epsilon = numbers[0], numbers[1], numbers[2], numbers[3], numbers[4]
    zero = value.dtype.type(0)
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


@np.errstate(all="ignore")
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
    empty = np.empty(0, value.dtype)
    numbers = np.array([learning_rate, rho, 1 - rho, momentum, epsilon], value.dtype)
    given = [empty if array is None else array for array in arrays]
    _rmsprop(pieces_of(value.size), (*given, numbers))


# --- gradient descent -----------------------------------------------------------------------------


@kernel
def _sgd(piece, value, gradient, velocity, numbers, moving, nesterov):
    learning_rate, momentum = numbers[0], numbers[1]
    here = slice(piece * PIECE, (piece + 1) * PIECE)
    w, g, v = value[here], gradient[here], velocity[here]
    for i in range(w.size):
        step = g[i] * learning_rate
        if moving:
            v[i] = v[i] * momentum - step
            w[i] += v[i] * momentum - step if nesterov else v[i]
        else:
            w[i] -= step


@np.errstate(all="ignore")
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
    numbers = np.array([learning_rate, momentum], value.dtype)
    settings = (velocity is not None, bool(nesterov))
    _sgd(pieces_of(value.size), (value, gradient, moved, numbers), settings)
