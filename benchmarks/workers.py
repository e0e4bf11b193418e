"""Processes that take turns: what is compared must not share a process, or its threads fight.

PyTorch's, Numba's and the BLAS's threads spin for a while when they run out of work. In one process
each slows the others down several times. So each contestant has a process of its own, which sleeps
until it is asked, and answers only when its threads sleep too.
"""

import multiprocessing
import os
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from tinycnn.errors import NumericalError
from tinycnn.utils import Array

# Seconds of calls before any is timed: the system may wake two threads on one core, and take some
# milliseconds to move one of them.
SETTLING = 0.03

# What a contestant makes of a job: for each label a function to call, and the arrays it reads.
Calls = dict[str, tuple[Callable[[], tuple[Array, ...]], tuple[Array, ...]]]


def set_threads(threads: int) -> None:
    """Every library that a worker loads from now on has this many threads."""
    for name in ("OMP", "OPENBLAS", "MKL", "NUMBA"):
        os.environ[f"{name}_NUM_THREADS"] = str(threads)


class Worker:
    """A process that runs `contestant(job)`'s calls when asked; use it in a `with`.

    Args:
        contestant: a function at the top of a module: takes a job, returns its Calls.
        keep: of how many jobs the Calls, and their arrays, are kept.
    """

    def __init__(self, contestant: Callable[[Any], Calls], keep: int = 1) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, contestant, keep), daemon=True)
        self._process.start()
        theirs.close()

    @property
    def process(self) -> int:
        """The id of the process."""
        return self._process.pid or 0

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *exception: object) -> None:
        self._connection.close()
        self._process.join(10)
        self._process.terminate()

    def first(self, job: Any, label: str) -> tuple[tuple[Array, ...], int]:
        """Runs the call once: its results, and the bytes that it must read and write."""
        return self._ask("first", job, label)

    def seconds(
        self, job: Any, label: str, at_least: float, threads: int = 0, processor: bool = False
    ) -> float:
        """Runs the call for `at_least` seconds; the mean seconds of one.

        Args:
            job: the job.
            label: which of its calls.
            at_least: seconds; at least one call is timed, after SETTLING seconds that are not.
            threads: for Numba only; 0 for all.
            processor: seconds that this process has a core, all threads', instead of the clock's.
        """
        return self._ask("seconds", job, label, at_least, threads, processor)

    def _ask(self, *request: Any) -> Any:
        self._connection.send(request)
        answer = self._connection.recv()
        if isinstance(answer, Exception):
            raise answer
        return answer


def _serve(connection: Any, contestant: Callable[[Any], Calls], keep: int) -> None:
    calls = lru_cache(maxsize=keep)(contestant)
    while True:
        try:
            what, job, label, *rest = connection.recv()
        except EOFError:
            return
        try:
            call, inputs = calls(job)[label]
            answer = _first(call, inputs) if what == "first" else _seconds(call, *rest)
        except Exception as error:
            answer = error
        connection.send(answer)


def _first(call: Callable[[], tuple[Array, ...]], inputs: tuple[Array, ...]) -> Any:
    results = call()
    return results, sum(array.nbytes for array in (*inputs, *results))


def _seconds(
    call: Callable[[], object], at_least: float, threads: int, processor: bool = False
) -> float:
    clock = time.process_time if processor else time.perf_counter
    if threads:
        from tinycnn import kernels

        before = kernels.get_num_threads()
        kernels.set_num_threads(threads)
    start = time.perf_counter()
    call()  # wakes the threads
    while time.perf_counter() - start < SETTLING:
        call()
    count, start = 0, clock()
    while True:
        call()
        count += 1
        elapsed = clock() - start
        if elapsed >= at_least:
            break
    if threads:
        kernels.set_num_threads(before)
    _fall_asleep()
    return elapsed / count


def _fall_asleep() -> None:
    """Waits until the threads of this process have stopped spinning; at most a second."""
    for _ in range(200):
        spent = time.process_time()
        time.sleep(0.005)
        if time.process_time() - spent < 0.0005:
            return


def largest_difference(results: tuple[Array, ...], expected: tuple[Array, ...]) -> float:
    """The largest difference of any two numbers, relative to the largest of that array.

    Infinite if the shapes differ or a number is NaN.
    """
    if [a.shape for a in results] != [b.shape for b in expected]:
        return np.inf
    differences = [
        float(np.max(np.abs(a - b.astype(np.float64)))) / (float(np.max(np.abs(b))) or 1.0)
        for a, b in zip(results, expected, strict=True)
    ]
    return np.inf if np.isnan(differences).any() else max(differences)


def prove_equal(
    what: str, results: tuple[Array, ...], expected: tuple[Array, ...], tolerance: float
) -> None:
    """Nothing is timed that was not proved equal first.

    Raises:
        NumericalError: if `largest_difference` exceeds the tolerance.
    """
    difference = largest_difference(results, expected)
    if difference > tolerance:
        raise NumericalError(
            f"{what}: the results differ by {difference:.1e}, more than {tolerance:.0e}; "
            "no time is reported for unequal results"
        )
