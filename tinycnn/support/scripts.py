"""How a script ends when it cannot go on, and how it reads numbers on the command line."""

import argparse
import sys
from types import TracebackType
from typing import NoReturn

from tinycnn import kernels
from tinycnn.errors import TinyCNNError
from tinycnn.support.console import is_terminal, write


def end(text: str, code: int = 1) -> NoReturn:
    """Ends the program with one line on stderr, as for every error that a user can cause."""
    write("stderr", f"error: {text}\n")
    raise SystemExit(code)


def end_errors_in_one_line() -> None:
    """From here on, what a user can cause ends the program with one line, not a traceback.

    That is every TinyCNNError and OSError, with exit code 1, and Ctrl-C, with the shell's 130.
    Anything else keeps its traceback. A TINYCNN_KERNELS that names no kernels ends the program
    here, before any work, with exit code 2, as for a wrong argument.
    """
    try:
        kernels.chosen()
    except ValueError as error:
        end(str(error), 2)

    def hook(
        kind: type[BaseException], error: BaseException, traceback: TracebackType | None
    ) -> None:
        if issubclass(kind, (TinyCNNError, OSError)):
            text = str(error)
            if isinstance(error, OSError) and isinstance(error.filename, str) and error.strerror:
                text = f"{error.filename}: {error.strerror}"  # without its number
            write("stderr", f"error: {text}\n")
        elif issubclass(kind, KeyboardInterrupt):
            below = "\n" if is_terminal() else ""  # ends the line with the terminal's ^C
            write("stderr", f"{below}{str(error) or 'interrupted'}\n")
            raise SystemExit(130)
        else:
            sys.__excepthook__(kind, error, traceback)

    sys.excepthook = hook


def positive_integer(text: str) -> int:
    """A command-line argument that must be a whole number above 0, for argparse's `type=`."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a positive integer. Received: {text}")
    return int(text)


def natural_number(text: str) -> int:
    """A command-line argument that must be a whole number, 0 or above, for argparse's `type=`."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be an integer >= 0. Received: {text}")
    return int(text)
