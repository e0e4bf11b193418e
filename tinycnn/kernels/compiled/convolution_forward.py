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

import functools

import numba
import numpy as np
from numba import prange

from tinycnn.kernels.compiled.blocks import copy, from_line
from tinycnn.kernels.compiled.checks import Shape, ready, same_dtype, same_shape
from tinycnn.kernels.compiled.jit import jit
from tinycnn.kernels.compiled.simd import LANES
from tinycnn.kernels.compiled.tiles import (
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
    pointwise,
)
from tinycnn.utils import Array

_BLOCK = 64  # channels that are packed as one piece of work


@numba.njit
def _padded(bias, size):
    """The bias followed by zeros, `size` numbers in all; only zeros if there is no bias."""
    padded = np.zeros(size, bias.dtype)
    for i in range(bias.size):
        padded[i] = bias[i]
    return padded


@numba.njit(parallel=True)
def _packed(kernel, steps, shape, WIDE):
    """The filters in panels of WIDE, each (K, WIDE), the last one filled up with zeros.

    Each step of a tile then reads WIDE neighbouring weights, and the next step the WIDE after them.
    """
    N, H, W, C, KH, KW, SH, SW, OH, OW, F = shape
    start, tap_row, tap_column, row_step, filter_step = steps
    taps, count, blocks = KH * KW, (F + WIDE - 1) // WIDE, (C + _BLOCK - 1) // _BLOCK
    panels = from_line(np.empty(count * taps * C * WIDE + 64, kernel.dtype))
    zero = kernel.dtype.type(0)
    for piece in prange(count * taps * blocks):
        block, tap, panel = piece % blocks, piece // blocks % taps, piece // (blocks * taps)
        f0, width = panel * WIDE, min(WIDE, F - panel * WIDE)
        source = start + tap // KW * tap_row + tap % KW * tap_column + f0 * filter_step
        for c in range(block * _BLOCK, min(C, (block + 1) * _BLOCK)):
            target = ((panel * taps + tap) * C + c) * WIDE
            row = panels[target : target + WIDE]
            if filter_step == 1:
                copy(row[:width], kernel, kernel, source + c * row_step, False)
            else:
                for f in range(width):
                    row[f] = kernel[source + c * row_step + f * filter_step]
            row[width:] = zero
    return panels


@jit(parallel=True)
def _forward(
    x,
    kernel,
    bias,
    y,
    winners,
    shape,
    steps,
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

    Args:
        x: (N, H, W, C), with the zeros of the padding in it.
        kernel: the filters, in the order that `steps` gives.
        bias: (F,), or empty for none.
        y: (N, OH, OW, F), written; with `pooled` (N, OH//2, OW//2, F).
        winners: the shape of y, written with `pooled`: which of the four was the largest, 0 to 3,
            or 4 where relu makes it 0; otherwise empty.
        shape: as in `windows.py`.
        steps: the index of the first weight in `kernel`, and how far it is from there to the next
            row, column, channel and filter.
        packed: `kernel` is a single panel already, (K, WIDE).
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
        1. Pack the filters into panels, and the bias with them.
        2. Cut the outputs into chunks, for the threads. A chunk's windows in x stay in the cache
           while it goes through all panels.
        3. For each panel and tile: start the sums at the bias. For each row of the kernel, walk
           along the KW*C inputs that lie side by side, and add the outer product of P inputs, one
           for each output, and WIDE weights.
        4. Apply relu or the pool to the tile, still in registers, and store it.
    """
    N, H, W, C, KH, KW, SH, SW, OH, OW, F = shape
    P, WIDE = len(COLUMN), len(ROW) * LANES
    M, K = N * OH * OW, KH * KW * C
    if pooled:
        M = N * (OH // 2) * (OW // 2) * 4
    # Stage 1.
    panels = kernel
    if not packed:
        panels = _packed(kernel, steps, shape, WIDE)
    first = _padded(bias, (F + WIDE - 1) // WIDE * WIDE)
    top, bottom, left, right = zeros
    # If there are many zeros around the image, a tile is the same pixel of P images. Most tiles can
    # then leave out whole rows and columns of the kernel.
    images_first = not pooled and N >= P and 8 * (top + bottom + left + right) > H + W
    for g in prange((M + chunk - 1) // chunk):
        # Stage 2: where each window starts in x, and each output in y. A last tile that reaches
        # past the end repeats the last output, and writes the same numbers there again.
        windows = np.empty(chunk, np.int64)
        outputs = np.empty(chunk, np.int64)
        # A tile that reaches past the last filter is stored here, and copied from here.
        edge = np.empty(P * WIDE, x.dtype)
        edge_winners = np.empty(P * WIDE, np.uint8)
        edge_rows = np.empty(P, np.int64)
        for p in range(P):
            edge_rows[p] = p * WIDE
        if pooled:
            find_pools(windows, outputs, g * (chunk // 4), chunk // 4, shape)
        elif images_first:
            find_windows_by_pixel(windows, outputs, g * chunk, chunk, shape)
        else:
            find_windows(windows, g * chunk, chunk, shape)
            for t in range(chunk):
                outputs[t] = min(g * chunk + t, M - 1) * F
        # Stage 3.
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
                # Stage 4.
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


def convolve(
    x: Array,
    kernel: Array,
    bias: Array | None,
    shape: Shape,
    relu: bool,
    zeros: Shape,
    pooled: bool = False,
    steps: Shape | None = None,
) -> tuple[Array, Array]:
    """Runs the forward kernel on a padded x; `zeros` is its padding: top, bottom, left, right.

    `steps` is for a kernel that is read in another order: where its first number is in `kernel`,
    and how far it is from there to the next row, column, channel and filter.
    """
    bias = np.empty(0, x.dtype) if bias is None else ready(bias, 1, "bias")
    if bias.size:
        same_dtype(x=x, bias=bias)
        same_shape(shape[-1:], bias=bias)
    shape, y_shape, in_order, chunk, tile = _forward_pieces(shape, pooled)
    steps = steps or in_order
    # Whether there is one panel, which lies in memory as it is read. All steps have to say so: a
    # flipped kernel with one filter has a last step of 1, too.
    packed = steps == in_order and shape[-1] == len(tile[0]) * LANES
    y = np.empty(y_shape, x.dtype)
    winners: Array = np.empty(y_shape, np.uint8) if pooled else NO_WINNERS
    _forward(
        x.reshape(-1),
        kernel.reshape(-1),
        bias,
        y.reshape(-1),
        winners.reshape(-1),
        shape,
        steps,
        packed,
        zeros,
        chunk,
        relu,
        pooled,
        *tile,
    )
    return y, winners


@functools.lru_cache(1024)
def _forward_pieces(
    shape: Shape, pooled: bool
) -> tuple[Shape, Shape, Shape, int, tuple[Shape, ...]]:
    """The shape as `_forward` takes it, y's, the steps of a kernel in order; chunk; the tile.

    A chunk is up to 16 tiles, fewer if there would be less than 32 chunks for the threads to
    share.
    """
    N, H, W, C, KH, KW, SH, SW, OH, OW, F = shape
    V = width(F)
    P, M = ROWS[V], N * OH * OW
    if pooled:
        OH, OW = OH // 2, OW // 2
        M = N * OH * OW * 4
    chunk = P * max(1, min(16, -(-M // P) // 32))
    tile = ((0,) * V, (0,) * P, (0,) * (P // 4))
    shape = shape if pooled else pointwise(shape)
    return shape, (N, OH, OW, F), (0, KW * C * F, C * F, F, 1), chunk, tile
