"""Metrics: numbers that say how good predictions are, and those of an epoch.

`base.py` explains what a metric is; `means.py` and `counts.py` have them. `METRICS` lists those
that `compile(metrics=[...])` takes by name. History, progress, monitors and pictures work with
these objects.
"""

import copy
from collections.abc import Iterable, Mapping
from typing import Any

from tinycnn.losses import functions as losses
from tinycnn.metrics import counts, means
from tinycnn.metrics.base import *
from tinycnn.metrics.counts import *
from tinycnn.metrics.epoch import EpochMeans as EpochMeans
from tinycnn.metrics.means import *
from tinycnn.support.arguments import did_you_mean, shown
from tinycnn.utils import snake_case

# The closed list of metrics, with settings of their own, that a model file may name.
CLASSES: dict[str, type[Metric]] = {
    name: thing
    for module in (counts, means)
    for name in module.__all__
    if isinstance(thing := getattr(module, name), type)
    if issubclass(thing, Metric) and thing.is_described
}
_SHORT = {"mse": MeanSquaredError, "mae": MeanAbsoluteError, "bce": BinaryCrossentropy}

# Those with their default settings, by all the names that they go by. As in Keras a metric is
# logged under the name that was given.
METRICS: dict[str, Metric] = {
    **{name: Metric(name, accuracy, "max") for name in ("accuracy", "acc", "Accuracy")},
    **{snake_case(name): made(name=snake_case(name)) for name, made in CLASSES.items()},
    **{name: made(name=name) for name, made in CLASSES.items()},
    **{name: made(name=name) for name, made in _SHORT.items()},
    **{name.upper(): made(name=name.upper()) for name, made in _SHORT.items()},
    "huber": Mean("huber", losses.huber, "min"),
}

# The functions that stand for a metric of their name.
_FUNCTIONS = [getattr(means, name) for name in means.__all__ if name.endswith("_accuracy")]
_FUNCTIONS += [getattr(losses, name) for name in losses.__all__]
mean_squared_error = mse = MSE = losses.mean_squared_error
mean_absolute_error = mae = MAE = losses.mean_absolute_error
binary_crossentropy = losses.binary_crossentropy
categorical_crossentropy = losses.categorical_crossentropy
sparse_categorical_crossentropy = losses.sparse_categorical_crossentropy
kl_divergence, huber = losses.kl_divergence, losses.huber


def get(identifiers: Any) -> list[Metric]:
    """The metrics that `compile` was given: names of `METRICS`, Metric objects, or functions.

    A function (y_true, y_pred) -> number is logged under its own name.

    Raises:
        ValueError: for anything but a list, an unknown name, or two metrics of one name.
    """
    if identifiers is None:
        return []
    if not isinstance(identifiers, list | tuple):
        raise ValueError(
            f"`metrics` must be a list such as ['accuracy']. Received: metrics={shown(identifiers)}"
        )
    metrics = [_get(identifier) for identifier in identifiers]
    names = [metric.name for metric in metrics]
    for name in names:
        if names.count(name) > 1 or name == "loss" or name.startswith("val_"):
            raise ValueError(
                "each metric needs a name of its own, which is not 'loss' and does not begin with "
                f"'val_'. Received: {', '.join(names)}"
            )
    return metrics


def _get(identifier: Any) -> Metric:
    if isinstance(identifier, Metric):
        return identifier
    if isinstance(identifier, str) and identifier in METRICS:
        return copy.copy(METRICS[identifier])  # which keeps no batches of another model's
    if isinstance(identifier, type) and issubclass(identifier, Metric):
        raise ValueError(
            "a metric must be an object, not its class: write "
            f"{identifier.__name__}(). Received: metrics=[{identifier.__name__}]"
        )
    if callable(identifier) and isinstance(getattr(identifier, "__name__", None), str):
        if any(identifier is function for function in _FUNCTIONS):
            return copy.copy(METRICS[identifier.__name__])
        return Metric(identifier.__name__, identifier)
    raise ValueError(
        "unknown metrics; known are 'accuracy', 'precision', 'recall', 'f1_score', "
        "'confusion_matrix', losses such as 'mse' and the others in metrics.METRICS, "
        "functions (y_true, y_pred) -> number, and metrics.Metric objects. "
        f"Received: {shown(identifier)}{did_you_mean(identifier, METRICS)}"
    )


def direction_of(name: str, metrics: Iterable[Metric] = ()) -> str | None:
    """Whether the logged number `name` should fall ("min") or rise ("max"); None if not known.

    Args:
        name: with or without "val_".
        metrics: those of a model, which need not be in `METRICS`.
    """
    directions = {"loss": "min", **{m.name: m.direction for m in (*METRICS.values(), *metrics)}}
    return directions.get(name.removeprefix("val_"))


# --- in a model file ------------------------------------------------------------------------------


def described(metric: Metric) -> str | dict[str, Any] | None:
    """What a model file holds of a metric: its name if that tells all, else its class and settings.

    None for one that it can't hold, whose function is the user's own.
    """
    if METRICS.get(metric.name) == metric:
        return metric.name
    if CLASSES.get(type(metric).__name__) is type(metric):
        return {"class": type(metric).__name__, "config": metric.get_config()}
    return None


def from_description(description: str | Mapping[str, Any]) -> str | Metric:
    """The metric that `described` has described; for one told by its name, the name.

    Raises:
        LookupError, TypeError, ValueError: if the description is none.
    """
    if isinstance(description, str):
        return description
    return CLASSES[description["class"]](**description["config"])
