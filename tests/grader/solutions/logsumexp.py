"""The cross-entropy by way of log-sum-exp."""

import numpy as np


def softmax_cross_entropy_forward(logits, targets):
    log_sum = np.logaddexp.reduce(logits, axis=1, keepdims=True)
    losses = (targets * (log_sum - logits)).sum(axis=1)
    return losses, np.exp(logits - log_sum)


def softmax_cross_entropy_backward(probabilities, targets):
    weights = np.einsum("nk->n", targets)
    return (probabilities.T * weights).T - targets


def softmax_forward(x):
    return np.exp(x - np.logaddexp.reduce(x, axis=-1, keepdims=True))
