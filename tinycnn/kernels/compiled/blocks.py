"""Pieces of work that several kernels share: runs of numbers copied, added, placed in an image.

The helpers become part of the kernels that call them; `_place` is a kernel itself.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
# (Numba compiles the kernels for the types they are called with; the public functions are typed)

from tinycnn.kernels.compiled.jit import helper
from tinycnn.kernels.compiled.launch import kernel
from tinycnn.kernels.compiled.plans import Plan, Slot
from tinycnn.kernels.compiled.simd import LANES
from tinycnn.kernels.compiled.tile_arithmetic import transposed
from tinycnn.kernels.compiled.tiles import evenly, load_tile, store_tile
from tinycnn.support.geometry import Pair

PIECE = 4096  # elements of one piece of an element-wise kernel's work


def pieces_of(size: int) -> int:
    """How many pieces of PIECE elements there are."""
    return -(-size // PIECE)


@helper
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


@helper
def add(total, values):
    """total += values."""
    for i in range(total.size):
        total[i] += values[i]


@helper
def clear(target):
    """target = 0."""
    zero = target.dtype.type(0)
    for i in range(target.size):
        target[i] = zero


@helper
def transpose(target, to, to_step, source, start, step, rows, columns):
    """target[to + j * to_step + i] = source[start + i * step + j]: i < `rows`, j < `columns`."""
    whole, across = rows // LANES * LANES, columns // LANES * LANES
    for i in range(0, whole, LANES):
        for j in range(0, across, LANES):
            tile = load_tile(source, evenly(start + i * step + j, step), (0,))
            store_tile(target, evenly(to + j * to_step + i, to_step), 0, transposed(tile))
    for i in range(rows):
        for j in range(0 if i >= whole else across, columns):
            target[to + j * to_step + i] = source[start + i * step + j]


@helper
def from_line(array):
    """The array from its first start of a cache line on, so that no vector lies across two lines.

    The array must be 64 bytes longer than what is needed of it.
    """
    return array[-array.ctypes.data % 64 // array.itemsize :]


@kernel
def _place(piece, x, y, out, shape, rows, masked):
    """x shifted by (top, left) into larger or smaller images, `rows` of them; see `placing`."""
    N, H, W, C, OH, OW, top, left = shape
    j0 = max(0, -left)  # the first column of x that a row has
    start, stop = (left + j0) * C, (left + max(j0, W)) * C
    start, stop = min(start, OW * C), min(stop, OW * C)
    for r in range(piece * rows, min(N * OH, (piece + 1) * rows)):
        n, i = r // OH, r % OH - top
        line = out[r * OW * C : (r + 1) * OW * C]
        if 0 <= i < H:
            clear(line[:start])
            copy(line[start:stop], x, y, ((n * H + i) * W + j0) * C, masked)
            clear(line[stop:])
        else:
            clear(line)


def placing(plan: Plan, x: Slot, size: Pair, before: Pair, y: Slot | None = None) -> Slot:
    """x in images of another size, shifted by `before`, zeros around; 0 where not y > 0, if given.

    If there is nothing to do, it is `x` itself.
    """
    N, H, W, C = x.shape
    if size == (H, W) and before == (0, 0) and y is None:
        return x
    out = plan.empty((N, *size, C), x.dtype)
    rows = max(1, PIECE // max(1, size[1] * C))
    numbers = ((N, H, W, C, *size, *before), rows, y is not None)
    plan.step(_place, -(-N * size[0] // rows), (x, x if y is None else y, out), numbers)
    return out
