"""Adam as Keras has it: one step size with both corrections, and "epsilon hat"."""

import numpy as np


def adam_step(value, gradient, m, v, step, learning_rate, beta_1, beta_2, epsilon):
    alpha = learning_rate * np.sqrt(1 - np.power(beta_2, step)) / (1 - np.power(beta_1, step))
    m += (gradient - m) * (1 - beta_1)
    v += (gradient * gradient - v) * (1 - beta_2)
    value -= alpha * m / (np.sqrt(v) + epsilon)


def sgd_update(value, gradient, velocity, learning_rate, momentum=0.0, nesterov=False):
    np.multiply(gradient, -learning_rate, out=(step := np.empty_like(gradient)))
    if velocity is not None:
        np.multiply(velocity, momentum, out=velocity)
        np.add(velocity, step, out=velocity)
        step = momentum * velocity + step if nesterov else velocity
    np.add(value, step, out=value)
