"""How many threads the kernels of this process use: its share of the machine's cores."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from tinycnn import kernels


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def shared_by(workers: int) -> Iterator[None]:
    """Inside its `with`, kernels use this process's share of the cores, and at least one thread.

    A process that is bound to some of the machine's cores, as mpiexec may do it, has them for
    itself. What NUMBA_NUM_THREADS says is left as it is. The NumPy rung's threads are those of its
    BLAS, which reads OMP_NUM_THREADS as it starts.

    Args:
        workers: how many processes, or threads of Python, compute at the same time on this machine.
    """
    bound = cores() < (os.cpu_count() or 1)
    if workers < 2 or bound or "NUMBA_NUM_THREADS" in os.environ or kernels.active() != "numba":
        yield
        return
    get, choose = _get_and_set()
    before = get()
    choose(min(before, max(1, cores() // workers)))
    try:
        yield
    finally:
        choose(before)


def _get_and_set() -> tuple[Callable[[], int], Callable[[int], None]]:
    """The functions that tell and choose the number of threads: the kernels' own, or Numba's."""
    owner: Any = kernels if hasattr(kernels, "set_num_threads") else import_module("numba")
    return owner.get_num_threads, owner.set_num_threads
