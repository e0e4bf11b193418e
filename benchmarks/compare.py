"""tinycnn beside Keras on TensorFlow and PyTorch: the same training, timed in turns.

    python benchmarks/compare.py --data-dir FOLDER            # about 6 minutes
    python benchmarks/compare.py --data-dir FOLDER --quick    # 2 minutes, an eighth of the data

Every competitor trains the reference network from the same initial weights, on the same batches in
the same order, with Adam, on as many threads, in a process of its own (see `competitors.py`). The
losses of the first steps are proved equal before anything is timed. Then, after a warm-up, each in
its turn trains one epoch, validation included; a round is one turn of each, and the next round is
the next epoch of the same training. The slow NumPy rung takes part in the first round only. Rounds
that other programs disturbed are named.

With `--busy` it times training steps beside 0, 1 and 2 busy programs instead, and prints how many
times as long they take as alone: a fair share of two cores would be 1.5 and 2 times.

It prints a table and leaves `compare.json` and `compare.png`. Without a peer installed it compares
the two rungs of tinycnn.
"""

import argparse
import importlib.util
import json
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
from compare_report import (
    NAMES,
    against_the_faster,
    dense_flops,
    picture,
    shares_of_others,
    summarize,
    table,
)
from machine import Measurement, add_avx2_option, available_cores, disturbed_rounds, in_words
from workers import set_threads

from tinycnn.datasets import mnist, synthetic
from tinycnn.errors import DownloadError, NumericalError, TinyCNNError
from tinycnn.gradient_check.cases import reference_network
from tinycnn.support.console import notice, say
from tinycnn.support.progress import Progress
from tinycnn.support.scripts import end_errors_in_one_line, positive_integer

DEFAULT = ("numba", "numpy", "keras", "pytorch")
SLOW = "numpy"
INSTALL = "pip install -e '.[reference]'"

BUSY_STEPS = 60  # of a turn beside busy programs
OTHER_PROGRAMS = (0, 1, 2)

STEPS = 5
# Sums in another order differ by 1e-7 in float32, and Adam amplifies that: after 5 steps by up to
# 3e-6. The smallest difference of meaning met, the place of Adam's epsilon, makes 4e-4.
TOLERANCE = 1e-4


# --- the competitors' processes -------------------------------------------------------------------


class WorkerError(TinyCNNError):
    """A competitor's process ended too early."""


class Worker:
    """A competitor in a process of its own; `ask` calls one of its methods. Use it in a `with`.

    Args:
        name: of the competitor.
        settings: the arguments of `competitors.Competitor`.
    """

    def __init__(self, name, settings):
        self.name = name
        self._errors = tempfile.TemporaryFile("w+")
        script = Path(__file__).with_name("competitors.py")
        self._process = subprocess.Popen(
            [sys.executable, script, name, json.dumps(settings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )

    def ask(self, method, *arguments):
        """What the competitor's method returned.

        Raises:
            WorkerError: if the process ended instead, with the last it said.
        """
        try:
            self._process.stdin.write(json.dumps([method, arguments]) + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            self._process.wait()
            self._errors.seek(0)
            raise WorkerError(f"{self.name} failed:\n{self._errors.read()[-3000:]}")
        return json.loads(answer)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        """The end of its stdin ends the process."""
        if exception[0]:
            self._process.kill()
        self._process.communicate()
        self._errors.close()


def load(data_dir, images):
    """MNIST, or drawn digits where it can't be had: its name and at most `images` of training."""
    try:
        data = mnist.load_data(data_dir)
        name = mnist.name_of(data)
    except DownloadError as error:
        notice(f"{error}\n\n*** NO MNIST: comparing on digits drawn by tinycnn instead ***\n")
        data = synthetic.load_data(images, -(-images // 6))
        name = "drawn digits (not MNIST)"
    (x, y), (x_test, y_test) = data
    at, test_at = min(images, len(x)), min(-(-images // 6), len(x_test))
    return name, (x[:at], y[:at]), (x_test[:test_at], y_test[:test_at])


def write(folder, training, test, seed):
    """Leaves the data and the initial weights for the workers."""
    for name, (x, y) in (("train", training), ("test", test)):
        np.save(folder / f"x_{name}.npy", x)
        np.save(folder / f"y_{name}.npy", y)
    np.savez(folder / "weights.npz", *reference_network(seed).get_weights())


# --- measuring ------------------------------------------------------------------------------------


def compare(names, settings, rounds, exit_epochs):
    """Everything measured of every competitor, and sgemm's peak in every round."""
    results = {name: {"rounds": []} for name in names}
    peaks = []
    with ExitStack() as stack:
        workers = {}
        with Progress("starting, first losses", len(names), "competitors") as progress:
            for name in names:
                start = time.perf_counter()
                worker = workers[name] = stack.enter_context(Worker(name, settings))
                results[name]["first_losses"] = worker.ask("first_losses", STEPS)
                results[name]["first_losses_after"] = time.perf_counter() - start
                results[name]["versions"] = worker.ask("versions")
                worker.ask("fall_asleep")
                progress.update(len(workers))
        prove_equal({name: result["first_losses"] for name, result in results.items()})

        with Progress("warming up", len(names), "competitors") as progress:
            for done, (name, worker) in enumerate(workers.items(), start=1):
                results[name]["warm_up"] = worker.ask("warm_up")
                worker.ask("fall_asleep")
                progress.update(done)
        sgemm = stack.enter_context(Worker("sgemm", settings))
        peaks.append(sgemm.ask("peak"))
        for number in range(rounds):
            taking_part = [name for name in names if name != SLOW or number == 0]
            with Progress(f"round {number + 1} of {rounds}", len(taking_part), "turns") as progress:
                for done, name in enumerate(taking_part, start=1):
                    figures = workers[name].ask("timed_epoch", number)
                    figures["test_accuracy"] = workers[name].ask("test_accuracy")
                    workers[name].ask("fall_asleep")
                    results[name]["rounds"].append(figures)
                    progress.update(done)
            peaks.append(sgemm.ask("peak"))
        for name, worker in workers.items():
            results[name]["peak_memory"] = worker.ask("peak_memory")
    if exit_epochs:
        with Progress("start to exit", len(names), "competitors") as progress:
            for done, name in enumerate(names, start=1):
                results[name]["start_to_exit"] = start_to_exit(name, settings, exit_epochs)
                progress.update(done)
    return results, peaks


@contextmanager
def busy_programs(number):
    """Inside, so many other programs keep a core each as busy as they can."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(number)]
    try:
        time.sleep(0.2)  # until they have started
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def beside_busy_programs(names, settings, rounds):
    """Milliseconds of a training step beside 0, 1 and 2 busy programs, by rounds.

    Every competitor has its turn beside each number of them in each round, so that what changes on
    the machine meets all alike. Returns {name: {number: [milliseconds]}}.
    """
    samples = BUSY_STEPS * settings["batch_size"]
    found = {name: {number: [] for number in OTHER_PROGRAMS} for name in names}
    with ExitStack() as stack:
        workers, losses = {}, {}
        for name in names:
            worker = workers[name] = stack.enter_context(Worker(name, settings))
            losses[name] = worker.ask("first_losses", STEPS)
            worker.ask("fall_asleep")
        prove_equal(losses)
        for worker in workers.values():
            worker.ask("warm_up")
            worker.ask("fall_asleep")
        with Progress("beside busy programs", rounds, "rounds") as progress:
            for done in range(1, rounds + 1):
                for number in OTHER_PROGRAMS:
                    for name, worker in workers.items():
                        with busy_programs(number):
                            ms = worker.ask("milliseconds_a_step", samples)
                        worker.ask("fall_asleep")
                        found[name][number].append(ms)
                progress.update(done)
    return found


def say_beside_busy_programs(found):
    """The table: a step alone, and how many times as long beside others; medians."""
    say(f"{'a training step':<20}{'alone':>10}{'beside 1':>14}{'beside 2':>14}")
    for name, by_number in found.items():
        ms = {number: statistics.median(values) for number, values in by_number.items()}
        cells = [f"{ms[n]:.1f} ms, {ms[n] / ms[0]:.2f}x" for n in OTHER_PROGRAMS[1:]]
        say(f"{NAMES[name][0]:<20}{ms[0]:>7.1f} ms{''.join(f'{cell:>16}' for cell in cells)}")


def start_to_exit(name, settings, epochs):
    """Seconds of a whole process: imports, loads the data, compiles, trains, ends."""
    start = time.perf_counter()
    with Worker(name, settings) as worker:
        for epoch in range(epochs):
            worker.ask("timed_epoch", epoch)
    return time.perf_counter() - start


def prove_equal(losses):
    """All competitors do the same: nothing is timed before that is proved.

    Args:
        losses: {name: the losses of the first steps}.

    Raises:
        NumericalError: if a loss is further from the first competitor's than TOLERANCE.
    """
    first, *others = losses
    for name in others:
        difference = float(np.max(np.abs(np.subtract(losses[name], losses[first]))))
        if not difference <= TOLERANCE:
            raise NumericalError(
                f"{NAMES[name][0]}: the first {len(losses[name])} losses differ by "
                f"{difference:.1e} from those of {NAMES[first][0]}, more than {TOLERANCE:.0e}; "
                "no time is reported of programs that do not do the same"
            )


# --- the command ----------------------------------------------------------------------------------


def installed(name):
    """Whether what a competitor needs can be imported."""
    return all(importlib.util.find_spec(module) for module in NAMES[name][1])


def parse(arguments=None):
    """The options; `names` holds who takes part."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data-dir", help="folder with the four MNIST files")
    parser.add_argument("--output", type=Path, default=Path(), help="folder; default: this one")
    parser.add_argument("--only", nargs="+", choices=NAMES, help=f"default: {' '.join(DEFAULT)}")
    parser.add_argument("--rounds", type=positive_integer, help="default 6; quick 3")
    parser.add_argument("--images", type=positive_integer, help="of training and validation")
    parser.add_argument("--start-to-exit", type=int, help="its epochs; default 1; 0: leave it out")
    parser.add_argument(
        "--busy", action="store_true", help="steps beside 0, 1 and 2 busy programs instead"
    )
    parser.add_argument("--quick", action="store_true", help="an eighth of the data, 2 minutes")
    parser.add_argument("--batch-size", type=positive_integer, default=64)
    parser.add_argument("--threads", type=positive_integer, default=available_cores())
    parser.add_argument("--seed", type=int, default=0)
    add_avx2_option(parser)
    options = parser.parse_args(arguments)
    usual = {"rounds": 3, "images": 7500, "start_to_exit": 0}
    if not options.quick:
        usual = {"rounds": 6, "images": 60000, "start_to_exit": 1}
    for name, value in usual.items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    if options.start_to_exit < 0:
        parser.error("--start-to-exit must be a number of epochs, or 0")
    if options.images * 4 // 5 < STEPS * options.batch_size:
        parser.error(f"--images: four fifths of them must be {STEPS} batches or more")
    options.names = [name for name in NAMES if name in (options.only or DEFAULT)]
    missing = [name for name in options.names if not installed(name)]
    if missing:
        titles = ", ".join(NAMES[name][0] for name in missing)
        say(f"not installed: {titles}. This installs what tinycnn is compared with:\n\n  {INSTALL}")
        say()
        options.names = [name for name in options.names if name not in missing]
        if not options.names:
            parser.error("nothing left to measure")
    return options


def say_compared(name, summary, faster, peaks, flops):
    """The table, the ratios to the faster peer, and how long the dense work would take."""
    say(f"\n{table(summary)}\n")
    if faster:
        listed = " ".join(f"{ratio:.2f}" for ratio in faster)
        say(f"the faster peer, round by round, takes {listed} times as long as {NAMES[name][0]}:")
        say(f"median {statistics.median(faster):.2f}")
    say(
        f"an epoch's dense work is {flops / 1e9:.0f} GFLOP, sgemm's peak {max(peaks):.0f} GFLOP/s "
        f"(in the worst round {min(peaks):.0f}): done densely, an epoch takes "
        f"{flops / (max(peaks) * 1e9):.2f} s or more"
    )


def main():
    """Measures, prints, writes."""
    options = parse()
    options.output.mkdir(parents=True, exist_ok=True)
    set_threads(options.threads)
    peers = {package for name in options.names for package in NAMES[name][1]}
    measurement = Measurement(*sorted(peers), avx2=options.avx2)
    machine = measurement.record
    dataset, training, test = load(options.data_dir, options.images)
    samples = len(training[0]) * 4 // 5
    validation = len(training[0]) - samples
    what = (
        f"{dataset}, {samples:,} training and {validation:,} validation images an epoch, "
        f"batches of {options.batch_size}, {options.threads} threads each"
    )
    if options.quick:
        what += "; QUICK: rough figures"
    say(f"{what}\n")
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), training, test, options.seed)
        settings = {
            "folder": folder,
            "batch_size": options.batch_size,
            "seed": options.seed,
            "threads": options.threads,
        }
        if options.busy:
            names = [name for name in options.names if name != SLOW]
            found = beside_busy_programs(names, settings, options.rounds)
        else:
            results, peaks = compare(options.names, settings, options.rounds, options.start_to_exit)
    if options.busy:
        say_beside_busy_programs(found)
    else:
        for result in results.values():
            machine["versions"] |= result.pop("versions")
        flops = dense_flops(reference_network(), samples, validation)
        floor = flops / (max(peaks) * 1e9)
        summary = summarize(results, samples, flops, peaks)
        faster = against_the_faster(results)
        say_compared(options.names[0], summary, faster, peaks, flops)
        disturbed = disturbed_rounds(shares_of_others(results, available_cores()))
        if disturbed:
            say(disturbed)
    busy = measurement.end()
    if options.busy:
        return
    if busy or disturbed.startswith("not"):
        what += f"; {(busy or 'not for publication').upper()}"
    record = {
        "schema": "tinycnn compare 1",
        "machine": machine,
        "dataset": dataset,
        "settings": {
            "quick": options.quick,
            "training": samples,
            "validation": validation,
            "test": len(test[0]),
            "batch_size": options.batch_size,
            "threads": options.threads,
            "seed": options.seed,
            "rounds": options.rounds,
            "start_to_exit_epochs": options.start_to_exit,
        },
        "competitors": results,
        "summary": summary,
        "ratio_to_the_faster_peer": faster,
        "sgemm_gflops": peaks,
        "dense_flops": flops,
    }
    paths = [options.output / "compare.json", options.output / "compare.png"]
    paths[0].write_text(json.dumps(record, indent=1) + "\n")
    picture(results, floor, what, in_words(machine)).savefig(paths[1], dpi=120)
    say("\n".join(f"wrote {path}" for path in paths))


if __name__ == "__main__":
    end_errors_in_one_line()
    main()
