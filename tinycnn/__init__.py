"""tinycnn: a from-scratch CNN engine in NumPy, made fast with Numba.

Importing it is light: NumPy only. Numba is loaded by the first computation, matplotlib by the first
picture, requests by the first download.
"""

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
