"""Preprocessing as layers, so that a saved model takes the same raw images it was trained on."""

from typing import Any

import numpy as np

from tinycnn import kernels
from tinycnn.layers.base import Layer
from tinycnn.support.arguments import number
from tinycnn.utils import Array

__all__ = ["Rescaling"]


class Rescaling(Layer):
    """y = x * scale + offset: `Rescaling(1 / 255)` takes uint8 images to [0, 1].

    Args:
        scale: the factor.
        offset: added after scaling.

    Input shape: any. Output shape: the same.

    Example:
        >>> Rescaling(0.5, offset=1.0).forward(np.array([[2.0]]))
        array([[2.]])
    """

    def __init__(self, scale: float, offset: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scale = number(scale, "scale")
        self.offset = number(offset, "offset")

    def forward(self, x: Array, training: bool = False) -> Array:
        """y = x * scale + offset."""
        x = self.receive(x, cast=False)
        self.cache = ()
        return kernels.rescale(x, self.scale, self.offset, np.dtype(self.dtype))

    @np.errstate(all="ignore")
    def backward(self, dy: Array) -> Array:
        """dx = dy * scale."""
        self.recall()
        return self.receive_gradient(dy) * self.scale

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "scale": self.scale, "offset": self.offset}
