"""benchmarks/machine.py: what was measured, on what, and who else was at work."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import kernels
import machine
import pytest

import tinycnn
from tinycnn.errors import NumericalError

BENCHMARKS = Path(machine.__file__).parent
# competitors.py is no benchmark: compare.py starts it, and reads what it prints.
SCRIPTS = sorted(
    path.name
    for path in BENCHMARKS.glob("*.py")
    if 'if __name__ == "__main__":' in path.read_text("utf-8") and path.name != "competitors.py"
)


def git(folder, *arguments):
    command = ["git", "-c", "user.name=a", "-c", "user.email=b", "-C", folder, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


# --- what is measured -----------------------------------------------------------------------------


# Benchmarks whose figures do not depend on who else is at work.
WITHOUT_A_CLOCK = {"local_steps.py"}


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_benchmark_opens_and_closes_a_measurement(script):
    tree = ast.parse((BENCHMARKS / script).read_text("utf-8"))
    calls = [ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)]
    assert calls.count("Measurement") == 1
    assert calls.count("measurement.end") == (script not in WITHOUT_A_CLOCK)


def test_there_are_benchmarks():
    assert len(SCRIPTS) >= 10


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A git checkout with a package and benchmarks; Python would import tinycnn from there."""
    if not shutil.which("git"):
        pytest.skip("needs git")
    for name in ("tinycnn/__init__.py", "benchmarks/machine.py", "README.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("1\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "first")
    monkeypatch.setattr(tinycnn, "__file__", str(tmp_path / "tinycnn" / "__init__.py"))
    return tmp_path


@pytest.mark.parametrize(
    ("file", "changed"),
    [
        (None, False),
        ("README.md", False),
        ("kernels.json", False),  # what a benchmark leaves
        ("tinycnn/__init__.py", True),
        ("tinycnn/new.py", True),
        ("benchmarks/machine.py", True),
    ],
)
def test_the_commit_and_whether_it_was_changed(checkout, file, changed):
    if file:
        (checkout / file).write_text("2\n")
    found = machine.measured()
    assert found["changed"] is changed
    assert len(found["commit"]) == 10
    assert git(checkout, "rev-parse", "HEAD").startswith(found["commit"])
    words = machine.in_words(machine.description()).splitlines()[0]
    assert words.startswith(f"tinycnn {tinycnn.__version__} in {checkout / 'tinycnn'}, commit ")
    assert f"commit {found['commit']}{', changed' if changed else ''}, " in words


def test_a_package_that_merely_lies_in_a_checkout_has_no_commit(checkout, monkeypatch):
    installed = checkout / ".venv" / "tinycnn"
    installed.mkdir(parents=True)
    (installed / "__init__.py").write_text("1\n")
    monkeypatch.setattr(tinycnn, "__file__", str(installed / "__init__.py"))
    assert machine.measured()["commit"] is None
    assert "commit" not in machine.in_words(machine.description())


def test_without_git_there_is_no_commit(checkout, monkeypatch):
    monkeypatch.setenv("PATH", str(checkout))
    assert machine.measured()["commit"] is None


def test_the_folder_is_told_from_here_on_where_it_lies_below(checkout, monkeypatch):
    monkeypatch.chdir(checkout)
    assert machine.measured()["folder"] == "tinycnn"


# --- who else was at work -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("busy", "own", "others", "line"),
    [
        # Of 2 cores, in 10 seconds.
        (12.0, 2.0, 0.5, "busy: do not publish; other programs took 50% of the time of 2 cores"),
        (18.0, 17.0, 0.05, "other programs took 5% of the time of 2 cores"),
        (9.99, 10.0, 0.0, "other programs took 0% of the time of 2 cores"),  # ticks are coarse
        (None, 10.0, None, "how much other programs took of the machine is unknown here"),
    ],
)
def test_a_busy_machine_is_told(busy, own, others, line, monkeypatch, capsys):
    now = {"seconds": 0.0, "busy": None if busy is None else 100.0, "own": 30.0}
    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    monkeypatch.delenv("OPENBLAS_L2_SIZE", raising=False)
    monkeypatch.setattr(machine, "time", SimpleNamespace(perf_counter=lambda: now["seconds"]))
    monkeypatch.setattr(machine, "busy_seconds", lambda: now["busy"])
    monkeypatch.setattr(machine, "own_seconds", lambda: now["own"])
    monkeypatch.setattr(machine, "available_cores", lambda: 2)
    monkeypatch.setattr(machine, "description", lambda *packages: {})
    monkeypatch.setattr(machine, "in_words", lambda found: "heading")
    measurement = machine.Measurement()
    now.update(seconds=10.0, busy=busy and 100 + busy, own=30 + own)
    words = measurement.end()
    assert words == ("busy: do not publish" if line.startswith("busy") else "")
    assert measurement.record["others"] == (others and pytest.approx(others))
    assert capsys.readouterr().out == f"heading\n{line}\n"


SPIN = "import time\nwhile time.process_time() < 0.3: pass"


def test_own_seconds_are_those_of_children_too():
    before, all_before = machine.own_seconds(), machine.busy_seconds()
    subprocess.run([sys.executable, "-c", SPIN], check=True)
    assert machine.own_seconds() - before > 0.25
    if all_before is not None:
        assert machine.busy_seconds() - all_before > 0.2  # each tick is 0.01


def test_a_living_process_may_be_ours():
    if machine.busy_seconds() is None or not Path("/proc/self/stat").exists():
        pytest.skip("the system does not tell")
    with subprocess.Popen(
        [sys.executable, "-c", SPIN + "\ninput()"], stdin=subprocess.PIPE
    ) as child:
        try:
            while machine.seconds_of(child.pid) < 0.25:
                pass
            ours = machine.Watch(child.pid)
            assert ours._ours() >= machine.own_seconds() + 0.25
        finally:
            child.kill()


@pytest.mark.parametrize(
    ("shares", "line"),
    [
        ([0.0, 0.1, None], ""),
        ([0.02, 0.34, 0.0], "other programs disturbed 1 of 3 rounds: 2 (34%)"),
        ([0.2, 0.0], "other programs disturbed 1 of 2 rounds: 1 (20%)"),
        (
            [0.2, 0.0, 1.0],
            "not for publication; other programs disturbed 2 of 3 rounds: 1 (20%), 3 (100%)",
        ),
    ],
)
def test_disturbed_rounds_are_named(shares, line):
    assert machine.disturbed_rounds(shares) == line


# --- OpenBLAS -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"])
def test_openblas_chooses_its_kernels_whatever_the_environment_says(name, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import os, sys\nprint('started', flush=True)\nimport machine\nmachine.Measurement()\n"
        f"print(os.environ.get({name!r}), sys.argv[1:], sys.flags.dont_write_bytecode)\n"
        "sys.exit(7)\n"
    )
    done = subprocess.run(
        [sys.executable, "-B", script, "--an", "argument with spaces"],
        env={
            **os.environ,
            "PYTHONPATH": f"{BENCHMARKS}{os.pathsep}{BENCHMARKS.parent}",
            name: "Haswell" if name.endswith("TYPE") else "512",
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 7, done.stderr
    lines = done.stdout.splitlines()
    assert lines[:2] == ["started"] * 2
    assert [line.startswith("tinycnn ") for line in lines[2:4]] == [True, False]
    assert lines[-1] == "None ['--an', 'argument with spaces'] 1"


# --- AVX2 code on a processor that can more -------------------------------------------------------


def test_avx2_is_told_to_everybody_before_they_are_loaded(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import os, sys, machine\nmachine.Measurement(avx2='--avx2' in sys.argv)\n"
        "from tinycnn.kernels.compiled import simd\n"
        "print(simd.LANES, [os.environ.get(name) for name in machine.AVX2])\n"
    )
    pytest.importorskip("numba")
    keep = {
        name: value
        for name, value in os.environ.items()
        if name not in (*machine.AVX2, "TINYCNN_LANES")
    }
    path = f"{BENCHMARKS}{os.pathsep}{BENCHMARKS.parent}"

    def lines(*arguments):
        command = [sys.executable, script, *arguments]
        environment = keep | {"PYTHONPATH": path, "OPENBLAS_CORETYPE": "Nehalem"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    heading = lines("--avx2")
    assert heading[-1] == f"8 {[*machine.AVX2.values()]}"
    assert heading[2].startswith("AVX2 code of all contestants on this processor, not an AVX2 ")
    assert all(f"{name}={value}" in heading[2] for name, value in machine.AVX2.items())
    plain = lines()
    assert plain[-1].endswith(str([None] * len(machine.AVX2)))
    assert not any("AVX2" in line for line in plain)


# --- kernels.py: what it runs, and what it keeps --------------------------------------------------


@pytest.fixture
def run_kernels(monkeypatch, tmp_path):
    """A function that runs kernels.py's `main` with a `measure` that measures nothing."""
    for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("OMP", "OPENBLAS", "MKL", "NUMBA"):
        monkeypatch.setenv(f"{name}_NUM_THREADS", "1")  # main sets them; this puts them back

    class NoWorker:
        def __init__(self, contestant, keep=1):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *exception):
            pass

    def run(*arguments, broken=()):
        parts = []

        def measure(jobs, workers, *how, one_thread):
            parts.append(jobs)
            if len(parts) - 1 in broken:
                raise NumericalError("the results differ")
            return [
                {
                    "name": name,
                    "label": label,
                    "flops": job.flops(label),
                    "bytes": 4,
                    "sgemm": [1e9],
                    "seconds": {"tinycnn": [0.25]},
                }
                for name, job in jobs.items()
                for label in kernels.labels_of(job)
            ]

        monkeypatch.setattr(kernels, "Worker", NoWorker)
        monkeypatch.setattr(kernels, "measure", measure)
        output = str(tmp_path / "kernels.json")
        command = ["kernels.py", "--no-torch", "--threads", "1", "--output", output, *arguments]
        monkeypatch.setattr(sys, "argv", command)
        try:
            kernels.main()
        finally:
            run.record = Path(output).read_text() if Path(output).exists() else None
        return parts

    return run


def test_only_network_runs_the_network_s_jobs_alone(run_kernels):
    parts = run_kernels("--only-network")
    assert [[*part] for part in parts] == [[*kernels.NETWORK], ["conv1", "conv2"]]
    everything = run_kernels()
    assert [[*part] for part in everything[:2]] == [[*kernels.NETWORK], [*kernels.BLOCKS]]
    assert len(everything) == 2 + len(kernels.SHAPES)


@pytest.mark.parametrize(
    ("broken", "kept"),
    [
        ([0], ["28x28x64 3x3 64, 16 forward", "7x7x32 3x3 32, 16"]),
        ([1], ["dense1 forward", "7x7x32 3x3 32, 16"]),
        ([2], ["dense1 forward", "conv1 backward"]),
        ([0, 1, 2, 3], []),
    ],
)
def test_a_group_that_fails_loses_no_other(broken, kept, run_kernels, capsys):
    with pytest.raises(NumericalError) as caught:
        run_kernels("--quick", broken=broken)
    assert str(caught.value).startswith("not measured: ")
    assert str(caught.value).count("NumericalError: the results differ") == len(broken)
    out = capsys.readouterr().out
    for title in kept:
        assert f"\n{title:<36}" in out
    assert run_kernels.record.count("NumericalError: the results differ") == len(broken)
    assert '"others"' in run_kernels.record
