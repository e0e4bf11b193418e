"""The gradient check's words: what a wrong gradient looks like, ties, arrays and the picture."""

import numpy as np
import pytest

from tinycnn import (
    Activation,
    BatchNormalization,
    Conv2D,
    Dense,
    Flatten,
    MaxPooling2D,
    kernels,
    plotting,
)
from tinycnn.gradient_check import check_layer, check_loss
from tinycnn.layers import Layer
from tinycnn.losses import CategoricalCrossentropy, MeanSquaredError

pytestmark = pytest.mark.usefixtures("numpy_rung")
RNG = np.random.default_rng(0)
IMAGES = RNG.standard_normal((3, 5, 6, 2))  # windows of 3 x 2 have 3 x 5 places
ROWS = RNG.standard_normal((3, 4))


def wrong(cls, change_dx=lambda dx, dy: dx, **change):
    """A layer class whose dx, or the gradients of whose parameters, are changed."""

    class Wrong(cls):
        def backward(self, dy):
            dx = super().backward(dy)
            for name, function in change.items():
                parameter = getattr(self, name)
                parameter.grad = np.ascontiguousarray(function(parameter.grad))
            return np.ascontiguousarray(change_dx(dx, dy))

    return Wrong


def columns(*factors):
    return np.array(factors)[:, np.newaxis]


# name: (layer, input, gradient that is wrong, what must be said of it)
PATTERNS = {
    "sign": (
        wrong(Dense, lambda dx, dy: -dx)(2),
        ROWS,
        "x",
        "every element is minus the slope: a sign is wrong",
    ),
    "mean over the samples": (
        wrong(Dense, kernel=lambda g: g / 3)(2),
        ROWS,
        "kernel",
        "divided by 3, the number of samples: a mean where a sum belongs",
    ),
    "mean over the places": (
        wrong(Conv2D, bias=lambda g: g / 15)(4, (3, 2)),
        IMAGES,
        "bias",
        "divided by 15, the number of places",
    ),
    "mean over both": (
        wrong(Conv2D, kernel=lambda g: g / 45)(4, (3, 2)),
        IMAGES,
        "kernel",
        "divided by 45, samples times places",
    ),
    "twice": (
        wrong(Dense, lambda dx, dy: 2 * dx)(2),
        ROWS,
        "x",
        "every element is twice the slope",
    ),
    "half, or divided by two samples": (
        wrong(Dense, lambda dx, dy: dx / 2)(2),
        ROWS[:2],
        "x",
        "half the slope, or the slope divided by 2, the number of samples: a mean where a sum "
        "belongs (an x of another size tells which)",
    ),
    "some factor": (
        wrong(Dense, lambda dx, dy: 1.25 * dx)(2),
        ROWS,
        "x",
        "every element is 1.25 times its slope: a factor is wrong",
    ),
    "zeros": (wrong(Dense, lambda dx, dy: 0 * dx)(2), ROWS, "x", "backward gives zeros"),
    "not a number": (
        wrong(Dense, lambda dx, dy: np.where(dx == dx[1, 2], np.nan, dx))(2),
        ROWS,
        "x",
        "backward gives nan at (1, 2)",
    ),
    "dy itself": (
        wrong(Activation, lambda dx, dy: dy)("tanh"),
        ROWS,
        "x",
        "the gradient is dy itself: the layer's own derivative is missing",
    ),
    "rotated kernel": (
        wrong(Conv2D, kernel=lambda g: g[::-1, ::-1])(4, (3, 2)),
        IMAGES,
        "kernel",
        "rotated by 180 degrees along kernel row and kernel column",
    ),
    "upside down": (
        wrong(Conv2D, lambda dx, dy: dx[:, ::-1])(4, (3, 2)),
        IMAGES,
        "x",
        "the wrong way round along row",
    ),
    "rows for columns": (
        wrong(Conv2D, kernel=lambda g: g.transpose(1, 0, 2, 3))(4, (3, 3)),
        IMAGES,
        "kernel",
        "kernel row and kernel column are exchanged: transposed",
    ),
    "channels for filters, by a reshape": (
        wrong(Conv2D, kernel=lambda g: g.transpose(0, 1, 3, 2).reshape(g.shape))(4, (3, 2)),
        IMAGES,
        "kernel",
        "input channel and filter are exchanged: transposed",
    ),
    "shifted": (
        wrong(Conv2D, lambda dx, dy: np.roll(dx, 1, axis=2))(4, (3, 2)),
        IMAGES,
        "x",
        "1 too late along column: look at the padding",
    ),
    "without the channel's scale": (
        wrong(BatchNormalization, lambda dx, dy: dx * [1, 2])(),
        IMAGES,
        "x",
        "each channel has a factor of its own: 1, 2",
    ),
    "the last window left out": (
        wrong(Conv2D, lambda dx, dy: dx - dx * columns(0, 0, 0, 0, 1)[..., np.newaxis] ** 2 / 3)(
            4, (3, 2)
        ),
        IMAGES,
        "x",
        "each row has a factor of its own: 1, 1, 1, 1, ...",
    ),
    "only the last row": (
        wrong(Conv2D, lambda dx, dy: np.concatenate([dx[:, :-1], dx[:, -1:] ** 2], axis=1))(
            4, (3, 2)
        ),
        IMAGES,
        "x",
        "wrong only in the last row; right elsewhere",
    ),
    "only the borders": (
        wrong(Conv2D, lambda dx, dy: np.where(columns(1, 0, 0, 0, 1)[..., np.newaxis], dx**2, dx))(
            4, (3, 2)
        ),
        IMAGES,
        "x",
        "wrong only at the border: row 0 and 4; right elsewhere",
    ),
    "every second row": (
        wrong(Conv2D, lambda dx, dy: np.where(columns(0, 1, 0, 1, 0)[..., np.newaxis], dx**2, dx))(
            4, (3, 2)
        ),
        IMAGES,
        "x",
        "wrong only in every second row, from 1 on: look at the strides",
    ),
    "one sample only is right": (
        wrong(Dense, lambda dx, dy: np.concatenate([dx[:1], dx[1:] ** 2]))(2),
        ROWS,
        "x",
        "wrong only outside of sample 0; right elsewhere",
    ),
    "one column": (
        wrong(Dense, kernel=lambda g: g + np.outer(g[:, 0] ** 2, [0, 1, 0]))(3),
        ROWS,
        "kernel",
        "wrong only in unit 1; right elsewhere",
    ),
}


@pytest.mark.parametrize("name", PATTERNS)
def test_what_a_wrong_gradient_looks_like_is_said(name):
    layer, x, gradient, words = PATTERNS[name]
    report = check_layer(layer, x)
    assert not report.passed
    assert words in report.suggestions[gradient]
    assert set(report.suggestions) == {gradient}
    assert f"pattern: {report.suggestions[gradient]}" in str(report)
    assert report.ties == "not tried, for there is a FAIL already"


class Leaky(Layer):
    """A slope of 0.5 below 0, with a backward that forgets it, or a wrong rule for equal values."""

    def __init__(self, mistake):
        super().__init__()
        self.mistake = mistake

    def forward(self, x, training=False):
        x = self.receive(x)
        self.cache = (x,)
        return np.where(x > 0, x, 0.5 * x)

    def backward(self, dy):
        (x,) = self.recall()
        dx = np.where(x > 0, dy, 0.5 * dy)
        if self.mistake == "negative":
            return np.where(x > 0, dx, np.cos(np.arange(x.size)).reshape(x.shape))
        equal = np.array([np.count_nonzero(x == value) for value in x.flat]).reshape(x.shape) > 1
        return np.where(equal, dx + np.arange(1, x.size + 1).reshape(x.shape), dx)


def test_wrong_only_where_x_is_negative():
    report = check_layer(Leaky("negative"), ROWS)
    assert report.suggestions == {"x": "wrong only where x is negative; right elsewhere"}


def test_wrong_only_at_ties():
    x = np.array([[1.0, 2.0, 3.0], [5.0, 3.0, 1.0]])
    report = check_layer(Leaky("ties"), x)
    assert report.suggestions == {"x": "wrong only where equal values meet: ties; right elsewhere"}


def test_where_nothing_simple_holds_nothing_is_said():
    noise = np.random.default_rng(5).standard_normal(ROWS.shape)
    report = check_layer(wrong(Dense, lambda dx, dy: dx + noise)(2), ROWS)
    assert not report.passed and report.suggestions == {}
    assert "pattern" not in str(report)


def test_a_right_layer_gets_no_words():
    report = check_layer(Conv2D(2, (2, 2)), IMAGES[:1])
    assert report.passed and report.suggestions == {}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda g: g * 4, "4 times the slope, and 4 is the number of samples: a division is miss"),
        (lambda g: g / 4, "divided by 4, the number of samples"),
        (lambda g: g / 5, "divided by 5, the number of classes"),
        (lambda g: -g, "minus the slope"),
    ],
)
def test_the_factors_of_a_loss(change, words):
    class Wrong(CategoricalCrossentropy):
        def backward(self):
            return change(super().backward())

    logits = np.random.default_rng(1).standard_normal((4, 5))
    report = check_loss(Wrong(from_logits=True), np.eye(5)[[0, 3, 2, 4]], logits)
    assert words in report.suggestions["y_pred"]


# --- the table ------------------------------------------------------------------------------------


def test_the_columns_have_titles_above_their_words():
    header, row, *_ = str(check_layer(Dense(2), ROWS)).splitlines()
    for title, word in (("checked", "Dense"), ("gradient of", "x "), ("verdicts", "12 pass")):
        assert header.index(title) == row.index(word)
    assert header.index("error") == row.index("x ") + 16


def test_html_says_the_same_and_escapes_it():
    layer = wrong(Dense, lambda dx, dy: -dx)(2, name="a<b")
    report = check_layer(layer, ROWS)
    page = report._repr_html_()
    assert "a&lt;b" in page and "a<b" not in page
    assert page.count("<tr>") == 1 + len(report.comparisons)
    assert "pattern of x: every element is minus the slope" in page
    assert "FAIL" in page and "ratio -1" in page


# --- ties -----------------------------------------------------------------------------------------


class EveryTie(MaxPooling2D):
    """Gives the gradient to each of several equal inputs."""

    def forward(self, x, training=False):
        y = super().forward(x, training)
        self.cache = (*self.cache, x, y)
        return y

    def backward(self, dy):
        _, _, x, y = self.cache
        up = [np.repeat(np.repeat(a, 2, axis=1), 2, axis=2) for a in (dy, y)]
        return np.where(x == up[1], up[0], 0)


def test_ties_are_tried_by_itself_and_a_wrong_rule_is_found():
    x = np.random.default_rng(0).standard_normal((2, 4, 4, 1))  # no two are equal
    report = check_layer(EveryTie(2), x)
    assert not report.passed
    failed = [comparison.name for comparison in report.comparisons if not comparison.passed]
    assert failed == ["x, with ties"]
    assert report.ties == "where inputs are equal, too much or too little gradient comes back"
    assert check_layer(EveryTie(2), x, ties=False).passed
    assert check_layer(EveryTie(2), x, ties=False).ties == "not tried"


@pytest.mark.parametrize(
    ("layer", "x", "words"),
    [
        (MaxPooling2D(2), IMAGES, "tried with equal neighbours, too: 48 kinks, no FAIL"),
        (Dense(2), ROWS, "tried with equal neighbours, too: 0 kinks, no FAIL"),
        (MaxPooling2D(2), np.ones((1, 2, 2, 1)), "there are equal inputs in x at kinks"),
        (Dense(2), ROWS[:, :1], "not tried, for there are no neighbours in x"),
        (Flatten(), np.ones((2, 2, 2)), "not tried, for there are no neighbours in x"),
    ],
)
def test_whether_ties_were_tried_is_said(layer, x, words):
    report = check_layer(layer, x)
    assert report.passed
    assert words in report.ties
    assert f"ties: {report.ties}" in str(report)


class Standardized(Layer):
    """x / the difference of its row's first two: not finite where they are equal."""

    def forward(self, x, training=False):
        x = self.receive(x)
        self.cache = (x,)
        with np.errstate(all="ignore"):
            return x / (x[:, :1] - x[:, 1:2])

    def backward(self, dy):
        (x,) = self.recall()
        gap = x[:, :1] - x[:, 1:2]
        dx = dy / gap
        dgap = -(dy * x).sum(axis=1, keepdims=True) / gap**2
        dx[:, :1] += dgap
        dx[:, 1:2] -= dgap
        return dx


class Order(Layer):
    """The larger of two inputs, and 1 more if it is the first: jumps where they are equal."""

    def forward(self, x, training=False):
        x = self.receive(x)
        self.cache = (x,)
        return np.where(x[:, :1] > x[:, 1:2], x[:, :1] + 1, x[:, 1:2])

    def backward(self, dy):
        (x,) = self.recall()
        first = x[:, :1] > x[:, 1:2]
        return np.concatenate([np.where(first, dy, 0), np.where(first, 0, dy)], axis=1)


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (Standardized(), "not tried, for forward is not finite where neighbours in x are equal"),
        (Order(), "nothing can be said, for forward jumps where neighbours in x are equal"),
    ],
)
def test_a_layer_for_which_ties_mean_nothing_is_not_blamed(layer, words):
    report = check_layer(layer, ROWS[:, :2])
    assert report.passed and report.ties == words


# --- arrays and the picture -----------------------------------------------------------------------


def test_the_gradients_as_arrays():
    layer = Dense(3, use_bias=False)
    report = check_layer(layer, ROWS)
    x, kernel = report.comparisons
    dy = np.random.default_rng([0, 1]).standard_normal((3, 3))
    for array in (kernel.numeric, kernel.analytic):
        assert np.allclose(array, ROWS.T @ dy, rtol=1e-6)
    assert x.numeric.shape == ROWS.shape
    assert x.certain.all() and not x.wrong.any()


def test_the_picture_has_both_and_their_difference():
    report = check_layer(wrong(Dense, kernel=lambda g: g * [1, 2])(2), ROWS)
    figure = plotting.plot_gradients(report)  # the one that fails
    numeric, analytic, difference = (axes.images[0].get_array() for axes in figure.axes)
    kernel = report.comparisons[1]
    assert np.allclose(numeric, kernel.numeric) and np.allclose(analytic, kernel.analytic)
    # A measured slope has an error of about 1e-10 of the largest.
    assert np.allclose(difference, kernel.numeric * [0, 1], atol=1e-8)
    assert figure.get_suptitle() == "Wrong: the gradient of kernel"
    assert plotting.plot_gradients(report, "x").get_suptitle() == "Wrong: the gradient of x"


def test_of_many_dimensions_the_worst_plane_is_drawn():
    def change(gradient):
        gradient = gradient.copy()
        gradient[2, 1, 0, 3] += 100
        return gradient

    report = check_layer(wrong(Conv2D, kernel=change)(4, (3, 2)), IMAGES)
    figure = plotting.plot_gradients(report)
    assert figure.get_suptitle().endswith("the gradient of kernel[:, :, 0, 3]")
    assert figure.axes[2].images[0].get_array()[2, 1] == pytest.approx(100)
    images = check_layer(wrong(Conv2D, lambda dx, dy: dx * (dx == dx.max()))(4, (3, 2)), IMAGES)
    title = plotting.plot_gradients(images, "x").get_suptitle()
    assert title.startswith("Wrong: the gradient of x[") and ", :, :, " in title


def test_what_can_not_be_drawn():
    report = check_layer(Dense(2), ROWS)
    with pytest.raises(ValueError, match=r"one of x, kernel, bias\. Received: name='gamma'"):
        plotting.plot_gradients(report, "gamma")

    class Noisy(Dense):
        def forward(self, x, training=False):
            x[...] = 0
            return super().forward(x, training)

    with pytest.raises(ValueError, match="there is no gradient to draw: forward changes x in pla"):
        plotting.plot_gradients(check_layer(Noisy(2), ROWS))


def test_a_loss_has_arrays_too():
    report = check_loss(MeanSquaredError(), ROWS, ROWS + 1)
    (comparison,) = report.comparisons
    assert np.allclose(comparison.numeric, 2 / ROWS.size, rtol=1e-6)
    assert report.ties == "" and "ties" not in str(report)


def test_the_rung_is_the_readable_one():
    assert kernels.active() == "numpy"
