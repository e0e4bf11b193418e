"""The optimizers; `base.py` explains what an optimizer is."""

from tinycnn.optimizers import schedules
from tinycnn.optimizers.adam import Adam, AdamW
from tinycnn.optimizers.base import Optimizer
from tinycnn.optimizers.rmsprop import RMSprop
from tinycnn.optimizers.sgd import SGD
from tinycnn.support.arguments import one_of

# The closed list of optimizers that a model file may name.
OPTIMIZERS: dict[str, type[SGD] | type[Adam] | type[RMSprop]] = {
    optimizer.__name__: optimizer for optimizer in (SGD, Adam, AdamW, RMSprop)
}


def get(identifier: str | Optimizer) -> Optimizer:
    """The optimizer of that name, with its defaults; an Optimizer is returned as it is.

    Raises:
        ValueError: for an unknown name; the message lists the known ones.
    """
    if isinstance(identifier, Optimizer):
        return identifier
    by_name = {name.lower(): optimizer for name, optimizer in OPTIMIZERS.items()}
    name = identifier.lower() if isinstance(identifier, str) else identifier
    return by_name[one_of(name, [*by_name], "optimizer")]()


__all__ = ["OPTIMIZERS", "SGD", "Adam", "AdamW", "Optimizer", "RMSprop", "get", "schedules"]
