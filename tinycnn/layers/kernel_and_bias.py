"""What Conv2D and Dense share: a kernel, a bias, and an activation after them."""

from typing import Any

import numpy as np

from tinycnn import regularizers
from tinycnn.initializers import Initializer
from tinycnn.initializers import get as get_initializer
from tinycnn.layers.activations import Activated, checked
from tinycnn.layers.base import Shape
from tinycnn.regularizers import L1L2
from tinycnn.support.arguments import truth
from tinycnn.utils import Array


class KernelAndBias(Activated):
    """Base of the layers in which z is a sum of products with a kernel, plus a bias.

    Args:
        activation: "relu", activations.softmax, ..., see `Activation`; None for none.
        use_bias: whether to add a bias.
        kernel_initializer: name or function; see initializers.py.
        bias_initializer: the same.
        kernel_regularizer: a penalty on the kernel: "l2", or regularizers.L2(l2=0.01).

    Raises:
        ValueError: for an argument out of range.
    """

    def __init__(
        self,
        *,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: str | Initializer = "glorot_uniform",
        bias_initializer: str | Initializer = "zeros",
        kernel_regularizer: str | L1L2 | dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.activation = checked(activation)
        self.use_bias = truth(use_bias, "use_bias")
        for initializer in (kernel_initializer, bias_initializer):
            get_initializer(initializer)  # an unknown one is refused here, not in `build`
        self.kernel_initializer = kernel_initializer
        self.bias_initializer = bias_initializer
        self.kernel_regularizer = regularizers.get(kernel_regularizer)

    def add_kernel_and_bias(
        self, kernel_shape: Shape, rng: np.random.Generator | None, dtype: str
    ) -> None:
        """Creates `kernel` and, with `use_bias`, `bias`: one number for each output channel."""
        rng = rng or np.random.default_rng()
        self.kernel = self.add_parameter(
            "kernel",
            kernel_shape,
            self.kernel_initializer,
            rng,
            dtype,
            regularizer=self.kernel_regularizer,
        )
        if self.use_bias:
            bias_shape = kernel_shape[-1:]
            self.bias = self.add_parameter("bias", bias_shape, self.bias_initializer, rng, dtype)

    @property
    def bias_or_none(self) -> Array | None:
        """The bias's values, if there is one."""
        return self.bias.value if self.use_bias else None

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "activation": self.activation,
            "use_bias": self.use_bias,
            "kernel_initializer": self.kernel_initializer,
            "bias_initializer": self.bias_initializer,
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
        }
