"""What a wrong gradient looks like, in words: a factor, exchanged axes, a shift, wrong only there.

The words are a suggestion. They say what holds for the numbers, and what often is the reason. Where
nothing simple holds, nothing is said.

Legend: `numeric` are the measured slopes, `analytic` is what backward says; both have the shape of
the array that was moved.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinycnn.utils import Array

# Relative; a slope's own error is below 1e-9 of the largest, see slopes.py.
ALIKE = 1e-6
AXES = {
    ("x", 2): ("sample", "feature"),
    ("x", 4): ("sample", "row", "column", "channel"),
    ("y_pred", 2): ("sample", "class"),
    ("kernel", 2): ("input", "unit"),
    ("kernel", 4): ("kernel row", "kernel column", "input channel", "filter"),
    ("bias", 1): ("unit or filter",),
}


@dataclass(frozen=True)
class Gradient:
    """One gradient beside its slopes, and what is known about it.

    Attributes:
        name: "x", "kernel", ...
        numeric: the slopes.
        analytic: from backward.
        certain: where a slope says something: no kink, no jump, not lost in rounding.
        wrong: where the two differ.
        value: the array that was moved.
        others: arrays that a backward may confuse with the gradient, by name.
        counts: numbers that a sum may have been divided by, each with a word for it.
    """

    name: str
    numeric: Array
    analytic: Array
    certain: Array
    wrong: Array
    value: Array
    others: dict[str, Array]
    counts: dict[str, int]


def suggestion(gradient: Gradient) -> str:
    """A sentence about what is wrong with a gradient; "" if nothing simple is."""
    if not gradient.wrong.any():
        return ""
    return next(filter(None, _ideas(gradient)), "")


def _ideas(g: Gradient) -> Iterator[str]:
    """Sentences, the most telling first; an empty one where an idea does not fit."""
    if not np.isfinite(g.analytic).all():
        place = tuple(int(i) for i in np.argwhere(~np.isfinite(g.analytic))[0])
        yield f"backward gives {g.analytic[place]} at {place}"
        return
    if not g.analytic.any():
        yield "backward gives zeros: the gradient is not computed, or not kept"
        return
    yield _one_ratio(g)
    yield _another_array(g)
    yield _rearranged(g)
    yield _shifted(g)
    yield _ratio_along_an_axis(g)
    yield _where(g)


def _alike(a: Array, b: Array, where: Array) -> bool:
    """Whether two arrays agree at the places `where`, and say something there."""
    a, b = a[where], b[where]
    if a.size < 2 or not b.any():
        return False
    return bool(np.all(np.abs(a - b) <= ALIKE * (np.abs(b) + 1e-3 * np.abs(b).max())))


# --- ideas ----------------------------------------------------------------------------------------


def _one_ratio(g: Gradient) -> str:
    """The same factor everywhere."""
    ratio = _ratio(g.analytic, g.numeric, g.certain)
    if ratio is None:
        return ""
    known = {
        -1.0: "minus the slope: a sign is wrong",
        2.0: "twice the slope",
        0.5: "half the slope",
    }
    words = [text for number, text in known.items() if abs(ratio / number - 1) < ALIKE]
    counts = {count: what for what, count in reversed(g.counts.items())}  # each number once
    for count, what in sorted(counts.items()):
        if count > 1 and abs(ratio * count - 1) < ALIKE:
            words.append(f"the slope divided by {count}, {what}: a mean where a sum belongs")
        if count > 1 and abs(ratio / count - 1) < ALIKE:
            words.append(f"{count} times the slope, and {count} is {what}: a division is missing")
    if not words:
        return f"every element is {ratio:.6g} times its slope: a factor is wrong"
    or_ = "" if len(words) == 1 else " (an x of another size tells which)"
    return f"every element is {', or '.join(words)}{or_}"


def _ratio(analytic: Array, numeric: Array, where: Array) -> float | None:
    """The factor between the two, if there is one."""
    a, n = analytic[where], numeric[where]
    if a.size < 2 or not n.any():
        return None
    largest = int(np.argmax(np.abs(n)))
    ratio = float(a[largest] / n[largest])
    same = ratio and abs(ratio - 1) > ALIKE and _alike(analytic, ratio * numeric, where)
    return ratio if same else None


def _another_array(g: Gradient) -> str:
    """Another array in the gradient's place: dy where the layer's own derivative is forgotten."""
    for name, array in g.others.items():
        if array.shape == g.analytic.shape and _alike(g.analytic, array, g.certain):
            return f"the gradient is {name} itself: the layer's own derivative is missing"
    return ""


def _rearranged(g: Gradient) -> str:
    """The right numbers in other places: axes exchanged, a kernel rotated."""
    shape, axes = g.numeric.shape, range(g.numeric.ndim)
    for order in itertools.permutations(axes):
        if list(order) == sorted(order):
            continue
        moved, known = (a.transpose(order).reshape(shape) for a in (g.numeric, g.certain))
        if _alike(g.analytic, moved, g.certain & known):
            changed = [i for i in axes if order[i] != i]
            return f"the numbers are right, and {_names(g, changed)} are exchanged: transposed"
    for count in range(1, g.numeric.ndim + 1):
        for chosen in itertools.combinations([i for i in axes if shape[i] > 1], count):
            moved, known = np.flip(g.numeric, chosen), np.flip(g.certain, chosen)
            if _alike(g.analytic, moved, g.certain & known):
                how = "rotated by 180 degrees" if count == 2 else "the wrong way round"
                return f"the numbers are right, and {how} along {_names(g, chosen)}"
    return ""


def _shifted(g: Gradient) -> str:
    """The right numbers, a few places too early or too late: the padding cropped at another end."""
    for axis, length in enumerate(g.numeric.shape):
        for distance in range(1, min(4, length - 1)):
            early = [slice(None)] * g.numeric.ndim
            late = [slice(None)] * g.numeric.ndim
            early[axis], late[axis] = slice(None, -distance), slice(distance, None)
            for here, there, word in ((early, late, "early"), (late, early, "late")):
                to, of = tuple(here), tuple(there)
                known = g.certain[to] & g.certain[of]
                # Most of the numbers must be there, or an accident would do.
                enough = np.count_nonzero(known) > g.numeric.size / 3
                if enough and _alike(g.analytic[to], g.numeric[of], known):
                    return (
                        f"the numbers are right, and {distance} too {word} along "
                        f"{_names(g, [axis])}: look at the padding"
                    )
    return ""


def _ratio_along_an_axis(g: Gradient) -> str:
    """A factor of its own for each channel, unit or sample."""
    if g.numeric.ndim < 2:
        return ""
    for axis, length in enumerate(g.numeric.shape):
        if length < 2 or g.numeric.size // length < 2:
            continue
        ratios = []
        for i in range(length):
            a, n, where = (np.take(part, i, axis) for part in (g.analytic, g.numeric, g.certain))
            right = where.any() and _alike(a, n, where)
            ratio = 1.0 if right else _ratio(a, n, where)
            if ratio is None:
                break
            ratios.append(ratio)
        else:
            numbers = ", ".join(f"{ratio:.4g}" for ratio in ratios[:4])
            more = ", ..." if length > 4 else ""
            return f"each {_names(g, [axis])} has a factor of its own: {numbers}{more}"
    return ""


def _where(g: Gradient) -> str:
    """Where it is wrong, if it is right elsewhere."""
    if not (g.certain & ~g.wrong).any():
        return ""
    told = []
    for axis, length in enumerate(g.numeric.shape):
        others = tuple(i for i in range(g.numeric.ndim) if i != axis)
        bad = {int(i) for i in np.flatnonzero(g.wrong.any(axis=others))}
        seen = {int(i) for i in np.flatnonzero((g.certain | g.wrong).any(axis=others))}
        if bad < seen:
            told.append(_places(bad, seen, length, _names(g, [axis])))
    if not told:
        told += [word for word, here in _conditions(g) if _only_there(g, here)][:1]
    return f"wrong only {', and '.join(told)}; right elsewhere" if told else ""


def _places(bad: set[int], seen: set[int], length: int, name: str) -> str:
    if bad == {length - 1}:
        return f"in the last {name}"
    if bad <= {0, length - 1}:
        return f"at the border: {name} {' and '.join(map(str, sorted(bad)))}"
    for step in (2, 3):
        for start in range(step):
            if len(bad) > 1 and bad == {i for i in seen if i % step == start}:
                ordinal = "second" if step == 2 else "third"
                return f"in every {ordinal} {name}, from {start} on: look at the strides"
    if len(seen - bad) == 1 and len(seen) > 2:
        return f"outside of {name} {next(iter(seen - bad))}"
    return f"in {name} {', '.join(map(str, sorted(bad)[:5]))}{', ...' * (len(bad) > 5)}"


def _conditions(g: Gradient) -> Iterator[tuple[str, Array]]:
    """Properties of an element, in words and as a mask."""
    _, inverse, counts = np.unique(g.value, return_inverse=True, return_counts=True)
    yield "where equal values meet: ties", (counts[inverse] > 1).reshape(g.value.shape)
    yield f"where {g.name} is 0", g.value == 0
    yield f"where {g.name} is negative", g.value < 0
    yield f"where {g.name} is positive", g.value > 0


def _only_there(g: Gradient, here: Array) -> bool:
    """Whether the wrong elements are those, all of those that say something, and no others."""
    return np.array_equal(g.wrong, here & (g.certain | g.wrong))


def _names(g: Gradient, axes: Any) -> str:
    known = AXES.get((g.name, g.numeric.ndim))
    names = [known[i] if known else f"axis {i}" for i in axes]
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
