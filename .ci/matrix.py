"""The default tests on every machine that this one can play: `python .ci/matrix.py [NAME ...]`.

Each run changes several things at once (SIMD width, OpenBLAS's kernels, threads, threading layer,
versions of Python, NumPy and Numba, no Numba at all), so that six runs show each value of each. A
run has an environment of its own, made on first use, and a compile cache of its own. What this
machine cannot play is left out by name, with the reason.

A table of all runs comes last; the exit code is 1 if one of them failed. The output of each run is
beside its environment: `.venv-matrix/NAME.txt`.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / ".venv-matrix"
NEWEST = (
    "numpy",
    "numba",
    "matplotlib",
    "requests",
    "pytest",
    "pytest-xdist",
    "hypothesis",
    "scipy",
)
# The lower bounds of pyproject.toml; 0.61 is the first Numba that takes NumPy 2.1 and Python 3.13.
LOWEST = (
    "numpy==2.0.0",
    "numba==0.61.0",
    "matplotlib==3.10.8",
    "requests==2.32.4",
    "pytest==8.0.0",
    "pytest-xdist==3.6.1",
    "hypothesis==6.100.0",
    "scipy==1.14.0",
)


class Run(NamedTuple):
    """One environment: the packages it installs, the Python it prefers, the variables it sets."""

    name: str
    packages: tuple[str, ...]
    variables: dict[str, str]
    python: str = "3.11"


RUNS = (
    Run(
        "16 lanes",
        NEWEST,
        {"TINYCNN_LANES": "16", "OPENBLAS_CORETYPE": "SkylakeX", "NUMBA_NUM_THREADS": "2"},
    ),
    Run(
        "8 lanes",
        NEWEST,
        {"TINYCNN_LANES": "8", "OPENBLAS_CORETYPE": "Haswell", "NUMBA_NUM_THREADS": "1"},
    ),
    Run("4 lanes", NEWEST, {"TINYCNN_LANES": "4", "NUMBA_NUM_THREADS": "7"}),
    Run("lowest versions", LOWEST, {}),
    Run("newest Python", NEWEST, {}, python="newest"),
    Run("no Numba", tuple(name for name in NEWEST if name != "numba"), {}),
)


def main() -> int:
    """Makes the runs that were named, or all; 0 if all passed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    names = [run.name for run in RUNS]
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of: {', '.join(names)}")
    parser.add_argument(
        "--newest-python",
        default=newest_python(),
        help="the interpreter of 'newest Python' (default: the highest python3.x of the PATH)",
    )
    parser.add_argument(
        "--lowest", action="store_true", help="run nothing: print the lowest versions, for pip"
    )
    arguments = parser.parse_args()
    if arguments.lowest:
        print("\n".join(LOWEST))
        return 0
    if unknown := set(arguments.names) - set(names):
        parser.error(f"no such run: {', '.join(unknown)}; there are {', '.join(names)}")
    rows = []
    for run in RUNS:
        if not arguments.names or run.name in arguments.names:
            print(f"== {run.name}", flush=True)
            rows.append((run.name, *carried_out(run, arguments.newest_python)))
            print(f"   {rows[-1][1]}", flush=True)
    print("\n| run | result | what ran it |\n| --- | --- | --- |")
    for row in rows:
        print(f"| {' | '.join(row)} |")
    return 1 if any("passed" not in row[1] or "failed" in row[1] for row in rows) else 0


def carried_out(run: Run, newest: str) -> tuple[str, str]:
    """Pytest's closing line, and the versions and variables that it ran with."""
    if run.variables.get("OPENBLAS_CORETYPE") == "SkylakeX" and not has_avx512():
        run = run._replace(
            variables={k: v for k, v in run.variables.items() if k != "OPENBLAS_CORETYPE"}
        )
    folder = FOLDER / run.name.replace(" ", "-")
    python = folder / "bin" / "python"
    if not python.exists():
        base = newest if run.python == "newest" else sys.executable
        subprocess.run([base, "-m", "venv", folder], check=True)
        install = [python, "-m", "pip", "install", "-q", *run.packages]
        subprocess.run(install, check=True, stderr=subprocess.DEVNULL)
    cache = folder / "cache"
    shutil.rmtree(cache, ignore_errors=True)  # the first compile is part of the run
    keep = {k: v for k, v in os.environ.items() if not k.startswith(("OPENBLAS_", "NUMBA_"))}
    environment = keep | {"PYTHONPATH": str(ROOT), "NUMBA_CACHE_DIR": str(cache)} | run.variables
    start = time.monotonic()
    output = folder.with_suffix(".txt")
    with output.open("w") as file:
        subprocess.run(
            [python, "-m", "pytest", "-q", "-n", "2"],
            cwd=ROOT,
            env=environment,
            stdout=file,
            stderr=file,
        )
    minutes = (time.monotonic() - start) / 60
    lines = [line for line in output.read_text().splitlines() if re.search(r"\d+ \w+ in ", line)]
    closing = lines[-1].strip("= ") if lines else "no closing line: see its output"
    result = f"{re.sub(r' in [0-9.]+s.*', '', closing)} ({minutes:.1f} min)"
    code = "import sys, numpy; print(sys.version.split()[0], numpy.__version__)"
    found = subprocess.run([python, "-c", code], capture_output=True, text=True).stdout.split()
    numba = subprocess.run(
        [python, "-c", "import numba; print(numba.__version__)"], capture_output=True, text=True
    ).stdout.strip()
    versions = f"Python {found[0]}, NumPy {found[1]}, Numba {numba or 'none'}"
    return result, "; ".join([versions, *(f"{k}={v}" for k, v in run.variables.items())])


def has_avx512() -> bool:
    """Whether OpenBLAS's SkylakeX kernels can run here."""
    try:
        return "avx512f" in Path("/proc/cpuinfo").read_text()
    except OSError:
        return False


def newest_python() -> str:
    """The highest python3.x on the PATH that runs: a version manager's shim may refuse to."""
    for minor in range(20, 10, -1):
        found = shutil.which(f"python3.{minor}")
        if found and subprocess.run([found, "-c", ""], capture_output=True).returncode == 0:
            return found
    return sys.executable


if __name__ == "__main__":
    sys.exit(main())
