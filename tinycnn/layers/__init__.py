"""The layers, one file for each family; `base.py` explains what a layer is."""

from tinycnn.layers.activations import ELU, Activation, LeakyReLU, ReLU, Softmax
from tinycnn.layers.augmentation import RandomRotation, RandomTranslation, RandomZoom
from tinycnn.layers.base import Layer
from tinycnn.layers.convolutional import Conv2D
from tinycnn.layers.core import Dense, Flatten, Input
from tinycnn.layers.normalization import BatchNormalization
from tinycnn.layers.pooling import AveragePooling2D, GlobalAveragePooling2D, MaxPooling2D
from tinycnn.layers.preprocessing import Rescaling
from tinycnn.layers.regularization import Dropout

# Keras's aliases
AvgPool2D = AveragePooling2D
GlobalAvgPool2D = GlobalAveragePooling2D
MaxPool2D = MaxPooling2D

# The closed list of layers that a model file may name.
LAYERS: dict[str, type[Layer]] = {
    layer.__name__: layer
    for layer in (
        Activation,
        AveragePooling2D,
        BatchNormalization,
        Conv2D,
        Dense,
        Dropout,
        ELU,
        Flatten,
        GlobalAveragePooling2D,
        LeakyReLU,
        MaxPooling2D,
        RandomRotation,
        RandomTranslation,
        RandomZoom,
        ReLU,
        Rescaling,
        Softmax,
    )
}

__all__ = [
    "ELU",
    "Activation",
    "AveragePooling2D",
    "AvgPool2D",
    "BatchNormalization",
    "Conv2D",
    "Dense",
    "Dropout",
    "Flatten",
    "GlobalAveragePooling2D",
    "GlobalAvgPool2D",
    "Input",
    "Layer",
    "LeakyReLU",
    "MaxPool2D",
    "MaxPooling2D",
    "RandomRotation",
    "RandomTranslation",
    "RandomZoom",
    "ReLU",
    "Rescaling",
    "Softmax",
]
