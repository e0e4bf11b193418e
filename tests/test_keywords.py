"""A wrong keyword is blamed on what the user wrote, and today's name is told."""

import abc
import array
import copy
import pickle
from typing import Protocol, runtime_checkable

import numpy as np
import pytest

import tinycnn
from tinycnn import (
    SGD,
    Adam,
    AdamW,
    BatchNormalization,
    CategoricalCrossentropy,
    Checkpoint,
    Conv2D,
    Dense,
    Dropout,
    Input,
    Layer,
    MaxPooling2D,
    Sequential,
)
from tinycnn.callbacks import EarlyStopping
from tinycnn.optimizers.schedules import CosineDecay

pytestmark = pytest.mark.usefixtures("numpy_rung")

X, Y = np.zeros((4, 3)), np.zeros((4, 2))


def model():
    made = Sequential([Input((3,)), Dense(2)])
    made.compile("sgd", "mse")
    return made


WRONG = {
    "old: lr": (lambda: Adam(lr=0.1), "Adam has no argument `lr`; write learning_rate"),
    "old: lr of SGD": (lambda: SGD(lr=0.1), "SGD has no argument `lr`; write learning_rate"),
    "old: beta1": (lambda: AdamW(beta1=0.9), "AdamW has no argument `beta1`; write beta_1"),
    "old: nb_filter": (
        lambda: Conv2D(nb_filter=4),
        "Conv2D has no argument `nb_filter`; write filters",
    ),
    "old: border_mode": (lambda: Conv2D(4, 3, border_mode="same"), "Conv2D.*; write padding"),
    "old: init": (lambda: Dense(4, init="zeros"), "Dense has no .*; write kernel_initializer"),
    "old: batch_input_shape": (
        lambda: Dense(4, batch_input_shape=(None, 3)),
        "Dense has no .*; write input_shape, without",
    ),
    "old: p": (lambda: Dropout(p=0.1), "Dropout has no argument `p`; write rate"),
    "near": (lambda: MaxPooling2D(poolsize=2), "MaxPooling2D has no .*; write pool_size"),
    "missing": (lambda: Conv2D(4, 3, dilation_rate=2), r"Conv2D has no .*`\. Dilated kernels"),
    "far": (lambda: BatchNormalization(zzz=1), "BatchNormalization has no .*; it has axis, mom"),
    "loss": (lambda: CategoricalCrossentropy(logits=True), "CategoricalCrossentropy has no"),
    "callback": (lambda: EarlyStopping(patient=3), "EarlyStopping has no .*; write patience"),
    "checkpoint": (lambda: Checkpoint("a.npz", every=3), "Checkpoint has no argument `every`"),
    "schedule": (lambda: CosineDecay(0.1, steps=3), "CosineDecay has no argument `steps`"),
    "model": (lambda: Sequential(layer=[]), "Sequential has no argument `layer`; write layers"),
    "compile": (lambda: model().compile("sgd", "mse", jit_compile=True), "compile has .*kernels"),
    "fit": (lambda: model().fit(X, Y, validation_batch_size=3), "fit has no .*; write batch_size"),
    "fit, old": (lambda: model().fit(X, Y, nb_epoch=3), "fit has no .*`nb_epoch`; write epochs"),
    "evaluate": (lambda: model().evaluate(X, Y, workers=2), "evaluate has no .*made one after"),
    "train_on_batch": (lambda: model().train_on_batch(X, Y, workers=2), "train_on_batch has no"),
    "test_on_batch": (lambda: model().test_on_batch(X, Y, class_weight={}), "test_on_batch has no"),
    "predict": (
        lambda: model().predict(X, workers=2),
        "predict has no argument `workers`. Batches are made one after",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_keyword(case):
    call, message = WRONG[case]
    with pytest.raises(TypeError, match=message):
        call()


SLIPS = {
    "optimizer": (lambda: model().compile("adma", "mse"), "'adma'. Did you mean 'adam'?"),
    "loss": (
        lambda: model().compile("adam", "categorical_crosentropy"),
        "'categorical_crosentropy'. Did you mean 'categorical_crossentropy'?",
    ),
    "activation": (lambda: Dense(2, activation="rely"), "'rely'. Did you mean 'relu'?"),
    "metric": (
        lambda: model().compile("adam", "mse", metrics=["precison"]),
        "'precison'. Did you mean 'precision'?",
    ),
    "layer": (lambda: model().get_layer("dens"), "name='dens'. Did you mean 'dense'?"),
    "class": (
        lambda: tinycnn.layers.Convv2D,
        "module 'tinycnn.layers' has no attribute 'Convv2D'. Did you mean 'Conv2D'?",
    ),
    "module": (
        lambda: tinycnn.dataset,
        "module 'tinycnn' has no attribute 'dataset'. Did you mean 'datasets'?",
    ),
}


@pytest.mark.parametrize("case", SLIPS)
def test_a_slip_of_the_pen_in_a_name(case):
    call, ending = SLIPS[case]
    with pytest.raises((ValueError, AttributeError)) as raised:
        call()
    assert str(raised.value).endswith(ending)


def test_the_error_for_a_metric_names_the_common_ones():
    with pytest.raises(ValueError, match="'recall', 'f1_score', 'confusion_matrix', losses such"):
        model().compile("adam", "mse", metrics=["f1"])


@pytest.mark.parametrize("name", ["zzz", 3, None, "adam" * 1000])
def test_what_is_like_nothing_gets_no_suggestion(name):
    with pytest.raises(ValueError, match="unknown optimizer; known are") as raised:
        tinycnn.optimizers.get(name)
    assert "Did you mean" not in str(raised.value)


def test_layers_of_one_s_own_are_named_too():
    class Scale(Layer):
        def __init__(self, factor, **kwargs):
            super().__init__(**kwargs)
            self.factor = factor

    class Open(Layer):
        def __init__(self, **anything):
            super().__init__()
            self.anything = anything

    assert Scale(2, name="twice").name == "twice"
    with pytest.raises(
        TypeError, match=r"Scale has no argument `units`; it has factor, name, inpu"
    ):
        Scale(2, units=3)
    with pytest.raises(TypeError, match="factor"):
        Scale()


EVERY_CLASS = [
    cls
    for cls in {getattr(tinycnn, name) for name in tinycnn.__all__}
    if isinstance(cls, type) and not issubclass(cls, BaseException)
]


@pytest.mark.parametrize(
    "cls", sorted(EVERY_CLASS, key=lambda c: c.__name__), ids=lambda c: c.__name__
)
def test_every_class_is_named(cls):
    with pytest.raises(TypeError, match=rf"^{cls.__name__} has no argument `no_such_thing`"):
        cls(no_such_thing=1)


def test_an_old_name_can_t_be_assigned_without_effect():
    for make in (SGD, Adam):
        optimizer = make()
        with pytest.raises(AttributeError, match="has no `lr`; write learning_rate"):
            optimizer.lr = 0.5
        assert not hasattr(optimizer, "lr")


def test_what_is_made_can_be_copied_and_pickled():
    for thing in (Conv2D(4, 3, name="a"), Adam(0.5), CategoricalCrossentropy(True)):
        for twin in (copy.deepcopy(thing), pickle.loads(pickle.dumps(thing))):
            assert twin.get_config() == thing.get_config()


def generator():
    yield X, Y


class Loader:
    """As PyTorch's DataLoader: to be iterated."""

    def __iter__(self):
        return generator()


class DataSet:
    """As Keras's PyDataset: batches by their number."""

    def __len__(self):
        return 1

    def __getitem__(self, index):
        return [(X, Y)][index]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: model().fit(iter([(X, Y)]), Y), "`y` must be left out"),
        (lambda: model().fit(X, generator()), "`y` must be an array.* type generator"),
        (lambda: model().train_on_batch(Loader(), Y), "`x` must be an array.* type Loader"),
        (lambda: model().train_on_batch(DataSet(), Y), "`x` must be an array.* type DataSet"),
        (lambda: model().fit(X), "`y` is missing"),
        (lambda: model().evaluate(X), "`y` is missing"),
        (lambda: model().train_on_batch(X), "`y` is missing"),
        (lambda: model().fit(generator, Y), "functions are not taken.* type function"),
        (lambda: model().fit({"x": X}, Y), "dicts and functions are not .* type dict"),
        (lambda: model().fit([np.ma.masked_equal(row, 0) for row in X], Y), "masked.*12 masked"),
        (lambda: model().fit(X, Y, validation_data=(np.ma.masked_equal(X, 0), Y)), "12 masked"),
        (lambda: model().fit(np.ma.masked_equal(X, 0), Y), "`x` must not be masked.*12 masked"),
        (lambda: model().predict(np.full((1, 3), 1e300)), r"`x` must hold numbers that float32"),
    ],
)
def test_what_is_no_array_of_plain_numbers(call, words):
    with pytest.raises(ValueError, match=words):
        call()


@pytest.mark.parametrize(
    "x", [range(3), memoryview(np.zeros(3)), array.array("d", [0, 0, 0]), [0.0, 0, 0], (0, 0, 0)]
)
def test_what_is_as_good_as_an_array(x):
    made = Sequential([Input((1,)), Dense(2)])
    assert made.predict(np.reshape(np.asarray(x), (3, 1)), verbose=0).shape == (3, 2)
    assert made.predict(x, verbose=0).shape == (3, 2)


def test_a_mask_that_hides_nothing_is_no_mask():
    model().fit(np.ma.masked_equal(X, 5), Y, verbose=0)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda v: tinycnn.layers.Dense(2, use_bias=v), "use_bias"),
        (lambda v: tinycnn.layers.Conv2D(2, 3, use_bias=v), "use_bias"),
        (lambda v: tinycnn.layers.BatchNormalization(center=v), "center"),
        (lambda v: tinycnn.layers.BatchNormalization(scale=v), "scale"),
        (lambda v: tinycnn.optimizers.SGD(momentum=0.9, nesterov=v), "nesterov"),
        (lambda v: tinycnn.optimizers.RMSprop(centered=v), "centered"),
        (lambda v: tinycnn.callbacks.EarlyStopping(restore_best_weights=v), "restore_best_weights"),
        (lambda v: tinycnn.callbacks.ModelCheckpoint("a.npz", save_best_only=v), "save_best_only"),
        (lambda v: tinycnn.callbacks.Checkpoint("c.npz", resume=v), "resume"),
        (lambda v: tinycnn.callbacks.CSVLogger("a.csv", append=v), "append"),
    ],
)
@pytest.mark.parametrize("value", ["False", "no", None, 0])
def test_a_text_is_no_truth_value(make, name, value):
    with pytest.raises(ValueError, match=rf"`{name}` must be True or False\. Received: {name}="):
        make(value)


def test_the_error_lists_every_keyword_once():
    with pytest.raises(TypeError, match="it has ") as caught:
        Adam(nonsense=1)
    listed = str(caught.value).partition("it has ")[2].split(", ")
    assert listed.count("learning_rate") == 1 and len(listed) == len(set(listed))


@runtime_checkable
class HasArea(Protocol):
    def area(self) -> int: ...


class Shaped(abc.ABC):
    @abc.abstractmethod
    def area(self) -> int: ...


@pytest.mark.parametrize("kind", [Layer, tinycnn.Callback, tinycnn.losses.Loss, Sequential])
@pytest.mark.parametrize("other", [HasArea, Shaped])
@pytest.mark.parametrize("first", [True, False])
def test_an_abstract_class_or_a_protocol_may_stand_beside_ours(kind, other, first):
    bases = (kind, other) if first else (other, kind)
    whole = type(kind)("Whole", bases, {"area": lambda self: 3})
    assert whole().area() == 3
    assert isinstance(whole(), kind) and isinstance(whole(), other)
    if other is Shaped:
        with pytest.raises(TypeError, match="abstract"):
            type(kind)("Part", bases, {})()


@pytest.mark.parametrize("other", [[], 1, "relu", None])
def test_another_object_is_no_layer_and_asking_is_no_error(other):
    """Python 3.11 asks a class of the metaclass of protocols whether it is one."""
    assert not isinstance(other, Layer)
