"""Optimizers: how a gradient becomes a change of the parameters.

An optimizer sees parameters and their gradients, nothing else. It alone writes parameters, and in
place. The arithmetic is in `kernels/reference.py`.

Sources: Sutskever et al. 2013 (momentum); Kingma and Ba 2015 (Adam); keras/src/optimizers/.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinycnn import kernels
from tinycnn.arguments import number, one_of
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


class SGD(Optimizer):
    """Gradient descent, optionally with momentum.

    Args:
        learning_rate: lr.
        momentum: share of the last step that is kept, in [0, 1).
        nesterov: take the gradient as if one step ahead.

    velocity = momentum * velocity - lr * g, and value += velocity; with nesterov
    value += momentum * velocity - lr * g.

    Raises:
        ValueError: for an argument out of range.
    """

    def __init__(
        self, learning_rate: float = 0.01, momentum: float = 0.0, nesterov: bool = False
    ) -> None:
        super().__init__(learning_rate)
        self.momentum = number(momentum, "momentum", 0.0, 1.0)
        self.nesterov = bool(nesterov)
        self.slots = ("velocity",) if momentum else ()

    def _update(self, value: Array, gradient: Any, velocity: Array | None = None) -> None:  # type: ignore[override]
        # As in Keras the momentum is rounded to float32, even when the parameters are float64.
        momentum = float(np.float32(self.momentum))
        kernels.sgd_update(value, gradient, velocity, self.learning_rate, momentum, self.nesterov)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "momentum": self.momentum, "nesterov": self.nesterov}


class Adam(Optimizer):
    """Adam: the step of each number is scaled by running means of its gradient and of its square.

    Args:
        learning_rate: alpha of the paper.
        beta_1: decay of the mean m of the gradient, in [0, 1).
        beta_2: decay of the mean v of its square, in [0, 1).
        epsilon: "epsilon hat" of the paper (just before Section 2.1), not the epsilon of its
            Algorithm 1: it is added to sqrt(v) before the bias correction, as in Keras.

    Raises:
        ValueError: for an argument out of range.
    """

    slots = ("m", "v")

    def __init__(
        self,
        learning_rate: float = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
    ) -> None:
        super().__init__(learning_rate)
        self.beta_1 = number(beta_1, "beta_1", 0.0, 1.0)
        self.beta_2 = number(beta_2, "beta_2", 0.0, 1.0)
        self.epsilon = number(epsilon, "epsilon", low=0.0)

    def _update(self, value: Array, gradient: Any, m: Array, v: Array) -> None:  # type: ignore[override]
        step_size = kernels.adam_step_size(
            self.iterations, self.learning_rate, self.beta_1, self.beta_2, value.dtype
        )
        kernels.adam_update(
            value, gradient, m, v, step_size, self.beta_1, self.beta_2, self.epsilon
        )

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
        }


OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {"Adam": Adam, "SGD": SGD}


def get(identifier: str | Optimizer) -> Optimizer:
    """The optimizer of that name, with its defaults; an Optimizer is returned as it is.

    Raises:
        ValueError: for an unknown name, listing the known ones.
    """
    if isinstance(identifier, Optimizer):
        return identifier
    by_name = {name.lower(): optimizer for name, optimizer in OPTIMIZERS.items()}
    name = identifier.lower() if isinstance(identifier, str) else identifier
    return by_name[one_of(name, [*by_name], "optimizer")]()
