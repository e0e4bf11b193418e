"""Checkpoint: the whole state of a training run in one file, to resume it after an interruption.

The order of the samples and all noise are functions of the seed and of two counters (network.py),
so there is no hidden state. A run that was killed and resumed, however often, ends with the same
weights and the same history, bit for bit, as one that was never interrupted.

Whether the data are the same is told by their hash, of large data by that of many parts of them:
see support/large.py.

The file is a model file (`load_model` opens it) with one more entry, "fit", in its content:
    epoch, batch   how much is done: whole epochs, and batches of the next one
    means, history the sums of the running epoch, and the logs of those before it
    callbacks      the attributes that callbacks want back, see `Callback.checkpointed`
    stopped        whether a callback has ended the training
    settings       what must be the same to go on: the model, the data, the batches
Arrays and long lists in it are stored as arrays named "fit/...".

Source of the semantics: keras/src/callbacks/backup_and_restore.py, which resumes at whole epochs.
"""

import json
import math
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tinycnn import kernels
from tinycnn.callbacks.base import Callback, number_of
from tinycnn.callbacks.run import Run
from tinycnn.errors import ModelFileError
from tinycnn.hooks import Logs
from tinycnn.support import console, serialization
from tinycnn.support.arguments import integer, number, printable, truth
from tinycnn.support.large import identity
from tinycnn.utils import Array

LONG = 64  # a list of this many numbers or more is stored as an array


class Checkpoint(Callback):
    """Saves the state of the training after every epoch, and at a time interval within epochs.

    Ctrl-C and SIGTERM let the running batch finish, save, and end the training. If a save fails, a
    notice says so, the last good file stays, and the training goes on.

    Args:
        path: the file, whose name must end in .npz; each save replaces the last one.
        every_seconds: time between two saves within an epoch; 0 saves after every batch.
        resume: continue from the file, if there is one. The model, the data and the arguments of
            `fit` must be as before, but `epochs` may be higher. If False, an old file is replaced.

    Raises:
        ValueError: for a bad argument.
        ModelFileError: in `fit`, before anything is changed, if the file is damaged, is not a
            checkpoint, or belongs to a different run; the message then names the difference.

    Example:
        >>> checkpoint = Checkpoint("checkpoint.npz", every_seconds=60, resume=True)
        >>> checkpoint.resume
        True
    """

    def __init__(
        self, path: str | os.PathLike[str], every_seconds: float = 60.0, resume: bool = False
    ) -> None:
        self.path = Path(path)
        if self.path.suffix != ".npz":
            raise ValueError(f"`path` must end in .npz. Received: path={str(path)!r}")
        self.every_seconds = number(every_seconds, "every_seconds", low=0.0)
        self.resume = truth(resume, "resume")

    def open(self, run: Run) -> None:
        """Called by `fit` before anything is changed: reads the file and compares its settings.

        Args:
            run: what is saved in addition to the model.

        Raises:
            ValueError: if the folder does not exist, or a setting can't be saved.
            ModelFileError: if a setting differs (the message names it), or it is not a checkpoint.
        """
        self._run = run
        self._due = time.monotonic() + self.every_seconds
        self._settings = self._all_settings(run)
        self._file = run.distribution.from_main(self._found)

    def _found(self) -> tuple[dict[str, Any], dict[str, Array]] | None:
        """What the file to go on from holds; None if there is none."""
        if not self.path.parent.is_dir():
            raise ValueError(f"there is no folder {self.path.parent} to save {self.path.name} in")
        if not self.path.exists():
            if self.resume:
                console.notice(f"there is no {self.path} to resume from: this is a new run")
            return None
        if not self.resume:
            console.notice(f"{self.path}, of an earlier run, will be replaced; not resuming it")
            return None
        content, arrays = serialization.read(self.path)
        try:
            if "fit" not in content:
                raise ModelFileError(f"{self.path}: a model, but not a checkpoint of its training")
            for name, was, now in _differences(content["fit"]["settings"], self._settings):
                raise ModelFileError(
                    f"can't resume from {self.path}: `{printable(name)}` was "
                    f"{printable(repr(was))} in that run. Received: {now!r}"
                )
            _check_fit(content, arrays, self._run, self._stateful())
            self.model.check_state(content, arrays)
        except ModelFileError:
            raise
        except Exception as error:  # a malicious file can fail in any way
            why = serialization.reason(error)
            raise ModelFileError(f"{self.path}: not a complete checkpoint ({why})") from error
        return content, arrays

    def _all_settings(self, run: Run) -> dict[str, Any]:
        content, _ = self.model.state()
        compiled = content["compile"]
        everything = {
            **{name: content[name] for name in ("seed", "dtype", "input_shape", "layers")},
            **{name: compiled[name] for name in ("optimizer", "loss", "metrics")},
            **run.settings,
            "data": {name: identity(array) for name, array in run.arrays.items()},
            "kernels": kernels.active(),
            "callbacks": [type(hook).__name__ for hook in self._stateful()],
        }
        try:
            plain: dict[str, Any] = json.loads(json.dumps(everything, default=serialization.plain))
        except TypeError as error:
            raise ValueError(f"this training can't be saved as plain values: {error}") from None
        return plain

    def _stateful(self) -> list[Callback]:
        return [hook for hook in self._run.hooks if hook.checkpointed]

    # --- resuming ---------------------------------------------------------------------------------

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Restores the state in the file."""
        if self._file:
            self._restore(*self._file)
            self._run.last_good = f"{self.path} ({self._run.position})"
            if self.params["verbose"]:
                console.say(f"resumed from {self._run.last_good}")
                if self._run.epoch >= self.params["epochs"]:
                    console.say(
                        f"nothing is left to train: all {self.params['epochs']} epochs are done"
                    )

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """In a resumed epoch, restores the state again: other callbacks have begun it twice."""
        if self._file and self._run.batch:
            self._restore(*self._file)
        self._file = None

    def _restore(self, content: dict[str, Any], arrays: dict[str, Array]) -> None:
        run, fit = self._run, content["fit"]
        self.model.set_state(content, arrays)
        run.epoch, run.batch = fit["epoch"], fit["batch"]
        run.means.set_state(fit["means"])
        run.history.epoch = _decoded(fit["history"]["epoch"], arrays)
        run.history.history = dict(_decoded(fit["history"]["logs"], arrays))
        for hook, attributes in zip(self._stateful(), fit["callbacks"], strict=True):
            for name in hook.checkpointed:
                setattr(hook, name, _decoded(attributes[name], arrays))
        if fit["stopped"]:
            run.epoch = max(run.epoch, self.params["epochs"])  # nothing is left to do

    # --- saving -----------------------------------------------------------------------------------

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Saves if the interval has passed, or Ctrl-C or SIGTERM has come."""
        if self._run.stopping or time.monotonic() >= self._due:
            self._save(logs or {})

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Saves after every epoch, whatever the interval."""
        self._save(logs or {})

    def _save(self, logs: Logs) -> None:
        self._due = time.monotonic() + self.every_seconds
        loss = number_of(logs.get("loss"))
        finite = loss is None or math.isfinite(loss)
        if not (finite and all(np.isfinite(p.value).all() for p in self.model.parameters)):
            return  # nobody wants to go on from here: the last good state stays
        try:
            serialization.write(self.path, *self._state())
        except (OSError, ValueError) as error:  # a full disk; an odd value in the logs
            console.notice(
                f"*** CHECKPOINT NOT SAVED ({error}). The last good one: "
                f"{self._run.last_good or 'none'}. The training goes on. ***"
            )
        else:
            self._run.last_good = f"{self.path} ({self._run.position})"

    def _state(self) -> tuple[dict[str, Any], dict[str, Array]]:
        run = self._run
        content, arrays = self.model.state()
        content["fit"] = {
            "epoch": run.epoch,
            "batch": run.batch,
            "means": run.means.state(),
            "history": {
                "epoch": _encoded(run.history.epoch, "fit/history/epoch", arrays),
                "logs": _encoded(list(run.history.history.items()), "fit/history", arrays),
            },
            "callbacks": [
                {
                    name: _encoded(getattr(hook, name), f"fit/callbacks/{i}/{name}", arrays)
                    for name in hook.checkpointed
                }
                for i, hook in enumerate(self._stateful())
            ],
            "stopped": self.model.stop_training,
            "settings": self._settings,
        }
        return content, arrays


def _encoded(value: Any, name: str, arrays: dict[str, Array]) -> Any:
    """`value` in a form that JSON holds exactly; what JSON can't hold goes into `arrays`."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, list) and len(value) >= LONG:
        for kind, dtype in (("floats", np.float64), ("ints", np.int64)):
            if all(type(part) is (float if kind == "floats" else int) for part in value):
                arrays[name] = np.array(value, dtype)
                return {kind: name}
    if isinstance(value, list | tuple):
        return [_encoded(part, f"{name}/{i}", arrays) for i, part in enumerate(value)]
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": str(value)}
    if isinstance(value, np.ndarray):
        arrays[name] = value
        return {"array": name}
    return value


def _decoded(value: Any, arrays: Mapping[str, Array]) -> Any:
    """The value that `_encoded` was given; a tuple comes back as a list."""
    if isinstance(value, list):
        return [_decoded(part, arrays) for part in value]
    if isinstance(value, dict):
        ((kind, what),) = value.items()
        if kind == "float":
            return float(what)
        return arrays[what].copy() if kind == "array" else arrays[what].tolist()
    return value


def _check_fit(
    content: Mapping[str, Any],
    arrays: Mapping[str, Array],
    run: Run,
    hooks: Sequence[Callback],
) -> None:
    """Raises some error unless the file holds what `_state` writes, with the right types."""
    fit = content["fit"]
    counts = [(name, fit[name]) for name in ("epoch", "batch")]
    for name, count in counts:
        if not 0 <= integer(count, name, least=0) < 2**53:
            raise ValueError(f"`{name}` is out of range")
    if type(fit["stopped"]) is not bool:
        raise TypeError("`stopped` must be a truth value")
    run.means.check_state(fit["means"])
    numbers = {"loss", *(metric.name for metric in run.means.metrics if metric.is_number)}
    epochs = _decoded(fit["history"]["epoch"], arrays)
    logs = dict(_decoded(fit["history"]["logs"], arrays))
    if any(type(epoch) is not int for epoch in epochs):
        raise TypeError("the history's epochs must be integers")
    for name, values in logs.items():
        if not (isinstance(name, str) and name.isprintable()):
            raise TypeError("the history must be of names that can be printed")
        if not (isinstance(values, list) and values):
            raise TypeError("the history must hold a list of values for each name")
        if name in numbers and any(type(value) not in (float, int) for value in values):
            raise TypeError(f"the history of {name} must hold numbers")
    for hook, attributes in zip(hooks, fit["callbacks"], strict=True):
        if attributes.keys() != set(hook.checkpointed):
            raise ValueError(f"the attributes of {type(hook).__name__} are not those it saves")
        for name, value in attributes.items():
            decoded, now = _decoded(value, arrays), getattr(hook, name, None)
            if not hook.accepts(name, decoded) or not _alike(decoded, now):
                raise TypeError(
                    f"`{name}` of {type(hook).__name__} can't be {type(decoded).__name__}"
                )


def _alike(value: Any, now: Any) -> bool:
    """Whether `value` may replace `now`: both are of the same kind, or one of them is None."""
    if value is None or now is None or type(value) is type(now):
        return True
    numbers = (int, float, np.number)
    if isinstance(now, bool | np.bool_) or isinstance(value, bool):
        return isinstance(now, bool | np.bool_) and isinstance(value, bool)
    return (isinstance(value, numbers) and isinstance(now, numbers)) or (
        isinstance(value, list) and isinstance(now, tuple)
    )


def _differences(was: Any, now: Any, name: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yields (name, was, now) for every plain value in which two nested structures differ."""
    if isinstance(was, dict) and isinstance(now, dict):
        for key in {**now, **was}:
            yield from _differences(was.get(key), now.get(key), f"{name}.{key}".lstrip("."))
    elif isinstance(was, list) and isinstance(now, list):
        if len(was) != len(now):
            yield f"len({name})", len(was), len(now)
        for i, (a, b) in enumerate(zip(was, now, strict=False)):
            yield from _differences(a, b, f"{name}[{i}]")
    elif was != now:
        yield name, was, now
