"""Local steps: workers train alone, and average their weights now and then. What does it cost?

    python benchmarks/local_steps.py --data-dir FOLDER

Where the network between the machines is slow, a sum of gradients at each step takes longer than
the step. With local steps (DiLoCo) each of K workers makes H steps of Adam by itself, on its own
data. Then the mean of what they have changed goes through an outer optimizer, SGD with Nesterov
momentum, and all go on from there: 1 / H of the traffic.

The workers are simulated one after the other in one process; traffic is counted, not sent. Every
line is over the same number of images. "in step" is the training of `DataParallel`: batches of
64 K, a sum of gradients at each step.

Source: Douillard et al. 2023, "DiLoCo: Distributed low-communication training of language models",
whose outer learning rate (0.7) and momentum (0.9) are used.
"""

import argparse
import statistics
from collections.abc import Iterator

import numpy as np
from machine import Measurement

from tinycnn import Sequential
from tinycnn.datasets import mnist
from tinycnn.gradient_check.cases import reference_network
from tinycnn.support.console import say
from tinycnn.support.scripts import end_errors_in_one_line, positive_integer
from tinycnn.utils import Array

WORKERS, BATCH = 4, 64
OUTER_RATE, OUTER_MOMENTUM = 0.7, 0.9


def network(seed: int) -> Sequential:
    """The reference network, compiled."""
    model = reference_network(seed)
    model.compile("adam", "sparse_categorical_crossentropy", ["accuracy"])
    return model


def batches(x: Array, y: Array, size: int, rng: np.random.Generator) -> Iterator[tuple]:
    """Batches without end, each epoch in another order."""
    while True:
        order = rng.permutation(len(x))
        for start in range(0, len(x) - size + 1, size):
            chosen = order[start : start + size]
            yield x[chosen], y[chosen]


def in_step(x: Array, y: Array, steps: int, seed: int) -> Sequential:
    """All workers make each step together."""
    model, source = network(seed), batches(x, y, WORKERS * BATCH, np.random.default_rng(seed))
    for _ in range(steps):
        model.train_on_batch(*next(source))
    return model


def local(x: Array, y: Array, steps: int, seed: int, inner: int) -> Sequential:
    """Each worker makes `inner` steps by itself between two averages."""
    models = [network(seed) for _ in range(WORKERS)]
    parts = np.array_split(np.random.default_rng(seed).permutation(len(x)), WORKERS)
    sources = [
        batches(x[part], y[part], BATCH, np.random.default_rng([seed, worker]))
        for worker, part in enumerate(parts)
    ]
    weights = models[0].get_weights()
    velocity = [np.zeros_like(value) for value in weights]
    for _ in range(steps // inner):
        for model, source in zip(models, sources, strict=True):
            model.set_weights(weights)
            for _ in range(inner):
                model.train_on_batch(*next(source))
        for i, values in enumerate(zip(*(model.get_weights() for model in models), strict=True)):
            change = weights[i] - np.mean(values, axis=0)  # the outer gradient
            velocity[i] = OUTER_MOMENTUM * velocity[i] + change
            weights[i] = weights[i] - OUTER_RATE * (OUTER_MOMENTUM * velocity[i] + change)
    models[0].set_weights(weights)
    return models[0]


if __name__ == "__main__":
    end_errors_in_one_line()
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data-dir", help="folder with the four MNIST files")
    parser.add_argument("--images", type=positive_integer, default=20_000)
    parser.add_argument("--steps", type=positive_integer, default=600)
    parser.add_argument("--seeds", type=positive_integer, default=3)
    args = parser.parse_args()
    Measurement()  # it has no end: without a clock it does not matter who else is at work
    (x, y), (x_test, y_test) = mnist.load_data(args.data_dir)
    x, x_test = (images[..., np.newaxis] / np.float32(255) for images in (x, x_test))
    x, y = x[: args.images], y[: args.images]
    numbers = network(0).count_params()
    a_sum = 2 * 4 * numbers * (WORKERS - 1) / WORKERS / 1e6  # MB that a worker sends, as in a ring
    say(f"{WORKERS} workers, batches of {BATCH} each, {args.steps} steps, {len(x):,} images")
    for inner in (None, *(h for h in (5, 20, 100, 300) if args.steps % h == 0)):
        accuracies = []
        for seed in range(args.seeds):
            more = () if inner is None else (inner,)
            model = (in_step if inner is None else local)(x, y, args.steps, seed, *more)
            accuracies.append(model.evaluate(x_test, y_test, verbose=0)[1])
        rounds = args.steps // (inner or 1)
        title = "in step" if inner is None else f"{inner} local steps"
        say(
            f"{title:>15}: accuracy {statistics.fmean(accuracies):.4f} ({min(accuracies):.4f} to "
            f"{max(accuracies):.4f}), {rounds * a_sum:,.1f} MB sent by each worker"
        )
