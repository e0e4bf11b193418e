"""Optimizer: how a gradient becomes a change of the parameters.

An optimizer sees parameters and their gradients, nothing else. It alone writes parameters, and in
place. One step is: clip the gradients, decay the weights, then the rule of the subclass, whose
arithmetic is in `kernels/reference.py`.

Sources: keras/src/optimizers/base_optimizer.py; Pascanu et al. 2013 (clipping by the norm);
Loshchilov and Hutter 2019 (decoupled weight decay).
"""

import math
from collections.abc import Sequence
from typing import Any, Self, TypedDict

import numpy as np

from tinycnn.arguments import number, positive
from tinycnn.keywords import Named
from tinycnn.optimizers.schedules import SCHEDULES, LearningRateSchedule
from tinycnn.parameter import Parameter
from tinycnn.utils import Array

_WATCHED = 10  # first steps, in which an optimizer of one's own must change a value


class Clipping(TypedDict, total=False):
    """The arguments of every optimizer that clip gradients; see `Optimizer`."""

    clipnorm: float | None
    clipvalue: float | None
    global_clipnorm: float | None


class Common(Clipping, total=False):
    """The arguments of every optimizer; see `Optimizer`."""

    weight_decay: float | None


class Optimizer(Named):
    """Base of all optimizers; one of your own overrides `update_step`.

    >>> class Signs(Optimizer):
    ...     slots = ("last",)  # an array of zeros for each parameter, kept from step to step
    ...
    ...     def update_step(self, gradient, value, learning_rate, last):
    ...         last[...] = 0.9 * last + 0.1 * gradient
    ...         value -= learning_rate * np.sign(last)  # in place: `value = ...` changes nothing
    >>> model.compile(Signs(0.01), "mse")

    Args:
        learning_rate: lr, the step size; or a schedule, see schedules.py.
        weight_decay: before each step every trainable value loses this share, times lr, of itself.
        clipnorm: the gradient of each parameter is scaled down to this norm, if it is larger.
        clipvalue: each number of the gradients is clipped to [-clipvalue, clipvalue].
        global_clipnorm: all gradients are scaled down by one factor, so that the norm of all their
            numbers together is no larger than this. Only one of the three may be given.

    Raises:
        ValueError: for an argument out of range.
        TypeError: for a class without an `update_step`.
    """

    # The arrays an optimizer keeps for each parameter, by name, all 0 at first.
    slots: tuple[str, ...] = ()

    def __init__(
        self,
        learning_rate: float | LearningRateSchedule,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
    ) -> None:
        cls = type(self)
        if (cls.update_step, cls._update_all) == (Optimizer.update_step, Optimizer._update_all):
            raise TypeError(
                f"{cls.__name__} must define update_step(self, gradient, value, learning_rate, "
                "**slots), which changes `value` in place; see the docstring of Optimizer"
            )
        self._learning_rate: float | LearningRateSchedule = 0.0
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        if weight_decay is not None:
            self.weight_decay = number(weight_decay, "weight_decay", low=0.0)
        clipping = {
            "clipnorm": clipnorm,
            "clipvalue": clipvalue,
            "global_clipnorm": global_clipnorm,
        }
        given = {name: value for name, value in clipping.items() if value is not None}
        if len(given) > 1:
            raise ValueError(
                "only one of `clipnorm`, `clipvalue` and `global_clipnorm` can be set. Received: "
                + ", ".join(f"{name}={value!r}" for name, value in given.items())
            )
        clipping |= {name: positive(value, name) for name, value in given.items()}
        self.clipnorm = clipping["clipnorm"]
        self.clipvalue = clipping["clipvalue"]
        self.global_clipnorm = clipping["global_clipnorm"]
        self.iterations = 0  # steps made
        self.state: list[dict[str, Array]] = []  # one entry a trainable parameter, in their order
        self._parameters: list[Parameter] = []  # those, once it is built
        self._idle = 0  # steps from the first one on in which no value changed

    @property
    def schedule(self) -> LearningRateSchedule | None:
        """The schedule that the learning rate follows, if it follows one."""
        rate = self._learning_rate
        return rate if isinstance(rate, LearningRateSchedule) else None

    @property
    def learning_rate(self) -> float:
        """The step size of the next step. A number or a schedule may be assigned.

        Raises:
            TypeError: for a number in a schedule's place, as in Keras.
        """
        if isinstance(self._learning_rate, LearningRateSchedule):
            return number(self._learning_rate(self.iterations), "learning_rate", low=0.0)
        return self._learning_rate

    @learning_rate.setter
    def learning_rate(self, value: float | LearningRateSchedule) -> None:
        if not isinstance(value, LearningRateSchedule):
            if self.schedule is not None:
                raise TypeError(
                    f"the learning rate follows a {type(self.schedule).__name__} and can't be "
                    "set; to set it, make the optimizer with a number as its learning_rate. "
                    f"Received: learning_rate={value!r}"
                )
            value = number(value, "learning_rate", low=0.0)
        self._learning_rate = value

    def build(self, parameters: Sequence[Parameter]) -> None:
        """Makes the state for these parameters, unless it is there.

        Raises:
            ValueError: if the state belongs to other parameters, be they of the same shapes: their
                moments and their number of steps would go on with the new ones.
        """
        trainable = [parameter for parameter in parameters if parameter.trainable]
        if not self._parameters:
            self._parameters = trainable
            self.state = [
                {slot: np.zeros_like(parameter.value) for slot in self.slots}
                for parameter in trainable
            ]
        same = len(self._parameters) == len(trainable) and all(
            ours is theirs for ours, theirs in zip(self._parameters, trainable, strict=True)
        )
        if not same:
            raise ValueError(
                f"this {type(self).__name__} has already been used on other parameters; "
                "make a new one for each model. "
                f"Received: {len(trainable)} parameters, after {self.iterations} steps on "
                f"{len(self._parameters)} others"
            )

    def update(self, parameters: Sequence[Parameter]) -> None:
        """One step: changes every trainable parameter in place by its gradient.

        Args:
            parameters: the same ones, in the same order, at every call.

        Raises:
            ValueError: if they are other ones than before.
            RuntimeError: if one has no gradient yet; if an `update_step` of one's own changes
                nothing.
            TypeError: if it returns something.
        """
        self.build(parameters)
        trainable = [parameter for parameter in parameters if parameter.trainable]
        gradients = []
        for parameter in trainable:
            if parameter.grad is None:
                raise RuntimeError(f"{parameter.name} has no gradient yet: run a backward first")
            gradients.append(parameter.grad)
        learning_rate = self.learning_rate  # a schedule counts the steps before this one
        self.iterations += 1
        values = [parameter.value for parameter in trainable]
        with np.errstate(all="ignore"):  # whatever the caller's setting: moments underflow to 0
            gradients = self._clipped(gradients)
            if self.weight_decay:
                for value in values:
                    decay_weights(value, self.weight_decay, learning_rate)
            self._update_all(values, gradients, learning_rate)

    def _clipped(self, gradients: list[Array]) -> list[Array]:
        if self.clipnorm is not None:
            return [clip_by_norm([gradient], self.clipnorm)[0] for gradient in gradients]
        if self.global_clipnorm is not None:
            return clip_by_norm(gradients, self.global_clipnorm)
        if self.clipvalue is not None:
            return [np.clip(gradient, -self.clipvalue, self.clipvalue) for gradient in gradients]
        return gradients

    def _update_all(
        self, values: list[Array], gradients: list[Array], learning_rate: float
    ) -> None:
        """The rule, for all parameters; `self.state` has their slots in the same order."""
        watched = self._idle == self.iterations - 1 < _WATCHED
        before = [value.copy() for value in values] if watched else []
        for value, gradient, slots in zip(values, gradients, self.state, strict=True):
            result: object = self.update_step(gradient, value, learning_rate, **slots)  # type: ignore[func-returns-value]
            if result is not None:
                raise TypeError(
                    f"{type(self).__name__}.update_step must change `value` in place, as in "
                    f"`value -= ...`, and return nothing. Received: a {type(result).__name__}"
                )
        if watched:
            self._watch(before, values, gradients, learning_rate)

    def _watch(
        self, before: list[Array], values: list[Array], gradients: list[Array], learning_rate: float
    ) -> None:
        """Notes a step that has changed no value, though the gradients would have it change.

        That is what `value = value - ...` does. An optimizer may let some steps pass, to add up
        gradients in a slot; not _WATCHED of them, and none without a slot.
        """
        for old, value, gradient in zip(before, values, gradients, strict=True):
            step = learning_rate * np.abs(gradient).max(initial=0.0)
            rounding = np.finfo(value.dtype).eps * np.abs(value).max(initial=0.0)
            if not np.array_equal(old, value, equal_nan=True) or not step > rounding:
                return
        self._idle = self.iterations
        if not self.slots or self._idle == _WATCHED:
            raise RuntimeError(
                f"{type(self).__name__}.update_step has changed no value in {self._idle} steps: "
                "it must work in place, `value -= ...` or `value[...] = ...`; `value = ...` only "
                "gives another array that name"
            )

    def update_step(
        self, gradient: Array, value: Array, learning_rate: float, **slots: Array
    ) -> None:
        """The rule, for one parameter: changes `value` and the slots in place.

        Args:
            gradient: of the loss with respect to `value`, clipped; not to be changed.
            value: the numbers of the parameter.
            learning_rate: of this step.
            slots: the arrays that the class names in `slots`, as the last step left them.
        """

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, as plain values; a schedule as its class and its own."""
        rate: Any = self._learning_rate
        if isinstance(rate, LearningRateSchedule):
            rate = {"class": type(rate).__name__, "config": rate.get_config()}
        return {
            "learning_rate": rate,
            "weight_decay": self.weight_decay,
            "clipnorm": self.clipnorm,
            "clipvalue": self.clipvalue,
            "global_clipnorm": self.global_clipnorm,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The optimizer, at its step 0, that `get_config` has described."""
        rate = config["learning_rate"]
        if isinstance(rate, dict):
            rate = SCHEDULES[rate["class"]](**rate["config"])
        return cls(**{**config, "learning_rate": rate})

    def state_size(self) -> tuple[int, int]:
        """(numbers, bytes) of the state as Keras counts them: with step counter and learning rate.

        (0, 0) before the first step. A schedule is no state.
        """
        if not self.state:
            return 0, 0
        arrays = [array for slots in self.state for array in slots.values()]
        rates = int(self.schedule is None)
        return (
            1 + rates + sum(array.size for array in arrays),
            8 + 4 * rates + sum(array.nbytes for array in arrays),
        )


def clip_by_norm(gradients: list[Array], limit: float) -> list[Array]:
    """The gradients, scaled by one factor if the norm of all their numbers exceeds `limit`.

    norm = sqrt(sum of all g^2);  g * limit / norm  if norm > limit. The sum is in float64, so that
    squares do not overflow.
    """
    squares = [float(np.square(gradient, dtype=np.float64).sum()) for gradient in gradients]
    norm = math.sqrt(sum(squares))
    if norm <= limit:
        return gradients
    return [gradient * gradient.dtype.type(limit / norm) for gradient in gradients]


def decay_weights(value: Array, weight_decay: float, learning_rate: float) -> None:
    """value -= value * weight_decay * lr, in place.

    Not by way of the gradient, where an L2 penalty would put it: there Adam would divide it by the
    size of the gradients.
    """
    scalar = value.dtype.type
    # As in Keras the decay is rounded to float32, even when the parameters are float64.
    value -= value * scalar(np.float32(weight_decay)) * scalar(learning_rate)
