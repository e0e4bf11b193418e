"""Optimizers: steps worked by hand, and what they may and may not touch."""

import copy
import doctest
import json
import pickle

import numpy as np
import pytest

from tinycnn import (
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    AdamW,
    Dense,
    Input,
    Nadam,
    RMSprop,
    Sequential,
    backend,
    load_model,
    optimizers,
)
from tinycnn.layers import Layer
from tinycnn.losses import Loss
from tinycnn.optimizers import Optimizer, base
from tinycnn.optimizers.schedules import (
    CosineDecay,
    ExponentialDecay,
    LearningRateSchedule,
    PiecewiseConstantDecay,
    PolynomialDecay,
)
from tinycnn.parameter import Parameter


def parameter(value, gradient, dtype="float64", **arguments):
    return Parameter(
        "kernel",
        np.atleast_1d(np.array(value, dtype)),
        np.atleast_1d(np.array(gradient, dtype)),
        **arguments,
    )


def run(optimizer, gradients, value=1.0, dtype="float64"):
    """The value of one number after each step."""
    weight, values = parameter(value, 0, dtype), []
    for gradient in gradients:
        weight.grad = np.array([gradient], dtype)
        optimizer.update([weight])
        values.append(float(weight.value[0]))
    return values


# Ten decimal fractions added up in float64 round at a few 1e-16.
EXACTLY = {"rel": 1e-14, "abs": 1e-14}


def test_sgd_by_hand(rung):
    # 1 - 0.1*0.5 = 0.95;  0.95 + 0.1*2 = 1.15
    assert run(SGD(0.1), [0.5, -2]) == pytest.approx([0.95, 1.15], **EXACTLY)


# A momentum of 1/2 is exact in float32, to which Keras rounds it, also in a float64 model.


def test_momentum_by_hand(rung):
    # v = -0.1*0.5 = -0.05, w = 0.95;  v = 0.5*-0.05 - 0.05 = -0.075, w = 0.875
    assert run(SGD(0.1, momentum=0.5), [0.5, 0.5]) == pytest.approx([0.95, 0.875], **EXACTLY)


def test_nesterov_by_hand(rung):
    # v = -0.05, w = 1 + 0.5*-0.05 - 0.05 = 0.925
    # v = 0.5*-0.05 - 0.05 = -0.075, w = 0.925 + 0.5*-0.075 - 0.05 = 0.8375
    optimizer = SGD(0.1, momentum=0.5, nesterov=True)
    assert run(optimizer, [0.5, 0.5]) == pytest.approx([0.925, 0.8375], **EXACTLY)


def test_the_learning_rate_is_inside_the_velocity(rung):
    weight, optimizer = parameter(1, 0.5), SGD(0.1, momentum=0.5)
    optimizer.update([weight])
    optimizer.learning_rate = 0.01
    optimizer.update([weight])
    # v = 0.5*-0.05 - 0.01*0.5 = -0.03, w = 0.95 - 0.03. PyTorch's rule would give 0.9425.
    assert weight.value[0] == pytest.approx(0.92, **EXACTLY)


def test_first_adam_step_by_hand(rung):
    # g = 2: m = 0.1*2 = 0.2, v = 0.001*4 = 0.004, alpha = 0.001*sqrt(0.001)/0.1 = 3.16227766e-4
    # step = 0.2*alpha / (sqrt(0.004) + 1e-7) = 6.32455532e-5 / 0.0632456532 = 9.99998419e-4
    # Keras rounds its betas to float32 (0.999 by 1.3e-8, so sqrt(1 - 0.999) by 6.5e-6 of itself).
    assert 1 - run(Adam(), [2])[0] == pytest.approx(9.99998419e-4, rel=2e-5)
    # So the first step is lr * sign(g), whatever the size of g.
    for gradient in (1e-2, -3.0, 1e4):
        step = 1 - run(Adam(0.01), [gradient])[0]
        assert step == pytest.approx(0.01 * np.sign(gradient), rel=5e-4)


def test_adams_epsilon_is_added_before_the_bias_correction(rung):
    # g = 1e-6: m = 1e-7, sqrt(v) = sqrt(0.001)*1e-6 = 3.16227766e-8
    # step = 1e-7*3.16227766e-4 / (3.16227766e-8 + 1e-7) = 3.16227766e-11 / 1.316227766e-7
    # = 2.40253e-4; the textbook's place for epsilon would give 1e-3*1e-6/(1.1e-6) = 9.1e-4.
    assert 1 - run(Adam(), [1e-6])[0] == pytest.approx(2.40253e-4, rel=2e-5)


def test_second_adam_step_by_hand(rung):
    # beta_1 = 0.5 and beta_2 = 0.75 are exact in float32. g = 1, then 0:
    # t=1: m = 0.5, v = 0.25, alpha = sqrt(0.25)/0.5 = 1: step 0.5/0.5 = 1
    # t=2: m = 0.25, v = 0.1875, alpha = sqrt(1 - 0.5625)/(1 - 0.25) = 0.6614378278/0.75
    #      = 0.8819171037; step = 0.25*0.8819171037/0.4330127019 = 0.5091750772
    values = run(Adam(1.0, beta_1=0.5, beta_2=0.75, epsilon=0.0), [1, 0], value=2.0)
    assert values == pytest.approx([1.0, 0.4908249228], abs=1e-9)  # ten digits were written down


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_adam_does_not_move_what_has_no_gradient(dtype, rung):
    # m stays exactly 0, so the weight keeps every bit. 70 numbers: whole vectors and a rest.
    value = np.random.default_rng(0).standard_normal(70).astype(dtype)
    weight, optimizer = Parameter("kernel", value.copy(), np.zeros_like(value)), Adam(0.1)
    weight.grad[::7] = 1e-3
    for _ in range(5):
        optimizer.update([weight])
    moved = weight.value != value
    np.testing.assert_array_equal(moved, weight.grad != 0)


def test_weights_of_pixels_that_are_always_black_do_not_move(rung):
    model = Sequential([Input((6,)), Dense(4, activation="relu"), Dense(3, activation="softmax")])
    model.compile(Adam(0.01), "categorical_crossentropy")
    x = np.random.default_rng(0).random((20, 6))
    x[:, [0, 4]] = 0
    before = model.get_weights()[0]
    model.fit(x, np.eye(3)[np.arange(20) % 3], batch_size=4, epochs=2, verbose=0)
    after = model.get_weights()[0]
    np.testing.assert_array_equal(after[[0, 4]], before[[0, 4]])
    assert (after[[1, 2, 3, 5]] != before[[1, 2, 3, 5]]).any(axis=1).all()


def test_rmsprop_by_hand(rung):
    # g = 1, then 0, with rho = 0.75, epsilon 0: mean square 0.25, then 0.1875
    # step = 0.5*1/sqrt(0.25) = 1, then 0
    assert run(RMSprop(0.5, rho=0.75, epsilon=0.0), [1, 0], value=3.0) == [2.0, 2.0]
    # with momentum 0.5: velocity 1, then 0.5*1 + 0
    optimizer = RMSprop(0.5, rho=0.75, momentum=0.5, epsilon=0.0)
    assert run(optimizer, [1, 0], value=3.0) == [2.0, 1.5]


def test_centered_rmsprop_by_hand(rung):
    # g = 1: mean square 0.5, mean 0.5, variance 0.5 - 0.25 = 0.25; step = 0.25/0.5 = 0.5
    optimizer = RMSprop(0.25, rho=0.5, epsilon=0.0, centered=True)
    assert run(optimizer, [1], value=2.0) == [1.5]


def test_rmsprops_epsilon_is_inside_the_root(rung):
    # g = 1e-4: mean square 1e-9, step = 0.001*1e-4/sqrt(1e-9 + 1e-7) = 1e-7/3.17805e-4
    # = 3.14658e-4; outside the root it would be 1e-7/(3.16228e-5 + 1e-7) = 3.15e-3.
    assert 1 - run(RMSprop(), [1e-4])[0] == pytest.approx(3.14658e-4, rel=1e-5)


# --- clipping and weight decay --------------------------------------------------------------------


def step_of(optimizer, *gradients):
    """What one step of SGD(1.0) takes off parameters with these gradients."""
    parameters = [parameter(np.zeros(len(g)), g) for g in gradients]
    optimizer.update(parameters)
    return [(-p.value).tolist() for p in parameters]


def test_clipvalue_by_hand(rung):
    assert step_of(SGD(1.0, clipvalue=2.0), [3, -4, 1]) == [[2, -2, 1]]


def test_clipnorm_is_of_each_parameter(rung):
    # Norms 5 and 1: the first is halved, the second left.
    assert step_of(SGD(1.0, clipnorm=2.5), [3, -4], [0, 1]) == [[1.5, -2], [0, 1]]


def test_global_clipnorm_is_of_all_together(rung):
    # sqrt(3^2 + 4^2 + 12^2) = 13, so that everything is halved.
    assert step_of(SGD(1.0, global_clipnorm=6.5), [3, -4], [12]) == [[1.5, -2], [6]]
    assert step_of(SGD(1.0, global_clipnorm=13.5), [3, -4], [12]) == [[3, -4], [12]]


def test_squares_of_large_gradients_do_not_overflow(rung):
    weight = parameter([0, 0], [3e25, 4e25], "float32")
    SGD(1.0, clipnorm=5.0).update([weight])
    np.testing.assert_allclose(weight.value, [-3, -4], rtol=1e-6)


@pytest.mark.parametrize("clipping", ["clipnorm", "clipvalue", "global_clipnorm"])
def test_clipping_leaves_the_gradient_alone(clipping, rung):
    weight = parameter([1, 1], [30, 40])
    Adam(**{clipping: 0.5}).update([weight])
    np.testing.assert_array_equal(weight.grad, [30, 40])


def test_only_one_clipping_can_be_set():
    with pytest.raises(ValueError, match=r"only one of .* Received: clipnorm=1, global_clipnorm=2"):
        SGD(clipnorm=1, global_clipnorm=2)


@pytest.mark.parametrize("clipping", ["clipnorm", "clipvalue", "global_clipnorm"])
@pytest.mark.parametrize("value", [0, -1.0, float("nan"), "1"])
def test_a_clipping_is_positive(clipping, value):
    with pytest.raises(ValueError, match=f"`{clipping}` must be a finite number > 0. Received"):
        SGD(**{clipping: value})


def test_weight_decay_by_hand(rung):
    # 2 - 2*0.25*0.5 = 1.75, then the step 0.5*1; and 1.25 - 1.25*0.125 = 1.09375, then 0.5*1
    assert run(SGD(0.5, weight_decay=0.25), [1, 1], value=2.0) == [1.25, 0.59375]


def test_weight_decay_does_not_go_through_adams_moments(rung):
    # Without a gradient only the decay is left: 1 - 0.5*0.25, twice. An L2 penalty would be
    # divided by its own size, and move the weight by the learning rate.
    weight, optimizer = parameter(1, 0), AdamW(0.5, weight_decay=0.25)
    for expected in (0.875, 0.765625):
        optimizer.update([weight])
        assert weight.value[0] == expected
    assert not optimizer.state[0]["m"].any()


def test_adamw_decays_by_default():
    assert AdamW().weight_decay == 0.004
    assert AdamW(0.01, 0.1).get_config()["weight_decay"] == 0.1
    with pytest.raises(ValueError, match="weight_decay=None"):
        AdamW(weight_decay=None)
    with pytest.raises(ValueError, match="weight_decay=-1"):
        SGD(weight_decay=-1)


@pytest.mark.parametrize("argument", ["use_ema", "nomen", "clip"])
@pytest.mark.parametrize("optimizer", optimizers.OPTIMIZERS.values())
def test_what_is_not_there_is_a_type_error(optimizer, argument):
    with pytest.raises(TypeError, match=argument):
        optimizer(**{argument: 1})


# --- schedules ------------------------------------------------------------------------------------

SCHEDULES = [
    ExponentialDecay(0.1, 10, 0.5, staircase=True),
    CosineDecay(0.0, 20, 0.1, warmup_target=0.5, warmup_steps=5),
    PiecewiseConstantDecay([2, 4], [1.0, 0.5, 0.1]),
    PolynomialDecay(0.1, 10, 0.01, power=2.0, cycle=True),
]
every_schedule = pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda s: type(s).__name__)


class Halves(LearningRateSchedule):
    """1, 1/2, 1/4, ..."""

    def __call__(self, step):
        return 0.5**step


def test_the_first_step_is_step_0(rung):
    # 4 - 1 - 1/2 - 1/4
    optimizer = SGD(Halves())
    assert run(optimizer, [1, 1, 1], value=4.0) == [3.0, 2.5, 2.25]
    assert optimizer.learning_rate == 0.125  # of the next one


def test_the_weight_decay_follows_the_schedule_too(rung):
    # 1 - 1*0.5, then 0.5 - 0.5*0.5*0.5
    assert run(SGD(Halves(), weight_decay=0.5), [0, 0]) == [0.5, 0.375]


def test_a_schedule_refuses_a_number_in_its_place():
    optimizer = Adam(Halves())
    with pytest.raises(TypeError, match=r"follows a Halves and can't be set.*learning_rate=0.1"):
        optimizer.learning_rate = 0.1
    assert optimizer.learning_rate == 1.0
    optimizer.learning_rate = CosineDecay(0.3, 10)
    assert optimizer.learning_rate == 0.3


def test_a_schedule_may_take_a_numbers_place(rung):
    optimizer = SGD(0.25)
    optimizer.learning_rate = Halves()
    assert run(optimizer, [1], value=4.0) == [3.0]


@pytest.mark.parametrize("rate", [-1.0, float("nan"), None])
def test_a_schedule_that_goes_wrong_changes_nothing(rate, rung):
    class Wrong(LearningRateSchedule):
        def __call__(self, step):
            return rate

    weight, optimizer = parameter(1, 1), SGD(Wrong())
    with pytest.raises(ValueError, match=r"`learning_rate` must be .* Received: learning_rate="):
        optimizer.update([weight])
    assert (weight.value, optimizer.iterations) == (1, 0)


@every_schedule
def test_a_schedule_is_saved_with_its_model(schedule, tmp_path, numpy_rung):
    def model():
        model = Sequential([Input((2,)), Dense(1)], seed=0)
        model.compile(SGD(schedule, momentum=0.5, clipnorm=1.0), "mse")
        return model

    x, y = np.ones((6, 2)), np.ones((6, 1))
    whole, first = model(), model()
    whole.fit(x, y, batch_size=1, verbose=0)
    first.fit(x[:3], y[:3], batch_size=1, verbose=0)
    first.save(tmp_path / "first.npz")
    again = load_model(tmp_path / "first.npz")
    assert again.optimizer.get_config() == first.optimizer.get_config()
    assert again.optimizer.learning_rate == schedule(3)
    again.fit(x[3:], y[3:], batch_size=1, verbose=0)
    for ours, expected in zip(again.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, expected)


def test_a_schedule_of_ones_own_is_not_saved(tmp_path, capsys, numpy_rung):
    model = Sequential([Input((2,)), Dense(1)])
    model.compile(SGD(Halves()), "mse")
    model.save(tmp_path / "model.npz")
    assert "Halves can't be saved: compile the model again" in capsys.readouterr().err
    assert load_model(tmp_path / "model.npz").optimizer is None


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ExponentialDecay(0.1, 0, 0.5), "`decay_steps` must be .* decay_steps=0"),
        (lambda: ExponentialDecay(-0.1, 1, 0.5), "initial_learning_rate=-0.1"),
        (lambda: CosineDecay(0.1, -3), "decay_steps=-3"),
        (lambda: CosineDecay(0.1, 3, warmup_steps=2), "needs a `warmup_target`"),
        (lambda: PolynomialDecay(0.1, 0), "decay_steps=0"),
        (lambda: PiecewiseConstantDecay([1], [0.1]), r"boundaries=\[1\], values=\[0.1\]"),
        (lambda: PiecewiseConstantDecay([2, 2], [3, 2, 1]), "must grow"),
        (lambda: SGD("fast"), "learning_rate='fast'"),
    ],
)
def test_bad_arguments_are_named(make, words):
    with pytest.raises(ValueError, match=words):
        make()


# --- what all optimizers promise ------------------------------------------------------------------

OPTIMIZERS = [
    SGD(0.1),
    SGD(0.1, momentum=0.9),
    SGD(0.1, 0.9, nesterov=True, weight_decay=0.1),
    Adam(),
    AdamW(clipvalue=0.4),
    RMSprop(),
    RMSprop(momentum=0.5, centered=True, clipnorm=1.0),
    SGD(CosineDecay(0.1, 10), global_clipnorm=0.5),
    Adam(amsgrad=True),
    AdamW(amsgrad=True, clipnorm=1.0),
    Adagrad(weight_decay=0.1),
    Adadelta(1.0, clipvalue=0.4),
    Nadam(CosineDecay(0.1, 10)),
]


def test_no_optimizer_is_left_out_of_what_all_promise():
    assert {type(o) for o in OPTIMIZERS} == {*optimizers.OPTIMIZERS.values()}


every_optimizer = pytest.mark.parametrize(
    "optimizer", OPTIMIZERS, ids=lambda o: f"{type(o).__name__}-{len(o.slots)}-{o.get_config()}"
)


@every_optimizer
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_only_the_value_is_written_and_in_place(optimizer, dtype, rung):
    optimizer = type(optimizer).from_config(optimizer.get_config())
    weight = Parameter("kernel", np.ones((2, 3), dtype), np.full((2, 3), 0.5, dtype))
    value, gradient = weight.value, weight.grad
    for _ in range(2):
        optimizer.update([weight])
    assert weight.value is value
    assert weight.grad is gradient
    assert value.dtype == dtype
    assert (value < 1).all()
    np.testing.assert_array_equal(gradient, np.full((2, 3), 0.5))
    for slots in optimizer.state:
        assert all(array.dtype == dtype for array in slots.values())
    assert optimizer.iterations == 2


@every_optimizer
def test_one_counter_for_all_parameters(optimizer, rung):
    # Two equal parameters move alike: the second is not a step ahead.
    optimizer = type(optimizer).from_config(optimizer.get_config())
    pair = [parameter([1, 2], [0.5, -1]), parameter([1, 2], [0.5, -1])]
    for _ in range(3):
        optimizer.update(pair)
    np.testing.assert_array_equal(pair[0].value, pair[1].value)
    assert optimizer.iterations == 3


@every_optimizer
def test_config_makes_an_equal_optimizer(optimizer):
    copy = type(optimizer).from_config(optimizer.get_config())
    assert copy.get_config() == optimizer.get_config()
    assert copy.slots == optimizer.slots
    assert copy.iterations == 0


def test_frozen_parameters_do_not_move(rung):
    frozen, free = parameter(1, 1, trainable=False), parameter(1, 1)
    optimizer = Adam()
    optimizer.update([frozen, free])
    assert frozen.value == 1
    assert free.value < 1
    assert len(optimizer.state) == 1


def test_a_missing_gradient_changes_nothing(numpy_rung):
    first, second = parameter(1, 1), parameter(1, 1)
    second.grad = None
    optimizer = SGD()
    with pytest.raises(RuntimeError, match="kernel has no gradient yet"):
        optimizer.update([first, second])
    assert first.value == 1
    assert optimizer.iterations == 0


@pytest.mark.parametrize("others", [[parameter([1, 2, 3], 0)], [parameter(1, 0), parameter(1, 0)]])
def test_an_optimizer_belongs_to_its_parameters(others, numpy_rung):
    optimizer = Adam()
    optimizer.update([parameter([1, 2], [1, 1])])
    with pytest.raises(ValueError, match="make a new one for each model"):
        optimizer.update(others)


def test_learning_rate_can_be_assigned(rung):
    optimizer = optimizers.get("SGD")
    assert optimizer.learning_rate == 0.01  # Keras's default
    optimizer.learning_rate = 0.5
    assert run(optimizer, [1]) == [0.5]
    with pytest.raises(ValueError, match="learning_rate=-1"):
        optimizer.learning_rate = -1
    assert optimizer.learning_rate == 0.5


def test_optimizers_by_name():
    adam = optimizers.get("adam")
    assert type(adam) is type(optimizers.get("Adam")) is Adam
    # Keras's defaults
    assert adam.get_config() == {
        "learning_rate": 0.001,
        "weight_decay": None,
        "clipnorm": None,
        "clipvalue": None,
        "global_clipnorm": None,
        "beta_1": 0.9,
        "beta_2": 0.999,
        "epsilon": 1e-7,
        "amsgrad": False,
    }
    assert optimizers.get(adam) is adam


def test_state_size_is_counted_as_in_keras(numpy_rung):
    weight = parameter([1, 2, 3], [1, 1, 1], "float32")
    adam, sgd = Adam(), SGD()
    assert adam.state_size() == sgd.state_size() == (0, 0)
    adam.update([weight])
    sgd.update([weight])
    # m and v of 3 numbers, the step counter (int64) and the learning rate (float32)
    assert adam.state_size() == (2 * 3 + 2, 2 * 3 * 4 + 8 + 4)
    assert sgd.state_size() == (2, 8 + 4)
    scheduled = SGD(CosineDecay(0.1, 10))
    scheduled.update([weight])
    assert scheduled.state_size() == (1, 8)


# --- a training step, all by hand -----------------------------------------------------------------


def hand_model(optimizer):
    """x (1, 2) -> Dense(2, relu) -> Dense(1), mean squared error."""
    model = Sequential([Input((2,)), Dense(2, activation="relu"), Dense(1)], dtype="float64")
    model.set_weights([[[1, -1], [2, 1]], [0.5, -2], [[2], [3]], [1]])
    model.compile(optimizer, "mse")
    return model


X, Y = np.array([[1.0, 0.5]]), np.array([[2.0]])
# Forward:  z = (1*1 + 0.5*2 + 0.5, 1*-1 + 0.5*1 - 2) = (2.5, -2.5); h = (2.5, 0)
#           y = 2.5*2 + 0*3 + 1 = 6;  loss = (6 - 2)^2 = 16
# Backward: dy = 2*(6 - 2) = 8;  dkernel2 = h*8 = (20, 0), dbias2 = 8;  dh = 8*(2, 3) = (16, 24)
#           dz = (16, 0), for unit 2 is off;  dkernel1 = x^T dz = ((16, 0), (8, 0)), dbias1 = dz
GRADIENTS = [[[16, 0], [8, 0]], [16, 0], [[20], [0]], [8]]


def test_a_step_of_sgd_by_hand(rung):
    model = hand_model(SGD(0.25))
    loss, gradients = model.loss_and_gradients(X, Y)
    assert loss == 16
    for gradient, expected in zip(gradients, GRADIENTS, strict=True):
        np.testing.assert_array_equal(gradient, expected)
    assert model.train_on_batch(X, Y) == 16
    # weights - gradients / 4, exact in binary
    expected = [[[-3, -1], [0, 1]], [-3.5, -2], [[-3], [3]], [-1]]
    for weight, value in zip(model.get_weights(), expected, strict=True):
        np.testing.assert_array_equal(weight, value)
    # h = relu(-3 + 0 - 3.5, ...) = 0, so y = -1 and the loss (-1 - 2)^2
    assert model.evaluate(X, Y, verbose=0) == 9


def test_a_first_step_of_adam_by_hand(rung):
    model = hand_model(Adam(0.125))
    before = model.get_weights()
    model.train_on_batch(X, Y)
    for weight, old, gradient in zip(model.get_weights(), before, GRADIENTS, strict=True):
        # -lr * sign(g), but for epsilon (1e-7 / (0.03*8)) and the float32 betas (6.5e-6)
        np.testing.assert_allclose(weight, old - 0.125 * np.sign(gradient), rtol=0, atol=2e-6)
        np.testing.assert_array_equal((weight != old), np.not_equal(gradient, 0))


# --- an optimizer of one's own --------------------------------------------------------------------


class Own(Optimizer):
    """Gradient descent with a velocity, right."""

    slots = ("velocity",)

    def update_step(self, value, gradient, learning_rate, velocity):
        velocity *= 0.5
        velocity -= learning_rate * gradient
        value += velocity


def test_an_optimizer_of_ones_own_is_sgd_with_momentum(numpy_rung):
    assert run(Own(0.25), [0.5, 2, -1, 4]) == run(SGD(0.25, momentum=0.5), [0.5, 2, -1, 4])


def test_the_example_in_the_docstring_runs(numpy_rung):
    (example,) = doctest.DocTestFinder(recurse=False).find(Optimizer, "Optimizer", base)
    assert doctest.DocTestRunner().run(example) == (0, 5)


def test_the_arguments_of_update_step_come_by_name(numpy_rung):
    class KerasOrder(Optimizer):
        def update_step(self, gradient, value, learning_rate):
            value -= learning_rate * gradient

    assert run(KerasOrder(0.25), [0.5, 2]) == run(SGD(0.25), [0.5, 2])


def subclass(method, slots=(), name="update_step"):
    return type("Mine", (Optimizer,), {name: method, "slots": slots})


def rebinds(self, value, gradient, learning_rate):
    value = value - learning_rate * gradient


def returns(self, value, gradient, learning_rate):
    return value - learning_rate * gradient


def rebinds_with_a_slot(self, value, gradient, learning_rate, m):
    m = 0.9 * m + gradient
    value = value - learning_rate * m


def keras_names(self, gradient, variable, learning_rate):
    variable -= learning_rate * gradient


def without_the_slot(self, value, gradient, learning_rate):
    value -= learning_rate * gradient


@pytest.mark.parametrize(
    ("method", "slots", "error", "words"),
    [
        (rebinds, (), RuntimeError, "Mine.update_step has changed no value"),
        (rebinds_with_a_slot, ("m",), RuntimeError, "`value = ...` makes another array"),
        (returns, (), TypeError, "change `value` in place .*Received: ndarray"),
        (keras_names, (), TypeError, r"value, gradient, learning_rate, by .*\(self, gradient, var"),
        (without_the_slot, ("m",), TypeError, "must take the arguments .*learning_rate, m, by"),
    ],
)
def test_a_wrong_update_step_is_refused_with_words(numpy_rung, method, slots, error, words):
    optimizer = subclass(method, slots)(0.1)
    with pytest.raises(error, match=words):
        optimizer.update([parameter([1, 2], [0, 1], "float32")])


def test_an_optimizer_without_its_method_is_refused_when_it_is_made():
    for wrong in (Optimizer, subclass(rebinds, name="_update"), type("Mine", (Optimizer,), {})):
        with pytest.raises(NotImplementedError, match=r"needs a method `update_step\(self, value"):
            wrong(0.1)


@pytest.mark.parametrize(
    ("learning_rate", "gradient", "value"),
    [(0.0, 1, 1), (0.1, 0, 1), (1e-12, 1, 1), (0.1, 1, 1e30), (0.1, np.nan, np.nan)],
)
def test_no_false_alarm_where_nothing_can_move(numpy_rung, learning_rate, gradient, value):
    """No learning rate, no gradient, or a step below the last bit of float32."""

    class Plain(Optimizer):
        def update_step(self, value, gradient, learning_rate):
            value -= learning_rate * gradient

    optimizer, weight = Plain(learning_rate), parameter(value, gradient, "float32")
    for _ in range(2):
        optimizer.update([weight])
    assert optimizer.iterations == 2


def test_an_optimizer_that_collects_gradients_is_only_warned_of_and_once(numpy_rung):
    class EverySecond(Optimizer):
        slots = ("total",)

        def update_step(self, value, gradient, learning_rate, total):
            total += gradient
            if self.iterations % 2 == 0:
                value -= learning_rate * total
                total[...] = 0

    optimizer, weight = EverySecond(0.5), parameter(1, 0.5)
    with pytest.warns(UserWarning, match="has changed no value.*If it only collects"):
        optimizer.update([weight])
    for _ in range(3):
        optimizer.update([weight])
    assert weight.value == 0  # 1 - 2 * 0.5 * (0.5 + 0.5)


@pytest.mark.parametrize("make", [SGD, Adam, RMSprop, Own], ids=lambda cls: cls.__name__)
def test_an_optimizer_belongs_to_its_parameters_not_to_their_shapes(make, numpy_rung):
    """As in Keras. Without slots there still is the number of steps, which schedules follow."""
    optimizer, first, second = make(0.1), parameter([1, 2], [1, 1]), parameter([1, 2], [1, 1])
    optimizer.update([first])
    with pytest.raises(ValueError, match="make a new one for each model"):
        optimizer.update([second])
    np.testing.assert_array_equal(second.value, [1, 2])
    assert optimizer.iterations == 1
    optimizer.update([first])
    assert optimizer.iterations == 2


def test_what_a_user_has_to_override_says_so(numpy_rung):
    class Half(Layer):
        def forward(self, x, training=False):
            return self.receive(x) / 2

    layer = Half()
    layer.forward(np.ones((1, 2)))
    with pytest.raises(NotImplementedError, match=r"Half .* needs a `backward\(self, dy\)`"):
        layer.backward(np.ones((1, 2)))
    with pytest.raises(NotImplementedError, match=r"Loss needs a method `forward\(self, y_true"):
        Loss().forward(np.ones(1), np.ones(1))
    with pytest.raises(NotImplementedError, match=r"Loss needs a method `backward\(self\)`"):
        Loss().backward()
    with pytest.raises(NotImplementedError, match=r"Schedule needs a method `__call__\(self, step"):
        LearningRateSchedule()(0)


@pytest.mark.parametrize("make", [*optimizers.OPTIMIZERS.values(), lambda: SGD(0.1, momentum=0.9)])
def test_one_optimizer_for_two_models_of_equal_shapes_is_refused(make, small_model, small_data):
    optimizer, data = make(), small_data(4)
    first, second = small_model(optimizer), small_model(optimizer)
    first.fit(*data, verbose=0)
    before = second.fingerprint()
    for train in (
        lambda: second.fit(*data, verbose=0),
        lambda: second.train_on_batch(*data),
        lambda: optimizer.update(second.parameters),
    ):
        with pytest.raises(
            ValueError,
            match=r"already been used on other parameters, whose moments and 1 steps it holds",
        ):
            train()
    assert second.fingerprint() == before
    first.fit(*data, verbose=0)  # its own model may go on
    twin = copy.deepcopy(first)
    twin.fit(*data, verbose=0)
    first.fit(*data, verbose=0)
    assert twin.fingerprint() == first.fingerprint()
    first.compile(optimizer, "categorical_crossentropy")
    first.fit(*data, verbose=0)


def compiled(optimizer):
    model = Sequential([Input((2,)), Dense(1)])
    model.compile(optimizer, "mse")
    return model.optimizer


def test_the_learning_rate_is_read_and_set_as_scripts_do():
    optimizer = compiled(Adam(0.01))
    rate = optimizer.learning_rate
    assert rate == 0.01 and repr(rate) == "0.01" and type(float(rate)) is float
    assert rate.numpy() == np.float32(0.01) and rate.numpy().dtype == np.float32
    assert backend.get_value(rate) == np.float32(0.01)
    assert json.loads(json.dumps({"lr": rate})) == {"lr": 0.01}
    rate.assign(0.5)
    assert optimizer.learning_rate == 0.5
    optimizer.learning_rate.assign_sub(0.25)
    assert optimizer.learning_rate == 0.25
    optimizer.learning_rate.assign_add(0.25)
    optimizer.learning_rate = optimizer.learning_rate * 0.5
    assert optimizer.learning_rate == 0.25
    backend.set_value(optimizer.learning_rate, np.float32(0.125))
    assert optimizer.learning_rate == 0.125
    assert type(optimizer.get_config()["learning_rate"]) is float
    with pytest.raises(ValueError, match="`learning_rate` must be"):
        optimizer.learning_rate.assign(-1.0)
    for copied in (copy.deepcopy(optimizer.learning_rate), pickle.loads(pickle.dumps(rate))):
        assert type(copied) is float  # not one that sets another optimizer's


def test_a_scheduled_learning_rate_is_read_alike_and_not_set():
    optimizer = compiled(SGD(ExponentialDecay(0.1, 1, 0.5)))
    optimizer.iterations = 1
    assert optimizer.learning_rate.numpy() == np.float32(0.05)
    with pytest.raises(TypeError, match="follows a ExponentialDecay and can't be set"):
        optimizer.learning_rate.assign(0.2)
    assert optimizer.iterations.numpy() == 1 and optimizer.iterations == 1
