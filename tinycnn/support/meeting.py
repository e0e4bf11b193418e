"""Where all ranks meet: each hears what the others say, or that one of them is elsewhere.

Ranks that make different calls would wait for each other's messages forever, or take one for
another. So each first tells the others where it is, in a few bytes that look the same everywhere.
"""

import hashlib
import pickle
from typing import Any

import numpy as np

from tinycnn.support import mpi


class Meeting:
    """A place for all ranks to meet.

    Args:
        communicator: mpi4py's, of all ranks; None for one.

    Attributes:
        signal: the largest number of a signal that any rank had when all last met; 0 for none.
    """

    def __init__(self, communicator: Any) -> None:
        self.signal = 0
        self._communicator = communicator

    def all(self, where: str, signal: int, message: Any = None) -> list[Any]:
        """The messages of all ranks, by their numbers. They come here at the same moment.

        Args:
            where: at which place of a program this is, in words; the same on all ranks.
            signal: the signal that has come to this one.
            message: for all others; anything that can be pickled.

        Raises:
            RuntimeError: if they are at different places.
        """
        if self._communicator is None:
            self.signal = signal
            return [message]
        content = b"" if message is None else pickle.dumps(message)
        place = int.from_bytes(hashlib.sha256(where.encode()).digest()[:7])
        mine = np.array([place, signal, len(content)], np.int64)
        everyone = np.empty((self._communicator.size, 3), np.int64)
        mpi.wait(self._communicator.Iallgather(mine, everyone))
        places, signals, sizes = everyone.T.tolist()
        if places.count(place) < len(places):
            self._parted(where)
        self.signal = max(signals)
        if not any(sizes):
            return [None] * len(sizes)
        contents = np.empty(sum(sizes), np.uint8)
        mpi.wait(self._communicator.Iallgatherv(content, [contents, sizes]))
        parts = np.split(contents, np.cumsum(sizes)[:-1])
        return [pickle.loads(part.data) if part.size else None for part in parts]

    def _parted(self, where: str) -> None:
        everyone = self._communicator.allgather(where)
        rank = next(rank for rank, there in enumerate(everyone) if there != everyone[0])
        raise RuntimeError(
            f"the ranks have parted: rank 0 is at {everyone[0]}, and rank {rank} at "
            f"{everyone[rank]}. All must make the same calls; see DataParallel.from_main for a "
            "callback that decides by a clock or a file"
        )
