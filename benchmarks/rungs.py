"""Both rungs on this machine: first-ever compile, warm start, seconds per epoch, peak memory.

    python benchmarks/rungs.py --data-dir FOLDER

Every figure comes from a process of its own. The rungs start from the same weights and see the same
batches; how far their histories are apart is printed beside a control: the compiled rung against
itself, from weights that differ in the last bit. Adam amplifies such differences within an epoch.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
from machine import Measurement, add_avx2_option, peak_memory

from tinycnn.support.console import say
from tinycnn.support.scripts import end_errors_in_one_line, positive_integer

# From the start of Python to the first finished training batch, on data made up on the spot.
FIRST_BATCH = """
import numpy as np
from tinycnn.gradient_check.cases import reference_network
model = reference_network()
model.compile("adam", "categorical_crossentropy", ["accuracy"])
model.train_on_batch(np.zeros((64, 28, 28, 1), "float32"), np.eye(10)[np.zeros(64, int)])
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
    """Seconds and output of a Python process."""
    start = time.perf_counter()
    process = subprocess.run(
        [sys.executable, *command], env=os.environ | environment, stdout=subprocess.PIPE, check=True
    )
    return time.perf_counter() - start, process.stdout.decode()


if __name__ == "__main__":
    end_errors_in_one_line()
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data-dir", help="folder with the four MNIST files")
    parser.add_argument("--epochs", type=positive_integer, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--nudge", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    add_avx2_option(parser)
    args = parser.parse_args()
    if args.measure:
        measure(args.measure, args.data_dir, args.epochs, args.seed, args.nudge)
        sys.exit()

    measurement = Measurement(avx2=args.avx2)
    say()

    with tempfile.TemporaryDirectory() as cache:
        cold, _ = run("-c", FIRST_BATCH, NUMBA_CACHE_DIR=cache)
        warm = [run("-c", FIRST_BATCH, NUMBA_CACHE_DIR=cache)[0] for _ in range(5)]
    imported = [run("-c", "import tinycnn")[0] for _ in range(5)]
    say(f"import tinycnn, whole process:             {statistics.median(imported):7.2f} s")
    say(f"first training batch, first time ever:     {cold:7.2f} s")
    say(f"first training batch, kernels in the cache:{statistics.median(warm):7.2f} s\n")

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
    measurement.end()
