"""Losses: numbers worked by hand, gradients against differences, the fusion with softmax."""

import math

import numpy as np
import pytest

from tinycnn import (
    Activation,
    CategoricalCrossentropy,
    Dense,
    Input,
    Layer,
    MeanSquaredError,
    Sequential,
    Softmax,
    SparseCategoricalCrossentropy,
    losses,
)


def one_hot(labels, K):
    return np.eye(K)[labels]


# --- by hand --------------------------------------------------------------------------------------


def test_mean_squared_error_by_hand():
    loss = MeanSquaredError()
    # (1 - 0)^2, (2 - 2)^2, (5 - 3)^2, (0 - 1)^2 = 1, 0, 4, 1: mean 6 / 4
    assert loss.forward(np.array([[0, 2], [3, 1]]), np.array([[1.0, 2.0], [5.0, 0.0]])) == 1.5
    # 2 * (y_pred - y_true) / 4
    np.testing.assert_array_equal(loss.backward(), [[0.5, 0], [1, -0.5]])


@pytest.mark.parametrize(
    ("loss", "y_true"),
    [
        (CategoricalCrossentropy(), one_hot([1, 0], 3)),
        (SparseCategoricalCrossentropy(), np.array([1, 0])),
        (SparseCategoricalCrossentropy(), np.array([[1], [0]])),
    ],
)
def test_crossentropy_of_probabilities_by_hand(loss, y_true):
    y_pred = np.array([[0.25, 0.5, 0.25], [0.125, 0.5, 0.375]])
    # -ln(1/2) and -ln(1/8), halved: (1 + 3) / 2 ln 2. float64 rounds at 1e-16.
    assert loss.forward(y_true, y_pred) == pytest.approx(2 * math.log(2), rel=1e-14)


def test_probabilities_are_normalised_first():
    # 3 of 3 + 1: -ln(3/4)
    value = CategoricalCrossentropy().forward(np.array([[1, 0]]), np.array([[3.0, 1.0]]))
    assert value == pytest.approx(-math.log(0.75), rel=1e-14)


@pytest.mark.parametrize("cls", [CategoricalCrossentropy, SparseCategoricalCrossentropy])
def test_probabilities_are_clipped_as_in_keras(cls):
    # Measured on Keras: a probability of 0 for the right class costs 16.118 = -ln(1e-7).
    y_true = np.array([[1, 0]]) if cls is CategoricalCrossentropy else np.array([0])
    value = cls().forward(y_true, np.array([[0.0, 1.0]]))
    assert value == pytest.approx(16.118, abs=5e-4)


@pytest.mark.parametrize("cls", [CategoricalCrossentropy, SparseCategoricalCrossentropy])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_logits_are_never_clipped(cls, dtype, rung):
    y_true = one_hot([1], 2) if cls is CategoricalCrossentropy else np.array([1])
    loss = cls(from_logits=True)
    for gap in (100, 10_000):
        # ln(1 + e^-gap) is 0 in either dtype, so the gap itself is the loss, to the bit.
        assert loss.forward(y_true, np.array([[gap, 0]], dtype)) == gap
        # softmax - y = (1, 0) - (0, 1)
        dlogits = loss.backward()
        np.testing.assert_array_equal(dlogits, [[1, -1]])
        assert dlogits.dtype == dtype


def test_equal_logits_cost_the_log_of_the_number_of_classes(rung):
    loss = CategoricalCrossentropy(from_logits=True)
    logits = np.full((4, 10), 3, np.float32)
    # float32 rounds ln 10 at 2e-7.
    assert loss.forward(one_hot([0, 3, 5, 9], 10), logits) == pytest.approx(2.302585, abs=1e-6)
    # (1/10 - y) / 4
    np.testing.assert_allclose(loss.backward()[0, :2], [-0.225, 0.025], rtol=1e-6)


# --- the gradient is that of the value ------------------------------------------------------------

PREDICTIONS = np.random.default_rng(0).uniform(0.1, 1.0, (3, 4))
LABELS = np.array([2, 0, 3])
CLIPPED = np.where(np.arange(4) == 1, 1e-9, PREDICTIONS)
CLIPPED_LABELS = np.array([1, 0, 3])


@pytest.mark.parametrize(
    ("loss", "y_true", "y_pred"),
    [
        (MeanSquaredError(), one_hot(LABELS, 4), PREDICTIONS),
        (CategoricalCrossentropy(), one_hot(LABELS, 4), PREDICTIONS),
        (CategoricalCrossentropy(from_logits=True), one_hot(LABELS, 4), PREDICTIONS * 5),
        (CategoricalCrossentropy(from_logits=True), PREDICTIONS, PREDICTIONS * 5),  # soft labels
        (SparseCategoricalCrossentropy(), LABELS, PREDICTIONS),
        (SparseCategoricalCrossentropy(from_logits=True), LABELS, PREDICTIONS * 5),
        # Clipped probabilities, of a right class and of wrong ones: the value does not move with
        # them, so their gradient is 0.
        (CategoricalCrossentropy(), one_hot(CLIPPED_LABELS, 4), CLIPPED),
        (SparseCategoricalCrossentropy(), CLIPPED_LABELS, CLIPPED),
        (  # predictions for every place of a row: N = 2*3
            CategoricalCrossentropy(from_logits=True),
            one_hot([[0, 1, 2], [1, 2, 3]], 4),
            np.random.default_rng(1).standard_normal((2, 3, 4)),
        ),
        (
            CategoricalCrossentropy(),
            one_hot([[0, 1, 2], [1, 2, 3]], 4),
            np.random.default_rng(1).uniform(0.1, 1.0, (2, 3, 4)),
        ),
    ],
)
def test_gradient_matches_differences(loss, y_true, y_pred, rung):
    loss.forward(y_true, y_pred)
    gradient = loss.backward()
    assert gradient.shape == y_pred.shape
    for place in np.ndindex(y_pred.shape):
        h = 3e-8 if y_pred[place] == 1e-9 else 1e-5  # what is clipped at 1e-7 stays so
        above, below = y_pred.copy(), y_pred.copy()
        above[place] += h
        below[place] -= h
        slope = (loss.forward(y_true, above) - loss.forward(y_true, below)) / (2 * h)
        # The curve costs h^2 ~ 1e-10 times a third derivative of at most a few hundred, and the
        # rounding of the values 1e-15 / h: 1e-10, or 3e-8 with the small h.
        assert gradient[place] == pytest.approx(slope, rel=1e-7, abs=1e-7)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("from_logits", [False, True])
def test_sparse_and_one_hot_labels_agree(from_logits, dtype, rung):
    y_pred = np.random.default_rng(0).dirichlet(np.ones(4), 3).astype(dtype)
    dense, sparse = CategoricalCrossentropy(from_logits), SparseCategoricalCrossentropy(from_logits)
    # The two normalise probabilities differently (division; a second softmax of the logs), so they
    # agree to the rounding of the dtype.
    tolerance = 1e-6 if dtype == "float32" else 1e-14
    values = dense.forward(one_hot(LABELS, 4), y_pred), sparse.forward(LABELS, y_pred)
    assert values[0] == pytest.approx(values[1], rel=tolerance)
    if from_logits:
        np.testing.assert_array_equal(dense.backward(), sparse.backward())
        assert dense.backward().dtype == dtype


@pytest.mark.parametrize("loss", [MeanSquaredError(), CategoricalCrossentropy()])
def test_repeating_the_batch_changes_the_gradient_by_the_mean_only(loss):
    y_true, y_pred = one_hot(LABELS, 4), PREDICTIONS
    value = loss.forward(y_true, y_pred)
    gradient = loss.backward()
    assert loss.forward(np.tile(y_true, (2, 1)), np.tile(y_pred, (2, 1))) == pytest.approx(value)
    np.testing.assert_allclose(loss.backward()[:3], gradient / 2, rtol=1e-14)


@pytest.mark.parametrize("cls", losses.LOSSES.values())
def test_inputs_are_left_alone_and_backward_needs_a_forward(cls, numpy_rung):
    loss = cls()
    with pytest.raises(RuntimeError, match="backward needs a forward"):
        loss.backward()
    y_true = LABELS.copy() if cls is SparseCategoricalCrossentropy else one_hot(LABELS, 4)
    y_pred = PREDICTIONS.copy()
    y_before = y_true.copy()
    loss.forward(y_true, y_pred)
    loss.backward()
    np.testing.assert_array_equal(y_pred, PREDICTIONS)
    np.testing.assert_array_equal(y_true, y_before)
    assert cls(**loss.get_config()).get_config() == loss.get_config()


@pytest.mark.parametrize(
    ("name", "cls"),
    [
        ("categorical_crossentropy", CategoricalCrossentropy),
        ("sparse_categorical_crossentropy", SparseCategoricalCrossentropy),
        ("mean_squared_error", MeanSquaredError),
        ("mse", MeanSquaredError),
        ("MeanSquaredError", MeanSquaredError),
    ],
)
def test_losses_by_name(name, cls):
    assert type(losses.get(name)) is cls


# --- softmax and cross-entropy, fused -------------------------------------------------------------

SPELLINGS = {
    "Dense(softmax)": lambda: [Dense(3, activation="softmax")],
    "Dense + Softmax": lambda: [Dense(3), Softmax()],
    "Dense + Activation": lambda: [Dense(3), Activation("softmax")],
}


def softmax_model(spelling, loss="categorical_crossentropy", seed=0, **arguments):
    model = Sequential([Input((4,)), *SPELLINGS[spelling]()], seed=seed, **arguments)
    model.compile("sgd", loss)
    return model


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("sparse", [False, True])
def test_a_logit_gap_of_100_costs_100(spelling, sparse, rung):
    # The score of class 0 is the first input, those of the others are 0: a fact of Keras, where
    # -log of the clipped probability would give 16.118.
    model = softmax_model(spelling, f"{'sparse_' * sparse}categorical_crossentropy")
    kernel = np.zeros((4, 3))
    kernel[0, 0] = 1
    model.set_weights([kernel, np.zeros(3)])
    x, y = np.array([[100.0, 0, 0, 0]]), np.array([1]) if sparse else one_hot([1], 3)
    assert model.evaluate(x, y, verbose=0) == 100.0
    assert model.test_on_batch(x, y) == 100.0
    loss, (dkernel, dbias) = model.loss_and_gradients(x, y)
    assert loss == 100.0
    # softmax - y = (1, e^-100, e^-100) - (0, 1, 0), never zeroed by a clip; e^-100 is 4e-44
    np.testing.assert_allclose(dbias, [1, -1, 0], rtol=0, atol=1e-40)
    np.testing.assert_allclose(dkernel[0], [100, -100, 0], rtol=0, atol=1e-40)
    # The probabilities themselves are still what the model predicts.
    np.testing.assert_allclose(model.predict(x, verbose=0), [[1, 0, 0]], rtol=0, atol=1e-40)


@pytest.mark.parametrize("spelling", list(SPELLINGS)[1:])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_three_spellings_of_softmax_are_one(spelling, dtype, rung):
    first = softmax_model("Dense(softmax)", dtype=dtype)
    other = softmax_model(spelling, dtype=dtype)
    x = np.random.default_rng(0).standard_normal((5, 4))
    y = one_hot([0, 1, 2, 0, 1], 3)
    expected, actual = first.loss_and_gradients(x, y), other.loss_and_gradients(x, y)
    assert actual[0] == expected[0]
    for gradient, same in zip(actual[1], expected[1], strict=True):
        np.testing.assert_array_equal(gradient, same)


def test_fused_gradient_is_the_one_of_its_two_halves(rung):
    # In float64, away from the clip, softmax and the loss on probabilities differ from the fused
    # form by a few roundings.
    model = softmax_model("Dense(softmax)", dtype="float64")
    x = np.random.default_rng(0).standard_normal((5, 4))
    y = one_hot([0, 1, 2, 0, 1], 3)
    value, (dkernel, dbias) = model.loss_and_gradients(x, y)
    halves, layer = CategoricalCrossentropy(), model.layers[0]
    assert halves.forward(y, layer.forward(x)) == pytest.approx(value, rel=1e-13)
    layer.backward(halves.backward())
    np.testing.assert_allclose(layer.kernel.grad, dkernel, rtol=1e-11, atol=1e-14)
    np.testing.assert_allclose(layer.bias.grad, dbias, rtol=1e-11, atol=1e-14)


def test_softmax_with_another_loss_is_not_fused(rung):
    model = softmax_model("Dense(softmax)", "mse", dtype="float64")
    model.set_weights([np.zeros((4, 3)), np.log([1.0, 2.0, 5.0])])
    # p = (1/8, 2/8, 5/8), y = (0, 1, 0): (1/64 + 36/64 + 25/64) / 3 = 62/192
    x, y = np.ones((1, 4)), one_hot([1], 3)
    value, (_, dbias) = model.loss_and_gradients(x, y)
    assert value == pytest.approx(62 / 192, rel=1e-13)
    # dp = 2/3 (p - y) = (2, -12, 10) / 24; sum dp*p = (2 - 24 + 50) / 192 = 28/192
    # dlogits = p (dp - 28/192) = (1/8 * -12/192, 2/8 * -124/192, 5/8 * 52/192)
    expected = np.array([-12, -248, 260]) / 1536
    np.testing.assert_allclose(dbias, expected, rtol=1e-12)


def test_a_foreign_layer_may_have_an_activation_of_its_own(numpy_rung):
    # It is not one of ours, so it has no logits to take: its output is what the loss gets.
    class Foreign(Softmax):
        pass

    class Stranger(Layer):
        activation = "softmax"

    x, y = np.full((2, 4), 0.25), one_hot([0, 1], 4)
    for last in (Foreign(), Stranger()):
        model = Sequential([Input((4,)), last])
        model.compile("sgd", "categorical_crossentropy")
        # Four equal scores, or four probabilities of 1/4: ln 4 either way, to float32's rounding.
        assert model.evaluate(x, y, verbose=0) == pytest.approx(1.3862944, rel=1e-6)


@pytest.mark.parametrize("value", ["False", None, 0, []])
def test_from_logits_is_true_or_false(value):
    with pytest.raises(ValueError, match=r"`from_logits` must be True or False. Received"):
        SparseCategoricalCrossentropy(from_logits=value)
