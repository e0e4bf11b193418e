"""All that decides what a model does next: layers, loss, optimizer, counters; how it is saved.

`state` returns it as plain values and arrays. A model file holds just these, a checkpoint holds
more besides.
"""

import inspect
import json
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tinycnn import losses, optimizers
from tinycnn.interop import hdf5, keras_files, keras_weights
from tinycnn.layers import LAYERS, Layer
from tinycnn.metrics import Metric, described
from tinycnn.metrics import get as get_metrics
from tinycnn.network import Network
from tinycnn.optimizers import schedules
from tinycnn.support import console, serialization, warning_signs
from tinycnn.support.arguments import integer, number, truth
from tinycnn.support.keywords import refuse_unknown
from tinycnn.utils import Array

MAX_LAYERS = 1000  # of a model that can be saved


class Stateful(Network):
    """A network with a loss, an optimizer, metrics, and counters of its training.

    Attributes:
        optimizer: the optimizer that `compile` was given.
        loss: its loss.
        metrics: its metrics, as `metrics.Metric` objects.
        epochs_trained: epochs over the model's life; each has its own order of the samples.
        steps_trained: training steps over the model's life; each has its own noise.
    """

    fixed = frozenset(("loss", "optimizer", "metrics"))

    loss: losses.Loss | None = None
    optimizer: optimizers.Optimizer | None = None
    metrics: Sequence[Metric] = ()
    epochs_trained = 0
    steps_trained = 0
    _loss_on_logits: losses.Loss | None = None

    # --- compile ----------------------------------------------------------------------------------

    def compile(
        self,
        optimizer: str | optimizers.Optimizer = "rmsprop",
        loss: str | losses.Loss | Callable[..., Any] | None = None,
        metrics: Sequence[Any] | None = None,
        **unknown: Any,
    ) -> None:
        """Chooses how to learn: the optimizer, the loss and the metrics.

        Args:
            optimizer: a name in `optimizers.OPTIMIZERS`, such as "adam", or an Optimizer with its
                own settings.
            loss: "categorical_crossentropy" (one-hot labels), "sparse_categorical_crossentropy"
                (integer labels), "binary_crossentropy", "mean_squared_error", ...: a name or a
                function of `losses`, or a Loss with its own settings.
            metrics: what to measure besides the loss: names in `metrics.METRICS`, such as
                "accuracy", functions (y_true, y_pred) -> number, or objects such as
                `metrics.Precision()`.
            unknown: none; for Keras's other arguments the error says what to write instead.

        Raises:
            ValueError: for an unknown name; the message lists the known ones.
            TypeError: for any other argument.
        """
        refuse_unknown("compile", unknown, ("optimizer", "loss", "metrics"))
        if loss is None:
            raise ValueError("compile needs a loss to train on. Received: loss=None")
        new_metrics = get_metrics(metrics)
        new_optimizer, new_loss = optimizers.get(optimizer), losses.get(loss)
        # This goes past `why_fixed`, which refuses any other assignment.
        vars(self).update(optimizer=new_optimizer, loss=new_loss, metrics=new_metrics)
        self._loss_on_logits = new_loss.on_logits()
        head = self.logits_layer()
        if head and getattr(new_loss, "from_logits", False):
            warnings.warn(
                "the loss expects logits (from_logits=True), but the model ends in a "
                f"{head.activation}; as in Keras the loss is taken on the logits below it",
                stacklevel=2,
            )

    def why_fixed(self, name: str) -> str:
        """Why `name` can't be set: `compile` also prepares what it is given."""
        return "call model.compile(optimizer, loss, metrics) again"

    def compiled_with(self) -> tuple[losses.Loss, optimizers.Optimizer]:
        """The loss and the optimizer that `compile` was given.

        Raises:
            RuntimeError: before `compile`.
        """
        if self.loss is None or self.optimizer is None:
            raise RuntimeError(
                "call model.compile(optimizer, loss) before training or evaluating it"
            )
        return self.loss, self.optimizer

    def sizes(self) -> list[tuple[str, int, int]]:
        """Like `Network.sizes`, with the optimizer's state in addition."""
        sizes = super().sizes()
        if self.optimizer is not None and self.optimizer.state:
            sizes.append(("Optimizer params", *self.optimizer.state_size()))
        return sizes

    # --- the model file ----

    def save(self, path: str | os.PathLike[str], overwrite: bool = True, **unknown: Any) -> None:
        """Saves architecture, preprocessing layers, weights, compile settings, optimizer state.

        Args:
            path: used exactly as given. It ends in .npz for our own files, or in .keras or .h5 for
                Keras's, which real Keras opens, too (these need the extra `keras`).
            overwrite: False refuses to replace a file.
            unknown: none; for Keras's other arguments the error says what to write instead.

        Raises:
            ValueError: for another ending, a setting that is not a plain value, two arrays of the
                same name, or a layer that Keras does not have in a file of Keras's.
            TypeError: for any other argument.
            ImportError: for a file of Keras's, if h5py is not installed.
            FileExistsError: if there is such a file and `overwrite` is False.
            OSError: if it can't be written; an older file of that name then stays as it was.
        """
        refuse_unknown("save", unknown, ("path", "overwrite"))
        _check_overwrite(path, overwrite)
        content, arrays = self._to_save()
        (keras_files if _is_keras(path) else serialization).write(path, content, arrays)

    def check_saveable(self, path: str | os.PathLike[str], weights_only: bool = False) -> None:
        """Checks that `save`, or `save_weights`, could write the model to `path`.

        Raises:
            ValueError: as there.
            ImportError: likewise.
        """
        if weights_only:
            keras_weights.check_path(path)
        if weights_only or _is_keras(path):
            hdf5.h5py_module()
        if not weights_only:
            (keras_files if _is_keras(path) else serialization).check(*self.state())

    def _to_save(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """`state`, without what no file can hold, of which notices tell."""
        content, arrays = self.state()
        for layer in self.chain:
            if missing := _left_out(layer):
                console.notice(
                    f"{layer}: get_config leaves out {', '.join(missing)}, which will be the "
                    "constructor's default once the model is loaded"
                )
        known = {
            *optimizers.OPTIMIZERS.values(),
            *schedules.SCHEDULES.values(),
            *losses.LOSSES.values(),
        }
        settings = (self.loss, self.optimizer, self.optimizer and self.optimizer.schedule)
        unknown = [type(s).__name__ for s in settings if s and type(s) not in known]
        unknown += [m.name for m in self.metrics if described(m) is None]
        if unknown:
            names = " and ".join(unknown)
            console.notice(f"{names} can't be saved: compile the model again once it is loaded")
            content["compile"] = None
            arrays = {n: array for n, array in arrays.items() if not n.startswith("optimizer/")}
        return content, arrays

    def save_weights(
        self, path: str | os.PathLike[str], overwrite: bool = True, **unknown: Any
    ) -> None:
        """Saves the weights in a file of Keras's, which real Keras loads, too.

        Args:
            path: used exactly as given. It ends in .weights.h5, or in .h5 for Keras's older format.
            overwrite: False refuses to replace a file.
            unknown: none; for Keras's other arguments the error says what to write instead.

        Raises:
            ValueError: for another ending.
            TypeError: for any other argument.
            ImportError: if h5py is not installed.
            FileExistsError: if there is such a file and `overwrite` is False.
            OSError: if it can't be written; an older file of that name then stays as it was.
        """
        refuse_unknown("save_weights", unknown, ("path", "overwrite"))
        _check_overwrite(path, overwrite)
        keras_weights.save_weights(self, path)

    def load_weights(self, path: str | os.PathLike[str], **unknown: Any) -> None:
        """Sets the weights to those in a file of Keras's: .weights.h5, .keras or .h5.

        Args:
            path: what `save_weights` or `save` wrote, here or in Keras, for the same layers.
            unknown: none; for Keras's other arguments the error says what to write instead.

        Raises:
            ModelFileError: if the file is damaged, or has other layers or shapes than the model;
                then nothing is changed.
            TypeError: for any other argument.
            ImportError: if h5py is not installed.
            OSError: if it can't be opened.
        """
        refuse_unknown("load_weights", unknown, ("path",))
        keras_weights.load_weights(self, path)
        warning_signs.warn_of_odd_weights(os.fspath(path), self.chain)

    def to_json(self, **options: Any) -> str:
        """Architecture and compile settings, without weights, as text that Keras reads, too.

        Args:
            options: handed on to `json.dumps`, such as indent=2.

        Raises:
            ValueError: for a layer that Keras does not have, or a setting that is not plain.

        Example:
            >>> print(Sequential([Input((2,)), Dense(1)], name="m").to_json()[:50])
            {"module": "keras", "class_name": "Sequential", "c
        """
        content, arrays = self._to_save()
        return json.dumps(
            keras_files.check(content, arrays), **{"default": serialization.plain, **options}
        )

    def state(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """All that decides what the model does next: plain values, and its own arrays by name.

        Raises:
            ValueError: for two arrays of the same name.
        """
        self.build()
        if len(self.chain) > MAX_LAYERS:
            raise ValueError(f"a model of more than {MAX_LAYERS} layers can't be saved")
        arrays = {
            f"weights/{layer.name}/{parameter.name}": parameter.value
            for layer in self.chain
            for parameter in layer.parameters
        }
        if len(arrays) < len(self.parameters):
            raise ValueError("a layer has two parameters of one name; give each its own")
        compiled = None
        if self.loss is not None and self.optimizer is not None:
            compiled = {
                "optimizer": _described(self.optimizer),
                "iterations": int(self.optimizer.iterations),
                "loss": _described(self.loss),
                "metrics": [described(metric) or metric.name for metric in self.metrics],
            }
            for i, slots in enumerate(self.optimizer.state_of(self.learning)):
                arrays |= {f"optimizer/{i}/{slot}": array for slot, array in slots.items()}
        content = {
            "name": self.name,
            "seed": self.seed,
            "dtype": self.dtype,
            "input_shape": self.input_shape,
            **({} if self.first is None else {"input_layer": self.first.name}),
            "layers": [_described_layer(layer) for layer in self.chain],
            "compile": compiled,
            **({} if self.trainable else {"trainable": False}),
            "epochs_trained": self.epochs_trained,
            "steps_trained": self.steps_trained,
        }
        return content, arrays

    def check_state(self, content: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
        """Checks what `set_state` would set.

        Raises:
            LookupError, TypeError, ValueError: if something is missing or does not fit.
        """
        self._checked_state(content, arrays)

    def set_state(self, content: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
        """Sets counters, weights and optimizer to what `state` of an equal model returned.

        A checkpoint's own arrays, "fit/...", are ignored.

        Raises:
            LookupError, TypeError, ValueError: if something is missing or does not fit; then
                nothing is changed.
        """
        optimizer = self.optimizer
        epochs, steps, iterations, rate, pairs = self._checked_state(content, arrays)
        for ours, theirs in pairs:
            ours[...] = theirs
        self.epochs_trained, self.steps_trained = epochs, steps
        if optimizer is not None and iterations is not None:
            optimizer.iterations = iterations
            if rate is not None:
                optimizer.learning_rate = rate

    def _checked_state(
        self, content: Mapping[str, Any], arrays: Mapping[str, Array]
    ) -> tuple[int, int, int | None, float | None, list[tuple[Array, Array]]]:
        """Counters, learning rate (None: it follows from the iterations), arrays and new values."""
        epochs, steps = (_counter(content, name) for name in ("epochs_trained", "steps_trained"))
        compiled, optimizer = content["compile"], self.optimizer
        if (compiled is None) != (optimizer is None):
            raise ValueError("either the file or the model is compiled, and the other is not")
        iterations = _counter(compiled, "iterations") if compiled else None
        rate = None
        if optimizer is not None and compiled and optimizer.schedule is None:
            rate = number(compiled["optimizer"]["config"]["learning_rate"], "learning_rate", 0.0)
        if optimizer is not None and any(name.startswith("optimizer/") for name in arrays):
            optimizer.build(self.learning)
        _, ours = self.state()
        theirs = {name: array for name, array in arrays.items() if not name.startswith("fit/")}
        if differing := sorted(theirs.keys() ^ ours.keys()):
            raise ValueError(f"arrays of the file and of the model differ: {', '.join(differing)}")
        for name, array in ours.items():
            if (array.shape, array.dtype) != (theirs[name].shape, theirs[name].dtype):
                raise ValueError(f"{name} does not fit the model")
        return epochs, steps, iterations, rate, [(ours[name], theirs[name]) for name in ours]


def _is_keras(path: str | os.PathLike[str]) -> bool:
    return os.fspath(path).endswith(keras_files.ENDINGS)


def _check_overwrite(path: str | os.PathLike[str], overwrite: bool) -> None:
    if not truth(overwrite, "overwrite") and os.path.exists(path):
        raise FileExistsError(f"{os.fspath(path)} is there already, and overwrite=False")


def _counter(content: Mapping[str, Any], name: str) -> int:
    """A number of steps or epochs from a file, which must be from 0 to 2**53."""
    count = integer(content[name], name, least=0)
    if count > 2**53:
        raise ValueError(f"`{name}` must be at most 2**53")
    return count


def _left_out(layer: Layer) -> list[str]:
    """The constructor's arguments that `get_config` of a layer of the user's own has forgotten."""
    if type(layer) in LAYERS.values():
        return []
    parameters = inspect.signature(type(layer)).parameters.values()
    named = [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    config = layer.get_config()
    return [n for n in named if n not in config and n not in ("input_shape", "trainable")]


def _described_layer(layer: Layer) -> dict[str, Any]:
    """What `_described` says, and beside it "trainable", which not every constructor takes."""
    config = {key: value for key, value in layer.get_config().items() if key != "trainable"}
    frozen = {} if layer.trainable else {"trainable": False}
    return {"class": type(layer).__name__, "config": config, **frozen}


def _described(thing: Any) -> dict[str, Any]:
    return {"class": type(thing).__name__, "config": thing.get_config()}
