"""One `fit` on its way: how far it is, and what decides how it goes on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tinycnn.callbacks.base import Callback, History
from tinycnn.metrics import EpochMeans
from tinycnn.support.interrupt import Interrupt
from tinycnn.utils import Array


@dataclass
class Run:
    """One `fit` on its way.

    Args:
        hooks: the callbacks.
        history: one of them, which `fit` returns.
        interrupt: whether Ctrl-C has been pressed.
        means: of the epoch that is running.
        settings: the arguments of `fit` that decide its outcome.
        arrays: what it trains and validates on, by name.
        epoch: how many epochs are done, `initial_epoch` included.
        batch: how many batches are done of the epoch after those.
        stopping: whether Ctrl-C was pressed before the last of them ended.
        last_good: the newest checkpoint that is whole on the disk, in words, if there is one.
    """

    hooks: Sequence[Callback]
    history: History
    interrupt: Interrupt
    means: EpochMeans
    settings: Mapping[str, Any]
    arrays: Mapping[str, Array]
    epoch: int
    batch: int = 0
    stopping: bool = False
    last_good: str | None = None

    def end_batch(self) -> None:
        """One more batch is done."""
        self.batch += 1
        self.stopping = self.interrupt.pending

    def end_epoch(self) -> None:
        """One more epoch is done."""
        self.epoch, self.batch = self.epoch + 1, 0
        self.means = EpochMeans(self.means.metrics)
        self.stopping = self.interrupt.pending

    @property
    def position(self) -> str:
        """What was done last."""
        return (
            f"epoch {self.epoch + 1}, batch {self.batch}" if self.batch else f"epoch {self.epoch}"
        )

    def stop_if_interrupted(self) -> None:
        """Raises KeyboardInterrupt if `stopping`, with where things stand."""
        if self.stopping:
            resume = f"; with resume it goes on from {self.last_good}" if self.last_good else ""
            raise KeyboardInterrupt(f"stopped after {self.position}{resume}")
