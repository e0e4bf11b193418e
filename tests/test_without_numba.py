"""Without Numba tinycnn runs on the reference rung, with a notice, and all tests are collected."""

import os
import subprocess
import sys
from pathlib import Path

import without_numba

HERE = Path(__file__).parent
# As if it were not installed; `find_spec` finds nothing either.
BLOCK = "import sys\nsys.modules['numba'] = sys.modules['llvmlite'] = None\n"


def run(code):
    """(exit code, stdout, stderr) of Python without Numba, where nothing chooses the kernels."""
    environment = {k: v for k, v in os.environ.items() if k != "TINYCNN_KERNELS"}
    process = subprocess.run(
        [sys.executable, "-W", "error", "-c", BLOCK + code],
        env=environment,
        cwd=HERE.parent,
        capture_output=True,
        text=True,
    )
    return process.returncode, process.stdout, process.stderr


def test_it_trains_on_numpy_and_says_so_once():
    status, out, err = run(
        "import numpy as np\n"
        "from tinycnn import Dense, Sequential, kernels\n"
        "model = Sequential([Dense(2, input_shape=(3,))])\n"
        "model.compile('adam', 'mse')\n"
        "model.fit(np.ones((8, 3)), np.ones((8, 2)), batch_size=2, epochs=2, verbose=0)\n"
        "print(kernels.active(), kernels.warm_up())\n"
    )
    assert (status, out) == (0, "numpy 0.0\n")
    (line,) = err.splitlines()
    assert line.startswith("tinycnn: the compiled kernels can't be set up here (")
    assert line.endswith("running on NumPy, several times slower")


def test_every_file_is_collected_or_skipped_by_name():
    files = [path.name for path in HERE.glob("test_*.py") if "numba" in path.read_text("utf-8")]
    assert len(files) > 8
    arguments = ["--collect-only", "-q", "-rs", "-p", "no:cacheprovider", "-m", "", *files]
    status, out, _ = run(
        f"import os, pytest\nos.chdir({str(HERE)!r})\nsys.exit(pytest.main({arguments}))"
    )
    assert status == 0, out[-3000:]
    skipped = [line for line in out.splitlines() if line.startswith("SKIPPED")]
    assert skipped and all(line.endswith(without_numba.REASON) for line in skipped), skipped
