"""Folds by their definition; intervals and p-values by hand, by published tables, by counting."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinycnn import Adam, Dense, Flatten, Layer, Sequential
from tinycnn.model_selection import (
    CrossValidation,
    cross_validate,
    mcnemar_test,
    stratified_k_fold,
    wilson_interval,
)

# --- folds ----------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=200)
@given(
    labels=st.lists(st.integers(-2, 4), min_size=2, max_size=60),
    data=st.data(),
    form=st.sampled_from(["list", "column", "one-hot", "float"]),
)
def test_every_sample_in_one_fold_and_every_class_in_its_share(labels, data, form):
    labels = np.array(labels)
    k, seed = data.draw(st.integers(2, len(labels))), data.draw(st.integers(0, 5))
    y = {
        "list": labels.tolist(),
        "column": labels[:, None],
        "one-hot": np.eye(7)[labels + 2],
        "float": labels.astype("float32"),
    }[form]
    folds = list(stratified_k_fold(y, k, seed))
    assert len(folds) == k
    assert sorted(np.concatenate([test for _, test in folds])) == list(range(len(labels)))
    for train, test in folds:
        assert sorted([*train, *test]) == list(range(len(labels)))
        assert np.all(np.diff(train) > 0) and np.all(np.diff(test) > 0)
        assert math.floor(len(labels) / k) <= len(test) <= math.ceil(len(labels) / k)
        for label in labels:
            share = np.sum(labels == label) / k
            assert math.floor(share) <= np.sum(labels[test] == label) <= math.ceil(share)


def test_the_seed_decides_the_folds():
    y = np.arange(100) % 10

    def tests(seed):
        return [test.tolist() for _, test in stratified_k_fold(y, 5, seed)]

    assert tests(0) == tests(0)
    assert tests(0) != tests(1)


def test_every_pair_of_a_class_can_meet_in_a_fold():
    """No sample is tied to a fold, nor to its neighbour, by where it stands in the data."""
    together = np.zeros((6, 6))
    for seed in range(200):
        for _, test in stratified_k_fold([0, 0, 0, 1, 1, 1], 3, seed):
            together[np.ix_(test, test)] += 1
    # Each fold has one sample of each class: a third of the draws for each of the nine pairs.
    # 200 / 3 with a standard deviation of 6.7; five of them.
    assert np.all(np.abs(together[:3, 3:] - 200 / 3) < 34)
    assert np.all(together[:3, :3] == 200 * np.eye(3))


@pytest.mark.parametrize(
    ("y", "k", "words"),
    [
        ([0, 1], 3, "`k` must not exceed the number of samples. Received: k=3, n=2"),
        ([0, 1], 1, "`k` must be an integer >= 2. Received: k=1"),
        ([0.5, 1], 2, "`y` must hold a class number"),
        ([[0, 2], [1, 0]], 2, "`y` must hold a class number"),
        ([[1, 1], [1, 0]], 2, "`y` must hold a class number"),
        ([[[1]], [[0]]], 2, "`y` must hold a class number"),
        (["a", "b"], 2, "`y` must hold numbers"),
        ([], 2, "`y` must hold at least one sample"),
    ],
)
def test_folds_that_can_not_be_made_are_refused_at_the_call(y, k, words):
    with pytest.raises(ValueError) as error:
        stratified_k_fold(y, k)
    assert words in str(error.value)


# --- cross-validation -----------------------------------------------------------------------------


class Recorder(Layer):
    """Passes its input on, and notes which samples it saw in training and which after it."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.trained, self.tested = [], []

    def forward(self, x, training=False):
        (self.trained if training else self.tested).extend(x[:, 0].astype(int).tolist())
        return super().forward(x, training)


def separable(n):
    """x (n, 2): the sample's number, and its class (0 or 1) as -1 or 1."""
    labels = np.arange(n) % 2
    return np.stack([np.arange(n), 2 * labels - 1], axis=1).astype("float32"), labels


def compiled(layers, optimizer="adam", loss="sparse_categorical_crossentropy"):
    model = Sequential(layers)
    model.compile(optimizer, loss)
    return model


def test_each_fold_is_tested_by_a_new_model_that_has_not_seen_it(numpy_rung):
    x, y = separable(23)
    recorders = []

    def build_model():
        recorders.append(Recorder(input_shape=(2,)))
        return compiled([recorders[-1], Dense(2, activation="softmax")])

    result = cross_validate(build_model, x, y, k=4, batch_size=5, epochs=3, seed=7, verbose=0)
    assert len(recorders) == len(result.scores) == 4
    folds = stratified_k_fold(y, 4, seed=7)
    for recorder, (train, test) in zip(recorders, folds, strict=True):
        assert sorted(recorder.trained) == sorted(3 * train.tolist())
        assert recorder.tested == test.tolist()


@pytest.mark.parametrize("one_hot", [False, True])
def test_scores_are_those_of_evaluate(numpy_rung, one_hot):
    rng = np.random.default_rng(0)
    x, labels = rng.random((31, 3)), rng.integers(0, 3, 31)
    loss = "categorical_crossentropy" if one_hot else "sparse_categorical_crossentropy"
    y = np.eye(3)[labels] if one_hot else labels

    def build_model():
        model = Sequential([Dense(3, activation="softmax", input_shape=(3,))], seed=4)
        model.compile(Adam(0.05), loss, metrics=["accuracy"])
        return model

    result = cross_validate(build_model, x, y, k=3, batch_size=4, epochs=2, verbose=0)
    correct = np.empty(31, bool)
    for score, (train, test) in zip(result.scores, stratified_k_fold(labels, 3), strict=True):
        model = build_model()
        model.fit(x[train], y[train], batch_size=4, epochs=2, verbose=0)
        assert score == pytest.approx(model.evaluate(x[test], y[test], verbose=0)[1], abs=1e-12)
        correct[test] = model.predict(x[test], verbose=0).argmax(axis=1) == labels[test]
    assert result.correct.tolist() == correct.tolist()
    assert 0 < correct.mean() < 1  # or else a constant would do


def test_mean_and_sample_standard_deviation_by_hand():
    result = CrossValidation([0.9, 0.8, 0.85, 0.85], np.ones(4, bool))
    assert result.mean == pytest.approx(0.85)
    # deviations .05, -.05, 0, 0: sum of squares .005, divided by 4 - 1
    assert result.std == pytest.approx(math.sqrt(0.005 / 3))
    assert str(result) == "accuracy: mean 0.8500, sample standard deviation 0.0408 over 4 folds"


def test_a_line_for_each_fold(numpy_rung, capsys):
    x, y = separable(12)

    def build_model():
        return compiled([Dense(2, activation="softmax", input_shape=(2,))])

    result = cross_validate(build_model, x, y, k=3, batch_size=4, epochs=5)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    for i, (line, score) in enumerate(zip(lines, result.scores, strict=True), start=1):
        assert line.startswith(f"Fold {i}/3 - 10/10 - 0s - ")  # 5 epochs of 2 batches
        assert line.endswith(f" - val_accuracy: {score:.4f}")
    cross_validate(build_model, x, y, k=3, verbose=0)
    assert capsys.readouterr().out == ""


def test_the_line_moves_on_a_terminal(numpy_rung, capsys, monkeypatch):
    monkeypatch.setattr("tinycnn.support.console.is_terminal", lambda: True)
    monkeypatch.setattr("tinycnn.support.progress.UPDATE_INTERVAL", 0)
    x, y = separable(12)
    cross_validate(
        lambda: compiled([Dense(2, activation="softmax", input_shape=(2,))]),
        *(x, y, 3, 4, 5),
    )
    out = capsys.readouterr().out
    assert [out.count(f"\x1b[1m{step:>2}/10") for step in range(1, 11)] == [3] * 10


def shared_model():
    model = compiled([Dense(2, input_shape=(2,))])
    return lambda: model


def shared_layer():
    layer = Dense(2, input_shape=(2,))
    return lambda: compiled([layer, Dense(2)])


def shared_optimizer():
    optimizer = Adam()
    return lambda: compiled([Dense(2, input_shape=(2,))], optimizer)


def trained(build_model):
    """`build_model`, whose models must not be trained."""

    def build():
        model = build_model()
        model.fit = lambda *_, **__: pytest.fail("trained")
        return model

    return build


@pytest.mark.parametrize(
    ("build_model", "words"),
    [
        (trained(shared_model()), "must make a new model at each call"),
        (trained(shared_layer()), "must make a new model at each call"),
        (trained(shared_optimizer()), "must make a new model at each call"),
        (lambda: Sequential([Flatten(input_shape=(2,))]), "must return a compiled model"),
        (lambda: None, "must return a compiled model. Received: None"),
    ],
)
def test_a_model_that_is_not_new_or_not_compiled_is_refused_before_training(build_model, words):
    with pytest.raises(ValueError, match=words):
        cross_validate(build_model, *separable(8), k=2, verbose=0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"y": np.arange(3)}, "must hold the same number of samples. Received: 8 and 3"),
        ({"epochs": 0}, "`epochs` must be a positive integer. Received: epochs=0"),
        ({"batch_size": 0}, "`batch_size` must be a positive integer"),
        ({"verbose": 3}, "`verbose` must be 'auto', 0, 1 or 2"),
        ({"k": 2.0}, "`k` must be an integer >= 2. Received: k=2.0"),
        ({"seed": -1}, "`seed` must be an integer >= 0. Received: seed=-1"),
    ],
)
def test_bad_arguments_are_refused_before_a_model_is_made(change, words):
    x, y = separable(8)
    with pytest.raises(ValueError, match=words):
        cross_validate(lambda: pytest.fail("made a model"), **{"x": x, "y": y, **change})


# --- Wilson's interval ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("correct", "n", "low", "high"),
    [  # Newcombe 1998, Statistics in Medicine 17:857-872, Table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_as_published(correct, n, low, high):
    assert wilson_interval(correct, n) == pytest.approx((low, high), abs=5e-5)  # four digits


def test_wilson_by_hand():
    # z = 1.959964, z^2 = 3.841459; (2 * 1 + 3.841459 -+ 1.959964 * sqrt(3.841459 + 4 * 1 * 1 / 2))
    # / (2 * (2 + 3.841459)) = (5.841459 -+ 4.737100) / 11.682918
    assert wilson_interval(1, 2) == pytest.approx((0.0945312, 0.9054688), abs=1e-6)


@given(n=st.integers(1, 10**7), data=st.data(), confidence=st.floats(0.01, 0.999999))
def test_wilson_s_ends_solve_its_equation(n, data, confidence):
    correct = data.draw(st.integers(0, n))
    low, high = wilson_interval(correct, n, confidence)
    p = correct / n
    assert 0 <= low <= p + 1e-12 and p - 1e-12 <= high <= 1
    if low < high:
        # (p - end)^2 = z^2 end (1 - end) / n with one and the same z at both ends, that of the
        # normal distribution: erf(z / sqrt(2)) = confidence.
        for end in (low, high):
            if 0 < end < 1:
                z = abs(p - end) * math.sqrt(n / (end * (1 - end)))
                # Rounding of p and of the ends, 1e-16, counts by the slope of z in them.
                slope = math.sqrt(n / (end * (1 - end))) * (1 + 1 / (end * (1 - end)))
                assert math.erf(z / math.sqrt(2)) == pytest.approx(confidence, abs=slope * 1e-14)


@given(n=st.integers(1, 10**6), data=st.data())
def test_wilson_is_symmetric(n, data):
    correct = data.draw(st.integers(0, n))
    low, high = wilson_interval(correct, n)
    assert wilson_interval(n - correct, n) == pytest.approx((1 - high, 1 - low), abs=1e-15)
    assert wilson_interval(0, n)[0] == 0.0 and wilson_interval(n, n)[1] == 1.0


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
def test_wilson_holds_the_truth_as_often_as_it_says(confidence):
    rng = np.random.default_rng(0)
    n, draws = 100, 20_000
    intervals = np.array([wilson_interval(c, n, confidence) for c in range(n + 1)])
    p = rng.random(draws)
    low, high = intervals[rng.binomial(n, p)].T
    share = np.mean((low <= p) & (p <= high))
    # Four standard deviations of the simulation; over p drawn uniformly the interval's own mean
    # coverage is within 0.003 of its name (0.8025, 0.9511, 0.9895, integrated over p).
    assert abs(share - confidence) < 4 * math.sqrt(confidence * (1 - confidence) / draws) + 0.003


def test_9910_against_9900_is_answered_honestly():
    low, high = wilson_interval(9910, 10_000)
    assert low < 0.9900 < 0.9910 < high


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((3, 2), "`correct` must not exceed `n`. Received: correct=3, n=2"),
        ((-1, 2), "`correct` must be an integer >= 0"),
        ((0, 0), "`n` must be a positive integer"),
        ((0.99, 1), "`correct` must be an integer >= 0. Received: correct=0.99"),
        ((1, 2, 1.0), r"`confidence` must be in \[0, 1\). Received: confidence=1.0"),
        ((1, 2, 95), r"`confidence` must be in \[0, 1\). Received: confidence=95"),
    ],
)
def test_what_has_no_interval(arguments, words):
    with pytest.raises(ValueError, match=words):
        wilson_interval(*arguments)


def test_numpy_s_counts_are_counts():
    correct = np.array([True, True, False])
    assert wilson_interval(correct.sum(), correct.size) == wilson_interval(2, 3)


# --- McNemar's test -------------------------------------------------------------------------------


def samples(only_a, only_b, both=3, neither=2, seed=0):
    """(correct_a, correct_b) with these counts, in any order."""
    pairs = [(1, 0)] * only_a + [(0, 1)] * only_b + [(1, 1)] * both + [(0, 0)] * neither
    order = np.random.default_rng(seed).permutation(len(pairs))
    return np.array(pairs, bool)[order].T


@pytest.mark.parametrize(
    ("only_a", "only_b", "p"),
    [
        (0, 5, 2 / 32),  # by hand: 2 * C(5, 0) / 2^5
        (1, 7, 2 * (1 + 8) / 256),  # Fagerland et al. 2013, BMC Med. Res. Methodol. 13:91: 0.070
        (2, 3, 1.0),  # 2 * (1 + 5 + 10) / 32 = 1
        (4, 4, 1.0),
        (0, 0, 1.0),
    ],
)
def test_mcnemar_by_hand(only_a, only_b, p):
    result = mcnemar_test(*samples(only_a, only_b))
    assert result.p_value == pytest.approx(p, rel=1e-12)
    assert result.p_value <= 1
    assert result[1:] == (only_a, only_b)


def exact(only_a, only_b):
    """The same p in whole numbers."""
    n, m = only_a + only_b, min(only_a, only_b)
    return float(min(Fraction(1), Fraction(2 * sum(math.comb(n, i) for i in range(m + 1)), 2**n)))


@given(only_a=st.integers(0, 300), only_b=st.integers(0, 300))
def test_mcnemar_is_exact_and_symmetric(only_a, only_b):
    result = mcnemar_test(*samples(only_a, only_b))
    # The rounding of lgamma, a few of the last bit of 3,200 at n = 600.
    assert result.p_value == pytest.approx(exact(only_a, only_b), rel=5e-12)
    mirrored = mcnemar_test(*samples(only_a, only_b)[::-1])
    assert mirrored == (result.p_value, only_b, only_a)


def test_mcnemar_of_very_many_samples():
    # C(3000, 1430) is no float.
    result = mcnemar_test(*samples(1430, 1570))
    assert result.p_value == pytest.approx(exact(1430, 1570), rel=1e-10)
    assert 0.01 < result.p_value < 0.02


def test_mcnemar_counts_only_where_the_models_differ():
    few = mcnemar_test(*samples(2, 9))
    assert mcnemar_test(*samples(2, 9, both=5000, neither=70, seed=1)) == few


def test_mcnemar_rejects_equal_models_no_more_often_than_it_says():
    rng = np.random.default_rng(0)
    # Both read 90% right and share most of what is hard; the difference between them is luck.
    n, draws = 400, 2000
    p = np.array(
        [
            mcnemar_test(hard | (rng.random(n) < 0.5), hard | (rng.random(n) < 0.5)).p_value
            for hard in rng.random((draws, n)) < 0.8
        ]
    )
    for level in (0.2, 0.05, 0.01):
        assert np.mean(p <= level) < level + 4 * math.sqrt(level * (1 - level) / draws)
    # Not by rejecting nothing: of a discrete test somewhat fewer than 20% lie below 0.2.
    assert np.mean(p <= 0.2) > 0.13


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ([True], [True, False]),
        ([1, 0], [True, False]),
        ([[True, False]], [[True, False]]),
        ([], []),
        ([3, 7, 1], [3, 7, 2]),
    ],
)
def test_what_is_no_pair_of_truth_values(a, b):
    with pytest.raises(ValueError, match="must hold a truth value for each of the same samples"):
        mcnemar_test(a, b)


def test_scipy_agrees():
    stats = pytest.importorskip("scipy.stats")
    for a, b in ((3, 17), (120, 96), (0, 12), (1430, 1570)):
        p = stats.binomtest(a, a + b, 0.5).pvalue
        assert mcnemar_test(*samples(a, b)).p_value == pytest.approx(p, rel=1e-9)
    for correct, n in ((0, 7), (5, 8), (9910, 10_000)):
        interval = stats.binomtest(correct, n).proportion_ci(0.9, method="wilson")
        assert wilson_interval(correct, n, 0.9) == pytest.approx(tuple(interval), abs=1e-9)
