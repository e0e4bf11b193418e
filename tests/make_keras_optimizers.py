"""Write the optimizer fixtures: what real Keras does, for `test_keras_optimizers.py` to replay.

    python tests/make_keras_optimizers.py [folder]        # needs the `reference` extra

keras_optimizers.npz holds, in float32 and float64, three tensors after some of 50 updates by each
optimizer of `keras_optimizers.py`; the learning rates of the schedules; and the versions that wrote
it. What `make_keras_trace.py` says about reproducing its files holds for this one too.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
from keras_optimizers import CHECKPOINTS, DTYPES, FILE, OPTIMIZERS, SCHEDULES, STEPS, make
from keras_trace import UPDATE_SHAPES, update_digest, update_gradients
from make_keras_trace import import_keras, start, versions


def trace_optimizers(keras, tf):
    """50 updates of three tensors by every optimizer."""
    found = {"digest": np.array(update_digest())}
    for index, shape in enumerate(UPDATE_SHAPES):
        rng = np.random.default_rng([13, index])
        found[f"initial.{index}"] = rng.normal(0.0, 0.2, shape).astype(np.float32)
    for dtype in DTYPES:
        start(keras, dtype)
        for name, case in OPTIMIZERS.items():
            optimizer = make(case, keras.optimizers, keras.optimizers.schedules)
            variables = [
                keras.Variable(found[f"initial.{i}"], dtype=dtype)
                for i in range(len(UPDATE_SHAPES))
            ]
            optimizer.build(variables)
            for step in range(1, STEPS + 1):
                gradients = [tf.constant(g) for g in update_gradients(step, dtype)]
                optimizer.apply(gradients, variables)
                if step in CHECKPOINTS:
                    for index, variable in enumerate(variables):
                        found[f"{dtype}.{name}.{step}.{index}"] = np.asarray(variable)
    return found


def trace_schedules(keras, tf):
    """The learning rates of every schedule; Keras computes them in float32."""
    start(keras, "float64")
    found = {}
    for name, (class_name, arguments, steps) in SCHEDULES.items():
        schedule = getattr(keras.optimizers.schedules, class_name)(**arguments)
        rates = [np.asarray(schedule(tf.constant(step, tf.int64))) for step in steps]
        found[f"schedule.{name}"] = np.array(rates)
    return found


def main(folder=FILE.parent):
    """Write the fixture into a folder, whole or not at all."""
    keras, tf = import_keras()
    found = versions(keras, tf) | trace_optimizers(keras, tf) | trace_schedules(keras, tf)
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        written = Path(temporary) / "trace.npz"
        np.savez_compressed(written, **found)
        path = written.replace(Path(folder) / FILE.name)
    print(f"{path.stat().st_size:>9,} bytes  {path.name}")


if __name__ == "__main__":
    main(*sys.argv[1:])
