"""A training step of the reference network with each other layer in it, beside PyTorch's.

    python benchmarks/layers.py             # two minutes
    python benchmarks/layers.py --quick     # half a minute; the figures are rough

A step is forward, loss, backward and Adam on one batch of 64 images, in float32, on all threads. An
epoch of MNIST's 48,000 training images is 750 of them. Before a time is printed, both libraries are
proved to have the same gradients from the same weights, in float64. They then take turns, each in a
process of its own; figures are medians over the turns, a ratio is the median of the ratios of one
turn. PyTorch runs channels_last; it needs the `reference` extra.
"""

import argparse
import os
import statistics
from typing import Any

import numpy as np
from machine import Measurement, add_avx2_option, available_cores
from workers import Calls, Worker, prove_equal, set_threads

from tinycnn import (
    AveragePooling2D,
    BatchNormalization,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePooling2D,
    Input,
    MaxPooling2D,
    ReLU,
    Sequential,
)
from tinycnn.support.console import say
from tinycnn.support.scripts import end_errors_in_one_line
from tinycnn.utils import Array

BATCH, STEPS = 64, 750
# Of gradients in float64, relative: sums of up to 40,000 products. (In float32 rounding decides now
# and then which of a pool's values is the largest, and the gradient goes another way.)
TOLERANCE = 1e-10

VARIANTS: dict[str, dict[str, Any]] = {
    "the reference network": {},
    "Dropout(0.5) after Dense": {"rate": 0.5},
    "BatchNormalization after conv1": {"normalized": True},
    "AveragePooling2D": {"pool": AveragePooling2D},
    "GlobalAveragePooling2D": {"flatten": GlobalAveragePooling2D},
    "L2 on all kernels": {"kernel_regularizer": "l2"},
    **{
        f"{name} for relu": {"activation": name}
        for name in ("sigmoid", "tanh", "leaky_relu", "elu")
    },
}


def network(variant: str, dtype: str = "float32") -> Sequential:
    """The reference network with a change."""
    change = VARIANTS[variant]
    pool, flatten = change.get("pool", MaxPooling2D), change.get("flatten", Flatten)
    both = {"kernel_regularizer": change.get("kernel_regularizer")}
    some: dict[str, Any] = both | {"activation": change.get("activation", "relu")}
    first = [Conv2D(32, (3, 3), **some)]
    if change.get("normalized"):
        first = [Conv2D(32, (3, 3), use_bias=False, **both), BatchNormalization(), ReLU()]
    dropout = [Dropout(change["rate"])] if "rate" in change else []
    model = Sequential(
        [
            Input((28, 28, 1)),
            *first,
            pool((2, 2)),
            Conv2D(64, (3, 3), **some),
            pool((2, 2)),
            Conv2D(64, (3, 3), **some),
            flatten(),
            Dense(64, **some),
            *dropout,
            Dense(10, activation="softmax", **both),
        ],
        seed=0,
        dtype=dtype,
    )
    model.compile("adam", "categorical_crossentropy")
    return model


def data(dtype: str = "float32") -> tuple[Array, Array]:
    """A batch of images and its one-hot labels."""
    rng = np.random.default_rng(0)
    images = rng.random((BATCH, 28, 28, 1), np.float32)
    return images.astype(dtype), np.eye(10)[rng.integers(0, 10, BATCH)]


def training(variant: str) -> bool:
    """Whether gradients are compared in training mode; noise is each library's own."""
    return "Dropout" not in variant


def tinycnn_calls(variant: str) -> Calls:
    """Gradients in float64, and a step."""
    model, (x, y) = network(variant), data()

    def gradients() -> tuple[Array, ...]:
        exact = network(variant, "float64")
        return tuple(exact.loss_and_gradients(*data("float64"), training(variant))[1])

    def step() -> tuple[Array]:
        return (np.asarray(model.train_on_batch(x, y)),)

    return {"gradients": (gradients, ()), "step": (step, ())}


def torch_calls(variant: str) -> Calls:
    """The same in PyTorch, from the same weights."""
    import torch

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))

    def backward(model: Any, penalized: list[Any], images: Any, labels: Any) -> Any:
        model.zero_grad(set_to_none=True)
        loss = torch.nn.functional.cross_entropy(model(images), labels)
        for kernel in penalized:
            loss = loss + 0.01 * kernel.square().sum()
        loss.backward()
        return loss

    def gradients() -> tuple[Array, ...]:
        arguments = in_torch(variant, "float64")
        arguments[0].train(training(variant))
        backward(*arguments)
        return tuple(
            (p.grad.permute(2, 3, 1, 0) if p.ndim == 4 else _transposed(p.grad)).numpy()
            for p in arguments[0].parameters()
        )

    arguments = in_torch(variant, "float32")
    optimizer = torch.optim.Adam(arguments[0].parameters(), 0.001, eps=1e-7)

    def step() -> tuple[Array]:
        loss = backward(*arguments)
        optimizer.step()
        return (np.asarray(loss.item()),)

    return {"gradients": (gradients, ()), "step": (step, ())}


def in_torch(variant: str, dtype: str) -> tuple[Any, list[Any], Any, Any]:
    """PyTorch's model, its kernels that have a penalty, the images and the labels."""
    import torch

    ours, (x, y) = network(variant, dtype), data(dtype)
    activations = {
        "relu": torch.nn.ReLU,
        "leaky_relu": lambda: torch.nn.LeakyReLU(0.2),
        "elu": torch.nn.ELU,
        "sigmoid": torch.nn.Sigmoid,
        "tanh": torch.nn.Tanh,
    }

    class RowColumnChannel(torch.nn.Module):
        """Flattens as Keras does."""

        def forward(self, x):
            return x.permute(0, 2, 3, 1).flatten(1)

    modules: list[Any] = []
    for layer in ours.layers:
        match layer:
            case Conv2D():
                channels = layer.input_shape[-1]
                modules.append(torch.nn.Conv2d(channels, layer.filters, 3, bias=layer.use_bias))
            case Dense():
                modules.append(torch.nn.Linear(layer.input_shape[-1], layer.units))
            case BatchNormalization():
                # PyTorch's momentum is the share of the new value.
                modules.append(torch.nn.BatchNorm2d(layer.output_shape[-1], 1e-3, 0.01))
            case MaxPooling2D():
                modules.append(torch.nn.MaxPool2d(2))
            case AveragePooling2D():
                modules.append(torch.nn.AvgPool2d(2))
            case GlobalAveragePooling2D():
                modules += [torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()]
            case Flatten():
                modules.append(RowColumnChannel())
            case Dropout():
                modules.append(torch.nn.Dropout(layer.rate))
        if (name := getattr(layer, "activation", None)) in activations:
            modules.append(activations[name]())
    model = torch.nn.Sequential(*modules).to(getattr(torch, dtype))
    model = model.to(memory_format=torch.channels_last)
    learned = [p for layer in ours.layers for p in layer.parameters if p.trainable]
    penalized = []
    with torch.no_grad():
        for theirs, parameter in zip(model.parameters(), learned, strict=True):
            value = torch.from_numpy(parameter.value)
            theirs.copy_(value.permute(3, 2, 0, 1) if value.ndim == 4 else _transposed(value))
            if parameter.regularizer:
                penalized.append(theirs)
    images = torch.from_numpy(x).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
    return model, penalized, images, torch.from_numpy(y.argmax(axis=1))


def _transposed(value: Any) -> Any:
    """A dense layer's kernel in the other library's layout; a bias as it is."""
    return value.T if value.ndim == 2 else value


def compare(variants: list[str], turns: int, seconds: float) -> list[str]:
    """The table's lines: one for each variant."""
    lines = ["| the network with | tinycnn, ms a step | PyTorch | ratio | tinycnn, s an epoch |"]
    lines.append("| --- | --- | --- | --- | --- |")
    with Worker(tinycnn_calls) as ours, Worker(torch_calls) as theirs:
        for variant in variants:
            both = [worker.first(variant, "gradients")[0] for worker in (ours, theirs)]
            prove_equal(variant, *both, TOLERANCE)
            times = [
                [worker.seconds(variant, "step", seconds) for worker in (ours, theirs)]
                for _ in range(turns)
            ]
            mine, other = (statistics.median(column) for column in zip(*times, strict=True))
            ratio = statistics.median(a / b for a, b in times)
            lines.append(
                f"| {variant} | {1e3 * mine:.2f} | {1e3 * other:.2f} | {ratio:.2f} | "
                f"{STEPS * mine:.1f} |"
            )
    return lines


if __name__ == "__main__":
    end_errors_in_one_line()
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer and shorter turns")
    parser.add_argument("--only", choices=VARIANTS, action="append", help="these variants alone")
    add_avx2_option(parser)
    args = parser.parse_args()
    set_threads(available_cores())
    measurement = Measurement("torch", avx2=args.avx2)
    say()
    turns, seconds = (2, 0.2) if args.quick else (7, 0.5)
    say("\n".join(compare(args.only or list(VARIANTS), turns, seconds)))
    say()
    measurement.end()
