"""Keras's other names: what works under them, and what an import, attribute or argument is told."""

import inspect
import subprocess
import sys
import warnings

import numpy as np
import pytest

import tinycnn as keras
import tinycnn as tf
from tinycnn import activations, kernels, layers, regularizers
from tinycnn.layers.activations import ACTIVATIONS, Function

pytestmark = pytest.mark.usefixtures("numpy_rung")


def run(code):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True
    )


# --- modules --------------------------------------------------------------------------------------


def test_tinycnn_is_keras_and_tensorflow():
    assert tf.keras is keras and tf.keras.keras is keras
    assert tf.keras.layers.Dense is layers.Dense
    assert tf.newaxis is None and isinstance(tf.__version__, str) and tf.version() == tf.__version__
    assert tf.nn.relu is tf.keras.activations.relu is activations.relu
    assert keras.models.Model is keras.Model and keras.models.Sequential is keras.Sequential
    assert keras.layers.Convolution2D is keras.layers.Conv2D
    assert keras.layers.InputLayer is keras.Input
    assert keras.regularizers.l1_l2 is keras.regularizers.L1L2


LINES = [
    "from tinycnn.keras.layers import Conv2D, Dense",
    "import tinycnn.keras.layers as layers",
    "from tinycnn.keras import backend as K; assert K.image_data_format() == 'channels_last'",
    "from tinycnn import backend as K; K.clear_session()",
    "from tinycnn.keras.optimizers.schedules import CosineDecay",
    "from tinycnn.keras.datasets import mnist; mnist.load_data",
    "from tinycnn.keras.preprocessing import image",
    "from tinycnn.layers import Convolution2D, AvgPool2D, GlobalAvgPool2D, InputLayer",
    "from tinycnn.models import Model, Sequential, load_model, save_model",
    "from tinycnn.activations import relu, softmax",
    "from tinycnn.regularizers import l1, l2, l1_l2",
    "import tinycnn as tf; tf.random.set_seed(3); tf.keras.backend.floatx()",
    "import tinycnn as tf; assert tf.config.list_physical_devices('GPU') == []",
]


def test_lines_that_scripts_begin_with():
    """Each in a process that has not imported anything of tinycnn yet."""
    anew = "for name in [n for n in sys.modules if n.partition('.')[0] == 'tinycnn']:\n"
    anew += "    del sys.modules[name]\n"
    result = run("import sys\n" + "".join(f"{anew}{line}\n" for line in LINES))
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_nothing_is_loaded_twice():
    code = (
        "import tinycnn.keras.layers.core, tinycnn.keras.models, tinycnn as a; import sys;"
        "assert tinycnn.keras is a and sys.modules['tinycnn.keras.layers'] is a.layers;"
        "assert sys.modules['tinycnn.keras.layers.core'].Dense is a.Dense;"
        "assert a.layers.__name__ == 'tinycnn.layers'"
    )
    assert run(code).stderr == ""


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("from tinycnn.layers import LSTM", "tinycnn.layers has no LSTM: recurrent layers are not"),
        ("from tinycnn.keras.layers import Concatenate", "tinycnn.layers has no Concatenate: it j"),
        ("from tinycnn.metrics import AUC", "tinycnn.metrics has no AUC: it is not here; write a"),
        ("from tinycnn.applications import VGG16", "tinycnn has no applications: it is a large"),
        ("from tinycnn.keras.applications.vgg16 import VGG16", "tinycnn has no applications: it"),
        (
            "from tinycnn.preprocessing.image import ImageDataGenerator",
            "tinycnn.preprocessing.image has no ImageDataGenerator: begin the model with Random",
        ),
        (
            "from tinycnn.utils.np_utils import to_categorical",
            "tinycnn.utils has no np_utils: write `from tinycnn.utils import to_categorical`",
        ),
        ("from tinycnn.layers.recurrent import LSTM", "tinycnn.layers has no recurrent: recurrent"),
        ("import tinycnn.ops", "tinycnn has no ops: data here are NumPy's arrays; write NumPy's"),
        ("from tinycnn.layers import Conv2d", "cannot import name 'Conv2d' from 'tinycnn.layers'"),
        ("import tinycnn.nonsense", "No module named 'tinycnn.nonsense'"),
        ("import tinycnn.keras.nonsense", "No module named 'tinycnn.nonsense'"),
    ],
)
def test_an_import_that_fails_says_what_to_write_instead(line, words):
    with pytest.raises(ImportError) as caught:
        exec(line, {})
    assert words in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (
            lambda: tf.data.Dataset,
            "tinycnn has no data: tf.data makes batches; give fit the arrays",
        ),
        (lambda: tf.GradientTape, "tinycnn has no GradientTape: there is no tape here: model.loss"),
        (lambda: keras.layers.Embedding, "tinycnn.layers has no Embedding: it is for text"),
        (lambda: keras.backend.learning_phase, "tinycnn.backend has no learning_phase: write mod"),
        (lambda: tf.matmul, "tinycnn has no matmul: data here are NumPy's arrays; write np.matmul"),
        (lambda: tf.nn.conv2d, "tinycnn.nn has no conv2d: it is TensorFlow's; data here are Num"),
        (lambda: keras.layers.Dens, "module 'tinycnn.layers' has no attribute 'Dens'"),
        (lambda: keras.nonsense, "module 'tinycnn' has no attribute 'nonsense'"),
        (lambda: keras.backend.nonsense, "module 'tinycnn.backend' has no attribute 'nonsense'"),
    ],
)
def test_an_attribute_of_a_module_that_is_not_there(ask, words):
    with pytest.raises(AttributeError) as caught:
        ask()
    assert words in str(caught.value)


def test_settings_that_have_one_value():
    K = keras.backend
    K.set_image_data_format("channels_last")
    K.set_floatx(K.floatx())
    with pytest.raises(
        ValueError, match=r"`floatx` is always 'float32' here\. Received: 'float16'"
    ):
        keras.config.set_floatx("float16")


def test_initializers_and_values_by_keras_s_names():
    dense = layers.Dense(2, kernel_initializer=keras.initializers.HeNormal())
    assert dense.get_config()["kernel_initializer"] == "he_normal"
    with pytest.raises(ValueError, match=r"the model's seed decides.*Received: seed=3"):
        keras.initializers.GlorotUniform(seed=3)
    dense.build((3,))
    np.testing.assert_array_equal(keras.backend.get_value(dense.kernel), dense.kernel.value)
    assert keras.backend.get_value(dense.kernel) is not dense.kernel.value
    keras.backend.set_value(dense.kernel, np.ones((3, 2)))
    assert np.all(dense.kernel.value == 1)
    assert keras.backend.get_value(keras.SGD(0.5).learning_rate) == 0.5


@pytest.mark.parametrize(
    ("ours", "plain"),
    [
        (lambda x: tf.argmax(x, axis=1), lambda x: x.argmax(axis=1)),
        (lambda x: tf.expand_dims(x, -1), lambda x: x[..., np.newaxis]),
        (lambda x: tf.reduce_mean(x, axis=0), lambda x: x.mean(axis=0)),
        (lambda x: tf.cast(x > 0, tf.float32), lambda x: (x > 0).astype(np.float32)),
        (lambda x: tf.reshape(x, (3, 2)), lambda x: x.reshape(3, 2)),
        (lambda x: tf.concat([x, x], axis=0, name="c"), lambda x: np.concatenate([x, x])),
        (lambda x: tf.one_hot([2, 0, 5], 3), lambda x: np.eye(6, dtype=np.float32)[[2, 0, 5], :3]),
        (lambda x: tf.constant(x), lambda x: x),
        (
            lambda x: tf.math.confusion_matrix([0, 1, 1], [1, 1, 0]),
            lambda x: np.array([[0, 1], [1, 1]]),
        ),
    ],
)
def test_functions_of_tensorflow_s_that_numpy_has(ours, plain):
    x = np.arange(6.0).reshape(2, 3) - 2
    found, expected = ours(x), plain(x)
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == expected.dtype
    assert type(getattr(found, "numpy", lambda: found)()) is np.ndarray


# --- activations ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_as_a_function(name):
    function, x = getattr(activations, name), np.linspace(-3, 3, 12, dtype=np.float32).reshape(3, 4)
    np.testing.assert_array_equal(function(x), layers.Activation(name).forward(x))
    np.testing.assert_array_equal(function(x.tolist()).numpy(), function(x).numpy())
    assert function(x.astype(float)).dtype == np.float64
    assert activations.get(name) is function and activations.serialize(function) == name
    dense = layers.Dense(4, activation=function)
    assert dense.activation == name and dense.get_config()["activation"] == name
    symbol = function(keras.Input((4,)))
    assert symbol.shape == (None, 4) and symbol.layers[-1].activation == name


def test_another_activation_of_the_layers_is_a_function_at_once(monkeypatch):
    double = Function(lambda x: 2 * x, lambda dy, y: 2 * dy)
    monkeypatch.setitem(ACTIVATIONS, "double", double)
    np.testing.assert_array_equal(activations.double([1.0, 2.0]), [2, 4])
    assert layers.Dense(2, activation=activations.double).activation == "double"
    assert activations.get("double") is activations.double
    monkeypatch.delattr(activations, "double")
    with pytest.raises(AttributeError, match=r"tinycnn\.activations has no gelu: it is not here"):
        activations.gelu  # noqa: B018


def test_activations_with_arguments():
    x = np.array([-2.0, -0.5, 0.5, 1.0, 8.0])
    np.testing.assert_array_equal(activations.relu(x, max_value=6.0), [0, 0, 0.5, 1, 6])
    # Below the threshold of 1 the slope is 0.5, through (1, 0); from there on y = x.
    y = activations.relu(x, negative_slope=0.5, threshold=1.0)
    np.testing.assert_array_equal(y, [-1.5, -0.75, -0.25, 1, 8])
    np.testing.assert_array_equal(activations.leaky_relu(x, 0.5), [-1, -0.25, 0.5, 1, 8])
    np.testing.assert_allclose(activations.elu(x, alpha=2.0)[:2], 2 * np.expm1(x[:2]))
    columns = activations.softmax(np.zeros((4, 2)), axis=0)
    np.testing.assert_array_equal(columns, np.full((4, 2), 0.25))
    for call in (
        lambda s: activations.relu(s, max_value=6),
        lambda s: activations.elu(s, 2.0),
        lambda s: activations.softmax(s, axis=1),
    ):
        with pytest.raises(TypeError, match="of a Symbol"):
            call(keras.Input((4,)))


@pytest.mark.parametrize("wrong", [lambda x: x, np.tanh, layers.LeakyReLU(), kernels.relu_forward])
def test_other_functions_have_no_derivative(wrong):
    for make in (layers.Dense, lambda n, activation: layers.Activation(activation)):
        with pytest.raises(
            ValueError, match=r"needs its derivative.* write a layer after this one"
        ):
            make(2, activation=wrong)


# --- arguments ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "name", "value", "words"),
    [
        (lambda: layers.Dense(2, input_dim=3), "input_shape", (3,), "write input_shape=(3,)"),
        (lambda: layers.LeakyReLU(alpha=0.1), "negative_slope", 0.1, "write negative_slope=0.1"),
        (lambda: layers.InputLayer(input_shape=(3,)), "input_shape", (3,), "Input: `input_shape`"),
        (lambda: keras.SGD(decay=0.1), "learning_rate", 0.01, "`decay` has no effect, as in Keras"),
    ],
)
def test_an_old_name_is_taken_with_a_warning_where_keras_does(make, name, value, words):
    with pytest.warns(UserWarning) as caught:
        made = make()
    assert getattr(made, name) == value
    assert words in str(caught[0].message)
    assert caught[0].filename == __file__  # the line that is to be changed


@pytest.mark.parametrize(
    "make",
    [
        lambda: layers.Conv2D(2, 3, data_format="channels_last", dilation_rate=(1, 1), groups=1),
        lambda: layers.Dense(2, bias_regularizer=None, kernel_constraint=None, dtype="float32"),
        lambda: layers.Dropout(0.5, noise_shape=None, seed=None),
        lambda: layers.Input((3,), batch_size=None, dtype="float32"),
        lambda: layers.InputLayer(batch_input_shape=(None, 3)),
        lambda: keras.Input(batch_shape=[None, 3]),
        lambda: layers.BatchNormalization(-1, synchronized=False),
        lambda: keras.Adam(amsgrad=False, use_ema=False, name="Adam"),
        lambda: keras.schedules.CosineDecay(0.1, 3, name="cosine"),
    ],
)
def test_what_asks_for_what_is_so_anyway_is_taken(make):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make()


def test_fit_and_compile_take_what_is_so_anyway():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    model.compile(loss="mse", run_eagerly=True, jit_compile="auto", steps_per_execution=1)
    assert type(model.optimizer).__name__ == "RMSprop"
    model.fit(np.ones((2, 3)), np.ones((2, 2)), verbose=0, steps_per_epoch=None)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda: layers.Conv2D(2, 3, data_format="channels_first"),
            "Conv2D has no .*channels_last",
        ),
        (lambda: layers.Conv2D(2, 3, groups=2), "Conv2D has no argument `groups`. Grouped"),
        (lambda: layers.Conv2D(2, 3, groups=True), "Conv2D has no argument `groups`"),
        (
            lambda: layers.Dense(2, dtype="float16"),
            "Dense has no argument `dtype`. All is of the m",
        ),
        (lambda: layers.Dense(2, input_dim=3, input_shape=(3,)), "Dense has no .*`input_dim`"),
        (lambda: keras.Adam(lr=0.1), "Adam has no argument `lr`; write learning_rate"),
        (lambda: keras.Adam(use_ema=1), "Adam has no argument `use_ema`"),
        (lambda: keras.callbacks.EarlyStopping(name="a"), "EarlyStopping has no argument `name`"),
    ],
)
def test_other_values_are_refused(make, words):
    with pytest.raises(TypeError, match=words):
        make()


def test_a_fixed_batch_size_is_refused():
    with pytest.raises(ValueError, match=r"batches of any size.*batch_shape=\(32, 3\)"):
        keras.Input(batch_shape=(32, 3))


def test_signatures_are_those_of_the_constructors():
    parameters = [*inspect.signature(layers.Dense).parameters]
    assert parameters[:3] == ["units", "activation", "use_bias"]
    assert "momentum" in inspect.signature(keras.SGD).parameters
    assert layers.Dense.from_config({"units": 3, "name": "a"}).units == 3


# --- attributes of objects ------------------------------------------------------------------------


def model_with_statistics():
    model = keras.Sequential(
        [keras.Input((4,)), layers.Dense(3), layers.BatchNormalization(), layers.Dense(2)]
    )
    model.compile("sgd", "mse", metrics=["accuracy"])
    return model


def test_the_weights_by_keras_s_names():
    model = model_with_statistics()
    names = [weight.name for weight in model.weights]
    assert names[2:6] == ["gamma", "beta", "moving_mean", "moving_variance"]
    assert model.weights == model.variables == model.parameters
    assert [w.name for w in model.non_trainable_weights] == ["moving_mean", "moving_variance"]
    assert len(model.trainable_weights) == len(model.trainable_variables) == 6
    model.layers[0].trainable = False
    assert len(model.trainable_weights) == 4 and model.layers[0].trainable_weights == []
    assert model.layers[0].non_trainable_variables == model.layers[0].weights
    model.trainable = False
    assert model.trainable_weights == [] and len(model.non_trainable_weights) == 8
    assert model.metrics_names == ["loss", "accuracy"]
    assert [s.shape for s in (*model.inputs, *model.outputs)] == [(None, 4), (None, 2)]


def test_a_parameter_is_read_and_set_as_a_variable():
    kernel = model_with_statistics().weights[0]
    assert (kernel.shape, kernel.dtype, kernel.ndim) == ((4, 3), "float32", 2)
    np.testing.assert_array_equal(kernel.numpy(), kernel.value)
    np.testing.assert_array_equal(np.array(kernel), kernel.value)
    kernel.numpy()[...] = 5  # a copy
    value = kernel.value
    kernel.assign(np.ones((4, 3)))
    assert kernel.value is value and value.min() == value.max() == 1
    with pytest.raises(ValueError, match=r"kernel has shape \(4, 3\). Received: shape \(3,\)"):
        kernel.assign(np.ones(3))


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda m: m.fit_generator, "Sequential has no `fit_generator`: write fit, which takes "),
        (
            lambda m: m.predict_classes,
            "Sequential has no `predict_classes`: write model.predict(x)",
        ),
        (lambda m: m.optimizer.lr, "SGD has no `lr`; write learning_rate"),
        (lambda m: m.layers[0].add_weight, "Dense has no `add_weight`: a Layer makes its parame"),
        (lambda m: m.loss.reduction, "MeanSquaredError has no `reduction`: a loss is the mean"),
        (lambda m: m.weights[0].assign_add, "Parameter has no `assign_add`: write assign(value)"),
        (lambda m: m.nonsense, "'Sequential' object has no attribute 'nonsense'"),
        (lambda m: regularizers.L2().nonsense, "'L2' object has no attribute 'nonsense'"),
    ],
)
def test_an_attribute_of_an_object_that_is_not_there(ask, words):
    with pytest.raises(AttributeError) as caught:
        ask(model_with_statistics())
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_the_error_of_a_property_of_one_s_own_is_not_hidden():
    class Mine(layers.Layer):
        @property
        def broken(self):
            return self.no_such_thing

        @property
        def weights(self):
            return {}["key"]

    with pytest.raises(AttributeError, match="no_such_thing"):
        Mine().broken  # noqa: B018
    with pytest.raises(KeyError, match="key"):
        Mine().weights  # noqa: B018
    assert not hasattr(Mine(), "rng") and getattr(Mine(), "rng", 3) == 3


# --- the rest -------------------------------------------------------------------------------------


def test_normalize_by_hand():
    x = np.array([[3.0, 4.0], [0.0, 0.0]])
    np.testing.assert_allclose(keras.utils.normalize(x), [[0.6, 0.8], [0, 0]])
    np.testing.assert_allclose(keras.utils.normalize(x, axis=0, order=1), [[1, 1], [0, 0]])
    images = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    lengths = np.sqrt((images.astype(float) ** 2).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(keras.utils.normalize(images, axis=1), images / lengths)


@pytest.mark.parametrize(
    ("make", "penalty", "gradient"),
    [
        (lambda: regularizers.L1(0.5), 1.5, [0.5, -0.5, 0]),
        (lambda: regularizers.L2(0.5), 2.5, [1, -2, 0]),
        (lambda: regularizers.L1L2(l1=1.0, l2=0.5), 5.5, [2, -3, 0]),
        (lambda: regularizers.get("l1"), 0.03, [0.01, -0.01, 0]),
        (lambda: regularizers.L1L2(), 0.0, [0, 0, 0]),
    ],
)
def test_penalties_by_hand(make, penalty, gradient):
    weights, regularizer = np.array([1.0, -2.0, 0.0]), make()
    assert regularizer(weights) == pytest.approx(penalty, rel=1e-15)
    np.testing.assert_allclose(regularizer.gradient(weights), gradient, rtol=1e-15)
    twin = regularizers.get(regularizers.serialize(regularizer))
    assert type(twin) is type(regularizer) and twin.get_config() == regularizer.get_config()
