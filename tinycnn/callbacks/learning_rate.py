"""Callbacks that set the learning rate once per epoch; `optimizers.schedules` set it every step.

Both write the epoch's "learning_rate" into the logs, so it is printed and kept in the History.

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
            count from 0. For a rate that changes at every step see `optimizers.schedules`.
        verbose: 1 prints the rate that is set.

    The epoch's "learning_rate" is added to the logs.

    Raises:
        ValueError: during training, if the function does not return a finite number >= 0.
        TypeError: if `schedule` is not a function; during training, if the optimizer's learning
            rate follows a schedule of its own.

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
        """Sets the learning rate that the function returns."""
        _, optimizer = self.model.compiled_with()
        rate = float(optimizer.learning_rate)
        try:
            arguments = inspect.signature(self.schedule).bind(epoch, rate).args
        except TypeError:
            arguments = (epoch,)
        optimizer.learning_rate = number(self.schedule(*arguments), "schedule(epoch)", low=0.0)
        if self.verbose:
            console.say_above(
                f"Epoch {epoch + 1}: LearningRateScheduler setting learning rate to "
                f"{optimizer.learning_rate}."
            )

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Adds the epoch's learning rate to the logs."""
        if logs is not None:
            _, optimizer = self.model.compiled_with()
            logs["learning_rate"] = float(optimizer.learning_rate)


class ReduceLROnPlateau(Monitor):
    """Multiplies the learning rate by `factor` when a number has stopped improving.

    Args:
        monitor: the number's name in the logs.
        factor: what the learning rate is multiplied by, in [0, 1).
        patience: how many epochs in a row without an improvement lead to a reduction.
        verbose: 1 prints each reduction.
        mode: "min" or "max"; "auto" is "min" for losses and "max" for accuracies.
        min_delta: an improvement is a change by more than this.
        cooldown: epochs after a reduction in which nothing is counted.
        min_lr: the learning rate is never reduced below this.

    The epoch's "learning_rate" is added to the logs. Unlike in Keras, a NaN is not an improvement.

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
        """Forgets the last training; raises if the learning rate follows a schedule."""
        _, optimizer = self.model.compiled_with()
        optimizer.learning_rate = optimizer.learning_rate  # raises now, not epochs later
        self.best = None
        self.wait = self.cooldown_counter = 0

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Counts epochs without an improvement, and reduces the rate after `patience` of them."""
        _, optimizer = self.model.compiled_with()
        if logs is not None:
            logs["learning_rate"] = float(optimizer.learning_rate)
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
