"""A running `fit`: how far it is, and what decides how it continues."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tinycnn.callbacks.base import Callback, History
from tinycnn.metrics import EpochMeans
from tinycnn.support.distribution import Distribution
from tinycnn.support.interrupt import Interrupt
from tinycnn.utils import Array


@dataclass
class Run:
    """A running `fit`.

    Args:
        hooks: the callbacks.
        history: one of them, which `fit` returns.
        interrupt: whether Ctrl-C or SIGTERM has come.
        means: the means over the running epoch.
        settings: the arguments of `fit` that decide its outcome.
        arrays: the data to train and to validate on, by name.
        distribution: where the work is done.
        epoch: how many epochs are done, `initial_epoch` included.
        batch: how many batches of the next epoch are done.
        stopping: whether one of them had come when the last batch or epoch ended.
        last_good: the newest complete checkpoint on the disk, in words; None if there is none.
    """

    hooks: Sequence[Callback]
    history: History
    interrupt: Interrupt
    means: EpochMeans
    settings: Mapping[str, Any]
    arrays: Mapping[str, Array]
    distribution: Distribution
    epoch: int
    batch: int = 0
    stopping: bool = False
    last_good: str | None = None

    def end_batch(self) -> None:
        """Counts a finished batch, and notes whether to stop."""
        self.batch += 1
        self.stopping = self._should_stop()

    def end_epoch(self) -> None:
        """Counts a finished epoch, and starts the next one's means."""
        self.epoch, self.batch = self.epoch + 1, 0
        self.means = EpochMeans(self.means.metrics)
        self.stopping = self._should_stop()

    def _should_stop(self) -> bool:
        signal = self.distribution.pending(self.interrupt.pending)
        if signal:
            self.interrupt.pending = signal
        return bool(signal)

    @property
    def position(self) -> str:
        """The last finished epoch or batch, in words."""
        return (
            f"epoch {self.epoch + 1}, batch {self.batch}" if self.batch else f"epoch {self.epoch}"
        )

    def stop_if_interrupted(self) -> None:
        """Ends the run if `stopping`, as `Interrupt.end` does; the text says how far it got."""
        if self.stopping:
            resume = f"; with resume it goes on from {self.last_good}" if self.last_good else ""
            self.interrupt.end(f"stopped after {self.position}{resume}")
