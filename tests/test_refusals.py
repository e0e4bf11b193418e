"""What would have no effect is refused: attributes and methods of Keras's that nothing here reads.

Whether an assignment has an effect is found out by training with it and without it.
"""

import copy
import pickle

import numpy as np
import pytest

from tinycnn import (
    SGD,
    Adam,
    BatchNormalization,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    Input,
    Layer,
    LeakyReLU,
    MaxPooling2D,
    MeanSquaredError,
    Optimizer,
    RMSprop,
    Sequential,
    callbacks,
    layers,
    optimizers,
    regularizers,
)

pytestmark = pytest.mark.usefixtures("numpy_rung")

rng = np.random.default_rng(0)
X, Y = rng.random((12, 8, 8, 1), np.float32), np.eye(3)[rng.integers(3, size=12)]


def net(optimizer=Adam):
    model = Sequential(
        [
            Input((8, 8, 1)),
            Conv2D(4, 3, activation="relu"),
            BatchNormalization(),
            LeakyReLU(),
            Dropout(0.25),
            MaxPooling2D(),
            Flatten(),
            Dense(3, activation="softmax"),
        ],
        seed=3,
    )
    model.compile(optimizer(), "categorical_crossentropy", metrics=["accuracy"])
    return model


CONV, NORM, LEAKY, DROP, POOL, DENSE = 0, 1, 2, 3, 4, 6
OF_LAYERS = [
    *(
        (CONV, name, value)
        for name, value in {
            "filters": 2,
            "kernel_size": (2, 2),
            "strides": (2, 2),
            "padding": "same",
            "activation": "tanh",
            "use_bias": False,
            "kernel_initializer": "zeros",
            "bias_initializer": "ones",
            "kernel_regularizer": regularizers.L2(0.1),
            "bias_regularizer": regularizers.L2(0.1),
            "activity_regularizer": regularizers.L2(0.1),
            "kernel_constraint": object(),
            "data_format": "channels_first",
            "dilation_rate": 2,
            "groups": 2,
            "weights": [],
            "trainable_weights": [],
            "dtype_policy": "mixed_float16",
            "units": 3,
            "rate": 0.5,
        }.items()
    ),
    (NORM, "momentum", 0.5),
    (NORM, "epsilon", 0.1),
    (NORM, "center", False),
    (NORM, "scale", False),
    (NORM, "axis", 1),
    (LEAKY, "negative_slope", 0.9),
    (LEAKY, "alpha", 0.9),
    (DROP, "rate", 0.7),
    (DROP, "seed", 5),
    (DROP, "noise_shape", (1,)),
    (DROP, "p", 0.7),
    (POOL, "pool_size", (3, 3)),
    (POOL, "strides", (1, 1)),
    (POOL, "padding", "same"),
    (POOL, "activation", "relu"),
    (DENSE, "units", 2),
    (DENSE, "activation", "tanh"),  # a sigmoid would train alike: the loss is on the logits
    (DENSE, "use_bias", False),
    (DENSE, "kernel_regularizer", regularizers.L2(0.1)),
    (DENSE, "lora_rank", 1),
]
OF_MODELS = {
    "loss": MeanSquaredError(),
    "metrics": ["mse"],
    "optimizer": "sgd",
    "run_eagerly": True,
    "jit_compile": True,
    "steps_per_execution": 4,
    "loss_weights": [2.0],
    "class_weight": {0: 2.0},
    "train_step": lambda data: {},
    "train_function": lambda data: {},
    "trainable_variables": [],
    "weights": [],
    "learning_rate": 0.5,
    "lr": 0.5,
}
OF_OPTIMIZERS = {
    "learning_rate": 0.5,
    "lr": 0.5,
    "momentum": 0.9,
    "nesterov": True,
    "beta_1": 0.5,
    "beta_2": 0.5,
    "rho": 0.5,
    "epsilon": 0.1,
    "centered": True,
    "weight_decay": 0.1,
    "clipnorm": 1e-3,
    "clipvalue": 1e-4,
    "global_clipnorm": 1e-3,
    "amsgrad": True,
    "initial_accumulator_value": 0.5,
    "use_ema": True,
    "decay": 0.1,
    "gradient_accumulation_steps": 2,
    "loss_scale_factor": 3.0,
}


def takes_effect_or_is_refused(thing, name, value, model):
    """Whether it takes effect; AttributeError counts as refused if it names what it is about."""
    try:
        setattr(thing, name, value)
    except AttributeError as error:
        told = str(error)
        assert f"`{name}`" in told
        assert type(thing).__name__ in told
        return False
    plain = net(type(model.optimizer))
    for each in (plain, model):
        each.fit(X, Y, batch_size=6, epochs=2, verbose=0)
    assert model.fingerprint() != plain.fingerprint(), f"{name} is accepted and ignored"
    return True


@pytest.mark.parametrize(("index", "name", "value"), OF_LAYERS)
def test_a_setting_of_a_layer(index, name, value):
    model = net()
    effect = takes_effect_or_is_refused(model.layers[index], name, value, model)
    live = ("activation", "momentum", "epsilon", "negative_slope", "rate", "seed")
    assert effect == (name in live and hasattr(model.layers[index], name))


@pytest.mark.parametrize("name", OF_MODELS)
def test_a_setting_of_a_model(name):
    model = net()
    assert not takes_effect_or_is_refused(model, name, OF_MODELS[name], model)


@pytest.mark.parametrize("optimizer", optimizers.OPTIMIZERS.values())
@pytest.mark.parametrize("name", OF_OPTIMIZERS)
def test_a_setting_of_an_optimizer(name, optimizer):
    model = net(optimizer)
    effect = takes_effect_or_is_refused(model.optimizer, name, OF_OPTIMIZERS[name], model)
    own = hasattr(model.optimizer, name) and name not in optimizers.Optimizer.fixed
    assert effect == own


def test_a_momentum_that_is_there_can_be_changed():
    for make in (SGD, RMSprop):
        model, other = net(lambda m=make: m(0.01, momentum=0.5)), net(lambda m=make: m(0.01))
        model.optimizer.momentum = 0.0
        for each in (model, other):
            each.fit(X, Y, verbose=0)
        # With the momentum 0 a velocity is the step itself: the same arithmetic.
        assert model.fingerprint() == other.fingerprint()


def test_a_setting_of_a_callback():
    stopping = callbacks.EarlyStopping("val_loss")
    with pytest.raises(AttributeError, match=r"`mode` of this EarlyStopping .*make a new one"):
        stopping.mode = "max"
    with pytest.raises(AttributeError, match="`save_weights_only` of this ModelCheckpoint can't"):
        callbacks.ModelCheckpoint("a.npz").save_weights_only = True


def test_an_activation_that_is_set_is_checked():
    layer = Dense(2, activation="softmax")
    layer.activation = None  # as Keras's examples do, to look at the logits
    assert layer.activation == "linear"
    with pytest.raises(ValueError, match="unknown activation"):
        layer.activation = "no such"


EVERY = [getattr(layers, name) for name in layers.__all__] + [*optimizers.OPTIMIZERS.values()]


@pytest.mark.parametrize("cls", EVERY, ids=lambda cls: cls.__name__)
def test_no_class_refuses_what_it_has(cls):
    needed = {"Conv2D": (2, 3), "Dense": (2,), "Input": ((3,),), "Activation": ("relu",)}
    needed |= {"Dropout": (0.5,), "Rescaling": (2.0,), "RandomRotation": (0.1,)}
    needed |= {"RandomTranslation": (0.1, 0.1), "RandomZoom": (0.1,), "GaussianNoise": (0.5,)}
    needed |= {"Reshape": ((-1,),)}
    thing = cls(*needed.get(cls.__name__, ()))
    for name, value in list(vars(thing).items()):
        if name not in thing.fixed:
            setattr(thing, name, value)
    for twin in (copy.deepcopy(thing), pickle.loads(pickle.dumps(thing))):
        assert vars(twin).keys() == vars(thing).keys()


@pytest.mark.parametrize("cls", EVERY, ids=lambda cls: cls.__name__)
def test_no_class_has_lost_what_its_base_refuses(cls):
    base = Layer if issubclass(cls, Layer) else Optimizer
    assert cls.not_there >= base.not_there
    assert cls.fixed >= base.fixed


def test_classes_of_one_s_own_may_have_what_they_like():
    class Mine(Dense):
        def __init__(self, units, seed):
            super().__init__(units)
            self.seed, self.groups, self.weights = seed, 2, []

    class Own(Layer):
        def build(self, input_shape, rng=None, dtype="float32"):
            shape = super().build(input_shape, rng, dtype)
            self.filters, self.padding, self.alpha = 3, "same", 1
            return shape

    class Model(Sequential):
        run_eagerly = False

    model = Model([Input((3,)), Mine(2, seed=7), Own()])
    model.run_eagerly = True
    model.best = 1.0  # and what Keras does not have is the user's own anyway
    assert (model.layers[0].seed, model.layers[1].filters, model.best) == (7, 3, 1.0)


def define(base, *methods):
    return type("Mine", (base,), {name: lambda self, *arguments: None for name in methods})


@pytest.mark.parametrize(
    ("base", "method", "words"),
    [
        (Layer, "call", "write forward and backward: see tinycnn's Layer"),
        (Dense, "call", "write forward and backward: see tinycnn's Dense"),
        (Layer, "compute_output_shape", "write build"),
        (Sequential, "call", "write forward"),
        (Sequential, "train_step", "write loss_and_gradients in a loop"),
        (Sequential, "test_step", "write test_on_batch in a loop"),
        (Sequential, "predict_step", "write forward in a loop"),
        (Sequential, "compute_loss", "write loss_taken"),
        (MeanSquaredError, "call", "write forward"),
        (Optimizer, "apply_gradients", "write update_step"),
        (SGD, "apply_gradients", "write update_step"),
    ],
)
def test_a_method_that_would_never_be_called(base, method, words):
    with pytest.raises(TypeError, match=f"Mine.{method} would never be called; {words}"):
        define(base, method)
    define(base, method, words.split()[1].strip(",:"))  # a helper of one's own may have that name
    define(define(base), "any_other")


@pytest.mark.parametrize(
    "value",
    [np.arange(3.0), np.ones(1), "text", None, [1], {}, 1 + 2j, 10**400, -(10**400)],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("key", ["thing", "loss"])
@pytest.mark.parametrize("when", ["on_train_batch_end", "on_epoch_end"])
def test_a_callback_may_log_what_it_likes(value, key, when, tmp_path, capsys):
    class Odd(callbacks.Callback):
        pass

    def note(self, number, logs=None):
        logs[key] = value

    setattr(Odd, when, note)
    hooks = [
        Odd(),
        callbacks.TerminateOnNaN(),
        callbacks.CSVLogger(tmp_path / "log.csv"),
        callbacks.ModelCheckpoint(tmp_path / "best.npz", "thing", mode="max", save_best_only=True),
        callbacks.EarlyStopping("thing", mode="min"),
        callbacks.ReduceLROnPlateau("thing", mode="min"),
        callbacks.Checkpoint(tmp_path / "checkpoint.npz", 0),
    ]
    words = "which is not a number" if (key, when) == ("thing", "on_epoch_end") else "not available"
    if value is None:
        words = "not available"
    with pytest.warns(UserWarning, match=words):
        history = net().fit(X, Y, epochs=2, callbacks=hooks, verbose=2)
    assert len(history.epoch) == 2
    if when == "on_epoch_end":
        assert history.history[key] == [value, value]
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_functions_of_a_lambda_callback_are_functions():
    with pytest.raises(
        ValueError, match=r"`on_test_end` must be a function\. Received: on_test_end=3"
    ):
        callbacks.LambdaCallback(on_test_end=3)


def test_a_callback_can_stop_an_evaluation_and_a_prediction():
    def stop(name, at):
        return lambda batch, logs: setattr(model, name, batch == at)

    model = net()
    hook = callbacks.LambdaCallback(on_test_batch_end=stop("stop_evaluating", 1))
    assert model.evaluate(X, Y, 4, 0, callbacks=[hook]) == model.evaluate(X[:8], Y[:8], 4, 0)
    hook = callbacks.LambdaCallback(on_predict_batch_end=stop("stop_predicting", 0))
    np.testing.assert_array_equal(model.predict(X, 5, 0, [hook]), model.predict(X[:5], 5, 0))
    assert len(model.predict(X, 5, 0)) == len(X)  # the wish was for that prediction only


def test_weights_of_another_dtype_are_not_thrown_away():
    layer = Dense(2)
    layer.build((3,), dtype="float64")
    with pytest.raises(ValueError, match=r"has weights of float64, and the model is of float32"):
        Sequential([Input((3,)), layer])
    before = layer.get_weights()[0]
    model = Sequential([Input((3,)), layer], dtype="float64")
    np.testing.assert_array_equal(model.get_weights()[0], before)
    flat = Flatten()
    flat.build((3,), dtype="float64")
    assert Sequential([Input((3,)), flat]).output_shape == (3,)  # nothing to lose
