"""Pooling: only the largest value, or the mean, of every window of an image goes on.

Legend: N images of H x W pixels and C channels, windows of PH x PW, output OH x OW.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinycnn import kernels
from tinycnn.layers.base import Layer, Shape
from tinycnn.support.arguments import pair
from tinycnn.support.geometry import checked_padding, output_size
from tinycnn.utils import Array

__all__ = [
    "AveragePooling2D",
    "AvgPool2D",
    "GlobalAveragePooling2D",
    "GlobalAvgPool2D",
    "GlobalMaxPool2D",
    "GlobalMaxPooling2D",
    "MaxPool2D",
    "MaxPooling2D",
]


class _Pooling2D(Layer):
    """What the pools with windows share: their arguments and their output's shape."""

    def __init__(
        self,
        pool_size: int | Sequence[int] = (2, 2),
        strides: int | Sequence[int] | None = None,
        padding: str = "valid",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.pool_size = pair(pool_size, "pool_size")
        self.strides = self.pool_size if strides is None else pair(strides, "strides")
        self.padding = checked_padding(padding)

    def build(
        self, input_shape: Shape, rng: np.random.Generator | None = None, dtype: str = "float32"
    ) -> Shape:
        """There is nothing to create. See `Layer.build`."""
        OH, OW = output_size(input_shape, self.pool_size, self.strides, self.padding, "pool_size")
        return self.finish_build(input_shape, (OH, OW, input_shape[-1]), dtype)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "pool_size": self.pool_size,
            "strides": self.strides,
            "padding": self.padding,
        }


class MaxPooling2D(_Pooling2D):
    """The largest value of every window, channel by channel.

    Args:
        pool_size: (PH, PW), or one integer for both.
        strides: step between windows; None means `pool_size`.
        padding: "valid" (what no whole window covers is dropped: 11 by 2 gives 5) or "same".

    Input shape: (N, H, W, C). Output shape: (N, OH, OW, C).

    Raises:
        ValueError: for an argument out of range, or a window larger than the image.

    Example:
        >>> MaxPooling2D((2, 2)).build((11, 11, 64))
        (5, 5, 64)
    """

    def forward(self, x: Array, training: bool = False) -> Array:
        """y[n,i,j,c] = max over u, v of x[n, i*SH+u, j*SW+v, c]."""
        x = self.receive(x)
        y, winners = kernels.max_pool_forward(x, self.pool_size, self.strides, self.padding)
        self.cache = (x.shape, winners)  # winners: which input of each window was the largest
        return y

    def backward(self, dy: Array) -> Array:
        """dx is dy at the input that won its window (the first of equals) and 0 elsewhere."""
        x_shape, winners = self.recall()
        dy = self.receive_gradient(dy)
        return kernels.max_pool_backward(
            dy, winners, x_shape, self.pool_size, self.strides, self.padding
        )

    def branches(self) -> list[Array]:
        """The winners of all windows."""
        return [self.recall()[1]]


class AveragePooling2D(_Pooling2D):
    """The mean of every window, channel by channel; zeros of the padding are not counted.

    Args:
        pool_size: (PH, PW), or one integer for both.
        strides: step between windows; None means `pool_size`.
        padding: "valid" or "same", as for MaxPooling2D.

    Input shape: (N, H, W, C). Output shape: (N, OH, OW, C).

    Raises:
        ValueError: for an argument out of range, or a window larger than the image.

    Example:
        >>> AveragePooling2D((2, 2)).build((11, 11, 64))
        (5, 5, 64)
    """

    def forward(self, x: Array, training: bool = False) -> Array:
        """y[n,i,j,c] = mean over u, v of x[n, i*SH+u, j*SW+v, c]."""
        x = self.receive(x)
        self.cache = (x.shape,)
        return kernels.average_pool_forward(x, self.pool_size, self.strides, self.padding)

    def backward(self, dy: Array) -> Array:
        """dx: every window shares its dy equally among its pixels, which add up their shares."""
        (x_shape,) = self.recall()
        dy = self.receive_gradient(dy)
        return kernels.average_pool_backward(
            dy, x_shape, self.pool_size, self.strides, self.padding
        )


class GlobalAveragePooling2D(Layer):
    """The mean of every channel over the image: takes Flatten's place, with fewer weights after it.

    Input shape: (N, H, W, C). Output shape: (N, C).

    Raises:
        ValueError: if the input is not an image.

    Example:
        >>> GlobalAveragePooling2D().build((3, 3, 64))
        (64,)
    """

    def build(
        self, input_shape: Shape, rng: np.random.Generator | None = None, dtype: str = "float32"
    ) -> Shape:
        """There is nothing to create. See `Layer.build`."""
        output_size(input_shape, (1, 1), (1, 1), "valid", "pool_size")
        return self.finish_build(input_shape, input_shape[-1:], dtype)

    def forward(self, x: Array, training: bool = False) -> Array:
        """y[n,c] = mean over h, w of x[n,h,w,c]: an average pool with one window, the image."""
        x = self.receive(x)
        N, H, W, C = x.shape
        self.cache = (x.shape,)
        return kernels.average_pool_forward(x, (H, W), (H, W)).reshape(N, C)

    def backward(self, dy: Array) -> Array:
        """dx[n,h,w,c] = dy[n,c] / (H*W)."""
        (x_shape,) = self.recall()
        N, H, W, C = x_shape
        dy = self.receive_gradient(dy).reshape(N, 1, 1, C)
        return kernels.average_pool_backward(dy, x_shape, (H, W), (H, W))


class GlobalMaxPooling2D(Layer):
    """The largest value of every channel over the image.

    Input shape: (N, H, W, C). Output shape: (N, C).

    Raises:
        ValueError: if the input is not an image.

    Example:
        >>> GlobalMaxPooling2D().build((3, 3, 64))
        (64,)
    """

    def build(
        self, input_shape: Shape, rng: np.random.Generator | None = None, dtype: str = "float32"
    ) -> Shape:
        """There is nothing to create. See `Layer.build`."""
        output_size(input_shape, (1, 1), (1, 1), "valid", "pool_size")
        return self.finish_build(input_shape, input_shape[-1:], dtype)

    def forward(self, x: Array, training: bool = False) -> Array:
        """y[n,c] = max over h, w of x[n,h,w,c]."""
        x = self.receive(x)
        y = kernels.global_max_pool_forward(x)
        self.cache = (x, y)
        return y

    def backward(self, dy: Array) -> Array:
        """dx is dy at the largest pixel of each channel, in equal shares if there are several."""
        return kernels.global_max_pool_backward(self.receive_gradient(dy), *self.recall())

    def branches(self) -> list[Array]:
        """Which pixels are the largest of their channel."""
        x, y = self.recall()
        return [x == y[:, None, None]]


# Keras's aliases
AvgPool2D = AveragePooling2D
GlobalAvgPool2D = GlobalAveragePooling2D
GlobalMaxPool2D = GlobalMaxPooling2D
MaxPool2D = MaxPooling2D
