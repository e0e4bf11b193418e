"""tinycnn: a from-scratch CNN engine in NumPy, made fast with Numba.

Importing it is light: NumPy only. Numba is loaded by the first computation, matplotlib by the first
picture, requests by the first download.
"""

import importlib
import pkgutil
from types import ModuleType

from tinycnn.callbacks import Callback, Checkpoint, History
from tinycnn.errors import (
    DownloadError,
    IdxFormatError,
    ModelFileError,
    NumericalError,
    PictureError,
    TinyCNNError,
)
from tinycnn.layers import (
    ELU,
    Activation,
    AveragePooling2D,
    AvgPool2D,
    BatchNormalization,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePooling2D,
    GlobalAvgPool2D,
    Input,
    Layer,
    LeakyReLU,
    MaxPool2D,
    MaxPooling2D,
    RandomRotation,
    RandomTranslation,
    RandomZoom,
    ReLU,
    Rescaling,
    Softmax,
)
from tinycnn.losses import (
    CategoricalCrossentropy,
    Loss,
    MeanSquaredError,
    SparseCategoricalCrossentropy,
)
from tinycnn.models import Sequential, load_model
from tinycnn.optimizers import SGD, Adam, AdamW, Optimizer, RMSprop, schedules

__version__ = "0.1.0"

__all__ = [
    "ELU",
    "SGD",
    "Activation",
    "Adam",
    "AdamW",
    "AveragePooling2D",
    "AvgPool2D",
    "BatchNormalization",
    "Callback",
    "CategoricalCrossentropy",
    "Checkpoint",
    "Conv2D",
    "Dense",
    "DownloadError",
    "Dropout",
    "Flatten",
    "GlobalAveragePooling2D",
    "GlobalAvgPool2D",
    "History",
    "IdxFormatError",
    "Input",
    "Layer",
    "LeakyReLU",
    "Loss",
    "MaxPool2D",
    "MaxPooling2D",
    "MeanSquaredError",
    "ModelFileError",
    "NumericalError",
    "Optimizer",
    "PictureError",
    "RMSprop",
    "RandomRotation",
    "RandomTranslation",
    "RandomZoom",
    "ReLU",
    "Rescaling",
    "Sequential",
    "Softmax",
    "SparseCategoricalCrossentropy",
    "TinyCNNError",
    "load_model",
    "schedules",
]


def __getattr__(name: str) -> ModuleType:
    """Loads a module of tinycnn when it is first used: `tinycnn.datasets`, as in Keras."""
    if name in _modules():
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_modules()})


def _modules() -> list[str]:
    names = [module.name for module in pkgutil.iter_modules(__path__)]
    return [name for name in names if name != "__main__"]  # it is a command, not a module to use
