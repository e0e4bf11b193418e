"""Warming up: everything that a first training step needs is compiled, or loaded, beforehand."""

import time
from collections.abc import Callable
from contextlib import ExitStack

import numpy as np

from tinycnn.kernels.compiled import jit
from tinycnn.kernels.compiled.activations import (
    relu_backward,
    relu_forward,
    softmax_cross_entropy_backward,
    softmax_cross_entropy_forward,
)
from tinycnn.kernels.compiled.convolution import conv2d_backward, conv2d_forward
from tinycnn.kernels.compiled.fused import LINE_VECTORS, conv2d_relu_pool_backward
from tinycnn.kernels.compiled.optimizers import adam_update, sgd_update
from tinycnn.kernels.compiled.pooling import max_pool_backward, max_pool_forward
from tinycnn.kernels.compiled.simd import LANES
from tinycnn.kernels.compiled.tiles import ROWS
from tinycnn.support.progress import Progress


def warm_up(dtype: str = "float32") -> float:
    """Runs kernels once on small arrays of `dtype`, which compiles them or loads them.

    These are the kernels of convolution, dense, max-pooling, relu, softmax with its loss, Adam and
    SGD. The others are compiled when a model first needs them, so that the first start stays short.

    Returns:
        The seconds it took.
    """
    start = time.perf_counter()
    scalar = np.dtype(dtype).type
    matrix = np.ones((2, 2), dtype)
    images = np.ones((1, 2, 2, 1), dtype)
    kernels = [np.ones((2, 2, 1, V * LANES), dtype) for V in ROWS]
    outputs = [np.ones((1, 1, 1, V * LANES), dtype) for V in ROWS]
    y, winners = np.ones((1, 1, 1, 1), dtype), np.zeros((1, 1, 1, 1), np.int32)
    work: list[Callable[[], object]] = [
        *(lambda k=k: conv2d_forward(images, k, None) for k in kernels),
        *(
            lambda k=k, o=o: conv2d_backward(o, images, k, needs_dx=False)
            for k, o in zip(kernels, outputs, strict=True)
        ),
        lambda: conv2d_forward(images, np.ones((2, 2, 1, 1), dtype), None, padding="same"),
        lambda: conv2d_relu_pool_backward(
            np.ones((4, 1, 1, 1), dtype),
            np.ones((4, 2, 2, LINE_VECTORS * LANES), dtype),
            np.ones((1, 1, LINE_VECTORS * LANES, 1), dtype),
            np.zeros((4, 1, 1, 1), np.uint8),
        ),
        lambda: max_pool_forward(images, (2, 2), (2, 2)),
        lambda: max_pool_backward(y, winners, (1, 2, 2, 1), (2, 2), (2, 2)),
        lambda: relu_forward(matrix),
        lambda: relu_backward(matrix, matrix),
        lambda: softmax_cross_entropy_forward(matrix, matrix),
        lambda: softmax_cross_entropy_backward(matrix, matrix),
        lambda: adam_update(
            matrix.copy(), matrix, matrix.copy(), matrix.copy(), scalar(1), 0.9, 0.999, 1e-7
        ),
        lambda: sgd_update(matrix.copy(), matrix, None, 0.1),
    ]
    with ExitStack() as stack:
        shown: list[Progress] = []

        def show() -> None:
            if not shown:
                label = "compiling the kernels, once for this copy of tinycnn"
                shown.append(stack.enter_context(Progress(label, len(work), "kernels")))

        stack.callback(setattr, jit, "before_compile", jit.before_compile)
        jit.before_compile = show
        for done, part in enumerate(work, start=1):
            part()
            for progress in shown:
                progress.update(done)
    return time.perf_counter() - start
