"""The optimizers: `base.py` explains what an optimizer is, `rules.py` has them."""

from tinycnn.optimizers import rules, schedules
from tinycnn.optimizers.base import Optimizer
from tinycnn.optimizers.rules import *
from tinycnn.support.arguments import one_of
from tinycnn.support.keywords import keywords_of

__all__ = ["OPTIMIZERS", "Optimizer", "get", "schedules", *rules.__all__]

# The closed list of optimizers that a model file may name.
OPTIMIZERS: dict[str, type[Optimizer]] = {name: getattr(rules, name) for name in rules.__all__}

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
    made: Optimizer = getattr(rules, by_name[one_of(name, [*by_name], "optimizer")].__name__)()
    return made
