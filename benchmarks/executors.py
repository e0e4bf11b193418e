"""How much sooner are folds done that an executor's workers train?

    python benchmarks/executors.py --data-dir FOLDER

`cross_validate` of the reference network, four folds: in this process with one thread; by two
workers with one thread each; and in this process with all threads. They take turns, figures are
medians of the rounds, and all scores are proved equal to the bit. The workers have started before
the clock does, as in a sweep of many cross-validations; what it takes to hand them the data counts.
"""

import argparse
import multiprocessing
import statistics
import time
from concurrent.futures import Executor, ProcessPoolExecutor

import numpy as np
from machine import Measurement, available_cores
from ranks import in_turns, spread

from tinycnn import Sequential, kernels
from tinycnn.datasets import mnist
from tinycnn.errors import NumericalError
from tinycnn.gradient_check.cases import reference_network
from tinycnn.model_selection import cross_validate
from tinycnn.support.console import say
from tinycnn.support.scripts import end_errors_in_one_line, positive_integer

WORKERS, FOLDS = 2, 4


def network() -> Sequential:
    """The reference network, compiled."""
    model = reference_network(0)
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def main() -> None:
    """Measures, and prints the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data-dir", help="folder with the four MNIST files")
    parser.add_argument("--images", type=positive_integer, default=8000)
    parser.add_argument("--rounds", type=positive_integer, default=7)
    args = parser.parse_args()
    measurement = Measurement()
    (x, y), _ = mnist.load_data(args.data_dir)
    x, y = x[: args.images, ..., np.newaxis] / np.float32(255), y[: args.images]
    scores = set()

    def seconds(executor: Executor | None, threads: int) -> float:
        kernels.set_num_threads(threads)
        start = time.perf_counter()
        found = cross_validate(network, x, y, FOLDS, verbose=0, executor=executor)
        end = time.perf_counter()
        scores.add(tuple(found.scores))
        if len(scores) > 1:
            raise NumericalError(f"the scores differ. Received: {scores}")
        return end - start

    cores = available_cores()
    with ProcessPoolExecutor(WORKERS, multiprocessing.get_context("spawn")) as pool:
        few = slice(64)
        cross_validate(network, x[few], y[few], FOLDS, verbose=0, executor=pool)
        times = in_turns(
            args.rounds,
            {
                "one thread": lambda: seconds(None, 1),
                f"{WORKERS} workers": lambda: seconds(pool, 1),
                f"{cores} threads": lambda: seconds(None, cores),
            },
        )
    alone = times["one thread"]
    say(f"{FOLDS} folds of {len(x):,} images, an epoch each; medians of {args.rounds} rounds")
    for name, values in times.items():
        gains = [one / value for one, value in zip(alone, values, strict=True)]
        say(f"  {name:>10}: {statistics.median(values):.2f} s, {spread(gains)} times one thread")
    measurement.end()


if __name__ == "__main__":  # the workers import this file
    end_errors_in_one_line()
    main()
