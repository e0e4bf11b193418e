"""Activations, and softmax with the cross-entropy on it: `reference/activations.py`, in Numba.

Legend: as there; element-wise kernels take PIECE elements as one piece of work.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
# (Numba compiles the kernels for the types they are called with; the public functions are typed)

import numpy as np

from tinycnn.kernels.compiled.blocks import PIECE, pieces_of, placing
from tinycnn.kernels.compiled.checks import checked, ready, same_dtype, same_shape
from tinycnn.kernels.compiled.jit import helper
from tinycnn.kernels.compiled.launch import kernel
from tinycnn.kernels.compiled.plans import Plan, Slot, planned

# The derivative of softmax is not hot, since training takes the loss on the logits. NumPy's tanh is
# already vectorized, unlike the system's tanh, which Numba would call.
from tinycnn.kernels.reference.activations import softmax_backward, tanh_forward
from tinycnn.utils import Array

__all__ = [
    "elu_backward",
    "elu_forward",
    "leaky_relu_backward",
    "leaky_relu_forward",
    "log_softmax",
    "relu_backward",
    "relu_forward",
    "sigmoid_backward",
    "sigmoid_forward",
    "softmax_backward",
    "softmax_cross_entropy_backward",
    "softmax_cross_entropy_forward",
    "softmax_forward",
    "tanh_backward",
    "tanh_forward",
]

# --- relu -----------------------------------------------------------------------------------------


@kernel
def _relu(piece, x, y):
    zero, here = x.dtype.type(0), slice(piece * PIECE, (piece + 1) * PIECE)
    source, target = x[here], y[here]
    for i in range(source.size):
        target[i] = zero if source[i] < zero else source[i]


def relu_forward(x: Array) -> Array:
    """Same as `reference.relu_forward`."""
    y: Array = planned(_relu_forward, (x,))
    return y


def _relu_forward(plan: Plan, x: Slot) -> Slot:
    checked(x, x.ndim, "x")
    y = plan.empty(x.shape, x.dtype)
    plan.step(_relu, pieces_of(x.size), (x, y))
    return y


def relu_backward(dy: Array, y: Array) -> Array:
    """Same as `reference.relu_backward`."""
    dx: Array = planned(_relu_backward, (dy, y))
    return dx


def _relu_backward(plan: Plan, dy: Slot, y: Slot) -> Slot:
    checked(dy, dy.ndim, "dy")
    checked(y, y.ndim, "y")
    same_dtype(dy=dy, y=y)
    same_shape(y.shape, dy=dy)
    N = dy.shape[0] if dy.ndim else 1
    rows = (1, N, 1, dy.size // max(1, N))
    return placing(plan, dy.reshape(*rows), (N, 1), (0, 0), y.reshape(*rows)).reshape(*dy.shape)


# --- the other activations, element by element ----------------------------------------------------

SIGMOID, LEAKY_RELU, ELU, TANH = range(4)


@helper
def exp_parts(x):
    """(s, t) with exp(x) = s + t, in float64; s is a power of two, so exp(x) - 1 = (s - 1) + t.

    exp(x) = 2^n * exp(r) with |r| <= log(2) / 2, where thirteen terms of the series are exact to
    the last bit. LLVM vectorizes a loop over this, which it can't do for the system's exp.
    """
    x = min(max(x, -700.0), 700.0)
    n = np.floor(x * 1.4426950408889634 + 0.5)
    r = (x - n * 0.6931471803691238) - n * 1.9082149292705877e-10  # log(2) in two parts
    t = 1 / 39916800 + r * (1 / 479001600 + r / 6227020800)
    t = 1 / 40320 + r * (1 / 362880 + r * (1 / 3628800 + r * t))
    t = 1 / 120 + r * (1 / 720 + r * (1 / 5040 + r * t))
    t = 1 / 2 + r * (1 / 6 + r * (1 / 24 + r * t))
    # 2^n, made from the bits of its exponent.
    s = np.int64((np.int64(np.int32(n)) + 1023) << 52).view(np.float64)
    return s, s * (r + r * r * t)


@kernel
def _activate(piece, x, y, slopes, kind):
    slope = slopes[0]
    source = x[piece * PIECE : (piece + 1) * PIECE]
    target = y[piece * PIECE : (piece + 1) * PIECE]
    if kind == SIGMOID:
        for i in range(source.size):
            value = np.float64(source[i])
            s, t = exp_parts(-abs(value))
            e = s + t
            p = 1 / (1 + e)
            target[i] = p if value >= 0 else e * p
    elif kind == LEAKY_RELU:
        for i in range(source.size):
            value = source[i]
            below = value * slope
            target[i] = value if value > 0 else below
    else:
        for i in range(source.size):
            value = np.float64(source[i])
            s, t = exp_parts(0.0 if value > 0 else value)
            below = slope * ((s - 1) + t)
            target[i] = value if value > 0 else below


@kernel
def _activate_backward(piece, dy, y, dx, slopes, kind):
    one, slope = dy.dtype.type(1), slopes[0]
    here = slice(piece * PIECE, (piece + 1) * PIECE)
    source, out, target = dy[here], y[here], dx[here]
    if kind == SIGMOID:
        for i in range(source.size):
            target[i] = source[i] * out[i] * (one - out[i])
    elif kind == TANH:
        for i in range(source.size):
            target[i] = source[i] * (one - out[i] * out[i])
    else:
        for i in range(source.size):
            value = out[i]
            below = slope if kind == LEAKY_RELU else value + slope
            target[i] = source[i] * (one if value > 0 else below)


@np.errstate(all="ignore")
def _from_input(x: Array, kind: int, slope: float = 0.0) -> Array:
    x = ready(x, x.ndim, "x")
    y = np.empty_like(x)
    _activate(pieces_of(x.size), (x, y, np.array([slope], x.dtype)), (kind,))
    return y


@np.errstate(all="ignore")
def _from_output(dy: Array, y: Array, kind: int, slope: float = 0.0) -> Array:
    dy, y = ready(dy, dy.ndim, "dy"), ready(y, y.ndim, "y")
    same_dtype(dy=dy, y=y)
    same_shape(y.shape, dy=dy)
    dx = np.empty_like(dy)
    _activate_backward(pieces_of(dy.size), (dy, y, dx, np.array([slope], dy.dtype)), (kind,))
    return dx


def leaky_relu_forward(x: Array, negative_slope: float) -> Array:
    """Same as `reference.leaky_relu_forward`."""
    return _from_input(x, LEAKY_RELU, negative_slope)


def leaky_relu_backward(dy: Array, y: Array, negative_slope: float) -> Array:
    """Same as `reference.leaky_relu_backward`."""
    return _from_output(dy, y, LEAKY_RELU, negative_slope)


def elu_forward(x: Array, alpha: float) -> Array:
    """Same as `reference.elu_forward`."""
    return _from_input(x, ELU, alpha)


def elu_backward(dy: Array, y: Array, alpha: float) -> Array:
    """Same as `reference.elu_backward`."""
    return _from_output(dy, y, ELU, alpha)


def sigmoid_forward(x: Array) -> Array:
    """Same as `reference.sigmoid_forward`."""
    return _from_input(x, SIGMOID)


def sigmoid_backward(dy: Array, y: Array) -> Array:
    """Same as `reference.sigmoid_backward`."""
    return _from_output(dy, y, SIGMOID)


def tanh_backward(dy: Array, y: Array) -> Array:
    """Same as `reference.tanh_backward`."""
    return _from_output(dy, y, TANH)


# --- softmax --------------------------------------------------------------------------------------

_NUMBERS = 512  # of one piece of work; their exponentials take several microseconds


@kernel
def _log_softmax(piece, x, log_p, p, targets, losses, lowests, K, rows):
    """If there are targets, `losses` gets the cross-entropy; if not, both are empty."""
    lowest = lowests[0]
    for r in range(piece * rows, min((piece + 1) * rows, x.size // K)):
        row = x[r * K : (r + 1) * K]
        top = row[0]
        for value in row:
            if value > top:
                top = value
        total = row.dtype.type(0)
        for k in range(K):
            total += np.exp(row[k] - top)  # 0 where the difference overflows to -inf
        log_total = np.log(total)
        for k in range(K):
            shifted = row[k] - top
            if shifted < lowest and row[k] >= lowest:
                shifted = lowest  # stay finite where the logit is
            log_p[r * K + k] = shifted - log_total
            p[r * K + k] = np.exp(log_p[r * K + k])
        if losses.size > 0:
            total = row.dtype.type(0)
            for k in range(r * K, (r + 1) * K):
                total += targets[k] * log_p[k]
            losses[r] = -total


def _rows_of(x: Slot) -> tuple[int, int]:
    """The pieces that x is cut into, and how many rows, runs along its last axis, each has."""
    K = x.shape[-1]
    rows = max(1, _NUMBERS // max(1, K))
    return (-(-(x.size // K) // rows) if K else 0), rows


def _softmax(plan: Plan, x: Slot, targets: Slot | None = None) -> tuple[Slot, Slot, Slot]:
    """log(softmax(x)) and softmax(x), over the last axis; with targets also the cross-entropies."""
    checked(x, x.ndim, "x")
    log_p, p = plan.empty(x.shape, x.dtype), plan.empty(x.shape, x.dtype)
    losses = plan.empty((0,) if targets is None else x.shape[:1], x.dtype)
    lowest = plan.constant(np.array([np.finfo(x.dtype).min], x.dtype))
    pieces, rows = _rows_of(x)
    arrays = (x, log_p, p, targets or losses, losses, lowest)
    plan.step(_log_softmax, pieces, arrays, (x.shape[-1], rows))
    return log_p, p, losses


def softmax_forward(x: Array) -> Array:
    """Same as `reference.softmax_forward`."""
    _, p, _ = planned(_softmax, (x,))
    return p


def log_softmax(x: Array) -> Array:
    """Same as `reference.log_softmax`."""
    log_p, _, _ = planned(_softmax, (x,))
    return log_p


# --- softmax and cross-entropy --------------------------------------------------------------------


@kernel
def _cross_entropy_gradient(piece, p, targets, dlogits, K, rows):
    for n in range(piece * rows, min((piece + 1) * rows, p.size // K)):
        total = p.dtype.type(0)
        for k in range(n * K, (n + 1) * K):
            total += targets[k]
        for k in range(n * K, (n + 1) * K):
            dlogits[k] = p[k] * total - targets[k]


def softmax_cross_entropy_forward(logits: Array, targets: Array) -> tuple[Array, Array]:
    """Same as `reference.softmax_cross_entropy_forward`."""
    losses, p = planned(_cross_entropy, (logits, targets))
    return losses, p


def _cross_entropy(plan: Plan, logits: Slot, targets: Slot) -> tuple[Slot, Slot]:
    checked(targets, 2, "targets")
    same_dtype(logits=logits, targets=targets)
    same_shape(logits.shape, targets=targets)
    _, p, losses = _softmax(plan, logits, targets)
    return losses, p


def softmax_cross_entropy_backward(probabilities: Array, targets: Array) -> Array:
    """Same as `reference.softmax_cross_entropy_backward`."""
    dlogits: Array = planned(_cross_entropy_backward, (probabilities, targets))
    return dlogits


def _cross_entropy_backward(plan: Plan, p: Slot, targets: Slot) -> Slot:
    checked(p, 2, "probabilities")
    checked(targets, 2, "targets")
    same_dtype(probabilities=p, targets=targets)
    same_shape(p.shape, targets=targets)
    dlogits = plan.empty(p.shape, p.dtype)
    pieces, rows = _rows_of(p)
    plan.step(_cross_entropy_gradient, pieces, (p, targets, dlogits), (p.shape[1], rows))
    return dlogits
