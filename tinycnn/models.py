"""Sequential: the model that users make, train with `fit`, save and load.

Below it are learner.py (one step, evaluate, predict), state.py (compile, save), network.py (the
layers and the two folds) and layers/.

The loss and the metrics of an epoch are means over its samples, taken before each update;
validation comes after the epoch's last update.
"""

import math
import os
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from tinycnn import losses, optimizers
from tinycnn.callbacks import Callback, Checkpoint, History, ProgressLine, Run
from tinycnn.distribution import ALONE, Distribution
from tinycnn.errors import ModelFileError, NumericalError
from tinycnn.hooks import Logs, call, checked_hooks, hand_to
from tinycnn.layers import LAYERS, Layer, Rescaling
from tinycnn.learner import Learner
from tinycnn.metrics import EpochMeans
from tinycnn.network import FOR_ORDER
from tinycnn.state import MAX_LAYERS
from tinycnn.support import console, serialization, warning_signs
from tinycnn.support.arguments import integer, number, truth
from tinycnn.support.data import Data
from tinycnn.support.interrupt import Interrupt
from tinycnn.support.keywords import refuse_unknown
from tinycnn.utils import Array


class Sequential(Learner):
    """A model whose layers follow each other.

    Args:
        layers: the layers, in order; the first may be an Input, or have an `input_shape`. Without
            either, the model is built when it sees the first data.
        seed: decides the initial weights, the order of the samples, and all noise. None takes
            another one for each model, see `utils.set_random_seed`; `model.seed` holds it.
        dtype: that of parameters and arithmetic: "float32", or "float64" for gradient checks.
        trainable: False freezes the model, whatever its layers say.
        name: printed by `summary`; None is "sequential".

    Raises:
        ValueError: for layers that do not fit each other, a layer used twice, a name used twice.

    Example:
        >>> model = Sequential([Input((28, 28, 1)), Flatten(), Dense(10, activation="softmax")])
        >>> model.predict(np.zeros((1, 28, 28, 1)), verbose=0).shape
        (1, 10)
    """

    def fit(
        self,
        x: Array,
        y: Array | None = None,
        batch_size: int = 32,
        epochs: int = 1,
        verbose: str | int = "auto",
        callbacks: Iterable[Callback] | None = None,
        validation_split: float = 0.0,
        validation_data: tuple[Array, Array] | None = None,
        shuffle: bool = True,
        initial_epoch: int = 0,
        distribution: Distribution | None = None,
        **unknown: Any,
    ) -> History:
        """Trains the model.

        Args:
            x: samples (n, *input_shape).
            y: targets, as the loss expects them; always needed.
            batch_size: samples per step; the last step of an epoch takes what is left.
            epochs: train up to this epoch; those before `initial_epoch` count as done.
            verbose: 0 silent, 1 a live line for each epoch, 2 a plain one; "auto" is 1 on a
                terminal and 2 elsewhere.
            callbacks: see callbacks/base.py.
            validation_split: the share of the data to validate on: its last part as it stands.
            validation_data: (x, y) to validate on instead.
            shuffle: take the samples in a new order in each epoch.
            initial_epoch: the epoch to start with.
            distribution: a `distributed.DataParallel(...)` shares each batch out among processes;
                None trains in this one.
            unknown: none; for Keras's other arguments the error says what to write instead.

        Returns:
            History: `.history` with loss, val_loss and the metrics by epoch.

        Raises:
            ValueError: for data that do not fit the model, before anything is changed.
            TypeError: for any other argument.
            RuntimeError: before `compile`; while another thread uses the model.
            NumericalError: if the loss, a gradient or a weight is no longer finite; the message
                names the first tensor that is not. A loss that is not finite changes no weight.
            KeyboardInterrupt: after Ctrl-C, once the running batch is done; a second Ctrl-C does
                not wait.
            SystemExit: after SIGTERM, likewise, with the code 143; a line on stderr says how far it
                got.
        """
        refuse_unknown("fit", unknown, _FIT)
        epochs, batch_size = integer(epochs, "epochs"), integer(batch_size, "batch_size")
        settings = {
            "batch_size": batch_size,
            "shuffle": truth(shuffle, "shuffle"),
            "validation_split": 0.0 if validation_data is not None else validation_split,
            "initial_epoch": integer(initial_epoch, "initial_epoch", least=0),
        }
        history = History()
        hooks = _in_order(callbacks, history, verbose)
        distribution = ALONE if distribution is None else distribution
        if not isinstance(distribution, Distribution):
            raise ValueError(
                "`distribution` must be one such as distributed.DataParallel(shards=8). "
                f"Received: distribution={distribution!r}"
            )
        settings |= distribution.settings
        given, data, validation = self._data(x, y, validation_split, validation_data)
        self.compiled_with()[1].build(self.learning)
        if self.parameters and not self.learning:
            warnings.warn("no parameter of the model learns: fit changes nothing", stacklevel=2)
        params = {"epochs": epochs, "steps": -(-len(data) // batch_size), "verbose": verbose}
        with self.at_work("fit"), Interrupt() as interrupt, distribution.training(self.dtype):
            means = EpochMeans(self.metrics)
            run = Run(
                hooks, history, interrupt, means, settings, given, distribution, initial_epoch
            )
            self._prepare(run, params, validation is not None)
            call(hooks, "on_train_begin")
            distribution.begin(self, run)
            logs = {name: values[-1] for name, values in history.history.items()}
            while run.epoch < epochs:
                epoch = run.epoch
                call(hooks, "on_epoch_begin", epoch)
                logs = self._train_epoch(data, run)
                if validation is not None:
                    values = self._evaluate(
                        validation, batch_size, hooks, distribution=distribution
                    )
                    logs |= {f"val_{name}": value for name, value in values.items()}
                self.epochs_trained += 1
                distribution.end_epoch(self)
                run.end_epoch()
                call(hooks, "on_epoch_end", epoch, logs=logs)
                run.stop_if_interrupted()
                if self.stop_training:
                    break
            call(hooks, "on_train_end", logs=logs)
            distribution.end()
            self.forget()
        return history

    def _data(
        self, x: Any, y: Any, validation_split: float, validation_data: Any
    ) -> tuple[dict[str, Array], Data, Data | None]:
        """All arrays by their names, the samples to train on, and those to validate on."""
        data = self.checked(x, y)
        given = {"x": data.x, "y": data.y}
        if not isinstance(self.layers[0], Rescaling):
            warning_signs.warn_of_unscaled(data.x)
        if validation_data is not None:
            if not isinstance(validation_data, (tuple, list)) or len(validation_data) != 2:
                kind = type(validation_data).__name__
                raise ValueError(f"`validation_data` must be a pair (x, y). Received: a {kind}")
            names = ("validation_data[0]", "validation_data[1]")
            x, y = validation_data
            validation = self.checked(x, y, names)
            return given | {names[0]: validation.x, names[1]: validation.y}, data, validation
        if not number(validation_split, "validation_split", 0.0, 1.0):
            return given, data, None
        training, validation = data.split(validation_split)
        sparse = isinstance(self.loss, losses.SparseCategoricalCrossentropy)
        warning_signs.warn_of_uneven_split(data.y, len(training), sparse)
        return given, training, validation

    def _prepare(self, run: Run, params: dict[str, Any], validates: bool) -> None:
        """Tells the callbacks what to expect; they raise if they can't work with it."""
        hand_to(run.hooks, self, params)
        logged = [*(metric.name for metric in self.metrics), "loss"]
        logged += [f"val_{name}" for name in logged] if validates else []
        ours = all(type(hook).__module__.startswith("tinycnn.") for hook in run.hooks)
        complete = ours and not any(hook.adds_logs for hook in run.hooks)
        for hook in run.hooks:
            hook.expect_logs(logged, complete)
        self.stop_training = False
        for hook in run.hooks:
            if isinstance(hook, Checkpoint):
                hook.open(run)

    def _train_epoch(self, data: Data, run: Run) -> Logs:
        """Trains on the batches of an epoch that are not done yet; returns the epoch's means."""
        order = None
        if run.settings["shuffle"]:
            rng = np.random.default_rng([self.seed, FOR_ORDER, self.epochs_trained])
            order = rng.permutation(len(data))
        data = batch = run.distribution.own(data)
        for batch in data.batches(run.settings["batch_size"], order, run.batch):
            number_ = run.batch
            call(run.hooks, "on_train_batch_begin", number_)
            loss, y_pred, updated = self._train_step(batch, run.distribution)
            run.end_batch()
            if math.isfinite(loss) and not updated:
                raise self._error("a gradient is not finite", run, batch)
            logs = run.means.add(loss, batch.y, y_pred)
            call(run.hooks, "on_train_batch_end", number_, logs=logs)
            if self.stop_training:
                break
            if not updated:
                raise self._error(f"the loss became {loss}", run, batch)
            run.stop_if_interrupted()
        else:
            if not all(np.isfinite(parameter.value).all() for parameter in self.parameters):
                raise self._error("a weight is not finite", run, batch)
        return run.means.result()

    def _error(self, what: str, run: Run, batch: Data) -> NumericalError:
        _, optimizer = self.compiled_with()
        checkpoint = f" The last good checkpoint: {run.last_good}." if run.last_good else ""
        return NumericalError(
            f"{what} in {run.position}, at learning rate {optimizer.learning_rate:g}. "
            f"{self.diagnosis(batch)}{checkpoint}"
        )


# The arguments of `fit`, for the error that any other one raises.
_FIT = (
    *("x", "y", "batch_size", "epochs", "verbose", "callbacks", "validation_split"),
    *("validation_data", "shuffle", "initial_epoch", "distribution"),
)


def _in_order(
    callbacks: Iterable[Callback] | None, history: History, verbose: str | int
) -> list[Callback]:
    """All callbacks of a `fit`: the user's, ours, and last those that save what others did."""
    hooks = [*checked_hooks(callbacks, Callback), history]
    live = console.is_live(verbose)
    if verbose != 0:
        hooks.append(ProgressLine(live))
    return sorted(hooks, key=lambda hook: isinstance(hook, Checkpoint))


def load_model(
    path: str | os.PathLike[str], custom_layers: Mapping[str, type[Layer]] | None = None
) -> Sequential:
    """Loads what `Sequential.save` wrote; it predicts and trains on as the saved model would.

    Args:
        path: the model file.
        custom_layers: your own layer classes by their names; a file can name only these and
            tinycnn's. They are made from the plain values that the file holds.

    Raises:
        ModelFileError: if the file is damaged or not a model file; the message gives the reason.
        OSError: if it can't be opened.
    """
    content, arrays = serialization.read(path)
    try:
        return _model(content, arrays, {**LAYERS, **(custom_layers or {})})
    except Exception as error:
        # A file, or a user's own layer that is made from it, can fail in any way.
        why = serialization.reason(error)
        raise ModelFileError(f"{os.fspath(path)}: it does not describe a model ({why})") from error


def _model(
    content: dict[str, Any], arrays: dict[str, Array], classes: Mapping[str, type[Layer]]
) -> Sequential:
    if len(content["layers"]) > MAX_LAYERS:
        raise ValueError(f"it has more than {MAX_LAYERS} layers")
    model = Sequential(
        seed=content["seed"],
        dtype=content["dtype"],
        trainable=content.get("trainable", True),
        name=content["name"],
    )
    for description in content["layers"]:
        if description["class"] not in classes:
            raise ModelFileError(
                f"unknown layer {description['class']!r:.100}; if it is yours, hand its class "
                "over: load_model(path, custom_layers={...})"
            )
        layer = classes[description["class"]](**description["config"])
        layer.trainable = description.get("trainable", True)
        model.place(layer)
    # Built from the arrays in the file: none is made by what the file says about their sizes.
    saved: dict[str, dict[str, Array]] = {}
    for place, array in arrays.items():
        kind, *names = place.split("/")
        if kind == "weights" and len(names) == 2:
            saved.setdefault(names[0], {})[names[1]] = array
    model.build(content["input_shape"], saved)
    if compiled := content["compile"]:
        optimizer = optimizers.OPTIMIZERS[compiled["optimizer"]["class"]].from_config(
            compiled["optimizer"]["config"]
        )
        loss = losses.LOSSES[compiled["loss"]["class"]](**compiled["loss"]["config"])
        model.compile(optimizer, loss, compiled["metrics"])
    model.set_state(content, arrays)
    return model
