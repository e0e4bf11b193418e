"""Write the augmentation fixture: what real Keras does, for `test_augmentation.py` to replay.

    python tests/make_keras_augmentation.py [folder]        # needs the `reference` extra

keras_augmentation.npz holds two batches of images; the cases, as JSON: a name, the batch, a layer
and its arguments, whose factors leave nothing to chance; what Keras's layer made of the batch; and
the versions that wrote it.
"""

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
from keras_trace import DATA
from make_keras_trace import import_keras, start, versions

FILE = DATA / "keras_augmentation.npz"


def fixed(factor):
    """A factor that is always drawn as this number."""
    return None if factor is None else [factor, factor]


#: Name -> (batch, class, factors).
CASES = {
    f"{batch}.{name}.{'_'.join(map(str, factors))}": (batch, name, list(map(fixed, factors)))
    for batch in ("small", "digits")
    for name, factors in [
        ("RandomTranslation", (0.25, -0.1)),
        ("RandomTranslation", (-0.33, 0.5)),
        ("RandomTranslation", (0.0, 1.0)),
        ("RandomRotation", (0.25,)),
        ("RandomRotation", (0.04,)),
        ("RandomRotation", (-0.13,)),
        ("RandomRotation", (0.5,)),
        ("RandomZoom", (0.3, None)),
        ("RandomZoom", (-0.45, None)),
        ("RandomZoom", (0.7, -0.2)),
        ("RandomZoom", (1.0, 0.0)),
    ]
}


def trace(keras):
    """The images, and what every case makes of them."""
    start(keras, "float32")
    rng = np.random.default_rng(5)
    found = {
        "small": rng.random((2, 5, 8, 3), dtype=np.float32),
        "digits": rng.integers(0, 256, (1, 28, 28, 1), dtype=np.uint8),
        "cases": np.array(json.dumps(CASES)),
    }
    for title, (batch, name, factors) in CASES.items():
        layer = getattr(keras.layers, name)(*factors, fill_mode="constant")
        found[title] = np.asarray(layer(found[batch], training=True))
        assert found[title].dtype == np.float32
    return found


def main(folder=FILE.parent):
    """Write the fixture into a folder, whole or not at all."""
    keras, tf = import_keras()
    found = versions(keras, tf) | trace(keras)
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        written = Path(temporary) / "trace.npz"
        np.savez_compressed(written, **found)
        path = written.replace(Path(folder) / FILE.name)
    print(f"{path.stat().st_size:>9,} bytes  {path.name}")


if __name__ == "__main__":
    main(*sys.argv[1:])
