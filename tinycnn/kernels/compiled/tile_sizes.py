"""Which tile is the fastest for a convolution of so many filters, many or few.

Legend: as in `tiles.py`; a filter has D neighbouring lanes of a vector, for D inputs.
"""

from tinycnn.kernels.compiled.simd import LANES

# How many rows P a tile has, by its V. P*V sums, a row of V and (AVX2) one broadcast fit the
# registers: AVX2 has 16, AVX-512 and NEON have 32. There are at least 8 sums, because a
# multiply-add takes 4 cycles and 2 start in each; 12 are a tenth faster on AVX2. P is small,
# because every row of a tile keeps an address in one of 16 general registers. A tile that is whole
# windows of a 2x2 max-pool has a multiple of 4 rows.
ROWS = {1: 8, 2: 6 if LANES == 8 else 8}
POOL_ROWS = {1: 8, 2: 4 if LANES == 8 else 8}


def width(F: int) -> int:
    """The V of the tile that is cheapest for F filters.

    Each panel of V*LANES filters costs V and a little more; the last panel may be partly empty.
    """
    return min(ROWS, key=lambda V: -(-F // (V * LANES)) * (V + 0.2))


def lanes_of_filter(F: int, length: int) -> int:
    """The D that is cheapest for F filters: how many neighbouring lanes a filter has.

    Where F filters leave half of a vector empty or more, each can have D lanes, for D neighbouring
    inputs. Of `length` neighbours, those that are left over are taken one by one.
    """
    possible = [D for D in (1, 2, 4, 8, 16) if F * D <= max(F, LANES)]
    return min(possible, key=lambda D: length // D + length % D)


# What a tile costs beside its sums, in multiply-adds of a column of its vectors. With it, a cut
# that is said to save a fifth saved a tenth or more (Zen 5, 16 and 8 lanes).
_TILE = 24
_MANY = 4096  # outputs: with fewer, another launch costs what a cut saves


def cut_by_filters(F: int, rows: int, length: int, outputs: int) -> tuple[int, ...]:
    """How many filters each launch of a convolution takes: all, or what is left over by itself.

    Ten filters, say, fill five eighths of 16 lanes. As eight filters with two lanes each, and two
    with eight, they take little more than half the multiply-adds.
    """

    def cost(F: int) -> float:
        V, D = width(F), lanes_of_filter(F, length)
        return -(-F // (V * LANES)) * (rows * (length // D + length % D) * (V + 0.2) + _TILE)

    cuts = [(some, F - some) for some in (F // LANES * LANES, LANES // 2) if 0 < some < F]
    best = min(cuts, key=lambda cut: sum(map(cost, cut)), default=(F,))
    return best if outputs >= _MANY and sum(map(cost, best)) < 0.8 * cost(F) else (F,)
