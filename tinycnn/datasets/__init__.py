"""The data: `mnist` (found or downloaded), `synthetic` (drawn), `digits` (whichever is available).

`idx` is MNIST's file format.
"""

import importlib
import pkgutil
from typing import Any

from tinycnn.support import keras_names

__all__ = [module.name for module in pkgutil.iter_modules(__path__)]


def __getattr__(name: str) -> Any:
    """Loads a module when it is first used: `tinycnn.datasets.mnist`, as in Keras."""
    if name in __all__:
        return importlib.import_module(f"{__name__}.{name}")
    return keras_names.find(__name__, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
