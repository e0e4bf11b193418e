"""A convolution with relu and the 2x2 max-pooling after it: `reference/fused.py`, in Numba.

In the forward pass, the convolution's kernel takes the largest of four outputs while they are still
in registers, and writes only that. The backward pass is sparse: at most one of the four has a
gradient. `_scatter` works on those alone; where it would be slow, the two backwards run one after
the other.

Legend: as in `reference/convolution.py`; OH x OW is the convolution's output.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
# (Numba compiles the kernels for the types they are called with; the public functions are typed)

import numpy as np

from tinycnn.kernels.compiled.blocks import add, clear, copy, from_line, placing, transpose
from tinycnn.kernels.compiled.checks import Shape, checked, checked_winners, same_dtype, same_shape
from tinycnn.kernels.compiled.convolution import conv2d_backward
from tinycnn.kernels.compiled.convolution_dkernel import kernel_gradient
from tinycnn.kernels.compiled.convolution_forward import convolution
from tinycnn.kernels.compiled.launch import Numbers, Room, kernel
from tinycnn.kernels.compiled.plans import Plan, Slot, planned
from tinycnn.kernels.compiled.pooling import max_pool_backward
from tinycnn.kernels.compiled.simd import LANES
from tinycnn.kernels.compiled.tiles import get, load_row, multiply_add, put, store_tile
from tinycnn.kernels.compiled.windows import conv_shape
from tinycnn.support.geometry import output_length
from tinycnn.utils import Array

__all__ = [
    "conv2d_relu_pool_backward",
    "conv2d_relu_pool_forward",
]

# How many vectors of a line `_scatter` may take at once; it takes what fills the line best. The
# more, the fewer loops there are, each of which ends in a branch that the processor can't foresee.
# 6 sums and 6 weights still fit the 16 registers of AVX2.
LINE_VECTORS = (6, 4, 3)
_TOGETHER = 16  # filters whose lines are one piece of work


@kernel
def _cut_into_lines(piece, kernel, filters, KH, line_size, padded, F):
    """Writes each filter as KH lines, with zeros at their ends; a piece is line u of some."""
    filters = from_line(filters)
    u, f0 = piece % KH, piece // KH * _TOGETHER
    count = min(_TOGETHER, F - f0)
    start, step = (f0 * KH + u) * padded, KH * padded
    transpose(filters, start, step, kernel, u * line_size * F + f0, F, line_size, count)
    for f in range(count):
        clear(filters[start + f * step + line_size : start + f * step + padded])


@kernel
def _scatter(
    g, floats, ints, x, dy, winners, filters, sums, dx, shape, groups, strip, needs_dx, LINE
):
    """dkernel, dbias and dx, from the few gradients that the pool and relu let through.

    Of the four outputs in a pool at most one has a gradient, and relu removes some of those. For
    each image and filter, the places that have one are listed. The filter's row of dkernel is then
    the sum of gradient * window of x, and gradient * filter is added to each such window of dx.

    A line is one row of the kernel or of a window: KW*C neighbours, taken in `parts` of WIDE. The
    image is copied with zeros around it, `strip` rows of pools at a time, and dx is made in such a
    copy. Both have room for a last part that reaches past its line, where the filter is 0.

    Args:
        g: the number of the piece, a group of images.
        floats: room for the two copies, zeros, and the gradients that are listed.
        ints: room for their places, their numbers, and the corners of a pool.
        x: (N, H, W, C), without the zeros of the padding.
        dy: (N, OH//2, OW//2, F).
        winners: the shape of dy: as in `convolution_forward.py`.
        filters: as `_cut_into_lines` writes them.
        sums: written: for each group dkernel as lines, then dbias.
        dx: the shape of x, written if `needs_dx`.
        shape: (N, H, W, C, KH, KW, OH, OW, F, top, left).
        groups: how many there are.
        strip: rows of pools that are worked on at a time.
        needs_dx: whether dx is wanted.
        LINE: a tuple of as many items as vectors of a line are taken at once.
    """
    N, H, W, C, KH, KW, OH, OW, F, top, left = shape
    WIDE = len(LINE) * LANES
    parts = (KW * C + WIDE - 1) // WIDE
    row_size = KH * parts * WIDE
    filters, sums = from_line(filters), from_line(sums)
    group_size = F * row_size + (F + 15) // 16 * 16
    PH, PW, WP = OH // 2, OW // 2, OW + KW - 1
    most = strip * PW
    size = ((2 * strip + KH - 1) * WP * C + WIDE + 15) // 16 * 16
    image, dimage, value = floats[:size], floats[size : 2 * size], floats[2 * size + WIDE :]
    zeros = floats[2 * size : 2 * size + WIDE]
    at, count, corners = ints[: F * most], ints[F * most : F * (most + 1)], ints[F * (most + 1) :]
    clear(image)
    clear(corners)
    clear(zeros)
    first, biases = g * group_size, g * group_size + F * row_size
    # Lines are written with the first image, unless it is too small for a pool.
    clear(sums[first if PH == 0 else biases : first + group_size])
    n0, n1 = N * g // groups, N * (g + 1) // groups
    if needs_dx:
        clear(dx[n0 * H * W * C : n1 * H * W * C])
    for n in range(n0, n1):
        for p0 in range(0, PH, strip):
            p1 = min(PH, p0 + strip)
            h0 = 2 * p0 - top  # the row of x that is the first of the copy
            for r in range(2 * (p1 - p0) + KH - 1):
                line = (r * WP + left) * C
                if 0 <= h0 + r < H:
                    start = (n * H + h0 + r) * W * C
                    copy(image[line : line + W * C], x, x, start, False)
                else:
                    clear(image[line : line + W * C])
            clear(count)
            for pool in range(p0 * PW, p1 * PW):
                corner = ((pool // PW - p0) * 2 * WP + pool % PW * 2) * C
                for place in range(4):
                    corners[place] = corner + (place // 2 * WP + place % 2) * C
                start = (n * PH * PW + pool) * F
                for f in range(F):  # always listed, so there is no branch; and kept if it counts
                    winner, listed = get(winners, start + f), get(count, f)
                    put(at, f * most + listed, get(corners, winner))
                    put(value, f * most + listed, get(dy, start + f))
                    put(count, f, listed + (winner < 4))
            for f in range(F):
                for i in range(f * most, f * most + count[f]):
                    sums[biases + f] += get(value, i)
            if needs_dx:
                clear(dimage)
            for f in range(F):
                begin, end = f * most, f * most + count[f]
                for part in range(KH * parts):
                    offset = part // parts * WP * C + part % parts * WIDE
                    row = f * row_size + part * WIDE
                    if n == n0 and p0 == 0:
                        tile = load_row(zeros, 0, LINE)
                    else:
                        tile = load_row(sums, first + row, LINE)
                    if needs_dx:
                        weights = load_row(filters, row, LINE)
                        for i in range(begin, end):
                            where = at[i] + offset
                            window = load_row(image, where, LINE)
                            tile = multiply_add(tile, value, (0,), i, window)
                            dwindow = load_row(dimage, where, LINE)
                            dwindow = multiply_add(dwindow, value, (0,), i, weights)
                            store_tile(dimage, (where,), 0, dwindow)
                    else:
                        for i in range(begin, end):
                            window = load_row(image, at[i] + offset, LINE)
                            tile = multiply_add(tile, value, (0,), i, window)
                    store_tile(sums, (first + row,), 0, tile)
            if needs_dx:
                for r in range(2 * (p1 - p0) + KH - 1):
                    if 0 <= h0 + r < H:
                        start, line = (n * H + h0 + r) * W * C, (r * WP + left) * C
                        add(dx[start : start + W * C], dimage[line : line + W * C])


@kernel
def _finish(piece, sums, dkernel, dbias, KH, line_size, padded, F, groups):
    """Adds the groups' sums up in their order, and writes the gradients; pieces as above."""
    sums = from_line(sums)
    step = KH * padded
    size = F * step + (F + 15) // 16 * 16
    u, f0 = piece % KH, piece // KH * _TOGETHER
    count = min(_TOGETHER, F - f0)
    start, bias = f0 * step + u * padded, F * step + f0
    for g in range(1, groups):
        first = g * size
        for at in range(start, start + count * step, step):
            add(sums[at : at + line_size], sums[first + at : first + at + line_size])
        if u == 0:
            add(sums[bias : bias + count], sums[first + bias : first + bias + count])
    transpose(dkernel, u * line_size * F + f0, F, sums, start, step, count, line_size)
    if u == 0:
        copy(dbias[f0 : f0 + count], sums, sums, bias, False)


def conv2d_relu_pool_forward(
    x: Array, kernel: Array, bias: Array | None, padding: str = "valid"
) -> tuple[Array, Array]:
    """Same as `reference.conv2d_relu_pool_forward`."""
    y, winners = planned(_forward, (x, kernel, bias), padding)
    return y, winners


def _forward(
    plan: Plan, x: Slot, kernel: Slot, bias: Slot | None, padding: str
) -> tuple[Slot, Slot]:
    checked(x, 4, "x")
    checked(kernel, 4, "kernel")
    same_dtype(x=x, kernel=kernel)
    shape, (top, _, left, _) = conv_shape(x.shape, kernel.shape, (1, 1), padding)
    around = placing(plan, x, (shape[1], shape[2]), (top, left))
    return convolution(plan, around, kernel, bias, shape, True, (0, 0, 0, 0), pooled=True)


def conv2d_relu_pool_backward(
    dy: Array,
    x: Array,
    kernel: Array,
    winners: Array,
    padding: str = "valid",
    needs_dx: bool = True,
) -> tuple[Array | None, Array, Array]:
    """Same as `reference.conv2d_relu_pool_backward`."""
    gradients = planned(_backward, (dy, x, kernel, winners), padding, needs_dx)
    if gradients is None:
        (N, H, W, _), (KH, KW, _, F) = x.shape, kernel.shape
        OH, OW = output_length(H, KH, 1, padding), output_length(W, KW, 1, padding)
        dz = max_pool_backward(dy, winners.astype(np.int32), (N, OH, OW, F), (2, 2), (2, 2))
        return conv2d_backward(dz, x, kernel, (1, 1), padding)
    return gradients if needs_dx else (None, *gradients)


def _backward(
    plan: Plan, dy: Slot, x: Slot, kernel: Slot, winners: Slot, padding: str, needs_dx: bool
) -> tuple[Slot, ...] | None:
    """dx if it is needed, dkernel and dbias; None where two backwards are faster."""
    checked(dy, 4, "dy")
    checked(x, 4, "x")
    checked(kernel, 4, "kernel")
    same_dtype(x=x, kernel=kernel, dy=dy)
    shape, (top, _, left, _) = conv_shape(x.shape, kernel.shape, (1, 1), padding)
    N, H, W, C, KH, KW, SH, SW, OH, OW, F = shape
    same_shape((N, OH // 2, OW // 2, F), dy=dy, winners=winners)
    checked_winners(winners, np.uint8)
    scatter = _scatter_plan((N, *x.shape[1:], KH, KW, OH, OW, F, top, left), needs_dx)
    if scatter is None:
        if needs_dx:
            return None
        around = placing(plan, x, (H, W), (top, left))
        return kernel_gradient(plan, around, dy, None, kernel, shape, winners)
    groups, sizes, numbers, room, lines = scatter
    filters, sums = (plan.empty((size + 64,), x.dtype) for size in sizes)
    dkernel, dbias = plan.empty(kernel.shape, x.dtype), plan.empty((F,), x.dtype)
    dx = plan.empty(x.shape if needs_dx else (0,), x.dtype)
    pieces = KH * -(-F // _TOGETHER)
    plan.step(_cut_into_lines, pieces, (kernel, filters), lines)
    plan.step(_scatter, groups, (x, dy, winners, filters, sums, dx), numbers, room)
    plan.step(_finish, pieces, (sums, dkernel, dbias), (*lines, groups))
    return (dx, dkernel, dbias) if needs_dx else (dkernel, dbias)


def _scatter_plan(
    shape: Shape, needs_dx: bool
) -> tuple[int, tuple[int, int], Numbers, Room, tuple[int, int, int, int]] | None:
    """Pieces of `_scatter`; sizes of filters and sums; numbers, room; numbers of the others.

    None where lines are too narrow, or the images too few for the threads.
    """
    N, H, W, C, KH, KW, OH, OW, F, top, left = shape
    vectors = min(LINE_VECTORS, key=lambda count: -(-KW * C // (count * LANES)) * count)
    WIDE = vectors * LANES
    parts = -(-KW * C // WIDE)
    if parts * WIDE > 2 * KW * C or N < 4:
        return None
    size = F * KH * parts * WIDE
    groups = max(1, min(16, N, (1 << 22) // size))
    strip = max(1, min(OH // 2, (6000 // ((OW + KW - 1) * C) - KH + 1) // 2))  # of 6000 numbers
    listed = F * strip * (OW // 2)
    copied = (2 * strip + KH - 1) * (OW + KW - 1) * C + WIDE
    numbers = (shape, groups, strip, needs_dx, (0,) * vectors)
    # `corners` has an entry for every uint8, so that a winner is no branch.
    room = (2 * (-(-copied // 16) * 16) + WIDE + listed, listed + F + 256)
    sizes = (size, groups * (size + -(-F // 16) * 16))
    return groups, sizes, numbers, room, (KH, KW * C, parts * WIDE, F)
