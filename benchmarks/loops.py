"""The layers of the reference network as plain nested loops, to run as they are or compiled.

The functions take nested lists or arrays alike and add to, or fill, their last argument. Python
runs them as they stand, on lists, which it indexes faster than arrays; `numba.njit` compiles the
same lines. The loops are ordered as one would for a compiler: the innermost runs over numbers that
lie side by side.

Legend: as in tinycnn/kernels/reference/convolution.py; stride 1 and no padding, pools
2x2 with stride 2.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from tinycnn.kernels import reference
from tinycnn.utils import Array


def convolve(x, kernel, y):
    """y += the convolution of x with kernel."""
    for n in range(len(y)):
        for i in range(len(y[n])):
            for j in range(len(y[n][i])):
                sums = y[n][i][j]
                for u in range(len(kernel)):
                    for v in range(len(kernel[u])):
                        pixel = x[n][i + u][j + v]
                        for c in range(len(pixel)):
                            value, row = pixel[c], kernel[u][v][c]
                            for f in range(len(sums)):
                                sums[f] += value * row[f]


def convolve_dkernel(x, dy, dkernel):
    """dkernel += the gradient of `convolve` by kernel."""
    for n in range(len(dy)):
        for i in range(len(dy[n])):
            for j in range(len(dy[n][i])):
                gradient = dy[n][i][j]
                for u in range(len(dkernel)):
                    for v in range(len(dkernel[u])):
                        pixel = x[n][i + u][j + v]
                        for c in range(len(pixel)):
                            value, row = pixel[c], dkernel[u][v][c]
                            for f in range(len(gradient)):
                                row[f] += value * gradient[f]


def convolve_dx(dy, transposed, dx):
    """dx += the gradient of `convolve` by x; the kernel comes as (KH, KW, F, C)."""
    for n in range(len(dy)):
        for i in range(len(dy[n])):
            for j in range(len(dy[n][i])):
                gradient = dy[n][i][j]
                for u in range(len(transposed)):
                    for v in range(len(transposed[u])):
                        pixel = dx[n][i + u][j + v]
                        for f in range(len(gradient)):
                            value, row = gradient[f], transposed[u][v][f]
                            for c in range(len(pixel)):
                                pixel[c] += value * row[c]


def pool(x, y, winners):
    """y and winners of the 2x2 max-pool; of equal values the first wins."""
    for n in range(len(y)):
        for i in range(len(y[n])):
            for j in range(len(y[n][i])):
                best, winner = y[n][i][j], winners[n][i][j]
                for place in range(4):
                    pixel = x[n][2 * i + place // 2][2 * j + place % 2]
                    for c in range(len(best)):
                        if place == 0 or pixel[c] > best[c]:
                            best[c] = pixel[c]
                            winner[c] = place


def unpool(dy, winners, dx):
    """dx += the gradient of `pool`."""
    for n in range(len(dy)):
        for i in range(len(dy[n])):
            for j in range(len(dy[n][i])):
                gradient, winner = dy[n][i][j], winners[n][i][j]
                for place in range(4):
                    pixel = dx[n][2 * i + place // 2][2 * j + place % 2]
                    for c in range(len(gradient)):
                        if winner[c] == place:
                            pixel[c] += gradient[c]


def as_python(function: Callable[..., None], *arrays: Array) -> None:
    """Runs a loop in Python, on lists, and copies its results back."""
    lists = [array.tolist() for array in arrays]
    function(*lists)
    for array, values in zip(arrays, lists, strict=True):
        array[...] = values


def as_numba(function: Callable[..., None], *arrays: Array) -> None:
    """Compiles a loop, once, and runs it."""
    _compiled(function)(*arrays)


@cache
def _compiled(function: Callable[..., None]) -> Any:
    import numba

    return numba.njit(cache=True)(function)


class Loops:
    """The functions of `kernels/reference/` that the reference network needs, as loops.

    The others (loss, Adam) are those of `others`.

    Args:
        run: `as_python` or `as_numba`.
        others: a rung's module.
    """

    def __init__(self, run: Callable[..., None], others: Any) -> None:
        self.run = run
        self.others = others

    def __getattr__(self, name: str) -> Any:
        return getattr(self.others, name)

    def conv2d_forward(self, x: Array, kernel: Array, bias: Array, relu: bool = False) -> Array:
        """As `reference.conv2d_forward`."""
        N, H, W, _ = x.shape
        KH, KW, _, F = kernel.shape
        y = np.empty((N, H - KH + 1, W - KW + 1, F), x.dtype)
        y[...] = bias
        self.run(convolve, x, kernel, y)
        return reference.relu_forward(y) if relu else y

    def conv2d_backward(
        self, dy: Array, x: Array, kernel: Array, y: Array | None = None, needs_dx: bool = True
    ) -> tuple[Array | None, Array, Array]:
        """As `reference.conv2d_backward`."""
        if y is not None:
            dy = reference.relu_backward(dy, y)
        dkernel, dx = np.zeros_like(kernel), None
        self.run(convolve_dkernel, x, dy, dkernel)
        if needs_dx:
            dx = np.zeros_like(x)
            self.run(convolve_dx, dy, np.ascontiguousarray(kernel.transpose(0, 1, 3, 2)), dx)
        return dx, dkernel, dy.sum(axis=(0, 1, 2))

    def max_pool_forward(self, x: Array, *window: Any) -> tuple[Array, Array]:
        """As `reference.max_pool_forward`."""
        N, H, W, C = x.shape
        y = np.empty((N, H // 2, W // 2, C), x.dtype)
        winners = np.empty(y.shape, np.int32)
        self.run(pool, x, y, winners)
        return y, winners

    def max_pool_backward(
        self, dy: Array, winners: Array, x_shape: tuple[int, ...], *window: Any
    ) -> Array:
        """As `reference.max_pool_backward`."""
        dx = np.zeros(x_shape, dy.dtype)
        self.run(unpool, dy, winners, dx)
        return dx

    def dense_forward(self, x: Array, kernel: Array, bias: Array, relu: bool = False) -> Array:
        """As `reference.dense_forward`: a 1x1 convolution of images of one pixel."""
        return self.conv2d_forward(x[:, None, None], kernel[None, None], bias, relu)[:, 0, 0]

    def dense_backward(
        self, dy: Array, x: Array, kernel: Array, y: Array | None = None
    ) -> tuple[Array, Array, Array]:
        """As `reference.dense_backward`."""
        y = None if y is None else y[:, None, None]
        dx, dkernel, dbias = self.conv2d_backward(
            dy[:, None, None], x[:, None, None], kernel[None, None], y
        )
        return dx[:, 0, 0], dkernel[0, 0], dbias
