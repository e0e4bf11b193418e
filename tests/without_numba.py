"""Where Numba is not installed, tests of the compiled rung are skipped by name: "needs numba".

pyproject.toml asks for Numba only where it has builds; elsewhere tinycnn runs on the reference
rung, and so does its suite. Tests import `numba` and the compiled rung from here. Without Numba
these are stand-ins, and the first use of one skips the test, or the whole file if it is at its top.
That Numba is installed and the compiled rung can't be set up remains a failure.
"""

import importlib.util

import pytest

NUMBA = importlib.util.find_spec("numba") is not None
REASON = "needs numba"
needs_numba = pytest.mark.skipif(not NUMBA, reason=REASON)


class Absent:
    """A module that is not there."""

    def __getattr__(self, name):
        if name.startswith("__"):  # pytest and Python look for these in everything
            raise AttributeError(name)
        pytest.skip(REASON, allow_module_level=True)


def need(rung):
    """Skips the test if it is about the compiled rung and there is none."""
    if rung == "numba" and not NUMBA:
        pytest.skip(REASON)


if NUMBA:
    import numba

    from tinycnn.kernels import compiled
    from tinycnn.kernels.compiled import (
        activations,
        convolution_columns,
        jit,
        launch,
        plans,
        simd,
        team,
        together,
        warming,
        winograd,
    )
else:
    numba = compiled = activations = jit = launch = simd = team = warming = winograd = Absent()
    convolution_columns = plans = together = Absent()

__all__ = [
    "NUMBA",
    "activations",
    "compiled",
    "convolution_columns",
    "jit",
    "launch",
    "need",
    "needs_numba",
    "numba",
    "plans",
    "simd",
    "team",
    "together",
    "warming",
    "winograd",
]
