"""Adam (Kingma and Ba 2015).

The arithmetic is `adam_update` in kernels/reference.py. Source: keras/src/optimizers/adam.py
"""

from typing import Any

from tinycnn import kernels
from tinycnn.arguments import number
from tinycnn.optimizers.base import Optimizer
from tinycnn.utils import Array


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
