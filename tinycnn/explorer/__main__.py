"""`python -m tinycnn.explorer model.npz -o page.html`: the command `tinycnn explore`."""

import sys

from tinycnn.__main__ import main

sys.exit(main(["explore", *sys.argv[1:]]))
