"""Lets Ctrl-C and SIGTERM take effect at a moment when nothing is half done.

SIGTERM is how Slurm, Kubernetes, `docker stop` and mpiexec ask a program to end.
"""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, NoReturn

from tinycnn.support import console

# What the system or Python does with these signals, unless the program says otherwise.
DEFAULTS: dict[int, Any] = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGTERM: signal.SIG_DFL,
}


class Interrupt:
    """Inside its `with`, Ctrl-C and SIGTERM are only noted; a second one takes effect at once.

    The code inside looks at `pending` where stopping does no harm, and calls `end`. If it does not,
    the end of the `with` does. Outside the main thread, and for a signal that the program handles
    itself, nothing is changed.

    Attributes:
        pending: the number of the signal that has come; 0 for none.
    """

    def __init__(self) -> None:
        self.pending = 0
        self._ours: list[int] = []

    def __enter__(self) -> "Interrupt":
        if threading.current_thread() is threading.main_thread():
            self._ours = [n for n, default in DEFAULTS.items() if signal.getsignal(n) is default]
        for number in self._ours:
            signal.signal(number, self._note)
        return self

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.pending = self.pending or number
        signal.signal(number, DEFAULTS[number])

    def end(self, text: str = "") -> NoReturn:
        """Raises what the pending signal asks for.

        Args:
            text: how far the work has got, and how to go on.

        Raises:
            KeyboardInterrupt: for Ctrl-C, with the text.
            SystemExit: for SIGTERM, with the code 143 that a shell expects; the text is printed.
        """
        if self.pending != signal.SIGTERM:
            raise KeyboardInterrupt(text) if text else KeyboardInterrupt
        if text:
            console.notice(text)
        raise SystemExit(128 + signal.SIGTERM)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number in self._ours:
            signal.signal(number, DEFAULTS[number])
        if self.pending and error is None:
            self.end()
