"""Callbacks that set the learning rate, epoch by epoch. Schedules by step are in `optimizers`.

Both write the epoch's "learning_rate" into the logs, so that it is printed and in the History.

Source: keras/src/callbacks/learning_rate_scheduler.py, reduce_lr_on_plateau.py
"""

import inspect
from collections.abc import Callable

from tinycnn.callbacks.base import Callback
from tinycnn.callbacks.monitors import Monitor
from tinycnn.hooks import Logs
from tinycnn.support import console
from tinycnn.support.arguments import integer, number, shown


class LearningRateScheduler(Callback):
    """Sets the learning rate at the beginning of every epoch.

    Args:
        schedule: a function (epoch, learning_rate) -> learning_rate, or of the epoch alone; epochs
            count from 0. For one that changes with every step see `optimizers.schedules`.
        verbose: 1 says what is set.

    The logs get the epoch's "learning_rate".

    Raises:
        ValueError: in training, if the function returns no finite number >= 0.
        TypeError: if `schedule` is not a function; in training, if the learning rate follows a
            schedule of its own.

    Example:
        >>> LearningRateScheduler(lambda epoch, learning_rate: learning_rate * 0.9)
    """

    adds_logs = True

    def __init__(self, schedule: Callable[..., float], verbose: int = 0) -> None:
        if not callable(schedule):
            raise TypeError(
                "`schedule` must be a function (epoch, learning_rate) -> learning_rate. "
                f"Received: schedule={shown(schedule)}"
            )
        self.schedule = schedule
        self.verbose = verbose

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """The optimizer gets what the function returns."""
        _, optimizer = self.model.compiled_with()
        try:
            arguments = inspect.signature(self.schedule).bind(epoch, optimizer.learning_rate).args
        except TypeError:
            arguments = (epoch,)
        optimizer.learning_rate = number(self.schedule(*arguments), "schedule(epoch)", low=0.0)
        if self.verbose:
            console.say_above(
                f"Epoch {epoch + 1}: LearningRateScheduler setting learning rate to "
                f"{optimizer.learning_rate}."
            )

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """The logs get the rate of the epoch."""
        if logs is not None:
            _, optimizer = self.model.compiled_with()
            logs["learning_rate"] = optimizer.learning_rate


class ReduceLROnPlateau(Monitor):
    """Multiplies the learning rate by `factor` when a number has stopped improving.

    Args:
        monitor: its name in the logs.
        factor: what the learning rate is multiplied by, in [0, 1).
        patience: epochs in a row without an improvement after which it is.
        verbose: 1 says so.
        mode: "min", "max"; "auto" is "min" for losses, "max" for accuracies.
        min_delta: an improvement is a change by more than this.
        cooldown: epochs after a reduction in which nothing is counted.
        min_lr: the learning rate is never reduced below this.

    The logs get the epoch's "learning_rate". A NaN is not an improvement, unlike in Keras.

    Raises:
        ValueError: for an argument out of range.
        TypeError: when training begins, if the learning rate follows a schedule.
    """

    checkpointed = ("best", "cooldown_counter", "wait")

    adds_logs = True

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        super().__init__(monitor, mode, min_delta, verbose)
        self.factor = number(factor, "factor", 0.0, 1.0)
        self.patience = integer(patience, "patience", least=0)
        self.cooldown = integer(cooldown, "cooldown", least=0)
        self.min_lr = number(min_lr, "min_lr", low=0.0)
        self.best = None
        self.wait = self.cooldown_counter = 0

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Forget the last training."""
        _, optimizer = self.model.compiled_with()
        optimizer.learning_rate = optimizer.learning_rate  # refused now rather than epochs later
        self.best = None
        self.wait = self.cooldown_counter = 0

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Note an improvement, or lose patience."""
        _, optimizer = self.model.compiled_with()
        if logs is not None:
            logs["learning_rate"] = optimizer.learning_rate
        value = self.value_in(logs)
        if value is None:
            return
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
        if self.improves(value, self.best):
            self.best = value
            self.wait = 0
        elif self.cooldown_counter == 0:
            self.wait += 1
            if self.wait >= self.patience and optimizer.learning_rate > self.min_lr:
                reduced = max(optimizer.learning_rate * self.factor, self.min_lr)
                optimizer.learning_rate = reduced
                self.say(
                    f"Epoch {epoch + 1}: ReduceLROnPlateau reducing learning rate to {reduced}."
                )
                self.cooldown_counter = self.cooldown
                self.wait = 0
