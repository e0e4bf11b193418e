"""BatchNormalization: brings every channel to mean 0, variance 1 over the batch, then rescales it.

Legend: C channels, the last axis; M is the product of all other axes, the batch included.

Source: Ioffe and Szegedy 2015, Algorithms 1 and 2. The moving statistics are not the paper's but
those of keras/src/layers/normalization/batch_normalization.py: exponential means, of the biased
variance. (PyTorch's are of the unbiased variance, and its momentum is 1 - ours.)
"""

from typing import Any

import numpy as np

from tinycnn import kernels
from tinycnn.layers.base import Layer, Shape
from tinycnn.support.arguments import batch_shape, integer, number, truth
from tinycnn.utils import Array

__all__ = ["BatchNormalization"]


class BatchNormalization(Layer):
    """y = gamma * (x - mean) / sqrt(variance + epsilon) + beta, channel by channel.

    Mean and variance are those of the batch in training, and moving means of them in inference.
    The model moves these means after each training step: see `update_statistics`.

    Args:
        axis: the channels' axis, which must be the last: -1, or its number in a batch.
        momentum: share of a moving statistic that is kept, in [0, 1).
        epsilon: added to the variance.
        center: whether there is a beta.
        scale: whether there is a gamma.

    Input shape: (N, ..., C). Output shape: the same.

    Raises:
        ValueError: for an argument out of range.

    Example:
        >>> x = np.array([[0.0], [6.0]])  # mean 3, variance 9
        >>> BatchNormalization(epsilon=0.0).forward(x, training=True)
        array([[-1.],
               [ 1.]])
    """

    fixed = Layer.fixed | {"axis", "scale"}

    def __init__(
        self,
        axis: int = -1,
        *,
        momentum: float = 0.99,
        epsilon: float = 0.001,
        center: bool = True,
        scale: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.axis = integer(axis, "axis", least=-1)
        self.momentum = number(momentum, "momentum", 0.0, 1.0)
        self.epsilon = number(epsilon, "epsilon", low=0.0)
        self.center = truth(center, "center")
        self.scale = truth(scale, "scale")

    def build(
        self, input_shape: Shape, rng: np.random.Generator | None = None, dtype: str = "float32"
    ) -> Shape:
        """Creates `gamma`, `beta`, `moving_mean` and `moving_variance` (C,). See `Layer.build`."""
        if not input_shape or min(input_shape) < 1:
            raise ValueError(
                f"BatchNormalization needs inputs of shape (N, ..., C). Received: {input_shape}"
            )
        if self.axis not in (-1, len(input_shape)):
            raise ValueError(
                f"BatchNormalization is over the last axis of inputs {batch_shape(input_shape)}. "
                f"Received: axis={self.axis}"
            )
        C, made = input_shape[-1:], (rng, dtype)
        if self.scale:
            self.gamma = self.add_parameter("gamma", C, "ones", *made)
        if self.center:
            self.beta = self.add_parameter("beta", C, "zeros", *made)
        self.moving_mean = self.add_parameter("moving_mean", C, "zeros", *made, trainable=False)
        self.moving_variance = self.add_parameter(
            "moving_variance", C, "ones", *made, trainable=False
        )
        return self.finish_build(input_shape, input_shape, dtype)

    def forward(self, x: Array, training: bool = False) -> Array:
        """y = gamma * x_hat + beta, with the batch's statistics in training, else the moving ones.

        No statistic moves here: the same batch gives the same output again. A frozen layer always
        runs as in inference, as in Keras.
        """
        x = self.receive(x)
        training = training and self.trainable
        mean, variance = self.moving_mean.value, self.moving_variance.value
        if training:
            if not len(x):
                raise ValueError(
                    f"{self} needs at least one sample in training: no samples have no mean. "
                    f"Received: x of shape {x.shape}"
                )
            mean, variance = kernels.moments(x)
        gamma = self.gamma.value if self.scale else np.ones_like(mean)
        beta = self.beta.value if self.center else np.zeros_like(mean)
        self.cache = (x, gamma, mean, variance, training)
        return kernels.batch_norm_forward(x, gamma, beta, mean, variance, self.epsilon)

    def backward(self, dy: Array) -> Array:
        """The gradients, with s = 1 / sqrt(variance + epsilon) and sums over a channel's M rows.

        dbeta = sum of dy,   dgamma = sum of dy * x_hat
        dx = gamma * s * (dy - dbeta / M - x_hat * dgamma / M)   in training: x moves the statistics
        dx = gamma * s * dy                                      in inference: they are constants

        `kernels/reference/normalization.py` derives them.
        """
        x, gamma, mean, variance, training = self.recall()
        dx, dgamma, dbeta = kernels.batch_norm_backward(
            self.receive_gradient(dy), x, gamma, mean, variance, self.epsilon, training
        )
        if self.scale:
            self.gamma.grad = dgamma
        if self.center:
            self.beta.grad = dbeta
        return dx

    @np.errstate(all="ignore")
    def update_statistics(self) -> None:
        """moving = momentum * moving + (1 - momentum) * batch, if the last forward was training."""
        _, _, *batch, training = self.recall()
        if training:
            for moving, new in zip((self.moving_mean, self.moving_variance), batch, strict=True):
                moving.value[...] = moving.value * self.momentum + new * (1 - self.momentum)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "axis": self.axis,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "center": self.center,
            "scale": self.scale,
        }
