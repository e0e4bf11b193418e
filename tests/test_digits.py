"""MNIST or drawn digits: which of them, how many, and what they are called."""

import numpy as np
import pytest

from tinycnn.datasets import digits, mnist, synthetic
from tinycnn.errors import DownloadError


def same(a, b):
    """Whether (x, y) are equal."""
    return all(np.array_equal(*arrays) for arrays in zip(a, b, strict=True))


@pytest.fixture
def not_to_be_had(monkeypatch):
    def load_data(data_dir):
        raise DownloadError("no mirror answered")

    monkeypatch.setattr(mnist, "load_data", load_data)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("digits")
    synthetic.write(path, train=30, test=20, seed=5)
    return path


def test_a_folder_gives_its_first_images(folder):
    train, test = synthetic.load_data(30, 20, seed=5)
    whole = digits.load_data(data_dir=folder)
    assert same(whole[0], train) and same(whole[1], test)
    assert whole[2] == "data in MNIST's format (not MNIST)"
    part = digits.load_data("mnist", folder, train=7, test=4)
    assert same(part[0], [array[:7] for array in train])
    assert same(part[1], [array[:4] for array in test])
    assert part[2] == whole[2]


def test_where_mnist_can_not_be_had_digits_are_drawn_and_it_is_said(not_to_be_had, capsys):
    *parts, name = digits.load_data(train=7, test=3)
    assert name == "drawn digits (not MNIST)"
    for part, drawn in zip(parts, synthetic.load_data(7, 3), strict=True):
        assert same(part, drawn)
    notice = capsys.readouterr().err
    assert "no mirror answered" in notice
    assert "*** NO MNIST: taking digits drawn by tinycnn instead ***" in notice


def test_drawn_digits_that_were_asked_for_need_no_notice(not_to_be_had, capsys):
    assert same(digits.load_data("synthetic", train=7, test=3)[1], synthetic.load_data(7, 3)[1])
    assert capsys.readouterr().err == ""


def test_drawn_digits_never_replace_data_that_is_named(not_to_be_had):
    with pytest.raises(DownloadError, match="no mirror answered"):
        digits.load_data("mnist")


def test_nor_a_folder_that_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="lacks these files"):
        digits.load_data(data_dir=tmp_path)


def test_drawn_digits_come_from_no_folder(folder):
    with pytest.raises(ValueError, match=r"not come from a folder.*dataset='synthetic', data_dir="):
        digits.load_data("synthetic", folder)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"dataset": "cifar"}, "unknown dataset; known are auto, mnist, synthetic"),
        ({"train": 0}, "`train` must be a positive integer. Received: train=0"),
        ({"test": 2.5}, "`test` must be a positive integer. Received: test=2.5"),
    ],
)
def test_bad_arguments(folder, arguments, words):
    with pytest.raises(ValueError, match=words):
        digits.load_data(**{"data_dir": folder, **arguments})
