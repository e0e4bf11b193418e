"""CIFAR-10, CIFAR-100, Fashion-MNIST, KMNIST: found, downloaded, verified, or loudly stood in for.

What holds for all downloads, `test_mnist.py` tests. The official sets are played by tiny ones, the
publishers by a server on this machine.
"""

import gzip
import hashlib
import io
import os
import re
import tarfile
from importlib import reload

import numpy as np
import pytest
from fault_server import CERTIFICATE, FaultServer

from tinycnn import DataFileError, Dense, DownloadError, Flatten, Sequential
from tinycnn.datasets import (
    cifar10,
    cifar100,
    cifar_format,
    download,
    fashion_mnist,
    kmnist,
    mnist,
    stand_in,
)
from tinycnn.datasets.idx import format_idx

pytestmark = pytest.mark.usefixtures("numpy_rung")
IN_IDX = {"Fashion-MNIST": fashion_mnist, "KMNIST": kmnist}
CIFAR = {"CIFAR-10": cifar10, "CIFAR-100": cifar100}
SETS = IN_IDX | CIFAR
every_set = pytest.mark.parametrize("name", SETS)
cifar = pytest.mark.parametrize("name", CIFAR)


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def records(archive, count, seed):
    """One binary file, written byte by byte as CIFAR's page describes it; pictures and labels."""
    rng = np.random.default_rng(seed)
    pictures = rng.integers(0, 256, (count, 32, 32, 3), np.uint8)
    labels = np.stack([rng.integers(0, n, count) for n in archive.classes], axis=1)
    data = bytearray()
    for picture, of_one in zip(pictures, labels, strict=True):
        data += bytes(of_one.tolist())
        for channel in range(3):
            for row in range(32):
                data += picture[row, :, channel].tobytes()
    return bytes(data), pictures, labels


def tiny_cifar(archive):
    """The files of a tiny set, and what is to be read from them."""
    parts = {name: records(archive, 3, i) for i, name in enumerate((*archive.train, archive.test))}
    files = {name: part[0] for name, part in parts.items()}
    train = [np.concatenate([parts[name][i] for name in archive.train]) for i in (1, 2)]
    return files, train, parts[archive.test][1:]


def packed(archive, files):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(f"{archive.inner}/{name}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return gzip.compress(stream.getvalue(), mtime=0)


def tiny_idx(module):
    rng = np.random.default_rng(5)
    shapes = [(4, 28, 28), (4,), (3, 28, 28), (3,)]
    arrays = [rng.integers(0, 10, shape, dtype=np.uint8) for shape in shapes]
    files = {
        f"{file.name}.gz": gzip.compress(format_idx(array), mtime=0)
        for file, array in zip(module.FILES, arrays, strict=True)
    }
    return files, arrays


@pytest.fixture(autouse=True)
def world(monkeypatch, tmp_path):
    """No data anywhere, no server; the official sets are tiny ones."""
    for name in os.environ:
        if name.lower().endswith("_proxy") or name.startswith(("TINYCNN_", "KERAS_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("TINYCNN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(CERTIFICATE))
    for limit in ("ANSWER_SECONDS", "STALL_SECONDS", "FILE_SECONDS"):
        monkeypatch.setattr(download, limit, 60.0)  # a busy machine is no fault of the server
    monkeypatch.setattr(mnist, "MIRRORS", ())
    for module in IN_IDX.values():
        files, _ = tiny_idx(module)
        monkeypatch.setattr(module, "MIRRORS", ())
        tiny = [
            file._replace(size=len(data), sha256=sha256(data))
            for file, data in zip(module.FILES, files.values(), strict=True)
        ]
        monkeypatch.setattr(module, "FILES", tuple(tiny))
    for module in CIFAR.values():
        data = packed(module.ARCHIVE, tiny_cifar(module.ARCHIVE)[0])
        tiny = module.ARCHIVE._replace(mirrors=(), size=len(data), sha256=sha256(data))
        monkeypatch.setattr(module, "ARCHIVE", tiny)


@pytest.fixture
def served(monkeypatch):
    """A server that has all of them, each set with its own mirror."""
    files = {module.ARCHIVE.file: module.ARCHIVE for module in CIFAR.values()}
    files = {name: packed(archive, tiny_cifar(archive)[0]) for name, archive in files.items()}
    with FaultServer(files | tiny_idx(kmnist)[0]) as server:
        mirrors = (server.mirror("good"),)
        for module in CIFAR.values():
            monkeypatch.setattr(module, "ARCHIVE", module.ARCHIVE._replace(mirrors=mirrors))
        for module in IN_IDX.values():
            monkeypatch.setattr(module, "MIRRORS", mirrors)
        yield server


def same(loaded, train, test):
    for (x, y), (pictures, labels) in zip(loaded, (train, test), strict=True):
        assert x.dtype == y.dtype == np.uint8 and x.flags.writeable and x.flags.c_contiguous
        np.testing.assert_array_equal(x, pictures)
        np.testing.assert_array_equal(y, labels)


def expected(name):
    """What `load_data()` returns for the tiny set."""
    if name in CIFAR:
        _, train, test = tiny_cifar(CIFAR[name].ARCHIVE)
        return (train[0], train[1][:, -1:]), (test[0], test[1][:, -1:])
    arrays = tiny_idx(IN_IDX[name])[1]
    return arrays[:2], arrays[2:]


# --- official -------------------------------------------------------------------------------------


def test_what_is_official_is_what_the_publishers_say():
    """The full files' sizes; a hash for each; https; nothing pickled."""

    for module in SETS.values():
        reload(module)
    assert [file.size for file in fashion_mnist.FILES] == [26421880, 29515, 4422102, 5148]
    assert [file.size for file in kmnist.FILES] == [18165135, 29497, 3041136, 5120]
    hashes = [file.sha256 for module in IN_IDX.values() for file in module.FILES]
    for module in CIFAR.values():
        archive = module.ARCHIVE
        assert archive.file.endswith("-binary.tar.gz") and "python" not in archive.file
        hashes.append(archive.sha256)
    assert len(set(hashes)) == 10 and all(re.fullmatch("[0-9a-f]{64}", h) for h in hashes)
    mirrors = [m for module in CIFAR.values() for m in module.ARCHIVE.mirrors]
    mirrors += [m for module in IN_IDX.values() for m in module.MIRRORS]
    assert all(mirror.startswith("https://") and mirror.endswith("/") for mirror in mirrors)


@every_set
def test_a_download_is_verified_and_kept(name, served, capsys):
    same(SETS[name].load_data(), *expected(name))
    asked = len(served.heads)
    assert asked == (1 if name in CIFAR else 4)
    same(SETS[name].load_data(offline=True, stand_in=False), *expected(name))
    assert len(served.heads) == asked
    assert "instead" not in capsys.readouterr().err


@every_set
def test_a_damaged_cache_is_downloaded_again(name, served, tmp_path):
    SETS[name].load_data()
    asked = len(served.heads)
    for path in (tmp_path / "home").rglob("*.gz"):
        path.write_bytes(path.read_bytes()[:-1])
    same(SETS[name].load_data(), *expected(name))
    assert len(served.heads) == 2 * asked


@every_set
def test_wrong_bytes_are_refused(name, monkeypatch, served):
    module = SETS[name]
    if name in CIFAR:
        monkeypatch.setattr(module, "ARCHIVE", module.ARCHIVE._replace(sha256="0" * 64))
    else:
        monkeypatch.setattr(
            module, "FILES", tuple(f._replace(sha256="0" * 64) for f in module.FILES)
        )
    with pytest.raises(DownloadError, match=r"its SHA-256 is [0-9a-f]{64} instead of 0{64}"):
        module.load_data(stand_in=False)


def test_coarse_and_fine_labels(served):
    _, train, test = tiny_cifar(cifar100.ARCHIVE)
    same(cifar100.load_data("coarse"), (train[0], train[1][:, :1]), (test[0], test[1][:, :1]))
    assert (train[1][:, 0] != train[1][:, 1]).any()
    with pytest.raises(ValueError, match="unknown label_mode; known are coarse, fine"):
        cifar100.load_data("both")


# --- a folder of the user's own -------------------------------------------------------------------


@cifar
@pytest.mark.parametrize("form", ["archive", "unpacked", "inner"])
def test_a_folder_of_ones_own(name, form, tmp_path):
    archive = CIFAR[name].ARCHIVE
    files = tiny_cifar(archive)[0]
    place = tmp_path / "own" / archive.inner if form == "inner" else tmp_path / "own"
    place.mkdir(parents=True)
    if form == "archive":
        files = {archive.file: packed(archive, files)}
    for file, data in files.items():
        (place / file).write_bytes(data)
    same(CIFAR[name].load_data(data_dir=tmp_path / "own"), *expected(name))


@every_set
def test_an_empty_folder_is_never_stood_in_for(name, tmp_path, served):
    with pytest.raises(FileNotFoundError, match="lacks"):
        SETS[name].load_data(data_dir=tmp_path)
    with pytest.raises(FileNotFoundError, match="does not exist; it should hold"):
        SETS[name].load_data(data_dir=tmp_path / "nowhere")
    assert served.heads == []


@cifar
def test_damaged_archives_are_one_error(name, tmp_path):
    archive = CIFAR[name].ARCHIVE
    files = tiny_cifar(archive)[0]
    whole = packed(archive, files)
    path = tmp_path / archive.file

    def refused(data, words):
        path.write_bytes(data)
        with pytest.raises(DataFileError, match=words) as told:
            CIFAR[name].load_data(data_dir=tmp_path)
        assert isinstance(told.value, ValueError)

    for length in (0, 1, 10, len(whole) // 2, len(whole) - 1):
        refused(whole[:length], "cut short|damaged")
    refused(b"<html>not found</html>", "damaged, or not")
    refused(gzip.compress(b"text"), "damaged, or not")
    refused(packed(archive, dict(list(files.items())[:-1])), f"damaged.*{archive.test}")
    for wrong in (b"", b"\0" * 3074, files[archive.test][:-1]):
        if wrong and len(wrong) % (3072 + len(archive.classes)) == 0:
            continue
        refused(packed(archive, files | {archive.test: wrong}), "is not one of CIFAR")
    high = bytes([archive.classes[0]]) + files[archive.test][1:]
    refused(packed(archive, files | {archive.test: high}), "it has labels up to")


@cifar
def test_a_small_file_that_inflates_without_end(name, tmp_path, monkeypatch):
    monkeypatch.setattr(cifar_format, "MAX_BYTES", 10**6)
    bomb = gzip.compress(bytes(10**7))
    assert len(bomb) < 20_000
    (tmp_path / CIFAR[name].ARCHIVE.file).write_bytes(bomb)
    with pytest.raises(DataFileError, match="holds more than 1000000 bytes"):
        CIFAR[name].load_data(data_dir=tmp_path)


@cifar
def test_links_in_an_archive_lead_nowhere(name, tmp_path):
    """A member that is a link to a file of the system is no file."""
    archive = CIFAR[name].ARCHIVE
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for file in (*archive.train, archive.test):
            member = tarfile.TarInfo(f"{archive.inner}/{file}")
            member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
            tar.addfile(member)
    (tmp_path / archive.file).write_bytes(stream.getvalue())
    with pytest.raises(DataFileError, match=r"damaged, or not|is not a file"):
        CIFAR[name].load_data(data_dir=tmp_path)


# --- what stands in -------------------------------------------------------------------------------

SHAPES = {
    "CIFAR-10": ((50_000, 32, 32, 3), (50_000, 1), 10),
    "CIFAR-100": ((50_000, 32, 32, 3), (50_000, 1), 100),
    "Fashion-MNIST": ((60_000, 28, 28), (60_000,), 10),
    "KMNIST": ((60_000, 28, 28), (60_000,), 10),
}


@every_set
def test_what_cannot_be_had_is_stood_in_for_as_loudly_as_mnist(name, monkeypatch, capsys):
    few = stand_in.draw_set  # 300 of the pictures, and the shapes of all

    def tiled(count, *arguments):
        images, labels = few(300, *arguments)
        full = (count // 300 + 1, *(1,) * (images.ndim - 1))
        return np.tile(images, full)[:count], np.tile(labels, full[0])[:count]

    monkeypatch.setattr(stand_in, "draw_set", tiled)
    (x_train, y_train), (x_test, y_test) = SETS[name].load_data()
    told = capsys.readouterr().err
    assert f"\n*** NO {name}: taking pictures drawn by tinycnn instead ***\n" in told
    assert "By hand: get" in told
    images, labels, classes = SHAPES[name]
    assert (x_train.shape, y_train.shape) == (images, labels)
    assert (x_test.shape, y_test.shape) == ((10_000, *images[1:]), (10_000, *labels[1:]))
    assert {x.dtype.name for x in (x_train, y_train, x_test, y_test)} == {"uint8"}
    assert y_train.max() < classes and len(np.unique(y_train)) > 0.8 * classes
    with pytest.raises(DownloadError):
        SETS[name].load_data(stand_in=False)


def test_coarse_labels_stand_for_five_fine_ones_each(monkeypatch):
    monkeypatch.setattr(stand_in, "draw_set", lambda n, *a: (np.zeros((100, 1)), np.arange(100)))
    (_, fine), _ = cifar100.load_data()
    (_, coarse), _ = cifar100.load_data("coarse")
    assert fine.ravel().tolist() == list(range(100))
    assert coarse.ravel().tolist() == [n // 5 for n in range(100)]


def test_drawn_pictures_are_always_the_same_and_no_two_alike():
    images, labels = stand_in.draw_set(600, (32, 32, 3), 10, 0)
    again, same_labels = stand_in.draw_set(20, (32, 32, 3), 10, 0)
    np.testing.assert_array_equal(images[:20], again)
    np.testing.assert_array_equal(labels[:20], same_labels)
    test, _ = stand_in.draw_set(600, (32, 32, 3), 10, 1)
    assert len(np.unique(np.concatenate([images, test]).reshape(1200, -1), axis=0)) == 1200


def test_drawn_pictures_can_be_learned():
    """A linear classifier on 10 classes of equal frequency: 0.1 by chance, measured 0.8."""
    images, labels = stand_in.draw_set(1500, (28, 28), 10, 0)
    test, truth = stand_in.draw_set(300, (28, 28), 10, 1)
    model = Sequential([Flatten(input_shape=(28, 28)), Dense(10, activation="softmax")], seed=0)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(images / 255, labels, epochs=8, verbose=0)
    assert model.evaluate(test / 255, truth, verbose=0)[1] > 0.5


# --- mnist.npz ------------------------------------------------------------------------------------


@pytest.fixture
def archive():
    arrays = tiny_idx(kmnist)[1]
    names = ("x_train", "y_train", "x_test", "y_test")
    stream = io.BytesIO()
    np.savez(stream, **dict(zip(names, arrays, strict=True)))
    return stream.getvalue(), arrays


def test_mnist_npz_where_the_path_says(archive, tmp_path, monkeypatch):
    data, arrays = archive
    (tmp_path / "digits.npz").write_bytes(data)
    for loaded in (
        mnist.load_data(path=tmp_path / "digits.npz"),
        mnist.load_data(str(tmp_path / "digits.npz")),  # as Keras's first argument
    ):
        same(loaded, arrays[:2], arrays[2:])


def test_mnist_npz_in_keras_s_folder(archive, tmp_path):
    data, arrays = archive
    (tmp_path / "keras" / "datasets").mkdir(parents=True)
    (tmp_path / "keras" / "datasets" / "mnist.npz").write_bytes(data)
    same(mnist.load_data(path="mnist.npz"), arrays[:2], arrays[2:])
    with pytest.raises(DownloadError):  # nobody asked for it
        mnist.load_data(offline=True)


def test_a_path_without_a_file_is_told(tmp_path, capsys):
    with pytest.raises(DownloadError):
        mnist.load_data(path=tmp_path / "mnist.npz", offline=True)
    assert f"there is no {tmp_path / 'mnist.npz'}; MNIST is taken" in capsys.readouterr().err
