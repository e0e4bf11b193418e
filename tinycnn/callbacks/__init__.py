"""The callbacks; `base.py` says what every callback is."""

from tinycnn.callbacks.base import (
    Callback,
    History,
    LambdaCallback,
    Logs,
    ProgressLine,
    TerminateOnNaN,
    call,
    checked_callbacks,
)
from tinycnn.callbacks.checkpoint import Checkpoint, Run
from tinycnn.callbacks.csv_logger import CSVLogger
from tinycnn.callbacks.learning_rate import LearningRateScheduler, ReduceLROnPlateau
from tinycnn.callbacks.monitors import EarlyStopping, ModelCheckpoint

__all__ = [
    "CSVLogger",
    "Callback",
    "Checkpoint",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "Logs",
    "ModelCheckpoint",
    "ProgressLine",
    "ReduceLROnPlateau",
    "Run",
    "TerminateOnNaN",
    "call",
    "checked_callbacks",
]
