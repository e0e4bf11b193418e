"""Dropout: `reference/regularization.py`, in Numba."""

# mypy: allow-untyped-defs, allow-untyped-calls
# (Numba compiles the kernels for the types they are called with; the public functions are typed)

import numpy as np
from numba import prange

from tinycnn.kernels.compiled.blocks import PIECE
from tinycnn.kernels.compiled.checks import ready, same_shape
from tinycnn.kernels.compiled.jit import jit
from tinycnn.utils import Array

__all__ = [
    "dropout",
]


@jit(parallel=True)
def _drop(x, kept, y, scale):
    zero = x.dtype.type(0)
    for g in prange((x.size + PIECE - 1) // PIECE):
        here = slice(g * PIECE, (g + 1) * PIECE)
        source, keep, target = x[here], kept[here], y[here]
        for i in range(source.size):
            value = source[i] * scale  # always, so there is no branch
            target[i] = value if keep[i] else zero


def dropout(x: Array, kept: Array, rate: float) -> Array:
    """Same as `reference.dropout`."""
    x = ready(x, x.ndim, "x")
    if kept.dtype != np.bool_:
        raise TypeError(f"`kept` must have dtype bool. Received: {kept.dtype}")
    same_shape(x.shape, kept=kept)
    kept = np.require(kept, requirements=["C", "A", "W"])
    y = np.empty_like(x)
    scale = x.dtype.type(1 / (1 - rate) if rate < 1 else 0)
    _drop(x.reshape(-1), kept.reshape(-1), y.reshape(-1), scale)
    return y
