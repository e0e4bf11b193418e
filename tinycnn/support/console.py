"""Everything that is printed goes through here: results to stdout, notices to stderr.

Printing never raises: a training goes on whatever happens to the window it is watched in.
"""

import os
import sys
from contextlib import suppress
from typing import Any

from tinycnn.support import job

_notices_given: set[str] = set()
_drawn = 0  # characters of the live line that a notebook shows, which blanks must cover


# What an encoding like cp1252 or ASCII can't carry, in plain characters.
PLAIN = str.maketrans(
    dict.fromkeys("\u250f\u2533\u2513\u2521\u2547\u2529\u251c\u253c\u2524\u2514\u2534\u2518", "+")
    | dict.fromkeys("\u2501\u2500", "-")
    | dict.fromkeys("\u2503\u2502", "|")
    | {"\u2026": "~"}
)


def say(text: str = "") -> None:
    """Prints a line on stdout."""
    write("stdout", f"{text}\n")


def say_above(text: str) -> None:
    """Prints a line on stdout, in the place of the line that is being redrawn, if any."""
    write("stdout", f"{_over(text)}\n" if redraws() else f"{text}\n")
    _forget()


def redraw(text: str) -> None:
    """Writes a line over the one that it wrote last; ask `redraws` before."""
    global _drawn
    write("stdout", _over(text))
    _drawn = len(text)


def _over(text: str) -> str:
    """The text, to be written over the live line.

    A terminal erases that line. A notebook only goes back to its start, so blanks must cover it.
    """
    return f"\r{text:<{_drawn}}" if in_notebook() else f"\r\x1b[K{text}"


def _forget() -> None:
    global _drawn
    _drawn = 0


def notice(text: str, *, once: bool = False) -> None:
    """Prints a line on stderr; with `once`, the same text is not printed a second time."""
    if once and text in _notices_given:
        return
    _notices_given.add(text)
    write("stderr", f"tinycnn: {text}\n")


def write(stream: str, text: str) -> None:
    """Writes to sys.stdout or sys.stderr, and never raises: the work must go on in any case.

    A program may have no such stream (pythonw, services), or one that lacks half of a file's
    methods (GUI consoles, tees). A pipe's reader may be gone, or a log's disk full. Of processes
    that train together only one prints: see job.py.
    """
    file = getattr(sys, stream)
    if file is None or not job.leads():
        return
    try:
        file.write(_encodable(text, _encoding(file)))
        flush = getattr(file, "flush", None)
        if flush is not None:
            flush()
    except BrokenPipeError:
        _send_to_nowhere(file)
    except Exception:
        # A full disk, a closed file, a console that was deleted: a foreign object may raise
        # anything here, and none of it is worth losing the work that is going on.
        return


def flush() -> None:
    """Hands on what other code has written to stdout and stderr: the process is about to end."""
    for file in (sys.stdout, sys.stderr):
        with suppress(Exception):  # as in `write`
            file.flush()


def discard_errors() -> None:
    """From here on nobody reads what this process writes to stderr."""
    sys.stderr = open(os.devnull, "w")


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
    """Discards what is still to be written: Python would complain about the pipe as it exits."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, file.fileno())
        os.close(nowhere)
    except (OSError, ValueError, AttributeError):
        return


def is_terminal() -> bool:
    """Whether stdout is a terminal, so that a line can be redrawn."""
    if "OMPI_COMM_WORLD_SIZE" in os.environ:
        return False  # Open MPI gives its processes a terminal even if the output goes to a file
    try:
        return bool(sys.stdout.isatty())
    except Exception:  # there is none, or it is closed, or it is not quite a stream: see `write`
        return False


def in_notebook() -> bool:
    """Whether stdout is a cell of a Jupyter notebook, JupyterLab or Colab: of ipykernel."""
    return type(sys.stdout).__module__.partition(".")[0] == "ipykernel"


def redraws() -> bool:
    """Whether a line on stdout can be redrawn: on a terminal, and in a notebook."""
    return is_terminal() or in_notebook()


def draws(text: str) -> bool:
    """Whether stdout's encoding can carry the text."""
    return _encodable(text, _encoding(sys.stdout)) == text


def _encoding(file: Any) -> Any:
    """The encoding that a stream reports; None if it reports none."""
    try:
        return getattr(file, "encoding", None)
    except Exception:  # a property of a foreign object
        return None


def is_live(verbose: str | int) -> bool:
    """Whether `verbose` ("auto", 0, 1 or 2, as in Keras) asks for a line that redraws itself.

    Raises:
        ValueError: for any other value.
    """
    if verbose not in ("auto", 0, 1, 2):
        raise ValueError(f"`verbose` must be 'auto', 0, 1 or 2. Received: verbose={verbose!r}")
    return verbose != 2 and redraws()
