"""benchmarks/kernels.py and ladder.py: what they count and compare; no time for unequal results."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import other_sums
import pytest
from without_numba import compiled, needs_numba

from tinycnn.errors import NumericalError
from tinycnn.gradient_check.cases import reference_network
from tinycnn.kernels import reference
from tinycnn.kernels import use as kernels_on
from tinycnn.support.progress import Progress

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
sys.path.append(str(BENCHMARKS))

import kernels  # noqa: E402
import ladder  # noqa: E402
import machine  # noqa: E402
import workers  # noqa: E402


def run(script, *arguments):
    return subprocess.run(
        [sys.executable, "-W", "error", BENCHMARKS / script, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(BENCHMARKS.parent)},
        capture_output=True,
        text=True,
        timeout=300,
    )


# --- what is counted ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("job", "label", "flops"),
    [
        # 2 images, 3x3 outputs, 3*3*3 inputs of each, 4 filters.
        (kernels.Conv(2, 5, 3, 4, 3, padding="valid"), "forward", 2 * 2 * 9 * 27 * 4),
        (kernels.Conv(2, 5, 3, 4, 3, padding="valid"), "dx", 2 * 2 * 9 * 27 * 4),
        # 5x5 outputs with zeros around, and every other one of them.
        (kernels.Conv(1, 5, 2, 3, 3), "dkernel", 2 * 25 * 18 * 3),
        (kernels.Conv(1, 5, 2, 3, 3, 2), "forward", 2 * 9 * 18 * 3),
        (kernels.Dense(2, 3, 4), "forward", 2 * 24),
        (kernels.Dense(2, 3, 4), "backward", 2 * 2 * 24),
        (kernels.Sgemm(7), "product", 2 * 343),
        (kernels.Pool(1, 4, 1), "forward", 0),
    ],
)
def test_flops_by_hand(job, label, flops):
    assert job.flops(label) == flops


@pytest.mark.parametrize(
    ("job", "label", "numbers"),
    [
        # x 2*5*5*3, kernel 3*3*3*4, bias 4, y 2*3*3*4, all of float32.
        (kernels.Conv(2, 5, 3, 4, 3, padding="valid"), "forward", 150 + 108 + 4 + 72),
        (kernels.Conv(2, 5, 3, 4, 3, padding="valid"), "dkernel", 150 + 72 + 108 + 4),
        (kernels.Conv(2, 5, 3, 4, 3, padding="valid"), "dx", 72 + 108 + 150),
        # x 2*3, kernel 3*4, bias 4, y 2*4; backward: dy, x, kernel, y and dx, dkernel, dbias.
        (kernels.Dense(2, 3, 4), "forward", 6 + 12 + 4 + 8),
        (kernels.Dense(2, 3, 4), "backward", 8 + 6 + 12 + 8 + 6 + 12 + 4),
        # Value, m and v are read and written, the gradient read.
        (kernels.Update(10), "update", 7 * 10),
        # logits, targets, losses and probabilities.
        (kernels.Loss(2, 5), "forward", 10 + 10 + 2 + 10),
    ],
)
def test_bytes_by_hand(job, label, numbers):
    _, moved = workers._first(*job.calls(reference)[label])
    assert moved == 4 * numbers


def test_the_selection_is_what_was_promised():
    assert len({*kernels.SHAPES}) == len(kernels.SHAPES) >= 24
    promised = {
        "H": {7, 14, 28, 56, 112, 224},
        "C": {1, 3, 16, 32, 64, 128, 256},
        "F": {6, 10, 16, 32, 64, 128, 256},
        "K": {1, 3, 5, 7},
        "S": {1, 2},
    }
    for field, values in promised.items():
        assert {getattr(shape, field) for shape in kernels.SHAPES} == values


# --- what is compared -----------------------------------------------------------------------------

SMALL = [
    kernels.Conv(2, 7, 3, 5, 3, padding="valid"),
    kernels.Conv(2, 8, 3, 5, 5, 2),  # the zeros of the two sides differ
    kernels.Pool(2, 7, 3),
    kernels.Block(kernels.Conv(2, 7, 3, 5, 3)),
    kernels.Block(kernels.Conv(2, 7, 3, 5, 3), needs_dx=False, fused=False),
    kernels.Dense(5, 7, 3),
    kernels.Loss(5, 7),
    kernels.Update(50),
]


@pytest.mark.parametrize("job", SMALL, ids=str)
def test_a_job_is_the_same_on_both_rungs(job):
    expected, results = job.calls(reference), job.calls(compiled)
    assert [*expected] == [*results] == kernels.labels_of(job)
    for label in expected:
        # The results are 0 to 20 in size, and sums of at most 75 products: a few of the last bits.
        workers.prove_equal(label, results[label][0](), expected[label][0](), 1e-5)


@pytest.mark.parametrize("fused", [True, False])
def test_a_job_is_the_same_on_another_processor(fused):
    # 400,000 sums: with these seeds one comes so close to a branch that it falls to the other side,
    # and gradients would differ by 3%.
    job = kernels.Block(kernels.Conv(8, 28, 64, 64, 3), fused=fused)
    expected = job.calls(reference)
    wanted = {label: call() for label, (call, _) in expected.items()}
    for seed in range(4):
        results = job.calls(other_sums.kernels(reference, seed))
        for label in wanted:
            workers.prove_equal(label, results[label][0](), wanted[label], kernels.TOLERANCE)


@pytest.mark.parametrize(
    "job",
    [
        kernels.Block(kernels.Conv(2, 9, 8, 5, 3)),
        kernels.Block(kernels.Conv(2, 9, 8, 5, 3), fused=False),
        kernels.Dense(9, 70, 33),
        kernels.Pool(2, 9, 8),
    ],
    ids=str,
)
def test_where_a_gradient_goes_is_decided_before_the_kernels_are_chosen(job):
    inputs = [
        job.calls(rung)["backward"][1] for rung in (reference, other_sums.kernels(reference, 1))
    ]
    for one, other in zip(*inputs, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.reference
@pytest.mark.parametrize(
    "job",
    [
        *SMALL[:2],
        kernels.Conv(2, 7, 3, 4, 3),
        kernels.Conv(2, 8, 1, 4, 1, 2),
        kernels.Conv(1, 9, 4, 1, 7, 2),
    ],
    ids=str,
)
def test_pytorch_is_given_the_same_job(job):
    pytest.importorskip("torch")
    expected, results = job.calls(reference), kernels.with_torch(job)
    for label in expected:
        # As above.
        workers.prove_equal(label, results[label][0](), expected[label][0](), 1e-5)


def test_unequal_results_are_told_from_rounding():
    one = np.ones((2, 3))
    assert workers.largest_difference((one, 2 * one), (one, 2 * one)) == 0
    assert workers.largest_difference((one * 1.01,), (one,)) == pytest.approx(0.01)
    # One number in an array, and an array in several, is enough.
    other = one.copy()
    other[1, 2] = 1.5
    assert workers.largest_difference((one, other), (one, 4 * one)) == 0.75
    assert workers.largest_difference((one * np.nan,), (one,)) == np.inf
    assert workers.largest_difference((one,), (one[:1],)) == np.inf
    assert workers.largest_difference((one,), (one, one)) == np.inf


def slightly_wrong(job):
    """A contestant whose results are 0.1% too large."""
    calls = job.calls(reference)
    return {
        label: (lambda call=call: tuple(a * 1.001 for a in call()), inputs)
        for label, (call, inputs) in calls.items()
    }


def failing(job):
    """A contestant that can't do the job."""
    raise ValueError(f"no {job} here")


def test_a_worker_s_wrong_result_or_error_ends_the_measurement():
    with (
        workers.Worker(kernels.with_numpy) as numpy,
        workers.Worker(slightly_wrong) as wrong,
        workers.Worker(failing) as fails,
    ):
        jobs, how = {"conv": SMALL[0]}, (kernels.Sgemm(8), 2, 1e-4)
        with pytest.raises(NumericalError, match=r"conv, forward, tinycnn: .* differ by 1\.0e-03"):
            kernels.measure(jobs, {"numpy": numpy, "tinycnn": wrong}, *how)
        with pytest.raises(ValueError, match="no 7x7x3"):
            kernels.measure(jobs, {"numpy": numpy, "tinycnn": fails}, *how)
        # And equal ones are timed: in each of the two rounds, each label.
        rows = kernels.measure(jobs, {"numpy": numpy, "tinycnn": numpy}, *how)
    assert [row["label"] for row in rows] == ["forward", "dkernel", "dx"]
    for row in rows:
        assert len(row["sgemm"]) == len(row["seconds"]["tinycnn"]) == 2
        assert min(*row["sgemm"], *row["seconds"]["tinycnn"]) > 0


def test_processor_time_leaves_out_what_others_took():
    calls = []

    def sleep_and_work():
        calls.append(1)
        time.sleep(0.05)
        end = time.process_time() + 0.005
        while time.process_time() < end:
            pass

    assert workers._seconds(sleep_and_work, 0.01, 0) > 0.05
    calls.clear()
    # Waking up costs something, but not another 40 ms of processor.
    assert 0.005 <= workers._seconds(sleep_and_work, 0.01, 0, processor=True) < 0.045
    assert len(calls) >= 2


def test_ratios_are_taken_round_by_round():
    # The machine is ten times slower in the second round, for everybody.
    row = {
        "flops": 6e9,
        "sgemm": [100e9, 10e9, 100e9],
        "seconds": {"tinycnn": [0.1, 1.0, 0.1], "torch": [0.2, 2.0, 0.2]},
    }
    assert kernels.share(row) == pytest.approx(0.6)
    assert kernels.ratio(row, "torch") == pytest.approx(2.0)


# --- the scripts ----------------------------------------------------------------------------------


@pytest.mark.full
@needs_numba
def test_kernels_runs(tmp_path):
    output = tmp_path / "kernels.json"
    process = run("kernels.py", "--quick", "--rounds", 1, "--no-torch", "--output", output)
    assert process.returncode == 0, process.stderr
    assert "conv2's dkernel: " in process.stdout
    record = json.loads(output.read_text())
    assert record["machine"]["threads"] == machine.available_cores()
    names = {title: {row["name"] for row in rows} for title, rows in record["rows"].items()}
    assert names == {
        "this network": {*kernels.NETWORK},
        "fused": {*kernels.BLOCKS},
        "shapes": {str(shape) for shape in kernels.QUICK_SHAPES},
    }
    assert all(row["seconds"]["unfused"][0] > 0 for row in record["rows"]["fused"])


# --- the ladder -----------------------------------------------------------------------------------


@needs_numba
def test_the_rungs_of_the_ladder_are_equal_on_a_tiny_batch():
    rungs = [rung._replace(images=1) for rung in ladder.RUNGS]
    results = [ladder.contestant(rung)["gradients"][0]() for rung in rungs]
    with kernels_on("numpy"):
        model = reference_network(dtype="float64")
        model.set_weights(reference_network().get_weights())
        model.compile("adam", "sparse_categorical_crossentropy")
        images, labels = ladder.digits()
        loss, gradients = model.loss_and_gradients(images[:1, :, :, None] / 255, labels[:1])
    # The model itself, which knows nothing of the benchmark's step, is the first to compare with.
    before = (np.array([loss]), *gradients)
    for rung, result in zip(rungs, results, strict=True):
        workers.prove_equal(rung.title, result, before, ladder.TOLERANCE[rung.dtype])
        before = result


def test_the_ladder_refuses_a_rung_that_differs():
    class Answers:
        """Instead of a worker: the second rung's gradients are 1% too large."""

        def first(self, rung, label):
            return (np.full(3, 1.01 if rung.title == "second" else 1.0),), 0

    rungs = [ladder.RUNGS[4]._replace(title=title) for title in ("first", "second")]
    with Progress("", 1) as progress:
        ladder.prove_all_equal(rungs[:1] * 2, Answers(), progress)
        with pytest.raises(NumericalError, match="second"):
            ladder.prove_all_equal(rungs, Answers(), progress)


def test_a_step_is_scaled_to_the_batch():
    class Answers:
        """Instead of a worker: fixed seconds."""

        def seconds(self, rung, label, at_least, threads):
            return {"gradients": 0.5, "update": 0.25}[label]

    one_image = ladder.RUNGS[0]
    assert one_image.images == 1
    assert ladder.milliseconds(one_image, Answers(), 0.1) == 1e3 * (0.5 * 64 + 0.25)
    assert ladder.milliseconds(ladder.RUNGS[1], Answers(), 0.1) == 1e3 * (0.5 + 0.25)


@pytest.mark.full
@needs_numba
def test_ladder_runs(tmp_path):
    process = run("ladder.py", "--quick", "--output", tmp_path)
    assert process.returncode == 0, process.stderr
    steps = json.loads((tmp_path / "ladder.json").read_text())["steps"]
    assert [step["title"] for step in steps] == [rung.title for rung in ladder.RUNGS]
    # The first two are a hundredfold apart, whatever else the machine does.
    assert steps[0]["ms"] > 20 * steps[1]["ms"] > 0
    assert (tmp_path / "ladder.png").read_bytes().startswith(b"\x89PNG")
