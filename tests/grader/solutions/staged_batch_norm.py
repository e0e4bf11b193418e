"""Batch normalisation's backward, one node of the graph after the other."""

import numpy as np


def batch_norm_forward(x, gamma, beta, mean, variance, epsilon):
    centred = x - mean
    deviation = np.sqrt(variance + np.asarray(epsilon, variance.dtype))
    return gamma * (centred / deviation) + beta


def batch_norm_backward(dy, x, gamma, mean, variance, epsilon, of_batch=True):
    shape, C = x.shape, x.shape[-1]
    dy, x = dy.reshape(-1, C), x.reshape(-1, C)
    M = len(x)
    centred = x - mean
    deviation = np.sqrt(variance + np.asarray(epsilon, variance.dtype))
    x_hat = centred / deviation
    dbeta = dy.sum(0)
    dgamma = (dy * x_hat).sum(0)
    dx_hat = dy * gamma
    dcentred = dx_hat / deviation
    if of_batch:
        ddeviation = (dx_hat * -centred).sum(0) / deviation**2
        dvariance = ddeviation / (2 * deviation)
        dcentred = dcentred + dvariance * 2 * centred / M
        dmean = -dcentred.sum(0)
        dx = dcentred + dmean / M
    else:
        dx = dcentred
    return dx.reshape(shape), dgamma, dbeta


def dropout(x, kept, rate):
    y = x.copy()
    y[~kept] = 0
    return y * 0 if rate == 1 else y / x.dtype.type(1 - rate)
