"""Silu and softplus: `reference/more_activations.py`, in Numba.

Legend: as there; element-wise kernels take PIECE elements as one piece of work. Exponentials are
taken in float64, so that a float32 result is the nearest one.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
# (Numba compiles the kernels for the types they are called with; the public functions are typed)

import numpy as np

from tinycnn.kernels.compiled.activations import exp_parts
from tinycnn.kernels.compiled.blocks import PIECE, pieces_of
from tinycnn.kernels.compiled.checks import ready, same_dtype, same_shape
from tinycnn.kernels.compiled.jit import helper
from tinycnn.kernels.compiled.launch import kernel

# No model that is meant to be fast has a bounded relu.
from tinycnn.kernels.reference.more_activations import bounded_relu_backward, bounded_relu_forward
from tinycnn.utils import Array

__all__ = [
    "bounded_relu_backward",
    "bounded_relu_forward",
    "silu_backward",
    "silu_forward",
    "softplus_backward",
    "softplus_forward",
]


@helper
def _exp_of_minus(x):
    """e^-x for x >= 0."""
    s, t = exp_parts(-x)
    return 0.0 if x > 700 else s + t  # beyond it the parts stay what they are


@helper
def _sigmoid(x):
    """1 / (1 + e^-x), without an overflow on either side."""
    e = _exp_of_minus(abs(x))
    p = 1 / (1 + e)
    return p if x >= 0 else e * p


@kernel
def _silu(piece, x, y):
    here = slice(piece * PIECE, (piece + 1) * PIECE)
    source, target = x[here], y[here]
    for i in range(source.size):
        value = np.float64(source[i])
        target[i] = value * _sigmoid(value)


@kernel
def _silu_backward(piece, dy, x, dx):
    here = slice(piece * PIECE, (piece + 1) * PIECE)
    source, given, target = dy[here], x[here], dx[here]
    for i in range(source.size):
        value = np.float64(given[i])
        s = _sigmoid(value)
        target[i] = source[i] * (s + value * s * (1 - s))


@kernel
def _softplus(piece, x, y):
    here = slice(piece * PIECE, (piece + 1) * PIECE)
    source, target = x[here], y[here]
    for i in range(source.size):
        value = np.float64(source[i])
        target[i] = (0.0 if value < 0 else value) + np.log1p(_exp_of_minus(abs(value)))


@kernel
def _softplus_backward(piece, dy, y, dx):
    here = slice(piece * PIECE, (piece + 1) * PIECE)
    source, out, target = dy[here], y[here], dx[here]
    for i in range(source.size):
        s, t = exp_parts(-np.float64(out[i]))
        target[i] = -source[i] * ((s - 1) + t)


def _backward_arrays(dy: Array, other: Array, name: str) -> tuple[Array, Array, Array]:
    dy, other = ready(dy, dy.ndim, "dy"), ready(other, other.ndim, name)
    same_dtype(**{"dy": dy, name: other})
    same_shape(other.shape, dy=dy)
    return dy, other, np.empty_like(dy)


def silu_forward(x: Array) -> Array:
    """Same as `reference.silu_forward`."""
    x = ready(x, x.ndim, "x")
    y = np.empty_like(x)
    _silu(pieces_of(x.size), (x, y))
    return y


def silu_backward(dy: Array, x: Array) -> Array:
    """Same as `reference.silu_backward`."""
    dy, x, dx = _backward_arrays(dy, x, "x")
    _silu_backward(pieces_of(dy.size), (dy, x, dx))
    return dx


def softplus_forward(x: Array) -> Array:
    """Same as `reference.softplus_forward`."""
    x = ready(x, x.ndim, "x")
    y = np.empty_like(x)
    _softplus(pieces_of(x.size), (x, y))
    return y


def softplus_backward(dy: Array, y: Array) -> Array:
    """Same as `reference.softplus_backward`."""
    dy, y, dx = _backward_arrays(dy, y, "y")
    _softplus_backward(pieces_of(dy.size), (dy, y, dx))
    return dx
