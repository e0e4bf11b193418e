"""A team of threads that shares out the pieces of a kernel's work.

A kernel's work is cut into pieces, numbered 0 to count - 1, whose results do not depend on who
computes them or when. The thread that launches a kernel (the caller) works too, beside the team's
helpers. All agree through words that they change atomically (`words.py`):

1. Each thread has a share: a run of neighbouring pieces. The share's ticket is one word, which
   holds (number of the job, end of the share, next piece). So in one kernel after the other a
   thread meets the same images, which its core still has in its cache.
2. A thread takes a piece of its share by swapping the ticket for one with the next piece in it;
   the swap fails if anybody else has changed the ticket. When its own share is used up, the thread
   goes on with the others'.
3. It counts each piece that it has finished in the word DONE. The caller returns when DONE is the
   number of pieces.

Why a late thread does no harm
------------------------------
The system may put a thread aside at any moment, for milliseconds if other programs are busy.

- Between two pieces: it holds nothing. The others take all pieces that are left, and the job ends
  without it. It wakes up in a later job and reads its tickets.
- Between reading a ticket and swapping it: the job may have ended, and another one have begun. The
  ticket then carries another job's number, the swap fails, and nothing is taken. As long as it
  succeeds, a piece of this job was not done yet, so the caller can't have changed what the thread
  has read about the job in between.
- Within a piece: the caller waits for this one piece, asleep if it takes long, so that the late
  thread gets the core. This is the only wait, and why pieces are small.
- Between finishing a piece and counting it: likewise.
- After counting the last piece, before waking the caller: the wake-up may come in a later job. So
  whoever wakes up looks again at what it was waiting for.

A job's number is back after 2^31 jobs. A thread would have to be late by exactly that many.

Waiting
-------
A helper that finds no job watches for one, for SPIN_SECONDS, and then sleeps. A wake-up takes some
fifty microseconds, which is more than the pause between two kernels of a training step. If other
programs keep the cores (the system puts the caller aside again and again), watching would be at
their cost and ours: then it is 50 microseconds only.

Threads sleep on Python's own locks, which every system has, and which need no interpreter lock.
Exceptions can't happen: kernels allocate nothing and check nothing.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
# (what Numba compiles has no types to declare)

import _thread
import atexit
import ctypes
import functools
import os
import threading
import time
from contextlib import AbstractContextManager
from typing import Any

import numba
import numpy as np
from numba import types

from tinycnn.kernels.compiled.jit import JIT_OFF, helper, machine_code
from tinycnn.kernels.compiled.words import (
    acquire_lock,
    call,
    exchange,
    increment,
    load,
    pause,
    release_lock,
    store,
    swap_if,
)
from tinycnn.support.cores import available_cores, keep_apart

# The control block, in words. What threads write at odds is two cache lines apart.
JOB, DONE = 0, 16
# The job: what to call, from which piece on, and the arrays of all jobs of the launch.
FUNCTION, STEP, FIRST, COUNT, ARRAYS = 32, 33, 34, 35, 36
THREADS, STOP, SPIN, ROOM, ROOM_SIZE = 40, 41, 42, 43, 44
# From here on 32 words for each thread, the caller first: its ticket; whether it sleeps, its lock.
SHARES, ASLEEP, LOCK, SHARE_SIZE = 48, 16, 17, 32

MOST_PIECES = 0x8000  # of one job: a ticket has 16 bits for each of its two piece numbers
# The first words of a step; see `launch.py`. In front of a block's steps is how many there are.
STEP_LENGTH, STEP_FUNCTION, STEP_PIECES = 0, 1, 5

# How long a thread watches for work before it sleeps: longer than Python's pauses between launches,
# of 0.1 to 0.3 ms. With 2 ms a step takes no less time alone, and more beside other programs.
SPIN_SECONDS = 5e-4
BUSY_SPIN_SECONDS = 5e-5
_LOOK_AFTER = 128  # kernels, to see whether other programs keep the cores
_PART_AT = 4  # at one of so many looks, also whether threads share a core; it takes 40 microseconds
_SWITCHES = 4  # times that the caller was put aside meanwhile, if they do


@helper
def _wake(control, whom):
    place = SHARES + whom * SHARE_SIZE
    if load(control, place + ASLEEP) == 1 and exchange(control, place + ASLEEP, 0) == 1:
        release_lock(load(control, place + LOCK))


@helper
def _work(control, me, job):
    """Takes pieces of this job until none is left: of the own share first."""
    threads = load(control, THREADS)
    for distance in range(threads):
        place = SHARES + (me + distance) % threads * SHARE_SIZE
        while True:
            ticket = load(control, place)
            piece = ticket & 0xFFFF
            if ticket >> 32 != job or piece >= (ticket >> 16) & 0xFFFF:
                break
            function, step = load(control, FUNCTION), load(control, STEP)
            first, count = load(control, FIRST), load(control, COUNT)
            arrays = load(control, ARRAYS)
            if swap_if(control, place, ticket, ticket + 1):
                room = load(control, ROOM) + me * load(control, ROOM_SIZE)
                call(function, first + piece, room, step, arrays)
                if increment(control, DONE) == count:
                    _wake(control, 0)


def _help(control, me, _):
    """The life of a helper."""
    place = SHARES + me * SHARE_SIZE
    last, spins = 0, 0
    while load(control, STOP) == 0:
        job = load(control, JOB)
        if job != last:
            last, spins = job, 0
            if me < load(control, THREADS):
                _work(control, me, job)
        elif spins < load(control, SPIN) and me < load(control, THREADS):
            pause()
            spins += 1
        else:
            store(control, place + ASLEEP, 1)
            # Whoever sets it back to 0 after this also releases the lock: it has to be waited for.
            if load(control, JOB) == last or exchange(control, place + ASLEEP, 0) == 0:
                acquire_lock(load(control, place + LOCK), 1)
            spins = 0


@helper
def _share_out(control, function, step, first, count):
    """Runs `count` pieces on all threads."""
    threads = load(control, THREADS)
    job = (load(control, JOB) + 1) & 0x7FFFFFFF
    store(control, FUNCTION, function)
    store(control, STEP, step)
    store(control, FIRST, first)
    store(control, COUNT, count)
    store(control, DONE, 0)
    for share in range(threads):
        start, end = count * share // threads, count * (share + 1) // threads
        store(control, SHARES + share * SHARE_SIZE, job << 32 | end << 16 | start)
    store(control, JOB, job)
    for whom in range(1, min(threads, count)):
        _wake(control, whom)
    _work(control, 0, job)
    spins = 0
    while load(control, DONE) != count:
        if spins < load(control, SPIN):
            pause()
            spins += 1
        else:
            store(control, SHARES + ASLEEP, 1)
            if load(control, DONE) != count or exchange(control, SHARES + ASLEEP, 0) == 0:
                acquire_lock(load(control, SHARES + LOCK), 1)


def _launch(control, block, arrays):
    """Runs a block's steps one after the other: each one's pieces on all threads."""
    store(control, ARRAYS, arrays)
    step = block + 8
    for _ in range(load(block, 0)):
        function, pieces = load(step, STEP_FUNCTION), load(step, STEP_PIECES)
        if pieces == 1 or load(control, THREADS) == 1:
            for piece in range(pieces):
                call(function, piece, load(control, ROOM), step, arrays)
        else:
            for first in range(0, pieces, MOST_PIECES):
                _share_out(control, function, step, first, min(MOST_PIECES, pieces - first))
        step += 8 * load(step, STEP_LENGTH)


def _rest(count, _, __):
    """Pauses so many times."""
    for _i in range(count):
        pause()


@functools.cache
def _own_code() -> tuple[int, int, int]:
    """The addresses of `_rest`, `_help` and `_launch`, which every team of this process runs."""
    three = (types.int64,) * 3
    return machine_code(_rest, three), machine_code(_help, three), machine_code(_launch, three)


class Team:
    """The control block and the threads.

    Args:
        threads: how many work, the caller among them.
    """

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._words = aligned(8 * (SHARES + SHARE_SIZE * threads), np.int64)
        self._words[:] = 0
        self.control: int = self._words.ctypes.data
        self._room = aligned(0, np.uint8)
        self.room_size = 0
        self._kernels = self._looks = self._switches = 0
        self._helpers: list[int] = []  # their ids for the system
        self._ended: list[int] = []
        entry = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)
        self._rest, self._help, self.launch = map(entry, _own_code())
        self._pauses = self._pauses_a_second()
        self._words[THREADS] = threads
        self.spin(SPIN_SECONDS)
        api = ctypes.pythonapi
        api.PyThread_allocate_lock.restype = ctypes.c_void_p
        for me in range(threads):
            lock = api.PyThread_allocate_lock()
            api.PyThread_acquire_lock(ctypes.c_void_p(lock), 1)
            self._words[SHARES + me * SHARE_SIZE + LOCK] = lock
        for me in range(1, threads):
            _thread.start_new_thread(self._live, (me,))

    def _live(self, me: int) -> None:
        self._helpers.append(threading.get_native_id())
        self._help(self.control, me, 0)
        self._ended.append(me)

    def _pauses_a_second(self) -> float:
        """The least time of some counts: an interruption makes one longer, nothing shorter."""
        seconds = []
        for _ in range(5):
            start = time.perf_counter()
            self._rest(1000, 0, 0)
            seconds.append(time.perf_counter() - start)
        return 1000 / max(min(seconds), 1e-9)

    def spin(self, seconds: float) -> None:
        """Sets how long a thread without work watches for some before it sleeps."""
        self._words[SPIN] = max(1, int(seconds * self._pauses))

    def provide(self, size: int) -> None:
        """Sees to it that each thread has `size` bytes of room."""
        if size > self.room_size:
            room = aligned(size * self.threads, np.uint8)
            self._room, self.room_size = room, size
            self._words[ROOM], self._words[ROOM_SIZE] = room.ctypes.data, size

    def look_around(self, kernels: int) -> None:
        """Once in a while: parts threads that share a core, and watches less if others are busy.

        Args:
            kernels: how many have run since the last call.
        """
        self._kernels += kernels
        if self._kernels < _LOOK_AFTER:
            return
        self._kernels = 0
        self._looks += 1
        if self._looks % _PART_AT == 1:
            keep_apart(self._helpers)
        if RUSAGE_THREAD is not None:
            switches = resource.getrusage(RUSAGE_THREAD).ru_nivcsw
            busy = switches - self._switches >= _SWITCHES
            self._switches = switches
            self.spin(BUSY_SPIN_SECONDS if busy else SPIN_SECONDS)

    def stop(self) -> None:
        """Ends the threads: at exit, before the code that they run is gone."""
        self._words[STOP] = 1
        deadline = time.monotonic() + 5
        while len(self._ended) < self.threads - 1 and time.monotonic() < deadline:
            self._words[JOB] += 1
            for me in range(1, self.threads):
                place = SHARES + me * SHARE_SIZE
                if self._words[place + ASLEEP]:
                    self._words[place + ASLEEP] = 0
                    lock = ctypes.c_void_p(int(self._words[place + LOCK]))
                    ctypes.pythonapi.PyThread_release_lock(lock)
            time.sleep(0.0002)


try:
    import resource

    RUSAGE_THREAD = getattr(resource, "RUSAGE_THREAD", None)
except ImportError:  # Windows
    RUSAGE_THREAD = None


def aligned(size: int, dtype: Any) -> Any:
    """An array of `size` bytes that begins with a cache line."""
    memory = np.empty(size + 64, np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + size].view(dtype)


# --- the team of this process ---------------------------------------------------------------------

# Python threads take turns. A signal handler may run kernels in the middle of a launch: the turn is
# its thread's already.
turn = threading.RLock()
_team: Team | None = None
_wanted: int | None = None


def team() -> Team:
    """The team of this process; it is started when it is first needed."""
    global _team
    if _team is None:
        _keep_freed_memory()
        _team = Team(get_num_threads())
        atexit.register(_team.stop)
    return _team


def _keep_freed_memory() -> None:
    """Lets the C library keep what is freed, for the next step's arrays.

    A training step makes some megabytes of arrays, and frees them. glibc gives such blocks back to
    the system at once, which then has to find and clear new ones: 470 pages a step, a fifth of its
    time. It stops doing so for blocks up to the largest one that it has seen freed, if that is not
    above 32 MB (`M_MMAP_THRESHOLD` in mallopt(3)). So one is made and freed, which costs nothing:
    no page of it is ever touched.
    """
    np.empty((32 << 20) - (64 << 10), np.uint8)


def taking_turns() -> AbstractContextManager[Any]:
    """A `with` in which no other Python thread launches a kernel."""
    return turn


def get_num_threads() -> int:
    """How many threads kernels run on.

    What `set_num_threads` has set; else NUMBA_NUM_THREADS, an environment variable; else as many as
    the process may use cores: of its CPU affinity, and of a container's limit.
    """
    if _wanted is not None:
        return _wanted
    if os.environ.get("NUMBA_NUM_THREADS"):
        return int(vars(numba.config)["NUMBA_NUM_THREADS"])
    return available_cores()


def set_num_threads(threads: int) -> None:
    """Sets how many threads kernels run on. The results are the same to the bit for any number.

    Args:
        threads: 1 or more, the thread that calls the kernels included. More than there are cores
            make nothing faster.

    Raises:
        ValueError: for anything else.
    """
    global _team, _wanted
    if isinstance(threads, bool) or not isinstance(threads, int | np.integer) or threads < 1:
        raise ValueError(f"`threads` must be a positive integer. Received: threads={threads!r}")
    with turn:
        _wanted = int(threads)
        if _team is not None and _team.threads != _wanted:
            stopped, _team = _team, None
            atexit.unregister(stopped.stop)
            stopped.stop()


def _after_fork() -> None:
    """A child has none of the threads. It starts a team of its own when it needs one."""
    global _team, turn
    if _team is not None:
        atexit.unregister(_team.stop)
    _team, turn = None, threading.RLock()


if hasattr(os, "register_at_fork") and not JIT_OFF:
    os.register_at_fork(after_in_child=_after_fork)
