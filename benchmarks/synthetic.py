"""How good the drawn digits are: what a network that learned nothing else makes of real ones.

    python benchmarks/synthetic.py                         # a fresh drawn set
    python benchmarks/synthetic.py --data-dir FOLDER       # and MNIST's training images
    python benchmarks/synthetic.py --data-dir FOLDER --test-images  # and its test images

The skeletons of `tinycnn.datasets.synthetic` were tuned with the second figure, and what one tunes
by is no test. MNIST's test images were opened only for the figures in the README.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from machine import Measurement

from tinycnn import Sequential
from tinycnn.datasets import synthetic
from tinycnn.datasets.idx import read_idx
from tinycnn.gradient_check.cases import reference_network
from tinycnn.support.console import say
from tinycnn.support.scripts import end_errors_in_one_line, positive_integer
from tinycnn.utils import Array


def report(title: str, model: Sequential, images: Array, labels: Array) -> None:
    """Prints the accuracy, of all and of each digit, and the six most frequent confusions."""
    read = model.predict(images[..., None] / np.float32(255), verbose=0).argmax(axis=1)
    counts = np.zeros((10, 10), int)
    np.add.at(counts, (labels, read), 1)
    share = counts.diagonal() / counts.sum(axis=1)
    say(f"{title}: {np.mean(read == labels):.2%} of {len(labels)}")
    say("  by digit: " + "  ".join(f"{digit} {value:.1%}" for digit, value in enumerate(share)))
    np.fill_diagonal(counts, 0)
    worst = np.argsort(-counts, axis=None, kind="stable")[:6]
    confusions = (f"{i // 10} as {i % 10} ({counts.flat[i]})" for i in worst)
    say("  most often misread: " + ", ".join(confusions))


def main() -> None:
    """Draws, trains and reports."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data-dir", type=Path, help="folder with MNIST's files")
    parser.add_argument("--test-images", action="store_true", help="open MNIST's test images too")
    parser.add_argument("--train", type=positive_integer, default=60000, help="drawn digits")
    parser.add_argument("--epochs", type=positive_integer, default=5)
    parser.add_argument("--seed", type=int, default=0, help="of the network")
    options = parser.parse_args()

    measurement = Measurement()
    start = time.perf_counter()
    (x, y), _ = synthetic.load_data(train=options.train, test=10000, seed=0)
    seconds = time.perf_counter() - start
    say(f"{len(y) + 10000} digits drawn, written and read in {seconds:.1f} s")
    model = reference_network(options.seed)
    model.compile("adam", "sparse_categorical_crossentropy", ["accuracy"])
    model.fit(x[..., None] / np.float32(255), y, batch_size=64, epochs=options.epochs)

    _, (x, y) = synthetic.load_data(train=1, test=10000, seed=1)
    report("a fresh drawn set", model, x, y)
    parts = [("train", "training images")] + [("t10k", "test images")] * options.test_images
    for part, title in parts if options.data_dir else []:
        x, y = (
            read_idx(next(options.data_dir.glob(f"{part}-{name}-ubyte*")))
            for name in ("images-idx3", "labels-idx1")
        )
        report(f"MNIST's {title}", model, x, y)
    measurement.end()


if __name__ == "__main__":
    end_errors_in_one_line()
    main()
