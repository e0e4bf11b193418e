"""Runs neighbouring layers as one step of a model: from the second batch on, in a single launch.

    Conv2D, MaxPooling2D, Conv2D, MaxPooling2D | Dropout | Flatten, Dense, Dense

The layers between two bars are one launch, on the way forward and back, and Python has less to do.
They only launch kernels and reshape. So what they launched for the first batch is launched again
for the next ones, as long as the shapes and the layers' settings are the same: see
`kernels/compiled/together.py`. The layers keep what they would keep without it (`layer.cache`; None
in pairs, see `fused.py`), and each can still run by itself. All else runs layer by layer, as does
everything inside `with fused.off():`.
"""

from collections.abc import Hashable, Iterator, Sequence
from typing import Any, Final

import numpy as np

from tinycnn import kernels
from tinycnn.layers import fused
from tinycnn.layers.activations import Activation
from tinycnn.layers.base import Layer
from tinycnn.layers.convolutional import Conv2D
from tinycnn.layers.core import Dense, Flatten
from tinycnn.layers.pooling import AveragePooling2D, MaxPooling2D
from tinycnn.layers.reshaping import Reshape
from tinycnn.utils import Array

# Layers that only launch kernels and reshape.
_LAUNCHING: Final = (Activation, AveragePooling2D, Conv2D, Dense, Flatten, MaxPooling2D, Reshape)
_ACTIVATIONS: Final = ("linear", "relu", "softmax")  # those of which that is true, too
# What decides how a layer runs and may change once it is built, beside its methods.
_SETTINGS: Final = ("activation", "output_shape", "dtype", "kernel", "bias")

_set = object.__setattr__  # a layer's own checks what users set, and takes four times as long


def _methods(kind: Any) -> list[Any]:
    return [getattr(kind, name, None) for name in fused.METHODS]


_OURS: Final = {kind: _methods(kind) for kind in _LAUNCHING}  # nobody has replaced them yet


class _Memory(dict[Hashable, Any]):
    """What `kernels.repeated` knows. A copy of a model learns it anew, for layers of its own."""

    def __reduce__(self) -> tuple[type["_Memory"], tuple[()]]:
        return _Memory, ()


class Together:
    """Steps of a model that follow each other, as one step.

    Args:
        steps: layers, and pairs of them; only the last may have a softmax.
    """

    def __init__(self, steps: Sequence[Layer | fused.ConvPool]) -> None:
        self.steps = steps
        self.layers = [layer for step in steps for layer in _layers_of(step)]
        self.parameters = [p for layer in self.layers for p in layer.parameters]
        self.needs_input_gradient = True
        self._memory = _Memory()
        # Of the last forward: its key, the parameters' values, and what each step has kept.
        self._last: tuple[Hashable, list[Array], list[tuple[Any, ...]]] | None = None

    def forward(self, x: Array, training: bool = False) -> Array:
        """The last step's output for a batch (N, *input_shape of the first layer).

        Threads that predict at the same time take turns.

        Raises:
            ValueError: if the shape is another one.
        """
        with kernels.turn():
            return self._forward(x, training)

    def _forward(self, x: Array, training: bool) -> Array:
        x = self.layers[0].receive(x)
        self.forget()  # so that new arrays can take their place in the processor's cache
        values = [parameter.value for parameter in self.parameters]
        disturbed = False

        def work() -> list[tuple[Any, ...]]:
            nonlocal disturbed
            y, caches = x, []
            for step in self.steps:
                shape, y = y.shape, step.forward(y, training)
                caches.append(step.cache or ())
                # A layer keeps arrays and the shape of x. Anything else was put there meanwhile, by
                # a thread or a signal handler that runs these layers one by one.
                others = [item for item in caches[-1] if not isinstance(item, np.ndarray)]
                disturbed |= step.cache is None or any(other != shape for other in others)
            return [(y,), *caches]

        try:
            key = (x.shape, x.dtype, *[(value.shape, value.dtype) for value in values])
        except AttributeError:  # a value is no array: somebody has taken a bias away, say
            return work()[0][0]
        (y,), *caches = kernels.repeated(self._memory, key, (x, *values), work)
        if disturbed:
            self._memory.pop(key, None)
            return y
        self._keep(caches)
        for layer in self.layers:
            if layer._samples != len(x):
                layer._samples = len(x)
        self._last = key, values, caches
        return y

    def backward(self, dy: Array) -> Array | None:
        """dx (N, ...), or None if not `needs_input_gradient`; sets the parameters' gradients.

        Raises:
            RuntimeError: if there was no forward before it.
            ValueError: if dy is not of the shape of the output.
        """
        return self._backward(dy, "backward")

    def backward_from_z(self, dz: Array) -> Array | None:
        """The same, given the gradient with respect to the logits, below the softmax at the end."""
        return self._backward(dz, "backward_from_z")

    def _backward(self, dy: Array, how: str) -> Array | None:
        dy = np.asarray(dy)
        lowest = None
        if not self.needs_input_gradient:
            learning = (step for step in self.steps if any(p.learns for p in step.parameters))
            lowest = next(learning, self.steps[-1])
        for step in self.steps:
            for part in _parts_of(step):
                if part.needs_input_gradient != (step is not lowest):
                    part.needs_input_gradient = step is not lowest
        first = 0 if lowest is None else self.steps.index(lowest)
        steps = self.steps[first:]
        parameters = [parameter for step in steps for parameter in step.parameters]

        def work() -> list[tuple[Any, ...]]:
            dx = getattr(steps[-1], how)(dy)
            for step in reversed(steps[:-1]):
                dx = step.backward(dx)
            return [(dx,), tuple([parameter.grad for parameter in parameters])]

        if self._last is None or not self._is_as_it_was(*self._last[1:]):
            return work()[0][0]
        key, values, caches = self._last
        kept = [item for cache in caches for item in cache if isinstance(item, np.ndarray)]
        key = (key, how, first, self.needs_input_gradient, dy.shape, dy.dtype)
        (dx,), gradients = kernels.repeated(self._memory, key, (dy, *values), work, kept)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            if gradient is not None:  # a parameter of a user's own has none of the layer's
                parameter.grad = gradient
        return dx

    def _is_as_it_was(self, values: list[Array], caches: list[tuple[Any, ...]]) -> bool:
        """Whether no layer has run by itself since the forward, or was given another array."""
        return all(
            step.cache is cache for step, cache in zip(self.steps, caches, strict=True)
        ) and all(
            parameter.value is value
            for parameter, value in zip(self.parameters, values, strict=True)
        )

    def _keep(self, caches: Sequence[tuple[Any, ...] | None]) -> None:
        """What the steps keep for their backward."""
        for step, cache in zip(self.steps, caches, strict=True):
            _set(step, "cache", cache)
            if isinstance(step, fused.ConvPool):
                step.stand_in()

    def forget(self) -> None:
        """Frees what a forward has kept."""
        self._last = None
        self._keep([None] * len(self.steps))

    def __repr__(self) -> str:
        return ", ".join(map(str, self.steps))


Step = Layer | fused.ConvPool | Together


class Steps:
    """A network's layers as the steps of its forward: alone, in pairs, and together."""

    def __init__(self) -> None:
        self._settings: list[Any] = []
        self._steps: list[Step] = []

    def __reduce__(self) -> tuple[type["Steps"], tuple[()]]:
        """A copy of a network has steps of its own."""
        return Steps, ()

    def of(self, layers: Sequence[Layer]) -> list[Step]:
        """The steps. They are the same ones as before as long as no layer has changed."""
        settings = [fused.is_on(), kernels.active(), *layers]
        for layer in layers:
            values = vars(layer)
            settings.append(fused.is_altered(layer))
            settings += [values.get(name) for name in _SETTINGS]
            settings += layer.parameters
        for kind in dict.fromkeys(map(type, layers)):
            settings += _methods(kind)
        if settings != self._settings:
            self.forget()
            self._steps, self._settings = [*_grouped(fused.steps(layers))], settings
        return self._steps

    def forget(self) -> None:
        """Frees what the steps have kept of a forward."""
        for step in self._steps:
            if isinstance(step, Together):
                step.forget()
            else:
                step.cache = None


def _grouped(steps: Sequence[Layer | fused.ConvPool]) -> Iterator[Step]:
    """The steps, with all that can run together as one."""
    group: list[Layer | fused.ConvPool] = []
    for step in steps:
        fits = _only_launches(step)
        if fits:
            group.append(step)
        if not fits or getattr(step, "activation", None) == "softmax":
            yield from _as_one(group)
            group = []
        if not fits:
            yield step
    yield from _as_one(group)


def _as_one(group: list[Layer | fused.ConvPool]) -> list[Step]:
    return [Together(group)] if len(group) > 1 else [*group]


def _only_launches(step: Layer | fused.ConvPool) -> bool:
    """Whether its forward and backward do nothing but launch kernels and reshape."""
    if kernels.active() == "numpy" or not fused.is_on():
        return False
    if isinstance(step, fused.ConvPool):
        return True
    kind: Any = type(step)
    return (
        kind in _LAUNCHING
        and _methods(kind) == _OURS[kind]
        and not fused.is_altered(step)
        and getattr(step, "activation", "linear") in _ACTIVATIONS
    )


def _layers_of(step: Layer | fused.ConvPool) -> list[Layer]:
    if isinstance(step, fused.ConvPool):
        return [step.convolution, step.pool]
    return [step]


def _parts_of(step: Layer | fused.ConvPool) -> list[Any]:
    """The step, and the convolution of a pair, which is told what the pair is told."""
    return [step, step.convolution] if isinstance(step, fused.ConvPool) else [step]
