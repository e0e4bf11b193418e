"""Random networks of every layer that tinycnn has, to be handed to other libraries."""

import math

import numpy as np

from tinycnn import Input, Sequential, layers
from tinycnn.support.geometry import output_length

ACTIVATIONS = ["linear", "relu", "softmax", "sigmoid", "tanh", "leaky_relu", "elu"]


def network(seed):
    """A network of its own for each seed, with weights and statistics as after a training."""
    rng = np.random.default_rng([seed, 17])
    shape = (*(int(n) for n in rng.integers(5, 13, 2)), int(rng.choice([1, 2, 3, 5])))
    kind = rng.choice(["images", "images", "images", "maps", "vectors", "rows"])
    if kind == "vectors":
        shape = (math.prod(shape),)
    elif kind == "rows":
        shape = (shape[0], shape[1] * shape[2])
    made = [Input(shape)]
    if rng.random() < 0.4:
        made.append(layers.Rescaling(0.5, offset=float(rng.choice([0.0, -0.25]))))
    if kind in ("images", "maps"):
        made += _on_images(rng, shape)
        if kind == "images":
            end = layers.Flatten() if rng.random() < 0.7 else layers.GlobalAveragePooling2D()
            made.append(end)
            if rng.random() < 0.3:  # its pixels, too, must find their channels again
                made.append(layers.BatchNormalization())
            made += _anything(rng)
    for _ in range(rng.integers(0, 3)):
        made += [layers.Dense(int(rng.integers(2, 13)), **_activation_and_bias(rng))]
        made += _anything(rng)
    made.append(layers.Dense(4, activation=str(rng.choice(["softmax", "linear"]))))
    model = Sequential(made, seed=seed)
    _as_after_training(rng, model)
    return model


def inputs(model, n=5, seed=0):
    """n samples for it, with numbers on both sides of 0."""
    shape = (n, *model.input_shape)
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


def _activation_and_bias(rng):
    return {"activation": str(rng.choice(ACTIVATIONS)), "use_bias": bool(rng.random() < 0.7)}


def _anything(rng):
    """At most one layer that takes any input and leaves its shape."""
    return [
        [],
        [],
        [layers.Dropout(0.3)],
        [layers.BatchNormalization(center=bool(rng.integers(2)), scale=bool(rng.integers(2)))],
        [layers.ReLU()],
        [layers.LeakyReLU(0.1)],
        [layers.ELU(0.7)],
        [layers.Softmax()],
        [layers.Activation(str(rng.choice(ACTIVATIONS)))],
        [layers.Rescaling(2.0, offset=0.5)],
    ][rng.integers(10)]


def _on_images(rng, shape):
    """Augmentation, convolutions and pools that fit on images of this shape."""
    made, (H, W) = [], shape[:2]
    if rng.random() < 0.2:
        made += [layers.RandomTranslation(0.1, 0.1), layers.RandomRotation(0.1)]
        made += [layers.RandomZoom(0.1)]
    for _ in range(rng.integers(1, 4)):
        layer, (H, W) = _window(rng, H, W, layers.Conv2D, filters=int(rng.integers(2, 9)))
        made += [layer, *_anything(rng)]
        if rng.random() < 0.6:
            pool = [layers.MaxPooling2D, layers.AveragePooling2D][rng.integers(2)]
            layer, (H, W) = _window(rng, H, W, pool)
            made.append(layer)
    if rng.random() < 0.2:
        made.append(layers.Dense(3, **_activation_and_bias(rng)))
    return made


def _window(rng, H, W, kind, **arguments):
    """A layer with a window that fits into H x W, and what it leaves of them."""
    padding = str(rng.choice(["valid", "same"]))
    size = tuple(int(n) for n in rng.integers(1, 5, 2))
    if padding == "valid":
        size = min(size[0], H), min(size[1], W)
    strides = tuple(int(n) for n in rng.integers(1, 4, 2))
    if kind is layers.Conv2D:
        arguments |= {"kernel_size": size, **_activation_and_bias(rng)}
    else:
        arguments["pool_size"] = size
    left = (output_length(*axis, padding) for axis in zip((H, W), size, strides, strict=True))
    return kind(strides=strides, padding=padding, **arguments), left


def _as_after_training(rng, model):
    """Biases, moving statistics, gamma and beta that a mistake in their order would show in."""
    for parameter in model.parameters:
        if parameter.value.ndim == 1:
            low = 0.2 if parameter.name in ("moving_variance", "gamma") else -0.5
            parameter.value[...] = rng.uniform(low, 1.5, parameter.value.shape)
