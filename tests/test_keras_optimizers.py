"""The optimizers and schedules make the steps that Keras has recorded; Keras is not needed.

    python tests/test_keras_optimizers.py        # a table of the differences

`make_keras_optimizers.py` has written the file, `keras_optimizers.py` names its cases.
"""

import functools
import sys
from collections.abc import Iterator
from typing import NamedTuple

import keras_optimizers as cases
import numpy as np
import pytest
from keras_trace import UPDATE_SHAPES, update_digest, update_gradients

from tinycnn import kernels, optimizers
from tinycnn.optimizers import schedules
from tinycnn.parameter import Parameter

RUNGS = ("numpy", "numba")


class Row(NamedTuple):
    """The largest difference of a tensor after one of the recorded steps."""

    difference: float
    tolerance: float
    where: str


@functools.cache
def load():
    with np.load(cases.FILE, allow_pickle=False) as file:
        return dict(file)


#: Absolute, of weights of order 1 after 50 steps. Where the arithmetic is Keras's, operation for
#: operation, it is equal to the bit in either dtype. A norm is a sum, whose order is each library's
#: own: measured 3e-8 and 6e-17. A schedule's rate is float32 in Keras, float64 here, so that the
#: rates differ by 6e-8 of themselves: measured 3e-8 and 5e-9.
EXACT = dict.fromkeys(cases.DTYPES, 0.0)
WITH_NORM = {"float32": 3e-7, "float64": 1e-12}
WITH_SCHEDULE = {"float32": 3e-7, "float64": 3e-8}
#: Of the largest rate. Keras's power in float32 loses with the exponent: 2^18 to 5e-7.
RATES = 2e-6


def tolerance(name):
    if "schedule" in name:
        return WITH_SCHEDULE
    return WITH_NORM if "norm" in name else EXACT


def compare_updates(dtype, name) -> Iterator[Row]:
    recorded = load()
    parameters = [
        Parameter(f"w{index}", recorded[f"initial.{index}"].astype(dtype))
        for index in range(len(UPDATE_SHAPES))
    ]
    optimizer = cases.make(cases.OPTIMIZERS[name], optimizers, schedules)
    for step in range(1, cases.STEPS + 1):
        for parameter, gradient in zip(parameters, update_gradients(step, dtype), strict=True):
            parameter.grad = gradient
        optimizer.update(parameters)
        if step in cases.CHECKPOINTS:
            for index, parameter in enumerate(parameters):
                expected = recorded[f"{dtype}.{name}.{step}.{index}"]
                assert parameter.value.dtype == expected.dtype == dtype
                difference = float(np.max(np.abs(parameter.value - expected)))
                yield Row(difference, tolerance(name)[dtype], f"step {step}, tensor {index}")


def compare_schedule(name):
    class_name, arguments, steps = cases.SCHEDULES[name]
    schedule = getattr(schedules, class_name)(**arguments)
    expected = load()[f"schedule.{name}"].astype(np.float64)
    return np.array([schedule(step) for step in steps]), expected


COMPARISONS = {name: functools.partial(compare_updates, name=name) for name in cases.OPTIMIZERS}


@pytest.mark.parametrize("dtype", cases.DTYPES)
@pytest.mark.parametrize("name", COMPARISONS)
def test_replay(name, dtype, rung):
    rows = list(COMPARISONS[name](dtype))
    assert len(rows) == len(cases.CHECKPOINTS) * len(UPDATE_SHAPES)
    wrong = [row for row in rows if not row.difference <= row.tolerance]
    assert not wrong, "\n".join(map(str, wrong))


@pytest.mark.parametrize("name", cases.SCHEDULES)
def test_rates(name):
    rates, expected = compare_schedule(name)
    np.testing.assert_allclose(rates, expected, rtol=0, atol=RATES * expected.max())


def test_gradients_are_those_that_keras_was_given():
    assert update_digest() == load()["digest"].item()


@pytest.mark.parametrize("package", ["keras", "tensorflow", "numpy", "python"])
def test_the_file_says_what_wrote_it(package):
    assert load()[f"version.{package}"].item().count(".") >= 2


def table() -> str:
    """Return the largest difference of every case, on both rungs together, as text."""
    lines = ["| 50 steps | float32 | float64 |", "|---|---|---|"]
    for name, comparison in COMPARISONS.items():
        worst = {dtype: 0.0 for dtype in cases.DTYPES}
        for rung in RUNGS:
            with kernels.use(rung):
                for dtype in cases.DTYPES:
                    worst[dtype] = max(worst[dtype], *(row.difference for row in comparison(dtype)))
        lines.append(f"| {name} | {worst['float32']:.1e} | {worst['float64']:.1e} |")
    lines += ["", "| rates of | of the largest |", "|---|---|"]
    for name in cases.SCHEDULES:
        rates, expected = compare_schedule(name)
        lines.append(f"| {name} | {np.max(np.abs(rates - expected)) / expected.max():.1e} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(table() + "\n")
