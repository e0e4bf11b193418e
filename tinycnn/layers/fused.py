"""Runs Conv2D(relu) followed by MaxPooling2D as one step; the layers stay what the user sees.

A fused kernel takes the largest of four outputs of a convolution while they are still in registers,
and writes only that. On the way back it works on only the few outputs that have a gradient. It is
used for 2x2 pools with stride 2 after convolutions with relu and stride 1, of any size, channels,
filters and padding. All else runs layer by layer, as does everything inside `with fused.off():`.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from tinycnn import kernels
from tinycnn.layers.base import Layer
from tinycnn.layers.convolutional import Conv2D
from tinycnn.layers.pooling import MaxPooling2D
from tinycnn.utils import Array

_on: ContextVar[bool] = ContextVar("tinycnn_fused", default=True)


@contextmanager
def off() -> Iterator[None]:
    """Inside its `with`, models run layer by layer, to measure fusion or to see each layer."""
    token = _on.set(False)
    try:
        yield
    finally:
        _on.reset(token)


def is_on() -> bool:
    """Whether pairs run as one step here: not inside `with off():`."""
    return _on.get()


class ConvPool:
    """A Conv2D and the MaxPooling2D after it, as one step of a model's forward and backward.

    It has what the two folds of a network use of a layer, and nothing else.

    Args:
        convolution: one with relu and stride 1.
        pool: one of 2x2 with stride 2.

    Input shape: the convolution's. Output shape: the pool's.
    """

    def __init__(self, convolution: Conv2D, pool: MaxPooling2D) -> None:
        self.convolution, self.pool = convolution, pool
        self.parameters = convolution.parameters
        self.needs_input_gradient = True
        self.cache: tuple[Any, ...] | None = None

    def forward(self, x: Array, training: bool = False) -> Array:
        """The pool's output; each of the two layers can still run its own backward afterwards."""
        convolution = self.convolution
        x = convolution.receive(x)
        self.pool._samples = len(x)
        bias = convolution.bias_or_none
        y, winners = kernels.conv2d_relu_pool_forward(
            x, convolution.kernel.value, bias, convolution.padding
        )
        self.cache = (x, winners)  # winners: 0 to 3, the largest of each four; 4 if relu made it 0
        self.stand_in()
        return y

    def stand_in(self) -> None:
        """The two layers keep nothing of this forward until they are asked for it."""
        for layer in (self.convolution, self.pool):
            mine = getattr(layer.forward_apart, "__self__", None) is self
            if layer.cache is not None or not mine:
                layer.cache, layer.forward_apart = None, self._forward_apart

    def _forward_apart(self) -> None:
        """Runs each layer's forward by itself, when one of them is asked for its own backward."""
        x, _ = self._recall()
        self.pool.forward(self.convolution.forward(x))

    def _recall(self) -> tuple[Any, ...]:
        """What `forward` left for `backward`; raises as `Layer.recall` does."""
        if self.cache is None:
            raise RuntimeError(f"{self}: backward needs a forward before it")
        return self.cache

    def backward(self, dy: Array) -> Array | None:
        """dx; sets the gradients of the convolution's parameters."""
        x, winners = self._recall()
        convolution = self.convolution
        convolution.needs_input_gradient = self.needs_input_gradient
        dx, convolution.kernel.grad, dbias = kernels.conv2d_relu_pool_backward(
            self.pool.receive_gradient(dy),
            x,
            convolution.kernel.value,
            winners,
            convolution.padding,
            needs_dx=self.needs_input_gradient,
        )
        if convolution.use_bias:
            convolution.bias.grad = dbias
        return dx

    def __repr__(self) -> str:
        return f"{self.convolution} with {self.pool}"


def steps(layers: Sequence[Layer]) -> list[Layer | ConvPool]:
    """The layers, with each pair that fits as one ConvPool."""
    result: list[Layer | ConvPool] = []
    on = _on.get()
    for layer in layers:
        before = result[-1] if result else None
        if on and type(before) is Conv2D and type(layer) is MaxPooling2D and _fit(before, layer):
            result[-1] = ConvPool(before, layer)
        else:
            result.append(layer)
    return result


def _fit(first: Conv2D, second: MaxPooling2D) -> bool:
    return (
        first.activation == "relu"
        and first.strides == (1, 1)
        and second.pool_size == second.strides == (2, 2)
        # With "same" an odd row or column gets a pool of its own.
        and (second.padding == "valid" or not any(s % 2 for s in (first.output_shape or (1,))[:2]))
        and not is_altered(first)
        and not is_altered(second)
    )


# What a layer does, in methods that users replace, on one object or on its class.
METHODS = ("forward", "backward", "backward_from_z")


def is_altered(layer: Layer) -> bool:
    """Whether this one layer object was given a method of its own."""
    return not vars(layer).keys().isdisjoint(METHODS)
