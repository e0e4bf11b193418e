"""The network's step without any of the other functions."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view


def network_step(x, targets, conv_kernel, conv_bias, dense_kernel, dense_bias, learning_rate):
    N = len(x)
    KH, KW, C, F = conv_kernel.shape
    windows = sliding_window_view(x, (KH, KW), axis=(1, 2))
    z = np.einsum("nijcuv,uvcf->nijf", windows, conv_kernel) + conv_bias
    a = np.maximum(z, 0)
    PH, PW = a.shape[1] // 2, a.shape[2] // 2
    quads = a[:, : 2 * PH, : 2 * PW].reshape(N, PH, 2, PW, 2, F)
    pooled = quads.max(axis=(2, 4))
    flat = pooled.reshape(N, -1)
    logits = flat @ dense_kernel + dense_bias
    logits = logits - logits.max(axis=1, keepdims=True)
    log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    loss = -(targets * log_p).sum() / N
    dlogits = (np.exp(log_p) - targets) / N
    dpooled = (dlogits @ dense_kernel.T).reshape(pooled.shape)
    order = quads.transpose(0, 1, 3, 5, 2, 4).reshape(N, PH, PW, F, 4)
    first = np.eye(4, dtype=x.dtype)[order.argmax(axis=-1)] * dpooled[..., None]
    spread = first.reshape(N, PH, PW, F, 2, 2).transpose(0, 1, 4, 2, 5, 3)
    dz = np.zeros_like(z)
    dz[:, : 2 * PH, : 2 * PW] = spread.reshape(N, 2 * PH, 2 * PW, F)
    dz *= z > 0
    dense_kernel -= learning_rate * (flat.T @ dlogits)
    dense_bias -= learning_rate * dlogits.sum(axis=0)
    conv_kernel -= learning_rate * np.einsum("nijcuv,nijf->uvcf", windows, dz)
    conv_bias -= learning_rate * dz.sum(axis=(0, 1, 2))
    return loss
