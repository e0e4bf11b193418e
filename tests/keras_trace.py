"""The cases of the Keras trace, for the script that writes it and the test that replays it.

The cases are named here once, with their arguments; nothing here imports Keras or tinycnn.
"""

import hashlib
from pathlib import Path

import numpy as np

DATA = Path(__file__).parent / "data"
DTYPES = ("float32", "float64")
CLASSES = 10
BATCH = 16
STEPS = 12
EVALUATED = 83  # 32 + 32 + 19 in evaluate; 66 + 17 in fit, which end in batches of 2 and of 1

SAME = {"padding": "same"}
CATEGORICAL = "CategoricalCrossentropy"
SPARSE = "SparseCategoricalCrossentropy"

#: Name -> (class, arguments): the optimizers; the network takes its 12 steps with TRAINED_WITH.
OPTIMIZERS = {
    "adam": ("Adam", {}),
    "sgd": ("SGD", {"learning_rate": 0.05}),
    "momentum": ("SGD", {"learning_rate": 0.01, "momentum": 0.9}),
    "nesterov": ("SGD", {"learning_rate": 0.01, "momentum": 0.9, "nesterov": True}),
}
TRAINED_WITH = ("adam", "momentum", "nesterov")

#: Name -> (shape of an image, arguments of Conv2D); the batch is 2.
CONVOLUTIONS = {
    "valid": ((6, 7, 2), {"filters": 3, "kernel_size": (2, 3)}),
    "valid_strides_1_2": ((7, 10, 3), {"filters": 2, "kernel_size": (2, 3), "strides": (1, 2)}),
    "valid_1x1_strides_2": ((9, 8, 2), {"filters": 5, "kernel_size": 1, "strides": 2}),
    "same_3x3": ((5, 7, 1), SAME | {"filters": 3, "kernel_size": 3}),
    "same_2x2": ((6, 5, 2), SAME | {"filters": 3, "kernel_size": 2}),
    "same_2x2_strides_2": ((7, 7, 2), SAME | {"filters": 3, "kernel_size": 2, "strides": 2}),
    "same_3x2_strides_2": ((7, 6, 2), SAME | {"filters": 9, "kernel_size": (3, 2), "strides": 2}),
    "same_4x4_strides_2": ((6, 9, 2), SAME | {"filters": 4, "kernel_size": 4, "strides": 2}),
    "same_5x3_strides_3": ((8, 5, 3), SAME | {"filters": 2, "kernel_size": (5, 3), "strides": 3}),
    "same_3x5_strides_3_1_relu": (
        (4, 6, 2),
        SAME | {"filters": 3, "kernel_size": (3, 5), "strides": (3, 1), "activation": "relu"},
    ),
    "same_28_strides_2_relu": (
        (28, 28, 1),
        SAME | {"filters": 2, "kernel_size": 3, "strides": 2, "activation": "relu"},
    ),
}

#: Name -> (shape of an image, arguments of MaxPooling2D); the batch is 2.
POOLS = {
    "valid_2x2_odd": ((5, 7, 3), {"pool_size": 2}),
    "valid_3x3_overlapping": ((7, 6, 3), {"pool_size": 3, "strides": 1}),
    "valid_2x3_strides_2_1": ((6, 5, 9), {"pool_size": (2, 3), "strides": (2, 1)}),
    "valid_2x2_strides_3": ((8, 9, 3), {"pool_size": 2, "strides": 3}),
    "same_2x2_odd": ((5, 7, 3), SAME | {"pool_size": 2}),
    "same_3x2_strides_1_2": ((5, 6, 4), SAME | {"pool_size": (3, 2), "strides": (1, 2)}),
    "same_3x3_strides_2": ((6, 5, 3), SAME | {"pool_size": 3, "strides": 2}),
    "same_4x4_strides_2": ((7, 9, 3), SAME | {"pool_size": 4, "strides": 2}),
    "same_5x3_strides_3": ((8, 4, 3), SAME | {"pool_size": (5, 3), "strides": 3}),
}

#: Name -> (class, arguments, targets, predictions): the losses on their own.
LOSSES = {
    "categorical": (CATEGORICAL, {}, "onehot", "probabilities"),
    "categorical_soft": (CATEGORICAL, {}, "soft", "probabilities"),
    "categorical_clipped": (CATEGORICAL, {}, "onehot", "extremes"),
    "categorical_unnormalised": (CATEGORICAL, {}, "onehot", "scores"),
    "categorical_logits": (CATEGORICAL, {"from_logits": True}, "onehot", "logits"),
    "categorical_logits_soft": (CATEGORICAL, {"from_logits": True}, "soft", "logits"),
    "sparse": (SPARSE, {}, "classes", "probabilities"),
    "sparse_column": (SPARSE, {}, "column", "probabilities"),
    "sparse_clipped": (SPARSE, {}, "classes", "extremes"),
    "sparse_unnormalised": (SPARSE, {}, "classes", "scores"),
    "sparse_logits": (SPARSE, {"from_logits": True}, "classes", "logits"),
    "sparse_logits_column": (SPARSE, {"from_logits": True}, "column", "logits"),
    "mean_squared_error": ("MeanSquaredError", {}, "soft", "scores"),
}

INITIALIZERS = ("glorot_uniform", "glorot_normal", "he_uniform", "he_normal")
KERNEL_SHAPES = ((3, 3, 1, 32), (3, 3, 32, 64), (5, 2, 3, 4), (576, 64), (64, 10))

#: The tensors that the bare optimizers update, and after which updates they are recorded.
UPDATE_SHAPES = ((3, 3, 2, 7), (13,), (11, 6))
UPDATE_CHECKPOINTS = (1, 2, 10, 50, 200)


def load(name):
    """Return one file of the trace as a dict of arrays."""
    with np.load(DATA / f"keras_trace_{name}.npz", allow_pickle=False) as file:
        return dict(file)


def network(layers, *, filters=(32, 64, 64), units=64, softmax=True):
    """Return the layers of the reference network; `layers` is `keras.layers` or ours."""
    return [
        layers.Input((28, 28, 1)),
        layers.Conv2D(filters[0], (3, 3), activation="relu"),
        layers.MaxPooling2D((2, 2)),
        layers.Conv2D(filters[1], (3, 3), activation="relu"),
        layers.MaxPooling2D((2, 2)),
        layers.Conv2D(filters[2], (3, 3), activation="relu"),
        layers.Flatten(),
        layers.Dense(units, activation="relu"),
        layers.Dense(CLASSES, activation="softmax" if softmax else None),
    ]


#: The variant with zero biases; no width is a multiple of a SIMD register.
NARROW = {"filters": (5, 7, 6), "units": 9}


def scaled(images, dtype):
    """Return uint8 images in [0, 1], divided in the dtype itself, as a training script does."""
    return images.astype(dtype) / np.asarray(255, dtype)


def one_hot(labels, dtype, classes=CLASSES):
    return np.eye(classes, dtype=dtype)[labels]


def update_gradients(step, dtype):
    """Return the gradients of one step of the bare optimizers, one per UPDATE_SHAPES.

    Full 24-bit significands over magnitudes from 2**-24 to 1, about 1 in 16 of them exactly zero,
    and tensor 1 zero in every even step: the cases in which Adam's arithmetic differs most.
    """
    gradients = []
    for index, shape in enumerate(UPDATE_SHAPES):
        raw = np.random.PCG64([step, index]).random_raw(int(np.prod(shape)))
        significand = (raw >> np.uint64(40)).astype(np.int64) - 2**23
        exponent = -23 - ((raw >> np.uint64(8)) % np.uint64(24)).astype(np.int64)
        value = np.ldexp(significand.astype(np.float64), exponent)
        value[raw % np.uint64(16) == 0] = 0.0
        if index == 1 and step % 2 == 0:
            value[:] = 0.0
        gradients.append(value.reshape(shape).astype(dtype))
    return gradients


def update_digest():
    """Return a digest of all those gradients: if it moves, the bit stream did, not an optimizer."""
    digest = hashlib.sha256()
    for step in range(1, UPDATE_CHECKPOINTS[-1] + 1):
        for gradient in update_gradients(step, "float64"):
            digest.update(gradient.astype("<f8").tobytes())
    return digest.hexdigest()
