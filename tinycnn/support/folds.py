"""The folds of a cross-validation: checked, and trained here or by the workers of an executor.

Legend: n samples, k folds, of which each is a pair (train, test) of indices.
"""

import time
from collections.abc import Sequence
from concurrent.futures import Executor, as_completed
from typing import Any

import numpy as np

from tinycnn import kernels, metrics
from tinycnn.callbacks import Callback
from tinycnn.models import Sequential
from tinycnn.support import console, threads
from tinycnn.support.mapped import Mapped, mapped
from tinycnn.utils import Array


def right_in_fold(
    model: Sequential,
    x: Array,
    y: Array,
    fold: tuple[Array, Array],
    batch_size: int,
    epochs: int,
    hooks: Sequence[Callback] = (),
) -> Array:
    """Trains on one part of a fold; which samples of the other are then read right (of bool)."""
    train, test = fold
    model.fit(x[train], y[train], batch_size, epochs, verbose=0, callbacks=hooks)
    return metrics.matches(y[test], model.predict(x[test], batch_size, verbose=0))


def score(right: Array) -> float:
    """The accuracy."""
    return float(right.mean())


def checked(folds: Any, x: Array, labels: Array) -> list[tuple[Array, Array]]:
    """Folds that a user gave, as pairs of indices.

    Raises:
        ValueError: if they are something else, or a sample is in both parts of a fold.
    """
    if hasattr(folds, "split"):  # a splitter of scikit-learn
        folds = folds.split(x, labels)
    pairs = []
    for i, pair in enumerate(folds, start=1):
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise ValueError(
                "`folds` must be pairs (train, test) of indices. "
                f"Received: {type(pair).__name__} as fold {i}"
            )
        train, test = (_checked_indices(part, len(x), i) for part in pair)
        if shared := np.intersect1d(train, test).size:
            raise ValueError(
                "a model must not be tested on what it is trained on. "
                f"Received: {shared} samples in both parts of fold {i}"
            )
        pairs.append((train, test))
    if len(pairs) < 2:
        raise ValueError(f"`folds` must be 2 at least. Received: {len(pairs)}")
    return pairs


def _checked_indices(part: Any, n: int, fold: int) -> Array:
    indices = np.asarray(part)
    if indices.dtype == bool and indices.shape == (n,):
        indices = np.flatnonzero(indices)
    if indices.ndim != 1 or indices.dtype.kind not in "iu" or not indices.size:
        raise ValueError(
            "a part of a fold must be an array of indices (m,), m > 0. "
            f"Received: {indices.dtype} of shape {indices.shape} in fold {fold}"
        )
    if indices.min() < 0 or indices.max() >= n:
        raise ValueError(
            f"the indices of {n} samples go from 0 to {n - 1}. "
            f"Received: {indices.min()} to {indices.max()} in fold {fold}"
        )
    return indices


def on_executor(
    executor: Executor,
    models: Sequence[Sequential],
    x: Array,
    y: Array,
    pairs: Sequence[tuple[Array, Array]],
    batch_size: int,
    epochs: int,
    prints: bool,
) -> list[Array]:
    """`right_in_fold` of all folds, which the executor's workers train; `prints` a line for each.

    An error in one of them ends all, and its note says in which fold it was.
    """
    k = len(pairs)
    # Pools of the standard library, loky's and mpi4py's tell how many work; of others it is not
    # known, and all folds may run at once.
    workers = min(k, getattr(executor, "_max_workers", None) or k)
    found: list[Array] = [np.empty(0, bool)] * k
    here = kernels.chosen(), workers, len(threads.cores())
    with mapped([x, y]) as files:
        futures = {
            executor.submit(_work, model, files, fold, batch_size, epochs, *here): i
            for i, (model, fold) in enumerate(zip(models, pairs, strict=True))
        }
        try:
            for future in as_completed(futures):
                i = futures[future]
                try:
                    found[i], seconds = future.result()
                except Exception as error:
                    error.add_note(f"in fold {i + 1} of {k}")
                    raise
                if prints:
                    accuracy = score(found[i])
                    console.say(f"Fold {i + 1}/{k} - {seconds:.0f}s - val_accuracy: {accuracy:.4f}")
        finally:
            for future in futures:
                future.cancel()  # after an error nobody needs the others
    return found


def _work(
    model: Sequential,
    files: Sequence[Mapped],
    fold: tuple[Array, Array],
    batch_size: int,
    epochs: int,
    rung: str,
    workers: int,
    cores: int,
) -> tuple[Array, float]:
    """In a worker, of so many on so many cores: `right_in_fold`, and the seconds it took."""
    start = time.perf_counter()
    with kernels.use(rung), threads.shared_by(workers, cores):
        x, y = (file.open() for file in files)
        right = right_in_fold(model, x, y, fold, batch_size, epochs)
    return right, time.perf_counter() - start
