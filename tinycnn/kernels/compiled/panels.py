"""A kernel in panels, as the tiles of `convolution_forward.py` read it.

Legend: as there.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
# (Numba compiles the kernels for the types they are called with; the public functions are typed)

from tinycnn.kernels.compiled.blocks import clear, copy, from_line, transpose
from tinycnn.kernels.compiled.checks import Shape
from tinycnn.kernels.compiled.launch import Numbers, kernel
from tinycnn.kernels.compiled.plans import Plan, Slot

_BLOCK = 64  # channels that are packed as one piece of work


@kernel
def _pack(piece, kernel, panels, shape, steps, WIDE, D):
    """The filters in panels of WIDE, each (K, WIDE), the last one filled up with zeros.

    Each step of a tile then reads WIDE neighbouring weights, and the next step the WIDE after them.

    With D > 1 parts (`tiles.py`) there is one panel, and a step reads the weights of D neighbouring
    inputs: (WIDE, D). What is left over of a row of a window follows one by one, as if it were D.
    """
    N, H, W, C, KH, KW, SH, SW, OH, OW, F = shape
    start, tap_row, tap_column, row_step, filter_step = steps
    taps, blocks = KH * KW, (C + _BLOCK - 1) // _BLOCK
    block, tap, panel = piece % blocks, piece // blocks % taps, piece // (blocks * taps)
    panels = from_line(panels)
    f0, width = panel * WIDE, min(WIDE, F - panel * WIDE)
    source = start + tap // KW * tap_row + tap % KW * tap_column + f0 * filter_step
    c0, c1 = block * _BLOCK, min(C, (block + 1) * _BLOCK)
    if D == 1 and row_step == 1 and filter_step != 1:
        # The channels lie side by side, as those of dx do in a kernel.
        to = ((panel * taps + tap) * C + c0) * WIDE
        transpose(panels, to, WIDE, kernel, source + c0, filter_step, width, c1 - c0)
        for c in range(c1 - c0):
            clear(panels[to + c * WIDE + width : to + (c + 1) * WIDE])
        return
    for c in range(c0, c1):
        if D > 1:
            k, length = tap % KW * C + c, KW * C
            whole = length // D
            step, part = (k // D, k % D) if k < whole * D else (whole + k - whole * D, 0)
            target = (tap // KW * (whole + length % D) + step) * WIDE * D + part
            for f in range(width):
                panels[target + f * D] = kernel[source + c * row_step + f * filter_step]
            for f in range(width, WIDE):
                panels[target + f * D] = 0
            continue
        target = ((panel * taps + tap) * C + c) * WIDE
        row = panels[target : target + WIDE]
        if filter_step == 1:
            copy(row[:width], kernel, kernel, source + c * row_step, False)
        else:
            for f in range(width):
                row[f] = kernel[source + c * row_step + f * filter_step]
        clear(row[width:])


Packing = tuple[int, int, Numbers]


def packing_plan(shape: Shape, steps: Shape, WIDE: int, D: int = 1) -> Packing:
    """Pieces of `_pack`, the size of the panels, and numbers of `_pack`."""
    N, H, W, C, KH, KW, SH, SW, OH, OW, F = shape
    panels = -(-F // WIDE)
    pieces = panels * KH * KW * -(-C // _BLOCK)
    rows = KH * (KW * C // D * D + KW * C % D * D)
    return pieces, panels * rows * WIDE, (shape, steps, WIDE, D)


def in_panels(plan: Plan, kernel: Slot, packing: Packing) -> Slot:
    """A kernel's panels, from their first start of a cache line on.

    `packing` is the answer of `packing_plan`.
    """
    pieces, size, numbers = packing
    panels = plan.empty((size + 64,), kernel.dtype)
    plan.step(_pack, pieces, (kernel, panels), numbers)
    return panels
