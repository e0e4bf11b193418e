"""Where the windows of a convolution are: its shape, and the index at which each window starts.

Legend: `shape` is (N, H, W, C, KH, KW, SH, SW, OH, OW, F), where H and W are those of the padded x.
M = N*OH*OW outputs are numbered in the order (image, row, column). The window of output (n, i, j)
starts at x[n, i*SH, j*SW, 0]; as x is flat, that is one index.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
# (Numba compiles the kernels for the types they are called with; the public functions are typed)

import numpy as np

from tinycnn.kernels.compiled.checks import Shape
from tinycnn.kernels.compiled.jit import helper
from tinycnn.support.geometry import Pair, output_length, window_padding
from tinycnn.utils import Array

NO_WINNERS: Array = np.empty(0, np.uint8)  # for a kernel that can pool, when it does not


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


def places_in_order(shape: Shape) -> Shape:
    """The `places` of outputs that lie one after the other: see `find_windows`."""
    N, H, W, C, KH, KW, SH, SW, OH, OW, F = shape
    return (0, OH * OW * F, OW * F, F)


@helper
def find_windows(windows, outputs, m0, count, shape, places):
    """Where the window of output m0 + t (at most the last) starts in flat x, and the output in y.

    Args:
        windows: windows[t] is written, for t < `count`.
        outputs: outputs[t], likewise.
        m0: the first output.
        count: how many.
        shape: see above.
        places: where output (0, 0, 0) starts in y, and how far it is from there to that of the next
            image, row and column.
    """
    N, H, W, C, KH, KW, SH, SW, OH, OW, F = shape
    start, image, row, column = places
    n, i, j = m0 // (OH * OW), m0 // OW % OH, m0 % OW
    real = min(count, N * OH * OW - m0)
    t = 0
    while t < real:  # a row of outputs at a time, or what is left of it
        window = ((n * H + i * SH) * W + j * SW) * C
        output = start + n * image + i * row + j * column
        stop = min(real, t + OW - j)
        # Slice first: LLVM vectorizes a[i] for the loop's own i, not a[t + i], which might wrap.
        some, more = windows[t:stop], outputs[t:stop]
        for s in range(some.size):
            some[s], more[s] = window + s * SW * C, output + s * column
        t, i, j = stop, i + 1, 0
        if i == OH:
            n, i = n + 1, 0
    for t in range(real, count):
        windows[t], outputs[t] = windows[real - 1], outputs[real - 1]


@helper
def find_windows_by_pixel(windows, outputs, m0, count, shape, places):
    """The same for outputs in the order (row, column, image)."""
    N, H, W, C, KH, KW, SH, SW, OH, OW, F = shape
    start, image, row, column = places
    n, i, j = m0 % N, m0 // N // OW, m0 // N % OW
    for t in range(count):
        windows[t] = ((n * H + i * SH) * W + j * SW) * C
        outputs[t] = start + n * image + i * row + j * column
        if m0 + t < N * OH * OW - 1:
            n += 1
            if n == N:
                n, j = 0, j + 1
                if j == OW:
                    i, j = i + 1, 0


@helper
def find_pools(windows, outputs, pool0, count, shape, start, step):
    """The windows of the four outputs of each 2x2 pool, and where the pool's own output starts.

    Pool pool0 + t has windows[4 * t] to windows[4 * t + 3], in the order (row, column), and
    outputs[t]; past the end, those of the last pool. The first pool's output is at `start`, each
    next one's a `step` further.
    """
    N, H, W, C, KH, KW, SH, SW, OH, OW, F = shape
    PH, PW = OH // 2, OW // 2
    pool, n, i, j = pool0, pool0 // (PH * PW), pool0 // PW % PH, pool0 % PW
    for t in range(count):
        corner = ((n * H + 2 * i) * W + 2 * j) * C
        windows[4 * t], windows[4 * t + 1] = corner, corner + C
        windows[4 * t + 2], windows[4 * t + 3] = corner + W * C, corner + W * C + C
        outputs[t] = start + pool * step
        if pool < N * PH * PW - 1:
            pool, j = pool + 1, j + 1
            if j == PW:
                i, j = i + 1, 0
                if i == PH:
                    n, i = n + 1, 0
