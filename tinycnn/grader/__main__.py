"""The command `python -m tinycnn.grader`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tinycnn.support.console import say
from tinycnn.support.scripts import end, end_errors_in_one_line

SKELETON = Path(__file__).with_name("skeleton.py")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command."""
    end_errors_in_one_line()
    parser = argparse.ArgumentParser(prog="python -m tinycnn.grader", description=__doc__)
    parser.add_argument("--new", type=Path, metavar="FILE", help="write the empty functions")
    arguments = parser.parse_args(argv)
    if arguments.new is not None:
        if arguments.new.exists():
            end(f"{arguments.new} is there already: choose another name")
        arguments.new.write_text(SKELETON.read_text("utf-8"), "utf-8")
        say(f"{arguments.new} is written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
