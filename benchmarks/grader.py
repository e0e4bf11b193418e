"""How good the grader is: its own figures, and the same mistakes before other courses' checks.

    python benchmarks/grader.py figures      # what tests/README.md says about it, in some minutes
    python benchmarks/grader.py scoreboard   # the same wrong solutions, checked as elsewhere

The wrong solutions are those of tests/grader: by hand, of the museum, by machine, and two mistakes
in one function. The other courses' checks are in course_checks.py.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np
from course_checks import COURSES, Check
from machine import Measurement, own_seconds

TESTS = Path(__file__).parents[1] / "tests"
sys.path[:0] = [str(TESTS), str(TESTS / "grader")]

from ast_mutants import all_mutants  # noqa: E402
from mutants import MUTANTS, module_of, mutated  # noqa: E402
from solving import (  # noqa: E402
    SOLUTIONS,
    as_submissions,
    functions_of,
    is_first_wrong,
    report_on,
)
from test_machine_mutants import EQUIVALENT, is_false  # noqa: E402
from test_wrong_solutions import CAUSES, MUSEUM, RIGHT_HERE, named, pairs  # noqa: E402

from tinycnn.grader.definitions import definition  # noqa: E402
from tinycnn.grader.mistakes import MISTAKES  # noqa: E402
from tinycnn.grader.mistakes.base import known_function  # noqa: E402
from tinycnn.grader.submissions import grade_file  # noqa: E402

SEED = 1  # of the questions, where not many are asked for
Facts = tuple[int | float, ...]  # of one solution: what is counted or compared


def load(mutant):
    """The wrong function."""
    return module_of(mutated(mutant))[mutant.function]


# --- the grader's own figures ---------------------------------------------------------------------
# Each function looks at one solution, in a process of its own, and gets that solution's place.


def by_hand(place: int) -> Facts:
    """(passed, place right, first guess right, one of three right, seconds of the processor)."""
    mutant = MUTANTS[place]
    function, start = load(mutant), time.process_time()
    report = report_on(function, SEED)
    seconds = time.process_time() - start
    guesses = (report.cause, *report.candidates[:3])
    place_right = is_first_wrong(report, function)
    first = report.cause == mutant.cause
    return report.status != "wrong", place_right, first, mutant.cause in guesses, seconds


def by_hand_with(place: int, seeds: range) -> Facts:
    """(with how many seeds it passes,)."""
    function = load(MUTANTS[place])
    return (sum(report_on(function, seed, "found").status != "wrong" for seed in seeds),)


@cache
def museum() -> list[Callable]:
    """Its bugs as functions to grade."""
    return [f for bug in MUSEUM if bug.name in CAUSES for f in as_submissions(bug)]


def in_museum(place: int) -> Facts:
    """(passed, place right)."""
    function = museum()[place]
    report = report_on(function, SEED)
    return report.status != "wrong", is_first_wrong(report, function)


def known(place: int) -> Facts:
    """(one of the mistakes that the grader knows passes,)."""
    return (report_on(known_function(MISTAKES[place]), SEED, "found").status != "wrong",)


machine_made = cache(all_mutants)


def by_machine(place: int) -> Facts:
    """(passed, passed and argued, wrong, place right, a false cause named, seconds)."""
    mutant = machine_made()[place]
    function, start = mutant.load(), time.process_time()
    report = report_on(function, SEED)
    seconds = time.process_time() - start
    if report.status == "right":
        return True, mutant.name in EQUIVALENT, False, False, False, seconds
    return False, False, True, is_first_wrong(report, function), is_false(mutant, SEED), seconds


all_pairs = cache(lambda: list(pairs()))


def two_at_once(place: int) -> Facts:
    """(a true cause is named, only false ones are)."""
    return named(*all_pairs()[place])


@cache
def right_ones() -> list[Callable]:
    """Every function of every right solution."""
    return [f for file in SOLUTIONS for f in functions_of(file.read_text("utf-8")).values()]


def right_one(place: int, seeds: range) -> Facts:
    """(with how many seeds it is rejected,)."""
    function = right_ones()[place]
    return (sum(report_on(function, seed, "found").status != "right" for seed in seeds),)


def figures(seeds: int, other_seeds: int, processes: int | None) -> None:
    """Prints the table."""
    with ProcessPoolExecutor(processes) as pool:

        def columns(function: Callable[..., Facts], count: int, *more: object) -> list[list]:
            arguments: Iterable = ([one] * count for one in more)
            facts = pool.map(function, range(count), *arguments, chunksize=4)
            return [list(column) for column in zip(*facts, strict=True)]

        n = len(MUTANTS)
        passed, place_right, first, three, took = columns(by_hand, n)
        line("mutants by hand: passed", sum(passed), n)
        line("  first wrong tensor and index right", sum(place_right), n)
        line("  cause right, first guess", sum(first), n)
        line("  cause right, first three", sum(three), n)
        (again,) = columns(by_hand_with, n, range(SEED + 1, SEED + 1 + other_seeds))
        line(f"  passed, with {other_seeds} other seeds", sum(again), n * other_seeds)
        passed, place_right = columns(in_museum, len(museum()))
        line("bugs of the museum: passed", sum(passed), len(passed))
        line("  (right by the exercise's own conventions)", len(RIGHT_HERE), len(MUSEUM))
        line("  first wrong tensor and index right", sum(place_right), len(passed))
        (passed,) = columns(known, len(MISTAKES))
        line("mistakes that the grader knows: passed", sum(passed), len(passed))
        passed, argued, wrong, place_right, false, longest = columns(
            by_machine, len(machine_made())
        )
        line("mutants by machine: passed", sum(passed) - sum(argued), len(passed))
        line("  (equivalent, each with its reason)", sum(argued), len(passed))
        line("  first wrong tensor and index right", sum(place_right), sum(wrong))
        line("  false cause named", sum(false), sum(wrong))
        true, false = columns(two_at_once, len(all_pairs()))
        line("pairs of mistakes: a true cause named", sum(true), len(true))
        line("  false ones only", sum(false), len(false))
        (rejected,) = columns(right_one, len(right_ones()), range(seeds))
        title = f"right solutions ({len(SOLUTIONS)} files, {seeds} seeds): rejected"
        line(title, sum(rejected), len(rejected) * seeds)
    start, before = time.perf_counter(), own_seconds()
    grade_file(TESTS / "grader" / "solutions" / "loops.py", SEED)
    clock, processor = time.perf_counter() - start, own_seconds() - before
    title = "a whole grading, right loops"
    print(f"{title:<52} {processor:.2f} s of the processor, {clock:.2f} s by the clock")
    slowest = max(*took, *longest)
    print(
        f"{'one function with its cause, the slowest of all':<52} {slowest:.2f} s of the processor"
    )


def line(what: str, count: int, of: int) -> None:
    """One row of the table."""
    print(f"{what:<52} {count:>5} of {of:<6} {100 * count / max(of, 1):5.1f}%", flush=True)


# --- other courses' checks ------------------------------------------------------------------------


def passes(check: Check, function: Callable) -> bool:
    """Whether a function passes a check; an error is a failure."""
    try:
        with np.errstate(all="ignore"):
            return check(function)
    except Exception:  # whatever a wrong solution raises
        return False


def scoreboard() -> None:
    """Prints how many wrong solutions pass, of those of functions that a course checks."""
    wrong = {m: load(m) for m in MUTANTS}
    for name, course in COURSES.items():
        checks = course()
        for function, check in checks.items():
            if not passes(check, definition(function)):
                raise ArithmeticError(f"{name}'s check of {function} fails the right answer")
        asked = {m: f for m, f in wrong.items() if m.function in checks}
        slipped = [m for m, f in asked.items() if passes(checks[m.function], f)]
        line(f"{name}: wrong solutions that pass", len(slipped), len(asked))
    graded = sum(report_on(function, 1, "found").status == "right" for function in wrong.values())
    line("tinycnn's grader: wrong solutions that pass", graded, len(wrong))


def main() -> None:
    """Prints one of the two tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("table", choices=["figures", "scoreboard"])
    parser.add_argument("--seeds", type=int, default=50, help="of each right solution")
    parser.add_argument("--other-seeds", type=int, default=12, help="of each mutant by hand")
    parser.add_argument("--processes", type=int, help="default: one for each core")
    arguments = parser.parse_args()
    measurement = Measurement()
    if arguments.table == "figures":
        figures(arguments.seeds, arguments.other_seeds, arguments.processes)
    else:
        scoreboard()
    measurement.end()


if __name__ == "__main__":
    main()
