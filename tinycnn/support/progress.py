"""Lines that show how far long work has got: a count of parts, and Keras's line of an epoch.

On a terminal and in a notebook a line redraws itself in place. In a pipe or a file there is one
plain line when the work is done, so that logs hold no control characters. A notebook's line has no
colours: as one line is written over another, a colour's code could be cut in two.

Source of the layout: keras/src/utils/progbar.py
"""

import math
import numbers
import time
from collections.abc import Mapping
from typing import Any

from tinycnn.support import console
from tinycnn.support.arguments import printable, shown

BAR_CELLS = 20
BOLD, GREEN, WHITE = "\x1b[1m", "\x1b[32m", "\x1b[37m"
UPDATE_INTERVAL = 0.05  # seconds between two redraws
NOTEBOOK_INTERVAL = 0.2  # in a notebook, whose page many messages would slow down


class Progress:
    """Progress of a piece of work with a known number of parts; use it in a `with`.

    Args:
        label: what is being done: "train-images-idx3-ubyte.gz", "compiling the kernels".
        total: how many parts there are.
        unit: what a part is, printed after the numbers: "kernels", "images", "B" for bytes.
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
        """Shows that `done` of the parts are finished."""
        self.done = done
        now = time.perf_counter()
        if console.redraws() and now - self._drawn_at > _interval():
            self._drawn_at = now
            console.redraw(self._line())

    def _line(self) -> str:
        if self.unit == "B":
            amount = f"{self.done / 1e6:.1f}/{self.total / 1e6:.1f} MB"
        else:
            amount = f"{self.done}/{self.total} {self.unit}".rstrip()
        return f"{self.label}: {amount}, {time.perf_counter() - self._start:.1f} s"

    def __exit__(self, *exception: object) -> None:
        console.say_above(self._line())


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
            console.say(title)

    def update(self, step: int, values: Mapping[str, Any]) -> None:
        """Shows the running means `values` after batch number `step` (from 1)."""
        now = time.perf_counter()
        if self._after_first is None:
            self._first, self._after_first = step, now
        if self.live and step < self.steps and now - self._drawn_at >= _interval():
            self._drawn_at = now
            left = self._seconds_per_step(step, now) * (self.steps - step)
            start = f"{self._bar(step)} {_styled(_duration(left), BOLD)}"
            console.redraw(f"{start} {self._rest(step, now, values)}")

    def finish(self, values: Mapping[str, Any]) -> None:
        """Prints the finished line with the final `values`."""
        now = time.perf_counter()
        took = _duration(now - self._start)
        rest = self._rest(self.steps, now, values)
        if self.live:
            console.say_above(f"{self._bar(self.steps)} {_styled(took, BOLD)} {rest}")
        else:
            title = f"{self.title} - " if self.title else ""
            console.say(f"{title}{self.steps}/{self.steps} - {took} - {rest}")

    def _bar(self, step: int) -> str:
        filled = BAR_CELLS * step // self.steps
        count = f"{step:>{len(str(self.steps))}}/{self.steps}"
        # Where there is no colour, or no such line, the two parts differ by their characters.
        plain = console.in_notebook() or not console.draws("━")
        done, left = ("=", ".") if plain else ("━", "━")
        bar = _styled(done * filled, GREEN) + _styled(left * (BAR_CELLS - filled), WHITE)
        return f"{_styled(count, BOLD)} {bar}"

    def _seconds_per_step(self, step: int, now: float) -> float:
        # As in Keras the first step, which may include compiling, is left out of the average.
        if step > self._first and self._after_first is not None:
            return (now - self._after_first) / (step - self._first)
        return now - self._start

    def _rest(self, step: int, now: float, values: Mapping[str, Any]) -> str:
        parts = [_per_step(self._seconds_per_step(step, now))]
        parts += [f"{printable(name)}: {value_text(value)}" for name, value in values.items()]
        return " - ".join(parts)


def _interval() -> float:
    return NOTEBOOK_INTERVAL if console.in_notebook() else UPDATE_INTERVAL


def _styled(text: str, style: str) -> str:
    """The text in a terminal's style; in a notebook as it is."""
    return text if console.in_notebook() else f"{style}{text}\x1b[0m"


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


def value_text(value: Any) -> str:
    """A logged value as the line of an epoch writes it: a number with four decimals."""
    if not isinstance(value, numbers.Real):  # a callback may log anything
        try:
            return printable(" ".join(str(value).split()), 40)
        except Exception:  # from a user's own class
            return f"a {type(value).__name__}"
    try:
        number = float(value)
    except OverflowError:  # an integer beyond 1.8e308
        return shown(value)
    return f"{number:.4f}" if abs(number) > 1e-3 or number == 0 else f"{number:.4e}"
