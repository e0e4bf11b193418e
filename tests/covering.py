"""Covering arrays: few combinations in which the values of any few axes have all met.

Most mistakes need two or three sizes to meet: a wrong dx of a convolution needed one filter, a
whole panel of channels and a kernel larger than 1x1. Sizes drawn at random meet in that way once in
some thousand draws; a covering array holds each such meeting at least once.
"""

import itertools
import random


def covering(axes, strength, tries=10, seed=0):
    """Combinations in which any `strength` of the axes take every tuple of their values.

    Each tuple that is still missing is completed with values of the other axes, `tries` times at
    random; the row that covers most of what is missing is taken.

    Args:
        axes: name to a sequence of values.
        strength: how many axes are to meet: 2 for pairs, 3 for triples.

    Returns:
        A list of dicts, name to value; equal arguments give equal lists.
    """
    rng = random.Random(seed)
    sizes = [len(values) for values in axes.values()]
    columns = list(itertools.combinations(range(len(sizes)), strength))
    missing = {
        (places, chosen)
        for places in columns
        for chosen in itertools.product(*(range(sizes[place]) for place in places))
    }
    rows = []
    for places, chosen in sorted(missing):
        if (places, chosen) in missing:
            best = max(_row(rng, sizes, places, chosen, columns, missing) for _ in range(tries))
            _, row = best
            missing.difference_update(_meetings(row, columns))
            rows.append(row)
    names, values = list(axes), list(axes.values())
    return [
        {name: values[i][chosen] for i, (name, chosen) in enumerate(zip(names, row, strict=True))}
        for row in rows
    ]


def everything(axes, drawn=(), seed=0):
    """All combinations, as `covering` gives them.

    Args:
        axes: name to a sequence of values.
        drawn: names of axes that are not multiplied: each combination of the others draws a value.
        seed: of the draws; equal arguments give equal lists.
    """
    rng = random.Random(seed)
    crossed = {name: values for name, values in axes.items() if name not in drawn}
    rest = {name: values for name, values in axes.items() if name in drawn}
    return [
        dict(zip(crossed, row, strict=True)) | {name: rng.choice(v) for name, v in rest.items()}
        for row in itertools.product(*crossed.values())
    ]


def _row(rng, sizes, places, chosen, columns, missing):
    """(how much of what is missing it covers, a row that holds `chosen` at `places`)."""
    row = [rng.randrange(size) for size in sizes]
    for place, value in zip(places, chosen, strict=True):
        row[place] = value
    return sum(meeting in missing for meeting in _meetings(row, columns)), row


def _meetings(row, columns):
    return [(places, tuple(row[place] for place in places)) for places in columns]
