"""Which of two models is better, and is that more than luck? Folds, intervals, a paired test.

- `stratified_k_fold`, `cross_validate`: every sample is tested once, by a model that has not seen
  it; the spread over the folds says how misleading one split alone could have been.
- `wilson_interval`: where the true accuracy may lie after `correct` of `n`. 9,900 right of 10,000
  gives 0.9879 to 0.9918, so 99.1% against 99.0% on MNIST's test images says little by itself.
- `mcnemar_test`: compares two models on the same samples; only those that one alone reads right
  count. On cross-validated samples its p is approximate: two folds' models share training data.

None of them accounts for the luck of training: another seed gives another model. If that is the
question, train with several seeds.

Sources: Wilson 1927, "Probable inference, the law of succession, and statistical inference";
McNemar 1947, "Note on the sampling error of the difference between correlated proportions";
Dietterich 1998, "Approximate statistical tests for comparing supervised classification learning
algorithms" (when to use which).
"""

import math
import statistics
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from tinycnn.callbacks import Callback, LambdaCallback
from tinycnn.models import Sequential
from tinycnn.support import console, data
from tinycnn.support.arguments import integer, number
from tinycnn.support.folds import checked, on_executor, right_in_fold, score
from tinycnn.support.progress import EpochLine
from tinycnn.utils import Array

# --- folds ----------------------------------------------------------------------------------------


def stratified_k_fold(y: Any, k: int, seed: int = 0) -> Iterator[tuple[Array, Array]]:
    """Splits samples into k folds in which every class has its share.

    Each sample is in exactly one fold. The sizes of any two folds differ by at most one, within
    each class as well as in all.

    Args:
        y: labels: (n,) or (n, 1) integers, or (n, K) one-hot.
        k: number of folds, at least 2 and at most n.
        seed: decides the draw.

    Returns:
        An iterator over k pairs (train_indices, test_indices), each in ascending order: a fold to
        test on, and all others to train on.

    Raises:
        ValueError: for other labels, or a `k` out of range.
    """
    labels = _class_numbers(y)
    n, k = len(labels), integer(k, "k", least=2)
    if k > n:
        raise ValueError(f"`k` must not exceed the number of samples. Received: k={k}, n={n}")
    shuffled = np.random.default_rng(integer(seed, "seed", least=0)).permutation(n)
    # Sorted by class and dealt like cards: each class goes round all folds.
    dealt = shuffled[np.argsort(labels[shuffled], kind="stable")]
    fold_of = np.empty(n, int)
    fold_of[dealt] = np.arange(n) % k
    return ((np.flatnonzero(fold_of != i), np.flatnonzero(fold_of == i)) for i in range(k))


def _class_numbers(y: Any) -> Array:
    """(n,) class numbers of integer or one-hot labels."""
    checked = data.checked_numbers(y, "y")
    labels = data.class_numbers(checked)
    if labels is None:
        raise ValueError(
            "`y` must hold a class number for each sample, or one-hot rows. "
            f"Received: {checked.dtype} of shape {checked.shape}"
        )
    return labels


# --- cross-validation -----------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class CrossValidation:
    """What `cross_validate` found.

    Attributes:
        scores: the accuracy on each fold, by the model that was trained on the others.
        correct: (n,) of bool: whether each sample was read right when its fold was tested; None if
            the folds were given, and do not test each sample exactly once.
    """

    scores: list[float]
    correct: Array | None

    @property
    def mean(self) -> float:
        """The mean of the folds' accuracies."""
        return statistics.fmean(self.scores)

    @property
    def std(self) -> float:
        """The sample standard deviation of the folds' accuracies (division by k - 1).

        It says how much the accuracy varies from split to split. It is not an error of the mean:
        training sets share samples, so the folds are not independent (Bengio and Grandvalet 2004,
        "No unbiased estimator of the variance of k-fold cross-validation").
        """
        return statistics.stdev(self.scores)

    def __str__(self) -> str:
        return (
            f"accuracy: mean {self.mean:.4f}, sample standard deviation {self.std:.4f} "
            f"over {len(self.scores)} folds"
        )


def cross_validate(
    build_model: Callable[[], Sequential],
    x: Array,
    y: Array,
    k: int | None = None,
    batch_size: int = 32,
    epochs: int = 1,
    seed: int | None = None,
    verbose: str | int = "auto",
    executor: Executor | None = None,
    folds: Iterable[tuple[Any, Any]] | None = None,
) -> CrossValidation:
    """Trains a new model for each of k stratified folds, and tests it on that fold.

    Args:
        build_model: a function without arguments that returns a new, compiled model.
        x: samples (n, *input_shape).
        y: labels as the model's loss expects them, integers or one-hot.
        k: number of folds; None is 5.
        batch_size: samples per training step.
        epochs: passes over the other k - 1 folds for each model.
        seed: decides the folds, None is 0; the models have seeds of their own.
        verbose: 0 silent, 1 a live line for each fold, 2 a plain one; "auto" is 1 on a terminal
            and in a notebook, and 2 elsewhere. With an executor each fold has a plain line, when it
            is done.
        executor: trains the folds at the same time, with the same scores, to the bit: any Executor
            of concurrent.futures, loky, dask or mpi4py. Its workers share out the cores. They read
            the data from a temporary folder, or from the file that is memory-mapped already.
        folds: pairs (train, test) of the samples' indices, or a splitter of scikit-learn, instead
            of `k` and `seed`.

    Returns:
        The accuracies, and which samples were read right.

    Raises:
        ValueError: before anything is trained, if the data do not fit, if `build_model` returns
            anything but a compiled model, or uses a model, layer or optimizer twice; if a fold is
            tested on samples that its model is trained on.
        NumericalError: if a loss is no longer a finite number.

    Example:
        >>> result = cross_validate(build_model, x_train, y_train, k=5, epochs=3)
        >>> result.mean, result.std, wilson_interval(result.correct.sum(), len(result.correct))

        >>> spawn = multiprocessing.get_context("spawn")  # below `if __name__ == "__main__":`
        >>> with ProcessPoolExecutor(4, mp_context=spawn) as executor:
        ...     result = cross_validate(build_model, x_train, y_train, executor=executor)
    """
    batch_size, epochs = integer(batch_size, "batch_size"), integer(epochs, "epochs")
    live = console.is_live(verbose)
    x, y = data.checked_inputs(x, None), data.checked_numbers(y, "y")
    data.checked_lengths(x, y, ("x", "y"))
    if executor is not None and not isinstance(executor, Executor):
        raise ValueError(
            "`executor` must be a concurrent.futures.Executor, such as ProcessPoolExecutor. "
            f"Received: executor={executor!r:.100}"
        )
    if folds is None:
        pairs = list(stratified_k_fold(y, 5 if k is None else k, 0 if seed is None else seed))
    elif (k, seed) != (None, None):
        raise ValueError(
            "`folds` are given, and `k` and `seed` would have no effect; leave these out. "
            f"Received: k={k}, seed={seed}"
        )
    else:
        pairs = checked(folds, x, _class_numbers(y))
    models = _models(build_model, len(pairs))
    if executor is not None:
        found = on_executor(executor, models, x, y, pairs, batch_size, epochs, verbose != 0)
    else:
        found = []
        for i, (model, fold) in enumerate(zip(models, pairs, strict=True), start=1):
            hooks: list[Callback] = []
            if verbose != 0:
                steps = epochs * -(-len(fold[0]) // batch_size)
                line = EpochLine(f"Fold {i}/{len(pairs)}", steps, live)
                hooks.append(_progress(line))
            found.append(right_in_fold(model, x, y, fold, batch_size, epochs, hooks))
            if verbose != 0:
                line.finish({"val_accuracy": score(found[-1])})
    tested = np.concatenate([test for _, test in pairs])
    correct = None
    if np.array_equal(np.sort(tested), np.arange(len(x))):
        correct = np.empty(len(x), bool)
        correct[tested] = np.concatenate(found)
    return CrossValidation([score(right) for right in found], correct)


def _models(build_model: Callable[[], Sequential], k: int) -> list[Sequential]:
    """The k models, checked to share no part: a shared one would be trained already."""
    models = [build_model() for _ in range(k)]
    for model in models:
        if not isinstance(model, Sequential) or model.loss is None:
            raise ValueError(f"`build_model` must return a compiled model. Received: {model!r}")
    parts = [id(part) for model in models for part in (*model.chain, model.optimizer)]
    if len(set(parts)) < len(parts):
        raise ValueError(
            "`build_model` must make a new model at each call, with layers and an optimizer of its "
            "own. Received: one of them twice"
        )
    return models


def _progress(line: EpochLine) -> LambdaCallback:
    """Moves the line of a fold one step for each batch, over all its epochs."""
    steps = iter(range(1, line.steps + 1))
    return LambdaCallback(on_train_batch_end=lambda _, logs: line.update(next(steps), logs))


# --- is it luck? ----------------------------------------------------------------------------------


def wilson_interval(correct: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of an accuracy: the p that are compatible with `correct` of n.

    The ends are the solutions p of |correct / n - p| = z sqrt(p (1 - p) / n), where z is the
    quantile of the normal distribution. Unlike the mean with +- z standard errors, the interval is
    sound near 0 and 1, where accuracies are, and stays within [0, 1].

    Args:
        correct: how many were right.
        n: of how many, drawn independently.
        confidence: the share of such intervals that contain the true p, on average over p.

    Returns:
        (low, high).

    Raises:
        ValueError: unless 0 <= correct <= n, 0 < n and 0 <= confidence < 1.

    Source: Wilson 1927; Newcombe 1998, "Two-sided confidence intervals for the single proportion",
    method 3.
    """
    correct, n = integer(correct, "correct", least=0), integer(n, "n")
    if correct > n:
        raise ValueError(f"`correct` must not exceed `n`. Received: correct={correct}, n={n}")
    z = -statistics.NormalDist().inv_cdf((1 - number(confidence, "confidence", 0.0, 1.0)) / 2)

    def low(count: int) -> float:
        root = math.sqrt(z * z + 4 * count * (n - count) / n)
        return (2 * count + z * z - z * root) / (2 * (n + z * z))

    return low(correct), 1 - low(n - correct)


class McNemar(NamedTuple):
    """What `mcnemar_test` found.

    Attributes:
        p_value: how often luck alone would divide these samples at least as unevenly.
        only_a: samples that model a alone reads right.
        only_b: samples that model b alone reads right.
    """

    p_value: float
    only_a: int
    only_b: int


def mcnemar_test(correct_a: Any, correct_b: Any) -> McNemar:
    """Are two models equally good, judged by the same samples? McNemar's exact two-sided test.

    If they are, each sample that one alone reads right is as likely to be a's as b's, like a coin
    toss. So p = min(1, 2 P(X <= min(only_a, only_b))), where X counts heads in only_a + only_b
    tosses. Exact means that the test is never wrong more often than p says; with few such samples
    it is wrong less often (conservative).

    Args:
        correct_a: (n,) of bool, which samples model a reads right: `predicted == labels`.
        correct_b: (n,) of bool, likewise for model b: the same samples in the same order.

    Returns:
        (p_value, only_a, only_b).

    Raises:
        ValueError: unless both hold truth values, the same number of them.
    """
    a, b = np.asarray(correct_a), np.asarray(correct_b)
    if a.dtype != bool or b.dtype != bool or a.ndim != 1 or a.shape != b.shape or not a.size:
        raise ValueError(
            "`correct_a` and `correct_b` must hold a truth value for each of the same samples, as "
            f"`predicted == labels` does. Received: {a.dtype} of shape {a.shape} and {b.dtype} of "
            f"shape {b.shape}"
        )
    only_a, only_b = int(np.sum(a & ~b)), int(np.sum(b & ~a))
    n = only_a + only_b
    # With logarithms, because C(n, i) itself is too large for a float beyond n = 1029.
    tail = math.fsum(
        math.exp(_log_choose(n, i) - n * math.log(2)) for i in range(min(only_a, only_b) + 1)
    )
    return McNemar(min(1.0, 2 * tail), only_a, only_b)


def _log_choose(n: int, i: int) -> float:
    """The logarithm of C(n, i)."""
    return math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1)
