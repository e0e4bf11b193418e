"""Layers that only move numbers: another shape, zeros around an image, a larger image.

Legend: N images of H x W pixels and C channels.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinycnn import kernels
from tinycnn.layers.base import Layer, Shape
from tinycnn.support.arguments import LARGEST_SIZE, integer, one_of, pair, shown
from tinycnn.support.geometry import output_size
from tinycnn.utils import Array

__all__ = ["Reshape", "UpSampling2D", "ZeroPadding2D"]


class Reshape(Layer):
    """Gives every sample another shape; its numbers stay in memory order.

    Args:
        target_shape: the new shape of one sample. One of its sizes may be -1: what is left.

    Input shape: (N, ...). Output shape: (N, *target_shape).

    Raises:
        ValueError: for an argument out of range; if a sample does not have so many numbers.

    Example:
        >>> Reshape((-1, 2)).build((3, 4))
        (6, 2)
    """

    fixed = Layer.fixed | {"target_shape"}

    def __init__(self, target_shape: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.target_shape = _target(target_shape)

    def build(
        self, input_shape: Shape, rng: np.random.Generator | None = None, dtype: str = "float32"
    ) -> Shape:
        """There is nothing to create. See `Layer.build`."""
        numbers, known = math.prod(input_shape), math.prod(s for s in self.target_shape if s != -1)
        fits = numbers % known == 0 if -1 in self.target_shape else numbers == known
        if not fits:
            raise ValueError(
                f"{self} can't make samples of shape {self.target_shape} of {numbers} numbers. "
                f"Received: input of shape {tuple(input_shape)}"
            )
        output = tuple(numbers // known if s == -1 else s for s in self.target_shape)
        return self.finish_build(input_shape, output, dtype)

    def forward(self, x: Array, training: bool = False) -> Array:
        """(N, ...) -> (N, *target_shape)."""
        x = self.receive(x)
        self.cache = (x.shape,)
        return x.reshape(len(x), *(self.output_shape or ()))

    def backward(self, dy: Array) -> Array:
        """(N, *target_shape) -> (N, ...): nothing was computed, so only the shape changes back."""
        (x_shape,) = self.recall()
        return self.receive_gradient(dy).reshape(x_shape)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "target_shape": self.target_shape}


class ZeroPadding2D(Layer):
    """Zeros around every image.

    Args:
        padding: ((top, bottom), (left, right)) rows and columns of zeros; (rows, columns) means as
            many on either side, and one number as many on all four.

    Input shape: (N, H, W, C). Output shape: (N, top + H + bottom, left + W + right, C).

    Raises:
        ValueError: for an argument out of range, or an input that is not a batch of images.

    Example:
        >>> ZeroPadding2D(((1, 0), (2, 2))).build((28, 28, 1))
        (29, 32, 1)
    """

    def __init__(
        self, padding: int | Sequence[int] | Sequence[Sequence[int]] = (1, 1), **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.padding = _sides(padding)

    def build(
        self, input_shape: Shape, rng: np.random.Generator | None = None, dtype: str = "float32"
    ) -> Shape:
        """There is nothing to create. See `Layer.build`."""
        output_size(input_shape, (1, 1), (1, 1), "valid", "input_shape")
        H, W, C = input_shape
        (top, bottom), (left, right) = self.padding
        return self.finish_build(input_shape, (top + H + bottom, left + W + right, C), dtype)

    def forward(self, x: Array, training: bool = False) -> Array:
        """y[n, top + h, left + w, c] = x[n, h, w, c], and 0 elsewhere."""
        x = self.receive(x)
        self.cache = ()
        return kernels.zero_pad_forward(x, self.padding)

    def backward(self, dy: Array) -> Array:
        """dx[n, h, w, c] = dy[n, top + h, left + w, c]."""
        self.recall()
        return kernels.zero_pad_backward(self.receive_gradient(dy), self.padding)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "padding": self.padding}


class UpSampling2D(Layer):
    """Repeats every pixel, so that the image is larger: the counterpart of a pool.

    Args:
        size: (SH, SW), how often rows and columns are repeated, or one integer for both.
        interpolation: "nearest", the only one here.

    Input shape: (N, H, W, C). Output shape: (N, H*SH, W*SW, C).

    Raises:
        ValueError: for an argument out of range, or an input that is not a batch of images.

    Example:
        >>> UpSampling2D().build((7, 7, 64))
        (14, 14, 64)
    """

    fixed = Layer.fixed | {"size", "interpolation"}

    def __init__(
        self, size: int | Sequence[int] = (2, 2), interpolation: str = "nearest", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.size = pair(size, "size")
        self.interpolation = one_of(interpolation, ("nearest",), "interpolation")

    def build(
        self, input_shape: Shape, rng: np.random.Generator | None = None, dtype: str = "float32"
    ) -> Shape:
        """There is nothing to create. See `Layer.build`."""
        output_size(input_shape, (1, 1), (1, 1), "valid", "input_shape")
        H, W, C = input_shape
        return self.finish_build(input_shape, (H * self.size[0], W * self.size[1], C), dtype)

    def forward(self, x: Array, training: bool = False) -> Array:
        """y[n, i, j, c] = x[n, i // SH, j // SW, c]."""
        x = self.receive(x)
        self.cache = ()
        return kernels.upsample_forward(x, self.size)

    def backward(self, dy: Array) -> Array:
        """dx[n, h, w, c] = the sum of dy over the SH*SW places to which the pixel was copied."""
        self.recall()
        return kernels.upsample_backward(self.receive_gradient(dy), self.size)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "size": self.size, "interpolation": self.interpolation}


def _target(value: Any) -> tuple[int, ...]:
    """`value` as a shape in which one size may be -1."""
    try:
        sizes = tuple(integer(size, "target_shape", -1, LARGEST_SIZE) for size in value)
        if 0 not in sizes and sizes.count(-1) <= 1 and 0 < len(sizes) < 64:
            return sizes
    except (TypeError, ValueError):
        pass
    raise ValueError(
        "`target_shape` must be a tuple of positive integers, one of which may be -1. "
        f"Received: target_shape={shown(value)}"
    )


def _sides(value: Any) -> tuple[tuple[int, int], tuple[int, int]]:
    """`value` as ((top, bottom), (left, right))."""
    try:
        rows, columns = value if hasattr(value, "__len__") else (value, value)
        sides = [side if hasattr(side, "__len__") else (side, side) for side in (rows, columns)]
        (top, bottom), (left, right) = (
            [integer(zeros, "padding", 0, LARGEST_SIZE) for zeros in side] for side in sides
        )
        return (top, bottom), (left, right)
    except (TypeError, ValueError):
        raise ValueError(
            "`padding` must be an integer >= 0, a pair of them, or a pair of pairs ((top, bottom), "
            f"(left, right)). Received: padding={shown(value)}"
        ) from None
