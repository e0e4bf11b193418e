"""`python -m tinycnn.gradient_check`: prints the table of all checks, on both rungs."""

import sys

from tinycnn.gradient_check import main

sys.exit(main())
