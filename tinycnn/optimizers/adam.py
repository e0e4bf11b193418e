"""Adam (Kingma and Ba 2015) and AdamW (Loshchilov and Hutter 2019).

The arithmetic is `adam_update` in kernels/reference/optimizers.py. Source:
keras/src/optimizers/adam.py, adamw.py
"""

from typing import Any, Unpack

from tinycnn import kernels
from tinycnn.optimizers.base import Common, Optimizer
from tinycnn.optimizers.clipping import Clipping
from tinycnn.optimizers.schedules import LearningRateSchedule
from tinycnn.support.arguments import number
from tinycnn.utils import Array


class Adam(Optimizer):
    """Adam: scales each number's step by running means of its gradient and squared gradient.

    Args:
        learning_rate: alpha of the paper, or a schedule.
        beta_1: decay of the mean m of the gradient, in [0, 1).
        beta_2: decay of the mean v of the gradient's square, in [0, 1).
        epsilon: "epsilon hat" of the paper (just before Section 2.1), not the epsilon of its
            Algorithm 1: it is added to sqrt(v) before the bias correction, as in Keras.
        **common: weight_decay, clipnorm, clipvalue, global_clipnorm; see `Optimizer`.

    Raises:
        ValueError: for an argument out of range.
    """

    slots = ("m", "v")

    def __init__(
        self,
        learning_rate: float | LearningRateSchedule = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        **common: Unpack[Common],
    ) -> None:
        super().__init__(learning_rate, **common)
        self.beta_1 = number(beta_1, "beta_1", 0.0, 1.0)
        self.beta_2 = number(beta_2, "beta_2", 0.0, 1.0)
        self.epsilon = number(epsilon, "epsilon", low=0.0)

    def _update_all(
        self,
        values: list[Array],
        gradients: list[Array],
        states: list[dict[str, Array]],
        learning_rate: float,
    ) -> None:
        if not values:
            return
        step = min(self.iterations, 2**100)  # the powers are 0 long before
        step_size = kernels.adam_step_size(
            step, learning_rate, self.beta_1, self.beta_2, values[0].dtype
        )
        ms, vs = ([slots[name] for slots in states] for name in self.slots)
        kernels.adam_update_all(
            values, gradients, ms, vs, step_size, self.beta_1, self.beta_2, self.epsilon
        )

    def get_config(self) -> dict[str, Any]:
        """See `Optimizer.get_config`."""
        return {
            **super().get_config(),
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
        }


class AdamW(Adam):
    """Adam with decoupled weight decay, the same as Adam(weight_decay=0.004).

    Args:
        learning_rate: alpha of the paper, or a schedule.
        weight_decay: share of itself, times the learning rate, that a value loses before each step.
        beta_1: as in `Adam`.
        beta_2: as in `Adam`.
        epsilon: as in `Adam`.
        **clipping: clipnorm, clipvalue, global_clipnorm; see `Optimizer`.

    Raises:
        ValueError: for an argument out of range.
    """

    def __init__(
        self,
        learning_rate: float | LearningRateSchedule = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        **clipping: Unpack[Clipping],
    ) -> None:
        weight_decay = number(weight_decay, "weight_decay", low=0.0)
        super().__init__(
            learning_rate, beta_1, beta_2, epsilon, weight_decay=weight_decay, **clipping
        )
