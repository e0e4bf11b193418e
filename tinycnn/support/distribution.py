"""Distribution: where the work of a `fit` is done. Here: in this process, alone.

`distributed.py` has the one that shares it out among many.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, TypeVar

from tinycnn.support.data import Data
from tinycnn.support.stream import Stream
from tinycnn.utils import Array

Result = TypeVar("Result")


class Distribution:
    """All of the work is done in this process.

    Attributes:
        settings: what decides the outcome of a training, in addition to the arguments of `fit`.
    """

    @property
    def settings(self) -> dict[str, Any]:
        """Nothing: see the class."""
        return {}

    def training(self, dtype: str) -> AbstractContextManager[None]:
        """A `with` around all of a `fit`, of a model of this dtype."""
        return nullcontext()

    def begin(self, model: Any, run: Any) -> None:
        """Called once callbacks have begun, and before the first batch."""

    def end_epoch(self, model: Any) -> None:
        """Called after each epoch and its validation, and before the callbacks."""

    def end(self) -> None:
        """Called after the last hook of a training that was not interrupted."""

    def own(self, data: Data | Stream) -> Data | Stream:
        """The samples to train on; of what is taken from them, only what is used here is read."""
        return data

    def forward_backward(self, model: Any, batch: Data) -> tuple[float, Array]:
        """Loss and predictions of a training batch; all gradients are set."""
        value, y_pred = model.differentiate(batch, training=True)
        return value + model.add_penalties(), y_pred

    def update_statistics(self, model: Any) -> None:
        """Moves the statistics of all layers after a step."""
        for layer in model.chain:
            layer.update_statistics()

    def measured(
        self, model: Any, samples: Data | Stream, batch_size: int
    ) -> Iterator[Callable[[], dict[str, Array]]]:
        """Yields for each batch what measures it: what it adds to the loss and the metrics."""
        for batch in samples.epoch(batch_size):
            yield partial(model.measured, batch)

    def pending(self, signal: int) -> int:
        """Which signal the training should end for; 0 for none.

        Args:
            signal: the one that has come to this process.
        """
        return signal

    def from_main(self, function: Callable[[], Result]) -> Result:
        """What `function` returns, or raises, in the process that prints and saves."""
        return function()


ALONE = Distribution()
