"""`check_optimizer`: right ones pass, wrong ones don't, and what is wrong is said."""

import numpy as np
import pytest

from tinycnn import SGD, Adadelta, Adagrad, Adam, AdamW, Nadam, RMSprop
from tinycnn.gradient_check import check_optimizer
from tinycnn.gradient_check.definitions import sgd
from tinycnn.optimizers import OPTIMIZERS, Optimizer
from tinycnn.optimizers.schedules import ExponentialDecay

RIGHT = {
    "SGD": SGD(0.1),
    "momentum": SGD(0.1, momentum=0.9),
    "nesterov": SGD(0.1, momentum=0.9, nesterov=True),
    "RMSprop": RMSprop(0.01),
    "RMSprop, all": RMSprop(0.01, rho=0.5, momentum=0.3, epsilon=1e-3, centered=True),
    "Adam": Adam(),
    "Adam, other numbers": Adam(0.1, beta_1=0.5, beta_2=0.9, epsilon=1e-3),
    "AdamW": AdamW(0.1, weight_decay=0.1),
    "AMSGrad": Adam(0.1, beta_2=0.3, amsgrad=True),
    "Adagrad": Adagrad(0.1),
    "Adadelta": Adadelta(1.0, rho=0.7),
    "Nadam": Nadam(0.01),
    "clipped": SGD(0.1, clipnorm=1e-3),
    "a schedule": Adam(ExponentialDecay(0.1, 2, 0.5)),
    "weight decay": SGD(0.1, momentum=0.5, weight_decay=0.2),
}


@pytest.mark.parametrize("name", RIGHT)
def test_the_optimizers_of_tinycnn_are_what_they_are_called(rung, name):
    for seed in range(3):
        report = check_optimizer(RIGHT[name], seed=seed)
        assert report.passed, str(report)
        assert len(report.differences) == 6 and report.pattern == ""


def test_none_is_left_out():
    assert {type(optimizer) for optimizer in RIGHT.values()} == set(OPTIMIZERS.values())


def test_the_optimizer_is_left_as_it_was():
    optimizer = Adam(clipnorm=1.0)
    check_optimizer(optimizer)
    assert optimizer.iterations == 0 and optimizer.state == [] and optimizer.clipnorm == 1.0


class Momentum(Optimizer):
    """One's own, right unless told otherwise."""

    slots = ("velocity",)

    def __init__(self, learning_rate, momentum=0.9, mistake="none"):
        super().__init__(learning_rate)
        self.momentum, self.mistake, self.count = momentum, mistake, 0

    def update_step(self, value, gradient, learning_rate, velocity):
        mistake = self.mistake
        if mistake == "reset":
            velocity[...] = 0
        velocity *= self.momentum
        velocity -= learning_rate * gradient
        if mistake == "uphill":
            value -= velocity
        elif mistake == "a tenth too long":
            value += 1.1 * velocity
        elif mistake == "only the first":
            value += velocity if self.iterations <= 3 else 0 * velocity
        elif mistake == "counts parameters":
            self.count += 1
            value += velocity / self.count
        elif mistake == "random":
            value += velocity * np.random.default_rng().random()
        elif mistake == "gradient":
            value += velocity
            gradient *= 0
        elif mistake == "not in place":
            velocity[...] = 0
            value = value + velocity
        elif mistake == "infinite":
            value += velocity / 0.0 if self.iterations == 2 else velocity
        else:
            value += velocity


def test_one_s_own_is_recognised():
    report = check_optimizer(Momentum(0.1))
    assert report.passed and report.definition == "SGD"
    assert "Momentum(learning_rate=0.1), beside SGD" in str(report)


# (the optimizer, words)
WRONG = {
    "no state": (
        lambda definition: (Momentum(0.1, mistake="reset"), definition),
        "right in step 1 and wrong from step 2 on: look at what is remembered from step to step",
    ),
    "uphill": (
        lambda definition: (Momentum(0.1, mistake="uphill"), definition),
        "every step is -1 times that of the definition: uphill: a sign is wrong",
    ),
    "factor": (
        lambda definition: (Momentum(0.1, mistake="a tenth too long"), definition),
        "every step is 1.1 times that of the definition: a factor is wrong",
    ),
    "later": (
        lambda definition: (Momentum(0.1, mistake="only the first"), definition),
        "right up to step 3, and wrong from then on",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said(name):
    make, words = WRONG[name]
    report = check_optimizer(*make(sgd(0.9)))
    assert not report.passed
    assert report.pattern == words
    assert str(report).endswith(f"pattern: {words}")
    with pytest.raises(ArithmeticError, match="FAIL"):
        report.raise_if_failed()


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        ("counts parameters", "parameter 0 takes other steps when it is alone"),
        ("random", "the same gradients give other steps: it must draw no random numbers"),
        ("gradient", "it changes the gradient: only value and state may change"),
        ("not in place", "It must change `value` in place"),
        ("infinite", "after step 2 a value is not finite"),
    ],
)
@np.errstate(all="ignore")
def test_a_broken_rule_is_said(mistake, words):
    report = check_optimizer(Momentum(0.1, mistake=mistake))
    assert not report.passed and report.differences == []
    (fault,) = report.faults
    assert words in fault
    assert f"FAIL  {fault}" in str(report)


def test_adam_without_its_bias_correction_has_a_factor_that_changes():
    class Uncorrected(Adam):
        def _update_all(self, values, gradients, states, learning_rate):
            for value, g, slots in zip(values, gradients, states, strict=True):
                slots["m"] += (g - slots["m"]) * (1 - self.beta_1)
                slots["v"] += (g * g - slots["v"]) * (1 - self.beta_2)
                value -= learning_rate * slots["m"] / (np.sqrt(slots["v"]) + self.epsilon)

    report = check_optimizer(Uncorrected())
    assert not report.passed
    assert "a factor that changes with the step, as a bias correction does" in report.pattern
    assert " and 3.162, 4.25," in report.pattern  # (1 - 0.9^t) / sqrt(1 - 0.999^t)


def test_an_epsilon_after_the_bias_correction_is_adam_too():
    class Paper(Adam):
        def _update_all(self, values, gradients, states, learning_rate):
            t = self.iterations
            for value, g, slots in zip(values, gradients, states, strict=True):
                slots["m"] += (g - slots["m"]) * (1 - self.beta_1)
                slots["v"] += (g * g - slots["v"]) * (1 - self.beta_2)
                m_hat = slots["m"] / (1 - self.beta_1**t)
                v_hat = slots["v"] / (1 - self.beta_2**t)
                value -= learning_rate * m_hat / (np.sqrt(v_hat) + self.epsilon)

    for epsilon in (1e-7, 1e-2):
        report = check_optimizer(Paper(epsilon=epsilon))
        assert report.passed and (report.definition == "Adam" or epsilon < 1e-3)


class Sign(Optimizer):
    """A step of one length, whatever the gradient."""

    def update_step(self, value, gradient, learning_rate):
        value -= learning_rate * np.sign(gradient)


def test_an_optimizer_that_tinycnn_does_not_know_needs_its_definition():
    report = check_optimizer(Sign(0.1))
    assert not report.passed and report.definition is None and report.faults == []
    assert "give its definition, check_optimizer(optimizer, definition)" in str(report)
    known = check_optimizer(Sign(0.1), lambda gradients, rates: -rates[-1] * np.sign(gradients[-1]))
    assert known.passed and known.definition == "its definition"


def test_html_says_the_same():
    page = check_optimizer(SGD(0.1, momentum=0.5))._repr_html_()
    assert page.count("<tr>") == 7 and "beside SGD" in page
    assert "give its definition" in check_optimizer(Sign(0.1))._repr_html_()


def test_one_step_can_not_show_what_is_remembered():
    with pytest.raises(ValueError, match=r"`steps` must be an integer >= 2\. Received: steps=1"):
        check_optimizer(SGD(0.1), steps=1)
