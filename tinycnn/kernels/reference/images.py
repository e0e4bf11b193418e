"""What is done to images before the network sees them: rescaling and augmentation.

Legend: N images of H x W pixels and C channels: x (N, H, W, C). A place is (column, row), as in the
matrix of a transform.

Source: for every choice, Keras 3 on TensorFlow.
"""

from collections.abc import Iterator

import numpy as np

from tinycnn.utils import Array

__all__ = [
    "affine_transform_backward",
    "affine_transform_forward",
    "rescale",
]

# --- rescaling ------------------------------------------------------------------------------------


def rescale(x: Array, scale: float, offset: float, dtype: np.dtype[np.floating]) -> Array:
    """y = x * scale + offset.

    Args:
        x: any shape and any dtype: pixels are uint8.
        scale: the factor.
        offset: added after scaling.
        dtype: the dtype of the result and of the arithmetic.

    Returns:
        y, the shape of `x`.
    """
    return x.astype(dtype, copy=False) * dtype.type(scale) + dtype.type(offset)


# --- augmentation ---------------------------------------------------------------------------------


def affine_transform_forward(x: Array, transforms: Array) -> Array:
    """Transforms each image by a matrix of its own: bilinear, with zeros outside the image.

    y[n, i, j] = sum over the four pixels (h, w) around (row, column) of weight * x[n, h, w], where
    (column, row) = transforms[n] @ (j, i, 1) and weight = (1 - |row - h|) * (1 - |column - w|)

    Args:
        x: (N, H, W, C).
        transforms: (N, 2, 3), from places in the output to places in the input.

    Returns:
        y (N, H, W, C).

    Source: ImageProjectiveTransformV3 of TensorFlow, which Keras calls.
    """
    # One pixel of zeros around the image stands for everything outside.
    x = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    y = np.zeros((len(x), x.shape[1] - 2, x.shape[2] - 2, x.shape[3]), x.dtype)
    for place, weight in _four_pixels(y.shape, transforms):
        y += weight.astype(x.dtype) * x[place]
    return y


def affine_transform_backward(dy: Array, transforms: Array) -> Array:
    """The gradient of `affine_transform_forward`: the same weights, from y to x.

    y is linear in x: an output is the sum of weight * pixel over its four pixels. So each of the
    four gets weight * dy, and a pixel that several outputs read gets the sum.

    Args:
        dy: (N, H, W, C).
        transforms: (N, 2, 3), as in the forward.

    Returns:
        dx (N, H, W, C).
    """
    N, H, W, C = dy.shape
    dx = np.zeros((N, H + 2, W + 2, C), dy.dtype)
    for place, weight in _four_pixels(dy.shape, transforms):
        np.add.at(dx, place, weight.astype(dy.dtype) * dy)
    return dx[:, 1:-1, 1:-1]


def _four_pixels(
    shape: tuple[int, ...], transforms: Array
) -> Iterator[tuple[tuple[Array, Array, Array], Array]]:
    """Yields, four times, one of the four input pixels of every output pixel, and its weight.

    The pixel is given by its place (n, h + 1, w + 1) in the images with zeros around them, three
    arrays that broadcast to (N, H, W); the weight is (N, H, W, 1), float64.
    """
    N, H, W, _ = shape
    i, j = np.mgrid[:H, :W]
    here = np.stack([j, i, np.ones_like(i)]).reshape(3, H * W)
    # (N, 2, 3) @ (3, H*W) -> (N, 2, H*W)
    there = (transforms.astype(np.float64) @ here).reshape(N, 2, H, W)
    column, row = np.clip(there[:, 0], -1, W), np.clip(there[:, 1], -1, H)
    n = np.arange(N)[:, None, None]
    # Past the last row or column the weight is 0; the index must stay inside.
    top = np.minimum(np.floor(row).astype(int), H - 1)
    left = np.minimum(np.floor(column).astype(int), W - 1)
    for h in (top, top + 1):
        for w in (left, left + 1):
            weight = (1 - np.abs(row - h)) * (1 - np.abs(column - w))
            yield (n, h + 1, w + 1), weight[..., None]
