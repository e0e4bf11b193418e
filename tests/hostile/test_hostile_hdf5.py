"""HDF5 files that would take memory or time beyond all measure, or write on the terminal."""

import time
import tracemalloc

import numpy as np
import pytest

from tinycnn import Dense, Input, ModelFileError, Sequential, keras_weights
from tinycnn.interop import hdf5

pytestmark = [pytest.mark.reference, pytest.mark.usefixtures("numpy_rung")]


@pytest.fixture
def h5py():
    return pytest.importorskip("h5py", reason="no h5py")


@pytest.fixture
def model():
    return Sequential([Input((3,)), Dense(2, name="dense")], seed=0)


def refused(model, path, match):
    """At once, in little memory, in one line that is fit for a terminal; no weight has changed."""
    before, start = model.fingerprint(), time.monotonic()
    tracemalloc.start()
    try:
        with pytest.raises(ModelFileError, match=match) as told:
            keras_weights.load_weights(model, path)
        assert tracemalloc.get_traced_memory()[1] < 50 * 2**20
    finally:
        tracemalloc.stop()
    assert time.monotonic() - start < 5  # it took 80 s, and takes some milliseconds
    assert str(told.value).isprintable()
    assert model.fingerprint() == before


def write(h5py, path, fill):
    with h5py.File(path, "w") as file:
        fill(file)
    return path


def test_one_huge_chunk_is_not_read(h5py, model, tmp_path):
    def fill(file):
        file.create_dataset(
            "layers/dense/vars/0",
            shape=(3, 2),
            maxshape=(None, None),
            chunks=(20_000, 10_000),
            dtype="f4",
            compression="gzip",
            fillvalue=1,
        )
        file["layers/dense/vars/0"][0, 0] = 2
        file["layers/dense/vars/1"] = np.zeros(2, "f4")

    path = write(h5py, tmp_path / "a.weights.h5", fill)
    assert path.stat().st_size < 10**6
    refused(model, path, "stored in chunks far larger than itself")


@pytest.mark.parametrize("depth", [50, 3000])
def test_nested_groups_are_given_up(h5py, model, tmp_path, depth):
    def fill(file):
        group = file.create_group("layers")
        for _ in range(depth):
            group = group.create_group("g")

    refused(model, write(h5py, tmp_path / "a.weights.h5", fill), "more groups, or deeper ones")


def test_very_many_groups_are_given_up(h5py, model, tmp_path, monkeypatch):
    monkeypatch.setattr(hdf5, "MOST_GROUPS", 500)  # else the test takes seconds

    def fill(file):
        layers = file.create_group("layers")
        for i in range(500):
            layers.create_group(str(i))

    refused(model, write(h5py, tmp_path / "a.weights.h5", fill), "more groups, or deeper ones")


def test_a_group_that_holds_itself_is_given_up(h5py, model, tmp_path):
    def fill(file):
        layers = file.create_group("layers")
        layers["again"] = layers

    refused(model, write(h5py, tmp_path / "a.weights.h5", fill), "more groups, or deeper ones")


@pytest.mark.parametrize("name", ["\x1b]0;owned\x07", "a\x1b[2Jb", "two\nlines"])
def test_escape_codes_in_names_never_reach_the_terminal(h5py, model, tmp_path, name):
    def fill(file):
        file["layers/dense/vars/0"] = np.zeros((3, 2), "f4")
        file["layers/dense/vars/1"] = np.zeros(2, "f4")
        file[f"layers/{name}/vars/0"] = np.zeros(2, "f4")

    refused(model, write(h5py, tmp_path / "a.weights.h5", fill), "the model lacks 1 of the file's")
