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

from typing import Any

from tinycnn.kernels.compiled.blocks import add, clear, copy, from_line
from tinycnn.kernels.compiled.checks import Shape
from tinycnn.kernels.compiled.launch import Numbers, Room, kernel
from tinycnn.kernels.compiled.plans import Plan, Slot
from tinycnn.kernels.compiled.simd import LANES
from tinycnn.kernels.compiled.tile_arithmetic import where_equal, where_positive
from tinycnn.kernels.compiled.tile_sizes import ROWS, width
from tinycnn.kernels.compiled.tiles import indices, load_row, load_tile, multiply_add, store_tile
from tinycnn.kernels.compiled.windows import NO_WINNERS, find_pools, find_windows, pointwise

_ADDED = 4096  # numbers that are added up as one piece of work


@kernel
def _dkernel(
    item,
    floats,
    ints,
    x,
    dy,
    y,
    winners,
    sums,
    shape,
    groups,
    each,
    slabs,
    chunk,
    masked,
    pooled,
    ROW,
    COLUMN,
    HALF,
):
    """dkernel[k, f] = sum over m of x[window(m) + origin(k)] * dy[m, f]; dbias[f] sums dy[m, f].

    A piece is a group of outputs, one panel of filters or all of them, and a slab of dkernel's
    rows. It owns its sums.

    Args:
        item: the number of the piece.
        floats: room for the dy of a chunk: `chunk` * WIDE numbers, and a line.
        ints: room for where windows, outputs and rows of dkernel are.
        x: (N, H, W, C), with the zeros of the padding in it.
        dy: (N, OH, OW, F); with `pooled` the gradient with respect to the pools' outputs,
            (N, OH//2, OW//2, F).
        y: with `masked` the shape of dy; otherwise not read.
        winners: with `pooled` the shape of dy: which of its four outputs a pool's gradient belongs
            to, or 4 for none; otherwise empty.
        sums: written: K + 2 rows of WIDE numbers for each group and panel: those of dkernel, one
            for dbias, and one that nobody reads. 64 numbers longer, to be aligned.
        shape: as in `windows.py`.
        groups: how many parts the outputs are cut into, each with sums of its own.
        each: how many panels are one piece's.
        slabs: how many parts dkernel's rows are cut into.
        chunk: how many outputs a tile takes before it is stored; with `pooled` a multiple of 4.
        masked: the outputs went through relu: dy counts where y > 0.
        pooled: outputs are counted in fours, each the window of a 2x2 max-pool with stride 2.
        ROW: a tuple of V items; only its length matters.
        COLUMN: one of P items, likewise.
        HALF: one of P // 2 items, likewise.

    Stages:
        1. Set the sums to 0, and find where the rows of dkernel are.
        2. For each chunk of the group, find its windows. For each panel, copy the chunk's dy into
           `rows`, WIDE numbers for each output. Relu's mask or the pools' winners are applied on
           the way.
        3. For each block of the slab: load its tile of sums; add the outer product of P inputs and
           one of `rows` for each output of the chunk; store it.
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
    places = (0, OH * OW * F, OW * F, F)
    # Stage 1.
    parts = panels // each
    g, part, slab = item // (parts * slabs), item // slabs % parts, item % slabs
    b0, b1 = blocks * slab // slabs, blocks * (slab + 1) // slabs
    size, dbias = (K + 2) * WIDE, K * WIDE
    for panel in range(part * each, (part + 1) * each):
        own = sums[(g * panels + panel) * size :]
        clear(own[b0 * P * WIDE : min(b1 * P, K) * WIDE])
        if slab == 0:
            clear(own[min(blocks * P, K) * WIDE : size])
    windows, outputs = ints[:chunk], ints[chunk : 2 * chunk]
    # Where row k of dkernel is in a panel's sums, and how far input k is from its window's start.
    end = blocks * P + len(HALF)
    targets, origins = ints[2 * chunk : 2 * chunk + end], ints[2 * chunk + end :]
    for k in range(end):
        # The last block is filled up with its last row, the rows left over with the unread row.
        targets[k] = (min(k, K - 1) if k < max(blocks * P, K) else K + 1) * WIDE
        origins[k] = (KH - 1) * W * C + KW * C - 1
    for u in range(KH):
        for i in range(KW * C):
            origins[u * KW * C + i] = u * W * C + i
    rows, one = floats[: chunk * WIDE], floats[chunk * WIDE :]
    clear(rows)
    one[0] = 1
    # Stage 2.
    m1 = M // unit * (g + 1) // groups * unit
    for m0 in range(M // unit * g // groups * unit, m1, chunk):
        count = min(chunk, m1 - m0)
        if pooled:
            find_pools(windows, outputs, m0 // 4, count // 4, shape, 0, F)
        else:
            find_windows(windows, outputs, m0, count, shape, places)
        for panel in range(part * each, (part + 1) * each):
            f0, own = panel * WIDE, sums[(g * panels + panel) * size :]
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
                starts = indices(targets, blocks * P, HALF)
                offsets = indices(origins, blocks * P, HALF)
                rest, total = load_tile(own, starts, ROW), load_row(own, dbias, ROW)
                for t in range(count):
                    row = load_row(rows, t * WIDE, ROW)
                    rest = multiply_add(rest, x, offsets, windows[t], row)
                    total = multiply_add(total, one, (0,), 0, row)
                store_tile(own, starts, 0, rest)
                store_tile(own, (dbias,), 0, total)
            for b in range(b0, b1):
                starts, offsets = indices(targets, b * P, COLUMN), indices(origins, b * P, COLUMN)
                tile = load_tile(own, starts, ROW)
                for t in range(count):
                    tile = multiply_add(tile, x, offsets, windows[t], load_row(rows, t * WIDE, ROW))
                store_tile(own, starts, 0, tile)


@kernel
def _finish(piece, sums, dkernel, dbias, K, F, WIDE, groups, rows):
    """Adds the groups' sums up in their order, and writes dkernel and, from the last row, dbias.

    A piece is `rows` rows of a panel. The numbers that fill up the last panel are left out.
    """
    sums = from_line(sums)
    panels = (F + WIDE - 1) // WIDE
    size = panels * (K + 2) * WIDE
    slices = (K + rows) // rows  # of the K + 1 rows
    panel, k0 = piece // slices, piece % slices * rows
    start, stop = (panel * (K + 2) + k0) * WIDE, (panel * (K + 2) + min(K + 1, k0 + rows)) * WIDE
    for g in range(1, groups):
        add(sums[start:stop], sums[g * size + start : g * size + stop])
    f0, f1 = panel * WIDE, min(F, (panel + 1) * WIDE)
    for k in range(k0, min(K + 1, k0 + rows)):
        target = dkernel[k * F + f0 : k * F + f1] if k < K else dbias[f0:f1]
        copy(target, sums, sums, (panel * (K + 2) + k) * WIDE, False)


def kernel_gradient(
    plan: Plan,
    x: Slot,
    dy: Slot,
    y: Slot | None,
    kernel: Slot,
    shape: Shape,
    winners: Slot | None = None,
) -> tuple[Slot, Slot]:
    """dkernel and dbias of a padded x.

    Args:
        plan: to which the steps that write them are added.
        x: (N, H, W, C).
        dy: (N, OH, OW, F), or with `winners` the gradient with respect to the pool's outputs.
        y: with relu its output: dy counts where y > 0.
        kernel: of whose shape dkernel is.
        shape: as in `windows.py`.
        winners: of the 2x2 max-pool, if there is one.
    """
    pieces, size, numbers, room, finishing = _dkernel_plan(
        shape, y is not None, winners is not None
    )
    sums = plan.empty((size + 64,), x.dtype)
    dkernel, dbias = plan.empty(kernel.shape, x.dtype), plan.empty(shape[-1:], x.dtype)
    arrays = (x, dy, y or dy, winners or plan.constant(NO_WINNERS), sums)
    plan.step(_dkernel, pieces, arrays, numbers, room)
    plan.step(_finish, finishing[0], (sums, dkernel, dbias), finishing[1])
    return dkernel, dbias


def _dkernel_plan(
    shape: Shape, masked: bool, pooled: bool
) -> tuple[int, int, Numbers, Room, tuple[int, Any]]:
    """Pieces of `_dkernel`; the size of `sums`; numbers, room; pieces, numbers of `_finish`."""
    N, H, W, C, KH, KW, SH, SW, OH, OW, F = shape
    M, K = N * OH * OW, KH * KW * C
    V = width(F)
    P, WIDE = ROWS[V], V * LANES
    panels, blocks = -(-F // WIDE), (K + P - 1 - P // 2) // P
    # Aim at 16 pieces of work or more. First cut the kernel's rows into slabs, as long as copying
    # the outputs for each slab costs little in comparison. Then make groups of 256 outputs or more;
    # each has sums of its own, which cost memory. If that is not enough, make smaller slabs. A sum
    # of more than 8192 numbers in a row would lose digits. Where 16 groups have many outputs and
    # small sums, or there are 16 pieces anyway, each takes all panels: a chunk's windows are found
    # once, and read while they are in the cache.
    slabs = max(1, min(blocks // 32, 16 // panels))
    groups = max(-(-16 // (panels * slabs)), M // 8192)
    groups = max(1, min(16, groups, M // 256, (1 << 22) // (panels * K * WIDE)))
    slabs = max(1, min(blocks, max(slabs, -(-16 // (groups * panels)))))
    each = 1
    if groups < 16 <= M // 1024 and 16 * panels * K * WIDE <= 1 << 20 and slabs == 1:
        groups = 16
    if groups * slabs >= 16:
        each = panels
    chunk = max(4, 4096 // WIDE)
    shape = shape if pooled else pointwise(shape)
    tile = ((0,) * V, (0,) * P, (0,) * (P // 2))
    numbers = (shape, groups, each, slabs, chunk, masked, pooled, *tile)
    room = (chunk * WIDE + 1, 2 * chunk + 2 * (blocks * P + P // 2))
    rows = max(1, _ADDED // (groups * WIDE))
    finishing = (panels * -(-(K + 1) // rows), (K, F, WIDE, groups, rows))
    pieces = groups * (panels // each) * slabs
    return pieces, groups * panels * (K + 2) * WIDE, numbers, room, finishing
