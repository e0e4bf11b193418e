"""Lets Ctrl-C take effect at a moment when nothing is half done."""

import signal
import threading
from types import FrameType, TracebackType


class Interrupt:
    """Inside its `with`, Ctrl-C is only noted; a second one raises KeyboardInterrupt at once.

    The code inside looks at `pending` where stopping does no harm. If it does not stop, the end of
    the `with` raises KeyboardInterrupt. Outside the main thread, and where the program has a
    handler of its own, nothing is changed.
    """

    def __init__(self) -> None:
        self.pending = False

    def __enter__(self) -> "Interrupt":
        in_main = threading.current_thread() is threading.main_thread()
        self._ours = in_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if self._ours:
            signal.signal(signal.SIGINT, self._note)
        return self

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.pending = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        if self.pending and error is None:
            raise KeyboardInterrupt
