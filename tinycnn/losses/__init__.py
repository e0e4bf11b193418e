"""Losses: how wrong the predictions are, as one number, and its gradient.

`base.py` explains what a loss is, `crossentropy.py` and `elementwise.py` have them, and
`functions.py` has them as functions.
"""

from typing import Any

from tinycnn.losses import base, crossentropy, elementwise, functions
from tinycnn.losses.base import *
from tinycnn.losses.crossentropy import *
from tinycnn.losses.elementwise import *
from tinycnn.losses.functions import *
from tinycnn.losses.functions import LOSS_OF
from tinycnn.support.arguments import one_of

CLASSES = [*base.__all__, *crossentropy.__all__, *elementwise.__all__]
__all__ = ["LOSSES", "get", *CLASSES, *functions.__all__]

# The closed list of losses that a model file may name.
LOSSES: dict[str, type[Loss]] = {loss.__name__: loss for loss in LOSS_OF.values()}
_SHORT = {"mse": MeanSquaredError, "mae": MeanAbsoluteError, "bce": BinaryCrossentropy}
_SHORT |= {"kld": KLDivergence}
_BY_NAME = (
    {function.__name__: loss for function, loss in LOSS_OF.items()}
    | _SHORT
    | {name.upper(): loss for name, loss in _SHORT.items()}
    | LOSSES
)
mse, mae = mean_squared_error, mean_absolute_error
MSE, MAE = mse, mae


def get(identifier: Any) -> Loss:
    """The loss of that name or function ("mse", `huber`, ...); a Loss is returned as it is.

    Raises:
        ValueError: for an unknown name; the message lists the known ones.
    """
    if isinstance(identifier, Loss):
        return identifier
    if callable(identifier):
        for function, loss in LOSS_OF.items():
            if identifier is function:
                return loss()
        if isinstance(identifier, type) and issubclass(identifier, Loss):
            raise ValueError(f"`loss` must be a loss, not its class: write {identifier.__name__}()")
        raise ValueError(
            "a loss needs a gradient, which no function has: make it a class with `forward` and "
            f"`backward`, see losses.Loss. Received: loss={identifier!r:.100}"
        )
    if not isinstance(identifier, str) or identifier not in _BY_NAME:
        one_of(identifier, functions.__all__, "loss")  # which raises, and lists these names
    return _BY_NAME[identifier]()
