"""Augmentation: worked by hand, beside what Keras has recorded, and drawn anew for each image.

    python tests/test_augmentation.py        # the largest difference from Keras

`make_keras_augmentation.py` has written the file; Keras is not needed.
"""

import functools
import json
import sys

import numpy as np
import pytest
from keras_trace import DATA

from tinycnn import Conv2D, Dense, Flatten, Input, Sequential, kernels, layers
from tinycnn.layers import RandomRotation, RandomTranslation, RandomZoom, Rescaling

RUNGS = ("numpy", "numba")
# Of the largest pixel. Keras computes places in float32: in 28 columns to 2e-6 of a pixel.
TOLERANCE = 1e-5

SQUARE = np.arange(1.0, 10).reshape(1, 3, 3, 1)  # 1 2 3 / 4 5 6 / 7 8 9


@functools.cache
def load():
    with np.load(DATA / "keras_augmentation.npz", allow_pickle=False) as file:
        return dict(file)


CASES = json.loads(str(load()["cases"]))


def difference(title):
    """Between Keras's images and ours, of the largest pixel."""
    batch, name, factors = CASES[title]
    x, theirs = load()[batch], load()[title]
    ours = getattr(layers, name)(*factors, fill_mode="constant").forward(x, training=True)
    assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
    return float(np.abs(ours - theirs).max() / x.max())


@pytest.mark.parametrize("title", CASES)
def test_fixed_transforms_are_those_of_keras(title, rung):
    assert difference(title) <= TOLERANCE


# --- by hand: every number is exact, but for the rounding of sine and cosine ----------------------


def made(layer, x=SQUARE):
    return layer.forward(x, training=True)[0, :, :, 0]


def test_translation_by_hand(rung):
    third = 1 / 3  # of three pixels: one
    down = made(RandomTranslation((third, third), 0))
    np.testing.assert_allclose(down, [[0, 0, 0], [1, 2, 3], [4, 5, 6]], atol=1e-14)
    left = made(RandomTranslation(0, (-third, -third)))
    np.testing.assert_allclose(left, [[2, 3, 0], [5, 6, 0], [8, 9, 0]], atol=1e-14)
    # Half a pixel to the right: the mean of two neighbours, of which the first one's left is 0.
    half = made(RandomTranslation(0, (third / 2, third / 2)))
    np.testing.assert_allclose(half, [[0.5, 1.5, 2.5], [2, 4.5, 5.5], [3.5, 7.5, 8.5]], atol=1e-14)


def test_rotation_by_hand(rung):
    quarter = made(RandomRotation((0.25, 0.25)))  # counter-clockwise: 3, on the right, goes up
    np.testing.assert_allclose(quarter, [[3, 6, 9], [2, 5, 8], [1, 4, 7]], atol=1e-14)
    # About the centre of an image that is no square, too: 1 2 3 / 4 5 6 by half a turn.
    half = made(RandomRotation((0.5, 0.5)), SQUARE[:, :2])
    np.testing.assert_allclose(half, [[6, 5, 4], [3, 2, 1]], atol=1e-14)


def test_zoom_by_hand(rung):
    # Out by 2: only the middle row and column are met again, the rest lies outside.
    np.testing.assert_array_equal(made(RandomZoom((1, 1))), [[0, 0, 0], [0, 5, 0], [0, 0, 0]])
    # In by 2, in height: rows 1/2, 1, 3/2.
    tall = made(RandomZoom((-0.5, -0.5), 0))
    np.testing.assert_array_equal(tall, [[2.5, 3.5, 4.5], [4, 5, 6], [5.5, 6.5, 7.5]])
    # In by 2, in width.
    wide = made(RandomZoom(0, (-0.5, -0.5)))
    np.testing.assert_array_equal(wide, [[1.5, 2, 2.5], [4.5, 5, 5.5], [7.5, 8, 8.5]])


def test_backward_by_hand(rung):
    layer = RandomTranslation(0, (1 / 6, 1 / 6))  # y[j] = (x[j - 1] + x[j]) / 2
    layer.forward(SQUARE[:, :1], training=True)
    dx = layer.backward(np.reshape([2.0, 4, 8], (1, 1, 3, 1)))
    np.testing.assert_allclose(dx.ravel(), [3, 6, 4], atol=1e-14)


# --- what is drawn --------------------------------------------------------------------------------

LAYERS = [
    # The layer, and of its transforms what lies between which two numbers.
    (RandomTranslation((-0.5, 0.25), 0.5), lambda t: -t[:, 1, 2] / 8, (-0.5, 0.25)),
    (RandomTranslation((-0.5, 0.25), 0.5), lambda t: -t[:, 0, 2] / 12, (-0.5, 0.5)),
    (RandomRotation(-0.1), lambda t: np.arctan2(t[:, 1, 0], t[:, 0, 0]) / 6.2832, (-0.1, 0.1)),
    (RandomZoom((0.5, -0.25)), lambda t: t[:, 0, 0] - 1, (-0.25, 0.5)),
    (RandomZoom(0.2, 0.4), lambda t: t[:, 0, 0] - 1, (-0.4, 0.4)),
    (RandomZoom(0.2, 0.4), lambda t: t[:, 1, 1] - 1, (-0.2, 0.2)),
]


@pytest.mark.parametrize("layer, drawn, bounds", LAYERS, ids=range(len(LAYERS)))
def test_factors_are_drawn_evenly_between_their_bounds(layer, drawn, bounds):
    layer.build((8, 12, 1))
    count, (low, high) = 4000, bounds
    values = np.sort(drawn(layer.transforms(count, np.random.default_rng(3))))
    even = low + (high - low) * (np.arange(count) + 0.5) / count
    # Kolmogorov's distance of 4000 even draws is below 1.63 / sqrt(4000) = 0.026 in 99 of 100.
    assert np.abs(values - even).max() <= 0.026 * (high - low)
    assert low - 1e-5 <= values[0] and values[-1] <= high + 1e-5  # 2 pi has five digits here


def test_zoom_keeps_the_shape_of_things_without_a_width_factor():
    layer = RandomZoom(0.3)
    layer.build((8, 12, 1))
    t = layer.transforms(50, np.random.default_rng(0))
    np.testing.assert_array_equal(t[:, 0, 0], t[:, 1, 1])
    assert len(np.unique(t[:, 0, 0])) == 50
    layer = RandomZoom(0.3, 0.3)
    layer.build((8, 12, 1))
    t = layer.transforms(50, np.random.default_rng(0))
    assert (t[:, 0, 0] != t[:, 1, 1]).all()


every_layer = pytest.mark.parametrize(
    "make",
    [lambda: RandomTranslation(0.2, 0.2), lambda: RandomRotation(0.1), lambda: RandomZoom(0.3)],
    ids=["translation", "rotation", "zoom"],
)


@every_layer
def test_every_image_is_transformed_by_itself_and_only_in_training(make, rung):
    x = np.random.default_rng(0).random((1, 9, 9, 1)).repeat(5, axis=0)
    layer = make()
    np.testing.assert_array_equal(layer.forward(x), x)
    np.testing.assert_array_equal(layer.backward(x), x)
    y = layer.forward(x, training=True)
    assert len({image.tobytes() for image in y}) == 5
    assert (layer.forward(x, training=True) != y).any(), "without a generator each draw is new"


@every_layer
def test_the_rung_and_the_dtype_change_nothing_but_roundings(make):
    x = np.random.default_rng(0).random((4, 9, 7, 2))
    results = []
    for rung in RUNGS:
        for dtype in ("float32", "float64"):
            with kernels.use(rung):
                layer = make()
                layer.build(x.shape[1:], dtype=dtype)
                layer.rng = np.random.default_rng(7)
                results.append(layer.forward(x, training=True))
    for y in results[1:]:
        # Four products of numbers below 1, in float32.
        np.testing.assert_allclose(y, results[0], rtol=0, atol=5e-7)


@every_layer
def test_bytes_come_out_as_float_before_a_rescaling_too(make, rung):
    images = np.random.default_rng(0).integers(0, 256, (3, 9, 7, 1), dtype=np.uint8)
    layer = make()
    layer.rng = np.random.default_rng(1)
    y = layer.forward(images, training=True)
    assert y.dtype == layer.forward(images).dtype == "float32"
    assert (y % 1 != 0).any(), "nothing is rounded to whole gray levels"
    layer.rng = np.random.default_rng(1)
    rescaled = layer.forward(Rescaling(1 / 255).forward(images), training=True)
    np.testing.assert_allclose(y / 255, rescaled, rtol=0, atol=5e-7)


@every_layer
def test_a_model_draws_anew_each_step_and_alike_from_one_seed(make, rung):
    x, y = np.random.default_rng(0).random((2, 9, 7, 1)), np.eye(2)

    def run(seed):
        model = Sequential(
            [Input((9, 7, 1)), make(), Conv2D(2, 3, activation="relu"), Flatten(), Dense(2)],
            seed=seed,
        )
        model.compile("sgd", "mse")
        drawn = []
        for _ in range(3):
            model.train_on_batch(x, y)
            (transforms,) = model.layers[0].cache
            drawn.append(transforms)
        return np.concatenate(drawn), model.predict(x, verbose=0)

    (one, predicted), (same, predicted_again), (other, _) = run(1), run(1), run(2)
    assert len(np.unique(one, axis=0)) == 6
    np.testing.assert_array_equal(one, same)
    np.testing.assert_array_equal(predicted, predicted_again)
    assert not np.array_equal(one, other)


if __name__ == "__main__":
    for each in RUNGS:
        with kernels.use(each):
            worst = max(map(difference, CASES))
            sys.stdout.write(f"{each}: largest difference from Keras, of a pixel {worst:.1e}\n")
