"""Warming up: what a piece of work needs is compiled, or loaded, before the work begins."""

import time
from collections.abc import Callable

import numpy as np

from tinycnn.kernels.compiled import jit
from tinycnn.kernels.compiled.activations import (
    relu_backward,
    relu_forward,
    softmax_cross_entropy_backward,
    softmax_cross_entropy_forward,
)
from tinycnn.kernels.compiled.convolution import conv2d_backward, conv2d_forward
from tinycnn.kernels.compiled.fused import (
    LINE_VECTORS,
    conv2d_relu_pool_backward,
    conv2d_relu_pool_forward,
)
from tinycnn.kernels.compiled.launch import Code, planning
from tinycnn.kernels.compiled.optimizers import adam_update, sgd_update
from tinycnn.kernels.compiled.pooling import max_pool_backward, max_pool_forward
from tinycnn.kernels.compiled.simd import LANES
from tinycnn.kernels.compiled.team import team
from tinycnn.kernels.compiled.tile_sizes import ROWS
from tinycnn.support.progress import Progress

# How long kernels take to compile, in comparison with the others', which count as 1.
_COSTS = {"_forward": 8.0, "_dkernel": 6.0, "_scatter": 4.0}


def warm_up(work: str | Callable[[], object] = "float32") -> float:
    """Compiles or loads what a piece of work needs, and nothing else.

    Args:
        work: a function that calls kernels. It is run once, on arrays that nobody needs: nothing is
            computed, and zeros are put into all of them. Or a dtype, for what a usual training
            needs: convolution, dense, max-pooling, relu, softmax with its loss, Adam and SGD.

    Returns:
        The seconds it took.
    """
    if jit.JIT_OFF:
        return 0.0
    start = time.perf_counter()
    with planning() as codes:
        if callable(work):
            work()
        else:
            _usual_training(work)
    missing = [code for code in codes if not code.ready(compiles=False)]
    if missing:
        _compile(missing)
    team()
    return time.perf_counter() - start


def _compile(codes: list[Code]) -> None:
    """Compiles with progress. The time of the first one, a small one, tells that of the others."""
    costs = {code: _COSTS.get(code.name, 1.0) for code in codes}
    codes.sort(key=costs.__getitem__)
    label = "compiling the kernels, once for this copy of tinycnn"
    before, spent, paid = jit.before_compile, 0.0, 0.0
    jit.before_compile = lambda name: None
    try:
        with Progress(label, len(codes), "kernels") as progress:
            team()  # its threads' code is compiled with the kernels
            for done, code in enumerate(codes, start=1):
                start = time.perf_counter()
                code.ready()
                spent += time.perf_counter() - start
                paid += costs.pop(code)
                left = spent / paid * sum(costs.values())
                progress.note = f"about {left:.0f} s to go" if costs else ""
                progress.update(done)
    finally:
        jit.before_compile = before


def _usual_training(dtype: str) -> None:
    scalar = np.dtype(dtype).type
    images, kernels = np.ones((4, 4, 4, 1), dtype), np.ones((2, 2, 1, 1), dtype)
    matrix = np.ones((2, 2), dtype)
    for V in ROWS:
        kernels = np.ones((2, 2, 1, V * LANES), dtype)
        conv2d_relu_pool_forward(images, kernels, None)
        y = conv2d_forward(images, kernels, None)
        conv2d_backward(y, images, kernels, y=y, needs_dx=False)
    lines = np.ones((4, 4, 4, LINE_VECTORS[0] * LANES), dtype)
    kernels = np.ones((1, 1, LINE_VECTORS[0] * LANES, 1), dtype)
    pooled, winners = conv2d_relu_pool_forward(lines, kernels, None)
    conv2d_relu_pool_backward(pooled, lines, kernels, winners)
    pooled, places = max_pool_forward(images, (2, 2), (2, 2))
    max_pool_backward(pooled, places, (4, 4, 4, 1), (2, 2), (2, 2))
    relu_backward(relu_forward(matrix), matrix)
    softmax_cross_entropy_backward(softmax_cross_entropy_forward(matrix, matrix)[1], matrix)
    w, g, m, v = (np.ones((2, 2), dtype) for _ in range(4))
    adam_update(w, g, m, v, scalar(1), 0.9, 0.999, 1e-7)
    sgd_update(w, g, None, 0.1)
