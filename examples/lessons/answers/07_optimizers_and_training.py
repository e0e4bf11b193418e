"""Answers to lesson 7.

The question: a step against the gradient, with SGD in proportion to it, with Adam about as long as
the learning rate.

The mistake: `value = value - step` makes a new array, and the name `value` in the function points
to it. The array that came in, which is the layer's, stays as it was. `value -= step` changes it.

The learning rates: with ten times as much SGD learns nothing any more, and Adam reads more digits
than before. With a tenth both are slow. Adam takes it better, but it does not free you from trying.
"""

import numpy as np


def adam_step(value, gradient, m, v, step, learning_rate, beta_1, beta_2, epsilon):
    """One step of Adam, in place on value, m and v; step counts from 1."""
    m *= beta_1
    m += (1 - beta_1) * gradient
    v *= beta_2
    v += (1 - beta_2) * gradient**2
    m_hat = m / (1 - beta_1**step)
    v_hat = v / (1 - beta_2**step)
    value -= learning_rate * m_hat / (np.sqrt(v_hat) + epsilon)


def sgd_update(value, gradient, velocity, learning_rate, momentum=0.0, nesterov=False):
    """One step of gradient descent, in place."""
    step = gradient * value.dtype.type(learning_rate)
    if velocity is None:
        value -= step
        return
    velocity *= momentum
    velocity -= step
    value += velocity * momentum - step if nesterov else velocity
