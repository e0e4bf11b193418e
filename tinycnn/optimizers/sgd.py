"""SGD: gradient descent, with momentum (Sutskever et al. 2013).

The arithmetic is `sgd_update` in kernels/reference/optimizers.py. Source:
keras/src/optimizers/sgd.py
"""

from typing import Any, Unpack

import numpy as np

from tinycnn import kernels
from tinycnn.optimizers.base import Common, Optimizer
from tinycnn.optimizers.schedules import LearningRateSchedule
from tinycnn.support.arguments import number, truth
from tinycnn.utils import Array


class SGD(Optimizer):
    """Gradient descent, optionally with momentum.

    Args:
        learning_rate: lr, or a schedule.
        momentum: the share of the last step that is kept, in [0, 1).
        nesterov: take the gradient as if one step ahead.
        **common: weight_decay, clipnorm, clipvalue, global_clipnorm; see `Optimizer`.

    velocity = momentum * velocity - lr * g, and value += velocity; with nesterov
    value += momentum * velocity - lr * g.

    Raises:
        ValueError: for an argument out of range.
    """

    def __init__(
        self,
        learning_rate: float | LearningRateSchedule = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        **common: Unpack[Common],
    ) -> None:
        super().__init__(learning_rate, **common)
        self.momentum = number(momentum, "momentum", 0.0, 1.0)
        self.nesterov = truth(nesterov, "nesterov")
        self.slots = ("velocity",) if momentum else ()

    def update_step(  # type: ignore[override]
        self, value: Array, gradient: Array, learning_rate: float, velocity: Array | None = None
    ) -> None:
        """See the class, and `Optimizer.update_step`."""
        # As in Keras the momentum is rounded to float32, even when the parameters are float64.
        momentum = float(np.float32(self.momentum))
        kernels.sgd_update(value, gradient, velocity, learning_rate, momentum, self.nesterov)

    def get_config(self) -> dict[str, Any]:
        """See `Optimizer.get_config`."""
        return {**super().get_config(), "momentum": self.momentum, "nesterov": self.nesterov}
