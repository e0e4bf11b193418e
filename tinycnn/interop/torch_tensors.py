"""The state_dict of the network of PyTorch's that is equal to a model; see torch_weights.py.

Legend: images of H x W pixels and C channels, F filters of KH x KW; U units of a dense layer with D
inputs.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from tinycnn.layers import (
    ELU,
    Activation,
    AveragePooling2D,
    BatchNormalization,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GaussianNoise,
    GlobalAveragePooling2D,
    GlobalMaxPooling2D,
    Layer,
    LeakyReLU,
    MaxPooling2D,
    Normalization,
    RandomFlip,
    RandomRotation,
    RandomTranslation,
    RandomZoom,
    ReLU,
    Rescaling,
    Reshape,
    Softmax,
    UpSampling2D,
    ZeroPadding2D,
)
from tinycnn.models import Sequential
from tinycnn.support.arguments import shown
from tinycnn.utils import Array

# Layers without weights, which leave the order of their inputs as it is. Any other layer might
# mix the pixels of a flattened image, whose order differs from PyTorch's.
WITHOUT_WEIGHTS = (
    *(Activation, ReLU, Softmax, LeakyReLU, ELU, Dropout, GaussianNoise, Rescaling),
    *(MaxPooling2D, AveragePooling2D, GlobalMaxPooling2D, GlobalAveragePooling2D),
    *(UpSampling2D, ZeroPadding2D),
    *(RandomFlip, RandomRotation, RandomTranslation, RandomZoom),
)

Shape = tuple[int, ...]


class Tensor(NamedTuple):
    """A tensor of the state_dict.

    Args:
        values: a view of the model's array, its axes in PyTorch's order.
        shape: what PyTorch makes of them.
        fixed: True if the layer has no such parameter, and PyTorch's must be these values.
    """

    values: Array
    shape: Shape
    fixed: bool = False


def tensors_of(
    model: Sequential, weights: Sequence[Array], names: Sequence[str] | None
) -> dict[str, Tensor]:
    """All tensors of the state_dict by name, as views of `weights`, which are contiguous.

    Raises:
        ValueError: if no network of PyTorch's is equal to the model; for wrong `names`.
    """
    layers = [layer for layer in model.chain if layer.parameters]
    names = _checked_names(names, layers)
    modules, arrays = iter(names), iter(weights)
    tensors: dict[str, Tensor] = {}
    flattened: Shape | None = None  # (H, W, C), as long as features are the pixels of an image
    for layer in model.chain:
        ours = {parameter.name: next(arrays) for parameter in layer.parameters}
        kind = type(layer)
        found: Iterator[tuple[str, Tensor]] = iter(())
        if kind is Conv2D:
            kernel = ours["kernel"].transpose(3, 2, 0, 1)
            found = _kernel_and_bias(ours, kernel, kernel.shape)
        elif kind is Dense:
            found = _dense(layer, ours, flattened)
            flattened = None
        elif kind is BatchNormalization:
            found = _batch_norm(ours, flattened)
        elif kind is Normalization:
            found = _normalization(layer, ours, flattened)
        elif kind in (Flatten, Reshape):
            flattened = _flattened(layer, flattened)
        elif kind not in WITHOUT_WEIGHTS:
            raise ValueError(
                f"only tinycnn's own layers have their equal in PyTorch. Received: {layer!r}"
            )
        if ours:
            module = next(modules)
            tensors |= {f"{module}.{name}": tensor for name, tensor in found}
    if flattened and not _is_in_one_order(flattened):
        raise ValueError(
            "the model ends in a flattened image, which PyTorch returns in another order: (C, H, "
            f"W). End it in a Dense. Received: {model.name}, which flattens {flattened}"
        )
    return tensors


def _flattened(layer: Layer, before: Shape | None) -> Shape | None:
    """The image whose pixels are the features behind a Flatten or a Reshape; `before` likewise."""
    shape, output = layer.input_shape or (), layer.output_shape or ()
    if type(layer) is Reshape and before and output != shape and not _is_in_one_order(before):
        raise ValueError(
            "a flattened image has another order in PyTorch, and a Reshape would mix its pixels: "
            f"reshape the image itself. Received: {layer!r} behind a flattened {before}"
        )
    if len(output) == 1:
        return shape if len(shape) == 3 else before
    return None


def _is_in_one_order(flattened: Shape) -> bool:
    """Whether an image has the same order by (H, W, C) and by (C, H, W)."""
    return flattened[2] == 1 or flattened[:2] == (1, 1)


def _kernel_and_bias(
    ours: dict[str, Array], kernel: Array, shape: Shape
) -> Iterator[tuple[str, Tensor]]:
    """The kernel as PyTorch's weight, whose first axis is that of the outputs; and the bias."""
    yield "weight", Tensor(kernel, shape)
    if "bias" in ours:
        yield "bias", Tensor(ours["bias"], ours["bias"].shape)


def _dense(
    layer: Layer, ours: dict[str, Array], flattened: Shape | None
) -> Iterator[tuple[str, Tensor]]:
    kernel = ours["kernel"]
    D, U = kernel.shape
    if len(layer.input_shape or ()) == 3:  # a convolution of 1 x 1
        return _kernel_and_bias(ours, kernel.T[:, :, None, None], (U, D, 1, 1))
    if flattened is None:
        return _kernel_and_bias(ours, kernel.T, (U, D))
    # (H*W*C, U) -> (U, C, H, W), which PyTorch has as (U, C*H*W)
    kernel = kernel.reshape(*flattened, U).transpose(3, 2, 0, 1)
    return _kernel_and_bias(ours, kernel, (U, D))


def _batch_norm(ours: dict[str, Array], flattened: Shape | None) -> Iterator[tuple[str, Tensor]]:
    """PyTorch has both gamma and beta (affine=True) or neither."""

    def tensor(array: Array, fixed: bool = False) -> Tensor:
        values = array if flattened is None else array.reshape(flattened).transpose(2, 0, 1)
        return Tensor(values, array.shape, fixed)

    mean = ours["moving_mean"]
    if "gamma" in ours or "beta" in ours:
        for name, theirs, neutral in (("gamma", "weight", 1), ("beta", "bias", 0)):
            neutral_values = np.full_like(mean, neutral)
            yield theirs, tensor(ours.get(name, neutral_values), name not in ours)
    yield "running_mean", tensor(mean)
    yield "running_var", tensor(ours["moving_variance"])


def _normalization(
    layer: Layer, ours: dict[str, Array], flattened: Shape | None
) -> Iterator[tuple[str, Tensor]]:
    """A normalisation by constants: PyTorch's batch norm, whose statistics stay as they are."""
    if not ours:  # the constants are in the network's code, as those of Rescaling
        return iter(())
    config = layer.get_config()
    if config["invert"] or config["axis"] is None:
        raise ValueError(
            "PyTorch has no layer for a Normalization that is inverted or of axis=None; make it "
            f"with mean= and variance=, and write them into the network there. Received: {layer!r}"
        )
    statistics = {"moving_mean": ours["mean"], "moving_variance": ours["variance"]}
    return _batch_norm(statistics, flattened)


def counters_of(tensors: Iterable[str]) -> set[str]:
    """PyTorch's names of the batches that its normalisations have seen; tinycnn needs none."""
    mean = ".running_mean"
    modules = [name.removesuffix(mean) for name in tensors if name.endswith(mean)]
    return {f"{module}.num_batches_tracked" for module in modules}


def _checked_names(names: Sequence[str] | None, layers: Sequence[Layer]) -> list[str]:
    own = [str(layer.name) for layer in layers]
    if names is None:
        return own
    told = [names] if isinstance(names, str) else list(names)
    if isinstance(names, str) or not all(isinstance(name, str) and name for name in told):
        raise ValueError(f"`names` must be a list of text. Received: names={shown(names)}")
    if len(told) != len(own) or len(set(told)) != len(told):
        raise ValueError(
            f"`names` must be {len(own)} different names, one for each of {', '.join(own)}. "
            f"Received: names={shown(names)}"
        )
    return told
