"""The ranks of an MPI job: who is there, and how they wait for each other.

mpi4py is imported when it is asked for, and nothing else in tinycnn needs it.
"""

import os
import time
from importlib import import_module
from typing import Any

from tinycnn.support import console, threads

# How many processes there are, as they are told by what has started them: the mpiexec of Open MPI,
# that of MPICH and its relatives, and Slurm's srun.
LAUNCHED = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS")
INSTANT = 2e-4  # seconds that a rank waits at full speed: most messages take less
BRIEF = 2e-3  # ... and without falling asleep
LONG = 60.0  # seconds after which it says so

# Requests that are waited for. One that Ctrl-C has interrupted stays, as MPI may still write into
# its buffers while the ranks end.
_under_way: list[Any] = []

give_way = getattr(os, "sched_yield", lambda: time.sleep(0))


def world() -> Any:
    """mpi4py's communicator of all ranks; None for a process that works alone.

    Raises:
        RuntimeError: if mpiexec and mpi4py belong to different MPI libraries.
        ImportError: if mpiexec has started several processes, and mpi4py is not there.
    """
    started = int(next((os.environ[name] for name in LAUNCHED if name in os.environ), 1))
    try:
        MPI = import_module("mpi4py.MPI")
    except (ImportError, RuntimeError) as error:  # there is no mpi4py, or no MPI library for it
        if started == 1:
            return None
        raise ImportError(
            f"mpiexec or srun has started {started} processes, which need mpi4py to work together "
            f"(pip install 'tinycnn[mpi]'): {error}"
        ) from error
    if started > 1 and MPI.COMM_WORLD.size == 1:
        library = MPI.Get_library_version().partition("\n")[0]
        raise RuntimeError(
            f"mpiexec or srun has started {started} processes, and mpi4py sees one: they belong to "
            "different MPI libraries. Use the mpiexec of the one that mpi4py has found, or with "
            f"srun the --mpi= that it asks for. Received: {library:.60}"
        )
    return MPI.COMM_WORLD if MPI.COMM_WORLD.size > 1 else None


def neighbours(communicator: Any) -> tuple[int, int]:
    """How many ranks, this one included, are on this machine, and how many cores they have."""
    here = communicator.Split_type(import_module("mpi4py.MPI").COMM_TYPE_SHARED)
    sets = here.allgather(threads.cores())
    here.Free()
    return len(sets), len(set().union(*sets))


def wait(request: Any) -> None:
    """Waits until MPI is done with a request, and lets other programs use the core meanwhile.

    Where MPI itself waits, it keeps the core busy. If there are more ranks than free cores, those
    that wait would keep those that work from it, and a message may take a hundred times as long.
    """
    start, silent = time.monotonic(), True
    _under_way.append(request)
    while not request.Test():
        waited = time.monotonic() - start
        if waited > BRIEF:
            time.sleep(BRIEF / 4)
        elif waited > INSTANT:
            give_way()
        if waited > LONG and silent:
            console.notice(f"has waited {LONG:.0f} seconds for other ranks; has one ended early?")
            silent = False
    _under_way.pop()
