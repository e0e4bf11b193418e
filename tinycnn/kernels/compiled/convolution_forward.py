"""The convolution's outputs: windows times kernel, with relu or a 2x2 max-pool on the way out.

It is the matrix product of `reference/convolution.py`, cols @ kernel, without ever writing cols
down. In NHWC the KW*C inputs under one row of the kernel lie side by side in x, so a window is read
in place, at x[window(m) + origin(k)]. Registers hold a tile of sums, to which one outer product
after the other is added.

Legend, beyond that of `windows.py`: K = KH*KW*C inputs of an output; a tile has P outputs by V
vectors of filters (`tiles.py`); WIDE = V*LANES filters make a panel. Few filters have D
neighbouring lanes of a vector each, for D neighbouring inputs; then WIDE = LANES/D.
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
from tinycnn.kernels.compiled.tile_arithmetic import pool_fours, rectify
from tinycnn.kernels.compiled.tile_sizes import (
    POOL_ROWS,
    ROWS,
    cut_by_filters,
    lanes_of_filter,
    width,
)
from tinycnn.kernels.compiled.tiles import (
    add_parts,
    indices,
    load_row,
    multiply_add_first,
    multiply_add_parts,
    prefetch,
    repeat,
    store_part,
)
from tinycnn.kernels.compiled.windows import (
    NO_WINNERS,
    find_pools,
    find_windows,
    find_windows_by_pixel,
    places_in_order,
    pointwise,
)
from tinycnn.support.geometry import Pair
from tinycnn.utils import Array

_SHORT = 24  # inputs of a row of a window; with fewer, the start of each row costs too much
_FETCHED = 64  # inputs of a 1x1 window, of which the next tiles' are fetched; more cost more time
_NO_INPUTS: Array = np.empty(0, np.int64)
_LITTLE = 4608  # inputs of 16 tiles' sums: a chunk of fewer costs more to prepare than to compute


@kernel
def _forward(
    g,
    floats,
    ints,
    x,
    panels,
    first,
    inputs,
    y,
    winners,
    shape,
    places,
    packed,
    zeros,
    chunk,
    ahead,
    relu,
    pooled,
    ROW,
    COLUMN,
    POOLS,
    PARTS,
):
    """y[m, f] = bias[f] + sum over k of x[window(m) + origin(k)] * kernel[k, f]; then relu or pool.

    A piece is a chunk of outputs. Its windows in x stay in the cache while it goes through all
    panels.

    Args:
        g: the number of the chunk.
        floats: no room.
        ints: room for where windows and outputs are, 2 * `chunk` numbers.
        x: (N, H, W, C), with the zeros of the padding in it.
        panels: the filters as `panels.py` writes them, or the kernel itself if it is such a panel.
        first: where sums start: the bias in the first of every D lanes, and zeros.
        inputs: where the inputs of a window are, as `_inputs` tells.
        y: (N, OH, OW, F) or a larger array, written; with `pooled` (N, OH//2, OW//2, F).
        winners: the shape of y, written with `pooled`: which of the four was the largest, 0 to 3,
            or 4 where relu makes it 0; otherwise empty.
        shape: as in `windows.py`.
        places: where outputs are in y, as `find_windows` takes it.
        packed: `panels` is in panels, and begins with a cache line.
        zeros: how many rows and columns of x are padding: top, bottom, left, right. Products with
            padding only may be left out.
        chunk: how many outputs are one piece of work, a multiple of P.
        ahead: the windows of how many outputs later are fetched while a tile is computed, or 0.
        relu: negative outputs become 0.
        pooled: outputs are counted in fours, each the window of a 2x2 max-pool with stride 2. Only
            the largest of each four is written, with relu.
        ROW: a tuple of V items; only its length matters.
        COLUMN: one of P items, likewise.
        POOLS: one of P // 4 items, likewise.
        PARTS: one of D items, likewise: D neighbouring lanes are one filter's, for D inputs.

    Stages:
        1. Find where the chunk's windows and outputs are.
        2. For each panel and tile: start the sums at the bias. For each row of the kernel, walk
           along the KW*C inputs that lie side by side, and add the outer product of P inputs, one
           for each output, and WIDE weights.
        3. Apply relu or the pool to the tile, still in registers, and store it.
    """
    N, H, W, C, KH, KW, SH, SW, OH, OW, F = shape
    P, D = len(COLUMN), len(PARTS)
    WIDE = len(ROW) * LANES // D
    M, K = N * OH * OW, KH * KW * C
    if pooled:
        M = N * (OH // 2) * (OW // 2) * 4
    if packed:
        panels = from_line(panels)
    top, bottom, left, right = zeros
    # If there are many zeros around the image, a tile is the same pixel of P images. Most tiles can
    # then leave out whole rows and columns of the kernel.
    images_first = not pooled and N >= P and 6 * (top + bottom + left + right) > H + W
    images_first = images_first and C % D == 0
    # A row of a window takes `whole` steps of D inputs, and `rest` of one.
    whole, rest = KW * C // D, KW * C % D
    short = inputs.size > 0
    # Stage 1: where each window starts in x, and each output in y. A last tile that reaches past
    # the end repeats the last output, and writes the same numbers there again.
    windows, outputs = ints[:chunk], ints[chunk : 2 * chunk]
    if pooled:
        find_pools(windows, outputs, g * (chunk // 4), chunk // 4, shape, places[0], places[3])
    elif images_first:
        find_windows_by_pixel(windows, outputs, g * chunk, chunk, shape, places)
    else:
        find_windows(windows, outputs, g * chunk, chunk, shape, places)
    # Stage 2.
    for f0 in range(0, F, WIDE):
        panel = panels[f0 * K :]
        for t in range(0, min(chunk, M - g * chunk), P):
            origins = indices(windows, t, COLUMN)
            tile = repeat(load_row(first, f0, ROW), COLUMN)
            if ahead and f0 == 0:
                prefetch(x, indices(windows, min(t + ahead, chunk - P), COLUMN), 0)
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
            if short and not images_first:
                for s in range(KH * whole):
                    k, q = indices(inputs, 2 * s, (0, 0))
                    row = load_row(panel, q, ROW)
                    tile = multiply_add_parts(tile, x, origins, k, row, PARTS)
                for s in range(KH * whole, KH * (whole + rest)):
                    k, q = indices(inputs, 2 * s, (0, 0))
                    row = load_row(panel, q, ROW)
                    tile = multiply_add_first(tile, x, origins, k, row, PARTS)
                u1 = 0
            for u in range(u0, u1):
                q = (u * (whole + rest) + v0 * C // D) * WIDE * D
                start, stop = (u * W + v0) * C, (u * W + v1) * C
                for k in range(start, stop - rest, D):
                    row = load_row(panel, q, ROW)
                    tile = multiply_add_parts(tile, x, origins, k, row, PARTS)
                    q += WIDE * D
                for k in range(stop - rest, stop):
                    row = load_row(panel, q, ROW)
                    tile = multiply_add_first(tile, x, origins, k, row, PARTS)
                    q += WIDE * D
            tile = add_parts(tile, PARTS)
            # Stage 3.
            if pooled:
                best, winner = pool_fours(tile, ROW)
                at = indices(outputs, t // 4, POOLS)
                store_part(y, at, f0, best, F - f0)
                store_part(winners, at, f0, winner, F - f0)
            else:
                if relu:
                    tile = rectify(tile)
                store_part(y, indices(outputs, t, COLUMN), f0, tile, F - f0)


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
    if winograd.pays(shape, zeros, pooled):
        N, H, W, C, KH, KW, SH, SW, OH, OW, F = shape
        size = -(-F // (width(F) * LANES)) * width(F) * LANES
        first = _filled_up(plan, bias, 0, size, 1, x.dtype)
        return winograd.convolution(
            plan, x, kernel, first, shape, relu, pooled, steps or _in_order(shape), into, places
        )
    y_shape, launches = _forward_plan(shape, relu, zeros, pooled, steps, places)
    y = into or plan.empty(y_shape, x.dtype)
    winners = plan.empty(y_shape, np.uint8) if pooled else plan.constant(NO_WINNERS)
    for f0, (size, D), packing, inputs, pieces, numbers, room in launches:
        first = _filled_up(plan, bias, f0, size, D, x.dtype)
        panels = in_panels(plan, kernel, packing) if packing else kernel
        arrays = (x, panels, first, plan.constant(inputs), y, winners)
        plan.step(_forward, pieces, arrays, numbers, room)
    return y, winners


def _filled_up(plan: Plan, bias: Slot | None, f0: int, size: int, D: int, dtype: Any) -> Slot:
    """The bias from filter f0 on in every D-th of `size` numbers, with zeros between them.

    What comes after the launch's last filter is not stored.
    """
    if bias is None:
        return plan.constant(np.zeros(size, dtype))
    return placing(plan, bias.reshape(1, bias.size, 1, 1), (size // D, D), (-f0, 0))


def _in_order(shape: Shape) -> Shape:
    """The `steps` of a kernel (KH, KW, C, F)."""
    N, H, W, C, KH, KW, SH, SW, OH, OW, F = shape
    return (0, KW * C * F, C * F, F, 1)


def _inputs(shape: Shape, D: int, WIDE: int) -> Array:
    """Where the inputs of a window and their weights are: from the window's start, and in a panel.

    First come steps of D inputs side by side, then the inputs that are left over in each row.
    """
    N, H, W, C, KH, KW, SH, SW, OH, OW, F = shape
    line, whole = KW * C, KW * C // D * D
    inputs = [*range(0, whole, D), *range(whole, line)]  # of a row of a window, step by step
    every = [(u, s, k) for u in range(KH) for s, k in enumerate(inputs)]
    every.sort(key=lambda step: step[2] >= whole)
    where = [(u * W * C + k, (u * len(inputs) + s) * WIDE * D) for u, s, k in every]
    return np.array(where, np.int64)


# The first filter; how many numbers sums start from, and D; the `packing_plan`, or None if the
# kernel is read as it is; `_inputs`; pieces, numbers and room of `_forward`.
_Launch = tuple[int, Pair, Packing | None, Array, int, Numbers, Room]


def _forward_plan(
    shape: Shape,
    relu: bool,
    zeros: Shape,
    pooled: bool,
    steps: Shape | None,
    places: Shape | None,
) -> tuple[Shape, list[_Launch]]:
    """The shape of y, and what a convolution's launches need, beside the arrays."""
    N, H, W, C, KH, KW, SH, SW, OH, OW, F = shape
    how = (relu, zeros, pooled, steps or _in_order(shape))
    y_shape = (N, OH // 2, OW // 2, F) if pooled else (N, OH, OW, F)
    if not pooled and not places:
        shape = pointwise(shape)
    places = places or places_in_order((*shape[:8], *y_shape[1:]) if pooled else shape)
    cut = cut_by_filters(F, KH, KW * C, N * OH * OW)
    launches = [
        _launch(shape, *how, places, slice(sum(cut[:i]), sum(cut[: i + 1])))
        for i in range(len(cut))
    ]
    return y_shape, launches


def _launch(
    shape: Shape,
    relu: bool,
    zeros: Shape,
    pooled: bool,
    steps: Shape,
    places: Shape,
    filters: slice,
) -> _Launch:
    """The launch for some of the filters.

    A chunk is at least 16 tiles, and more if a tile is little work; but fewer if there would be
    less than 32 chunks for the threads to share.
    """
    N, H, W, C, KH, KW, SH, SW, OH, OW, all_filters = shape
    f0, F = filters.start, filters.stop - filters.start
    V, D = width(F), lanes_of_filter(F, KW * C)
    P = (POOL_ROWS if pooled else ROWS)[V]
    M, K, WIDE = N * OH * OW, KH * KW * C, V * LANES // D
    if pooled:
        M = N * (OH // 2) * (OW // 2) * 4
    chunk = P * max(1, min(max(16, min(512, _LITTLE // K)), -(-M // P) // 32))
    # Whether there is one panel, which lies in memory as it is read. All steps have to say so: a
    # flipped kernel with one filter has a last step of 1, too.
    packed = steps != _in_order(shape) or WIDE != all_filters or D > 1
    shape = (*shape[:-1], F)
    steps = (steps[0] + f0 * steps[4], *steps[1:])
    packing = packing_plan(shape, steps, WIDE, D) if packed else None
    tile = ((0,) * V, (0,) * P, (0,) * (P // 4), (0,) * D)
    ahead = 6 * P if KH * KW == 1 and C <= _FETCHED else 0
    places = (places[0] + f0, *places[1:])
    numbers = (shape, places, packed, zeros, chunk, ahead, relu, pooled, *tile)
    inputs = _inputs(shape, D, WIDE) if KW * C < _SHORT else _NO_INPUTS
    size = -(-F // WIDE) * V * LANES
    return f0, (size, D), packing, inputs, -(-M // chunk), numbers, (0, 2 * chunk)
