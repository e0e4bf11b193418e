"""The activations as functions, for `activation=` and to be called.

    Conv2D(32, 3, activation=activations.relu)
    probabilities = activations.softmax(logits)

Called on an array they return a Tensor, called on a Symbol what the layer of that name makes of it.
The layers, and the formulas of the backward, are in layers/activations.py.

Source: keras/src/activations/activations.py
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from tinycnn import kernels
from tinycnn.layers.activations import ACTIVATIONS, Activation, checked
from tinycnn.support import keras_names
from tinycnn.tensors import Symbol, Tensor, tensor
from tinycnn.utils import Array

__all__ = ["elu", "get", "leaky_relu", "linear", "relu", "serialize", "sigmoid", "softmax", "tanh"]


def linear(x: Any) -> Any:
    """y = x."""
    return _applied("linear", x)


def relu(
    x: Any, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0
) -> Any:
    """y = max(x, 0).

    In full, as in Keras: y = max_value where x >= max_value, x where threshold <= x < max_value,
    and negative_slope * (x - threshold) elsewhere.

    Args:
        x: an array or a Symbol; a Symbol takes no other arguments.
        negative_slope: the slope below the threshold.
        max_value: the largest output; None for none.
        threshold: where the output begins.

    Raises:
        TypeError: for a Symbol and other arguments.
    """
    if (negative_slope, max_value, threshold) == (0.0, None, 0.0):
        return _applied("relu", x)
    if isinstance(x, Symbol):
        raise TypeError("relu of a Symbol takes no other arguments; write a layer, such as ReLU")
    x = _floating(x)
    y = np.where(x >= threshold, x, negative_slope * (x - threshold))
    return tensor((y if max_value is None else np.minimum(y, max_value)).astype(x.dtype))


def leaky_relu(x: Any, negative_slope: float = 0.2) -> Any:
    """y = x where positive, else negative_slope * x.

    Raises:
        TypeError: for a Symbol and another slope.
    """
    return _applied("leaky_relu", x, kernels.leaky_relu_forward, negative_slope, 0.2)


def elu(x: Any, alpha: float = 1.0) -> Any:
    """y = x where positive, else alpha * (exp(x) - 1).

    Raises:
        TypeError: for a Symbol and another alpha.
    """
    return _applied("elu", x, kernels.elu_forward, alpha, 1.0)


def sigmoid(x: Any) -> Any:
    """y = 1 / (1 + exp(-x))."""
    return _applied("sigmoid", x)


def tanh(x: Any) -> Any:
    """The hyperbolic tangent: y = (exp(x) - exp(-x)) / (exp(x) + exp(-x))."""
    return _applied("tanh", x)


def softmax(x: Any, axis: int = -1) -> Any:
    """y = exp(x) / sum(exp(x)) over an axis, by default the last.

    Raises:
        TypeError: for a Symbol and another axis.
    """
    if axis == -1:
        return _applied("softmax", x)
    if isinstance(x, Symbol):
        raise TypeError("softmax of a Symbol is over its last axis")
    return tensor(np.moveaxis(softmax(np.moveaxis(_floating(x), axis, -1)), -1, axis))


def get(identifier: Any) -> Callable[..., Any]:
    """The function of that name; None is `linear`, and a function is returned as it is.

    Raises:
        ValueError: for an unknown name; the message lists the known ones.
    """
    function: Callable[..., Any]
    function = identifier if callable(identifier) else _function(checked(identifier))
    return function


def serialize(activation: Callable[..., Any]) -> str:
    """The name of one of these functions.

    Raises:
        ValueError: for any other.
    """
    return checked(activation)


deserialize = get


def _applied(
    name: str,
    x: Any,
    function: Callable[[Array, float], Array] | None = None,
    slope: float = 0.0,
    usual: float = 0.0,
) -> Any:
    """The activation of that name of `x`, or the function with an unusual slope."""
    if isinstance(x, Symbol):
        if slope != usual:
            raise TypeError(f"{name} of a Symbol takes no other arguments; write a layer")
        return Activation(name)(x)
    x = _floating(x)
    forward = ACTIVATIONS[name].forward
    return tensor(forward(x) if function is None else function(x, slope))


def _floating(x: Any) -> Array:
    """`x` as an array of float32 or float64, which the kernels take; numbers become float32."""
    floating = isinstance(x, np.ndarray) and x.dtype in (np.float32, np.float64)
    return np.asarray(x, x.dtype if floating else np.float32)


def _function(name: str) -> Callable[..., Any]:
    """The function of that name; those that have no arguments of their own are made here."""
    if name in globals():
        made: Callable[..., Any] = globals()[name]
        return made

    def activation(x: Any) -> Tensor:
        return _applied(name, x)

    activation.__name__ = activation.__qualname__ = name
    activation.__doc__ = f"The activation {name!r} of an array or a Symbol."
    return activation


def __getattr__(name: str) -> Any:
    """The other activations of layers/activations.py."""
    if name in ACTIVATIONS:
        return globals().setdefault(name, _function(name))
    return keras_names.find(__name__, name)
