"""Callbacks that watch one number, epoch by epoch: is it better than the best so far?

    model.fit(..., callbacks=[EarlyStopping(patience=3, restore_best_weights=True)])

Source: keras/src/callbacks/monitor_callback.py, early_stopping.py, model_checkpoint.py. These
differ in one thing: a NaN is never an improvement. In Keras a NaN in the first epoch becomes the
best value, and no later number counts as better.
"""

import math
import os
import string
import warnings
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tinycnn.callbacks.base import Callback, number_of
from tinycnn.hooks import Logs
from tinycnn.metrics import direction_of
from tinycnn.support import console
from tinycnn.support.arguments import integer, number, one_of, shown, truth
from tinycnn.utils import Array


class Monitor(Callback):
    """What the monitoring callbacks share.

    Args:
        monitor: the number's name in the logs.
        mode: "min" or "max"; "auto" is the direction of the metric of that name, "min" for losses.
        min_delta: an improvement is a change by more than this.
        verbose: 1 prints what is done.

    Attributes:
        best: the best value so far; None before the first.

    Raises:
        ValueError: if an argument is out of range; when training begins, if the mode is "auto" and
            it is not known whether the number should fall or rise.
    """

    checkpointed: tuple[str, ...] = ("best",)
    fixed = frozenset(("mode",))

    def __init__(self, monitor: str, mode: str, min_delta: float, verbose: int) -> None:
        if not isinstance(monitor, str):
            raise ValueError(
                f"`monitor` must be a name in the logs, such as 'val_loss'. "
                f"Received: monitor={shown(monitor)}"
            )
        self.monitor = monitor
        self.mode = one_of(mode, ("auto", "min", "max"), "mode")
        self._direction = direction_of(monitor) if mode == "auto" else mode
        self.min_delta = abs(number(min_delta, "min_delta"))
        self.verbose = verbose
        self.best: float | None = None
        self._missed = False  # whether this training has warned that the number is not there

    def why_fixed(self, name: str) -> str:
        """Once the callback is made, its direction is."""
        return "make a new one" if "_direction" in vars(self) else ""

    def expect_logs(self, names: Sequence[str], complete: bool) -> None:
        """With mode "auto", asks the model's own metrics whether the number should fall or rise.

        Warns if the number will not be there.
        """
        if self.mode == "auto":
            self._direction = direction_of(self.monitor, self.model.metrics)
        if self._direction is None:
            raise ValueError(
                f"it is not known whether {self.monitor!r} should fall or rise; pass mode='min' or "
                f"mode='max'. Received: monitor={self.monitor!r}, mode='auto'"
            )
        self._missed = False
        if complete and self.monitor not in names and self.watches():
            self._miss(names)

    def watches(self) -> bool:
        """Whether anything depends on the number."""
        return True

    def accepts(self, name: str, value: Any) -> bool:
        """Accepts numbers and, for `best_weights`, arrays of the shapes of the model's weights."""
        if name == "best_weights" and value is not None:
            weights = [parameter.value for parameter in self.model.parameters]
            return isinstance(value, list) and [np.shape(v) for v in value] == [
                w.shape for w in weights
            ]
        return value is None or (isinstance(value, int | float) and not isinstance(value, bool))

    def improves(self, value: float, on: float | None) -> bool:
        """Whether `value` beats `on` by more than min_delta; any number but NaN beats None."""
        if on is None:
            return not math.isnan(value)
        sign = 1 if self._direction == "max" else -1
        return sign * value - self.min_delta > sign * on

    def value_in(self, logs: Logs | None) -> float | None:
        """The monitored number; if there is none, None and a warning, as in Keras."""
        logged = (logs or {}).get(self.monitor)
        value = number_of(logged)
        if value is None and logged is not None:
            warnings.warn(
                f"{type(self).__name__} monitors {self.monitor!r}, which is not a number. "
                f"Received: {shown(logged)}",
                stacklevel=2,
            )
        elif value is None and not self._missed:
            self._miss(logs or ())
        return value

    def _miss(self, names: Collection[str]) -> None:
        """Warns that the number is not among `names`; once in a training is enough."""
        self._missed = True
        cure = ""
        if self.monitor.startswith("val_") and self.monitor.removeprefix("val_") in names:
            cure = "; it needs validation_data or validation_split"
        warnings.warn(
            f"{type(self).__name__} monitors {self.monitor!r}, which is not available; "
            f"available are: {', '.join(names)}{cure}",
            stacklevel=3,
        )

    def say(self, text: str) -> None:
        """Prints a line if `verbose`."""
        if self.verbose:
            console.say_above(text)


class EarlyStopping(Monitor):
    """Ends the training when a number has stopped improving.

    Args:
        monitor: the number's name in the logs.
        min_delta: an improvement is a change by more than this.
        patience: how many epochs in a row without an improvement end the training; the first
            epoch never does.
        verbose: 1 prints when this happens.
        mode: "min" or "max"; "auto" takes the direction of the metric of that name.
        baseline: an improvement resets the patience only if it also beats this value.
        restore_best_weights: set the best epoch's weights when the training ends, however it ends.
            The optimizer's state is left as it is.
        start_from_epoch: how many epochs to let pass before watching.

    Unlike in Keras, a NaN is not an improvement; if every value was NaN, no weights are restored.

    Attributes:
        wait: epochs since the last improvement.
        best, best_epoch: the best value, and its epoch.
        stopped_epoch: the epoch after which this callback ended the training; 0 if it did not.

    Raises:
        ValueError: if an argument is out of range.
    """

    checkpointed = ("best", "best_epoch", "best_weights", "stopped_epoch", "wait")

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0.0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__(monitor, mode, min_delta, verbose)
        self.patience = integer(patience, "patience", least=0)
        self.baseline = None if baseline is None else number(baseline, "baseline")
        self.restore_best_weights = truth(restore_best_weights, "restore_best_weights")
        self.start_from_epoch = integer(start_from_epoch, "start_from_epoch", least=0)
        self.on_train_begin()

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Forgets the last training."""
        self.wait = self.stopped_epoch = self.best_epoch = 0
        self.best = None
        self.best_weights: list[Array] | None = None

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Counts epochs without an improvement, and ends the training after `patience` of them."""
        value = self.value_in(logs)
        if value is None or epoch < self.start_from_epoch:
            return
        self.wait += 1
        if self.improves(value, self.best):
            self.best, self.best_epoch = value, epoch
            if self.restore_best_weights:
                self.best_weights = self.model.get_weights()
            if self.baseline is None or self.improves(value, self.baseline):
                self.wait = 0
        elif self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Restores the best weights, if `restore_best_weights`."""
        if self.stopped_epoch:
            self.say(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.best_weights is not None:
            self.say(
                f"Restoring model weights from the end of the best epoch: {self.best_epoch + 1}."
            )
            self.model.set_weights(self.best_weights)


class ModelCheckpoint(Monitor):
    """Saves the model, optimizer state included, after every epoch or after the best ones.

    Args:
        filepath: the file. It ends in .npz, or in .keras or .h5, as for `Sequential.save`; with
            `save_weights_only` in .weights.h5 or .h5. It may hold fields, such as
            "{epoch:02d}-{val_loss:.2f}.npz": the epoch, counted from 1, and any name in the logs.
            Missing folders are made.
        monitor: the name in the logs of the number to watch.
        verbose: 1 prints what is saved.
        save_best_only: save only if the number beats the best so far, earlier `fit`s included.
        save_weights_only: save weights, as `save_weights` does, instead of the model.
        mode: "min" or "max"; "auto" takes the direction of the metric of that name.
        initial_value_threshold: save only what is better than this.

    Unlike in Keras, a model whose number is NaN never counts as the best, and never replaces an
    existing file.

    If a save fails, say on a full disk, a notice says so, the file from before stays, and the
    training goes on.

    Raises:
        ValueError: if `filepath` has another ending or a bad format; when training begins, if a
            field will not be in the logs, or the model can't be saved, such as a layer of your own
            in a file of Keras's.
        ImportError: when training begins, for a file of Keras's, if h5py is not installed.
    """

    fixed = Monitor.fixed | {"save_weights_only"}

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        *,
        initial_value_threshold: float | None = None,
    ) -> None:
        self.save_weights_only = truth(save_weights_only, "save_weights_only")
        super().__init__(monitor, mode, 0.0, verbose)
        self.filepath = os.fspath(filepath)
        endings = (".weights.h5", ".h5") if self.save_weights_only else (".npz", ".keras", ".h5")
        if not self.filepath.endswith(endings):
            raise ValueError(
                f"`filepath` must end in {', '.join(endings[:-1])} or {endings[-1]}"
                f"{' with save_weights_only' * self.save_weights_only}. "
                f"Received: filepath={filepath!r}"
            )
        self._fields = _fields(self.filepath)
        self.save_best_only = truth(save_best_only, "save_best_only")
        if initial_value_threshold is not None:
            self.best = number(initial_value_threshold, "initial_value_threshold")

    def watches(self) -> bool:
        """Only what is the best depends on the number."""
        return self.save_best_only

    def expect_logs(self, names: Sequence[str], complete: bool) -> None:
        """Refuses a field that no log will have, and a model that can't be saved."""
        super().expect_logs(names, complete)
        unknown = [field for field in self._fields if field not in ("epoch", *names)]
        if unknown and complete:
            raise ValueError(
                f"`filepath` names {unknown[0]!r}, which is not available; available are: epoch, "
                f"{', '.join(names)}. Received: filepath={self.filepath!r}"
            )
        self.model.check_saveable(self.filepath, self.save_weights_only)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Saves the model, or says why it does not."""
        logs = logs or {}
        try:
            path = Path(self.filepath.format(**{"epoch": epoch + 1, **logs}))
        except (KeyError, ValueError, TypeError) as error:
            # Another callback should have added this name, or this kind of number, and has not.
            self._not_saved(f"`filepath`={self.filepath!r}, {type(error).__name__}: {error}")
            return
        title = f"Epoch {epoch + 1}: {self.monitor}"
        value = self.value_in(logs) if self.save_best_only else number_of(logs.get(self.monitor))
        if value is not None and math.isnan(value) and path.exists():
            self.say(f"{title} is nan, {path} stays as it is")
            return
        if self.save_best_only and value is not None:
            if not self.improves(value, self.best):
                self.say(f"{title} did not improve from {self.best}")
                return
        self.say(f"Epoch {epoch + 1}: saving model to {path}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            (self.model.save_weights if self.save_weights_only else self.model.save)(path)
        except OSError as error:
            self._not_saved(str(error))
        else:
            if self.save_best_only and value is not None:
                self.best = value  # only now: a failed save must not count as the best

    def _not_saved(self, why: str) -> None:
        console.notice(f"*** MODEL NOT SAVED ({why}). The training goes on. ***")


def _fields(filepath: str) -> list[str]:
    """The names in the braces of `filepath`, whose formats must be valid formats of numbers."""
    try:
        fields = [name for _, name, _, _ in string.Formatter().parse(filepath) if name is not None]
        for number_ in (1, 0.5):  # `epoch` may be asked for as an integer, the others may not
            numbers = {name: number_ if name == "epoch" else 0.5 for name in fields}
        filepath.format(**{**numbers, "epoch": 1})
    except (ValueError, LookupError, AttributeError, TypeError) as error:
        raise ValueError(
            f"`filepath` may hold fields such as {{epoch:02d}} and {{val_loss:.2f}} ({error}). "
            f"Received: filepath={filepath!r}"
        ) from None
    return fields
