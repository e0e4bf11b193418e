"""Losses of numbers, of yes and no and of distributions; the losses as functions; smooth labels."""

import doctest
import math

import numpy as np
import pytest

from tinycnn import (
    Activation,
    BinaryCrossentropy,
    CategoricalCrossentropy,
    Dense,
    Huber,
    Input,
    KLDivergence,
    Loss,
    MeanAbsoluteError,
    MeanSquaredError,
    Sequential,
    load_model,
    losses,
)

pytestmark = pytest.mark.usefixtures("numpy_rung")  # no kernel but the sigmoid's is used

T = np.array([[0.0, 2.0], [3.0, 1.0]])
P = np.array([[1.0, 2.0], [5.0, 0.0]])  # errors 1, 0, 2, -1

# --- by hand --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "value", "gradient"),
    [
        (MeanSquaredError(), 6 / 4, [[0.5, 0], [1, -0.5]]),
        (MeanAbsoluteError(), 1.0, [[0.25, 0], [0.25, -0.25]]),  # where equal: 0, as in Keras
        # 1/2, 0, 2 - 1/2, 1/2: at |e| = delta both branches agree
        (Huber(), 2.5 / 4, [[0.25, 0], [0.25, -0.25]]),
        # 1/2, 0, 2^2/2, 1/2
        (Huber(delta=2.0), 3 / 4, [[0.25, 0], [0.5, -0.25]]),
        # 1/2*1 - 1/8, 0, 1/2*2 - 1/8, 1/2*1 - 1/8
        (Huber(delta=0.5), 1.625 / 4, [[0.125, 0], [0.125, -0.125]]),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_differences_by_hand(loss, value, gradient, dtype):
    assert loss.forward(T.astype("int64"), P.astype(dtype)) == value
    dy = loss.backward()
    assert dy.dtype == dtype
    np.testing.assert_array_equal(dy, gradient)


YES = np.array([[1.0, 0.0], [0.0, 0.25]])
CHANCES = np.array([[0.5, 0.75], [0.5, 0.5]])


def test_binary_crossentropy_by_hand():
    # ln 2, -ln(1/4) = 2 ln 2, ln 2, 1/4 ln 2 + 3/4 ln 2
    loss = BinaryCrossentropy()
    assert loss.forward(YES, CHANCES) == pytest.approx(5 * math.log(2) / 4, rel=1e-14)
    # -1/0.5, 1/0.25, 1/0.5, -0.25/0.5 + 0.75/0.5, over 4
    np.testing.assert_allclose(loss.backward(), [[-0.5, 1], [0.5, 0.25]], rtol=1e-14)
    # The same on logits: ln(q / (1 - q)) = 0, ln 3, 0, 0; the gradient is (q - t) / 4.
    loss = BinaryCrossentropy(from_logits=True)
    logits = np.array([[0, math.log(3)], [0, 0]])
    assert loss.forward(YES, logits) == pytest.approx(5 * math.log(2) / 4, rel=1e-14)
    np.testing.assert_allclose(loss.backward(), (CHANCES - YES) / 4, rtol=1e-14)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_logits_of_any_size_are_not_clipped(dtype):
    loss = BinaryCrossentropy(from_logits=True)
    most = float(np.finfo(dtype).max)
    for logit in (1e4, -1e4, most, -most):
        yes = float(logit > 0)
        assert loss.forward(np.array([[1 - yes]]), np.array([[logit]], dtype)) == abs(logit)
        np.testing.assert_array_equal(loss.backward(), [[2 * yes - 1]])
        assert loss.forward(np.array([[yes]]), np.array([[logit]], dtype)) == 0
        np.testing.assert_array_equal(loss.backward(), [[0]])


def test_probabilities_are_clipped_as_in_keras():
    # -ln(1e-7) = 16.118; what is clipped has no gradient.
    loss = BinaryCrossentropy()
    for wrong in (0.0, 1.0):
        value = loss.forward(np.array([[1 - wrong]]), np.array([[wrong]]))
        assert value == pytest.approx(16.118, abs=5e-4)
        np.testing.assert_array_equal(loss.backward(), [[0]])


def test_divergence_by_hand():
    # 1/2 ln(1/2 / 1/4) + 1/2 ln(1/2 / 3/4) = 1/2 ln(4/3), and 0 of equal ones
    t, p = np.array([[0.5, 0.5], [0.1, 0.9]]), np.array([[0.25, 0.75], [0.1, 0.9]])
    loss = KLDivergence()
    assert loss.forward(t, p) == pytest.approx(math.log(4 / 3) / 4, rel=1e-14)
    # -t / p over 2 samples
    np.testing.assert_allclose(loss.backward(), [[-1, -1 / 3], [-0.5, -0.5]], rtol=1e-14)
    # A target of 0 is 1e-7, as in Keras, so that 0 * log(0) is no NaN.
    assert loss.forward(np.array([[0.0, 1.0]]), np.array([[0.5, 0.5]])) == pytest.approx(
        math.log(2) + 1e-7 * math.log(2e-7), rel=1e-12
    )


def test_smooth_labels_by_hand():
    # 1 becomes 0.9 and 0 becomes 0.1: -0.9 ln(3/4) - 0.1 ln(1/4)
    value = BinaryCrossentropy(label_smoothing=0.2).forward(np.array([[1]]), np.array([[0.75]]))
    assert value == pytest.approx(-0.9 * math.log(0.75) - 0.1 * math.log(0.25), rel=1e-14)
    # Of four classes 1 becomes 0.8 + 0.05, and 0 becomes 0.05.
    p = np.array([[0.5, 0.25, 0.125, 0.125]])
    expected = (0.85 + 0.05 * 2 + 0.1 * 3) * math.log(2)
    one_hot = np.array([[1, 0, 0, 0]])
    for from_logits, x in ((False, p), (True, np.log(p))):
        loss = CategoricalCrossentropy(from_logits, label_smoothing=0.2)
        assert loss.forward(one_hot, x) == pytest.approx(expected, rel=1e-14)
    np.testing.assert_allclose(loss.backward(), p - [[0.85, 0.05, 0.05, 0.05]], atol=1e-16)


# --- a sigmoid or softmax at the end --------------------------------------------------------------

SPELLINGS = {
    "Dense(sigmoid)": lambda: [Dense(2, activation="sigmoid")],
    "Dense + Activation": lambda: [Dense(2), Activation("sigmoid")],
    "and linear": lambda: [Dense(2, activation="sigmoid"), Activation("linear")],
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_model_that_ends_in_a_sigmoid_is_trained_on_its_logits(spelling):
    model = Sequential([Input((2,)), *SPELLINGS[spelling]()])
    model.compile("sgd", "binary_crossentropy")
    model.set_weights([np.eye(2), np.zeros(2)])
    x, y = np.array([[100.0, -300.0]]), np.array([[0, 0]])
    # 100 and 0; -log of the clipped probability would be 16.118.
    assert model.evaluate(x, y, verbose=0) == 50.0
    loss, (_, dbias) = model.loss_and_gradients(x, y)
    assert loss == 50.0
    np.testing.assert_allclose(dbias, [0.5, 0], rtol=0, atol=1e-40)  # e^-300 is 5e-131
    np.testing.assert_allclose(model.predict(x, verbose=0), [[1, 0]], rtol=0, atol=1e-40)


def test_label_smoothing_holds_on_logits_too():
    x, y = np.array([[3.0, -1.0]]), np.array([[1, 0]])
    for loss in (BinaryCrossentropy(False, 0.2), CategoricalCrossentropy(False, 0.2)):
        model = Sequential([Input((2,)), Activation("sigmoid")], dtype="float64")
        model.compile("sgd", loss)
        on_logits = type(loss)(from_logits=True, label_smoothing=0.2)
        assert model.evaluate(x, y, verbose=0) == on_logits.forward(y, x)


def test_logits_from_a_sigmoid_are_announced():
    model = Sequential([Input((2,)), Dense(1, activation="sigmoid")])
    with pytest.warns(UserWarning, match="ends in a sigmoid; as in Keras the loss is taken on"):
        model.compile("sgd", BinaryCrossentropy(from_logits=True))
    model = Sequential([Input((2,)), Dense(1, activation="tanh")])
    model.compile("sgd", "mse")
    model.forward(np.zeros((1, 2)))
    with pytest.raises(ValueError, match="ends neither in a softmax nor in a sigmoid"):
        model.backward(np.zeros((1, 1)), from_logits=True)


def test_a_binary_classifier_learns():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((64, 2))
    y = (x.sum(axis=1, keepdims=True) > 0).astype(int)
    model = Sequential([Input((2,)), Dense(1, activation="sigmoid")], seed=0)
    model.compile("adam", "bce", metrics=["accuracy"])
    model.optimizer.learning_rate = 0.1
    history = model.fit(x, y, batch_size=16, epochs=20, verbose=0).history
    assert history["loss"][-1] < 0.2 < history["loss"][0]
    assert history["accuracy"][-1] > 0.9


# --- as functions, as objects ---------------------------------------------------------------------


def test_functions_give_the_loss_of_each_sample():
    y = [[0, 1], [0, 0]]
    p = [[0.6, 0.4], [0.4, 0.6]]
    # Keras's docstrings: 0.916, 0.714; 0.155 as a mean
    np.testing.assert_allclose(losses.binary_crossentropy(y, p), [0.916, 0.714], atol=5e-4)
    assert losses.huber(y, p).mean() == pytest.approx(0.155, abs=5e-4)
    y, p = [[0, 1, 0], [0, 0, 1]], [[0.05, 0.95, 0], [0.1, 0.8, 0.1]]
    np.testing.assert_allclose(losses.categorical_crossentropy(y, p), [0.0513, 2.303], atol=5e-4)
    y = [1, 2]
    found = losses.sparse_categorical_crossentropy(y, p)
    np.testing.assert_allclose(found, [0.0513, 2.303], atol=5e-4)
    np.testing.assert_array_equal(losses.mean_squared_error(T, P), [0.5, 2.5])
    np.testing.assert_array_equal(losses.mse(T, P), [0.5, 2.5])
    np.testing.assert_array_equal(losses.mae(T, P), [0.5, 1.5])
    np.testing.assert_allclose(losses.kl_divergence([[0.5, 0.5]], [[0.25, 0.75]]), [0.1438], 1e-3)
    smooth = losses.categorical_crossentropy([[1, 0]], [[0.0, 0.0]], True, label_smoothing=0.1)
    assert smooth == pytest.approx([math.log(2)])
    assert losses.huber([[0]], [[3.0]], delta=2.0) == [4.0]
    assert losses.mean_squared_error(T, P.astype("float32")).dtype == np.float32
    assert losses.mse([[1]], [[3]]) == [4]  # whole numbers are predictions, too


@pytest.mark.parametrize(
    "arguments",
    [([1, 0, 0, 0], [[1.0]]), ([[1.0]], [[1.0], [2.0]]), ([[1.0, 2.0]], [[1.0]])],
)
def test_shapes_that_do_not_fit_are_refused(arguments):
    for function in (losses.mse, losses.binary_crossentropy, losses.kl_divergence, Huber()):
        with pytest.raises(ValueError, match=r"Received: .*shape"):
            function(*arguments)


def test_a_loss_can_be_called():
    assert MeanSquaredError()(T.tolist(), P.tolist()) == 1.5
    assert BinaryCrossentropy()([[1]], [[0.5]]) == pytest.approx(math.log(2))


@pytest.mark.parametrize(
    ("identifier", "cls"),
    [
        *((name, BinaryCrossentropy) for name in ("binary_crossentropy", "bce", "BCE")),
        *((name, MeanAbsoluteError) for name in ("mae", "MAE", "mean_absolute_error")),
        *((name, KLDivergence) for name in ("kld", "KLD", "kl_divergence", "KLDivergence")),
        *((name, Huber) for name in ("huber", "Huber")),
        *losses.functions.LOSS_OF.items(),
        (losses.mse, MeanSquaredError),
        (losses.MAE, MeanAbsoluteError),
    ],
)
def test_losses_by_name_and_by_function(identifier, cls, tmp_path):
    loss = losses.get(identifier)
    assert type(loss) is cls and loss.get_config() == cls().get_config()
    model = Sequential([Input((2,)), Dense(1)])
    model.compile("sgd", identifier)
    assert type(model.loss) is cls


@pytest.mark.parametrize(
    "loss",
    [
        BinaryCrossentropy(from_logits=True, label_smoothing=0.25),
        Huber(0.5),
        KLDivergence(),
        MeanAbsoluteError(),
        CategoricalCrossentropy(label_smoothing=0.1),
    ],
    ids=lambda loss: loss.name,
)
def test_a_loss_is_saved_with_its_model(loss, tmp_path):
    model = Sequential([Input((2,)), Dense(2)], seed=0)
    model.compile("sgd", loss)
    x, y = np.random.default_rng(0).uniform(0.1, 0.9, (2, 6, 2))
    model.fit(x, y, batch_size=2, verbose=0)
    model.save(tmp_path / "model.npz")
    again = load_model(tmp_path / "model.npz")
    assert type(again.loss) is type(loss) and again.loss.get_config() == loss.get_config()
    for each in (model, again):
        each.fit(x, y, batch_size=2, verbose=0)
    assert again.fingerprint() == model.fingerprint()


def test_an_older_file_has_no_label_smoothing():
    assert CategoricalCrossentropy(**{"from_logits": True}).label_smoothing == 0


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Huber(0), "`delta` must be a finite number > 0. Received: delta=0"),
        (lambda: Huber("1"), "delta='1'"),
        (lambda: BinaryCrossentropy(label_smoothing=1.0), r"\[0, 1\). Received: label_smoothing=1"),
        (lambda: BinaryCrossentropy(1), "`from_logits` must be True or False. Received: from_log"),
        (lambda: CategoricalCrossentropy(label_smoothing=-0.1), "label_smoothing=-0.1"),
        (lambda: losses.get(lambda t, p: 0.0), "a loss needs a gradient, .* see losses.Loss"),
        (lambda: losses.get(Huber), r"must be a loss, not its class: write Huber\(\)"),
        (lambda: losses.get("hubr"), "unknown loss; known are binary_crossentropy, .*'hubr'"),
        (lambda: losses.get(None), "unknown loss"),
    ],
)
def test_what_is_no_loss_is_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()


@pytest.mark.parametrize("argument", ["axis"])
def test_what_a_loss_does_not_have_is_refused(argument):
    with pytest.raises(TypeError, match=f"BinaryCrossentropy has no argument `{argument}`"):
        BinaryCrossentropy(**{argument: None})


def test_a_loss_of_ones_own_may_be_of_samples():
    class Quartic(Loss):
        def of_samples(self, y_true, y_pred):
            self.cache = (y_true, y_pred)
            return ((y_pred - y_true) ** 4).mean(axis=-1)

        def backward(self):
            y_true, y_pred = self.recall()
            return 4 * (y_pred - y_true) ** 3 / y_pred.size

    assert Quartic().forward(T, P) == 18 / 4
    with pytest.raises(NotImplementedError, match="Loss needs a method `forward"):
        Loss().forward(T, P)


@pytest.mark.parametrize("module", [losses.elementwise, losses.crossentropy, losses.functions])
def test_the_examples_of_the_docstrings(module):
    result = doctest.testmod(module, extraglobs={"np": np})
    assert result.attempted and not result.failed
