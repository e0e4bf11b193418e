"""The definition: every kernel in nested loops, in float64, with its own arithmetic for geometry.

Nothing here is shared with tinycnn. Functions have the names and arguments of
`tinycnn/kernels/reference/`; results are float64 (winners: int32).
"""

import math
from itertools import product

import numpy as np


def tensorflow_geometry(length, size, stride, padding):
    """(number of windows, zeros before) along one axis.

    TensorFlow's own wording: SAME has ceil(in / stride) windows, and if in % stride == 0 the
    padding is max(filter - stride, 0), else max(filter - in % stride, 0), less of it before.
    https://www.tensorflow.org/api_docs/python/tf/nn#notes_on_padding_2
    """
    if padding == "valid":
        return math.ceil((length - size + 1) / stride), 0
    left_over = length % stride
    total = max(size - (left_over or stride), 0)
    return math.ceil(length / stride), total // 2


def windows(x_shape, size, strides, padding):
    """Yields (n, i, j, u, v, h, w): output (i, j) of image n sees pixel (h, w) at place (u, v).

    Pixels outside the image are left out.
    """
    N, H, W, _ = x_shape
    OH, top = tensorflow_geometry(H, size[0], strides[0], padding)
    OW, left = tensorflow_geometry(W, size[1], strides[1], padding)
    for n, i, j in product(range(N), range(OH), range(OW)):
        for u, v in product(range(size[0]), range(size[1])):
            h, w = i * strides[0] + u - top, j * strides[1] + v - left
            if 0 <= h < H and 0 <= w < W:
                yield n, i, j, u, v, h, w


def output_shape(x_shape, size, strides, padding, channels):
    OH, _ = tensorflow_geometry(x_shape[1], size[0], strides[0], padding)
    OW, _ = tensorflow_geometry(x_shape[2], size[1], strides[1], padding)
    return x_shape[0], OH, OW, channels


def im2col(x, size, strides=(1, 1), padding="valid"):
    N, OH, OW, C = output_shape(x.shape, size, strides, padding, x.shape[3])
    cols = np.zeros((N, OH, OW, *size, C))
    for n, i, j, u, v, h, w in windows(x.shape, size, strides, padding):
        cols[n, i, j, u, v] = x[n, h, w]
    return cols.reshape(N * OH * OW, -1)


def col2im(dcols, x_shape, size, strides=(1, 1), padding="valid"):
    N, OH, OW, C = output_shape(x_shape, size, strides, padding, x_shape[3])
    dcols = dcols.reshape(N, OH, OW, *size, C)
    dx = np.zeros(x_shape)
    for n, i, j, u, v, h, w in windows(x_shape, size, strides, padding):
        dx[n, h, w] += dcols[n, i, j, u, v]
    return dx


def conv2d_forward(x, kernel, bias, strides=(1, 1), padding="valid", relu=False):
    x, kernel = np.float64(x), np.float64(kernel)
    KH, KW, C, F = kernel.shape
    y = np.zeros(output_shape(x.shape, (KH, KW), strides, padding, F))
    for n, i, j, u, v, h, w in windows(x.shape, (KH, KW), strides, padding):
        for c in range(C):
            y[n, i, j] += x[n, h, w, c] * kernel[u, v, c]
    if bias is not None:
        y += bias
    return relu_forward(y) if relu else y


def conv2d_backward(dy, x, kernel, strides=(1, 1), padding="valid", y=None, needs_dx=True):
    dy, x, kernel = np.float64(dy), np.float64(x), np.float64(kernel)
    if y is not None:
        dy = relu_backward(dy, y)
    KH, KW, C, F = kernel.shape
    dx, dkernel, dbias = np.zeros(x.shape), np.zeros(kernel.shape), np.zeros(F)
    for n, i, j, u, v, h, w in windows(x.shape, (KH, KW), strides, padding):
        for c in range(C):
            dkernel[u, v, c] += x[n, h, w, c] * dy[n, i, j]
            dx[n, h, w, c] += (kernel[u, v, c] * dy[n, i, j]).sum()
    for n, i, j in product(*map(range, dy.shape[:3])):
        dbias += dy[n, i, j]
    return (dx if needs_dx else None), dkernel, dbias


def max_pool_forward(x, pool_size, strides, padding="valid"):
    x = np.float64(x)
    shape = output_shape(x.shape, pool_size, strides, padding, x.shape[3])
    y, winners = np.zeros(shape), np.full(shape, -1, np.int32)
    for n, i, j, u, v, h, w in windows(x.shape, pool_size, strides, padding):
        for c in range(x.shape[3]):
            value, best = x[n, h, w, c], y[n, i, j, c]
            # The first pixel of a window wins against nothing; a NaN against any number.
            if winners[n, i, j, c] < 0 or value > best or (value != value and best == best):
                y[n, i, j, c], winners[n, i, j, c] = value, u * pool_size[1] + v
    return y, winners


def max_pool_backward(dy, winners, x_shape, pool_size, strides, padding="valid"):
    dx = np.zeros(x_shape)
    for n, i, j, u, v, h, w in windows(x_shape, pool_size, strides, padding):
        for c in range(x_shape[3]):
            if winners[n, i, j, c] == u * pool_size[1] + v:
                dx[n, h, w, c] += dy[n, i, j, c]
    return dx


def conv2d_relu_pool_forward(x, kernel, bias, padding="valid"):
    y = conv2d_forward(x, kernel, bias, (1, 1), padding, relu=True)
    y, winners = max_pool_forward(y, (2, 2), (2, 2))
    return y, np.where(y > 0, winners, 4)


def conv2d_relu_pool_backward(dy, x, kernel, winners, padding="valid"):
    shape = output_shape(x.shape, kernel.shape[:2], (1, 1), padding, kernel.shape[3])
    dz = max_pool_backward(dy, winners, shape, (2, 2), (2, 2))
    return conv2d_backward(dz, x, kernel, (1, 1), padding)


def dense_forward(x, kernel, bias, relu=False):
    y = np.zeros((len(x), kernel.shape[1]))
    for n, d, u in product(range(len(x)), *map(range, kernel.shape)):
        y[n, u] += float(x[n, d]) * float(kernel[d, u])
    if bias is not None:
        y += bias
    return relu_forward(y) if relu else y


def dense_backward(dy, x, kernel, y=None, needs_dx=True):
    dy, x, kernel = np.float64(dy), np.float64(x), np.float64(kernel)
    if y is not None:
        dy = relu_backward(dy, y)
    dx, dkernel, dbias = np.zeros(x.shape), np.zeros(kernel.shape), np.zeros(kernel.shape[1])
    for n, u in product(*map(range, dy.shape)):
        dbias[u] += dy[n, u]
        for d in range(len(kernel)):
            dkernel[d, u] += x[n, d] * dy[n, u]
            dx[n, d] += dy[n, u] * kernel[d, u]
    return (dx if needs_dx else None), dkernel, dbias


def relu_forward(x):
    y = np.float64(x).copy()
    for place in np.ndindex(y.shape):
        y[place] = 0.0 if y[place] < 0 else y[place]
    return y


def relu_backward(dy, y):
    dx = np.zeros(dy.shape)
    for place in np.ndindex(dy.shape):
        dx[place] = dy[place] if y[place] > 0 else 0.0
    return dx


def average_pool_forward(x, pool_size, strides, padding="valid"):
    x = np.float64(x)
    y = np.zeros(output_shape(x.shape, pool_size, strides, padding, x.shape[3]))
    count = np.zeros(y.shape)
    for n, i, j, *_, h, w in windows(x.shape, pool_size, strides, padding):
        y[n, i, j] += x[n, h, w]
        count[n, i, j] += 1
    return y / count


def average_pool_backward(dy, x_shape, pool_size, strides, padding="valid"):
    count, dx = np.zeros(dy.shape), np.zeros(x_shape)
    for n, i, j, *_ in windows(x_shape, pool_size, strides, padding):
        count[n, i, j] += 1
    for n, i, j, *_, h, w in windows(x_shape, pool_size, strides, padding):
        dx[n, h, w] += np.float64(dy[n, i, j]) / count[n, i, j]
    return dx


def moments(x):
    """Two passes; sums without rounding."""
    mean, variance = np.zeros(x.shape[-1]), np.zeros(x.shape[-1])
    for c in range(x.shape[-1]):
        values = [float(value) for value in x[..., c].ravel()]
        mean[c] = math.fsum(values) / len(values)
        variance[c] = math.fsum((value - mean[c]) ** 2 for value in values) / len(values)
    return mean, variance


def batch_norm_forward(x, gamma, beta, mean, variance, epsilon):
    y = np.zeros(x.shape)
    for place in np.ndindex(x.shape):
        c = place[-1]
        x_hat = (float(x[place]) - mean[c]) / math.sqrt(variance[c] + epsilon)
        y[place] = gamma[c] * x_hat + beta[c]
    return y


def batch_norm_backward(dy, x, gamma, mean, variance, epsilon, of_batch=True):
    """As in the paper, by way of dvariance and dmean: Ioffe and Szegedy 2015, Section 3."""
    dy, x, gamma, mean, variance = map(np.float64, (dy, x, gamma, mean, variance))
    dx, dgamma, dbeta = np.zeros(x.shape), np.zeros(gamma.shape), np.zeros(gamma.shape)
    for c in range(x.shape[-1]):
        v, d, s = x[..., c] - mean[c], dy[..., c], 1 / math.sqrt(variance[c] + epsilon)
        dbeta[c], dgamma[c] = math.fsum(d.ravel()), math.fsum((d * v * s).ravel())
        dx_hat = d * gamma[c]
        dx[..., c] = dx_hat * s
        if of_batch:
            dvariance = math.fsum((dx_hat * v).ravel()) * -0.5 * s**3
            dmean = -s * math.fsum(dx_hat.ravel()) - 2 * dvariance * math.fsum(v.ravel()) / v.size
            dx[..., c] += dvariance * 2 * v / v.size + dmean / v.size
    return dx, dgamma, dbeta


def dropout(x, kept, rate):
    y = np.zeros(x.shape)
    for place in np.ndindex(x.shape):
        y[place] = float(x[place]) / (1 - rate) if kept[place] else 0.0
    return y


def affine_weights(transforms, H, W):
    """Of every output pixel, how much of every input pixel: (N, H, W, H, W)."""
    weights = np.zeros((len(transforms), H, W, H, W))
    for n, i, j, h, w in np.ndindex(weights.shape):
        column, row = (a * j + b * i + c for a, b, c in transforms[n].tolist())
        weights[n, i, j, h, w] = max(0, 1 - abs(row - h)) * max(0, 1 - abs(column - w))
    return weights


def affine_transform_forward(x, transforms):
    weights = affine_weights(transforms, *x.shape[1:3])
    return np.einsum("nijhw,nhwc->nijc", weights, x.astype(np.float64))


def affine_transform_backward(dy, transforms):
    weights = affine_weights(transforms, *dy.shape[1:3])
    return np.einsum("nijhw,nijc->nhwc", weights, dy.astype(np.float64))


def each(function):
    """`function` of numbers, on arrays of any shape."""

    def apply(*arguments):
        arrays = [a for a in arguments if isinstance(a, np.ndarray)]
        rest = arguments[len(arrays) :]
        y = np.zeros(arrays[0].shape)
        for place in np.ndindex(y.shape):
            y[place] = function(*(float(array[place]) for array in arrays), *rest)
        return y

    return apply


sigmoid_forward = each(lambda x: 1 / (1 + math.exp(-x)))
sigmoid_backward = each(lambda dy, y: dy * (y - y * y))
tanh_forward = each(math.tanh)
tanh_backward = each(lambda dy, y: dy * (1 + y) * (1 - y))
leaky_relu_forward = each(lambda x, slope: x if x > 0 else slope * x)
leaky_relu_backward = each(lambda dy, y, slope: dy if y > 0 else slope * dy)
elu_forward = each(lambda x, alpha: x if x > 0 else alpha * math.expm1(x))
elu_backward = each(lambda dy, y, alpha: dy if y > 0 else dy * (y + alpha))
silu_forward = each(lambda x: x / (1 + math.exp(-x)))
silu_backward = each(lambda dy, x: dy * (1 + math.exp(-x) * (1 + x)) / (1 + math.exp(-x)) ** 2)
softplus_forward = each(lambda x: math.log1p(math.exp(x)))
softplus_backward = each(lambda dy, y: dy * (1 - math.exp(-y)))


def _bounded_relu(x, most, slope, start):
    if x <= start:
        return slope * (x - start)
    return x if most is None or x < most else most


def _bounded_relu_slope(dy, x, most, slope, start):
    if x < start:
        return slope * dy
    if x == start or (x == most == 6 and start == 0):
        return 0.0
    return dy if most is None or x <= most else 0.0


bounded_relu_forward = each(_bounded_relu)
bounded_relu_backward = each(_bounded_relu_slope)


def zero_pad_forward(x, padding):
    (top, bottom), (left, right) = padding
    N, H, W, C = x.shape
    y = np.zeros((N, top + H + bottom, left + W + right, C))
    for n, h, w, c in np.ndindex(x.shape):
        y[n, top + h, left + w, c] = x[n, h, w, c]
    return y


def zero_pad_backward(dy, padding):
    (top, bottom), (left, right) = padding
    N, OH, OW, C = dy.shape
    dx = np.zeros((N, OH - top - bottom, OW - left - right, C))
    for n, h, w, c in np.ndindex(dx.shape):
        dx[n, h, w, c] = dy[n, top + h, left + w, c]
    return dx


def upsample_forward(x, size):
    N, H, W, C = x.shape
    y = np.zeros((N, H * size[0], W * size[1], C))
    for n, i, j, c in np.ndindex(y.shape):
        y[n, i, j, c] = x[n, i // size[0], j // size[1], c]
    return y


def upsample_backward(dy, size):
    N, OH, OW, C = dy.shape
    dx = np.zeros((N, OH // size[0], OW // size[1], C))
    for n, i, j, c in np.ndindex(dy.shape):
        dx[n, i // size[0], j // size[1], c] += dy[n, i, j, c]
    return dx


def global_max_pool_forward(x):
    y = np.zeros((x.shape[0], x.shape[3]))
    for n, c in np.ndindex(y.shape):
        y[n, c] = max(float(x[n, h, w, c]) for h, w in np.ndindex(x.shape[1:3]))
    return y


def global_max_pool_backward(dy, x, y):
    dx = np.zeros(x.shape)
    for n, c in np.ndindex(y.shape):
        won = [(h, w) for h, w in np.ndindex(x.shape[1:3]) if x[n, h, w, c] == y[n, c]]
        for h, w in won:
            dx[n, h, w, c] = float(dy[n, c]) / len(won)
    return dx


def softmax_forward(x):
    return np.exp(log_softmax(x))


def softmax_backward(dy, y):
    """By the Jacobian: dy_k / dx_i = y_k * ([i == k] - y_i)."""
    dx = np.zeros(y.shape)
    for row in np.ndindex(y.shape[:-1]):
        for i, k in product(range(y.shape[-1]), repeat=2):
            dx[(*row, i)] += dy[(*row, k)] * y[(*row, k)] * ((i == k) - y[(*row, i)])
    return dx


def log_softmax(x):
    y = np.float64(x).copy()
    for row in np.ndindex(y.shape[:-1]):
        values = [float(value) for value in y[row]]
        top = max(values)
        log_total = top + math.log(math.fsum(math.exp(value - top) for value in values))
        y[row] = [value - log_total for value in values]
    return y


def softmax_cross_entropy_forward(logits, targets):
    log_p = log_softmax(logits)
    losses = [
        -math.fsum(float(t) * p for t, p in zip(row, log_row, strict=True))
        for row, log_row in zip(targets, log_p, strict=True)
    ]
    return np.array(losses), np.exp(log_p)


def softmax_cross_entropy_backward(probabilities, targets):
    """d/dlogit_i of -sum_k t_k log p_k, by d log p_k / d logit_i = [i == k] - p_i."""
    dlogits = np.zeros(probabilities.shape)
    for n, i, k in product(range(len(targets)), *[range(targets.shape[1])] * 2):
        dlogits[n, i] -= float(targets[n, k]) * ((i == k) - float(probabilities[n, i]))
    return dlogits


def adam_update(value, gradient, m, v, step_size, beta_1, beta_2, epsilon):
    """In place, on float64 arrays."""
    for place in np.ndindex(value.shape):
        g = float(gradient[place])
        m[place] = beta_1 * m[place] + (1 - beta_1) * g
        v[place] = beta_2 * v[place] + (1 - beta_2) * g * g
        value[place] -= float(step_size) * m[place] / (math.sqrt(v[place]) + epsilon)


def rmsprop_update(value, gradient, mean_square, mean_gradient, velocity, lr, rho, mu, epsilon):
    """In place, on float64 arrays."""
    for place in np.ndindex(value.shape):
        g = float(gradient[place])
        mean_square[place] = rho * mean_square[place] + (1 - rho) * g * g
        variance = mean_square[place]
        if mean_gradient is not None:
            mean_gradient[place] = rho * mean_gradient[place] + (1 - rho) * g
            variance -= mean_gradient[place] ** 2
        step = lr * g / math.sqrt(variance + epsilon)
        if velocity is not None:
            step = velocity[place] = mu * velocity[place] + step
        value[place] -= step


def sgd_update(value, gradient, velocity, learning_rate, momentum=0.0, nesterov=False):
    """In place, on float64 arrays."""
    for place in np.ndindex(value.shape):
        step = -learning_rate * float(gradient[place])
        if velocity is not None:
            velocity[place] = momentum * velocity[place] + step
            step = momentum * velocity[place] + step if nesterov else velocity[place]
        value[place] += step


def amsgrad_update(value, gradient, m, v, v_max, step_size, beta_1, beta_2, epsilon):
    """In place, on float64 arrays."""
    for place in np.ndindex(value.shape):
        g = float(gradient[place])
        m[place] = beta_1 * m[place] + (1 - beta_1) * g
        v[place] = beta_2 * v[place] + (1 - beta_2) * g * g
        v_max[place] = max(v_max[place], v[place])
        value[place] -= float(step_size) * m[place] / (math.sqrt(v_max[place]) + epsilon)


def adagrad_update(value, gradient, sum_of_squares, learning_rate, epsilon):
    """In place, on float64 arrays."""
    for place in np.ndindex(value.shape):
        g = float(gradient[place])
        sum_of_squares[place] += g * g
        value[place] -= learning_rate * g / math.sqrt(sum_of_squares[place] + epsilon)


def adadelta_update(value, gradient, mean_square, mean_square_step, learning_rate, rho, epsilon):
    """In place, on float64 arrays: Zeiler 2012, Algorithm 1."""
    for place in np.ndindex(value.shape):
        g = float(gradient[place])
        mean_square[place] = rho * mean_square[place] + (1 - rho) * g * g
        step = -g * math.sqrt((mean_square_step[place] + epsilon) / (mean_square[place] + epsilon))
        mean_square_step[place] = rho * mean_square_step[place] + (1 - rho) * step * step
        value[place] += learning_rate * step


def nadam_momentum_product(first, last, before, beta_1, dtype=None):
    return before * math.prod(beta_1 * (1 - 0.96**t / 2) for t in range(first, last + 1))


def nadam_update(value, gradient, m, v, learning_rate, step, product, beta_1, beta_2, epsilon):
    """In place, on float64 arrays: Dozat 2015, Algorithm 8."""
    mu, next_mu = (beta_1 * (1 - 0.96**t / 2) for t in (step, step + 1))
    for place in np.ndindex(value.shape):
        g = float(gradient[place])
        m[place] = beta_1 * m[place] + (1 - beta_1) * g
        v[place] = beta_2 * v[place] + (1 - beta_2) * g * g
        g_hat, m_hat = g / (1 - product), m[place] / (1 - product * next_mu)
        v_hat = v[place] / (1 - beta_2**step)
        m_bar = (1 - mu) * g_hat + next_mu * m_hat
        value[place] -= learning_rate * m_bar / (math.sqrt(v_hat) + epsilon)
