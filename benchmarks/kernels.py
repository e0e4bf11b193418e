"""Every kernel against the machine's peak, and the convolution beside PyTorch's.

    python benchmarks/kernels.py                   # this network's kernels, then 36 shapes
    python benchmarks/kernels.py --only-network
    python benchmarks/kernels.py --quick           # half a minute; the figures are rough
    python benchmarks/kernels.py --processor-time  # one thread, on a machine that others use, too

The peak is NumPy's sgemm, 2048x2048x2048 on all threads, measured again in every alternation, with
the kernels that OpenBLAS chooses for this processor, whatever OPENBLAS_CORETYPE says.
GFLOP/s counts all multiply-adds of a convolution, those with the zeros around an image too, as is
usual; kernels may leave some out. GB/s counts each array that is read or written once, so it is
what must be moved, not what is. "same" is TensorFlow's; where its zeros differ on the two sides,
PyTorch is given images with the zeros already around them.

Every first result is proved equal to that of the reference rung before anything is timed. A group
(the network, the fused pairs, each other shape) that fails is left out and named at the end, and
the exit code is 1. The
contestants take turns, each in a process of its own; figures are medians over the turns, and a
ratio is the median of the ratios of one turn. PyTorch's convolution runs channels_last, in float32,
on as many threads; it needs the `reference` extra.
"""

import argparse
import importlib.util
import inspect
import json
import statistics
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from machine import Measurement, add_avx2_option, available_cores
from workers import Calls, Worker, prove_equal, set_threads

from tinycnn.errors import NumericalError
from tinycnn.kernels import reference
from tinycnn.support.console import say
from tinycnn.support.geometry import output_length, window_padding
from tinycnn.support.progress import Progress
from tinycnn.support.scripts import end_errors_in_one_line, positive_integer
from tinycnn.utils import Array

# Sums of n products of random numbers in float32 differ by about 6e-8 * sqrt(n) of themselves when
# added in another order, and the largest n here, dkernel's N*OH*OW, is 600,000.
TOLERANCE = 1e-4

LEAST = 0.6  # times PyTorch's speed: shapes below are named


def random(seed: int, *shape: int) -> Array:
    """Standard normal numbers, float32."""
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


# --- the jobs -------------------------------------------------------------------------------------


class Conv(NamedTuple):
    """A convolution of N images of HxHxC with F kernels of KxK."""

    N: int
    H: int
    C: int
    F: int
    K: int
    S: int = 1
    padding: str = "same"

    def __str__(self) -> str:
        stride = f"/{self.S}" if self.S > 1 else ""
        padding = "" if self.padding == "same" else f" {self.padding}"
        return f"{self.H}x{self.H}x{self.C} {self.K}x{self.K}{stride} {self.F}{padding}, {self.N}"

    def flops(self, label: str) -> int:
        """Two for each multiply-add; the three directions have the same."""
        length = output_length(self.H, self.K, self.S, self.padding)
        return 2 * self.N * length**2 * self.K**2 * self.C * self.F

    def arrays(self) -> tuple[Array, Array, Array, Array]:
        """x, kernel, bias, dy."""
        length = output_length(self.H, self.K, self.S, self.padding)
        return (
            random(0, self.N, self.H, self.H, self.C),
            random(1, self.K, self.K, self.C, self.F),
            random(2, self.F),
            random(3, self.N, length, length, self.F),
        )

    def calls(self, kernels: ModuleType) -> Calls:
        """Forward, dkernel with dbias, and dx alone."""
        x, kernel, bias, dy = self.arrays()
        how = ((self.S, self.S), self.padding)
        (top, _), (left, _) = window_padding(self.H, self.H, (self.K, self.K), *how)

        def dx() -> tuple[Array]:
            # The public function computes dkernel in any case.
            alone = getattr(inspect.getmodule(kernels.conv2d_backward), "input_gradient", None)
            if alone:
                return (alone(dy, None, kernel, x.shape, how[0], (top, left)),)
            return (kernels.conv2d_backward(dy, x, kernel, *how)[0],)

        return {
            "forward": (
                lambda: (kernels.conv2d_forward(x, kernel, bias, *how),),
                (x, kernel, bias),
            ),
            "dkernel": (
                lambda: kernels.conv2d_backward(dy, x, kernel, *how, needs_dx=False)[1:],
                (x, dy),
            ),
            "dx": (dx, (dy, kernel)),
        }


class Block(NamedTuple):
    """A convolution with relu and a 2x2 max-pool behind it, as one step or as two."""

    conv: Conv
    needs_dx: bool = True
    fused: bool = True

    def __str__(self) -> str:
        return f"{self.conv}, pool"

    def flops(self, label: str) -> int:
        """Those of the unfused, dense convolution: the fused one does with fewer."""
        return self.conv.flops(label) * (2 if label == "backward" and self.needs_dx else 1)

    def calls(self, kernels: ModuleType) -> Calls:
        """Forward, and backward with or without dx."""
        x, kernel, bias, full = self.conv.arrays()
        padding, window = self.conv.padding, ((2, 2), (2, 2))

        def forward() -> tuple[Array, ...]:
            if self.fused:
                return kernels.conv2d_relu_pool_forward(x, kernel, bias, padding)
            y = kernels.conv2d_forward(x, kernel, bias, (1, 1), padding, relu=True)
            return kernels.max_pool_forward(y, *window)

        # A sum close to 0 or to its neighbour may fall on either side, as its rounding has it: what
        # the backward gets as the output of the forward is drawn instead, the same for all.
        mask = np.maximum(random(5, *full.shape), 0)
        y, winners = reference.max_pool_forward(mask, *window)
        if self.fused:
            winners = np.where(y > 0, winners, 4).astype(np.uint8)
        dy = random(4, *y.shape)

        def backward() -> tuple[Array, ...]:
            if self.fused:
                results = kernels.conv2d_relu_pool_backward(
                    dy, x, kernel, winners, padding, self.needs_dx
                )
            else:
                dfull = kernels.max_pool_backward(dy, winners, full.shape, *window)
                results = kernels.conv2d_backward(
                    dfull, x, kernel, (1, 1), padding, mask, self.needs_dx
                )
            return tuple(array for array in results if array is not None)

        return {
            "forward": (lambda: forward()[:1], (x, kernel, bias)),
            "backward": (backward, (dy, x, kernel, y, winners)),
        }


class Pool(NamedTuple):
    """Max-pooling of N images of HxHxC, 2x2 with stride 2."""

    N: int
    H: int
    C: int

    def __str__(self) -> str:
        return f"{self.H}x{self.H}x{self.C} max-pool, {self.N}"

    def flops(self, label: str) -> int:
        """Comparisons are not counted."""
        return 0

    def calls(self, kernels: ModuleType) -> Calls:
        """Forward and backward."""
        x, window = random(0, self.N, self.H, self.H, self.C), ((2, 2), (2, 2))
        y, winners = kernels.max_pool_forward(x, *window)
        dy = random(1, *y.shape)
        return {
            "forward": (lambda: kernels.max_pool_forward(x, *window), (x,)),
            "backward": (
                lambda: (kernels.max_pool_backward(dy, winners, x.shape, *window),),
                (dy, winners),
            ),
        }


class Dense(NamedTuple):
    """N rows of D numbers times a matrix of DxU."""

    N: int
    D: int
    U: int

    def __str__(self) -> str:
        return f"dense {self.D}x{self.U}, {self.N}"

    def flops(self, label: str) -> int:
        """Two for each multiply-add; the backward has two products."""
        return 2 * self.N * self.D * self.U * (2 if label == "backward" else 1)

    def calls(self, kernels: ModuleType) -> Calls:
        """Forward with relu, and the whole backward."""
        x, kernel, bias = random(0, self.N, self.D), random(1, self.D, self.U), random(2, self.U)
        # Drawn, as in a Block: where relu lets the gradient through is the same for all.
        y, dy = np.maximum(random(4, self.N, self.U), 0), random(3, self.N, self.U)
        return {
            "forward": (lambda: (kernels.dense_forward(x, kernel, bias, True),), (x, kernel, bias)),
            "backward": (lambda: kernels.dense_backward(dy, x, kernel, y), (dy, x, kernel, y)),
        }


class Loss(NamedTuple):
    """Softmax and cross-entropy of N rows of K logits."""

    N: int
    K: int

    def __str__(self) -> str:
        return f"softmax and loss of {self.K}, {self.N}"

    def flops(self, label: str) -> int:
        """Exponentials are not counted."""
        return 0

    def calls(self, kernels: ModuleType) -> Calls:
        """Forward and backward."""
        logits = random(0, self.N, self.K)
        targets = np.eye(self.K, dtype=np.float32)[np.arange(self.N) % self.K]
        p = kernels.softmax_cross_entropy_forward(logits, targets)[1]
        return {
            "forward": (
                lambda: kernels.softmax_cross_entropy_forward(logits, targets),
                (logits, targets),
            ),
            "backward": (
                lambda: (kernels.softmax_cross_entropy_backward(p, targets),),
                (p, targets),
            ),
        }


class Update(NamedTuple):
    """A step of Adam on `size` parameters."""

    size: int

    def __str__(self) -> str:
        return f"Adam, {self.size} parameters"

    def flops(self, label: str) -> int:
        """Nine or so for each parameter, of which none is a multiply-add of a product."""
        return 0

    def calls(self, kernels: ModuleType) -> Calls:
        """The step, in place on value, m and v."""
        value, gradient, m, v = (random(seed, self.size) for seed in range(4))
        v *= v

        def update() -> tuple[Array, ...]:
            kernels.adam_update(value, gradient, m, v, np.float32(1e-3), 0.9, 0.999, 1e-7)
            return value, m, v

        return {"update": (update, (value, gradient, m, v))}


class Sgemm(NamedTuple):
    """NumPy's product of two matrices of size x size, float32."""

    size: int

    def flops(self, label: str) -> int:
        """Two for each multiply-add."""
        return 2 * self.size**3

    def calls(self, kernels: ModuleType) -> Calls:
        """The product; the kernels have no part in it."""
        a, b = random(0, self.size, self.size), random(1, self.size, self.size)
        return {"product": (lambda: (a @ b,), (a, b))}


Job = Conv | Block | Pool | Dense | Loss | Update | Sgemm

# The reference network at its batch of 64.
NETWORK: dict[str, Job] = {
    "conv1": Conv(64, 28, 1, 32, 3, padding="valid"),
    "pool1": Pool(64, 26, 32),
    "conv2": Conv(64, 13, 32, 64, 3, padding="valid"),
    "pool2": Pool(64, 11, 64),
    "conv3": Conv(64, 5, 64, 64, 3, padding="valid"),
    "dense1": Dense(64, 576, 64),
    "dense2": Dense(64, 64, 10),
    "loss": Loss(64, 10),
    "adam": Update(93322),
}

# Pairs that can be fused: the network's two, and two more.
BLOCKS: dict[str, Job] = {
    "conv1": Block(Conv(64, 28, 1, 32, 3, padding="valid"), needs_dx=False),
    "conv2": Block(Conv(64, 13, 32, 64, 3, padding="valid")),
    "28x28x64 3x3 64, 16": Block(Conv(16, 28, 64, 64, 3)),
    "56x56x16 5x5 20, 16": Block(Conv(16, 56, 16, 20, 5)),
}

# Assorted networks' layers, the batch such that a call takes about 1 to 30 ms on two cores.
SHAPES = [
    Conv(16, 7, 256, 256, 3),
    Conv(256, 7, 256, 64, 1),
    Conv(64, 7, 128, 256, 3, 2),
    Conv(64, 7, 64, 128, 5),
    Conv(16, 14, 128, 128, 3),
    Conv(32, 14, 256, 256, 1),
    Conv(32, 14, 128, 256, 3, 2),
    Conv(128, 14, 16, 10, 5, padding="valid"),
    Conv(64, 14, 16, 32, 5),
    Conv(64, 14, 32, 6, 3),
    Conv(512, 28, 1, 6, 5),
    Conv(256, 28, 1, 32, 3),
    Conv(256, 28, 3, 10, 7, 2),
    Conv(16, 28, 64, 64, 3),
    Conv(8, 28, 128, 128, 3, padding="valid"),
    Conv(32, 28, 64, 128, 1),
    Conv(64, 28, 64, 128, 1, 2),
    Conv(16, 28, 64, 128, 3, 2),
    Conv(16, 28, 32, 64, 5),
    Conv(64, 28, 16, 10, 3),
    Conv(4, 56, 64, 64, 3),
    Conv(8, 56, 64, 256, 1),
    Conv(8, 56, 256, 64, 1),
    Conv(16, 56, 32, 32, 5, 2),
    Conv(16, 56, 16, 16, 3),
    Conv(16, 112, 3, 16, 3),
    Conv(2, 112, 32, 64, 3),
    Conv(2, 112, 64, 128, 3, 2),
    Conv(2, 112, 16, 32, 7),
    Conv(8, 112, 32, 64, 1),
    Conv(4, 224, 3, 64, 7, 2),
    Conv(8, 224, 3, 32, 3, 2),
    Conv(2, 224, 3, 64, 3),
    Conv(1, 224, 64, 64, 3),
    Conv(4, 224, 1, 16, 5),
    Conv(8, 224, 16, 6, 1),
]
QUICK_SHAPES = [Conv(16, 7, 32, 32, 3), Conv(8, 14, 16, 10, 5, 2, "valid")]

# --- the contestants ------------------------------------------------------------------------------


def with_numpy(job: Job) -> Calls:
    """The reference rung: what is right."""
    return job.calls(reference)


def with_tinycnn(job: Job) -> Calls:
    """The compiled rung."""
    from tinycnn.kernels import compiled

    return job.calls(compiled)


def with_torch(job: Conv) -> Calls:
    """PyTorch's convolution, channels_last; its results as views in our axes."""
    import torch

    x, kernel, bias, dy = job.arrays()
    size, strides = (job.K, job.K), (job.S, job.S)
    (top, bottom), (left, right) = window_padding(job.H, job.H, size, strides, job.padding)
    padding = (top, left)
    if (top, left) != (bottom, right):
        x = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)))
        padding = (0, 0)
    last = {"memory_format": torch.channels_last}
    x_, dy_ = (torch.from_numpy(a).permute(0, 3, 1, 2).contiguous(**last) for a in (x, dy))
    kernel_ = torch.from_numpy(kernel).permute(3, 2, 0, 1).contiguous(**last)
    bias_ = torch.from_numpy(bias)
    inside = (slice(None), *(slice(n, n + job.H) for n in (top - padding[0], left - padding[1])))

    def forward() -> tuple[Array]:
        with torch.no_grad():
            y = torch.nn.functional.conv2d(x_, kernel_, bias_, strides, padding)
        return (y.permute(0, 2, 3, 1).numpy(),)

    def backward(*wanted: bool) -> Any:
        how = ([job.F], strides, padding, [1, 1], False, [0, 0], 1, wanted)
        return torch.ops.aten.convolution_backward(dy_, x_, kernel_, *how)

    def dkernel() -> tuple[Array, Array]:
        _, dkernel, dbias = backward(False, True, True)
        return dkernel.permute(2, 3, 1, 0).numpy(), dbias.numpy()

    def dx() -> tuple[Array]:
        return (backward(True, False, False)[0].permute(0, 2, 3, 1).numpy()[inside],)

    return {"forward": (forward, ()), "dkernel": (dkernel, ()), "dx": (dx, ())}


# --- measuring ------------------------------------------------------------------------------------

Row = dict[str, Any]


def labels_of(job: Job) -> list[str]:
    """The calls of a job that are measured."""
    if isinstance(job, Conv):
        return ["forward", "dkernel", "dx"]
    return ["update"] if isinstance(job, Update) else ["forward", "backward"]


def measure(
    jobs: dict[str, Job],
    workers: dict[str, Worker],
    sgemm: Sgemm,
    rounds: int,
    at_least: float,
    processor: bool = False,
    one_thread: bool = False,
) -> list[Row]:
    """Proves the results of some jobs equal, then lets the workers take turns.

    Returns:
        For each job and label (forward, dkernel, ...) FLOPs and bytes, and of each round the
        seconds of each contestant and the FLOP/s of sgemm.
    """
    rows, runs = [], []
    for name, job in jobs.items():
        separate = job._replace(fused=False) if isinstance(job, Block) else job
        contestants = {"tinycnn": (workers["tinycnn"], job, 0)}
        if one_thread:
            contestants["one thread"] = (workers["tinycnn"], job, 1)
        if isinstance(job, Block):
            contestants["unfused"] = (workers["tinycnn"], separate, 0)
        if "torch" in workers and isinstance(job, Conv):
            contestants["torch"] = (workers["torch"], job, 0)
        for label in labels_of(job):
            expected, moved = workers["numpy"].first(separate, label)
            for contestant, (worker, its_job, _) in contestants.items():
                if contestant != "one thread":  # the same bits for any number of threads
                    results, _ = worker.first(its_job, label)
                    prove_equal(f"{name}, {label}, {contestant}", results, expected, TOLERANCE)
            row = {"name": name, "label": label, "flops": job.flops(label), "bytes": moved}
            rows.append(row | {"sgemm": [], "seconds": {name: [] for name in contestants}})
            runs.append(contestants)
    for _ in range(rounds):
        peak = sgemm.flops("") / workers["numpy"].seconds(sgemm, "product", 0, 0, processor)
        for row, contestants in zip(rows, runs, strict=True):
            row["sgemm"].append(peak)
            for contestant, (worker, job, threads) in contestants.items():
                seconds = worker.seconds(job, row["label"], at_least, threads, processor)
                row["seconds"][contestant].append(seconds)
    return rows


def share(row: Row) -> float:
    """FLOP/s as a share of sgemm's in the same round; the median of the rounds."""
    pairs = zip(row["seconds"]["tinycnn"], row["sgemm"], strict=True)
    return statistics.median(row["flops"] / (seconds * peak) for seconds, peak in pairs)


def ratio(row: Row, contestant: str) -> float:
    """How many times as long as tinycnn the contestant takes; the median of the rounds."""
    pairs = zip(row["seconds"][contestant], row["seconds"]["tinycnn"], strict=True)
    return statistics.median(theirs / ours for theirs, ours in pairs)


# What else may be in a row, and the heading of its ratio.
OTHERS = {"one thread": "threads", "unfused": "fusion", "torch": "PyTorch"}


def table(title: str, rows: list[Row]) -> None:
    """Prints some rows, a line each."""
    if not rows:
        return
    others = [name for name in OTHERS if any(name in row["seconds"] for row in rows)]
    columns = ("ms", "GFLOP/s", "GB/s", "of sgemm", *(OTHERS[name] for name in others))
    say(f"\n{title:<36}" + "".join(f"{column:>10}" for column in columns))
    for row in rows:
        seconds = statistics.median(row["seconds"]["tinycnn"])
        cells = [f"{seconds * 1e3:.3f}", "", f"{row['bytes'] / seconds / 1e9:.1f}", ""]
        if row["flops"]:
            cells[1], cells[3] = f"{row['flops'] / seconds / 1e9:.0f}", f"{share(row):.0%}"
        cells += [f"x{ratio(row, name):.2f}" if name in row["seconds"] else "" for name in others]
        say(f"{row['name']:<36}" + "".join(f"{cell:>10}" for cell in cells).rstrip())


def beside_torch(title: str, rows: list[Row], least: float) -> None:
    """Prints the smallest and the median ratio, and the shapes below `least`."""
    ratios = {row["name"]: ratio(row, "torch") for row in rows if "torch" in row["seconds"]}
    if not ratios:
        return
    values = ratios.values()
    say(f"{title:<16} min {min(values):.2f}, median {statistics.median(values):.2f}")
    below = [f"{name} ({value:.2f})" for name, value in ratios.items() if value < least]
    say(f"  below {least:.2f}: " + ("; ".join(below) or "none"))


def main() -> None:
    """Measures and prints; see the top of the file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only-network", action="store_true", help="leave out the other shapes")
    parser.add_argument("--quick", action="store_true", help="few shapes, short turns")
    parser.add_argument("--no-torch", action="store_true", help="leave PyTorch out")
    parser.add_argument("--rounds", type=positive_integer, default=5, help="turns of each")
    parser.add_argument("--threads", type=positive_integer, default=available_cores())
    parser.add_argument("--output", type=Path, default=Path("kernels.json"))
    parser.add_argument(
        "--processor-time",
        action="store_true",
        help="one thread each, and seconds that it had a core: where others use the machine, too",
    )
    add_avx2_option(parser)
    options = parser.parse_args()
    if options.processor_time:
        options.threads = 1
    set_threads(options.threads)
    measurement = Measurement("torch", avx2=options.avx2)
    found = measurement.record | {
        "threads": options.threads,
        "processor_time": options.processor_time,
    }
    say(f"{options.threads} threads" + (", processor time" if options.processor_time else ""))

    shapes = QUICK_SHAPES if options.quick else SHAPES
    groups: dict[str, list[dict[str, Job]]] = {
        "this network": [NETWORK],
        "fused": [BLOCKS],
        "shapes": [{str(shape): shape} for shape in shapes],  # one by one: they are large
    }
    if options.only_network:
        network = {name: block for name, block in BLOCKS.items() if name in NETWORK}
        groups |= {"fused": [network], "shapes": []}
    sgemm = Sgemm(1024 if options.quick else 2048)
    how = (sgemm, options.rounds, 0.002 if options.quick else 0.01, options.processor_time)
    contestants = {"numpy": with_numpy, "tinycnn": with_tinycnn}
    if importlib.util.find_spec("torch"):
        contestants |= {} if options.no_torch else {"torch": with_torch}
    else:
        say("PyTorch is not installed; to compare with it: pip install -e '.[reference]'")

    rows: dict[str, list[Row]] = {title: [] for title in groups}
    failures = []
    with ExitStack() as stack:
        workers = {
            name: stack.enter_context(Worker(contestant, keep=len(NETWORK) + 1))
            for name, contestant in contestants.items()
        }
        total = sum(map(len, groups.values()))
        progress = stack.enter_context(Progress("measuring", total, "groups"))
        for title, parts in groups.items():
            for part in parts:
                try:
                    rows[title] += measure(part, workers, *how, one_thread=title == "this network")
                except Exception as error:  # of any kind: what is measured shall not be lost
                    failures.append(f"{', '.join(part)}: {type(error).__name__}: {error}")
                progress.update(progress.done + 1)

    say("All results were proved equal before. Columns: GB/s of the arrays read and written once,")
    say("share of sgemm's FLOP/s, speed against one thread, unfused and PyTorch's; medians.")
    for title in ("this network", "fused"):
        named = [row | {"name": f"{row['name']} {row['label']}"} for row in rows[title]]
        table(title, named)
    for label in ("forward", "dkernel", "dx"):
        table(label, [row for row in rows["shapes"] if row["label"] == label])

    peaks = [row["sgemm"] for group in rows.values() for row in group]
    if peaks:
        say(f"\nsgemm {sgemm.size}: {statistics.median(peaks[0]) / 1e9:.0f} GFLOP/s")
    for row in rows["this network"]:
        if row["name"] == "conv2" and row["label"] != "dx":
            share_of_it = f"{share(row):.0%} of sgemm, median of {options.rounds} alternations"
            say(f"conv2's {row['label']}: {share_of_it}")
    strided = {str(shape) for shape in shapes if shape.S > 1}
    for label in ("forward", "dkernel"):
        beside_torch(label, [row for row in rows["shapes"] if row["label"] == label], LEAST)
    dx = [row for row in rows["shapes"] if row["label"] == "dx"]
    beside_torch("dx, stride 1", [row for row in dx if row["name"] not in strided], LEAST)
    beside_torch("dx, stride 2", [row for row in dx if row["name"] in strided], LEAST)

    measurement.end()
    record = {"machine": found | measurement.record, "rows": rows, "failures": failures}
    options.output.write_text(json.dumps(record, indent=1))
    say(f"wrote {options.output}")
    if failures:
        raise NumericalError("not measured: " + "; ".join(failures))


if __name__ == "__main__":
    end_errors_in_one_line()
    main()
