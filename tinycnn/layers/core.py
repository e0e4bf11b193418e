"""Input, Flatten and Dense: from an image to class scores.

Legend: N samples; D inputs and U units of a dense layer.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinycnn import kernels
from tinycnn.initializers import Initializer
from tinycnn.layers.base import Layer, Shape
from tinycnn.layers.kernel_and_bias import KernelAndBias
from tinycnn.regularizers import L1L2
from tinycnn.support.arguments import shape as checked_shape
from tinycnn.support.arguments import size
from tinycnn.tensors import Symbol
from tinycnn.utils import Array

__all__ = ["Dense", "Flatten", "Input"]


class Input(Layer, Symbol):
    """Tells a model the shape of its samples; passes data through.

    As in Keras it is listed in the `layers` of a functional Model, not in those of a Sequential.

    It is also the symbol of these samples, on which the first layer of a chain can be called.

    Args:
        shape: the shape of one sample, without the batch axis.

    Input shape: (N, *shape). Output shape: the same.

    Example:
        >>> Sequential([Input((28, 28, 1)), Flatten(), Dense(10)]).count_params()
        7850
    """

    def __init__(self, shape: Sequence[int], *, name: str | None = None) -> None:
        Layer.__init__(self, name=name, input_shape=checked_shape(shape, "shape"))
        Symbol.__init__(self, (self,), checked_shape(shape, "shape"))

    @property
    def input(self) -> Symbol:
        """The samples: the Input is their symbol."""
        return self

    output = input

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"name": self.name, "shape": self.input_shape}


class Flatten(Layer):
    """Lays every sample out as one row, in memory order: index (h*W + w)*C + c.

    Input shape: (N, ...). Output shape: (N, product of the rest).

    Example:
        >>> Flatten().build((3, 3, 64))
        (576,)
    """

    def build(
        self, input_shape: Shape, rng: np.random.Generator | None = None, dtype: str = "float32"
    ) -> Shape:
        """There is nothing to create. See `Layer.build`."""
        return self.finish_build(input_shape, (math.prod(input_shape),), dtype)

    def forward(self, x: Array, training: bool = False) -> Array:
        """(N, H, W, C) -> (N, H*W*C)."""
        x = self.receive(x)
        self.cache = (x.shape,)
        return x.reshape(len(x), math.prod(x.shape[1:]))  # not -1: there may be no samples

    def backward(self, dy: Array) -> Array:
        """(N, H*W*C) -> (N, H, W, C): nothing was computed, so only the shape changes back."""
        (x_shape,) = self.recall()
        return self.receive_gradient(dy).reshape(x_shape)


class Dense(KernelAndBias):
    """A fully connected layer: y = f(x @ kernel + bias).

    Args:
        units: U, the number of outputs.
        activation: "relu", activations.softmax, ..., see `Activation`; None for none.
        use_bias: whether to add a bias.
        kernel_initializer: name or function; see initializers.py.
        bias_initializer: the same.
        kernel_regularizer: a penalty on the kernel: "l2", or regularizers.L2(l2=0.01).

    Input shape: (N, ..., D). Output shape: (N, ..., U).

    Raises:
        ValueError: for an argument out of range.

    Example:
        >>> Dense(10, activation="softmax").build((64,))
        (10,)
    """

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: str | Initializer = "glorot_uniform",
        bias_initializer: str | Initializer = "zeros",
        kernel_regularizer: str | L1L2 | dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            activation=activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            **kwargs,
        )
        self.units = size(units, "units")

    def build(
        self, input_shape: Shape, rng: np.random.Generator | None = None, dtype: str = "float32"
    ) -> Shape:
        """Creates `kernel` (D, U) and `bias` (U,). See `Layer.build`."""
        if not input_shape or min(input_shape) < 1:
            raise ValueError(f"Dense needs inputs of shape (N, ..., D). Received: {input_shape}")
        self.add_kernel_and_bias((input_shape[-1], self.units), rng, dtype)
        return self.finish_build(input_shape, (*input_shape[:-1], self.units), dtype)

    def forward(self, x: Array, training: bool = False) -> Array:
        """y = f(z), z = x @ kernel + bias; all axes but the last count as samples."""
        x = self.receive(x)
        rows, relu = x.reshape(-1, x.shape[-1]), self.activation == "relu"
        z = kernels.dense_forward(rows, self.kernel.value, self.bias_or_none, relu=relu)
        z = z.reshape(*x.shape[:-1], self.units)
        y = self.y_of(z)
        self.cache = (x, z, y)
        return y

    def backward(self, dy: Array) -> Array | None:
        """The chain rule, first through f and then through the products of z.

        dz[n,u] = dy[n,u] * f'(z[n,u]) (for softmax see `softmax_backward`). A weight is multiplied
        by one x of every sample, an x by all weights of its row, and a bias is in every sample:

        dkernel[d,u] = sum_n x[n,d] * dz[n,u]        dkernel = x^T @ dz
        dbias[u]     = sum_n dz[n,u]
        dx[n,d]      = sum_u dz[n,u] * kernel[d,u]   dx = dz @ kernel^T
        """
        return self.backward_from_z(self.dz_of(dy))

    def backward_from_z(self, dz: Array) -> Array | None:
        """The three sums of `backward`."""
        x, _, y = self.recall()
        dx, self.kernel.grad, dbias = kernels.dense_backward(
            dz.reshape(-1, self.units),
            x.reshape(-1, x.shape[-1]),
            self.kernel.value,
            y=y.reshape(-1, self.units) if self.activation == "relu" else None,
            needs_dx=self.needs_input_gradient,
        )
        if self.use_bias:
            self.bias.grad = dbias
        return None if dx is None else dx.reshape(x.shape)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "units": self.units}
