"""tinycnn.keras_weights: files that real Keras wrote, files that are damaged or something else.

Keras is not needed: `make_keras_weights.py` wrote the two files. Whether Keras reads what is
written here, `test_keras_live.py` tests.
"""

import os
import sys
import zipfile

import make_keras_weights as keras_file
import numpy as np
import pytest

from tinycnn import Dense, Input, ModelFileError, Sequential, keras_weights, layers

WEIGHTS = keras_file.DATA / "keras_tiny.weights.h5"
ARCHIVE = keras_file.DATA / "keras_tiny.keras"
# The same damage to both; in the archive the HDF5 file is one stored member.
both = pytest.mark.parametrize("path", [WEIGHTS, ARCHIVE], ids=lambda path: path.suffix)
reference = pytest.mark.reference


@pytest.fixture
def h5py():
    return pytest.importorskip("h5py", reason="no h5py")


def tiny(**arguments):
    return Sequential(keras_file.tiny_layers(layers), seed=3, **arguments)


def refused(model, path, match):
    """The file is refused for that reason, with its name, and no weight has changed."""
    before = model.get_weights()
    with pytest.raises(ModelFileError, match=match) as caught:
        keras_weights.load_weights(model, path)
    assert str(path) in str(caught.value)
    assert all(map(np.array_equal, before, model.get_weights()))


def edited(h5py, folder, edit):
    """A copy of Keras's file in which `edit(file)` has changed something."""
    path = folder / "edited.weights.h5"
    path.write_bytes(WEIGHTS.read_bytes())
    with h5py.File(path, "r+") as file:
        edit(file)
    return path


# --- without h5py ---------------------------------------------------------------------------------


@pytest.mark.parametrize("function", [keras_weights.load_weights, keras_weights.save_weights])
def test_a_missing_h5py_is_named_with_the_cure(monkeypatch, tmp_path, function):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ImportError, match=r"h5py.*pip install 'tinycnn\[keras\]'"):
        function(tiny(), tmp_path / "a.weights.h5")
    assert os.listdir(tmp_path) == []


# --- Keras's files --------------------------------------------------------------------------------


@reference
@both
def test_what_keras_wrote_is_read(h5py, path):
    model = tiny()
    keras_weights.load_weights(model, path)
    for ours, theirs in zip(model.get_weights(), keras_file.tiny_weights(), strict=True):
        assert ours.dtype == np.float32
        np.testing.assert_array_equal(ours, theirs)


@reference
@both
def test_the_contents_tell_which_it_is(h5py, path, tmp_path):
    renamed = tmp_path / "weights"
    renamed.write_bytes(path.read_bytes())
    model = tiny(dtype="float64")
    keras_weights.load_weights(model, os.fspath(renamed))
    for ours, theirs in zip(model.get_weights(), keras_file.tiny_weights(), strict=True):
        assert ours.dtype == np.float64
        np.testing.assert_array_equal(ours, theirs)


@reference
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_is_written_is_read_again_and_laid_out_as_by_keras(h5py, tmp_path, dtype):
    model, path = tiny(dtype=dtype), tmp_path / "a.weights.h5"
    keras_weights.save_weights(model, path)
    loaded = Sequential(keras_file.tiny_layers(layers), seed=4, dtype=dtype)
    keras_weights.load_weights(loaded, path)
    assert all(map(np.array_equal, loaded.get_weights(), model.get_weights()))

    def contents(path):
        found = {}
        with h5py.File(path) as file:
            file["layers"].visititems(
                lambda name, thing: found.update(
                    {name: (getattr(thing, "shape", None), dict(thing.attrs))}
                )
            )
        return found

    theirs = contents(WEIGHTS)
    for name, (_, attributes) in theirs.items():
        if attributes.get("name", "").startswith(("rescaling", "max_", "re_lu", "flatten")):
            attributes["name"] = name.split("/")[0]  # Keras numbers them over the whole process
    assert contents(path) == theirs


@reference
def test_a_failed_write_leaves_the_old_file(h5py, tmp_path, monkeypatch):
    path = tmp_path / "a.weights.h5"
    path.write_bytes(b"old")

    def fail(*args):
        raise OSError("disk on fire")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="on fire"):
        keras_weights.save_weights(tiny(), path)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.weights.h5"]


@reference
@pytest.mark.parametrize("name", ["a.keras", "a.npz", "a.hdf", ".weights.h5.bak"])
def test_a_name_that_keras_would_not_open(h5py, tmp_path, name):
    with pytest.raises(ValueError, match=r"end in \.weights\.h5"):
        keras_weights.save_weights(tiny(), tmp_path / name)
    assert os.listdir(tmp_path) == []


@reference
def test_layers_of_your_own_are_grouped_by_their_class(h5py, tmp_path):
    class HTTPDense(Dense):
        pass

    path = tmp_path / "a.weights.h5"
    model = Sequential([Input((2,)), HTTPDense(2), HTTPDense(2), Dense(1)])
    keras_weights.save_weights(model, path)
    with h5py.File(path) as file:
        assert sorted(file["layers"]) == ["dense", "http_dense", "http_dense_1"]


@reference
def test_an_unbuilt_model_says_so(h5py, tmp_path):
    with pytest.raises(ValueError, match="input_shape"):
        keras_weights.load_weights(Sequential([Dense(2)]), WEIGHTS)
    with pytest.raises(ValueError, match="input_shape"):
        keras_weights.save_weights(Sequential([Dense(2)]), tmp_path / "a.weights.h5")


@reference
def test_a_missing_file_is_an_os_error(h5py, tmp_path):
    with pytest.raises(FileNotFoundError):
        keras_weights.load_weights(tiny(), tmp_path / "a.weights.h5")


# --- other models, other files --------------------------------------------------------------------


@reference
@both
@pytest.mark.parametrize(
    ("change", "match"),
    [
        (
            lambda made: made[:-1],
            "the model lacks 2 of the file's weights, layers/dense_1/vars/0 among",
        ),
        (
            lambda made: [*made, layers.Dense(2)],
            "the file lacks 2 of the model's weights, layers/dense_2/vars/0 among",
        ),
        (lambda made: [*made[:-1], layers.Dense(5)], r"layers/dense_1/vars/0 is \(4, 3\) in the"),
        (
            lambda made: [*made[:-1], layers.Dense(3, use_bias=False)],
            "lacks 1 of .* layers/dense_1/vars/1 among",
        ),
    ],
)
def test_another_network_is_refused(h5py, path, change, match):
    refused(Sequential(change(keras_file.tiny_layers(layers))), path, match)


@reference
@both
def test_every_truncation_is_refused(h5py, path, tmp_path):
    whole, cut = path.read_bytes(), tmp_path / "cut"
    model = tiny()
    for length in [*range(0, len(whole), 997), len(whole) - 1]:
        cut.write_bytes(whole[:length])
        refused(model, cut, "not a complete weights file")


@reference
@pytest.mark.parametrize(
    "content", [b"", b"\x89HDF\r\n\x1a\n", b"PK\x05\x06" + bytes(18), b"text" * 99]
)
def test_something_else_is_refused(h5py, tmp_path, content):
    path = tmp_path / "a.weights.h5"
    path.write_bytes(content)
    refused(
        tiny(), path, r"not a complete weights file|this zip does not hold a model\.weights\.h5"
    )


@reference
def test_our_own_model_file_is_refused(h5py, tmp_path):
    tiny().save(tmp_path / "a.npz")
    refused(tiny(), tmp_path / "a.npz", r"this zip does not hold a model\.weights\.h5")


@reference
def test_a_compressed_archive_is_refused(h5py, tmp_path):
    path = tmp_path / "bomb.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.weights.h5", bytes(2**24))
    refused(tiny(), path, "as Keras stores it")


@reference
def test_damage_inside_an_archive_is_refused(h5py, tmp_path):
    # The zip has a checksum of the HDF5 file; a bare HDF5 file has none of its numbers.
    content = bytearray(ARCHIVE.read_bytes())
    at = content.index(keras_file.tiny_weights()[0].tobytes())
    content[at] ^= 1
    path = tmp_path / "a.keras"
    path.write_bytes(content)
    refused(tiny(), path, "CRC")


@reference
def test_flipped_bytes_never_crash(h5py, tmp_path):
    """Either the file is refused, or it was read: then all shapes are still right."""
    rng = np.random.default_rng(0)
    path, outcomes = tmp_path / "a.weights.h5", set()
    for _ in range(200):
        content = bytearray(WEIGHTS.read_bytes())
        for at in rng.integers(0, len(content), 20):
            content[at] = rng.integers(0, 256)
        path.write_bytes(content)
        model = tiny()
        try:
            keras_weights.load_weights(model, path)
            outcomes.add("read")
        except ModelFileError:
            outcomes.add("refused")
    assert outcomes == {"read", "refused"}


# --- files made to deceive ------------------------------------------------------------------------


def replace(file, name, value):
    del file[name]
    file[name] = value


@reference
@pytest.mark.parametrize(
    ("edit", "match"),
    [
        (lambda f, h5py: replace(f, "layers/dense/vars/0", h5py.SoftLink("/elsewhere")), "lacks"),
        (
            lambda f, h5py: replace(f, "layers/dense/vars/0", h5py.ExternalLink("/etc/x", "/y")),
            "the file lacks 1 of the model's weights, layers/dense/vars/0 among",
        ),
        (lambda f, h5py: replace(f, "layers", h5py.ExternalLink("/etc/x", "/layers")), "holds no"),
        (
            lambda f, h5py: replace(f, "layers/dense/vars/0", np.zeros((8, 4), np.int32)),
            "not a plain array of floating-point",
        ),
        (
            lambda f, h5py: replace(f, "layers/dense/vars/0", np.zeros((8, 4), "S4")),
            "not a plain array of floating-point",
        ),
        (lambda f, h5py: replace(f, "layers/dense/vars/0", 1.0), r"is \(\) in the file, \(8, 4\)"),
        (
            lambda f, h5py: replace(f, "layers/dense/vars/0", h5py.Empty("f4")),
            "is None in the file",
        ),
        (lambda f, h5py: f.__delitem__("layers"), "holds no layers"),
        (lambda f, h5py: f.move("layers", "model_weights"), "has 0 layers with weights"),
    ],
)
def test_a_file_made_to_deceive_is_refused(h5py, tmp_path, edit, match):
    refused(tiny(), edited(h5py, tmp_path, lambda file: edit(file, h5py)), match)


@reference
def test_numbers_of_another_file_are_not_read(h5py, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(8 * 4 * 4))

    def external(file):
        del file["layers/dense/vars/0"]
        file.create_dataset("layers/dense/vars/0", (8, 4), "f4", external=[(secret, 0, 128)])

    def virtual(file):
        del file["layers/dense/vars/0"]
        layout = h5py.VirtualLayout((8, 4), "f4")
        layout[:] = h5py.VirtualSource(secret, "/x", (8, 4))
        file.create_virtual_dataset("layers/dense/vars/0", layout)

    for edit in (external, virtual):
        refused(tiny(), edited(h5py, tmp_path, edit), "not a plain array")


@reference
def test_a_claimed_huge_array_is_refused_unread(h5py, tmp_path):
    def grow(file):
        del file["layers/dense/vars/0"]
        file.create_dataset("layers/dense/vars/0", (2**40, 4), "f4", chunks=(1024, 4))

    refused(tiny(), edited(h5py, tmp_path, grow), r"is \(1099511627776, 4\) in the file")


@reference
def test_random_states_beside_the_weights_are_passed_over(h5py, tmp_path):
    def add(file):
        file["layers/dropout/seed_generator/vars/0"] = np.zeros(2, np.uint32)

    model = tiny()
    keras_weights.load_weights(model, edited(h5py, tmp_path, add))
    assert all(map(np.array_equal, model.get_weights(), keras_file.tiny_weights()))
