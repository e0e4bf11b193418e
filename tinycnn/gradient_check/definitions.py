"""What optimizers are by definition: every step computed anew from all gradients so far.

An optimizer remembers running means, and each step changes them. Here they are written out as sums,
and nothing is remembered:
    m after t steps = (1 - beta) * (g_t + beta * g_(t-1) + ... + beta^(t-1) * g_1).

Sources: as in kernels/reference/optimizers.py.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np

from tinycnn.optimizers import SGD, Adadelta, Adagrad, Adam, Nadam, Optimizer, RMSprop
from tinycnn.utils import Array

# (all gradients so far, the learning rate of each step) -> the change of the value in the last step
Definition = Callable[[Sequence[Array], Sequence[float]], Array]


def mean(values: Sequence[Array], beta: float) -> Array:
    """(1 - beta) * (the last value + beta * the one before + beta^2 * ...)."""
    t = len(values)
    weights = [(1 - beta) * beta ** (t - 1 - i) for i in range(t)]
    return np.asarray(sum(w * value for w, value in zip(weights, values, strict=True)))


def sgd(momentum: float = 0.0, nesterov: bool = False) -> Definition:
    """Gradient descent; with momentum, all steps so far, each counted momentum times the next."""

    def change(gradients: Sequence[Array], rates: Sequence[float]) -> Array:
        steps = [-rate * g for rate, g in zip(rates, gradients, strict=True)]
        t = len(steps)
        velocity = np.asarray(sum(momentum ** (t - 1 - i) * steps[i] for i in range(t)))
        return momentum * velocity + steps[-1] if nesterov else velocity

    return change


def adam(
    beta_1: float, beta_2: float, epsilon: float, hat: bool = False, amsgrad: bool = False
) -> Definition:
    """Adam; with `hat`, epsilon is added before the bias correction, as Keras does.

    With `amsgrad` the largest second moment so far, before the correction, takes the last's place.
    """

    def change(gradients: Sequence[Array], rates: Sequence[float]) -> Array:
        t = len(gradients)
        first, second = 1 - beta_1**t, 1 - beta_2**t
        m = mean(gradients, beta_1) / first
        squares = [g * g for g in gradients]
        v = mean(squares, beta_2)
        for i in range(1, t if amsgrad else 1):
            v = np.maximum(v, mean(squares[:i], beta_2))
        root = np.sqrt(v / second)
        return -rates[-1] * m / (root + (epsilon / np.sqrt(second) if hat else epsilon))

    return change


def rmsprop(rho: float, momentum: float, epsilon: float, centered: bool) -> Definition:
    """RMSprop, with epsilon inside the root."""

    def step(gradients: Sequence[Array], rate: float) -> Array:
        variance = mean([g * g for g in gradients], rho)
        if centered:
            variance = np.maximum(variance - mean(gradients, rho) ** 2, 0)
        return -rate * gradients[-1] / np.sqrt(variance + epsilon)

    def change(gradients: Sequence[Array], rates: Sequence[float]) -> Array:
        t = len(gradients)
        steps = [step(gradients[: i + 1], rates[i]) for i in range(t)]
        return np.asarray(sum(momentum ** (t - 1 - i) * steps[i] for i in range(t)))

    return change


def adagrad(initial: float, epsilon: float) -> Definition:
    """Adagrad, with epsilon inside the root."""

    def change(gradients: Sequence[Array], rates: Sequence[float]) -> Array:
        total = initial + sum(g * g for g in gradients)
        return np.asarray(-rates[-1] * gradients[-1] / np.sqrt(total + epsilon))

    return change


def adadelta(rho: float, epsilon: float) -> Definition:
    """Adadelta: each step has the size of the mean of those before it."""

    def change(gradients: Sequence[Array], rates: Sequence[float]) -> Array:
        steps: list[Array] = []
        for t in range(1, len(gradients) + 1):
            size = mean([step * step for step in steps], rho) if steps else 0.0
            root = np.sqrt(mean([g * g for g in gradients[:t]], rho) + epsilon)
            steps.append(np.sqrt(size + epsilon) / root * gradients[t - 1])
        return -rates[-1] * steps[-1]

    return change


def nadam(beta_1: float, beta_2: float, epsilon: float) -> Definition:
    """Nadam, whose momentum grows from half of beta_1 towards beta_1."""

    def momentum(t: int) -> float:
        return beta_1 * (1 - 0.5 * float(np.float32(0.96)) ** t)

    def change(gradients: Sequence[Array], rates: Sequence[float]) -> Array:
        t, g = len(gradients), gradients[-1]
        product = math.prod(momentum(i) for i in range(1, t + 1))
        m = momentum(t + 1) * mean(gradients, beta_1) / (1 - product * momentum(t + 1))
        m = m + (1 - momentum(t)) * g / (1 - product)
        root = np.sqrt(mean([g * g for g in gradients], beta_2) / (1 - beta_2**t))
        return -rates[-1] * m / (root + epsilon)

    return change


def definitions_of(optimizer: Optimizer) -> dict[str, Definition]:
    """What an optimizer may be, by name: its class's definition, or all for an unknown class."""

    def setting(name: str, default: float) -> float:
        return float(getattr(optimizer, name, default))

    momentum, nesterov = setting("momentum", 0.0), bool(getattr(optimizer, "nesterov", False))
    betas = setting("beta_1", 0.9), setting("beta_2", 0.999)
    epsilon, centered = setting("epsilon", 1e-7), bool(getattr(optimizer, "centered", False))
    amsgrad = bool(getattr(optimizer, "amsgrad", False))
    kinds: dict[type[Optimizer], dict[str, Definition]] = {
        SGD: {"SGD": sgd(momentum, nesterov)},
        RMSprop: {"RMSprop": rmsprop(setting("rho", 0.9), momentum, epsilon, centered)},
        Adam: {
            "Adam, epsilon before the bias correction": adam(*betas, epsilon, True, amsgrad),
            "Adam": adam(*betas, epsilon, amsgrad=amsgrad),
        },
        Adagrad: {"Adagrad": adagrad(setting("initial_accumulator_value", 0.1), epsilon)},
        Adadelta: {"Adadelta": adadelta(setting("rho", 0.95), epsilon)},
        Nadam: {"Nadam": nadam(*betas, epsilon)},
    }
    for kind, definitions in kinds.items():
        if isinstance(optimizer, kind):
            return definitions
    return {name: made for definitions in kinds.values() for name, made in definitions.items()}
