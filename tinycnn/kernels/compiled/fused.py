"""A convolution with relu and the 2x2 max-pooling after it: `reference/fused.py`, in Numba.

In the forward pass, the convolution's kernel takes the largest of four outputs while they are still
in registers, and writes only that. In the backward pass, at most one of the four has a gradient.
`_scatter` works on those alone; where it would be slow, the two backwards run one after the other.

Legend: as in `reference/convolution.py`; OH x OW is the convolution's output.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
# (Numba compiles the kernels for the types they are called with; the public functions are typed)

import numba
import numpy as np
from numba import prange

from tinycnn.kernels.compiled.blocks import add, add_groups, from_line, placed
from tinycnn.kernels.compiled.checks import ready, ready_winners, same_dtype, same_shape
from tinycnn.kernels.compiled.convolution import conv2d_backward
from tinycnn.kernels.compiled.convolution_dkernel import kernel_gradients
from tinycnn.kernels.compiled.convolution_forward import convolve
from tinycnn.kernels.compiled.jit import jit
from tinycnn.kernels.compiled.pooling import max_pool_backward
from tinycnn.kernels.compiled.simd import LANES
from tinycnn.kernels.compiled.tiles import load_row, multiply_add, store_tile
from tinycnn.kernels.compiled.windows import conv_shape
from tinycnn.utils import Array

__all__ = [
    "conv2d_relu_pool_backward",
    "conv2d_relu_pool_forward",
]

LINE_VECTORS = 3  # vectors of a line that `_scatter` takes at once


@numba.njit
def _cut_into_lines(kernel, filters, KH, line_size, padded, F):
    """Writes the filters one after the other, each as KH lines, with zeros at the lines' ends."""
    for f in range(F):
        for u in range(KH):
            start = (f * KH + u) * padded
            for i in range(line_size):
                filters[start + i] = kernel[(u * line_size + i) * F + f]
            for i in range(line_size, padded):
                filters[start + i] = 0


@jit(parallel=True)
def _scatter(x, dy, winners, kernel, filters, sums, out, dx, shape, groups, strip, LINE):
    """dkernel, dbias and dx, from the few gradients that the pool and relu let through.

    Of the four outputs in a pool at most one has a gradient, and relu removes some of those. For
    each image and filter, the places that have one are listed. The filter's row of dkernel is then
    the sum of gradient * window of x, and gradient * filter is added to each such window of dx.

    A line is one row of the kernel or of a window: KW*C neighbours, taken in `parts` of WIDE. The
    image is copied with zeros around it, `strip` rows of pools at a time, and dx is made in such a
    copy. Both have room for a last part that reaches past its line, where the filter is 0.

    `filters` is room for the filters as lines. `sums` is room for dkernel as lines and dbias after
    them, for each group of images. `out` gets dkernel and dbias.
    """
    N, H, W, C, KH, KW, OH, OW, F, top, left = shape
    WIDE = len(LINE) * LANES
    parts = (KW * C + WIDE - 1) // WIDE
    line_size, row_size = KW * C, KH * parts * WIDE
    filters, sums = from_line(filters), from_line(sums)
    group_size = F * row_size + (F + 15) // 16 * 16
    PH, PW, WP = OH // 2, OW // 2, OW + KW - 1
    most, zero = strip * PW, x.dtype.type(0)
    _cut_into_lines(kernel, filters, KH, line_size, parts * WIDE, F)
    for g in prange(groups):
        size = (2 * strip + KH - 1) * WP * C + WIDE
        image = from_line(np.zeros(size + 64, x.dtype))
        dimage = from_line(np.empty(size + 64, x.dtype))
        at, value = np.empty(F * most, np.int64), np.empty(F * most, x.dtype)
        count, corners = np.empty(F, np.int64), np.zeros(256, np.int64)
        first, biases = g * group_size, g * group_size + F * row_size
        sums[first : first + group_size] = 0
        n0, n1 = N * g // groups, N * (g + 1) // groups
        if dx.size > 0:
            dx[n0 * H * W * C : n1 * H * W * C] = 0
        for n in range(n0, n1):
            for p0 in range(0, PH, strip):
                p1 = min(PH, p0 + strip)
                h0 = 2 * p0 - top  # the row of x that is the first of the copy
                for r in range(2 * (p1 - p0) + KH - 1):
                    line = (r * WP + left) * C
                    if 0 <= h0 + r < H:
                        start = (n * H + h0 + r) * W * C
                        image[line : line + W * C] = x[start : start + W * C]
                    else:
                        image[line : line + W * C] = 0
                count[:] = 0
                for pool in range(p0 * PW, p1 * PW):
                    corner = ((pool // PW - p0) * 2 * WP + pool % PW * 2) * C
                    for place in range(4):
                        corners[place] = corner + (place // 2 * WP + place % 2) * C
                    start = (n * PH * PW + pool) * F
                    for f in range(F):
                        i = f * most + count[f]
                        winner, gradient = winners[start + f], dy[start + f]
                        at[i], value[i] = corners[winner], gradient
                        count[f] += winner < 4
                        sums[biases + f] += gradient if winner < 4 else zero
                if dx.size > 0:
                    dimage[:] = 0
                for f in range(F):
                    begin, end = f * most, f * most + count[f]
                    for part in range(KH * parts):
                        offset = part // parts * WP * C + part % parts * WIDE
                        row = f * row_size + part * WIDE
                        tile = load_row(sums, first + row, LINE)
                        if dx.size > 0:
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
                if dx.size > 0:
                    for r in range(2 * (p1 - p0) + KH - 1):
                        if 0 <= h0 + r < H:
                            start, line = (n * H + h0 + r) * W * C, (r * WP + left) * C
                            add(dx[start : start + W * C], dimage[line : line + W * C])
    add_groups(sums, groups, group_size)
    for f in range(F):
        for u in range(KH):
            start = f * row_size + u * parts * WIDE
            for i in range(line_size):
                out[(u * line_size + i) * F + f] = sums[start + i]
        out[KH * line_size * F + f] = sums[F * row_size + f]


def conv2d_relu_pool_forward(
    x: Array, kernel: Array, bias: Array | None, padding: str = "valid"
) -> tuple[Array, Array]:
    """Same as `reference.conv2d_relu_pool_forward`."""
    x, kernel = ready(x, 4, "x"), ready(kernel, 4, "kernel")
    same_dtype(x=x, kernel=kernel)
    shape, (top, _, left, _) = conv_shape(x.shape, kernel.shape, (1, 1), padding)
    x = placed(x, (shape[1], shape[2]), (top, left))
    return convolve(x, kernel, bias, shape, True, (0, 0, 0, 0), pooled=True)


def conv2d_relu_pool_backward(
    dy: Array,
    x: Array,
    kernel: Array,
    winners: Array,
    padding: str = "valid",
    needs_dx: bool = True,
) -> tuple[Array | None, Array, Array]:
    """Same as `reference.conv2d_relu_pool_backward`."""
    dy, x, kernel = ready(dy, 4, "dy"), ready(x, 4, "x"), ready(kernel, 4, "kernel")
    same_dtype(x=x, kernel=kernel, dy=dy)
    shape, (top, _, left, _) = conv_shape(x.shape, kernel.shape, (1, 1), padding)
    N, H, W, C, KH, KW, SH, SW, OH, OW, F = shape
    same_shape((N, OH // 2, OW // 2, F), dy=dy, winners=winners)
    winners = ready_winners(winners, np.uint8)
    WIDE = LINE_VECTORS * LANES
    parts = -(-KW * C // WIDE)
    if parts * WIDE > 2 * KW * C or N < 4:  # lines too narrow, or too few images for the threads
        if needs_dx:
            dz = max_pool_backward(dy, winners.astype(np.int32), (N, OH, OW, F), (2, 2), (2, 2))
            return conv2d_backward(dz, x, kernel, (1, 1), padding)
        x = placed(x, (H, W), (top, left))
        dkernel, dbias = kernel_gradients(x, dy, None, shape, winners)
        return None, dkernel.reshape(kernel.shape), dbias
    size = F * KH * parts * WIDE
    groups = max(1, min(16, N, (1 << 22) // size))
    strip = max(1, min(OH // 2, (6000 // ((OW + KW - 1) * C) - KH + 1) // 2))  # of 6000 numbers
    filters = np.empty(size + 64, x.dtype)
    sums = np.empty(groups * (size + -(-F // 16) * 16) + 64, x.dtype)
    gradients = np.empty(kernel.size + F, x.dtype)
    dx = np.empty(x.shape if needs_dx else (0, 0, 0, 0), x.dtype)
    shape = (N, *x.shape[1:], KH, KW, OH, OW, F, top, left)
    _scatter(
        x.reshape(-1),
        dy.reshape(-1),
        winners.reshape(-1),
        kernel.reshape(-1),
        filters,
        sums,
        gradients,
        dx.reshape(-1),
        shape,
        groups,
        strip,
        (0,) * LINE_VECTORS,
    )
    dkernel, dbias = gradients[: kernel.size], gradients[kernel.size :]
    return dx if needs_dx else None, dkernel.reshape(kernel.shape), dbias
