"""From nested loops to all cores: one training step of the reference network, rung by rung.

    python benchmarks/ladder.py

A step is forward, loss, backward and Adam on a batch of 64 drawn digits. Every rung but the last
runs on one thread, BLAS included. Loss and all gradients of each rung are proved equal to those of
the rung before it, then the rungs take turns. Python's loops run on one image of the batch, and
their time is taken 64 times. Rounds that other programs disturbed are named. Writes the table to
ladder.json and the picture to ladder.png.
"""

import argparse
import json
import os
import statistics
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from loops import Loops, as_numba, as_python
from machine import Measurement, Watch, add_avx2_option, available_cores, disturbed_rounds
from workers import Calls, Worker, prove_equal, set_threads

from tinycnn.support.console import say
from tinycnn.support.progress import Progress
from tinycnn.support.scripts import end_errors_in_one_line, positive_integer
from tinycnn.utils import Array

BATCH = 64
WINDOW = ((2, 2), (2, 2))

# Float32 rounds each product and sum to 6e-8 of itself, which the layers amplify a little. Now and
# then a relu's input is within that of 0, or two of a pool's are within it of each other; then one
# of thousands of gradients is added elsewhere.
TOLERANCE = {"float64": 1e-9, "float32": 1e-3}


class Rung(NamedTuple):
    """One way to do the step.

    Args:
        title: as printed.
        kernels: "python loops", "numba loops", "numpy" or "compiled".
        dtype: of everything.
        first_dx: also the gradient with respect to the images, which nobody reads.
        fused: how much of convolution, relu and pool is one pass: "", "forward" or "both".
        threads: of Numba; 0 for all.
        images: how many; the time is scaled to BATCH.
    """

    title: str
    kernels: str
    dtype: str = "float32"
    first_dx: bool = False
    fused: str = ""
    threads: int = 1
    images: int = BATCH


# Each changes one thing. Compiled loops come before im2col, as BLAS is faster than they are.
RUNGS = [
    Rung("nested loops in Python", "python loops", "float64", True, images=1),
    Rung("the same loops in Numba", "numba loops", "float64", True),
    Rung("im2col and BLAS, float64", "numpy", "float64", True),
    Rung("float32", "numpy", first_dx=True),
    Rung("no gradient by the images", "numpy"),
    Rung("Numba, SIMD tile, no columns", "compiled"),
    Rung("conv + relu + pool in one pass", "compiled", fused="forward"),
    Rung("backward of the pools' winners only", "compiled", fused="both"),
    Rung("all threads", "compiled", fused="both", threads=0),
]

# --- the step -------------------------------------------------------------------------------------


def kernels_of(rung: Rung) -> Any:
    """The functions of a rung."""
    from tinycnn.kernels import compiled, reference

    return {
        "python loops": Loops(as_python, reference),
        "numba loops": Loops(as_numba, compiled),
        "numpy": reference,
        "compiled": compiled,
    }[rung.kernels]


def block_forward(
    kernels: Any, x: Array, kernel: Array, bias: Array, fused: str
) -> tuple[Array, Any]:
    """Convolution, relu and pool: the output, and what the backward needs."""
    if fused:
        y, winners = kernels.conv2d_relu_pool_forward(x, kernel, bias)
        return y, (x, None, y, winners)
    full = kernels.conv2d_forward(x, kernel, bias, relu=True)
    y, winners = kernels.max_pool_forward(full, *WINDOW)
    return y, (x, full, y, winners)


def block_backward(
    kernels: Any, dy: Array, kernel: Array, cache: Any, fused: str, needs_dx: bool
) -> tuple[Array | None, Array, Array]:
    """The gradients of `block_forward`."""
    x, full, y, winners = cache
    if fused == "both":
        return kernels.conv2d_relu_pool_backward(dy, x, kernel, winners, needs_dx=needs_dx)
    winners = winners.astype(np.int32)  # fused: 4, which is no place in a window, under a relu
    size = tuple(length - k + 1 for length, k in zip(x.shape[1:3], kernel.shape[:2], strict=True))
    dfull = kernels.max_pool_backward(dy, winners, (len(x), *size, kernel.shape[3]), *WINDOW)
    return kernels.conv2d_backward(dfull, x, kernel, y=full, needs_dx=needs_dx)


def loss_and_gradients(
    kernels: Any, weights: list[Array], x: Array, targets: Array, fused: str, first_dx: bool
) -> list[Array]:
    """The mean loss and the gradient of every weight, in the order of the weights."""
    k1, b1, k2, b2, k3, b3, k4, b4, k5, b5 = weights
    y1, cache1 = block_forward(kernels, x, k1, b1, fused)
    y2, cache2 = block_forward(kernels, y1, k2, b2, fused)
    y3 = kernels.conv2d_forward(y2, k3, b3, relu=True)
    flat = y3.reshape(len(x), -1)
    y4 = kernels.dense_forward(flat, k4, b4, relu=True)
    logits = kernels.dense_forward(y4, k5, b5)
    losses, probabilities = kernels.softmax_cross_entropy_forward(logits, targets)

    d = kernels.softmax_cross_entropy_backward(probabilities, targets) / x.dtype.type(len(x))
    d, dk5, db5 = kernels.dense_backward(d, y4, k5)
    d, dk4, db4 = kernels.dense_backward(d, flat, k4, y=y4)
    d, dk3, db3 = kernels.conv2d_backward(d.reshape(y3.shape), y2, k3, y=y3)
    d, dk2, db2 = block_backward(kernels, d, k2, cache2, fused, True)
    _, dk1, db1 = block_backward(kernels, d, k1, cache1, fused, first_dx)
    loss = np.array([losses.mean(dtype=np.float64)])
    return [loss, dk1, db1, dk2, db2, dk3, db3, dk4, db4, dk5, db5]


@cache
def digits() -> tuple[Array, Array]:
    """A batch of images and labels."""
    from tinycnn.datasets import synthetic

    return synthetic.load_data(train=BATCH, test=1)[0]


def contestant(rung: Rung) -> Calls:
    """The two parts of a step: "gradients" and "update"."""
    from tinycnn.gradient_check.cases import reference_network

    kernels = kernels_of(rung)
    images, labels = digits()
    x = images[: rung.images, :, :, None].astype(rung.dtype) / 255
    targets = np.eye(10, dtype=rung.dtype)[labels[: rung.images]]
    model = reference_network()
    model.build()
    weights = [w.astype(rung.dtype) for w in model.get_weights()]

    def gradients() -> tuple[Array, ...]:
        how = (rung.fused, rung.first_dx)
        return tuple(loss_and_gradients(kernels, weights, x, targets, *how))

    # Adam writes, so it has weights of its own: the others stay what they are.
    _, *some = gradients()
    state = [
        (w.copy(), g, np.zeros_like(w), np.zeros_like(w))
        for w, g in zip(weights, some, strict=True)
    ]

    def update() -> tuple[Array, ...]:
        for arrays in state:
            kernels.adam_update(*arrays, x.dtype.type(1e-3), 0.9, 0.999, 1e-7)
        return tuple(arrays[0] for arrays in state)

    return {"gradients": (gradients, ()), "update": (update, ())}


# --- measuring ------------------------------------------------------------------------------------


def prove_all_equal(rungs: list[Rung], worker: Worker, progress: Progress) -> None:
    """Loss and gradients of each rung against the rung before it.

    Raises:
        NumericalError: if they differ.
    """
    for done, (before, rung) in enumerate(pairwise(rungs), start=1):
        images = min(before.images, rung.images)
        tolerance = TOLERANCE["float32" if "float32" in (before.dtype, rung.dtype) else "float64"]
        expected, _ = worker.first(before._replace(images=images), "gradients")
        results, _ = worker.first(rung._replace(images=images), "gradients")
        prove_equal(rung.title, results, expected, tolerance)
        progress.update(done)


def milliseconds(rung: Rung, worker: Worker, at_least: float) -> float:
    """Of one step on BATCH images."""
    gradients = worker.seconds(rung, "gradients", at_least, rung.threads)
    update = worker.seconds(rung, "update", at_least / 10, rung.threads)
    return 1e3 * (gradients * BATCH / rung.images + update)


def picture(steps: list[dict[str, Any]], title: str) -> Any:
    """Horizontal bars on a logarithmic axis, from the slowest to the fastest.

    Returns:
        The figure, 10 x 5 inches.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 5), layout="constrained")
    axes = figure.subplots()
    times = [step["ms"] for step in steps]
    # Okabe and Ito's orange and blue: told apart by every kind of eye, and in grey.
    for numba, color, label in ((False, "#E69F00", "Python, NumPy"), (True, "#0072B2", "Numba")):
        places = [place for place, step in enumerate(steps) if step["numba"] == numba]
        axes.barh(places, [times[place] for place in places], color=color, label=label)
    axes.set_yticks(range(len(steps)), [step["title"] for step in steps])
    axes.legend(loc="lower right")
    for place, (time, before) in enumerate(zip(times, [None, *times[:-1]], strict=True)):
        factor = "" if before is None else f"  (x{before / time:.3g})"
        axes.text(time * 1.1, place, f"{written(time)} ms{factor}", va="center")
    axes.set(
        xscale="log",
        xlabel="milliseconds a step, logarithmic; in brackets the factor to the bar above",
        title=title,
    )
    axes.set_xlim(min(times) / 3, max(times) * 12)
    axes.invert_yaxis()
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def written(ms: float) -> str:
    """Three digits."""
    return f"{ms:,.0f}" if ms >= 100 else f"{ms:.3g}"


def main() -> None:
    """Measures, prints and draws; see the top of the file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=positive_integer, default=7, help="turns of each rung")
    parser.add_argument("--quick", action="store_true", help="one short turn of each rung")
    parser.add_argument("--threads", type=positive_integer, default=available_cores())
    parser.add_argument("--output", type=Path, default=Path(), help="folder for table and picture")
    add_avx2_option(parser)
    options = parser.parse_args()
    set_threads(options.threads)
    measurement = Measurement(avx2=options.avx2)
    say(f"{options.threads} threads")
    os.environ.update(OPENBLAS_NUM_THREADS="1", VECLIB_MAXIMUM_THREADS="1")
    rounds, at_least = (1, 0.01) if options.quick else (options.rounds, 0.3)

    times: dict[Rung, list[float]] = {rung: [] for rung in RUNGS}
    others: list[float | None] = []
    with Worker(contestant, keep=2 * len(RUNGS)) as worker:
        with Progress("proving the results equal", len(RUNGS) - 1, "rungs") as progress:
            prove_all_equal(RUNGS, worker, progress)
        with Progress("measuring", rounds, "rounds") as progress:
            for done in range(1, rounds + 1):
                watch = Watch(worker.process)
                for rung in RUNGS:
                    # Seconds in any case: once is enough for the first.
                    if rung.images == BATCH or done == 1:
                        times[rung].append(milliseconds(rung, worker, at_least))
                others.append(watch.share_of_others())
                progress.update(done)

    say(f"one training step of the reference network, {BATCH} images; one thread but for the last")
    say("loss and gradients of each rung are equal to those of the rung before it\n")
    say(f"{'':<36}{'ms a step':>10}{'factor':>9}{'in all':>10}")
    steps: list[dict[str, Any]] = []
    for rung in RUNGS:
        ms = statistics.median(times[rung])
        first, before = (steps[0]["ms"], steps[-1]["ms"]) if steps else (ms, ms)
        say(f"{rung.title:<36}{written(ms):>10}{before / ms:>8.1f}x{first / ms:>9,.0f}x")
        numba = rung.kernels in ("numba loops", "compiled")
        steps.append({**rung._asdict(), "ms": ms, "rounds": times[rung], "numba": numba})

    busy = disturbed_rounds(others)
    if busy:
        say(busy)
    busy = measurement.end() or busy
    found = measurement.record | {"threads": options.threads, "others_by_round": others}
    options.output.mkdir(parents=True, exist_ok=True)
    table = options.output / "ladder.json"
    table.write_text(json.dumps({"machine": found, "steps": steps}, indent=1))
    title = f"One training step, {BATCH} images: {found['cpu']}, {options.threads} threads"
    if busy:
        title += f" ({busy})"
    picture(steps, title).savefig(table.with_suffix(".png"), dpi=100)
    say(f"\nwrote {table} and {table.with_suffix('.png')}")


if __name__ == "__main__":
    end_errors_in_one_line()
    main()
