"""CSVLogger: the logs of every epoch in a file that spreadsheets can read.

Source: keras/src/callbacks/csv_logger.py
"""

import csv
import os
from pathlib import Path
from typing import Any

import numpy as np

from tinycnn.callbacks.base import Callback
from tinycnn.hooks import Logs
from tinycnn.support import console, job
from tinycnn.support.arguments import truth

FORBIDDEN = '0123456789+-.eEnaifNA"\r\n\0'  # characters of numbers, nan, inf and NA, and of CSV


class CSVLogger(Callback):
    """Writes each epoch's logs as one line of a CSV file, as soon as the epoch ends.

    Args:
        filename: the file.
        separator: the character between two values.
        append: if True, lines are added to an existing file, in its columns. If False, the first
            epoch's line replaces the file, so a run that completes no epoch leaves it as it was. A
            run that starts at a later epoch (`Checkpoint` with resume, `initial_epoch`) keeps the
            lines of all earlier epochs, if the file has them in the same columns.

    The columns are the epoch, from 0, and the names in the first epoch's logs, sorted. A value that
    a later epoch lacks is NA. As in Keras there are val_ columns even without validation, all NA.

    Raises:
        ValueError: if the separator is not one character, or can occur in a number; when training
            begins, if the file to append to is not such a log.
        OSError: when training begins, if the file can't be written. If a later write fails, a
            notice says so and the training goes on.
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
        """Reads the columns of a file to append to, or checks that the file can be written."""
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
        elif job.leads():
            open(self.filename, "ab").close()  # if it can't be written, this raises

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Writes the epoch's line; a line of column names precedes the first one."""
        if not job.leads():  # another process writes it
            return
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
        values = [logs.get(name, "NA") for name in self._names]
        rows.append([epoch, *(v.tolist() if isinstance(v, np.ndarray) else v for v in values)])
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
        """The lines of epochs 0 to `epoch` - 1, if the file is a log of this same training run."""
        try:
            with open(self.filename, newline="", encoding="utf-8") as file:
                header, *lines = csv.reader(file, delimiter=self.separator)
        except (OSError, ValueError, csv.Error):  # missing, or not such a log
            return []
        epochs = [str(n) for n in range(epoch)]
        same = header == ["epoch", *self._names] and [line[:1] for line in lines[:epoch]] == [
            [n] for n in epochs
        ]
        return lines[:epoch] if same else []
