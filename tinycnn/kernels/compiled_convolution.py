"""The convolution, and the dense layer as one of its cases: `reference.py`'s, in Numba.

Read `reference.py` first. The convolution here is the same matrix product as there, without ever
writing the columns down: in NHWC the KW*C inputs under one row of the kernel lie side by side, so
row m of im2col(x) can be read in place, at x[window(m) + origin(k)]. Registers hold a tile of P
outputs by V vectors of filters and take one outer product after the other.

Legend, beyond that of `reference.py`: M = N*OH*OW outputs, counted in that order, and K = KH*KW*C
inputs of each; P, V, LANES as in `simd.py`; WIDE = V*LANES filters make a panel. `shape` is
(N, H, W, C, KH, KW, SH, SW, OH, OW, F). Kernels see flat arrays only. With `pooled`, outputs come
in fours, each a 2x2 max-pool's window: see `compiled_pooling.py`. The rules of all kernels are in
`compiled.py`.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
# (Numba compiles the kernels for the types they are called with; the public functions are typed)

import functools
from collections.abc import Sequence

import numba
import numpy as np
from numba import prange

from tinycnn.geometry import Pair, output_length, window_padding
from tinycnn.kernels.checks import Shape, ready, same_dtype, same_shape
from tinycnn.kernels.simd import (
    LANES,
    TILES,
    indices,
    jit,
    load_row,
    load_tile,
    multiply_add,
    pool_fours,
    rectify,
    repeat,
    store_tile,
    where_equal,
    where_positive,
)
from tinycnn.utils import Array

__all__ = ["conv2d_backward", "conv2d_forward", "dense_backward", "dense_forward"]

ROWS = {V: P for P, V in TILES}
NO_WINNERS = np.empty(0, np.uint8)
_BLOCK = 64  # rows that are packed, _PIECE numbers that are added, as one piece of work
_PIECE = 1024

# --- convolution: the kernels ---------------------------------------------------------------------


@numba.njit(parallel=True)
def add_groups(sums, groups, size):
    """Adds the sums of each group, `size` numbers, to those of the first, in their order."""
    for piece in prange((size + _PIECE - 1) // _PIECE):
        start, stop = piece * _PIECE, min((piece + 1) * _PIECE, size)
        for g in range(1, groups):
            add(sums[start:stop], sums[g * size + start : g * size + stop])


@numba.njit
def from_line(array):
    """The array from the start of a cache line on: no vector of it lies across two lines.

    It is to have 64 bytes more than are needed.
    """
    return array[-array.ctypes.data % 64 // array.itemsize :]


@numba.njit
def copy(target, source, y, start, masked):
    """target = source from `start` on; with `masked` relu's gradient: 0 where not y > 0."""
    zero = target.dtype.type(0)
    # Slices first: LLVM vectorizes a[i] of a loop's own i, not a[start + i], which might wrap.
    source, y = source[start : start + target.size], y[start : start + target.size]
    if masked:
        for i in range(target.size):
            value = source[i]  # read in any case: no branch
            target[i] = value if y[i] > zero else zero
    else:
        for i in range(target.size):
            target[i] = source[i]


@numba.njit
def add(total, values):
    """total += values."""
    for i in range(total.size):
        total[i] += values[i]


@numba.njit
def _find_windows(windows, m0, count, shape):
    """windows[t]: where the window of output m0 + t starts in flat x; past the end, the last."""
    N, H, W, C, KH, KW, SH, SW, OH, OW, F = shape
    n, i, j = m0 // (OH * OW), m0 // OW % OH, m0 % OW
    for t in range(count):
        windows[t] = ((n * H + i * SH) * W + j * SW) * C
        if m0 + t < N * OH * OW - 1:
            j += 1
            if j == OW:
                i, j = i + 1, 0
                if i == OH:
                    n, i = n + 1, 0


@numba.njit
def _find_windows_by_pixel(windows, outputs, m0, count, shape):
    """The same, and where the outputs start in flat y, with outputs counted pixel by pixel."""
    N, H, W, C, KH, KW, SH, SW, OH, OW, F = shape
    n, i, j = m0 % N, m0 // N // OW, m0 // N % OW
    for t in range(count):
        windows[t] = ((n * H + i * SH) * W + j * SW) * C
        outputs[t] = ((n * OH + i) * OW + j) * F
        if m0 + t < N * OH * OW - 1:
            n += 1
            if n == N:
                n, j = 0, j + 1
                if j == OW:
                    i, j = i + 1, 0


@numba.njit
def _find_pools(windows, outputs, pool0, count, shape):
    """The windows of the four outputs that go into each 2x2 pool, and where the pool's y starts."""
    N, H, W, C, KH, KW, SH, SW, OH, OW, F = shape
    PH, PW = OH // 2, OW // 2
    pool, n, i, j = pool0, pool0 // (PH * PW), pool0 // PW % PH, pool0 % PW
    for t in range(count):
        corner = ((n * H + 2 * i) * W + 2 * j) * C
        windows[4 * t], windows[4 * t + 1] = corner, corner + C
        windows[4 * t + 2], windows[4 * t + 3] = corner + W * C, corner + W * C + C
        outputs[t] = pool * F
        if pool < N * PH * PW - 1:
            pool, j = pool + 1, j + 1
            if j == PW:
                i, j = i + 1, 0
                if i == PH:
                    n, i = n + 1, 0


@numba.njit
def _padded(bias, size):
    """Zeros where there is no bias."""
    padded = np.zeros(size, bias.dtype)
    for i in range(bias.size):
        padded[i] = bias[i]
    return padded


@numba.njit(parallel=True)
def _packed(kernel, steps, shape, WIDE):
    """Filters in panels of WIDE, each (K, WIDE), the last one padded with zeros."""
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
    N, H, W, C, KH, KW, SH, SW, OH, OW, F = shape
    P, WIDE = len(COLUMN), len(ROW) * LANES
    M, K = N * OH * OW, KH * KW * C
    if pooled:
        M = N * (OH // 2) * (OW // 2) * 4
    panels = kernel
    if not packed:
        panels = _packed(kernel, steps, shape, WIDE)
    first = _padded(bias, (F + WIDE - 1) // WIDE * WIDE)
    top, bottom, left, right = zeros
    # Where zeros around the image are many, a tile is the same pixel of P images: then most tiles
    # can leave out whole rows and columns of the kernel.
    images_first = not pooled and N >= P and 8 * (top + bottom + left + right) > H + W
    for g in prange((M + chunk - 1) // chunk):
        windows = np.empty(chunk, np.int64)
        outputs = np.empty(chunk, np.int64)
        edge = np.empty(P * WIDE, x.dtype)
        edge_winners = np.empty(P * WIDE, np.uint8)
        edge_rows = np.empty(P, np.int64)
        for p in range(P):
            edge_rows[p] = p * WIDE
        if pooled:
            _find_pools(windows, outputs, g * (chunk // 4), chunk // 4, shape)
        elif images_first:
            _find_windows_by_pixel(windows, outputs, g * chunk, chunk, shape)
        else:
            _find_windows(windows, g * chunk, chunk, shape)
            for t in range(chunk):
                outputs[t] = min(g * chunk + t, M - 1) * F
        for f0 in range(0, F, WIDE):
            for t in range(0, min(chunk, M - g * chunk), P):
                origins = indices(windows, t, COLUMN)
                tile = repeat(load_row(first, f0, ROW), COLUMN)
                u0, u1, v0, v1 = 0, KH, 0, KW
                if images_first:
                    # The first and the last output of the tile, and all between, are at:
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


@jit(parallel=True)
def _dkernel(
    x, dy, y, winners, sums, out, shape, groups, slabs, chunk, masked, pooled, ROW, COLUMN, HALF
):
    N, H, W, C, KH, KW, SH, SW, OH, OW, F = shape
    P, WIDE = len(COLUMN), len(ROW) * LANES
    M, K = N * OH * OW, KH * KW * C
    if pooled:
        M = N * (OH // 2) * (OW // 2) * 4
    # Rows of dkernel come in blocks of P; few that are left over share a pass with dbias.
    panels, blocks = (F + WIDE - 1) // WIDE, (K + P - 1 - len(HALF)) // P
    sums = from_line(sums)
    unit = 4 if pooled else 1  # outputs that stay together
    for item in prange(groups * panels * slabs):
        # A group of outputs, a panel of filters, a slab of the kernel's rows. `sums` holds
        # K + 2 rows of WIDE for each group and panel, one for dbias and one that nobody reads.
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
        # Where row k of dkernel is in `sums`, and input k of a window from the window's start.
        end = blocks * P + len(HALF)
        places, origins = np.empty(end, np.int64), np.empty(end, np.int64)
        for k in range(end):
            # A block is filled up with its last row again, the rows left over with the one unread.
            places[k] = first + (min(k, K - 1) if k < max(blocks * P, K) else K + 1) * WIDE
            origins[k] = (KH - 1) * W * C + KW * C - 1
        for u in range(KH):
            for i in range(KW * C):
                origins[u * KW * C + i] = u * W * C + i
        rows = from_line(np.zeros(chunk * WIDE + 64, x.dtype))
        m1 = M // unit * (g + 1) // groups * unit
        for m0 in range(M // unit * g // groups * unit, m1, chunk):
            count = min(chunk, m1 - m0)
            if pooled:
                _find_pools(windows, outputs, m0 // 4, count // 4, shape)
            else:
                _find_windows(windows, m0, count, shape)
            for t in range(0, count, unit):
                start = (outputs[t // 4] if pooled else (m0 + t) * F) + f0
                if start + WIDE <= dy.size:
                    # Past the end of a row this reads from the next: into sums nobody reads.
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
    add_groups(sums, groups, panels * (K + 2) * WIDE)
    for i in range(panels * (K + 1)):
        panel, k = i // (K + 1), i % (K + 1)
        target = out[k * F + panel * WIDE : k * F + min(F, (panel + 1) * WIDE)]
        copy(target, sums, sums, (panel * (K + 2) + k) * WIDE, False)


@jit(parallel=True)
def _place(x, y, out, shape, masked):
    """x shifted by (top, left) into larger or smaller images; see `placed`."""
    N, H, W, C, OH, OW, top, left = shape
    zero = out.dtype.type(0)
    for r in prange(N * OH):
        n, i = r // OH, r % OH - top
        line = out[r * OW * C : (r + 1) * OW * C]
        if 0 <= i < H:
            j0 = max(0, -left)  # the first column of x that this row has
            start, stop = (left + j0) * C, (left + max(j0, W)) * C
            line[:start] = zero
            copy(line[start:stop], x, y, ((n * H + i) * W + j0) * C, masked)
            line[stop:] = zero
        else:
            line[:] = zero


# --- convolution ----------------------------------------------------------------------------------


def conv2d_forward(
    x: Array,
    kernel: Array,
    bias: Array | None,
    strides: Pair = (1, 1),
    padding: str = "valid",
    relu: bool = False,
) -> Array:
    """As `reference.conv2d_forward`.

    Optimizations:
        - no columns: each tile reads its windows from `x` in place
        - the sums of P*WIDE outputs stay in registers; bias is where they start, relu where they
          are stored
        - the work is cut by outputs: a chunk's part of `x` stays in the cache for all filters
        - what meets only zeros of the padding is left out where there is much of it
    """
    x, kernel = ready(x, 4, "x"), ready(kernel, 4, "kernel")
    same_dtype(x=x, kernel=kernel)
    shape, zeros = conv_shape(x.shape, kernel.shape, strides, padding)
    N, H, W, C, KH, KW, SH, SW, OH, OW, F = shape
    x = placed(x, (H, W), (zeros[0], zeros[2]))
    return convolve(x, kernel, bias, shape, relu, zeros)[0]


def conv2d_backward(
    dy: Array,
    x: Array,
    kernel: Array,
    strides: Pair = (1, 1),
    padding: str = "valid",
    y: Array | None = None,
    needs_dx: bool = True,
) -> tuple[Array | None, Array, Array]:
    """As `reference.conv2d_backward`.

    dkernel is the product of x's windows, again read in place, and dy. dx is a convolution of dy
    with the flipped and transposed kernel; with strides SH, SW it is SH*SW of them: see
    `input_gradient`.

    Optimizations:
        - dkernel: outputs in chunks that fit the first-level cache; relu's mask and the
          zero-padding to whole panels ride along in the copy of a chunk
        - fixed slabs of dkernel's rows and fixed groups of outputs; each group has sums of its own,
          which are added in order at the end
        - dx: no dilated dy, so no multiplications by zeros between its pixels
    """
    dy, x, kernel = ready(dy, 4, "dy"), ready(x, 4, "x"), ready(kernel, 4, "kernel")
    relu = {} if y is None else {"y": ready(y, 4, "y")}
    same_dtype(x=x, kernel=kernel, dy=dy, **relu)
    shape, (top, _, left, _) = conv_shape(x.shape, kernel.shape, strides, padding)
    N, H, W, C, KH, KW, SH, SW, OH, OW, F = shape
    same_shape((N, OH, OW, F), dy=dy, **relu)
    y = relu.get("y")
    dkernel, dbias = kernel_gradients(placed(x, (H, W), (top, left)), dy, y, shape)
    dx = input_gradient(dy, y, kernel, x.shape, strides, (top, left)) if needs_dx else None
    return dx, dkernel.reshape(kernel.shape), dbias


def input_gradient(
    dy: Array, y: Array | None, kernel: Array, x_shape: Shape, strides: Pair, before: Pair
) -> Array:
    """The gradient with respect to x; `before` is the padding (rows, columns) above and left of x.

    Along one axis, padded pixel h = i*S + u was multiplied by kernel row u for output i. Write
    u = r + S*a and h = r + S*q with r < S: then i = q - a. So the pixels of phase r see only the
    kernel rows r, r + S, ..., and
        dx[r + S*q] = sum over a of dy[q - a] * kernel[r + S*a],
    a convolution of stride 1 with that part of the kernel, flipped.
    """
    phases = _phases(x_shape, kernel.shape, dy.shape[1:3], strides, before)
    dx = np.empty(0) if strides == (1, 1) else np.zeros(x_shape, dy.dtype)
    for where, size, shift, shape, zeros, steps in phases:
        around = placed(dy, size, shift, y)
        phase, _ = convolve(around, kernel, None, shape, False, zeros, steps=steps)
        if strides == (1, 1):
            dx = phase
        else:
            dx[where] = phase
    return dx


@functools.lru_cache(1024)
def _phases(
    x_shape: Shape, kernel_shape: Shape, dy_size: Pair, strides: Pair, before: Pair
) -> Sequence[tuple[tuple[slice, ...], Pair, Pair, Shape, Shape, Shape]]:
    """Of each phase: its pixels in dx; size and shift of the zeros around dy; the convolution."""
    N, H, W, C = x_shape
    KH, KW, _, F = kernel_shape
    (SH, SW), (top, left) = strides, before
    phases = []
    for r in range(min(SH, KH)):
        for c in range(min(SW, KW)):
            A, B = len(range(r, KH, SH)), len(range(c, KW, SW))
            # Phase r has the pixels q0, q0 + 1, ... of the unpadded x; likewise for the columns.
            q0, p0 = -((r - top) // SH), -((c - left) // SW)
            h0, w0 = r + SH * q0 - top, c + SW * p0 - left
            OH, OW = len(range(h0, H, SH)), len(range(w0, W, SW))
            size, shift = (OH + A - 1, OW + B - 1), (A - 1 - q0, B - 1 - p0)
            after = (max(0, OH + q0 - dy_size[0]), max(0, OW + p0 - dy_size[1]))
            # That part of the kernel: from its last row and column backwards, C and F swapped.
            last = ((r + SH * (A - 1)) * KW + c + SW * (B - 1)) * C * F
            phases.append(
                (
                    (slice(None), slice(h0, None, SH), slice(w0, None, SW)),
                    size,
                    shift,
                    (N, *size, F, A, B, 1, 1, OH, OW, C),
                    (shift[0], after[0], shift[1], after[1]),
                    (last, -SH * KW * C * F, -SW * C * F, 1, F),
                )
            )
    return phases


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
    """The forward kernel on an x with rows and columns of `zeros`: top, bottom, left, right.

    `steps`, for a kernel read in another order: where its first number is in `kernel`, and how far
    it is from there to the next row, column, channel and filter.
    """
    bias = np.empty(0, x.dtype) if bias is None else ready(bias, 1, "bias")
    if bias.size:
        same_dtype(x=x, bias=bias)
        same_shape(shape[-1:], bias=bias)
    shape, y_shape, in_order, chunk, tile = _forward_pieces(shape, pooled)
    steps = steps or in_order
    # One panel that lies in memory as the kernel reads it. All steps have to say so: those of a
    # flipped kernel end in a 1, too, where it has one filter.
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
    """The shape as `_forward` takes it, y's, the steps of a kernel in order; chunk; the tile."""
    N, H, W, C, KH, KW, SH, SW, OH, OW, F = shape
    V = _width(F)
    P, M = ROWS[V], N * OH * OW
    if pooled:
        OH, OW = OH // 2, OW // 2
        M = N * OH * OW * 4
    chunk = P * max(1, min(16, -(-M // P) // 32))
    tile = ((0,) * V, (0,) * P, (0,) * (P // 4))
    shape = shape if pooled else _pointwise(shape)
    return shape, (N, OH, OW, F), (0, KW * C * F, C * F, F, 1), chunk, tile


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
    V = _width(F)
    P, WIDE = ROWS[V], V * LANES
    panels, blocks = -(-F // WIDE), (K + P - 1 - P // 2) // P
    # 16 pieces of work or more. First slabs of the kernel's rows, as long as copying the outputs
    # for each is little beside them; then groups of 256 outputs or more, each with sums of its own,
    # which cost memory; where that is not enough, smaller slabs. Sums of more than 8192 numbers
    # one after the other would lose digits.
    slabs = max(1, min(blocks // 32, 16 // panels))
    groups = max(-(-16 // (panels * slabs)), M // 8192)
    groups = max(1, min(16, groups, M // 256, (1 << 22) // (panels * K * WIDE)))
    slabs = max(1, min(blocks, max(slabs, -(-16 // (groups * panels)))))
    chunk = max(4, 4096 // WIDE)
    sums = groups * panels * (K + 2) * WIDE
    shape = shape if pooled else _pointwise(shape)
    return shape, groups, slabs, chunk, sums, ((0,) * V, (0,) * P, (0,) * (P // 2))


def placed(x: Array, size: Pair, before: Pair, y: Array | None = None) -> Array:
    """x in images of another size, shifted by `before`, zeros around; relu's mask from y if given.

    Without anything to do it is `x` itself.
    """
    N, H, W, C = x.shape
    masked = y is not None
    if size == (H, W) and before == (0, 0) and not masked:
        return x
    out = np.empty((N, *size, C), x.dtype)
    mask = x if y is None else y
    shape = (N, H, W, C, *size, *before)
    _place(x.reshape(-1), mask.reshape(-1), out.reshape(-1), shape, masked)
    return out


@functools.lru_cache(1024)
def conv_shape(
    x_shape: Shape, kernel_shape: Shape, strides: Pair, padding: str
) -> tuple[Shape, Shape]:
    """(N, H, W, C, KH, KW, SH, SW, OH, OW, F), with the H and W of the padded x; and its zeros.

    Those are the rows and columns of padding: top, bottom, left, right.
    """
    N, H, W, C = x_shape
    KH, KW, channels, F = kernel_shape
    SH, SW = strides
    OH, OW = output_length(H, KH, SH, padding), output_length(W, KW, SW, padding)
    if channels != C or min(N + 1, OH, OW, C, F) < 1:
        raise ValueError(f"x {x_shape} and kernel {kernel_shape} do not fit, padding {padding!r}")
    (top, bottom), (left, right) = window_padding(H, W, (KH, KW), strides, padding)
    shape = (N, H + top + bottom, W + left + right, C, KH, KW, SH, SW, OH, OW, F)
    return shape, (top, bottom, left, right)


def _pointwise(shape: Shape) -> Shape:
    """A 1x1 convolution of stride 1 as one of a single row of pixels."""
    N, H, W, C, KH, KW, SH, SW, OH, OW, F = shape
    if (KH, KW, SH, SW) == (1, 1, 1, 1):
        return (1, 1, N * H * W, C, 1, 1, 1, 1, 1, N * OH * OW, F)
    return shape


def _width(F: int) -> int:
    """The V of the tile that spends least on F filters: V and a little for each of its panels."""
    return min(ROWS, key=lambda V: -(-F // (V * LANES)) * (V + 0.2))


# --- dense: a 1x1 convolution on images of one pixel ----------------------------------------------


def dense_forward(x: Array, kernel: Array, bias: Array | None, relu: bool = False) -> Array:
    """As `reference.dense_forward`."""
    x, kernel = ready(x, 2, "x"), ready(kernel, 2, "kernel")
    return conv2d_forward(x[:, None, None], kernel[None, None], bias, relu=relu)[:, 0, 0]


def dense_backward(
    dy: Array, x: Array, kernel: Array, y: Array | None = None, needs_dx: bool = True
) -> tuple[Array | None, Array, Array]:
    """As `reference.dense_backward`."""
    dy, x, kernel = ready(dy, 2, "dy"), ready(x, 2, "x"), ready(kernel, 2, "kernel")
    y = None if y is None else ready(y, 2, "y")[:, None, None]
    dx, dkernel, dbias = conv2d_backward(
        dy[:, None, None], x[:, None, None], kernel[None, None], y=y, needs_dx=needs_dx
    )
    return (None if dx is None else dx[:, 0, 0]), dkernel[0, 0], dbias
