"""Hooks: the moments at which training, evaluation and prediction call other code.

`callbacks.Callback` adds a model and parameters to them, for users to build on.

Source: keras/src/callbacks/callback.py
"""

from collections.abc import Iterable
from typing import Any, TypeVar

from tinycnn.support.refusals import Strict

Logs = dict[str, float]
Hook = TypeVar("Hook", bound="Hooks")


class Hooks(Strict):
    """All hooks, each doing nothing."""

    def __init_subclass__(cls, **arguments: Any) -> None:
        """Checks the hooks of a class.

        Raises:
            TypeError: for a method that looks like a hook and would never be called.
        """
        super().__init_subclass__(**arguments)
        known = [name for name in vars(Hooks) if name.startswith("on_")]
        for name, thing in vars(cls).items():
            if name.startswith("on_") and name not in known and callable(thing):
                moments = dict.fromkeys(hook.rpartition("_")[0] for hook in known)
                raise TypeError(
                    f"{cls.__name__}.{name} would never be called; the hooks are "
                    f"{', '.join(moments)}, each with _begin or _end. A method of your own needs a "
                    "name that does not begin with on_"
                )

    def set_model(self, model: Any) -> None:
        """Called first, with the model at work."""

    def set_params(self, params: dict[str, Any]) -> None:
        """Called next, with "epochs", "steps" (batches in an epoch) and "verbose"."""

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Before the first epoch."""

    def on_train_end(self, logs: Logs | None = None) -> None:
        """After the last epoch, with its logs."""

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Before epoch number `epoch`, counted from 0."""

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """After the epoch; `logs` holds accuracy, loss, val_accuracy, val_loss."""

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Before batch number `batch` of the epoch, counted from 0."""
        self.on_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """After the batch's update; `logs` holds the epoch's running means so far."""
        self.on_batch_end(batch, logs)

    def on_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Another name for `on_train_batch_begin`."""

    def on_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Another name for `on_train_batch_end`."""

    def on_test_begin(self, logs: Logs | None = None) -> None:
        """Before `evaluate`, or the validation of an epoch."""

    def on_test_end(self, logs: Logs | None = None) -> None:
        """After `evaluate` or a validation, with its loss and metrics."""

    def on_test_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Before batch number `batch` of `evaluate` or a validation."""

    def on_test_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """After that batch; `logs` holds the running means so far."""

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        """Before `predict`."""

    def on_predict_end(self, logs: Logs | None = None) -> None:
        """After `predict`."""

    def on_predict_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Before batch number `batch` of `predict`."""

    def on_predict_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """After that batch; `logs` holds "outputs", its predictions."""


def call(
    hooks: Iterable[Hooks], name: str, *arguments: int, logs: dict[str, Any] | None = None
) -> None:
    """Calls the hook `name` of all callbacks with one copy of the logs, which they share.

    Raises:
        TypeError: if a callback adds something to the logs whose name is not text.
    """
    shared = dict(logs or {})
    for hook in hooks:
        count = len(shared)
        getattr(hook, name)(*arguments, shared)
        if len(shared) > count and (odd := [key for key in shared if not isinstance(key, str)]):
            raise TypeError(
                f"what {type(hook).__name__}.{name} adds to the logs needs a name that is text. "
                f"Received: logs[{odd[0]!r}]={shared[odd[0]]!r}"
            )


def hand_to(hooks: Iterable[Hooks], model: Any, params: dict[str, Any]) -> None:
    """Gives hooks their model and their parameters."""
    for hook in hooks:
        hook.set_model(model)
        hook.set_params(params)


def checked_hooks(callbacks: Any, kind: type[Hook]) -> list[Hook]:
    """`callbacks` as a list of `kind`, empty for None.

    Raises:
        ValueError: if it is anything else.
    """
    try:
        hooks = list(callbacks or ())
    except TypeError:
        hooks = [callbacks]
    if not all(isinstance(hook, kind) for hook in hooks):
        raise ValueError(f"`callbacks` must be a list of Callbacks. Received: {callbacks!r}")
    return hooks
