"""How long a step of many ranks takes: a model, fitted to what `scaling.py --ranks` measures.

    t(R) = a + b n + 2 (R - 1) latency + 2 P (R - 1) / R * 4 bytes / bandwidth

for n images a rank and P numbers: each rank sends slices of the gradient to all others, and sends
the sum of its own slice back. a and b are fitted to the steps of one rank, latency and bandwidth to
sums of several sizes on this machine's ranks. These share its memory; for networks there are usual
figures instead. What the model leaves out: waiting for the slowest rank, and congestion.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from tinycnn.errors import NumericalError
from tinycnn.support.console import say

PARAMETERS = 93_322
MANY = (16, 256, 4096)


class Network(NamedTuple):
    """What ranks send their messages by.

    Args:
        latency: seconds for a message.
        bandwidth: bytes in a second.
    """

    latency: float
    bandwidth: float

    def messages(self, ranks: int) -> float:
        """Seconds that a step's messages take."""
        moved = 2 * PARAMETERS * (ranks - 1) / ranks * 4
        return 2 * (ranks - 1) * self.latency + moved / self.bandwidth

    def limiting_ranks(self, arithmetic: float) -> int | None:
        """The power of two from which on messages take longer than these seconds; None: 2**31."""
        counts = (2**i for i in range(1, 31))
        return next((ranks for ranks in counts if self.messages(ranks) > arithmetic), None)


# The makers' figures, less what programs usually lose.
NETWORKS = {
    "1 Gbit/s Ethernet": Network(50e-6, 0.11e9),
    "10 Gbit/s Ethernet": Network(20e-6, 1.1e9),
    "100 Gbit/s InfiniBand": Network(2e-6, 11e9),
}


def line(seconds: Mapping[int, float]) -> tuple[float, float]:
    """a and b of seconds = a + b x, fitted to {x: seconds} by relative errors; a is 0 at least.

    Raises:
        NumericalError: if more of x takes less time.
    """
    x, y = np.array(list(seconds)), np.array(list(seconds.values()))
    b, a = np.polyfit(x, y, 1, w=1 / y)
    if a < 0:
        a, b = 0.0, np.sum(x / y) / np.sum((x / y) ** 2)
    if b <= 0:
        raise NumericalError(f"more takes less time; the machine was busy. Received: {seconds}")
    return float(a), float(b)


def network_of(ranks: int, seconds: Mapping[int, float]) -> Network:
    """What these ranks send their messages by, from the seconds of sums of so many numbers."""
    moved = {round(2 * 4 * P * (ranks - 1) / ranks): value for P, value in seconds.items()}
    fixed, a_byte = line(moved)
    return Network(fixed / (2 * (ranks - 1)), 1 / a_byte)


def foretell(step: tuple[float, float], here: Network) -> None:
    """Prints what MANY ranks would bring.

    Args:
        step: a and b of a step of one rank.
        here: this machine's memory, by which its ranks send messages.
    """
    a, b = step
    say("model: share of the time that is arithmetic, 64 images a rank (weak), and how many times")
    say("faster than one rank batches of 4,096 images are (strong)")
    for name, network in ({"this machine's memory": here} | NETWORKS).items():
        parts = []
        for many in MANY:
            seconds = network.messages(many)
            weak = (a + 64 * b) / (a + 64 * b + seconds)
            strong = (a + 4096 * b) / (a + 4096 / many * b + seconds)
            parts.append(f"{many:,} ranks {weak:.0%}, {strong:.1f} times")
        limit = network.limiting_ranks(a + 64 * b)
        parts.append(f"the network is the limit from {limit:,} ranks on" if limit else "no limit")
        say(f"  {name}: {'; '.join(parts)}")
