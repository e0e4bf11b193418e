"""Relatives of Adam: Adagrad, Adadelta and Nadam.

Each number of the parameters has a step size of its own, which follows from its gradients. The
arithmetic is in kernels/reference/adaptive.py, under the same names.

Sources: Duchi et al. 2011 (Adagrad); Zeiler 2012 (Adadelta); Dozat 2015 (Nadam);
keras/src/optimizers/adagrad.py, adadelta.py, nadam.py
"""

from collections.abc import Sequence
from typing import Any, Unpack

import numpy as np

from tinycnn import kernels
from tinycnn.optimizers.base import Common, Optimizer
from tinycnn.optimizers.schedules import LearningRateSchedule
from tinycnn.parameter import Parameter
from tinycnn.support.arguments import number
from tinycnn.utils import Array

__all__ = ["Adadelta", "Adagrad", "Nadam"]

LARGEST = float(np.finfo(np.float32).max)


class Adagrad(Optimizer):
    """Adagrad: the gradient, divided element by element by the root of the sum of all its squares.

    Args:
        learning_rate: lr, or a schedule. The steps shrink by themselves, so it is often larger than
            Adam's: 0.01 is usual in the literature.
        initial_accumulator_value: what the sums of the squares start with, >= 0.
        epsilon: added to the sum inside the root, as in Keras; PyTorch adds it outside.
        **common: weight_decay, clipnorm, clipvalue, global_clipnorm; see `Optimizer`.

    Raises:
        ValueError: for an argument out of range.

    Example:
        >>> weight = Parameter("kernel", np.array([1.0]), grad=np.array([3.0]))
        >>> optimizer = Adagrad(0.5, initial_accumulator_value=16.0, epsilon=0.0)
        >>> optimizer.update([weight])
        >>> weight.value  # 1 - 0.5 * 3 / sqrt(16 + 3^2)
        array([0.7])
    """

    slots = ("sum_of_squares",)
    fixed = Optimizer.fixed | {"initial_accumulator_value"}

    def __init__(
        self,
        learning_rate: float | LearningRateSchedule = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        **common: Unpack[Common],
    ) -> None:
        super().__init__(learning_rate, **common)
        self.initial_accumulator_value = number(
            initial_accumulator_value, "initial_accumulator_value", 0.0, LARGEST
        )
        self.epsilon = number(epsilon, "epsilon", low=0.0)

    def build(self, parameters: Sequence[Parameter]) -> None:
        """See `Optimizer.build`; the sums start with `initial_accumulator_value`."""
        is_new = not self.state
        super().build(parameters)
        if is_new:
            # As in Keras it is rounded to float32, even when the parameters are float64.
            start = float(np.float32(self.initial_accumulator_value))
            for slots in self.state:
                slots["sum_of_squares"] += start

    def why_fixed(self, name: str) -> str:
        """See `Optimizer.why_fixed`."""
        if name != "initial_accumulator_value":
            return super().why_fixed(name)
        return "the sums have begun with it; make a new one" if self.state else ""

    def update_step(  # type: ignore[override]
        self, value: Array, gradient: Array, learning_rate: float, sum_of_squares: Array
    ) -> None:
        """See the class, and `Optimizer.update_step`."""
        kernels.adagrad_update(value, gradient, sum_of_squares, learning_rate, self.epsilon)

    def get_config(self) -> dict[str, Any]:
        """See `Optimizer.get_config`."""
        return {
            **super().get_config(),
            "initial_accumulator_value": self.initial_accumulator_value,
            "epsilon": self.epsilon,
        }


class Adadelta(Optimizer):
    """Adadelta: the gradient, times the usual size of the steps, divided by that of the gradients.

    Args:
        learning_rate: lr, or a schedule. The paper's rule is lr = 1; with Keras's default, a
            thousandth of that, the loss hardly moves.
        rho: decay of the running means, in [0, 1).
        epsilon: added to both means inside their roots. The first steps are about its root.
        **common: weight_decay, clipnorm, clipvalue, global_clipnorm; see `Optimizer`.

    Raises:
        ValueError: for an argument out of range.

    Example:
        >>> weight = Parameter("kernel", np.array([1.0]), grad=np.array([3.0]))
        >>> Adadelta(1.0, rho=0.0, epsilon=16.0).update([weight])
        >>> weight.value  # 1 - sqrt(0 + 16) / sqrt(3^2 + 16) * 3
        array([-1.4])
    """

    slots = ("mean_square", "mean_square_step")

    def __init__(
        self,
        learning_rate: float | LearningRateSchedule = 0.001,
        rho: float = 0.95,
        epsilon: float = 1e-7,
        **common: Unpack[Common],
    ) -> None:
        super().__init__(learning_rate, **common)
        self.rho = number(rho, "rho", 0.0, 1.0)
        self.epsilon = number(epsilon, "epsilon", low=0.0)

    def update_step(  # type: ignore[override]
        self,
        value: Array,
        gradient: Array,
        learning_rate: float,
        mean_square: Array,
        mean_square_step: Array,
    ) -> None:
        """See the class, and `Optimizer.update_step`."""
        kernels.adadelta_update(
            value, gradient, mean_square, mean_square_step, learning_rate, self.rho, self.epsilon
        )

    def get_config(self) -> dict[str, Any]:
        """See `Optimizer.get_config`."""
        return {**super().get_config(), "rho": self.rho, "epsilon": self.epsilon}


class Nadam(Optimizer):
    """Nadam: Adam with Nesterov's momentum, which grows from half of `beta_1` to `beta_1`.

    Args:
        learning_rate: lr, or a schedule.
        beta_1: decay of the mean m of the gradient, in [0, 1).
        beta_2: decay of the mean v of the gradient's square, in [0, 1).
        epsilon: added to the root after the bias correction, unlike Adam's.
        **common: weight_decay, clipnorm, clipvalue, global_clipnorm; see `Optimizer`.

    Raises:
        ValueError: for an argument out of range.

    Example:
        >>> weight = Parameter("kernel", np.array([1.0]), grad=np.array([3.0]))
        >>> Nadam(0.1).update([weight])
        >>> print(f"{weight.value[0]:.3f}")  # the first step is about lr, whatever the gradient
        0.894
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
        # The product of the momentums, after so many steps, for this beta_1 and dtype. It follows
        # from these, so a model file needs no more than the number of steps.
        self._product: tuple[int, float, np.dtype[Any], float | np.floating] | None = None

    def update_step(  # type: ignore[override]
        self, value: Array, gradient: Array, learning_rate: float, m: Array, v: Array
    ) -> None:
        """See the class, and `Optimizer.update_step`."""
        step = min(self.iterations, 2**100)  # the powers are 0 long before
        kernels.nadam_update(
            value,
            gradient,
            m,
            v,
            learning_rate,
            step,
            self._momentum_product(step, value.dtype),
            self.beta_1,
            self.beta_2,
            self.epsilon,
        )

    def _momentum_product(self, step: int, dtype: np.dtype[Any]) -> float | np.floating:
        """The product of the momentums of all steps up to this one."""
        done, beta_1, of, product = self._product or (0, self.beta_1, dtype, 1.0)
        if done > step or (beta_1, of) != (self.beta_1, dtype):
            done, product = 0, 1.0
        product = kernels.nadam_momentum_product(done + 1, step, product, self.beta_1, dtype)
        self._product = step, self.beta_1, dtype, product
        return product

    def get_config(self) -> dict[str, Any]:
        """See `Optimizer.get_config`."""
        return {
            **super().get_config(),
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
        }
