"""Sequential: a list of layers. Forward is a fold over it, backward a fold over it reversed."""

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, count
from typing import Any

import numpy as np

from tinycnn import console, fusion, losses, optimizers, serialization
from tinycnn.arguments import integer, name_or_none, number
from tinycnn.arguments import shape as checked_shape
from tinycnn.errors import ModelFileError
from tinycnn.layers import LAYERS, Input, Layer
from tinycnn.layers.activations import is_linear
from tinycnn.layers.base import Shape, assign, check_trainable
from tinycnn.optimizers import schedules
from tinycnn.parameter import Parameter
from tinycnn.training import FOR_WEIGHTS, Trainer
from tinycnn.utils import Array, next_seed, snake_case

MAX_LAYERS = 1000  # of a model that can be saved


class Sequential(Trainer):
    """A model whose layers follow each other.

    Args:
        layers: the layers, in order; the first may be an Input, or have an `input_shape`. Without
            either the model is built by the first data it sees.
        seed: of the initial weights, the order of the samples, and all noise. None takes another
            one for each model, see `utils.set_random_seed`; `model.seed` tells it.
        dtype: of parameters and arithmetic: "float32", or "float64" for gradient checks.
        name: printed by `summary`; None is "sequential".

    Raises:
        ValueError: for layers that do not fit each other, a layer used twice, a name used twice.

    Example:
        >>> model = Sequential([Input((28, 28, 1)), Flatten(), Dense(10, activation="softmax")])
        >>> model.predict(np.zeros((1, 28, 28, 1)), verbose=0).shape
        (1, 10)
    """

    def __init__(
        self,
        layers: Iterable[Layer] = (),
        *,
        seed: int | None = None,
        dtype: str = "float32",
        name: str | None = None,
    ) -> None:
        super().__init__()
        if dtype not in ("float32", "float64"):
            raise ValueError(f"`dtype` must be 'float32' or 'float64'. Received: dtype={dtype!r}")
        self.seed = next_seed() if seed is None else integer(seed, "seed", least=0)
        self.dtype = dtype
        self.name = name_or_none(name) or "sequential"
        self.layers: list[Layer] = []
        self.input_shape: Shape | None = None
        self.built = False
        self._steps: list[Layer] = []  # the layers as `forward` ran them last: see fusion.py
        if isinstance(layers, Layer):
            raise ValueError(f"a model is made of a list of layers. Received: {layers!r}")
        for layer in layers:
            self.add(layer)

    def add(self, layer: Layer) -> None:
        """Appends a layer, and names it as Keras would ("conv2d_1") if it has no name.

        Raises:
            ValueError: if it is no layer, is already used, or does not fit the ones before it.
        """
        if not isinstance(layer, Layer):
            raise ValueError(f"a model is made of layers. Received: {layer!r}")
        if isinstance(layer, Input) and (self.layers or self.input_shape is not None):
            raise ValueError("Input can only be the first layer, and there can be only one")
        if layer in self.layers:
            raise ValueError(f"{layer} is already in this model; make a new one for each place")
        shape_before = self.input_shape
        if shape_before is None and not self.layers:
            self.input_shape = layer.input_shape
        if isinstance(layer, Input):
            return
        names = [other.name for other in self.layers]
        if layer.name is None:
            base = snake_case(type(layer).__name__)
            candidates = chain([base], (f"{base}_{i}" for i in count(1)))
            layer.name = next(name for name in candidates if name not in names)
        name_or_none(layer.name)  # it may have been assigned
        if layer.name in names:
            raise ValueError(f"a layer's name must be unique. Received: name={layer.name!r}")
        self.layers.append(layer)
        self.built = False
        if self.input_shape is not None:
            try:
                self.build()
            except ValueError:
                self.layers.pop()
                self.input_shape = shape_before
                raise

    def build(self, input_shape: Sequence[int | None] | None = None) -> None:
        """Makes the parameters of all layers that have none yet.

        Args:
            input_shape: shape of one sample; a leading None, Keras's batch axis, is dropped. Not
                needed if the first layer told it.

        Raises:
            ValueError: if a layer cannot take the shape that reaches it, or none is known.
        """
        if not self.layers:
            raise ValueError("the model has no layers: add some first")
        shape = self.input_shape
        if input_shape is not None:
            shape = checked_shape(
                [size for i, size in enumerate(input_shape) if i or size is not None], "input_shape"
            )
            if self.input_shape not in (None, shape):
                raise ValueError(
                    f"the model was built for inputs of shape {self.input_shape}. "
                    f"Received: input_shape={shape}"
                )
        if shape is None:
            raise ValueError("give the first layer an input_shape, or call model.build(shape)")
        self.input_shape = shape
        if self.built:
            return
        for index, layer in enumerate(self.layers):
            if layer.input_shape not in (None, shape):
                what = "has weights for" if layer.built else "was made for"
                raise ValueError(
                    f"{layer} {what} inputs of shape {layer.input_shape}, and what reaches it here "
                    f"has shape {shape}"
                )
            if layer.built and layer.parameters and layer.dtype != self.dtype:
                raise ValueError(
                    f"{layer} has weights of {layer.dtype}, and the model is of {self.dtype}; make "
                    f"a new layer and set its weights, or Sequential(..., dtype={layer.dtype!r})"
                )
            if layer.built and layer.dtype == self.dtype:
                shape = layer.output_shape or ()
            else:
                rng = np.random.default_rng([self.seed, FOR_WEIGHTS, index])
                shape = layer.build(shape, rng, self.dtype)
        self.built = True

    @property
    def trainable(self) -> bool:
        """True: freezing is not there yet, and setting it to False is an error."""
        return True

    @trainable.setter
    def trainable(self, value: bool) -> None:
        check_trainable(value, self.name)

    # --- the two folds ----------------------------------------------------------------------------

    def forward(self, x: Array, training: bool = False) -> Array:
        """The output (N, *output_shape) for a batch (N, *input_shape)."""
        self._steps = fusion.steps(self.layers)
        for step in self._steps:
            x = step.forward(x, training)
        return x

    def backward(self, dy: Array, from_logits: bool = False, needs_dx: bool = True) -> Array | None:
        """Sets the gradient of every parameter, from the loss's gradient by the last output.

        Args:
            dy: (N, *output_shape).
            from_logits: `dy` is by what the softmax at the model's end was applied to.
            needs_dx: False stops at the first layer that learns, and spares it its dx: in training
                nobody reads the gradient by the images.

        Returns:
            dx (N, *input_shape), or None if not `needs_dx`.
        """
        if not self._steps:
            raise RuntimeError(f"{self.name}: backward needs a forward before it")
        learning = [step for step in self._steps if step.parameters]
        last = None if needs_dx or not learning else learning[0]
        gradient: Array | None = dy
        for step in reversed(self._steps):
            step.needs_input_gradient = step is not last
            if from_logits and is_linear(step):
                continue
            if from_logits:
                gradient = step.backward_from_logits(gradient)  # type: ignore[attr-defined]
                from_logits = False
            else:
                gradient = step.backward(gradient)  # type: ignore[arg-type]
            if step is last:
                return None
        return gradient

    def _forget(self) -> None:
        super()._forget()
        self._steps = []

    # --- parameters -------------------------------------------------------------------------------

    @property
    def parameters(self) -> list[Parameter]:
        """All parameters, layer by layer."""
        return [parameter for layer in self.layers for parameter in layer.parameters]

    @property
    def output_shape(self) -> Shape:
        """Shape of one output."""
        self.build()
        return self.layers[-1].output_shape or ()

    def count_params(self) -> int:
        """How many numbers the parameters hold."""
        self.build()
        return sum(layer.count_params() for layer in self.layers)

    def get_weights(self) -> list[Array]:
        """Copies of all parameters, in the order and layout of Keras's `get_weights`."""
        self.build()
        return [parameter.value.copy() for parameter in self.parameters]

    def fingerprint(self) -> str:
        """SHA-256 of all parameters, bytes in their order: equal bits, equal fingerprints."""
        self.build()
        digest = hashlib.sha256()
        for parameter in self.parameters:
            digest.update(parameter.value.tobytes())
        return digest.hexdigest()

    def set_weights(self, weights: Sequence[Array]) -> None:
        """Copies `weights`, as from `get_weights` here or in Keras, into the parameters.

        Raises:
            ValueError: if a number or a shape differs; nothing is changed then.
        """
        self.build()
        assign(self.parameters, weights, self.name)

    def summary(self) -> None:
        """Prints Keras's table of layers, output shapes and parameters."""
        rows = []
        for layer in self.layers:
            shape, count = "?", "0 (unbuilt)"
            if layer.built:
                shape = f"({', '.join(map(str, (None, *(layer.output_shape or ()))))})"
                count = f"{layer.count_params():,}"
            rows.append((f"{layer.name} ({type(layer).__name__})", shape, count))
        totals = []
        for title, trainable in (("Trainable params", True), ("Non-trainable params", False)):
            values = [p.value for p in self.parameters if p.trainable == trainable]
            totals.append((title, sum(v.size for v in values), sum(v.nbytes for v in values)))
        if self.optimizer is not None and self.optimizer.state:
            totals.append(("Optimizer params", *self.optimizer.state_size()))
        total = ("Total params", sum(t[1] for t in totals), sum(t[2] for t in totals))
        console.say(console.summary_table(self.name, rows, [total, *totals]))

    # --- the model file ---------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> None:
        """Saves architecture, preprocessing layers, weights, compile settings, optimizer state.

        Args:
            path: taken exactly as given; must end in .npz.

        Raises:
            ValueError: for another ending, a setting that is not a plain value, two arrays of one
                name.
            OSError: if it can't be written; an older file of that name is untouched then.
        """
        content, arrays = self.state()
        known = {
            *optimizers.OPTIMIZERS.values(),
            *schedules.SCHEDULES.values(),
            *losses.LOSSES.values(),
        }
        settings = (self.loss, self.optimizer, self.optimizer and self.optimizer.schedule)
        if unknown := [setting for setting in settings if setting and type(setting) not in known]:
            names = " and ".join(type(thing).__name__ for thing in unknown)
            console.notice(f"{names} can't be saved: compile the model again once it is loaded")
            content["compile"] = None
            arrays = {n: array for n, array in arrays.items() if not n.startswith("optimizer/")}
        serialization.write(path, content, arrays)

    def state(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """All that decides what the model does next: plain values, and its own arrays by name.

        Raises:
            ValueError: for two arrays of one name.
        """
        self.build()
        if len(self.layers) > MAX_LAYERS:
            raise ValueError(f"a model of more than {MAX_LAYERS} layers can't be saved")
        arrays = {
            f"weights/{layer.name}/{parameter.name}": parameter.value
            for layer in self.layers
            for parameter in layer.parameters
        }
        if len(arrays) < len(self.parameters):
            raise ValueError("a layer has two parameters of one name; give each its own")
        compiled = None
        if self.loss is not None and self.optimizer is not None:
            compiled = {
                "optimizer": _description(self.optimizer),
                "iterations": self.optimizer.iterations,
                "loss": _description(self.loss),
                "metrics": self.metrics,
            }
            for i, slots in enumerate(self.optimizer.state):
                arrays |= {f"optimizer/{i}/{slot}": array for slot, array in slots.items()}
        content = {
            "name": self.name,
            "seed": self.seed,
            "dtype": self.dtype,
            "input_shape": self.input_shape,
            "layers": [_description(layer) for layer in self.layers],
            "compile": compiled,
            "epochs_trained": self.epochs_trained,
            "steps_trained": self.steps_trained,
        }
        return content, arrays

    def check_state(self, content: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
        """Checks what `set_state` would take over.

        Raises:
            LookupError, TypeError, ValueError: if something is missing or does not fit.
        """
        self._checked_state(content, arrays)

    def set_state(self, content: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
        """Takes over counters, weights and optimizer from what `state` of an equal model gave.

        What is not the model's own, a checkpoint's "fit/...", is left aside.

        Raises:
            LookupError, TypeError, ValueError: if something is missing or does not fit; nothing is
                changed.
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
            raise ValueError("of the file and the model one is compiled, and the other is not")
        iterations = _counter(compiled, "iterations") if compiled else None
        rate = None
        if optimizer is not None and compiled and optimizer.schedule is None:
            rate = number(compiled["optimizer"]["config"]["learning_rate"], "learning_rate", 0.0)
        if optimizer is not None and any(name.startswith("optimizer/") for name in arrays):
            optimizer.build(self.parameters)
        _, ours = self.state()
        theirs = {name: array for name, array in arrays.items() if not name.startswith("fit/")}
        if differing := sorted(theirs.keys() ^ ours.keys()):
            raise ValueError(f"arrays of the file and of the model differ: {', '.join(differing)}")
        for name, array in ours.items():
            if (array.shape, array.dtype) != (theirs[name].shape, theirs[name].dtype):
                raise ValueError(f"{name} does not fit the model")
        return epochs, steps, iterations, rate, [(ours[name], theirs[name]) for name in ours]


def load_model(
    path: str | os.PathLike[str], custom_layers: Mapping[str, type[Layer]] | None = None
) -> Sequential:
    """Loads what `Sequential.save` wrote; it predicts and goes on training as the saved one would.

    Args:
        path: of the model file.
        custom_layers: your own layer classes by their names; a file can name no others than these
            and tinycnn's. They are made from the plain values that the file holds.

    Raises:
        ModelFileError: if the file is damaged or not a model file, with the reason.
        OSError: if it can't be opened.
    """
    content, arrays = serialization.read(path)
    try:
        return _model(content, arrays, {**LAYERS, **(custom_layers or {})})
    except Exception as error:
        # A file, or a layer of the user's own that is fed from it, can go wrong in any way.
        why = serialization.reason(error)
        raise ModelFileError(f"{os.fspath(path)}: it does not describe a model ({why})") from error


def _model(
    content: dict[str, Any], arrays: dict[str, Array], classes: Mapping[str, type[Layer]]
) -> Sequential:
    if len(content["layers"]) > MAX_LAYERS:
        raise ValueError(f"it has more than {MAX_LAYERS} layers")
    layers = []
    for description in content["layers"]:
        if description["class"] not in classes:
            raise ModelFileError(
                f"unknown layer {description['class']!r:.100}; if it is yours, hand its class "
                "over: load_model(path, custom_layers={...})"
            )
        layer = classes[description["class"]](**description["config"])
        layer._saved = arrays  # for `build`: no array is made by what a file says of its size
        layers.append(layer)
    model = Sequential(layers, seed=content["seed"], dtype=content["dtype"], name=content["name"])
    model.build(content["input_shape"])
    if compiled := content["compile"]:
        optimizer = optimizers.OPTIMIZERS[compiled["optimizer"]["class"]].from_config(
            compiled["optimizer"]["config"]
        )
        loss = losses.LOSSES[compiled["loss"]["class"]](**compiled["loss"]["config"])
        model.compile(optimizer, loss, compiled["metrics"])
    model.set_state(content, arrays)
    for layer in layers:
        layer._saved = None
    return model


def _counter(content: Mapping[str, Any], name: str) -> int:
    """A number of steps or epochs from a file; more than 2**53 nobody has made."""
    count = integer(content[name], name, least=0)
    if count > 2**53:
        raise ValueError(f"`{name}` must be at most 2**53")
    return count


def _description(thing: Any) -> dict[str, Any]:
    return {"class": type(thing).__name__, "config": thing.get_config()}
