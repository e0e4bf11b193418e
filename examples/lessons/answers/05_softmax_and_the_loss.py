"""Answers to lesson 5.

The question: minus the logarithm of the right class's probability; every score should move against
probability minus target.

The mistake: exp(1000) is infinite, and infinite by infinite is not a number. The largest score of
each sample may be subtracted from its scores: numerator and denominator shrink by one factor.
The largest of the whole batch is not enough, as a sample far below it would become 0 by 0.
"""

import numpy as np


def softmax_cross_entropy_backward(probabilities, targets):
    """The gradient (N, K) of each sample's own loss with respect to its logits."""
    return probabilities * targets.sum(axis=-1, keepdims=True) - targets


def softmax_forward(x):
    """The probabilities (N, K) of logits (N, K)."""
    with np.errstate(over="ignore", invalid="ignore"):
        e = np.exp(x - x.max(axis=-1, keepdims=True))
        return e / e.sum(axis=-1, keepdims=True)
