"""Pieces of work that several kernels share: runs of numbers copied, added, placed in an image.

The helpers (`numba.njit`) become part of the kernels that call them; `_place` is a kernel itself.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
# (Numba compiles the kernels for the types they are called with; the public functions are typed)

import numba
import numpy as np
from numba import prange

from tinycnn.kernels.compiled.jit import jit
from tinycnn.support.geometry import Pair
from tinycnn.utils import Array

PIECE = 4096  # elements of one piece of an element-wise kernel's work
_ADDED = 1024  # and of one piece of `add_groups`


@numba.njit
def copy(target, source, y, start, masked):
    """target = source from `start` on; if `masked`, relu's gradient: 0 where not y > 0."""
    zero = target.dtype.type(0)
    # Slice first: LLVM vectorizes a[i] for the loop's own i, not a[start + i], which might wrap.
    source, y = source[start : start + target.size], y[start : start + target.size]
    if masked:
        for i in range(target.size):
            value = source[i]  # always read, so there is no branch
            target[i] = value if y[i] > zero else zero
    else:
        for i in range(target.size):
            target[i] = source[i]


@numba.njit
def add(total, values):
    """total += values."""
    for i in range(total.size):
        total[i] += values[i]


@numba.njit
def from_line(array):
    """The array from its first start of a cache line on, so that no vector lies across two lines.

    The array must be 64 bytes longer than what is needed of it.
    """
    return array[-array.ctypes.data % 64 // array.itemsize :]


@numba.njit(parallel=True)
def add_groups(sums, groups, size):
    """Adds each group's sums, `size` numbers, to those of the first group, in their order."""
    for piece in prange((size + _ADDED - 1) // _ADDED):
        start, stop = piece * _ADDED, min((piece + 1) * _ADDED, size)
        for g in range(1, groups):
            add(sums[start:stop], sums[g * size + start : g * size + stop])


@jit(parallel=True)
def _place(x, y, out, shape, masked):
    """x shifted by (top, left) into larger or smaller images; see `placed`."""
    N, H, W, C, OH, OW, top, left = shape
    zero = out.dtype.type(0)
    for r in prange(N * OH):
        n, i = r // OH, r % OH - top
        line = out[r * OW * C : (r + 1) * OW * C]
        if 0 <= i < H:
            j0 = max(0, -left)  # the first column of x that this row has
            start, stop = (left + j0) * C, (left + max(j0, W)) * C
            line[:start] = zero
            copy(line[start:stop], x, y, ((n * H + i) * W + j0) * C, masked)
            line[stop:] = zero
        else:
            line[:] = zero


def placed(x: Array, size: Pair, before: Pair, y: Array | None = None) -> Array:
    """x in images of another size, shifted by `before`, zeros around; 0 where not y > 0, if given.

    If there is nothing to do, it is `x` itself.
    """
    N, H, W, C = x.shape
    masked = y is not None
    if size == (H, W) and before == (0, 0) and not masked:
        return x
    out = np.empty((N, *size, C), x.dtype)
    mask = x if y is None else y
    shape = (N, H, W, C, *size, *before)
    _place(x.reshape(-1), mask.reshape(-1), out.reshape(-1), shape, masked)
    return out
