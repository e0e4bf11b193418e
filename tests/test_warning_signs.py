"""Warnings of what a teacher would see at a glance, and no false alarms."""

import itertools
import math
import warnings

import numpy as np
import pytest

from tinycnn import Conv2D, Dense, Flatten, Input, Sequential, load_model
from tinycnn.support import warning_signs

pytestmark = pytest.mark.usefixtures("numpy_rung")

rng = np.random.default_rng(0)
LABELS = np.repeat(np.arange(10), 100)
SHUFFLED = rng.permutation(LABELS)


def fit(x, y, split=0.0, loss="sparse_categorical_crossentropy", units=10):
    activation = "softmax" if units > 1 else None
    model = Sequential([Flatten(), Dense(units, activation=activation)], seed=0)
    model.compile("sgd", loss)
    model.fit(x, y, validation_split=split, verbose=0)


SPLITS = {
    "sorted": (LABELS, "lacks class"),
    "sorted, one-hot": (np.eye(10)[LABELS], "lacks class"),
    "sorted, a column": (LABELS[:, None], "lacks class"),
    "half of one class last": (
        np.concatenate([rng.permutation(LABELS[50:]), LABELS[:50]]),
        "of class 0",
    ),
}


@pytest.mark.parametrize("case", SPLITS)
def test_a_split_that_is_not_a_random_part_is_warned_of(case):
    y, words = SPLITS[case]
    loss = "categorical_crossentropy" if y.shape[1:] == (10,) else "sparse_categorical_crossentropy"
    with pytest.warns(UserWarning, match=f"validation_split takes the last 200.*{words}"):
        fit(rng.random((1000, 3)), y, 0.2, loss)


@pytest.mark.parametrize(("n", "k"), [(20, 4), (40, 4), (40, 2), (60, 2), (100, 10)])
@pytest.mark.parametrize("direction", [1, -1])
def test_a_few_sorted_samples_are_warned_of(n, k, direction):
    y = np.repeat(np.arange(k), n // k)[::direction]
    with pytest.warns(UserWarning, match=f"the last {n // 4} samples.*lacks class"):
        fit(rng.random((n, 3)), y, 0.25)


@pytest.mark.parametrize("n", [20, 100, 1000])
@pytest.mark.parametrize("seed", range(20))
def test_shuffled_data_raise_no_alarm(n, seed):
    y = np.random.default_rng(seed).permutation(LABELS)[:n]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(np.zeros((n, 2)), y, 0.1)


def test_a_regression_has_no_classes():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(rng.random((1000, 2)), np.linspace(0, 1, 1000)[:, None], 0.2, "mse", units=1)
        fit(rng.random((1000, 2)), np.sort(rng.random((1000, 3)), axis=0), 0.2, "mse", units=3)
        # Whole numbers are none either, if they are compared by their squares: ages, counts.
        fit(rng.random((200, 2)), np.repeat(np.arange(20), 10)[:, None], 0.2, "mse", units=1)
        fit(rng.random((200, 2)), np.arange(200)[:, None], 0.2, "mse", units=1)
    with pytest.warns(UserWarning, match="lacks class 0"):  # a yes and a no
        fit(rng.random((200, 2)), np.repeat([0, 1], 100)[:, None], 0.2, "mse", units=1)


def test_the_chance_of_a_split_is_that_of_a_draw():
    # All ways to draw 4 of 9, 3 of which are of the class; the chances add up to 1.
    draws = list(itertools.combinations([1] * 3 + [0] * 6, 4))
    chances = [math.exp(warning_signs._log_chance(9, 4, 3, f)) for f in range(4)]
    counted = np.bincount([sum(draw) for draw in draws]) / len(draws)
    np.testing.assert_allclose(chances, counted, rtol=1e-12)  # lgamma's rounding


def test_rare_draws_are_as_rare_as_promised():
    """No draw of a million samples is an alarm unless it is some five deviations off."""
    n, m, N = 1_000_000, 200_000, 100_000
    deviation = math.sqrt(m * 0.1 * 0.9 * (1 - m / n))
    alarms = [
        abs(f - m * 0.1) / deviation
        for f in range(int(m * 0.1 - 10 * deviation), int(m * 0.1 + 10 * deviation))
        if warning_signs._log_chance(n, m, N, f) < warning_signs.RARE
    ]
    assert 4.5 < min(alarms) < 5.5


PIXELS = rng.integers(0, 256, (50, 12, 12))


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("shape", [(50, 12, 12), (50, 144), (50, 12, 12, 1)])
def test_pixels_up_to_255_are_warned_of_in_any_shape(shape, dtype):
    with pytest.warns(UserWarning, match="values up to 255.*divide them by 255"):
        fit(PIXELS.reshape(shape).astype(dtype), SHUFFLED[:50])


@pytest.mark.parametrize(
    "x", [PIXELS / 255, PIXELS[:, 0], PIXELS.reshape(50, 144) - 128, PIXELS.reshape(50, 144) * 1.1]
)
def test_scaled_images_and_tables_of_numbers_raise_no_alarm(x):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(x, SHUFFLED[:50])


def test_a_softmax_over_one_unit_is_warned_of():
    for layers in (
        [Input((3,)), Dense(1, activation="softmax")],
        [Conv2D(1, 1, activation="softmax", input_shape=(2, 2, 1))],
    ):
        with pytest.warns(UserWarning, match="softmax over one unit is always 1"):
            Sequential(layers)


@pytest.mark.parametrize("ending", [".npz", ".keras", ".weights.h5"])
def test_weights_that_are_not_finite_are_named_when_they_are_loaded(ending, tmp_path):
    if ending != ".npz":
        pytest.importorskip("h5py")
    model = Sequential([Input((3,)), Dense(2, name="first"), Dense(1)])
    path = tmp_path / f"model{ending}"
    save, load = model.save, load_model
    if ending == ".weights.h5":
        save, load = model.save_weights, model.load_weights
    save(path)
    load(path)  # without a warning, which would be an error
    model.layers[0].kernel.value[1] = np.nan
    model.layers[1].bias.value[0] = np.inf
    save(path)
    with pytest.warns(UserWarning, match=r"not finite, 2 of first/kernel, 1 of dense/bias: it was"):
        load(path)


def test_standardised_images_are_as_good():
    x = rng.standard_normal((50, 6, 6, 1)) * 1.2
    assert x.max() > 2
    model = Sequential([Input((6, 6, 1)), Flatten(), Dense(1)])
    model.compile("sgd", "mse")
    model.fit(x, np.zeros((50, 1)), verbose=0)  # without a warning, which would be an error
    with pytest.warns(UserWarning, match="the images hold values up to"):
        model.fit(20 * x, np.zeros((50, 1)), verbose=0)
