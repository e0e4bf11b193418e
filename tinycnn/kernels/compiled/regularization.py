"""Dropout: `reference/regularization.py`, in Numba."""

# mypy: allow-untyped-defs, allow-untyped-calls
# (Numba compiles the kernels for the types they are called with; the public functions are typed)

import numpy as np

from tinycnn.kernels.compiled.blocks import PIECE, pieces_of
from tinycnn.kernels.compiled.checks import ready, same_shape
from tinycnn.kernels.compiled.launch import kernel
from tinycnn.utils import Array

__all__ = [
    "dropout",
]


@kernel
def _drop(piece, x, kept, y, scales):
    zero, scale = x.dtype.type(0), scales[0]
    here = slice(piece * PIECE, (piece + 1) * PIECE)
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
    kept = np.require(kept, requirements=["C", "A"])
    y = np.empty_like(x)
    scale = np.array([1 / (1 - rate) if rate < 1 else 0], x.dtype)
    _drop(pieces_of(x.size), (x, kept, y, scale))
    return y
