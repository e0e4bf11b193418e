"""Adam as Algorithm 1 of the paper has it, and SGD, with whole-array assignments in place."""

import numpy as np


def sgd_update(value, gradient, velocity, learning_rate, momentum=0.0, nesterov=False):
    if velocity is None:
        value[:] = value - learning_rate * gradient
    else:
        velocity[:] = momentum * velocity - learning_rate * gradient
        value[:] = value + (
            momentum * velocity - learning_rate * gradient if nesterov else velocity
        )


def adam_step(value, gradient, m, v, step, learning_rate, beta_1, beta_2, epsilon):
    m[...] = beta_1 * m + (1 - beta_1) * gradient
    v[...] = beta_2 * v + (1 - beta_2) * np.square(gradient)
    m_hat = m / (1 - beta_1**step)
    v_hat = v / (1 - beta_2**step)
    value[...] = value - learning_rate * m_hat / (np.sqrt(v_hat) + epsilon)
