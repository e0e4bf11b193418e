"""The gradient with respect to x where x has few channels: columns, added up where they belong.

As a convolution of dy (`convolution.py`), dx has the channels of x for filters. One to three of
them leave most of a vector empty. Here all KH*KW*C numbers under a window are the filters instead:
the columns of `reference/convolution.py`'s backward, dcols = dy @ kernel^T, which fill the vectors.
`_add_columns` makes those of a few outputs and adds them to the rows of dx under these, so that
they never leave the cache.

Legend: as in `windows.py`, but H, W are those of x without padding; K = KH*KW*C columns; tiles as
in `convolution_forward.py`, with outputs for rows and columns for filters.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
# (Numba compiles the kernels for the types they are called with; the public functions are typed)

from tinycnn.kernels.compiled.blocks import clear, copy, from_line
from tinycnn.kernels.compiled.checks import Shape
from tinycnn.kernels.compiled.launch import Numbers, Room, kernel
from tinycnn.kernels.compiled.panels import Packing, in_panels, packing_plan
from tinycnn.kernels.compiled.plans import Plan, Slot
from tinycnn.kernels.compiled.simd import LANES
from tinycnn.kernels.compiled.tile_sizes import ROWS, width
from tinycnn.kernels.compiled.tiles import indices, load_row, multiply_add, repeat, store_tile
from tinycnn.support.geometry import Pair

_STRIP = 1 << 15  # numbers of dx that are made at once: they stay in the second-level cache
_COLUMNS = 1 << 12  # numbers of columns that wait to be added, in the first-level cache
# What it costs to add a column to dx, in multiply-adds of vectors. With 4, the faster way of 22
# shapes was chosen, or one within 10% of it, but for a stride of 2 at 8 lanes, where columns would
# have been faster (Zen 5, 16 and 8 lanes).
_ADDING = 4


@kernel
def _add_columns(piece, floats, ints, dy, panels, dx, shape, strips, rows, T, ROW, COLUMN):
    """dx[i*S + u, j*S + v, c] += sum over f of dy[i, j, f] * kernel[u, v, c, f].

    A piece is a strip of an image's dx. A row of outputs whose windows reach into two strips is
    taken in both.

    Args:
        piece: its number.
        floats: room for a row of zeros, for the strip with the padding's columns, and for the
            columns of T outputs.
        ints: room for where outputs are in a row of dy, and where their columns are.
        dy: (N, OH, OW, F).
        panels: the kernel in panels of K columns, as `in_panels` writes them.
        dx: (N, H, W, C), written.
        shape: (N, H, W, C, KH, KW, SH, SW, OH, OW, F, top, left).
        strips: how many an image has.
        rows: of a strip; the last one may have fewer.
        T: outputs whose columns are made before they are added, a multiple of P.
        ROW: a tuple of V items; only its length matters.
        COLUMN: one of P items, likewise.
    """
    N, H, W, C, KH, KW, SH, SW, OH, OW, F, top, left = shape
    P, WIDE, K = len(COLUMN), len(ROW) * LANES, KH * KW * C
    panels = from_line(panels)
    n, h0 = piece // strips, piece % strips * rows
    h1 = min(H, h0 + rows)
    line = max((OW - 1) * SW + KW, left + W) * C
    padded = (K + WIDE - 1) // WIDE * WIDE
    zeros, strip = floats[:WIDE], floats[WIDE : WIDE + rows * line]
    columns = floats[WIDE + rows * line :]
    sources, targets = ints[: OW + P], ints[OW + P :]
    for t in range(OW + P):  # a last tile that reaches past the row repeats the last output
        sources[t] = min(t, OW - 1) * F
    for t in range(T):
        targets[t] = t * padded
    clear(zeros)
    clear(strip)
    # The outputs whose windows meet the strip: i*SH + u - top lies in it for some row u < KH.
    i0, i1 = max(0, (h0 + top - KH + SH) // SH), min(OH, (h1 - 1 + top) // SH + 1)
    for i in range(i0, i1):
        start = (n * OH + i) * OW * F
        for j0 in range(0, OW, T):
            count = min(T, OW - j0)
            for k0 in range(0, K, WIDE):
                for t in range(0, count, P):
                    origins = indices(sources, j0 + t, COLUMN)
                    tile = repeat(load_row(zeros, 0, ROW), COLUMN)
                    q = k0 * F
                    for f in range(start, start + F):
                        tile = multiply_add(tile, dy, origins, f, load_row(panels, q, ROW))
                        q += WIDE
                    store_tile(columns, indices(targets, t, COLUMN), k0, tile)
            for u in range(max(0, h0 + top - i * SH), min(KH, h1 + top - i * SH)):
                row = (i * SH + u - top - h0) * line + j0 * SW * C
                # One column after the other: neighbouring outputs' columns overlap in dx, and
                # adding to a number that was just written waits for it.
                for k in range(KW * C):
                    to, values = strip[row + k :], columns[u * KW * C + k :]
                    for j in range(count):
                        to[j * SW * C] += values[j * padded]
    for h in range(h0, h1):
        at = (n * H + h) * W * C
        copy(dx[at : at + W * C], strip, strip, (h - h0) * line + left * C, False)


def pays(KH: int, KW: int, C: int, F: int) -> bool:
    """Whether dx is faster this way.

    Counted in multiply-adds of vectors for an output. As a convolution it has KH*KW panels of C
    filters, as columns one of KH*KW*C, and every column is added to dx.
    """
    K = KH * KW * C
    return F * -(-K // LANES) + _ADDING * K < F * KH * KW * -(-C // LANES)


def column_gradient(
    plan: Plan, dy: Slot, kernel: Slot, x_shape: Shape, strides: Pair, before: Pair
) -> Slot:
    """dx; arguments as in `convolution.input_gradient`."""
    shape = (*x_shape, *kernel.shape[:2], *strides, *dy.shape[1:], *before)
    pieces, numbers, room, packing = _plan(shape)
    panels = in_panels(plan, kernel, packing)
    dx = plan.empty(x_shape, dy.dtype)
    plan.step(_add_columns, pieces, (dy, panels, dx), numbers, room)
    return dx


def _plan(shape: Shape) -> tuple[int, Numbers, Room, Packing]:
    """Pieces, numbers and room of `_add_columns`, and how to pack the kernel.

    There are 16 pieces or more, but strips of no fewer rows than two kernels'.
    """
    N, H, W, C, KH, KW, SH, SW, OH, OW, F, top, left = shape
    K = KH * KW * C
    V = width(K)
    P, WIDE = ROWS[V], V * LANES
    line = max((OW - 1) * SW + KW, left + W) * C
    rows = max(1, min(H, _STRIP // line, max(2 * KH, -(-H * N // 16))))
    strips = -(-H // rows)
    padded = -(-K // WIDE) * WIDE
    T = P * max(1, min(-(-OW // P), _COLUMNS // padded // P))
    numbers = (shape, strips, rows, T, (0,) * V, (0,) * P)
    room = (WIDE + rows * line + T * padded, OW + P + T)
    # Its filters are the channels of a 1x1 kernel here; they lie side by side in the other one.
    packing = packing_plan((1, 1, 1, F, 1, 1, 1, 1, 1, 1, K), (0, 0, 0, 1, F), WIDE)
    return N * strips, numbers, room, packing
