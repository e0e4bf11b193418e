"""The gradients with respect to the kernel and the bias: windows, transposed, times dy.

It is the matrix product of `reference/convolution.py`, cols^T @ dy, without ever writing cols down:
see `convolution_forward.py`. There, an output's sum runs over the K inputs of its window. Here, a
weight's sum runs over all M outputs, so tiles come and go: a tile is loaded, the outer products of
a chunk of outputs are added to it, and it is stored again.

Legend, beyond that of `windows.py`: K = KH*KW*C rows of dkernel, one for each input of a window; a
tile has P rows of dkernel by V vectors of filters (`tiles.py`): a block of rows by a panel of WIDE
= V*LANES filters.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
# (Numba compiles the kernels for the types they are called with; the public functions are typed)

import functools

import numpy as np
from numba import prange

from tinycnn.kernels.compiled.blocks import add_groups, copy, from_line
from tinycnn.kernels.compiled.checks import Shape
from tinycnn.kernels.compiled.jit import jit
from tinycnn.kernels.compiled.simd import LANES
from tinycnn.kernels.compiled.tiles import (
    ROWS,
    indices,
    load_row,
    load_tile,
    multiply_add,
    store_tile,
    where_equal,
    where_positive,
    width,
)
from tinycnn.kernels.compiled.windows import NO_WINNERS, find_pools, find_windows, pointwise
from tinycnn.utils import Array


@jit(parallel=True)
def _dkernel(
    x, dy, y, winners, sums, out, shape, groups, slabs, chunk, masked, pooled, ROW, COLUMN, HALF
):
    """dkernel[k, f] = sum over m of x[window(m) + origin(k)] * dy[m, f]; dbias[f] sums dy[m, f].

    Args:
        x: (N, H, W, C), with the zeros of the padding in it.
        dy: (N, OH, OW, F); with `pooled` the gradient with respect to the pools' outputs,
            (N, OH//2, OW//2, F).
        y: with `masked` the shape of dy; otherwise not read.
        winners: with `pooled` the shape of dy: which of its four outputs a pool's gradient belongs
            to, or 4 for none; otherwise empty.
        sums: room for groups * panels * (K + 2) * WIDE numbers, and 64 more to align them.
        out: (K + 1, F), written: dkernel, and dbias as its last row.
        shape: as in `windows.py`.
        groups: how many parts the outputs are cut into, each with sums of its own.
        slabs: how many parts dkernel's rows are cut into.
        chunk: how many outputs a tile takes before it is stored; with `pooled` a multiple of 4.
        masked: the outputs went through relu: dy counts where y > 0.
        pooled: outputs are counted in fours, each the window of a 2x2 max-pool with stride 2.
        ROW: a tuple of V items; only its length matters.
        COLUMN: one of P items, likewise.
        HALF: one of P // 2 items, likewise.

    Stages:
        1. Cut the work into items, for the threads: a group of outputs, a panel of filters, a slab
           of dkernel's rows. Each item owns its sums, and sets them to 0.
        2. For each chunk of the group: find its windows, and copy its dy into `rows`, WIDE numbers
           for each output. Relu's mask or the pools' winners are applied on the way.
        3. For each block of the slab: load its tile of sums; add the outer product of P inputs and
           one of `rows` for each output of the chunk; store it.
        4. When all items are done, add the groups up in their order, and copy the sums into `out`,
           without the numbers that fill up the last panel.
    """
    N, H, W, C, KH, KW, SH, SW, OH, OW, F = shape
    P, WIDE = len(COLUMN), len(ROW) * LANES
    M, K = N * OH * OW, KH * KW * C
    if pooled:
        M = N * (OH // 2) * (OW // 2) * 4
    # Rows of dkernel come in blocks of P. If up to P // 2 rows are left over, they share a pass
    # with dbias; if more, they are one more block, which is filled up.
    panels, blocks = (F + WIDE - 1) // WIDE, (K + P - 1 - len(HALF)) // P
    sums = from_line(sums)
    unit = 4 if pooled else 1  # outputs that stay together
    for item in prange(groups * panels * slabs):
        # Stage 1. `sums` holds K + 2 rows of WIDE for each group and panel: those of dkernel, one
        # for dbias, and one that nobody reads.
        g, panel, slab = item // (panels * slabs), item // slabs % panels, item % slabs
        f0, first = panel * WIDE, (g * panels + panel) * (K + 2) * WIDE
        b0, b1 = blocks * slab // slabs, blocks * (slab + 1) // slabs
        sums[first + b0 * P * WIDE : first + min(b1 * P, K) * WIDE] = 0
        dbias = first + K * WIDE
        if slab == 0:
            sums[first + min(blocks * P, K) * WIDE : dbias + 2 * WIDE] = 0
        one = np.ones(1, x.dtype)
        windows = np.empty(chunk, np.int64)
        outputs = np.empty(chunk, np.int64)
        # Where row k of dkernel is in `sums`, and how far input k is from its window's start.
        end = blocks * P + len(HALF)
        places, origins = np.empty(end, np.int64), np.empty(end, np.int64)
        for k in range(end):
            # The last block is filled up with its last row, the rows left over with the unread row.
            places[k] = first + (min(k, K - 1) if k < max(blocks * P, K) else K + 1) * WIDE
            origins[k] = (KH - 1) * W * C + KW * C - 1
        for u in range(KH):
            for i in range(KW * C):
                origins[u * KW * C + i] = u * W * C + i
        rows = from_line(np.zeros(chunk * WIDE + 64, x.dtype))
        # Stage 2.
        m1 = M // unit * (g + 1) // groups * unit
        for m0 in range(M // unit * g // groups * unit, m1, chunk):
            count = min(chunk, m1 - m0)
            if pooled:
                find_pools(windows, outputs, m0 // 4, count // 4, shape)
            else:
                find_windows(windows, m0, count, shape)
            for t in range(0, count, unit):
                start = (outputs[t // 4] if pooled else (m0 + t) * F) + f0
                if start + WIDE <= dy.size:
                    # Past the end of a row this reads the next one, into sums that nobody reads.
                    row = load_row(dy, start, ROW)
                    if pooled:
                        codes = load_row(winners, start, ROW)
                        for place in range(4):
                            won = where_equal(codes, place, row)
                            store_tile(rows, ((t + place) * WIDE,), 0, won)
                    elif masked:
                        positive = where_positive(load_row(y, start, ROW), row)
                        store_tile(rows, (t * WIDE,), 0, positive)
                    else:
                        store_tile(rows, (t * WIDE,), 0, row)
                elif pooled:
                    for i in range(4 * min(WIDE, F - f0)):
                        f, place = i // 4, i % 4
                        value = dy[start + f] if winners[start + f] == place else x.dtype.type(0)
                        rows[(t + place) * WIDE + f] = value
                else:
                    copy(rows[t * WIDE : t * WIDE + min(WIDE, F - f0)], dy, y, start, masked)
            # Stage 3: first the rows left over and dbias, whose input is 1 in every window.
            if slab == 0:
                starts = indices(places, blocks * P, HALF)
                offsets = indices(origins, blocks * P, HALF)
                rest, total = load_tile(sums, starts, ROW), load_row(sums, dbias, ROW)
                for t in range(count):
                    row = load_row(rows, t * WIDE, ROW)
                    rest = multiply_add(rest, x, offsets, windows[t], row)
                    total = multiply_add(total, one, (0,), 0, row)
                store_tile(sums, starts, 0, rest)
                store_tile(sums, (dbias,), 0, total)
            for b in range(b0, b1):
                starts, offsets = indices(places, b * P, COLUMN), indices(origins, b * P, COLUMN)
                tile = load_tile(sums, starts, ROW)
                for t in range(count):
                    tile = multiply_add(tile, x, offsets, windows[t], load_row(rows, t * WIDE, ROW))
                store_tile(sums, starts, 0, tile)
    # Stage 4.
    add_groups(sums, groups, panels * (K + 2) * WIDE)
    for i in range(panels * (K + 1)):
        panel, k = i // (K + 1), i % (K + 1)
        target = out[k * F + panel * WIDE : k * F + min(F, (panel + 1) * WIDE)]
        copy(target, sums, sums, (panel * (K + 2) + k) * WIDE, False)


def kernel_gradients(
    x: Array, dy: Array, y: Array | None, shape: Shape, winners: Array | None = None
) -> tuple[Array, Array]:
    """dkernel (flat) and dbias, from a padded x; with relu's output `y`, dy counts where y > 0.

    With `winners`, dy is the gradient with respect to the pool's outputs.
    """
    pooled = winners is not None  # it may be empty: an image too small for a single pool
    winners = NO_WINNERS if winners is None else winners
    shape, groups, slabs, chunk, sums, tile = _dkernel_pieces(shape, pooled)
    K, F = shape[3] * shape[4] * shape[5], shape[-1]
    gradients = np.empty((K + 1) * F, x.dtype)
    _dkernel(
        x.reshape(-1),
        dy.reshape(-1),
        (dy if y is None else y).reshape(-1),
        winners.reshape(-1),
        np.empty(sums + 64, x.dtype),
        gradients,
        shape,
        groups,
        slabs,
        chunk,
        y is not None,
        pooled,
        *tile,
    )
    return gradients[: K * F], gradients[K * F :]


@functools.lru_cache(1024)
def _dkernel_pieces(
    shape: Shape, pooled: bool
) -> tuple[Shape, int, int, int, int, tuple[Shape, ...]]:
    """The shape as `_dkernel` takes it; groups, slabs, chunk; numbers in `sums`; the tile."""
    N, H, W, C, KH, KW, SH, SW, OH, OW, F = shape
    M, K = N * OH * OW, KH * KW * C
    V = width(F)
    P, WIDE = ROWS[V], V * LANES
    panels, blocks = -(-F // WIDE), (K + P - 1 - P // 2) // P
    # Aim at 16 pieces of work or more. First cut the kernel's rows into slabs, as long as copying
    # the outputs for each slab costs little in comparison. Then make groups of 256 outputs or more;
    # each has sums of its own, which cost memory. If that is not enough, make smaller slabs. A sum
    # of more than 8192 numbers in a row would lose digits.
    slabs = max(1, min(blocks // 32, 16 // panels))
    groups = max(-(-16 // (panels * slabs)), M // 8192)
    groups = max(1, min(16, groups, M // 256, (1 << 22) // (panels * K * WIDE)))
    slabs = max(1, min(blocks, max(slabs, -(-16 // (groups * panels)))))
    chunk = max(4, 4096 // WIDE)
    sums = groups * panels * (K + 2) * WIDE
    shape = shape if pooled else pointwise(shape)
    return shape, groups, slabs, chunk, sums, ((0,) * V, (0,) * P, (0,) * (P // 2))
