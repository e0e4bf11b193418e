"""Where the time of a training step goes: each launch of kernels, and Python between them.

    python benchmarks/step.py                   # batches of 16 and 64, on one thread and on all
    python benchmarks/step.py --launches        # also every launch, with the kernels in it

The steps are those of `fit` on the reference network, with drawn digits. A launch is listed with
its kernels, each with its number of pieces. Python's share is what is left of a step when its
launches are subtracted; it includes NumPy's work between them. All figures are medians: "a step" of
epochs in which nothing else was timed, the others of other epochs. So they need not add up.
"""

import argparse
import ctypes
import statistics
import time
from collections.abc import Callable
from types import ModuleType

import numpy as np
from machine import Measurement, add_avx2_option, available_cores

from tinycnn import kernels
from tinycnn.datasets import synthetic
from tinycnn.gradient_check.cases import reference_network
from tinycnn.kernels import compiled
from tinycnn.kernels.compiled import team as team_
from tinycnn.kernels.compiled.jit import JIT_OFF
from tinycnn.kernels.compiled.launch import Kernel
from tinycnn.kernels.compiled.team import STEP_FUNCTION, STEP_LENGTH, STEP_PIECES
from tinycnn.support.console import say
from tinycnn.support.progress import Progress
from tinycnn.support.scripts import end, end_errors_in_one_line, positive_integer
from tinycnn.utils import to_categorical

STEPS, TURNS = 200, 7


def trainer(batch_size: int) -> Callable[[], float]:
    """What trains an epoch of STEPS batches, and returns the seconds of a step."""
    (x, labels), _ = synthetic.load_data(train=STEPS * batch_size, test=100)
    x, y = x[..., np.newaxis] / np.float32(255), to_categorical(labels, 10)
    model = reference_network(seed=0)
    model.compile("adam", "categorical_crossentropy", ["accuracy"])

    def seconds() -> float:
        start = time.perf_counter()
        model.fit(x, y, batch_size=batch_size, epochs=1, verbose=0)
        return (time.perf_counter() - start) / STEPS

    return seconds


def names() -> dict[int, str]:
    """The kernels that are ready to run, by the address of their code."""
    modules = [part for part in vars(compiled).values() if isinstance(part, ModuleType)]
    found = [value for module in modules for value in vars(module).values()]
    codes = [code for value in found if isinstance(value, Kernel) for code in value._codes.values()]
    return {code.address: code.name for code in codes if code.address}


def in_words(block: int, known: dict[int, str]) -> str:
    """The kernels of a launch, whose words begin at this address, each with its pieces."""

    def word(index: int) -> int:
        return ctypes.c_int64.from_address(block + 8 * index).value

    place, parts = 1, []
    for _ in range(word(0)):
        parts.append(f"{known[word(place + STEP_FUNCTION)]} {word(place + STEP_PIECES)}")
        place += word(place + STEP_LENGTH)
    return ", ".join(parts)


def taken_apart(seconds: Callable[[], float]) -> tuple[float, list[tuple[str, float]]]:
    """Seconds of a step outside its launches, and of each launch, in order, with its kernels."""
    team = team_.team()
    launch, clock = team.launch, time.perf_counter
    log: list[tuple[int, float]] = []

    def timed(control: int, block: int, arrays: int) -> None:
        start = clock()
        launch(control, block, arrays)
        log.append((block, clock() - start))

    outside = []
    team.launch = timed  # type: ignore[assignment]
    try:
        for _ in range(TURNS):
            before = len(log)
            whole = seconds()
            outside.append(whole - sum(time_ for _, time_ in log[before:]) / STEPS)
    finally:
        team.launch = launch
    count, known = len(log) // (TURNS * STEPS), names()
    each = [statistics.median(time_ for _, time_ in log[i::count]) for i in range(count)]
    said = [in_words(block, known) for block, _ in log[:count]]
    return statistics.median(outside), list(zip(said, each, strict=True))


def measured(batch_size: int, threads: int, seconds: Callable[[], float]) -> tuple[str, str]:
    """The row of the table, and the list of all launches."""
    kernels.set_num_threads(threads)
    seconds()
    whole = statistics.median(seconds() for _ in range(TURNS))
    outside, parts = taken_apart(seconds)
    inside = sum(time_ for _, time_ in parts)
    row = (
        f"| {batch_size} | {threads} | {1e6 * whole:.0f} | {len(parts)} | {1e6 * inside:.0f} | "
        f"{1e6 * outside:.0f} |"
    )
    lines = [f"{1e6 * time_:8.1f} us  {words}" for words, time_ in parts]
    return row, "\n".join([f"batches of {batch_size}, threads: {threads}", *lines])


def main(batch_sizes: list[int], lists_all: bool) -> None:
    """Prints the figures."""
    rows = ["| batch | threads | a step, us | launches | in them, us | Python, us |"]
    rows.append("| --- | --- | --- | --- | --- | --- |")
    lists = []
    threads = list(dict.fromkeys((1, available_cores())))
    with Progress("measuring", len(batch_sizes) * len(threads), "settings") as progress:
        for batch_size in batch_sizes:
            seconds = trainer(batch_size)
            for number in threads:
                row, parts = measured(batch_size, number, seconds)
                rows.append(row)
                lists.append(parts)
                progress.update(len(lists))
    if lists_all:
        say("\n\n".join(lists) + "\n")
    say("\n".join(rows))


if __name__ == "__main__":
    end_errors_in_one_line()
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--launches", action="store_true", help="list every launch")
    parser.add_argument(
        "--batch",
        type=positive_integer,
        action="append",
        help="may be repeated; default: 16 and 64",
    )
    add_avx2_option(parser)
    args = parser.parse_args()
    if JIT_OFF or kernels.active() != "numba":
        end(
            "there are launches on the compiled kernels only: leave out NUMBA_DISABLE_JIT and "
            "TINYCNN_KERNELS"
        )
    measurement = Measurement(avx2=args.avx2)
    say()
    main(args.batch or [16, 64], args.launches)
    say()
    measurement.end()
