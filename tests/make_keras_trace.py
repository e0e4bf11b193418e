"""Write the Keras trace: what real Keras computes, for `test_keras_trace.py` to replay.

    python tests/make_keras_trace.py [folder]        # needs the `reference` extra

The trace holds inputs and results of Keras on its TensorFlow CPU backend, in float32 and in
float64. The versions that wrote a file are inside it (`version.keras` and so on).

    keras_trace_network.npz   images, labels, initial weights, and the reference network on them:
                              logits, loss, every gradient, predict, evaluate, two epochs of fit;
                              the same for a narrow variant whose biases are zero
    keras_trace_training.npz  12 optimizer steps: every loss, accuracy and weight
    keras_trace_parts.npz     layers, losses, metrics, optimizers and initializers on their own
    keras_trace_summary_*.txt `model.summary()`, 80 columns wide (and 120 in "wide")

Reproducible: two runs on one machine with the recorded versions write the same bytes. Every input
has a fixed seed, TensorFlow runs its deterministic kernels in one thread, and `savez_compressed`
stamps no time. Not reproducible: another CPU, TensorFlow or BLAS may order its sums differently,
so results can move in their last bits (the tolerances of the tests leave room for that), another
zlib may compress to other bytes, and a NumPy that changes the streams of its Generator would give
other inputs. The inputs are therefore stored; only the gradients fed to the optimizers are made
again when replaying, from the raw bits of PCG64, which NumPy promises never to change.

No MNIST here: the images are sparse drawings in few gray levels, with flat patches on a background
of zero, and the biases are positive. That makes many ties under the max-pools at values above zero;
with zero biases those of the background would be zero, where the ReLU hides a wrong tie rule.
"""

import os
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from keras_trace import (
    BATCH,
    CLASSES,
    CONVOLUTIONS,
    DATA,
    DTYPES,
    EVALUATED,
    INITIALIZERS,
    KERNEL_SHAPES,
    LOSSES,
    NARROW,
    OPTIMIZERS,
    POOLS,
    STEPS,
    TRAINED_WITH,
    UPDATE_CHECKPOINTS,
    UPDATE_SHAPES,
    network,
    one_hot,
    scaled,
    update_digest,
    update_gradients,
)


def draw_images(count, seed):
    """Return (images, labels): rectangles whose place and gray level depend on the label."""
    rng = np.random.default_rng(seed)
    images = np.zeros((count, 28, 28, 1), np.uint8)
    labels = rng.integers(0, CLASSES, count).astype(np.uint8)
    for image, label in zip(images, labels, strict=True):
        top, left = 2 + 4 * (label // 2 % 5), 3 + 11 * (label % 2)
        image[top : top + 7, left : left + 9] = 51 * (1 + label % 5)
        for _ in range(3):
            top, left = rng.integers(0, 24, 2)
            height, width = rng.integers(2, 7, 2)
            image[top : top + height, left : left + width] = 51 * rng.integers(0, 6)
        noise = rng.random((28, 28, 1)) < 0.04
        image[noise] = 17 * rng.integers(1, 16, np.count_nonzero(noise))
    return images, labels


def loss_inputs():
    """Return the predictions and targets that the bare losses are given, in float32 values."""
    rng = np.random.default_rng(5)
    logits = rng.normal(0.0, 3.0, (7, 5)).astype(np.float32)
    probabilities = rng.dirichlet(np.ones(5), 7).astype(np.float32)
    scores = rng.uniform(0.1, 4.0, (7, 5)).astype(np.float32)
    classes = np.array([0, 4, 2, 2, 1, 3, 0])
    # Certain and right, certain and wrong, below the clip on either side, and an ordinary row.
    extremes = np.array(
        [
            [1, 0, 0, 0, 0],
            [1, 0, 0, 0, 0],
            [1e-9, 0.5, 1e-8, 0.25, 0.25],
            [2e-7, 0.5, 3e-7, 0.25, 0.25],
            [0, 1, 0, 0, 0],
            [0.2, 0.2, 0.2, 0.2, 0.2],
            [0.5, 0.0, 0.5, 0.0, 0.0],
        ],
        np.float32,
    )
    return {
        "logits": logits,
        "probabilities": probabilities,
        "scores": scores,
        "extremes": extremes,
        "classes": classes,
        "column": classes[:, None],
        "onehot": one_hot(classes, np.float32, 5),
        "soft": rng.dirichlet(np.ones(5), 7).astype(np.float32),
    }


def import_keras():
    """Return (keras, tensorflow), quiet, deterministic and in one thread."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.experimental.enable_op_determinism()
    import keras

    keras.utils.set_random_seed(0)
    return keras, tf


def versions(keras, tf):
    python = ".".join(map(str, sys.version_info[:3]))
    found = {"keras": keras, "tensorflow": tf, "numpy": np}
    found["python"] = SimpleNamespace(__version__=python)
    return {f"version.{name}": np.array(module.__version__) for name, module in found.items()}


def start(keras, dtype):
    """Make `dtype` the default of Keras and forget the names used so far."""
    keras.config.set_floatx(dtype)
    keras.utils.clear_session()


def initial_weights(keras, variant, bias, seed):
    """Return glorot_uniform kernels drawn by Keras, in float32, and constant biases."""
    start(keras, "float32")
    shapes = [w.shape for w in keras.Sequential(network(keras.layers, **variant)).get_weights()]
    return [
        np.full(shape, bias, np.float32)
        if len(shape) == 1
        else np.asarray(keras.initializers.GlorotUniform(seed + index)(shape, "float32"))
        for index, shape in enumerate(shapes)
    ]


def compiled_model(keras, weights, optimizer="adam", arguments=None, variant=None):
    """Return the reference network, compiled, with these weights in the current dtype."""
    model = keras.Sequential(network(keras.layers, **(variant or {})))
    class_name, defaults = OPTIMIZERS[optimizer]
    model.compile(
        optimizer=getattr(keras.optimizers, class_name)(**(defaults | (arguments or {}))),
        loss="categorical_crossentropy",
        metrics=["accuracy"],
    )
    model.set_weights(weights)
    return model


def trace_gradients(keras, tf, model, x, y):
    """Return what one forward and one backward pass of Keras give, as a dict."""
    with tf.GradientTape() as tape:
        probabilities = model(x, training=True)
        loss = keras.losses.CategoricalCrossentropy()(y, probabilities)
    logits = probabilities._keras_logits
    gradients = tape.gradient(loss, model.trainable_variables)
    found = {"logits": logits, "probabilities": probabilities, "loss": loss}
    for index, gradient in enumerate(gradients):
        found[f"gradient.{index}"] = gradient
    return {name: np.asarray(value) for name, value in found.items()}


def require_decided(logits, where):
    """Accuracies are compared exactly, so no prediction may hang on a rounding."""
    best, second = np.sort(logits, axis=-1)[:, :-3:-1].T
    if np.min(best - second) < 1e-4:
        raise RuntimeError(f"Two classes are almost tied in {where}: choose another seed.")


def trace_network(keras, tf):
    """The reference network: one pass, predict, evaluate, fit."""
    images, labels = draw_images(BATCH * STEPS, seed=1)
    found = versions(keras, tf) | {"images": images, "labels": labels}
    weights = {
        "reference": initial_weights(keras, {}, bias=0.05, seed=100),
        "narrow": initial_weights(keras, NARROW, bias=0.0, seed=200),
    }
    for name, arrays in weights.items():
        found |= {f"{name}.weight.{index}": array for index, array in enumerate(arrays)}
    for dtype in DTYPES:
        x, y = scaled(images, dtype), one_hot(labels, dtype)
        for name, variant in (("reference", {}), ("narrow", NARROW)):
            start(keras, dtype)
            model = compiled_model(keras, weights[name], variant=variant)
            for key, value in trace_gradients(keras, tf, model, x[:BATCH], y[:BATCH]).items():
                found[f"{dtype}.{name}.{key}"] = value
            # Prediction and evaluation, the last batch smaller than the others.
            predicted = model.predict(x[:EVALUATED], batch_size=32, verbose=0)
            require_decided(np.log(predicted), f"the {name} network")
            found[f"{dtype}.{name}.predict"] = predicted
            found[f"{dtype}.{name}.evaluate"] = np.array(
                model.evaluate(x[:EVALUATED], y[:EVALUATED], batch_size=32, verbose=0)
            )
        for optimizer in ("adam", "sgd"):
            start(keras, dtype)
            history = compiled_model(keras, weights["reference"], optimizer).fit(
                x[:EVALUATED],
                y[:EVALUATED],
                batch_size=BATCH,
                epochs=2,
                validation_split=0.2,
                shuffle=False,
                verbose=0,
            )
            found["history.keys"] = np.array(list(history.history))
            found["history.epoch"] = np.array(history.epoch)
            for key, values in history.history.items():
                found[f"{dtype}.fit.{optimizer}.{key}"] = np.array(values)
    return found


def trace_training(keras, tf, network_trace):
    """12 steps with every optimizer, each on 16 other images."""
    found = versions(keras, tf)
    weights = [network_trace[f"reference.weight.{index}"] for index in range(10)]
    for dtype in DTYPES:
        x = scaled(network_trace["images"], dtype)
        y = one_hot(network_trace["labels"], dtype)
        for name in TRAINED_WITH:
            start(keras, dtype)
            model = compiled_model(keras, weights, name)
            results = []
            for step in range(STEPS):
                batch = slice(BATCH * step, BATCH * (step + 1))
                require_decided(np.log(model(x[batch])), f"step {step} of {name}")
                results.append(model.train_on_batch(x[batch], y[batch]))
            losses, accuracies = np.array(results).T
            found[f"{dtype}.{name}.loss"] = losses
            found[f"{dtype}.{name}.accuracy"] = accuracies
            for index, array in enumerate(model.get_weights()):
                found[f"{dtype}.{name}.weight.{index}"] = array
    return found


def trace_layers(keras, tf):
    """Conv2D and MaxPooling2D alone, in float64: input, parameters, output and gradients."""
    start(keras, "float64")
    found = {}

    def record(name, layer, x, rng, whole_numbers):
        layer.build(x.shape)
        if not whole_numbers:
            layer.set_weights([rng.normal(0.0, 0.5, w.shape) for w in layer.get_weights()])
        x = tf.constant(x)
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x)
            if whole_numbers:
                dy = tf.constant(rng.integers(-9, 10, y.shape).astype(np.float64))
            else:
                dy = tf.constant(rng.normal(0.0, 1.0, y.shape))
            total = tf.reduce_sum(y * dy)
        dx, *gradients = tape.gradient(total, [x, *layer.trainable_variables])
        arrays = {"x": x, "y": y, "dy": dy, "dx": dx}
        if gradients:
            arrays["kernel"], arrays["bias"] = layer.get_weights()
            arrays["dkernel"], arrays["dbias"] = gradients
        found.update({f"{name}.{key}": np.asarray(array) for key, array in arrays.items()})

    for index, (name, (shape, arguments)) in enumerate(CONVOLUTIONS.items()):
        rng = np.random.default_rng([10, index])
        x = rng.normal(0.0, 1.0, (2, *shape))
        record(f"conv.{name}", keras.layers.Conv2D(**arguments), x, rng, whole_numbers=False)
    for index, (name, (shape, arguments)) in enumerate(POOLS.items()):
        # Four whole numbers, below zero in the last cases, where padding with zeros would win: most
        # windows are tied, and every result is exact.
        rng = np.random.default_rng([11, index])
        low = 0 if index < 6 else -4
        x = rng.integers(low, low + 4, (2, *shape)).astype(np.float64)
        record(f"pool.{name}", keras.layers.MaxPooling2D(**arguments), x, rng, whole_numbers=True)
    return found


def trace_losses(keras, tf):
    """Value and gradient of the losses on predictions that no softmax layer has made."""
    inputs = loss_inputs()
    found = {f"loss.input.{name}": array for name, array in inputs.items()}
    for dtype in DTYPES:
        start(keras, dtype)
        for name, (class_name, arguments, targets, predictions) in LOSSES.items():
            y_true = inputs[targets]
            if y_true.dtype.kind == "f":
                y_true = y_true.astype(dtype)
            y_pred = tf.constant(inputs[predictions].astype(dtype))
            loss = getattr(keras.losses, class_name)(**arguments)
            with tf.GradientTape() as tape:
                tape.watch(y_pred)
                value = loss(y_true, y_pred)
            found[f"loss.{dtype}.{name}.value"] = np.asarray(value)
            found[f"loss.{dtype}.{name}.gradient"] = np.asarray(tape.gradient(value, y_pred))
    return found


def trace_metrics(keras, tf):
    """Two small models: how an epoch weights its batches, and that no clip touches the loss."""
    start(keras, "float32")
    rng = np.random.default_rng(6)
    x = rng.normal(0.0, 1.0, (150, 6)).astype(np.float32)
    y = one_hot(rng.integers(0, 3, 150), np.float32, 3)
    x[128:] += 3.0 * y[128:].repeat(2, axis=1)  # the last, short batch unlike the others
    kernel = rng.normal(0.0, 1.0, (6, 3)).astype(np.float32)
    model = keras.Sequential(
        [keras.layers.Input((6,)), keras.layers.Dense(3, "softmax", use_bias=False)]
    )
    model.compile(keras.optimizers.SGD(0.0), "categorical_crossentropy", metrics=["accuracy"])
    model.set_weights([kernel])
    history = model.fit(x, y, batch_size=64, shuffle=False, verbose=0).history
    batches = [model.test_on_batch(x[i : i + 64], y[i : i + 64]) for i in range(0, 150, 64)]
    found = {"weighting.x": x, "weighting.y": y, "weighting.kernel": kernel}
    found["weighting.batches"] = np.array(batches)
    found["weighting.epoch"] = np.array([history["loss"][0], history["accuracy"][0]])
    require_decided(x @ kernel, "the weighting model")

    gap = np.array([[100.0, 0.0, 0.0]], np.float32)
    target = np.array([[0.0, 1.0, 0.0]], np.float32)
    model = keras.Sequential(
        [keras.layers.Input((3,)), keras.layers.Dense(3, "softmax", use_bias=False)]
    )
    model.compile(keras.optimizers.SGD(0.0), "categorical_crossentropy", metrics=["accuracy"])
    model.set_weights([np.eye(3, dtype=np.float32)])
    probabilities = model.predict(gap, verbose=0)
    found["gap.x"], found["gap.y"] = gap, target
    found["gap.evaluate"] = np.array(model.evaluate(gap, target, verbose=0))
    found["gap.clipped"] = np.asarray(keras.losses.CategoricalCrossentropy()(target, probabilities))
    return found


def trace_updates(keras, tf):
    """The bare optimizers: 200 updates of three tensors by gradients made from a bit stream."""
    found = {"update.digest": np.array(update_digest())}
    for index, shape in enumerate(UPDATE_SHAPES):
        rng = np.random.default_rng([12, index])
        found[f"update.initial.{index}"] = rng.normal(0.0, 0.2, shape).astype(np.float32)
    for dtype in DTYPES:
        start(keras, dtype)
        for name, (class_name, arguments) in OPTIMIZERS.items():
            optimizer = getattr(keras.optimizers, class_name)(**arguments)
            variables = [
                keras.Variable(found[f"update.initial.{i}"], dtype=dtype)
                for i in range(len(UPDATE_SHAPES))
            ]
            optimizer.build(variables)
            for step in range(1, UPDATE_CHECKPOINTS[-1] + 1):
                gradients = [tf.constant(g) for g in update_gradients(step, dtype)]
                optimizer.apply(gradients, variables)
                if step not in UPDATE_CHECKPOINTS:
                    continue
                for index, variable in enumerate(variables):
                    found[f"update.{dtype}.{name}.{step}.w.{index}"] = np.asarray(variable)
                if name == "adam" and step == UPDATE_CHECKPOINTS[-1]:
                    # Order: iteration, learning rate, then m, v of each variable in turn.
                    moments = [np.asarray(v) for v in optimizer.variables[2:]]
                    for index in range(len(UPDATE_SHAPES)):
                        found[f"update.{dtype}.{name}.{step}.m.{index}"] = moments[2 * index]
                        found[f"update.{dtype}.{name}.{step}.v.{index}"] = moments[2 * index + 1]
    return found


def trace_initializers(keras):
    """The bound or standard deviation with which each initializer calls Keras's random module."""
    from keras.src.initializers import random_initializers

    start(keras, "float32")
    calls = []
    recorder = SimpleNamespace(
        uniform=lambda *_, maxval, **__: calls.append(("uniform", maxval)),
        truncated_normal=lambda *_, stddev, **__: calls.append(("truncated_normal", stddev)),
    )
    found = {}
    genuine = random_initializers.random
    for name in INITIALIZERS:
        for index, shape in enumerate(KERNEL_SHAPES):
            initializer = keras.initializers.get(name)
            random_initializers.random = recorder
            try:
                initializer(shape, "float32")
            finally:
                random_initializers.random = genuine
            kind, scale = calls.pop()
            draw = np.asarray(initializer(shape, "float32"))
            found[f"initializer.{name}.{index}.kind"] = np.array(kind)
            found[f"initializer.{name}.{index}.scale"] = np.array(float(scale))
            found[f"initializer.{name}.{index}.absmax"] = np.max(np.abs(draw))
            found[f"initializer.{name}.{index}.std"] = np.std(draw)
    return found


def trace_summaries(keras, images, labels):
    """Return the text of `summary()` before and after a fit, and in a wide terminal."""
    start(keras, "float32")
    model = keras.Sequential(network(keras.layers))

    def summary(columns):
        os.environ["COLUMNS"] = str(columns)
        parts = []
        model.summary(print_fn=parts.append)
        return "".join(parts)

    texts = {"before_fit": summary(80), "wide": summary(120)}
    model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
    model.fit(scaled(images, "float32"), one_hot(labels, "float32"), verbose=0)
    texts["after_fit"] = summary(80)
    return texts


def main(folder=DATA):
    """Write every fixture into a folder, each file whole or not at all."""
    keras, tf = import_keras()
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    whole_network = trace_network(keras, tf)
    files = {
        "network": whole_network,
        "training": trace_training(keras, tf, whole_network),
        "parts": versions(keras, tf)
        | trace_layers(keras, tf)
        | trace_losses(keras, tf)
        | trace_metrics(keras, tf)
        | trace_updates(keras, tf)
        | trace_initializers(keras),
    }
    for name, arrays in files.items():
        with tempfile.TemporaryDirectory(dir=folder) as temporary:
            written = Path(temporary) / "trace.npz"
            np.savez_compressed(written, **arrays)
            written.replace(folder / f"keras_trace_{name}.npz")
    for name, text in trace_summaries(
        keras, whole_network["images"][:BATCH], whole_network["labels"][:BATCH]
    ).items():
        (folder / f"keras_trace_summary_{name}.txt").write_text(text, encoding="utf-8")
    for path in sorted(folder.glob("keras_trace_*")):
        print(f"{path.stat().st_size:>9,} bytes  {path.name}")


if __name__ == "__main__":
    main(*sys.argv[1:])
