"""3x3 convolutions of stride 1 with fewer multiplications: Winograd's F(2x2, 3x3).

Four neighbouring outputs, a 2x2 window of them, read a 4x4 patch of x. Summed up one by one they
take 4 * 9 = 36 products for each channel. Winograd's way takes 16.

In one dimension
----------------
Two outputs of a filter (g0, g1, g2) on four inputs (d0, d1, d2, d3) are
    y0 = d0 g0 + d1 g1 + d2 g2
    y1 = d1 g0 + d2 g1 + d3 g2,
six products. Take instead these four:
    m0 = (d0 - d2) g0
    m1 = (d1 + d2) (g0 + g1 + g2) / 2
    m2 = (d2 - d1) (g0 - g1 + g2) / 2
    m3 = (d1 - d3) g2
The two in the middle are made so that their sum and their difference are
    m1 + m2 = d1 g1 + d2 (g0 + g2)
    m1 - m2 = d2 g1 + d1 (g0 + g2),
and with m0 = d0 g0 - d2 g0 and m3 = d1 g2 - d3 g2 all that is too much cancels:
    y0 = m0 + m1 + m2
    y1 = m1 - m2 - m3.
As matrices: y = A^T [(G g) * (B^T d)], where * multiplies number by number, and

    B^T = [1  0 -1  0]    G = [ 1    0    0 ]    A^T = [1  1  1  0]
          [0  1  1  0]        [1/2  1/2  1/2]          [0  1 -1 -1]
          [0 -1  1  0]        [1/2 -1/2  1/2]
          [0  1  0 -1]        [ 0    0    1 ]

In two dimensions
-----------------
The same along the rows and then along the columns: with the patch d (4x4) and the filter g (3x3)
    U = G g G^T,    V = B^T d B,    y = A^T (U * V) A.
U depends on the filter only, and is made once. The sum over the channels can be taken before A:
    M[i] = sum over c of V[i, c] U[i, c]    for each i of the 16.
For many windows and filters at once that is 16 matrix products, (windows, C) by (C, F): the work of
tiles, as in `convolution_forward.py`. What is left are additions.

It rounds in other places than the sum of 9 C products, and sums up fewer numbers in a row: its
error is no larger. The 2x2 window is also that of a 2x2 max-pool, so that relu and the pool can
follow while the four outputs are in registers.

Source: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016, section 4.1.
Legend: as in `windows.py`; T windows are one piece of work; a tile has P windows by V vectors of
filters, and WIDE = V*LANES filters make a panel, as in `convolution_forward.py`.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
# (Numba compiles the kernels for the types they are called with; the public functions are typed)

from typing import Any

import numpy as np

from tinycnn.kernels.compiled.blocks import clear, copy, from_line
from tinycnn.kernels.compiled.checks import Shape
from tinycnn.kernels.compiled.jit import helper
from tinycnn.kernels.compiled.launch import Numbers, Room, kernel
from tinycnn.kernels.compiled.plans import Plan, Slot
from tinycnn.kernels.compiled.simd import LANES
from tinycnn.kernels.compiled.tile_arithmetic import minus, plus, pool_fours, rectify, times
from tinycnn.kernels.compiled.tile_sizes import ROWS, width
from tinycnn.kernels.compiled.tiles import (
    indices,
    load_row,
    load_tile,
    multiply_add,
    repeat,
    store_part,
    store_tile,
)
from tinycnn.kernels.compiled.windows import NO_WINNERS, places_in_order

_WINDOWS = 24  # of a piece: what they need stays in the second-level cache; any P divides it


# --- U = G g G^T ----------------------------------------------------------------------------------


@helper
def _times_g(a, b, c):
    """G applied to three rows of a filter, each a tuple of vectors: four rows."""
    outer = plus(a, c)
    return a, times(plus(outer, b), 0.5), times(minus(outer, b), 0.5), c


@kernel
def _transform_filters(piece, floats, ints, kernel, panels, C, F, steps, WIDE, ONE):
    """U of every filter in panels of WIDE, (panel, 16, C, WIDE); a piece is a panel's channel.

    The last panel is filled up with filters of zeros. `steps` is as in `convolution_forward.py`.
    """
    start, tap_row, tap_column, row_step, filter_step = steps
    panels = from_line(panels)
    panel, c = piece // C, piece % C
    f0, size = panel * WIDE, min(WIDE, F - panel * WIDE)
    # First the nine weights of each filter, side by side: floats[tap, filter].
    for tap in range(9):
        source = start + tap // 3 * tap_row + tap % 3 * tap_column
        source += c * row_step + f0 * filter_step
        weights = floats[tap * WIDE : (tap + 1) * WIDE]
        if filter_step == 1:
            copy(weights[:size], kernel, kernel, source, False)
        else:
            for f in range(size):
                weights[f] = kernel[source + f * filter_step]
        clear(weights[size:])
    step = C * WIDE
    for v in range(0, WIDE, LANES):
        row = (v, v + WIDE, v + 2 * WIDE)
        g0 = load_tile(floats, row, ONE)
        g1 = load_tile(floats[3 * WIDE :], row, ONE)
        g2 = load_tile(floats[6 * WIDE :], row, ONE)
        target = (panel * 16 * C + c) * WIDE + v
        for i, g in enumerate(_times_g(g0, g1, g2)):
            u0, u1, u2, u3 = _times_g((g[0],), (g[1],), (g[2],))
            first = target + 4 * i * step
            places = (first, first + step, first + 2 * step, first + 3 * step)
            store_tile(panels, places, 0, (u0[0], u1[0], u2[0], u3[0]))


# --- V, M and the outputs -------------------------------------------------------------------------


@helper
def _times_b(d):
    """B applied to a row of four vectors."""
    ends = minus((d[0], d[2], d[1]), (d[2], d[1], d[3]))
    middle = plus((d[1],), (d[2],))
    return ends[0], middle[0], ends[1], ends[2]


@helper
def _times_a(m):
    """A applied to a row of four vectors: two."""
    middle = plus((m[1],), (m[2],))
    y0 = plus((m[0],), middle)
    y1 = minus(minus((m[1],), (m[2],)), (m[3],))
    return y0[0], y1[0]


@helper
def _find_corners(corners, outputs, first, count, shape, places, pooled):
    """Where each window's patch starts in flat x, and each of its four outputs in y; -1 for none.

    At an odd end the last window reaches back over the one before, and has fewer outputs of its
    own. So no patch reaches past the image, and each output belongs to one window. With `pooled`
    the first of the four is that of the pool.
    """
    N, H, W, C, KH, KW, SH, SW, OH, OW, F = shape
    start, image, row, column = places
    rows, columns = (OH + 1) // 2, (OW + 1) // 2
    if pooled:
        rows, columns = OH // 2, OW // 2
    for t in range(count):
        window = min(first + t, N * rows * columns - 1)
        n, i, j = window // (rows * columns), window // columns % rows * 2, window % columns * 2
        top, left = min(i, OH - 2), min(j, OW - 2)
        corners[t] = ((n * H + top) * W + left) * C
        if pooled:
            outputs[4 * t] = window * F
        else:
            for place in range(4):
                h, w = top + place // 2, left + place % 2
                own = h >= i and w >= j
                outputs[4 * t + place] = start + n * image + h * row + w * column if own else -1


@helper
def _store_if_any(y, place, offset, tile, count):
    """Writes an output of `count` filters, unless it is another window's."""
    if place >= 0:
        store_part(y, (place,), offset, tile, count)


@kernel
def _winograd(
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
    T,
    relu,
    pooled,
    ROW,
    COLUMN,
    ONE,
):
    """The outputs of T windows, with relu, or with relu and a 2x2 max-pool.

    Args:
        g: the number of the piece.
        floats: room for V, (16, T, C), and for M of a panel, (16, T, WIDE).
        ints: room for where patches, outputs and rows of V and M are.
        x: (N, H, W, C), with the zeros of the padding in it; C is LANES or more.
        panels: as `_transform_filters` writes them.
        first: the bias, followed by zeros that fill up the last panel.
        y: (N, OH, OW, F) or a larger array, written; with `pooled` (N, OH//2, OW//2, F).
        winners: the shape of y, written with `pooled`, as in `convolution_forward.py`.
        shape: as in `windows.py`, of a 3x3 kernel with stride 1; OH and OW are 2 or more.
        places: as in `convolution_forward.py`.
        T: windows of a piece, a multiple of P.
        relu: negative outputs become 0.
        pooled: each window's largest output is written alone, with relu.
        ROW: a tuple of V items; only its length matters.
        COLUMN: one of P items, likewise.
        ONE: one of one item, likewise.
    """
    N, H, W, C, KH, KW, SH, SW, OH, OW, F = shape
    P, WIDE = len(COLUMN), len(ROW) * LANES
    panels = from_line(panels)
    patches, products = floats[: 16 * T * C], floats[16 * T * C :]
    corners, outputs = ints[:T], ints[T : 5 * T]
    sources, targets = ints[5 * T : 21 * T], ints[21 * T : 37 * T]
    _find_corners(corners, outputs, g * T, T, shape, places, pooled)
    for i in range(16 * T):
        sources[i], targets[i] = i * C, i * WIDE
    # V = B^T d B, for LANES channels at a time; the last vector reaches back over the one before.
    step = T * C
    for t in range(T):
        for start in range(0, C, LANES):
            c = min(start, C - LANES)
            p = corners[t] + c
            d0 = load_tile(x, (p, p + C, p + 2 * C, p + 3 * C), ONE)
            p += W * C
            d1 = load_tile(x, (p, p + C, p + 2 * C, p + 3 * C), ONE)
            p += W * C
            d2 = load_tile(x, (p, p + C, p + 2 * C, p + 3 * C), ONE)
            p += W * C
            d3 = load_tile(x, (p, p + C, p + 2 * C, p + 3 * C), ONE)
            q = t * C + c
            places = (q, q + step, q + 2 * step, q + 3 * step)
            store_tile(patches, places, 0, _times_b(minus(d0, d2)))
            store_tile(patches, places, 4 * step, _times_b(plus(d1, d2)))
            store_tile(patches, places, 8 * step, _times_b(minus(d2, d1)))
            store_tile(patches, places, 12 * step, _times_b(minus(d1, d3)))
    for f0 in range(0, F, WIDE):
        # M[i] = V[i] U[i].
        for i in range(16):
            for t in range(i * T, (i + 1) * T, P):
                origins = indices(sources, t, COLUMN)
                tile = repeat(load_row(first, f0, ROW), COLUMN)
                tile = minus(tile, tile)
                q = (f0 * 16 + i * WIDE) * C
                for c in range(C):
                    tile = multiply_add(tile, patches, origins, c, load_row(panels, q, ROW))
                    q += WIDE
                store_tile(products, indices(targets, t, COLUMN), 0, tile)
        # y = A^T M A, a vector of filters at a time.
        step = T * WIDE
        for v in range(0, min(WIDE, F - f0), LANES):
            bias = load_row(first, f0 + v, ONE)
            for t in range(T):
                p = t * WIDE + v
                m0 = load_tile(products, (p, p + step, p + 2 * step, p + 3 * step), ONE)
                p += 4 * step
                m1 = load_tile(products, (p, p + step, p + 2 * step, p + 3 * step), ONE)
                p += 4 * step
                m2 = load_tile(products, (p, p + step, p + 2 * step, p + 3 * step), ONE)
                p += 4 * step
                m3 = load_tile(products, (p, p + step, p + 2 * step, p + 3 * step), ONE)
                y0 = _times_a(plus(plus(m0, m1), m2))
                y1 = _times_a(minus(minus(m1, m2), m3))
                four = plus((y0[0], y0[1], y1[0], y1[1]), repeat(bias, (0, 0, 0, 0)))
                if pooled:
                    best, winner = pool_fours(four, ONE)
                    at = (outputs[4 * t],)
                    store_part(y, at, f0 + v, best, F - f0 - v)
                    store_part(winners, at, f0 + v, winner, F - f0 - v)
                    continue
                if relu:
                    four = rectify(four)
                a, b, c, d = indices(outputs, 4 * t, four)
                _store_if_any(y, a, f0 + v, (four[0],), F - f0 - v)
                _store_if_any(y, b, f0 + v, (four[1],), F - f0 - v)
                _store_if_any(y, c, f0 + v, (four[2],), F - f0 - v)
                _store_if_any(y, d, f0 + v, (four[3],), F - f0 - v)


def possible(shape: Shape) -> bool:
    """Whether a convolution can be done this way."""
    N, H, W, C, KH, KW, SH, SW, OH, OW, F = shape
    return (KH, KW, SH, SW) == (3, 3, 1, 1) and C >= LANES and min(OH, OW) >= 2


def pays(shape: Shape, zeros: Shape, pooled: bool) -> bool:
    """Whether it is faster this way: measured by `benchmarks/winograd.py`.

    With few channels or filters the additions outweigh the products that are saved, and few windows
    don't keep the threads at work. The last window of an odd length is half empty. And where many
    images have zeros around them, the direct sums leave out what is zero.
    """
    N, H, W, C, KH, KW, SH, SW, OH, OW, F = shape
    if not possible(shape) or F < LANES or C * F < 2 * LANES * LANES:
        return False
    if pooled:
        return N * (OH // 2) * (OW // 2) >= 4 * _WINDOWS
    top, bottom, left, right = zeros
    windows = ((OH + 1) // 2) * ((OW + 1) // 2)
    taps = (3 * OH - _outside(top) - _outside(bottom)) * (3 * OW - _outside(left) - _outside(right))
    return N * windows >= 4 * _WINDOWS and _COST * 16 * windows < taps


_COST = 4 / 3  # of one of the 16 products, with its share of the additions, in direct products


def _outside(zeros: int) -> int:
    """How many rows of windows' inputs lie in so many rows of zeros: the first row in one, ..."""
    return zeros * (zeros + 1) // 2


def convolution(
    plan: Plan,
    x: Slot,
    kernel: Slot,
    first: Slot,
    shape: Shape,
    relu: bool,
    pooled: bool,
    steps: Shape,
    into: Slot | None = None,
    places: Shape | None = None,
) -> tuple[Slot, Slot]:
    """As `convolution_forward.convolution`, with the bias filled up to whole panels."""
    pieces, y_shape, packing, numbers, room = _plan(shape, relu, pooled, steps, places)
    y = into or plan.empty(y_shape, x.dtype)
    winners = plan.empty(y_shape, np.uint8) if pooled else plan.constant(NO_WINNERS)
    packing_pieces, size, packing_numbers, packing_room = packing
    panels = plan.empty((size + 64,), x.dtype)
    plan.step(_transform_filters, packing_pieces, (kernel, panels), packing_numbers, packing_room)
    plan.step(_winograd, pieces, (x, panels, first, y, winners), numbers, room)
    return y, winners


def _plan(
    shape: Shape, relu: bool, pooled: bool, steps: Shape, places: Shape | None
) -> tuple[int, Shape, tuple[int, int, Any, Room], Numbers, Room]:
    """Pieces of `_winograd`; y's shape; what the filters need; numbers and room of `_winograd`."""
    N, H, W, C, KH, KW, SH, SW, OH, OW, F = shape
    V = width(F)
    P, WIDE, T = ROWS[V], V * LANES, _WINDOWS
    panels = -(-F // WIDE)
    y_shape = (N, OH // 2, OW // 2, F) if pooled else (N, OH, OW, F)
    windows = N * ((OH + 1) // 2) * ((OW + 1) // 2)
    if pooled:
        windows = N * (OH // 2) * (OW // 2)
    filters = (panels * C, panels * 16 * C * WIDE, (C, F, steps, WIDE, (0,)), (9 * WIDE, 1))
    numbers = (shape, places or places_in_order(shape), T, relu, pooled, (0,) * V, (0,) * P, (0,))
    room = (16 * T * (C + WIDE), 37 * T)
    return -(-windows // T), y_shape, filters, numbers, room
