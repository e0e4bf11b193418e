"""Data parallelism over MPI: many processes train one model, and its bits are those of one process.

    distribution = DataParallel(shards=8)
    model.fit(x, y, batch_size=64, epochs=10, distribution=distribution)

    python train.py                   # one process
    mpiexec -n 4 python train.py      # four, on all machines that mpiexec is told of

Every process, a rank, runs the same script on the same data, and makes the same model from the same
seed. A batch is cut into S shards, and a rank computes the gradients of its own ones, one after the
other. The gradient of the batch is the sum of the shards', each times its share of the samples, and
all ranks make the same step with it. Nothing but these sums travels, beside losses and predictions.

Sums of floats depend on their order, which MPI leaves open. Here it depends on S alone, never on R,
the threads or the MPI library: see support/ordered_sum.py.

What else is random or averaged belongs to a shard, too: noise has a generator for each, and batch
normalisation takes the statistics of each ("ghost batches", Hoffer et al. 2017), whose moving means
are averaged. So the outcome is a function of S, and S = 1 is a training without distribution.

mpi4py, from the extra `mpi`, is imported where it is needed; without it there is one rank.

Legend: N samples of a batch, S shards, R ranks.
Source: Goyal et al. 2017, "Accurate, large minibatch SGD" (the arithmetic of data parallelism).
"""

import atexit
import hashlib
import json
import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from itertools import islice
from typing import Any

import numpy as np

from tinycnn import kernels
from tinycnn.layers import BatchNormalization
from tinycnn.support import job, mpi, threads
from tinycnn.support.arguments import integer
from tinycnn.support.data import Data
from tinycnn.support.distribution import Distribution, Result
from tinycnn.support.ending import Ending
from tinycnn.support.large import identity
from tinycnn.support.meeting import Meeting
from tinycnn.support.ordered_sum import Tree, bounds, ordered_sum, rounds_alone
from tinycnn.support.serialization import plain
from tinycnn.support.shards import Lazy, Rows
from tinycnn.support.stream import Stream
from tinycnn.utils import Array

FEW = 16  # samples of a shard, below which their statistics say little about the batch's


class DataParallel(Distribution):
    """Shares each training batch out among all processes that mpiexec has started.

    Once it is made, rank 0 alone prints and saves: what tinycnn prints elsewhere is discarded, and
    so are model files and logs. So make it at the top of a script, and put the script's own prints
    below `if distribution.rank == 0:`. All callbacks run on all ranks, and must decide the same
    there; `from_main` helps those that look at a clock.

    An error, Ctrl-C or SIGTERM on one rank ends all. Ranks are no part of a checkpoint: a training
    may go on with another number of them, to the bit.

    Args:
        shards: into how many parts each batch is cut. It decides the bits of the outcome, at least
            the number of ranks, and best a power of two times it. More shards allow more ranks;
            smaller ones cost more time for each sample.

    Attributes:
        rank: the number of this process, from 0.
        ranks: how many there are.

    Raises:
        ValueError: if there are more ranks than shards.
        RuntimeError: if mpiexec and mpi4py belong to different MPI libraries.
        ImportError: if mpiexec has started several processes, and mpi4py is not there.

    Example:
        >>> distribution = DataParallel(shards=2)
        >>> history = model.fit(x, y, epochs=2, distribution=distribution)
    """

    def __init__(self, shards: int) -> None:
        self._world: Any = None
        self.rank, self.ranks, self._neighbours = 0, 1, (1, 1)
        if world := mpi.world():
            self._world = world.Dup()
            self.rank, self.ranks = int(world.rank), int(world.size)
            self._neighbours = mpi.neighbours(world)
            self._ending = Ending(world.Dup())
            self._ending.watch()
            atexit.register(self._leave)
        self._meeting = Meeting(self._world)
        if self.rank:
            job.follow()
            warnings.showwarning = _discard
        self.shards = integer(shards, "shards")
        if self.ranks > self.shards:
            raise ValueError(
                f"`shards` must be at least the number of ranks, {self.ranks}, or some would have "
                f"nothing to do. Received: shards={shards}"
            )
        self._run: Any = None
        self._rows: Any = None  # of the last batch

    @property
    def settings(self) -> dict[str, Any]:
        """The shards, if they change the outcome."""
        return {"shards": self.shards} if self.shards > 1 else {}

    def from_main(self, function: Callable[[], Result]) -> Result:
        """Calls `function` on rank 0 alone; what it returns or raises there, it does on all ranks.

        For callbacks that decide by what ranks may see differently, such as a clock or a file.
        """
        answer: Any = None
        if self.rank == 0:
            try:
                answer = True, function()
            except Exception as error:  # whatever it is, all ranks raise it
                answer = False, error
        good, answer = self._meet("from_main", answer)[0]
        if not good:
            raise answer
        return answer

    # --- called by `fit` --------------------------------------------------------------------------

    @contextmanager
    def training(self, dtype: str) -> Iterator[None]:
        """Inside its `with` all ranks train together, and end together. See the base class."""
        self._run, self._meeting.signal = None, 0
        try:
            if not self._world:
                yield
                return
            with self._ending, threads.shared_by(*self._neighbours):
                self.from_main(lambda: kernels.warm_up(dtype))  # the others find it in the cache
                yield
        finally:
            self._run = self._rows = None  # and with them the data

    def begin(self, model: Any, run: Any) -> None:
        """Raises ValueError unless all ranks begin with the same model, data and arguments."""
        self._run = run
        if self.shards > run.settings["batch_size"]:
            raise ValueError(
                "`shards` must not exceed `batch_size`. Received: "
                f"shards={self.shards}, batch_size={run.settings['batch_size']}"
            )
        share = run.settings["batch_size"] // self.shards
        norms = [n for n in model.chain if isinstance(n, BatchNormalization) and n.trainable]
        if self.shards > 1 and share < FEW and norms:
            warnings.warn(
                f"BatchNormalization takes the statistics of each shard, {share} samples; choose "
                f"fewer shards or a larger batch_size, for {FEW} samples at least",
                stacklevel=3,
            )
        if not self._world:
            return
        content, arrays = model.state()
        digest = hashlib.sha256()
        for array in arrays.values():
            digest.update(array.tobytes())
        here = {name: content.pop(name) for name in ("seed", "epochs_trained", "layers", "compile")}
        here |= {"model": content, **run.settings, "epoch": run.epoch, "batch": run.batch}
        here |= {name: identity(array) for name, array in run.arrays.items()}
        here |= {"weights": digest.hexdigest(), "kernels": kernels.active()}
        everyone = self._meet("the beginning", json.loads(json.dumps(here, default=plain)))
        for rank, there in enumerate(everyone):
            for name, value in there.items():
                if value != everyone[0][name]:
                    raise ValueError(
                        f"all ranks must train the same, and `{name}` differs: give the model a "
                        "seed, and all ranks the same data and arguments. Received: "
                        f"{everyone[0][name]!r:.200} on rank 0, {value!r:.200} on rank {rank}"
                    )

    def end_epoch(self, model: Any) -> None:
        """Raises RuntimeError if the ranks' weights are no longer the same. See the base class."""
        if not self._world:
            return
        everyone = self._meet("the end of an epoch", model.fingerprint())
        for rank, fingerprint in enumerate(everyone):
            if fingerprint != everyone[0]:
                raise RuntimeError(
                    f"after {self._run.position} the weights of rank {rank} are not those of rank "
                    "0: either a callback has changed them, or their machines compute other bits. "
                    "All must have processors of one kind, and the same versions of NumPy and Numba"
                )

    def end(self) -> None:
        """All ranks end together. See the base class."""
        self._meet("the end")
        if self._meeting.signal:
            self._run.interrupt.pending = self._meeting.signal

    def own(self, data: Data | Stream) -> Data | Stream:
        """The samples, of which a rank reads those of its own shards. See the base class."""
        if self._world and isinstance(data, Data):
            return Data(Lazy(data.x), data.y, data.weights)  # type: ignore[arg-type]
        return data

    def forward_backward(self, model: Any, batch: Data) -> tuple[float, Array]:
        """The gradients of this rank's shards, and their sum over all. See the base class.

        Without metrics nobody needs the predictions: they stay where they are, and none are
        returned.
        """
        if self.shards == 1:
            return super().forward_backward(model, batch)
        cuts, own = bounds(len(batch), self.shards), bounds(self.shards, self.ranks)
        self._rows, seen = Rows(model), []
        tree = Tree(rounds_alone(self.shards, self.ranks))
        for shard in range(own[self.rank], own[self.rank + 1]):
            part = slice(cuts[shard], cuts[shard + 1])
            share = (part.stop - part.start) / len(batch)
            if not share:
                tree.add(self._rows.nothing())
                continue
            loss, y_pred = model.differentiate(batch.chosen(part), True, shard)
            seen.append((loss * share, y_pred if model.metrics else None))
            super().update_statistics(model)
            tree.add(self._rows.row(share))
        parts = [part for rank in self._meet("a batch", seen) for part in rank]
        value = float(sum(loss for loss, _ in parts))
        if math.isfinite(value):  # if it is not, there is no step
            self._rows.take(ordered_sum(self._world, tree.rows, self.shards))
        y_pred = np.concatenate([y for _, y in parts]) if model.metrics else np.empty(0)
        return value + model.add_penalties(), y_pred

    def update_statistics(self, model: Any) -> None:
        """Sets the statistics to the means of what the shards have made of them."""
        if self.shards == 1:
            super().update_statistics(model)
            return
        for p, value in self._rows.moved:
            p.value[...] = value

    def measured(
        self, model: Any, samples: Data | Stream, batch_size: int
    ) -> Iterator[Callable[[], dict[str, Array]]]:
        """Of R batches each rank measures one. See the base class."""
        batches = samples.epoch(batch_size)
        while group := list(islice(batches, self.ranks)):
            mine = model.measured(group[self.rank]) if self.rank < len(group) else None
            for values in self._meet("a validation", mine)[: len(group)]:
                yield partial(dict, values)

    def pending(self, signal: int) -> int:
        """The signal that any rank had when all last met. See the base class."""
        return self._meeting.signal if self._world else signal

    def _leave(self) -> None:
        """At the end of the program: waits for the other ranks; those that still train raise."""
        with suppress(RuntimeError):
            self._meet("the end of the program")

    def _meet(self, where: str, message: Any = None) -> list[Any]:
        """The messages of all ranks, which come here at the same moment of a training.

        Raises:
            RuntimeError: if they are at different places.
        """
        if not self._run:
            return self._meeting.all(where, 0, message)
        where = f"{where}, after {self._run.position}"
        return self._meeting.all(where, self._run.interrupt.pending, message)


def _discard(*arguments: Any, **more: Any) -> None:
    """Shows no warning: rank 0 shows the same one."""
