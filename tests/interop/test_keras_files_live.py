"""Whole models go to real Keras and back, in `.keras` and `.h5`: random networks, both directions.

    python -m pytest -m "reference and not full" tests/interop/test_keras_files_live.py  # a fifth
    python -m pytest -m reference tests/interop/test_keras_files_live.py                 # all
    PYTHONPATH=tests python tests/interop/test_keras_files_live.py [networks]  # a table

`keras_live.py` draws the networks; here each is given an optimizer of any kind, and some of them an
augmentation or a frozen layer.
"""

import os
import sys
import tempfile
import warnings
from pathlib import Path

import keras_live as live
import numpy as np
import pytest

import tinycnn
from tinycnn import Sequential, kernels, layers, load_model, losses, models, optimizers
from tinycnn.optimizers import schedules

os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"  # as in test_keras_live.py

pytestmark = [
    pytest.mark.reference,
    pytest.mark.filterwarnings("ignore:You are using a softmax over axis -1:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*a softmax over one unit is always 1:UserWarning"),
    # Keras 3.15's variables under NumPy 2, when it saves them.
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning"),
]

NETWORKS = 200
GROUP = 10
#: Weights arrive to the bit. What is left is each library's rounding of the same sums, relative to
#: the largest output where that is above 1.
PREDICTIONS = 1e-6
#: Losses of further steps: the rounding of gradients as well, divided by a batch's spread in
#: batch normalisation; as in test_keras_live.py.
STEPS = 1e-4
#: Two classes nearer than this may come in either order: both libraries' rounding of the outputs.
UNDECIDED = 2 * PREDICTIONS
FORMATS = (".keras", ".h5")


def import_keras():
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    pytest.importorskip("tensorflow", reason="no TensorFlow")
    return pytest.importorskip("keras", reason="no Keras")


OPTIMIZERS = [
    ("SGD", {"learning_rate": 0.01}),
    ("SGD", {"learning_rate": 0.01, "momentum": 0.5, "nesterov": True, "clipnorm": 1.0}),
    ("Adam", {"learning_rate": 0.001, "weight_decay": 0.01}),
    ("Adam", {"beta_1": 0.8, "epsilon": 1e-5, "global_clipnorm": 2.0}),
    ("AdamW", {}),
    ("RMSprop", {"momentum": 0.5, "centered": True, "clipvalue": 0.5}),
    ("RMSprop", {"rho": 0.8}),
]
SCHEDULES = [
    ("ExponentialDecay", {"initial_learning_rate": 0.01, "decay_steps": 3, "decay_rate": 0.5}),
    ("CosineDecay", {"initial_learning_rate": 0.01, "decay_steps": 9, "warmup_steps": 0}),
    ("PiecewiseConstantDecay", {"boundaries": [2, 4], "values": [0.01, 0.005, 0.001]}),
    ("PolynomialDecay", {"initial_learning_rate": 0.01, "decay_steps": 9, "cycle": True}),
]


def drawn(seed):
    """A network that both libraries can make: layers, optimizer, metrics, which layer is frozen."""
    rng = np.random.default_rng([seed, 14])
    case = live.draw_with_layers(40_000 + seed)
    made = list(case.layers)
    if rng.random() < 0.4:
        augmentation = [
            ("RandomTranslation", {"height_factor": 0.1, "width_factor": (-0.2, 0.1)}),
            ("RandomRotation", {"factor": 0.05}),
            ("RandomZoom", {"height_factor": 0.1}),
        ][rng.integers(0, 3)]
        made.insert(0, (augmentation[0], {**augmentation[1], "fill_mode": "constant"}))
    name, arguments = OPTIMIZERS[rng.integers(0, len(OPTIMIZERS))]
    schedule = SCHEDULES[rng.integers(0, len(SCHEDULES))] if rng.random() < 0.3 else None
    frozen = int(rng.integers(0, len(made))) if rng.random() < 0.2 else None
    metrics = ["accuracy"] if case.loss[0] != live.SQUARED else None
    return case._replace(layers=made), (name, arguments, schedule), metrics, frozen


def made(library, seed, dtype="float32"):
    """The network of that number, compiled, in either library; both have the same weights."""
    case, (name, arguments, schedule), metrics, frozen = drawn(seed)
    theirs = library is not None
    found = (library.layers if theirs else layers, library.losses if theirs else losses)
    built = [getattr(found[0], kind)(**settings) for kind, settings in case.layers]
    if frozen is not None:
        built[frozen].trainable = False
    built.insert(0, found[0].Input(case.shape))
    model = library.Sequential(built) if theirs else Sequential(built, dtype=dtype, seed=seed)
    if schedule:
        kinds = library.optimizers.schedules if theirs else schedules
        rate = getattr(kinds, schedule[0])(**schedule[1])
        arguments = {**arguments, "learning_rate": rate}
    optimizer = getattr(library.optimizers if theirs else optimizers, name)(**arguments)
    loss = getattr(found[1], case.loss[0])(**case.loss[1])
    eager = {"run_eagerly": True} if theirs else {}
    model.compile(optimizer, loss, metrics=metrics, **eager)
    return model, case


def off(ours, theirs):
    """The largest difference, relative where numbers are above 1."""
    scale = max(1.0, float(np.max(np.abs(np.asarray(theirs)), initial=0)))
    return float(np.max(np.abs(np.asarray(ours) - np.asarray(theirs)), initial=0)) / scale


def compare(ours, theirs, case, dtype):
    """Two open models, ours and Keras's: everything that travelled, and what each does next."""
    mine = [type(layer).__name__ for layer in ours.layers]
    assert mine == [type(layer).__name__ for layer in theirs.layers]
    assert [layer.name for layer in ours.layers] == [layer.name for layer in theirs.layers]
    assert [layer.trainable for layer in ours.layers] == [la.trainable for la in theirs.layers]
    assert ours.name == theirs.name
    for mine, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, other)
    assert type(ours.optimizer).__name__ == type(theirs.optimizer).__name__
    config = theirs.optimizer.get_config()
    for key, value in ours.optimizer.get_config().items():
        if isinstance(value, dict):
            assert value["class"] == config[key]["class_name"]
            assert value["config"].items() <= config[key]["config"].items()
        elif isinstance(value, float):
            assert np.float32(value) == np.float32(config[key]), key
        else:
            assert value == config[key], key
    x, y = case.data(dtype)
    outputs = theirs.predict_on_batch(x)
    predictions = off(ours.predict(x, verbose=0), outputs)
    mine, other = (np.atleast_1d(model.test_on_batch(x, y)) for model in (ours, theirs))
    undecided = float(np.mean(margins(outputs) <= UNDECIDED))
    assert np.all(np.abs(mine[1:] - other[1:]) <= undecided + 1e-6), (mine, other, undecided)
    return predictions, off(mine[0], other[0])


def margins(outputs):
    """How far each output is from another class: behind that branch no rounding may decide.

    Where all units of a relu are dead, the classes' outputs follow from the biases alone. After a
    first step of Adam these are 0.001 or -0.001 and nothing between, so classes tie, and the last
    bit says which comes first: network 25 has that for about every fifth draw of its weights.
    """
    if outputs.shape[-1] == 1:
        return np.abs(outputs - 0.5)
    highest = np.sort(outputs, axis=-1)
    return highest[..., -1] - highest[..., -2]


def steps(ours, theirs, case, dtype):
    """The losses of two more steps in both: the optimizer's state has travelled as well."""
    noisy = any(name.startswith("Random") for name, _ in case.layers)
    if noisy:
        return 0.0
    x, y = case.data(dtype)
    losses_of = [[np.atleast_1d(m.train_on_batch(x, y))[0] for _ in "12"] for m in (ours, theirs)]
    return off(*losses_of)


def compare_to_keras(seed, folder, dtype="float32"):
    """A model that is trained here, opened in Keras. Yields (format, predictions, loss, steps)."""
    keras = import_keras()
    for ending in FORMATS:
        ours, case = made(None, seed, dtype)
        x, y = case.data(dtype)
        for _ in range(seed % 3):  # some models have not learned yet
            ours.train_on_batch(x, y)
        ours.save(folder / f"ours{ending}")
        with warnings.catch_warnings():
            if ending == ".keras":
                warnings.simplefilter("error", UserWarning)  # "Skipping variable loading"
            theirs = keras.models.load_model(folder / f"ours{ending}")
        theirs.run_eagerly = True
        predictions, evaluation = compare(ours, theirs, case, dtype)
        further = 0.0
        if ending == ".keras":  # of an `.h5` file Keras 3 does not read the optimizer's arrays
            assert int(theirs.optimizer.iterations) == ours.optimizer.iterations
            further = steps(ours, theirs, case, dtype)
        yield ending, predictions, evaluation, further


def compare_from_keras(seed, folder, dtype="float32"):
    """A model that Keras trained, opened here. Yields (format, predictions, loss, steps)."""
    keras = import_keras()
    for ending in FORMATS:
        keras.utils.set_random_seed(seed)  # of its initial weights
        theirs, case = made(keras, seed)
        x, y = case.data(dtype)
        for _ in range(seed % 3):
            theirs.train_on_batch(x, y)
        theirs.save(folder / f"keras{ending}")
        ours = load_model(folder / f"keras{ending}")
        predictions, evaluation = compare(ours, theirs, case, dtype)
        assert int(theirs.optimizer.iterations) == ours.optimizer.iterations
        further = steps(ours, theirs, case, dtype)
        yield ending, predictions, evaluation, further


def seeds():
    full = pytest.mark.full
    firsts = range(0, NETWORKS, GROUP)
    marked = [[full] if first >= NETWORKS // 5 else [] for first in firsts]
    return [pytest.param(f, id=f"from {f}", marks=m) for f, m in zip(firsts, marked, strict=True)]


@pytest.fixture(autouse=True)
def tidy(numpy_rung):
    keras = import_keras()
    yield
    keras.utils.clear_session()


@pytest.mark.parametrize("first", seeds())
def test_a_model_trained_here_opens_in_keras(first, tmp_path):
    for seed in range(first, first + GROUP):
        for ending, predictions, evaluation, further in compare_to_keras(seed, tmp_path):
            where = (seed, ending)
            assert predictions <= PREDICTIONS, where
            assert evaluation <= STEPS, where
            assert further <= STEPS, where


@pytest.mark.parametrize("first", seeds())
def test_a_model_of_keras_opens_here(first, tmp_path):
    for seed in range(first, first + GROUP):
        for ending, predictions, evaluation, further in compare_from_keras(seed, tmp_path):
            where = (seed, ending)
            assert predictions <= PREDICTIONS, where
            assert evaluation <= STEPS, where
            assert further <= STEPS, where


def test_where_classes_tie_either_may_come_first():
    keras = import_keras()
    keras.utils.set_random_seed(0)
    theirs = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(2, "relu"), keras.layers.Dense(3, "softmax")]
    )
    dead, tied = [np.zeros((3, 2)), np.full(2, -1.0)], [np.ones((2, 3)), np.full(3, 0.001)]
    theirs.set_weights([*dead, *tied])
    outputs = theirs.predict_on_batch(np.ones((4, 3), np.float32))
    assert np.all(margins(outputs) <= UNDECIDED)
    assert np.all(margins(np.array([[0.2, 0.5, 0.3], [0.1, 0.0, 0.9]])) > UNDECIDED)
    np.testing.assert_allclose(margins(np.array([[0.75], [0.5]])), [[0.25], [0.0]])


def functional(library):
    inputs = library.Input((6, 6, 1), name="images")
    x = library.layers.Conv2D(3, 3, activation="relu", name="maps")(inputs)
    x = library.layers.Flatten()(x)
    outputs = library.layers.Dense(4, activation="softmax")(x)
    model = library.Model(inputs, outputs, name="chain")
    model.compile("adam", "categorical_crossentropy")
    x, y = np.random.default_rng(0).random((8, 6, 6, 1), np.float32), np.eye(4, dtype="f4")[[1] * 8]
    model.train_on_batch(x, y)
    return model, x, y


@pytest.mark.parametrize("ending", FORMATS)
def test_a_functional_model_goes_both_ways_with_its_input(ending, tmp_path):
    keras = import_keras()
    ours, x, y = functional(tinycnn)
    ours.save(tmp_path / f"ours{ending}")
    theirs = keras.models.load_model(tmp_path / f"ours{ending}")
    pairs = [(ours, theirs)]
    theirs = functional(keras)[0]
    theirs.save(tmp_path / f"theirs{ending}")
    pairs.append((load_model(tmp_path / f"theirs{ending}"), theirs))
    for mine, other in pairs:
        assert type(other).__name__ == "Functional"
        names = [layer.name for layer in other.layers]
        assert names[0] == "images" and [layer.name for layer in mine.layers] == names
        for index, layer in enumerate(other.layers):
            assert mine.get_layer(index=index).name == layer.name
            assert mine.layers[index].output.shape == layer.output.shape
        assert off(mine.predict(x, verbose=0), other.predict_on_batch(x)) <= PREDICTIONS
        assert off(mine.test_on_batch(x, y), other.test_on_batch(x, y)) <= STEPS
    there = keras.models.model_from_json(ours.to_json())
    assert [layer.name for layer in there.layers] == [layer.name for layer in ours.layers]


def test_the_text_of_a_model_goes_both_ways():
    keras = import_keras()
    for seed in range(5):
        ours, theirs = made(None, seed)[0], made(keras, seed)[0]
        there = keras.models.model_from_json(ours.to_json())
        here = models.model_from_json(theirs.to_json())
        for mine, other in ((ours, there), (here, theirs)):
            shapes = [weight.shape for weight in mine.get_weights()]
            assert shapes == [weight.shape for weight in other.get_weights()]
            assert [layer.name for layer in mine.layers] == [layer.name for layer in other.layers]
        assert type(there.optimizer).__name__ == type(ours.optimizer).__name__


def table(networks):
    """The largest differences of all networks, as text."""
    lines = ["| | format | networks | predictions | evaluation | two more steps |", "|---|" * 6]
    lines[1] = "|---|---|---|---|---|---|"
    for title, run in (("to Keras", compare_to_keras), ("from Keras", compare_from_keras)):
        found = {ending: [] for ending in FORMATS}
        with tempfile.TemporaryDirectory() as folder:
            for seed in range(networks):
                for ending, *numbers in run(seed, Path(folder)):
                    found[ending].append(numbers)
                import_keras().utils.clear_session()
        for ending, rows in found.items():
            worst = " | ".join(f"{value:.1e}" for value in np.max(rows, axis=0))
            lines.append(f"| {title} | {ending} | {len(rows)} | {worst} |")
    return "\n".join(lines)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    with kernels.use("numpy"):
        print(table(int(sys.argv[1]) if sys.argv[1:] else NETWORKS))
