"""All functions as a student writes them who thinks in loops: a right solution, to be mutated."""

import math

import numpy as np


def out_and_pad(length, size, stride, padding):
    if padding == "valid":
        return (length - size) // stride + 1, 0, 0
    count = math.ceil(length / stride)
    total = max((count - 1) * stride + size - length, 0)
    before = total // 2
    return count, before, total - before


def padded(x, size, strides, padding, value=0.0):
    N, H, W, C = x.shape
    OH, top, bottom = out_and_pad(H, size[0], strides[0], padding)
    OW, left, right = out_and_pad(W, size[1], strides[1], padding)
    big = np.full((N, H + top + bottom, W + left + right, C), value, x.dtype)
    big[:, top : top + H, left : left + W, :] = x
    return big, OH, OW, top, left


def im2col(x, size, strides=(1, 1), padding="valid"):
    N, H, W, C = x.shape
    KH, KW = size
    SH, SW = strides
    big, OH, OW, top, left = padded(x, size, strides, padding)
    cols = np.zeros((N * OH * OW, KH * KW * C), x.dtype)
    row = 0
    for n in range(N):
        for i in range(OH):
            for j in range(OW):
                column = 0
                for u in range(KH):
                    for v in range(KW):
                        for c in range(C):
                            cols[row, column] = big[n, i * SH + u, j * SW + v, c]
                            column += 1
                row += 1
    return cols


def col2im(dcols, x_shape, size, strides=(1, 1), padding="valid"):
    N, H, W, C = x_shape
    KH, KW = size
    SH, SW = strides
    OH, top, bottom = out_and_pad(H, KH, SH, padding)
    OW, left, right = out_and_pad(W, KW, SW, padding)
    big = np.zeros((N, H + top + bottom, W + left + right, C), dcols.dtype)
    row = 0
    for n in range(N):
        for i in range(OH):
            for j in range(OW):
                column = 0
                for u in range(KH):
                    for v in range(KW):
                        for c in range(C):
                            big[n, i * SH + u, j * SW + v, c] += dcols[row, column]
                            column += 1
                row += 1
    return big[:, top : top + H, left : left + W, :]


def relu_forward(x):
    y = np.zeros_like(x)
    y[x > 0] = x[x > 0]
    return y


def relu_backward(dy, y):
    dx = np.zeros_like(dy)
    dx[y > 0] = dy[y > 0]
    return dx


def conv2d_forward(x, kernel, bias, strides=(1, 1), padding="valid", relu=False):
    KH, KW, C, F = kernel.shape
    SH, SW = strides
    N = x.shape[0]
    big, OH, OW, top, left = padded(x, (KH, KW), strides, padding)
    y = np.zeros((N, OH, OW, F), x.dtype)
    for n in range(N):
        for i in range(OH):
            for j in range(OW):
                for f in range(F):
                    total = 0.0
                    for u in range(KH):
                        for v in range(KW):
                            for c in range(C):
                                total += big[n, i * SH + u, j * SW + v, c] * kernel[u, v, c, f]
                    if bias is not None:
                        total += bias[f]
                    if relu and total < 0:
                        total = 0.0
                    y[n, i, j, f] = total
    return y


def conv2d_backward(dy, x, kernel, strides=(1, 1), padding="valid", y=None, needs_dx=True):
    KH, KW, C, F = kernel.shape
    SH, SW = strides
    N, H, W, C = x.shape
    big, OH, OW, top, left = padded(x, (KH, KW), strides, padding)
    dbig = np.zeros_like(big)
    dkernel = np.zeros_like(kernel)
    dbias = np.zeros(F, dy.dtype)
    for n in range(N):
        for i in range(OH):
            for j in range(OW):
                for f in range(F):
                    g = dy[n, i, j, f]
                    if y is not None and y[n, i, j, f] <= 0:
                        g = 0.0
                    dbias[f] += g
                    for u in range(KH):
                        for v in range(KW):
                            for c in range(C):
                                dkernel[u, v, c, f] += big[n, i * SH + u, j * SW + v, c] * g
                                dbig[n, i * SH + u, j * SW + v, c] += kernel[u, v, c, f] * g
    return dbig[:, top : top + H, left : left + W, :], dkernel, dbias


def max_pool_forward(x, pool_size, strides, padding="valid"):
    PH, PW = pool_size
    SH, SW = strides
    N, H, W, C = x.shape
    OH, top, bottom = out_and_pad(H, PH, SH, padding)
    OW, left, right = out_and_pad(W, PW, SW, padding)
    y = np.zeros((N, OH, OW, C), x.dtype)
    winners = np.zeros((N, OH, OW, C), np.int32)
    for n in range(N):
        for i in range(OH):
            for j in range(OW):
                for c in range(C):
                    best = -math.inf
                    winner = 0
                    for u in range(PH):
                        for v in range(PW):
                            r = i * SH + u - top
                            s = j * SW + v - left
                            inside = 0 <= r < H and 0 <= s < W
                            value = x[n, r, s, c] if inside else -math.inf
                            if value > best:
                                best = value
                                winner = u * PW + v
                    y[n, i, j, c] = best
                    winners[n, i, j, c] = winner
    return y, winners


def max_pool_backward(dy, winners, x_shape, pool_size, strides, padding="valid"):
    PH, PW = pool_size
    SH, SW = strides
    N, H, W, C = x_shape
    OH, top, bottom = out_and_pad(H, PH, SH, padding)
    OW, left, right = out_and_pad(W, PW, SW, padding)
    dx = np.zeros((N, H, W, C), dy.dtype)
    for n in range(N):
        for i in range(OH):
            for j in range(OW):
                for c in range(C):
                    u = winners[n, i, j, c] // PW
                    v = winners[n, i, j, c] % PW
                    dx[n, i * SH + u - top, j * SW + v - left, c] += dy[n, i, j, c]
    return dx


def dense_forward(x, kernel, bias, relu=False):
    N, D = x.shape
    U = kernel.shape[1]
    y = np.zeros((N, U), x.dtype)
    for n in range(N):
        for u in range(U):
            total = 0.0
            for d in range(D):
                total += x[n, d] * kernel[d, u]
            if bias is not None:
                total += bias[u]
            if relu and total < 0:
                total = 0.0
            y[n, u] = total
    return y


def dense_backward(dy, x, kernel, y=None, needs_dx=True):
    N, D = x.shape
    U = kernel.shape[1]
    dx = np.zeros_like(x)
    dkernel = np.zeros_like(kernel)
    dbias = np.zeros(U, dy.dtype)
    for n in range(N):
        for u in range(U):
            g = dy[n, u]
            if y is not None and y[n, u] <= 0:
                g = 0.0
            dbias[u] += g
            for d in range(D):
                dkernel[d, u] += x[n, d] * g
                dx[n, d] += kernel[d, u] * g
    return dx, dkernel, dbias


def softmax_forward(x):
    N, K = x.shape
    y = np.zeros_like(x)
    for n in range(N):
        largest = x[n, 0]
        for k in range(K):
            if x[n, k] > largest:
                largest = x[n, k]
        total = 0.0
        for k in range(K):
            y[n, k] = math.exp(x[n, k] - largest)
            total += y[n, k]
        for k in range(K):
            y[n, k] /= total
    return y


def softmax_backward(dy, y):
    N, K = y.shape
    dx = np.zeros_like(y)
    for n in range(N):
        for i in range(K):
            for j in range(K):
                if i == j:
                    dx[n, j] += dy[n, i] * y[n, i] * (1 - y[n, i])
                else:
                    dx[n, j] -= dy[n, i] * y[n, i] * y[n, j]
    return dx


def softmax_cross_entropy_forward(logits, targets):
    N, K = logits.shape
    losses = np.zeros(N, logits.dtype)
    probabilities = np.zeros_like(logits)
    for n in range(N):
        largest = max(logits[n, k] for k in range(K))
        total = 0.0
        for k in range(K):
            total += math.exp(logits[n, k] - largest)
        for k in range(K):
            log_p = logits[n, k] - largest - math.log(total)
            losses[n] -= targets[n, k] * log_p
            probabilities[n, k] = math.exp(log_p)
    return losses, probabilities


def softmax_cross_entropy_backward(probabilities, targets):
    N, K = targets.shape
    dlogits = np.zeros_like(probabilities)
    for n in range(N):
        weight = 0.0
        for k in range(K):
            weight += targets[n, k]
        for k in range(K):
            dlogits[n, k] = weight * probabilities[n, k] - targets[n, k]
    return dlogits


def sgd_update(value, gradient, velocity, learning_rate, momentum=0.0, nesterov=False):
    for index in np.ndindex(value.shape):
        step = learning_rate * gradient[index]
        if velocity is None:
            value[index] -= step
        else:
            velocity[index] = momentum * velocity[index] - step
            if nesterov:
                value[index] += momentum * velocity[index] - step
            else:
                value[index] += velocity[index]


def adam_step(value, gradient, m, v, step, learning_rate, beta_1, beta_2, epsilon):
    for index in np.ndindex(value.shape):
        g = gradient[index]
        m[index] = beta_1 * m[index] + (1 - beta_1) * g
        v[index] = beta_2 * v[index] + (1 - beta_2) * g * g
        m_hat = m[index] / (1 - beta_1**step)
        v_hat = v[index] / (1 - beta_2**step)
        value[index] -= learning_rate * m_hat / (math.sqrt(v_hat) + epsilon)


def average_pool_forward(x, pool_size, strides, padding="valid"):
    PH, PW = pool_size
    SH, SW = strides
    N, H, W, C = x.shape
    OH, top, bottom = out_and_pad(H, PH, SH, padding)
    OW, left, right = out_and_pad(W, PW, SW, padding)
    y = np.zeros((N, OH, OW, C), x.dtype)
    for n in range(N):
        for i in range(OH):
            for j in range(OW):
                for c in range(C):
                    total = 0.0
                    count = 0
                    for u in range(PH):
                        for v in range(PW):
                            r = i * SH + u - top
                            s = j * SW + v - left
                            if 0 <= r < H and 0 <= s < W:
                                total += x[n, r, s, c]
                                count += 1
                    y[n, i, j, c] = total / count
    return y


def average_pool_backward(dy, x_shape, pool_size, strides, padding="valid"):
    PH, PW = pool_size
    SH, SW = strides
    N, H, W, C = x_shape
    OH, top, bottom = out_and_pad(H, PH, SH, padding)
    OW, left, right = out_and_pad(W, PW, SW, padding)
    dx = np.zeros((N, H, W, C), dy.dtype)
    for n in range(N):
        for i in range(OH):
            for j in range(OW):
                r0, r1 = max(i * SH - top, 0), min(i * SH - top + PH, H)
                s0, s1 = max(j * SW - left, 0), min(j * SW - left + PW, W)
                for c in range(C):
                    dx[n, r0:r1, s0:s1, c] += dy[n, i, j, c] / ((r1 - r0) * (s1 - s0))
    return dx


def batch_norm_forward(x, gamma, beta, mean, variance, epsilon):
    y = np.zeros_like(x)
    for c in range(x.shape[-1]):
        deviation = math.sqrt(variance[c] + epsilon)
        y[..., c] = gamma[c] * (x[..., c] - mean[c]) / deviation + beta[c]
    return y


def batch_norm_backward(dy, x, gamma, mean, variance, epsilon, of_batch=True):
    C = x.shape[-1]
    M = x.size // C
    dx = np.zeros_like(x)
    dgamma = np.zeros_like(gamma)
    dbeta = np.zeros_like(gamma)
    for c in range(C):
        deviation = math.sqrt(variance[c] + epsilon)
        x_hat = (x[..., c] - mean[c]) / deviation
        dgamma[c] = (dy[..., c] * x_hat).sum()
        dbeta[c] = dy[..., c].sum()
        dx_hat = dy[..., c] * gamma[c]
        if of_batch:
            dx_hat = dx_hat - dx_hat.mean() - x_hat * (dx_hat * x_hat).sum() / M
        dx[..., c] = dx_hat / deviation
    return dx, dgamma, dbeta


def dropout(x, kept, rate):
    y = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        if kept[index] and rate < 1:
            y[index] = x[index] / (1 - rate)
    return y


def network_step(x, targets, conv_kernel, conv_bias, dense_kernel, dense_bias, learning_rate):
    N = x.shape[0]
    z = conv2d_forward(x, conv_kernel, conv_bias, (1, 1), "valid", True)
    pooled, winners = max_pool_forward(z, (2, 2), (2, 2))
    flat = pooled.reshape(N, -1)
    logits = dense_forward(flat, dense_kernel, dense_bias)
    losses, probabilities = softmax_cross_entropy_forward(logits, targets)
    loss = losses.sum() / N
    dlogits = softmax_cross_entropy_backward(probabilities, targets) / N
    dflat, ddense_kernel, ddense_bias = dense_backward(dlogits, flat, dense_kernel)
    dpooled = dflat.reshape(pooled.shape)
    dz = max_pool_backward(dpooled, winners, z.shape, (2, 2), (2, 2))
    dx, dconv_kernel, dconv_bias = conv2d_backward(dz, x, conv_kernel, (1, 1), "valid", z)
    sgd_update(conv_kernel, dconv_kernel, None, learning_rate)
    sgd_update(conv_bias, dconv_bias, None, learning_rate)
    sgd_update(dense_kernel, ddense_kernel, None, learning_rate)
    sgd_update(dense_bias, ddense_bias, None, learning_rate)
    return loss
