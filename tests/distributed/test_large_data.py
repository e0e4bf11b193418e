"""Data that may not fit into memory: a memory map is trained on without being read into it."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tinycnn import Checkpoint, Dense, Flatten, ModelFileError, Rescaling, Sequential
from tinycnn.support import large
from tinycnn.support.warning_signs import warn_of_unscaled

pytestmark = pytest.mark.usefixtures("numpy_rung")


@pytest.fixture
def small_is_large(monkeypatch):
    """From 4 kB on data are large, and 512 B of them are read, 64 in a row."""
    monkeypatch.setattr(large, "LARGE", 4096)
    monkeypatch.setattr(large, "RUN", 64)
    monkeypatch.setattr(large, "PARTS", 512)


class Watched(np.ndarray):
    """An array that notes which samples were read."""

    def __array_finalize__(self, other):
        self.read = getattr(other, "read", None)

    def __getitem__(self, chosen):
        if isinstance(chosen, slice) and isinstance(self.read, list):
            self.read.append((chosen.start, chosen.stop))
        return super().__getitem__(chosen)


def watched(n, sample=(8,)):
    array = np.arange(n * np.prod(sample), dtype=np.uint8).reshape(n, *sample).view(Watched)
    array.read = []
    return array


def test_of_large_data_parts_are_read_spread_over_all(small_is_large):
    array = watched(10_000)
    identity = large.identity(array)
    assert list(identity) == ["shape", "dtype", "sha256_of_parts"]
    assert array.read[0] == (0, 8)
    assert array.read[-1] == (9_992, 10_000)
    assert len(array.read) == 8  # runs of 8 samples, which are 64 B: 512 B together
    gaps = np.diff([start for start, _ in array.read])
    assert gaps.max() - gaps.min() <= 1
    identity.pop("sha256_of_parts")
    assert identity == {"shape": (10_000, 8), "dtype": "uint8"}


@pytest.mark.parametrize("sample", [(1,), (8,), (100,), (3000,), ()])
def test_samples_of_any_size(small_is_large, sample):
    array = watched(6_000, sample)
    large.identity(array)
    assert 2 <= len(array.read) <= 8
    read = sum(stop - start for start, stop in array.read) * array.nbytes // len(array)
    assert read <= max(512, 2 * array.nbytes // len(array))


def test_other_data_have_another_identity(small_is_large):
    array = np.zeros((10_000, 8), np.uint8)
    others = [np.ones_like(array), np.zeros((10_001, 8), np.uint8), np.zeros((10_000, 8), np.int8)]
    for change in (0, -1, 5_715):  # within the first run, the last and one between
        others.append(array.copy())
        others[-1][change, 3] = 1
    assert large.identity(array) == large.identity(array.copy())
    for other in others:
        assert large.identity(other) != large.identity(array)


def test_what_is_not_large_is_hashed_whole():
    array = np.arange(24, dtype=np.float32).reshape(4, 6)[:, ::2]
    digest = hashlib.sha256(np.ascontiguousarray(array)).hexdigest()
    assert large.identity(array) == {"shape": (4, 3), "dtype": "float32", "sha256": digest}


def test_of_large_images_a_part_shows_that_they_are_not_scaled(small_is_large):
    images = np.zeros((1_000, 4, 4, 1), np.uint8)
    warn_of_unscaled(images)
    images[:4] = 255
    with pytest.warns(UserWarning, match="values up to 255"):
        warn_of_unscaled(images)


def network(size):
    model = Sequential(
        [Rescaling(1 / 255, input_shape=size), Flatten(), Dense(3, activation="softmax")], seed=0
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def test_a_memory_map_gives_the_bits_of_an_array(tmp_path):
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (50, 8, 8, 1), np.uint8), rng.integers(0, 3, 50)
    np.save(tmp_path / "x.npy", x)
    fingerprints = []
    for data in (x, np.load(tmp_path / "x.npy", mmap_mode="r")):
        model = network((8, 8, 1))
        model.fit(data, y, 8, 2, validation_split=0.2, verbose=0)
        fingerprints.append(model.fingerprint())
    assert fingerprints[0] == fingerprints[1]


def test_a_checkpoint_knows_large_data(small_is_large, tmp_path):
    x, y = np.zeros((200, 8, 8, 1), np.uint8), np.zeros(200, int)

    def fit(x, epochs):
        hooks = [Checkpoint(tmp_path / "checkpoint.npz", resume=True)]
        return network((8, 8, 1)).fit(x, y, 50, epochs, verbose=0, callbacks=hooks)

    fit(x, 1)
    assert fit(x, 2).epoch == [0, 1]
    with pytest.raises(ModelFileError, match=r"`data.x.sha256_of_parts` was '"):
        fit(x + np.uint8(1), 3)


MEMORY = """
import sys
import numpy as np
sys.path.insert(0, {tests!r})
from test_large_data import network
from tinycnn import Checkpoint

def kilobytes(*kinds):
    with open("/proc/self/status") as status:
        return sum(int(line.split()[1]) for line in status if line.startswith(kinds))

class Watch(Checkpoint):
    read, most = None, 0

    def on_train_batch_begin(self, batch, logs=None):
        self.read = self.read or kilobytes("RssFile", "RssShmem")  # of a disk, or one in memory

    def on_train_batch_end(self, batch, logs=None):
        self.most = max(self.most, kilobytes("RssAnon"))
        self.model.stop_training = batch == 5

x = np.load({path!r}, mmap_mode="r")
y = np.zeros(len(x), int)
model, hook = network(x.shape[1:]), Watch({checkpoint!r})
model.fit(x[:64], y[:64], 32, verbose=0)
read, most = kilobytes("RssFile", "RssShmem"), kilobytes("RssAnon")
model.fit(x, y, 32, verbose=0, validation_split=0.2, callbacks=[hook])
print(hook.read - read, hook.most - most)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
def test_training_on_a_memory_map_takes_no_memory_for_it(tmp_path):
    """512 MB on a disk (by its holes the file takes little of it, and reads as zeros)."""
    path = tmp_path / "x.npy"
    x = np.lib.format.open_memmap(path, "w+", np.uint8, (2**13, 128, 128, 4))
    assert x.nbytes == 2**29
    del x
    code = MEMORY.format(
        path=str(path), tests=str(Path(__file__).parent), checkpoint=str(tmp_path / "c.npz")
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "TINYCNN_KERNELS": "numpy"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert result.returncode == 0, result.stderr
    read, more = map(int, result.stdout.split())
    # kB before the first step: 64 MB in parts, and what the system reads around them.
    assert 2**16 <= read < 2**18
    # kB in the steps. A batch is 2 MB as uint8 and 8 as float32, and a step holds few of them.
    assert more < 2**16
