"""Network: layers that follow each other. Forward is a fold over them, backward a reversed one.

A step of learning is in learner.py, and `fit` in models.py.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import chain, count
from typing import Any, ClassVar

import numpy as np

from tinycnn import kernels
from tinycnn.initializers import SavedValues
from tinycnn.layers import Input, Layer
from tinycnn.layers.activations import Activated, is_linear
from tinycnn.layers.base import Shape, assign
from tinycnn.layers.together import Step, Steps, Together
from tinycnn.parameter import Parameter
from tinycnn.support import console
from tinycnn.support.arguments import did_you_mean, integer, name_or_none, truth
from tinycnn.support.arguments import shape as checked_shape
from tinycnn.support.keywords import refuse_unknown
from tinycnn.support.refusals import Strict
from tinycnn.support.reprs import table
from tinycnn.support.tables import summary_table
from tinycnn.support.use import Use
from tinycnn.tensors import Symbol
from tinycnn.utils import Array, next_seed, snake_case

# Every random generator is default_rng([seed, purpose, ...]). So equal seeds give equal runs, and
# nothing random has to be saved and restored, only the training's counters.
FOR_WEIGHTS, FOR_ORDER, FOR_NOISE, FOR_CALLS = range(4)


class Network(Strict):
    """Layers that follow each other.

    Args:
        layers: the layers, in order; the first may be an Input, or have an `input_shape`. Without
            either, the network is built when it sees the first data.
        seed: decides the initial weights, the order of the samples, and all noise. None takes
            another one for each model, see `utils.set_random_seed`; `model.seed` holds it.
        dtype: that of parameters and arithmetic: "float32", or "float64" for gradient checks.
        trainable: False freezes the network; see the property.
        name: printed by `summary`; None is the class's name as Keras writes it.

    Raises:
        ValueError: for layers that do not fit each other, a layer used twice, a name used twice.
    """

    not_there = frozenset(
        "autotune_steps_per_execution class_weight compiled_loss compiled_metrics inputs "
        "jit_compile learning_rate loss_weights lr metrics_names non_trainable_weights "
        "outputs predict_function predict_step run_eagerly stateful steps_per_execution "
        "test_function test_step train_function train_step trainable_variables "
        "trainable_weights variables weights".split()
    )
    never_called: ClassVar[Mapping[str, str]] = {"call": "forward and backward"}

    def __init__(
        self,
        layers: "Iterable[Layer | Network]" = (),
        *,
        seed: int | None = None,
        dtype: str = "float32",
        trainable: bool = True,
        name: str | None = None,
    ) -> None:
        if dtype not in ("float32", "float64"):
            raise ValueError(f"`dtype` must be 'float32' or 'float64'. Received: dtype={dtype!r}")
        self.seed = next_seed() if seed is None else integer(seed, "seed", least=0)
        self.dtype = dtype
        self.name = name_or_none(name) or snake_case(type(self).__name__)
        self.chain: list[Layer] = []  # what the two folds run through
        self.first: Input | None = None  # what `layers` begin with in a functional Model
        self._trainable = truth(trainable, "trainable")
        self.input_shape: Shape | None = None
        self.source: Symbol | None = None  # what it takes
        self.built = False
        self._grouped = Steps()  # runs some layers as one: see layers/together.py
        self._steps: Sequence[Step] = []  # the layers as the last forward ran them
        self._use = Use()  # which thread is at work on the network
        if isinstance(layers, Layer):
            raise ValueError(f"a model is made of a list of layers. Received: {layers!r}")
        for layer in layers:
            self.add(layer)

    def add(self, layer: "Layer | Network") -> None:
        """Appends a layer, and names it as Keras would ("conv2d_1") if it has no name.

        A network's own layers are appended one by one; they are the same in both from then on.

        Raises:
            ValueError: if it is not a layer, is already used, or does not fit the ones before it.
        """
        shape_before, count_before, source_before = self.input_shape, len(self.chain), self.source
        try:
            self.place(layer)
            if self.input_shape is not None and len(self.chain) > count_before:
                self.build()
        except ValueError:
            del self.chain[count_before:]
            self.input_shape, self.source = shape_before, source_before
            raise

    def place(self, layer: "Layer | Network") -> None:
        """`add` without building: the shapes are compared, and the parameters made, in `build`."""
        if isinstance(layer, Network):  # one chain: its layers, one after the other
            if not self.chain and layer.input_shape is not None and self.source is None:
                self.place(Input(layer.input_shape))
            for part in layer.chain:
                if part.named_by_model and part.name in {other.name for other in self.chain}:
                    part.name = self._free_name(part, layer)
                self.place(part)
            return
        if not isinstance(layer, Layer):
            raise ValueError(f"a model is made of layers. Received: {layer!r}")
        if isinstance(layer, Input) and (self.chain or self.input_shape is not None):
            raise ValueError("Input can only be the first layer, and there can be only one")
        if layer in self.chain:
            raise ValueError(f"{layer} is already in this model; make a new one for each place")
        if self.input_shape is None and not self.chain:
            self.input_shape = layer.input_shape
        if isinstance(layer, Input):
            self.source = layer
            return
        if layer.name is None:
            layer.name, layer.named_by_model = self._free_name(layer), True
        name_or_none(layer.name)  # a name may also have been assigned
        if layer.name in {other.name for other in self.chain}:
            raise ValueError(f"a layer's name must be unique. Received: name={layer.name!r}")
        self.chain.append(layer)
        self.built = False

    def _free_name(self, layer: Layer, *others: "Network") -> str:
        """A name as Keras would choose it, which no layer of this network or of `others` has."""
        names = {other.name for network in (self, *others) for other in network.chain}
        base = snake_case(type(layer).__name__)
        candidates = chain([base], (f"{base}_{i}" for i in count(1)))
        return next(name for name in candidates if name not in names)

    def build(
        self,
        input_shape: Sequence[int | None] | None = None,
        saved: Mapping[str, Mapping[str, Array]] | None = None,
    ) -> None:
        """Makes the parameters of all layers that have none yet.

        Args:
            input_shape: shape of one sample; a leading None, Keras's batch axis, is dropped. Not
                needed if the first layer has one.
            saved: the parameters' values, by the names of layer and parameter, to take instead of
                initial ones. A parameter without one raises KeyError.

        Raises:
            ValueError: if a layer cannot take the shape that reaches it, or none is known.
        """
        if not self.chain:
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
        for index, layer in enumerate(self.chain):
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
                if saved is not None:
                    rng = SavedValues(saved.get(str(layer.name), {}))
                shape = layer.build(shape, rng, self.dtype)
        self.built = True
        for index, layer in enumerate(self.chain):
            if layer.source is None:
                below = (*self.input.layers, *self.chain[:index])
                layer.source = Symbol(below, layer.input_shape or (), self.dtype)

    @property
    def layers(self) -> list[Layer]:
        """The layers in order; as in Keras, those of a functional Model begin with its Input."""
        return self.chain if self.first is None else [self.first, *self.chain]

    def pop(self) -> Layer:
        """Takes the last layer off, and returns it.

        Raises:
            ValueError: if there is none.
        """
        if not self.chain:
            raise ValueError("the model has no layers: there is none to take off")
        self._steps = []
        return self.chain.pop()

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """The layer of this name, or at this place in `layers`.

        Raises:
            ValueError: if there is no such layer, or not one of the two is given.
        """
        if (name is None) == (index is None):
            raise ValueError(
                "get_layer takes a name or an index, one of them. "
                f"Received: name={name!r}, index={index!r}"
            )
        layers = self.layers
        names = [layer.name for layer in layers]
        if index is not None and -len(names) <= index < len(names):
            return layers[index]
        if name not in names or index is not None:
            wanted = f"name={name!r}" if index is None else f"index={index!r}"
            raise ValueError(
                f"the model's layers are {', '.join(map(str, names))}. "
                f"Received: {wanted}{did_you_mean(name, map(str, names))}"
            )
        return layers[names.index(name)]

    @property
    def input(self) -> Symbol:
        """What the network takes, to make a Model that begins here."""
        if self.input_shape is None:
            self.build()  # says what is missing
        if self.source is None:
            self.source = Input(self.input_shape or ())
        return self.source

    @property
    def output(self) -> Symbol:
        """What the network makes of its `input`, to make a Model that ends here."""
        return Symbol((*self.input.layers, *self.chain), self.output_shape, self.dtype)

    @property
    def trainable(self) -> bool:
        """Whether the network learns; setting it also sets it for every layer, as in Keras.

        While it is False nothing learns, whatever the layers say.
        """
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = truth(value, "trainable")
        for layer in self.chain:
            layer.trainable = self._trainable

    def at_work(self, what: str) -> AbstractContextManager[None]:
        """Inside its `with`, this thread does `what` with the network, and no other gets in.

        Raises:
            RuntimeError: on entry, while another thread does anything that does not go with it.
        """
        return self._use.by(what, self.name)

    # --- the two folds ----------------------------------------------------------------------------

    def forward(self, x: Array, training: bool = False) -> Array:
        """The output (N, *output_shape) for a batch (N, *input_shape).

        Raises:
            RuntimeError: while another thread uses the network.
            TypeError: if a layer's forward returns None.
        """
        with self.at_work("forward"):
            steps = self._steps = self._grouped.of(self.chain)
            for step in steps:
                x = step.forward(x, training)
                if x is None:
                    raise TypeError(f"{step}: forward returned None; it must return y, its output")
        return x

    def backward(self, dy: Array, from_logits: bool = False, needs_dx: bool = True) -> Array | None:
        """Sets the gradient of every parameter, given that of the loss with respect to the output.

        Args:
            dy: (N, *output_shape).
            from_logits: True if `dy` is with respect to the logits, the input of the softmax or
                sigmoid at the network's end.
            needs_dx: False stops at the lowest layer that learns, without its dx: training has no
                use for the gradient with respect to the images.

        Returns:
            dx (N, *input_shape), or None if not `needs_dx`.

        Raises:
            RuntimeError: if there was no forward before.
            TypeError: if a layer's backward returns None, and a layer below needs it.
            ValueError: for `from_logits` if the network ends neither in a softmax nor in a sigmoid.
        """
        dx: Array | None = None
        for step in self.backward_steps(dy, from_logits, needs_dx):
            dx = step[1]
        return dx if needs_dx else None

    def backward_steps(
        self, dy: Array, from_logits: bool = False, needs_dx: bool = True
    ) -> Iterator[tuple[Step, Array | None]]:
        """Yields (layer, dx) from the last layer on, each when the layer's gradients are set.

        Layers that ran as one step come as one.
        """
        if not self._steps:
            raise RuntimeError(f"{self.name}: backward needs a forward before it")
        head = self.logits_layer() if from_logits else None
        if from_logits and head is None:
            raise ValueError(
                f"{self.name} ends neither in a softmax nor in a sigmoid, and so has no logits"
            )
        last = None
        if not needs_dx:
            learning = (step for step in self._steps if any(p.learns for p in step.parameters))
            last = next(learning, None) if self.trainable else None
            if last is None:
                return  # nothing learns
        gradient: Array | None = dy
        for step in reversed(self._steps):
            step.needs_input_gradient = step is not last
            if head is None:
                gradient = step.backward(gradient)  # type: ignore[arg-type]
            elif step is head or (isinstance(step, Together) and step.layers[-1] is head):
                gradient, head = step.backward_from_z(dy), None
            if gradient is None and step not in (last, self._steps[0]):
                raise TypeError(
                    f"{step}: backward returned None; it must return dx, the gradient with respect "
                    "to its input"
                )
            yield step, gradient
            if step is last:
                return

    def logits_layer(self) -> Activated | None:
        """The layer whose softmax or sigmoid is the network's output, if there is one.

        Activation("linear") may follow it: as in Keras, it changes nothing.
        """
        for layer in reversed(self.chain):
            if isinstance(layer, Activated) and layer.activation in ("softmax", "sigmoid"):
                return layer
            if not is_linear(layer):
                break
        return None

    def last_softmax(self) -> Activated | None:
        """The layer whose softmax is the network's output, if there is one."""
        head = self.logits_layer()
        return head if head and head.activation == "softmax" else None

    def forget(self) -> None:
        """Frees what the layers keep for a backward."""
        with kernels.turn():  # not while another thread that predicts is in the middle of it
            self._grouped.forget()
            for layer in self.chain:
                layer.cache = layer.forward_apart = None
            self._steps = []

    # --- parameters -------------------------------------------------------------------------------

    @property
    def parameters(self) -> list[Parameter]:
        """All parameters, layer by layer."""
        return [parameter for layer in self.chain for parameter in layer.parameters]

    @property
    def learning(self) -> list[Parameter]:
        """The parameters that training changes: trainable ones of layers that are not frozen."""
        if not self.trainable:
            return []
        return [p for layer in self.chain for p in layer.parameters if p.learns]

    @property
    def output_shape(self) -> Shape:
        """The shape of one output, without the batch axis."""
        self.build()
        return self.chain[-1].output_shape or ()

    def count_params(self) -> int:
        """How many numbers the parameters hold."""
        self.build()
        return sum(layer.count_params() for layer in self.chain)

    def get_weights(self) -> list[Array]:
        """Copies of all parameters, in the order and layout of Keras's `get_weights`."""
        self.build()
        return [parameter.value.copy() for parameter in self.parameters]

    def fingerprint(self) -> str:
        """SHA-256 of the bytes of all parameters in order: equal bits give equal fingerprints."""
        self.build()
        digest = hashlib.sha256()
        for parameter in self.parameters:
            digest.update(parameter.value.tobytes())
        return digest.hexdigest()

    def set_weights(self, weights: Sequence[Array]) -> None:
        """Copies `weights`, as from `get_weights` here or in Keras, into the parameters.

        Raises:
            ValueError: if their number or a shape differs; then nothing is changed.
        """
        self.build()
        assign(self.parameters, weights, self.name)

    def __repr__(self) -> str:
        count = len(self.chain)
        what = f"{count} layer{'s' * (count != 1)}"
        if count and all(layer.built for layer in self.chain):
            numbers = sum(layer.count_params() for layer in self.chain)
            first, last = self.chain[0].input_shape, self.chain[-1].output_shape
            what += f", {numbers:,} parameter{'s' * (numbers != 1)}, {first} -> {last}"
        else:
            what += ", not built yet"
        return f"<{type(self).__name__} {self.name!r}: {what}>"

    def _repr_html_(self) -> str:
        """What a notebook shows: the table of `summary`."""
        totals = [f"{title}: {count:,}" for title, count, _ in self.sizes()]
        header = ["Layer (type)", "Output Shape", "Param #"]
        return table(header, self.rows(), f"{self.name}. {', '.join(totals)}")

    def summary(self, *, print_fn: Callable[[str], Any] | None = None, **unknown: Any) -> None:
        """Prints Keras's table of layers, output shapes and parameters.

        Args:
            print_fn: a function that is given the text instead of the console.
            unknown: none; for Keras's other arguments the error says what to write instead.

        Raises:
            TypeError: for any other argument.
        """
        refuse_unknown("summary", unknown, ("print_fn",))
        rows = self.rows()
        sizes = self.sizes()
        total = ("Total params", sum(size[1] for size in sizes), sum(size[2] for size in sizes))
        text = summary_table(self.name, rows, [total, *sizes])
        if print_fn is None:
            console.say(text)
        else:
            print_fn(text)

    def rows(self) -> list[tuple[str, str, str]]:
        """(name and class, output shape, number of parameters) of what `summary` lists."""
        rows = []
        for layer in self.layers:
            shape, count = "?", "0 (unbuilt)"
            if layer.built:
                shape, count = str((None, *(layer.output_shape or ()))), f"{layer.count_params():,}"
            kind = "InputLayer" if layer is self.first else type(layer).__name__
            rows.append((f"{layer.name} ({kind})", shape, count))
        return rows

    def sizes(self) -> list[tuple[str, int, int]]:
        """(title, numbers, bytes) of what `summary` counts."""
        learning = {id(parameter) for parameter in self.learning}
        sizes = []
        for title, learns in (("Trainable params", True), ("Non-trainable params", False)):
            values = [p.value for p in self.parameters if (id(p) in learning) == learns]
            sizes.append((title, sum(v.size for v in values), sum(v.nbytes for v in values)))
        return sizes
