"""Before class: is everything here that the lessons need? Ends with OK, or says what to do.

    python examples/lessons/before_class.py              # each student, a few seconds
    python examples/lessons/before_class.py --rehearse   # the teacher: runs all eight lessons

It needs tinycnn and NumPy. What else is not there is told, and not missed.
"""

import argparse
import contextlib
import importlib.metadata
import importlib.util
import io
import platform
import subprocess
import sys
import time
from pathlib import Path

parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
parser.add_argument(
    "--rehearse", action="store_true", help="also run each lesson as it is handed out, and time it"
)
arguments = parser.parse_args()

try:
    import numpy as np

    import tinycnn
    from tinycnn.datasets.synthetic import draw_digits
    from tinycnn.grader import check
    from tinycnn.kernels import reference
    from tinycnn.plotting.arrays import text_map
except ImportError as error:
    sys.exit(f"error: {error}. In the folder of the repository, run: pip install -e .")


def version(package: str) -> str:
    """The version of an installed package, or "no"."""
    found = importlib.util.find_spec(package) is not None
    return importlib.metadata.version(package) if found else "no"


print(f"Python {platform.python_version()}, tinycnn {tinycnn.__version__}, NumPy {np.__version__}")
print(f"for faster training: numba {version('numba')};  for pictures: {version('matplotlib')}")
print(f"for notebooks: ipykernel {version('ipykernel')} (the lessons also run as scripts)\n")

digit = draw_digits([7], np.random.default_rng(2)) / 255.0
print(text_map({"a digit, drawn here": digit}))
means = reference.conv2d_forward(digit[..., np.newaxis], np.full((3, 3, 1, 1), 1 / 9), None)
if not np.isclose(means[0, 12, 12, 0], digit[0, 12:15, 12:15].mean()):
    sys.exit("error: a convolution gives a wrong number; please report it, with all of the above")


def relu_forward(x):
    """An answer that is right."""
    return np.maximum(x, 0)


with contextlib.redirect_stdout(io.StringIO()) as printed:
    graded = check(relu_forward)
if graded.status != "right":
    sys.exit(f"error: the grader calls a right answer {graded.status}: {printed.getvalue()}")

if arguments.rehearse:
    start = time.perf_counter()
    for lesson in sorted(Path(__file__).parent.glob("[0-9][0-9]_*.py")):
        before = time.perf_counter()
        process = subprocess.run([sys.executable, str(lesson)], capture_output=True, text=True)
        took = time.perf_counter() - before
        print(f"{lesson.name:<40} {took:5.1f} s", flush=True)
        if process.returncode:
            sys.exit(f"error: {lesson.name} ends with\n{process.stderr}")
    print(f"{'all lessons, of the 120 minutes':<40} {time.perf_counter() - start:5.1f} s")

print("OK")
