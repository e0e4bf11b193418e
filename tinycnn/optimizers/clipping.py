"""Clipping: makes large gradients smaller, so that no single step goes too far.

Sources: keras/src/optimizers/base_optimizer.py; Pascanu et al. 2013.
"""

import math
from typing import TypedDict

import numpy as np

from tinycnn.support.arguments import positive
from tinycnn.utils import Array


class Clipping(TypedDict, total=False):
    """Those arguments of every optimizer that clip gradients; see `Optimizer`."""

    clipnorm: float | None
    clipvalue: float | None
    global_clipnorm: float | None


@np.errstate(all="ignore")
def clip_by_norm(gradients: list[Array], limit: float) -> list[Array]:
    """The gradients, scaled by one factor if the norm of all their numbers exceeds `limit`.

    norm = sqrt(sum of all g^2);  g * limit / norm  if norm > limit. The sum is in float64, so that
    squares do not overflow.
    """
    squares = [float(np.square(gradient, dtype=np.float64).sum()) for gradient in gradients]
    norm = math.sqrt(sum(squares))
    if norm <= limit:
        return gradients
    return [gradient * gradient.dtype.type(limit / norm) for gradient in gradients]


@np.errstate(all="ignore")
def clip_by_value(gradients: list[Array], limit: float) -> list[Array]:
    """The gradients, with every number kept within -`limit` and `limit`."""
    return [np.clip(gradient, -limit, limit) for gradient in gradients]


def checked_clipping(**clipping: float | None) -> dict[str, float | None]:
    """The three arguments of `Clipping`, checked.

    Raises:
        ValueError: if one is not positive, or more than one is set.
    """
    given = {name: value for name, value in clipping.items() if value is not None}
    if len(given) > 1:
        raise ValueError(
            "only one of `clipnorm`, `clipvalue` and `global_clipnorm` can be set. Received: "
            + ", ".join(f"{name}={value!r}" for name, value in given.items())
        )
    return clipping | {name: positive(value, name) for name, value in given.items()}
