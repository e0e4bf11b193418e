"""The rules: what each optimizer makes of a gradient, and what it remembers for that.

The arithmetic of each is in kernels/reference/optimizers.py, under the same name.

Sources: Sutskever et al. 2013 (momentum); Tieleman and Hinton 2012, lecture 6e of their course
(RMSprop); Kingma and Ba 2015 (Adam); Reddi et al. 2018 (AMSGrad); Loshchilov and Hutter 2019
(AdamW); keras/src/optimizers/sgd.py, rmsprop.py, adam.py, adamw.py
"""

from typing import Any, Unpack

import numpy as np

from tinycnn import kernels
from tinycnn.optimizers.base import Common, Optimizer
from tinycnn.optimizers.clipping import Clipping
from tinycnn.optimizers.schedules import LearningRateSchedule
from tinycnn.support.arguments import number, truth
from tinycnn.utils import Array

__all__ = ["SGD", "Adam", "AdamW", "RMSprop"]


class SGD(Optimizer):
    """Gradient descent, optionally with momentum.

    Args:
        learning_rate: lr, or a schedule.
        momentum: share of the last step that is kept, in [0, 1).
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


class RMSprop(Optimizer):
    """RMSprop: the gradient, divided element by element by the root of a running mean of squares.

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


class Adam(Optimizer):
    """Adam: scales each number's step by running means of its gradient and squared gradient.

    Args:
        learning_rate: alpha of the paper, or a schedule.
        beta_1: decay of the mean m of the gradient, in [0, 1).
        beta_2: decay of the mean v of the gradient's square, in [0, 1).
        epsilon: "epsilon hat" of the paper (just before Section 2.1), not the epsilon of its
            Algorithm 1: it is added to sqrt(v) before the bias correction, as in Keras.
        amsgrad: divide by the largest v so far, instead of the last (AMSGrad).
        **common: weight_decay, clipnorm, clipvalue, global_clipnorm; see `Optimizer`.

    Raises:
        ValueError: for an argument out of range.
    """

    slots: tuple[str, ...] = ("m", "v")

    def __init__(
        self,
        learning_rate: float | LearningRateSchedule = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **common: Unpack[Common],
    ) -> None:
        super().__init__(learning_rate, **common)
        self.beta_1 = number(beta_1, "beta_1", 0.0, 1.0)
        self.beta_2 = number(beta_2, "beta_2", 0.0, 1.0)
        self.epsilon = number(epsilon, "epsilon", low=0.0)
        self.amsgrad = truth(amsgrad, "amsgrad")
        if amsgrad:
            self.slots = (*self.slots, "v_max")

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
        rates = (step_size, self.beta_1, self.beta_2, self.epsilon)
        ms, vs = ([slots[name] for slots in states] for name in ("m", "v"))
        if not self.amsgrad:
            kernels.adam_update_all(values, gradients, ms, vs, *rates)
            return
        maxima = [slots["v_max"] for slots in states]
        for arrays in zip(values, gradients, ms, vs, maxima, strict=True):
            kernels.amsgrad_update(*arrays, *rates)

    def get_config(self) -> dict[str, Any]:
        """See `Optimizer.get_config`."""
        return {
            **super().get_config(),
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
            "amsgrad": self.amsgrad,
        }


class AdamW(Adam):
    """Adam with decoupled weight decay, the same as Adam(weight_decay=0.004).

    Args:
        learning_rate: alpha of the paper, or a schedule.
        weight_decay: share of itself, times the learning rate, that a value loses before each step.
        beta_1: as in `Adam`.
        beta_2: as in `Adam`.
        epsilon: as in `Adam`.
        amsgrad: as in `Adam`.
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
        amsgrad: bool = False,
        **clipping: Unpack[Clipping],
    ) -> None:
        weight_decay = number(weight_decay, "weight_decay", low=0.0)
        super().__init__(
            learning_rate, beta_1, beta_2, epsilon, amsgrad, weight_decay=weight_decay, **clipping
        )
