"""All console output: notices, progress, the epoch line in Keras's style, the summary table.

On a terminal a progress line redraws itself in place; in a pipe or a file there is one plain line
when the work is done, so that logs hold no control characters. Progress and epochs go to stdout,
notices to stderr.

Source of the layout: keras/src/utils/progbar.py, keras/src/utils/summary_utils.py
"""

import math
import numbers
import os
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

from tinycnn.errors import TinyCNNError
from tinycnn.support.arguments import printable, shown

BAR_CELLS = 20
MIN_WIDTH = 30  # of the summary table: narrower ones could name nothing
UPDATE_INTERVAL = 0.05  # seconds between two redraws
_notices_given: set[str] = set()


# What an encoding like cp1252 or ASCII can't carry, in plain characters.
PLAIN = str.maketrans(
    dict.fromkeys("\u250f\u2533\u2513\u2521\u2547\u2529\u251c\u253c\u2524\u2514\u2534\u2518", "+")
    | dict.fromkeys("\u2501\u2500", "-")
    | dict.fromkeys("\u2503\u2502", "|")
    | {"\u2026": "~"}
)


def say(text: str = "") -> None:
    """Print a line on stdout."""
    _write("stdout", f"{text}\n")


def say_above(text: str) -> None:
    """Print a line on stdout, above the line that is being redrawn on a terminal, if one is."""
    _write("stdout", f"\r\x1b[K{text}\n" if is_terminal() else f"{text}\n")


def notice(text: str, *, once: bool = False) -> None:
    """Print a line on stderr; with `once`, the same text a second time prints nothing."""
    if once and text in _notices_given:
        return
    _notices_given.add(text)
    _write("stderr", f"tinycnn: {text}\n")


def _write(stream: str, text: str) -> None:
    """Writes to sys.stdout or sys.stderr, and never raises: work goes on whatever becomes of it.

    A program may have no such stream (pythonw, services), or one that lacks half of a file's
    methods (GUI consoles, tees); a pipe's reader may have gone, a log's disk be full.
    """
    file = getattr(sys, stream)
    if file is None:
        return
    try:
        file.write(_encodable(text, _encoding(file)))
        flush = getattr(file, "flush", None)
        if flush is not None:
            flush()
    except BrokenPipeError:
        _send_to_nowhere(file)
    except Exception:
        # A full disk, a closed file, a console that was deleted: an object of anybody's may raise
        # anything here, and none of it is worth the work that is going on.
        return


def _encodable(text: str, encoding: Any) -> str:
    """The text, in plain characters where `encoding` can't carry it."""
    if not isinstance(encoding, str):
        return text
    try:
        text.encode(encoding)
    except LookupError:
        return text
    except UnicodeEncodeError:
        return text.translate(PLAIN).encode(encoding, "backslashreplace").decode(encoding)
    return text


def _send_to_nowhere(file: Any) -> None:
    """Lets what is still to be written vanish: Python would complain of the pipe as it exits."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, file.fileno())
        os.close(nowhere)
    except (OSError, ValueError, AttributeError):
        return


def is_terminal() -> bool:
    """Whether stdout is a terminal, so that a line can be redrawn."""
    try:
        return bool(sys.stdout.isatty())
    except Exception:  # there is none, or it is closed, or it is not quite a stream: see `_write`
        return False


def _draws(text: str) -> bool:
    """Whether stdout's encoding can carry the text."""
    return _encodable(text, _encoding(sys.stdout)) == text


def _encoding(file: Any) -> Any:
    """What a stream says that its encoding is; None if it says nothing."""
    try:
        return getattr(file, "encoding", None)
    except Exception:  # a property of an object of anybody's
        return None


def is_live(verbose: str | int) -> bool:
    """Whether `verbose` ("auto", 0, 1 or 2, as in Keras) asks for a line that redraws itself.

    Raises:
        ValueError: for any other value.
    """
    if verbose not in ("auto", 0, 1, 2):
        raise ValueError(f"`verbose` must be 'auto', 0, 1 or 2. Received: verbose={verbose!r}")
    return verbose != 2 and is_terminal()


# --- progress of a long piece of work -------------------------------------------------------------


class Progress:
    """Progress of a piece of work with a known number of parts; use it in a `with`.

    Args:
        label: what is being done: "train-images-idx3-ubyte.gz", "compiling the kernels".
        total: how many parts there are.
        unit: what a part is, printed behind the numbers: "kernels", "images", "B" for bytes.
    """

    def __init__(self, label: str, total: int, unit: str = "") -> None:
        self.label = label
        self.total = total
        self.unit = unit
        self.done = 0
        self._start = time.perf_counter()
        self._drawn_at = -math.inf

    def __enter__(self) -> "Progress":
        self.update(0)
        return self

    def update(self, done: int) -> None:
        """Note that `done` of the parts are finished."""
        self.done = done
        now = time.perf_counter()
        if is_terminal() and now - self._drawn_at > UPDATE_INTERVAL:
            self._drawn_at = now
            _write("stdout", f"\r\x1b[K{self._line()}")

    def _line(self) -> str:
        if self.unit == "B":
            amount = f"{self.done / 1e6:.1f}/{self.total / 1e6:.1f} MB"
        else:
            amount = f"{self.done}/{self.total} {self.unit}".rstrip()
        return f"{self.label}: {amount}, {time.perf_counter() - self._start:.1f} s"

    def __exit__(self, *exception: object) -> None:
        say_above(self._line())


# --- the epoch line -------------------------------------------------------------------------------


class EpochLine:
    """The line Keras prints for an epoch, an evaluation or a prediction.

    Args:
        title: "Epoch 1/10", or "" for none.
        steps: number of batches.
        live: True redraws the bar after each batch; False prints one line at the end.
    """

    def __init__(self, title: str, steps: int, live: bool) -> None:
        self.title = title
        self.steps = steps
        self.live = live
        self._start = time.perf_counter()
        self._first = 0  # the first step that was seen: in a resumed epoch not number 1
        self._after_first: float | None = None
        self._drawn_at = -math.inf
        if live and title:
            say(title)

    def update(self, step: int, values: Mapping[str, Any]) -> None:
        """Show the running means `values` after batch number `step` (from 1)."""
        now = time.perf_counter()
        if self._after_first is None:
            self._first, self._after_first = step, now
        if self.live and step < self.steps and now - self._drawn_at >= UPDATE_INTERVAL:
            self._drawn_at = now
            left = self._seconds_per_step(step, now) * (self.steps - step)
            start = f"\r\x1b[K{self._bar(step)} \x1b[1m{_duration(left)}\x1b[0m"
            _write("stdout", f"{start} {self._rest(step, now, values)}")

    def finish(self, values: Mapping[str, Any]) -> None:
        """Print the finished line with the final `values`."""
        now = time.perf_counter()
        took = _duration(now - self._start)
        rest = self._rest(self.steps, now, values)
        if self.live:
            say(f"\r\x1b[K{self._bar(self.steps)} \x1b[1m{took}\x1b[0m {rest}")
        else:
            title = f"{self.title} - " if self.title else ""
            say(f"{title}{self.steps}/{self.steps} - {took} - {rest}")

    def _bar(self, step: int) -> str:
        filled = BAR_CELLS * step // self.steps
        count = f"{step:>{len(str(self.steps))}}/{self.steps}"
        done, left = ("━", "━") if _draws("━") else ("=", ".")  # told apart by more than colour
        bar = f"\x1b[32m{done * filled}\x1b[0m\x1b[37m{left * (BAR_CELLS - filled)}\x1b[0m"
        return f"\x1b[1m{count}\x1b[0m {bar}"

    def _seconds_per_step(self, step: int, now: float) -> float:
        # As in Keras the first step, which may hold a compile, is left out of the average.
        if step > self._first and self._after_first is not None:
            return (now - self._after_first) / (step - self._first)
        return now - self._start

    def _rest(self, step: int, now: float, values: Mapping[str, Any]) -> str:
        parts = [_per_step(self._seconds_per_step(step, now))]
        parts += [f"{printable(name)}: {_value(value)}" for name, value in values.items()]
        return " - ".join(parts)


def _duration(seconds: float) -> str:
    whole = int(seconds)
    if whole > 3600:
        return f"{whole // 3600}:{whole % 3600 // 60:02}:{whole % 60:02}"
    if whole > 60:
        return f"{whole // 60}:{whole % 60:02}"
    return f"{whole}s"


def _per_step(seconds: float) -> str:
    if seconds >= 1:
        return f"{seconds:.0f}s/step"
    if seconds >= 1e-3:
        return f"{seconds * 1e3:.0f}ms/step"
    return f"{seconds * 1e6:.0f}us/step"


def _value(value: Any) -> str:
    if not isinstance(value, numbers.Real):  # a callback may log anything
        try:
            return printable(" ".join(str(value).split()), 40)
        except Exception:  # of a class of the user's
            return f"a {type(value).__name__}"
    try:
        number = float(value)
    except OverflowError:  # an integer beyond 1.8e308
        return shown(value)
    return f"{number:.4f}" if abs(number) > 1e-3 or number == 0 else f"{number:.4e}"


# --- the summary table ----------------------------------------------------------------------------


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

    Source: keras/src/utils/summary_utils.py. The columns end at 45%, 80% and 100% of the width;
    the table's borders are then taken from them as rich, which draws Keras's table, does.
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


# --- for scripts ----------------------------------------------------------------------------------


def end_errors_in_one_line() -> None:
    """From here on the program ends in one line, not a traceback, for what a user can cause.

    That is every TinyCNNError and OSError, with exit code 1, and Ctrl-C, with the shell's 130;
    anything else keeps its traceback. A TINYCNN_KERNELS that names no kernels ends it here, before
    any work, with the exit code 2 of a wrong argument.
    """
    rung = os.environ.get("TINYCNN_KERNELS")
    if rung not in (None, "", "numba", "numpy"):
        words = f"must be 'numba' or 'numpy'. Received: TINYCNN_KERNELS={rung!r}"
        _write("stderr", f"error: `TINYCNN_KERNELS` {words}\n")
        raise SystemExit(2)

    def hook(
        kind: type[BaseException], error: BaseException, traceback: TracebackType | None
    ) -> None:
        if issubclass(kind, (TinyCNNError, OSError)):
            _write("stderr", f"error: {error}\n")
        elif issubclass(kind, KeyboardInterrupt):
            below = "\n" if is_terminal() else ""  # the line that the terminal's ^C stands in
            _write("stderr", f"{below}{str(error) or 'interrupted'}\n")
            raise SystemExit(130)
        else:
            sys.__excepthook__(kind, error, traceback)

    sys.excepthook = hook


def positive_integer(text: str) -> int:
    """A command-line argument that must be a whole number above 0, for argparse's `type=`."""
    import argparse

    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a positive integer. Received: {text}")
    return int(text)


def natural_number(text: str) -> int:
    """A command-line argument that must be a whole number, 0 or above, for argparse's `type=`."""
    import argparse

    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be an integer >= 0. Received: {text}")
    return int(text)
