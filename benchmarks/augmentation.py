"""What augmentation is good for: MNIST's test images as they are, and shifted and turned.

    python benchmarks/augmentation.py --data-dir FOLDER     # about 2 minutes on two cores

The reference network learns three epochs, with augmentation in front and without, from the same
weights. Both then read the test images, and a copy of them in which every digit was moved by up to
a tenth of the image each way and turned by up to 18 degrees: drawn once, as the augmentation is.
"""

import argparse
import time

import numpy as np
from machine import Measurement

from tinycnn import Input, RandomRotation, RandomTranslation, Sequential
from tinycnn.datasets import mnist
from tinycnn.gradient_check.cases import reference_network
from tinycnn.layers import Layer
from tinycnn.model_selection import wilson_interval
from tinycnn.support.console import say
from tinycnn.support.scripts import end_errors_in_one_line, natural_number, positive_integer
from tinycnn.utils import Array


def augmentation() -> list[Layer]:
    """The two layers, by themselves."""
    return [RandomTranslation(0.1, 0.1), RandomRotation(0.05)]


def moved(images: Array, seed: int) -> Array:
    """A copy in which every image is shifted and turned by itself."""
    for index, layer in enumerate(augmentation()):
        layer.rng = np.random.default_rng([seed, index])  # type: ignore[attr-defined]
        images = layer.forward(images, training=True)
    return images


def with_interval(model: Sequential, images: Array, labels: Array) -> str:
    """The accuracy and its interval."""
    correct = int((model.predict(images, verbose=0).argmax(axis=1) == labels).sum())
    low, high = wilson_interval(correct, len(labels))
    return f"{correct / len(labels):.4f} ({low:.4f} {high:.4f})"


def main() -> None:
    """Trains and reports."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data-dir", help="folder with the four MNIST files")
    parser.add_argument("--epochs", type=positive_integer, default=3)
    parser.add_argument("--seeds", type=natural_number, nargs="+", default=[0, 1])
    options = parser.parse_args()

    measurement = Measurement()
    (x_train, y_train), (x_test, y_test) = mnist.load_data(options.data_dir)
    x_train, x_test = (x[..., None] / np.float32(255) for x in (x_train, x_test))
    copy = moved(x_test, seed=2)
    say("accuracy on the test images and on the moved ones, each with its 95% interval (Wilson)")
    say(f"{'augmentation':13}{'seed':>4}{'test':>24}{'moved':>24}{'s an epoch':>12}")
    for seed in options.seeds:
        for title, first in (("without", []), ("with", augmentation())):
            # Its layers are built already: the same weights with augmentation and without.
            model = Sequential(
                [Input((28, 28, 1)), *first, *reference_network(seed).layers], seed=seed
            )
            model.compile("adam", "sparse_categorical_crossentropy", ["accuracy"])
            start = time.perf_counter()
            model.fit(x_train, y_train, batch_size=64, epochs=options.epochs, verbose=0)
            seconds = (time.perf_counter() - start) / options.epochs
            test, shifted = (with_interval(model, x, y_test) for x in (x_test, copy))
            say(f"{title:13}{seed:4}{test:>24}{shifted:>24}{seconds:12.1f}")
    measurement.end()


if __name__ == "__main__":
    end_errors_in_one_line()
    main()
