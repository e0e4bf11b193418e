"""What a benchmark measured, and on what: tinycnn, the machine, the versions, who else was at work.

Every benchmark opens with a `Measurement` and closes it below its figures.
"""

import argparse
import importlib.util
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

# The share of the cores' time above which figures are not to be published: repeated runs on a quiet
# machine differ by a few percent, and a program that takes a tenth of it may slow one turn more.
BUSY = 0.1

# What makes every contestant run AVX2 code on a processor with AVX-512. Numba keeps the processor's
# own features beside another processor's name unless it is told features too. MKL has no say in a
# convolution, but in PyTorch's products of matrices.
AVX2 = {
    "NUMBA_CPU_NAME": "x86-64-v3",
    "NUMBA_CPU_FEATURES": "+avx2,+fma",
    "OPENBLAS_CORETYPE": "Haswell",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "ATEN_CPU_CAPABILITY": "avx2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "XLA_FLAGS": "--xla_cpu_max_isa=AVX2",
}


def add_avx2_option(parser: argparse.ArgumentParser) -> None:
    """`--avx2`, for a `Measurement`."""
    parser.add_argument(
        "--avx2",
        action="store_true",
        help="AVX2 code for all contestants, on a processor that may have AVX-512",
    )


class Measurement:
    """Says at once what is measured and where; `end` says whether other programs were at work.

    Sees to it that OpenBLAS chooses its kernels for this processor, or that everybody's are AVX2
    code, and starts the program anew where the environment says otherwise. So it comes first,
    before any work.

    Args:
        packages: whose versions belong to it, beside those of NumPy and Numba.
        avx2: whether all code shall be made for AVX2.

    Attributes:
        record: `description`'s answer, for a file; after `end` with "others", the share of the
            cores' time that other programs took, or None where the system does not tell.
    """

    def __init__(self, *packages: str, avx2: bool = False) -> None:
        from tinycnn.support.console import say

        let_openblas_choose(avx2)
        self.record = description(*packages)
        say(in_words(self.record))
        self._watch = Watch()

    def end(self) -> str:
        """Prints the line on other programs.

        Processes that were started must have ended, or they count as others.

        Returns:
            "busy: do not publish" if others took more than BUSY of the cores' time, else "".
        """
        from tinycnn.support.console import say

        others = self._watch.share_of_others()
        self.record["others"] = others
        if others is None:
            say("how much other programs took of the machine is unknown here")
            return ""
        words = "busy: do not publish" if others > BUSY else ""
        said = f"other programs took {others:.0%} of the time of {available_cores()} cores"
        say(f"{words}; {said}" if words else said)
        return words


class Watch:
    """Sees what other programs take of the cores' time from now on.

    Args:
        alive: ids of processes that count as this program's own, though they have not ended.
    """

    def __init__(self, *alive: int) -> None:
        self._alive = alive
        self._start, self._busy, self._own = time.perf_counter(), busy_seconds(), self._ours()

    def _ours(self) -> float:
        return own_seconds() + sum(map(seconds_of, self._alive))

    def share_of_others(self) -> float | None:
        """The share, 0 to 1; None where the system does not tell."""
        if self._busy is None:
            return None
        others = busy_seconds() - self._busy - (self._ours() - self._own)
        others /= (time.perf_counter() - self._start) * available_cores()
        return min(1.0, max(0.0, others))


def disturbed_rounds(shares: Sequence[float | None]) -> str:
    """A line on the rounds that other programs disturbed, "" if there was none.

    It begins with "not for publication" if more than half of the rounds were.

    Args:
        shares: by round, what others took of the cores' time; None where that is not told.
    """
    disturbed = {number: share for number, share in enumerate(shares, 1) if (share or 0) > BUSY}
    if not disturbed:
        return ""
    listed = ", ".join(f"{number} ({share:.0%})" for number, share in disturbed.items())
    line = f"other programs disturbed {len(disturbed)} of {len(shares)} rounds: {listed}"
    return f"not for publication; {line}" if 2 * len(disturbed) > len(shares) else line


def let_openblas_choose(avx2: bool = False) -> None:
    """Starts this program anew without the variables that choose OpenBLAS's kernels, if set.

    Where they are set to get the same bits on any machine, sgemm may have half of its speed; and
    OpenBLAS has read them when it was loaded. With `avx2` the program runs with the variables of
    `AVX2` instead.
    """
    wanted = {name: value for name, value in os.environ.items() if name not in _OPENBLAS}
    wanted |= AVX2 if avx2 else {}
    if wanted == dict(os.environ):
        return
    command = [sys.executable, *sys.orig_argv[1:]]
    sys.stdout.flush()
    if os.name == "posix":
        os.execve(sys.executable, command, wanted)
    sys.exit(subprocess.run(command, env=wanted).returncode)  # Windows's exec does not wait


_OPENBLAS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


def description(*packages: str) -> dict[str, Any]:
    """What is measured, the machine, Python, the versions of NumPy, Numba and `packages`.

    Packages that are not installed are left out.
    """
    versions = {}
    for package in ("numpy", "numba", *packages):
        for distribution in (package, f"{package}-cpu"):  # as TensorFlow's
            with suppress(metadata.PackageNotFoundError):
                versions[package] = metadata.version(distribution)
    return {
        "tinycnn": measured(),
        "cpu": _cpu(),
        "avx2_code": all(os.environ.get(name) == value for name, value in AVX2.items()),
        "cores": os.cpu_count(),
        "os": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": versions,
        "date": time.strftime("%Y-%m-%d %H:%M"),
    }


def measured() -> dict[str, Any]:
    """The tinycnn that Python imports: version, folder, lanes; commit and changes, if it has any.

    "commit" is None outside of a git checkout; "changed" is whether the package or the benchmarks
    differ from it. "lanes" is None without Numba.
    """
    import tinycnn  # not above: a competitor's process needs the rest of this file only

    folder = Path(tinycnn.__file__).parent
    commit, changed = None, False
    if _git(folder, "ls-files", "__init__.py"):  # not what merely lies inside of a checkout
        commit = (_git(folder, "rev-parse", "--short=10", "HEAD") or "").strip() or None
        changed = bool(_git(folder, "status", "--porcelain", "--", ".", ":/benchmarks"))
    here = Path.cwd()
    lanes = None
    if importlib.util.find_spec("numba"):
        from tinycnn.kernels.compiled.simd import LANES

        lanes = LANES
    return {
        "version": tinycnn.__version__,
        "folder": str(folder.relative_to(here) if folder.is_relative_to(here) else folder),
        "commit": commit,
        "changed": changed,
        "lanes": lanes,
    }


def _git(folder: Path, *arguments: str) -> str | None:
    """What git prints; None if it fails, or is not there."""
    try:
        answer = subprocess.run(["git", "-C", folder, *arguments], capture_output=True, text=True)
    except OSError:
        return None
    return answer.stdout if answer.returncode == 0 else None


def in_words(machine: dict[str, Any]) -> str:
    """Lines of `description`'s answer, for a heading: what is measured, and on what."""
    ours = machine["tinycnn"]
    parts = [f"tinycnn {ours['version']} in {ours['folder']}"]
    if ours["commit"]:
        parts.append(f"commit {ours['commit']}{', changed' if ours['changed'] else ''}")
    parts.append(f"{ours['lanes']} lanes" if ours["lanes"] else "without Numba")
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    lines = (
        f"{', '.join(parts)}\n{machine['cpu']}, {machine['cores']} cores, {machine['os']}, "
        f"Python {machine['python']}, {versions}, {machine['date']}"
    )
    if machine["avx2_code"]:
        variables = " ".join(f"{name}={value}" for name, value in AVX2.items())
        lines += "\nAVX2 code of all contestants on this processor, not an AVX2 machine: "
        lines += variables
    return lines


def available_cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpu() -> str:
    """The processor's name as its maker gives it."""
    if sys.platform == "darwin":
        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
        return subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout.strip()
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def busy_seconds() -> float | None:
    """Seconds that the cores of this process have worked, for anybody, since the start.

    Also what a hypervisor took for its other guests. None if the system does not tell.
    """
    statistics = Path("/proc/stat")
    if not statistics.exists():
        return None
    cores = {f"cpu{core}" for core in os.sched_getaffinity(0)}
    ticks = 0
    for line in statistics.read_text().splitlines():
        name, *numbers = line.split()
        if name in cores:
            user, nice, system, _idle, _wait, *others = map(int, numbers[:8])
            ticks += user + nice + system + sum(others)
    return ticks / os.sysconf("SC_CLK_TCK") or None  # sandboxes exist that count nothing


def own_seconds() -> float:
    """Seconds that cores have worked for this process and those of its children that have ended."""
    return sum(os.times()[:4])


def seconds_of(process: int) -> float:
    """Seconds that cores have worked for a process that has not ended; 0 where that is not told."""
    status = Path(f"/proc/{process}/stat")
    if not status.exists():
        return 0.0
    numbers = status.read_text().rpartition(")")[2].split()  # its name may have spaces
    return (int(numbers[11]) + int(numbers[12])) / os.sysconf("SC_CLK_TCK")


def sgemm_peak(size: int = 2048, repeats: int = 10) -> float:
    """GFLOP/s of the best of `repeats` products of two float32 matrices by NumPy's BLAS."""
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, size, size), np.float32)
    product = np.empty_like(a)
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        np.matmul(a, b, out=product)
        seconds.append(time.perf_counter() - start)
    return 2 * size**3 / min(seconds) / 1e9


def peak_memory() -> float:
    """The most memory this process ever held, in MB (of 10^6 bytes)."""
    status = Path("/proc/self/status")
    if status.exists():
        # Linux: getrusage would count what the parent held when it started this process.
        peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(peak.split()[1]) * 1024 / 1e6
    import resource

    # macOS counts in bytes, other systems in kB.
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
