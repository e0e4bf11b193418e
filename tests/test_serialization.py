"""The model file: what is saved comes back bit by bit, and damage is one clear error."""

import errno
import json
import os
import random
import resource
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import make_model_file
import numpy as np
import pytest
from model_attacks import ATTACKS, sound_model
from mutations import altered, rewritten, sealed, unpacked, wounded

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
    Sequential,
    load_model,
)
from tinycnn.parameter import Parameter
from tinycnn.support import serialization

pytestmark = pytest.mark.usefixtures("numpy_rung")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.npz"


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
    model = sound_model()
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


def test_a_loaded_layer_that_is_built_again_starts_anew(path):
    model = sound_model()
    model.save(path)
    layer = load_model(path).layers[1]
    layer.build((2,), np.random.default_rng(0))
    expected = Dense(2)
    expected.build((2,), np.random.default_rng(0))
    assert same_arrays(layer.get_weights(), expected.get_weights())
    assert not same_arrays(layer.get_weights(), model.get_weights())


def test_preprocessing_is_part_of_the_model(path):
    model = sound_model()
    model.save(path)
    assert load_model(path).layers[0].get_config()["scale"] == 0.5


def test_numpy_opens_the_file(path):
    model = sound_model()
    model.save(path)
    with np.load(path) as file:
        assert "weights/dense/kernel" in file.files
        assert same_arrays([file["weights/dense/kernel"]], model.get_weights()[:1])
        manifest = json.loads(file["manifest"].tobytes())
    assert manifest["format"] == "tinycnn model"
    assert manifest["version"] == 1


def test_equal_models_make_equal_files(tmp_path):
    for name in ("a.npz", "b.npz"):
        sound_model().save(tmp_path / name)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    load_model(tmp_path / "a.npz").save(tmp_path / "c.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "c.npz").read_bytes()


@pytest.mark.parametrize("to_path", [str, Path])
def test_paths_of_any_kind(to_path, path):
    model = sound_model()
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
        return self.finish_build(input_shape, input_shape, dtype)

    def forward(self, x, training=False):
        x = self.receive(x)
        self.cache = (x,)
        return x * self.factor.value * self.power

    def backward(self, dy):
        (x,) = self.recall()
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


class Twice(Layer):
    """A layer that knows nothing of names."""

    def __init__(self):
        super().__init__()

    def build(self, input_shape, rng=None, dtype="float32"):
        factor = self.add_parameter("factor", (1,), "ones", np.random.default_rng(0), dtype)
        self.parameters = [factor]
        return self.finish_build(input_shape, input_shape, dtype)

    def get_config(self):
        return {}


def test_a_layer_of_ones_own_without_a_name(path):
    model = Sequential([Input((2,)), Twice(), Twice()])
    model.set_weights([np.float32([3]), np.float32([4])])
    model.save(path)
    loaded = load_model(path, custom_layers={"Twice": Twice})
    assert same_arrays(loaded.get_weights(), model.get_weights())


class Fussy(Layer):
    """A layer that takes back what it takes."""

    power = 1

    def get_config(self):
        if self.power == 1:
            return {**super().get_config(), "power": 2}
        return super().get_config()

    def __init__(self, power=1, **arguments):
        super().__init__(**arguments)
        if power != 1:
            raise RuntimeError("not in\nthis\x1b[2J house")


def test_any_error_of_a_layer_of_ones_own_is_a_model_file_error(path):
    Sequential([Input((2,)), Fussy()]).save(path)
    with pytest.raises(ModelFileError, match=r"RuntimeError: not in\?this\?\[2J house"):
        load_model(path, custom_layers={"Fussy": Fussy})


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


@pytest.mark.parametrize("name", ["model", "model.hdf", "model.npz.txt", "model.NPY", "npz"])
def test_a_path_without_npz_is_refused(name, tmp_path):
    with pytest.raises(ValueError, match=r"must end in \.npz"):
        sound_model().save(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def named_weights(shape, rng, dtype):
    return np.zeros(shape, dtype)


@pytest.mark.parametrize(
    "layers",
    [
        [Kept(Parameter("a\0b", np.zeros(2, np.float32)))],  # a zip cuts names off there
        [Kept(Parameter("\ud800", np.zeros(2, np.float32)))],
        [Kept(Parameter("x" * 70_000, np.zeros(2, np.float32)))],
        [Dense(2, name=str(n)) for n in range(1001)],
        [Dense(2, kernel_initializer=named_weights)],  # a function is no plain value
        [Kept(Parameter("steps", np.zeros(2, np.int16)))],  # a dtype no file may hold
        [Kept(Parameter("w", np.zeros(2, np.float32)), Parameter("w", np.ones(2, np.float32)))],
    ],
    ids=["NUL", "surrogate", "long name", "layers", "function", "dtype", "two of one name"],
)
def test_what_could_not_be_loaded_is_not_saved(layers, path):
    model = Sequential([Input((2,)), *layers])
    with pytest.raises(ValueError) as caught:
        model.save(path)
    assert "\n" not in str(caught.value)
    assert not path.exists()


def test_more_than_a_manifest_may_hold_is_not_saved(path):
    class Wordy(Layer):
        def get_config(self):
            return {"words": "x" * serialization.MAX_MANIFEST_BYTES}

    with pytest.raises(ValueError, match="bytes of settings"):
        Sequential([Input((2,)), Wordy()]).save(path)
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
    old = sound_model()
    old.save(path)
    before = path.read_bytes()

    def full(*arguments, **keywords):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(*((np.lib.format, "write_array") if fail == "write" else (os, fail)), full)
    new = sound_model()
    new.set_weights([np.zeros_like(weight) for weight in new.get_weights()])
    with pytest.raises(OSError, match="No space left"):
        new.save(path)
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]
    new.save(path)
    assert not load_model(path).get_weights()[0].any()


class Power(Layer):
    """A layer whose get_config forgets an argument."""

    def __init__(self, power=1, **kwargs):
        super().__init__(**kwargs)
        self.power = power

    def forward(self, x, training=False):
        x = self.receive(x)
        self.cache = (x,)
        return x**self.power


class Complete(Power):
    def __init__(self, power=1, **kwargs):
        super().__init__(power, **kwargs)

    def get_config(self):
        return {**super().get_config(), "power": self.power}


@pytest.mark.parametrize("layer", [Power, Complete])
def test_an_argument_that_get_config_forgets_is_told(layer, path, capsys):
    Sequential([layer(3, input_shape=(2,))]).save(path)
    told = "get_config leaves out power, which will be the constructor's default"
    assert (told in capsys.readouterr().err) == (layer is Power)
    power = load_model(path, {layer.__name__: layer}).layers[0].power
    assert power == (1 if layer is Power else 3)


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(OSError, match="nowhere"):
        sound_model().save(tmp_path / "nowhere" / "model.npz")
    with pytest.raises(FileNotFoundError):
        load_model(tmp_path / "nowhere.npz")


@pytest.mark.parametrize("rounds", [3, pytest.param(50, marks=pytest.mark.full)])
def test_a_full_disk_leaves_the_old_file(rounds, path):
    old, new = sound_model(), sound_model()
    new.set_weights([np.zeros_like(weight) for weight in new.get_weights()])
    old.save(path)
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    for room in random.Random(rounds).sample(range(len(before)), rounds):
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
        try:
            with pytest.raises(OSError, match="too large"):
                new.save(path)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert path.read_bytes() == before and os.listdir(path.parent) == [path.name]


KILL = """
import os, random, sys, time
from model_attacks import sound_model
from tinycnn import kernels, load_model
kernels.use("numpy")
path, kills = sys.argv[1], int(sys.argv[2])
model, rng = sound_model(), random.Random(0)
model.save(path)
ready, saved = os.pipe()
for _ in range(kills):
    child = os.fork()
    while not child:  # the child saves for ever, each time other weights, all numbers equal
        model.steps_trained += 1
        model.set_weights([0 * weight + model.steps_trained for weight in model.get_weights()])
        model.save(path)
        os.write(saved, b"s")
    os.read(ready, 1)  # one save at least has come through
    time.sleep(rng.uniform(0, 0.03))
    os.kill(child, 9)
    os.waitpid(child, 0)
    loaded = load_model(path)
    numbers = {number for weight in loaded.get_weights() for number in weight.flat}
    if loaded.steps_trained > 1 and numbers != {loaded.steps_trained}:
        sys.exit(f"torn: {loaded.steps_trained}, {numbers}")
    model.steps_trained = loaded.steps_trained
print(model.steps_trained)
"""


@pytest.mark.parametrize("kills", [10, pytest.param(200, marks=pytest.mark.full)])
def test_killed_while_saving(kills, path):
    # One BLAS thread: a process with several should not fork.
    environment = {
        **os.environ,
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path]),
    }
    command = [sys.executable, "-c", KILL, str(path), str(kills)]
    run = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) > kills
    # What the killed left behind goes when it is old.
    orphans = [other for other in path.parent.iterdir() if other != path]
    for orphan in orphans:
        os.utime(orphan, (time.time() - 4000,) * 2)
    sound_model().save(path)
    assert os.listdir(path.parent) == [path.name]


# --- the file of each version ---------------------------------------------------------------------


@pytest.mark.parametrize("version", [1])
def test_the_sample_file_of_every_version(version, path, rung):
    sample = make_model_file.PATH.with_name(f"model_v{version}.npz")
    known = json.loads(sample.with_suffix(".json").read_text())
    model = load_model(sample)
    assert model.epochs_trained == 4 and model.optimizer.iterations == 12
    model.save(path)
    for loaded in (model, load_model(path)):
        # 1e-5: float32, and every machine's matrix product rounds in its own way.
        for name, value in make_model_file.answers(loaded).items():
            np.testing.assert_allclose(value, known[name], rtol=1e-5, atol=1e-6)


def test_the_sample_file_can_be_written_again(path, monkeypatch):
    monkeypatch.setattr(make_model_file, "PATH", path)
    make_model_file.main()
    known = json.loads((Path(__file__).parent / "data" / "model_v1.json").read_text())
    for name, value in json.loads(path.with_suffix(".json").read_text()).items():
        np.testing.assert_allclose(value, known[name], rtol=1e-3)  # 13 steps of float32


# --- damage ---------------------------------------------------------------------------------------


@pytest.fixture
def saved(path):
    model = sound_model()
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


def load_in_a_second(path):
    """The model in a damaged file, or None if it is refused; nothing else, and at once."""
    start = time.thread_time()
    try:
        return load_model(path)
    except ModelFileError as error:
        assert str(error).startswith(f"{path}: ") and "\n" not in str(error)
        return None
    finally:
        assert time.thread_time() - start < 1


@pytest.mark.parametrize("count", [1000, pytest.param(100_000, marks=pytest.mark.full)])
def test_damaged_bytes(count, saved, path):
    """The identical model, or ModelFileError: one byte changed, or a few wounds."""
    model, data = saved
    rng = random.Random(count)
    expected, loaded_all_the_same = state(model), 0
    for _ in range(count):
        changed = bytearray(data)
        changed[rng.randrange(len(data))] ^= rng.randrange(1, 256)
        if rng.random() < 0.5:
            changed = wounded(rng, data, rng.randrange(1, 4))
        path.write_bytes(changed)
        if loaded := load_in_a_second(path):
            loaded_all_the_same += 1
            assert state(loaded) == expected
            assert same_arrays(arrays(loaded), arrays(model))
    # The zip has fields that mean nothing (dates, attributes), so a few do load; most bytes are
    # of the manifest and the arrays, and none of those does.
    assert 0 < loaded_all_the_same < 0.2 * count


@pytest.mark.parametrize("count", [500, pytest.param(50_000, marks=pytest.mark.full)])
def test_damaged_descriptions(count, saved, path, monkeypatch):
    """Any content behind a hash that fits: a model that can be saved, or ModelFileError."""
    monkeypatch.setattr(os, "fsync", lambda file: None)  # thousands of them would take minutes
    manifest, members = unpacked(saved[1])
    rng = random.Random(count)
    good = 0
    for _ in range(count):
        content = altered(rng, manifest["content"])
        path.write_bytes(sealed({**manifest, "content": content}, members))
        if loaded := load_in_a_second(path):
            good += 1
            loaded.save(path)
            assert same_arrays(arrays(load_model(path)), arrays(saved[0]))
    assert 0 < good < 0.5 * count


WORDS = {  # of the refusal, where they matter most
    "zip: text": "not a complete tinycnn model file",
    "zip: npz of somebody else": "no manifest.*not saved by tinycnn",
    "zip: bomb": "compressed or oversized",
    "zip: overlapping members": "compressed or oversized",
    "zip: encrypted member": "encrypted",
    "zip: NUL in a name": "not those that the manifest lists",
    "array: pickled objects": "'weights/dense/kernel' is not the array that is listed",
    "array: other numbers": "SHA-256 does not match",
    "manifest: five million bytes": "manifest is oversized",
    "manifest: newer version": "version 2.*reads up to 1.*update tinycnn",
    "manifest: NaN": "Out of range float",
    "model: module for a layer": "unknown layer 'os.system'.*custom_layers=",
    "model: a billion units": r"`kernel` must have shape \(2, 1000000000\). Received: \(2, 2\)",
    "model: 20,000 layers": "more than 1000 layers",
    "model: argument that writes on the terminal": r"no argument `\?\]0;x\?\?`",
    "model: array that belongs to nothing": "differ: weights/other/kernel",
}


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_refused(name, saved, path, monkeypatch):
    monkeypatch.chdir(path.parent)  # where a pickle or a path out of the folder would show
    model, data = saved
    before = [array.copy() for array in arrays(model)]
    hostile = ATTACKS[name](data)
    start = time.thread_time()
    message = refused(path, hostile, WORDS.get(name, "model.npz: "))
    assert time.thread_time() - start < 1
    assert message.isprintable() and len(message) < 500 + len(str(path))
    tracemalloc.start()
    try:
        refused(path, hostile)
        # 32: as lists, JSON takes more than 20 times the bytes; as arrays a file takes 3 times.
        assert tracemalloc.get_traced_memory()[1] < 32 * len(hostile) + 2**22
    finally:
        tracemalloc.stop()
    assert os.listdir(path.parent) == [path.name] and path.read_bytes() == hostile
    assert same_arrays(arrays(model), before)


def test_the_tools_of_the_attacks_alone_do_no_harm(saved, path):
    model, data = saved
    for harmless in (rewritten(data), sealed(*unpacked(data))):
        path.write_bytes(harmless)
        assert same_arrays(arrays(load_model(path)), arrays(model))


def test_reading_takes_a_few_times_the_size_of_the_file(path):
    # 3: the bytes of a member, the array, a copy of it for the hash.
    Sequential([Input((1000,)), Dense(1000)]).save(path)
    tracemalloc.start()
    try:
        load_model(path)
        assert tracemalloc.get_traced_memory()[1] < 3.2 * path.stat().st_size
    finally:
        tracemalloc.stop()


def test_a_refused_file_leaves_nothing_behind(saved, path):
    # Open files would be ResourceWarnings, which are errors here.
    refused(path, saved[1][:-9])
    assert os.listdir(path.parent) == [path.name]
    assert path.read_bytes() == saved[1][:-9]
    path.write_bytes(saved[1])
    assert same_arrays(arrays(load_model(path)), arrays(saved[0]))
