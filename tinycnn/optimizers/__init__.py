"""The optimizers: `base.py` explains what one is; `rules.py` and `adaptive.py` have them."""

from tinycnn.optimizers import adaptive, rules, schedules
from tinycnn.optimizers.adaptive import *
from tinycnn.optimizers.base import Optimizer
from tinycnn.optimizers.rules import *
from tinycnn.support.arguments import one_of
from tinycnn.support.keywords import keywords_of

__all__ = ["OPTIMIZERS", "Optimizer", "get", "schedules", *rules.__all__, *adaptive.__all__]

# The closed list of optimizers that a model file may name.
OPTIMIZERS: dict[str, type[Optimizer]] = {
    name: getattr(module, name) for module in (rules, adaptive) for name in module.__all__
}

# An argument of one optimizer would be ignored as an attribute of another: it is refused there.
_arguments = {name for rule in OPTIMIZERS.values() for name in keywords_of(rule) or ()}
_classes: list[type[Optimizer]] = [Optimizer, *OPTIMIZERS.values()]
for _rule in _classes:  # one may have a `not_there` of its own
    _rule.not_there |= _arguments.difference(keywords_of(Optimizer) or ())


def get(identifier: str | Optimizer) -> Optimizer:
    """The optimizer of that name, with its defaults; an Optimizer is returned as it is.

    Raises:
        ValueError: for an unknown name; the message lists the known ones.
    """
    if isinstance(identifier, Optimizer):
        return identifier
    by_name = {name.lower(): optimizer for name, optimizer in OPTIMIZERS.items()}
    name = identifier.lower() if isinstance(identifier, str) else identifier
    return by_name[one_of(name, [*by_name], "optimizer")]()  # type: ignore[call-arg]
