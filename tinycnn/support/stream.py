"""Batches that come one after the other, from anything that hands them out: no data set in memory.

A source is one of
- an object with `__len__` and `__getitem__`, as `utils.PyDataset`: any batch, by its number;
- an object with `__iter__`, as other libraries' loaders: it is gone through anew for each epoch;
- an iterator, as a generator: what it has handed out is gone.
Lists, tuples and arrays are data themselves, not sources.

An epoch takes `steps` batches. Without them it takes all that the source has. With them the next
epoch goes on where the last one stopped, and a source that has come to its end begins anew.

Source: keras/src/trainers/epoch_iterator.py, keras/src/trainers/data_adapters/
"""

import itertools
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tinycnn.support.arguments import integer, shown
from tinycnn.support.data import Data


def hands_out_batches(values: Any) -> bool:
    """Whether `values` is a source of batches."""
    if isinstance(values, Sequence | Mapping | set | frozenset) or hasattr(values, "__array__"):
        return False
    indexed = hasattr(values, "__getitem__") and hasattr(values, "__len__")
    return hasattr(values, "__iter__") or indexed


class Stream:
    """The batches of all epochs.

    Args:
        begin: begins anew, given the generator that shuffles, or None: an iterator of batches.
        count: how many batches there are; None if that is not known.
        once: whether they can be gone through only once.
        source: its `on_epoch_begin` and `on_epoch_end` are called, if it has them.

    Attributes:
        wanted: how many an epoch takes; None for all.
        taken: how many the last epoch took.
    """

    def __init__(
        self,
        begin: Callable[[np.random.Generator | None], Iterator[Data]],
        count: int | None,
        once: bool = False,
        source: Any = None,
    ) -> None:
        self.begin, self.count, self.once, self.source = begin, count, once, source
        self.wanted: int | None = None
        self.taken = 0
        self._running: Iterator[Data] = iter(())

    def steps(self, batch_size: int) -> int | None:
        """How many batches an epoch takes; None if that is not known. The source sizes them."""
        return self.count if self.wanted is None else self.wanted

    def epoch(
        self, batch_size: int, rng: np.random.Generator | None = None, done: int = 0
    ) -> Iterator[Data]:
        """Yields the batches of one epoch.

        Args:
            batch_size: as for `Data.epoch`; here the source sizes its batches.
            rng: shuffles the batches of a source that hands them out by number.
            done: as for `Data.epoch`, and 0: an epoch of a stream is never resumed.
        """
        _call(self.source, "on_epoch_begin")
        if self.wanted is None:
            self.restart()
        self.taken, begun = 0, False
        while self.wanted is None or self.taken < self.wanted:
            batch = next(self._running, None)
            if batch is None and not self.taken and not begun:
                self._running, begun = self.begin(rng), True
            elif batch is None:
                if self.wanted is not None or not self.taken:
                    _warn_of_the_end(self.taken, self.wanted)
                break
            else:
                self.taken += 1
                yield batch
        _call(self.source, "on_epoch_end")

    def restart(self) -> None:
        """Lets the next epoch begin anew; one that can be gone through only once goes on."""
        self._running = iter(())


def in_steps(data: Data | Stream, steps: int | None, batch_size: int, name: str) -> Data | Stream:
    """The data, of which an epoch takes only so many batches, unless `steps` is None.

    Raises:
        ValueError: if `steps`, which the user calls `name`, is not a number of batches.
    """
    if steps is None:
        return data
    if isinstance(data, Data):
        arrays = data
        data = Stream(lambda rng: arrays.epoch(batch_size, rng), arrays.steps(batch_size))
    data.wanted = integer(steps, name)
    return data


def of_source(source: Any, check: Callable[[Any, str], Data], name: str) -> tuple[Stream, Data]:
    """The batches that a source hands out, and the first of them, which is looked at at once.

    Args:
        source: see above.
        check: a batch as the model takes it, given the source's and what to call it in errors.
        name: what the user calls the source: "x", "validation_data".

    Raises:
        ValueError: if there is no batch, or `check` refuses the first.
    """
    indexed = hasattr(source, "__getitem__") and hasattr(source, "__len__")
    count: int | None = len(source) if hasattr(source, "__len__") else None
    if indexed and count is not None:

        def begin(rng: np.random.Generator | None) -> Iterator[Data]:
            order = range(count or 0) if rng is None else rng.permutation(count or 0).tolist()
            return (check(source[i], f"{name}[{i}]") for i in order)

        first = check(source[0], f"{name}[0]") if count else None
        stream = Stream(begin, count, source=source)
    else:
        iterator = iter(source)
        once = iterator is source
        waiting = list(itertools.islice(iterator, 1))  # the first batch, until it is handed out

        def begin(rng: np.random.Generator | None) -> Iterator[Data]:
            nonlocal iterator
            if not waiting and not once:
                iterator = iter(source)
            for i in itertools.count():
                batch = waiting.pop() if waiting else next(iterator, END)
                if batch is END:
                    return
                yield check(batch, f"{name}[{i}]")

        first = check(waiting[0], f"{name}[0]") if waiting else None
        stream = Stream(begin, count, once, source)
    if first is None:
        raise ValueError(f"`{name}` hands out no batches. Received: {name}={shown(source)}")
    return stream, first


END = object()


def _warn_of_the_end(taken: int, wanted: int | None) -> None:
    """As Keras does; there the training goes on with epochs of no batches, and here it stops."""
    of = f" of {wanted}" if wanted else ""
    warnings.warn(
        f"the input ran out of data after {taken}{of} batches of the epoch, which ends here. Let "
        "what hands them out go on, or ask for fewer steps or epochs",
        stacklevel=4,
    )


def _call(source: Any, name: str) -> None:
    hook = getattr(source, name, None)
    if callable(hook):
        hook()
