"""The callbacks; `base.py` says what every callback is."""

from tinycnn.callbacks.base import (
    Callback,
    History,
    Logs,
    ProgressLine,
    call,
    checked_callbacks,
)

__all__ = ["Callback", "History", "Logs", "ProgressLine", "call", "checked_callbacks"]
