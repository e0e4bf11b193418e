"""The questions that every function is asked: from a case to work by hand to everything at once.

The cases of a function stand in order: the first has few numbers, and each of the next has one
thing more that can go wrong. So the first case that fails is the smallest. Their numbers are whole
and below ten, except in the last ones, which have any numbers. All are drawn anew from `rng`.

A case has traits: what is special about it, in words. They tell where a function is wrong.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinycnn.kernels import reference
from tinycnn.support.geometry import Pair, output_length, window_padding
from tinycnn.utils import Array

Arguments = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """One call of a function.

    Attributes:
        title: what it is, such as "a 3x3 image, a 2x2 kernel, strides (2, 1)".
        arguments: by name, in their order.
        traits: what is special, in words that follow "where".
        strict: whether the arrays come read-only, and with gaps between their numbers.
    """

    title: str
    arguments: Arguments
    traits: frozenset[str] = field(default_factory=frozenset)
    strict: bool = False


# --- numbers --------------------------------------------------------------------------------------


def whole(rng: np.random.Generator, *shape: int) -> Array:
    """Whole numbers from -9 to 9 without 0, as float64; no number twice among eighteen."""
    size = int(np.prod(shape))
    values = np.array([*range(-9, 0), *range(1, 10)], float)
    runs = [rng.permutation(values) for _ in range(size // len(values) + 1)]
    return np.concatenate(runs)[:size].reshape(shape)


def real(rng: np.random.Generator, *shape: int) -> Array:
    """Any numbers, float64."""
    return rng.normal(size=shape)


# --- windows --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Geometry:
    """Sizes of one case with windows; `kind` says what its numbers are."""

    image: Pair
    size: Pair
    strides: Pair = (1, 1)
    padding: str = "valid"
    N: int = 1
    C: int = 1
    F: int = 1
    kind: str = "whole"

    @property
    def outputs(self) -> Pair:
        """(OH, OW)."""
        OH, OW = (
            output_length(length, window, stride, self.padding)
            for length, window, stride in zip(self.image, self.size, self.strides, strict=True)
        )
        return OH, OW

    def title(self, window: str) -> str:
        """In words."""
        H, W = self.image
        images = f"{self.N} images of {H}x{W} pixels" if self.N > 1 else f"an image of {H}x{W}"
        more = f" and {self.C} channels" if self.C > 1 else ""
        filters = f"{self.F} {window}s" if self.F > 1 else f"a {window}"
        text = f"{images}{more}, {filters} of {self.size[0]}x{self.size[1]}"
        if self.strides != (1, 1):
            text += f", strides {self.strides}"
        if self.padding == "same":
            text += ', padding "same"'
        return text

    def traits(self) -> set[str]:
        """What is special, in words that follow "where"."""
        (H, W), (KH, KW), (SH, SW) = self.image, self.size, self.strides
        around = window_padding(H, W, self.size, self.strides, self.padding)
        OH, OW = self.outputs
        holds = {
            "there are several images": self.N > 1,
            "there are several channels": self.C > 1,
            "there are several filters": self.F > 1,
            "the image is not square": H != W,
            "the windows are not square": KH != KW,
            "a stride is above 1": max(SH, SW) > 1,
            "the two strides differ": SH != SW,
            "there is padding": any(map(any, around)),
            "the padding is uneven": any(before != after for before, after in around),
            "windows overlap": (SH < KH and OH > 1) or (SW < KW and OW > 1),
            "windows leave gaps": SH > KH or SW > KW,
            "there is more than one window": OH * OW > 1,
            "the numbers are float32": self.kind == "float32",
            "arrays are read-only and have gaps in memory": self.kind == "strict",
            "numbers are not whole": self.kind in ("real", "float32", "strict"),
        }
        return {name for name, true in holds.items() if true}

    def numbers(self, rng: np.random.Generator, *shape: int) -> Array:
        """An array of the kind of this case."""
        if self.kind == "whole":
            return whole(rng, *shape)
        return real(rng, *shape).astype("float32" if self.kind == "float32" else "float64")


GEOMETRIES = [
    Geometry((2, 2), (2, 2)),
    Geometry((3, 3), (2, 2)),
    Geometry((2, 4), (2, 2)),
    Geometry((4, 2), (2, 2)),
    Geometry((3, 4), (2, 3)),
    Geometry((4, 3), (3, 1)),
    Geometry((3, 3), (2, 2), C=2),
    Geometry((3, 3), (2, 2), F=2),
    Geometry((3, 3), (2, 2), C=2, F=3),
    Geometry((3, 3), (2, 2), N=2),
    Geometry((3, 5), (2, 2), (1, 2)),
    Geometry((5, 3), (2, 2), (2, 1)),
    Geometry((4, 4), (2, 2), (2, 2)),
    Geometry((5, 5), (3, 3), (2, 2)),
    Geometry((5, 6), (1, 2), (2, 3)),
    Geometry((6, 6), (3, 2), (2, 3)),
    Geometry((3, 3), (3, 3), padding="same"),
    Geometry((3, 3), (2, 2), padding="same"),
    Geometry((3, 4), (3, 2), padding="same"),
    Geometry((2, 3), (1, 4), padding="same"),
    Geometry((5, 4), (2, 3), (2, 3), "same"),
    Geometry((4, 5), (3, 3), (2, 2), "same"),
    Geometry((6, 5), (3, 2), (2, 1), N=2, C=3, F=4, kind="real"),
    Geometry((5, 7), (2, 3), (1, 2), "same", N=3, C=2, F=5, kind="real"),
    Geometry((5, 4), (3, 2), (1, 2), "same", N=2, C=2, F=3, kind="float32"),
    Geometry((4, 5), (2, 3), (2, 1), "same", N=2, C=2, F=3, kind="strict"),
]


def _case(g: Geometry, window: str, arguments: Arguments, *traits: str, note: str = "") -> Case:
    special = frozenset({*g.traits(), *traits})
    return Case(g.title(window) + note, arguments, special, g.kind == "strict")


def _steps(g: Geometry, needed: bool = False) -> Arguments:
    """Strides and padding, unless they are what they are without being named."""
    if g.padding == "valid" and g.strides == (1, 1) and not needed:
        return {}
    return {"strides": g.strides, **_padding(g, needed)}


def _padding(g: Geometry, needed: bool = False) -> Arguments:
    return {"padding": g.padding} if needed or g.padding != "valid" else {}


def im2col_cases(rng: np.random.Generator) -> Iterator[Case]:
    """Cases of `im2col`."""
    for g in GEOMETRIES:
        if g.F == 1 or g.kind != "whole":
            x = g.numbers(rng, g.N, *g.image, g.C)
            yield _case(g, "window", {"x": x, "size": g.size, **_steps(g)})


def col2im_cases(rng: np.random.Generator) -> Iterator[Case]:
    """Cases of `col2im`."""
    for g in GEOMETRIES:
        if g.F == 1 or g.kind != "whole":
            OH, OW = g.outputs
            dcols = g.numbers(rng, g.N * OH * OW, g.size[0] * g.size[1] * g.C)
            x_shape = (g.N, *g.image, g.C)
            where = {"x_shape": x_shape, "size": g.size, **_steps(g)}
            yield _case(g, "window", {"dcols": dcols, **where})


def conv2d_forward_cases(rng: np.random.Generator) -> Iterator[Case]:
    """Cases of `conv2d_forward`."""
    special = [
        (Geometry((3, 3), (2, 2)), False, False),
        (Geometry((3, 3), (2, 2), F=2), True, True),
        (Geometry((4, 3), (2, 2), C=2, F=3, N=2), True, True),
        (Geometry((5, 4), (2, 2), C=2, F=3, N=2, kind="real"), True, True),
    ]
    ladder = [(g, True, False) for g in GEOMETRIES]
    whole_ones = [entry for entry in ladder if entry[0].kind == "whole"]
    for g, with_bias, relu in [*whole_ones, *special, *ladder[len(whole_ones) :]]:
        x = g.numbers(rng, g.N, *g.image, g.C)
        kernel = g.numbers(rng, *g.size, g.C, g.F)
        bias = g.numbers(rng, g.F) if with_bias else None
        traits = [] if with_bias else ["there is no bias"]
        note = "" if with_bias else ", no bias"
        arguments: Arguments = {"x": x, "kernel": kernel, "bias": bias, **_steps(g, needed=relu)}
        if relu:
            traits, note = [*traits, "relu is asked for"], ", relu=True"
            arguments["relu"] = True
        yield _case(g, "kernel", arguments, *traits, note=note)


def conv2d_backward_cases(rng: np.random.Generator) -> Iterator[Case]:
    """Cases of `conv2d_backward`."""
    special = [
        (Geometry((3, 3), (2, 2), F=2), True, True),
        (Geometry((4, 3), (2, 2), C=2, F=3, N=2), True, True),
        (Geometry((5, 4), (2, 2), C=2, F=3, N=2, kind="real"), True, True),
        (Geometry((3, 3), (2, 2)), False, False),
    ]
    ladder = [(g, False, True) for g in GEOMETRIES]
    whole_ones = [entry for entry in ladder if entry[0].kind == "whole"]
    for g, relu, needs_dx in [*whole_ones, *special, *ladder[len(whole_ones) :]]:
        x = g.numbers(rng, g.N, *g.image, g.C)
        kernel = g.numbers(rng, *g.size, g.C, g.F)
        dy = g.numbers(rng, g.N, *g.outputs, g.F)
        named = relu or not needs_dx
        arguments: Arguments = {"dy": dy, "x": x, "kernel": kernel, **_steps(g, needed=named)}
        traits, note = [], ""
        if relu:
            y = np.maximum(g.numbers(rng, *dy.shape), 0)
            arguments["y"] = y
            traits, note = ["there is a relu"], ", with the y of a relu"
        if not needs_dx:
            arguments |= {"y": None, "needs_dx": False}
            traits, note = ["needs_dx is False"], ", needs_dx=False"
        yield _case(g, "kernel", arguments, *traits, note=note)


# --- pooling --------------------------------------------------------------------------------------

POOLS = [
    Geometry((2, 2), (2, 2), (2, 2)),
    Geometry((4, 4), (2, 2), (2, 2)),
    Geometry((2, 4), (2, 2), (2, 2)),
    Geometry((4, 2), (2, 2), (2, 2)),
    Geometry((2, 3), (2, 3), (2, 3)),
    Geometry((3, 2), (3, 2), (3, 2)),
    Geometry((2, 2), (2, 2), (2, 2), C=2),
    Geometry((4, 4), (2, 2), (2, 2), C=3),
    Geometry((4, 4), (2, 2), (2, 2), N=2),
    Geometry((5, 5), (2, 2), (2, 2)),
    Geometry((3, 3), (2, 2), (1, 1)),
    Geometry((3, 4), (2, 2), (1, 2)),
    Geometry((4, 3), (2, 2), (2, 1)),
    Geometry((5, 5), (3, 3), (2, 2)),
    Geometry((5, 6), (2, 1), (3, 2)),
    Geometry((6, 5), (2, 3), (2, 1)),
    Geometry((3, 3), (2, 2), (2, 2), "same"),
    Geometry((3, 3), (3, 3), (1, 1), "same"),
    Geometry((2, 3), (1, 4), (1, 1), "same"),
    Geometry((4, 5), (2, 3), (1, 2), "same"),
    Geometry((6, 7), (2, 3), (2, 2), "valid", N=2, C=3, kind="real"),
    Geometry((5, 4), (3, 2), (2, 1), "same", N=3, C=2, kind="real"),
    Geometry((4, 5), (3, 2), (1, 2), "same", N=2, C=2, kind="float32"),
    Geometry((5, 4), (2, 3), (2, 1), "same", N=2, C=2, kind="strict"),
]


def max_pool_forward_cases(rng: np.random.Generator) -> Iterator[Case]:
    """Cases of `max_pool_forward`; some have only negative numbers, or equal ones."""
    negative = ("a whole window is negative",)
    entries: list[tuple[Geometry, tuple[str, ...]]] = [(g, ()) for g in POOLS if g.kind == "whole"]
    entries.insert(2, (POOLS[1], negative))
    entries.append((Geometry((3, 3), (2, 2), (1, 1), "same"), negative))
    entries.append((POOLS[1], ("there are ties",)))
    entries.append((Geometry((3, 4), (2, 3), (1, 1), C=2), ("there are ties",)))
    entries += [(g, ()) for g in POOLS if g.kind != "whole"]
    for g, traits in entries:
        x = g.numbers(rng, g.N, *g.image, g.C)
        note = ""
        if traits == negative:
            x, note = -np.abs(x), ", all numbers negative"
        elif traits:
            x, note = rng.integers(1, 3, x.shape).astype(float), ", with equal numbers"
        arguments = {"x": x, "pool_size": g.size, "strides": g.strides, **_padding(g)}
        yield _case(g, "window", arguments, *traits, note=note)


def max_pool_backward_cases(rng: np.random.Generator) -> Iterator[Case]:
    """Cases of `max_pool_backward`."""
    for g in POOLS:
        x = g.numbers(rng, g.N, *g.image, g.C)
        y, winners = reference.max_pool_forward(x, g.size, g.strides, g.padding)
        arguments = {"dy": g.numbers(rng, *y.shape), "winners": winners, "x_shape": x.shape}
        arguments |= {"pool_size": g.size, "strides": g.strides, **_padding(g)}
        yield _case(g, "window", arguments)


def average_pool_forward_cases(rng: np.random.Generator) -> Iterator[Case]:
    """Cases of `average_pool_forward`."""
    for g in POOLS:
        x = g.numbers(rng, g.N, *g.image, g.C)
        arguments = {"x": x, "pool_size": g.size, "strides": g.strides, **_padding(g)}
        yield _case(g, "window", arguments)


def average_pool_backward_cases(rng: np.random.Generator) -> Iterator[Case]:
    """Cases of `average_pool_backward`."""
    for g in POOLS:
        arguments: Arguments = {"dy": g.numbers(rng, g.N, *g.outputs, g.C)}
        arguments |= {"x_shape": (g.N, *g.image, g.C), "pool_size": g.size}
        arguments |= {"strides": g.strides, **_padding(g)}
        yield _case(g, "window", arguments)


# --- without windows ------------------------------------------------------------------------------


def _kinds(rng: np.random.Generator, kind: str, *shape: int) -> Array:
    if kind == "whole":
        return whole(rng, *shape)
    return real(rng, *shape).astype("float32" if kind == "float32" else "float64")


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
        arguments: Arguments = {"x": _kinds(rng, kind, N, D), "kernel": _kinds(rng, kind, D, U)}
        arguments["bias"] = _kinds(rng, kind, U) if with_bias else None
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
        arguments: Arguments = {"dy": _kinds(rng, kind, N, U), "x": _kinds(rng, kind, N, D)}
        arguments["kernel"] = _kinds(rng, kind, D, U)
        traits = _row_traits(N, D, U, kind)
        title = f"{_count(N, 'sample')} of {_count(D, 'input')}, {_count(U, 'unit')}"
        if relu:
            arguments["y"] = np.maximum(_kinds(rng, kind, N, U), 0)
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


def _shape_traits(shape: tuple[int, ...], kind: str) -> set[str]:
    holds = {
        "there are more than two axes": len(shape) > 2,
        "the numbers are float32": kind == "float32",
        "arrays are read-only and have gaps in memory": kind == "strict",
        "numbers are not whole": kind != "whole",
    }
    return {name for name, true in holds.items() if true}


def _with_zeros(array: Array) -> Array:
    array.reshape(-1)[1::3] = 0
    return array


def relu_forward_cases(rng: np.random.Generator) -> Iterator[Case]:
    """Cases of `relu_forward`."""
    for shape, kind in SHAPES:
        x = _with_zeros(_kinds(rng, kind, *shape))
        traits = frozenset(_shape_traits(shape, kind))
        yield Case(f"an array of shape {shape}", {"x": x}, traits, kind == "strict")


def relu_backward_cases(rng: np.random.Generator) -> Iterator[Case]:
    """Cases of `relu_backward`: y has zeros, as a relu puts them out."""
    for shape, kind in SHAPES:
        y = np.abs(_with_zeros(_kinds(rng, kind, *shape)))
        y = y * (rng.permutation(y.size).reshape(shape) % 4 > 0).astype(y.dtype)
        arguments = {"dy": _kinds(rng, kind, *shape), "y": y}
        traits = frozenset(_shape_traits(shape, kind))
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
    if kind == "spread":  # the columns do
        return rng.permuted(real(rng, N, K) + offset * (np.arange(K) - 1), axis=1)
    values = _kinds(rng, kind, N, K)
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
            arguments = {"dy": _kinds(rng, kind, N, K), "y": y}
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


def _targets(rng: np.random.Generator, N: int, K: int, dtype: Any) -> Array:
    classes = (np.arange(N) + rng.integers(K)) % K
    one_hot: Array = np.eye(K, dtype=dtype)[classes]
    return one_hot


def softmax_cross_entropy_forward_cases(rng: np.random.Generator) -> Iterator[Case]:
    """Cases of `softmax_cross_entropy_forward`."""
    for N, K, kind, offset in ROWS:
        logits = _logits(rng, N, K, kind, offset)
        arguments = {"logits": logits, "targets": _targets(rng, N, K, logits.dtype)}
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
            arguments = {"probabilities": p, "targets": _targets(rng, N, K, p.dtype)}
            traits = frozenset(_logit_traits(N, kind, offset))
            yield Case(_rows(N, K, kind, offset), arguments, traits, kind == "strict")
    for N, K in WEIGHTED:
        p = reference.softmax_forward(real(rng, N, K))
        weighted = {"probabilities": p, "targets": rng.random((N, K)) + 0.5}
        yield Case(_rows(N, K, "", 0.0) + HEAVY, weighted, _heavy_traits(N))


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
        value, gradient = _kinds(rng, kind, *shape), _kinds(rng, kind, *shape)
        arguments: Arguments = {"value": value, "gradient": gradient, "velocity": None}
        arguments["learning_rate"] = 0.1 if kind != "whole" else 0.25
        title, traits = "without momentum", _shape_traits(shape, kind)
        if momentum is not None:
            speed = _kinds(rng, kind, *shape)
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
        value, gradient = _kinds(rng, kind, *shape), _kinds(rng, kind, *shape)
        if tiny:
            gradient = gradient * 1e-7
        m, v = np.zeros_like(value), np.zeros_like(value)
        if step > 1:
            past = _kinds(rng, kind, *shape) * gradient.dtype.type(1e-7 if tiny else 1)
            m, v = past / 4, past * past / 8
        rates = (0.5, 0.75, 0.125) if kind == "whole" else (0.1, 0.9, 0.995 if tiny else 0.999)
        names = ("learning_rate", "beta_1", "beta_2")
        arguments: Arguments = {"value": value, "gradient": gradient, "m": m, "v": v, "step": step}
        arguments |= {**dict(zip(names, rates, strict=True)), "epsilon": 1e-7 if tiny else 1e-8}
        title = f"step {step}" + (", tiny gradients" if tiny else "")
        holds = {"it is not the first step": step > 1, "gradients are tiny": tiny}
        traits = {name for name, true in holds.items() if true} | _shape_traits(shape, kind)
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
    x = _kinds(rng, kind, *shape)
    C = shape[-1]
    rows = x.reshape(-1, C).astype(float)
    mean, variance = rows.mean(axis=0).astype(x.dtype), rows.var(axis=0).astype(x.dtype)
    return x, _kinds(rng, kind, C), _kinds(rng, kind, C), mean, variance


def batch_norm_forward_cases(rng: np.random.Generator) -> Iterator[Case]:
    """Cases of `batch_norm_forward`."""
    for shape, kind in BATCHES:
        names = ("x", "gamma", "beta", "mean", "variance")
        arguments: Arguments = dict(zip(names, _batch(rng, shape, kind), strict=True))
        arguments["epsilon"] = EPSILON
        traits = frozenset(_shape_traits(shape, kind))
        yield Case(f"x of shape {shape}", arguments, traits, kind == "strict")


def batch_norm_backward_cases(rng: np.random.Generator) -> Iterator[Case]:
    """Cases of `batch_norm_backward`."""
    entries = [(shape, kind, True) for shape, kind in BATCHES]
    for shape, kind, of_batch in [*entries[:3], ((3, 2), "whole", False), *entries[3:]]:
        x, gamma, _, mean, variance = _batch(rng, shape, kind)
        arguments: Arguments = {"dy": _kinds(rng, kind, *shape), "x": x, "gamma": gamma}
        arguments |= {"mean": mean, "variance": variance, "epsilon": EPSILON}
        traits, title = _shape_traits(shape, kind), f"x of shape {shape}"
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
        x = _kinds(rng, kind, *shape)
        # With the rate 1 something is kept all the same: the result is 0 there, too.
        dropped = round(min(rate, 0.5 if rate == 1 else rate) * x.size)
        kept = rng.permutation(x.size).reshape(shape) >= dropped
        traits = _shape_traits(shape, kind) | ({"the rate is 1"} if rate == 1 else set())
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
        x = _kinds(rng, kind, N, *image, C)
        arguments: Arguments = {"x": x, "targets": _targets(rng, N, K, x.dtype)}
        for name, shape in zip(names, shapes, strict=True):
            arguments[name] = _kinds(rng, kind, *shape) * x.dtype.type(0.5)
        # The first filter's bias leaves about half of its pooled numbers to the relu.
        where = x, arguments["conv_kernel"], None
        pooled, _ = reference.max_pool_forward(reference.conv2d_forward(*where), (2, 2), (2, 2))
        arguments["conv_bias"][0] = -np.median(pooled[..., 0]) if N > 1 else 1 - pooled.min()
        arguments["learning_rate"] = 0.5
        traits = _shape_traits((1, 1), kind) | g.traits()
        yield Case(
            g.title("kernel") + f", {K} classes", arguments, frozenset(traits), kind == "strict"
        )
