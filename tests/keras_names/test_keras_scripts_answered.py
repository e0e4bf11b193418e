"""What public scripts write and tinycnn has not stops with one line that says what to write.

Each row is a piece of a script as it stands after its import lines were changed.
"""

import warnings

import numpy as np
import pytest

import tinycnn
from tinycnn import layers

pytestmark = pytest.mark.usefixtures("numpy_rung")

SUBCLASS = """
class MyModel(tf.keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(10)

    def call(self, x):
        return self.dense(x)
"""
OWN_STEP = """
class MyModel(keras.Model):
    def train_step(self, data):
        x, y = data
"""
RESIDUAL = """
inputs = keras.Input((8,))
x = layers.Dense(8)(inputs)
layers.Dense(1)(x + inputs)
"""
PIPELINE = "tf.data.Dataset.from_tensor_slices((x_train, y_train)).shuffle(1000).batch(32)"
PIECES = {
    SUBCLASS: "MyModel.call would never be called; write forward and backward",
    OWN_STEP: "MyModel.train_step would never be called; write loss_and_gradients",
    RESIDUAL: "only a layer can take it: a network here is one chain",
    "with tf.GradientTape() as tape: pass": "no GradientTape: .* model.loss_and_gradients",
    "@tf.function\ndef step(images): pass": "no function: .* leave the decorator out",
    PIPELINE: r"no data: .* fit\(x, y, batch_size=64\)",
    "from tinycnn.preprocessing.image import ImageDataGenerator": (
        "no ImageDataGenerator: begin the model with RandomTranslation"
    ),
    "layers.experimental.preprocessing.RandomFlip('horizontal')": (
        "no experimental: write the layer of that name in tinycnn.layers"
    ),
    "tf.train.Checkpoint(model=model)": r"no train: model.save keeps a whole model",
    "tf.nn.gelu(x_train)": "no gelu: .* take one of tinycnn.layers.activations.ACTIVATIONS",
    "model.predict_classes(x_train)": r"write model.predict\(x\).argmax\(axis=-1\)",
    "model.predict_proba(x_train)": r"write model.predict\(x\), which are the probabilities",
    "model.fit_generator(iter([]), 3)": "write fit, which takes generators, too",
    "model.predict_generator(iter([]))": "write predict, and give it the arrays",
    "keras.metrics.Mean().reset_states()": "no `reset_states`: it is `reset_state`",
    "keras.optimizers.Adam(lr=1e-3)": "Adam has no argument `lr`; write learning_rate",
    "layers.concatenate([1, 2])": "no concatenate: it joins branches",
    "keras.applications.VGG16()": "no applications: .* build one of Conv2D and Dense",
    "model.fit(x_train, y_train, nb_epoch=2)": "fit has no argument `nb_epoch`; write epochs",
    "model.save('saved_model')": r"must end in \.npz, or in \.keras or \.h5",
    "tf.compat.v1.disable_eager_execution()": "no compat: it is of TensorFlow 1",
    "tf.image.resize(x_train, (32, 32))": "no image: .* open pictures with Pillow",
    "layers.Dense(3, kernel_constraint=keras.constraints.max_norm(3))": (
        "no constraints: .* a kernel_regularizer keeps them small"
    ),
    "tf.distribute.MirroredStrategy()": "no distribute: .* cores share it by themselves",
}


def made():
    model = tinycnn.Sequential(
        [layers.Input((28, 28, 1)), layers.Flatten(), layers.Dense(10, activation="softmax")]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


@pytest.mark.parametrize("piece", PIECES)
def test_a_piece_of_a_script_is_answered_in_one_line(piece):
    names = {
        **{"tf": tinycnn, "keras": tinycnn, "layers": layers, "np": np, "model": made()},
        "x_train": np.zeros((4, 28, 28, 1), np.float32),
        "y_train": np.arange(4),
    }
    kinds = (AttributeError, ImportError, TypeError, ValueError)
    with warnings.catch_warnings(), pytest.raises(kinds, match=PIECES[piece]) as caught:
        warnings.simplefilter("ignore")
        exec(piece, names)
    text = str(caught.value)
    assert "\n" not in text and len(text) < 300
