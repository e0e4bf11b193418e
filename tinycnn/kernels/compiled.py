"""The kernels that run: the functions of `reference.py`, with the same meaning, in Numba.

Read `reference.py` first. The convolution here is the same matrix product as there, without ever
writing the columns down: in NHWC the KW*C inputs under one row of the kernel lie side by side, so
row m of im2col(x) can be read in place, at x[window(m) + origin(k)]. Registers hold a tile of P
outputs by V vectors of filters and take one outer product after the other.

Legend, beyond that of `reference.py`: M = N*OH*OW outputs, counted in that order, and K = KH*KW*C
inputs of each; P, V, LANES as in `simd.py`; WIDE = V*LANES filters make a panel. `shape` is
(N, H, W, C, KH, KW, SH, SW, OH, OW, F). Kernels see flat arrays only.

Rules: how work is cut into pieces depends on the shapes, never on the number of threads, and every
sum has one order: the bits are the same for any number of threads. Kernels check nothing, so the
functions around them check shapes and dtypes. Compiled variants are a fixed set: TILES of `simd.py`
for the two convolution kernels, one variant of each other kernel, all for float32 and float64.

A process forked (os.fork, multiprocessing's "fork") after a kernel has run is refused them with an
error: the OpenMP threads do not survive, and would get it killed. Use "spawn", or the NumPy rung.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
# (Numba compiles the kernels for the types they are called with; the public functions are typed)

import time
from collections.abc import Callable
from contextlib import ExitStack

import numba
import numpy as np
from numba import prange

from tinycnn import console
from tinycnn.geometry import output_length, window_padding
from tinycnn.kernels import reference, simd
from tinycnn.kernels.checks import Shape
from tinycnn.kernels.checks import aligned_zeros as _aligned_zeros
from tinycnn.kernels.checks import pool_shape as _pool_shape
from tinycnn.kernels.checks import ready as _ready
from tinycnn.kernels.checks import ready_winners as _ready_winners
from tinycnn.kernels.checks import same_dtype as _same_dtype
from tinycnn.kernels.checks import same_shape as _same_shape
from tinycnn.kernels.checks import writable_in_place as _writable_in_place
from tinycnn.kernels.compiled_layers import *  # noqa: F403

# Not hot in this rung, which needs no columns: the reference rung's serve.
from tinycnn.kernels.reference import Pair
from tinycnn.kernels.reference import adam_step_size as adam_step_size
from tinycnn.kernels.reference import col2im as col2im
from tinycnn.kernels.reference import im2col as im2col
from tinycnn.kernels.reference import rmsprop_update as rmsprop_update
from tinycnn.kernels.reference import softmax_backward as softmax_backward
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

# --- convolution: the kernels ---------------------------------------------------------------------


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


@jit(parallel=True)
def _forward(x, panels, bias, y, winners, shape, zeros, chunk, relu, pooled, ROW, COLUMN, POOLS):
    N, H, W, C, KH, KW, SH, SW, OH, OW, F = shape
    P, WIDE = len(COLUMN), len(ROW) * LANES
    M, K = N * OH * OW, KH * KW * C
    if pooled:
        M = N * (OH // 2) * (OW // 2) * 4
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
            for t in range(chunk):
                m = min(g * chunk + t, M - 1)
                n, i, j = m % N, m // N // OW, m // N % OW
                windows[t] = ((n * H + i * SH) * W + j * SW) * C
                outputs[t] = ((n * OH + i) * OW + j) * F
        else:
            _find_windows(windows, g * chunk, chunk, shape)
            for t in range(chunk):
                outputs[t] = min(g * chunk + t, M - 1) * F
        for f0 in range(0, F, WIDE):
            for t in range(0, min(chunk, M - g * chunk), P):
                origins = indices(windows, t, COLUMN)
                tile = repeat(load_row(bias, f0, ROW), COLUMN)
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
def _dkernel(x, dy, y, winners, sums, shape, groups, slabs, chunk, masked, pooled, ROW, COLUMN):
    N, H, W, C, KH, KW, SH, SW, OH, OW, F = shape
    P, WIDE = len(COLUMN), len(ROW) * LANES
    M, K = N * OH * OW, KH * KW * C
    if pooled:
        M = N * (OH // 2) * (OW // 2) * 4
    panels, blocks = (F + WIDE - 1) // WIDE, (K + P - 1) // P
    unit = 4 if pooled else 1  # outputs that stay together
    for item in prange(groups * panels * slabs):
        # A group of outputs, a panel of filters, a slab of the kernel's rows. `sums` holds
        # K + 1 rows of WIDE for each group and panel, the last one for dbias.
        g, panel, slab = item // (panels * slabs), item // slabs % panels, item % slabs
        f0, first = panel * WIDE, (g * panels + panel) * (K + 1) * WIDE
        b0, b1 = blocks * slab // slabs, blocks * (slab + 1) // slabs
        sums[first + b0 * P * WIDE : first + min(b1 * P, K) * WIDE] = 0
        dbias = first + K * WIDE
        if slab == 0:
            sums[dbias : dbias + WIDE] = 0
        one = np.ones(1, x.dtype)
        windows = np.empty(chunk, np.int64)
        outputs = np.empty(chunk, np.int64)
        places = np.empty(P, np.int64)
        origins = np.empty(P, np.int64)
        rows = np.zeros(chunk * WIDE, x.dtype)
        end = M // unit * (g + 1) // groups * unit
        for m0 in range(M // unit * g // groups * unit, end, chunk):
            count = min(chunk, end - m0)
            if pooled:
                _find_pools(windows, outputs, m0 // 4, count // 4, shape)
            else:
                _find_windows(windows, m0, count, shape)
            for t in range(count):
                start = (m0 + t) * F + f0
                if pooled:
                    start = outputs[t // 4] + f0
                if start + WIDE <= dy.size:
                    # Past the end of a row this reads from the next: into sums nobody reads.
                    row = load_row(dy, start, ROW)
                    if masked:
                        row = where_positive(load_row(y, start, ROW), row)
                    if pooled:
                        row = where_equal(load_row(winners, start, ROW), t % 4, row)
                    store_tile(rows, (t * WIDE,), 0, row)
                elif pooled:
                    for f in range(min(WIDE, F - f0)):
                        won = winners[start + f] == t % 4
                        rows[t * WIDE + f] = dy[start + f] if won else x.dtype.type(0)
                else:
                    _copy(rows[t * WIDE : t * WIDE + min(WIDE, F - f0)], dy, y, start, masked)
            if slab == 0:
                tile = load_tile(sums, (dbias,), ROW)
                for t in range(count):
                    tile = multiply_add(tile, one, (0,), 0, load_row(rows, t * WIDE, ROW))
                store_tile(sums, (dbias,), 0, tile)
            for b in range(b0, b1):
                for p in range(P):
                    k = min(b * P + p, K - 1)
                    places[p] = first + k * WIDE
                    origins[p] = k // (KW * C) * W * C + k % (KW * C)
                starts, offsets = indices(places, 0, COLUMN), indices(origins, 0, COLUMN)
                tile = load_tile(sums, starts, ROW)
                for t in range(count):
                    tile = multiply_add(tile, x, offsets, windows[t], load_row(rows, t * WIDE, ROW))
                store_tile(sums, starts, 0, tile)


@numba.njit
def _copy(target, source, y, start, masked):
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
def _add(total, values):
    for i in range(total.size):
        total[i] += values[i]


@jit(parallel=True)
def _add_groups(sums, dkernel, dbias, K, F, WIDE, groups):
    """The groups' sums, added in the order of the groups."""
    panels = (F + WIDE - 1) // WIDE
    for k in prange(K + 1):
        out = dkernel[k * F : (k + 1) * F] if k < K else dbias
        for f0 in range(0, F, WIDE):
            for g in range(groups):
                start = ((g * panels + f0 // WIDE) * (K + 1) + k) * WIDE
                if g == 0:
                    _copy(out[f0 : f0 + WIDE], sums, sums, start, False)
                else:
                    _add(out[f0 : f0 + WIDE], sums[start : start + WIDE])


@jit(parallel=True)
def _place(x, y, out, shape, masked):
    """x shifted by (top, left) into larger or smaller images; see `_placed`."""
    N, H, W, C, OH, OW, top, left = shape
    zero = out.dtype.type(0)
    for r in prange(N * OH):
        n, i = r // OH, r % OH - top
        line = out[r * OW * C : (r + 1) * OW * C]
        if 0 <= i < H:
            j0 = max(0, -left)  # the first column of x that this row has
            start, stop = (left + j0) * C, (left + max(j0, W)) * C
            line[:start] = zero
            _copy(line[start:stop], x, y, ((n * H + i) * W + j0) * C, masked)
            line[stop:] = zero
        else:
            line[:] = zero


_ROWS = {V: P for P, V in TILES}
_NO_WINNERS = np.empty(0, np.uint8)
_LINE = 3  # vectors of a line that `_scatter` takes at once

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
    x, kernel = _ready(x, 4, "x"), _ready(kernel, 4, "kernel")
    _same_dtype(x=x, kernel=kernel)
    shape = _conv_shape(x.shape, kernel.shape, strides, padding)
    N, H, W, C, KH, KW, SH, SW, OH, OW, F = shape
    around = window_padding(x.shape[1], x.shape[2], (KH, KW), strides, padding)
    (top, bottom), (left, right) = around
    x = _placed(x, (H, W), (top, left))
    y, _ = _convolve(x, kernel, bias, shape, relu, (top, bottom, left, right))
    return y.reshape(N, OH, OW, F)


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
    with the flipped and transposed kernel; with strides SH, SW it is SH*SW of them, see `_dx`.

    Optimizations:
        - dkernel: outputs in chunks that fit the first-level cache; relu's mask, the zero-padding
          to whole panels and dbias ride along in the copy of a chunk
        - fixed groups of outputs, each with sums of its own that are added in order at the end
        - dx: no dilated dy, so no multiplications by zeros between its pixels
    """
    dy, x, kernel = _ready(dy, 4, "dy"), _ready(x, 4, "x"), _ready(kernel, 4, "kernel")
    y = dy if y is None else _ready(y, 4, "y")
    _same_dtype(x=x, kernel=kernel, dy=dy, y=y)
    shape = _conv_shape(x.shape, kernel.shape, strides, padding)
    N, H, W, C, KH, KW, SH, SW, OH, OW, F = shape
    _same_shape((N, OH, OW, F), dy=dy, y=y)
    (top, _), (left, _) = window_padding(x.shape[1], x.shape[2], (KH, KW), strides, padding)
    dkernel, dbias = _kernel_gradients(_placed(x, (H, W), (top, left)), dy, y, shape)
    dx = _dx(dy, y, kernel, x.shape, strides, (top, left)) if needs_dx else None
    return dx, dkernel.reshape(kernel.shape), dbias


def _dx(dy: Array, y: Array, kernel: Array, x_shape: Shape, strides: Pair, before: Pair) -> Array:
    """The gradient by x; `before` are the rows and columns of padding above and left of x.

    Along one axis, padded pixel h = i*S + u was multiplied by kernel row u for output i. Write
    u = r + S*a and h = r + S*q with r < S: then i = q - a. So the pixels of phase r see only the
    kernel rows r, r + S, ..., and
        dx[r + S*q] = sum over a of dy[q - a] * kernel[r + S*a],
    a convolution of stride 1 with that part of the kernel, flipped.
    """
    N, H, W, C = x_shape
    KH, KW, _, F = kernel.shape
    (SH, SW), (top, left) = strides, before
    one_phase = SH == SW == 1
    dx = np.empty(0) if one_phase else np.zeros(x_shape, dy.dtype)
    for r in range(min(SH, KH)):
        for c in range(min(SW, KW)):
            part = kernel[r::SH, c::SW]
            A, B = part.shape[:2]
            # Phase r has the pixels q0, q0 + 1, ... of the unpadded x; likewise for the columns.
            q0, p0 = -((r - top) // SH), -((c - left) // SW)
            h0, w0 = r + SH * q0 - top, c + SW * p0 - left
            OH, OW = len(range(h0, H, SH)), len(range(w0, W, SW))
            around = _placed(dy, (OH + A - 1, OW + B - 1), (A - 1 - q0, B - 1 - p0), y)
            flipped = part[::-1, ::-1].transpose(0, 1, 3, 2)
            shape = (N, OH + A - 1, OW + B - 1, F, A, B, 1, 1, OH, OW, C)
            zeros = (A - 1 - q0, OH + q0 - dy.shape[1], B - 1 - p0, OW + p0 - dy.shape[2])
            phase, _ = _convolve(around, flipped, None, shape, False, zeros)
            phase = phase.reshape(N, OH, OW, C)
            if one_phase:
                dx = phase
            else:
                dx[:, h0::SH, w0::SW] = phase
    return dx


def _convolve(
    x: Array,
    kernel: Array,
    bias: Array | None,
    shape: Shape,
    relu: bool,
    zeros: Shape,
    pooled: bool = False,
) -> tuple[Array, Array]:
    """The forward kernel on an x with rows and columns of `zeros`: top, bottom, left, right."""
    N, H, W, C, KH, KW, SH, SW, OH, OW, F = shape = shape if pooled else _pointwise(shape)
    M, K = N * OH * OW, KH * KW * C
    V = _width(F)
    P, WIDE = _ROWS[V], V * LANES
    # Filters in panels of WIDE, each (K, WIDE), the last one padded with zeros.
    count = -(-F // WIDE)
    rows = kernel.reshape(K, F)
    if F % WIDE:
        rows = np.zeros((K, count * WIDE), x.dtype)
        rows[:, :F] = kernel.reshape(K, F)
    panels = np.ascontiguousarray(rows.reshape(K, count, WIDE).transpose(1, 0, 2))
    start = np.zeros(count * WIDE, x.dtype)
    if bias is not None:
        _same_dtype(x=x, bias=bias)
        _same_shape((F,), bias=bias)
        start[:F] = bias
    if pooled:
        OH, OW, M = OH // 2, OW // 2, N * (OH // 2) * (OW // 2) * 4
    y = np.empty((N, OH, OW, F), x.dtype)
    winners: Array = np.empty(y.shape, np.uint8) if pooled else _NO_WINNERS
    chunk = P * max(1, min(16, -(-M // P) // 32))
    _forward(
        x.reshape(-1),
        panels.reshape(-1),
        start,
        y.reshape(-1),
        winners.reshape(-1),
        shape,
        tuple(max(0, z) for z in zeros),
        chunk,
        relu,
        pooled,
        (0,) * V,
        (0,) * P,
        (0,) * (P // 4),
    )
    return y, winners


def _kernel_gradients(
    x: Array, dy: Array, y: Array, shape: Shape, winners: Array = _NO_WINNERS
) -> tuple[Array, Array]:
    """dkernel (flat) and dbias, from a padded x; relu's mask is taken from y unless y is dy.

    With `winners`, dy is the gradient by the pool's outputs.
    """
    pooled = winners.size > 0
    N, H, W, C, KH, KW, SH, SW, OH, OW, F = shape = shape if pooled else _pointwise(shape)
    M, K = N * OH * OW, KH * KW * C
    V = _width(F)
    P, WIDE = _ROWS[V], V * LANES
    panels, blocks = -(-F // WIDE), -(-K // P)
    # 16 pieces of work or more: groups of at least 256 outputs, but no more than 4 million sums;
    # for the rest, slabs of kernel rows.
    groups = max(1, min(16, M // 256, (1 << 22) // (panels * K * WIDE)))
    slabs = min(blocks, -(-16 // (groups * panels)))
    chunk = max(4, 4096 // WIDE)
    sums = np.empty(groups * panels * (K + 1) * WIDE, x.dtype)
    dkernel, dbias = np.empty(K * F, x.dtype), np.empty(F, x.dtype)
    flat = (array.reshape(-1) for array in (x, dy, y, winners, sums))
    masked = y is not dy
    _dkernel(*flat, shape, groups, slabs, chunk, masked, pooled, (0,) * V, (0,) * P)
    _add_groups(sums, dkernel, dbias, K, F, WIDE, groups)
    return dkernel, dbias


def _placed(x: Array, size: Pair, before: Pair, y: Array | None = None) -> Array:
    """x in images of another size, shifted by `before`, zeros around; relu's mask from y if given.

    Without anything to do it is `x` itself.
    """
    N, H, W, C = x.shape
    masked = y is not None and y is not x
    if size == (H, W) and before == (0, 0) and not masked:
        return x
    out = np.empty((N, *size, C), x.dtype)
    mask = x if y is None else y
    shape = (N, H, W, C, *size, *before)
    _place(x.reshape(-1), mask.reshape(-1), out.reshape(-1), shape, masked)
    return out


def _conv_shape(x_shape: Shape, kernel_shape: Shape, strides: Pair, padding: str) -> Shape:
    """(N, H, W, C, KH, KW, SH, SW, OH, OW, F), with the H and W of the padded x."""
    N, H, W, C = x_shape
    KH, KW, channels, F = kernel_shape
    SH, SW = strides
    OH, OW = output_length(H, KH, SH, padding), output_length(W, KW, SW, padding)
    if channels != C or min(N + 1, OH, OW, C, F) < 1:
        raise ValueError(f"x {x_shape} and kernel {kernel_shape} do not fit, padding {padding!r}")
    (top, bottom), (left, right) = window_padding(H, W, (KH, KW), strides, padding)
    return (N, H + top + bottom, W + left + right, C, KH, KW, SH, SW, OH, OW, F)


def _pointwise(shape: Shape) -> Shape:
    """A 1x1 convolution of stride 1 as one of a single row of pixels."""
    N, H, W, C, KH, KW, SH, SW, OH, OW, F = shape
    if (KH, KW, SH, SW) == (1, 1, 1, 1):
        return (1, 1, N * H * W, C, 1, 1, 1, 1, 1, N * OH * OW, F)
    return shape


def _width(F: int) -> int:
    """The V of the tile that spends least on F filters: V and a little for each of its panels."""
    return min(_ROWS, key=lambda V: -(-F // (V * LANES)) * (V + 0.2))


# --- convolution, relu and 2x2 max-pooling in one -------------------------------------------------


@numba.njit
def _aligned(size, like):
    """Zeros of the dtype of `like`, no vector of which lies across two lines of the cache."""
    array = np.zeros(size + 64, like.dtype)
    start = -array.ctypes.data % 64 // array.itemsize
    return array[start : start + size]


@jit(parallel=True)
def _scatter(x, dy, winners, filters, sums, biases, dx, shape, groups, strip, LINE):
    """Both gradients of the pair, from those few that the pool and relu let through.

    Of the four outputs in a pool one at most has a gradient, and relu leaves a part of those. For
    each image and filter the places with one are listed; then the filter's row of dkernel is the
    sum of gradient * window of x, and each window of dx gets gradient * filter added.

    A line is a row of the kernel, and of a window: KW*C neighbours, taken in `parts` of WIDE. The
    image is copied with the zeros around it, `strip` rows of pools at a time, and dx is made in a
    copy; both have room for a last part that reaches past its line, where the filter is 0.
    """
    N, H, W, C, KH, KW, OH, OW, F, top, left = shape
    WIDE = len(LINE) * LANES
    parts = (KW * C + WIDE - 1) // WIDE
    row_size = KH * parts * WIDE
    PH, PW, WP = OH // 2, OW // 2, OW + KW - 1
    most, zero = strip * PW, x.dtype.type(0)
    for g in prange(groups):
        size = (2 * strip + KH - 1) * WP * C + WIDE
        image, dimage = _aligned(size, x), _aligned(size, x)
        at, value = np.empty(F * most, np.int64), np.empty(F * most, x.dtype)
        count, corners = np.empty(F, np.int64), np.zeros(256, np.int64)
        first = g * F * row_size
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
                        biases[g * F + f] += gradient if winner < 4 else zero
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
                            _add(dx[start : start + W * C], dimage[line : line + W * C])


def conv2d_relu_pool_forward(
    x: Array, kernel: Array, bias: Array | None, padding: str = "valid"
) -> tuple[Array, Array]:
    """As `reference.conv2d_relu_pool_forward`."""
    x, kernel = _ready(x, 4, "x"), _ready(kernel, 4, "kernel")
    _same_dtype(x=x, kernel=kernel)
    shape = _conv_shape(x.shape, kernel.shape, (1, 1), padding)
    N, H, W, C, KH, KW, SH, SW, OH, OW, F = shape
    (top, _), (left, _) = window_padding(x.shape[1], x.shape[2], (KH, KW), (1, 1), padding)
    x = _placed(x, (H, W), (top, left))
    return _convolve(x, kernel, bias, shape, True, (0, 0, 0, 0), pooled=True)


def conv2d_relu_pool_backward(
    dy: Array,
    x: Array,
    kernel: Array,
    winners: Array,
    padding: str = "valid",
    needs_dx: bool = True,
) -> tuple[Array | None, Array, Array]:
    """As `reference.conv2d_relu_pool_backward`."""
    dy, x, kernel = _ready(dy, 4, "dy"), _ready(x, 4, "x"), _ready(kernel, 4, "kernel")
    _same_dtype(x=x, kernel=kernel, dy=dy)
    shape = _conv_shape(x.shape, kernel.shape, (1, 1), padding)
    N, H, W, C, KH, KW, SH, SW, OH, OW, F = shape
    _same_shape((N, OH // 2, OW // 2, F), dy=dy, winners=winners)
    winners = _ready_winners(winners, np.uint8)
    (top, _), (left, _) = window_padding(x.shape[1], x.shape[2], (KH, KW), (1, 1), padding)
    WIDE = _LINE * LANES
    line, parts = KW * C, -(-KW * C // WIDE)
    if parts * WIDE > 2 * line or N < 4:  # lines too narrow, or too few images for the threads
        if needs_dx:
            dz = max_pool_backward(dy, winners.astype(np.int32), (N, OH, OW, F), (2, 2), (2, 2))
            return conv2d_backward(dz, x, kernel, (1, 1), padding)
        x = _placed(x, (H, W), (top, left))
        dkernel, dbias = _kernel_gradients(x, dy, dy, shape, winners)
        return None, dkernel.reshape(kernel.shape), dbias
    filters = _aligned_zeros((F, KH, parts * WIDE), x.dtype)
    filters[:, :, :line] = kernel.transpose(3, 0, 1, 2).reshape(F, KH, line)
    groups = max(1, min(16, N, (1 << 22) // filters.size))
    strip = max(1, min(OH // 2, (6000 // ((OW + KW - 1) * C) - KH + 1) // 2))  # of 6000 numbers
    sums, biases = (_aligned_zeros((groups, *s), x.dtype) for s in (filters.shape, (F,)))
    dx = np.empty(x.shape if needs_dx else (0, 0, 0, 0), x.dtype)
    shape = (N, *x.shape[1:], KH, KW, OH, OW, F, top, left)
    arrays = (x, dy, winners, filters, sums, biases, dx)
    _scatter(*(array.reshape(-1) for array in arrays), shape, groups, strip, (0,) * _LINE)
    total = np.empty(filters.shape, x.dtype)
    rows, width = total.reshape(F, -1), KH * parts * WIDE
    _add_groups(sums.reshape(-1), rows[:-1].reshape(-1), rows[-1], F - 1, width, width, groups)
    dkernel = total[:, :, :line].transpose(1, 2, 0).reshape(kernel.shape)
    return dx if needs_dx else None, dkernel, biases.sum(axis=0)


# --- max-pooling ----------------------------------------------------------------------------------


@numba.njit
def _keep_larger(best, winner, pixel, place):
    """Where pixel > best, or is the first NaN, it is the new best and `place` the new winner."""
    for c in range(best.size):
        value, old = pixel[c], best[c]
        wins = (not value <= old) & (old == old)
        best[c] = value if wins else old
        winner[c] = place if wins else winner[c]


@jit(parallel=True)
def _pool(x, y, winners, shape):
    N, H, W, C, PH, PW, SH, SW, OH, OW, top, left = shape
    for r in prange(N * OH):
        n, i = r // OH, r % OH * SH - top
        for j_ in range(OW):
            j = j_ * SW - left
            best = y[(r * OW + j_) * C : (r * OW + j_ + 1) * C]
            winner = winners[(r * OW + j_) * C : (r * OW + j_ + 1) * C]
            u0, v0 = max(0, -i), max(0, -j)
            start = ((n * H + i + u0) * W + j + v0) * C
            _copy(best, x, x, start, False)
            winner[:] = np.int32(u0 * PW + v0)
            for u in range(u0, min(PH, H - i)):
                for v in range(v0, min(PW, W - j)):
                    start = ((n * H + i + u) * W + j + v) * C
                    _keep_larger(best, winner, x[start : start + C], np.int32(u * PW + v))


@numba.njit
def _add_where(total, values, winner, place):
    zero = total.dtype.type(0)
    for c in range(total.size):
        value = values[c]
        total[c] += value if winner[c] == place else zero


@jit(parallel=True)
def _unpool(dy, winners, dx, shape):
    """By rows of dx, each of which looks up the windows it is in: no two threads share a row."""
    N, H, W, C, PH, PW, SH, SW, OH, OW, top, left = shape
    for r in prange(N * H):
        n, h = r // H, r % H + top
        dx[r * W * C : (r + 1) * W * C] = 0
        # The windows i with i*SH <= h < i*SH + PH have this row.
        for i in range(max(0, (h - PH + SH) // SH), min(OH, h // SH + 1)):
            u = h - i * SH
            for j in range(OW):
                start = ((n * OH + i) * OW + j) * C
                gradient, winner = dy[start : start + C], winners[start : start + C]
                for v in range(max(0, left - j * SW), min(PW, W + left - j * SW)):
                    place = np.int32(u * PW + v)
                    pixel = (r * W + j * SW + v - left) * C
                    _add_where(dx[pixel : pixel + C], gradient, winner, place)


def max_pool_forward(
    x: Array, pool_size: Pair, strides: Pair, padding: str = "valid"
) -> tuple[Array, Array]:
    """As `reference.max_pool_forward`."""
    x = _ready(x, 4, "x")
    shape = _pool_shape(x.shape, pool_size, strides, padding)
    out = (shape[0], shape[8], shape[9], shape[3])
    y, winners = np.empty(out, x.dtype), np.empty(out, np.int32)
    _pool(x.reshape(-1), y.reshape(-1), winners.reshape(-1), shape)
    return y, winners


def max_pool_backward(
    dy: Array,
    winners: Array,
    x_shape: tuple[int, int, int, int],
    pool_size: Pair,
    strides: Pair,
    padding: str = "valid",
) -> Array:
    """As `reference.max_pool_backward`."""
    dy = _ready(dy, 4, "dy")
    winners = _ready_winners(winners, np.int32)
    shape = _pool_shape(x_shape, pool_size, strides, padding)
    _same_shape((shape[0], shape[8], shape[9], shape[3]), dy=dy, winners=winners)
    dx = np.empty(x_shape, dy.dtype)
    _unpool(dy.reshape(-1), winners.reshape(-1), dx.reshape(-1), shape)
    return dx


# --- dense: a 1x1 convolution on images of one pixel ----------------------------------------------


def dense_forward(x: Array, kernel: Array, bias: Array | None, relu: bool = False) -> Array:
    """As `reference.dense_forward`."""
    x, kernel = _ready(x, 2, "x"), _ready(kernel, 2, "kernel")
    return conv2d_forward(x[:, None, None], kernel[None, None], bias, relu=relu)[:, 0, 0]


def dense_backward(
    dy: Array, x: Array, kernel: Array, y: Array | None = None, needs_dx: bool = True
) -> tuple[Array | None, Array, Array]:
    """As `reference.dense_backward`."""
    dy, x, kernel = _ready(dy, 2, "dy"), _ready(x, 2, "x"), _ready(kernel, 2, "kernel")
    y = None if y is None else _ready(y, 2, "y")[:, None, None]
    dx, dkernel, dbias = conv2d_backward(
        dy[:, None, None], x[:, None, None], kernel[None, None], y=y, needs_dx=needs_dx
    )
    return (None if dx is None else dx[:, 0, 0]), dkernel[0, 0], dbias


# --- activations ----------------------------------------------------------------------------------

_PIECE = 4096  # elements of one piece of an element-wise kernel's work


@jit(parallel=True)
def _relu(x, y):
    zero = x.dtype.type(0)
    for g in prange((x.size + _PIECE - 1) // _PIECE):
        source, target = x[g * _PIECE : (g + 1) * _PIECE], y[g * _PIECE : (g + 1) * _PIECE]
        for i in range(source.size):
            target[i] = zero if source[i] < zero else source[i]


def relu_forward(x: Array) -> Array:
    """As `reference.relu_forward`."""
    x = _ready(x, x.ndim, "x")
    y = np.empty_like(x)
    _relu(x.reshape(-1), y.reshape(-1))
    return y


def relu_backward(dy: Array, y: Array) -> Array:
    """As `reference.relu_backward`."""
    dy, y = _ready(dy, dy.ndim, "dy"), _ready(y, y.ndim, "y")
    _same_dtype(dy=dy, y=y)
    _same_shape(y.shape, dy=dy)
    rows = dy.reshape(1, len(dy) if dy.ndim else 1, 1, -1) if dy.size else dy.reshape(1, 0, 1, 1)
    return _placed(rows, rows.shape[1:3], (0, 0), y.reshape(rows.shape)).reshape(dy.shape)


@jit(parallel=False)
def _log_softmax(x, log_p, p, K):
    for r in range(x.size // max(K, 1)):
        row = x[r * K : (r + 1) * K]
        top = row[0]
        for value in row:
            if value > top:
                top = value
        total = row.dtype.type(0)
        for k in range(K):
            total += np.exp(row[k] - top)
        log_total = np.log(total)
        for k in range(K):
            log_p[r * K + k] = (row[k] - top) - log_total
            p[r * K + k] = np.exp(log_p[r * K + k])


def _softmax(x: Array) -> tuple[Array, Array]:
    """log(softmax(x)) and softmax(x), over the last axis."""
    x = _ready(x, x.ndim, "x")
    log_p, p = np.empty_like(x), np.empty_like(x)
    _log_softmax(x.reshape(-1), log_p.reshape(-1), p.reshape(-1), x.shape[-1])
    return log_p, p


def softmax_forward(x: Array) -> Array:
    """As `reference.softmax_forward`."""
    return _softmax(x)[1]


def log_softmax(x: Array) -> Array:
    """As `reference.log_softmax`."""
    return _softmax(x)[0]


# --- loss -----------------------------------------------------------------------------------------


@jit(parallel=False)
def _cross_entropy(log_p, targets, losses):
    K = log_p.size // max(losses.size, 1)
    for n in range(losses.size):
        total = log_p.dtype.type(0)
        for k in range(n * K, (n + 1) * K):
            total += targets[k] * log_p[k]
        losses[n] = -total


@jit(parallel=False)
def _cross_entropy_gradient(p, targets, dlogits, K):
    for n in range(p.size // max(K, 1)):
        total = p.dtype.type(0)
        for k in range(n * K, (n + 1) * K):
            total += targets[k]
        for k in range(n * K, (n + 1) * K):
            dlogits[k] = p[k] * total - targets[k]


def softmax_cross_entropy_forward(logits: Array, targets: Array) -> tuple[Array, Array]:
    """As `reference.softmax_cross_entropy_forward`."""
    targets = _ready(targets, 2, "targets")
    _same_dtype(logits=logits, targets=targets)
    _same_shape(logits.shape, targets=targets)
    log_p, p = _softmax(logits)
    losses = np.empty(len(log_p), log_p.dtype)
    _cross_entropy(log_p.reshape(-1), targets.reshape(-1), losses)
    return losses, p


def softmax_cross_entropy_backward(probabilities: Array, targets: Array) -> Array:
    """As `reference.softmax_cross_entropy_backward`."""
    p, targets = _ready(probabilities, 2, "probabilities"), _ready(targets, 2, "targets")
    _same_dtype(probabilities=p, targets=targets)
    _same_shape(p.shape, targets=targets)
    dlogits = np.empty_like(p)
    _cross_entropy_gradient(p.reshape(-1), targets.reshape(-1), dlogits.reshape(-1), p.shape[1])
    return dlogits


# --- optimizers: the reference's arithmetic, operation for operation: equal to the bit ------------


@jit(parallel=True)
def _adam(value, gradient, m, v, step_size, rate_1, rate_2, epsilon):
    for piece in prange((value.size + _PIECE - 1) // _PIECE):
        here = slice(piece * _PIECE, (piece + 1) * _PIECE)
        w, g, m_, v_ = value[here], gradient[here], m[here], v[here]
        for i in range(w.size):
            first = m_[i] + (g[i] - m_[i]) * rate_1
            second = v_[i] + (g[i] * g[i] - v_[i]) * rate_2
            m_[i], v_[i] = first, second
            w[i] -= (first * step_size) / (np.sqrt(second) + epsilon)


@jit(parallel=True)
def _sgd(value, gradient, velocity, learning_rate, momentum, moving, nesterov):
    for piece in prange((value.size + _PIECE - 1) // _PIECE):
        here = slice(piece * _PIECE, (piece + 1) * _PIECE)
        w, g, v = value[here], gradient[here], velocity[here]
        for i in range(w.size):
            step = g[i] * learning_rate
            if moving:
                v[i] = v[i] * momentum - step
                w[i] += v[i] * momentum - step if nesterov else v[i]
            else:
                w[i] -= step


def adam_update(
    value: Array,
    gradient: Array,
    m: Array,
    v: Array,
    step_size: float | np.floating,
    beta_1: float,
    beta_2: float,
    epsilon: float,
) -> None:
    """As `reference.adam_update`, in one pass over the memory."""
    gradient = _ready(gradient, value.ndim, "gradient")
    _same_dtype(value=value, gradient=gradient, m=m, v=v)
    _same_shape(value.shape, gradient=gradient, m=m, v=v)
    if not _writable_in_place(value, m, v):
        reference.adam_update(value, gradient, m, v, step_size, beta_1, beta_2, epsilon)
        return
    flat = (array.reshape(-1) for array in (value, gradient, m, v))
    scalar = value.dtype.type
    _adam(*flat, scalar(step_size), scalar(1 - beta_1), scalar(1 - beta_2), scalar(epsilon))


def sgd_update(
    value: Array,
    gradient: Array,
    velocity: Array | None,
    learning_rate: float,
    momentum: float = 0.0,
    nesterov: bool = False,
) -> None:
    """As `reference.sgd_update`, in one pass over the memory."""
    gradient = _ready(gradient, value.ndim, "gradient")
    moved = value if velocity is None else velocity
    _same_dtype(value=value, gradient=gradient, velocity=moved)
    _same_shape(value.shape, gradient=gradient, velocity=moved)
    if not _writable_in_place(value, moved):
        reference.sgd_update(value, gradient, velocity, learning_rate, momentum, nesterov)
        return
    flat = (array.reshape(-1) for array in (value, gradient, moved))
    scalar = value.dtype.type
    _sgd(*flat, scalar(learning_rate), scalar(momentum), velocity is not None, bool(nesterov))


# --- warming up -----------------------------------------------------------------------------------


def warm_up(dtype: str = "float32") -> float:
    """Runs every kernel once on small arrays of `dtype`: compiles them, or loads them all.

    Returns:
        The seconds it took.
    """
    start = time.perf_counter()
    scalar = np.dtype(dtype).type
    matrix = np.ones((2, 2), dtype)
    images = np.ones((1, 2, 2, 1), dtype)
    kernels = [np.ones((2, 2, 1, V * LANES), dtype) for V in _ROWS]
    outputs = [np.ones((1, 1, 1, V * LANES), dtype) for V in _ROWS]
    y, winners = np.ones((1, 1, 1, 1), dtype), np.zeros((1, 1, 1, 1), np.int32)
    work: list[Callable[[], object]] = [
        *(lambda k=k: conv2d_forward(images, k, None) for k in kernels),
        *(
            lambda k=k, o=o: conv2d_backward(o, images, k, needs_dx=False)
            for k, o in zip(kernels, outputs, strict=True)
        ),
        lambda: conv2d_forward(images, np.ones((2, 2, 1, 1), dtype), None, padding="same"),
        lambda: conv2d_relu_pool_backward(
            np.ones((4, 1, 1, 1), dtype),
            np.ones((4, 2, 2, _LINE * LANES), dtype),
            np.ones((1, 1, _LINE * LANES, 1), dtype),
            np.zeros((4, 1, 1, 1), np.uint8),
        ),
        lambda: max_pool_forward(images, (2, 2), (2, 2)),
        lambda: max_pool_backward(y, winners, (1, 2, 2, 1), (2, 2), (2, 2)),
        lambda: relu_forward(matrix),
        lambda: relu_backward(matrix, matrix),
        lambda: softmax_cross_entropy_forward(matrix, matrix),
        lambda: softmax_cross_entropy_backward(matrix, matrix),
        lambda: adam_update(
            matrix.copy(), matrix, matrix.copy(), matrix.copy(), scalar(1), 0.9, 0.999, 1e-7
        ),
        lambda: sgd_update(matrix.copy(), matrix, None, 0.1),
    ]
    with ExitStack() as stack:
        shown: list[console.Progress] = []

        def show() -> None:
            if not shown:
                label = "compiling the kernels, once on this machine"
                shown.append(stack.enter_context(console.Progress(label, len(work), "kernels")))

        stack.callback(setattr, simd, "before_compile", simd.before_compile)
        simd.before_compile = show
        for done, part in enumerate(work, start=1):
            part()
            for progress in shown:
                progress.update(done)
    return time.perf_counter() - start
