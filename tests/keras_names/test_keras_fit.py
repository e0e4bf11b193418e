"""Against live Keras: the arguments of `fit`, and what calling a model or a layer does.

python -m pytest -m reference tests/keras_names/test_keras_fit.py
"""

import keras_scripts_run as scripts
import numpy as np
import pytest

import tinycnn

pytestmark = [pytest.mark.reference, pytest.mark.usefixtures("numpy_rung")]

rng = np.random.default_rng(5)
X = rng.random((23, 5, 4)).astype(np.float32)
LABELS = rng.integers(3, size=23)
W = rng.uniform(0, 3, 23)
CLASSES = {0: 3.0, 2: 0.25}
# (loss, targets, units, activation)
TARGETS = {
    "one-hot": ("categorical_crossentropy", np.eye(3, dtype=np.float32)[LABELS], 3, "softmax"),
    "integers": ("sparse_categorical_crossentropy", LABELS, 3, "softmax"),
    "columns": ("sparse_categorical_crossentropy", LABELS[:, np.newaxis], 3, "softmax"),
    "one output": ("mse", (LABELS > 0).astype(np.float32), 1, "sigmoid"),
    "numbers": ("mse", rng.random((23, 3)).astype(np.float32), 3, "relu"),
}
ARGUMENTS = {
    "plain": {},
    "sample weights": {"sample_weight": W},
    "a column of weights": {"sample_weight": W[:, np.newaxis]},
    "weights of zero": {"sample_weight": (np.arange(23) > 8).astype(float)},
    "split weights": {"sample_weight": W, "validation_split": 0.3},
    "class weights": {"class_weight": CLASSES},
    "split, class weights": {"class_weight": CLASSES, "validation_split": 0.3},
    "every second epoch": {"validation_freq": 2, "validation_split": 0.3},
    "some epochs": {"validation_freq": [1, 3], "validation_split": 0.3},
    "no epochs": {"epochs": 0},
    "one large batch": {"batch_size": None},
    "with a channel": {"x": X[..., np.newaxis]},
}
# Twelve steps of SGD in float32, relative to losses of order 1.
TOLERANCE = 1e-5


def made(package, kind):
    loss, _, units, activation = TARGETS[kind]
    model = package.Sequential(
        [
            package.Input((5, 4)),
            package.layers.Flatten(),
            package.layers.Dense(6, activation="tanh"),
            package.layers.Dense(units, activation=activation),
        ]
    )
    shapes = [(20, 6), (6,), (6, units), (units,)]
    drawn = scripts.weights_for(shapes)
    filled = [np.full(s, 0.1, "f4") if d is None else d for s, d in zip(shapes, drawn, strict=True)]
    model.set_weights(filled)
    model.compile("sgd", loss, metrics=["accuracy"])
    return model


@pytest.mark.parametrize("arguments", ARGUMENTS)
@pytest.mark.parametrize("kind", TARGETS)
def test_fit(kind, arguments):
    pytest.importorskip("tensorflow", reason="no TensorFlow")
    keras, y = scripts.import_keras(), TARGETS[kind][1]
    if kind == "numbers" and "class_weight" in ARGUMENTS[arguments]:
        pytest.skip("numbers are no classes")
    both = []
    for package in (keras, tinycnn):
        given = {"x": X, "batch_size": 7, "epochs": 3, "verbose": 0, **ARGUMENTS[arguments]}
        if kind == "one output" and "class_weight" in given:
            given["class_weight"] = {0: 3.0, 1: 0.25}  # tinycnn refuses a class that is not there
        model = made(package, kind)
        history = model.fit(y=y, shuffle=False, **given)
        weighted = {"sample_weight": W} if "sample_weight" in given else {}
        logs = model.evaluate(given["x"], y, verbose=0, return_dict=True, **weighted)
        batch = model.train_on_batch(X[:9], y[:9], return_dict=True)
        both.append((history.history, logs, batch, dict(enumerate(model.get_weights()))))
    for theirs, ours in zip(*both, strict=True):
        assert sorted(ours) == sorted(theirs)
        for name in theirs:
            np.testing.assert_allclose(ours[name], theirs[name], TOLERANCE, TOLERANCE, err_msg=name)


@pytest.mark.parametrize("bad", [{"sample_weight": W, "class_weight": CLASSES}])
def test_what_keras_refuses(bad):
    pytest.importorskip("tensorflow", reason="no TensorFlow")
    for package in (scripts.import_keras(), tinycnn):
        with pytest.raises(ValueError, match="at the same time"):
            made(package, "integers").fit(X, LABELS, verbose=0, **bad)


@pytest.mark.parametrize("training", [None, False, True])
@pytest.mark.parametrize(
    ("make", "still"),
    [
        (lambda k: k.layers.Dropout(0.5), (None, False)),
        (lambda k: k.layers.RandomTranslation(0.4, 0.4, fill_mode="constant"), (False,)),
        (lambda k: k.layers.Activation("linear"), (None, False, True)),
    ],
)
def test_whether_a_call_is_noisy(make, still, training):
    """`None` leaves it to the layer: augmentation is on and dropout is off, in Keras, too."""
    pytest.importorskip("tensorflow", reason="no TensorFlow")
    x = rng.random((4, 8, 8, 1)).astype(np.float32)
    for package in (scripts.import_keras(), tinycnn):
        layer = make(package)
        model = package.Sequential([package.Input((8, 8, 1)), make(package)])
        for thing in (layer, model):
            y = np.asarray(thing(x) if training is None else thing(x, training=training))
            assert np.array_equal(x, y) == (training in still)
        np.testing.assert_array_equal(model.predict(x, verbose=0), x)


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "elu", "sigmoid", "tanh", "softmax"])
def test_activations(name):
    pytest.importorskip("tensorflow", reason="no TensorFlow")
    keras, x = scripts.import_keras(), np.linspace(-4, 4, 24, dtype=np.float32).reshape(4, 6)
    theirs = keras.ops.convert_to_numpy(getattr(keras.activations, name)(x))
    np.testing.assert_allclose(getattr(tinycnn.activations, name)(x), theirs, 1e-6, 1e-7)
    if name == "relu":
        given = {"negative_slope": 0.1, "max_value": 2.0, "threshold": 0.5}
        theirs = keras.ops.convert_to_numpy(keras.activations.relu(x, **given))
        np.testing.assert_allclose(tinycnn.activations.relu(x, **given), theirs, 1e-6)
    if name == "softmax":
        theirs = keras.ops.convert_to_numpy(keras.activations.softmax(x, axis=0))
        np.testing.assert_allclose(tinycnn.activations.softmax(x, axis=0), theirs, 1e-6)


@pytest.mark.parametrize(("l1", "l2"), [(0.02, 0.0), (0.0, 0.02), (0.01, 0.03)])
def test_penalties(l1, l2):
    pytest.importorskip("tensorflow", reason="no TensorFlow")
    both = []
    for package in (scripts.import_keras(), tinycnn):
        model = made(package, "one-hot")
        penalty = package.regularizers.L1L2(l1=l1, l2=l2)
        layer = package.layers.Dense(3, activation="softmax", kernel_regularizer=penalty)
        model = package.Sequential([*model.layers[:2], layer])
        model.build((None, 5, 4))
        weight = np.random.default_rng(1).normal(size=(6, 3)).astype(np.float32)
        weight[0] = 0  # which L1 leaves alone
        layer.set_weights([weight, np.zeros(3, "f4")])
        model.compile("sgd", "categorical_crossentropy")
        history = model.fit(X, TARGETS["one-hot"][1], verbose=0, epochs=2, shuffle=False)
        both.append([history.history["loss"], *model.get_weights()])
    for theirs, ours in zip(*both, strict=True):
        np.testing.assert_allclose(ours, theirs, TOLERANCE, TOLERANCE)


@pytest.mark.parametrize(("axis", "order"), [(-1, 2), (1, 2), (2, 1)])
def test_normalize(axis, order):
    pytest.importorskip("tensorflow", reason="no TensorFlow")
    theirs = scripts.import_keras().utils.normalize(X, axis=axis, order=order)
    np.testing.assert_array_equal(tinycnn.utils.normalize(X, axis, order), theirs)


def set_by_assignment(optimizer, _):
    optimizer.learning_rate = 0.25


def halve(optimizer, _):
    optimizer.learning_rate = optimizer.learning_rate * 0.5


def reread(optimizer, K):
    optimizer.learning_rate = float(K.get_value(optimizer.learning_rate)) * 2


@pytest.mark.parametrize(
    "change",
    [
        set_by_assignment,
        halve,
        reread,
        lambda optimizer, _: optimizer.learning_rate.assign(0.25),
        lambda optimizer, _: optimizer.learning_rate.assign_add(0.25),
        lambda optimizer, _: optimizer.learning_rate.assign_sub(0.005),
    ],
)
def test_a_learning_rate_is_read_and_set_alike(change):
    pytest.importorskip("tensorflow", reason="no TensorFlow")
    import tensorflow as tf

    found = []
    for package, K in ((scripts.import_keras(), tf.keras.backend), (tinycnn, tinycnn.backend)):
        optimizer = made(package, "one-hot").optimizer
        assert optimizer.learning_rate == 0.01 or package is not tinycnn
        change(optimizer, K)
        rate = optimizer.learning_rate
        read = rate.numpy()
        assert read.dtype == np.float32 and K.get_value(rate) == read
        assert np.float32(float(rate)) == read
        assert f"{float(rate):.6f}" == f"{read:.6f}"
        found.append((read, optimizer.iterations.numpy(), int(optimizer.iterations)))
        with pytest.raises(AttributeError, match="has no"):
            optimizer.lr  # noqa: B018
    assert found[0] == found[1]


def test_a_scheduled_learning_rate_is_read_alike():
    pytest.importorskip("tensorflow", reason="no TensorFlow")
    found = []
    for package in (scripts.import_keras(), tinycnn):
        rate = package.optimizers.schedules.ExponentialDecay(0.1, 1, 0.5)
        optimizer = package.optimizers.SGD(rate)
        found.append((optimizer.learning_rate.numpy(), np.float32(float(optimizer.learning_rate))))
        with pytest.raises(TypeError, match="set"):
            optimizer.learning_rate = 0.1
    assert found[0] == found[1]
