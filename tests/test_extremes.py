"""Numbers at the edge: the largest logits, the caller's np.errstate, no samples, far-off steps."""

import copy
import math
import pickle

import numpy as np
import pytest

from tinycnn import (
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    AdamW,
    Nadam,
    RMSprop,
    Sequential,
    kernels,
    layers,
    losses,
    metrics,
    optimizers,
    regularizers,
)
from tinycnn.gradient_check.cases import layer_cases
from tinycnn.optimizers.clipping import clip_by_norm
from tinycnn.optimizers.schedules import (
    SCHEDULES,
    CosineDecay,
    ExponentialDecay,
    PiecewiseConstantDecay,
    PolynomialDecay,
)
from tinycnn.parameter import Parameter

# --- the largest logits ---------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("share", [1.0, 0.9])
@pytest.mark.parametrize("sparse", [False, True])
def test_the_loss_of_any_finite_logits_is_finite(rung, dtype, share, sparse):
    """float32 holds up to 3.4e38; the difference of 3.4e38 and -3.4e38 stops at that."""
    big = np.finfo(dtype).max * np.dtype(dtype).type(share)
    logits = np.array([[-big, big], [-big, big], [big, big], [-big, 0]], dtype)
    labels = np.array([0, 1, 0, 0])
    cls = losses.SparseCategoricalCrossentropy if sparse else losses.CategoricalCrossentropy
    loss = cls(from_logits=True)
    largest = float(np.finfo(dtype).max)
    expected = [largest, 0, math.log(2), float(big)]
    targets = labels if sparse else np.eye(2)[labels]
    for i in range(4):
        # Equal to the bit, but for a log.
        value = loss.forward(targets[i : i + 1], logits[i : i + 1])
        assert value == pytest.approx(expected[i], rel=1e-7)
    assert loss.forward(targets, logits) == pytest.approx(sum(e / 4 for e in expected), rel=1e-7)
    gradient = np.array([[-1, 1], [0, 0], [-0.5, 0.5], [-1, 1]]) / 4
    # log 2 and exp of it round at a few 6e-8.
    np.testing.assert_allclose(loss.backward(), gradient, rtol=0, atol=1e-7)
    p = kernels.softmax_forward(logits)
    np.testing.assert_allclose(p, [[0, 1], [0, 1], [0.5, 0.5], [0, 1]], rtol=0, atol=1e-7)
    assert np.isfinite(kernels.log_softmax(logits)).all()


def test_infinite_logits_are_not_hidden(rung):
    """A network that has diverged must not get a finite loss."""
    log_p = kernels.log_softmax(np.array([[-np.inf, 0.0], [np.inf, 0.0]]))
    assert log_p[0, 0] == -np.inf
    assert np.isnan(log_p[1]).any()


# --- the caller's error state ---------------------------------------------------------------------

OPTIMIZERS = [
    SGD(0.01, momentum=0.9, nesterov=True, clipvalue=0.5),
    SGD(0.01, clipnorm=1.0, weight_decay=0.01),
    Adam(0.01, beta_1=0.5, beta_2=0.6),
    AdamW(ExponentialDecay(0.01, 1, 0.5)),
    RMSprop(0.01, rho=0.5, momentum=0.5, centered=True, global_clipnorm=1.0),
    Adam(0.01, beta_1=0.5, beta_2=0.6, amsgrad=True),
    Adagrad(0.01, initial_accumulator_value=0.0),
    Adadelta(0.1, rho=0.5),
    Nadam(0.01, beta_1=0.5, beta_2=0.6),
]


def test_no_optimizer_is_left_out():
    assert {type(o) for o in OPTIMIZERS} == {*optimizers.OPTIMIZERS.values()}


# The optimizers never see the loss: the other loss meets one of them.
@pytest.mark.parametrize(
    "loss, optimizer",
    [*(("categorical_crossentropy", o) for o in OPTIMIZERS), ("mse", OPTIMIZERS[0])],
    ids=lambda p: p if isinstance(p, str) else f"{type(p).__name__}-{p.slots}",
)
def test_training_does_not_depend_on_the_caller_s_error_state(rung, optimizer, loss):
    """Betas of 1/2 leave float32 after 150 steps, moments of a dead unit soon after them."""

    def trained(**state):
        rng = np.random.default_rng(0)
        model = Sequential(
            [
                layers.Rescaling(1.0, input_shape=(8, 8, 1)),
                layers.RandomTranslation(0.1, 0.1),
                layers.RandomRotation(0.02),
                layers.RandomZoom(0.1),
                layers.Conv2D(3, 3, activation="relu", kernel_regularizer="l2"),
                layers.MaxPooling2D(2),
                layers.BatchNormalization(),
                layers.Activation("sigmoid"),
                layers.Activation("tanh"),
                layers.ELU(),
                layers.LeakyReLU(),
                layers.AveragePooling2D(2, 1),
                layers.Dropout(0.2),
                layers.Flatten(),
                layers.Dense(4, activation="softmax"),
            ],
            seed=0,
        )
        model.compile(copy.deepcopy(optimizer), loss, metrics=["accuracy"])
        x = rng.random((4, 8, 8, 1), dtype=np.float32)
        x[..., :4, :] *= np.float32(1e-30)  # squares, and products with small gradients, underflow
        x[0] = 0
        y = np.eye(4, dtype=np.float32)
        with np.errstate(**state):
            for _ in range(200):
                model.train_on_batch(x, y)
            model.evaluate(x, y, verbose=0)
            model.predict(x, verbose=0)
        return model.fingerprint()

    assert trained(all="raise") == trained(all="ignore")


def test_pixels_too_small_for_float32_are_0(rung):
    model = Sequential([layers.Dense(2, input_shape=(3,))])
    model.compile("adam", "mse")
    x = np.full((2, 3), 1e-50)
    with np.errstate(all="raise"):
        model.fit(x, x[:, :2], verbose=0)
        model.predict(x, verbose=0)


TINY, HUGE = np.finfo(np.float32).tiny, np.finfo(np.float32).max


@pytest.mark.parametrize("numbers", [TINY, HUGE, 1.0, 104.0])
def test_no_arithmetic_of_the_library_raises_what_numpy_would(rung, numbers):
    """Every layer and loss, and what optimizers do, on numbers whose products leave float32."""
    with np.errstate(all="raise"):
        for title, layer, x in layer_cases():
            layer = copy.deepcopy(layer)
            layer.built = False
            layer.build(x.shape[1:], np.random.default_rng(0), "float32")
            signs = np.where(x < 0, -1, 1).astype(np.float32)
            y = layer.forward(signs * np.float32(numbers), training=True)
            layer.backward(np.ones_like(y) * np.float32(numbers))
            assert y.dtype == np.float32, title
        logits = np.array([[1, -1]], np.float32) * np.float32(numbers)
        one_hot = np.array([[0, 1.0]])
        for loss in (losses.CategoricalCrossentropy(True), losses.MeanSquaredError()):
            loss.forward(one_hot, logits)
            loss.backward()
        losses.CategoricalCrossentropy().forward(one_hot, abs(logits))
        losses.SparseCategoricalCrossentropy().forward(np.array([1]), abs(logits))
        regularizers.L2(0.5)(logits)
        regularizers.L2(0.5).gradient(logits)
        metrics.accuracy(one_hot, logits)
        clip_by_norm([logits], 1e-30)
        for optimizer in (SGD(0.5, weight_decay=0.5), Adam(), RMSprop(centered=True)):
            weight = Parameter("kernel", logits.copy(), logits.copy())
            for _ in range(3):
                optimizer.update([weight])


# --- no samples -----------------------------------------------------------------------------------


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("title", [title for title, *_ in layer_cases()])
def test_batches_of_no_samples(rung, title, training):
    layer, x = next((layer, x) for t, layer, x in layer_cases() if t == title)
    if not layer.built:
        layer.build(x.shape[1:], np.random.default_rng(0), "float64")
    if training and isinstance(layer, layers.BatchNormalization):
        with pytest.raises(ValueError, match="at least one sample in training"):
            layer.forward(x[:0], training=True)
        return
    y = layer.forward(x[:0], training=training)
    assert y.shape == (0, *layer.output_shape)
    dx = layer.backward(np.ones_like(y))
    assert dx.shape == (0, *x.shape[1:])
    for parameter in layer.parameters:
        if parameter.trainable:
            np.testing.assert_array_equal(parameter.grad, np.zeros_like(parameter.value))


# --- far-off steps --------------------------------------------------------------------------------

FAR = [10**9, 10**30, 10**400]
FAR_OFF = [
    (ExponentialDecay(0.1, 10, 0.5), 0.0),
    (ExponentialDecay(0.1, 10, 0.5, staircase=True), 0.0),
    (ExponentialDecay(0.1, 10, 1.0), 0.1),
    (ExponentialDecay(0.1, 0.1, 1.0, staircase=True), 0.1),
    (CosineDecay(0.1, 10), 0.0),
    (CosineDecay(0.1, 10, 0.5, warmup_target=0.4, warmup_steps=5), 0.2),
    (PiecewiseConstantDecay([2, 4], [1.0, 0.5, 0.1]), 0.1),
    (PolynomialDecay(0.1, 10), 0.0001),
    (PolynomialDecay(0.1, 10, power=0.5), 0.0001),
]


@pytest.mark.parametrize("step", FAR, ids=["1e9", "1e30", "1e400"])
@pytest.mark.parametrize(("schedule", "end"), FAR_OFF, ids=range(len(FAR_OFF)))
def test_schedules_far_past_their_end_stay_there(schedule, end, step):
    optimizer = SGD(schedule)
    optimizer.iterations = step
    assert optimizer.learning_rate == pytest.approx(end, rel=1e-12)


@pytest.mark.parametrize("step", FAR, ids=["1e9", "1e30", "1e400"])
def test_what_has_no_end_stays_in_its_range_or_says_so(step):
    assert 0 <= PolynomialDecay(0.1, 7, 0.0, cycle=True)(step) <= 0.1
    assert 0 <= CosineDecay(0.0, 10, warmup_target=0.1, warmup_steps=step + 1)(step) <= 0.1
    for staircase in (False, True):
        with pytest.raises(ValueError, match="overflows after so many steps"):
            ExponentialDecay(0.1, 10, 2.0, staircase)(step)
    assert {type(schedule) for schedule, _ in FAR_OFF} == set(SCHEDULES.values())


@pytest.mark.parametrize("step", FAR, ids=["1e9", "1e30", "1e400"])
@pytest.mark.parametrize("name", [name.lower() for name in optimizers.OPTIMIZERS])
def test_optimizers_after_many_steps(rung, name, step):
    optimizer, weight = optimizers.get(name), Parameter("w", np.ones(2, "f"), np.ones(2, "f"))
    optimizer.iterations = step
    optimizer.update([weight])
    assert (weight.value < 1).all() and np.isfinite(weight.value).all()


# --- copies of an optimizer and its model ---------------------------------------------------------


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_a_copy_of_a_model_trains_on_as_the_model_does(numpy_rung, copied):
    x, y = np.random.default_rng(0).random((2, 4, 3))
    model = Sequential([layers.Dense(3, input_shape=(3,))], seed=1)
    model.compile(Adam(0.1), "mse")
    model.train_on_batch(x, y)
    twin = copied(model)
    assert twin.train_on_batch(x, y) == model.train_on_batch(x, y)
    assert twin.fingerprint() == model.fingerprint()
    assert twin.optimizer.iterations == model.optimizer.iterations == 2
    model.compile(model.optimizer, "mse")  # once more, with its own: it goes on, as in Keras
    model.train_on_batch(x, y)
    assert model.optimizer.iterations == 3
    other = Sequential([layers.Dense(3, input_shape=(3,))], seed=1)
    other.compile(model.optimizer, "mse")
    with pytest.raises(ValueError, match="make a new one for each model"):
        other.train_on_batch(x, y)
    assert model.optimizer.iterations == 3
