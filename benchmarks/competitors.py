"""How tinycnn, Keras and PyTorch train the reference network, each in its own fast way.

`compare.py` starts this file once for each competitor, so that none shares a process, and gives
its commands: lines of JSON on stdin, [method, arguments], answered by lines of JSON on stdout.
Between two commands a competitor sleeps. Only the framework asked for is imported.
"""

import json
import os
import sys
import time
from pathlib import Path

import numpy as np
from machine import busy_seconds, peak_memory, sgemm_peak


class Competitor:
    """What is the same for all: the data in memory, the order of the batches, the clock.

    Args:
        folder: where `compare.py` left the data (uint8, .npy) and the initial weights (.npz).
        batch_size: of training and validation.
        seed: of the orders.
        threads: of everything that computes.
    """

    def __init__(self, folder, batch_size, seed, threads):
        self.folder, self.batch_size, self.seed = Path(folder), batch_size, seed
        labels, test_labels = self.read("y_train"), self.read("y_test")
        images, test_images = self.scaled("x_train"), self.scaled("x_test")
        self.samples = len(images) * 4 // 5  # the rest is for validation
        with np.load(self.folder / "weights.npz") as file:
            weights = [file[name] for name in file.files]
        self.import_framework(threads)
        self.take(images, labels, test_images, test_labels, weights)
        self.restart()

    def read(self, name, **how):
        return np.load(self.folder / f"{name}.npy", **how)

    def scaled(self, name):
        """Images (n, 28, 28, 1) in [0, 1], float32."""
        x = self.read(name)[..., np.newaxis].astype("float32")
        x /= 255
        return x

    def order(self, epoch, samples):
        """The order of the training images in an epoch: tinycnn's (network.py, FOR_ORDER)."""
        return np.random.default_rng([self.seed, 1, epoch]).permutation(samples)

    # --- commands ---------------------------------------------------------------------------------

    def first_losses(self, steps):
        """The losses of the first training steps."""
        batches = np.split(self.order(0, self.samples)[: steps * self.batch_size], steps)
        return [float(self.step(batch)) for batch in batches]

    def warm_up(self):
        """What is slow the first time only, before the clock; the seconds it took."""
        # The last, smaller batch too: XLA compiles for each size.
        samples = min(self.samples, 20 * self.batch_size + self.samples % self.batch_size)
        self.restart()
        seconds = self.timed_epoch(0, samples)["seconds"]
        self.restart()
        return seconds

    def timed_epoch(self, epoch, samples=None):
        """Trains on the first `samples` images, all if None, and validates. Its figures."""
        samples = samples or self.samples
        self.prepare(epoch, samples)
        busy, own, start = busy_seconds(), time.process_time(), time.perf_counter()
        figures = self.epoch(epoch, samples)
        seconds = time.perf_counter() - start
        others = None
        if busy is not None:
            others = max(0.0, busy_seconds() - busy - (time.process_time() - own))
        return {"seconds": seconds, "seconds_of_others": others, **figures}

    def milliseconds_a_step(self, samples):
        """Of a training step, the mean over the batches of so many images."""
        order = self.order(0, self.samples)[: samples // self.batch_size * self.batch_size]
        times = []
        for batch in np.split(order, len(order) // self.batch_size):
            start = time.perf_counter()
            self.step(batch)
            times.append(time.perf_counter() - start)
        return float(np.mean(times)) * 1e3

    def fall_asleep(self):
        """Waits until no thread of this process spins for more work; a second at most."""
        for _ in range(200):
            spent = time.process_time()
            time.sleep(0.005)
            if time.process_time() - spent < 0.0005:
                break

    def peak_memory(self):
        return peak_memory()

    # --- for the subclasses -----------------------------------------------------------------------

    def import_framework(self, threads):
        """Imports the framework, with this many threads."""
        raise NotImplementedError

    def take(self, images, labels, test_images, test_labels, weights):
        """Keeps the data as the framework likes them, and makes the network."""
        raise NotImplementedError

    def restart(self):
        """Back to the initial weights and a new optimizer; what is compiled stays."""
        raise NotImplementedError

    def step(self, batch):
        """Trains on the images of these indices; their loss before it."""
        raise NotImplementedError

    def prepare(self, epoch, samples):
        """What need not count as the epoch's time."""

    def epoch(self, epoch, samples):
        """Trains and validates: {"loss", "accuracy", "val_loss", "val_accuracy"}."""
        raise NotImplementedError

    def test_accuracy(self):
        raise NotImplementedError

    def versions(self):
        raise NotImplementedError


class TinyCNN(Competitor):
    """`fit` on arrays, on the rung of the subclass."""

    rung = "numba"

    def import_framework(self, threads):
        import tinycnn
        from tinycnn import kernels
        from tinycnn.gradient_check.cases import reference_network

        self.tinycnn, self.model = tinycnn, reference_network(self.seed)
        kernels.use(self.rung)
        if kernels.active() != self.rung:
            raise RuntimeError(f"the {self.rung} kernels can't be set up here")

    def take(self, images, labels, test_images, test_labels, weights):
        labels, test_labels = (
            self.tinycnn.utils.to_categorical(y, 10) for y in (labels, test_labels)
        )
        self.training = images[: self.samples], labels[: self.samples]
        self.validation = images[self.samples :], labels[self.samples :]
        self.test, self.weights = (test_images, test_labels), weights

    def restart(self):
        self.model.set_weights(self.weights)
        self.model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])

    def step(self, batch):
        x, y = self.training
        return self.model.train_on_batch(x[batch], y[batch])[0]

    def epoch(self, epoch, samples):
        self.model.epochs_trained = epoch
        x, y = self.training
        history = self.model.fit(
            x[:samples], y[:samples], self.batch_size, validation_data=self.validation, verbose=0
        )
        return {name: values[0] for name, values in history.history.items()}

    def test_accuracy(self):
        return self.model.evaluate(*self.test, self.batch_size, verbose=0)[1]

    def versions(self):
        return {"tinycnn": self.tinycnn.__version__}


class NumPyRung(TinyCNN):
    """The readable rung of tinycnn."""

    rung = "numpy"


def keras_model(jit_compile="auto"):
    """The reference network in Keras, compiled."""
    os.environ.update(KERAS_BACKEND="tensorflow", TF_CPP_MIN_LOG_LEVEL="3")
    import keras
    from keras.layers import Conv2D, Dense, Flatten, MaxPooling2D

    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            Conv2D(32, (3, 3), activation="relu"),
            MaxPooling2D((2, 2)),
            Conv2D(64, (3, 3), activation="relu"),
            MaxPooling2D((2, 2)),
            Conv2D(64, (3, 3), activation="relu"),
            Flatten(),
            Dense(64, activation="relu"),
            Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"], jit_compile=jit_compile)
    return model


class Keras(Competitor):
    """`fit` on arrays laid in the epoch's order before the clock starts: it need not shuffle."""

    jit_compile = "auto"  # Keras's default; without a GPU it chooses False

    def import_framework(self, threads):
        import tensorflow

        tensorflow.config.threading.set_intra_op_parallelism_threads(threads)
        self.model = keras_model(self.jit_compile)

    def take(self, images, labels, test_images, test_labels, weights):
        self.labels, test_labels = (np.eye(10, dtype="float32")[y] for y in (labels, test_labels))
        self.x, self.y = images[: self.samples], self.labels[: self.samples].copy()
        self.validation = images[self.samples :], self.labels[self.samples :]
        self.test, self.weights = (test_images, test_labels), weights
        self.model.optimizer.build(self.model.trainable_variables)
        self.optimizer_start = [np.array(value) for value in self.model.optimizer.variables]

    def restart(self):
        self.model.set_weights(self.weights)
        for variable, value in zip(
            self.model.optimizer.variables, self.optimizer_start, strict=True
        ):
            variable.assign(value)

    def step(self, batch):
        return self.model.train_on_batch(self.x[batch], self.y[batch])[0]

    def prepare(self, epoch, samples):
        # Read anew, piece by piece: a second copy of the images would count as memory.
        images, order = self.read("x_train", mmap_mode="r"), self.order(epoch, samples)
        for start in range(0, samples, 1000):
            piece = order[start : start + 1000]
            self.x[start : start + len(piece)] = images[piece][..., np.newaxis]
        self.x[:samples] /= 255
        self.y[:samples] = self.labels[order]

    def epoch(self, epoch, samples):
        history = self.model.fit(
            self.x[:samples],
            self.y[:samples],
            self.batch_size,
            validation_data=self.validation,
            shuffle=False,
            verbose=0,
        )
        return {name: float(values[0]) for name, values in history.history.items()}

    def test_accuracy(self):
        return float(self.model.evaluate(*self.test, self.batch_size, verbose=0)[1])

    def versions(self):
        import keras
        import tensorflow

        return {"keras": keras.__version__, "tensorflow": tensorflow.__version__}


class KerasJit(Keras):
    """The same compiled by XLA."""

    jit_compile = True


class PyTorch(Competitor):
    """A plain loop on tensors in memory: channels_last, fused Adam, no DataLoader.

    Measured to be its best on a CPU: the default layout takes a quarter longer, and torch.compile
    is slower still.
    """

    def import_framework(self, threads):
        import torch

        torch.set_num_threads(threads)
        self.torch, nn = torch, torch.nn
        self.model = nn.Sequential(
            nn.Conv2d(1, 32, 3),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(64, 64, 3),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(576, 64),
            nn.ReLU(),
            nn.Linear(64, 10),
        ).to(memory_format=torch.channels_last)
        self.loss = nn.functional.cross_entropy

    def take(self, images, labels, test_images, test_labels, weights):
        def tensors(x, y):
            return self.torch.from_numpy(x).permute(0, 3, 1, 2), self.torch.from_numpy(y).long()

        self.x, self.y = tensors(images[: self.samples], labels[: self.samples])
        self.validation = tensors(images[self.samples :], labels[self.samples :])
        self.test = tensors(test_images, test_labels)
        # PyTorch flattens (C, H, W), Keras and tinycnn (H, W, C).
        weights[6] = weights[6].reshape(3, 3, 64, 64).transpose(2, 0, 1, 3).reshape(576, 64)
        # (KH, KW, C, F) -> (F, C, KH, KW), and (inputs, units) -> (units, inputs).
        axes = {4: (3, 2, 0, 1), 2: (1, 0), 1: (0,)}
        self.weights = [self.torch.tensor(w.transpose(axes[w.ndim])) for w in weights]

    def restart(self):
        torch = self.torch
        with torch.no_grad():
            for parameter, weight in zip(self.model.parameters(), self.weights, strict=True):
                parameter.copy_(weight)
        self.steps_taken = 0
        self.optimizer = torch.optim.Adam(self.model.parameters(), eps=1e-7, fused=True)

    def learn(self, x, y):
        """One step; the loss and the logits from before it."""
        logits = self.model(x)
        loss = self.loss(logits, y)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.detach(), logits.detach()

    def step(self, batch):
        # Keras adds epsilon to sqrt(v), PyTorch to sqrt(v / (1 - beta_2^t)). For the proof that all
        # do the same this makes them equal; without it the losses differ by 4e-4 after 5 steps.
        self.steps_taken += 1
        self.optimizer.param_groups[0]["eps"] = 1e-7 / (1 - 0.999**self.steps_taken) ** 0.5
        return self.learn(self.x[batch], self.y[batch])[0]

    def epoch(self, epoch, samples):
        order = self.torch.from_numpy(self.order(epoch, samples))
        loss, right = 0.0, 0
        for batch in order.split(self.batch_size):
            x, y = self.x.index_select(0, batch), self.y.index_select(0, batch)
            batch_loss, logits = self.learn(x, y)
            loss += batch_loss * len(y)
            right += (logits.argmax(1) == y).sum()
        val_loss, val_accuracy = self.evaluate(*self.validation)
        return {
            "loss": float(loss) / samples,
            "accuracy": float(right) / samples,
            "val_loss": val_loss,
            "val_accuracy": val_accuracy,
        }

    def evaluate(self, x, y):
        """Loss and accuracy."""
        loss, right = 0.0, 0
        with self.torch.inference_mode():
            for images, labels in zip(
                x.split(self.batch_size), y.split(self.batch_size), strict=True
            ):
                logits = self.model(images)
                loss += self.loss(logits, labels) * len(labels)
                right += (logits.argmax(1) == labels).sum()
        return float(loss) / len(y), float(right) / len(y)

    def test_accuracy(self):
        return self.evaluate(*self.test)[1]

    def versions(self):
        return {"torch": self.torch.__version__}


class Sgemm(Competitor):
    """No competitor, but the measure of the machine: NumPy's product of two large matrices."""

    def __init__(self, folder, batch_size, seed, threads):
        pass

    def peak(self):
        """GFLOP/s."""
        return sgemm_peak()


COMPETITORS = {
    "numba": TinyCNN,
    "numpy": NumPyRung,
    "keras": Keras,
    "keras-jit": KerasJit,
    "pytorch": PyTorch,
    "sgemm": Sgemm,
}


def main():
    """Obeys until stdin ends."""
    # What a framework prints must not come between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    competitor = COMPETITORS[sys.argv[1]](**json.loads(sys.argv[2]))
    for line in sys.stdin:
        method, arguments = json.loads(line)
        print(json.dumps(getattr(competitor, method)(*arguments)), file=answers, flush=True)


if __name__ == "__main__":
    main()
