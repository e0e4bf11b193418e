"""Optimizer: how a gradient becomes a change of the parameters.

An optimizer sees parameters and their gradients, nothing else. It alone changes what is trainable,
and it does so in place. One step is: clip the gradients, decay the weights, then apply the rule of
the subclass, whose arithmetic is in `kernels/reference/optimizers.py`.

Sources: keras/src/optimizers/base_optimizer.py; Pascanu et al. 2013 (clipping by the norm);
Loshchilov and Hutter 2019 (decoupled weight decay).
"""

import copy
import inspect
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from tinycnn.optimizers.clipping import Clipping, checked_clipping, clip_by_norm, clip_by_value
from tinycnn.optimizers.schedules import SCHEDULES, LearningRateSchedule
from tinycnn.optimizers.variables import Count, Rate
from tinycnn.parameter import Parameter
from tinycnn.support.arguments import number, shown
from tinycnn.support.refusals import Strict
from tinycnn.support.reprs import as_call, table
from tinycnn.utils import Array


class Common(Clipping, total=False):
    """The arguments of every optimizer; see `Optimizer`."""

    weight_decay: float | None


class Optimizer(Strict):
    """Base of all optimizers.

    Args:
        learning_rate: lr, the step size; or a schedule, see schedules.py.
        weight_decay: before each step every trainable value loses this share of itself, times lr.
        clipnorm: the gradient of each parameter is scaled down to this norm, if it is larger.
        clipvalue: each number of the gradients is clipped to [-clipvalue, clipvalue].
        global_clipnorm: all gradients are scaled down by one factor, so that the norm of all their
            numbers together is no larger than this. Only one of the three may be given.

    An optimizer of your own has one method, `update_step`, which is called once for each parameter;
    `slots` names what it has to remember from step to step. It changes arrays in place, as
    `value -= ...` does. `value = value - ...` makes another array and leaves the parameter as it
    was. The arguments are passed by name, so their order is free. If the model is to be saved with
    it, what its constructor takes besides the learning rate also goes into `get_config`.

    Raises:
        ValueError: for an argument out of range.
        NotImplementedError: for a subclass without an `update_step`.

    Example:
        >>> class Momentum(Optimizer):
        ...     slots = ("velocity",)
        ...
        ...     def update_step(self, value, gradient, learning_rate, velocity):
        ...         velocity *= 0.5
        ...         velocity -= learning_rate * gradient
        ...         value += velocity
        >>> weight = Parameter("kernel", np.array([1.0]), grad=np.array([4.0]))
        >>> optimizer = Momentum(learning_rate=0.125)
        >>> for _ in range(2):
        ...     optimizer.update([weight])
        >>> weight.value  # 1 - 0.5, and then - (0.5 * 0.5 + 0.5)
        array([-0.25])
    """

    # The arrays an optimizer keeps for each parameter, by name, all 0 at first.
    slots: tuple[str, ...] = ()
    not_there = frozenset(  # and the arguments of other optimizers: see optimizers/__init__.py
        "beta1 beta2 clip_norm decay ema_momentum ema_overwrite_frequency eps "
        "gradient_accumulation_steps loss_scale_factor use_ema variables".split()
    )
    fixed = frozenset(("momentum", "nesterov", "centered", "amsgrad"))
    never_called: ClassVar[Mapping[str, str]] = {
        "apply_gradients": "update_step",
        "get_updates": "update_step",
    }

    def __init__(
        self,
        learning_rate: float | LearningRateSchedule,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
    ) -> None:
        own, base = type(self), Optimizer
        if own.update_step is base.update_step and own._update_all is base._update_all:
            raise NotImplementedError(
                f"{own.__name__} needs a method `update_step(self, value, gradient, "
                "learning_rate)` that changes `value` in place, such as "
                "`value -= learning_rate * gradient`; see Optimizer"
            )
        self._learning_rate: float | LearningRateSchedule = 0.0
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        if weight_decay is not None:
            self.weight_decay = number(weight_decay, "weight_decay", low=0.0)
        clipping = checked_clipping(
            clipnorm=clipnorm, clipvalue=clipvalue, global_clipnorm=global_clipnorm
        )
        self.clipnorm = clipping["clipnorm"]
        self.clipvalue = clipping["clipvalue"]
        self.global_clipnorm = clipping["global_clipnorm"]
        self._iterations = 0  # steps made
        self.state: list[dict[str, Array]] = []  # the slots of each parameter
        self._parameters: list[Parameter] = []  # whose they are; none before the first step
        # Whether a value has ever changed; tinycnn's own optimizers need not be watched.
        self._has_moved = own.__module__.startswith("tinycnn.")

    @property
    def schedule(self) -> LearningRateSchedule | None:
        """The schedule that the learning rate follows, if it follows one."""
        rate = self._learning_rate
        return rate if isinstance(rate, LearningRateSchedule) else None

    def _rate(self) -> float:
        """The step size of the next step; a schedule counts the steps before it."""
        rate = self._learning_rate
        if isinstance(rate, float):
            return rate
        return number(rate(self.iterations), "learning_rate", low=0.0)

    @property
    def learning_rate(self) -> Rate:
        """The step size of the next step: a float, with Keras's `numpy()` and `assign`.

        A number or a schedule may be assigned.

        Raises:
            TypeError: if a number is assigned in a schedule's place, as in Keras.
        """
        return Rate(self._rate(), self)

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

    @property
    def iterations(self) -> Count:
        """How many steps were made: an int, with Keras's `numpy()`."""
        return Count(self._iterations)

    @iterations.setter
    def iterations(self, count: int) -> None:
        self._iterations = int(count)

    @property
    def lr(self) -> float:
        """An old name for `learning_rate`; reading or setting it raises AttributeError."""
        raise AttributeError(f"{type(self).__name__} has no `lr`; write learning_rate")

    @lr.setter
    def lr(self, value: float) -> None:
        raise AttributeError(f"{type(self).__name__} has no `lr`; write learning_rate")

    def why_fixed(self, name: str) -> str:
        """Why `name` can't be set: without its slots, it would have no effect."""
        if name not in vars(self):
            return ""  # it is being made
        if name in ("momentum", "nesterov") and "velocity" in self.slots:
            return ""
        return "the optimizer was made without what it needs for that; make a new one"

    def build(self, parameters: Sequence[Parameter]) -> None:
        """Makes the state for these parameters, unless there is one.

        Raises:
            ValueError: if the state belongs to other parameters, even if they have the same shapes.
            TypeError: if `update_step` cannot take its arguments.
        """
        learning = [parameter for parameter in parameters if parameter.learns]
        if self._parameters == learning and learning:
            return
        if not self._parameters:
            self._check_update_step()
            self.state = [
                {slot: np.zeros_like(parameter.value) for slot in self.slots}
                for parameter in learning
            ]
            self._parameters = learning
        mine = {id(parameter) for parameter in self._parameters}
        if others := [p for p in learning if id(p) not in mine]:
            raise ValueError(
                f"this {type(self).__name__} has already been used on other parameters, whose "
                f"moments and {self.iterations} steps it holds; make a new one for each model, and "
                "compile again once more layers are trainable. "
                f"Received: {len(others)} parameters that are not among the "
                f"{len(self._parameters)} of before"
            )

    def state_of(self, parameters: Sequence[Parameter]) -> list[dict[str, Array]]:
        """The slots of each of the `parameters` that learn; empty before `build`."""
        return self._slots_of([parameter for parameter in parameters if parameter.learns])

    def _slots_of(self, learning: list[Parameter]) -> list[dict[str, Array]]:
        if self._parameters == learning:  # no layer was frozen since
            return list(self.state)
        slots = dict(zip(map(id, self._parameters), self.state, strict=True))
        return [slots[id(parameter)] for parameter in learning if id(parameter) in slots]

    def _check_update_step(self) -> None:
        names = ("value", "gradient", "learning_rate", *self.slots)
        try:
            inspect.signature(self.update_step).bind(**dict.fromkeys(names))
        except TypeError:
            own = type(self)
            raise TypeError(
                f"{own.__name__}.update_step must take the arguments {', '.join(names)}, by these "
                f"names. Received: update_step{inspect.signature(own.update_step)}"
            ) from None

    def update(self, parameters: Sequence[Parameter]) -> None:
        """One step: changes every parameter that learns by its gradient, in place.

        Args:
            parameters: those of the first call; layers may have been frozen since.

        Raises:
            ValueError: if they are not those of before.
            RuntimeError: if one has no gradient yet.
        """
        learning = [parameter for parameter in parameters if parameter.learns]
        if not learning or self._parameters != learning:  # the first step, or layers were frozen
            self.build(parameters)
        gradients = []
        for parameter in learning:
            if parameter.grad is None:
                raise RuntimeError(f"{parameter.name} has no gradient yet: run a backward first")
            gradients.append(parameter.grad)
        gradients = self._clipped(gradients)
        learning_rate = self._rate()
        self._iterations += 1
        values = [parameter.value for parameter in learning]
        if self.weight_decay:
            for value in values:
                decay_weights(value, self.weight_decay, learning_rate)
        self._update_all(values, gradients, self._slots_of(learning), learning_rate)

    def _clipped(self, gradients: list[Array]) -> list[Array]:
        if self.clipnorm is not None:
            return [clip_by_norm([gradient], self.clipnorm)[0] for gradient in gradients]
        if self.global_clipnorm is not None:
            return clip_by_norm(gradients, self.global_clipnorm)
        if self.clipvalue is not None:
            return clip_by_value(gradients, self.clipvalue)
        return gradients

    def _update_all(
        self,
        values: list[Array],
        gradients: list[Array],
        states: list[dict[str, Array]],
        learning_rate: float,
    ) -> None:
        """Applies the rule to all parameters, each with its gradient and its slots."""
        step: Callable[..., Any] = self.update_step
        before = None if self._has_moved else copy.deepcopy((values, states))
        for value, gradient, slots in zip(values, gradients, states, strict=True):
            answer = step(value=value, gradient=gradient, learning_rate=learning_rate, **slots)
            if answer is not None:
                raise TypeError(
                    f"{type(self).__name__}.update_step must change `value` in place "
                    "(`value -= ...`, or `value[...] = ...`) and return nothing. "
                    f"Received: {type(answer).__name__}"
                )
        if before is not None:
            self._check_move(before, values, gradients, states, learning_rate)

    @np.errstate(all="ignore")
    def _check_move(
        self,
        before: tuple[list[Array], list[dict[str, Array]]],
        values: list[Array],
        gradients: list[Array],
        states: list[dict[str, Array]],
        learning_rate: float,
    ) -> None:
        """Raises RuntimeError if steps too large to be lost in rounding have changed nothing.

        That happens with `value = value - ...`. An optimizer that first collects the gradients of
        several steps changes its slots meanwhile: it only gets a warning, and only once.
        """
        self._has_moved = not all(map(np.array_equal, before[0], values))
        visible = any(
            np.any(np.abs(learning_rate * gradient) > 2 * np.spacing(np.abs(value)))
            for value, gradient in zip(values, gradients, strict=True)
        )
        if self._has_moved or not visible:
            return
        message = (
            f"{type(self).__name__}.update_step has changed no value, though gradients and "
            "learning rate are not 0. It must change `value` in place: `value -= ...` or "
            "`value[...] = ...`; `value = ...` makes another array"
        )
        slots = [array for entry in states for array in entry.values()]
        slots_before = [array for entry in before[1] for array in entry.values()]
        if all(map(np.array_equal, slots_before, slots)):
            raise RuntimeError(message)
        self._has_moved = True
        warnings.warn(f"{message}. (If it only collects gradients, all is well.)", stacklevel=4)

    def update_step(
        self, value: Array, gradient: Array, learning_rate: float, **slots: Array
    ) -> None:
        """The rule for one parameter: changes `value` and the slots in place.

        Args:
            value: the parameter's value.
            gradient: of the same shape and dtype, already clipped; it must not be changed.
            learning_rate: this step's; the number of this step, from 1, is `self.iterations`.
            **slots: an array like `value` for each name in `self.slots`, all 0 before step 1.
        """
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, as plain values; a schedule as its class and config."""
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

    def __repr__(self) -> str:
        config = {**self.get_config(), "learning_rate": self._learning_rate}
        return as_call(self, config, always=["learning_rate"])

    def _repr_html_(self) -> str:
        """What a notebook shows: every setting, and how many steps were made."""
        config = {**self.get_config(), "learning_rate": self._learning_rate}
        rows = [[name, shown(value)] for name, value in config.items()]
        return table(
            ["setting", "value"], rows, f"{type(self).__name__}, {self.iterations:,} steps made"
        )

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """A new optimizer, at step 0, with the arguments that `get_config` returned."""
        rate = config["learning_rate"]
        if isinstance(rate, dict):
            rate = SCHEDULES[rate["class"]](**rate["config"])
        return cls(**{**config, "learning_rate": rate})

    def state_size(self) -> tuple[int, int]:
        """(numbers, bytes) of the state as Keras counts them: with step counter and learning rate.

        (0, 0) before the first step. A schedule is not counted.
        """
        if not self.state:
            return 0, 0
        arrays = [array for slots in self.state for array in slots.values()]
        rates = int(self.schedule is None)
        return (
            1 + rates + sum(array.size for array in arrays),
            8 + 4 * rates + sum(array.nbytes for array in arrays),
        )


@np.errstate(all="ignore")
def decay_weights(value: Array, weight_decay: float, learning_rate: float) -> None:
    """value -= value * weight_decay * lr, in place.

    The decay does not go into the gradient, as an L2 penalty does: there Adam would divide it by
    the size of the gradients.
    """
    scalar = value.dtype.type
    # As in Keras the decay is rounded to float32, even when the parameters are float64.
    value -= value * scalar(np.float32(weight_decay)) * scalar(learning_rate)
