"""Packages that only an extra of tinycnn brings, imported where they are needed."""

from importlib import import_module
from typing import Any


def need(module: str, what: str, extra: str) -> Any:
    """The module of that name; mypy takes it as Any, whether or not it is installed.

    Args:
        module: its full name, such as "onnx" or "sklearn.base".
        what: what needs it, to begin the error with: "ONNX export".
        extra: the extra that brings it.

    Raises:
        ImportError: if it is not installed; the message says how to install it.
    """
    try:
        return import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        missing = isinstance(error, ModuleNotFoundError) and error.name == package
        state = "not installed here" if missing else f"which can't be imported here ({error})"
        cure = f"pip install 'tinycnn[{extra}]'"
        told = f"{what} needs {package}, {state}: {cure}"
        raise ImportError(told) from (None if missing else error)
