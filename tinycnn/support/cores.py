"""How many cores this process may use, and which of them its threads are on."""

import math
import os
import threading
from collections.abc import Iterable
from pathlib import Path


def available_cores() -> int:
    """The cores of the process's CPU affinity, or fewer where a container's quota is smaller."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    quota = cgroup_quota()
    return cores if quota is None else max(1, min(cores, math.ceil(quota)))


def keep_apart(threads: Iterable[int]) -> int:
    """Moves threads that are on the calling thread's core, or on each other's, to cores of no one.

    Linux wakes a thread on the core of the one that wakes it, and may take a second to see that
    another core is idle. Here it is told once; each thread may be moved anywhere again at once.
    Where there is no core of no one, or the system does not tell, nothing happens.

    Args:
        threads: of this process, by their `threading.get_native_id()`.

    Returns:
        how many were moved.
    """
    moved = 0
    try:
        taken, where = {core_of(threading.get_native_id())}, {t: core_of(t) for t in threads}
        for thread, core in where.items():
            allowed = os.sched_getaffinity(thread)
            free = allowed - taken - set(where.values())
            if core in taken and free:
                where[thread] = min(free)
                os.sched_setaffinity(thread, {where[thread]})
                os.sched_setaffinity(thread, allowed)
                moved += 1
            taken.add(where[thread])
    except (AttributeError, OSError, ValueError):  # another system, or a thread that has ended
        pass
    return moved


def core_of(thread: int) -> int:
    """The number of the core that a thread of this process is on, or was on last.

    Source: the kernel's Documentation/filesystems/proc.rst, /proc/PID/stat, `task_cpu`.
    """
    words = Path(f"/proc/self/task/{thread}/stat").read_text(encoding="ascii", errors="replace")
    return int(words.rpartition(")")[2].split()[36])


def cgroup_quota(
    system: str = "/sys/fs/cgroup", process: str = "/proc/self/cgroup"
) -> float | None:
    """The cores' worth of time that Linux's control groups leave to this process, if they say so.

    Args:
        system: where the control groups are mounted.
        process: the file that names the groups of this process.

    Source: the kernel's Documentation/admin-guide/cgroup-v2.rst (cpu.max), and for version 1
    Documentation/scheduler/sched-bwc.rst. A group can't have more than the groups that it is in.
    """
    try:
        lines = Path(process).read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    quotas = []
    for line in lines:
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if controllers and "cpu" not in controllers.split(","):
            continue
        root = Path(system) if not controllers else Path(system) / "cpu"
        group = root / path.lstrip("/")
        # In a container the path may be that of the host: then only the root is there.
        for folder in (group, *group.parents):
            quotas += [_quota(folder)]
            if folder == root:
                break
    known = [quota for quota in quotas if quota is not None]
    return min(known, default=None)


def _quota(folder: Path) -> float | None:
    """The quota of one group, in cores."""
    try:
        if (folder / "cpu.max").exists():
            limit, period = (folder / "cpu.max").read_text().split()[:2]
        else:
            limit = (folder / "cpu.cfs_quota_us").read_text()
            period = (folder / "cpu.cfs_period_us").read_text()
        return int(limit) / int(period) if int(limit) > 0 and int(period) > 0 else None
    except (OSError, ValueError):  # not there, not readable, or "max": no limit
        return None
