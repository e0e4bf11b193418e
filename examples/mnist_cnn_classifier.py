"""Trains a small convolutional network on MNIST: the well-known Keras script, on tinycnn.

    python examples/mnist_cnn_classifier.py                    # everything by itself
    python examples/mnist_cnn_classifier.py --data-dir FOLDER  # your own copy of the four files
    python examples/mnist_cnn_classifier.py --resume           # go on after Ctrl-C, or worse

It leaves four files in --output-dir: `mnist_cnn.npz` (the model), `training_history.png` (accuracy
and loss by epoch), `history.json` (the same as numbers, and what they came from), `checkpoint.npz`.
Without MNIST and without a network it trains on digits that tinycnn draws itself, and says so.
"""

import argparse
import json
import timeit
from pathlib import Path

import numpy as np

import tinycnn
from tinycnn import Conv2D, Dense, Flatten, MaxPooling2D, Sequential, kernels, load_model
from tinycnn.datasets import digits
from tinycnn.plotting import plot_history
from tinycnn.support.console import say
from tinycnn.support.files import atomic_write, claim_folder
from tinycnn.support.scripts import end_errors_in_one_line, natural_number, positive_integer
from tinycnn.utils import to_categorical

end_errors_in_one_line()
parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
parser.add_argument("--dataset", choices=["auto", "mnist", "synthetic"], default="auto")
parser.add_argument("--data-dir", help="folder with the four MNIST files")
parser.add_argument("--epochs", type=positive_integer, default=10)
parser.add_argument("--batch-size", type=positive_integer, default=64)
parser.add_argument("--seed", type=natural_number, default=0)
parser.add_argument("--kernels", choices=["numba", "numpy"], help="default: numba, the fast one")
parser.add_argument("--output-dir", type=Path, default=Path("output"))
parser.add_argument("--resume", action="store_true", help="go on from the checkpoint there")
args = parser.parse_args()
if args.kernels:
    kernels.use(args.kernels)
claim_folder(args.output_dir)  # one that can't be written to, or is in use, ends it here

# --- data: 60,000 training and 10,000 test images, 28 x 28, one byte a pixel
(x_train, y_train), (x_test, y_test), dataset = digits.load_data(args.dataset, args.data_dir)
x_train, x_test = (x[..., np.newaxis] / np.float32(255) for x in (x_train, x_test))
y_train, y_test = to_categorical(y_train, 10), to_categorical(y_test, 10)
say(f"data: {dataset}, {len(x_train):,} training and {len(x_test):,} test images")

# --- model
model = Sequential(
    [
        Conv2D(32, (3, 3), activation="relu", input_shape=(28, 28, 1)),
        MaxPooling2D((2, 2)),
        Conv2D(64, (3, 3), activation="relu"),
        MaxPooling2D((2, 2)),
        Conv2D(64, (3, 3), activation="relu"),
        Flatten(),
        Dense(64, activation="relu"),
        Dense(10, activation="softmax"),
    ],
    seed=args.seed,
)
model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
model.summary()

# --- training
batch = x_train[: args.batch_size], y_train[: args.batch_size]
model.warm_up(*batch)
steps = (model.loss_and_gradients, model.test_on_batch)  # of training, of validation
times = [timeit.repeat(lambda s=s: s(*batch), number=1, repeat=20) for s in steps]
steps_of_each = np.array([0.8, 0.2]) * len(x_train) / len(batch[0]) * args.epochs
estimate, undisturbed = (
    np.mean(times, axis=1) @ steps_of_each,
    np.min(times, axis=1) @ steps_of_each,
)
say(f"kernels: {kernels.active()}; {args.epochs} epochs will take about {estimate:.0f} seconds")
if np.mean(times[0]) > 1.3 * np.min(times[0]):
    say(f"other programs are at work: without them it would take about {undisturbed:.0f} seconds")
start = timeit.default_timer()
checkpoint = args.output_dir / "checkpoint.npz"
resumed = args.resume and checkpoint.exists()
callbacks = [tinycnn.Checkpoint(checkpoint, resume=args.resume)]
history = model.fit(
    x_train, y_train, args.batch_size, args.epochs, callbacks=callbacks, validation_split=0.2
)
seconds = timeit.default_timer() - start

# --- results
loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
since = " since it was resumed" if resumed else ""
say(f"test loss: {loss:.4f}, test accuracy: {accuracy:.4f} ({dataset}, {seconds:.1f} s{since})")
paths = [args.output_dir / n for n in ("mnist_cnn.npz", "history.json", "training_history.png")]
model.save(paths[0])
same = np.array_equal(*(m.predict(x_test, verbose=0) for m in (model, load_model(paths[0]))))
say(f"the saved model, loaded again, gives {'the same bits' if same else 'OTHER PREDICTIONS'}")
say(f"fingerprint of the weights: {model.fingerprint()} (seed {model.seed})")
record = {
    "schema": "tinycnn history 1",
    "dataset": dataset,
    "settings": {"batch_size": args.batch_size, "seed": args.seed, "kernels": kernels.active()},
    "history": history.history,
    "test": {"loss": loss, "accuracy": accuracy},
    "training_seconds": None if resumed else seconds,  # of the first leg nobody has kept count
    "versions": {"tinycnn": tinycnn.__version__, "numpy": np.__version__},
}
with atomic_write(paths[1]) as file:
    file.write(json.dumps(record, indent=2).encode() + b"\n")
title = f"{dataset}: CNN, {model.count_params():,} parameters, test accuracy {accuracy:.4f}"
with atomic_write(paths[2]) as file:
    plot_history(history, title).savefig(file, format="png")
say("\n".join(f"wrote {path}" for path in [*paths, checkpoint]))
