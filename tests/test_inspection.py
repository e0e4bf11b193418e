"""Looking inside: confusion by hand, gradients against differences, maps against the layers."""

import numpy as np
import pytest

from tinycnn import (
    Activation,
    Conv2D,
    Dense,
    Flatten,
    Layer,
    MaxPooling2D,
    Normalization,
    RandomFlip,
    Rescaling,
    Sequential,
    inspection,
)
from tinycnn.gradient_check import numerical_gradient
from tinycnn.kernels.reference import im2col

# Of a slope measured in float64, relative to the largest; see gradient_check.py. Seen: below 1e-9.
TOLERANCE = 1e-7


def draw(*shape, seed=1):
    return np.random.default_rng(seed).standard_normal(shape)


def make(*last, dtype="float64"):
    """A network with two convolutions for images (9, 8, 2), and biases that are not 0."""
    model = Sequential(
        [
            Conv2D(4, (3, 3), activation="relu", input_shape=(9, 8, 2)),
            MaxPooling2D((2, 2)),
            Conv2D(5, (2, 1), activation="relu"),
            Flatten(),
            Dense(6, activation="relu"),
            *(last or [Dense(3, activation="softmax")]),
        ],
        seed=3,
        dtype=dtype,
    )
    rng = np.random.default_rng(0)
    model.set_weights([w + 0.1 * rng.standard_normal(w.shape) for w in model.get_weights()])
    return model


ENDS = {
    "softmax": [Dense(3, activation="softmax")],
    "a softmax layer": [Dense(3), Activation("softmax")],
    "softmax and linear": [Dense(3, activation="softmax"), Activation("linear")],
    "no softmax": [Dense(3)],
}


def scores(layers, x):
    """What the softmax at the end, if there is one, is applied to."""
    for layer in layers:
        x = layer.forward(x)
    for layer in layers[::-1]:
        if getattr(layer, "activation", None) == "softmax":
            return layer.z
    return x


def close(actual, expected):
    assert np.abs(expected).max() > 0
    error = np.abs(actual - expected).max() / np.abs(expected).max()
    assert error < TOLERANCE, error


# --- what a model mixes up ------------------------------------------------------------------------


def test_confusion_matrix_counted_by_hand():
    y_true, y_pred = np.array([0, 0, 1, 1, 1, 2]), np.array([0, 1, 1, 1, 0, 0])
    counts = inspection.confusion_matrix(y_true, y_pred)
    assert counts.tolist() == [[1, 1, 0], [1, 2, 0], [1, 0, 0]]
    precision, recall = inspection.precision_and_recall(counts)
    # Class 2 was never predicted: of nothing, nobody knows what share is right.
    np.testing.assert_array_equal(precision, [1 / 3, 2 / 3, np.nan])
    np.testing.assert_array_equal(recall, [1 / 2, 2 / 3, 0])


def test_confusion_matrix_of_more_classes_and_of_bytes():
    # Labels are uint8 as a rule: 20 * 20 would not fit.
    y = np.array([19, 3], np.uint8)
    counts = inspection.confusion_matrix(y, y[::-1], num_classes=20)
    assert counts.shape == (20, 20)
    assert counts[19, 3] == counts[3, 19] == 1
    assert counts.sum() == 2
    assert np.isnan(inspection.precision_and_recall(counts)[1][0])


@pytest.mark.parametrize(
    ("y_true", "y_pred", "num_classes", "words"),
    [
        ([0, 1], [0], None, "same number of samples. Received: 2 and 1"),
        ([0, -1], [0, 1], None, "`y_true` must hold numbers from 0 on. Received: from -1 to 0"),
        ([0, 1], [0.5, 1], None, r"`y_pred` must hold class numbers.*float64 of shape \(2,\)"),
        ([[0, 1]], [0, 1], None, r"`y_true` must hold class numbers.*of shape \(1, 2\)"),
        ([0, 5], [0, 1], 5, "`num_classes` must be an integer >= 6. Received: num_classes=5"),
        ([], [], None, "`y_true` must hold class numbers"),
    ],
)
def test_confusion_matrix_refuses(y_true, y_pred, num_classes, words):
    with pytest.raises(ValueError, match=words):
        inspection.confusion_matrix(np.array(y_true), np.array(y_pred), num_classes)


def test_mistakes_come_with_the_surest_first():
    probabilities = np.array([[0.6, 0.4], [0.1, 0.9], [0.2, 0.8], [0.9, 0.1], [0.1, 0.9]])
    # 0 and 3 are right; of 1 and 4, equally sure, the first comes first.
    assert inspection.confident_mistakes([0, 0, 0, 0, 0], probabilities).tolist() == [1, 4, 2]
    assert inspection.confident_mistakes([0, 1, 1, 0, 1], probabilities).tolist() == []


# --- what its layers see --------------------------------------------------------------------------


def test_feature_maps_are_what_each_layer_says(rung):
    model = make()
    x = draw(40, 9, 8, 2)  # more than one batch of predict
    y = x
    for layer in model.layers:
        y = layer.forward(y)
        np.testing.assert_allclose(inspection.feature_maps(model, layer, x), y, rtol=1e-12)


def test_feature_maps_of_an_unbuilt_model(numpy_rung):
    model = Sequential([Conv2D(2, 3), Flatten(), Dense(2)])
    assert inspection.feature_maps(model, model.layers[0], draw(1, 5, 4, 1)).shape == (1, 3, 2, 2)
    assert model.input_shape == (5, 4, 1)


def test_dead_maps_are_zero_for_all():
    maps = np.zeros((3, 2, 2, 4))
    maps[0, 1, 1, 1] = 1  # of one image only
    maps[2, 0, 0, 2] = -1
    assert inspection.dead_maps(maps).tolist() == [True, False, False, True]
    assert inspection.dead_maps(maps[1:2]).all()
    assert inspection.dead_maps(np.array([[0.0, 2.0], [0.0, 0.0]])).tolist() == [True, False]


# --- which pixels it decides by -------------------------------------------------------------------


@pytest.mark.parametrize("end", ENDS)
def test_saliency_is_the_slope_of_the_score(rung, end):
    model = make(*ENDS[end])
    x, classes = draw(3, 9, 8, 2), [2, 0, 1]
    chosen = np.arange(3), classes
    expected = numerical_gradient(lambda: scores(model.layers, x)[chosen], x)
    close(inspection.saliency(model, x, classes), expected)
    # One class for all samples.
    expected = numerical_gradient(lambda: scores(model.layers, x)[:, 1], x)
    close(inspection.saliency(model, x, 1), expected)


@pytest.mark.parametrize("index", [0, 1, 2])
@pytest.mark.parametrize("end", ["softmax", "no softmax"])
def test_grad_cam_is_its_definition(rung, index, end):
    model = make(*ENDS[end])
    # No map of the first layer is 0: the pool above it would have ties there, and no derivative.
    model.layers[0].bias.value += 5
    x, classes = draw(6, 9, 8, 2), [0, 1, 2, 0, 1, 2]
    below, above = model.layers[: index + 1], model.layers[index + 1 :]
    A = x
    for layer in below:
        A = layer.forward(A)
    A = A.copy()
    slopes = numerical_gradient(lambda: scores(above, A)[np.arange(6), classes], A)
    expected = np.zeros(A.shape[:3])
    for n, i, j in np.ndindex(*expected.shape):
        for k in range(A.shape[3]):
            alpha = slopes[n, :, :, k].sum() / (A.shape[1] * A.shape[2])  # equation 1
            expected[n, i, j] += alpha * A[n, i, j, k]
    assert (expected < 0).any(), "equation 2 has something to cut off"
    close(inspection.grad_cam(model, model.layers[index], x, classes), np.maximum(expected, 0))


def test_looking_leaves_no_trace_in_training(rung):
    x, y = draw(8, 9, 8, 2).astype("float32"), np.eye(3)[[0, 1, 2, 0, 1, 2, 0, 1]]
    weights = []
    for look in (False, True):
        model = make(Dense(3, activation="softmax"), dtype="float32")
        model.compile("adam", "categorical_crossentropy")
        model.train_on_batch(x, y)
        if look:  # after a step, whose backward spared the first layer its dx
            assert inspection.saliency(model, x, 0).dtype == "float32"
            inspection.grad_cam(model, model.layers[0], x, 0)
            inspection.feature_maps(model, model.layers[2], x)
        model.train_on_batch(x, y)
        weights.append(model.get_weights())
    for without, with_look in zip(*weights, strict=True):
        np.testing.assert_array_equal(without, with_look)


def test_what_can_not_be_looked_at(numpy_rung):
    model, x = make(), draw(2, 9, 8, 2)
    with pytest.raises(ValueError, match=r"`layer` must be one of .*Received: Dense"):
        inspection.feature_maps(model, Dense(2), x)
    for index in (4, 5):
        with pytest.raises(ValueError, match=r"must make maps .*Received: Dense\(dense.*\(2, "):
            inspection.grad_cam(model, model.layers[index], x, 0)
    maps_only = Sequential([Conv2D(2, 3, input_shape=(9, 8, 2))])
    with pytest.raises(ValueError, match="have layers after it"):
        inspection.grad_cam(maps_only, maps_only.layers[0], draw(2, 9, 8, 2), 0)
    with pytest.raises(ValueError, match=r"one score for each class. Received: output \(7, 6, 2\)"):
        inspection.saliency(maps_only, draw(2, 9, 8, 2), 0)
    with pytest.raises(ValueError, match="`classes` must hold numbers from 0 on and below 3"):
        inspection.saliency(model, x, [0, 3])
    with pytest.raises(ValueError, match="input_shape"):
        inspection.saliency(model, draw(2, 8, 8, 2), 0)


# --- what the machinery does ----------------------------------------------------------------------


def test_window_sources_by_hand():
    # 0 1 2
    # 3 4 5   seen through windows of 2 x 2
    # 6 7 8
    expected = [[0, 1, 3, 4], [1, 2, 4, 5], [3, 4, 6, 7], [4, 5, 7, 8]]
    assert inspection.window_sources((3, 3), (2, 2)).tolist() == expected
    # "same" adds a row below and a column to the right.
    expected = [[0, 1, 3, 4], [2, -1, 5, -1], [6, 7, -1, -1], [8, -1, -1, -1]]
    assert inspection.window_sources((3, 3), (2, 2), (2, 2), "same").tolist() == expected


def test_window_counts_by_hand():
    assert inspection.window_counts((3, 3), (2, 2)).tolist() == [[1, 2, 1], [2, 4, 2], [1, 2, 1]]
    # Strides of 2: the last row and column are not reached.
    assert inspection.window_counts((3, 3), (2, 2), (2, 2)).tolist() == [
        [1, 1, 0],
        [1, 1, 0],
        [0, 0, 0],
    ]


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("strides", [(1, 1), (2, 1), (3, 2)])
def test_sources_and_counts_belong_to_im2col(padding, strides):
    image = draw(6, 5)
    sources = inspection.window_sources((6, 5), (3, 2), strides, padding)
    looked_up = np.append(image, 0)[sources]  # -1, the padding, is the 0 at the end
    cols = im2col(image[np.newaxis, :, :, np.newaxis], (3, 2), strides, padding)
    np.testing.assert_array_equal(looked_up, cols)
    counts = inspection.window_counts((6, 5), (3, 2), strides, padding)
    np.testing.assert_array_equal(counts.ravel(), np.bincount(sources[sources >= 0], minlength=30))


class Noise(Layer):
    """Random in training only, like every augmentation."""

    rng = None

    def forward(self, x, training=False):
        return x + self.rng.standard_normal(x.shape) if training else x


def test_augmented_is_random_and_repeatable():
    image = draw(4, 3, 1)
    versions = inspection.augmented(Noise(), image, 5, seed=2)
    assert versions.shape == (5, 4, 3, 1)
    assert len({version.tobytes() for version in [image, *versions]}) == 6
    np.testing.assert_array_equal(versions, inspection.augmented(Noise(), image, 5, seed=2))
    assert (versions != inspection.augmented(Noise(), image, 5, seed=3)).all()


def adapted(x):
    layer = Normalization()
    layer.adapt(x[..., np.newaxis])
    return layer


BYTES = np.random.default_rng(0).integers(0, 256, (9, 4, 4))


@pytest.mark.parametrize(
    ("layers", "brightest"),
    [
        ([Rescaling(1 / 255)], 255),
        ([Rescaling(1 / 127.5, offset=-1)], 255),
        ([RandomFlip(), Rescaling(1 / 255)], 255),
        ([Rescaling(2.0, offset=-1)], 1),  # of numbers from 0 to 1
        ([Rescaling(2.0, offset=-1), Rescaling(0.01)], 1),
        ([Conv2D(1, 1), Rescaling(0.01)], 1),  # what it scales down are no pixels
        ([adapted(BYTES)], 255),
        ([adapted(BYTES // 32)], 255),  # dark pictures
        ([adapted(BYTES / 255)], 1),
        ([adapted((BYTES > 40) * 1.0)], 1),  # nothing from 0 to 1 deviates more
        ([Normalization()], 1),
        ([Normalization(mean=128, variance=4000)], 255),
        ([Normalization(mean=128, variance=4000, invert=True)], 1),
        ([Flatten()], 1),
    ],
)
def test_what_a_white_pixel_is(layers, brightest):
    model = Sequential(layers)
    model.build((4, 4, 1))
    assert inspection.brightest_pixel(model) == brightest
