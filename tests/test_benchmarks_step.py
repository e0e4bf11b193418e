"""benchmarks/step.py: a step's launches are found and named, and what is left is Python's."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from without_numba import jit, needs_numba, team

from tinycnn import kernels

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
sys.path.append(str(BENCHMARKS))

pytestmark = needs_numba


def test_every_launch_is_named_and_the_rest_is_pythons(monkeypatch):
    if jit.JIT_OFF:
        pytest.skip("there are no launches with the JIT off")
    import step

    monkeypatch.setattr(step, "STEPS", 3)
    monkeypatch.setattr(step, "TURNS", 2)
    pause = 0.02
    with kernels.use("numba"):
        seconds = step.trainer(8)

        def slower():  # Python that takes longer than all kernels of a batch of 8
            time.sleep(3 * pause)
            return seconds() + pause

        slower()
        launch = team.team().launch
        outside, parts = step.taken_apart(slower)
        assert team.team().launch is launch
    named = " ".join(words for words, _ in parts)
    for kernel in ("_winograd", "_scatter", "_dkernel", "_log_softmax", "_adam"):
        assert kernel in named
    assert parts[-1][0].startswith("_adam")
    assert outside > pause > sum(time_ for _, time_ in parts) > 0


@pytest.mark.parametrize(
    "variables", [{"NUMBA_DISABLE_JIT": "1"}, {"TINYCNN_KERNELS": "numpy"}], ids=str
)
def test_without_compiled_kernels_it_says_so_before_it_draws_anything(variables):
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / "step.py")],
        env=os.environ | variables,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and not done.stdout
    assert "launches on the compiled kernels only" in done.stderr
