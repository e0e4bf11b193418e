"""What a layer or a model is called on: an array, or a symbol where there are no numbers yet.

Keras's functional API calls each layer on the symbol of the last one's output:

    inputs = Input((28, 28, 1))
    x = Flatten()(inputs)
    model = Model(inputs, Dense(10)(x))

A network here is one chain of layers, so a symbol is a shape and the chain that leads to it.
"""

import copy
from typing import Any, NoReturn

import numpy as np

from tinycnn.utils import Array


class Tensor(np.ndarray[Any, np.dtype[Any]]):
    """What a call returns: an array that also has Keras's `.numpy()`."""

    def numpy(self) -> Array:
        """The same numbers as a plain array."""
        return np.asarray(self)


def tensor(values: Any) -> Tensor:
    """`values` as a Tensor; an array is not copied."""
    return np.asarray(values).view(Tensor)


class Scalar(float):
    """A float that also has Keras's `.numpy()`."""

    def numpy(self) -> np.float32:
        """The same number as float32, as Keras keeps it."""
        return np.float32(self)


class Symbol:
    """The output of a layer, of which only the shape is known yet.

    Args:
        layers: the chain that leads to it; an Input is its first.
        sample_shape: the shape of one sample.
        dtype: that of the numbers to come.

    Attributes:
        shape: as Keras writes it, (None, *sample_shape).

    Example:
        >>> Dense(10)(Input((64,))).shape
        (None, 10)
    """

    def __init__(
        self, layers: tuple[Any, ...], sample_shape: tuple[int, ...], dtype: str = "float32"
    ) -> None:
        self.layers = layers
        self.sample_shape = sample_shape
        self.dtype = dtype

    @property
    def shape(self) -> tuple[int | None, ...]:
        """The shape of a batch, whose size is not known: (None, *sample_shape)."""
        return (None, *self.sample_shape)

    def followed_by(self, layer: Any) -> "Symbol":
        """The symbol of the output that `layer` makes of this.

        Raises:
            ValueError: if it can't take this shape.
        """
        built = layer
        if not layer.built:  # the shape shows in a build, and the model will make the parameters
            built = copy.copy(layer)
            built.build(self.sample_shape, dtype=self.dtype)
        elif layer.input_shape != self.sample_shape:
            raise ValueError(
                f"{layer} has weights for inputs of shape {layer.input_shape}. "
                f"Received: a symbol of shape {self.shape}"
            )
        return Symbol((*self.layers, layer), built.output_shape, self.dtype)

    def __repr__(self) -> str:
        return f"<Symbol of shape {self.shape}, the output of {self.layers[-1]}>"

    def _refuse(self, *_: object) -> NoReturn:
        """Raises TypeError: a symbol can't be computed with.

        Raises:
            TypeError: always.
        """
        raise TypeError(
            f"{self!r} holds no numbers, and only a layer can take it: a network here is one chain "
            "of layers, without branches or arithmetic between them"
        )

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _refuse
    __truediv__ = __rtruediv__ = __neg__ = __matmul__ = __getitem__ = _refuse
    __array__ = __float__ = _refuse
