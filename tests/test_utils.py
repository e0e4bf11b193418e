"""to_categorical, and the integer arithmetic of windows."""

import numpy as np
import pytest

from tinycnn.support import arguments, geometry
from tinycnn.utils import to_categorical


def test_one_hot_by_hand():
    one_hot = to_categorical([1, 0, 3])
    np.testing.assert_array_equal(one_hot, [[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]])
    assert one_hot.dtype == "float64"  # as Keras


@pytest.mark.parametrize(
    ("labels", "num_classes", "expected"),
    [
        ([0, 1], 3, [[1, 0, 0], [0, 1, 0]]),
        (np.uint8([1]), None, [[0, 1]]),
        ([[1], [0]], None, [[0, 1], [1, 0]]),  # a last axis of 1 is dropped
        ([[1, 0]], None, [[[0, 1], [1, 0]]]),
        (1, 2, [0, 1]),
        ([1.0, 0.0], 2, [[0, 1], [1, 0]]),  # whole numbers, as csv files give them
    ],
)
def test_one_hot_shapes(labels, num_classes, expected):
    one_hot = to_categorical(labels, num_classes)
    np.testing.assert_array_equal(one_hot, expected)
    assert one_hot.shape == np.shape(expected)


def test_labels_are_left_alone():
    labels = np.array([2, 0])
    to_categorical(labels)
    np.testing.assert_array_equal(labels, [2, 0])


@pytest.mark.parametrize(
    ("length", "size", "stride", "valid", "same"),
    [
        # The reference network: 28 -> 26 -> 13 -> 11 -> 5 -> 3
        (28, 3, 1, 26, 28),
        (26, 2, 2, 13, 13),
        (13, 3, 1, 11, 13),
        (11, 2, 2, 5, 6),
        (5, 3, 1, 3, 5),
        # floor((7 - 3) / 2) + 1 = 3, ceil(7 / 2) = 4
        (7, 3, 2, 3, 4),
        (3, 3, 5, 1, 1),
        (2, 3, 1, 0, 2),
        (1, 9, 4, 0, 1),
    ],
)
def test_output_lengths(length, size, stride, valid, same):
    assert geometry.output_length(length, size, stride, "valid") == valid
    assert geometry.output_length(length, size, stride, "same") == same


@pytest.mark.parametrize(
    ("length", "size", "stride", "padding"),
    [
        # Measured on Keras with TensorFlow
        (5, 2, 1, (0, 1)),
        (6, 2, 1, (0, 1)),
        (5, 3, 2, (1, 1)),
        (6, 3, 2, (0, 1)),
        (6, 4, 2, (1, 1)),
        (28, 3, 2, (0, 1)),
        (7, 2, 2, (0, 1)),
        (5, 5, 3, (1, 2)),
        (4, 2, 3, (0, 1)),
        (5, 1, 3, (0, 0)),  # windows that miss pixels need no zeros
    ],
)
def test_same_padding_is_tensorflow_s(length, size, stride, padding):
    assert geometry.same_padding(length, size, stride) == padding


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (3, (3, 3)),
        ((2, 3), (2, 3)),
        ([2, 3], (2, 3)),
        (np.int64(3), (3, 3)),
        (np.array([2, 3]), (2, 3)),
    ],
)
def test_pairs(value, expected):
    pair = arguments.pair(value, "size")
    assert pair == expected
    assert [type(v) for v in pair] == [int, int]  # plain ones, which a model file can hold


@pytest.mark.parametrize(
    "value",
    [
        0,
        -1,
        1.0,
        True,
        None,
        "3",
        "33",
        (3,),
        (1, 2, 3),
        (1, 0),
        (1, "2"),
        (1, None),
        {},
        np.ones((2, 2)),
    ],
    ids=repr,
)
def test_what_is_no_pair(value):
    with pytest.raises(
        ValueError, match=r"`size` must be a positive integer or a pair.*Received: size="
    ):
        arguments.pair(value, "size")


@pytest.mark.parametrize("value", [0, -1, 1.0, True, None, "3", [3], (1, 2)], ids=repr)
def test_what_is_not_positive(value):
    with pytest.raises(ValueError, match=r"`n` must be a positive integer. Received: n="):
        arguments.integer(value, "n")


def test_a_numpy_integer_is_an_integer():
    assert arguments.integer(np.int64(3), "n") == 3
    assert type(arguments.integer(np.int64(3), "n")) is int


def test_masked_labels_are_not_labels():
    labels = np.ma.array([0, 7, 1], mask=[False, True, False])
    with pytest.raises(ValueError, match=r"must not be masked.*Received: 1 masked labels"):
        to_categorical(labels)
    np.testing.assert_array_equal(to_categorical(labels[~labels.mask]), np.eye(2))


@pytest.mark.parametrize("labels", [[10**12], [0, 2**62], np.array([2**63 - 1])])
def test_to_categorical_does_not_allocate_terabytes(labels):
    with pytest.raises(ValueError, match=r"would take .* GB: are these class numbers"):
        to_categorical(labels)
    with pytest.raises(ValueError, match="would take 8,000 GB"):
        to_categorical([0], 10**12)
