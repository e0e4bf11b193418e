"""The cases of what slides a window over images: im2col, the convolution, the pools."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tinycnn.grader.cases.base import Arguments, Case, numbers
from tinycnn.kernels import reference
from tinycnn.support.geometry import Pair, output_length, window_padding
from tinycnn.utils import Array

__all__ = [
    "GEOMETRIES",
    "POOLS",
    "Geometry",
    "average_pool_backward_cases",
    "average_pool_forward_cases",
    "col2im_cases",
    "conv2d_backward_cases",
    "conv2d_forward_cases",
    "im2col_cases",
    "max_pool_backward_cases",
    "max_pool_forward_cases",
]

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
        return numbers(rng, self.kind, *shape)


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
