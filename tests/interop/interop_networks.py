"""Random networks of every layer that tinycnn has, to be handed to other libraries."""

import math

import numpy as np

from tinycnn import Input, Sequential, layers
from tinycnn.support.geometry import output_length

ACTIVATIONS = [
    *("linear", "relu", "softmax", "sigmoid", "tanh", "leaky_relu", "elu"),
    *("silu", "swish", "softplus"),
]


def network(seed):
    """A network of its own for each seed, with weights and statistics as after a training."""
    rng = np.random.default_rng([seed, 17])
    shape = (*(int(n) for n in rng.integers(5, 13, 2)), int(rng.choice([1, 2, 3, 5])))
    image = shape
    kind = rng.choice(["images", "images", "images", "maps", "vectors", "rows"])
    if kind == "vectors":
        shape = (math.prod(shape),)
    elif kind == "rows":
        shape = (shape[0], shape[1] * shape[2])
    made = [Input(shape)]
    if rng.random() < 0.4:
        made.append(layers.Rescaling(0.5, offset=float(rng.choice([0.0, -0.25]))))
    if rng.random() < 0.3:
        made.append(_normalization(rng, shape))
    if kind in ("vectors", "rows") and rng.random() < 0.3:
        made.append(layers.Reshape((*image[:2], -1)))
        shape, kind = image, "images"
    if kind in ("images", "maps"):
        more, columns = _on_images(rng, shape)
        made += more
        if kind == "images":
            made.append(_end_of_images(rng, columns))
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


def _normalization(rng, shape):
    """One that is adapted, or has one or all of its channels' constants."""
    invert = bool(rng.integers(2))
    return [
        layers.Normalization(),
        layers.Normalization(mean=0.25, variance=0.5, invert=invert, axis=None),
        layers.Normalization(
            mean=rng.uniform(-1, 1, shape[-1]).tolist(),
            variance=rng.uniform(0.5, 2, shape[-1]).tolist(),
            invert=invert,
        ),
    ][rng.integers(3)]


def _end_of_images(rng, columns):
    """What makes a vector or rows of an image that has so many columns."""
    return [
        *(layers.Flatten, layers.Flatten, layers.GlobalAveragePooling2D),
        *(layers.GlobalMaxPooling2D, lambda: layers.Reshape((-1,))),
        lambda: layers.Reshape((columns, -1)),
    ][rng.integers(6)]()


def _anything(rng):
    """At most one layer that takes any input and leaves its shape."""
    return [
        [],
        [],
        [layers.Dropout(0.3), layers.GaussianNoise(0.3)],
        [layers.BatchNormalization(center=bool(rng.integers(2)), scale=bool(rng.integers(2)))],
        [layers.ReLU()],
        [
            layers.ReLU(
                max_value=[None, 0.5, 6.0][rng.integers(3)],
                negative_slope=float(rng.choice([0.0, 0.2])),
                threshold=float(rng.choice([0.0, 0.1])),
            )
        ],
        [layers.LeakyReLU(0.1)],
        [layers.ELU(0.7)],
        [layers.Softmax()],
        [layers.Activation(str(rng.choice(ACTIVATIONS)))],
        [layers.Rescaling(2.0, offset=0.5)],
    ][rng.integers(11)]


def _on_images(rng, shape):
    """Augmentation, convolutions, pools and more for images of this shape; the columns left."""
    made, (H, W) = [], shape[:2]
    if rng.random() < 0.2:
        made += [layers.RandomTranslation(0.1, 0.1), layers.RandomRotation(0.1)]
        made += [layers.RandomZoom(0.1), layers.RandomFlip("horizontal")]
    for _ in range(rng.integers(1, 4)):
        layer, (H, W) = _window(rng, H, W, layers.Conv2D, filters=int(rng.integers(2, 9)))
        made += [layer, *_anything(rng)]
        if rng.random() < 0.6:
            pool = [layers.MaxPooling2D, layers.AveragePooling2D][rng.integers(2)]
            layer, (H, W) = _window(rng, H, W, pool)
            made.append(layer)
        if rng.random() < 0.2:
            (top, bottom), (left, right) = rng.integers(0, 3, (2, 2)).tolist()
            made.append(layers.ZeroPadding2D(((top, bottom), (left, right))))
            H, W = top + H + bottom, left + W + right
        if rng.random() < 0.2:
            SH, SW = rng.integers(1, 3, 2).tolist()
            made.append(layers.UpSampling2D((SH, SW)))
            H, W = H * SH, W * SW
        if rng.random() < 0.1:  # it mixes pixels and channels
            made.append(layers.Reshape((W, H, -1)))
            H, W = W, H
    if rng.random() < 0.2:
        made.append(layers.Dense(3, **_activation_and_bias(rng)))
    return made, W


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
            positive = ("moving_variance", "variance", "gamma")
            low = 0.2 if parameter.name in positive else -0.5
            parameter.value[...] = rng.uniform(low, 1.5, parameter.value.shape)
