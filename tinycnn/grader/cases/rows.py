"""The cases of what takes samples row by row: dense, relu, softmax, the cross-entropy."""

from collections.abc import Iterator

import numpy as np

from tinycnn.grader.cases.base import Arguments, Case, numbers, one_hot, real, shape_traits
from tinycnn.kernels import reference
from tinycnn.utils import Array

__all__ = [
    "dense_backward_cases",
    "dense_forward_cases",
    "relu_backward_cases",
    "relu_forward_cases",
    "softmax_backward_cases",
    "softmax_cross_entropy_backward_cases",
    "softmax_cross_entropy_forward_cases",
    "softmax_forward_cases",
]

# --- without windows ------------------------------------------------------------------------------


def _row_traits(N: int, D: int, U: int, kind: str) -> set[str]:
    holds = {
        "there are several samples": N > 1,
        "there are several inputs": D > 1,
        "there are several outputs": U > 1,
        "inputs and outputs differ in number": D != U,
        "the numbers are float32": kind == "float32",
        "arrays are read-only and have gaps in memory": kind == "strict",
        "numbers are not whole": kind != "whole",
    }
    return {name for name, true in holds.items() if true}


def _count(number: int, word: str) -> str:
    return f"{number} {word}s" if number > 1 else f"one {word}"


DENSE = [
    (1, 1, 1, "whole"),
    (1, 2, 1, "whole"),
    (1, 1, 2, "whole"),
    (1, 2, 2, "whole"),
    (1, 2, 3, "whole"),
    (2, 2, 2, "whole"),
    (2, 3, 2, "whole"),
    (3, 2, 4, "whole"),
]
DENSE_LAST = [(4, 3, 5, "real"), (3, 4, 2, "float32"), (2, 3, 4, "strict")]


def dense_forward_cases(rng: np.random.Generator) -> Iterator[Case]:
    """Cases of `dense_forward`."""
    special = [
        ((2, 2, 3, "whole"), False, False),
        ((2, 3, 2, "whole"), True, True),
        ((4, 2, 5, "real"), True, True),
    ]
    first = [(sizes, True, False) for sizes in DENSE]
    last = [(sizes, True, False) for sizes in DENSE_LAST]
    for (N, D, U, kind), with_bias, relu in [*first, *special, *last]:
        arguments: Arguments = {"x": numbers(rng, kind, N, D), "kernel": numbers(rng, kind, D, U)}
        arguments["bias"] = numbers(rng, kind, U) if with_bias else None
        traits = _row_traits(N, D, U, kind)
        title = f"{_count(N, 'sample')} of {_count(D, 'input')}, {_count(U, 'unit')}"
        if not with_bias:
            traits, title = {*traits, "there is no bias"}, title + ", no bias"
        if relu:
            arguments["relu"] = True
            traits, title = {*traits, "relu is asked for"}, title + ", relu=True"
        yield Case(title, arguments, frozenset(traits), kind == "strict")


def dense_backward_cases(rng: np.random.Generator) -> Iterator[Case]:
    """Cases of `dense_backward`."""
    special = [
        ((2, 3, 2, "whole"), True, True),
        ((4, 2, 5, "real"), True, True),
        ((2, 3, 2, "whole"), False, False),
    ]
    first = [(sizes, False, True) for sizes in DENSE]
    last = [(sizes, False, True) for sizes in DENSE_LAST]
    for (N, D, U, kind), relu, needs_dx in [*first, *special, *last]:
        arguments: Arguments = {"dy": numbers(rng, kind, N, U), "x": numbers(rng, kind, N, D)}
        arguments["kernel"] = numbers(rng, kind, D, U)
        traits = _row_traits(N, D, U, kind)
        title = f"{_count(N, 'sample')} of {_count(D, 'input')}, {_count(U, 'unit')}"
        if relu:
            arguments["y"] = np.maximum(numbers(rng, kind, N, U), 0)
            traits, title = {*traits, "there is a relu"}, title + ", with the y of a relu"
        if not needs_dx:
            arguments |= {"y": None, "needs_dx": False}
            traits, title = {*traits, "needs_dx is False"}, title + ", needs_dx=False"
        yield Case(title, arguments, frozenset(traits), kind == "strict")


SHAPES: list[tuple[tuple[int, ...], str]] = [
    ((8,), "whole"),
    ((2, 3), "whole"),
    ((2, 2, 3, 2), "whole"),
    ((3, 4), "real"),
    ((3, 4), "float32"),
    ((3, 4), "strict"),
]


def _with_zeros(array: Array) -> Array:
    array.reshape(-1)[1::3] = 0
    return array


def relu_forward_cases(rng: np.random.Generator) -> Iterator[Case]:
    """Cases of `relu_forward`."""
    for shape, kind in SHAPES:
        x = _with_zeros(numbers(rng, kind, *shape))
        traits = frozenset(shape_traits(shape, kind))
        yield Case(f"an array of shape {shape}", {"x": x}, traits, kind == "strict")


def relu_backward_cases(rng: np.random.Generator) -> Iterator[Case]:
    """Cases of `relu_backward`: y has zeros, as a relu puts them out."""
    for shape, kind in SHAPES:
        y = np.abs(_with_zeros(numbers(rng, kind, *shape)))
        y = y * (rng.permutation(y.size).reshape(shape) % 4 > 0).astype(y.dtype)
        arguments = {"dy": numbers(rng, kind, *shape), "y": y}
        traits = frozenset(shape_traits(shape, kind))
        yield Case(f"arrays of shape {shape}", arguments, traits, kind == "strict")


# --- softmax and cross-entropy --------------------------------------------------------------------

ROWS = [
    (1, 2, "whole", 0.0),
    (1, 3, "whole", 0.0),
    (2, 2, "whole", 0.0),
    (2, 3, "whole", 0.0),
    (3, 3, "whole", 0.0),
    (4, 3, "real", 0.0),
    (2, 3, "real", 10000.0),
    (2, 3, "real", -10000.0),
    (2, 3, "apart", 10000.0),
    (3, 4, "apart", 10000.0),
    (2, 3, "spread", 10000.0),
    (3, 4, "spread", 10000.0),
    (3, 4, "float32", 0.0),
    (3, 4, "strict", 0.0),
]


def _logits(rng: np.random.Generator, N: int, K: int, kind: str, offset: float) -> Array:
    if kind == "apart":  # the rows lie far apart
        return real(rng, N, K) + offset * (np.arange(N)[:, None] - 0.5)
    if (
        kind == "spread"
    ):  # the columns do; the largest is the last one, then the first, then another
        far = offset * (np.arange(K) - 1)
        turns = [far, far[::-1], np.roll(far, 1)]
        return real(rng, N, K) + np.array([turns[n % 3] for n in range(N)])
    values = numbers(rng, kind, N, K)
    return (values / 3 if kind == "whole" else values) + values.dtype.type(offset)


def _logit_traits(N: int, kind: str, offset: float) -> set[str]:
    traits = {
        "there are several samples": N > 1,
        "the numbers are float32": kind == "float32",
        "arrays are read-only and have gaps in memory": kind == "strict",
        "the logits are large": offset > 0 and kind == "real",
        "the logits are far below 0": offset < 0,
        "the rows lie far apart": kind == "apart",
        "a class is far behind": kind == "spread",
    }
    return {name for name, true in traits.items() if true}


def softmax_forward_cases(rng: np.random.Generator) -> Iterator[Case]:
    """Cases of `softmax_forward`."""
    for N, K, kind, offset in ROWS:
        x = _logits(rng, N, K, kind, offset)
        traits = frozenset(_logit_traits(N, kind, offset))
        yield Case(_rows(N, K, kind, offset), {"x": x}, traits, kind == "strict")


def softmax_backward_cases(rng: np.random.Generator) -> Iterator[Case]:
    """Cases of `softmax_backward`."""
    for N, K, kind, offset in ROWS:
        if not offset:
            y = reference.softmax_forward(_logits(rng, N, K, kind, offset))
            arguments = {"dy": numbers(rng, kind, N, K), "y": y}
            traits = frozenset(_logit_traits(N, kind, offset))
            yield Case(_rows(N, K, kind, offset), arguments, traits, kind == "strict")


def _rows(N: int, K: int, kind: str, offset: float) -> str:
    text = f"{N} samples of {K} classes" if N > 1 else f"one sample of {K} classes"
    if kind in ("apart", "spread"):
        between = "rows" if kind == "apart" else "classes"
        return f"{text}, {between} {offset:.0f} apart"
    return f"{text}, logits near {offset:.0f}" if offset else text


WEIGHTED = [(1, 3), (2, 3), (4, 4)]
HEAVY = ", targets that do not add up to 1"


def _heavy_traits(N: int) -> frozenset[str]:
    traits = {"targets do not add up to 1"} | ({"there are several samples"} if N > 1 else set())
    return frozenset(traits)


def softmax_cross_entropy_forward_cases(rng: np.random.Generator) -> Iterator[Case]:
    """Cases of `softmax_cross_entropy_forward`."""
    for N, K, kind, offset in ROWS:
        logits = _logits(rng, N, K, kind, offset)
        arguments = {"logits": logits, "targets": one_hot(rng, N, K, logits.dtype)}
        traits = frozenset(_logit_traits(N, kind, offset))
        yield Case(_rows(N, K, kind, offset), arguments, traits, kind == "strict")
    for N, K in WEIGHTED:
        logits = _logits(rng, N, K, "real", 0.0)
        weighted = {"logits": logits, "targets": rng.random((N, K)) + 0.5}
        yield Case(_rows(N, K, "", 0.0) + HEAVY, weighted, _heavy_traits(N))


def softmax_cross_entropy_backward_cases(rng: np.random.Generator) -> Iterator[Case]:
    """Cases of `softmax_cross_entropy_backward`."""
    for N, K, kind, offset in ROWS:
        if not offset:
            p = reference.softmax_forward(_logits(rng, N, K, kind, offset))
            arguments = {"probabilities": p, "targets": one_hot(rng, N, K, p.dtype)}
            traits = frozenset(_logit_traits(N, kind, offset))
            yield Case(_rows(N, K, kind, offset), arguments, traits, kind == "strict")
    for N, K in WEIGHTED:
        p = reference.softmax_forward(real(rng, N, K))
        weighted = {"probabilities": p, "targets": rng.random((N, K)) + 0.5}
        yield Case(_rows(N, K, "", 0.0) + HEAVY, weighted, _heavy_traits(N))
