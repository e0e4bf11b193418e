"""Lets all processes of an MPI job end when one of them does, instead of waiting for it forever.

An error that all ranks raise at the same moment, such as a loss that is not finite, is an error
like any other: it can be caught, and rank 0 prints it. One that a rank raises alone leaves the
others in a message that never comes. It is printed by that rank, and ends the job.
"""

import sys
import time
from types import TracebackType
from typing import Any

from tinycnn.support import console, job

PATIENCE = 2.0  # seconds within which all ranks must have raised an error, or it is one's alone


class Ending:
    """Use it in a `with` around what all ranks do together.

    Args:
        communicator: mpi4py's, of all ranks; used for nothing else.

    Raises:
        Exception: what all ranks have raised.
    """

    def __init__(self, communicator: Any) -> None:
        self._communicator = communicator
        self._hook = sys.excepthook

    def watch(self) -> None:
        """From here on an error that nobody catches ends all ranks, wherever it is raised."""
        if sys.excepthook != self._uncaught:
            self._hook = sys.excepthook
            sys.excepthook = self._uncaught

    def __enter__(self) -> None:
        self.watch()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is not None and error is not None and not self._all_are_here():
            self._end_all(kind, error, traceback)

    def _all_are_here(self) -> bool:
        """Whether all ranks have raised an error, too."""
        arrived = self._communicator.Ibarrier()
        patience = PATIENCE + 0.25 * min(self._communicator.rank, 4)  # so that one rank prints
        end = time.monotonic() + patience
        while not arrived.Test():
            if time.monotonic() > end:
                return False
            time.sleep(0.01)
        return True

    def _uncaught(
        self, kind: type[BaseException], error: BaseException, traceback: TracebackType | None
    ) -> None:
        if not self._all_are_here():
            self._end_all(kind, error, traceback)
        if not job.leads():
            console.discard_errors()  # rank 0 prints the same
        self._hook(kind, error, traceback)

    def _end_all(
        self, kind: type[BaseException], error: BaseException, traceback: TracebackType | None
    ) -> None:
        """Prints the error and ends all ranks; it does not return."""
        job.lead()
        rank, ranks = self._communicator.rank, self._communicator.size
        console.notice(f"rank {rank} of {ranks} has failed, and all others end with it:")
        code: Any = 1
        try:
            if issubclass(kind, SystemExit):
                code = getattr(error, "code", 1) or 1
            else:
                self._hook(kind, error, traceback)
        except SystemExit as end:  # a hook may choose the exit code
            code = end.code or 1
        finally:
            console.flush()
            self._communicator.Abort(code if isinstance(code, int) else 1)
