"""`python -m tinycnn.gradient_check`: the table of all that is checked, on both rungs."""

import sys

from tinycnn.gradient_check import main

sys.exit(main())
