"""Convolution and dense layers: `reference/convolution.py`, in Numba.

Read that file first. A convolution and its gradient with respect to the kernel are the same matrix
products here, but the columns are never written down: see `convolution_forward.py` and
`convolution_dkernel.py`. The gradient with respect to x is a convolution of dy. A dense layer is a
convolution of images of one pixel.

Legend: as in `reference/convolution.py`.
"""

from collections.abc import Sequence

from tinycnn.kernels.compiled import convolution_columns
from tinycnn.kernels.compiled.blocks import placing
from tinycnn.kernels.compiled.checks import Shape, checked, same_dtype, same_shape
from tinycnn.kernels.compiled.convolution_columns import column_gradient
from tinycnn.kernels.compiled.convolution_dkernel import kernel_gradient
from tinycnn.kernels.compiled.convolution_forward import convolution
from tinycnn.kernels.compiled.plans import Plan, Slot, planned
from tinycnn.kernels.compiled.windows import conv_shape

# This rung needs no columns, so these two are not hot: the reference rung's will do.
from tinycnn.kernels.reference.convolution import col2im, im2col
from tinycnn.support.geometry import Pair
from tinycnn.utils import Array

__all__ = [
    "col2im",
    "conv2d_backward",
    "conv2d_forward",
    "dense_backward",
    "dense_forward",
    "im2col",
]


# --- convolution ----------------------------------------------------------------------------------


def conv2d_forward(
    x: Array,
    kernel: Array,
    bias: Array | None,
    strides: Pair = (1, 1),
    padding: str = "valid",
    relu: bool = False,
) -> Array:
    """Same as `reference.conv2d_forward`.

    Optimizations:
        - no columns: each tile reads its windows from `x` in place
        - the sums of P*WIDE outputs stay in registers; they start from the bias, and relu is
          applied as they are stored
        - the work is cut by outputs: a chunk's part of `x` stays in the cache for all filters
        - products with only the padding's zeros are left out where there are many of them
    """
    y: Array = planned(_forward, (x, kernel, bias), strides, padding, relu)
    return y


def _forward(
    plan: Plan,
    x: Slot,
    kernel: Slot,
    bias: Slot | None,
    strides: Pair,
    padding: str,
    relu: bool,
) -> Slot:
    checked(x, 4, "x")
    checked(kernel, 4, "kernel")
    same_dtype(x=x, kernel=kernel)
    shape, zeros = conv_shape(x.shape, kernel.shape, strides, padding)
    around = placing(plan, x, (shape[1], shape[2]), (zeros[0], zeros[2]))
    return convolution(plan, around, kernel, bias, shape, relu, zeros)[0]


def conv2d_backward(
    dy: Array,
    x: Array,
    kernel: Array,
    strides: Pair = (1, 1),
    padding: str = "valid",
    y: Array | None = None,
    needs_dx: bool = True,
) -> tuple[Array | None, Array, Array]:
    """Same as `reference.conv2d_backward`.

    dkernel is the product of x's windows, again read in place, and dy. dx is a convolution of dy
    with the flipped and transposed kernel; with strides SH, SW it is SH*SW of them: see
    `input_gradient`.

    Optimizations:
        - dkernel: outputs in chunks that fit the first-level cache; relu's mask and the
          zero-padding to whole panels are applied while a chunk is copied
        - fixed slabs of dkernel's rows and fixed groups of outputs; each group has sums of its own,
          which are added in order at the end
        - dx: no dilated dy, so no multiplications by zeros between its pixels; columns where x has
          too few channels to fill vectors (`convolution_columns.py`)
    """
    gradients = planned(_backward, (dy, x, kernel, y), strides, padding, needs_dx)
    return gradients if needs_dx else (None, *gradients)


def _backward(
    plan: Plan,
    dy: Slot,
    x: Slot,
    kernel: Slot,
    y: Slot | None,
    strides: Pair,
    padding: str,
    needs_dx: bool,
) -> tuple[Slot, ...]:
    checked(dy, 4, "dy")
    checked(x, 4, "x")
    checked(kernel, 4, "kernel")
    relu = {}
    if y is not None:
        checked(y, 4, "y")
        relu = {"y": y}
    same_dtype(x=x, kernel=kernel, dy=dy, **relu)
    shape, (top, _, left, _) = conv_shape(x.shape, kernel.shape, strides, padding)
    N, H, W, C, KH, KW, SH, SW, OH, OW, F = shape
    same_shape((N, OH, OW, F), dy=dy, **relu)
    around = placing(plan, x, (H, W), (top, left))
    gradients = kernel_gradient(plan, around, dy, y, kernel, shape)
    if not needs_dx:
        return gradients
    dx = _input_gradient(plan, dy, y, kernel, x.shape, strides, (top, left))
    return dx, *gradients


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
    dx: Array = planned(_input_gradient, (dy, y, kernel), x_shape, strides, before)
    return dx


def _input_gradient(
    plan: Plan,
    dy: Slot,
    y: Slot | None,
    kernel: Slot,
    x_shape: Shape,
    strides: Pair,
    before: Pair,
) -> Slot:
    """dx; for each phase, a convolution that writes its pixels."""
    _, OH, OW, _ = dy.shape
    if convolution_columns.pays(*kernel.shape):
        masked = placing(plan, dy, (OH, OW), (0, 0), y)
        return column_gradient(plan, masked, kernel, x_shape, strides, before)
    # Where the kernel is smaller than the stride, some pixels belong to no window.
    every = kernel.shape[0] >= strides[0] and kernel.shape[1] >= strides[1]
    dx = plan.empty(x_shape, dy.dtype) if every else plan.zeros(x_shape, dy.dtype)
    for places, size, shift, shape, zeros, steps in _phases(
        x_shape, kernel.shape, (OH, OW), strides, before
    ):
        around = placing(plan, dy, size, shift, y)
        convolution(
            plan, around, kernel, None, shape, False, zeros, steps=steps, into=dx, places=places
        )
    return dx


def _phases(
    x_shape: Shape, kernel_shape: Shape, dy_size: Pair, strides: Pair, before: Pair
) -> Sequence[tuple[Shape | None, Pair, Pair, Shape, Shape, Shape]]:
    """For each phase: where its pixels are in dx; dy's size and shift among zeros; the convolution.

    The first is as `find_windows` takes it, or None where there is a single phase, which is dx.
    """
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
            places = ((h0 * W + w0) * C, H * W * C, SH * W * C, SW * C)
            # That part of the kernel: from its last row and column backwards, C and F swapped.
            last = ((r + SH * (A - 1)) * KW + c + SW * (B - 1)) * C * F
            phases.append(
                (
                    places if strides != (1, 1) else None,
                    size,
                    shift,
                    (N, *size, F, A, B, 1, 1, OH, OW, C),
                    (shift[0], after[0], shift[1], after[1]),
                    (last, -SH * KW * C * F, -SW * C * F, 1, F),
                )
            )
    return phases


# --- dense: a 1x1 convolution on images of one pixel ----------------------------------------------


def dense_forward(x: Array, kernel: Array, bias: Array | None, relu: bool = False) -> Array:
    """Same as `reference.dense_forward`."""
    y: Array = planned(_dense_forward, (x, kernel, bias), relu)
    return y


def _dense_forward(plan: Plan, x: Slot, kernel: Slot, bias: Slot | None, relu: bool) -> Slot:
    checked(x, 2, "x")
    checked(kernel, 2, "kernel")
    y = _forward(plan, _pixels(x), _one_by_one(kernel), bias, (1, 1), "valid", relu)
    return y.reshape(y.shape[0], y.shape[3])


def dense_backward(
    dy: Array, x: Array, kernel: Array, y: Array | None = None, needs_dx: bool = True
) -> tuple[Array | None, Array, Array]:
    """Same as `reference.dense_backward`."""
    gradients = planned(_dense_backward, (dy, x, kernel, y), needs_dx)
    return gradients if needs_dx else (None, *gradients)


def _dense_backward(
    plan: Plan, dy: Slot, x: Slot, kernel: Slot, y: Slot | None, needs_dx: bool
) -> tuple[Slot, ...]:
    checked(dy, 2, "dy")
    checked(x, 2, "x")
    checked(kernel, 2, "kernel")
    if y is not None:
        checked(y, 2, "y")
        y = _pixels(y)
    arrays = (_pixels(dy), _pixels(x), _one_by_one(kernel), y)
    *dx, dkernel, dbias = _backward(plan, *arrays, (1, 1), "valid", needs_dx)
    return *[d.reshape(*x.shape) for d in dx], dkernel.reshape(*kernel.shape), dbias


def _pixels(x: Slot) -> Slot:
    """(N, C) as N images of one pixel."""
    return x.reshape(x.shape[0], 1, 1, x.shape[1])


def _one_by_one(kernel: Slot) -> Slot:
    return kernel.reshape(1, 1, *kernel.shape)
