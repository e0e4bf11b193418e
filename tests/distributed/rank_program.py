"""A training with everything in it that ranks could do differently; as a script, run by mpiexec.

    mpiexec -n 2 python tests/distributed/rank_program.py '{"shards": 4, "fault": "raise"}'

Rank 0 prints one line at the end: JSON with the fingerprint of the weights, the history, every bit
of it, and what `evaluate` says. The argument's entries are those of `DEFAULTS`.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

from tinycnn import (
    BatchNormalization,
    Callback,
    Checkpoint,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    MaxPooling2D,
    RandomTranslation,
    Sequential,
    callbacks,
    kernels,
)
from tinycnn.distributed import DataParallel

DEFAULTS = {
    "shards": 4,
    "epochs": 3,
    "batch_size": 16,
    "fault": "",  # what happens to rank `rank` at the beginning of batch `step` of epoch 1
    "rank": 1,
    "step": 3,
    "moment": "",  # the file that rank `rank` writes the time to when the fault happens
    "pids": "",  # the folder where each rank leaves its process's number
    "checkpoint": "",
    "csv": "",
    "frozen": False,
    "threads": 0,
    "samples": 100,
    "patience": 0,
    "without": False,  # no distribution at all
}


class Fault(Callback):
    """Something that goes wrong on one rank, or on each of them."""

    def __init__(self, settings):
        self.settings = settings

    def on_train_batch_begin(self, batch, logs=None):
        if batch == self.settings["step"] and self.model.epochs_trained == 1:
            happen(self.settings["fault"], self.settings, self.model)


class Threads(Callback):
    """Sees to it that kernels run on so many."""

    def __init__(self, expected):
        self.expected = expected

    def on_train_batch_begin(self, batch, logs=None):
        if kernels.get_num_threads() != self.expected:
            raise RuntimeError(f"{kernels.get_num_threads()} threads, not {self.expected}")


def note_the_moment(settings):
    """For whoever measures how long all ranks go on."""
    if settings["moment"]:
        Path(settings["moment"]).write_text(str(time.time()))


def happen(kind, settings, model=None):
    """Whatever can end a process, or part it from the others."""
    note_the_moment(settings)
    if kind == "raise":
        raise LookupError("nobody expected this")
    elif kind == "exit":
        sys.exit(3)
    elif kind == "stop":
        model.stop_training = True
    elif kind == "nan":
        model.layers[-1].parameters[0].value[...] = np.nan
    elif kind == "other weights":
        model.layers[-1].parameters[0].value[0, 0] += 1
    elif kind == "abort":
        os.abort()
    else:
        os.kill(os.getpid(), getattr(signal, kind))


def network(seed=1, frozen=False):
    """A small network with noise, augmentation and statistics, compiled."""
    model = Sequential(
        [
            RandomTranslation(0.2, 0.2, input_shape=(8, 8, 1)),
            Conv2D(4, (3, 3), activation="relu", kernel_regularizer="l2"),
            BatchNormalization(trainable=not frozen),
            MaxPooling2D((2, 2)),
            Flatten(),
            Dropout(0.25),
            Dense(8, activation="relu"),
            Dense(3, activation="softmax"),
        ],
        seed=seed,
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def train(settings, distribution):
    """The record of one training."""
    rng = np.random.default_rng(0)
    n = settings["samples"]
    x, y = rng.random((n, 8, 8, 1), np.float32), rng.integers(0, 3, n)
    fault, mine = settings["fault"], getattr(distribution, "rank", 0) == settings["rank"]
    model = network(seed=2 if fault == "seed" and mine else 1, frozen=settings["frozen"])
    if mine and fault in ("data", "seed"):
        note_the_moment(settings)
    if fault == "data" and mine:
        x[5, 0, 0] += 1
    if fault == "before" and mine:
        happen("raise", settings)
    if fault == "leave" and mine:
        note_the_moment(settings)
        sys.exit()
    hooks = [Fault(settings)] if mine and (fault.isupper() or fault in KINDS) else []
    if settings["threads"]:
        hooks.append(Threads(settings["threads"]))
    if settings["checkpoint"]:
        hooks.append(Checkpoint(settings["checkpoint"], 0, resume=True))
    if settings["csv"]:
        hooks.append(callbacks.CSVLogger(settings["csv"]))
    if settings["patience"]:
        hooks.append(callbacks.EarlyStopping(patience=settings["patience"]))
    more = {} if distribution is None else {"distribution": distribution}
    history = model.fit(
        x,
        y,
        settings["batch_size"],
        settings["epochs"],
        verbose=2,
        callbacks=hooks,
        validation_split=0.2,
        **more,
    )
    if fault == "after" and mine:
        happen("raise", settings)
    return {
        "weights": model.fingerprint(),
        "history": {n: [float(v).hex() for v in vs] for n, vs in history.history.items()},
        "evaluated": [float(value).hex() for value in model.evaluate(x, y, verbose=0)],
    }


KINDS = ("raise", "exit", "stop", "nan", "other weights", "abort")

if __name__ == "__main__":
    settings = DEFAULTS | json.loads(sys.argv[1])
    if settings["threads"]:
        # Ranks on one machine share its cores out, unless this is set before Numba is imported.
        os.environ["NUMBA_NUM_THREADS"] = str(settings["threads"])
    distribution = None if settings["without"] else DataParallel(settings["shards"])
    if settings["pids"]:
        Path(settings["pids"], str(distribution.rank)).write_text(str(os.getpid()))
    record = train(settings, distribution)
    if distribution is None or distribution.rank == 0:
        print(json.dumps(record), flush=True)
