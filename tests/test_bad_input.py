"""What a user may do wrong, one row each: the error's type, and the words its one line must hold.

Every message says what was received, and comes before any number is computed or any weight changed.
"""

import io
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest

from tinycnn import (
    ELU,
    SGD,
    Activation,
    Adam,
    AveragePooling2D,
    BatchNormalization,
    CategoricalCrossentropy,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePooling2D,
    IdxFormatError,
    Input,
    LeakyReLU,
    MaxPooling2D,
    ModelFileError,
    NumericalError,
    PictureError,
    RandomRotation,
    RandomTranslation,
    RandomZoom,
    Rescaling,
    Sequential,
    kernels,
    load_model,
)
from tinycnn.datasets import idx, synthetic
from tinycnn.datasets.normalization import normalize_digit
from tinycnn.datasets.pictures import read_picture
from tinycnn.gradient_check import check_layer, check_model
from tinycnn.regularizers import L2
from tinycnn.utils import to_categorical

pytestmark = pytest.mark.usefixtures("numpy_rung")


def image_model(loss="categorical_crossentropy"):
    model = Sequential([Input((6, 6, 1)), Flatten(), Dense(3, activation="softmax")])
    model.compile("adam", loss, metrics=["accuracy"])
    return model


X = np.random.default_rng(0).random((6, 6, 6, 1))
Y = np.eye(3)[[0, 1, 2, 0, 1, 2]]
LABELS = np.array([0, 1, 2, 0, 1, 2])
sparse = "sparse_categorical_crossentropy"


def changed(array, place, value):
    array = np.array(array, dtype=float)
    array[place] = value
    return array


def fit(x=X, y=Y, loss="categorical_crossentropy", **arguments):
    return image_model(loss).fit(x, y, verbose=0, **arguments)


def used_twice():
    layer = Dense(2)
    return Sequential([Input((2,)), layer, layer])


def file_of(content):
    """A file with a user's bytes in it; the folder goes away at the end of the program."""
    FOLDERS.append(tempfile.TemporaryDirectory())
    path = Path(FOLDERS[-1].name, "file.npz")
    path.write_bytes(content)
    return path


def plain_npz():
    buffer = io.BytesIO()
    np.savez(buffer, weights=np.ones(3))
    return file_of(buffer.getvalue())


def exploding():
    model = image_model("mse")
    model.optimizer.learning_rate = 1e38
    with np.errstate(all="ignore"):
        model.fit(X, Y * 1e30, epochs=5, verbose=0)


FOLDERS = []

# (what the user did, type, words)
ROWS = {
    # layers
    "no filters": (lambda: Conv2D(0, 3), ValueError, "`filters` positive integer filters=0"),
    "filters as text": (lambda: Conv2D("8", 3), ValueError, "`filters` filters='8'"),
    "kernel as text": (lambda: Conv2D(8, "3"), ValueError, "`kernel_size` kernel_size='3'"),
    "kernel of three": (lambda: Conv2D(8, (3, 3, 3)), ValueError, "`kernel_size` pair (3, 3, 3)"),
    "no strides": (lambda: Conv2D(8, 3, 0), ValueError, "`strides` strides=0"),
    "padding": (
        lambda: Conv2D(8, 3, padding="full"),
        ValueError,
        "`padding` 'valid' 'same' padding='full'",
    ),
    "activation": (
        lambda: Dense(8, activation="rele"),
        ValueError,
        "unknown activation relu softmax 'rele'",
    ),
    "activation list": (lambda: Activation(["relu"]), ValueError, "unknown activation ['relu']"),
    "no units": (lambda: Dense(0), ValueError, "`units` units=0"),
    "units as fraction": (lambda: Dense(2.5), ValueError, "`units` units=2.5"),
    "pool": (lambda: MaxPooling2D(-2), ValueError, "`pool_size` pool_size=-2"),
    "pool strides": (lambda: MaxPooling2D(2, "1"), ValueError, "`strides` strides='1'"),
    "average pool": (lambda: AveragePooling2D(0), ValueError, "`pool_size` pool_size=0"),
    "average pool larger than image": (
        lambda: Sequential([Input((4, 4, 1)), AveragePooling2D((2, 5))]),
        ValueError,
        "`pool_size` 4x4 (2, 5)",
    ),
    "global pool of rows": (
        lambda: Sequential([Input((4,)), GlobalAveragePooling2D()]),
        ValueError,
        "(N, height, width, channels) (N, 4)",
    ),
    "dropout rate": (lambda: Dropout(1.5), ValueError, "`rate` [0, 1] rate=1.5"),
    "dropout rate below 0": (lambda: Dropout(-0.1), ValueError, "`rate` rate=-0.1"),
    "dropout rate as text": (lambda: Dropout("half"), ValueError, "`rate` rate='half'"),
    "dropout seed": (lambda: Dropout(0.5, seed=-1), ValueError, "`seed` seed=-1"),
    "translation": (
        lambda: RandomTranslation(0.1, 1.5),
        ValueError,
        "`width_factor` [-1, 1] width_factor=1.5",
    ),
    "translation of one factor": (lambda: RandomTranslation(0.1), TypeError, "width_factor"),
    "rotation by degrees": (lambda: RandomRotation(15), ValueError, "`factor` [-1, 1] factor=15"),
    "rotation between three": (
        lambda: RandomRotation((0, 0.1, 0.2)),
        ValueError,
        "`factor` pair factor=(0, 0.1, 0.2)",
    ),
    "rotation as text": (lambda: RandomRotation("ab"), ValueError, "`factor` factor='ab'"),
    "rotation interpolation": (
        lambda: RandomRotation(0.1, interpolation="nearest"),
        TypeError,
        "interpolation",
    ),
    "zoom": (
        lambda: RandomZoom(float("nan")),
        ValueError,
        "`height_factor` [-1, 1] height_factor=nan",
    ),
    "fill mode": (
        lambda: RandomZoom(0.1, fill_mode="reflect"),
        ValueError,
        "unknown fill_mode constant 'reflect'",
    ),
    "rotation of rows": (
        lambda: Sequential([Input((4, 4)), RandomRotation(0.1)]),
        ValueError,
        "(N, height, width, channels) (N, 4, 4)",
    ),
    "batch norm momentum": (
        lambda: BatchNormalization(momentum=1.0),
        ValueError,
        "`momentum` [0, 1) momentum=1.0",
    ),
    "batch norm epsilon": (
        lambda: BatchNormalization(epsilon=-1),
        ValueError,
        "`epsilon` epsilon=-1",
    ),
    "batch norm axis": (
        lambda: BatchNormalization(axis=1).build((4, 4, 2)),
        ValueError,
        "axis=1 (N, 4, 4, 2)",
    ),
    "leaky slope": (lambda: LeakyReLU(-1), ValueError, "`negative_slope` negative_slope=-1"),
    "elu alpha": (lambda: ELU(float("nan")), ValueError, "`alpha` alpha=nan"),
    "regularizer": (
        lambda: Dense(2, kernel_regularizer="l3"),
        ValueError,
        "unknown regularizer l2 'l3'",
    ),
    "regularizer number": (
        lambda: Conv2D(2, 2, kernel_regularizer=0.01),
        ValueError,
        "unknown regularizer l2 0.01",
    ),
    "l2": (lambda: L2(-0.1), ValueError, "`l2` l2=-0.1"),
    "scale as text": (lambda: Rescaling("1/255"), ValueError, "`scale` scale='1/255'"),
    "unknown argument": (lambda: Conv2D(8, 3, dilation_rate=2), TypeError, "dilation_rate"),
    "initializer": (
        lambda: Dense(2, kernel_initializer="glorot"),
        ValueError,
        "unknown initializer glorot_uniform he_normal 'glorot'",
    ),
    "initializer list": (
        lambda: Conv2D(2, 2, kernel_initializer=["zeros"]),
        ValueError,
        "unknown initializer ['zeros']",
    ),
    "kernel larger than image": (
        lambda: Sequential([Input((28, 28, 1)), Conv2D(8, 29)]),
        ValueError,
        "`kernel_size` 28x28 padding='same' (29, 29)",
    ),
    "pool larger than image": (
        lambda: Sequential([Input((28, 28, 1)), MaxPooling2D((2, 30))]),
        ValueError,
        "`pool_size` 28x28 (2, 30)",
    ),
    "image without channels": (
        lambda: Sequential([Conv2D(8, 3, input_shape=(28, 28))]),
        ValueError,
        "(N, height, width, channels) (N, 28, 28)",
    ),
    "shape is a number": (lambda: Input(784), ValueError, "shape 784"),
    "shape of text": (lambda: Sequential([Input("28"), Dense(2)]), ValueError, "shape"),
    "shape of nothing": (
        lambda: Sequential([Dense(2, input_shape=(0,))]),
        ValueError,
        "shape (0,)",
    ),
    "shape below nothing": (
        lambda: Sequential([Input((-1,)), Flatten()]),
        ValueError,
        "shape (-1,)",
    ),
    "shape with a hole": (
        lambda: Sequential([Input((None, 28, 1)), Conv2D(2, 3)]),
        ValueError,
        "shape None",
    ),
    "name is no text": (
        lambda: Sequential([Dense(2, name=5, input_shape=(2,))]),
        ValueError,
        "name name=5",
    ),
    # models
    "no layers": (lambda: Sequential().build((2,)), ValueError, "no layers"),
    "no layers to predict": (lambda: Sequential().predict(X), ValueError, "no layers"),
    "not a layer": (lambda: Sequential([Dense]), ValueError, "layers Received Dense"),
    "a layer for a list": (
        lambda: Sequential(Dense(2)),
        ValueError,
        "list of layers Received Dense",
    ),
    "text for a layer": (lambda: Sequential(["dense"]), ValueError, "layers 'dense'"),
    "layer used twice": (used_twice, ValueError, "already in this model Dense(dense)"),
    "name used twice": (
        lambda: Sequential([Dense(2, name="a"), Dense(2, name="a")]),
        ValueError,
        "name unique 'a'",
    ),
    "input in the middle": (lambda: Sequential([Dense(2), Input((2,))]), ValueError, "Input first"),
    "seed": (lambda: Sequential(seed=-1), ValueError, "`seed` seed=-1"),
    "seed as fraction": (lambda: Sequential(seed=0.5), ValueError, "`seed` seed=0.5"),
    "dtype": (
        lambda: Sequential(dtype="float16"),
        ValueError,
        "`dtype` 'float32' 'float64' dtype='float16'",
    ),
    "no shape known": (lambda: Sequential([Dense(2)]).get_weights(), ValueError, "input_shape"),
    "built with another shape": (
        lambda: image_model().build((9, 9, 1)),
        ValueError,
        "(6, 6, 1) (9, 9, 1)",
    ),
    "weights too few": (
        lambda: image_model().set_weights([]),
        ValueError,
        "2 weight arrays Received: 0",
    ),
    "weights of another shape": (
        lambda: image_model().set_weights([np.zeros((3, 36)), np.zeros(3)]),
        ValueError,
        "weight 0 (kernel) (36, 3) (3, 36)",
    ),
    # compile
    "optimizer": (
        lambda: image_model().compile("adamm", "mse"),
        ValueError,
        "unknown optimizer adam sgd 'adamm'",
    ),
    "optimizer class": (
        lambda: image_model().compile(Adam, "mse"),
        ValueError,
        "unknown optimizer Adam",
    ),
    "loss": (
        lambda: image_model().compile("adam", "crossentropy"),
        ValueError,
        "unknown loss categorical_crossentropy 'crossentropy'",
    ),
    "loss list": (
        lambda: image_model().compile("adam", ["mse"]),
        ValueError,
        "unknown loss ['mse']",
    ),
    "metric": (
        lambda: image_model().compile("adam", "mse", metrics=["f1"]),
        ValueError,
        "unknown metrics accuracy acc 'f1'",
    ),
    "metric number": (
        lambda: image_model().compile("adam", "mse", metrics=5),
        ValueError,
        "`metrics` list ['accuracy'] metrics=5",
    ),
    "learning rate below 0": (lambda: Adam(-1), ValueError, "`learning_rate` learning_rate=-1"),
    "learning rate nan": (
        lambda: SGD(float("nan")),
        ValueError,
        "`learning_rate` finite learning_rate=nan",
    ),
    "learning rate text": (lambda: Adam("fast"), ValueError, "`learning_rate` 'fast'"),
    "momentum": (
        lambda: SGD(momentum=1.5),
        ValueError,
        "`momentum` [0, 1) momentum=1.5",
    ),
    "beta": (lambda: Adam(beta_1=1.0), ValueError, "`beta_1` [0, 1) beta_1=1.0"),
    "fit before compile": (
        lambda: Sequential([Dense(2)]).fit(X, Y),
        RuntimeError,
        "model.compile(optimizer, loss)",
    ),
    "evaluate before compile": (
        lambda: Sequential([Dense(2)]).evaluate(X, Y, verbose=0),
        RuntimeError,
        "model.compile(optimizer, loss)",
    ),
    # data
    "image shape": (
        lambda: fit(np.ones((6, 28, 28))),
        ValueError,
        "`x` (N, 6, 6, 1) (6, 28, 28)",
    ),
    "one image without a batch": (
        lambda: image_model().predict(X[0], verbose=0),
        ValueError,
        "`x` (N, 6, 6, 1) (6, 6, 1)",
    ),
    "three channels": (
        lambda: fit(np.ones((6, 6, 6, 3))),
        ValueError,
        "`x` (N, 6, 6, 1) (6, 6, 6, 3)",
    ),
    "labels for one-hot": (
        lambda: fit(y=LABELS),
        ValueError,
        "one-hot (N, 3) to_categorical(y, 3) sparse_categorical_crossentropy (6,)",
    ),
    "one-hot of the wrong width": (
        lambda: fit(y=to_categorical(LABELS, 10)),
        ValueError,
        "(N, 3) (6, 10)",
    ),
    "one-hot for labels": (
        lambda: fit(y=Y, loss=sparse),
        ValueError,
        "integer categorical_crossentropy (6, 3)",
    ),
    "label too large": (lambda: fit(y=LABELS + 1, loss=sparse), ValueError, "0 to 2 from 1 to 3"),
    "label below 0": (lambda: fit(y=LABELS - 1, loss=sparse), ValueError, "0 to 2 from -1 to 1"),
    "label and a half": (lambda: fit(y=LABELS / 2, loss=sparse), ValueError, "whole numbers float"),
    "no data": (lambda: fit(X[:0], Y[:0]), ValueError, "`x` at least one (0, 6, 6, 1)"),
    "an empty list": (lambda: fit([], []), ValueError, "`x` at least one (0,)"),
    "nan in the images": (
        lambda: fit(changed(X, (4, 0, 0, 0), np.nan)),
        ValueError,
        "`x` finite NaN sample 4",
    ),
    "infinity in the targets": (
        lambda: fit(y=changed(Y, (2, 1), np.inf)),
        ValueError,
        "`y` finite infinity sample 2",
    ),
    "nan to predict": (
        lambda: image_model().predict(changed(X, 0, np.nan), verbose=0),
        ValueError,
        "`x` finite NaN sample 0",
    ),
    "objects": (lambda: fit(X.astype(object)), ValueError, "`x` numbers object"),
    "nothing": (lambda: fit(None), ValueError, "`x` missing x=None"),
    "text": (lambda: fit(["a", "b"]), ValueError, "`x` numbers <U1"),
    "targets as text": (lambda: fit(y=["a"] * 6), ValueError, "`y` numbers <U1"),
    "ragged": (lambda: fit([[1], [1, 2]]), ValueError, "`x` regular array"),
    "complex": (lambda: fit(X * 1j), ValueError, "`x` numbers complex128"),
    "one number": (lambda: fit(3.0), ValueError, "`x` at least one shape ()"),
    "targets missing": (lambda: fit(y=Y[:4]), ValueError, "`x` `y` same number 6 4"),
    "a number to evaluate against": (
        lambda: image_model().evaluate(X, 5, verbose=0),
        ValueError,
        "`y` at least one ()",
    ),
    "validation lengths": (
        lambda: fit(validation_data=(X, Y[:4])),
        ValueError,
        "`validation_data[0]` `validation_data[1]` 6 4",
    ),
    "validation nan": (
        lambda: fit(validation_data=(changed(X, 1, np.nan), Y)),
        ValueError,
        "`validation_data[0]` NaN sample 1",
    ),
    "validation images alone": (
        lambda: fit(validation_data=X[:3]),
        ValueError,
        "`validation_data` pair (x, y)",
    ),
    # fit's arguments
    "fewer epochs than none": (lambda: fit(epochs=-1), ValueError, "`epochs` epochs=-1"),
    "epochs as text": (lambda: fit(epochs="10"), ValueError, "`epochs` epochs='10'"),
    "no batch": (lambda: fit(batch_size=0), ValueError, "`batch_size` batch_size=0"),
    "half a batch": (lambda: fit(batch_size=0.5), ValueError, "`batch_size` batch_size=0.5"),
    "batch size of text": (
        lambda: fit(batch_size="32"),
        ValueError,
        "`batch_size` batch_size='32'",
    ),
    "predict batch": (
        lambda: image_model().predict(X, batch_size=-1),
        ValueError,
        "`batch_size` batch_size=-1",
    ),
    "split": (lambda: fit(validation_split=1.5), ValueError, "`validation_split` [0, 1) 1.5"),
    "split below 0": (lambda: fit(validation_split=-0.2), ValueError, "`validation_split` -0.2"),
    "split as text": (lambda: fit(validation_split="0.2"), ValueError, "`validation_split` '0.2'"),
    "split too fine": (
        lambda: fit(validation_split=0.9),
        ValueError,
        "`validation_split` 0 6 0.9",
    ),
    "verbose": (lambda: image_model().fit(X, Y, verbose=3), ValueError, "`verbose` verbose=3"),
    "initial epoch": (
        lambda: fit(initial_epoch="1"),
        ValueError,
        "`initial_epoch` initial_epoch='1'",
    ),
    "initial epoch below 0": (
        lambda: fit(initial_epoch=-1),
        ValueError,
        "`initial_epoch` initial_epoch=-1",
    ),
    "callback alone": (lambda: fit(callbacks=5), ValueError, "callbacks 5"),
    "shuffle batches": (lambda: fit(shuffle="batch"), ValueError, "`shuffle` shuffle='batch'"),
    # files
    "a web page as IDX": (
        lambda: idx.read_idx(file_of(b"<html>404</html>")),
        IdxFormatError,
        "not an IDX file <html> web page file.npz",
    ),
    "an empty IDX file": (lambda: idx.read_idx(file_of(b"")), IdxFormatError, "cut short 0 bytes"),
    "half an IDX file": (
        lambda: idx.read_idx(file_of(bytes([0, 0, 8, 1, 0, 0, 0, 9, 1]))),
        IdxFormatError,
        "cut short 9 bytes (9,) 17",
    ),
    "a folder as IDX": (lambda: idx.read_idx("."), IsADirectoryError, "."),
    "an IDX file of complex numbers": (
        lambda: idx.write_idx("never written", np.ones(3, complex)),
        ValueError,
        "`array` uint8 float32 dtype=complex128",
    ),
    "a text for a model": (
        lambda: load_model(file_of(b"text")),
        ModelFileError,
        "not a complete tinycnn model file file.npz",
    ),
    "any .npz for a model": (
        lambda: load_model(plain_npz()),
        ModelFileError,
        "no manifest not saved by tinycnn",
    ),
    "a folder for a model": (lambda: load_model("."), IsADirectoryError, "."),
    "saved into no folder": (
        lambda: image_model().save("no such folder/model.npz"),
        FileNotFoundError,
        "no folder model.npz",
    ),
    "a text for a picture": (
        lambda: read_picture(file_of(b"text")),
        PictureError,
        "not a picture file.npz",
    ),
    "no picture": (lambda: read_picture("nowhere.png"), FileNotFoundError, "nowhere.png"),
    "an empty page": (
        lambda: normalize_digit(np.full((90, 90), 7)),
        PictureError,
        "`image` digit one gray value",
    ),
    "a coloured picture": (
        lambda: normalize_digit(np.zeros((90, 90, 3))),
        ValueError,
        "(height, width) channels (90, 90, 3)",
    ),
    "digits below 0": (lambda: synthetic.load_data(train=-1), ValueError, "`train` train=-1"),
    # training, layers and gradients by hand
    "a rate that explodes": (exploding, NumericalError, "loss epoch batch"),
    "backward first": (
        lambda: Dense(2).backward(np.ones((1, 2))),
        RuntimeError,
        "Dense backward forward before",
    ),
    "the loss's backward first": (
        lambda: CategoricalCrossentropy().backward(),
        RuntimeError,
        "CategoricalCrossentropy backward forward before",
    ),
    "a layer on an image without channels": (
        lambda: Conv2D(2, 2).forward(np.ones((1, 3, 3))),
        ValueError,
        "(N, height, width, channels) (N, 3, 3)",
    ),
    "a loss of two widths": (
        lambda: CategoricalCrossentropy().forward(np.ones((2, 3)), np.ones((2, 4))),
        ValueError,
        "`y` (N, 4) (2, 3)",
    ),
    "one batch of two lengths": (
        lambda: image_model().train_on_batch(X, Y[:3]),
        ValueError,
        "`x` `y` same number 6 3",
    ),
    "gradients of nothing": (
        lambda: image_model().loss_and_gradients(X[:0], Y[:0]),
        ValueError,
        "`x` at least one",
    ),
    "a check of a layer that does not fit": (
        lambda: check_layer(Conv2D(2, 9), X),
        ValueError,
        "`kernel_size` 6x6 (9, 9)",
    ),
    "a check of a model on two lengths": (
        lambda: check_model(image_model(), X, Y[:2]),
        ValueError,
        "`x` `y` same number 6 2",
    ),
    "learning rate assigned as text": (
        lambda: setattr(Adam(), "learning_rate", "fast"),
        ValueError,
        "`learning_rate` learning_rate='fast'",
    ),
    "a window of nothing": (
        lambda: kernels.max_pool_forward(X, (0, 0), (1, 1)),
        ValueError,
        "sizes strides positive 0, 1",
    ),
    # the rest
    "rung": (lambda: kernels.use("cuda"), ValueError, "'numba' 'numpy' 'cuda'"),
    "class out of range": (
        lambda: to_categorical([0, 3], 3),
        ValueError,
        "0 num_classes 2 from 0 to 3",
    ),
    "class below 0": (lambda: to_categorical([-1, 3]), ValueError, "from -1 to 3"),
    "half a class": (lambda: to_categorical([0.5]), ValueError, "integer float64"),
    "class infinity": (lambda: to_categorical([np.inf]), ValueError, "integer"),
    "classes as text": (lambda: to_categorical([0, 1], "2"), ValueError, "`num_classes` '2'"),
    "no classes": (lambda: to_categorical([]), ValueError, "at least one empty"),
    "saved under a folder's name": (
        lambda: image_model().save("model"),
        ValueError,
        ".npz 'model'",
    ),
    "load what is not there": (
        lambda: load_model("nowhere.npz"),
        OSError,
        "nowhere.npz",
    ),
}


@pytest.mark.parametrize("row", ROWS)
def test_bad_input(row):
    do, error, words = ROWS[row]
    with pytest.raises(error) as caught:
        do()
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 300
    # Words are told apart by spaces, but for those in brackets.
    position = {word: word in message for word in split_words(words)}
    assert all(position.values()), f"{message!r} lacks {[w for w in position if not position[w]]}"


def split_words(words):
    """ "a (b, c) d" -> ["a", "(b, c)", "d"]."""
    found, depth = [""], 0
    for character in words:
        depth += (character in "([") - (character in ")]")
        if character == " " and depth <= 0:
            found.append("")
        else:
            found[-1] += character
    return [word for word in found if word]


DATA = [r for r, (do, _, _) in ROWS.items() if "fit" in do.__code__.co_names]
DATA.remove("a rate that explodes")  # the data were good


@pytest.mark.parametrize("row", DATA)
def test_bad_data_change_nothing(row, monkeypatch):
    models = []

    def remembered(loss="categorical_crossentropy", make=image_model):
        models.append(make(loss))
        models.append(models[0].get_weights())
        return models[0]

    monkeypatch.setitem(globals(), "image_model", remembered)
    with pytest.raises((ValueError, TypeError, RuntimeError)):
        ROWS[row][0]()
    if models:
        model, before = models
        assert model.steps_trained == model.optimizer.iterations == model.epochs_trained == 0
        for old, new in zip(before, model.get_weights(), strict=True):
            np.testing.assert_array_equal(old, new)


BAD_DATA = {
    "NaN": (changed(X, 3, np.nan), Y),
    "infinity": (changed(X, 3, -np.inf), Y),
    "objects": (X.astype(object), Y),
    "text": (np.full(X.shape, "a"), Y),
    "complex": (X * 1j, Y),
    "nothing": (X[:0], Y[:0]),
    "another shape": (X[:, :5], Y),
    "one image": (X[0], Y[:1]),
    "NaN in y": (X, changed(Y, 3, np.nan)),
    "width of y": (X, to_categorical(LABELS, 10)),
    "length of y": (X, Y[:4]),
}


DOORS = {
    "fit": lambda model, x, y: model.fit(x, y, verbose=0),
    "evaluate": lambda model, x, y: model.evaluate(x, y, verbose=0),
    "predict": lambda model, x, y: model.predict(x, verbose=0),
    "train_on_batch": lambda model, x, y: model.train_on_batch(x, y),
    "test_on_batch": lambda model, x, y: model.test_on_batch(x, y),
    "loss_and_gradients": lambda model, x, y: model.loss_and_gradients(x, y),
}


@pytest.mark.parametrize(
    ("door", "bad"),
    [(d, b) for d in DOORS for b in BAD_DATA if d != "predict" or BAD_DATA[b][0] is not X],
)
def test_no_door_lets_bad_data_in(door, bad, monkeypatch):
    model = image_model()
    for layer in model.layers:
        monkeypatch.setattr(layer, "forward", lambda *args: pytest.fail("it was let in"))
    with pytest.raises(ValueError, match=r"`[xy]`.*(Received|first in sample)"):
        DOORS[door](model, *BAD_DATA[bad])


def test_the_library_itself_does_not_warn_of_nan_in_the_data():
    # The check that finds a NaN is silent, for floats of every size.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for dtype in ("float16", "float32", "float64"):
            with pytest.raises(ValueError, match="sample 4"):
                fit(changed(X, (4, 0, 0, 0), np.nan).astype(dtype))


if __name__ == "__main__":  # prints every message, to be read as a user would
    kernels.use("numpy")
    for title, (do, error, _) in ROWS.items():
        try:
            do()
        except error as caught:
            print(f"{title}: {type(caught).__name__}: {caught}")
