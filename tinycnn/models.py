"""Sequential: the model that users make, train with `fit`, save and load.

Below it are learner.py (one step, evaluate, predict), state.py (compile, save), network.py (the
layers and the two folds) and layers/.

The loss and the metrics of an epoch are means over its samples, taken before each update;
validation comes after the epoch's last update.
"""

import json
import math
import os
import warnings
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from tinycnn import losses, optimizers
from tinycnn.callbacks import Callback, Checkpoint, History, ProgressLine, Run
from tinycnn.errors import ModelFileError, NumericalError
from tinycnn.hooks import Logs, call, checked_hooks, hand_to
from tinycnn.interop import hdf5, keras_config, keras_files
from tinycnn.layers import LAYERS, Input, Layer, Normalization, Rescaling
from tinycnn.learner import Learner
from tinycnn.metrics import EpochMeans, from_description
from tinycnn.network import FOR_ORDER
from tinycnn.state import MAX_LAYERS
from tinycnn.support import console, serialization, warning_signs
from tinycnn.support.arguments import integer, number, truth
from tinycnn.support.data import Data
from tinycnn.support.distribution import ALONE, Distribution
from tinycnn.support.interrupt import Interrupt
from tinycnn.support.keywords import refuse_unknown
from tinycnn.support.stream import Stream, hands_out_batches, in_steps
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

    Attributes:
        history: what the last `fit` returned; None before.
    """

    history: History | None = None

    def fit(
        self,
        x: Array,
        y: Array | None = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: str | int = "auto",
        callbacks: Iterable[Callback] | None = None,
        validation_split: float = 0.0,
        validation_data: tuple[Array, ...] | None = None,
        shuffle: bool = True,
        class_weight: Mapping[int, float] | None = None,
        sample_weight: Array | None = None,
        initial_epoch: int = 0,
        validation_freq: int | Sequence[int] = 1,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        distribution: Distribution | None = None,
        **unknown: Any,
    ) -> History:
        """Trains the model.

        Args:
            x: samples (n, *input_shape); or what hands out batches (x, y), such as a generator or a
                `utils.PyDataset`: see support/stream.py.
            y: targets, as the loss expects them; always needed, except with batches.
            batch_size: samples per step, None for 32; the last step of an epoch takes what is left.
                Batches that are handed out have their own sizes.
            epochs: train up to this epoch; those before `initial_epoch` count as done.
            verbose: 0 silent, 1 a live line for each epoch, 2 a plain one; "auto" is 1 on a
                terminal and in a notebook, and 2 elsewhere.
            callbacks: see callbacks/base.py.
            validation_split: the share of the data to validate on: its last part as it stands.
            validation_data: (x, y) to validate on instead, or (x, y, sample_weight), or what hands
                out batches of them.
            shuffle: take the samples in a new order in each epoch; or the batches, if they are
                handed out by number.
            class_weight: {class number: how much the loss of its samples counts}; 1 if not there.
            sample_weight: (n,), how much each sample's loss counts. The metrics count all alike.
            initial_epoch: the epoch to start with.
            validation_freq: validate after every so many epochs, or after those of these numbers,
                counted from 1.
            steps_per_epoch: how many batches an epoch takes; None for all that there are. The next
                epoch goes on with those that follow.
            validation_steps: how many batches each validation takes.
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
        epochs = integer(epochs, "epochs", least=0)
        batch_size = 32 if batch_size is None else integer(batch_size, "batch_size")
        settings = {
            "batch_size": batch_size,
            "shuffle": truth(shuffle, "shuffle"),
            "validation_split": 0.0 if validation_data is not None else validation_split,
            "initial_epoch": integer(initial_epoch, "initial_epoch", least=0),
            **({} if validation_freq == 1 else {"validation_freq": validation_freq}),
        }
        self.history = history = History()
        hooks = _in_order(callbacks, history, verbose)
        distribution = ALONE if distribution is None else distribution
        if not isinstance(distribution, Distribution):
            raise ValueError(
                "`distribution` must be one such as distributed.DataParallel(shards=8). "
                f"Received: distribution={distribution!r}"
            )
        settings |= distribution.settings
        weights = {"sample_weight": sample_weight, "class_weight": class_weight}
        given, data, validation = self._data(x, y, validation_split, validation_data, weights)
        validates = _epochs_to_validate(validation_freq, epochs)
        data = in_steps(data, steps_per_epoch, batch_size, "steps_per_epoch")
        if validation is not None:
            validation = in_steps(validation, validation_steps, batch_size, "validation_steps")
        if isinstance(data, Stream):
            _refuse_with_batches(hooks, distribution)
        self.compiled_with()[1].build(self.learning)
        if self.parameters and not self.learning:
            warnings.warn("no parameter of the model learns: fit changes nothing", stacklevel=2)
        params = {"epochs": epochs, "steps": data.steps(batch_size), "verbose": verbose}
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
                if isinstance(data, Stream) and not data.taken:
                    break  # it has come to its end, of which a warning has told
                if validation is not None and epoch in validates:
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
        self, x: Any, y: Any, validation_split: float, validation_data: Any, weights: dict[str, Any]
    ) -> tuple[dict[str, Array], Data | Stream, Data | Stream | None]:
        """All arrays by their names, the samples to train on, and those to validate on."""
        stream = None
        if hands_out_batches(x):
            stream, data = self.stream(x, y, **weights)
            given = {}
        else:
            data = self.checked(x, y, **weights)
            given = _by_name(data, ("x", "y", "sample_weight"))
        if not any(isinstance(layer, Rescaling | Normalization) for layer in self.chain):
            warning_signs.warn_of_unscaled(data.x)
        if hands_out_batches(validation_data):
            validation = self.stream(validation_data, None, "validation_data")[0]
            return given, stream or data, validation
        if validation_data is not None:
            if not isinstance(validation_data, (tuple, list)) or len(validation_data) not in (2, 3):
                kind = type(validation_data).__name__
                raise ValueError(
                    "`validation_data` must be a pair (x, y) or (x, y, sample_weight). "
                    f"Received: a {kind}"
                )
            names = ("validation_data[0]", "validation_data[1]", "validation_data[2]")
            x, y, *weight = validation_data
            some = self.checked(x, y, names, *weight)
            return given | _by_name(some, names), stream or data, some
        if not number(validation_split, "validation_split", 0.0, 1.0):
            return given, stream or data, None
        if stream:
            raise ValueError(
                "`validation_split` takes the last part of arrays, and of batches that are handed "
                f"out it is not known; give validation_data. Received: {validation_split}"
            )
        training, rest = data.split(validation_split)
        if weights["class_weight"] is not None:  # as in Keras, it is for the training only
            rest = Data(rest.x, rest.y)
        sparse = isinstance(self.loss, losses.SparseCategoricalCrossentropy)
        warning_signs.warn_of_uneven_split(data.y, len(training), sparse)
        return given, training, rest

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

    def _train_epoch(self, data: Data | Stream, run: Run) -> Logs:
        """Trains on the batches of an epoch that are not done yet; returns the epoch's means."""
        rng = None
        if run.settings["shuffle"]:
            rng = np.random.default_rng([self.seed, FOR_ORDER, self.epochs_trained])
        data = run.distribution.own(data)
        batch = None
        for batch in data.epoch(run.settings["batch_size"], rng, run.batch):
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
            finite = all(np.isfinite(parameter.value).all() for parameter in self.parameters)
            if batch is not None and not finite:
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
    *("validation_data", "shuffle", "class_weight", "sample_weight", "initial_epoch"),
    *("validation_freq", "steps_per_epoch", "validation_steps", "distribution"),
)


def _refuse_with_batches(hooks: Iterable[Callback], distribution: Distribution) -> None:
    """Raises ValueError for what needs arrays, where batches are handed out or counted."""
    if any(isinstance(hook, Checkpoint) for hook in hooks):
        raise ValueError(
            "a Checkpoint resumes in the middle of arrays, not of batches that are handed out "
            "or counted by steps_per_epoch; ModelCheckpoint saves the model after each epoch"
        )
    if distribution is not ALONE:
        raise ValueError(
            "`distribution` shares out arrays (or memory maps), not batches that are handed out or "
            f"counted by steps_per_epoch. Received: distribution={type(distribution).__name__}"
        )


def _by_name(data: Data, names: Sequence[str]) -> dict[str, Array]:
    arrays = zip(names, (data.x, data.y, data.weights), strict=True)
    return {name: array for name, array in arrays if array is not None}


def _epochs_to_validate(validation_freq: Any, epochs: int) -> Collection[int]:
    """The epochs, counted from 0, after which `fit` validates."""
    if isinstance(validation_freq, list | tuple):
        return {integer(epoch, "validation_freq[...]") - 1 for epoch in validation_freq}
    every = integer(validation_freq, "validation_freq")
    return range(every - 1, epochs, every)


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
    path: str | os.PathLike[str],
    custom_layers: Mapping[str, type[Layer]] | None = None,
    compile: bool = True,
    **unknown: Any,
) -> Sequential:
    """Loads what `Sequential.save` wrote; it predicts and trains on as the saved model would.

    It also loads what real Keras saved, as .keras or .h5, if tinycnn has all of its layers. What
    only trains, such as an augmentation that tinycnn does not have, is left out, and a notice says
    so. The same holds for compile settings.

    Args:
        path: the model file; its contents show what it is.
        custom_layers: your own layer classes by their names, which Keras calls `custom_objects`; a
            file can name only these and tinycnn's. They are made from the plain values that the
            file holds.
        compile: False leaves the model without loss and optimizer.
        unknown: none but `custom_objects`; the error says what to write instead.

    Raises:
        ModelFileError: if the file is damaged or not a model file, or holds what tinycnn does not
            have; the message gives the reason.
        TypeError: for any other argument.
        ImportError: for a file of Keras's, if h5py is not installed.
        OSError: if it can't be opened.
    """
    own = {**(custom_layers or {}), **(unknown.pop("custom_objects", None) or {})}
    refuse_unknown("load_model", unknown, ("path", "custom_layers", "compile"))
    if not all(isinstance(layer, type) and issubclass(layer, Layer) for layer in own.values()):
        raise ValueError(
            "only classes of layers can be handed over; compile the loaded model with losses and "
            f"metrics of your own. Received: {', '.join(own)}"
        )
    if keras_files.is_one(path):
        content, arrays = keras_files.read(path, truth(compile, "compile"))
    else:
        content, arrays = serialization.read(path)
        if not truth(compile, "compile"):
            content["compile"] = None
            arrays = {n: array for n, array in arrays.items() if not n.startswith("optimizer/")}
    try:
        model = _model(content, arrays, {**LAYERS, **own})
    except Exception as error:
        # A file, or a user's own layer that is made from it, can fail in any way.
        why = serialization.reason(error)
        raise ModelFileError(f"{os.fspath(path)}: it does not describe a model ({why})") from error
    warning_signs.warn_of_odd_weights(os.fspath(path), model.chain)
    return model


def save_model(model: Sequential, path: str | os.PathLike[str], overwrite: bool = True) -> None:
    """Keras's function for `model.save(path, overwrite)`."""
    model.save(path, overwrite)


def save_weights(model: Sequential, path: str | os.PathLike[str], overwrite: bool = True) -> None:
    """Keras's function for `model.save_weights(path, overwrite)`."""
    model.save_weights(path, overwrite)


def load_weights(model: Sequential, path: str | os.PathLike[str]) -> None:
    """Keras's function for `model.load_weights(path)`."""
    model.load_weights(path)


def model_from_json(text: str) -> Sequential:
    """A new model, with weights of its own, of the architecture in `text`.

    Args:
        text: what `to_json` returned, here or in Keras.

    Raises:
        ModelFileError: if it is something else, or names what tinycnn does not have.

    Example:
        >>> text = Sequential([Input((2,)), Dense(1)]).to_json()
        >>> model_from_json(text).count_params()
        3
    """
    with hdf5.refused("the text", "description of a model of Keras's"):
        described = json.loads(text)
        content, _ = keras_config.from_keras(described, with_weights=False)
        model = _placed(content | {"seed": None}, LAYERS)
        model.build(content["input_shape"])
        compiled = keras_config.compile_from_keras(described.get("compile_config"))
        if compiled:
            _compile(model, compiled)
    return model


def _model(
    content: dict[str, Any], arrays: dict[str, Array], classes: Mapping[str, type[Layer]]
) -> Sequential:
    model = _placed(content, classes)
    # Built from the arrays in the file: none is made by what the file says about their sizes.
    saved: dict[str, dict[str, Array]] = {}
    for place, array in arrays.items():
        kind, *names = place.split("/")
        if kind == "weights" and len(names) == 2:
            saved.setdefault(names[0], {})[names[1]] = array
    model.build(content["input_shape"], saved)
    if compiled := content["compile"]:
        _compile(model, compiled)
    model.set_state(content, arrays)
    return model


def _compile(model: Sequential, compiled: dict[str, Any]) -> None:
    optimizer = optimizers.OPTIMIZERS[compiled["optimizer"]["class"]].from_config(
        compiled["optimizer"]["config"]
    )
    loss = losses.LOSSES[compiled["loss"]["class"]](**compiled["loss"]["config"])
    model.compile(optimizer, loss, [from_description(m) for m in compiled["metrics"]])


def _placed(content: dict[str, Any], classes: Mapping[str, type[Layer]]) -> Sequential:
    """The model with its layers, not built yet."""
    if len(content["layers"]) > MAX_LAYERS:
        raise ValueError(f"it has more than {MAX_LAYERS} layers")
    model = Sequential(
        seed=content["seed"],
        dtype=content["dtype"],
        trainable=content.get("trainable", True),
        name=content["name"],
    )
    if "input_layer" in content:  # it was a functional model
        model.first = Input(content["input_shape"], name=content["input_layer"])
        model.first.build(model.first.sample_shape, dtype=model.dtype)
        model.place(model.first)
    for description in content["layers"]:
        if description["class"] not in classes:
            raise ModelFileError(
                f"unknown layer {description['class']!r:.100}; if it is yours, hand its class "
                "over: load_model(path, custom_layers={...})"
            )
        layer = classes[description["class"]](**description["config"])
        layer.trainable = description.get("trainable", True)
        model.place(layer)
    return model
