"""The layers, one file for each family; `base.py` explains what a layer is.

Each file lists in `__all__` what it offers; all other lists of layers derive from these.
"""

from tinycnn.layers import (
    activations,
    augmentation,
    base,
    convolutional,
    core,
    normalization,
    pooling,
    preprocessing,
    regularization,
    reshaping,
)
from tinycnn.layers.activations import *
from tinycnn.layers.augmentation import *
from tinycnn.layers.base import *
from tinycnn.layers.convolutional import *
from tinycnn.layers.core import *
from tinycnn.layers.normalization import *
from tinycnn.layers.pooling import *
from tinycnn.layers.preprocessing import *
from tinycnn.layers.regularization import *
from tinycnn.layers.reshaping import *
from tinycnn.support.keywords import keywords_of

__all__ = [
    *activations.__all__,
    *augmentation.__all__,
    *base.__all__,
    *convolutional.__all__,
    *core.__all__,
    *normalization.__all__,
    *pooling.__all__,
    *preprocessing.__all__,
    *regularization.__all__,
    *reshaping.__all__,
]

# The closed list of layers that a model file may name; an alias is not the name of a class.
LAYERS: dict[str, type[Layer]] = {
    name: globals()[name]
    for name in sorted(__all__)
    if globals()[name].__name__ == name and name not in ("Input", "Layer")
}

# An argument of one layer would be ignored as an attribute of another: it is refused there.
_arguments = {name for layer in LAYERS.values() for name in keywords_of(layer) or ()}
_classes: list[type[Layer]] = [Layer, *LAYERS.values()]
for _layer in _classes:  # one may have a `not_there` of its own
    _layer.not_there |= _arguments.difference(keywords_of(Layer) or ())
