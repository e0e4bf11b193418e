"""Initial weights: functions of a shape and a random generator.

The random ones follow one idea, variance scaling: they keep the variance of what flows through a
layer. For a kernel of shape (..., inputs, outputs), with R the product of the leading axes,
    fan_in = R * inputs,   fan_out = R * outputs.

Sources: Glorot and Bengio 2010, equation 16; He et al. 2015, equation 10; LeCun et
al. 1998, "Efficient BackProp", section 4.6;
keras/src/initializers/random_initializers.py (the fans, the limits, the truncation).
"""

import inspect
import math
from collections.abc import Callable, Mapping

import numpy as np

from tinycnn.support.arguments import one_of
from tinycnn.utils import Array

Initializer = Callable[[tuple[int, ...], np.random.Generator, str], Array]

# The standard deviation of a standard normal cut off at two standard deviations.
TRUNCATED_STDDEV = 0.87962566103423978


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """(fan_in, fan_out) of a kernel; for a vector both are its length."""
    if len(shape) == 1:
        return shape[0], shape[0]
    receptive_field = math.prod(shape[:-2])
    return receptive_field * shape[-2], receptive_field * shape[-1]


def glorot_uniform(shape: tuple[int, ...], rng: np.random.Generator, dtype: str) -> Array:
    """Uniform in [-limit, limit), limit = sqrt(6 / (fan_in + fan_out)): Glorot and Bengio 2010."""
    return _uniform(shape, 2 / sum(fans(shape)), rng, dtype)


def glorot_normal(shape: tuple[int, ...], rng: np.random.Generator, dtype: str) -> Array:
    """Truncated normal of variance 2 / (fan_in + fan_out): Glorot and Bengio 2010."""
    return _truncated_normal(shape, 2 / sum(fans(shape)), rng, dtype)


def he_uniform(shape: tuple[int, ...], rng: np.random.Generator, dtype: str) -> Array:
    """Uniform in [-limit, limit), limit = sqrt(6 / fan_in): He et al. 2015, made for relu."""
    return _uniform(shape, 2 / fans(shape)[0], rng, dtype)


def he_normal(shape: tuple[int, ...], rng: np.random.Generator, dtype: str) -> Array:
    """Truncated normal of variance 2 / fan_in: He et al. 2015, made for relu."""
    return _truncated_normal(shape, 2 / fans(shape)[0], rng, dtype)


def lecun_uniform(shape: tuple[int, ...], rng: np.random.Generator, dtype: str) -> Array:
    """Uniform in [-limit, limit), limit = sqrt(3 / fan_in): LeCun et al. 1998."""
    return _uniform(shape, 1 / fans(shape)[0], rng, dtype)


def lecun_normal(shape: tuple[int, ...], rng: np.random.Generator, dtype: str) -> Array:
    """Truncated normal of variance 1 / fan_in: LeCun et al. 1998."""
    return _truncated_normal(shape, 1 / fans(shape)[0], rng, dtype)


def random_uniform(shape: tuple[int, ...], rng: np.random.Generator, dtype: str) -> Array:
    """Uniform in [-0.05, 0.05), whatever the shape."""
    return rng.uniform(-0.05, 0.05, shape).astype(dtype)


def random_normal(shape: tuple[int, ...], rng: np.random.Generator, dtype: str) -> Array:
    """Normal of standard deviation 0.05, whatever the shape."""
    return rng.normal(0.0, 0.05, shape).astype(dtype)


def truncated_normal(shape: tuple[int, ...], rng: np.random.Generator, dtype: str) -> Array:
    """A normal of standard deviation 0.05 that is cut off at 0.1 and not widened again."""
    return _truncated_normal(shape, (0.05 * TRUNCATED_STDDEV) ** 2, rng, dtype)


def zeros(shape: tuple[int, ...], rng: np.random.Generator, dtype: str) -> Array:
    """All 0: the usual initial bias."""
    return np.zeros(shape, dtype)


def ones(shape: tuple[int, ...], rng: np.random.Generator, dtype: str) -> Array:
    """All 1."""
    return np.ones(shape, dtype)


def _uniform(
    shape: tuple[int, ...], variance: float, rng: np.random.Generator, dtype: str
) -> Array:
    limit = math.sqrt(3 * variance)
    return rng.uniform(-limit, limit, shape).astype(dtype)


def _truncated_normal(
    shape: tuple[int, ...], variance: float, rng: np.random.Generator, dtype: str
) -> Array:
    """A normal cut off at two standard deviations, then widened to `variance`."""
    values = rng.standard_normal(shape)
    while (outside := np.abs(values) > 2).any():
        values[outside] = rng.standard_normal(int(outside.sum()))
    return (values * (math.sqrt(variance) / TRUNCATED_STDDEV)).astype(dtype)


INITIALIZERS: dict[str, Initializer] = {
    f.__name__: f
    for f in (
        *(glorot_uniform, glorot_normal, he_uniform, he_normal, lecun_uniform, lecun_normal),
        *(random_uniform, random_normal, truncated_normal, zeros, ones),
    )
}


class SavedValues(np.random.Generator):
    """Initial values from a model file, passed where a generator would draw them.

    A layer that draws its values itself, without `add_parameter`, gets values of a fixed seed at
    first, and the file's afterwards.

    Args:
        values: the array of each parameter, by its name.
    """

    def __init__(self, values: Mapping[str, Array]) -> None:
        super().__init__(np.random.PCG64(0))
        self.values = values


def get(identifier: str | Initializer) -> Initializer:
    """The initializer of that name, or the function as an initializer.

    A function in Keras's form, `f(shape, dtype=None)`, will do as well: it is called without the
    generator, so it draws from one of its own.

    Raises:
        ValueError: for an unknown name; the message lists the known ones.
        TypeError: for a function that takes neither (shape, rng, dtype) nor (shape, dtype).
    """
    if callable(identifier):
        return _of_our_form(identifier)
    return INITIALIZERS[one_of(identifier, [*INITIALIZERS], "initializer")]


def _of_our_form(function: Callable[..., Array]) -> Initializer:
    """The function in our form, f(shape, rng, dtype)."""
    try:
        signature = inspect.signature(function)
    except ValueError:  # some functions written in C have none
        return function
    for names in (("shape", "rng", "dtype"), ("shape", "dtype")):
        try:
            signature.bind(**dict.fromkeys(names))
        except TypeError:
            continue
        if len(names) == 3:
            return function
        return lambda shape, rng, dtype: function(shape, dtype=dtype)
    try:
        signature.bind(None, None, None)  # our form with other names
    except TypeError:
        raise TypeError(
            "an initializer must be f(shape, rng, dtype), or f(shape, dtype) as in Keras. "
            f"Received: {getattr(function, '__name__', function)}{signature}"
        ) from None
    return function
