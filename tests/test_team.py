"""The team of threads: each piece once, whoever is late, forked, interrupted or in between."""

import os
import platform
import signal
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from processes import finish, start
from without_numba import jit, launch, numba, team

from tinycnn import kernels
from tinycnn.support import cores
from tinycnn.support.cores import cgroup_quota

jit_on = pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="no threads with the JIT off")


def count(piece, done, where, more):
    done[piece] += more
    where[piece] = piece


def note_room(piece, floats, ints, x, rooms, loops):
    """Where the thread's scratch memory lies tells which thread this is."""
    total = x[piece]
    for i in range(loops):
        total = total * 0.999 + i
    floats[0] = total
    x[piece] = floats[0]
    rooms[piece] = ints.ctypes.data


@pytest.fixture
def threads():
    """`kernels.set_num_threads`; the number that was set before is set again afterwards."""
    before = kernels.get_num_threads()
    yield kernels.set_num_threads
    kernels.set_num_threads(before)


@jit_on
@pytest.mark.parametrize("number", [1, 2, 3, 7])
def test_each_piece_is_run_once(threads, number):
    threads(number)
    counting = launch.kernel(count)
    # Fewer than threads, as many, more, and more than a ticket holds.
    for pieces in (0, 1, 2, 3, 6, 7, 8, 100, 2 * team.MOST_PIECES + 5):
        done, where = np.zeros(pieces, np.int64), np.zeros(pieces, np.int64)
        counting(pieces, (done, where), (1,))
        assert (done == 1).all()
        np.testing.assert_array_equal(where, np.arange(pieces))


@jit_on
@pytest.mark.parametrize("number", [2, 7])
def test_late_threads_take_nothing_twice(threads, number):
    """Seven threads on a few cores: the system puts them aside at every place of the code."""
    threads(number)
    counting = launch.kernel(count)
    done, where = np.zeros((3, 61), np.int64), np.zeros(61, np.int64)
    # Three steps of one launch: each counts in its own row, and all of them write `where`.
    kinds = (done.dtype, where.dtype)
    steps = [counting.step(n, (row, 3), kinds, (1,)) for row, n in enumerate((61, 7, 2))]
    threefold = launch.Launch(steps)
    for _ in range(3000):
        launch.run(threefold, (*done, where))
    for n, row in zip((61, 7, 2), done, strict=True):
        assert row.tolist() == [3000] * n + [0] * (61 - n)


@jit_on
def test_the_threads_share_the_work(threads):
    threads(3)
    noting = launch.kernel(note_room)
    x, rooms = np.zeros(64), np.zeros(64, np.int64)
    seen, deadline = set(), time.monotonic() + 30
    while len(seen) < 3 and time.monotonic() < deadline:
        noting(64, (x, rooms), (20_000,), room=(1, 1))
        seen |= set(rooms.tolist())
    assert len(seen) == 3


@jit_on
def test_threads_without_work_sleep():
    out, _ = finish(
        start(
            "import time, numpy as np\n"
            "from tinycnn import kernels\n"
            "kernels.set_num_threads(4)\n"
            "kernels.relu_forward(np.ones(100_000))\n"
            "time.sleep(0.1)\n"
            "spent = time.process_time()\n"
            "time.sleep(0.5)\n"
            "print(time.process_time() - spent)"
        )
    )
    assert float(out) < 0.05  # a single one that watched would have spent 0.5


@jit_on
def test_the_end_of_the_process_waits_for_nobody():
    begin = time.monotonic()
    out, err = finish(
        start(
            "import numpy as np\n"
            "from tinycnn import kernels\n"
            "kernels.set_num_threads(5)\n"
            "kernels.warm_up('float64')\n"
            "print('\\n', kernels.relu_forward(np.ones(100_000)).sum())"
        )
    )
    assert (out.split()[-1], err) == ("100000.0", "")
    assert time.monotonic() - begin < 200


@pytest.mark.parametrize("wrong", [0, -1, 1.0, True, "2", None])
def test_a_number_of_threads_that_is_none_is_refused(wrong):
    before = kernels.get_num_threads()
    with pytest.raises(ValueError, match="`threads` must be a positive integer"):
        kernels.set_num_threads(wrong)
    assert kernels.get_num_threads() == before


def threads_of(code="", **environment):
    """How many threads a new process would use."""
    environment = {"NUMBA_NUM_THREADS": "", **environment}
    code += "\nfrom tinycnn import kernels\nprint(kernels.get_num_threads())"
    return int(finish(start(code, **environment))[0])


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no CPU affinity here")
def test_the_affinity_of_the_process_is_respected():
    one = min(os.sched_getaffinity(0))
    assert threads_of(f"import os; os.sched_setaffinity(0, {{{one}}})") == 1


def test_the_environment_s_number_is_respected():
    assert threads_of(NUMBA_NUM_THREADS="3") == 3


def groups(folder, lines, files):
    """A system of control groups, and the file that says where this process is in it."""
    for name, text in files.items():
        path = folder / "cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "self").write_text(lines)
    return str(folder / "cgroup"), str(folder / "self")


@pytest.mark.parametrize(
    ("lines", "files", "expected"),
    [
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 1.5),
        ("0::/\n", {"cpu.max": "max 100000\n"}, None),
        ("0::/\n", {}, None),
        ("0::/\n", {"cpu.max": "nonsense\n"}, None),
        ("0::/a/b\n", {"cpu.max": "400000 100000\n", "a/b/cpu.max": "max 100000\n"}, 4.0),
        ("0::/a/b\n", {"a/cpu.max": "50000 100000\n", "a/b/cpu.max": "200000 100000\n"}, 0.5),
        ("0::/not/there\n", {"cpu.max": "300000 100000\n"}, 3.0),
        (
            "5:memory:/x\n4:cpu,cpuacct:/x\n",
            {"cpu/x/cpu.cfs_quota_us": "250000\n", "cpu/x/cpu.cfs_period_us": "100000\n"},
            2.5,
        ),
        (
            "4:cpu:/\n",
            {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"},
            None,
        ),
        ("", {}, None),
        ("broken\n", {}, None),
    ],
)
def test_a_container_s_quota(tmp_path, lines, files, expected):
    assert cgroup_quota(*groups(tmp_path, lines, files)) == expected


def test_no_control_groups(tmp_path):
    assert cgroup_quota(str(tmp_path), str(tmp_path / "none")) is None


@jit_on
def test_who_is_put_aside_watches_for_a_shorter_time(threads, monkeypatch):
    threads(2)
    mine = team.team()
    if team.RUSAGE_THREAD is None:
        pytest.skip("this system does not tell")
    switches = iter([0, 100, 200, 201])

    class Usage:
        @property
        def ru_nivcsw(self):
            return next(switches)

    monkeypatch.setattr(team.resource, "getrusage", lambda who: Usage())
    mine._kernels = mine._switches = 0
    spins = []
    for _ in range(4):
        mine.look_around(team._LOOK_AFTER)
        spins.append(int(mine._words[team.SPIN]))
    assert spins[0] == spins[3] > spins[1] == spins[2] > 0


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system can't tell threads")
def test_threads_on_one_core_are_parted_and_stay_free(monkeypatch):
    mine, other, third = threading.get_native_id(), 10**7, 10**7 + 1
    on, masks = {mine: 2, other: 2, third: 5}, []
    monkeypatch.setattr(cores, "core_of", on.__getitem__)
    monkeypatch.setattr(os, "sched_getaffinity", lambda thread: {2, 5, 7})
    monkeypatch.setattr(os, "sched_setaffinity", lambda *arguments: masks.append(arguments))
    assert cores.keep_apart([other]) == 1
    assert masks == [(other, {5}), (other, {2, 5, 7})]  # moved, and free to be moved again
    masks.clear()
    assert cores.keep_apart([third]) == 0 and masks == []
    assert cores.keep_apart([other, third]) == 1
    assert masks == [(other, {7}), (other, {2, 5, 7})]  # and not to the core of `third`
    monkeypatch.setattr(os, "sched_getaffinity", lambda thread: {2})
    assert cores.keep_apart([other]) == 0  # there is no other core
    on.clear()
    monkeypatch.setattr(cores, "core_of", lambda thread: int("no such thread"))
    assert cores.keep_apart([other]) == 0


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="this system does not tell")
def test_the_core_of_a_thread_that_may_use_one_core_only():
    allowed = os.sched_getaffinity(0)
    try:
        for core in sorted(allowed)[:3]:
            os.sched_setaffinity(0, {core})
            assert cores.core_of(threading.get_native_id()) == core
    finally:
        os.sched_setaffinity(0, allowed)


@jit_on
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="not of glibc")
def test_steps_reuse_the_memory_of_those_before():
    code = """
import resource
import numpy as np
from tinycnn.gradient_check.cases import reference_network
model = reference_network()
model.compile("adam", "categorical_crossentropy")
x, y = np.ones((64, 28, 28, 1), "f4"), np.eye(10, dtype="f4")[np.arange(64) % 10]
def faults(steps):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(steps):
        model.train_on_batch(x, y)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / steps
faults(10)
print(faults(20))
"""
    # Without it 470: 2 MB are given back and asked for again.
    assert float(finish(start(code, TINYCNN_KERNELS="numba"))[0].split()[-1]) < 100


# --- what else may happen to a process ------------------------------------------------------------

TRAINING = """
import os, signal, sys, threading, time, warnings
import numpy as np
from tinycnn import Conv2D, Dense, Flatten, MaxPooling2D, Sequential, kernels
warnings.simplefilter("ignore", DeprecationWarning)  # fork() in a process with threads
kernels.set_num_threads(3)
rng = np.random.default_rng(0)
x, y = rng.random((64, 9, 9, 1), "f4"), np.eye(3, dtype="f4")[rng.integers(0, 3, 64)]
def run(steps, seed=0):
    layers = [Conv2D(8, 3, activation="relu", input_shape=(9, 9, 1)), MaxPooling2D(2), Flatten()]
    model = Sequential([*layers, Dense(3, activation="softmax")], seed=seed)
    model.compile("adam", "categorical_crossentropy")
    for _ in range(steps):
        model.train_on_batch(x, y)
    return model.fingerprint()
expected = run(10)
"""
no_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
no_timers = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers here")
windows = pytest.mark.skipif(sys.platform == "win32", reason="no signals of this kind on Windows")


@jit_on
@no_fork
def test_a_forked_process_computes_and_so_does_its_parent():
    code = """
child = os.fork()
if not child:
    os._exit(0 if run(10) == expected else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), run(10) == expected)
"""
    out, _ = finish(start(TRAINING + code))
    assert out.split() == ["0", "True"]


@jit_on
@no_fork
def test_a_fork_beside_a_running_kernel():
    code = """
stop = threading.Event()
def busy():
    while not stop.is_set():
        run(1, 1)
worker = threading.Thread(target=busy)
worker.start()
for _ in range(5):
    child = os.fork()
    if not child:
        os._exit(0 if kernels.relu_forward(np.ones(50_000)).sum() == 50_000 else 1)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
stop.set()
worker.join()
print(run(10) == expected)
"""
    out, _ = finish(start(TRAINING + code))
    assert out.split() == ["0"] * 5 + ["True"]


@jit_on
def test_another_number_of_threads_loads_no_code_again():
    code = """
from tinycnn.kernels.compiled import jit
run(10)
engines = len(jit._engines)
for threads in (1, 3, 2, 1, 3):
    kernels.set_num_threads(threads)
    assert run(10) == expected
print(len(jit._engines) - engines)
"""
    out, _ = finish(start(TRAINING + code))
    assert out.split() == ["0"]


@jit_on
@no_fork
def test_a_fork_beside_a_compilation():
    """In the child nobody would end it: without a wait, the child's first kernel waits for ever."""
    code = """
from tinycnn.kernels.compiled import jit
begun = threading.Event()
def compile():
    with jit._lock:
        begun.set()
        time.sleep(0.2)
worker = threading.Thread(target=compile)
worker.start()
begun.wait()
child = os.fork()
if not child:
    signal.alarm(60)
    os._exit(0 if run(10) == expected else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), run(10) == expected)
"""
    out, _ = finish(start(TRAINING + code))
    assert out.split() == ["0", "True"]


@jit_on
@windows
def test_ctrl_c_interrupts_between_two_kernels():
    code = """
signal.signal(signal.SIGINT, signal.default_int_handler)
threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
try:
    run(10 ** 9)
except KeyboardInterrupt:
    print("interrupted", run(10) == expected)
"""
    out, _ = finish(start(TRAINING + code))
    assert out.split() == ["interrupted", "True"]


@jit_on
@no_timers
def test_a_signal_s_handler_may_run_kernels_in_the_middle_of_a_launch():
    code = """
calls = []
def handler(number, frame):
    calls.append(kernels.relu_forward(np.ones(20_000)).sum() == 20_000)
    kernels.average_pool_forward(np.ones((9, 40, 40, 3)), (3, 3), (2, 2))
handler(0, None)
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
same, deadline = [], time.monotonic() + 60
while len(calls) < 10 and time.monotonic() < deadline:
    same.append(run(10) == expected)
signal.setitimer(signal.ITIMER_REAL, 0)
print(all(same), len(calls) >= 10, all(calls))
"""
    out, _ = finish(start(TRAINING + code))
    assert out.split() == ["True", "True", "True"]


@jit_on
def test_the_number_of_threads_may_change_while_another_thread_trains():
    code = """
results = []
worker = threading.Thread(target=lambda: results.append(run(300)))
worker.start()
changes = 0
while worker.is_alive():
    kernels.set_num_threads(1 + changes % 4)
    changes += 1
    time.sleep(0.002)
worker.join()
kernels.set_num_threads(2)
print(results[0] == run(300), changes > 1)
"""
    out, _ = finish(start(TRAINING + code))
    assert out.split() == ["True", "True"]


@jit_on
def test_without_numba_s_own_parts_kernels_are_made_of_its_public_ones(monkeypatch, capsys):
    monkeypatch.setattr(jit, "_MISSING", "a part")
    monkeypatch.setattr(jit.console, "_notices_given", set())
    done, where = np.zeros(50, np.int64), np.zeros(50, np.int64)
    counting = launch.kernel(count)
    for _ in range(2):
        counting(50, (done, where), (1,))
    assert set(done) == {2}
    np.testing.assert_array_equal(where, np.arange(50))
    y = np.zeros(3)
    launch.kernel(put)(3, (y,), (True, (1, 2), 3))
    assert set(y) == {123.5}
    x, rooms = np.ones(4), np.zeros(4, np.int64)
    launch.kernel(note_room)(4, (x, rooms), (1,), room=(1, 1))
    np.testing.assert_array_equal(x, np.full(4, 0.999))
    assert capsys.readouterr().err.count("lacks what the kernels' cache needs (a part)") == 1


# --- arguments ------------------------------------------------------------------------------------


def put(piece, y, flag, pair, number):
    y[piece] = pair[0] * 100 + pair[1] * 10 + number + (0.5 if flag else 0.0)


def test_numbers_arrive_as_they_were_given():
    putting = launch.kernel(put)
    for numbers in ((True, (1, 2), 3), (False, (4, 5), -6), (True, (1, 2), 1 << 40)):
        y = np.zeros((2, 3))
        putting(6, (y,), numbers)
        (a, b), number = numbers[1:]
        assert set(y.ravel()) == {a * 100 + b * 10 + number + 0.5 * numbers[0]}


def test_more_launches_than_a_kernel_remembers(monkeypatch):
    monkeypatch.setattr(launch, "_MOST_LAUNCHES", 5)
    putting = launch.kernel(put)
    for number in range(20):
        y = np.zeros(1)
        putting(1, (y,), (False, (0, 0), number))
        assert y[0] == number
        assert len(putting._launches) <= 5


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_arrays_that_can_t_be_written_are_read_in_place(dtype):
    x = np.arange(-4, 4, dtype=dtype).reshape(2, 4)
    x.flags.writeable = False
    with kernels.use("numba"):
        np.testing.assert_array_equal(kernels.relu_forward(x), np.maximum(x, 0))


@jit_on
def test_the_team_s_code_stands_in_the_kernels_folder():
    """Its hash is in the cache's key, as that of the kernels is."""
    for function in (team._help, team._launch, team._rest):
        assert Path(function.__code__.co_filename).parent == Path(jit.__file__).parent
