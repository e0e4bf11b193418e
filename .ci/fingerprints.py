"""Three trainings whose bits a redesign must not change: `python .ci/fingerprints.py [DATA_DIR]`.

The reference network in float32, a network with every kind of layer, and one in float64, each on
both rungs: a line each with the fingerprint of the weights and the history to the last bit. Run it
before and after, on one machine, and compare the two outputs.
"""

import sys

from tinycnn import (
    ELU,
    Activation,
    AveragePooling2D,
    BatchNormalization,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePooling2D,
    Input,
    LeakyReLU,
    MaxPooling2D,
    RandomRotation,
    RandomTranslation,
    RandomZoom,
    ReLU,
    Rescaling,
    Sequential,
    Softmax,
    kernels,
)
from tinycnn.datasets import digits
from tinycnn.support.console import say
from tinycnn.utils import to_categorical


def main(data_dir=None):
    """Prints a line for each rung and training."""
    (x, y), _, _ = digits.load_data("auto", data_dir, train=1500, test=10)
    x, y = x[..., None], to_categorical(y, 10)
    for rung in ("numpy", "numba"):
        with kernels.use(rung):
            for name, make, dtype, optimizer, n in TRAININGS:
                model = Sequential(make(), seed=7, dtype=dtype)
                model.compile(optimizer, "categorical_crossentropy", ["accuracy"])
                arguments = {"batch_size": 50, "validation_split": 0.2, "verbose": 0}
                history = model.fit(x[:n], y[:n], epochs=2, **arguments).history
                bits = ", ".join(
                    f"{key} {' '.join(value.hex() for value in map(float, values))}"
                    for key, values in sorted(history.items())
                )
                loss, accuracy = model.evaluate(x[n:], y[n:], verbose=0)
                say(f"{rung}, {name}: {model.fingerprint()}\n  {bits}")
                say(f"  evaluated {float(loss).hex()} {float(accuracy).hex()}")


def reference():
    """The network of the example script."""
    return [
        Rescaling(1 / 255, input_shape=(28, 28, 1)),
        Conv2D(32, (3, 3), activation="relu"),
        MaxPooling2D((2, 2)),
        Conv2D(64, (3, 3), activation="relu"),
        MaxPooling2D((2, 2)),
        Flatten(),
        Dense(64, activation="relu"),
        Dense(10, activation="softmax"),
    ]


def every_layer():
    """Each kind of layer at least once."""
    return [
        Input((28, 28, 1)),
        Rescaling(1 / 255),
        RandomTranslation(0.1, 0.1),
        RandomRotation(0.05),
        RandomZoom(0.1),
        Conv2D(9, 3, padding="same", use_bias=False),
        BatchNormalization(),
        ReLU(),
        AveragePooling2D(2),
        Conv2D(17, (3, 2), strides=(1, 2), activation="tanh", kernel_regularizer="l2"),
        LeakyReLU(0.1),
        MaxPooling2D(3, strides=2, padding="same"),
        ELU(),
        Dropout(0.1),
        Conv2D(5, 1),
        Activation("sigmoid"),
        Flatten(),
        Dense(20),
        Dense(10),
        Softmax(),
    ]


def in_float64():
    """A small one, for double precision."""
    return [
        Rescaling(1 / 255, input_shape=(28, 28, 1)),
        Conv2D(4, 5, strides=2, activation="relu"),
        BatchNormalization(),
        GlobalAveragePooling2D(),
        Dense(10, activation="softmax"),
    ]


TRAININGS = (
    ("the reference network", reference, "float32", "adam", 1000),
    ("every layer", every_layer, "float32", "rmsprop", 400),
    ("float64", in_float64, "float64", "sgd", 1000),
)


if __name__ == "__main__":
    main(*sys.argv[1:])
