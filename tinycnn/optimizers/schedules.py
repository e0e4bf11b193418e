"""Learning-rate schedules: the learning rate as a function of the steps made so far.

    optimizer = SGD(learning_rate=CosineDecay(0.1, decay_steps=7500))

The optimizer calls its schedule with `optimizer.iterations`, which is 0 at the first step.

Source: keras/src/optimizers/schedules/learning_rate_schedule.py. Keras computes schedules in
float32, whatever the model's dtype; here it is float64, and the two agree to float32's rounding.
"""

import math
from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

from tinycnn.support.arguments import integer, number, positive, truth
from tinycnn.support.keywords import Named
from tinycnn.support.reprs import as_call


class LearningRateSchedule(Named):
    """Base of all schedules: override `__call__`.

    A model with a schedule of your own is saved without its compile settings, as with a loss of
    your own.
    """

    def __call__(self, step: int) -> float:
        """The learning rate of step number `step`, counted from 0."""
        raise NotImplementedError(
            f"{type(self).__name__} needs a method `__call__(self, step)` that returns the "
            "learning rate of that step"
        )

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {}

    def __repr__(self) -> str:
        return as_call(self, self.get_config())


def _quotient(step: int, steps: float) -> float:
    """step / steps; infinite if it is too large for a float."""
    try:
        return step / steps
    except OverflowError:
        return math.inf


class ExponentialDecay(LearningRateSchedule):
    """initial_learning_rate * decay_rate ^ (step / decay_steps).

    Args:
        initial_learning_rate: the learning rate of step 0.
        decay_steps: after this many steps it has been multiplied by `decay_rate`.
        decay_rate: the factor; below 1 it decays.
        staircase: round step / decay_steps down, so that it falls in stairs.

    Raises:
        ValueError: for an argument out of range.

    Example:
        >>> ExponentialDecay(0.1, decay_steps=10, decay_rate=0.5)(20)
        0.025
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        decay_rate: float,
        staircase: bool = False,
    ) -> None:
        self.initial_learning_rate = number(initial_learning_rate, "initial_learning_rate", low=0.0)
        self.decay_steps = positive(decay_steps, "decay_steps")
        self.decay_rate = number(decay_rate, "decay_rate", low=0.0)
        self.staircase = truth(staircase, "staircase")

    def __call__(self, step: int) -> float:
        """The learning rate of step number `step`, counted from 0."""
        decays = _quotient(step, self.decay_steps)
        if self.staircase and decays < math.inf:
            decays = math.floor(decays)
        try:
            rate = self.initial_learning_rate * self.decay_rate**decays
        except OverflowError:
            rate = math.inf
        if not math.isfinite(rate):  # a decay_rate above 1, far past anything useful
            raise ValueError(
                "the learning rate overflows after so many steps. "
                f"Received: decay_rate={self.decay_rate:g}, decay_steps={self.decay_steps:g}"
            )
        return rate

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "decay_steps": self.decay_steps,
            "decay_rate": self.decay_rate,
            "staircase": self.staircase,
        }


class CosineDecay(LearningRateSchedule):
    """Half a cosine wave down to `alpha` of the start, after a linear warm-up if asked for.

    Without a warm-up: lr * ((1 - alpha) * (1 + cos(pi * step / decay_steps)) / 2 + alpha), where
    step goes no further than decay_steps (Loshchilov and Hutter 2016, without restarts).

    Args:
        initial_learning_rate: the learning rate of step 0.
        decay_steps: length of the wave; it begins when the warm-up is over.
        alpha: share of the highest learning rate that is left at the end.
        warmup_target: the learning rate to rise to in a straight line, and to decay from.
        warmup_steps: how many steps the rise takes.

    Raises:
        ValueError: for an argument out of range, or warmup_steps without a target.

    Example:
        >>> schedule = CosineDecay(0.0, 10, warmup_target=0.1, warmup_steps=5)
        >>> [round(schedule(step), 3) for step in (0, 1, 5, 10, 15)]
        [0.0, 0.02, 0.1, 0.05, 0.0]
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        alpha: float = 0.0,
        *,
        warmup_target: float | None = None,
        warmup_steps: int = 0,
    ) -> None:
        self.initial_learning_rate = number(initial_learning_rate, "initial_learning_rate", low=0.0)
        self.decay_steps = positive(decay_steps, "decay_steps")
        self.alpha = number(alpha, "alpha", low=0.0)
        self.warmup_steps = integer(warmup_steps, "warmup_steps", least=0)
        self.warmup_target = warmup_target
        if warmup_target is not None:
            self.warmup_target = number(warmup_target, "warmup_target", low=0.0)
        elif warmup_steps:
            raise ValueError(
                "a warm-up needs a `warmup_target`. "
                f"Received: warmup_steps={warmup_steps}, warmup_target=None"
            )

    def __call__(self, step: int) -> float:
        """The learning rate of step number `step`, counted from 0."""
        lowest = highest = self.initial_learning_rate
        if self.warmup_target is not None:
            highest = self.warmup_target
        if step < self.warmup_steps:
            return lowest + (highest - lowest) * (step / self.warmup_steps)
        decayed = min(step - self.warmup_steps, self.decay_steps) / self.decay_steps
        share = 0.5 * (1 + math.cos(math.pi * decayed))
        return highest * ((1 - self.alpha) * share + self.alpha)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "decay_steps": self.decay_steps,
            "alpha": self.alpha,
            "warmup_target": self.warmup_target,
            "warmup_steps": self.warmup_steps,
        }


class PiecewiseConstantDecay(LearningRateSchedule):
    """One learning rate up to and including each boundary, and one after the last.

    Args:
        boundaries: steps, each larger than the one before.
        values: learning rates, one more than there are boundaries.

    Raises:
        ValueError: for the wrong number of values, or boundaries that do not grow.

    Example:
        >>> schedule = PiecewiseConstantDecay([2, 4], [1.0, 0.5, 0.1])
        >>> [schedule(step) for step in range(6)]
        [1.0, 1.0, 1.0, 0.5, 0.5, 0.1]
    """

    def __init__(self, boundaries: Sequence[float], values: Sequence[float]) -> None:
        self.boundaries = [number(boundary, "boundaries") for boundary in boundaries]
        self.values = [number(value, "values", low=0.0) for value in values]
        if len(self.boundaries) != len(self.values) - 1:
            raise ValueError(
                "`values` must be one more than `boundaries`. "
                f"Received: boundaries={boundaries!r}, values={values!r}"
            )
        if sorted(set(self.boundaries)) != self.boundaries:
            raise ValueError(f"`boundaries` must grow. Received: boundaries={boundaries!r}")

    def __call__(self, step: int) -> float:
        """The learning rate of step number `step`, counted from 0."""
        return self.values[bisect_left(self.boundaries, step)]

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"boundaries": self.boundaries, "values": self.values}


class PolynomialDecay(LearningRateSchedule):
    """(start - end) * (1 - step / decay_steps)^power + end, where start and end are learning rates.

    Args:
        initial_learning_rate: the start, at step 0.
        decay_steps: the step at which the end is reached; the learning rate stays there.
        end_learning_rate: the end.
        power: 1 is a straight line.
        cycle: instead of staying there, jump up and decay over twice the steps, then three times.

    Raises:
        ValueError: for an argument out of range.

    Example:
        >>> PolynomialDecay(0.1, decay_steps=10, end_learning_rate=0.0)(5)
        0.05
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        end_learning_rate: float = 0.0001,
        power: float = 1.0,
        cycle: bool = False,
    ) -> None:
        self.initial_learning_rate = number(initial_learning_rate, "initial_learning_rate", low=0.0)
        self.decay_steps = positive(decay_steps, "decay_steps")
        self.end_learning_rate = number(end_learning_rate, "end_learning_rate", low=0.0)
        self.power = number(power, "power", low=0.0)
        self.cycle = truth(cycle, "cycle")

    def __call__(self, step: int) -> float:
        """The learning rate of step number `step`, counted from 0."""
        decays = _quotient(step, self.decay_steps)
        cycles = max(1, math.ceil(decays)) if self.cycle and decays < math.inf else 1
        decayed = min(1.0, _quotient(step, self.decay_steps * cycles))
        span = self.initial_learning_rate - self.end_learning_rate
        return span * (1 - decayed) ** self.power + self.end_learning_rate

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "decay_steps": self.decay_steps,
            "end_learning_rate": self.end_learning_rate,
            "power": self.power,
            "cycle": self.cycle,
        }


# The closed list of schedules that a model file may name.
SCHEDULES: dict[str, type[LearningRateSchedule]] = {
    schedule.__name__: schedule
    for schedule in (CosineDecay, ExponentialDecay, PiecewiseConstantDecay, PolynomialDecay)
}
