"""How many threads the kernels of this process use: its share of the machine's cores."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from tinycnn import kernels


def cores() -> set[int]:
    """The numbers of the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


@contextmanager
def shared_by(workers: int, of: int) -> Iterator[None]:
    """Inside its `with`, kernels use this process's share of the cores, and at least one thread.

    A process that is bound to fewer cores, as mpiexec may do it, has these for itself. What
    NUMBA_NUM_THREADS says is left as it is. The NumPy rung's threads are those of its BLAS, which
    reads OMP_NUM_THREADS as it starts.

    Args:
        workers: how many processes, or threads of Python, compute at the same time.
        of: the number of cores that all of them share.
    """
    bound = len(cores()) < of
    if workers < 2 or bound or "NUMBA_NUM_THREADS" in os.environ or kernels.active() != "numba":
        yield
        return
    get, choose = _get_and_set()
    before = get()
    choose(min(before, max(1, of // workers)))
    try:
        yield
    finally:
        choose(before)


def _get_and_set() -> tuple[Callable[[], int], Callable[[int], None]]:
    """The functions that tell and choose the number of threads: the kernels' own, or Numba's."""
    owner: Any = kernels if hasattr(kernels, "set_num_threads") else import_module("numba")
    return owner.get_num_threads, owner.set_num_threads
