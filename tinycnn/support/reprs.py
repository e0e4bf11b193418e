"""How results show themselves: as a line for the interpreter, as HTML for a notebook.

The HTML holds tables and small drawings, and no script: a notebook that is not trusted runs none.
"""

import html
import inspect
import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from tinycnn.support.arguments import shown

WIDTH, HEIGHT, EDGE = 240, 70, 4  # of a curve, in pixels


def as_call(thing: Any, config: Mapping[str, Any], always: Collection[str] = ()) -> str:
    """The call that makes `thing`, without the arguments that have their defaults.

    Args:
        thing: the object.
        config: the constructor's arguments, by name.
        always: those that are written even if they have their defaults.
    """
    parameters = inspect.signature(type(thing)).parameters
    written = []
    for name, value in config.items():
        default = parameters[name].default if name in parameters else None
        if name in always or (value is not default and value != default):
            written.append(f"{name}={shown(value)}")
    return f"{type(thing).__name__}({', '.join(written)})"


def table(header: Sequence[str], rows: Sequence[Sequence[str]], caption: str = "") -> str:
    """An HTML table; its columns of numbers are aligned to the right."""
    numbers = [
        bool(rows) and all(_is_number(row[column]) for row in rows) for column in range(len(header))
    ]

    def row(cells: Sequence[str], tag: str) -> str:
        made = ""
        for cell, number in zip(cells, numbers, strict=True):
            side = "right" if number else "left"
            made += f'<{tag} style="text-align: {side}">{html.escape(cell)}</{tag}>'
        return f"<tr>{made}</tr>"

    title = f'<caption style="text-align: left">{html.escape(caption)}</caption>' if caption else ""
    body = "".join(row(cells, "td") for cells in rows)
    return f"<table>{title}<thead>{row(header, 'th')}</thead><tbody>{body}</tbody></table>"


def _is_number(text: str) -> bool:
    return text.replace(",", "").replace(".", "").replace("e-", "").lstrip("-").isdigit()


def curve(lines: Mapping[str, Sequence[float]]) -> str:
    """A small drawing of numbers by epoch: the first line is drawn through, the others are dashed.

    Args:
        lines: by name, each with two finite numbers or more, all of one length; others are left
            out. The names are written above it, with the lowest and the highest number.
    """
    drawn = {
        name: values
        for name, values in lines.items()
        if len(values) > 1 and all(math.isfinite(value) for value in values)
    }
    if not drawn:
        return ""
    low, high = min(map(min, drawn.values())), max(map(max, drawn.values()))
    paths = ""
    for values in drawn.values():
        points = []
        for place, value in enumerate(values):
            share = (value - low) / (high - low) if high > low else 0.5
            x = EDGE + place / (len(values) - 1) * (WIDTH - 2 * EDGE)
            points.append(f"{x:.1f},{HEIGHT - EDGE - share * (HEIGHT - 2 * EDGE):.1f}")
        style = 'stroke="#D55E00" stroke-dasharray="4 3"' if paths else 'stroke="#0072B2"'
        paths += f'<polyline fill="none" stroke-width="2" {style} points="{" ".join(points)}"/>'
    names = " (blue), ".join(drawn) + (" (dashed)" if len(drawn) > 1 else "")
    label = html.escape(f"{names}: from {low:.4g} to {high:.4g}")
    return (
        f'<figure style="display: inline-block; margin: 4px 12px 4px 0"><figcaption>{label}'
        f'</figcaption><svg width="{WIDTH}" height="{HEIGHT}" role="img" aria-label="{label}">'
        f"{paths}</svg></figure>"
    )
