"""The cases of the optimizers, of the extra exercises, and of the network put together."""

from collections.abc import Iterator

import numpy as np

from tinycnn.grader.cases.base import Arguments, Case, numbers, one_hot, shape_traits
from tinycnn.grader.cases.windows import Geometry
from tinycnn.kernels import reference
from tinycnn.utils import Array

__all__ = [
    "adam_step_cases",
    "batch_norm_backward_cases",
    "batch_norm_forward_cases",
    "dropout_cases",
    "network_step_cases",
    "sgd_update_cases",
]

# --- optimizers -----------------------------------------------------------------------------------


def sgd_update_cases(rng: np.random.Generator) -> Iterator[Case]:
    """Cases of `sgd_update`."""
    for momentum, nesterov, shape, kind, moving in [
        (None, False, (2,), "whole", False),
        (None, False, (2, 3), "whole", False),
        (0.5, False, (2,), "whole", False),
        (0.5, False, (2, 2), "whole", True),
        (0.5, True, (2,), "whole", False),
        (0.5, True, (2, 2), "whole", True),
        (0.9, False, (3, 2), "real", True),
        (0.9, True, (3, 2), "real", True),
        (0.9, False, (3, 2), "float32", True),
        (0.9, True, (3, 2), "strict", True),
    ]:
        value, gradient = numbers(rng, kind, *shape), numbers(rng, kind, *shape)
        arguments: Arguments = {"value": value, "gradient": gradient, "velocity": None}
        arguments["learning_rate"] = 0.1 if kind != "whole" else 0.25
        title, traits = "without momentum", shape_traits(shape, kind)
        if momentum is not None:
            speed = numbers(rng, kind, *shape)
            arguments["velocity"] = speed if moving else np.zeros_like(value)
            arguments["momentum"] = momentum
            title = "with momentum, " + ("a later step" if moving else "the first step")
            traits |= {"there is momentum"} | ({"the velocity is not 0"} if moving else set())
        if nesterov:
            arguments["nesterov"] = True
            title, traits = title + ", with nesterov", traits | {"nesterov is asked for"}
        yield Case(title, arguments, frozenset(traits), kind == "strict")


def adam_step_cases(rng: np.random.Generator) -> Iterator[Case]:
    """Cases of `adam_step`."""
    for step, shape, kind, tiny in [
        (1, (2,), "whole", False),
        (2, (2,), "whole", False),
        (3, (2, 3), "whole", False),
        (1, (3,), "real", True),
        (2, (3,), "real", True),
        (7, (3, 2), "real", False),
        (2000, (3, 2), "real", False),
        (3, (3, 2), "float32", False),
        (4, (3, 2), "strict", False),
    ]:
        value, gradient = numbers(rng, kind, *shape), numbers(rng, kind, *shape)
        if tiny:
            gradient = gradient * 1e-7
        m, v = np.zeros_like(value), np.zeros_like(value)
        if step > 1:
            past = numbers(rng, kind, *shape) * gradient.dtype.type(1e-7 if tiny else 1)
            m, v = past / 4, past * past / 8
        rates = (0.5, 0.75, 0.125) if kind == "whole" else (0.1, 0.9, 0.995 if tiny else 0.999)
        names = ("learning_rate", "beta_1", "beta_2")
        arguments: Arguments = {"value": value, "gradient": gradient, "m": m, "v": v, "step": step}
        arguments |= {**dict(zip(names, rates, strict=True)), "epsilon": 1e-7 if tiny else 1e-8}
        title = f"step {step}" + (", tiny gradients" if tiny else "")
        holds = {"it is not the first step": step > 1, "gradients are tiny": tiny}
        traits = {name for name, true in holds.items() if true} | shape_traits(shape, kind)
        yield Case(title, arguments, frozenset(traits), kind == "strict")


# --- extra exercises ------------------------------------------------------------------------------

BATCHES: list[tuple[tuple[int, ...], str]] = [
    ((3, 1), "whole"),
    ((3, 2), "whole"),
    ((2, 2, 2, 3), "whole"),
    ((5, 3), "real"),
    ((4, 3), "float32"),
    ((4, 3), "strict"),
]
EPSILON = 0.1  # large enough to be seen


def _batch(rng: np.random.Generator, shape: tuple[int, ...], kind: str) -> tuple[Array, ...]:
    x = numbers(rng, kind, *shape)
    C = shape[-1]
    rows = x.reshape(-1, C).astype(float)
    mean, variance = rows.mean(axis=0).astype(x.dtype), rows.var(axis=0).astype(x.dtype)
    return x, numbers(rng, kind, C), numbers(rng, kind, C), mean, variance


def batch_norm_forward_cases(rng: np.random.Generator) -> Iterator[Case]:
    """Cases of `batch_norm_forward`."""
    entries = [(shape, kind, True) for shape, kind in BATCHES]
    for shape, kind, of_batch in [*entries[:3], ((3, 2), "whole", False), *entries[3:]]:
        x, gamma, beta, mean, variance = _batch(rng, shape, kind)
        traits, title = shape_traits(shape, kind), f"x of shape {shape}"
        if not of_batch:
            mean, variance = mean + 1, variance + 2
            traits, title = {*traits, "mean and variance are not x's"}, title + " in inference"
        arguments: Arguments = {"x": x, "gamma": gamma, "beta": beta}
        arguments |= {"mean": mean, "variance": variance, "epsilon": EPSILON}
        yield Case(title, arguments, frozenset(traits), kind == "strict")


def batch_norm_backward_cases(rng: np.random.Generator) -> Iterator[Case]:
    """Cases of `batch_norm_backward`."""
    entries = [(shape, kind, True) for shape, kind in BATCHES]
    for shape, kind, of_batch in [*entries[:3], ((3, 2), "whole", False), *entries[3:]]:
        x, gamma, _, mean, variance = _batch(rng, shape, kind)
        arguments: Arguments = {"dy": numbers(rng, kind, *shape), "x": x, "gamma": gamma}
        arguments |= {"mean": mean, "variance": variance, "epsilon": EPSILON}
        traits, title = shape_traits(shape, kind), f"x of shape {shape}"
        if not of_batch:
            arguments["of_batch"] = False
            traits, title = {*traits, "of_batch is False"}, title + ", of_batch=False"
        yield Case(title, arguments, frozenset(traits), kind == "strict")


def dropout_cases(rng: np.random.Generator) -> Iterator[Case]:
    """Cases of `dropout`."""
    for shape, kind, rate in [
        ((4,), "whole", 0.5),
        ((4,), "whole", 0.75),
        ((2, 3), "whole", 0.2),
        ((2, 3), "whole", 0.0),
        ((2, 3), "whole", 1.0),
        ((3, 4), "real", 0.3),
        ((3, 4), "float32", 0.4),
        ((3, 4), "strict", 0.6),
    ]:
        x = numbers(rng, kind, *shape)
        # With the rate 1 something is kept all the same: the result is 0 there, too.
        dropped = round(min(rate, 0.5 if rate == 1 else rate) * x.size)
        kept = rng.permutation(x.size).reshape(shape) >= dropped
        traits = shape_traits(shape, kind) | ({"the rate is 1"} if rate == 1 else set())
        arguments = {"x": x, "kept": kept, "rate": rate}
        yield Case(
            f"x of shape {shape}, rate {rate}", arguments, frozenset(traits), kind == "strict"
        )


def network_step_cases(rng: np.random.Generator) -> Iterator[Case]:
    """Cases of `network_step`: weights are small, so that no probability rounds to 0."""
    for N, image, C, F, size, K, kind in [
        (1, (3, 3), 1, 1, (2, 2), 2, "real"),
        (2, (3, 3), 1, 2, (2, 2), 3, "real"),
        (2, (5, 6), 2, 3, (2, 3), 3, "real"),
        (3, (6, 5), 2, 2, (3, 2), 4, "real"),
        (4, (5, 5), 1, 3, (2, 2), 3, "real"),
        (3, (6, 5), 2, 2, (3, 2), 4, "float32"),
        (2, (5, 6), 2, 3, (2, 3), 3, "strict"),
    ]:
        g = Geometry(image, size, N=N, C=C, F=F)
        OH, OW = g.outputs
        D = (OH // 2) * (OW // 2) * F
        shapes = [(*size, C, F), (F,), (D, K), (K,)]
        names = ("conv_kernel", "conv_bias", "dense_kernel", "dense_bias")
        x = numbers(rng, kind, N, *image, C)
        arguments: Arguments = {"x": x, "targets": one_hot(rng, N, K, x.dtype)}
        for name, shape in zip(names, shapes, strict=True):
            arguments[name] = numbers(rng, kind, *shape) * x.dtype.type(0.5)
        # The first filter's bias leaves about half of its pooled numbers to the relu.
        where = x, arguments["conv_kernel"], None
        pooled, _ = reference.max_pool_forward(reference.conv2d_forward(*where), (2, 2), (2, 2))
        arguments["conv_bias"][0] = -np.median(pooled[..., 0]) if N > 1 else 1 - pooled.min()
        arguments["learning_rate"] = 0.5
        traits = shape_traits((1, 1), kind) | g.traits()
        yield Case(
            g.title("kernel") + f", {K} classes", arguments, frozenset(traits), kind == "strict"
        )
