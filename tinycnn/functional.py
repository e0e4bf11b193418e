"""Model: Keras's functional API, for networks that are one chain of layers.

Source: keras/src/models/functional.py
"""

from typing import Any

from tinycnn.layers import Input
from tinycnn.models import Sequential
from tinycnn.support.arguments import shown
from tinycnn.tensors import Symbol
from tinycnn.utils import Array


class Model(Sequential):
    """The layers that lead from `inputs` to `outputs`.

    Layers that are in another model, too, are the same there: a model up to an inner output is a
    view of it. As in Keras `layers` begin with the Input, which `Sequential.layers` leave out.

    Args:
        inputs: an Input, or `model.input`, or the `input` of a layer.
        outputs: what the last layer made of it, such as `model.get_layer("conv2d").output`. A list
            of several gives a model that only predicts, and predicts a list.
        seed: as for Sequential.
        dtype: as for Sequential.
        trainable: as for Sequential.
        name: printed by `summary`; None is "functional".

    Raises:
        ValueError: for several inputs, or for outputs that no chain of layers leads to.

    Example:
        >>> inputs = Input((28, 28, 1))
        >>> x = Flatten()(inputs)
        >>> outputs = Dense(10, activation="softmax")(x)
        >>> Model(inputs, outputs).count_params()
        7850
    """

    def __init__(
        self,
        inputs: Any,
        outputs: Any,
        *,
        seed: int | None = None,
        dtype: str = "float32",
        trainable: bool = True,
        name: str | None = None,
    ) -> None:
        super().__init__(seed=seed, dtype=dtype, trainable=trainable, name=name or "functional")
        starts, ends = _symbols(inputs, "inputs"), _symbols(outputs, "outputs")
        if len(starts) > 1:
            raise ValueError(
                "a network here is one chain of layers, with one input. "
                f"Received: {len(starts)} inputs"
            )
        (start,) = starts
        for end in ends:
            if end.layers[: len(start.layers)] != start.layers:
                raise ValueError(
                    f"no chain of layers leads from the inputs, {start!r}, to the outputs, {end!r}"
                )
        end = max(ends, key=lambda end: len(end.layers))
        self.source, self.input_shape = start, start.sample_shape
        self.first = start if isinstance(start, Input) else Input(start.sample_shape)
        if self.first.name is None:
            self.first.name, self.first.named_by_model = "input_layer", True
        self.first.build(start.sample_shape, dtype=dtype)
        for layer in end.layers[len(start.layers) :]:
            self.place(layer)
        self.build()
        # The model up to each of several outputs; none for a single one.
        self.views = [Model(start, end, dtype=dtype) for end in ends] if len(ends) > 1 else []
        if any(view.chain != self.chain[: len(view.chain)] for view in self.views):
            raise ValueError(
                "a network here is one chain of layers: all outputs must lie on it. Received: "
                f"{len(ends)} outputs on different branches"
            )

    def predict(self, x: Array, *arguments: Any, **keywords: Any) -> Any:
        """`Sequential.predict`; for several outputs a list of what it returns."""
        if not self.views:
            return super().predict(x, *arguments, **keywords)
        return [view.predict(x, *arguments, **keywords) for view in self.views]

    def __call__(self, x: Any, training: bool | None = None) -> Any:
        """`Sequential.__call__`; for several outputs a list of what it returns."""
        if not self.views:
            return super().__call__(x, training)
        return [view(x, training) for view in self.views]

    def compile(self, *arguments: Any, **keywords: Any) -> None:
        """`Sequential.compile`, for a model of one output.

        Raises:
            ValueError: if there are several outputs.
        """
        if self.views:
            raise ValueError(
                "a model is trained on one output; make a Model with only that one. "
                f"Received: a model with {len(self.views)} outputs"
            )
        super().compile(*arguments, **keywords)


def _symbols(given: Any, name: str) -> list[Symbol]:
    """`given` as a list of symbols: it may be one, or a list of them."""
    symbols = list(given) if isinstance(given, list | tuple) else [given]
    if not symbols or not all(isinstance(symbol, Symbol) for symbol in symbols):
        received = " ".join(shown(given).split())
        raise ValueError(
            f"`{name}` must be an Input, what layers made of one, or a list of these. "
            f"Received: {name}={received}"
        )
    return symbols
