"""The bug museum: the checks are run on wrong code, and must say so; on right code, and must not.

    python -m pytest tests/test_museum.py            # one bug of every mechanism
    python -m pytest tests/test_museum.py -m full    # all of them; 200 seeds of right code
    python tests/test_museum.py                      # the table: which check caught which bug

Three groups of checks, on the rung where bugs.py patches the bug in, mostly the reference:
- gradient: backward against central differences, over all layers, losses and a whole network;
- adjoint: backward against the transpose of forward, from test_adjoint.py;
- fixtures: numbers that Keras has recorded, from test_keras_trace.py and test_keras_optimizers.py,
  and some worked by hand.
A bug in a backward must be caught by the first two. What they cannot see, since it leaves forward
and backward in agreement, is left to the third: optimizers, initializers, the values of losses, and
what a layer computes.
"""

import functools
import itertools
import re
import sys

import bugs
import numpy as np
import pytest
import test_adjoint
import test_keras_optimizers
import test_keras_trace
import test_layers
import test_more_layers
import wrong_layers
from without_numba import need

from tinycnn import (
    SGD,
    Adam,
    BinaryCrossentropy,
    CategoricalCrossentropy,
    Conv2D,
    Dense,
    Flatten,
    MaxPooling2D,
    RMSprop,
    Sequential,
    initializers,
    kernels,
)
from tinycnn.gradient_check import check_layer, check_loss, check_model
from tinycnn.gradient_check.cases import layer_cases, loss_cases
from tinycnn.losses import Loss
from tinycnn.parameter import Parameter

#: What the checks that owe a bug's discovery have not seen, and what that says about them.
SURVIVORS = {
    "max-pool: tied inputs share the gradient": (
        "at a tie every division of dy among the tied inputs is a derivative along some direction, "
        "and adds up to dy; that Keras gives all to the first is a convention, which only the "
        "recorded pools of the fixtures know"
    ),
    "max-pool: the last of equal inputs wins": (
        "as above: the last is as good a derivative as the first, but not Keras's"
    ),
}

# A patch that raises one of these is no bug of the museum's kind but a broken patch.
BROKEN = (NameError, AttributeError, TypeError, SyntaxError)


# --- gradient checks ------------------------------------------------------------------------------


def small_network(seed):
    """A network with all layers of the reference one, sparse images, and ties above zero.

    Where an image is empty a convolution gives its bias everywhere, so the windows of the pool are
    full of equal positive values, and moving the bias moves all of them.
    """
    rng = np.random.default_rng(seed)
    model = Sequential(
        [
            Conv2D(3, (3, 2), activation="relu", input_shape=(9, 10, 1)),
            MaxPooling2D((2, 2)),
            Conv2D(4, (2, 2), activation="relu", padding="same"),
            MaxPooling2D((2, 2), strides=1),
            Flatten(),
            Dense(5, activation="relu", kernel_regularizer="l2"),
            Dense(3, activation="softmax"),
        ],
        dtype="float64",
        seed=seed,
    )
    model.compile("adam", "categorical_crossentropy")
    model.build((9, 10, 1))
    for parameter in model.parameters:
        if parameter.name == "bias":
            parameter.value[...] = rng.uniform(0.1, 0.5, parameter.value.shape)
    images = rng.random((4, 9, 10, 1)) * (rng.random((4, 9, 10, 1)) < 0.2)
    return model, images, np.eye(3)[rng.integers(3, size=4)]


def gradient_checks(seed):
    """(title, check) of the cases of cases.py, and of a few that bugs have asked for."""
    rng = np.random.default_rng([seed, 1])
    # No two values closer than 0.001, but many closer than 0.01.
    close = 1e-3 * rng.permutation(2 * 5 * 6 * 2).reshape(2, 5, 6, 2)
    for title, layer, x in [*layer_cases(seed), ("MaxPooling2D, close", MaxPooling2D(2), close)]:
        yield title, functools.partial(passes, check_layer, layer, x, seed, False)
    weights = rng.uniform(0.2, 2.0, (4, 5)), rng.standard_normal((4, 5))  # of any sum
    weighted = ("CategoricalCrossentropy, weights", CategoricalCrossentropy(True), *weights)
    for title, loss, y_true, y_pred in [*loss_cases(seed), weighted]:
        yield title, functools.partial(passes, check_loss, loss, y_true, y_pred)
    yield "a small network", functools.partial(passes, check_model, *small_network(seed), seed)


def passes(check, *arguments):
    check(*arguments).raise_if_failed()


# --- adjoint checks -------------------------------------------------------------------------------


def adjoint_checks(seed):
    for title, check in test_adjoint.CHECKS.items():
        for dtype in test_adjoint.TOLERANCE:
            yield f"{title}, {dtype}", functools.partial(check, test_adjoint.Draw(seed, dtype))


# --- fixtures and hand-worked numbers -------------------------------------------------------------


def agrees_with_keras(comparison, dtype):
    for row in comparison(dtype):
        assert row.difference <= row.tolerance, str(row)


def logits_of_any_size():
    loss = CategoricalCrossentropy(from_logits=True)
    first, ten_thousand = np.array([[1.0, 0.0]]), 1e4
    # log(1 + e^-gap) is 0, so the gap is the loss; and of two equal logits it is log 2.
    assert loss.forward(first[:, ::-1], np.array([[ten_thousand, 0.0]])) == ten_thousand
    assert abs(loss.forward(first, np.full((1, 2), -ten_thousand)) - np.log(2)) < 1e-12
    # A row of large logits beside one of small ones: the mean of 0 and log 2.
    apart = np.array([[ten_thousand, 0.0], [-ten_thousand, -ten_thousand]])
    assert abs(loss.forward(np.repeat(first, 2, axis=0), apart) - np.log(2) / 2) < 1e-12


def binary_logits_of_any_size():
    # log(1 + e^-gap) is 0: a wrong yes costs its logit, a right one nothing.
    loss = BinaryCrossentropy(from_logits=True)
    for logit in (1e4, -1e4):
        yes = np.array([[float(logit > 0)]])
        assert loss.forward(1 - yes, np.array([[logit]])) == 1e4
        assert loss.forward(yes, np.array([[logit]])) == 0


def mean_summed_in_float64():
    # Losses of 2**24 and of log 2, of which float32 would lose the second.
    logits = np.array([[2.0**24, 0.0], [0.0, 0.0]], np.float32)
    value = CategoricalCrossentropy(from_logits=True).forward(np.array([[0, 1], [0, 1]]), logits)
    assert abs(value - (2**24 + np.log(2)) / 2) < 1e-6


def learning_rate_that_changes():
    # v = -0.1*0.5 = -0.05;  v = 0.5*-0.05 - 0.01*0.5 = -0.03, w = 1 - 0.05 - 0.03
    weight, optimizer = Parameter("kernel", np.ones(1), np.full(1, 0.5)), SGD(0.1, momentum=0.5)
    optimizer.update([weight])
    optimizer.learning_rate = 0.01
    optimizer.update([weight])
    assert abs(weight.value[0] - 0.92) < 1e-14


def one_counter_for_all_parameters():
    pair = [Parameter("kernel", np.ones(3), np.arange(3.0)) for _ in range(2)]
    optimizer = Adam()
    for _ in range(3):
        optimizer.update(pair)
    np.testing.assert_array_equal(pair[0].value, pair[1].value)


def a_gradient_that_never_changes():
    weight = Parameter("kernel", np.zeros(50, "float32"), np.linspace(900, 1000, 50, dtype="f"))
    optimizer = RMSprop(1e-6, centered=True)
    with np.errstate(invalid="ignore"):
        for _ in range(300):
            optimizer.update([weight])
    assert np.isfinite(weight.value).all()


def a_generator_gives_no_kernel_twice():
    rng = np.random.default_rng(0)
    first, second = (initializers.glorot_uniform((3, 4), rng, "float64") for _ in range(2))
    assert not np.isclose(first, second).any()
    assert len(np.unique(first)) == first.size


def fixture_checks():
    for title, comparison in test_keras_trace.COMPARISONS.items():
        if title.split("-")[0] in ("updates", "loss", "conv", "pool"):
            for dtype in ("float32", "float64"):
                yield (
                    f"Keras, {title}, {dtype}",
                    functools.partial(agrees_with_keras, comparison, dtype),
                )
    for title, comparison in test_keras_optimizers.COMPARISONS.items():
        for dtype in ("float32", "float64"):
            yield (
                f"Keras, {title}, {dtype}",
                functools.partial(agrees_with_keras, comparison, dtype),
            )
    trace = test_keras_trace.trace
    draw = test_keras_trace.test_initializers_draw_from_the_distribution_of_keras
    for name, index in itertools.product(trace.INITIALIZERS, range(len(trace.KERNEL_SHAPES))):
        yield f"Keras, {name}, {index}", functools.partial(draw, name, index)
    for check in (
        logits_of_any_size,
        binary_logits_of_any_size,
        mean_summed_in_float64,
        learning_rate_that_changes,
        one_counter_for_all_parameters,
        a_gradient_that_never_changes,
        a_generator_gives_no_kernel_twice,
    ):
        yield check.__name__.replace("_", " "), check
    for by_hand in (
        test_layers.test_average_pooling_counts_no_padding,
        test_layers.test_batch_normalization_by_hand,
        test_layers.test_dropout_by_hand,
    ):
        name = by_hand.__name__.removeprefix("test_").replace("_", " ")
        yield name, functools.partial(by_hand, "numpy")
    for by_hand in (
        test_more_layers.test_pixels_are_repeated,
        test_more_layers.test_zeros_are_put_around_an_image,
        test_more_layers.test_the_largest_of_an_image,
        test_more_layers.test_normalization_by_hand,
        functools.partial(test_more_layers.test_activations_by_hand, "softplus"),
    ):
        yield "a smaller layer by hand", by_hand


# --- running them ---------------------------------------------------------------------------------

GROUPS = {
    "gradient": lambda: gradient_checks(0),
    "adjoint": lambda: adjoint_checks(0),
    "fixtures": fixture_checks,
}

#: The groups that owe the discovery of a bug, those that see it soonest first.
OWED = {
    "backward": ("adjoint", "gradient"),
    "layer": ("fixtures", "gradient", "adjoint"),
    "loss": ("gradient", "fixtures", "adjoint"),
    "optimizer": ("fixtures", "gradient", "adjoint"),
    "initializer": ("fixtures", "gradient", "adjoint"),
}


def first_failure(group):
    """The title of the first check of the group that fails, or None."""
    for title, check in GROUPS[group]():
        try:
            check()
        except BROKEN:
            raise
        except Exception:
            return title
    return None


def caught_by(bug, groups):
    """{group: the check that caught the bug, or None}, up to the last group."""
    # What a wrong formula overflows on is judged by its numbers, not by NumPy's warnings.
    with kernels.use(bug.rung), np.errstate(all="ignore"), bugs.active(bug):
        return {group: first_failure(group) for group in groups}


def is_caught(bug):
    """Whether a group that owes it sees the bug; stops at the first that does."""
    return any(caught_by(bug, [group])[group] for group in OWED[bug.kind])


def one_of_each_mechanism():
    chosen = {}
    for bug in bugs.BUGS.values():
        if bug.name not in SURVIVORS:
            chosen.setdefault(bug.mechanism, bug)
    return list(chosen.values())


by_name = {"ids": lambda bug: bug.name}


@pytest.mark.parametrize("bug", one_of_each_mechanism(), **by_name)
def test_a_bug_of_every_mechanism_is_caught(bug):
    assert is_caught(bug)


@pytest.mark.full
@pytest.mark.parametrize("bug", bugs.BUGS.values(), **by_name)
def test_every_bug_is_caught_but_for_the_survivors_listed(bug):
    assert is_caught(bug) == (bug.name not in SURVIVORS)


def check_healthy(seed):
    with kernels.use("numpy"):
        for title, check in itertools.chain(gradient_checks(seed), adjoint_checks(seed)):
            try:
                check()
            except Exception as error:
                raise AssertionError(f"false alarm of {title!r} with seed {seed}") from error


def test_right_code_raises_no_alarm():
    check_healthy(0)


@pytest.mark.full
@pytest.mark.parametrize("seed", range(1, 200))
def test_right_code_raises_no_alarm_with_many_seeds(seed):
    check_healthy(seed)


def test_right_code_agrees_with_the_fixtures():
    with kernels.use("numpy"):
        assert first_failure("fixtures") is None


# --- wrong layers of a user's own -----------------------------------------------------------------


def report_on(layer):
    """What the checker says of a class of wrong_layers.py."""
    if issubclass(layer, Loss):
        return check_loss(layer(), np.ones((3, 4)), wrong_layers.X)
    return check_layer(layer(), wrong_layers.X)


by_class = {"ids": lambda wrong: wrong.layer.__name__}


@pytest.mark.parametrize("wrong", wrong_layers.WRONG_LAYERS, **by_class)
def test_a_wrong_layer_is_refused_with_the_reason(wrong):
    report = report_on(wrong.layer)
    assert not report.passed
    assert wrong.words in str(report)
    with pytest.raises(ArithmeticError, match="FAIL"):
        report.raise_if_failed()


@pytest.mark.parametrize("layer", wrong_layers.RIGHT)
def test_the_layer_that_they_are_made_of_is_right(layer):
    report_on(layer).raise_if_failed()


# The museum itself.


def test_the_museum_is_as_large_as_it_says():
    assert len(bugs.BUGS) == len(bugs._ALL) >= 40, "names must differ"
    assert len({bug.mechanism for bug in bugs.BUGS.values()}) >= 12
    assert {bug.kind for bug in bugs.BUGS.values()} == set(OWED)
    assert set(SURVIVORS) <= set(bugs.BUGS)


@pytest.mark.parametrize("bug", bugs.BUGS.values(), **by_name)
def test_every_patch_applies_and_is_undone(bug):
    need(bug.rung)
    functions = [bugs._function(edit.target) for edit in bug.edits]
    before = [function.__code__ for function in functions]
    with bugs.active(bug):
        for function, code in zip(functions, before, strict=True):
            assert function.__code__.co_code != code.co_code or (
                function.__code__.co_consts,
                function.__code__.co_names,
            ) != (code.co_consts, code.co_names)
    assert [function.__code__ for function in functions] == before
    assert re.match(r"[\w.-]+/[\w.-]+(#\d+| [\w/.-]+\.py): .", bug.source)


def test_a_patch_that_does_not_fit_is_an_error():
    edit = bugs.Edit(bugs.RELU, "no such text", "")
    with pytest.raises(ValueError, match="once, and not 0 times"):
        with bugs.active(bugs.Bug("stale", "", "backward", "", (edit,))):
            pass


def table() -> str:
    """All bugs, and of every group the check that caught it first, as text.

    Raises:
        AssertionError: if a check fails without any bug: it would seem to catch them all.
    """
    with kernels.use("numpy"):
        alarms = {group: first_failure(group) for group in GROUPS}
    assert not any(alarms.values()), f"false alarms on right code: {alarms}"
    header = ["bug", "kind", "mechanism", *GROUPS, "source"]
    rows, survivors, caught = [header, ["---"] * len(header)], [], dict.fromkeys(GROUPS, 0)
    for bug in bugs.BUGS.values():
        found = caught_by(bug, GROUPS)
        cells = [found[group] or "-" for group in GROUPS]
        rows.append([bug.name, bug.kind, bug.mechanism, *cells, bug.source])
        for group in GROUPS:
            caught[group] += found[group] is not None
        if not any(found[group] for group in OWED[bug.kind]):
            survivors.append(f"SURVIVES {bug.name}: {SURVIVORS.get(bug.name, 'NOT LISTED')}")
    tried = len(bugs.BUGS)
    mechanisms = len({bug.mechanism for bug in bugs.BUGS.values()})
    counts = ", ".join(f"{group} {count}" for group, count in caught.items())
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines += ["", f"{tried} bugs of {mechanisms} mechanisms, caught by: {counts}."]
    refused = [w.layer.__name__ for w in wrong_layers.WRONG_LAYERS if not report_on(w.layer).passed]
    total = len(wrong_layers.WRONG_LAYERS)
    lines += [f"Of {total} wrong layers and losses {len(refused)} were refused: "]
    lines[-1] += f"{', '.join(refused)}."
    lines += [f"{tried - len(survivors)} were caught by the checks that owe it.", *survivors]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(table() + "\n")
