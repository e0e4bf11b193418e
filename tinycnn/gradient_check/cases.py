"""What `python -m tinycnn.gradient_check` checks: all layers, all losses, the reference network."""

from typing import Any

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
from tinycnn.losses import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    Huber,
    KLDivergence,
    Loss,
    MeanAbsoluteError,
    MeanSquaredError,
    SparseCategoricalCrossentropy,
)
from tinycnn.models import Sequential
from tinycnn.utils import Array


def layer_cases(seed: int = 0) -> list[tuple[str, Layer, Array]]:
    """(title, layer, input) for every layer and its options.

    Biases are positive, except in the cases that say otherwise. With zero biases a relu's ties are
    all at 0, where its gradient is 0 too, so a pool that gave the gradient to every tied input
    would not be noticed. The cases "with ties" have kinks everywhere.
    """
    rng = np.random.default_rng(seed)

    def some(*shape: int) -> Array:
        return rng.standard_normal(shape)

    def distinct(*shape: int) -> Array:
        """No two values are closer than 0.1, so no kink is within reach of h."""
        return 0.1 * rng.permutation(int(np.prod(shape))).reshape(shape)

    def shifted(*shape: int) -> Array:
        """Each channel has a mean and a scale of its own."""
        return some(*shape) * rng.uniform(0.5, 2.0, shape[-1]) + 3 * some(shape[-1])

    def scaled(layer: BatchNormalization, *shape: int) -> BatchNormalization:
        """With gammas other than the initial 1, at which a missing factor would not be noticed."""
        layer.build(shape, dtype="float64")
        layer.gamma.value[...] = np.linspace(0.5, 2.0, shape[-1])
        return layer

    def adapted(layer: Normalization, C: int) -> Normalization:
        """With a mean and a variance of each channel."""
        layer.adapt(shifted(20, 3, C))
        return layer

    def ties(*shape: int) -> Array:
        """Few values, many of them equal and many 0."""
        return rng.integers(1, 3, shape) * (rng.random(shape) < 0.3).astype(np.float64)

    def positive(shape: tuple[int, ...], rng: np.random.Generator, dtype: str) -> Array:
        return rng.uniform(0.1, 0.5, shape).astype(dtype)

    b: dict[str, Any] = {"bias_initializer": positive}
    return [
        ("Conv2D 3x3", Conv2D(4, 3, **b), some(2, 6, 5, 3)),
        ("Conv2D 2x3, relu", Conv2D(5, (2, 3), activation="relu", **b), some(2, 5, 6, 2)),
        ("Conv2D 3x2, strides 1x2, same", Conv2D(3, (3, 2), (1, 2), "same", **b), some(2, 5, 6, 2)),
        # An even kernel pads by an odd number: the extra zero goes below and to the right.
        ("Conv2D 2x4, same", Conv2D(3, (2, 4), padding="same", **b), some(2, 4, 5, 2)),
        ("Conv2D 3x3, strides 2, relu", Conv2D(3, 3, 2, activation="relu", **b), some(2, 7, 8, 2)),
        ("Conv2D 2x2, strides 3, no bias", Conv2D(3, 2, 3, use_bias=False), some(2, 8, 7, 2)),
        # One filter over whole SIMD vectors of channels, as at the end of a denoising autoencoder.
        *(
            (f"Conv2D 3x2, {C} channels to 1 filter", Conv2D(1, (3, 2), **b), some(2, 4, 4, C))
            for C in (4, 8, 16, 32)
        ),
        ("Conv2D 1x1, softmax", Conv2D(3, 1, activation="softmax", **b), some(2, 3, 3, 2)),
        ("MaxPooling2D 2x2", MaxPooling2D(2), distinct(2, 6, 4, 3)),
        ("MaxPooling2D 2x2 of 5x7", MaxPooling2D(2), distinct(2, 5, 7, 2)),
        ("MaxPooling2D 3x2, strides 1x2", MaxPooling2D((3, 2), (1, 2)), distinct(2, 5, 6, 2)),
        ("MaxPooling2D 3x3, strides 2, same", MaxPooling2D(3, 2, "same"), distinct(2, 6, 5, 2)),
        ("MaxPooling2D 2x2 with ties", MaxPooling2D(2), ties(2, 4, 5, 2)),
        ("MaxPooling2D 3x3, strides 2, ties", MaxPooling2D(3, 2, "same"), ties(2, 5, 5, 2)),
        ("Conv2D 2x2, relu, zero bias, ties", Conv2D(3, 2, activation="relu"), ties(2, 4, 4, 1)),
        ("Flatten", Flatten(), some(2, 3, 2, 4)),
        ("Dense", Dense(4, **b), some(3, 5)),
        ("Dense, relu", Dense(6, activation="relu", **b), some(3, 5)),
        ("Dense, softmax", Dense(4, activation="softmax", **b), some(3, 5)),
        ("Dense, no bias, 3 axes", Dense(3, use_bias=False), some(2, 3, 4)),
        ("Dense, relu, zero bias, ties", Dense(4, activation="relu"), ties(3, 4) - 1),
        ("ReLU", ReLU(), some(3, 7)),
        ("ReLU with ties", ReLU(), ties(3, 7) - 1),
        ("Softmax", Softmax(), some(3, 5)),
        ("Activation softmax, 3 axes", Activation("softmax"), some(2, 3, 4)),
        ("Activation linear", Activation("linear"), some(3, 4)),
        ("Activation sigmoid", Activation("sigmoid"), 2 * some(3, 7)),
        ("Activation tanh", Activation("tanh"), 2 * some(3, 7)),
        ("Activation leaky_relu", Activation("leaky_relu"), some(3, 7)),
        ("Activation elu", Activation("elu"), some(3, 7)),
        ("Conv2D 2x3, sigmoid", Conv2D(3, (2, 3), activation="sigmoid", **b), some(2, 4, 5, 2)),
        ("Dense, tanh", Dense(4, activation="tanh", **b), some(3, 5)),
        ("Dense, leaky_relu", Dense(6, activation="leaky_relu", **b), some(3, 5)),
        ("LeakyReLU with ties", LeakyReLU(), ties(3, 7) - 1),
        ("ELU", ELU(), some(3, 7)),
        ("ELU, alpha 0.3, with ties", ELU(0.3), ties(3, 7) - 1),
        ("Dropout", Dropout(0.4), some(3, 4, 5)),
        ("Dropout of zeros", Dropout(0.4), ties(3, 4, 5)),
        ("BatchNormalization", scaled(BatchNormalization(), 4, 5, 2), shifted(3, 4, 5, 2)),
        ("BatchNormalization of rows", scaled(BatchNormalization(epsilon=0.1), 5), shifted(7, 5)),
        ("BatchNormalization, no gamma", BatchNormalization(scale=False), shifted(3, 4)),
        ("BatchNormalization, no beta", BatchNormalization(center=False), shifted(2, 3, 2)),
        ("AveragePooling2D 2x2 of 5x7", AveragePooling2D(2), some(2, 5, 7, 2)),
        ("AveragePooling2D 3x2, strides 1x2", AveragePooling2D((3, 2), (1, 2)), some(2, 5, 6, 2)),
        ("AveragePooling2D 3x3, strides 2, same", AveragePooling2D(3, 2, "same"), some(2, 6, 5, 2)),
        ("GlobalAveragePooling2D", GlobalAveragePooling2D(), some(2, 3, 4, 5)),
        ("RandomTranslation", RandomTranslation(0.3, (-0.2, 0.4)), some(3, 5, 6, 2)),
        ("RandomRotation", RandomRotation(0.2), some(3, 5, 6, 2)),
        ("RandomZoom", RandomZoom(0.5, 0.4), some(3, 5, 6, 2)),
        ("Rescaling", Rescaling(1 / 255, 0.5), 255 * some(2, 3, 3, 1)),
        ("Activation silu", Activation("silu"), 2 * some(3, 7)),
        ("Activation softplus", Activation("softplus"), 2 * some(3, 7)),
        ("Dense, swish", Dense(4, activation="swish", **b), some(3, 5)),
        ("Conv2D 2x2, softplus", Conv2D(3, 2, activation="softplus", **b), some(2, 4, 3, 2)),
        ("ReLU up to 1", ReLU(1.0), some(3, 7)),
        ("ReLU, slope 0.2", ReLU(negative_slope=0.2), some(3, 7)),
        ("ReLU from 0.3 to 1, slope 0.2", ReLU(1.0, 0.2, 0.3), some(3, 7)),
        ("Reshape", Reshape((4, -1)), some(2, 3, 2, 4)),
        ("ZeroPadding2D", ZeroPadding2D(((1, 0), (2, 3))), some(2, 3, 4, 2)),
        ("UpSampling2D 2x3", UpSampling2D((2, 3)), some(2, 3, 2, 3)),
        ("GlobalMaxPooling2D", GlobalMaxPooling2D(), distinct(2, 3, 4, 3)),
        ("GaussianNoise", GaussianNoise(0.5), some(3, 4, 5)),
        ("RandomFlip", RandomFlip(), some(3, 4, 3, 2)),
        ("RandomFlip, vertical", RandomFlip("vertical"), some(3, 4, 3, 2)),
        ("Normalization", adapted(Normalization(), 5), shifted(2, 3, 5)),
        ("Normalization inverted", adapted(Normalization(invert=True), 5), shifted(2, 3, 5)),
    ]


def loss_cases(seed: int = 0) -> list[tuple[str, Loss, Array, Array]]:
    """(title, loss, targets, predictions) for every loss and its options."""
    rng = np.random.default_rng(seed)
    logits = rng.standard_normal((4, 5))
    probabilities = rng.uniform(0.1, 0.9, (4, 5))  # far from the clip at 1 - 1e-7
    labels = rng.integers(5, size=4)
    one_hot, soft = np.eye(5)[labels], rng.dirichlet(np.ones(5), 4)
    from_logits = CategoricalCrossentropy(from_logits=True)
    # For losses with a kink: errors of 0.2 to 0.8 and of 1.2 to 1.8, to either side.
    sides, sizes = rng.choice([-1.0, 1.0], (4, 5)), rng.uniform(0.2, 0.8, (4, 5))
    apart = logits + sides * (sizes + rng.integers(2, size=(4, 5)))
    yes = rng.integers(2, size=(4, 5)).astype(np.float64)

    def rows(array: Array) -> Array:
        return array.reshape(2, 2, 5)

    return [
        ("CategoricalCrossentropy on logits", from_logits, one_hot, logits),
        ("CategoricalCrossentropy on logits, soft", from_logits, soft, logits),
        ("CategoricalCrossentropy on logits, sum 3", from_logits, 3 * soft, logits),
        ("CategoricalCrossentropy", CategoricalCrossentropy(), one_hot, probabilities),
        (
            "SparseCategoricalCrossentropy on logits",
            SparseCategoricalCrossentropy(from_logits=True),
            labels,
            logits,
        ),
        ("SparseCategoricalCrossentropy", SparseCategoricalCrossentropy(), labels, probabilities),
        ("CategoricalCrossentropy, smooth", CategoricalCrossentropy(True, 0.2), one_hot, logits),
        ("MeanSquaredError", MeanSquaredError(), rng.standard_normal((4, 5)), logits),
        ("MeanAbsoluteError", MeanAbsoluteError(), apart, logits),
        ("Huber", Huber(), apart, logits),
        ("Huber, delta 0.1", Huber(0.1), apart, logits),
        ("BinaryCrossentropy on logits", BinaryCrossentropy(from_logits=True), yes, 2 * logits),
        ("BinaryCrossentropy", BinaryCrossentropy(), yes, probabilities),
        ("BinaryCrossentropy, smooth", BinaryCrossentropy(label_smoothing=0.2), yes, probabilities),
        ("BinaryCrossentropy of 3 axes", BinaryCrossentropy(), soft[None], probabilities[None]),
        ("KLDivergence", KLDivergence(), soft, probabilities),
        ("KLDivergence of 3 axes", KLDivergence(), rows(soft), rows(probabilities)),
    ]


def reference_network(seed: int = 0, dtype: str = "float32") -> Sequential:
    """The network of `examples/mnist_cnn_classifier.py`, not yet compiled."""
    return Sequential(
        [
            Conv2D(32, (3, 3), activation="relu", input_shape=(28, 28, 1)),
            MaxPooling2D((2, 2)),
            Conv2D(64, (3, 3), activation="relu"),
            MaxPooling2D((2, 2)),
            Conv2D(64, (3, 3), activation="relu"),
            Flatten(),
            Dense(64, activation="relu"),
            Dense(10, activation="softmax"),
        ],
        seed=seed,
        dtype=dtype,
    )


def reference_cases(seed: int = 0) -> list[tuple[str, Sequential, Array, Array]]:
    """(title, model, images, labels): the reference network, with positive and with zero biases.

    With positive biases the images are sparse and have few gray levels, so that equal patches give
    ties in the pools. With zero biases such images would put relu on its kink everywhere, so every
    pixel is different there.
    """
    cases = []
    for title, highest in (("positive", 0.1), ("zero", 0.0)):
        rng = np.random.default_rng(seed)
        model = reference_network(seed, "float64")
        model.compile("adam", "categorical_crossentropy")
        for parameter in model.parameters:
            if parameter.name == "bias":
                parameter.value[...] = rng.uniform(0, highest, parameter.value.shape)
        blocks = rng.integers(0, 5, (2, 7, 7, 1)) * (rng.random((2, 7, 7, 1)) < 0.4) / 4
        images = blocks.repeat(4, axis=1).repeat(4, axis=2)
        if not highest:
            images = rng.random((2, 28, 28, 1))
        labels = np.eye(10)[rng.integers(10, size=2)]
        cases.append((f"reference network, {title} biases", model, images, labels))
    return cases
