"""Callbacks: your own code, which `fit` calls as it goes.

The hooks that can be overridden are listed in hooks.py.

At each call the callbacks share one dict of logs: a later callback sees what an earlier one wrote
into it. `History` and the printed line come after yours, so they see it too. The next call has a
dict of its own.

Source: keras/src/callbacks/callback.py, history.py, progbar_logger.py, terminate_on_nan.py,
lambda_callback.py
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, SupportsFloat

import numpy as np

from tinycnn.hooks import Hooks, Logs
from tinycnn.learner import Learner
from tinycnn.support import console
from tinycnn.support.keywords import refuse_unknown
from tinycnn.support.progress import EpochLine, value_text
from tinycnn.support.reprs import curve, table


class Callback(Hooks):
    """Base of all callbacks: override the hooks you need.

    `self.model` is the model at work, `self.params` a dict with "epochs", "steps" (batches
    in an epoch) and "verbose". To end the training, set `self.model.stop_training = True`.
    `fit` calls the `on_train_`, `on_epoch_` and, for its validation, the `on_test_` hooks;
    `evaluate` and `predict` call theirs on the callbacks that they are given.

    A callback that remembers something from one call to the next names those attributes in
    `checkpointed` (plain values, arrays, lists of them): a resumed training gets them back, after
    `on_train_begin`; see checkpoint.py.
    """

    not_there = frozenset(("save_weights_only", "save_freq"))
    checkpointed: tuple[str, ...] = ()
    adds_logs = False  # whether it writes into the logs of an epoch
    model: Learner
    params: dict[str, Any]

    def set_model(self, model: Learner) -> None:
        """Called first: keeps the model."""
        self.model = model

    def set_params(self, params: dict[str, Any]) -> None:
        """Called next: keeps the parameters."""
        self.params = params

    def expect_logs(self, names: Sequence[str], complete: bool) -> None:
        """Called by `fit` before anything is changed: says what an epoch's logs will hold.

        Args:
            names: "loss" and the metrics; with validation data, the same again with "val_" before.
            complete: whether these are all: no callback is the user's own, and none `adds_logs`.

        Raises:
            ValueError: if this callback can't work with such logs.
        """

    def accepts(self, name: str, value: Any) -> bool:
        """Whether the attribute `name`, one of `checkpointed`, may be set to `value` from a file.

        A checkpoint may be damaged or malicious. Checkpoint itself checks that `value` is of the
        same kind as the attribute is now.
        """
        return True


class History(Callback):
    """What `fit` returns: the logs of every epoch.

    Attributes:
        history: {"accuracy": [...], "loss": [...], "val_accuracy": [...], "val_loss": [...]}, one
            float per epoch.
        epoch: the epochs' numbers, counted from 0.
    """

    def __init__(self) -> None:
        self.history: dict[str, list[float]] = {}
        self.epoch: list[int] = []

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Appends the epoch's logs to `history`."""
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)

    def __repr__(self) -> str:
        count = len(self.epoch)
        if not count:
            return "History(no epoch)"
        last = [f"{name} {value_text(v[-1])}" for name, v in self.history.items() if v]
        return f"History({count} epoch{'s' * (count > 1)}: {', '.join(last)})"

    def _repr_html_(self) -> str:
        """What a notebook shows: curves, and the last ten epochs."""
        columns = {
            name: values for name, values in self.history.items() if len(values) == len(self.epoch)
        }
        rows = [
            [str(epoch + 1), *(value_text(values[place]) for values in columns.values())]
            for place, epoch in enumerate(self.epoch)
        ]
        numbers = {
            name: [number for value in values if (number := number_of(value)) is not None]
            for name, values in columns.items()
        }
        curves = [
            curve({n: numbers[n] for n in (name, f"val_{name}") if n in numbers})
            for name in numbers
            if not (name.startswith("val_") and name[4:] in numbers)
        ]
        caption = "the last ten epochs" if len(rows) > 10 else ""
        return "".join(curves) + table(["epoch", *columns], rows[-10:], caption)


class ProgressLine(Callback):
    """Keras's line for each epoch: live on a terminal, one plain line in a pipe.

    Args:
        live: redraw the line after every batch.
    """

    def __init__(self, live: bool) -> None:
        self.live = live

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Starts the epoch's line."""
        epochs = self.params["epochs"]
        title = f"Epoch {epoch + 1}/{epochs}" if epochs > 1 else ""
        self._line = EpochLine(title, self.params["steps"], self.live)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Shows the means so far."""
        self._line.update(batch + 1, logs or {})

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Ends the line with the epoch's logs."""
        self._line.finish(logs or {})


class TerminateOnNaN(Callback):
    """Ends the training at the first batch whose loss is not a finite number.

    By itself `fit` raises NumericalError there; with this callback it returns its History instead.
    In either case the weights are those from before that batch.
    """

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Ends the training if the loss is NaN or infinite."""
        loss = number_of((logs or {}).get("loss"))
        if loss is not None and not math.isfinite(loss):
            console.say_above(f"Batch {batch}: Invalid loss, terminating training")
            self.model.stop_training = True


class LambdaCallback(Callback):
    """A callback made of functions, each called with the arguments of the hook that it replaces.

    Args:
        on_epoch_begin: function (epoch, logs).
        on_epoch_end: function (epoch, logs).
        on_train_begin: function (logs).
        on_train_end: function (logs).
        on_train_batch_begin: function (batch, logs).
        on_train_batch_end: function (batch, logs).
        hooks: any other hook of Callback, by its name.

    Raises:
        TypeError: for a name that is not a hook.
        ValueError: if a hook is given something that is not a function.

    Example:
        >>> LambdaCallback(on_epoch_end=lambda epoch, logs: print(logs["val_loss"]))
    """

    adds_logs = True  # its functions may do so

    def __init__(
        self,
        on_epoch_begin: Callable[[int, Logs], Any] | None = None,
        on_epoch_end: Callable[[int, Logs], Any] | None = None,
        on_train_begin: Callable[[Logs], Any] | None = None,
        on_train_end: Callable[[Logs], Any] | None = None,
        on_train_batch_begin: Callable[[int, Logs], Any] | None = None,
        on_train_batch_end: Callable[[int, Logs], Any] | None = None,
        **hooks: Callable[..., Any] | None,
    ) -> None:
        known = [name for name in vars(Hooks) if name.startswith("on_")]
        refuse_unknown("LambdaCallback", {n: f for n, f in hooks.items() if n not in known}, known)
        functions: dict[str, Callable[..., Any] | None] = {
            **hooks,
            "on_epoch_begin": on_epoch_begin,
            "on_epoch_end": on_epoch_end,
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
            "on_train_batch_begin": on_train_batch_begin,
            "on_train_batch_end": on_train_batch_end,
        }
        for hook, function in functions.items():
            if function is not None and not callable(function):
                raise ValueError(f"`{hook}` must be a function. Received: {hook}={function!r:.100}")
            if function is not None:
                setattr(self, hook, function)


def number_of(value: Any) -> float | None:
    """A logged value as a float, or None if it is not a number: callbacks may log anything."""
    if not isinstance(value, SupportsFloat) or (isinstance(value, np.ndarray) and value.ndim):
        return None
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):  # 10**400; an array of text
        return None
