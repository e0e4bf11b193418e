"""The callbacks; `base.py` explains what a callback is."""

from tinycnn.callbacks.base import (
    Callback,
    History,
    LambdaCallback,
    ProgressLine,
    TerminateOnNaN,
)
from tinycnn.callbacks.checkpoint import Checkpoint
from tinycnn.callbacks.csv_logger import CSVLogger
from tinycnn.callbacks.learning_rate import LearningRateScheduler, ReduceLROnPlateau
from tinycnn.callbacks.monitors import EarlyStopping, ModelCheckpoint
from tinycnn.callbacks.run import Run
from tinycnn.callbacks.tensorboard import TensorBoard

__all__ = [
    "CSVLogger",
    "Callback",
    "Checkpoint",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "ProgressLine",
    "ReduceLROnPlateau",
    "Run",
    "TensorBoard",
    "TerminateOnNaN",
]
