"""The gradients of everything, and the checker itself: it must reject what is wrong."""

import runpy
import sys

import numpy as np
import pytest

from tinycnn import (
    Conv2D,
    Dense,
    Flatten,
    MaxPooling2D,
    Sequential,
    Softmax,
    __main__,
    gradient_check,
)
from tinycnn.gradient_check import (
    check_layer,
    check_loss,
    check_model,
    check_optimizer,
    numerical_gradient,
)
from tinycnn.gradient_check.cases import layer_cases, loss_cases, reference_cases
from tinycnn.gradient_check.report import HEADER
from tinycnn.layers import LAYERS, Layer
from tinycnn.losses import LOSSES, CategoricalCrossentropy
from tinycnn.optimizers import SGD

LAYER_CASES = {title: (layer, x) for title, layer, x in layer_cases()}
LOSS_CASES = {title: case for title, *case in loss_cases()}
MODEL_CASES = {title: case for title, *case in reference_cases()}


@pytest.mark.parametrize("title", LAYER_CASES)
def test_every_layer_passes(rung, title):
    layer, x = LAYER_CASES[title]
    report = check_layer(layer, x, ties=False)  # some of the cases have them
    report.raise_if_failed()
    assert report.worst > 0, "an error of exactly 0 means nothing was moved"
    kinks = sum(comparison.count("kink") for comparison in report.comparisons)
    assert (kinks > 0) == ("ties" in title and "Dense" not in title)


@pytest.mark.parametrize("title", LOSS_CASES)
def test_every_loss_passes(rung, title):
    check_loss(*LOSS_CASES[title]).raise_if_failed()


@pytest.mark.parametrize("title", MODEL_CASES)
def test_the_reference_network_passes(rung, title):
    report = check_model(*MODEL_CASES[title])
    report.raise_if_failed()
    assert len(report.comparisons) == 10
    assert all(comparison.count("pass") == 3 for comparison in report.comparisons)


def test_no_layer_and_no_loss_is_left_out():
    assert {type(layer) for layer, _ in LAYER_CASES.values()} == set(LAYERS.values())
    assert {type(case[0]) for case in LOSS_CASES.values()} == set(LOSSES.values())


class Square(Layer):
    """y = a * x^2, a layer of a user's own, right unless told otherwise."""

    def __init__(self, mistake="none"):
        super().__init__()
        self.mistake = mistake

    def build(self, input_shape, rng=None, dtype="float32"):
        self.a = self.add_parameter("a", input_shape, "ones", rng, dtype)
        self.parameters = [self.a]
        return self.finish_build(input_shape, input_shape, dtype)

    def forward(self, x, training=False):
        x = self.receive(x)
        self.cache = (x,)
        return self.a.value * x**2

    def backward(self, dy):
        (x,) = self.recall()
        self.a.grad = (dy * x**2).sum(axis=0)
        dx = dy * 2 * self.a.value * x
        if self.mistake == "a thousandth too large":
            return dx * 1.001
        if self.mistake == "a parameter's gradient a thousandth too large":
            self.a.grad = self.a.grad * 1.001
        if self.mistake == "transposed":
            return np.ascontiguousarray(dx.transpose(0, 2, 1))
        if self.mistake == "zero":
            return np.zeros_like(dx)
        if self.mistake == "divided by N":
            return dx / len(x)
        if self.mistake == "sign":
            return -dx
        if self.mistake == "one element":
            dx[-1, -1, -1] = 0
        if self.mistake == "nan":
            dx[0, 0, 0] = np.nan
        return dx


MISTAKES = [
    "a thousandth too large",
    "a parameter's gradient a thousandth too large",
    "transposed",
    "zero",
    "divided by N",
    "sign",
    "one element",
    "nan",
]


def test_a_right_layer_of_ones_own_passes():
    x = np.random.default_rng(0).standard_normal((2, 3, 3))
    assert check_layer(Square(), x).passed


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_wrong_backward_is_rejected(mistake):
    x = np.random.default_rng(0).standard_normal((2, 3, 3))
    report = check_layer(Square(mistake), x)
    assert not report.passed
    assert "FAIL" in str(report)
    with pytest.raises(ArithmeticError, match="FAIL"):
        report.raise_if_failed()


def test_the_report_of_a_failure_shows_the_worst_element_and_the_ratio():
    x = np.random.default_rng(0).standard_normal((2, 3, 3))
    text = str(check_layer(Square("a thousandth too large"), x))
    assert "ratio 1.001" in text
    place = tuple(int(i) for i in np.unravel_index(_largest_gradient(x), x.shape))
    assert f"at {place}:" in text.splitlines()[2]


def _largest_gradient(x):
    """For dy of the checker's seed 0: |2 x dy| is what the mistake is proportional to."""
    dy = np.random.default_rng([0, 1]).standard_normal(x.shape)
    return np.argmax(np.abs(2 * x * dy))


def test_softmax_with_a_zero_backward_is_rejected():
    """With a dy of ones both sides would be 0 and this would pass."""

    class Wrong(Softmax):
        def backward(self, dy):
            return np.zeros_like(dy)

    assert not check_layer(Wrong(), np.random.default_rng(0).standard_normal((3, 4))).passed


@pytest.mark.parametrize("mistake", ["not divided by N", "zero"])
def test_a_wrong_loss_is_rejected(mistake):
    class Wrong(CategoricalCrossentropy):
        def backward(self):
            right = super().backward()
            return right * len(right) if mistake == "not divided by N" else 0 * right

    _, one_hot, logits = LOSS_CASES["CategoricalCrossentropy on logits"]
    assert not check_loss(Wrong(from_logits=True), one_hot, logits).passed


@pytest.mark.parametrize("place", [0, 2, 4, 6, 7])
def test_a_wrong_layer_deep_in_a_model_is_rejected(place):
    model, x, y = reference_cases()[0][1:]
    backward = type(model.layers[place]).backward_from_z

    class Wrong(type(model.layers[place])):
        def backward_from_z(self, dz):
            dx = backward(self, dz)
            self.kernel.grad = self.kernel.grad * 1.00001
            return dx

    model.layers[place].__class__ = Wrong
    report = check_model(model, x, y, directions=1)
    failed = [c.name for c in report.comparisons if not c.passed]
    assert failed == [f"{model.layers[place].name}/kernel"]


def verdicts(report):
    """{"pass": ..., ...} of all comparisons."""
    return {
        verdict: sum(comparison.count(verdict) for comparison in report.comparisons)
        for verdict in gradient_check.VERDICTS
    }


class Kinked(Layer):
    """relu, abs or a constant slope, of a user who says nothing of branches."""

    def __init__(self, forward, slope):
        super().__init__()
        self.f, self.slope = forward, slope

    def forward(self, x, training=False):
        x = self.receive(x)
        self.cache = (x,)
        return self.f(x)

    def backward(self, dy):
        return dy * self.slope(self.recall()[0])


X_ON_A_KINK = np.array([[0.0, 1.0, -1.0]])


@pytest.mark.parametrize("at_zero", [0.0, 0.25, 1.0])
def test_at_a_kink_any_slope_between_the_two_is_right(at_zero):
    layer = Kinked(lambda x: np.maximum(x, 0), lambda x: np.where(x == 0, at_zero, x > 0))
    report = check_layer(layer, X_ON_A_KINK)
    assert report.passed
    assert verdicts(report) == {"pass": 2, "FAIL": 0, "kink": 1, "too small": 0}


def test_where_all_is_kinks_there_is_no_error_to_show():
    layer = Kinked(lambda x: np.maximum(x, 0), lambda x: np.where(x == 0, 0.5, x > 0))
    report = check_layer(layer, np.zeros((1, 2)))  # each alone, and both
    (row,) = report.rows()
    assert row.endswith(f"{'x':<15} -        0 pass, 0 FAIL, 3 kink, 0 too small")
    assert HEADER.index("verdicts") == row.index("0 pass")
    assert ">-</td>" in report._repr_html_() and "nan" not in report._repr_html_()


@pytest.mark.parametrize("at_zero", [-0.001, 1.001, 2.0, np.nan])
def test_at_a_kink_a_slope_outside_is_wrong(at_zero):
    layer = Kinked(lambda x: np.maximum(x, 0), lambda x: np.where(x == 0, at_zero, x > 0))
    report = check_layer(layer, X_ON_A_KINK)
    assert not report.passed
    assert verdicts(report) == {"pass": 2, "FAIL": 1, "kink": 0, "too small": 0}
    assert "at (0, 0): backward" in str(report) and "left" in str(report)


@pytest.mark.parametrize("distance", [3e-6, 4e-7, 1e-8])
def test_a_kink_within_reach_of_the_step_is_stepped_back_from(distance):
    layer = Kinked(np.abs, np.sign)
    report = check_layer(layer, np.array([[distance, -distance, 1.0]]))
    assert verdicts(report)["FAIL"] == 0
    assert verdicts(report)["pass"] == 3


def test_curvature_is_no_kink():
    """x^2 at 0: the slopes on the two sides differ by 2h, and the derivative is 0."""
    x = np.array([[0.0, 0.5, -3.0]])
    report = check_layer(Kinked(lambda x: x**2, lambda x: 2 * x), x)
    assert verdicts(report) == {"pass": 3, "FAIL": 0, "kink": 0, "too small": 0}
    assert not check_layer(Kinked(lambda x: x**2, lambda x: 2 * x + 1e-4), x).passed


def test_what_is_lost_in_rounding_is_neither_passed_nor_failed():
    """A gradient of 1e-12 beside a term of 1: the slope is rounding error only."""
    layer = Kinked(lambda x: 1e-12 * x + 1, lambda x: 1e-11)
    report = check_layer(layer, X_ON_A_KINK)
    assert verdicts(report) == {"pass": 0, "FAIL": 0, "kink": 0, "too small": 3}
    assert not report.passed, "a check that could tell nothing has not passed"


class WrongPool(MaxPooling2D):
    """The tie rules that one finds in the wild."""

    def __init__(self, rule):
        super().__init__(2)
        self.rule = rule

    def forward(self, x, training=False):
        y = super().forward(x, training)
        self.cache = (*self.cache, x, y)
        return y

    def backward(self, dy):
        shape, _, x, y = self.cache
        dx = np.zeros(shape)
        for n, i, j, c in np.ndindex(y.shape):
            window = x[n, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2, c]
            ties = window == y[n, i, j, c]
            share = ties / ties.sum() if self.rule == "equal shares" else ties
            dx[n, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2, c] = dy[n, i, j, c] * share
        return dx


def test_a_pool_that_gives_the_gradient_to_every_tied_input_is_rejected():
    """Element by element it passes, since each alone may take all; together they may not."""
    report = check_layer(WrongPool("everyone"), np.ones((1, 2, 2, 1)))
    assert not report.passed
    assert verdicts(report)["FAIL"] == 1
    assert "all 4 equal to 1" in str(report)


def test_a_pool_that_shares_the_gradient_among_ties_is_a_derivative_too():
    """No slope can tell it from the rule of the first; test_kernels.py and the trace do."""
    assert check_layer(WrongPool("equal shares"), np.ones((1, 2, 2, 1))).passed
    assert check_layer(MaxPooling2D(2), np.ones((1, 2, 2, 1))).passed


@pytest.mark.full
def test_two_hundred_seeds_without_a_false_alarm(rung):
    for seed in range(200):
        for title, layer, x in layer_cases(seed):
            assert check_layer(layer, x, seed, ties=seed < 20).passed, (seed, title)
        for title, *case in loss_cases(seed):
            assert check_loss(*case).passed, (seed, title)
    for seed in range(20):
        for title, *case in reference_cases(seed):
            assert check_model(*case, seed=seed).passed, (seed, title)


@pytest.mark.parametrize("seed", [1, *(pytest.param(n, marks=pytest.mark.full) for n in (2, 3))])
def test_three_seeds_without_a_false_alarm(numpy_rung, seed):
    for _, layer, x in layer_cases(seed):
        check_layer(layer, x, seed, ties=seed > 1).raise_if_failed()
    for _, *case in loss_cases(seed):
        check_loss(*case).raise_if_failed()


def test_the_layer_is_left_as_it_was():
    layer = Dense(3, activation="relu")
    x = np.random.default_rng(0).standard_normal((2, 4)).astype(np.float32)
    layer.build((4,), np.random.default_rng(1))
    layer.needs_input_gradient = False
    weights, x_before = layer.get_weights(), x.copy()
    y = layer.forward(x)
    cache = layer.cache
    assert check_layer(layer, x).passed
    assert layer.dtype == "float32"
    assert layer.cache is cache
    assert layer.needs_input_gradient is False
    assert layer.kernel.grad is None
    assert all(map(np.array_equal, weights, layer.get_weights()))
    assert np.array_equal(x, x_before)
    assert np.array_equal(y, layer.forward(x))


def test_the_model_is_left_as_it_was():
    model = Sequential([Flatten(input_shape=(3, 3, 1)), Dense(4, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    x, y = np.random.default_rng(0).random((5, 3, 3, 1)), np.array([0, 1, 2, 3, 0])
    before = model.get_weights()
    assert check_model(model, x, y).passed
    assert all(map(np.array_equal, before, model.get_weights()))
    assert model.get_weights()[0].dtype == np.float32
    assert model.optimizer.iterations == 0


def test_an_unbuilt_layer_is_built_from_the_seed_and_stays_unbuilt():
    layer = Conv2D(2, 2)
    x = np.random.default_rng(0).standard_normal((1, 3, 3, 1))
    one, same, other = (check_layer(layer, x, seed=seed) for seed in (1, 1, 2))
    assert not layer.built
    assert one.comparisons == same.comparisons
    assert one.comparisons != other.comparisons


def test_the_noise_of_a_stochastic_layer_is_held_fixed():
    class Noise(Layer):
        rng = None

        def forward(self, x, training=False):
            x = self.receive(x)
            mask = self.rng.random(x.shape) if training else np.ones(x.shape)
            self.cache = (mask,)
            return x * mask

        def backward(self, dy):
            return dy * self.recall()[0]

    assert check_layer(Noise(), np.random.default_rng(0).standard_normal((3, 4))).passed


def test_a_missing_or_misshapen_gradient_is_an_error():
    class Wrong(Layer):
        def backward(self, dy):
            return dy[:1]

    with pytest.raises(ValueError, match=r"shape \(2, 3\) for x. Received: \(1, 3\)"):
        check_layer(Wrong(), np.ones((2, 3)))


@pytest.mark.parametrize("given", [Flatten, "flatten", np.ones((2, 3))])
def test_what_is_no_layer_is_said_to_be_none(given):
    with pytest.raises(ValueError, match=r"`layer` must be a Layer object, such as .* Received: "):
        check_layer(given, np.ones((2, 3)))


@pytest.mark.parametrize("given", [CategoricalCrossentropy, "mean_squared_error"])
def test_what_is_no_loss_is_said_to_be_none(given):
    with pytest.raises(ValueError, match=r"`loss` must be a Loss object, such as .* Received: "):
        check_loss(given, np.eye(3), np.full((3, 3), 1 / 3))


@pytest.mark.parametrize("given", [SGD, "sgd"])
def test_what_is_no_optimizer_is_said_to_be_none(given):
    with pytest.raises(
        ValueError, match=r"`optimizer` must be an Optimizer object, such as .* Received: "
    ):
        check_optimizer(given)


def test_numerical_gradient_of_a_known_function():
    """d/dx sum(x^3) = 3 x^2; a central difference is off by h^2 = 1e-10, plus rounding."""
    x = np.array([[1.0, -2.0], [0.5, 3.0]])
    before = x.copy()
    gradient = numerical_gradient(lambda: (x**3).sum(), x)
    assert np.allclose(gradient, [[3.0, 12.0], [0.75, 27.0]], rtol=0, atol=1e-8)
    assert np.array_equal(x, before)


def test_the_module_prints_the_table_and_says_how_it_went(capsys, monkeypatch):
    assert gradient_check.main(["numpy"]) == 0
    out = capsys.readouterr().out
    assert "kernels: numpy" in out
    assert "0 failed" in out
    for title in (*LAYER_CASES, *LOSS_CASES, *MODEL_CASES):
        assert f"pass  {title} " in out
    monkeypatch.setattr(gradient_check, "reference_cases", lambda seed: [])
    monkeypatch.setattr(Flatten, "backward", lambda self, dy: 2 * dy.reshape(self.cache[0]))
    assert gradient_check.main(["numpy"]) == 1
    assert "FAIL  Flatten " in capsys.readouterr().out


def test_the_module_refuses_arguments_instead_of_ignoring_them(monkeypatch, capsys):
    monkeypatch.setattr(gradient_check, "main", lambda: pytest.fail("the checks ran"))
    monkeypatch.setattr(sys, "argv", ["gradient_check", "--kernels", "numpy"])
    with pytest.raises(SystemExit) as end:
        runpy.run_module("tinycnn.gradient_check", run_name="__main__")
    assert end.value.code == 2
    assert "unrecognized arguments: --kernels numpy" in capsys.readouterr().err


def test_the_helps_explain_the_words_of_the_table(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["gradient_check", "--help"])
    with pytest.raises(SystemExit):
        runpy.run_module("tinycnn.gradient_check", run_name="__main__")
    with pytest.raises(SystemExit):
        __main__.main(["check", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    for words in ("kink: the slopes from the left and", "too small: the difference is lost in"):
        assert text.count(words) == 2


# --- what is a kink, and what is not: see slopes.py -----------------------------------------------


@pytest.mark.parametrize("distance", [0.0, 1e-10, 1e-9, 2.3e-9])
@pytest.mark.parametrize("wrong", [0.0, 0.01])
def test_a_kink_too_close_to_be_told_from_one_at_x_is_a_kink(distance, wrong):
    """Up to 2.4e-9, the smallest step; the slopes are then those of two steps that agree."""
    layer = Kinked(np.abs, lambda x: np.sign(x) * (1 + wrong))
    report = check_layer(layer, np.array([[distance, -distance, 1.0]]))
    # At 0 everything from -1 to 1 is right, 0 too; elsewhere a hundredth too much is not.
    assert report.passed == (wrong == 0)
    if not wrong:  # at 0 the two of one value are also moved together
        kinks = 2 if distance else 3
        assert verdicts(report) == {"pass": 1, "FAIL": 0, "kink": kinks, "too small": 0}


@pytest.mark.parametrize("height", [1e-9, 1e-6, 1e-3, 1.0, -1e-3])
@pytest.mark.parametrize("backward", [1.0, 1.5, 17.0, 1e5])
def test_a_jump_is_not_a_kink(height, backward):
    """x, and from 0 upwards `height` more: its one slope is 1, and nothing lies between 1 and it.

    A jump below what slopes can see, 1e-9 / 1e-5, may pass for a kink with slopes 1 and 1.0001.
    """
    layer = Kinked(lambda x: x + height * (x > 0), lambda x: np.full_like(x, backward))
    report = check_layer(layer, np.array([[0.0]]))
    assert report.passed == (height == 1e-9 and backward == 1)


def test_a_root_has_no_slope_at_0():
    """sqrt(|x|): continuous, but the slopes double from step to step."""
    layer = Kinked(lambda x: np.sqrt(np.abs(x)), np.zeros_like)
    assert not check_layer(layer, np.array([[0.0]])).passed


def test_a_broken_rule_is_told_of_the_layer_deep_in_a_model():
    class Noisy(Flatten):
        def forward(self, x, training=False):
            y = super().forward(x)
            return y + np.random.default_rng().random(y.shape)

    model = Sequential([Dense(3, input_shape=(4,)), Noisy(name="noisy"), Dense(2)])
    model.compile("sgd", "mse")
    report = check_model(model, np.ones((3, 4)), np.ones((3, 2)))
    assert not report.passed
    assert "noisy: forward gives two different outputs for the same x" in str(report)
    assert "nan" not in str(report)
