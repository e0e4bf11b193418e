"""Where Winograd's convolution is faster than the direct sums, and how exact both are.

    python benchmarks/winograd.py

Each shape is run both ways in turns; figures are medians of the rounds' ratios. The error is the
largest difference from the same convolution in float64, relative to its largest output.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest import mock

import numpy as np
from machine import Measurement, add_avx2_option

from tinycnn.kernels import compiled
from tinycnn.kernels.compiled import plans, winograd
from tinycnn.support.console import say
from tinycnn.support.scripts import end_errors_in_one_line, positive_integer

# N, H = W, C, F; with the 2x2 max-pool and without.
POOLED = ((64, 13, 32, 64), (16, 13, 32, 64), (64, 28, 64, 64), (8, 56, 64, 64), (64, 26, 16, 32))
UNPOOLED = (
    (64, 13, 32, 64),
    (64, 28, 64, 64),
    (8, 56, 64, 64),
    (4, 28, 128, 128),
    (32, 16, 32, 32),
    (8, 16, 16, 16),
    (64, 9, 64, 128),
    (64, 7, 64, 64),
    (64, 5, 64, 64),
)


@contextmanager
def way(name: str) -> Iterator[None]:
    """Inside, convolutions that can be done both ways are done this way."""

    def pays(shape: tuple[int, ...], *_: object) -> bool:
        return name == "winograd" and winograd.possible(shape)

    with mock.patch.object(winograd, "pays", pays):
        plans.forget()  # the plans that there are go by what pays
        yield
    plans.forget()


def seconds(run: Callable[[], object], at_least: float = 0.02) -> float:
    """Of one run, from as many as take `at_least`."""
    count, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < at_least:
        run()
        count += 1
    return elapsed / count


def compare(N: int, H: int, C: int, F: int, pooled: bool, rounds: int) -> None:
    """Prints the line of one shape."""
    rng = np.random.default_rng(0)
    x = np.maximum(rng.standard_normal((N, H, H, C)), 0)
    kernel = rng.standard_normal((3, 3, C, F)) / np.sqrt(9 * C)
    bias = rng.standard_normal(F) / 10

    def convolve(dtype: str) -> np.ndarray:
        arrays = (x.astype(dtype), kernel.astype(dtype), bias.astype(dtype))
        if pooled:
            return compiled.conv2d_relu_pool_forward(*arrays)[0]
        return compiled.conv2d_forward(*arrays, relu=True)

    with way("direct"):
        exact = convolve("float64")
    arrays = [a.astype("float32") for a in (x, kernel, bias)]
    function = compiled.conv2d_relu_pool_forward if pooled else compiled.conv2d_forward
    times: dict[str, list[float]] = {"direct": [], "winograd": []}
    errors = {}
    for name in times:
        with way(name):
            errors[name] = abs(convolve("float32") - exact).max() / abs(exact).max()
    for _ in range(rounds):
        for name, found in times.items():
            with way(name):
                function(*arrays)  # makes its plan
                found.append(seconds(lambda: function(*arrays)))
    ratio = statistics.median(a / b for a, b in zip(*times.values(), strict=True))
    shape = f"{N}x{H}x{H}x{C} -> {F}{', pooled' if pooled else ''}"
    size = H - 2
    full = (N, H, H, C, 3, 3, 1, 1, size, size, F)
    chosen = "winograd" if winograd.pays(full, (0, 0, 0, 0), pooled) else "direct"
    ms = statistics.median(times["direct"]) * 1e3
    say(
        f"{shape:28}{ms:8.3f} ms direct, {ratio:4.2f} times as fast; "
        f"error {errors['direct']:.1e}, {errors['winograd']:.1e}; chosen: {chosen}"
    )


if __name__ == "__main__":
    end_errors_in_one_line()
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=positive_integer, default=15)
    add_avx2_option(parser)
    options = parser.parse_args()
    measurement = Measurement(avx2=options.avx2)
    for pooled, shapes in ((True, POOLED), (False, UNPOOLED)):
        for shape in shapes:
            compare(*shape, pooled, options.rounds)
    measurement.end()
