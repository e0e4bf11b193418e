"""Adagrad, Adadelta, Nadam and AMSGrad: the definition, steps worked by hand, their state."""

import doctest

import naive
import numpy as np
import pytest
from without_numba import compiled

from tinycnn import (
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    AdamW,
    Checkpoint,
    Dense,
    Input,
    Nadam,
    Sequential,
    kernels,
    load_model,
)
from tinycnn.optimizers import adaptive
from tinycnn.parameter import Parameter

pytestmark = pytest.mark.usefixtures("numpy_rung")  # kernels have both: see `each_rung`
each_rung = pytest.mark.parametrize("rung", [kernels.reference, compiled], ids=["numpy", "numba"])


def run(optimizer, gradients, value=1.0):
    """The value of one number after each step."""
    weight, values = Parameter("kernel", np.array([value])), []
    for gradient in gradients:
        weight.grad = np.array([gradient], float)
        optimizer.update([weight])
        values.append(float(weight.value[0]))
    return values


def test_which_functions_are_compiled():
    for name in kernels.reference.adaptive.__all__:
        same = getattr(compiled, name) is getattr(kernels.reference, name)
        assert same == (name not in ("amsgrad_update", "nadam_update"))


# --- the definition -------------------------------------------------------------------------------

# The rest of the arguments behind the arrays, and how many arrays the optimizer remembers. A sum of
# some products rounds at a few eps; Keras rounds Nadam's decays to float32, by 3e-8.
RULES = {
    "adagrad_update": (1, lambda step: (0.01, 1e-3), {"float32": 1e-6, "float64": 1e-14}),
    "adadelta_update": (2, lambda step: (0.3, 0.8, 1e-3), {"float32": 1e-6, "float64": 1e-14}),
    "amsgrad_update": (3, lambda step: (0.02, 0.9, 0.7, 1e-3), {"float32": 1e-6, "float64": 1e-14}),
    "nadam_update": (
        2,
        lambda step: (0.02, step, naive.nadam_momentum_product(1, step, 1, 0.8), 0.8, 0.9, 1e-3),
        {"float32": 1e-6, "float64": 1e-7},
    ),
}


@each_rung
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(5,), (3, 2, 4)])
@pytest.mark.parametrize("name", RULES)
def test_the_rule_is_its_definition(rung, name, shape, dtype):
    slots, rest, tolerance = RULES[name]
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(shape).astype(dtype), *(np.zeros(shape, dtype),) * slots]
    arrays = [array.copy() for array in arrays]
    expected = [np.float64(array) for array in arrays]
    for step in range(1, 6):
        gradient = rng.standard_normal(shape).astype(dtype)
        copy = gradient.copy()
        getattr(rung, name)(arrays[0], gradient, *arrays[1:], *rest(step))
        getattr(naive, name)(expected[0], gradient, *expected[1:], *rest(step))
        np.testing.assert_array_equal(gradient, copy)
    for actual, wanted in zip(arrays, expected, strict=True):
        assert actual.dtype == dtype
        np.testing.assert_allclose(actual, wanted, rtol=0, atol=tolerance[dtype] * 4)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(0,), (7, 3), (9001,)])
@pytest.mark.parametrize("strided", [False, True])
@pytest.mark.parametrize("name", ["amsgrad_update", "nadam_update"])
def test_both_rungs_are_equal_to_the_bit(name, strided, shape, dtype):
    slots, rest, _ = RULES[name]
    found = []
    for rung in (kernels.reference, compiled):
        rng = np.random.default_rng(2)
        arrays = [rng.standard_normal(shape).astype(dtype), *(np.zeros(shape, dtype),) * slots]
        arrays = [np.repeat(a, 2, axis=-1)[..., ::2] if strided else a.copy() for a in arrays]
        for step in range(1, 6):
            gradient = rng.standard_normal(shape).astype(dtype)
            gradient.reshape(-1)[:1] = np.nan if step == 3 else 2  # which then stays
            getattr(rung, name)(arrays[0], gradient, *arrays[1:], *rest(step))
        found.append(arrays)
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("beta_1", [0.0, 0.5, 0.9, 0.999])
def test_nadams_product_of_momentums(beta_1, dtype):
    of = np.dtype(dtype)
    whole = kernels.nadam_momentum_product(1, 10, 1, beta_1, of)
    assert whole.dtype == dtype
    eps = float(np.finfo(of).eps)
    # Twenty factors, each rounded once.
    expected = naive.nadam_momentum_product(1, 10, 1, beta_1)
    assert whole == pytest.approx(expected, rel=20 * eps)
    half = kernels.nadam_momentum_product(1, 4, 1, beta_1, of)
    assert kernels.nadam_momentum_product(5, 10, half, beta_1, of) == whole
    # Far off it ends early, where 1 - product is 1, and not after 10**18 factors.
    assert 1 - kernels.nadam_momentum_product(1, 10**18, 1, beta_1, of) == 1


# --- by hand --------------------------------------------------------------------------------------


def test_adagrad_by_hand():
    # sums 16 + 9 = 25, then 25 + 144 = 169; steps 0.5*3/5 = 0.3 and 0.5*12/13 = 6/13
    optimizer = Adagrad(0.5, initial_accumulator_value=16.0, epsilon=0.0)
    assert run(optimizer, [3, 12]) == pytest.approx([0.7, 0.7 - 6 / 13], abs=1e-15)
    # epsilon is inside the root: 1 - 0.5*3/sqrt(9 + 16)
    optimizer = Adagrad(0.5, initial_accumulator_value=0.0, epsilon=16.0)
    assert run(optimizer, [3]) == pytest.approx([0.7], abs=1e-15)


def test_adagrads_sum_starts_where_it_is_told():
    weight, optimizer = Parameter("kernel", np.ones(2), np.zeros(2)), Adagrad()
    optimizer.build([weight])
    np.testing.assert_array_equal(optimizer.state[0]["sum_of_squares"], np.float32([0.1, 0.1]))
    optimizer.build([weight])  # once more: the state is there
    np.testing.assert_array_equal(optimizer.state[0]["sum_of_squares"], np.float32([0.1, 0.1]))


def test_adadelta_by_hand():
    # rho = 0, epsilon = 16, g = 3: mean square 9, step sqrt(16)/sqrt(25)*3 = 2.4, w = 1 - 2.4
    # then mean square of the steps 5.76, g = 0: no step, whatever there was before
    optimizer = Adadelta(1.0, rho=0.0, epsilon=16.0)
    assert run(optimizer, [3, 0]) == pytest.approx([-1.4, -1.4], abs=1e-15)
    # rho = 0.5: mean square 0.5*9 = 4.5, step 2*sqrt(11.5/16)... with epsilon = 11.5:
    # step = sqrt(11.5)/sqrt(16)*3; mean square of the steps 0.5*9*11.5/16 = 3.234375
    # then g = 1: mean square 2.25 + 0.5 = 2.75, step = sqrt(14.734375/14.25)
    optimizer = Adadelta(1.0, rho=0.5, epsilon=11.5)
    first = 1 - 0.75 * 11.5**0.5
    second = first - (14.734375 / 14.25) ** 0.5
    assert run(optimizer, [3, 1]) == pytest.approx([first, second], abs=1e-14)


def test_nadam_by_hand():
    # beta_1 = 0.5 and beta_2 = 0.75 are exact in float32. mu_1 = 0.5*(1 - 0.48) = 0.26,
    # mu_2 = 0.5*(1 - 0.4608) = 0.2696; P_1 = 0.26, P_2 = 0.070096. g = 1: m = 0.5, v_hat = 1,
    # m_hat = 0.2696*0.5/(1 - 0.070096) + 0.74*1/0.74 = 0.14496119 + 1
    values = run(Nadam(1.0, beta_1=0.5, beta_2=0.75, epsilon=0.0), [1], value=2.0)
    assert values == pytest.approx([2 - 1.14496119], abs=1e-7)  # 0.96 is rounded to float32


def test_amsgrad_by_hand():
    # beta_2 = 0 is v = g^2 and no correction; beta_1 = 0 is m = g. Adam's steps would be 1 and 1;
    # AMSGrad divides the second gradient, 1, by the largest one before it, 4.
    rates = {"learning_rate": 1.0, "beta_1": 0.0, "beta_2": 0.0, "epsilon": 0.0}
    adam, amsgrad = Adam(**rates), Adam(**rates, amsgrad=True)
    assert run(adam, [4, 1], value=3.0) == [2.0, 1.0]
    assert run(amsgrad, [4, 1], value=3.0) == [2.0, 1.75]


def test_adamw_is_adam_with_decay_with_amsgrad_too():
    gradients = [1.0, -0.5, 0.25]
    one, other = AdamW(0.1, amsgrad=True), Adam(0.1, amsgrad=True, weight_decay=0.004)
    assert run(one, gradients) == run(other, gradients)
    assert one.get_config()["amsgrad"] is True


@pytest.mark.parametrize("make", [Adagrad, Adadelta, Nadam, lambda rate: Adam(rate, amsgrad=True)])
def test_what_has_no_gradient_does_not_move(make):
    weight, optimizer = Parameter("kernel", np.full(6, 0.3), np.zeros(6)), make(0.1)
    weight.grad[::2] = 1e-3
    for _ in range(5):
        optimizer.update([weight])
    np.testing.assert_array_equal(weight.value != 0.3, weight.grad != 0)


# --- the state ------------------------------------------------------------------------------------

MAKERS = {
    "adagrad": lambda: Adagrad(0.05),
    "adadelta": lambda: Adadelta(1.0),
    "nadam": lambda: Nadam(0.01),
    "amsgrad": lambda: Adam(0.01, beta_2=0.7, amsgrad=True),
}


def model(make, dtype="float32"):
    made = Sequential([Input((3,)), Dense(4, activation="tanh"), Dense(2)], seed=0, dtype=dtype)
    made.compile(make(), "mse")
    return made


X, Y = np.random.default_rng(0).random((8, 3)), np.random.default_rng(1).random((8, 2))


@pytest.mark.parametrize("name", MAKERS)
def test_a_saved_training_goes_on_to_the_bit(name, tmp_path):
    whole, first = model(MAKERS[name]), model(MAKERS[name])
    whole.fit(X, Y, batch_size=2, epochs=4, verbose=0)
    first.fit(X, Y, batch_size=2, epochs=2, verbose=0)
    first.save(tmp_path / "first.npz")
    again = load_model(tmp_path / "first.npz")
    assert again.optimizer.get_config() == first.optimizer.get_config()
    again.fit(X, Y, batch_size=2, epochs=2, verbose=0)
    assert again.fingerprint() == whole.fingerprint()


@pytest.mark.parametrize("name", MAKERS)
def test_a_checkpoint_goes_on_to_the_bit(name, tmp_path):
    path = tmp_path / "checkpoint.npz"
    whole = model(MAKERS[name])
    whole.fit(X, Y, batch_size=2, epochs=4, verbose=0)
    model(MAKERS[name]).fit(X, Y, 2, epochs=2, verbose=0, callbacks=[Checkpoint(path, 0)])
    again = model(MAKERS[name])
    hook = Checkpoint(path, 0, resume=True)
    again.fit(X, Y, batch_size=2, epochs=4, verbose=0, callbacks=[hook])
    assert again.fingerprint() == whole.fingerprint()


def test_nadam_counts_for_two_dtypes_and_backwards():
    """Its product of momentums belongs to the counter, the beta_1 and the dtype of today."""
    used = Nadam(0.1)
    run(used, [1.0] * 5)
    used.iterations = 1
    used._parameters, used.state = [], []
    fresh = Nadam(0.1)
    fresh.iterations = 1
    assert run(used, [1.0, 2.0]) == run(fresh, [1.0, 2.0])
    used.beta_1 = fresh.beta_1 = 0.5
    for each in (used, fresh):
        each._parameters, each.state, each.iterations = [], [], 2
    assert run(used, [1.0]) == run(nadam_at(0.5, 2), [1.0])


def nadam_at(beta_1, step):
    made = Nadam(0.1, beta_1=beta_1)
    made.iterations = step
    return made


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Adagrad(initial_accumulator_value=-1), "initial_accumulator_value=-1"),
        (lambda: Adagrad(initial_accumulator_value=1e39), r"\[0, 3\.40282e\+38\)\. Received"),
        (lambda: Adagrad(epsilon=-1), "epsilon=-1"),
        (lambda: Adadelta(rho=1), r"`rho` must be in \[0, 1\). Received: rho=1"),
        (lambda: Nadam(beta_1=1.0), r"`beta_1` must be in \[0, 1\). Received: beta_1=1.0"),
        (lambda: Nadam(beta_2=-0.1), "beta_2=-0.1"),
        (lambda: Adam(amsgrad="no"), r"`amsgrad` must be True or False\. Received: amsgrad='no'"),
    ],
)
def test_bad_arguments_are_named(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_what_would_have_no_effect_any_more_is_refused():
    with pytest.raises(AttributeError, match=r"`amsgrad` of this Adam can't be set: .*new one"):
        Adam().amsgrad = True
    with pytest.raises(AttributeError, match="SGD has no `amsgrad`"):
        SGD().amsgrad = True
    optimizer = Adagrad()
    optimizer.initial_accumulator_value = 0.5  # nothing has begun yet
    weight = Parameter("kernel", np.ones(1), np.zeros(1))
    optimizer.update([weight])
    assert optimizer.state[0]["sum_of_squares"] == 0.5
    with pytest.raises(AttributeError, match="the sums have begun with it; make a new one"):
        optimizer.initial_accumulator_value = 0.1


def test_the_examples_of_the_docstrings():
    result = doctest.testmod(adaptive, extraglobs={"np": np, "Parameter": Parameter})
    assert result.attempted >= 8 and not result.failed
