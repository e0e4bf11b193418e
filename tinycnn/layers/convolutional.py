"""Conv2D: a small kernel slides over an image, and every output is one dot product.

Legend: N images of H x W pixels and C channels, F filters of KH x KW, output OH x OW.

The readable arithmetic is `kernels/reference/convolution.py`: there im2col writes every window as a
row of a matrix, and the convolution is one product. The compiled rung computes the same product
without writing that matrix down.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinycnn import kernels
from tinycnn.initializers import Initializer
from tinycnn.layers.base import Shape
from tinycnn.layers.kernel_and_bias import KernelAndBias
from tinycnn.regularizers import L1L2
from tinycnn.support.arguments import pair, size
from tinycnn.support.geometry import checked_padding, output_size
from tinycnn.utils import Array

__all__ = ["Conv2D"]


class Conv2D(KernelAndBias):
    """2D convolution with bias and activation.

    Args:
        filters: F, the number of output channels.
        kernel_size: (KH, KW), or one integer for both.
        strides: (SH, SW), or one integer for both.
        padding: "valid" (none) or "same" (zeros around, so that OH = ceil(H / SH)).
        activation: "relu", activations.softmax, ..., see `Activation`; None for none.
        use_bias: whether to add a bias.
        kernel_initializer: name or function; see initializers.py.
        bias_initializer: the same.
        kernel_regularizer: a penalty on the kernel: "l2", or regularizers.L2(l2=0.01).

    Input shape: (N, H, W, C). Output shape: (N, OH, OW, F).

    Raises:
        ValueError: for an argument out of range, or a kernel larger than the image.

    Example:
        >>> Conv2D(32, (3, 3), activation="relu").build((28, 28, 1))
        (26, 26, 32)
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = (1, 1),
        padding: str = "valid",
        *,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: str | Initializer = "glorot_uniform",
        bias_initializer: str | Initializer = "zeros",
        kernel_regularizer: str | L1L2 | dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            activation=activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            **kwargs,
        )
        self.filters = size(filters, "filters")
        self.kernel_size = pair(kernel_size, "kernel_size")
        self.strides = pair(strides, "strides")
        self.padding = checked_padding(padding)

    def build(
        self, input_shape: Shape, rng: np.random.Generator | None = None, dtype: str = "float32"
    ) -> Shape:
        """Creates `kernel` (KH, KW, C, F) and `bias` (F,). See `Layer.build`."""
        OH, OW = output_size(
            input_shape, self.kernel_size, self.strides, self.padding, "kernel_size"
        )
        self.add_kernel_and_bias((*self.kernel_size, input_shape[-1], self.filters), rng, dtype)
        return self.finish_build(input_shape, (OH, OW, self.filters), dtype)

    def forward(self, x: Array, training: bool = False) -> Array:
        """y = f(z), z[n,i,j,f] = bias[f] + sum_uvc x[n, i*SH+u, j*SW+v, c] * kernel[u,v,c,f]."""
        x = self.receive(x)
        relu = self.activation == "relu"
        z = kernels.conv2d_forward(
            x, self.kernel.value, self.bias_or_none, self.strides, self.padding, relu=relu
        )
        y = self.y_of(z)
        self.cache = (x, z, y)
        return y

    def backward(self, dy: Array) -> Array | None:
        """The chain rule, first through f and then through the sum above.

        dz[n,i,j,f] = dy[n,i,j,f] * f'(z[n,i,j,f]) (for softmax see `softmax_backward`), and each z
        is a sum of products. A weight of the kernel is in products of all images and places, an x
        in those of all windows that see it, and a bias is in every sum once:

        dkernel[u,v,c,f] = sum_nij x[n, i*SH+u, j*SW+v, c] * dz[n,i,j,f]
        dbias[f]         = sum_nij dz[n,i,j,f]
        dx[n,a,b,c]      = sum of kernel[u,v,c,f] * dz[n,i,j,f] over i*SH+u = a, j*SW+v = b, all f
        """
        return self.backward_from_z(self.dz_of(dy))

    def backward_from_z(self, dz: Array) -> Array | None:
        """The three sums of `backward`."""
        x, _, y = self.recall()
        dx, self.kernel.grad, dbias = kernels.conv2d_backward(
            dz,
            x,
            self.kernel.value,
            self.strides,
            self.padding,
            y=y if self.activation == "relu" else None,
            needs_dx=self.needs_input_gradient,
        )
        if self.use_bias:
            self.bias.grad = dbias
        return dx

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
        }
