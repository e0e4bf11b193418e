"""What every layer is: parameters, a forward, a backward, and nothing hidden.

A layer of your own overrides `build` (if it has parameters), `forward`, `backward` and
`get_config`; and `branches`, if its arithmetic takes branches. `examples/your_own_layer.py` is one.
The protocol:
- `build` creates the parameters with `add_parameter`, and ends in `finish_build`, which returns the
  output shape. It needs no data.
- `forward` takes x through `receive`, computes y, and writes what `backward` will need into
  `self.cache`, a tuple.
- `backward` takes dy through `receive_gradient` and the cache through `recall`, assigns each
  parameter's `.grad`, and returns dx.
- No method changes an array it was given, and what `forward` returns is the caller's to keep. But x
  and y are not copied: whoever changes them in place before `backward` changes the gradient too.
- `training=True` switches on what happens in training only: noise, and statistics of the batch. A
  stochastic layer declares `rng`; the model sets it before every training forward, so the layer
  keeps no random state. A layer with statistics of its own moves them in `update_statistics`, which
  the model calls after every training step; forward and backward do not.

Shapes in `build`, `input_shape` and `output_shape` come without the batch axis N.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from tinycnn.initializers import Initializer, SavedValues
from tinycnn.initializers import get as get_initializer
from tinycnn.parameter import Parameter
from tinycnn.regularizers import L1L2
from tinycnn.support.arguments import batch_shape, name_or_none, shape, truth
from tinycnn.support.refusals import Strict
from tinycnn.tensors import Symbol, tensor
from tinycnn.utils import Array

__all__ = ["Layer"]

Shape = tuple[int, ...]


class Layer(Strict):
    """Base of all layers; by itself the identity.

    Args:
        name: unique in a model; None lets the model choose one, as Keras would.
        input_shape: the shape of one sample, for the first layer of a model.
        trainable: False freezes the layer; see the property.
    """

    not_there = frozenset(  # and the arguments of other layers: see layers/__init__.py
        "activity_regularizer alpha autocast axis bias_constraint bias_regularizer "
        "compute_dtype data_format dilation_rate dtype_policy gamma_initializer "
        "gamma_regularizer groups input_spec kernel_constraint lora_enabled lora_rank "
        "losses moving_mean_initializer noise_shape non_trainable_weights p "
        "quantization_mode renorm seed seed_generator stateful supports_masking "
        "synchronized trainable_variables trainable_weights variables weights".split()
    )
    fixed = frozenset(
        "filters kernel_size strides padding units use_bias pool_size center "
        "kernel_initializer bias_initializer kernel_regularizer".split()
    )
    never_called: ClassVar[Mapping[str, str]] = {
        "call": "forward and backward",
        "compute_output_shape": "build",
    }

    training_if_called = False  # what `layer(x)` takes for `training`, as Keras's layer does

    # A stochastic layer (dropout) declares:  rng: np.random.Generator | None = None

    def __init__(
        self,
        *,
        name: str | None = None,
        input_shape: Sequence[int] | None = None,
        trainable: bool = True,
    ) -> None:
        self.name = name_or_none(name)
        self.named_by_model = False  # whether a model chose the name, and another may change it
        self.input_shape: Shape | None = None
        if input_shape is not None:
            self.input_shape = shape(input_shape, "input_shape")
        self.output_shape: Shape | None = None
        self.dtype = "float32"
        self.built = False
        self.parameters: list[Parameter] = []
        self.trainable = trainable
        self.needs_input_gradient = True  # False: `backward` may return None instead of dx
        self.cache: tuple[Any, ...] | None = None  # what `forward` leaves for `backward`
        self.source: Symbol | None = None  # what it takes in its first model
        self._samples: int | None = None  # N of the last forward
        # Runs the last forward again, if it ran fused with another layer's: see fused.py.
        self.forward_apart: Callable[[], object] | None = None

    # --- to be overridden -------------------------------------------------------------------------

    def build(
        self, input_shape: Shape, rng: np.random.Generator | None = None, dtype: str = "float32"
    ) -> Shape:
        """Creates the parameters for inputs of `input_shape`.

        Args:
            input_shape: shape of one sample.
            rng: source of the initial weights; None makes a fresh, unpredictable one, and a
                `SavedValues` takes them from a model file.
            dtype: of parameters and outputs, "float32" or "float64".

        Returns:
            The output's shape.

        Raises:
            ValueError: if the layer cannot take this shape.
        """
        return self.finish_build(input_shape, input_shape, dtype)

    def forward(self, x: Array, training: bool = False) -> Array:
        """The layer's output for a batch `x` (N, *input_shape); builds the layer if need be."""
        x = self.receive(x)
        self.cache = ()
        return x

    def backward(self, dy: Array) -> Array | None:
        """The gradient with respect to the last `x`, given `dy`, the one with respect to its `y`.

        It sets every parameter's `grad`.

        Returns:
            dx (N, *input_shape); layers with parameters return None if not `needs_input_gradient`.

        Raises:
            RuntimeError: if there was no forward before it.
        """
        own, base = type(self), Layer
        if own.backward is base.backward and own.forward is not base.forward:
            raise NotImplementedError(
                f"{own.__name__} has a forward of its own and needs a `backward(self, dy)` too, "
                "which sets every parameter's `grad` and returns dx"
            )
        self.recall()
        return self.receive_gradient(dy)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, as plain values."""
        return {"name": self.name, "trainable": self.trainable}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """The layer that `get_config` describes; the constructor need not take `trainable`."""
        arguments = dict(config)
        trainable = arguments.pop("trainable", True)
        layer: Self = cls(**arguments)
        layer.trainable = trainable
        return layer

    def branches(self) -> list[Array]:
        """Which branches the last forward took, by which gradient checks recognize a kink.

        A layer with an `if` in its arithmetic returns its decisions: relu returns which outputs are
        positive, a pool its winners. Smooth layers need not override this.
        """
        return []

    def update_statistics(self) -> None:
        """Moves the statistics that the layer keeps over the batches; most layers keep none.

        A model calls this after every training step, and so should a training loop of your own.
        """

    # --- for layers to use ------------------------------------------------------------------------

    def add_parameter(
        self,
        name: str,
        parameter_shape: Shape,
        initializer: str | Initializer,
        rng: np.random.Generator | None = None,
        dtype: str = "float32",
        *,
        trainable: bool = True,
        regularizer: L1L2 | None = None,
    ) -> Parameter:
        """Makes a parameter and appends it to `self.parameters`; for use in `build`.

        Args:
            name: unique in the layer; an older one of that name is replaced, in a second `build`.
            parameter_shape: the shape of its array.
            initializer: name or function; see initializers.py.
            rng: the one that `build` was given.
            dtype: likewise.
            trainable: False if no optimizer should update it.
            regularizer: a penalty on its value.

        Returns:
            The parameter.

        Raises:
            ValueError: if the initializer makes another shape.
        """
        initialize, rng = get_initializer(initializer), rng or np.random.default_rng()
        if isinstance(rng, SavedValues):
            value = np.asarray(rng.values[name], dtype)
        else:
            value = np.asarray(initialize(parameter_shape, rng, dtype), dtype)
        if value.shape != parameter_shape:
            raise ValueError(
                f"the initial value of `{name}` must have shape {parameter_shape}. "
                f"Received: {value.shape}"
            )
        parameter = Parameter(name, value, trainable=trainable, regularizer=regularizer)
        self.parameters = [p for p in self.parameters if p.name != name] + [parameter]
        return parameter

    def finish_build(self, input_shape: Shape, output_shape: Shape, dtype: str) -> Shape:
        """Notes the shapes of one sample and the dtype; the last thing that `build` does.

        Returns:
            `output_shape`.
        """
        self.input_shape, self.output_shape = tuple(input_shape), tuple(output_shape)
        self.dtype = np.dtype(dtype).name
        self.built = True
        self.trainable = self.trainable  # for the new parameters, too
        return self.output_shape

    def receive(self, x: Array, cast: bool = True) -> Array:
        """`x` as this layer takes it: checked, and in its dtype. Builds the layer if need be.

        Args:
            x: what `forward` was given.
            cast: False leaves the dtype as it is.

        Raises:
            ValueError: if the shape is not (N, *input_shape).
        """
        x = np.asarray(x)
        if not self.built:
            floating = x.dtype in (np.float32, np.float64)
            self.build(x.shape[1:], dtype=x.dtype.name if floating else "float32")
        if self.input_shape is None or not self.built:
            raise ValueError(
                f"{self}: build must end in `return self.finish_build(input_shape, output_shape, "
                "dtype)`"
            )
        if x.shape[1:] != self.input_shape:
            expected = batch_shape(self.input_shape)
            raise ValueError(f"{self} expects input of shape {expected}. Received: {x.shape}")
        self._samples = len(x)
        return self._cast(x) if cast else x

    def receive_gradient(self, dy: Array) -> Array:
        """`dy` as this layer takes it: checked, and in its dtype.

        Raises:
            ValueError: if the shape is not that of the last output.
        """
        dy = np.asarray(dy)
        N = self._samples
        if dy.shape[1:] != self.output_shape or (N is not None and len(dy) != N):
            expected = batch_shape(self.output_shape, "N" if N is None else N)
            raise ValueError(f"{self} expects dy of shape {expected}. Received: {dy.shape}")
        return self._cast(dy)

    def _cast(self, array: Array) -> Array:
        if array.dtype == self.dtype:
            return array
        with np.errstate(under="ignore"):  # what is too small for float32 becomes 0
            return array.astype(self.dtype)

    def recall(self) -> tuple[Any, ...]:
        """What `forward` left for `backward`.

        Raises:
            RuntimeError: if there was no forward before, or it has set no cache.
        """
        if self.cache is None and self.forward_apart is not None:
            self.forward_apart()
        if self.cache is None:
            raise RuntimeError(f"{self}: backward needs a forward before it that sets self.cache")
        return self.cache

    @property
    def trainable(self) -> bool:
        """Whether the layer learns. Setting it takes effect at once.

        As in Keras a frozen layer is not updated and not regularized, and BatchNormalization uses
        its moving statistics. Its gradients are still set where backward passes through.
        """
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = truth(value, "trainable")
        for parameter in self.parameters:
            parameter.frozen = not self._trainable

    def why_fixed(self, name: str) -> str:
        """Why `name` can't be set: a built layer's weights and shapes follow from its settings."""
        built = vars(self).get("built", False)
        return (
            "the layer is built, and was built with it as it is; make a new layer" if built else ""
        )

    # --- for everybody ----------------------------------------------------------------------------

    def __call__(self, x: Any, training: bool | None = None) -> Any:
        """Keras's way to run the layer: `layer(x)`.

        Args:
            x: a batch, for which this returns `forward`'s output as a Tensor, or a Symbol, for
                which it returns the Symbol of the output.
            training: for a batch, as in `forward`; None is the layer's `training_if_called`.

        A layer that is not built yet is built in float32, whatever the dtype of `x`.

        Raises:
            ValueError: if the layer can't take the shape.
        """
        if isinstance(x, Symbol):
            return x.followed_by(self)
        if not self.built:
            self.build(np.shape(x)[1:])
        return tensor(self.forward(x, self.training_if_called if training is None else training))

    @property
    def input(self) -> Symbol:
        """What the layer takes in its model, to make a Model that begins here.

        Raises:
            AttributeError: if it is in no model that is built.
        """
        if self.source is None:
            raise AttributeError(f"{self} has no input and no output until a model is built of it")
        return self.source

    @property
    def output(self) -> Symbol:
        """What the layer makes of its `input`, to make a Model that ends here."""
        return Symbol((*self.input.layers, self), self.output_shape or (), self.dtype)

    def count_params(self) -> int:
        """How many numbers the layer's parameters hold."""
        return sum(parameter.value.size for parameter in self.parameters)

    def get_weights(self) -> list[Array]:
        """Copies of the parameters, trainable ones first, in Keras's order."""
        return [parameter.value.copy() for parameter in self.parameters]

    def set_weights(self, weights: Sequence[Array]) -> None:
        """Copies `weights`, in the order and shapes of `get_weights`, into the parameters.

        Raises:
            ValueError: if their number or a shape differs; then nothing is changed.
        """
        assign(self.parameters, weights, str(self))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name})" if self.name else type(self).__name__


def assign(parameters: Sequence[Parameter], weights: Sequence[Array], owner: str) -> None:
    """Copies `weights` into `parameters` after checking all of them.

    Raises:
        ValueError: if their number or a shape differs; then nothing is changed.
    """
    if len(weights) != len(parameters):
        raise ValueError(
            f"{owner} has {len(parameters)} weight arrays. Received: {len(weights)} arrays"
        )
    arrays = [np.asarray(weight) for weight in weights]
    for i, (parameter, array) in enumerate(zip(parameters, arrays, strict=True)):
        if array.shape != parameter.value.shape or array.dtype.kind not in "buif":
            raise ValueError(
                f"weight {i} ({parameter.name}) of {owner} has shape {parameter.value.shape}. "
                f"Received: shape {array.shape}, {array.dtype}"
            )
    for parameter, array in zip(parameters, arrays, strict=True):
        parameter.value[...] = array
