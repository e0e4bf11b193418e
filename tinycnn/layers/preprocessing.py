"""Preprocessing as layers, so that a saved model takes the same raw images it was trained on."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinycnn import kernels
from tinycnn.initializers import Initializer
from tinycnn.layers.base import Layer, Shape
from tinycnn.support.arguments import number, shown, truth
from tinycnn.utils import Array

__all__ = ["Normalization", "Rescaling"]

EPSILON = 1e-7  # Keras's: a channel that never changes is divided by this, not by 0


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


class Normalization(Layer):
    """y = (x - mean) / sqrt(variance): every channel gets the mean 0 and the variance 1.

    `adapt(data)` takes mean and variance from data, once, before training; no training changes
    them. Or they are given. Until then they are 0 and 1, and nothing is changed.

    Args:
        axis: -1, mean and variance of each channel, or None, of all numbers together.
        mean: instead of `adapt`, a number or one for each channel.
        variance: likewise; both or neither.
        invert: True undoes it: y = x * sqrt(variance) + mean.

    Input shape: (N, ..., C). Output shape: the same.

    Raises:
        ValueError: for an argument out of range, or if `mean` has another number of channels.

    Example:
        >>> layer = Normalization()
        >>> layer.adapt(np.array([[1.0], [3.0]]))
        >>> layer.forward(np.array([[5.0]]))
        array([[3.]])
    """

    fixed = Layer.fixed | {"axis", "mean", "variance", "invert"}

    def __init__(
        self,
        axis: int | None = -1,
        mean: float | Sequence[float] | None = None,
        variance: float | Sequence[float] | None = None,
        invert: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        axis = axis[0] if isinstance(axis, list | tuple) and len(axis) == 1 else axis
        if axis is not None and (isinstance(axis, bool) or axis != -1):
            raise ValueError(f"`axis` must be -1 or None. Received: axis={shown(axis)}")
        if (mean is None) != (variance is None):
            raise ValueError(
                "`mean` and `variance` must be given both or neither. "
                f"Received: mean={shown(mean)}, variance={shown(variance)}"
            )
        self.axis = axis
        self.mean = None if mean is None else _numbers(mean, "mean", -np.inf)
        self.variance = None if variance is None else _numbers(variance, "variance", 0.0)
        self.invert = truth(invert, "invert")
        self._adapted: tuple[Array, Array] | None = None

    def adapt(self, data: Array) -> None:
        """Takes mean and variance from `data`.

        Args:
            data: samples (n, ..., C), as the layer will get them.

        Raises:
            ValueError: if the layer was made with a mean, or for data that are empty, not finite or
                of another shape.
        """
        data = np.asarray(data)
        if self.mean is not None:
            raise ValueError(f"{self} was made with a mean and a variance, and can't be adapted")
        if not data.size or data.ndim < 2 or data.dtype.kind not in "buif":
            raise ValueError(
                "`data` must be an array of numbers, samples (n, ..., C). "
                f"Received: shape {data.shape}, {data.dtype}"
            )
        if self.input_shape not in (None, data.shape[1:]):
            raise ValueError(
                f"{self} takes samples of shape {self.input_shape}. Received: {data.shape}"
            )
        axes = tuple(range(data.ndim - (self.axis is not None)))
        mean = data.mean(axis=axes, dtype=np.float64)
        # Two passes, sample by sample: all differences at once would need as much memory again.
        squares = sum(np.square(row - mean).sum(axis=axes[:-1]) for row in data)
        count = data.size // mean.size
        variance = np.asarray(squares / count)
        if not np.isfinite(variance).all():
            raise ValueError("`data` must be finite. Received: NaN, infinity, or numbers near it")
        self._adapted = np.asarray(mean), variance
        if self.built:
            for parameter, value in zip(self.parameters, self._adapted, strict=False):
                parameter.value[...] = value

    def build(
        self, input_shape: Shape, rng: np.random.Generator | None = None, dtype: str = "float32"
    ) -> Shape:
        """Creates `mean` and `variance` (C,) and Keras's `count`, unless they were given.

        See `Layer.build`.
        """
        if not input_shape or min(input_shape) < 1:
            raise ValueError(
                f"Normalization needs inputs of shape (N, ..., C). Received: {input_shape}"
            )
        shape = input_shape[-1:] if self.axis is not None else ()
        if self.mean is not None and self.variance is not None:
            for name, values in (("mean", self.mean), ("variance", self.variance)):
                if np.shape(values) not in ((), shape):
                    raise ValueError(
                        f"`{name}` must be a number or {shape[-1:] or 1} of them for inputs of "
                        f"shape {tuple(input_shape)}. Received: {name}={shown(values)}"
                    )
            return self.finish_build(input_shape, input_shape, dtype)
        mean, variance = self._adapted or (np.zeros(shape), np.ones(shape))
        if mean.shape != shape:
            raise ValueError(
                f"{self} was adapted to {mean.size} channels. Received: inputs of shape "
                f"{tuple(input_shape)}"
            )
        for name, value in (("mean", mean), ("variance", variance), ("count", np.zeros(()))):
            self.add_parameter(name, value.shape, _always(value), rng, dtype, trainable=False)
        return self.finish_build(input_shape, input_shape, dtype)

    @np.errstate(all="ignore")
    def mean_and_deviation(self) -> tuple[Array, Array]:
        """What is subtracted, and what is divided by: (C,), or one number for all."""
        if self.mean is not None and self.variance is not None:
            mean, variance = (np.asarray(v, self.dtype) for v in (self.mean, self.variance))
        else:
            mean, variance = (parameter.value for parameter in self.parameters[:2])
        return mean, np.maximum(np.sqrt(variance), variance.dtype.type(EPSILON))

    @np.errstate(all="ignore")
    def forward(self, x: Array, training: bool = False) -> Array:
        """y = (x - mean) / max(sqrt(variance), 1e-7)."""
        x = self.receive(x)
        mean, deviation = self.mean_and_deviation()
        self.cache = (deviation,)
        return mean + x * deviation if self.invert else (x - mean) / deviation

    @np.errstate(all="ignore")
    def backward(self, dy: Array) -> Array:
        """dx = dy / sqrt(variance), or the product if inverted: mean and variance are constants."""
        (deviation,) = self.recall()
        dy = self.receive_gradient(dy)
        return dy * deviation if self.invert else dy / deviation

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        names = ("axis", "mean", "variance", "invert")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def _always(value: Array) -> Initializer:
    """An initializer that makes this array."""
    return lambda shape, rng, dtype: value


def _numbers(value: Any, name: str, low: float) -> float | list[float]:
    """`value` as a float, or a list of them."""
    if np.ndim(value) == 1:
        return [number(part, name, low) for part in value]
    return number(value, name, low)
