"""TensorBoard: the logs of a training in files that TensorBoard draws, as it draws Keras's.

    tensorboard --logdir logs

The files are written by tensorboardX, which needs no TensorFlow: the extra `tensorboard`.

Source: keras/src/callbacks/tensorboard.py; the names of folders and curves are Keras's.
"""

import os
from importlib import import_module
from pathlib import Path
from typing import Any

from tinycnn.callbacks.base import Callback, number_of
from tinycnn.hooks import Logs
from tinycnn.support.arguments import integer


class TensorBoard(Callback):
    """Writes the logs of every epoch, and if wanted of batches, for TensorBoard.

    The folder gets a `train` and a `validation`, whose curves have one name and lie in one picture:
    "epoch_loss", "epoch_accuracy", and in `train` "epoch_learning_rate". A log that is not a number
    is left out.

    Args:
        log_dir: the folder. It may hold other runs, of which TensorBoard shows each by its name.
        histogram_freq: after how many epochs the weights are written as histograms; 0: never.
        update_freq: "epoch", "batch", or after how many batches the running means of the epoch are
            written, too, as "batch_loss" and so on, over the model's training steps.

    Raises:
        ImportError: if tensorboardX is not installed.
        ValueError: for an argument out of range.

    Example:
        >>> model.fit(x, y, callbacks=[TensorBoard("logs/first", histogram_freq=1)])
    """

    not_there = Callback.not_there | frozenset(
        ("embeddings_freq", "profile_batch", "write_graph", "write_images")
    )

    def __init__(
        self,
        log_dir: str | os.PathLike[str] = "logs",
        histogram_freq: int = 0,
        update_freq: str | int = "epoch",
    ) -> None:
        self.log_dir = Path(log_dir)
        self.histogram_freq = integer(histogram_freq, "histogram_freq", least=0)
        if isinstance(update_freq, str):
            if update_freq not in ("epoch", "batch"):
                raise ValueError(
                    "`update_freq` must be 'epoch', 'batch' or a positive integer. "
                    f"Received: update_freq={update_freq!r:.100}"
                )
            self.update_freq = 0 if update_freq == "epoch" else 1  # in batches; 0: not for batches
        else:
            self.update_freq = integer(update_freq, "update_freq")
        self._make_writer = _writer_class()
        self._writers: dict[str, Any] = {}

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Opens the files of this run; `fit` once more, and there are others beside them."""
        self._close()

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Writes the means so far, if batches are to be written and it is this one's turn."""
        step = self.model.steps_trained
        if self.update_freq and step % self.update_freq == 0:
            self._write("train", "batch", logs or {}, step)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Writes the epoch's logs and, if it is their turn, the weights."""
        logs = dict(logs or {})
        if self.model.optimizer is not None:
            logs["learning_rate"] = float(self.model.optimizer.learning_rate)
        validation = {n.removeprefix("val_"): v for n, v in logs.items() if n.startswith("val_")}
        training = {name: value for name, value in logs.items() if not name.startswith("val_")}
        self._write("train", "epoch", training, epoch)
        self._write("validation", "epoch", validation, epoch)
        if self.histogram_freq and epoch % self.histogram_freq == 0:
            for layer in self.model.chain:
                for parameter in layer.parameters:
                    name = f"{layer.name}/{parameter.name}/histogram"
                    self._writer("train").add_histogram(name, parameter.value, epoch)
        for writer in self._writers.values():
            writer.flush()

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Closes the files."""
        self._close()

    def _write(self, room: str, kind: str, logs: Logs, step: int) -> None:
        for name, value in logs.items():
            number = number_of(value)
            if number is not None:
                self._writer(room).add_scalar(f"{kind}_{name}", number, step)

    def _writer(self, room: str) -> Any:
        if room not in self._writers:
            self._writers[room] = self._make_writer(str(self.log_dir / room))
        return self._writers[room]

    def _close(self) -> None:
        for writer in self._writers.values():
            writer.close()
        self._writers = {}


def _writer_class() -> Any:
    try:
        return import_module("tensorboardX").SummaryWriter
    except ImportError as error:
        raise ImportError(
            "TensorBoard's files are written by tensorboardX, not installed here: "
            "pip install 'tinycnn[tensorboard]'; CSVLogger needs nothing"
        ) from error
