"""The layers, one file for each family; `base.py` says what every layer is."""

from tinycnn.layers.activations import Activation, ReLU, Softmax
from tinycnn.layers.base import Layer
from tinycnn.layers.convolutional import Conv2D
from tinycnn.layers.core import Dense, Flatten, Input
from tinycnn.layers.pooling import MaxPooling2D
from tinycnn.layers.preprocessing import Rescaling

MaxPool2D = MaxPooling2D  # Keras's alias

# The closed list of layers that a model file may name.
LAYERS: dict[str, type[Layer]] = {
    layer.__name__: layer
    for layer in (
        Activation,
        Conv2D,
        Dense,
        Flatten,
        MaxPooling2D,
        ReLU,
        Rescaling,
        Softmax,
    )
}

__all__ = [
    "Activation",
    "Conv2D",
    "Dense",
    "Flatten",
    "Input",
    "Layer",
    "MaxPool2D",
    "MaxPooling2D",
    "ReLU",
    "Rescaling",
    "Softmax",
]
