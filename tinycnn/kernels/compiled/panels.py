"""A kernel in panels, as the tiles of `convolution_forward.py` read it.

Legend: as there.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
# (Numba compiles the kernels for the types they are called with; the public functions are typed)

from tinycnn.kernels.compiled.blocks import clear, copy, from_line
from tinycnn.kernels.compiled.checks import Shape
from tinycnn.kernels.compiled.launch import Numbers, kernel
from tinycnn.kernels.compiled.plans import Plan, Slot
from tinycnn.kernels.compiled.simd import LANES
from tinycnn.kernels.compiled.tiles import width

_BLOCK = 64  # channels that are packed as one piece of work


@kernel
def _pack(piece, kernel, panels, shape, steps, WIDE):
    """The filters in panels of WIDE, each (K, WIDE), the last one filled up with zeros.

    Each step of a tile then reads WIDE neighbouring weights, and the next step the WIDE after them.
    """
    N, H, W, C, KH, KW, SH, SW, OH, OW, F = shape
    start, tap_row, tap_column, row_step, filter_step = steps
    taps, blocks = KH * KW, (C + _BLOCK - 1) // _BLOCK
    block, tap, panel = piece % blocks, piece // blocks % taps, piece // (blocks * taps)
    panels = from_line(panels)
    f0, width = panel * WIDE, min(WIDE, F - panel * WIDE)
    source = start + tap // KW * tap_row + tap % KW * tap_column + f0 * filter_step
    for c in range(block * _BLOCK, min(C, (block + 1) * _BLOCK)):
        target = ((panel * taps + tap) * C + c) * WIDE
        row = panels[target : target + WIDE]
        if filter_step == 1:
            copy(row[:width], kernel, kernel, source + c * row_step, False)
        else:
            for f in range(width):
                row[f] = kernel[source + c * row_step + f * filter_step]
        clear(row[width:])


Packing = tuple[int, int, Numbers]


def packing_plan(shape: Shape, steps: Shape) -> Packing:
    """Pieces of `_pack`, the size of the panels, and numbers of `_pack`."""
    N, H, W, C, KH, KW, SH, SW, OH, OW, F = shape
    WIDE = width(F) * LANES
    panels = -(-F // WIDE)
    pieces = panels * KH * KW * -(-C // _BLOCK)
    return pieces, panels * KH * KW * C * WIDE, (shape, steps, WIDE)


def in_panels(plan: Plan, kernel: Slot, packing: Packing) -> Slot:
    """A kernel's panels, from their first start of a cache line on.

    `packing` is the answer of `packing_plan`.
    """
    pieces, size, numbers = packing
    panels = plan.empty((size + 64,), kernel.dtype)
    plan.step(_pack, pieces, (kernel, panels), numbers)
    return panels
