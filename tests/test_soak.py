"""benchmarks/soak.py, small: it runs, and would notice what it is for."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tinycnn.datasets import synthetic

ROOT = Path(__file__).parents[1]
LEAKS = {
    "memory": "kept.append(bytearray(os.urandom(9_000_000)))",
    "threads": "threading.Thread(target=threading.Event().wait, daemon=True).start()",
    "files": "kept.append(open(os.devnull))",
}

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/task").exists() or not hasattr(os, "sched_getaffinity"),
    reason="needs Linux's /proc",
)


also_full = [pytest.param(kind, marks=pytest.mark.full) for kind in (None, "threads", "files")]


@pytest.mark.parametrize("leak", ["memory", *also_full])
def test_soak_notices_what_grows(leak, tmp_path):
    data = tmp_path / "data"
    synthetic.write(data, train=300, test=50, seed=0)
    if leak:
        # Every model that is made leaves something behind.
        (tmp_path / "sitecustomize.py").write_text(
            "import os, threading\n"
            "from tinycnn.gradient_check import cases\n"
            "kept, whole = [], cases.reference_network\n"
            "def leaking(seed):\n"
            f"    {LEAKS[leak]}\n"
            "    return whole(seed)\n"
            "cases.reference_network = leaking\n"
        )
    process = subprocess.run(
        [
            *(sys.executable, "-W", "ignore", ROOT / "benchmarks" / "soak.py"),
            *("--data-dir", data, "--epochs", "1", "--runs", "3"),
        ],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    growth = re.search(r"run: \+?(-?[\d.]+) MB, (-?\d+) threads, (-?\d+) files", process.stdout)
    assert growth, process.stderr
    memory, threads, files = (float(number) for number in growth.groups())
    assert (memory >= 5, threads > 0, files > 0) == tuple(leak == kind for kind in LEAKS)
    assert process.returncode == (1 if leak else 0), process.stderr
