"""Activations: as layers, and as the `activation=` argument of Conv2D and Dense.

Each is a pair of kernels. Every backward but silu's needs only the output y. Slopes and their
defaults are Keras's: 0.2 in the function "leaky_relu", 0.3 in the layer.

Sources: Maas et al. 2013 (leaky relu); Clevert et al. 2016 (elu); Ramachandran et al. 2017 (silu,
by the name of swish); keras/src/activations/ and keras/src/layers/activations/.
"""

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tinycnn import kernels
from tinycnn.layers.base import Layer, Shape
from tinycnn.support.arguments import number, one_of, shown
from tinycnn.utils import Array

__all__ = ["ELU", "Activation", "LeakyReLU", "ReLU", "Softmax"]


class Function(NamedTuple):
    """An activation: `forward(x) -> y`, `backward(dy, y) -> dx`; silu's takes x instead of y."""

    forward: Callable[[Array], Array]
    backward: Callable[[Array, Array], Array]
    needs_input: bool = False

    def dx(self, dy: Array, x: Array, y: Array) -> Array:
        """The gradient with respect to x."""
        return self.backward(dy, x if self.needs_input else y)


_SILU = Function(
    lambda x: kernels.silu_forward(x), lambda dy, x: kernels.silu_backward(dy, x), needs_input=True
)


# The lambdas look the kernel up when they run, so that `kernels.use` applies to them too.
ACTIVATIONS = {
    "linear": Function(lambda x: x, lambda dy, y: dy),
    "relu": Function(lambda x: kernels.relu_forward(x), lambda dy, y: kernels.relu_backward(dy, y)),
    "softmax": Function(
        lambda x: kernels.softmax_forward(x), lambda dy, y: kernels.softmax_backward(dy, y)
    ),
    "sigmoid": Function(
        lambda x: kernels.sigmoid_forward(x), lambda dy, y: kernels.sigmoid_backward(dy, y)
    ),
    "tanh": Function(lambda x: kernels.tanh_forward(x), lambda dy, y: kernels.tanh_backward(dy, y)),
    "leaky_relu": Function(
        lambda x: kernels.leaky_relu_forward(x, 0.2),
        lambda dy, y: kernels.leaky_relu_backward(dy, y, 0.2),
    ),
    "elu": Function(
        lambda x: kernels.elu_forward(x, 1.0), lambda dy, y: kernels.elu_backward(dy, y, 1.0)
    ),
    "silu": _SILU,
    "swish": _SILU,
    "softplus": Function(
        lambda x: kernels.softplus_forward(x), lambda dy, y: kernels.softplus_backward(dy, y)
    ),
}


def checked(activation: Any) -> str:
    """The name of an activation: a name, a function of `tinycnn.activations`, None for "linear".

    Raises:
        ValueError: for anything else; the message lists the known names.
    """
    if callable(activation):
        if getattr(activation, "__module__", "") != "tinycnn.activations":
            raise ValueError(
                "an activation needs its derivative; take one of tinycnn.activations, or write "
                f"a layer after this one. Received: activation={shown(activation)}"
            )
        activation = activation.__name__
    return "linear" if activation is None else one_of(activation, [*ACTIVATIONS], "activation")


class Activated(Layer):
    """Base of the layers that end in an activation f: y = f(z).

    Such a layer can also be run backward from dz, the gradient with respect to z, which is what a
    cross-entropy on top of a softmax needs (see losses.py). Its cache begins with (x, z, y).
    """

    activation: str

    def __setattr__(self, name: str, value: Any) -> None:
        # A new activation takes effect at once, so it is checked at once.
        super().__setattr__(name, checked(value) if name == "activation" else value)

    def y_of(self, z: Array) -> Array:
        """y = f(z); the kernel that made z has already applied a relu."""
        return z if self.activation == "relu" else ACTIVATIONS[self.activation].forward(z)

    def dz_of(self, dy: Array) -> Array:
        """dz from dy; the kernel that takes dz will apply a relu's derivative itself."""
        _, z, y = self.recall()[:3]
        dy = self.receive_gradient(dy)
        return dy if self.activation == "relu" else ACTIVATIONS[self.activation].dx(dy, z, y)

    def backward_from_z(self, dz: Array) -> Array | None:
        """The part of `backward` below the activation: from dz instead of dy."""
        raise NotImplementedError

    def branches(self) -> list[Array]:
        """For a relu, leaky or not, which outputs are positive."""
        return [self.recall()[2] > 0] if self.activation in ("relu", "leaky_relu") else []

    @property
    def z(self) -> Array:
        """What the activation was applied to in the last forward; below a softmax, the logits."""
        z: Array = self.recall()[1]
        return z

    def finish_build(self, input_shape: Shape, output_shape: Shape, dtype: str) -> Shape:
        """See `Layer.finish_build`; this also warns about a softmax over one unit."""
        if self.activation == "softmax" and output_shape[-1:] == (1,):
            warnings.warn(
                f"{self}: a softmax over one unit is always 1 and learns nothing; for two classes "
                "use a sigmoid or two units",
                stacklevel=3,
            )
        return super().finish_build(input_shape, output_shape, dtype)


class Activation(Activated):
    """Applies an activation function, element by element (softmax: over the last axis).

    Args:
        activation: "relu", "leaky_relu", "elu", "silu" (or "swish"), "softplus", "sigmoid", "tanh",
            "softmax" or "linear".

    Input shape: any. Output shape: the same.

    Raises:
        ValueError: for an unknown name.

    Example:
        >>> Activation("relu").forward(np.array([[-1.0, 2.0]]))
        array([[0., 2.]])
    """

    def __init__(self, activation: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.activation = checked(activation)

    def forward(self, x: Array, training: bool = False) -> Array:
        """y = f(x), the same shape."""
        x = self.receive(x)
        y = ACTIVATIONS[self.activation].forward(x)
        self.cache = (x, x, y)
        return y

    def backward(self, dy: Array) -> Array:
        """dx = f'(x) * dy; for softmax the full Jacobian, y * (dy - sum(dy * y))."""
        _, x, y = self.recall()
        return ACTIVATIONS[self.activation].dx(self.receive_gradient(dy), x, y)

    def backward_from_z(self, dz: Array) -> Array:
        """dx = dz: there is nothing below the activation."""
        return dz

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "activation": self.activation}


def is_linear(layer: Layer) -> bool:
    """Whether the layer passes its input on unchanged: Activation("linear")."""
    return type(layer) is Activation and layer.activation == "linear"


class ReLU(Activation):
    """max(x, 0); the derivative at exactly 0 is 0.

    With the arguments, y = min(x, max_value) above the threshold, and
    negative_slope * (x - threshold) below it.

    Args:
        max_value: the largest output; None for no limit.
        negative_slope: the slope below the threshold; at least 0.
        threshold: where the relu begins; at least 0.

    Input shape: any. Output shape: the same.

    Raises:
        ValueError: for an argument out of range.

    Example:
        >>> ReLU(max_value=6.0).forward(np.array([[-1.0, 2.0, 9.0]]))
        array([[0., 2., 6.]])
    """

    def __init__(
        self,
        max_value: float | None = None,
        negative_slope: float = 0.0,
        threshold: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__("relu", **kwargs)
        self.max_value = None if max_value is None else number(max_value, "max_value", low=0.0)
        self.negative_slope = number(negative_slope, "negative_slope", low=0.0)
        self.threshold = number(threshold, "threshold", low=0.0)

    def forward(self, x: Array, training: bool = False) -> Array:
        """See the class."""
        x = self.receive(x)
        if self.max_value is None and not self.threshold:
            slope = self.negative_slope
            y = kernels.leaky_relu_forward(x, slope) if slope else kernels.relu_forward(x)
        else:
            y = kernels.bounded_relu_forward(x, *self._settings)
        self.cache = (x, x, y)
        return y

    def backward(self, dy: Array) -> Array:
        """dx = dy where y = x, negative_slope * dy below the threshold, and 0 elsewhere."""
        _, x, y = self.recall()
        dy = self.receive_gradient(dy)
        if self.max_value is not None or self.threshold:
            return kernels.bounded_relu_backward(dy, x, *self._settings)
        if self.negative_slope:
            return kernels.leaky_relu_backward(dy, y, self.negative_slope)
        return kernels.relu_backward(dy, y)

    @property
    def _settings(self) -> tuple[float | None, float, float]:
        return self.max_value, self.negative_slope, self.threshold

    def branches(self) -> list[Array]:
        """Which inputs are above the threshold, and which below the largest output."""
        x, most = self.recall()[1], self.max_value
        return [x > self.threshold, x < (np.inf if most is None else most)]

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        names = ("max_value", "negative_slope", "threshold")
        return {**Layer.get_config(self), **{name: getattr(self, name) for name in names}}


class Softmax(Activation):
    """exp(x) / sum(exp(x)) over the last axis: probabilities from logits.

    Input shape: (..., K). Output shape: the same.

    Example:
        >>> Softmax().forward(np.array([[0.0, 0.0]]))
        array([[0.5, 0.5]])
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("softmax", **kwargs)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return Layer.get_config(self)


class LeakyReLU(Layer):
    """y = x where positive, else negative_slope * x: a relu with a gradient below 0, too.

    Args:
        negative_slope: the slope below 0; at least 0.

    Input shape: any. Output shape: the same.

    Raises:
        ValueError: for an argument out of range.

    Example:
        >>> LeakyReLU(0.5).forward(np.array([[-1.0, 2.0]]))
        array([[-0.5,  2. ]])
    """

    def __init__(self, negative_slope: float = 0.3, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.negative_slope = number(negative_slope, "negative_slope", low=0.0)

    def forward(self, x: Array, training: bool = False) -> Array:
        """y = x if x > 0 else negative_slope * x."""
        y = kernels.leaky_relu_forward(self.receive(x), self.negative_slope)
        self.cache = (y,)
        return y

    def backward(self, dy: Array) -> Array:
        """dx = dy if y > 0 else negative_slope * dy."""
        (y,) = self.recall()
        return kernels.leaky_relu_backward(self.receive_gradient(dy), y, self.negative_slope)

    def branches(self) -> list[Array]:
        """Which outputs are positive."""
        return [self.recall()[0] > 0]

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "negative_slope": self.negative_slope}


class ELU(Layer):
    """y = x where positive, else alpha * (exp(x) - 1), which levels off at -alpha.

    Args:
        alpha: where y levels off, without the sign; at least 0.

    Input shape: any. Output shape: the same.

    Raises:
        ValueError: for an argument out of range.

    Example:
        >>> ELU().forward(np.array([[-100.0, 2.0]]))
        array([[-1.,  2.]])
    """

    def __init__(self, alpha: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.alpha = number(alpha, "alpha", low=0.0)

    def forward(self, x: Array, training: bool = False) -> Array:
        """y = x if x > 0 else alpha * (exp(x) - 1)."""
        y = kernels.elu_forward(self.receive(x), self.alpha)
        self.cache = (y,)
        return y

    def backward(self, dy: Array) -> Array:
        """dx = dy if y > 0 else dy * (y + alpha), as alpha * exp(x) = y + alpha."""
        (y,) = self.recall()
        return kernels.elu_backward(self.receive_gradient(dy), y, self.alpha)

    def branches(self) -> list[Array]:
        """Which outputs are positive."""
        return [self.recall()[0] > 0]

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "alpha": self.alpha}
