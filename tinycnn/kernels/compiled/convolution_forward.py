"""The convolution's outputs: windows times kernel, with relu or a 2x2 max-pool on the way out.

It is the matrix product of `reference/convolution.py`, cols @ kernel, without ever writing cols
down. In NHWC the KW*C inputs under one row of the kernel lie side by side in x, so a window is read
in place, at x[window(m) + origin(k)]. Registers hold a tile of sums, to which one outer product
after the other is added.

Legend, beyond that of `windows.py`: K = KH*KW*C inputs of an output; a tile has P outputs by V
vectors of filters (`tiles.py`); WIDE = V*LANES filters make a panel.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
# (Numba compiles the kernels for the types they are called with; the public functions are typed)

from typing import Any

import numpy as np

from tinycnn.kernels.compiled import winograd
from tinycnn.kernels.compiled.blocks import from_line, placing
from tinycnn.kernels.compiled.checks import Shape, checked, same_dtype, same_shape
from tinycnn.kernels.compiled.launch import Numbers, Room, kernel
from tinycnn.kernels.compiled.panels import Packing, in_panels, packing_plan
from tinycnn.kernels.compiled.plans import Plan, Slot
from tinycnn.kernels.compiled.simd import LANES
from tinycnn.kernels.compiled.tiles import (
    POOL_ROWS,
    ROWS,
    indices,
    load_row,
    multiply_add,
    pool_fours,
    rectify,
    repeat,
    store_tile,
    width,
)
from tinycnn.kernels.compiled.windows import (
    NO_WINNERS,
    find_pools,
    find_windows,
    find_windows_by_pixel,
    places_in_order,
    pointwise,
)

_LITTLE = 4608  # inputs of 16 tiles' sums: a chunk of fewer costs more to prepare than to compute


@kernel
def _forward(
    g,
    floats,
    ints,
    x,
    panels,
    first,
    y,
    winners,
    shape,
    places,
    packed,
    zeros,
    chunk,
    relu,
    pooled,
    ROW,
    COLUMN,
    POOLS,
):
    """y[m, f] = bias[f] + sum over k of x[window(m) + origin(k)] * kernel[k, f]; then relu or pool.

    A piece is a chunk of outputs. Its windows in x stay in the cache while it goes through all
    panels.

    Args:
        g: the number of the chunk.
        floats: room for a tile.
        ints: room for where windows and outputs are, 2 * `chunk` numbers, and for a tile's rows and
            winners.
        x: (N, H, W, C), with the zeros of the padding in it.
        panels: the filters as `panels.py` writes them, or the kernel itself if it is such a panel.
        first: the bias, followed by zeros that fill up the last panel.
        y: (N, OH, OW, F) or a larger array, written; with `pooled` (N, OH//2, OW//2, F).
        winners: the shape of y, written with `pooled`: which of the four was the largest, 0 to 3,
            or 4 where relu makes it 0; otherwise empty.
        shape: as in `windows.py`.
        places: where outputs are in y, as `find_windows` takes it; not read with `pooled`.
        packed: `panels` is in panels, and begins with a cache line.
        zeros: how many rows and columns of x are padding: top, bottom, left, right. Products with
            padding only may be left out.
        chunk: how many outputs are one piece of work, a multiple of P.
        relu: negative outputs become 0.
        pooled: outputs are counted in fours, each the window of a 2x2 max-pool with stride 2. Only
            the largest of each four is written, with relu.
        ROW: a tuple of V items; only its length matters.
        COLUMN: one of P items, likewise.
        POOLS: one of P // 4 items, likewise.

    Stages:
        1. Find where the chunk's windows and outputs are.
        2. For each panel and tile: start the sums at the bias. For each row of the kernel, walk
           along the KW*C inputs that lie side by side, and add the outer product of P inputs, one
           for each output, and WIDE weights.
        3. Apply relu or the pool to the tile, still in registers, and store it.
    """
    N, H, W, C, KH, KW, SH, SW, OH, OW, F = shape
    P, WIDE = len(COLUMN), len(ROW) * LANES
    M, K = N * OH * OW, KH * KW * C
    if pooled:
        M = N * (OH // 2) * (OW // 2) * 4
    if packed:
        panels = from_line(panels)
    top, bottom, left, right = zeros
    # If there are many zeros around the image, a tile is the same pixel of P images. Most tiles can
    # then leave out whole rows and columns of the kernel.
    images_first = not pooled and N >= P and 8 * (top + bottom + left + right) > H + W
    # Stage 1: where each window starts in x, and each output in y. A last tile that reaches past
    # the end repeats the last output, and writes the same numbers there again.
    windows, outputs = ints[:chunk], ints[chunk : 2 * chunk]
    # A tile that reaches past the last filter is stored here, and copied from here.
    edge, edge_rows = floats, ints[2 * chunk : 2 * chunk + P]
    edge_winners = ints[2 * chunk + P :].view(np.uint8)
    for p in range(P):
        edge_rows[p] = p * WIDE
    if pooled:
        find_pools(windows, outputs, g * (chunk // 4), chunk // 4, shape)
    elif images_first:
        find_windows_by_pixel(windows, outputs, g * chunk, chunk, shape, places)
    else:
        find_windows(windows, outputs, g * chunk, chunk, shape, places)
    # Stage 2.
    for f0 in range(0, F, WIDE):
        for t in range(0, min(chunk, M - g * chunk), P):
            origins = indices(windows, t, COLUMN)
            tile = repeat(load_row(first, f0, ROW), COLUMN)
            u0, u1, v0, v1 = 0, KH, 0, KW
            if images_first:
                # P outputs of N >= P images lie on one pixel, or on two that follow each other:
                # a is the pixel of the tile's first output, b that of its last. From either of
                # them, only the kernel's rows u0 to u1 and columns v0 to v1 meet the image.
                a, b = (g * chunk + t) // N, min(g * chunk + t + P - 1, M - 1) // N
                i0, i1, j0, j1 = a // OW, b // OW, a % OW, b % OW
                u0, u1 = max(0, top - i1 * SH), min(KH, H - bottom - i0 * SH)
                v0 = max(0, left - max(j0, j1) * SW)
                v1 = max(v0, min(KW, W - right - min(j0, j1) * SW))
            for u in range(u0, u1):
                q = f0 * K + (u * KW + v0) * C * WIDE
                for k in range((u * W + v0) * C, (u * W + v1) * C):
                    tile = multiply_add(tile, x, origins, k, load_row(panels, q, ROW))
                    q += WIDE
            # Stage 3.
            if pooled:
                best, winner = pool_fours(tile, ROW)
                if f0 + WIDE <= F:
                    places = indices(outputs, t // 4, POOLS)
                    store_tile(y, places, f0, best)
                    store_tile(winners, places, f0, winner)
                else:
                    places = indices(edge_rows, 0, POOLS)
                    store_tile(edge, places, 0, best)
                    store_tile(edge_winners, places, 0, winner)
                    for p in range(P // 4):
                        for f in range(f0, F):
                            y[outputs[t // 4 + p] + f] = edge[p * WIDE + f - f0]
                            winners[outputs[t // 4 + p] + f] = edge_winners[p * WIDE + f - f0]
                continue
            if relu:
                tile = rectify(tile)
            if f0 + WIDE <= F:
                store_tile(y, indices(outputs, t, COLUMN), f0, tile)
            else:
                store_tile(edge, indices(edge_rows, 0, COLUMN), 0, tile)
                for p in range(P):
                    for f in range(f0, F):
                        y[outputs[t + p] + f] = edge[p * WIDE + f - f0]


def convolution(
    plan: Plan,
    x: Slot,
    kernel: Slot,
    bias: Slot | None,
    shape: Shape,
    relu: bool,
    zeros: Shape,
    pooled: bool = False,
    steps: Shape | None = None,
    into: Slot | None = None,
    places: Shape | None = None,
) -> tuple[Slot, Slot]:
    """The outputs and winners of a padded x.

    Args:
        plan: to which the steps that write them are added.
        x: (N, H, W, C).
        kernel: (KH, KW, C, F), or in another order, which `steps` says.
        bias: (F,), or None.
        shape: as in `windows.py`.
        relu: whether negative outputs become 0.
        zeros: how many rows and columns of x are padding: top, bottom, left, right.
        pooled: whether the outputs go through relu and a 2x2 max-pool.
        steps: where the kernel's first number is in `kernel`, and how far it is from there to the
            next row, column, channel and filter.
        into: the array that the outputs are written to, or None for one of their own.
        places: where they are in it, as `find_windows` takes it.
    """
    if bias is not None:
        checked(bias, 1, "bias")
        same_dtype(x=x, bias=bias)
        same_shape(shape[-1:], bias=bias)
    pieces, y_shape, size, packing, numbers, room = _forward_plan(
        shape, relu, zeros, pooled, steps, places
    )
    first = _filled_up(plan, bias, size, x.dtype)
    if winograd.pays(shape, zeros, pooled):
        return winograd.convolution(
            plan, x, kernel, first, shape, relu, pooled, steps or _in_order(shape), into, places
        )
    y = into or plan.empty(y_shape, x.dtype)
    winners = plan.empty(y_shape, np.uint8) if pooled else plan.constant(NO_WINNERS)
    panels = in_panels(plan, kernel, packing) if packing else kernel
    plan.step(_forward, pieces, (x, panels, first, y, winners), numbers, room)
    return y, winners


def _filled_up(plan: Plan, bias: Slot | None, size: int, dtype: Any) -> Slot:
    """The bias followed by zeros, `size` numbers in all; only zeros if there is no bias."""
    if bias is None:
        return plan.constant(np.zeros(size, dtype))
    return placing(plan, bias.reshape(1, 1, bias.size, 1), (1, size), (0, 0))


def _in_order(shape: Shape) -> Shape:
    """The `steps` of a kernel (KH, KW, C, F)."""
    N, H, W, C, KH, KW, SH, SW, OH, OW, F = shape
    return (0, KW * C * F, C * F, F, 1)


def _forward_plan(
    shape: Shape,
    relu: bool,
    zeros: Shape,
    pooled: bool,
    steps: Shape | None,
    places: Shape | None,
) -> tuple[int, Shape, int, Packing | None, Numbers, Room]:
    """What a convolution's launch needs, beside the arrays.

    It is the pieces of `_forward`; the shape of y; the size of the bias with its zeros; the
    `packing_plan`, or None if the kernel is read as it is; numbers and room of `_forward`.

    A chunk is at least 16 tiles, and more if a tile is little work; but fewer if there would be
    less than 32 chunks for the threads to share.
    """
    N, H, W, C, KH, KW, SH, SW, OH, OW, F = shape
    V = width(F)
    P = (POOL_ROWS if pooled else ROWS)[V]
    M, K, WIDE = N * OH * OW, KH * KW * C, V * LANES
    count = -(-F // WIDE)
    if pooled:
        OH, OW = OH // 2, OW // 2
        M = N * OH * OW * 4
    chunk = P * max(1, min(max(16, min(512, _LITTLE // K)), -(-M // P) // 32))
    in_order = _in_order(shape)
    shape = shape if pooled or places else pointwise(shape)
    # Whether there is one panel, which lies in memory as it is read. All steps have to say so: a
    # flipped kernel with one filter has a last step of 1, too.
    packed = (steps or in_order) != in_order or WIDE != F
    packing = packing_plan(shape, steps or in_order) if packed else None
    tile = ((0,) * V, (0,) * P, (0,) * (P // 4))
    numbers = (shape, places or places_in_order(shape), packed, zeros, chunk, relu, pooled, *tile)
    room = (P * WIDE, 2 * chunk + P + P * WIDE // 32)
    return -(-M // chunk), (N, OH, OW, F), count * WIDE, packing, numbers, room
