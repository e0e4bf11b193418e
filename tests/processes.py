"""Processes that tests start: a piece of code, or a part of the suite under other conditions."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def start(code, **environment):
    """Python with this code and checkout and these variables; every warning is an error."""
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def finish(process):
    """(stdout, stderr) of a process that must succeed."""
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return out, err


def start_tests(selection, file="tests/test_kernels.py", marks="not full", **environment):
    """A part of a test file in a process of its own."""
    arguments = ["-q", "-x", "-p", "no:cacheprovider", file, "-k", selection, "-m", marks]
    return start(f"import pytest, sys; sys.exit(pytest.main({arguments}))", **environment)


def finish_tests(process):
    """The tests of `start_tests` must have run, and passed."""
    out, _ = process.communicate(timeout=1500)
    assert process.returncode == 0, out[-3000:]
    assert " passed" in out
