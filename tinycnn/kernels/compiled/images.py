"""Rescaling and augmentation: `reference/images.py`, in Numba.

Legend: as there.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
# (Numba compiles the kernels for the types they are called with; the public functions are typed)

import numpy as np

from tinycnn.kernels.compiled.blocks import PIECE, pieces_of
from tinycnn.kernels.compiled.checks import ready, same_shape
from tinycnn.kernels.compiled.launch import kernel
from tinycnn.utils import Array

__all__ = [
    "affine_transform_backward",
    "affine_transform_forward",
    "rescale",
]

# --- rescaling ------------------------------------------------------------------------------------


@kernel
def _rescale(piece, x, y, numbers):
    scale, offset = numbers[0], numbers[1]
    source = x[piece * PIECE : (piece + 1) * PIECE]
    target = y[piece * PIECE : (piece + 1) * PIECE]
    for i in range(source.size):
        target[i] = y.dtype.type(source[i]) * scale + offset


@np.errstate(all="ignore")
def rescale(x: Array, scale: float, offset: float, dtype: np.dtype[np.floating]) -> Array:
    """Same as `reference.rescale`; an x that is not uint8 is converted first."""
    if x.dtype != np.uint8:
        x = x.astype(dtype, copy=False)
    x = np.require(x, requirements=["C", "A"])
    y = np.empty(x.shape, dtype)
    _rescale(pieces_of(x.size), (x, y, np.array([scale, offset], dtype)))
    return y


# --- augmentation ---------------------------------------------------------------------------------


@kernel
def _affine_transform(n, x, y, transforms, shape, backward):
    """Adds to y what x gives it or, if `backward`, to x the gradients from y. Image by image."""
    N, H, W, C = shape
    a0, a1, a2, b0, b1, b2 = transforms[n * 6 : (n + 1) * 6]
    for i in range(H):
        for j in range(W):
            column, row = a0 * j + a1 * i + a2, b0 * j + b1 * i + b2
            if not (-1 < row < H and -1 < column < W):
                continue  # all four pixels are outside
            top, left = int(np.floor(row)), int(np.floor(column))
            down, right = row - top, column - left
            out = ((n * H + i) * W + j) * C
            for corner in range(4):
                h, w = top + corner // 2, left + corner % 2
                if 0 <= h < H and 0 <= w < W:
                    vertical = down if h > top else 1 - down
                    horizontal = right if w > left else 1 - right
                    weight = x.dtype.type(vertical * horizontal)
                    pixel = ((n * H + h) * W + w) * C
                    for c in range(C):
                        if backward:
                            x[pixel + c] += weight * y[out + c]
                        else:
                            y[out + c] += weight * x[pixel + c]


def affine_transform_forward(x: Array, transforms: Array) -> Array:
    """Same as `reference.affine_transform_forward`."""
    x = ready(x, 4, "x")
    y = np.zeros_like(x)
    _affine_transform(len(x), (x, y, _transforms(transforms, x)), (x.shape, False))
    return y


def affine_transform_backward(dy: Array, transforms: Array) -> Array:
    """Same as `reference.affine_transform_backward`."""
    dy = ready(dy, 4, "dy")
    dx = np.zeros_like(dy)
    _affine_transform(len(dy), (dx, dy, _transforms(transforms, dy)), (dy.shape, True))
    return dx


def _transforms(transforms: Array, images: Array) -> Array:
    """The transforms, one for each image, flat and ready for the kernel."""
    same_shape((len(images), 2, 3), transforms=transforms)
    return ready(transforms.astype(np.float64, copy=False), 3, "transforms")
