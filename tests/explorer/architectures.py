"""Random networks of all layers that the explorer shows, in float64."""

import numpy as np

from tinycnn import (
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
    Input,
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
    Sequential,
    Softmax,
    UpSampling2D,
    ZeroPadding2D,
)

ACTIVATIONS = [
    *(None, "relu", "relu", "leaky_relu", "elu", "sigmoid", "tanh", "softmax"),
    *("silu", "softplus", "swish"),
]
LOSSES = [None, "mean_squared_error", "categorical_crossentropy", "sparse_categorical_crossentropy"]


def random_model(seed, dtype="float64"):
    """A built network, compiled or not, with random parameters everywhere; and its sample."""
    rng = np.random.default_rng([seed, 7])
    shape = tuple(int(n) for n in (*rng.integers(3, 9, 2), rng.integers(1, 4)))
    if rng.random() < 0.1:
        shape = (int(rng.integers(2, 9)),)
    model = Sequential([Input(shape)], seed=int(seed), dtype=dtype)
    if len(shape) == 3:
        for _ in range(rng.integers(0, 5)):
            model.add(_image_layer(rng, model.output_shape if model.layers else shape))
        if rng.random() < 0.9:  # else the output is an image
            ends = [Flatten, Flatten, GlobalAveragePooling2D, GlobalMaxPooling2D]
            model.add(_one(rng, [*ends, lambda: Reshape((-1,)), lambda: Reshape((1, -1))])())
    for _ in range(rng.integers(0, 2)):
        model.add(_dense(rng, _one(rng, ACTIVATIONS)))
        for layer in (Dropout(0.5), BatchNormalization(), _normalization(rng)):
            if rng.random() < 0.3:
                model.add(layer)
    end = rng.integers(4)
    model.add(_dense(rng, ["softmax", "softmax", None, "sigmoid"][end]))
    if end == 2 and rng.random() < 0.5:
        model.add(Softmax())
    if rng.random() < 0.2:
        model.add(Activation("linear"))
    for parameter in model.parameters:
        low = 0.5 if parameter.name in ("moving_variance", "variance") else -1.0
        parameter.value[...] = rng.uniform(low, 1, parameter.value.shape)
    loss = _one(rng, LOSSES)
    if loss is not None and len(model.output_shape) == 1:
        model.compile("sgd", loss)
    return model, rng.uniform(-1, 1, (1, *shape)).astype(dtype)


def _one(rng, things):
    return things[rng.integers(len(things))]


def _dense(rng, activation):
    return Dense(
        int(rng.integers(2, 6)),
        activation=activation,
        use_bias=bool(rng.random() < 0.8),
        kernel_regularizer="l2" if rng.random() < 0.3 else None,
    )


def _relu(rng):
    return ReLU(
        max_value=_one(rng, [None, 0.4, 6.0]),
        negative_slope=_one(rng, [0.0, 0.2]),
        threshold=_one(rng, [0.0, 0.1]),
    )


def _normalization(rng):
    """One that learns nothing: adapted, or with constants, for any number of channels."""
    axis, invert = _one(rng, [-1, None]), bool(rng.random() < 0.3)
    if rng.random() < 0.5:
        return Normalization(axis=axis, invert=invert)
    mean, variance = rng.uniform(-1, 1), rng.uniform(0.5, 2)
    return Normalization(axis, mean, variance, invert)


def _image_layer(rng, shape):
    image, C = shape[:2], shape[2]
    window, strides = (tuple(int(n) for n in rng.integers(1, most, 2)) for most in (4, 3))
    fits = window[0] <= image[0] and window[1] <= image[1]
    padding = _one(rng, ["valid", "same"]) if fits else "same"
    kind = rng.integers(14)
    if kind < 4:
        return Conv2D(
            int(rng.integers(2, 5)),
            window,
            strides,
            padding,
            activation=_one(rng, ACTIVATIONS),
            use_bias=bool(rng.random() < 0.8),
        )
    if kind < 6:
        return _one(rng, [MaxPooling2D, AveragePooling2D])(window, strides, padding)
    return [
        BatchNormalization(scale=bool(rng.random() < 0.7), center=bool(rng.random() < 0.7)),
        _one(rng, [LeakyReLU(0.1), ELU(0.7), ReLU(), _relu(rng)]),
        _one(rng, [Rescaling(0.5, 0.1), Activation("tanh")]),
        _one(rng, [Dropout(0.3), GaussianNoise(0.1), Dense(3)]),
        _one(
            rng, [RandomFlip(), RandomTranslation(0.1, 0.1), RandomRotation(0.1), RandomZoom(0.1)]
        ),
        _one(rng, [_normalization(rng), Reshape((image[1], image[0], C))]),
        ZeroPadding2D(rng.integers(0, 3, (2, 2)).tolist()),
        UpSampling2D(rng.integers(1, 3, 2).tolist()),
    ][kind - 6]
