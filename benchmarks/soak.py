"""Several trainings in one process: does memory, the number of threads or of open files creep up?

    python benchmarks/soak.py --data-dir FOLDER       # three times 10 epochs on MNIST

Each run does what the first example does: a new network, `fit`, `evaluate`, the picture, the model
file, the model loaded again. What is counted is what the process holds when a run is over. The
first run fills caches and pools, so growth is counted from its end. Memory that glibc keeps for the
next allocation is shown and then given back: how much that is moves by some MB from run to run, and
is not what a leak would show in. Exit code 1 if anything grew. Needs Linux with glibc.
"""

import argparse
import ctypes
import gc
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from machine import Measurement

from tinycnn import kernels, load_model
from tinycnn.datasets import mnist
from tinycnn.gradient_check.cases import reference_network
from tinycnn.plotting import plot_history
from tinycnn.support.console import say
from tinycnn.support.scripts import end_errors_in_one_line, positive_integer
from tinycnn.utils import Array, to_categorical

ALLOWED_GROWTH = 5.0  # MB from the end of the first run to the end of the last


def resident() -> float:
    """MB of memory that this process has (the resident set)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def train(x: Array, y: Array, epochs: int, seed: int, folder: Path) -> float:
    """One run; returns the last training loss."""
    model = reference_network(seed)
    model.compile("adam", "categorical_crossentropy", ["accuracy"])
    history = model.fit(x, y, batch_size=64, epochs=epochs, validation_split=0.2, verbose=0)
    model.evaluate(x[:1000], y[:1000], verbose=0)
    plot_history(history).savefig(folder / "training_history.png")
    model.save(folder / "model.npz")
    load_model(folder / "model.npz").predict(x[:100], verbose=0)
    return float(history.history["loss"][-1])


if __name__ == "__main__":
    end_errors_in_one_line()
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data-dir", help="folder with the four MNIST files")
    parser.add_argument("--epochs", type=positive_integer, default=10, help="of each run")
    parser.add_argument("--runs", type=positive_integer, default=3)
    args = parser.parse_args()

    measurement = Measurement()
    (x, y), _ = mnist.load_data(args.data_dir)
    x, y = x.astype("float32")[..., np.newaxis], to_categorical(y, 10)
    x /= 255
    say(f"{args.runs} times {args.epochs} epochs, {len(x):,} images, kernels: {kernels.active()}")
    kernels.warm_up()
    reports = []
    for run in range(args.runs):
        start = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            loss = train(x, y, args.epochs, run, Path(folder))
        gc.collect()
        before = resident()
        ctypes.CDLL("libc.so.6").malloc_trim(0)
        threads, files = (len(os.listdir(f"/proc/self/{kind}")) for kind in ("task", "fd"))
        reports.append((resident(), threads, files))
        say(
            f"run {run + 1}: {time.perf_counter() - start:.0f} s, loss {loss:.4f}; "
            f"{before:.1f} MB, in use {reports[-1][0]:.1f} MB; "
            f"{threads} threads, {files} open files"
        )
    growth = [last - first for first, last in zip(reports[0], reports[-1], strict=True)]
    grew = growth[0] >= ALLOWED_GROWTH or growth[1:] != [0, 0]
    say(f"growth after the first run: {growth[0]:+.1f} MB, {growth[1]} threads, {growth[2]} files")
    measurement.end()
    sys.exit("something grew" if grew else 0)
