"""The data: `mnist` (found or downloaded), `synthetic` (drawn), `digits` (whichever is available).

`idx` is MNIST's file format.
"""

import importlib
import pkgutil
from types import ModuleType

__all__ = [module.name for module in pkgutil.iter_modules(__path__)]


def __getattr__(name: str) -> ModuleType:
    """Loads a module when it is first used: `tinycnn.datasets.mnist`, as in Keras."""
    if name in __all__:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
