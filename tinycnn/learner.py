"""Learner: a network that can take one training step, evaluate and predict.

One step is: forward, loss, backward, update. `fit`, which takes many steps, is in models.py;
`compile`, and what a file keeps of a model, are in state.py.

Source: keras/src/backend/tensorflow/trainer.py; the order in which things happen is Keras's.
"""

import math
import numbers
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from tinycnn import losses
from tinycnn.errors import NumericalError
from tinycnn.hooks import Hooks, Logs, call, checked_hooks, hand_to
from tinycnn.layers import fused
from tinycnn.metrics import EpochMeans
from tinycnn.network import FOR_NOISE
from tinycnn.state import Stateful
from tinycnn.support import console, data
from tinycnn.support.arguments import integer
from tinycnn.support.data import Data
from tinycnn.support.diagnosis import Tensor, diagnose
from tinycnn.support.keywords import refuse_unknown
from tinycnn.support.progress import EpochLine
from tinycnn.support.stream import Stream, hands_out_batches, in_steps, of_source
from tinycnn.utils import Array


class Learner(Stateful):
    """A network that learns.

    Attributes:
        stop_training: set it to True in a callback to end `fit`.
        stop_evaluating: the same for `evaluate`, or for one validation.
        stop_predicting: the same for `predict`; samples not predicted yet are left out.
    """

    stop_training = False
    stop_evaluating = False
    stop_predicting = False

    never_called: ClassVar[Mapping[str, str]] = {
        **Stateful.never_called,
        "compute_loss": "loss_taken or a Loss",
        "train_step": "loss_and_gradients in a loop of your own",
        "test_step": "test_on_batch in a loop of your own",
        "predict_step": "forward in a loop of your own",
    }

    # --- one batch --------------------------------------------------------------------------------

    def loss_taken(self, y_true: Array, y_pred: Array) -> tuple[losses.Loss, float, bool]:
        """The loss, its value for the last forward, and whether it was taken on the logits.

        This is the one place where softmax and cross-entropy are fused, as in Keras: probabilities
        that have underflowed to 0 have no log, but their logits are still exact.
        """
        loss, _ = self.compiled_with()
        last = self.last_softmax()
        if self._loss_on_logits is None or last is None:
            return loss, _one_number(loss, loss.forward(y_true, y_pred)), False
        return self._loss_on_logits, self._loss_on_logits.forward(y_true, last.z), True

    def penalty(self) -> float:
        """What the regularizers add to the loss."""
        return sum((p.regularizer(p.value) for p in self.learning if p.regularizer), 0.0)

    def loss_of(self, y_true: Array, y_pred: Array) -> float:
        """The loss of the last `forward`, which returned `y_pred`; penalties included."""
        return self.loss_taken(y_true, y_pred)[1] + self.penalty()

    def seed_noise(self) -> None:
        """Gives every stochastic layer its generator for this training step."""
        for index, layer in enumerate(self.layers):
            if hasattr(layer, "rng"):
                layer.rng = np.random.default_rng([self.seed, FOR_NOISE, self.steps_trained, index])

    def _forward_backward(self, batch: Data, training: bool) -> tuple[float, Array]:
        """Loss and predictions of a batch; all gradients are set."""
        if training:
            self.seed_noise()
        y_pred = self.forward(batch.x, training)
        loss, value, from_logits = self.loss_taken(batch.y, y_pred)
        dy = loss.backward()
        if np.shape(dy) != y_pred.shape:  # one row would be broadcast to all samples
            raise ValueError(
                f"{type(loss).__name__}.backward must return the gradient with respect to y_pred, "
                f"of shape {y_pred.shape}. Received: an array of shape {np.shape(dy)}"
            )
        self.backward(dy, from_logits, needs_dx=False)
        for p in self.learning:
            if p.regularizer and p.grad is not None:
                p.grad = p.grad + p.regularizer.gradient(p.value)
        return value + self.penalty(), y_pred

    def _train_step(self, batch: Data) -> tuple[float, Array, bool]:
        """One step: loss, predictions, and whether the weights were updated.

        They are not if the loss is not finite, or if the gradient that the backward ends with is
        not: whatever goes wrong higher up arrives there. What does not shows in the next loss.
        """
        _, optimizer = self.compiled_with()
        value, y_pred = self._forward_backward(batch, training=True)
        parameters = self.learning
        last = parameters[0].grad if parameters else None
        finite = math.isfinite(value) and (last is None or bool(np.isfinite(last).all()))
        if finite:
            optimizer.update(parameters)
            for layer in self.layers:
                layer.update_statistics()
            self.steps_trained += 1
        return value, y_pred, finite

    def loss_and_gradients(
        self, x: Array, y: Array, training: bool = True
    ) -> tuple[float, list[Array]]:
        """The loss of a batch and its gradient with respect to every parameter that learns.

        Nothing is updated, and no statistic moves.

        Returns:
            The loss, and the gradients in the order that those parameters have in `get_weights()`.
        """
        batch = self.checked(x, y)
        with self.at_work("loss_and_gradients"):
            value, _ = self._forward_backward(batch, training)
        return value, [p.grad.copy() for p in self.learning if p.grad is not None]

    def train_on_batch(
        self, x: Array, y: Array | None = None, **unknown: Any
    ) -> float | list[float]:
        """One training step.

        Returns:
            [loss, *metrics] of this batch before the update, or the loss alone without metrics.

        Raises:
            ValueError: for data that do not fit the model.
            TypeError: for an argument that only Keras has; the message says what to write instead.
            NumericalError: if the loss is finite and the gradient that the backward ends with is
                not. A loss that is not finite is returned. Neither changes a weight.
        """
        refuse_unknown("train_on_batch", unknown, ("x", "y"))
        batch = self.checked(x, y)
        with self.at_work("train_on_batch"):
            value, y_pred, updated = self._train_step(batch)
        if math.isfinite(value) and not updated:
            raise NumericalError(f"a gradient is not finite. {self.diagnosis(batch)}")
        return self._results(value, batch.y, y_pred)

    def test_on_batch(
        self, x: Array, y: Array | None = None, **unknown: Any
    ) -> float | list[float]:
        """[loss, *metrics] of one batch, or the loss alone; nothing is learned."""
        refuse_unknown("test_on_batch", unknown, ("x", "y"))
        batch = self.checked(x, y)
        with self.at_work("test_on_batch"):
            y_pred = self.forward(batch.x)
            loss = self.loss_of(batch.y, y_pred)
        return self._results(loss, batch.y, y_pred)

    def _results(self, loss: float, y: Array, y_pred: Array) -> float | list[float]:
        return [loss, *(metric(y, y_pred) for metric in self.metrics)] if self.metrics else loss

    def diagnosis(self, batch: Data) -> str:
        """Which tensor of a training step on `batch` is the first that is not finite, and why.

        The layers are run one by one, with the noise of the step; no weight is changed.
        """
        before = [(parameter.value, parameter.value.copy()) for parameter in self.parameters]
        try:
            with np.errstate(all="ignore"), fused.off():
                return diagnose(self._tensors(batch), self.steps_trained == 0)
        finally:
            for value, was in before:  # a user's own layer may have moved its statistics
                value[...] = was

    def _tensors(self, batch: Data) -> Iterator[Tensor]:
        """All tensors of a step on `batch`, as they are computed."""
        yield Tensor("data", "x", batch.x.astype(self.dtype))
        yield Tensor("data", "y", batch.y.astype(self.dtype))
        place = {
            layer: f"layer {i} of {len(self.layers)}, {layer}"
            for i, layer in enumerate(self.layers, start=1)
        }
        self.seed_noise()
        y_pred, self._steps = batch.x, self.layers
        for layer in self.layers:
            for p in layer.parameters:
                yield Tensor("weights", f"the {p.name} of {place[layer]}", p.value)
            y_pred = layer.forward(y_pred, training=True)
            yield Tensor("output", f"the output of {place[layer]}", y_pred)
        loss, value, from_logits = self.loss_taken(batch.y, y_pred)
        yield Tensor("loss", "the loss", np.asarray(value + self.penalty()))
        dy = loss.backward()
        yield Tensor("gradient", "the gradient of the loss with respect to the last output", dy)
        for layer, dx in self.backward_steps(dy, from_logits):
            for p in layer.parameters:
                if p.trainable and p.grad is not None:
                    name = f"the gradient with respect to the {p.name} of {place[layer]}"
                    yield Tensor("gradient", name, p.grad)
            if dx is None:
                return
            name = f"the gradient with respect to the input of {place[layer]}"
            yield Tensor("gradient", name, dx)

    # --- many batches -----------------------------------------------------------------------------

    def evaluate(
        self,
        x: Array,
        y: Array | None = None,
        batch_size: int = 32,
        verbose: str | int = "auto",
        callbacks: Iterable[Hooks] | None = None,
        steps: int | None = None,
        **unknown: Any,
    ) -> float | list[float]:
        """Loss and metrics over a data set, in inference mode.

        The arguments are those of `fit`: `x` may also hand out batches. `steps` takes only so many
        of these, or of batches of the arrays.

        Returns:
            [loss, *metrics], or the loss alone without metrics.

        Raises:
            ValueError: for data that do not fit the model.
            TypeError: for an argument that only Keras has; the message says what to write instead.
            RuntimeError: while another thread uses the model.
        """
        known = ("x", "y", "batch_size", "verbose", "callbacks", "steps")
        refuse_unknown("evaluate", unknown, known)
        batch_size = integer(batch_size, "batch_size")
        hooks = checked_hooks(callbacks, Hooks)
        samples = self.stream(x, y)[0] if hands_out_batches(x) else self.checked(x, y)
        samples = in_steps(samples, steps, batch_size, "steps")
        count = samples.steps(batch_size)
        line = EpochLine("", count, console.is_live(verbose)) if verbose else None
        with self.at_work("evaluate"):
            hand_to(hooks, self, {"epochs": 1, "steps": count, "verbose": verbose})
            logs = self._evaluate(samples, batch_size, hooks, line)
            self.forget()
        results = [logs["loss"], *(logs[metric.name] for metric in self.metrics)]
        return results if self.metrics else results[0]

    def _evaluate(
        self,
        samples: Data | Stream,
        batch_size: int,
        hooks: Sequence[Hooks] = (),
        line: EpochLine | None = None,
    ) -> Logs:
        means = EpochMeans(self.metrics)
        logs: Logs = {}
        self.stop_evaluating = False
        call(hooks, "on_test_begin")
        if isinstance(samples, Stream):
            samples.restart()
        for number_, batch in enumerate(samples.epoch(batch_size)):
            call(hooks, "on_test_batch_begin", number_)
            y_pred = self.forward(batch.x)
            logs = means.add(self.loss_of(batch.y, y_pred), batch.y, y_pred)
            call(hooks, "on_test_batch_end", number_, logs=logs)
            if line:
                line.update(number_ + 1, logs)
            if self.stop_evaluating:
                break
        call(hooks, "on_test_end", logs=logs)
        if line:
            line.finish(logs)
        return logs

    def predict(
        self,
        x: Array,
        batch_size: int = 32,
        verbose: str | int = "auto",
        callbacks: Iterable[Hooks] | None = None,
        steps: int | None = None,
        **unknown: Any,
    ) -> Array:
        """The model's output for every sample: (n, *output_shape).

        `x` may also hand out batches, see `fit`; of tuples (x, y) the first is taken. `steps` takes
        only so many of these, or of batches of the array.

        Raises:
            ValueError: for data that do not fit the model.
            TypeError: for an argument that only Keras has; the message says what to write instead.
            RuntimeError: while another thread does anything but predict with the model.
        """
        refuse_unknown("predict", unknown, ("x", "batch_size", "verbose", "callbacks", "steps"))
        batch_size = integer(batch_size, "batch_size")
        hooks = checked_hooks(callbacks, Hooks)
        if hands_out_batches(x):
            samples: Data | Stream = of_source(x, self._inputs_of, "x")[0]
        else:
            x = self.checked_inputs(x)
            samples = Data(x, x)
        samples = in_steps(samples, steps, batch_size, "steps")
        count = samples.steps(batch_size)
        line = EpochLine("", count, console.is_live(verbose)) if verbose else None
        outputs = [np.empty((0, *self.output_shape), self.dtype)]
        with self.at_work("predict"):
            hand_to(hooks, self, {"epochs": 1, "steps": count, "verbose": verbose})
            self.stop_predicting = False
            call(hooks, "on_predict_begin")
            for batch, part in enumerate(samples.epoch(batch_size)):
                call(hooks, "on_predict_batch_begin", batch)
                outputs.append(self.forward(part.x))
                call(hooks, "on_predict_batch_end", batch, logs={"outputs": outputs[-1]})
                if line:
                    line.update(batch + 1, {})
                if self.stop_predicting:
                    break
            call(hooks, "on_predict_end")
            if line:
                line.finish({})
            self.forget()
        return np.concatenate(outputs)

    # --- data at the door -------------------------------------------------------------------------

    def checked_inputs(self, x: Any, name: str = "x") -> Array:
        """`x` as the model takes it. Builds the model if need be.

        Raises:
            ValueError: if it does not fit; the message names the argument.
        """
        x = data.checked_inputs(x, self.input_shape, name)
        self.build(x.shape[1:])
        if x.dtype == np.float64 and self.dtype == "float32":
            data.check_range(x, name)
        return x

    def checked(self, x: Any, y: Any, names: tuple[str, str] = ("x", "y")) -> Data:
        """Samples and targets as the model and its loss take them.

        Raises:
            ValueError: if they do not fit; the message names the argument.
            RuntimeError: before `compile`.
        """
        loss, _ = self.compiled_with()
        x, y = self.checked_inputs(x, names[0]), data.checked_numbers(y, names[1])
        data.checked_lengths(x, y, names)
        loss.check_targets(y, self.output_shape)
        return Data(x, y)

    def stream(self, source: Any, y: Any = None, name: str = "x") -> tuple[Stream, Data]:
        """The batches that `source` hands out, each checked when it comes, and the first.

        Raises:
            ValueError: if there are none, the first does not fit, or there are targets besides.
        """
        if y is not None:
            raise ValueError(
                f"`y` must be left out: the batches that `{name}` hands out are (x, y). "
                f"Received: y of type {type(y).__name__}"
            )
        return of_source(source, self._checked_batch, name)

    def _checked_batch(self, batch: Any, name: str) -> Data:
        if not isinstance(batch, tuple | list) or len(batch) != 2:
            kind = type(batch).__name__
            of = f" of {len(batch)}" if isinstance(batch, tuple | list) else ""
            raise ValueError(f"`{name}` must be a batch (x, y). Received: a {kind}{of}")
        return self.checked(batch[0], batch[1], (f"{name}[0]", f"{name}[1]"))

    def _inputs_of(self, batch: Any, name: str) -> Data:
        """A batch for `predict`, which has no targets."""
        x = batch[0] if isinstance(batch, tuple) and 1 <= len(batch) <= 3 else batch
        x = self.checked_inputs(x, name)
        return Data(x, x)


def _one_number(loss: losses.Loss, value: Any) -> float:
    """The number that a loss's `forward` returned, checked: the loss may be a user's own."""
    if np.ndim(value) or not isinstance(value, numbers.Real | np.ndarray):
        received = f"an array of shape {value.shape}" if np.ndim(value) else repr(value)
        raise TypeError(
            f"{type(loss).__name__}.forward must return the mean loss of the batch, one number. "
            f"Received: {received:.100}"
        )
    return float(value)
