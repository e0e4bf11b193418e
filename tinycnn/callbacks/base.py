"""Callbacks: code of yours that `fit` calls as it goes.

The hooks that can be overridden are listed in hooks.py.

At each call the callbacks share one dict of logs: what an earlier one writes into it, a later one
sees, `History` and the printed line among them; those two come after yours. The next call has a
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
from tinycnn.support.progress import EpochLine


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
        """Called by `fit` before anything is changed: what the logs of an epoch will hold.

        Args:
            names: "loss", the metrics, and the same behind "val_" if there is a validation.
            complete: whether no callback may add more: none is the user's own, or `adds_logs`.

        Raises:
            ValueError: if this callback could not work with that.
        """

    def accepts(self, name: str, value: Any) -> bool:
        """Whether the attribute `name`, one of `checkpointed`, may be set to `value` from a file.

        A checkpoint may be damaged or made to do harm. That a value is of the kind of the one that
        is there is checked already.
        """
        return True


class History(Callback):
    """What `fit` returns: the logs of every epoch.

    Attributes:
        history: {"accuracy": [...], "loss": [...], "val_accuracy": [...], "val_loss": [...]}, one
            float an epoch.
        epoch: the epochs' numbers, from 0.
    """

    def __init__(self) -> None:
        self.history: dict[str, list[float]] = {}
        self.epoch: list[int] = []

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Note the epoch's logs."""
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)


class ProgressLine(Callback):
    """Keras's line for each epoch: live on a terminal, one plain line in a pipe.

    Args:
        live: redraw the line after every batch.
    """

    def __init__(self, live: bool) -> None:
        self.live = live

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """The line of the epoch begins."""
        epochs = self.params["epochs"]
        title = f"Epoch {epoch + 1}/{epochs}" if epochs > 1 else ""
        self._line = EpochLine(title, self.params["steps"], self.live)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """The line shows the running means so far."""
        self._line.update(batch + 1, logs or {})

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """The line ends with the epoch's logs."""
        self._line.finish(logs or {})


class TerminateOnNaN(Callback):
    """Ends the training at the batch whose loss is not a finite number.

    `fit` raises NumericalError there by itself; with this callback it returns its History instead.
    The weights are those from before that batch in either case.
    """

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Stop, if it is so."""
        loss = number_of((logs or {}).get("loss"))
        if loss is not None and not math.isfinite(loss):
            console.say_above(f"Batch {batch}: Invalid loss, terminating training")
            self.model.stop_training = True


class LambdaCallback(Callback):
    """A callback made of functions, each called with the arguments of the hook that it stands for.

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
        ValueError: for what is not a function.

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
    """`value` of the logs as a float; None if it is not a number, as callbacks log anything."""
    if not isinstance(value, SupportsFloat) or (isinstance(value, np.ndarray) and value.ndim):
        return None
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):  # 10**400; an array that holds a text
        return None
