"""RMSprop (Tieleman and Hinton 2012, lecture 6e of their course).

The arithmetic is `rmsprop_update` in kernels/reference/optimizers.py. Source:
keras/src/optimizers/rmsprop.py
"""

from typing import Any, Unpack

from tinycnn import kernels
from tinycnn.optimizers.base import Common, Optimizer
from tinycnn.optimizers.schedules import LearningRateSchedule
from tinycnn.support.arguments import number, truth
from tinycnn.utils import Array


class RMSprop(Optimizer):
    """RMSprop: divides each number of the gradient by the root of the running mean of its square.

    Args:
        learning_rate: lr, or a schedule.
        rho: decay of the running means, in [0, 1).
        momentum: share of the last step that is kept, in [0, 1).
        epsilon: added to the mean square inside the root, as in Keras; PyTorch adds it outside.
        centered: divide by the standard deviation: subtract the squared mean gradient in the root.
        **common: weight_decay, clipnorm, clipvalue, global_clipnorm; see `Optimizer`.

    Raises:
        ValueError: for an argument out of range.
    """

    def __init__(
        self,
        learning_rate: float | LearningRateSchedule = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        **common: Unpack[Common],
    ) -> None:
        super().__init__(learning_rate, **common)
        self.rho = number(rho, "rho", 0.0, 1.0)
        self.momentum = number(momentum, "momentum", 0.0, 1.0)
        self.epsilon = number(epsilon, "epsilon", low=0.0)
        self.centered = truth(centered, "centered")
        self.slots = (
            "mean_square",
            *(("velocity",) if momentum else ()),
            *(("mean_gradient",) if centered else ()),
        )

    def update_step(  # type: ignore[override]
        self,
        value: Array,
        gradient: Array,
        learning_rate: float,
        mean_square: Array,
        velocity: Array | None = None,
        mean_gradient: Array | None = None,
    ) -> None:
        """See the class, and `Optimizer.update_step`."""
        kernels.rmsprop_update(
            value,
            gradient,
            mean_square,
            mean_gradient,
            velocity,
            learning_rate,
            self.rho,
            self.momentum,
            self.epsilon,
        )

    def get_config(self) -> dict[str, Any]:
        """See `Optimizer.get_config`."""
        return {
            **super().get_config(),
            "rho": self.rho,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "centered": self.centered,
        }
