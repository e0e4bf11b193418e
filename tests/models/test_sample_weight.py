"""Weights of samples and of classes, and the other arguments that Keras's `fit` has."""

import numpy as np
import pytest

from tinycnn import (
    SGD,
    CategoricalCrossentropy,
    Dense,
    Flatten,
    Input,
    MeanSquaredError,
    ModelFileError,
    Sequential,
    SparseCategoricalCrossentropy,
    callbacks,
)

pytestmark = pytest.mark.usefixtures("numpy_rung")

rng = np.random.default_rng(0)
X = rng.random((7, 4))
LABELS = rng.integers(3, size=7)
COUNTS = np.array([1, 3, 0, 2, 1, 2, 1])  # as weights, and as numbers of copies
TARGETS = {
    CategoricalCrossentropy: np.eye(3)[LABELS],
    SparseCategoricalCrossentropy: LABELS,
    MeanSquaredError: rng.random((7, 3)),
}


def model(loss=CategoricalCrossentropy, activation="softmax", rate=0.5, metrics=()):
    made = Sequential(
        [Input((4,)), Dense(3, activation, kernel_regularizer="l2")], seed=1, dtype="float64"
    )
    made.compile(SGD(rate), loss(), metrics)
    return made


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
@pytest.mark.parametrize("loss", TARGETS)
def test_a_weight_of_n_is_n_copies_of_the_sample(loss, activation):
    """The loss is sum(w * loss) / N: of copies it is the mean times (number of copies) / N."""
    y = TARGETS[loss]
    weighted, plain = model(loss, activation), model(loss, activation)
    penalty = plain.penalty()
    copied, copies = np.repeat(X, COUNTS, axis=0), np.repeat(y, COUNTS, axis=0)
    share = COUNTS.sum() / len(X)
    expected = (plain.evaluate(copied, copies, verbose=0) - penalty) * share + penalty
    # Float64, a few dozen additions.
    found = weighted.evaluate(X, y, verbose=0, sample_weight=COUNTS)
    assert found == pytest.approx(expected, rel=1e-13)
    _, gradients = plain.loss_and_gradients(copied, copies)
    shrink = [p.regularizer.gradient(p.value) if p.regularizer else 0 for p in plain.parameters]
    before = plain.get_weights()
    assert weighted.train_on_batch(X, y, sample_weight=COUNTS) == pytest.approx(expected, rel=1e-13)
    for new, old, gradient, pull in zip(
        weighted.get_weights(), before, gradients, shrink, strict=True
    ):
        step = 0.5 * ((gradient - pull) * share + pull)
        np.testing.assert_allclose(new, old - step, rtol=0, atol=1e-15)


def test_a_weighted_loss_by_hand():
    made = Sequential([Input((1,)), Dense(1, use_bias=False, kernel_initializer="ones")])
    made.compile("sgd", "mse")
    x, y, w = np.array([[1.0], [2], [3]]), np.array([[0.0], [0], [1]]), np.array([1.0, 0.5, 2])
    # The errors are 1, 2 and 2: (1 * 1 + 0.5 * 4 + 2 * 4) / 3
    assert made.evaluate(x, y, verbose=0, sample_weight=w) == pytest.approx(11 / 3, rel=1e-6)
    assert made.test_on_batch(x, y, sample_weight=w[:, np.newaxis]) == pytest.approx(
        11 / 3, rel=1e-6
    )
    logs = made.evaluate(x, y, 2, 0, w, return_dict=True)
    assert logs == {"loss": pytest.approx(11 / 3, rel=1e-6)}  # 2 of 3 samples and 1 of 3


@pytest.mark.parametrize("y", [np.eye(3)[LABELS], LABELS, LABELS[:, np.newaxis]])
def test_class_weights_are_sample_weights(y):
    loss = CategoricalCrossentropy if y.shape == (7, 3) else SparseCategoricalCrossentropy
    of_classes = {0: 2.0, 2: 0.25}
    one, other = model(loss), model(loss)
    history = one.fit(X, y, 3, 2, 0, class_weight=of_classes)
    weights = np.array([of_classes.get(label, 1.0) for label in LABELS])
    assert history.history == other.fit(X, y, 3, 2, 0, sample_weight=weights).history
    assert one.fingerprint() == other.fingerprint()
    assert one.fingerprint() != model(loss).fingerprint()
    first = model(loss).train_on_batch(X, y, class_weight=of_classes)
    assert first == model(loss).train_on_batch(X, y, sample_weight=weights)


def test_metrics_count_all_samples_alike():
    made = model(metrics=["accuracy"])
    plain = made.evaluate(X, TARGETS[CategoricalCrossentropy], verbose=0, return_dict=True)
    weighted = made.evaluate(
        X, TARGETS[CategoricalCrossentropy], verbose=0, sample_weight=COUNTS, return_dict=True
    )
    assert plain["accuracy"] == weighted["accuracy"]
    assert plain["loss"] != weighted["loss"]


def test_the_validation_has_weights_of_its_own():
    y = TARGETS[CategoricalCrossentropy]
    by_split = model(rate=0.0).fit(X, y, verbose=0, sample_weight=COUNTS, validation_split=0.5)
    expected = model().evaluate(X[3:], y[3:], verbose=0, sample_weight=COUNTS[3:])
    assert by_split.history["val_loss"] == [expected]
    by_hand = model(rate=0.0).fit(X, y, verbose=0, validation_data=(X, y, COUNTS))
    expected = model().evaluate(X, y, verbose=0, sample_weight=COUNTS)
    assert by_hand.history["val_loss"] == [expected]
    # Class weights are for the training only, as in Keras.
    by_class = model(rate=0.0).fit(
        X, y, verbose=0, class_weight={0: 9, 1: 9, 2: 9}, validation_split=0.5
    )
    assert by_class.history["val_loss"] == [model().evaluate(X[3:], y[3:], verbose=0)]


def test_a_resumed_training_must_have_the_same_weights(tmp_path):
    y, path = TARGETS[CategoricalCrossentropy], tmp_path / "run.npz"

    def fit(epochs, **arguments):
        hook = callbacks.Checkpoint(path, resume=path.exists())
        made = model()
        made.fit(X, y, 3, epochs, 0, [hook], **arguments)
        return made.fingerprint()

    fit(1, sample_weight=COUNTS)
    for other in (
        {"sample_weight": COUNTS + 1},
        {},
        {"sample_weight": COUNTS, "validation_freq": 2},
    ):
        with pytest.raises(ModelFileError, match=r"data\.sample_weight|validation_freq"):
            fit(2, **other)
    straight = model()
    straight.fit(X, y, 3, 2, 0, sample_weight=COUNTS)
    assert fit(2, sample_weight=COUNTS) == straight.fingerprint()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"sample_weight": COUNTS[:3]}, r"`sample_weight` must hold one weight for each of the 7"),
        ({"sample_weight": np.ones((7, 3))}, r"one weight .*Received: .* of shape \(7, 3\)"),
        ({"sample_weight": [np.nan] * 7}, "`sample_weight` must hold finite numbers"),
        ({"sample_weight": COUNTS, "class_weight": {0: 1}}, "can't be given at the same time"),
        ({"class_weight": [1, 2, 3]}, r"`class_weight` must be a dict .*Received: \[1, 2, 3\]"),
        ({"class_weight": {"0": 1.0}}, "class_weight's key` must be an integer >= 0"),
        ({"class_weight": {3: 1.0}}, "class_weight's key` must be an integer >= 0 up to 2"),
        ({"class_weight": {0: None}}, r"`class_weight\[0\]` must be a finite number"),
        (
            {"validation_data": (X, TARGETS[CategoricalCrossentropy], COUNTS[1:])},
            r"`validation_data\[2\]`",
        ),
        ({"validation_data": (X,)}, r"must be a pair \(x, y\) or \(x, y, sample_weight\)"),
        ({"validation_freq": 0}, "`validation_freq` must be a positive integer"),
        ({"validation_freq": [0]}, r"`validation_freq\[...\]` must be a positive integer"),
        ({"validation_freq": "2"}, "`validation_freq` must be a positive integer"),
    ],
)
def test_weights_that_do_not_fit_change_nothing(arguments, words):
    made = model()
    before = made.fingerprint()
    with pytest.raises(ValueError, match=words):
        made.fit(X, TARGETS[CategoricalCrossentropy], verbose=0, **arguments)
    assert made.fingerprint() == before and made.steps_trained == 0


@pytest.mark.parametrize(
    ("freq", "epochs"), [(1, [1, 2, 3, 4, 5]), (2, [2, 4]), (7, []), ([1, 4], [1, 4]), ((5,), [5])]
)
def test_validation_only_after_some_epochs(freq, epochs, tmp_path):
    y, seen = TARGETS[CategoricalCrossentropy], []
    hook = callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.extend([epoch + 1] * ("val_loss" in logs))
    )
    log = callbacks.CSVLogger(tmp_path / "log.csv")
    history = (
        model()
        .fit(X, y, 3, 5, 0, [hook, log], validation_data=(X, y), validation_freq=freq)
        .history
    )
    assert seen == epochs
    assert len(history["loss"]) == 5 and len(history.get("val_loss", [])) == len(epochs)
    assert len((tmp_path / "log.csv").read_text("utf-8").splitlines()) == 6


def test_no_epochs():
    made, calls = model(), []
    before = made.fingerprint()
    hook = callbacks.LambdaCallback(
        on_train_begin=lambda logs: calls.append("begin"),
        on_train_end=lambda logs: calls.append("end"),
    )
    history = made.fit(X, TARGETS[CategoricalCrossentropy], epochs=0, verbose=0, callbacks=[hook])
    assert (history.history, history.epoch, calls) == ({}, [], ["begin", "end"])
    assert made.fingerprint() == before and made.history is history


def test_no_batch_size_is_32():
    x, y = np.repeat(X, 10, axis=0), np.repeat(LABELS, 10)
    one, other = model(SparseCategoricalCrossentropy), model(SparseCategoricalCrossentropy)
    assert one.fit(x, y, None, verbose=0).params["steps"] == 3  # of 70 samples
    other.fit(x, y, 32, verbose=0)
    assert one.fingerprint() == other.fingerprint()
    assert one.evaluate(x, y, None, 0) == one.evaluate(x, y, 32, 0)
    np.testing.assert_array_equal(one.predict(x, None, 0), one.predict(x, 32, 0))


def test_one_output_takes_targets_without_an_axis():
    def made():
        net = Sequential([Input((4,)), Dense(1, "sigmoid")], seed=2)
        net.compile("sgd", "mse", metrics=["accuracy"])
        return net

    y = (LABELS > 0).astype(float)
    one, other = made(), made()
    history = one.fit(X, y, 3, 2, 0, validation_data=(X, y)).history
    assert history == other.fit(X, y[:, np.newaxis], 3, 2, 0, validation_data=(X, y)).history
    assert one.fingerprint() == other.fingerprint()
    with pytest.raises(ValueError, match="expects `y` of shape"):
        made().fit(X, np.stack([y, y], axis=1), verbose=0)


def test_a_channel_too_many_is_dropped_as_in_keras():
    net = Sequential([Input((2, 2)), Flatten()])
    images = X.reshape(7, 2, 2)
    y = net.predict(images, verbose=0)
    np.testing.assert_array_equal(net.predict(images[..., np.newaxis], verbose=0), y)
    for wrong in (images[:, np.newaxis], np.stack([images, images], axis=-1), images[:, 0]):
        with pytest.raises(ValueError, match="`x` must have shape"):
            net.predict(wrong, verbose=0)
