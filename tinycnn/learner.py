"""Learner: a network that can take one training step, evaluate and predict.

One step is: forward, loss, backward, update. `fit`, which takes many steps, is in models.py;
`compile`, and what a file keeps of a model, are in state.py.

Source: keras/src/backend/tensorflow/trainer.py; the order in which things happen is Keras's.
"""

import copy
import math
import numbers
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from tinycnn import kernels, losses
from tinycnn.errors import NumericalError
from tinycnn.hooks import Hooks, Logs, call, checked_hooks, hand_to
from tinycnn.layers import fused
from tinycnn.metrics import EpochMeans
from tinycnn.network import FOR_CALLS, FOR_NOISE
from tinycnn.parameter import Parameter
from tinycnn.state import Stateful
from tinycnn.support import console, data
from tinycnn.support.arguments import integer, truth
from tinycnn.support.data import Data
from tinycnn.support.diagnosis import Tensor, diagnose
from tinycnn.support.distribution import ALONE, Distribution
from tinycnn.support.keywords import refuse_unknown
from tinycnn.support.progress import EpochLine
from tinycnn.support.stream import Stream, hands_out_batches, in_steps, of_source
from tinycnn.tensors import Symbol, tensor
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
    _calls = 0  # of the model itself, each of which has its own noise

    never_called: ClassVar[Mapping[str, str]] = {
        **Stateful.never_called,
        "compute_loss": "loss_taken or a Loss",
        "train_step": "loss_and_gradients in a loop of your own",
        "test_step": "test_on_batch in a loop of your own",
        "predict_step": "forward in a loop of your own",
    }

    # --- one batch --------------------------------------------------------------------------------

    def loss_taken(
        self, y_true: Array, y_pred: Array, weights: Array | None = None
    ) -> tuple[losses.Loss, float, bool]:
        """The loss, its value for the last forward, and whether it was taken on the logits.

        With weights (N,) it is the mean of each sample's loss times its weight.

        This is the one place where a cross-entropy is fused with a softmax or sigmoid, as in Keras:
        probabilities that have underflowed to 0 have no log, but their logits are still exact. Any
        of the cross-entropies is taken on the logits of either.
        """
        loss, _ = self.compiled_with()
        last = self.logits_layer()
        if self._loss_on_logits is None or last is None:
            return loss, _weighted(loss, y_true, y_pred, weights), False
        on_logits = self._loss_on_logits
        return on_logits, _weighted(on_logits, y_true, last.z, weights), True

    def penalty(self) -> float:
        """What the regularizers add to the loss."""
        return _penalty_of(self.learning)

    def loss_of(self, y_true: Array, y_pred: Array, weights: Array | None = None) -> float:
        """The loss of the last `forward`, which returned `y_pred`; penalties included."""
        return self.loss_taken(y_true, y_pred, weights)[1] + self.penalty()

    def seed_noise(self, shard: int = 0, purpose: int = FOR_NOISE, step: int | None = None) -> None:
        """Gives every stochastic layer its generator, by default for this training step.

        Args:
            shard: the part of the batch that comes next, if it is cut into several.
            purpose: what the noise is for, see network.py.
            step: the number of the step, or of the call.
        """
        step = self.steps_trained if step is None else step
        part = [shard] if shard else []
        for index, layer in enumerate(self.chain):
            if "rng" in vars(layer) or hasattr(type(layer), "rng"):
                seed = getattr(layer, "seed", None)  # its own, if it was given one
                seed = self.seed if seed is None else seed
                layer.rng = np.random.default_rng([seed, purpose, step, index, *part])

    def differentiate(self, batch: Data, training: bool, shard: int = 0) -> tuple[float, Array]:
        """Loss and predictions of a batch, or of one shard of it; all gradients are set.

        The penalties are not among them yet: see `add_penalties`.
        """
        if training:
            self.seed_noise(shard)
        y_pred = self.forward(batch.x, training)
        loss, value, from_logits = self.loss_taken(batch.y, y_pred, batch.weights)
        dy = loss.backward()
        if np.shape(dy) != y_pred.shape:  # one row would be broadcast to all samples
            raise ValueError(
                f"{type(loss).__name__}.backward must return the gradient with respect to y_pred, "
                f"of shape {y_pred.shape}. Received: an array of shape {np.shape(dy)}"
            )
        if batch.weights is not None:  # the loss is a sum over the samples, so its gradient is, too
            dy = dy * batch.weights.astype(dy.dtype).reshape(-1, *[1] * (dy.ndim - 1))
        self.backward(dy, from_logits, needs_dx=False)
        return value, y_pred

    def add_penalties(self) -> float:
        """Adds the penalties' gradients to those that are set; returns what the loss gains."""
        learning = self.learning
        for p in learning:
            if p.regularizer and p.grad is not None:
                p.grad = p.grad + p.regularizer.gradient(p.value)
        return _penalty_of(learning)

    def _train_step(
        self, batch: Data, distribution: Distribution = ALONE
    ) -> tuple[float, Array, bool]:
        """One step: loss, predictions, and whether the weights were updated.

        They are not if the loss is not finite, or if the gradient that the backward ends with is
        not: whatever goes wrong higher up arrives there. What does not shows in the next loss.
        """
        _, optimizer = self.compiled_with()
        value, y_pred = distribution.forward_backward(self, batch)
        parameters = self.learning
        last = parameters[0].grad if parameters else None
        finite = math.isfinite(value) and (last is None or bool(np.isfinite(last).all()))
        if finite:
            optimizer.update(parameters)
            distribution.update_statistics(self)
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
            value, _ = self.differentiate(batch, training)
            value += self.add_penalties()
        return value, [p.grad.copy() for p in self.learning if p.grad is not None]

    def train_on_batch(
        self,
        x: Array,
        y: Array | None = None,
        sample_weight: Array | None = None,
        class_weight: Mapping[int, float] | None = None,
        return_dict: bool = False,
        **unknown: Any,
    ) -> float | list[float] | Logs:
        """One training step; the arguments are those of `fit`.

        Returns:
            [loss, *metrics] of this batch before the update, or the loss alone without metrics;
            with `return_dict` a dict of them by name.

        Raises:
            ValueError: for data that do not fit the model.
            TypeError: for an argument that only Keras has; the message says what to write instead.
            NumericalError: if the loss is finite and the gradient that the backward ends with is
                not. A loss that is not finite is returned. Neither changes a weight.
        """
        known = ("x", "y", "sample_weight", "class_weight", "return_dict")
        refuse_unknown("train_on_batch", unknown, known)
        batch = self.checked(x, y, sample_weight=sample_weight, class_weight=class_weight)
        with self.at_work("train_on_batch"):
            value, y_pred, updated = self._train_step(batch)
        if math.isfinite(value) and not updated:
            raise NumericalError(f"a gradient is not finite. {self.diagnosis(batch)}")
        return self._results(EpochMeans(self.metrics).add(value, batch.y, y_pred), return_dict)

    def warm_up(self, x: Array, y: Array) -> float:
        """Compiles, or loads, the kernels that training on such a batch needs, and no others.

        The first training step would do so, too, with no more than a notice; this shows progress.
        Neither the model nor the batch changes: a copy of the model takes a step on zeros.

        Args:
            x: samples, as for `train_on_batch`; as many as a batch will have, 4 at least.
            y: their targets.

        Returns:
            The seconds it took.
        """
        batch = self.checked(x, y)
        twin = copy.deepcopy(self)
        zeros = np.zeros(batch.x.shape, batch.x.dtype), np.zeros(batch.y.shape, batch.y.dtype)
        return kernels.warm_up_for(lambda: twin.train_on_batch(*zeros))

    def test_on_batch(
        self,
        x: Array,
        y: Array | None = None,
        sample_weight: Array | None = None,
        return_dict: bool = False,
        **unknown: Any,
    ) -> float | list[float] | Logs:
        """What `train_on_batch` returns for one batch; nothing is learned."""
        refuse_unknown("test_on_batch", unknown, ("x", "y", "sample_weight", "return_dict"))
        batch = self.checked(x, y, sample_weight=sample_weight)
        with self.at_work("test_on_batch"):
            y_pred = self.forward(batch.x)
            loss = self.loss_of(batch.y, y_pred, batch.weights)
        return self._results(EpochMeans(self.metrics).add(loss, batch.y, y_pred), return_dict)

    def _results(self, logs: Logs, return_dict: bool) -> float | list[float] | Logs:
        """The loss and the metrics in the form that Keras returns them."""
        if truth(return_dict, "return_dict"):
            return logs
        results = [logs["loss"], *(logs[metric.name] for metric in self.metrics)]
        return results if self.metrics else results[0]

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
        yield Tensor("data", "x", np.asarray(batch.x, self.dtype))
        yield Tensor("data", "y", batch.y.astype(self.dtype))
        place: dict[object, str] = {
            layer: f"layer {i} of {len(self.chain)}, {layer}"
            for i, layer in enumerate(self.chain, start=1)
        }
        self.seed_noise()
        y_pred, self._steps = batch.x, self.chain
        for layer in self.chain:
            for p in layer.parameters:
                yield Tensor("weights", f"the {p.name} of {place[layer]}", p.value)
            y_pred = layer.forward(y_pred, training=True)
            yield Tensor("output", f"the output of {place[layer]}", y_pred)
        loss, value, from_logits = self.loss_taken(batch.y, y_pred, batch.weights)
        yield Tensor("loss", "the loss", np.asarray(value + self.penalty()))
        dy = loss.backward()
        yield Tensor("gradient", "the gradient of the loss with respect to the last output", dy)
        for step, dx in self.backward_steps(dy, from_logits):
            for p in step.parameters:
                if p.trainable and p.grad is not None:
                    name = f"the gradient with respect to the {p.name} of {place[step]}"
                    yield Tensor("gradient", name, p.grad)
            if dx is None:
                return
            name = f"the gradient with respect to the input of {place[step]}"
            yield Tensor("gradient", name, dx)

    # --- many batches -----------------------------------------------------------------------------

    def evaluate(
        self,
        x: Array,
        y: Array | None = None,
        batch_size: int | None = None,
        verbose: str | int = "auto",
        sample_weight: Array | None = None,
        callbacks: Iterable[Hooks] | None = None,
        return_dict: bool = False,
        steps: int | None = None,
        **unknown: Any,
    ) -> float | list[float] | Logs:
        """Loss and metrics over a data set, in inference mode.

        Args:
            x: samples (n, *input_shape), or what hands out batches: see `fit`.
            y: targets, as the loss expects them.
            batch_size: samples per step, None for 32.
            verbose: 0 for silence.
            sample_weight: (n,), how much each sample's loss counts; metrics count all alike.
            callbacks: see callbacks/base.py.
            return_dict: return a dict.
            steps: take only so many of the batches, or of batches of the arrays.
            unknown: none; for Keras's other arguments the error says what to write instead.

        Returns:
            [loss, *metrics], or the loss alone without metrics; with `return_dict` a dict of them
            by name.

        Raises:
            ValueError: for data that do not fit the model.
            TypeError: for an argument that only Keras has; the message says what to write instead.
            RuntimeError: while another thread uses the model.
        """
        known = ("x", "y", "batch_size", "verbose", "sample_weight", "callbacks", "return_dict")
        refuse_unknown("evaluate", unknown, (*known, "steps"))
        batch_size = 32 if batch_size is None else integer(batch_size, "batch_size")
        hooks = checked_hooks(callbacks, Hooks)
        if hands_out_batches(x):
            samples: Data | Stream = self.stream(x, y, sample_weight=sample_weight)[0]
        else:
            samples = self.checked(x, y, sample_weight=sample_weight)
        samples = in_steps(samples, steps, batch_size, "steps")
        count = samples.steps(batch_size)
        line = EpochLine("", count, console.is_live(verbose)) if verbose else None
        with self.at_work("evaluate"):
            hand_to(hooks, self, {"epochs": 1, "steps": count, "verbose": verbose})
            logs = self._evaluate(samples, batch_size, hooks, line)
            self.forget()
        return self._results(logs, return_dict)

    def _evaluate(
        self,
        samples: Data | Stream,
        batch_size: int,
        hooks: Sequence[Hooks] = (),
        line: EpochLine | None = None,
        distribution: Distribution = ALONE,
    ) -> Logs:
        means = EpochMeans(self.metrics)
        logs: Logs = {}
        self.stop_evaluating = False
        call(hooks, "on_test_begin")
        if isinstance(samples, Stream):
            samples.restart()
        for number_, measure in enumerate(distribution.measured(self, samples, batch_size)):
            call(hooks, "on_test_batch_begin", number_)
            logs = means.add_measured(measure())
            call(hooks, "on_test_batch_end", number_, logs=logs)
            if line:
                line.update(number_ + 1, logs)
            if self.stop_evaluating:
                break
        call(hooks, "on_test_end", logs=logs)
        if line:
            line.finish(logs)
        return logs

    def measured(self, batch: Data) -> dict[str, Array]:
        """What loss and metrics of a batch, in inference mode, add to those of an epoch."""
        y_pred = self.forward(batch.x)
        loss = self.loss_of(batch.y, y_pred, batch.weights)
        return EpochMeans(self.metrics).measure(loss, batch.y, y_pred)

    def predict(
        self,
        x: Array,
        batch_size: int | None = None,
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
        batch_size = 32 if batch_size is None else integer(batch_size, "batch_size")
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

    def predict_on_batch(self, x: Array) -> Array:
        """The model's output for one batch: (N, *output_shape)."""
        x = self.checked_inputs(x)
        with self.at_work("predict"):
            return self.forward(x)

    def __call__(self, x: Any, training: bool | None = None) -> Any:
        """Keras's way to run the model: `model(x)`, all samples as one batch.

        Args:
            x: samples (N, *input_shape), for which this returns the output as a Tensor, or a
                Symbol, for which it returns the Symbol of the output.
            training: True switches noise and the statistics of the batch on; None leaves it to
                each layer, as in Keras, where those of augmentation are on.

        Raises:
            ValueError: if it does not fit the model.
        """
        if isinstance(x, Symbol):
            for layer in self.chain:
                x = x.followed_by(layer)
            return x
        x = self.checked_inputs(x)
        with self.at_work("forward"):
            self._steps = self.chain
            self.seed_noise(purpose=FOR_CALLS, step=self._calls)
            self._calls += 1
            for layer in self.chain:
                x = layer(x, training)
        return tensor(x)

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

    def checked(
        self,
        x: Any,
        y: Any,
        names: tuple[str, str, str] = ("x", "y", "sample_weight"),
        sample_weight: Any = None,
        class_weight: Any = None,
    ) -> Data:
        """Samples, targets and weights as the model and its loss take them.

        As in Keras, targets (n,) for a single output are taken as (n, 1).

        Raises:
            ValueError: if they do not fit; the message names the argument.
            RuntimeError: before `compile`.
        """
        loss, _ = self.compiled_with()
        x, y = self.checked_inputs(x, names[0]), data.checked_numbers(y, names[1])
        data.checked_lengths(x, y, names[:2])
        if self.output_shape == (*y.shape[1:], 1):
            y = y[..., np.newaxis]
        loss.check_targets(y, self.output_shape)
        K = self.output_shape[-1]
        return Data(x, y, data.checked_weights(sample_weight, class_weight, y, K, names[2]))

    def stream(
        self,
        source: Any,
        y: Any = None,
        name: str = "x",
        sample_weight: Any = None,
        class_weight: Any = None,
    ) -> tuple[Stream, Data]:
        """The batches that `source` hands out, each checked when it comes, and the first.

        Raises:
            ValueError: if there are none, the first does not fit, or there are targets or weights
                besides.
        """
        for given, what in ((y, "y"), (sample_weight, "sample_weight")):
            if given is not None:
                raise ValueError(
                    f"`{what}` must be left out: the batches that `{name}` hands out are (x, y) or "
                    f"(x, y, sample_weight). Received: {what} of type {type(given).__name__}"
                )

        def check(batch: Any, which: str) -> Data:
            if not isinstance(batch, tuple | list) or len(batch) not in (2, 3):
                kind = type(batch).__name__
                of = f" of {len(batch)}" if isinstance(batch, tuple | list) else ""
                raise ValueError(f"`{which}` must be a batch (x, y). Received: a {kind}{of}")
            x, targets, *weight = batch
            names = (f"{which}[0]", f"{which}[1]", f"{which}[2]")
            sample_weight = weight[0] if weight else None
            return self.checked(x, targets, names, sample_weight, class_weight)

        return of_source(source, check, name)

    def _inputs_of(self, batch: Any, name: str) -> Data:
        """A batch for `predict`, which has no targets."""
        x = batch[0] if isinstance(batch, tuple) and 1 <= len(batch) <= 3 else batch
        x = self.checked_inputs(x, name)
        return Data(x, x)


def _penalty_of(parameters: Iterable[Parameter]) -> float:
    """What the regularizers of some parameters add to the loss."""
    return sum((p.regularizer(p.value) for p in parameters if p.regularizer), 0.0)


def _weighted(loss: losses.Loss, y_true: Array, y_pred: Array, weights: Array | None) -> float:
    """The loss of a batch; with weights (N,), the mean of each sample's loss times its weight.

    A loss returns the mean of its samples, so those of equal weight are taken together.
    """
    value = 0.0
    if weights is not None:
        for weight in np.unique(weights):
            some = weights == weight
            part = _one_number(loss, loss.forward(y_true[some], y_pred[some]))
            value += float(weight) * part * int(np.count_nonzero(some)) / len(weights)
    mean = _one_number(loss, loss.forward(y_true, y_pred))  # the last: backward is for all samples
    return mean if weights is None else value


def _one_number(loss: losses.Loss, value: Any) -> float:
    """The number that a loss's `forward` returned, checked: the loss may be a user's own."""
    if type(value) is float:
        return value
    if np.ndim(value) or not isinstance(value, numbers.Real | np.ndarray):
        received = f"an array of shape {value.shape}" if np.ndim(value) else repr(value)
        raise TypeError(
            f"{type(loss).__name__}.forward must return the mean loss of the batch, one number. "
            f"Received: {received:.100}"
        )
    return float(value)
