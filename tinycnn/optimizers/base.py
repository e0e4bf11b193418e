"""Optimizers: how a gradient becomes a change of the parameters.

An optimizer sees parameters and their gradients, nothing else. It alone writes parameters, and in
place. The arithmetic is in `kernels/reference.py`.

Sources: Sutskever et al. 2013 (momentum); Kingma and Ba 2015 (Adam); keras/src/optimizers/.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinycnn.arguments import number
from tinycnn.parameter import Parameter
from tinycnn.utils import Array


class Optimizer:
    """Base of all optimizers.

    Args:
        learning_rate: step size; may be assigned to later.
    """

    # The arrays an optimizer keeps for each parameter, by name, all 0 at first.
    slots: tuple[str, ...] = ()

    def __init__(self, learning_rate: float) -> None:
        self.learning_rate = learning_rate
        self.iterations = 0  # steps made
        self.state: list[dict[str, Array]] = []  # one entry a trainable parameter, in their order

    @property
    def learning_rate(self) -> float:
        """The step size."""
        return self._learning_rate

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        self._learning_rate = number(value, "learning_rate", low=0.0)

    def build(self, parameters: Sequence[Parameter]) -> None:
        """Makes the state for these parameters, unless it is there.

        Raises:
            ValueError: if the state belongs to other parameters.
        """
        trainable = [parameter for parameter in parameters if parameter.trainable]
        if not self.state:
            self.state = [
                {slot: np.zeros_like(parameter.value) for slot in self.slots}
                for parameter in trainable
            ]
        fits = len(self.state) == len(trainable) and all(
            array.shape == parameter.value.shape
            for slots, parameter in zip(self.state, trainable, strict=True)
            for array in slots.values()
        )
        if not fits:
            raise ValueError(
                f"this {type(self).__name__} has already been used on other parameters; "
                "make a new one for each model. "
                f"Received: {len(trainable)} parameters, expected {len(self.state)} as before"
            )

    def update(self, parameters: Sequence[Parameter]) -> None:
        """One step: changes every trainable parameter in place by its gradient.

        Args:
            parameters: the same ones, in the same order, at every call.

        Raises:
            ValueError: if they are other ones than before.
            RuntimeError: if one has no gradient yet.
        """
        self.build(parameters)
        trainable = [parameter for parameter in parameters if parameter.trainable]
        for parameter in trainable:
            if parameter.grad is None:
                raise RuntimeError(f"{parameter.name} has no gradient yet: run a backward first")
        self.iterations += 1
        for parameter, slots in zip(trainable, self.state, strict=True):
            self._update(parameter.value, parameter.grad, **slots)

    def _update(self, value: Array, gradient: Any, **slots: Array) -> None:
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"learning_rate": self.learning_rate}

    def state_size(self) -> tuple[int, int]:
        """(numbers, bytes) of the state as Keras counts them: with step counter and learning rate.

        (0, 0) before the first step.
        """
        if not self.state:
            return 0, 0
        arrays = [array for slots in self.state for array in slots.values()]
        return 2 + sum(a.size for a in arrays), 8 + 4 + sum(a.nbytes for a in arrays)
