"""Random cases for the live comparison with Keras. Nothing here imports Keras or tinycnn.

A case is drawn from its seed alone: layers as (class, arguments), a loss, data, two optimizers.
"""

import math
from typing import Any, NamedTuple

import numpy as np

DTYPES = ("float32", "float64")
STEPS = 4

CATEGORICAL, SPARSE, SQUARED = (
    "CategoricalCrossentropy",
    "SparseCategoricalCrossentropy",
    "MeanSquaredError",
)
#: How values are drawn. In "quantised" cases inputs, kernels and biases are small multiples of
#: powers of two: the first sums are exact in any order, so that windows and signs tie to the bit,
#: which tells the tie rules apart. Few are drawn with "patches", where rounding breaks the ties.
INPUTS = ("normal", "unit", "quantised", "patches")
SHARES = (0.3, 0.2, 0.4, 0.1)
BIASES = ("zero", "positive", "any")

#: 1 / 255 in float32: in float64 Keras rounds a scale to float32 on its way into the layer.
BY_255 = float(np.float32(1 / 255))

Layers = list[tuple[str, dict[str, Any]]]


class Case(NamedTuple):
    """One random network with its data."""

    shape: tuple[int, int, int]
    layers: Layers
    loss: tuple[str, dict[str, Any]]
    inputs: str
    biases: str
    x: np.ndarray  # of uint8 or float64
    y: np.ndarray  # of int64 or float64
    batch: int
    sgd: dict[str, Any]
    adam: dict[str, Any]

    def weights(self, shapes) -> list[np.ndarray]:
        """Return weights of these shapes, in float32 values, that keep activations of order 1."""
        rng = np.random.default_rng([len(shapes), self.x.size])
        found = []
        for shape in shapes:
            if len(shape) == 1:
                low, high = {"zero": (0, 0), "positive": (0.05, 0.5), "any": (-0.5, 0.5)}[
                    self.biases
                ]
                weight = rng.uniform(low, high, shape)
            else:
                weight = rng.normal(0.0, math.sqrt(2 / math.prod(shape[:-1])), shape)
            if self.inputs == "quantised":
                weight = np.round(weight * 16) / 16
            found.append(weight.astype(np.float32).astype(np.float64))
        return found

    def batches(self, dtype):
        """Yield (x, y) of each step; integers stay what they are."""
        for start in range(0, len(self.x), self.batch):
            yield self.data(dtype, slice(start, start + self.batch))

    def data(self, dtype, chosen=slice(None)):
        x, y = self.x[chosen], self.y[chosen]
        return (
            x.astype(dtype) if x.dtype.kind == "f" else x,
            y.astype(dtype) if y.dtype.kind == "f" else y,
        )


def draw(seed, samples=None, largest=70) -> Case:
    """Return case number `seed`: with `samples` in all, and layers no wider than `largest`."""
    rng = np.random.default_rng([seed, 2026])
    batch = int(rng.integers(1, 8))
    inputs = str(rng.choice(INPUTS, p=SHARES))
    shape = (
        int(rng.integers(4, 12)),
        int(rng.integers(4, 12)),
        int(rng.choice([1, 3, rng.integers(1, min(41, largest))])),
    )
    layers: Layers = []
    raw = rng.random() < 0.2
    if raw:
        layers.append(("Rescaling", {"scale": 0.5**8 if inputs == "quantised" else BY_255}))
    elif rng.random() < 0.2:
        layers.append(("Rescaling", {"scale": 0.75, "offset": -0.125}))
    height, width = _draw_maps(rng, layers, shape, largest)
    head, loss = _draw_head(rng, layers, largest)
    n = samples or STEPS * batch
    x = _draw_inputs(rng, inputs, (n, *shape))
    if raw:
        x = np.clip(np.round(np.abs(x) * 255), 0, 255).astype(np.uint8)
    y = _draw_targets(rng, loss[0], n, (height, width), head)
    sgd: dict[str, Any] = {"learning_rate": float(rng.choice([0.01, 0.03]))}
    if rng.random() < 0.5:
        sgd |= {"momentum": float(rng.choice([0.5, 0.9])), "nesterov": bool(rng.random() < 0.5)}
    adam: dict[str, Any] = {}
    if rng.random() < 0.3:
        adam = {"learning_rate": 0.0005, "beta_1": 0.8, "beta_2": 0.99, "epsilon": 1e-5}
    return Case(shape, layers, loss, inputs, str(rng.choice(BIASES)), x, y, batch, sgd, adam)


def _draw_maps(rng, layers, shape, largest):
    """Append convolutions, pools and activations; return the size of the map they end in."""
    size = shape[:2]

    def window(largest_size, padding):
        drawn = tuple(int(k) for k in rng.integers(1, largest_size + 1, 2))
        return drawn if padding == "same" else tuple(map(min, drawn, size))

    def after(window, strides, padding):
        if padding == "same":
            return tuple(-(-n // s) for n, s in zip(size, strides, strict=True))
        return tuple((n - k) // s + 1 for n, k, s in zip(size, window, strides, strict=True))

    for _ in range(rng.integers(0, 4)):
        padding = str(rng.choice(["valid", "same"]))
        kernel = window(5, padding)
        strides = tuple(int(s) for s in rng.choice([1, 1, 1, 2, 3], 2))
        activation = [None, "linear", "relu", "relu", "relu", "softmax"][rng.integers(0, 6)]
        layers.append(
            (
                "Conv2D",
                {
                    "filters": int(rng.integers(1, largest + 1)),
                    "kernel_size": kernel,
                    "strides": strides,
                    "padding": padding,
                    "activation": activation,
                    "use_bias": bool(rng.random() < 0.85),
                },
            )
        )
        size = after(kernel, strides, padding)
        if rng.random() < 0.3:
            layers.append(_activation(rng))
        if rng.random() < 0.6:
            padding = str(rng.choice(["valid", "same"]))
            pool = window(4, padding)
            strides = None if rng.random() < 0.5 else tuple(int(s) for s in rng.integers(1, 4, 2))
            arguments = {"pool_size": pool, "strides": strides, "padding": padding}
            layers.append(("MaxPooling2D", arguments))
            size = after(pool, strides or pool, padding)
    return size


def _activation(rng):
    return [
        ("ReLU", {}),
        ("Softmax", {}),
        ("Activation", {"activation": "relu"}),
        ("Activation", {"activation": "linear"}),
    ][rng.integers(0, 4)]


def _draw_head(rng, layers, largest):
    """Append the dense layers; return (kind of output, number of classes or units) and the loss."""
    flat = rng.random() < 0.9
    if flat:
        layers.append(("Flatten", {}))
    for _ in range(rng.integers(0, 3)):
        arguments = {
            "units": int(rng.integers(1, largest + 1)),
            "activation": [None, "relu", "relu", "softmax"][rng.integers(0, 4)],
            "use_bias": bool(rng.random() < 0.85),
        }
        layers.append(("Dense", arguments))
        if rng.random() < 0.2:
            layers.append(_activation(rng))
    if not flat:  # a map of outputs
        units = int(rng.integers(1, 6))
        layers.append(
            ("Dense", {"units": units, "activation": rng.choice(["linear", "relu"]).item()})
        )
        return ("map", units), (SQUARED, {})
    classes = int(rng.integers(2, 12))
    end = ["argument", "layer", "activation", "logits", "regression"][rng.integers(0, 5)]
    if end == "regression":
        activation = [None, "relu", "softmax"][rng.integers(0, 3)]
        layers.append(("Dense", {"units": int(rng.integers(1, 6)), "activation": activation}))
        return ("flat", layers[-1][1]["units"]), (SQUARED, {})
    activation = "softmax" if end == "argument" else None
    layers.append(("Dense", {"units": classes, "activation": activation}))
    if end == "layer":
        layers.append(("Softmax", {}))
    if end == "activation":
        layers.append(("Activation", {"activation": "softmax"}))
    arguments = {"from_logits": True} if end == "logits" else {}
    kind = ["onehot", "soft", "classes", "column"][rng.integers(0, 4)]
    return (kind, classes), (CATEGORICAL if kind in ("onehot", "soft") else SPARSE, arguments)


def _draw_inputs(rng, inputs, shape):
    if inputs == "normal":
        return rng.normal(0.0, 1.0, shape)
    if inputs == "unit":
        return rng.random(shape)
    # Flat patches: neighbouring windows see the same numbers. Quantised ones tie, on both sides
    # alike; the sums of others are as good as tied, and their rounding decides.
    N, H, W, C = shape
    coarse = (N, -(-H // 3), -(-W // 3), C)
    values = rng.integers(0, 4, coarse) / 4 if inputs == "quantised" else rng.random(coarse)
    values = values * (rng.random((N, 1, 1, C)) < 0.7)
    return values.repeat(3, axis=1).repeat(3, axis=2)[:, :H, :W]


def _draw_targets(rng, loss, n, size, head):
    kind, width = head
    if loss == SQUARED:
        return rng.normal(0.0, 1.0, (n, *size, width) if kind == "map" else (n, width))
    labels = rng.integers(0, width, n)
    return {
        "onehot": np.eye(width)[labels],
        "soft": rng.dirichlet(np.ones(width), n),
        "classes": labels,
        "column": labels[:, None],
    }[kind]


def draw_with_layers(seed) -> Case:
    """Return a network with layers beyond the reference one, put into network number `seed`.

    Without quantised inputs or patches: no sums tie. Slopes and factors are float32 values: Keras
    rounds them to float32 in float64 too.
    """
    rng = np.random.default_rng([seed, 3])
    case = draw(30_000 + seed, largest=16)
    inputs = ("normal", "unit")[seed % 2]
    layers: Layers = []
    for name, arguments in case.layers:
        arguments = dict(arguments)
        if name in ("Conv2D", "Dense") and arguments["activation"] == "relu":
            arguments["activation"] = str(rng.choice([*SMOOTH, "relu"]))
        if name in ("Conv2D", "Dense") and rng.random() < 0.3:
            arguments["kernel_regularizer"] = L2
        if name == "MaxPooling2D" and rng.random() < 0.7:
            name = "AveragePooling2D"
        if name == "Flatten" and rng.random() < 0.4:
            name = "GlobalAveragePooling2D"
        layers.append((name, arguments))
        if name in ("Conv2D", "Flatten") and rng.random() < 0.6:
            layers.append(("BatchNormalization", _batch_norm(rng)))
        if name == "Conv2D" and rng.random() < 0.5:
            layers.append(
                [
                    ("LeakyReLU", {"negative_slope": 0.125}),
                    ("ELU", {} if rng.random() < 0.5 else {"alpha": 0.75}),
                    ("Activation", {"activation": str(rng.choice(SMOOTH))}),
                    ("Dropout", {"rate": 0.0}),
                ][rng.integers(0, 4)]
            )
    x = _draw_inputs(rng, inputs, case.x.shape)
    if case.x.dtype == np.uint8:
        x = np.clip(np.round(np.abs(x) * 255), 0, 255).astype(np.uint8)
    return case._replace(layers=layers, inputs=inputs, x=x)


SMOOTH = ("sigmoid", "tanh", "elu")
L2 = {"class_name": "L2", "config": {"l2": 0.0078125}}


def _batch_norm(rng):
    arguments = {"momentum": 0.75, "epsilon": 0.125} if rng.random() < 0.5 else {}
    return arguments | {"center": bool(rng.random() < 0.8), "scale": bool(rng.random() < 0.8)}


class Fit(NamedTuple):
    """One random `fit`, and what follows it."""

    case: Case
    arguments: dict[str, Any]
    validation: int  # samples given as validation_data, the last ones of the case; or 0
    metrics: list[str] | None
    optimizer: tuple[str, dict[str, Any]]
    stop: tuple[str, int] | None  # (hook, which call of it) that sets stop_training
    graph: bool  # Keras compiles its step (2 s), else runs it eagerly
    batch: int  # of evaluate and predict


def draw_fit(seed) -> Fit:
    """Return fit number `seed`: at most 5 steps an epoch, for Adam amplifies what is rounded."""
    rng = np.random.default_rng([seed, 7])
    n, validation = int(rng.integers(5, 41)), int(rng.choice([0, 0, rng.integers(1, 12)]))
    case = draw(10_000 + seed, samples=n + validation, largest=16)
    arguments = {
        "batch_size": int(rng.integers(-(-n // 5), n + 3)),
        "epochs": int(rng.integers(1, 4)),
        "initial_epoch": int(rng.choice([0, 0, 0, 1, 2])),
        "validation_split": float(rng.choice([0.0, 0.2, 0.35])),
        "shuffle": False,
        "verbose": 0,
    }
    hooks = ("on_train_begin", "on_epoch_begin", "on_train_batch_begin", "on_train_batch_end")
    stop = (str(rng.choice([*hooks, "on_epoch_end"])), int(rng.integers(0, 5)))
    return Fit(
        case,
        arguments,
        validation,
        None if case.loss[0] == SQUARED or rng.random() < 0.2 else ["accuracy"],
        ("SGD", case.sgd) if rng.random() < 0.5 else ("Adam", case.adam),
        stop if rng.random() < 0.4 else None,
        seed % 10 == 9,
        int(rng.integers(1, n + 2)),
    )
