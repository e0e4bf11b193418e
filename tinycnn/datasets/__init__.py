"""The data: `mnist` (found or downloaded), `synthetic` (drawn), `digits` (whichever is available).

`idx` is MNIST's file format.
"""

import importlib
from types import ModuleType

__all__ = ["digits", "idx", "mnist", "synthetic"]


def __getattr__(name: str) -> ModuleType:
    """Loads a module when it is first used: `tinycnn.datasets.mnist`, as in Keras."""
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})


_MODULES = (*__all__, "download", "normalization", "pictures")
