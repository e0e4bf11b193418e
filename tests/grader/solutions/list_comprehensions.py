"""Lists of lists, and one array at the end."""

import math

import numpy as np


def relu_forward(x):
    return np.array([max(v, 0) for v in x.ravel()], dtype=x.dtype).reshape(x.shape)


def relu_backward(dy, y):
    kept = [g if v > 0 else 0 for g, v in zip(dy.ravel(), y.ravel())]
    return np.array(kept, dtype=dy.dtype).reshape(dy.shape)


def dense_forward(x, kernel, bias, relu=False):
    units = range(kernel.shape[1])
    b = [0] * kernel.shape[1] if bias is None else bias
    y = [[sum(a * w for a, w in zip(row, kernel[:, u])) + b[u] for u in units] for row in x]
    y = [[max(v, 0) for v in row] for row in y] if relu else y
    return np.array(y, dtype=x.dtype)


def softmax_forward(x):
    rows = []
    for row in x.tolist():
        e = [math.exp(v - max(row)) for v in row]
        rows.append([v / sum(e) for v in e])
    return np.array(rows, dtype=x.dtype)


def softmax_cross_entropy_forward(logits, targets):
    losses, probabilities = [], []
    for row, target in zip(logits.tolist(), targets.tolist()):
        top = max(row)
        log_sum = top + math.log(sum(math.exp(v - top) for v in row))
        losses.append(sum(t * (log_sum - v) for t, v in zip(target, row)))
        probabilities.append([math.exp(v - log_sum) for v in row])
    return np.array(losses, logits.dtype), np.array(probabilities, logits.dtype)


def im2col(x, size, strides=(1, 1), padding="valid"):
    N, H, W, C = x.shape
    KH, KW = size
    SH, SW = strides
    same = padding == "same"
    OH, OW = (-(-H // SH), -(-W // SW)) if same else ((H - KH) // SH + 1, (W - KW) // SW + 1)
    top = max((OH - 1) * SH + KH - H, 0) // 2 if same else 0
    left = max((OW - 1) * SW + KW - W, 0) // 2 if same else 0

    def pixel(n, r, s, c):
        return x[n, r, s, c] if 0 <= r < H and 0 <= s < W else 0

    rows = [
        [
            pixel(n, i * SH + u - top, j * SW + v - left, c)
            for u in range(KH)
            for v in range(KW)
            for c in range(C)
        ]
        for n in range(N)
        for i in range(OH)
        for j in range(OW)
    ]
    return np.array(rows, dtype=x.dtype)
