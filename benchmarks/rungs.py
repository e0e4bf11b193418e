"""Both rungs on this machine: first-ever compile, warm start, seconds per epoch, peak memory.

    python benchmarks/rungs.py --data-dir FOLDER
    python benchmarks/rungs.py --first-batch      # the start alone: a minute, and no data

Every figure comes from a process of its own. A start is everything from Python's start to the end
of the process behind the first training batch, with an empty folder for compiled kernels and then
with that folder filled: seconds by the clock, seconds of processor, peak memory.

The rungs start from the same weights and see the same batches; how far their histories are apart is
printed beside a control: the compiled rung against itself, from weights that differ in the last
bit. Adam amplifies such differences within an epoch.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from machine import Measurement, add_avx2_option, peak_memory

from tinycnn.support.console import say
from tinycnn.support.scripts import end_errors_in_one_line, positive_integer

# A training batch of data made up on the spot. Prints how many kernels were compiled, and the MB.
FIRST_BATCH = f"""
import sys
import numpy as np
from tinycnn.gradient_check.cases import reference_network
from tinycnn.kernels.compiled import jit
compiled = []
jit.before_compile = compiled.append
model = reference_network()
model.compile("adam", "categorical_crossentropy", ["accuracy"])
model.train_on_batch(np.zeros((64, 28, 28, 1), "float32"), np.eye(10)[np.zeros(64, int)])
sys.path.append({str(Path(__file__).parent)!r})
from machine import peak_memory
print(len(compiled), peak_memory())
"""


def measure(rung: str, data_dir: str, epochs: int, seed: int, nudge: int) -> None:
    """Trains the reference network and prints its history, seconds and peak memory as JSON."""
    from tinycnn import Callback, kernels
    from tinycnn.datasets import mnist
    from tinycnn.gradient_check.cases import reference_network
    from tinycnn.utils import to_categorical

    class Stopwatch(Callback):
        def __init__(self):
            self.seconds = []

        def on_epoch_begin(self, epoch, logs=None):
            self.start = time.perf_counter()

        def on_epoch_end(self, epoch, logs=None):
            self.seconds.append(time.perf_counter() - self.start)

    kernels.use(rung)
    (x, y), _ = mnist.load_data(data_dir)
    x = x.astype("float32")[..., np.newaxis]
    x /= 255
    model = reference_network(seed)
    model.compile("adam", "categorical_crossentropy", ["accuracy"])
    if nudge:
        rng = np.random.default_rng(nudge)
        for parameter in model.parameters:
            w = parameter.value
            w[...] = np.nextafter(w, rng.choice(np.array([-1, 1], w.dtype), w.shape))
    kernels.warm_up()
    watch = Stopwatch()
    history = model.fit(
        x,
        to_categorical(y, 10),
        batch_size=64,
        epochs=epochs,
        validation_split=0.2,
        callbacks=[watch],
        verbose=0,
    )
    result = {"history": history.history, "seconds": watch.seconds, "peak": peak_memory()}
    say(json.dumps(result))


def run(*command: str, **environment: str) -> tuple[float, str]:
    """Seconds and output of a Python process. It keeps bytecode, as Python does for its users."""
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": ""} | environment
    start = time.perf_counter()
    process = subprocess.run(
        [sys.executable, *command], env=environment, stdout=subprocess.PIPE, check=True
    )
    return time.perf_counter() - start, process.stdout.decode()


class Start(NamedTuple):
    """A process that trains one batch: seconds, seconds of processor, kernels compiled, peak MB."""

    clock: float
    processor: float
    compiled: float
    memory: float


def start(cache: str) -> Start:
    """Starts a process with this folder for compiled kernels."""
    before = os.times()
    clock, output = run("-c", FIRST_BATCH, NUMBA_CACHE_DIR=cache)
    after = os.times()
    spent = sum(after[2:4]) - sum(before[2:4])  # of children that have ended
    return Start(clock, spent, *map(float, output.split()))


def measure_starts(cold_runs: int, warm_runs: int) -> None:
    """Measures and prints the starts, and the import alone; medians."""
    cold, warm = [], []
    for _ in range(cold_runs):
        with tempfile.TemporaryDirectory() as cache:
            cold.append(start(cache))
            warm += [start(cache) for _ in range(warm_runs)]
    imported = [run("-c", "import tinycnn")[0] for _ in range(5)]
    say(f"{'first training batch, whole process':<42}{'clock':>9}{'processor':>11}{'memory':>10}")
    for title, starts in ((f"empty cache, {cold_runs} runs", cold), ("kernels in the cache", warm)):
        median = Start(*map(statistics.median, zip(*starts, strict=True)))
        title = f"{title}, {median.compiled:.0f} compiled"
        say(f"{title:<42}{median.clock:>7.2f} s{median.processor:>9.2f} s{median.memory:>7.0f} MB")
    say(f"{'import tinycnn':<42}{statistics.median(imported):>7.2f} s\n")


def compare_rungs(args: argparse.Namespace) -> None:
    """Trains on both rungs and prints the differences, the seconds and the memory."""
    options = ["--epochs", str(args.epochs), "--seed", str(args.seed)]
    if args.data_dir:
        options += ["--data-dir", args.data_dir]

    def trained(rung: str, nudge: int = 0) -> dict:
        """What `measure` printed last in a process of its own; it may compile first, and say so."""
        _, output = run(__file__, "--measure", rung, "--nudge", str(nudge), *options)
        return json.loads(output.splitlines()[-1])

    def apart(one: dict, other: dict) -> str:
        """The largest differences of two histories."""
        one, other = one["history"], other["history"]
        return ", ".join(
            f"{name} {max(abs(a - b) for a, b in zip(one[name], other[name], strict=True)):.1e}"
            for name in one
        )

    results = {rung: trained(rung) for rung in ("numba", "numpy")}
    say("largest differences of histories")
    say(f"  numba and numpy:              {apart(results['numba'], results['numpy'])}")
    for nudge in range(1, 6):
        difference = apart(results["numba"], trained("numba", nudge))
        say(f"  numba and numba, nudged, {nudge}:   {difference}")
    for rung, result in results.items():
        seconds = ", ".join(f"{second:.1f}" for second in result["seconds"])
        say(f"{rung}: {seconds} s by epoch, peak memory {result['peak']:.0f} MB")
    ratio = statistics.median(results["numpy"]["seconds"]) / statistics.median(
        results["numba"]["seconds"]
    )
    say(f"numpy takes {ratio:.1f} times as long as numba")


if __name__ == "__main__":
    end_errors_in_one_line()
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data-dir", help="folder with the four MNIST files")
    parser.add_argument("--epochs", type=positive_integer, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--nudge", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    parser.add_argument("--first-batch", action="store_true", help="measure the start alone")
    parser.add_argument("--starts", type=positive_integer, default=3, help="with an empty cache")
    add_avx2_option(parser)
    args = parser.parse_args()
    if args.measure:
        measure(args.measure, args.data_dir, args.epochs, args.seed, args.nudge)
        sys.exit()

    measurement = Measurement(avx2=args.avx2)
    say()
    measure_starts(args.starts, 3)
    if not args.first_batch:
        compare_rungs(args)
    measurement.end()
