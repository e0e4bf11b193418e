"""Where the windows of a convolution are: its shape, and the index at which each window starts.

Legend: `shape` is (N, H, W, C, KH, KW, SH, SW, OH, OW, F), where H and W are those of the padded x.
M = N*OH*OW outputs are numbered in the order (image, row, column). The window of output (n, i, j)
starts at x[n, i*SH, j*SW, 0]; as x is flat, that is one index.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
# (Numba compiles the kernels for the types they are called with; the public functions are typed)

import functools

import numpy as np

from tinycnn.kernels.compiled.checks import Shape
from tinycnn.kernels.compiled.jit import helper
from tinycnn.support.geometry import Pair, output_length, window_padding
from tinycnn.utils import Array

NO_WINNERS: Array = np.empty(0, np.uint8)  # for a kernel that can pool, when it does not


@functools.lru_cache(1024)
def conv_shape(
    x_shape: Shape, kernel_shape: Shape, strides: Pair, padding: str
) -> tuple[Shape, Shape]:
    """(N, H, W, C, KH, KW, SH, SW, OH, OW, F), with the H and W of the padded x; and the padding.

    The padding is how many rows and columns of x are zeros: top, bottom, left, right.
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


def pointwise(shape: Shape) -> Shape:
    """The shape; for a 1x1 convolution of stride 1, that of one over a single row of pixels."""
    N, H, W, C, KH, KW, SH, SW, OH, OW, F = shape
    if (KH, KW, SH, SW) == (1, 1, 1, 1):
        return (1, 1, N * H * W, C, 1, 1, 1, 1, 1, N * OH * OW, F)
    return shape


@helper
def find_windows(windows, m0, count, shape):
    """windows[t] = where the window of output m0 + t (at most the last) starts in flat x."""
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


@helper
def find_windows_by_pixel(windows, outputs, m0, count, shape):
    """The same for outputs in the order (row, column, image); also where they start in flat y."""
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


@helper
def find_pools(windows, outputs, pool0, count, shape):
    """The windows of the four outputs of each 2x2 pool, and where the pool's own output starts.

    Pool pool0 + t has windows[4 * t] to windows[4 * t + 3], in the order (row, column), and
    outputs[t]; past the end, those of the last pool.
    """
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
