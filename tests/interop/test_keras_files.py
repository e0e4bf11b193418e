"""`.keras` and `.h5` without Keras: what was saved comes back, what Keras lacks is refused in time.

Whether Keras reads these files, `test_keras_files_live.py` tests. `make_keras_weights.py` wrote
`keras_tiny.keras` with real Keras.
"""

import io
import json
import os
import sys
import zipfile

import make_keras_weights as keras_file
import numpy as np
import pytest

from tinycnn import (
    SGD,
    Adam,
    AdamW,
    BatchNormalization,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    Input,
    Layer,
    MeanSquaredError,
    ModelFileError,
    RandomZoom,
    Rescaling,
    RMSprop,
    Sequential,
    load_model,
)
from tinycnn.callbacks import ModelCheckpoint
from tinycnn.models import load_weights, model_from_json, save_model, save_weights
from tinycnn.optimizers.schedules import CosineDecay

pytestmark = pytest.mark.usefixtures("numpy_rung")

reference = pytest.mark.reference
formats = pytest.mark.parametrize("ending", [".keras", ".h5", ".hdf5"])


@pytest.fixture
def h5py():
    return pytest.importorskip("h5py", reason="no h5py")


def network(optimizer="adam", loss="categorical_crossentropy", **arguments):
    """A network with every kind of weight, and what is not a weight."""
    model = Sequential(
        [
            Input((6, 6, 1)),
            Rescaling(1 / 255),
            RandomZoom((-0.2, 0.1)),
            Conv2D(3, (2, 3), strides=(1, 2), padding="same", kernel_regularizer="l2"),
            BatchNormalization(momentum=0.9, scale=False),
            Dropout(0.25),
            Flatten(),
            Dense(4, activation="elu", use_bias=False, kernel_initializer="he_normal"),
            BatchNormalization(name="last_norm"),
            Dense(3, activation="softmax", name="scores"),
        ],
        **{"seed": 5, "name": "everything", **arguments},
    )
    model.compile(optimizer, loss, metrics=["accuracy"])
    return model


def data(n=12):
    rng = np.random.default_rng(0)
    return rng.random((n, 6, 6, 1)) * 255, np.eye(3)[rng.integers(0, 3, n)]


class Doubled(Layer):
    """A layer of one's own."""

    def forward(self, x, training=False):
        return 2 * self.receive(x)

    def backward(self, dy):
        return 2 * self.receive_gradient(dy)


class OwnSquaredError(MeanSquaredError):
    """A loss of one's own."""


# --- what goes in comes out -----------------------------------------------------------------------

OPTIMIZERS = {
    "adam": lambda: Adam(0.01, clipnorm=1.0),
    "adamw": lambda: AdamW(CosineDecay(0.01, 100)),
    "sgd": lambda: SGD(0.1),
    "nesterov": lambda: SGD(0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "rmsprop": lambda: RMSprop(0.01, momentum=0.5, centered=True),
}


@reference
@formats
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_training_goes_on_as_if_never_interrupted(h5py, optimizer, dtype, ending, tmp_path):
    """To the bit: seed, counters, learning rate and the optimizer's arrays are in the file."""
    model = network(OPTIMIZERS[optimizer](), dtype=dtype)
    model.fit(*data(), batch_size=5, epochs=2, verbose=0)
    model.save(tmp_path / f"model{ending}")
    loaded = load_model(tmp_path / f"model{ending}")
    assert loaded.fingerprint() == model.fingerprint()
    assert (loaded.name, loaded.dtype, loaded.seed) == ("everything", dtype, 5)
    assert loaded.optimizer.get_config() == model.optimizer.get_config()
    configs = [layer.get_config() for layer in model.layers]
    assert [layer.get_config() for layer in loaded.layers] == configs
    for each in (model, loaded):
        each.fit(*data(), batch_size=5, verbose=0)
    assert loaded.fingerprint() == model.fingerprint()
    assert loaded.evaluate(*data(), verbose=0) == model.evaluate(*data(), verbose=0)


@reference
@formats
def test_frozen_layers_stay_frozen(h5py, ending, tmp_path):
    model = network()
    model.layers[2].trainable = False
    model.fit(*data(), verbose=0)
    model.save(tmp_path / f"model{ending}")
    loaded = load_model(tmp_path / f"model{ending}")
    assert [layer.trainable for layer in loaded.layers] == [la.trainable for la in model.layers]
    for each in (model, loaded):
        each.fit(*data(), verbose=0)
    assert loaded.fingerprint() == model.fingerprint()


@reference
@formats
def test_a_model_that_was_not_compiled(h5py, ending, tmp_path):
    model = Sequential([Input((2,)), Dense(1)])
    model.save(tmp_path / f"model{ending}")
    loaded = load_model(tmp_path / f"model{ending}")
    assert loaded.optimizer is None and loaded.fingerprint() == model.fingerprint()


@reference
@formats
def test_compile_false_leaves_the_optimizer_out(h5py, ending, tmp_path):
    model = network()
    model.fit(*data(), verbose=0)
    for name in (f"model{ending}", "model.npz"):
        model.save(tmp_path / name)
        loaded = load_model(tmp_path / name, compile=False)
        assert loaded.optimizer is None and loaded.fingerprint() == model.fingerprint()


@reference
@formats
def test_a_learning_rate_that_a_callback_has_changed(h5py, ending, tmp_path):
    model = network(SGD(0.1))
    model.fit(*data(), verbose=0)
    model.optimizer.learning_rate = 0.003
    model.save(tmp_path / f"model{ending}")
    assert load_model(tmp_path / f"model{ending}").optimizer.learning_rate == 0.003


@reference
def test_equal_models_make_equal_files(h5py, tmp_path):
    for name in ("a.keras", "b.keras", "a.h5", "b.h5"):
        network().save(tmp_path / name)
    for ending in (".keras", ".h5"):
        assert (tmp_path / f"a{ending}").read_bytes() == (tmp_path / f"b{ending}").read_bytes()


@reference
def test_what_keras_saved_is_a_whole_model():
    pytest.importorskip("h5py", reason="no h5py")
    model = load_model(keras_file.DATA / "keras_tiny.keras")
    for ours, theirs in zip(model.get_weights(), keras_file.tiny_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    names = ["rescaling", "first", "max_pooling2d", "re_lu", "conv2d_7", "flatten"]
    assert [layer.name for layer in model.layers] == [*names, "dense_1", "dense"]
    assert (model.layers[1].activation, model.layers[4].use_bias) == ("relu", False)
    assert model.optimizer.momentum == 0.9 and model.optimizer.iterations == 1
    assert np.float32(model.optimizer.learning_rate) == np.float32(0.01)
    assert len(model.optimizer.state) == 7 and model.loss.name == "categorical_crossentropy"
    assert any(slots["velocity"].any() for slots in model.optimizer.state)


# --- weights alone --------------------------------------------------------------------------------


@reference
@pytest.mark.parametrize("name", ["a.weights.h5", "a.h5"])
def test_weights_come_back(h5py, name, tmp_path):
    model, other = network(), network(seed=6)
    model.save_weights(tmp_path / name)
    assert other.fingerprint() != model.fingerprint()
    other.load_weights(tmp_path / name)
    assert other.fingerprint() == model.fingerprint()


@reference
def test_the_functions_of_keras_saving(h5py, tmp_path):
    model, other = network(), network(seed=6)
    save_model(model, tmp_path / "a.keras")
    save_weights(model, tmp_path / "a.weights.h5")
    load_weights(other, tmp_path / "a.weights.h5")
    assert load_model(tmp_path / "a.keras").fingerprint() == other.fingerprint()


@reference
@formats
def test_weights_of_a_whole_model(h5py, ending, tmp_path):
    model, other = network(), network(seed=6)
    model.save(tmp_path / f"model{ending}")
    other.load_weights(tmp_path / f"model{ending}")
    assert other.fingerprint() == model.fingerprint()


@reference
def test_layers_of_other_names_are_matched_in_their_order(h5py, tmp_path):
    """As in Keras: of equal shapes, too, and where a name is that of another layer."""

    def made(first, second):
        return Sequential([Input((2,)), Dense(2, name=first), Flatten(), Dense(2, name=second)])

    model, other = made("dense", "dense_1"), made("dense_1", "dense")
    model.save_weights(tmp_path / "a.h5")
    other.load_weights(tmp_path / "a.h5")
    assert other.fingerprint() == model.fingerprint()
    with pytest.raises(ModelFileError, match="the file has 2 layers with weights, and the model 1"):
        Sequential([Input((2,)), Dense(2)]).load_weights(tmp_path / "a.h5")


@reference
def test_weights_without_an_architecture_are_no_model(h5py, tmp_path):
    network().save_weights(tmp_path / "a.h5")
    with pytest.raises(ModelFileError, match=r"only weights: make .* model.load_weights\(path\)"):
        load_model(tmp_path / "a.h5")


# --- text -----------------------------------------------------------------------------------------


def test_a_model_as_text():
    model = network(Adam(0.02))
    text = model.to_json(indent=1)
    assert json.loads(text)["config"]["layers"][0]["config"]["batch_shape"] == [None, 6, 6, 1]
    other = model_from_json(text)
    assert [w.shape for w in other.get_weights()] == [w.shape for w in model.get_weights()]
    assert other.optimizer.learning_rate == 0.02 and other.metrics == model.metrics
    assert model_from_json(other.to_json()).to_json() == other.to_json()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not a complete description"),
        ("[]", "the model is not described as Keras does it"),
        ('{"class_name": "Sequential", "config": {"name": "m", "layers": 3}}', "not a list"),
        ('{"class_name": "Sequential", "config": {"name": "m", "layers": []}}', "input shape"),
        ('{"class_name": "Bidirectional", "config": {}}', "the class 'Bidirectional'"),
    ],
)
def test_text_that_is_no_model(text, words):
    with pytest.raises(ModelFileError, match=words):
        model_from_json(text)


def described(change, **keywords):
    """The text of a model, in which `change(layers, whole)` has changed something."""
    whole = json.loads(network().to_json())
    change(whole["config"]["layers"], whole)
    return model_from_json(json.dumps(whole), **keywords)


def setting(layer, **settings):
    return lambda layers, whole: layers[layer]["config"].update(settings)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (setting(3, groups=2), "Conv2D has groups=2, which tinycnn does not have"),
        (setting(3, data_format="channels_first"), "Conv2D has data_format='channels_first'"),
        (setting(3, dilation_rate=[2, 2]), r"dilation_rate=\[2, 2\]"),
        (setting(3, kernel_constraint={"class_name": "NonNeg", "config": {}}), "kernel_constraint"),
        (setting(3, kernel_initializer={"class_name": "Orthogonal", "config": {}}), "orthogonal"),
        (setting(4, axis=1), "BatchNormalization has axis=1"),
        (setting(8, axis=3), "BatchNormalization has axis=3"),
        (setting(4, dtype="mixed_float16"), "a layer computes in 'mixed_float16'"),
        (setting(4, dtype="float64"), "layers of several dtypes"),
        (setting(7, activation={"class_name": "LeakyReLU", "config": {}}), "activation"),
        (setting(0, batch_shape=[None, None, None, 1]), "no fixed shape"),
        (setting(0, sparse=True), "InputLayer has sparse=True"),
        (lambda la, w: la[6].update(class_name="LSTM"), "tinycnn has no layer 'LSTM'"),
        (lambda la, w: la[6].update(class_name="Sequential"), "tinycnn has no layer 'Sequential'"),
        (lambda la, w: la.append(la[1]), "a layer's name must be unique"),
    ],
)
def test_what_keras_has_and_tinycnn_has_not_is_named(change, words):
    with pytest.raises(ModelFileError, match=words):
        described(change)


@pytest.mark.parametrize(
    "change",
    [
        setting(3, dilation_rate=1, groups=1, bias_constraint=None, activity_regularizer=None),
        setting(4, axis=[3]),  # of (N, H, W, C), as Keras 2 writes it
        setting(8, axis=1),  # of (N, D)
        setting(7, activation={"class_name": "function", "config": "elu"}),
        setting(3, kernel_initializer="he_uniform", bias_initializer={"class_name": "Zeros"}),
        setting(5, seed=3, noise_shape=None),
        lambda la, w: w.update(class_name="Sequential", module="os", registered_name="x>system"),
    ],
)
def test_what_amounts_to_the_same_is_taken(change):
    assert described(change).count_params() == network().count_params()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (setting(2, fill_mode="reflect"), "fill_mode"),
        (lambda la, w: la[2].update(class_name="RandomContrast"), "no layer 'RandomContrast'"),
    ],
)
def test_what_only_trains_is_left_out_with_a_word(change, words, capsys):
    model = described(change)
    assert [type(layer).__name__ for layer in model.layers][1] == "Conv2D"
    assert words in (told := capsys.readouterr().err) and "it does nothing in inference" in told


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"optimizer": {"class_name": "Lion", "config": {}}}, "no optimizer 'Lion'"),
        ({"optimizer": {"class_name": "Adam", "config": {"use_ema": True}}}, "use_ema=True"),
        ({"optimizer": {"class_name": "Adam", "config": {"learning_rate": -1}}}, "learning_rate"),
        ({"loss": "ctc"}, "unknown loss"),
        ({"loss": {"class_name": "CTC", "config": {}}}, "no loss 'CTC'"),
        ({"loss_weights": [0.5]}, "it has loss_weights"),
    ],
)
def test_other_compile_settings_are_left_out_with_a_word(settings, words, capsys):
    model = described(lambda layers, whole: whole["compile_config"].update(settings))
    assert model.optimizer is None
    assert words in (told := capsys.readouterr().err) and "compile the loaded model again" in told


def test_another_metric_is_left_out_with_a_word(capsys):
    mean = {"class_name": "MeanMetricWrapper", "config": {"name": "accuracy", "fn": "x"}}
    metrics = [[mean, {"class_name": "Hinge", "config": {"name": "h"}}]]  # as Keras 2 writes them
    model = described(lambda layers, whole: whole["compile_config"].update(metrics=metrics))
    assert [metric.name for metric in model.metrics] == ["accuracy"]
    assert "with {'name': 'h'}\" is left out" in capsys.readouterr().err


def chain(*nodes, ends=("a", "c")):
    """Text of a model of the functional API: layers a, b, c; `nodes` are the calls of b and c."""
    names = ("a", "b", "c")
    classes = ["InputLayer", "Flatten", "Dense"]
    settings = [{"batch_shape": [None, 2, 2, 1]}, {}, {"units": 3}]
    layers = [
        {"class_name": kind, "name": name, "config": {"name": name, **given}, "inbound_nodes": node}
        for kind, name, given, node in zip(classes, names, settings, [[], *nodes], strict=True)
    ]
    (first, last) = ([name, 0, 0] for name in ends)
    config = {"name": "f", "layers": layers, "input_layers": [first], "output_layers": last}
    return json.dumps({"class_name": "Functional", "config": config})


def called(*names, **keywords):
    tensors = [
        {"class_name": "__keras_tensor__", "config": {"keras_history": [n, 0, 0]}} for n in names
    ]
    return [{"args": tensors, "kwargs": keywords}]


def test_a_chain_of_the_functional_api_is_read():
    for first in (called("a"), [[["a", 0, 0, {}]]]):  # as Keras 3 writes it, and Keras 2
        model = model_from_json(chain(first, called("b", mask=None)))
        assert model.count_params() == 4 * 3 + 3


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (chain(called("a"), called("a")), "with branches"),
        (chain(called("a"), called("a", "b")), "with branches"),
        (chain(called("a"), called("b") * 2), "called twice"),
        (chain(called("a"), called("b", training=False)), "in a special way"),
        (chain(called("a"), called("b"), ends=("a", "b")), "in its middle"),
    ],
)
def test_another_graph_is_refused(text, words):
    with pytest.raises(ModelFileError, match=words):
        model_from_json(text)


# --- what Keras has not, what the user did wrong --------------------------------------------------


def own_layers():
    model = Sequential([Input((6, 6, 1)), Rescaling(1 / 255), Doubled(), Flatten(), Dense(3)])
    model.compile("sgd", "mse")
    return model


@reference
@pytest.mark.parametrize("name", ["m.keras", "m.h5"])
def test_a_layer_of_ones_own_is_refused_before_the_training(h5py, name, tmp_path):
    model, words = own_layers(), r"Keras has no layer Doubled.*a file that ends in \.npz"
    before = model.fingerprint()
    with pytest.raises(ValueError, match=words):
        model.fit(*data(), callbacks=[ModelCheckpoint(tmp_path / name)], verbose=0)
    assert model.fingerprint() == before
    with pytest.raises(ValueError, match=words):
        model.save(tmp_path / name)
    with pytest.raises(ValueError, match=words):
        model.to_json()
    assert os.listdir(tmp_path) == []


@reference
@pytest.mark.parametrize("name", ["m.keras", "m.h5"])
def test_parameters_that_keras_s_layer_has_not_are_refused(h5py, name, tmp_path):
    """Whatever else would be left out of the file without a word."""

    class Flatten2(Flatten):
        def build(self, input_shape, rng=None, dtype="float32"):
            self.add_parameter("gain", (1,), "ones", rng, dtype)
            return super().build(input_shape, rng, dtype)

    Flatten2.__name__ = "Flatten"
    model = Sequential([Input((2, 2)), Flatten2(name="f"), Dense(1)])
    with pytest.raises(ValueError, match=r"Flatten\(f\) has other parameters .* Received: gain"):
        model.save(tmp_path / name)


@reference
def test_a_loss_of_ones_own_is_left_out_with_a_word(h5py, tmp_path, capsys):
    model = network(loss=OwnSquaredError())
    model.save(tmp_path / "m.keras")
    assert "OwnSquaredError can't be saved: compile the model again" in capsys.readouterr().err
    assert load_model(tmp_path / "m.keras").optimizer is None


@pytest.mark.parametrize("name", ["m.keras", "m.h5", "m.weights.h5"])
def test_a_missing_h5py_is_told_before_the_training(name, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    model = network()
    before = model.fingerprint()
    hook = ModelCheckpoint(tmp_path / name, save_weights_only="weights" in name)
    with pytest.raises(ImportError, match=r"h5py.*pip install 'tinycnn\[keras\]'"):
        model.fit(*data(), callbacks=[hook], verbose=0)
    assert model.fingerprint() == before
    with pytest.raises(ImportError, match="h5py"):
        load_model(keras_file.DATA / "keras_tiny.keras")


def test_a_missing_file_is_told_before_a_missing_h5py(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    for name in ("nothere.keras", "nothere.h5"):
        with pytest.raises(FileNotFoundError, match=name):
            load_model(tmp_path / name)
    with pytest.raises(ImportError) as raised:
        load_model(keras_file.DATA / "keras_tiny.keras")
    assert raised.value.__suppress_context__  # one error, not a chain of two


@reference
@pytest.mark.parametrize(
    ("name", "weights_only"),
    [("{epoch}.keras", False), ("{epoch}.h5", False), ("{epoch}.weights.h5", True)],
)
def test_checkpoints_of_keras_s_kinds(h5py, name, weights_only, tmp_path):
    model = network()
    hook = ModelCheckpoint(tmp_path / name, save_weights_only=weights_only)
    model.fit(*data(), epochs=2, callbacks=[hook], verbose=0)
    other = network(seed=6)
    other.load_weights(tmp_path / name.format(epoch=2))
    assert other.fingerprint() == model.fingerprint()
    other.load_weights(tmp_path / name.format(epoch=1))
    assert other.fingerprint() != model.fingerprint()


@reference
def test_overwrite_false_replaces_nothing(h5py, tmp_path):
    (tmp_path / "m.keras").write_bytes(b"precious")
    (tmp_path / "m.weights.h5").write_bytes(b"precious")
    for save, name in (("save", "m.keras"), ("save_weights", "m.weights.h5")):
        with pytest.raises(FileExistsError, match="is there already, and overwrite=False"):
            getattr(network(), save)(tmp_path / name, overwrite=False)
        assert (tmp_path / name).read_bytes() == b"precious"


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda m: m.save("m.tf"), r"must end in \.npz"),
        (lambda m: m.save("m.npz", save_format="h5"), "`save_format`"),
        (lambda m: m.save_weights("m.keras"), r"end in \.weights\.h5"),
        (lambda m: m.load_weights("m.h5", by_name=True), "`by_name`. Layers are matched"),
        (lambda m: load_model("m.keras", safe_mode=False), "`safe_mode`. No file holds code"),
        (lambda m: load_model("m.keras", custom_objects={"f": len}), "only classes of layers"),
    ],
)
def test_wrong_arguments_are_named(call, words):
    with pytest.raises((TypeError, ValueError), match=words):
        call(network())


def test_custom_objects_are_custom_layers(tmp_path):
    own_layers().save(tmp_path / "m.npz")
    loaded = load_model(tmp_path / "m.npz", custom_objects={"Doubled": Doubled})
    assert type(loaded.layers[1]) is Doubled


# --- damaged, hostile -----------------------------------------------------------------------------


@pytest.fixture(params=[".keras", ".h5"])
def sound(request, tmp_path):
    """A sound file of each kind."""
    pytest.importorskip("h5py", reason="no h5py")
    model = Sequential([Input((2,)), Dense(2, name="dense")], seed=5)
    model.compile(Adam(), "mse")
    model.train_on_batch(np.ones((2, 2)), np.eye(2))
    path = tmp_path / f"sound{request.param}"
    model.save(path)
    return path


@reference
def test_every_truncation_is_refused(sound):
    whole = sound.read_bytes()
    for length in [*range(0, len(whole), 499), len(whole) - 1]:
        sound.write_bytes(whole[:length])
        with pytest.raises(ModelFileError, match="not a complete model file of Keras"):
            load_model(sound)


@reference
@pytest.mark.parametrize("rounds", [100, pytest.param(10_000, marks=pytest.mark.full)])
def test_flipped_bytes_never_crash(sound, rounds):
    """The file is refused in one line, or it was read: then it is a model of that architecture."""
    rng, whole, outcomes = np.random.default_rng(0), sound.read_bytes(), set()
    for _ in range(rounds):
        content = bytearray(whole)
        for at in rng.integers(0, len(content), rng.integers(1, 20)):
            content[at] = rng.integers(0, 256)
        sound.write_bytes(content)
        try:
            assert load_model(sound).count_params() == 6
            outcomes.add("read")
        except ModelFileError as error:
            assert str(error).isprintable()
            outcomes.add("refused")
    assert "refused" in outcomes


def rewritten(path, config=None, **members):
    """The same zip with another `config.json`, `config(dict)`, or other members."""
    with zipfile.ZipFile(path) as archive:
        old = {name: archive.read(name) for name in archive.namelist()}
    if config:
        whole = json.loads(old["config.json"])
        config(whole)
        old["config.json"] = json.dumps(whole).encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, content in {**old, **members}.items():
            archive.writestr(name, content)
    return path


def deep(whole):
    whole["config"]["layers"][1]["config"]["kernel_regularizer"] = {"class_name": "L2", "config": 5}


@reference
@pytest.mark.parametrize(
    ("config", "words"),
    [
        (
            lambda w: w["config"]["layers"][1]["config"].update(units=2**31),
            "describe a model|units",
        ),
        (lambda w: w["config"]["layers"][1]["config"].update(units=10**400), "units"),
        (lambda w: w["config"]["layers"][1]["config"].update(units=3), "must have shape"),
        (lambda w: w["config"]["layers"][0]["config"].update(batch_shape=[None, 2**40]), "shape"),
        (lambda w: w["config"]["layers"][1]["config"].update(name="a\x1b[2Jb"), "name|lacks"),
        (lambda w: w["config"]["layers"][1].update(class_name="\x1b[2J"), r"no layer '\\x1b\[2J'"),
        (lambda w: w["config"].update(layers=w["config"]["layers"] * 2000), "unique|layers|lacks"),
        (deep, "."),
        (lambda w: w.update(config=[]), "not described"),
        (lambda w: w["config"].update(name=7), "name"),
    ],
)
def test_a_crafted_description_is_refused(h5py, config, words, tmp_path):
    model = Sequential([Input((2,)), Dense(2, name="dense")], seed=5)
    model.save(tmp_path / "m.keras")
    with pytest.raises(ModelFileError, match=words) as told:
        load_model(rewritten(tmp_path / "m.keras", config))
    assert str(told.value).isprintable() and len(str(told.value)) < 700


@reference
def test_a_crafted_archive_is_refused(h5py, tmp_path):
    def refused(path, words):
        with pytest.raises(ModelFileError, match=words):
            load_model(path)

    path = tmp_path / "m.keras"
    network().save(path)
    refused(rewritten(path, **{"config.json": b"[" * 100_000 + b"]" * 100_000}), "not a complete")
    refused(rewritten(path, **{"config.json": b" " * 5_000_000 + b"{}"}), "oversized")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", bytes(2**24))
    refused(path, "as Keras stores it")


@reference
def test_arrays_that_are_not_in_the_file_are_not_read(h5py, tmp_path):
    """Of a shape that the file claims, and of more bytes than it has."""

    def crafted(fill):
        content = io.BytesIO()
        with h5py.File(content, "w") as file:
            fill(file.create_group("layers/dense/vars"))
        path = tmp_path / "m.keras"
        Sequential([Input((2,)), Dense(2, name="dense")]).save(path)
        return rewritten(path, **{"model.weights.h5": content.getvalue()})

    def unallocated(group):
        group.create_dataset("0", (2**30, 2), "f4")
        group["1"] = np.zeros(2, "f4")

    def one_for_all(group):
        group["0"] = np.zeros((1000, 1000), "f4")
        for i in range(1, 2000):
            group[str(i)] = group["0"]

    def chunked(group):
        group.create_dataset("0", (2**20, 2**10), "f4", chunks=(2, 2), compression="gzip")

    for fill, words in (
        (unallocated, "in one piece"),
        (one_for_all, "larger than the file"),
        (chunked, "in one piece"),
    ):
        with pytest.raises(ModelFileError, match=words):
            load_model(crafted(fill))


@reference
def test_a_list_of_names_that_is_one_long_text_a_thousand_times(h5py, tmp_path, monkeypatch):
    monkeypatch.setattr("tinycnn.interop.hdf5.MOST_TEXT", 10**6)
    model = network()
    model.save_weights(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        file.attrs["layer_names"] = [b"x"] * 1000
    with pytest.raises(ModelFileError, match="layer_names is not a list of names, or is oversized"):
        model.load_weights(tmp_path / "a.h5")
