"""`python -m tinycnn.gradient_check`: prints the table of all checks, on both rungs."""

import argparse
import sys

from tinycnn import gradient_check
from tinycnn.gradient_check.report import LEGEND

argparse.ArgumentParser(
    prog="python -m tinycnn.gradient_check",
    description="Checks every layer, every loss and the reference network, on both rungs. "
    "`tinycnn check` does the same, and lets you choose one.",
    epilog=LEGEND,
).parse_args()
sys.exit(gradient_check.main())
