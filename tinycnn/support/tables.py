"""The text of `model.summary()`.

Source of the layout: keras/src/utils/summary_utils.py
"""

import math
import shutil
from collections.abc import Sequence

MIN_WIDTH = 30  # of the table; a narrower one has no room for names


def summary_table(
    name: str,
    rows: Sequence[tuple[str, str, str]],
    totals: Sequence[tuple[str, int, int]],
) -> str:
    """The text of Keras's `model.summary()`.

    Args:
        name: the model's name.
        rows: (layer, output shape, parameters), one for each layer.
        totals: (title, number of parameters, bytes), printed below the table.

    Source: keras/src/utils/summary_utils.py. The columns end at 45%, 80% and 100% of the width.
    The borders then take their share, as in rich, which draws Keras's table.
    """
    width = max(MIN_WIDTH, min(88, shutil.get_terminal_size((80, 24)).columns - 4))
    ends = [int(width * share) for share in (0.45, 0.80, 1.0)]
    columns = [ends[0] - 1, ends[1] - ends[0] - 2, ends[2] - ends[1] - 1]
    header = ("Layer (type)", "Output Shape", "Param #")

    def cell(text: str, size: int, right: bool) -> str:
        text = text if len(text) <= size else text[: size - 1] + "…"
        return f"{text:>{size}}" if right else f"{text:<{size}}"

    def row(texts: Sequence[str], bar: str) -> str:
        cells = (
            cell(t, c - 2, i == 2) for i, (t, c) in enumerate(zip(texts, columns, strict=True))
        )
        return f"{bar} " + f" {bar} ".join(cells) + f" {bar}"

    def rule(left: str, line: str, cross: str, right: str) -> str:
        return left + cross.join(line * c for c in columns) + right

    lines = [
        f'Model: "{name}"',
        rule("┏", "━", "┳", "┓"),
        row(header, "┃"),
        rule("┡", "━", "╇", "┩"),
    ]
    between = rule("├", "─", "┼", "┤")
    for i, texts in enumerate(rows):
        lines += [between] * (i > 0) + [row(texts, "│")]
    lines.append(rule("└", "─", "┴", "┘"))
    lines += [f" {title}: {count:,} ({memory_size(size)})" for title, count, size in totals]
    return "\n".join(lines)


def memory_size(size: int) -> str:
    """Bytes as Keras prints them: "364.54 KB"."""
    if size == 0:
        return "0.00 B"
    power = min(4, int(math.log2(size) // 10))
    return f"{size / 1024**power:.2f} {('B', 'KB', 'MB', 'GB', 'TB')[power]}"
