"""Writes data/model_v1.npz, the model file of this version, and in model_v1.json what it answers.

Later versions must read it for ever (test_serialization.py), so it is written once for each format
version and never again. Run from the root: python tests/make_model_file.py
"""

import json
from pathlib import Path

import numpy as np

from tinycnn import (
    Adam,
    Conv2D,
    Dense,
    Flatten,
    Input,
    MaxPooling2D,
    Rescaling,
    Sequential,
    kernels,
    load_model,
)
from tinycnn.support import serialization

PATH = Path(__file__).parent / "data" / f"model_v{serialization.VERSION}.npz"


def images_and_labels():
    """12 images (12, 8, 8, 1), uint8, and one-hot labels (12, 3), without a random number."""
    x = (np.arange(12 * 64) ** 2 * 37 // 11 % 256).astype(np.uint8)
    return x.reshape(12, 8, 8, 1), np.eye(3, dtype=np.float32)[np.arange(12) % 3]


def answers(model):
    """What a model says of these images, and what it has learned after one step more."""
    x, y = images_and_labels()
    before = model.predict(x, verbose=0).tolist()
    loss = float(model.train_on_batch(x, y)[0])
    after = model.predict(x, verbose=0).tolist()
    return {"before": before, "loss": loss, "after": after}


def main():
    kernels.use("numpy")
    model = Sequential(
        [
            Input((8, 8, 1)),
            Rescaling(1 / 255, offset=-0.5),
            Conv2D(4, (3, 3), padding="same", activation="relu"),
            MaxPooling2D((2, 2)),
            Flatten(),
            Dense(8, activation="relu", kernel_initializer="he_normal"),
            Dense(3, activation="softmax", name="digit"),
        ],
        seed=1,
        name="sample",
    )
    model.compile(Adam(0.01), "categorical_crossentropy", metrics=["accuracy"])
    model.fit(*images_and_labels(), batch_size=5, epochs=4, verbose=0)
    model.save(PATH)
    PATH.with_suffix(".json").write_text(json.dumps(answers(load_model(PATH)), indent=1) + "\n")


if __name__ == "__main__":
    main()
