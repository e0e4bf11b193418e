"""The model file: what is saved comes back bit by bit, and damage is one clear error."""

import errno
import io
import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tinycnn import (
    SGD,
    Adam,
    CategoricalCrossentropy,
    Dense,
    Input,
    Layer,
    MeanSquaredError,
    ModelFileError,
    NumericalError,
    Rescaling,
    Sequential,
    load_model,
    serialization,
)
from tinycnn.parameter import Parameter

pytestmark = pytest.mark.usefixtures("numpy_rung")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.npz"


def tiny():
    """The smallest model with every part of a file: weights, optimizer state, two layers."""
    model = Sequential([Input((2,)), Rescaling(0.5), Dense(2, activation="softmax")], seed=5)
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    model.train_on_batch(np.ones((2, 2)), np.eye(2))
    return model


def same_arrays(ours, theirs):
    assert len(ours) == len(theirs)
    return all(
        a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
        for a, b in zip(ours, theirs, strict=True)
    )


def state(model):
    """Everything a saved model has to bring back."""
    return (
        [type(layer).__name__ for layer in model.layers],
        [layer.get_config() for layer in model.layers],
        (model.name, model.seed, model.dtype, model.input_shape),
        (model.epochs_trained, model.steps_trained, model.metrics),
        model.loss and (type(model.loss), model.loss.get_config()),
        model.optimizer and (type(model.optimizer), model.optimizer.get_config()),
        model.optimizer and model.optimizer.iterations,
    )


def arrays(model):
    slots = model.optimizer.state if model.optimizer else []
    return [*model.get_weights(), *(array for slot in slots for array in slot.values())]


# --- what goes in comes out -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "optimizer",
    [Adam(0.01), SGD(0.1), SGD(0.1, momentum=0.9), SGD(0.1, momentum=0.9, nesterov=True)],
    ids=["adam", "sgd", "momentum", "nesterov"],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_training_goes_on_as_if_never_interrupted(
    optimizer, dtype, small_model, small_data, path, rung
):
    def make():
        new = type(optimizer)(**optimizer.get_config())
        return small_model(new, dtype=dtype, seed=7, name="a name")

    x, y = small_data(20)
    whole, half = make(), make()
    expected = whole.fit(x, y, batch_size=8, epochs=3, verbose=0).history
    half.fit(x, y, batch_size=8, epochs=1, verbose=0)
    half.save(path)
    loaded = load_model(path)
    assert state(loaded) == state(half)
    assert same_arrays(arrays(loaded), arrays(half))
    history = loaded.fit(x, y, batch_size=8, epochs=2, verbose=0).history
    assert history["loss"] == expected["loss"][1:]
    assert same_arrays(arrays(loaded), arrays(whole))
    assert loaded.evaluate(x, y, verbose=0) == whole.evaluate(x, y, verbose=0)


def test_a_changed_learning_rate_is_kept(path):
    model = tiny()
    model.optimizer.learning_rate = 0.0625
    model.save(path)
    assert load_model(path).optimizer.learning_rate == 0.0625


def test_a_model_that_was_never_compiled(path):
    model = Sequential([Dense(3), Dense(2)])
    model.build((4,))
    model.save(path)
    loaded = load_model(path)
    assert state(loaded) == state(model)
    assert same_arrays(arrays(loaded), arrays(model))
    assert loaded.optimizer is None


def test_a_model_compiled_but_not_trained(path, small_model):
    model = small_model(loss=CategoricalCrossentropy())
    model.save(path)
    assert state(load_model(path)) == state(model)


def test_a_model_whose_training_failed_at_the_first_step(path, small_model, small_data):
    # Its optimizer has its arrays already, all 0, and no step behind it.
    model = small_model()
    weights = model.get_weights()
    model.set_weights([np.full_like(weight, np.nan) for weight in weights])
    with pytest.raises(NumericalError):
        model.fit(*small_data(4), verbose=0)
    model.set_weights(weights)
    model.save(path)
    loaded = load_model(path)
    assert same_arrays(loaded.get_weights(), weights)
    assert loaded.optimizer.iterations == 0


def test_preprocessing_is_part_of_the_model(path):
    model = tiny()
    model.save(path)
    assert load_model(path).layers[0].get_config()["scale"] == 0.5


def test_numpy_opens_the_file(path):
    model = tiny()
    model.save(path)
    with np.load(path) as file:
        assert "weights/dense/kernel" in file.files
        assert same_arrays([file["weights/dense/kernel"]], model.get_weights()[:1])
        manifest = json.loads(file["manifest"].tobytes())
    assert manifest["format"] == "tinycnn model"
    assert manifest["version"] == 1


def test_equal_models_make_equal_files(tmp_path):
    for name in ("a.npz", "b.npz"):
        tiny().save(tmp_path / name)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    load_model(tmp_path / "a.npz").save(tmp_path / "c.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "c.npz").read_bytes()


@pytest.mark.parametrize("to_path", [str, Path])
def test_paths_of_any_kind(to_path, path):
    model = tiny()
    model.save(to_path(path))
    assert path.is_file()
    assert same_arrays(arrays(load_model(to_path(path))), arrays(model))


# --- layers of one's own --------------------------------------------------------------------------


class Scale(Layer):
    """y = x * factor * power, with one learned number: a scalar, as PReLU's."""

    def __init__(self, power=1, **arguments):
        super().__init__(**arguments)
        self.power = power

    def build(self, input_shape, rng=None, dtype="float32"):
        self.factor = Parameter("factor", np.full((), 3, dtype))
        self.parameters = [self.factor]
        return self._built(input_shape, input_shape, dtype)

    def forward(self, x, training=False):
        x = self._receive(x)
        self._cache = (x,)
        return x * self.factor.value * self.power

    def backward(self, dy):
        (x,) = self._recall()
        self.factor.grad = np.asarray((dy * x).sum() * self.power)
        return dy * self.factor.value * self.power

    def get_config(self):
        return {**super().get_config(), "power": self.power}


def test_a_layer_of_ones_own(path):
    model = Sequential([Input((2,)), Scale(power=2), Dense(1)])
    x = np.ones((3, 2))
    model.save(path)
    loaded = load_model(path, custom_layers={"Scale": Scale})
    assert loaded.layers[0].power == 2
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))


def test_an_unknown_layer_is_named(path):
    Sequential([Input((2,)), Scale()]).save(path)
    with pytest.raises(ModelFileError, match=r"unknown layer 'Scale'.*custom_layers="):
        load_model(path)
    with pytest.raises(ModelFileError, match="unknown layer 'Scale'"):
        load_model(path, custom_layers={"Other": Scale})


class Kept(Layer):
    """A layer with whatever parameters a test wants."""

    def __init__(self, *parameters, **arguments):
        super().__init__(**arguments)
        self.parameters = list(parameters)


# --- what cannot be saved is said so, at once -----------------------------------------------------


@pytest.mark.parametrize("name", ["model", "model.h5", "model.npz.txt", "model.NPY", "npz"])
def test_a_path_without_npz_is_refused(name, tmp_path):
    with pytest.raises(ValueError, match=r"must end in \.npz"):
        tiny().save(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def named_weights(shape, rng, dtype):
    return np.zeros(shape, dtype)


@pytest.mark.parametrize(
    "layers",
    [
        [Dense(2, kernel_initializer=named_weights)],  # a function is no plain value
        [Kept(Parameter("steps", np.zeros(2, np.int16)))],  # a dtype no file may hold
        [Kept(Parameter("w", np.zeros(2, np.float32)), Parameter("w", np.ones(2, np.float32)))],
    ],
    ids=["function", "dtype", "two of one name"],
)
def test_what_could_not_be_loaded_is_not_saved(layers, path):
    model = Sequential([Input((2,)), *layers])
    with pytest.raises(ValueError) as caught:
        model.save(path)
    assert "\n" not in str(caught.value)
    assert not path.exists()


class HalvedError(MeanSquaredError):
    """A loss of one's own."""


def test_a_loss_of_ones_own_costs_nobody_the_weights(path):
    # There is no list of a user's own losses to hand over, so either the save says at once that
    # it cannot be, or the file opens.
    model = Sequential([Input((2,)), Dense(2)])
    model.compile("sgd", HalvedError())
    try:
        model.save(path)
    except ValueError as error:
        assert "HalvedError" in str(error)
    else:
        assert same_arrays(load_model(path).get_weights(), model.get_weights())


@pytest.mark.parametrize("fail", ["fsync", "replace", "write"])
def test_a_failed_save_leaves_the_old_file(fail, path, monkeypatch):
    old = tiny()
    old.save(path)
    before = path.read_bytes()

    def full(*arguments, **keywords):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(*((np.lib.format, "write_array") if fail == "write" else (os, fail)), full)
    new = tiny()
    new.set_weights([np.zeros_like(weight) for weight in new.get_weights()])
    with pytest.raises(OSError, match="No space left"):
        new.save(path)
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]
    new.save(path)
    assert not load_model(path).get_weights()[0].any()


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(OSError, match="nowhere"):
        tiny().save(tmp_path / "nowhere" / "model.npz")
    with pytest.raises(FileNotFoundError):
        load_model(tmp_path / "nowhere.npz")


# --- damage ---------------------------------------------------------------------------------------


@pytest.fixture
def saved(path):
    model = tiny()
    model.save(path)
    return model, path.read_bytes()


def refused(path, data, match="model.npz: "):
    path.write_bytes(data)
    with pytest.raises(ModelFileError, match=match) as caught:
        load_model(path)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, ValueError)
    return str(caught.value)


def test_a_file_cut_off_anywhere(saved, path):
    _, data = saved
    for length in [0, 1, 3, 4, 30, *range(50, len(data), 97), len(data) // 2, len(data) - 1]:
        refused(path, data[:length])


def test_bytes_behind_or_before_the_file(saved, path):
    model, data = saved
    for changed in (data + b"more", b"more" + data, data + data):
        path.write_bytes(changed)
        try:
            assert same_arrays(arrays(load_model(path)), arrays(model))
        except ModelFileError:
            pass


def test_any_one_damaged_byte(saved, path):
    """1,000 changed bytes all over the file: the identical model, or ModelFileError."""
    model, data = saved
    rng = np.random.default_rng(0)
    expected, loaded_all_the_same = state(model), 0
    places = rng.choice(len(data), 1000, replace=len(data) < 1000)
    for place in places:
        changed = bytearray(data)
        changed[place] ^= int(rng.integers(1, 256))
        path.write_bytes(changed)
        try:
            loaded = load_model(path)
        except ModelFileError:
            continue
        loaded_all_the_same += 1
        assert state(loaded) == expected, f"byte {place} changed the model"
        assert same_arrays(arrays(loaded), arrays(model)), f"byte {place} changed an array"
    # The zip has fields that mean nothing (dates, attributes), so a few do load; most bytes are
    # of the manifest and the arrays, and none of those does.
    assert loaded_all_the_same < 200


def rewritten(data, change=lambda manifest: None, members=None, compression=zipfile.ZIP_STORED):
    """The file with a changed manifest, or other members, and nothing damaged otherwise."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(np.load(io.BytesIO(contents["manifest.npy"])).tobytes())
    change(manifest)
    stream = io.BytesIO()
    np.save(stream, np.frombuffer(json.dumps(manifest).encode(), np.uint8))
    contents["manifest.npy"] = stream.getvalue()
    contents |= members or {}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return out.getvalue()


def npy(array, allow_pickle=False):
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=allow_pickle)
    return stream.getvalue()


def test_rewriting_alone_does_no_harm(saved, path):
    model, data = saved
    path.write_bytes(rewritten(data))
    assert same_arrays(arrays(load_model(path)), arrays(model))


def test_a_newer_version_asks_for_an_update(saved, path):
    newer = rewritten(saved[1], lambda manifest: manifest.update(version=2))
    refused(path, newer, "version 2.*reads up to 1.*update tinycnn")


def test_a_foreign_npz_is_told_apart(path):
    np.savez(path, weights=np.ones(3))
    refused(path, path.read_bytes(), "no manifest.*not saved by tinycnn")


@pytest.mark.parametrize(
    "data",
    [b"", b"not a model", b"PK\x03\x04", npy(np.ones(3))],
    ids=["empty", "text", "PK", "npy"],
)
def test_other_files_are_told_apart(data, path):
    refused(path, data, "not a whole tinycnn model file")


def test_a_pickle_is_never_opened(saved, path, tmp_path):
    class Bomb:
        def __reduce__(self):
            return open, (str(tmp_path / "exploded"), "w")

    pickled = npy(np.array([Bomb()], object), allow_pickle=True)
    for name in ("manifest.npy", "weights/dense/kernel.npy"):
        refused(path, rewritten(saved[1], members={name: pickled}))
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize(
    "change",
    [
        lambda manifest: manifest.update(format="another"),
        lambda manifest: manifest.pop("sha256"),
        lambda manifest: manifest.update(sha256="0" * 64),
        lambda manifest: manifest["content"].update(seed=6),
        lambda manifest: manifest["content"]["layers"].pop(),
        lambda manifest: manifest["arrays"].pop(),
        lambda manifest: manifest["arrays"].reverse(),
        lambda manifest: manifest["arrays"][0].update(shape=[4]),
        lambda manifest: manifest["arrays"][0].update(dtype="object"),
        lambda manifest: manifest.update(arrays={}),
        lambda manifest: manifest.clear(),
    ],
)
def test_a_manifest_that_does_not_match_is_refused(change, saved, path):
    refused(path, rewritten(saved[1], change))


@pytest.mark.parametrize(
    "members",
    [
        {"more.npy": npy(np.ones(3))},
        {"weights/dense/kernel.npy": npy(np.ones((2, 2), np.float32))},  # same form, other numbers
        {"weights/dense/kernel.npy": npy(np.ones((2, 2)))},
        {"weights/dense/kernel.npy": npy(np.ones((2, 3), np.float32))},
        {"weights/dense/kernel.npy": npy(np.asfortranarray(np.ones((2, 2), np.float32)))},
        {"weights/dense/kernel.npy": npy(np.ones((2, 2), np.float32)) + b"more"},
        {"weights/dense/kernel.npy": b""},
    ],
)
def test_members_that_do_not_match_are_refused(members, saved, path):
    refused(path, rewritten(saved[1], members=members))


def test_a_member_that_unpacks_to_more_is_refused(saved, path):
    refused(path, rewritten(saved[1], compression=zipfile.ZIP_DEFLATED), "compressed or oversized")


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content["layers"][1].update({"class": "os.system"}),
        lambda content: content["layers"][1]["config"].update(units=3),
        lambda content: content["layers"][1]["config"].update(units=-1),
        lambda content: content["layers"][1]["config"].update(unknown=1),
        lambda content: content["layers"].clear(),
        lambda content: content["compile"]["optimizer"].update({"class": "eval"}),
        lambda content: content["compile"]["optimizer"]["config"].update(learning_rate="fast"),
        lambda content: content["compile"].update(iterations=-1),
        lambda content: content["compile"].update(metrics=["speed"]),
        lambda content: content.update(input_shape=[3]),
        lambda content: content.update(input_shape=None),
        lambda content: content.update(seed=-1),
        lambda content: content.update(dtype="float16"),
        lambda content: content.pop("epochs_trained"),
    ],
)
def test_a_sound_file_of_an_impossible_model_is_refused(change, saved, path):
    content, contents = serialization.read(path)
    change(content)
    serialization.write(path, content, contents)
    refused(path, path.read_bytes())


def test_a_refused_file_leaves_nothing_behind(saved, path):
    # Open files would be ResourceWarnings, which are errors here.
    refused(path, saved[1][:-9])
    assert os.listdir(path.parent) == [path.name]
    assert path.read_bytes() == saved[1][:-9]
    path.write_bytes(saved[1])
    assert same_arrays(arrays(load_model(path)), arrays(saved[0]))
