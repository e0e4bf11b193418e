"""A sum over processes whose bits do not depend on how many there are.

Sums of floats depend on their order, and MPI's Allreduce promises none: other bits come with other
numbers of ranks, and with other algorithms. Here the order is a binary tree over S rows,

    ((0 + 1) + (2 + 3)) + ((4 + 5) + 6)

which depends on S alone. Neighbours are added, and then their sums; an odd one waits for the next
round. A rank adds up what is a whole branch of the tree. Then it sends each rank one slice of the
numbers (Alltoallv), which that rank adds up over all ranks and sends back (Allgatherv). Where S / R
is a power of two, a rank sends and receives 2 P (R - 1) / R numbers, as in a ring Allreduce; where
it is not, it sends more.

Legend: S rows, R ranks, P numbers in a row.
Source: Thakur, Rabenseifner and Gropp 2005, "Optimization of collective communication operations in
MPICH" (Allreduce as reduce-scatter and allgather).
"""

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import numpy as np

from tinycnn.support import mpi
from tinycnn.utils import Array


def bounds(n: int, parts: int) -> list[int]:
    """Where n things are cut into so many contiguous parts, whose sizes differ by at most one.

    Returns:
        parts + 1 places: part i goes from place i to place i + 1.
    """
    return [n * i // parts for i in range(parts + 1)]


def rounds_alone(shards: int, ranks: int) -> int:
    """How many rounds of the tree stay within the rows of one rank, on every rank.

    That is how often the number of rows of a rank can be halved; 0 if ranks differ in it.
    """
    own, rest = divmod(shards, ranks)
    rounds = 0
    while not rest and own % 2 == 0:
        own, rounds = own // 2, rounds + 1
    return rounds


class Tree:
    """Adds up rows in the order of the tree, as they come: few of them are kept.

    It is like counting in binary: a row is a 1 at the lowest place, and where there is a 1 already,
    the two are added and carried to the next place.

    Args:
        rounds: how many rounds of the tree to do; None for all.

    Attributes:
        rows: the sums that are not added to each other yet, in order.
    """

    def __init__(self, rounds: int | None = None) -> None:
        self.rows: list[Array] = []
        self._rounds, self._count = rounds, 0

    @np.errstate(all="ignore")  # whoever reads the sum tells of numbers that are not finite
    def add(self, row: Array) -> None:
        """Takes the next row (P,), and may change it."""
        self._count += 1
        carry, done = self._count, 0
        while carry % 2 == 0 and done != self._rounds:
            left = self.rows.pop()
            left += row
            row, carry, done = left, carry // 2, done + 1
        self.rows.append(row)

    @np.errstate(all="ignore")
    def total(self) -> Array:
        """The sum of all rows (P,)."""
        total = self.rows.pop()
        while self.rows:
            left = self.rows.pop()
            left += total
            total = left
        return total


def added(rows: Iterable[Array]) -> Array:
    """The sum (P,) of rows in the order of the tree; the rows may be changed."""
    tree = Tree()
    for row in rows:
        tree.add(row)
    return tree.total()


def ordered_sum(communicator: Any, rows: list[Array], shards: int) -> Array:
    """The sum over all shards (P,), the same bits on every rank.

    Args:
        communicator: mpi4py's; None for one rank.
        rows: of this rank's shards, those of `bounds(shards, ranks)`: the `rows` of a Tree that did
            `rounds_alone` rounds. They may be changed.
        shards: how many there are on all ranks.
    """
    if communicator is None:
        return added(rows)
    R, rank, P = communicator.size, communicator.rank, rows[0].size
    branch = 2 ** rounds_alone(shards, R)  # how many shards are in a row
    counts = [(stop - start) // branch for start, stop in pairwise(bounds(shards, R))]
    cuts = bounds(P, R)
    widths = [stop - start for start, stop in pairwise(cuts)]
    # To rank i its slice of each row of ours; from each rank our slice of each of its rows.
    slices = [row[a:b] for a, b in pairwise(cuts) for row in rows]
    ours = np.concatenate(slices) if len(rows) > 1 else rows[0]
    theirs = np.empty((sum(counts), widths[rank]), ours.dtype)
    scattered = communicator.Ialltoallv(
        [ours, [len(rows) * width for width in widths]],
        [theirs, [count * widths[rank] for count in counts]],
    )
    mpi.wait(scattered)
    total = np.empty(P, ours.dtype)
    mpi.wait(communicator.Iallgatherv(added(theirs), [total, widths]))
    return total
