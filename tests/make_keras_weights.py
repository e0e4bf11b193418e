"""Write two small files with real Keras, for `test_keras_weights.py` to read without it.

    python tests/make_keras_weights.py [folder]        # needs the `reference` extra

    keras_tiny.weights.h5   Keras's `save_weights`
    keras_tiny.keras        Keras's `save`

Both hold the same weights, which follow from a formula, and the momentum of an SGD that has made
one step. The layers have names of their own, which Keras's files do not use.
"""

import sys
from pathlib import Path

import numpy as np

DATA = Path(__file__).parent / "data"
SHAPES = [(3, 2, 1, 3), (3,), (2, 2, 3, 2), (8, 4), (4,), (4, 3), (3,)]


def tiny_layers(layers):
    """Return the layers of the network; `layers` is `keras.layers` or ours."""
    return [
        layers.Input((8, 7, 1)),
        layers.Rescaling(1 / 255),
        layers.Conv2D(3, (3, 2), activation="relu", name="first"),
        layers.MaxPooling2D((2, 2)),
        layers.ReLU(),
        layers.Conv2D(2, (2, 2), use_bias=False, name="conv2d_7"),
        layers.Flatten(),
        layers.Dense(4, activation="relu", name="dense_1"),
        layers.Dense(3, activation="softmax", name="dense"),
    ]


def tiny_weights():
    """Return the weights: no two numbers are equal, so no two arrays or axes can be confused."""
    ends = np.cumsum([int(np.prod(shape)) for shape in SHAPES])
    numbers = np.arange(ends[-1], dtype=np.float32) / np.float32(128) - np.float32(0.5)
    pieces = np.split(numbers, ends[:-1])
    return [piece.reshape(shape) for piece, shape in zip(pieces, SHAPES, strict=True)]


def write(folder):
    from make_keras_trace import import_keras

    keras, _ = import_keras()
    model = keras.Sequential(tiny_layers(keras.layers))
    model.compile(keras.optimizers.SGD(momentum=0.9), "categorical_crossentropy")
    model.train_on_batch(np.full((2, 8, 7, 1), 99.0), np.eye(3)[:2])
    model.set_weights(tiny_weights())
    model.save_weights(folder / "keras_tiny.weights.h5")
    model.save(folder / "keras_tiny.keras")


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else DATA)
