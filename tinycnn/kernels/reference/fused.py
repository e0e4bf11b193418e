"""A convolution with relu and the 2x2 max-pooling after it, as one function.

On this rung they are simply run one after the other. The compiled rung never writes the
convolution's output down.

Legend: as in `convolution.py`; OH x OW is the convolution's output, and the pool's is OH//2 x
OW//2.
"""

import numpy as np

from tinycnn.kernels.reference.convolution import conv2d_backward, conv2d_forward
from tinycnn.kernels.reference.pooling import max_pool_backward, max_pool_forward
from tinycnn.support.geometry import output_length
from tinycnn.utils import Array

__all__ = [
    "conv2d_relu_pool_backward",
    "conv2d_relu_pool_forward",
]


def conv2d_relu_pool_forward(
    x: Array, kernel: Array, bias: Array | None, padding: str = "valid"
) -> tuple[Array, Array]:
    """`max_pool_forward` (2x2, stride 2) of `conv2d_forward` (stride 1) with relu.

    Args:
        x: (N, H, W, C).
        kernel: (KH, KW, C, F).
        bias: (F,), or None for none.
        padding: the convolution's; what no whole pool covers is left out.

    Returns:
        y (N, OH//2, OW//2, F), and winners (N, OH//2, OW//2, F), uint8: 0 to 3 as in
        `max_pool_forward`, or 4 where y is not positive, so that relu lets no gradient through.
    """
    y = conv2d_forward(x, kernel, bias, padding=padding, relu=True)
    y, winners = max_pool_forward(y, (2, 2), (2, 2))
    return y, np.where(y > 0, winners, 4).astype(np.uint8)


def conv2d_relu_pool_backward(
    dy: Array,
    x: Array,
    kernel: Array,
    winners: Array,
    padding: str = "valid",
    needs_dx: bool = True,
) -> tuple[Array | None, Array, Array]:
    """The gradients of `conv2d_relu_pool_forward`: `max_pool_backward`, then `conv2d_backward`.

    Relu needs no step of its own. Where it lets no gradient through, the winner is 4. No place in a
    pool has that number, so `max_pool_backward` drops that gradient.

    Args:
        dy: (N, OH//2, OW//2, F).
        x: (N, H, W, C), the forward's input.
        kernel: (KH, KW, C, F).
        winners: (N, OH//2, OW//2, F), from the forward.
        padding: as in the forward.
        needs_dx: False leaves out dx.

    Returns:
        dx (N, H, W, C) or None, dkernel (KH, KW, C, F), dbias (F,).
    """
    N, H, W, _ = x.shape
    KH, KW, _, F = kernel.shape
    conv_shape = (N, output_length(H, KH, 1, padding), output_length(W, KW, 1, padding), F)
    dy = max_pool_backward(dy, winners, conv_shape, (2, 2), (2, 2))
    return conv2d_backward(dy, x, kernel, padding=padding, needs_dx=needs_dx)
