"""benchmarks/layers.py: both libraries take the same step, and unequal ones are not timed."""

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
sys.path.append(str(BENCHMARKS))

import layers  # noqa: E402
from workers import largest_difference  # noqa: E402

pytestmark = pytest.mark.reference


@pytest.mark.parametrize("variant", layers.VARIANTS)
def test_gradients_are_those_of_pytorch(variant, monkeypatch):
    pytest.importorskip("torch", reason="no PyTorch")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    results = [
        calls(variant)["gradients"][0]() for calls in (layers.tinycnn_calls, layers.torch_calls)
    ]
    assert largest_difference(*results) <= layers.TOLERANCE
    # The proof can fail: another activation, another gradient.
    other = "tanh for relu" if variant != "tanh for relu" else "elu for relu"
    different = layers.tinycnn_calls(other)["gradients"][0]()
    assert largest_difference(different, results[1]) > layers.TOLERANCE


def test_it_prints_a_line_for_a_variant():
    pytest.importorskip("torch", reason="no PyTorch")
    command = [sys.executable, str(BENCHMARKS / "layers.py"), "--quick", "--only"]
    done = subprocess.run(
        [*command, "AveragePooling2D"], capture_output=True, text=True, check=True
    )
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("| AveragePooling2D"))
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert len(cells) == 5 and all(float(cell) > 0 for cell in cells[1:])
