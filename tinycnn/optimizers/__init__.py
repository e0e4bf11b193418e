"""The optimizers; `base.py` says what every optimizer is."""

from collections.abc import Callable

from tinycnn.arguments import one_of
from tinycnn.optimizers.adam import Adam
from tinycnn.optimizers.base import Optimizer
from tinycnn.optimizers.sgd import SGD

OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {"Adam": Adam, "SGD": SGD}


def get(identifier: str | Optimizer) -> Optimizer:
    """The optimizer of that name, with its defaults; an Optimizer is returned as it is.

    Raises:
        ValueError: for an unknown name, listing the known ones.
    """
    if isinstance(identifier, Optimizer):
        return identifier
    by_name = {name.lower(): optimizer for name, optimizer in OPTIMIZERS.items()}
    name = identifier.lower() if isinstance(identifier, str) else identifier
    return by_name[one_of(name, [*by_name], "optimizer")]()


__all__ = ["OPTIMIZERS", "SGD", "Adam", "Optimizer", "get"]
