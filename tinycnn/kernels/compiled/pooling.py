"""Max-pooling and average-pooling: `reference/pooling.py`, in Numba.

Legend: as there; `shape` is (N, H, W, C, PH, PW, SH, SW, OH, OW, top, left), where the last two are
the rows and columns of padding above and left of x.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
# (Numba compiles the kernels for the types they are called with; the public functions are typed)

import numpy as np

from tinycnn.kernels.compiled.blocks import PIECE, clear, copy
from tinycnn.kernels.compiled.checks import (
    Shape,
    checked,
    checked_winners,
    pool_shape,
    same_shape,
)
from tinycnn.kernels.compiled.jit import helper
from tinycnn.kernels.compiled.launch import kernel
from tinycnn.kernels.compiled.plans import Plan, Slot, planned
from tinycnn.support.geometry import Pair
from tinycnn.utils import Array

__all__ = [
    "average_pool_backward",
    "average_pool_forward",
    "max_pool_backward",
    "max_pool_forward",
]


def _rows_of(images: Slot) -> tuple[int, int]:
    """The pieces that images are cut into, and how many of their rows each has."""
    N, H, W, C = images.shape
    rows = max(1, PIECE // max(1, W * C))
    return -(-N * H // rows), rows


# --- max-pooling ----------------------------------------------------------------------------------


@helper
def _keep_larger(best, winner, pixel, place):
    """Where pixel > best, or is the first NaN, it is the new best and `place` the new winner."""
    for c in range(best.size):
        value, old = pixel[c], best[c]
        wins = (not value <= old) & (old == old)
        best[c] = value if wins else old
        winner[c] = place if wins else winner[c]


@kernel
def _pool(piece, x, y, winners, shape, rows):
    N, H, W, C, PH, PW, SH, SW, OH, OW, top, left = shape
    for r in range(piece * rows, min(N * OH, (piece + 1) * rows)):
        n, i = r // OH, r % OH * SH - top
        for j_ in range(OW):
            j = j_ * SW - left
            best = y[(r * OW + j_) * C : (r * OW + j_ + 1) * C]
            winner = winners[(r * OW + j_) * C : (r * OW + j_ + 1) * C]
            u0, v0 = max(0, -i), max(0, -j)
            start = ((n * H + i + u0) * W + j + v0) * C
            copy(best, x, x, start, False)
            first = np.int32(u0 * PW + v0)
            for c in range(C):
                winner[c] = first
            for u in range(u0, min(PH, H - i)):
                for v in range(v0, min(PW, W - j)):
                    start = ((n * H + i + u) * W + j + v) * C
                    _keep_larger(best, winner, x[start : start + C], np.int32(u * PW + v))


@helper
def _add_where(total, values, winner, place):
    zero = total.dtype.type(0)
    for c in range(total.size):
        value = values[c]
        total[c] += value if winner[c] == place else zero


@kernel
def _unpool(piece, dy, winners, dx, shape, rows):
    """Goes by rows of dx; each looks up the windows it is in, so no two threads share a row."""
    N, H, W, C, PH, PW, SH, SW, OH, OW, top, left = shape
    for r in range(piece * rows, min(N * H, (piece + 1) * rows)):
        n, h = r // H, r % H + top
        clear(dx[r * W * C : (r + 1) * W * C])
        # The windows i with i*SH <= h < i*SH + PH contain this row.
        for i in range(max(0, (h - PH + SH) // SH), min(OH, h // SH + 1)):
            u = h - i * SH
            for j in range(OW):
                start = ((n * OH + i) * OW + j) * C
                gradient, winner = dy[start : start + C], winners[start : start + C]
                for v in range(max(0, left - j * SW), min(PW, W + left - j * SW)):
                    place = np.int32(u * PW + v)
                    pixel = (r * W + j * SW + v - left) * C
                    _add_where(dx[pixel : pixel + C], gradient, winner, place)


def max_pool_forward(
    x: Array, pool_size: Pair, strides: Pair, padding: str = "valid"
) -> tuple[Array, Array]:
    """Same as `reference.max_pool_forward`."""
    y, winners = planned(_max_pool, (x,), pool_size, strides, padding)
    return y, winners


def _max_pool(
    plan: Plan, x: Slot, pool_size: Pair, strides: Pair, padding: str
) -> tuple[Slot, Slot]:
    checked(x, 4, "x")
    shape = pool_shape(x.shape, pool_size, strides, padding)
    out = (shape[0], shape[8], shape[9], shape[3])
    y, winners = plan.empty(out, x.dtype), plan.empty(out, np.int32)
    pieces, rows = _rows_of(y)
    plan.step(_pool, pieces, (x, y, winners), (shape, rows))
    return y, winners


def max_pool_backward(
    dy: Array,
    winners: Array,
    x_shape: tuple[int, int, int, int],
    pool_size: Pair,
    strides: Pair,
    padding: str = "valid",
) -> Array:
    """Same as `reference.max_pool_backward`."""
    dx: Array = planned(_max_unpool, (dy, winners), tuple(x_shape), pool_size, strides, padding)
    return dx


def _max_unpool(
    plan: Plan,
    dy: Slot,
    winners: Slot,
    x_shape: Shape,
    pool_size: Pair,
    strides: Pair,
    padding: str,
) -> Slot:
    checked(dy, 4, "dy")
    checked_winners(winners, np.int32)
    shape = pool_shape(x_shape, pool_size, strides, padding)
    same_shape((shape[0], shape[8], shape[9], shape[3]), dy=dy, winners=winners)
    dx = plan.empty(x_shape, dy.dtype)
    pieces, rows = _rows_of(dx)
    plan.step(_unpool, pieces, (dy, winners, dx), (shape, rows))
    return dx


# --- average-pooling ------------------------------------------------------------------------------


@helper
def _add_scaled(total, values, factor):
    for i in range(total.size):
        total[i] += values[i] * factor


@kernel
def _average(piece, x, y, shape, rows):
    N, H, W, C, PH, PW, SH, SW, OH, OW, top, left = shape
    one = x.dtype.type(1)
    for r in range(piece * rows, min(N * OH, (piece + 1) * rows)):
        n, i = r // OH, r % OH * SH - top
        u0, u1 = max(0, -i), min(PH, H - i)
        for j_ in range(OW):
            j = j_ * SW - left
            v0, v1 = max(0, -j), min(PW, W - j)
            mean = y[(r * OW + j_) * C : (r * OW + j_ + 1) * C]
            clear(mean)
            for u in range(u0, u1):
                for v in range(v0, v1):
                    start = ((n * H + i + u) * W + j + v) * C
                    _add_scaled(mean, x[start : start + C], one)
            count = x.dtype.type((u1 - u0) * (v1 - v0))
            for c in range(C):
                mean[c] /= count


@kernel
def _spread(piece, dy, dx, shape, rows):
    """Goes by rows of dx; each looks up the windows it is in, so no two threads share a row."""
    N, H, W, C, PH, PW, SH, SW, OH, OW, top, left = shape
    for r in range(piece * rows, min(N * H, (piece + 1) * rows)):
        n, h = r // H, r % H + top
        clear(dx[r * W * C : (r + 1) * W * C])
        # The windows i with i*SH <= h < i*SH + PH contain this row.
        for i in range(max(0, (h - PH + SH) // SH), min(OH, h // SH + 1)):
            rows = min(PH, H + top - i * SH) - max(0, top - i * SH)
            for j in range(OW):
                v0, v1 = max(0, left - j * SW), min(PW, W + left - j * SW)
                start = ((n * OH + i) * OW + j) * C
                gradient = dy[start : start + C]
                share = dx.dtype.type(1) / dx.dtype.type(rows * (v1 - v0))
                for v in range(v0, v1):
                    pixel = (r * W + j * SW + v - left) * C
                    _add_scaled(dx[pixel : pixel + C], gradient, share)


def average_pool_forward(x: Array, pool_size: Pair, strides: Pair, padding: str = "valid") -> Array:
    """Same as `reference.average_pool_forward`."""
    y: Array = planned(_average_pool, (x,), pool_size, strides, padding)
    return y


def _average_pool(plan: Plan, x: Slot, pool_size: Pair, strides: Pair, padding: str) -> Slot:
    checked(x, 4, "x")
    shape = pool_shape(x.shape, pool_size, strides, padding)
    y = plan.empty((shape[0], shape[8], shape[9], shape[3]), x.dtype)
    pieces, rows = _rows_of(y)
    plan.step(_average, pieces, (x, y), (shape, rows))
    return y


def average_pool_backward(
    dy: Array,
    x_shape: tuple[int, int, int, int],
    pool_size: Pair,
    strides: Pair,
    padding: str = "valid",
) -> Array:
    """Same as `reference.average_pool_backward`."""
    dx: Array = planned(_average_unpool, (dy,), tuple(x_shape), pool_size, strides, padding)
    return dx


def _average_unpool(
    plan: Plan, dy: Slot, x_shape: Shape, pool_size: Pair, strides: Pair, padding: str
) -> Slot:
    checked(dy, 4, "dy")
    shape = pool_shape(x_shape, pool_size, strides, padding)
    same_shape((shape[0], shape[8], shape[9], shape[3]), dy=dy)
    dx = plan.empty(x_shape, dy.dtype)
    pieces, rows = _rows_of(dx)
    plan.step(_spread, pieces, (dy, dx), (shape, rows))
    return dx
