"""CSVLogger: the logs of every epoch in a file that spreadsheets read.

Source: keras/src/callbacks/csv_logger.py
"""

import csv
import os
from pathlib import Path
from typing import Any

from tinycnn.callbacks.base import Callback
from tinycnn.hooks import Logs
from tinycnn.support import console
from tinycnn.support.arguments import truth

FORBIDDEN = '0123456789+-.eEnaifNA"\r\n\0'  # parts of numbers, of nan, inf and NA; CSV's own


class CSVLogger(Callback):
    """Writes the logs of every epoch as a line of a CSV file, at once.

    Args:
        filename: of the file.
        separator: between two values.
        append: go on with the file, in its columns, if it is there; otherwise the first epoch's
            line replaces it, so that a training without an epoch leaves it as it was. A training
            that goes on at a later epoch (`Checkpoint` with resume, `initial_epoch`) keeps the
            lines of all epochs before, if the file has them in the same columns.

    The columns are the epoch, from 0, and the names in the first epoch's logs, sorted; a value that
    is missing later is NA. As in Keras there are val_ columns without a validation too, all NA.

    Raises:
        ValueError: for a separator that is not one character, or could stand in a number; when
            training begins, for a file to append to that is no such log.
        OSError: when training begins, if it can't be written. Later, on a full disk, a notice says
            so and the training goes on.
    """

    def __init__(
        self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False
    ) -> None:
        self.filename = Path(filename)
        if not isinstance(separator, str) or len(separator) != 1 or separator in FORBIDDEN:
            raise ValueError(
                "`separator` must be one character that can't stand in a number, such as ',' or "
                f"';'. Received: separator={separator!r}"
            )
        self.separator = separator
        self.append = truth(append, "append")
        self._names: list[str] = []

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Read the columns of a file to append to; check that it can be written."""
        self._names = []
        if self.append and self.filename.exists():
            with open(self.filename, newline="", encoding="utf-8") as file:
                header = next(csv.reader(file, delimiter=self.separator), [])
            if header and header[0] != "epoch":
                raise ValueError(
                    f"{self.filename} is not a log to append to: it does not begin with the column "
                    f"'epoch'. Received: {header}"
                )
            self._names = header[1:]
        else:
            open(self.filename, "ab").close()  # whether it can be written shows now

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """The epoch becomes a line, below the columns' names if it is the first."""
        logs = logs or {}
        rows: list[list[Any]] = []
        mode = "a"
        if not self._names:
            self._names = sorted(logs)
            if not any(name.startswith("val_") for name in logs):
                self._names += [f"val_{name}" for name in sorted(logs)]
            rows.append(["epoch", *self._names])
            if not self.append:
                mode = "w"
                rows += self._lines_before(epoch)
        rows.append([epoch, *(logs.get(name, "NA") for name in self._names)])
        try:
            with open(self.filename, mode, newline="", encoding="utf-8") as file:
                csv.writer(file, delimiter=self.separator).writerows(rows)
        except OSError as error:
            if len(rows) > 1:
                self._names = []  # the columns are not in the file: the next epoch writes them
            console.notice(
                f"*** EPOCH {epoch} NOT LOGGED in {self.filename} ({error}). "
                "The training goes on. ***"
            )

    def _lines_before(self, epoch: int) -> list[list[str]]:
        """The lines of epochs 0 to `epoch` - 1, if the file is the log of just this training."""
        try:
            with open(self.filename, newline="", encoding="utf-8") as file:
                header, *lines = csv.reader(file, delimiter=self.separator)
        except (OSError, ValueError, csv.Error):  # not there, or no such log
            return []
        epochs = [str(n) for n in range(epoch)]
        same = header == ["epoch", *self._names] and [line[:1] for line in lines[:epoch]] == [
            [n] for n in epochs
        ]
        return lines[:epoch] if same else []
