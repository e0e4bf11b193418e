"""Max-pooling in which the last of equal numbers wins, and -inf is never mentioned."""

import numpy as np


def max_pool_forward(x, pool_size, strides, padding="valid"):
    PH, PW = pool_size
    N, H, W, C = x.shape
    if padding == "valid":
        OH, OW, top, left = (H - PH) // strides[0] + 1, (W - PW) // strides[1] + 1, 0, 0
    else:
        OH, OW = (H - 1) // strides[0] + 1, (W - 1) // strides[1] + 1
        top = max((OH - 1) * strides[0] + PH - H, 0) // 2
        left = max((OW - 1) * strides[1] + PW - W, 0) // 2
    y = np.zeros((N, OH, OW, C), x.dtype)
    winners = np.zeros((N, OH, OW, C), np.int64)
    for n, i, j, c in np.ndindex(y.shape):
        best = None
        for u in range(PH):
            for v in range(PW):
                r, s = i * strides[0] + u - top, j * strides[1] + v - left
                if r in range(H) and s in range(W) and (best is None or x[n, r, s, c] >= best):
                    best = x[n, r, s, c]
                    winners[n, i, j, c] = u * PW + v
        y[n, i, j, c] = best
    return y, winners
