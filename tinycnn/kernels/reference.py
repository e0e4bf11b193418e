"""Every formula of the reference network, in plain NumPy: the kernels to read.

`reference_layers.py` holds those of the other layers; all are reached from here.

`compiled.py` holds the same functions with the same signatures in Numba, to run; the tests hold
both against the definition (`tests/naive.py`, nested loops). Read im2col first: with it a
convolution is one matrix product, and its backward is two.

Legend: N images of H x W pixels and C channels; F filters of KH x KW; strides SH, SW; output OH x
OW; D inputs and U units of a dense layer; K classes. Images are NHWC and kernels HWIO, as in Keras:
    x (N, H, W, C)   kernel (KH, KW, C, F)   bias (F,)   y (N, OH, OW, F)
The gradient of the loss by `foo` is called `dfoo`, and has foo's shape.

Rules: no function changes an array it was given, except the `*_update`, which is what they are
for. The dtype of the result is the dtype of `x`. Shapes are checked by the layers, not here.

Sources: Chellapilla et al. 2006 (im2col); Goodfellow et al. 2016, chapters 6 and 9; Kingma and Ba
2015 (Adam); for every choice that these leave open, Keras 3 on TensorFlow.
"""

from collections.abc import Sequence

import numpy as np

from tinycnn.geometry import Pair as Pair
from tinycnn.geometry import output_length, window_padding
from tinycnn.kernels.reference_layers import *  # noqa: F403
from tinycnn.utils import Array

# --- im2col: images as a matrix of windows, and back ----------------------------------------------


def im2col(x: Array, size: Pair, strides: Pair = (1, 1), padding: str = "valid") -> Array:
    """The windows of `x` as the rows of a matrix: im2col.

    Row (n, i, j) holds the KH*KW*C inputs that output (i, j) of image n sees, in the order
    (row, column, channel): the order in which a kernel (KH, KW, C, F) reshapes to (KH*KW*C, F).

    Args:
        x: (N, H, W, C).
        size: (KH, KW).
        strides: (SH, SW).
        padding: "valid", or "same" (zeros around the image, TensorFlow's rule).

    Returns:
        (N*OH*OW, KH*KW*C), a copy: KH*KW/(SH*SW) times the memory of `x`.
    """
    KH, KW = size
    SH, SW = strides
    N, H, W, C = x.shape
    x = np.pad(x, ((0, 0), *window_padding(H, W, size, strides, padding), (0, 0)))
    # (N, H, W, C) -> (N, OH, OW, C, KH, KW), a view: no memory is copied yet.
    windows = np.lib.stride_tricks.sliding_window_view(x, (KH, KW), axis=(1, 2))[:, ::SH, ::SW]
    # -> (N, OH, OW, KH, KW, C) -> (N*OH*OW, KH*KW*C): here the windows are written out.
    return windows.transpose(0, 1, 2, 4, 5, 3).reshape(-1, KH * KW * C)


def col2im(
    dcols: Array,
    x_shape: tuple[int, int, int, int],
    size: Pair,
    strides: Pair = (1, 1),
    padding: str = "valid",
) -> Array:
    """The adjoint of `im2col`: adds every window's gradient to the pixels it was read from.

    im2col copies a pixel into each window that sees it, so the pixel's gradient is the sum over
    those windows; what fell on the zeros around the image is dropped.

    Args:
        dcols: (N*OH*OW, KH*KW*C).
        x_shape: (N, H, W, C) of the `x` that im2col was given.
        size: (KH, KW).
        strides: (SH, SW).
        padding: as for im2col.

    Returns:
        dx (N, H, W, C).
    """
    KH, KW = size
    SH, SW = strides
    N, H, W, C = x_shape
    (top, bottom), (left, right) = window_padding(H, W, size, strides, padding)
    OH, OW = output_length(H, KH, SH, padding), output_length(W, KW, SW, padding)
    windows = dcols.reshape(N, OH, OW, KH, KW, C)
    dx = np.zeros((N, H + top + bottom, W + left + right, C), dcols.dtype)
    for i in range(KH):
        for j in range(KW):
            # Pixel (i, j) of every window at once: these pixels lie one stride apart.
            dx[:, i : i + SH * OH : SH, j : j + SW * OW : SW] += windows[:, :, :, i, j]
    return dx[:, top : top + H, left : left + W]


# --- convolution ----------------------------------------------------------------------------------


def conv2d_forward(
    x: Array,
    kernel: Array,
    bias: Array | None,
    strides: Pair = (1, 1),
    padding: str = "valid",
    relu: bool = False,
) -> Array:
    """Convolution, as deep learning means it: cross-correlation, the kernel is not flipped.

    y[n, i, j, f] = bias[f] + sum over u, v, c of x[n, i*SH + u, j*SW + v, c] * kernel[u, v, c, f]

    Args:
        x: (N, H, W, C).
        kernel: (KH, KW, C, F).
        bias: (F,), or None for none.
        strides: (SH, SW).
        padding: "valid" or "same".
        relu: apply max(y, 0) before returning.

    Returns:
        y (N, OH, OW, F).
    """
    N, H, W, _ = x.shape
    KH, KW, C, F = kernel.shape
    OH = output_length(H, KH, strides[0], padding)
    OW = output_length(W, KW, strides[1], padding)
    cols = im2col(x, (KH, KW), strides, padding)
    # (N*OH*OW, KH*KW*C) @ (KH*KW*C, F) -> (N*OH*OW, F)
    y = cols @ kernel.reshape(KH * KW * C, F)
    if bias is not None:
        y += bias
    if relu:
        y = relu_forward(y)
    return y.reshape(N, OH, OW, F)


def conv2d_backward(
    dy: Array,
    x: Array,
    kernel: Array,
    strides: Pair = (1, 1),
    padding: str = "valid",
    y: Array | None = None,
    needs_dx: bool = True,
) -> tuple[Array | None, Array, Array]:
    """The gradients of `conv2d_forward`.

    With the windows as `cols`, y = cols @ kernel + bias, so
        dkernel = cols^T @ dy,   dbias = sum of dy over images and pixels,   dcols = dy @ kernel^T,
    and dx = col2im(dcols).

    Args:
        dy: (N, OH, OW, F).
        x: (N, H, W, C), the forward's input.
        kernel: (KH, KW, C, F).
        strides: (SH, SW).
        padding: as in the forward.
        y: the forward's output if it ran with relu=True, else None.
        needs_dx: False skips dx, the larger part of the work.

    Returns:
        dx (N, H, W, C) or None, dkernel (KH, KW, C, F), dbias (F,).
    """
    KH, KW, C, F = kernel.shape
    if y is not None:
        dy = relu_backward(dy, y)
    dy = dy.reshape(-1, F)
    cols = im2col(x, (KH, KW), strides, padding)
    # (KH*KW*C, N*OH*OW) @ (N*OH*OW, F) -> (KH*KW*C, F)
    dkernel = (cols.T @ dy).reshape(KH, KW, C, F)
    dbias = dy.sum(axis=0)
    if not needs_dx:
        return None, dkernel, dbias
    # (N*OH*OW, F) @ (F, KH*KW*C) -> (N*OH*OW, KH*KW*C)
    dcols = dy @ kernel.reshape(KH * KW * C, F).T
    N, H, W, _ = x.shape
    return col2im(dcols, (N, H, W, C), (KH, KW), strides, padding), dkernel, dbias


# --- max-pooling ----------------------------------------------------------------------------------


def max_pool_forward(
    x: Array, pool_size: Pair, strides: Pair, padding: str = "valid"
) -> tuple[Array, Array]:
    """The largest value of every window, and which one it was.

    Rows and columns that no whole window covers are left out ("valid") or belong to a window that
    reaches over the edge ("same"). A NaN in a window makes its output NaN.

    Args:
        x: (N, H, W, C).
        pool_size: (PH, PW).
        strides: (SH, SW).
        padding: "valid" or "same".

    Returns:
        y (N, OH, OW, C), and winners (N, OH, OW, C), int32: the winner's place in its window,
        row * PW + column; of equal values the first.
    """
    PH, PW = pool_size
    SH, SW = strides
    N, H, W, C = x.shape
    OH, OW = output_length(H, PH, SH, padding), output_length(W, PW, SW, padding)
    around = ((0, 0), *window_padding(H, W, pool_size, strides, padding), (0, 0))
    x = np.pad(x, around, constant_values=-np.inf)
    inside = np.pad(np.ones((1, H, W, 1), bool), around)
    y = np.full((N, OH, OW, C), -np.inf, x.dtype)
    winners = np.full((N, OH, OW, C), -1, np.int32)
    for i in range(PH):
        for j in range(PW):
            here = (slice(None), slice(i, i + SH * OH, SH), slice(j, j + SW * OW, SW))
            value = x[here]
            # `>` alone would be the rule, were it not for NaN and for windows full of -inf.
            first = (winners < 0) & inside[here]
            wins = (value > y) | first | (np.isnan(value) & ~np.isnan(y))
            y = np.where(wins, value, y)
            winners[wins] = i * PW + j
    return y, winners


def max_pool_backward(
    dy: Array,
    winners: Array,
    x_shape: tuple[int, int, int, int],
    pool_size: Pair,
    strides: Pair,
    padding: str = "valid",
) -> Array:
    """The gradient of `max_pool_forward`: each output's gradient goes to the one input that won.

    Windows may overlap; an input that won in several gets the sum.

    Args:
        dy: (N, OH, OW, C).
        winners: (N, OH, OW, C), from the forward.
        x_shape: (N, H, W, C) of the forward's input.
        pool_size: (PH, PW).
        strides: (SH, SW).
        padding: as in the forward.

    Returns:
        dx (N, H, W, C).
    """
    PH, PW = pool_size
    SH, SW = strides
    N, H, W, C = x_shape
    (top, bottom), (left, right) = window_padding(H, W, pool_size, strides, padding)
    OH, OW = dy.shape[1:3]
    dx = np.zeros((N, H + top + bottom, W + left + right, C), dy.dtype)
    for i in range(PH):
        for j in range(PW):
            won = winners == i * PW + j
            dx[:, i : i + SH * OH : SH, j : j + SW * OW : SW] += np.where(won, dy, 0)
    return dx[:, top : top + H, left : left + W]


# --- convolution, relu and 2x2 max-pooling in one -------------------------------------------------


def conv2d_relu_pool_forward(
    x: Array, kernel: Array, bias: Array | None, padding: str = "valid"
) -> tuple[Array, Array]:
    """`max_pool_forward` (2x2, stride 2) of `conv2d_forward` (stride 1) with relu.

    Args:
        x: (N, H, W, C).
        kernel: (KH, KW, C, F).
        bias: (F,), or None for none.
        padding: of the convolution; what no whole pool covers is left out.

    Returns:
        y (N, OH, OW, F), and winners (N, OH, OW, F), uint8: 0 to 3 as in `max_pool_forward`, or 4
        where y is not positive, so that relu lets no gradient through.
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

    Args:
        dy: (N, OH, OW, F).
        x: (N, H, W, C), the forward's input.
        kernel: (KH, KW, C, F).
        winners: (N, OH, OW, F), from the forward; no place in a pool is number 4.
        padding: as in the forward.
        needs_dx: False skips dx.

    Returns:
        dx (N, H, W, C) or None, dkernel (KH, KW, C, F), dbias (F,).
    """
    N, H, W, _ = x.shape
    KH, KW, _, F = kernel.shape
    conv_shape = (N, output_length(H, KH, 1, padding), output_length(W, KW, 1, padding), F)
    dy = max_pool_backward(dy, winners, conv_shape, (2, 2), (2, 2))
    return conv2d_backward(dy, x, kernel, padding=padding, needs_dx=needs_dx)


# --- dense ----------------------------------------------------------------------------------------


def dense_forward(x: Array, kernel: Array, bias: Array | None, relu: bool = False) -> Array:
    """y = x @ kernel + bias.

    Args:
        x: (N, D).
        kernel: (D, U).
        bias: (U,), or None for none.
        relu: apply max(y, 0) before returning.

    Returns:
        y (N, U).
    """
    # (N, D) @ (D, U) -> (N, U)
    y = x @ kernel
    if bias is not None:
        y += bias
    return relu_forward(y) if relu else y


def dense_backward(
    dy: Array, x: Array, kernel: Array, y: Array | None = None, needs_dx: bool = True
) -> tuple[Array | None, Array, Array]:
    """The gradients of `dense_forward`: dkernel = x^T @ dy, dbias = sum of dy, dx = dy @ kernel^T.

    Args:
        dy: (N, U).
        x: (N, D), the forward's input.
        kernel: (D, U).
        y: the forward's output if it ran with relu=True, else None.
        needs_dx: False skips dx.

    Returns:
        dx (N, D) or None, dkernel (D, U), dbias (U,).
    """
    if y is not None:
        dy = relu_backward(dy, y)
    # (D, N) @ (N, U) -> (D, U)
    dkernel = x.T @ dy
    dbias = dy.sum(axis=0)
    # (N, U) @ (U, D) -> (N, D)
    return (dy @ kernel.T if needs_dx else None), dkernel, dbias


# --- activations ----------------------------------------------------------------------------------


def relu_forward(x: Array) -> Array:
    """max(x, 0), element by element; NaN stays NaN. Any shape."""
    return np.maximum(x, 0)


def relu_backward(dy: Array, y: Array) -> Array:
    """dy where the output `y` is positive, else 0: the derivative at exactly 0 is taken as 0."""
    return np.where(y > 0, dy, np.zeros((), dy.dtype))


def softmax_forward(x: Array) -> Array:
    """exp(x) / sum of exp(x) over the last axis, with the maximum subtracted first.

    Args:
        x: (..., K).

    Returns:
        y (..., K), positive, each row of sum 1.
    """
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        e = np.exp(x - x.max(axis=-1, keepdims=True))
        return e / e.sum(axis=-1, keepdims=True)


def softmax_backward(dy: Array, y: Array) -> Array:
    """The gradient of `softmax_forward` from its output: dx_i = y_i * (dy_i - sum_k dy_k y_k)."""
    return y * (dy - (dy * y).sum(axis=-1, keepdims=True))


def log_softmax(x: Array) -> Array:
    """log(softmax(x)) without ever taking the log of a probability: x - log(sum(exp(x)))."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        shifted = _not_overflown(x - x.max(axis=-1, keepdims=True), x)
        return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def _not_overflown(shifted: Array, x: Array) -> Array:
    """`shifted`, finite where `x` is: -3e38 - 3e38 stops at the lowest number of float32."""
    overflown = np.isneginf(shifted) & np.isfinite(x)
    return np.where(overflown, np.finfo(x.dtype).min, shifted) if overflown.any() else shifted


# --- loss -----------------------------------------------------------------------------------------


def softmax_cross_entropy_forward(logits: Array, targets: Array) -> tuple[Array, Array]:
    """Softmax and categorical cross-entropy in one: finite for any finite logits.

    Args:
        logits: (N, K).
        targets: (N, K), one-hot or any distribution over the classes.

    Returns:
        losses (N,): -sum_k targets_k * log softmax(logits)_k, and the probabilities (N, K), which
        the backward needs.
    """
    log_p = log_softmax(logits)
    with np.errstate(over="ignore", under="ignore"):
        return -(targets * log_p).sum(axis=-1), np.exp(log_p)


def softmax_cross_entropy_backward(probabilities: Array, targets: Array) -> Array:
    """The gradient of each loss by its logits: probabilities * sum(targets) - targets.

    For one-hot targets that is `probabilities - targets`. The mean over N is the loss's business.

    Args:
        probabilities: (N, K), from the forward.
        targets: (N, K).

    Returns:
        dlogits (N, K).
    """
    return probabilities * targets.sum(axis=-1, keepdims=True) - targets


# --- optimizers: the only functions that write into their arguments -------------------------------


def adam_step_size(
    step: int, learning_rate: float, beta_1: float, beta_2: float, dtype: np.dtype[np.floating]
) -> np.floating:
    """Adam's learning rate with both bias corrections: lr * sqrt(1 - beta_2^t) / (1 - beta_1^t).

    The form just before Section 2.1 of Kingma and Ba, computed as Keras does: in the dtype of the
    parameters, from betas that were rounded to float32, whatever that dtype.

    Args:
        step: t, counted from 1.
        learning_rate: the step size alpha of the paper.
        beta_1: decay rate of the first moment.
        beta_2: decay rate of the second moment.
        dtype: of the parameters.
    """
    scalar = dtype.type
    one, t = scalar(1), scalar(step)
    with np.errstate(under="ignore"):  # after some hundred steps a power of beta_1 is 0
        power_1 = scalar(np.float32(beta_1)) ** t
        power_2 = scalar(np.float32(beta_2)) ** t
    step_size: np.floating = scalar(learning_rate) * np.sqrt(one - power_2) / (one - power_1)
    return step_size


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
    """One step of Adam, in place on `value` and on the moments `m` and `v`; all of one shape.

    m += (g - m) * (1 - beta_1);  v += (g^2 - v) * (1 - beta_2);
    value -= m * step_size / (sqrt(v) + epsilon)

    Args:
        value: the parameter.
        gradient: g.
        m: first moment, 0 before the first step.
        v: second moment, 0 before the first step.
        step_size: from `adam_step_size`.
        beta_1: decay rate of the first moment.
        beta_2: decay rate of the second moment.
        epsilon: the paper's "epsilon hat", added before the bias correction.

    Source: keras/src/optimizers/adam.py, operation for operation; float32 is equal to the bit.
    """
    scalar = value.dtype.type
    m += (gradient - m) * scalar(1 - beta_1)
    v += (gradient * gradient - v) * scalar(1 - beta_2)
    value -= (m * scalar(step_size)) / (np.sqrt(v) + scalar(epsilon))


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
    """`adam_update` for several parameters, with their gradients and moments in the same order."""
    for arrays in zip(values, gradients, ms, vs, strict=True):
        adam_update(*arrays, step_size, beta_1, beta_2, epsilon)


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
    """One step of RMSprop, in place on `value` and on the running means; all of one shape.

    mean_square = rho * mean_square + (1 - rho) * g^2;  step = lr * g / sqrt(mean_square + epsilon);
    value -= step,  or with momentum  velocity = momentum * velocity + step;  value -= velocity.

    Centered, mean_gradient^2 is taken off mean_square under the root: what is left is the variance
    of g. Rounding can make that negative; it is then 0 here, where Keras's root would be NaN.

    Args:
        value: the parameter.
        gradient: g.
        mean_square: 0 before the first step.
        mean_gradient: 0 before the first step; None if not centered.
        velocity: 0 before the first step; None without momentum.
        learning_rate: lr.
        rho: decay rate of the two means.
        momentum: share of the velocity that is kept.
        epsilon: added inside the root, as in Keras; PyTorch adds it outside.

    Source: keras/src/optimizers/rmsprop.py
    """
    scalar = value.dtype.type
    mean_square *= scalar(rho)
    mean_square += scalar(1 - rho) * (gradient * gradient)
    variance = mean_square
    if mean_gradient is not None:
        mean_gradient *= scalar(rho)
        mean_gradient += scalar(1 - rho) * gradient
        variance = np.maximum(mean_square - mean_gradient * mean_gradient, 0)
    step = scalar(learning_rate) * gradient / np.sqrt(variance + scalar(epsilon))
    if velocity is not None:
        velocity *= scalar(momentum)
        velocity += step
        step = velocity
    value -= step


def sgd_update(
    value: Array,
    gradient: Array,
    velocity: Array | None,
    learning_rate: float,
    momentum: float = 0.0,
    nesterov: bool = False,
) -> None:
    """One step of gradient descent, in place on `value` and `velocity`; all of one shape.

    velocity = momentum * velocity - lr * g;  value += velocity,
    or with nesterov:                         value += momentum * velocity - lr * g.

    Args:
        value: the parameter.
        gradient: g.
        velocity: 0 before the first step; None without momentum.
        learning_rate: lr. It is inside the velocity, as in Keras; PyTorch keeps it outside.
        momentum: share of the velocity that is kept.
        nesterov: look ahead by one step (Sutskever et al. 2013).

    Source: keras/src/optimizers/sgd.py
    """
    scalar = value.dtype.type
    step = gradient * scalar(learning_rate)
    if velocity is None:
        value -= step
        return
    velocity *= scalar(momentum)
    velocity -= step
    value += velocity * scalar(momentum) - step if nesterov else velocity
