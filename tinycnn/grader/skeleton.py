"""Your functions: fill them in from the top down, and run `python -m tinycnn.grader student.py`.

Every function has the name, the arguments and the results of tinycnn's own formula. Replace each
`raise NotImplementedError` by your code. NumPy is all you need, and all that is there: the grader
runs this file without tinycnn. You may call your own functions from other ones, and add helpers.

Legend, the same everywhere:
    x (N, H, W, C)         N images of H x W pixels and C channels
    kernel (KH, KW, C, F)  F filters of KH x KW pixels and C channels
    bias (F,)              one number for each filter
    y (N, OH, OW, F)       what a layer puts out
    strides (SH, SW)       how far a window moves down, and to the right
The gradient of the loss with respect to `foo` is called `dfoo`, and has foo's shape.

Rules, the same everywhere:
- A function leaves its arguments as they are. The exceptions say "in place".
- The dtype of the results is the dtype of the inputs: float32 for float32, float64 for float64.
- The same arguments give the same results, however often a function is called.
- All numbers that come in are finite. Sizes never are 0.

Padding, for every function that has `padding`; two helpers below compute it for you:
- "valid": no padding. OH = (H - KH) // SH + 1, and pixels that no whole window covers are left out.
- "same": OH = ceil(H / SH). The zeros around the image are as few as possible: in all
  max((OH - 1) * SH + KH - H, 0) rows, half of them on top. If their number is odd, the one more is
  at the bottom. Columns likewise, from W, KW and SW, with the one more on the right.
"""

import numpy as np

# --- given: the arithmetic of padding -------------------------------------------------------------


def output_length(length, size, stride, padding):
    """How many windows there are along one axis: OH from H, KH and SH, or OW from W, KW and SW."""
    if padding == "same":
        return -(-length // stride)  # rounded up
    return (length - size) // stride + 1


def window_padding(H, W, size, strides, padding):
    """((top, bottom), (left, right)): how many rows and columns of zeros go around an image."""
    around = []
    for length, window, stride in zip((H, W), size, strides):
        total = 0
        if padding == "same":
            windows = output_length(length, window, stride, padding)
            total = max((windows - 1) * stride + window - length, 0)
        around.append((total // 2, total - total // 2))
    return tuple(around)


# --- windows --------------------------------------------------------------------------------------


def im2col(x, size, strides=(1, 1), padding="valid"):
    """The windows of `x` as the rows of a matrix.

    Row (n, i, j) holds the KH*KW*C inputs that output (i, j) of image n sees. Their order is (row,
    column, channel): the order in which a kernel (KH, KW, C, F) reshapes to (KH*KW*C, F).

    Args:
        x: (N, H, W, C).
        size: (KH, KW).
        strides: (SH, SW).
        padding: "valid" or "same".

    Returns:
        cols (N*OH*OW, KH*KW*C).
    """
    raise NotImplementedError


def col2im(dcols, x_shape, size, strides=(1, 1), padding="valid"):
    """The way back for gradients: adds each entry of `dcols` to the pixel it was read from.

    A pixel that lies in several windows gets the sum. What belongs to the padding is dropped.

    Args:
        dcols: (N*OH*OW, KH*KW*C), the gradient of the result of `im2col`.
        x_shape: (N, H, W, C).
        size: (KH, KW).
        strides: (SH, SW).
        padding: "valid" or "same".

    Returns:
        dx (N, H, W, C).
    """
    raise NotImplementedError


# --- relu -----------------------------------------------------------------------------------------


def relu_forward(x):
    """y = x where x is positive, else 0.

    Args:
        x: any shape.

    Returns:
        y, the shape of `x`.
    """
    raise NotImplementedError


def relu_backward(dy, y):
    """dx = dy where y is positive, else 0. At exactly 0 the derivative is taken as 0.

    Args:
        dy: any shape.
        y: the forward's output, the same shape.

    Returns:
        dx, the same shape.
    """
    raise NotImplementedError


# --- convolution ----------------------------------------------------------------------------------


def conv2d_forward(x, kernel, bias, strides=(1, 1), padding="valid", relu=False):
    """Convolution as deep learning means it: a cross-correlation, so the kernel is not flipped.

    y[n, i, j, f] = bias[f] + sum over u, v, c of x[n, i*SH + u, j*SW + v, c] * kernel[u, v, c, f]

    Args:
        x: (N, H, W, C).
        kernel: (KH, KW, C, F).
        bias: (F,), or None for none.
        strides: (SH, SW).
        padding: "valid" or "same".
        relu: whether max(y, 0) is returned instead of y.

    Returns:
        y (N, OH, OW, F).
    """
    raise NotImplementedError


def conv2d_backward(dy, x, kernel, strides=(1, 1), padding="valid", y=None, needs_dx=True):
    """The gradients of `conv2d_forward`. They are sums over the images: nothing is divided by N.

    Args:
        dy: (N, OH, OW, F).
        x: (N, H, W, C), the forward's input.
        kernel: (KH, KW, C, F).
        strides: (SH, SW).
        padding: "valid" or "same".
        y: (N, OH, OW, F), the forward's output if it ran with relu=True: then `dy` goes through
            the relu first, for all three gradients. Else None.
        needs_dx: False says that nobody needs dx. You may then return None for it.

    Returns:
        dx (N, H, W, C), dkernel (KH, KW, C, F), dbias (F,).
    """
    raise NotImplementedError


# --- max-pooling ----------------------------------------------------------------------------------


def max_pool_forward(x, pool_size, strides, padding="valid"):
    """The largest value of every window, and which one it was. Every channel goes by itself.

    With "same", a window may reach over the edge. What lies outside the image never wins, also
    where all numbers in the window are negative.

    Args:
        x: (N, H, W, C).
        pool_size: (PH, PW).
        strides: (SH, SW).
        padding: "valid" or "same".

    Returns:
        y (N, OH, OW, C), and winners (N, OH, OW, C), integers: the winner's place in its window,
        row * PW + column. Of equal values the first wins, row by row.
    """
    raise NotImplementedError


def max_pool_backward(dy, winners, x_shape, pool_size, strides, padding="valid"):
    """The gradient of `max_pool_forward`: each output's gradient goes to the one input that won.

    An input that won in several windows gets the sum of their gradients.

    Args:
        dy: (N, OH, OW, C).
        winners: (N, OH, OW, C), from the forward.
        x_shape: (N, H, W, C) of the forward's input.
        pool_size: (PH, PW).
        strides: (SH, SW).
        padding: "valid" or "same".

    Returns:
        dx (N, H, W, C).
    """
    raise NotImplementedError


# --- dense ----------------------------------------------------------------------------------------


def dense_forward(x, kernel, bias, relu=False):
    """y = x @ kernel + bias.

    Args:
        x: (N, D).
        kernel: (D, U).
        bias: (U,), or None for none.
        relu: whether max(y, 0) is returned instead of y.

    Returns:
        y (N, U).
    """
    raise NotImplementedError


def dense_backward(dy, x, kernel, y=None, needs_dx=True):
    """The gradients of `dense_forward`. They are sums over the samples: nothing is divided by N.

    Args:
        dy: (N, U).
        x: (N, D), the forward's input.
        kernel: (D, U).
        y: (N, U), the forward's output if it ran with relu=True: then `dy` goes through the relu
            first, for all three gradients. Else None.
        needs_dx: False says that nobody needs dx. You may then return None for it.

    Returns:
        dx (N, D), dkernel (D, U), dbias (U,).
    """
    raise NotImplementedError


# --- softmax and cross-entropy --------------------------------------------------------------------


def softmax_forward(x):
    """y_k = exp(x_k) / (sum over j of exp(x_j)), for each row by itself.

    It must be right for any finite logits, also for 10000 and -10000 in one array.

    Args:
        x: (N, K).

    Returns:
        y (N, K); each row adds up to 1.
    """
    raise NotImplementedError


def softmax_backward(dy, y):
    """The gradient of `softmax_forward`, from its output.

    Args:
        dy: (N, K).
        y: (N, K), the forward's output.

    Returns:
        dx (N, K).
    """
    raise NotImplementedError


def softmax_cross_entropy_forward(logits, targets):
    """Softmax and cross-entropy in one: losses_n = -sum over k of targets_nk * log(softmax_nk).

    There is one loss for each sample. Their mean is not taken here: whoever needs it divides by N.
    It must be finite for any finite logits, also where a probability rounds to 0.

    Args:
        logits: (N, K).
        targets: (N, K), one-hot or other numbers that say how much each class counts.

    Returns:
        losses (N,), and probabilities softmax(logits) (N, K).
    """
    raise NotImplementedError


def softmax_cross_entropy_backward(probabilities, targets):
    """The gradient of each sample's own loss with respect to its logits. Nothing is divided by N.

    Targets need not add up to 1 in a row; for those that do, this is probabilities - targets.

    Args:
        probabilities: (N, K), from the forward.
        targets: (N, K).

    Returns:
        dlogits (N, K).
    """
    raise NotImplementedError


# --- optimizers: in place -------------------------------------------------------------------------


def sgd_update(value, gradient, velocity, learning_rate, momentum=0.0, nesterov=False):
    """One step of gradient descent, in place on `value` and `velocity`. Returns nothing.

    Without momentum, velocity is None:  value -= learning_rate * gradient
    With momentum:                       velocity = momentum * velocity - learning_rate * gradient
                                         value += velocity
    With nesterov, the second line is:   value += momentum * velocity - learning_rate * gradient

    In place means that the array which came in has other numbers in it afterwards: `value -= ...`
    does that, and `value = value - ...` makes a new array that nobody sees.

    Args:
        value: the parameter, any shape.
        gradient: the same shape.
        velocity: the same shape, or None.
        learning_rate: a number. It is inside the velocity.
        momentum: a number, the share of the velocity that is kept.
        nesterov: whether to look ahead.
    """
    raise NotImplementedError


def adam_step(value, gradient, m, v, step, learning_rate, beta_1, beta_2, epsilon):
    """One step of Adam, in place on `value`, `m` and `v`. Returns nothing.

    m = beta_1 * m + (1 - beta_1) * gradient
    v = beta_2 * v + (1 - beta_2) * gradient^2
    value -= learning_rate * m_hat / (sqrt(v_hat) + epsilon)

    m_hat and v_hat are m and v with the bias correction, m / (1 - beta_1^step) and
    v / (1 - beta_2^step). What stays in `m` and `v` is not corrected. Epsilon stands outside the
    root. It may be added to sqrt(v_hat), as above, or to sqrt(v), as in Keras ("epsilon hat").

    Args:
        value: the parameter, any shape.
        gradient: the same shape.
        m: the first moment, the same shape; 0 before the first step.
        v: the second moment, likewise.
        step: the number of the step, counted from 1.
        learning_rate: a number.
        beta_1: a number, the share of `m` that is kept.
        beta_2: a number, the share of `v` that is kept.
        epsilon: a number.
    """
    raise NotImplementedError


# --- extra exercises ------------------------------------------------------------------------------


def average_pool_forward(x, pool_size, strides, padding="valid"):
    """The mean of every window. With "same", only pixels of the image are counted, not the zeros.

    Args:
        x: (N, H, W, C).
        pool_size: (PH, PW).
        strides: (SH, SW).
        padding: "valid" or "same".

    Returns:
        y (N, OH, OW, C).
    """
    raise NotImplementedError


def average_pool_backward(dy, x_shape, pool_size, strides, padding="valid"):
    """The gradient of `average_pool_forward`.

    Args:
        dy: (N, OH, OW, C).
        x_shape: (N, H, W, C) of the forward's input.
        pool_size: (PH, PW).
        strides: (SH, SW).
        padding: "valid" or "same".

    Returns:
        dx (N, H, W, C).
    """
    raise NotImplementedError


def batch_norm_forward(x, gamma, beta, mean, variance, epsilon):
    """y = gamma * x_hat + beta with x_hat = (x - mean) / sqrt(variance + epsilon), by channel.

    Args:
        x: (..., C): any number of axes, the last one is C.
        gamma: (C,), the scale.
        beta: (C,), the offset.
        mean: (C,).
        variance: (C,).
        epsilon: a number; it stands inside the root.

    Returns:
        y (..., C).
    """
    raise NotImplementedError


def batch_norm_backward(dy, x, gamma, mean, variance, epsilon, of_batch=True):
    """The gradients of `batch_norm_forward`.

    Args:
        dy: (..., C).
        x: (..., C), the forward's input.
        gamma: (C,).
        mean: (C,), the forward's.
        variance: (C,), the forward's; the biased one, that is, divided by M and not by M - 1.
        epsilon: as in the forward.
        of_batch: True says that mean and variance are those of this `x`, so that x also acts
            through them. False says that they are constants.

    Returns:
        dx (..., C), dgamma (C,), dbeta (C,).
    """
    raise NotImplementedError


def dropout(x, kept, rate):
    """y = x / (1 - rate) where `kept`, else 0; 0 everywhere if the rate is 1.

    Args:
        x: any shape.
        kept: True or False, the same shape.
        rate: the share that is dropped, in [0, 1].

    Returns:
        y, the shape of `x`.
    """
    raise NotImplementedError


# --- everything together --------------------------------------------------------------------------


def network_step(x, targets, conv_kernel, conv_bias, dense_kernel, dense_bias, learning_rate):
    """One step of training of a small network, in place on its four parameters.

    Forward: convolution (strides 1, "valid", with relu), max-pooling with (2, 2) windows and
    strides, flatten, dense, softmax with cross-entropy. The loss is the mean over the N images, so
    it is here that the gradient is divided by N. Then plain gradient descent. All gradients are
    those at the parameters that came in.

    Args:
        x: (N, H, W, C).
        targets: (N, K), one-hot.
        conv_kernel: (KH, KW, C, F).
        conv_bias: (F,).
        dense_kernel: (D, K), with D = OH * OW * F after the pool.
        dense_bias: (K,).
        learning_rate: a number.

    Returns:
        loss, a number: the mean loss before the step.
    """
    raise NotImplementedError
