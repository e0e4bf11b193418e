"""The shards of a batch: their samples, and what each adds to the step that all make together.

Legend: P numbers in a row: gradients, new statistics, and which of these have changed.
"""

from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from tinycnn.parameter import Parameter
from tinycnn.utils import Array


class Rows:
    """Of each shard of a batch one row, whose sum over all shards is that of the batch.

    Args:
        model: a `Learner`, before the first shard.

    Attributes:
        moved: after `take` the statistics that have changed, and what they will be.
    """

    def __init__(self, model: Any) -> None:
        self.moved: list[tuple[Parameter, Array]] = []
        self._dtype = model.dtype
        self._learning = model.learning
        self._statistics = [p for p in model.parameters if not p.trainable]
        self._before = [p.value.copy() for p in self._statistics]

    def row(self, share: float) -> Array:
        """The row (P,) of the shard that was differentiated last, in the model's dtype.

        The statistics are put back to what they were before it.

        Args:
            share: its share of the batch's samples, by which all is multiplied.

        Raises:
            RuntimeError: if a layer has set no gradient.
        """
        arrays = []
        for p in self._learning:
            if p.grad is None:
                raise RuntimeError(f"{p.name} has no gradient: its layer's backward must set it")
            arrays.append(p.grad)
        pairs = list(zip(self._statistics, self._before, strict=True))
        changed = [not np.array_equal(p.value, before) for p, before in pairs]
        arrays += [*(p.value for p in self._statistics), np.array(changed, self._dtype)]
        row: Array = np.concatenate([np.ravel(array) for array in arrays], dtype=self._dtype)
        for p, before in pairs:
            p.value[...] = before
        with np.errstate(all="ignore"):
            row *= row.dtype.type(share)
        return row

    def nothing(self) -> Array:
        """The row (P,) of a shard without samples."""
        sizes = sum(p.value.size for p in (*self._learning, *self._statistics))
        return np.zeros(sizes + len(self._statistics), self._dtype)

    def take(self, total: Array) -> None:
        """Takes the sum of all rows apart: sets the gradients, and `moved`.

        A statistic that has not changed, as in a frozen layer, would be changed by rounding.
        """
        parameters = [*self._learning, *self._statistics]
        ends = accumulate((p.value.size for p in parameters), initial=0)
        parts = [
            total[a:b].reshape(p.value.shape)
            for (a, b), p in zip(pairwise(ends), parameters, strict=True)
        ]
        for p, grad in zip(self._learning, parts, strict=False):
            p.grad = grad
        values = parts[len(self._learning) :]
        shares = total[len(total) - len(values) :]  # of the samples, whose shards have changed it
        moved = zip(self._statistics, values, shares, strict=True)
        self.moved = [(p, value) for p, value, share in moved if share]


class Lazy:
    """Samples of which a batch is not read before it is cut into shards."""

    def __init__(self, samples: Array, chosen: Array | None = None) -> None:
        self._samples, self._chosen = samples, chosen

    def __len__(self) -> int:
        return len(self._samples if self._chosen is None else self._chosen)

    def __getitem__(self, chosen: Any) -> Any:
        if self._chosen is not None:
            return self._samples[self._chosen[chosen]]
        return self._samples[chosen] if isinstance(chosen, slice) else Lazy(self._samples, chosen)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.asarray(self._samples if self._chosen is None else self[:], dtype)
