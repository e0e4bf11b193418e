"""The kernels that run: the functions of `reference.py`, with the same meaning, in Numba.

Here are the element-wise ones, the loss and the optimizers; the rest is in the files of its name:
`compiled_convolution.py` (the one to read first), `compiled_pooling.py`, `compiled_layers.py`.

Rules, for all four: how work is cut into pieces depends on the shapes, never on the number of
threads, and every sum has one order: the bits are the same for any number of threads. Kernels check
nothing, so the functions around them check shapes and dtypes. Kernels see flat arrays only.
Compiled variants are a fixed set, all for float32 and float64: TILES of `simd.py` for the two
convolution kernels, one variant of each other kernel.

A process forked (os.fork, multiprocessing's "fork") after a kernel has run is refused them with an
error: the OpenMP threads do not survive, and would get it killed. Use "spawn", or the NumPy rung.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
# (Numba compiles the kernels for the types they are called with; the public functions are typed)

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack

import numpy as np
from numba import prange

from tinycnn import console
from tinycnn.kernels import reference, simd
from tinycnn.kernels.checks import ready, same_dtype, same_shape, writable_in_place
from tinycnn.kernels.compiled_convolution import *  # noqa: F403
from tinycnn.kernels.compiled_convolution import (
    ROWS,
    conv2d_backward,
    conv2d_forward,
    placed,
)
from tinycnn.kernels.compiled_layers import *  # noqa: F403
from tinycnn.kernels.compiled_pooling import *  # noqa: F403
from tinycnn.kernels.compiled_pooling import (
    LINE_VECTORS,
    conv2d_relu_pool_backward,
    max_pool_backward,
    max_pool_forward,
)

# Not hot in this rung, which needs no columns: the reference rung's serve.
from tinycnn.kernels.reference import adam_step_size as adam_step_size
from tinycnn.kernels.reference import col2im as col2im
from tinycnn.kernels.reference import im2col as im2col
from tinycnn.kernels.reference import softmax_backward as softmax_backward
from tinycnn.kernels.simd import LANES, jit
from tinycnn.utils import Array

# --- activations ----------------------------------------------------------------------------------

_PIECE = 4096  # elements of one piece of an element-wise kernel's work


@jit(parallel=True)
def _relu(x, y):
    zero = x.dtype.type(0)
    for g in prange((x.size + _PIECE - 1) // _PIECE):
        source, target = x[g * _PIECE : (g + 1) * _PIECE], y[g * _PIECE : (g + 1) * _PIECE]
        for i in range(source.size):
            target[i] = zero if source[i] < zero else source[i]


def relu_forward(x: Array) -> Array:
    """As `reference.relu_forward`."""
    x = ready(x, x.ndim, "x")
    y = np.empty_like(x)
    _relu(x.reshape(-1), y.reshape(-1))
    return y


def relu_backward(dy: Array, y: Array) -> Array:
    """As `reference.relu_backward`."""
    dy, y = ready(dy, dy.ndim, "dy"), ready(y, y.ndim, "y")
    same_dtype(dy=dy, y=y)
    same_shape(y.shape, dy=dy)
    rows = dy.reshape(1, len(dy) if dy.ndim else 1, 1, -1) if dy.size else dy.reshape(1, 0, 1, 1)
    return placed(rows, rows.shape[1:3], (0, 0), y.reshape(rows.shape)).reshape(dy.shape)


@jit(parallel=False)
def _log_softmax(x, log_p, p, targets, losses, K, lowest):
    """With targets also the cross-entropy, in `losses`; without, both are empty."""
    for r in range(x.size // max(K, 1)):
        row = x[r * K : (r + 1) * K]
        top = row[0]
        for value in row:
            if value > top:
                top = value
        total = row.dtype.type(0)
        for k in range(K):
            total += np.exp(row[k] - top)  # of -inf, where the difference overflows, 0
        log_total = np.log(total)
        for k in range(K):
            shifted = row[k] - top
            if shifted < lowest and row[k] >= lowest:
                shifted = lowest  # finite where the logit is
            log_p[r * K + k] = shifted - log_total
            p[r * K + k] = np.exp(log_p[r * K + k])
        if losses.size > 0:
            total = row.dtype.type(0)
            for k in range(r * K, (r + 1) * K):
                total += targets[k] * log_p[k]
            losses[r] = -total


def _softmax(x: Array, targets: Array | None = None) -> tuple[Array, Array, Array]:
    """log(softmax(x)) and softmax(x), over the last axis; with targets also the cross-entropies."""
    x = ready(x, x.ndim, "x")
    log_p, p = np.empty_like(x), np.empty_like(x)
    losses = np.empty(0 if targets is None else len(x), x.dtype)
    flat_targets = losses if targets is None else targets.reshape(-1)
    arrays = (x.reshape(-1), log_p.reshape(-1), p.reshape(-1), flat_targets, losses)
    with np.errstate(all="ignore"):  # NumPy's numbers, with the JIT off, would warn
        _log_softmax(*arrays, x.shape[-1], np.finfo(x.dtype).min)
    return log_p, p, losses


def softmax_forward(x: Array) -> Array:
    """As `reference.softmax_forward`."""
    return _softmax(x)[1]


def log_softmax(x: Array) -> Array:
    """As `reference.log_softmax`."""
    return _softmax(x)[0]


# --- loss -----------------------------------------------------------------------------------------


@jit(parallel=False)
def _cross_entropy_gradient(p, targets, dlogits, K):
    for n in range(p.size // max(K, 1)):
        total = p.dtype.type(0)
        for k in range(n * K, (n + 1) * K):
            total += targets[k]
        for k in range(n * K, (n + 1) * K):
            dlogits[k] = p[k] * total - targets[k]


def softmax_cross_entropy_forward(logits: Array, targets: Array) -> tuple[Array, Array]:
    """As `reference.softmax_cross_entropy_forward`."""
    targets = ready(targets, 2, "targets")
    same_dtype(logits=logits, targets=targets)
    same_shape(logits.shape, targets=targets)
    _, p, losses = _softmax(logits, targets)
    return losses, p


def softmax_cross_entropy_backward(probabilities: Array, targets: Array) -> Array:
    """As `reference.softmax_cross_entropy_backward`."""
    p, targets = ready(probabilities, 2, "probabilities"), ready(targets, 2, "targets")
    same_dtype(probabilities=p, targets=targets)
    same_shape(p.shape, targets=targets)
    dlogits = np.empty_like(p)
    _cross_entropy_gradient(p.reshape(-1), targets.reshape(-1), dlogits.reshape(-1), p.shape[1])
    return dlogits


# --- optimizers: the reference's arithmetic, operation for operation: equal to the bit ------------


_TOGETHER = 4  # arrays that one launch of `_adam` takes


@jit(parallel=True)
def _adam(values, gradients, ms, vs, step_size, rate_1, rate_2, epsilon):
    """Tuples of _TOGETHER arrays, all cut into pieces that are numbered through."""
    first_pieces = np.zeros(len(values) + 1, np.int64)
    for a in range(len(values)):
        first_pieces[a + 1] = first_pieces[a] + (values[a].size + _PIECE - 1) // _PIECE
    for piece in prange(first_pieces[-1]):
        a = 0
        while first_pieces[a + 1] <= piece:
            a += 1
        start = (piece - first_pieces[a]) * _PIECE
        here = slice(start, start + _PIECE)
        w, g, m, v = values[a][here], gradients[a][here], ms[a][here], vs[a][here]
        for i in range(w.size):
            first = m[i] + (g[i] - m[i]) * rate_1
            second = v[i] + (g[i] * g[i] - v[i]) * rate_2
            m[i], v[i] = first, second
            w[i] -= (first * step_size) / (np.sqrt(second) + epsilon)


@jit(parallel=True)
def _sgd(value, gradient, velocity, learning_rate, momentum, moving, nesterov):
    for piece in prange((value.size + _PIECE - 1) // _PIECE):
        here = slice(piece * _PIECE, (piece + 1) * _PIECE)
        w, g, v = value[here], gradient[here], velocity[here]
        for i in range(w.size):
            step = g[i] * learning_rate
            if moving:
                v[i] = v[i] * momentum - step
                w[i] += v[i] * momentum - step if nesterov else v[i]
            else:
                w[i] -= step


@jit(parallel=True)
def _rmsprop(
    value, gradient, mean_square, mean_gradient, velocity, rate, rho, new, momentum, epsilon
):
    """`mean_gradient` and `velocity` are empty where there are none; new: 1 - rho."""
    zero = value.dtype.type(0)
    for piece in prange((value.size + _PIECE - 1) // _PIECE):
        here = slice(piece * _PIECE, (piece + 1) * _PIECE)
        w, g, square = value[here], gradient[here], mean_square[here]
        mean, v = mean_gradient[here], velocity[here]
        for i in range(w.size):
            square[i] = square[i] * rho + new * (g[i] * g[i])
            variance = square[i]
            if mean.size > 0:
                mean[i] = mean[i] * rho + new * g[i]
                variance -= mean[i] * mean[i]
                variance = zero if variance < zero else variance
            step = rate * g[i] / np.sqrt(variance + epsilon)
            if v.size > 0:
                v[i] = v[i] * momentum + step
                step = v[i]
            w[i] -= step


def adam_update(
    value: Array,
    gradient: Array,
    m: Array,
    v: Array,
    step_size: float | np.floating,
    beta_1: float,
    beta_2: float,
    epsilon: float,
) -> None:
    """As `reference.adam_update`, in one pass over the memory."""
    adam_update_all([value], [gradient], [m], [v], step_size, beta_1, beta_2, epsilon)


def adam_update_all(
    values: Sequence[Array],
    gradients: Sequence[Array],
    ms: Sequence[Array],
    vs: Sequence[Array],
    step_size: float | np.floating,
    beta_1: float,
    beta_2: float,
    epsilon: float,
) -> None:
    """As `reference.adam_update_all`, several parameters at once: most are small."""
    flat, others = [], []
    for arrays in zip(values, gradients, ms, vs, strict=True):
        value, gradient, m, v = arrays
        same_dtype(value=value, gradient=gradient, m=m, v=v, first=values[0])
        same_shape(value.shape, gradient=gradient, m=m, v=v)
        if writable_in_place(value, m, v):
            gradient = ready(gradient, value.ndim, "gradient")
            flat.append([array.reshape(-1) for array in (value, gradient, m, v)])
        else:
            others.append(arrays)
    for start in range(0, len(flat), _TOGETHER):
        group = flat[start : start + _TOGETHER]
        scalar = group[0][0].dtype.type
        group += [[np.empty(0, scalar)] * 4] * (_TOGETHER - len(group))
        rates = (scalar(step_size), scalar(1 - beta_1), scalar(1 - beta_2), scalar(epsilon))
        _adam(*zip(*group, strict=True), *rates)
    for arrays in others:
        reference.adam_update(*arrays, step_size, beta_1, beta_2, epsilon)


def rmsprop_update(
    value: Array,
    gradient: Array,
    mean_square: Array,
    mean_gradient: Array | None,
    velocity: Array | None,
    learning_rate: float,
    rho: float,
    momentum: float,
    epsilon: float,
) -> None:
    """As `reference.rmsprop_update`, in one pass over the memory."""
    gradient = ready(gradient, value.ndim, "gradient")
    means = {
        "mean_square": mean_square,
        "mean_gradient": value if mean_gradient is None else mean_gradient,
        "velocity": value if velocity is None else velocity,
    }
    same_dtype(value=value, gradient=gradient, **means)
    same_shape(value.shape, gradient=gradient, **means)
    arrays = (value, gradient, mean_square, mean_gradient, velocity)
    if not writable_in_place(value, *means.values()):
        reference.rmsprop_update(*arrays, learning_rate, rho, momentum, epsilon)
        return
    scalar = value.dtype.type
    flat = (np.empty(0, scalar) if array is None else array.reshape(-1) for array in arrays)
    numbers = (learning_rate, rho, 1 - rho, momentum, epsilon)
    _rmsprop(*flat, *(scalar(number) for number in numbers))


def sgd_update(
    value: Array,
    gradient: Array,
    velocity: Array | None,
    learning_rate: float,
    momentum: float = 0.0,
    nesterov: bool = False,
) -> None:
    """As `reference.sgd_update`, in one pass over the memory."""
    gradient = ready(gradient, value.ndim, "gradient")
    moved = value if velocity is None else velocity
    same_dtype(value=value, gradient=gradient, velocity=moved)
    same_shape(value.shape, gradient=gradient, velocity=moved)
    if not writable_in_place(value, moved):
        reference.sgd_update(value, gradient, velocity, learning_rate, momentum, nesterov)
        return
    flat = (array.reshape(-1) for array in (value, gradient, moved))
    scalar = value.dtype.type
    _sgd(*flat, scalar(learning_rate), scalar(momentum), velocity is not None, bool(nesterov))


# --- warming up -----------------------------------------------------------------------------------


def warm_up(dtype: str = "float32") -> float:
    """Runs the kernels once on small arrays of `dtype`: compiles them, or loads them all.

    Those of `compiled_layers.py` and of RMSprop are left to the models that need them.

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
        shown: list[console.Progress] = []

        def show() -> None:
            if not shown:
                label = "compiling the kernels, once on this machine"
                shown.append(stack.enter_context(console.Progress(label, len(work), "kernels")))

        stack.callback(setattr, simd, "before_compile", simd.before_compile)
        simd.before_compile = show
        for done, part in enumerate(work, start=1):
            part()
            for progress in shown:
                progress.update(done)
    return time.perf_counter() - start
