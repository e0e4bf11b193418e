"""tinycnn: a from-scratch CNN engine in NumPy, made fast with Numba.

Importing it is light: NumPy only. Numba is loaded by the first computation, matplotlib by the first
picture, requests by the first download.
"""

import importlib
import pkgutil
from typing import Any

from tinycnn import activations as activations
from tinycnn import errors, layers, losses
from tinycnn.callbacks import Callback, Checkpoint, History
from tinycnn.errors import *
from tinycnn.functional import Model
from tinycnn.layers import *
from tinycnn.losses.base import *
from tinycnn.losses.crossentropy import *
from tinycnn.losses.elementwise import *
from tinycnn.models import Sequential, load_model
from tinycnn.optimizers import Optimizer, adaptive, rules, schedules
from tinycnn.optimizers.adaptive import *
from tinycnn.optimizers.rules import *
from tinycnn.support import keras_names

__version__ = "0.1.0"

__all__ = [
    "Callback",
    "Checkpoint",
    "History",
    "Model",
    "Optimizer",
    "Sequential",
    "load_model",
    "schedules",
    *errors.__all__,
    *layers.__all__,
    *losses.CLASSES,
    *rules.__all__,
    *adaptive.__all__,
]


keras_names.install()


def __getattr__(name: str) -> Any:
    """Loads a module of tinycnn when it is first used: `tinycnn.datasets`, as in Keras."""
    if name in _modules():
        return importlib.import_module(f"{__name__}.{name}")
    return keras_names.find(__name__, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_modules()})


def _modules() -> list[str]:
    names = [module.name for module in pkgutil.iter_modules(__path__)]
    return [name for name in names if name != "__main__"]  # it is a command, not a module to use
