"""A training with everything in it that is hard to resume; as a script, one to be killed.

    python tests/resumable.py CHECKPOINT EVERY [SECONDS]

It trains or goes on, and ends with a line: the SHA-256 of its weights, and that of all its bits:
weights, counters, optimizer, history, callbacks. With SECONDS it is killed so long after it has
seen a checkpoint to go on from: by a timer, which on a busy machine stands still no less than the
training does.
"""

import hashlib
import signal
import sys
from pathlib import Path

import numpy as np

from tinycnn import (
    Adam,
    Callback,
    Checkpoint,
    Conv2D,
    Dense,
    Flatten,
    Layer,
    MaxPooling2D,
    Sequential,
    kernels,
)


class Noise(Layer):
    """Switches a random half of its inputs off: all that a stochastic layer can be."""

    rng = None

    def forward(self, x, training=False):
        x = self.receive(x)
        mask = (self.rng.random(x.shape) < 0.5).astype(x.dtype) if training else np.ones_like(x)
        self.cache = (mask,)
        return x * mask

    def backward(self, dy):
        (mask,) = self.recall()
        return dy * mask


class Decay(Callback):
    """Multiplies the learning rate, at the beginning of each epoch and after each batch."""

    def on_epoch_begin(self, epoch, logs=None):
        self.model.optimizer.learning_rate *= 0.75

    def on_train_batch_end(self, batch, logs=None):
        self.model.optimizer.learning_rate *= 0.999


class Memory(Callback):
    """Remembers things that are no function of anything else."""

    checkpointed = ("best", "seen", "kept", "nothing")

    def on_train_begin(self, logs=None):
        self.best, self.seen, self.kept, self.nothing = np.inf, 0, [np.zeros(2)], None

    def on_train_batch_end(self, batch, logs=None):
        self.best = min(self.best, np.float64(logs["loss"]))
        self.seen += 1
        self.kept = [self.kept[0] + logs["loss"], self.model.get_weights()[0]]

    def on_epoch_end(self, epoch, logs=None):
        logs["batches"] = self.seen  # a log of one's own, and not a float
        logs["best"] = self.best


def network(optimizer=None, seed=1, dtype="float32", filters=4):
    """A network with noise at two places, compiled."""
    model = Sequential(
        [
            Noise(input_shape=(8, 8, 1)),
            Conv2D(filters, (3, 3), activation="relu"),
            MaxPooling2D((2, 2)),
            Flatten(),
            Noise(),
            Dense(16, activation="relu"),
            Dense(3, activation="softmax"),
        ],
        seed=seed,
        dtype=dtype,
    )
    model.compile(optimizer or Adam(0.01), "categorical_crossentropy", metrics=["accuracy"])
    return model


def data(n, seed=0):
    """n images and one-hot labels."""
    rng = np.random.default_rng(seed)
    return rng.random((n, 8, 8, 1), np.float32), np.eye(3)[rng.integers(0, 3, n)]


def all_bits(model, history, memory):
    """Everything that a resumed run must share with one that was never stopped, to compare."""
    content, arrays = model.state()
    return {
        "model": content,
        "arrays": {name: array.tobytes() for name, array in arrays.items()},
        "epochs": history.epoch,
        # Not a dict: the order of the names belongs to it. Every bit of every float.
        "history": [(n, [float(v).hex() for v in values]) for n, values in history.history.items()],
        "memory": (float(memory.best), memory.seen, [a.tobytes() for a in memory.kept]),
    }


class Kill(Callback):
    """Ends the process, whatever it is at, some seconds after there is a checkpoint."""

    def __init__(self, path, seconds):
        self.path, self.seconds = Path(path), seconds

    def on_train_batch_begin(self, batch, logs=None):
        if self.seconds and self.path.exists():
            # Nothing handles SIGALRM: the system ends the process, as on SIGKILL.
            signal.setitimer(signal.ITIMER_REAL, self.seconds)
            self.seconds = None


if __name__ == "__main__":
    path, every = sys.argv[1], float(sys.argv[2])
    model, memory = network(), Memory()
    hooks = [Checkpoint(path, every, resume=True), Decay(), memory]
    hooks += [Kill(path, float(seconds)) for seconds in sys.argv[3:]]
    kernels.warm_up()  # or a kill would come while they are loaded
    # 259 samples to train on: 51 batches of 5 and one of 4.
    fitted = model.fit(
        *data(324), batch_size=5, epochs=20, verbose=0, validation_split=0.2, callbacks=hooks
    )
    bits = repr(all_bits(model, fitted, memory)).encode()
    print(model.fingerprint(), hashlib.sha256(bits).hexdigest(), flush=True)
