"""Training: compile, fit, evaluate, predict. What a model is made of is in models.py.

One step is: forward, loss, backward, update. The loss and accuracy of an epoch are means over its
samples, taken before each update; validation comes after the epoch's last one.

Source: keras/src/backend/tensorflow/trainer.py; the order in which things happen is Keras's.
"""

import math
import numbers
import warnings
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, ClassVar

import numpy as np

from tinycnn import batches, console, losses, optimizers, warning_signs
from tinycnn import metrics as metrics_
from tinycnn.arguments import integer, number, truth
from tinycnn.callbacks import (
    Callback,
    Checkpoint,
    History,
    Logs,
    ProgressLine,
    Run,
    call,
    checked_callbacks,
)
from tinycnn.diagnosis import diagnose
from tinycnn.errors import NumericalError
from tinycnn.interrupt import Interrupt
from tinycnn.keywords import refuse_unknown
from tinycnn.layers import Layer, Rescaling
from tinycnn.layers.activations import Activated, is_linear
from tinycnn.layers.base import Shape
from tinycnn.parameter import Parameter
from tinycnn.refusals import Strict
from tinycnn.use import Use
from tinycnn.utils import Array

# Every random generator is default_rng([seed, purpose, ...]): equal seeds, equal runs, and nothing
# random to save or restore but the counters that follow.
FOR_WEIGHTS, FOR_ORDER, FOR_NOISE = range(3)


class Trainer(Strict):
    """The half of a model that learns; `Sequential` is the other half.

    Attributes:
        optimizer: the optimizer that `compile` was given.
        stop_training: set it to True in a callback to end `fit`.
        stop_evaluating: the same for `evaluate`, or one validation.
        stop_predicting: the same for `predict`; what is not predicted is left out.
        epochs_trained: epochs over the model's life; each has its own order of the samples.
        steps_trained: training steps over the model's life; each has its own noise.
    """

    not_there = frozenset(
        "autotune_steps_per_execution class_weight compiled_loss compiled_metrics inputs "
        "jit_compile learning_rate loss_weights lr metrics_names non_trainable_weights "
        "outputs predict_function predict_step run_eagerly stateful steps_per_execution "
        "test_function test_step train_function train_step trainable_variables "
        "trainable_weights variables weights".split()
    )
    fixed = frozenset(("loss", "optimizer", "metrics"))
    never_called: ClassVar[Mapping[str, str]] = {
        "call": "forward and backward",
        "compute_loss": "loss_taken or a Loss",
        "train_step": "loss_and_gradients in a loop of your own",
        "test_step": "test_on_batch in a loop of your own",
        "predict_step": "forward in a loop of your own",
    }

    # What the other half has.
    layers: list[Layer]
    name: str
    seed: int
    dtype: str
    input_shape: Shape | None

    def __init__(self) -> None:
        self.loss: losses.Loss | None = None
        self.optimizer: optimizers.Optimizer | None = None
        self.metrics: list[str] = []
        self.stop_training = self.stop_evaluating = self.stop_predicting = False
        self.epochs_trained = 0
        self.steps_trained = 0
        self._loss_on_logits: losses.Loss | None = None
        self._use = Use()

    # --- to be provided by the other half ---------------------------------------------------------

    def build(self, input_shape: Sequence[int | None] | None = None) -> None:
        """Makes the parameters."""
        raise NotImplementedError

    def forward(self, x: Array, training: bool = False) -> Array:
        """The output for a batch."""
        raise NotImplementedError

    def backward(self, dy: Array, from_logits: bool = False, needs_dx: bool = True) -> Array | None:
        """Sets all gradients."""
        raise NotImplementedError

    @property
    def output_shape(self) -> Shape:
        """Of one sample."""
        raise NotImplementedError

    @property
    def parameters(self) -> list[Parameter]:
        """All parameters."""
        raise NotImplementedError

    # --- compile ----------------------------------------------------------------------------------

    def compile(
        self,
        optimizer: str | optimizers.Optimizer,
        loss: str | losses.Loss,
        metrics: Sequence[str] | None = None,
        **unknown: Any,
    ) -> None:
        """Chooses how to learn.

        Args:
            optimizer: "adam", "adamw", "rmsprop", "sgd", or an Optimizer with settings of its own.
            loss: "categorical_crossentropy" (one-hot labels), "sparse_categorical_crossentropy"
                (integer labels), "mean_squared_error", or a Loss.
            metrics: ["accuracy"] or, as another name of it in the logs, ["acc"]; or nothing.
            unknown: nothing; Keras's other arguments are refused with what to write instead.

        Raises:
            ValueError: for an unknown name, listing the known ones.
            TypeError: for any other argument.
        """
        refuse_unknown("compile", unknown, ("optimizer", "loss", "metrics"))
        if not (metrics is None or isinstance(metrics, list | tuple)) or metrics not in (
            *(None, [], (), ["accuracy"], ("accuracy",), ["acc"], ("acc",)),
        ):
            raise ValueError(f"unknown metrics; known is ['accuracy']. Received: {metrics!r}")
        new_optimizer, new_loss = optimizers.get(optimizer), losses.get(loss)
        # Past `why_fixed`, which sends everybody else here.
        vars(self).update(optimizer=new_optimizer, loss=new_loss, metrics=list(metrics or ()))
        self._loss_on_logits = new_loss.on_logits()
        if self._softmax() and getattr(new_loss, "from_logits", False):
            warnings.warn(
                "the loss expects logits (from_logits=True), but the model ends in a softmax; as "
                "in Keras the loss is taken on the logits below it",
                stacklevel=2,
            )

    def why_fixed(self, name: str) -> str:
        """What `compile` chooses, it also prepares."""
        chosen = name in vars(self)
        return "call model.compile(optimizer, loss, metrics) again" if chosen else ""

    def _compiled(self) -> tuple[losses.Loss, optimizers.Optimizer]:
        if self.loss is None or self.optimizer is None:
            raise RuntimeError(
                "call model.compile(optimizer, loss) before training or evaluating it"
            )
        return self.loss, self.optimizer

    # --- one batch --------------------------------------------------------------------------------

    def _softmax(self) -> Activated | None:
        """The layer whose softmax is the model's output, if it is one.

        Activation("linear") may follow it: as in Keras that passes on what it gets.
        """
        for layer in reversed(self.layers):
            if isinstance(layer, Activated) and layer.activation == "softmax":
                return layer
            if not is_linear(layer):
                break
        return None

    def loss_taken(self, y_true: Array, y_pred: Array) -> tuple[losses.Loss, float, bool]:
        """The loss of the last forward, and whether it was taken on the logits.

        The one place where softmax and cross-entropy are fused, as Keras does it: probabilities
        that have underflowed to 0 would have no log, their logits are still exact.
        """
        loss, _ = self._compiled()
        last = self._softmax()
        if self._loss_on_logits is None or last is None:
            return loss, _one_number(loss, loss.forward(y_true, y_pred)), False
        return self._loss_on_logits, self._loss_on_logits.forward(y_true, last.logits), True

    def penalty(self) -> float:
        """What the regularizers add to the loss."""
        return sum((p.regularizer(p.value) for p in self.parameters if p.regularizer), 0.0)

    def loss_of(self, y_true: Array, y_pred: Array) -> float:
        """The loss of the last `forward`, whose output `y_pred` is; penalties included."""
        return self.loss_taken(y_true, y_pred)[1] + self.penalty()

    def seed_noise(self) -> None:
        """Gives every stochastic layer its generator for this training step."""
        for index, layer in enumerate(self.layers):
            if hasattr(layer, "rng"):
                layer.rng = np.random.default_rng([self.seed, FOR_NOISE, self.steps_trained, index])

    def _forward_backward(self, x: Array, y: Array, training: bool) -> tuple[float, Array]:
        """Loss and predictions of a batch; all gradients are set."""
        if training:
            self.seed_noise()
        y_pred = self.forward(x, training)
        loss, value, from_logits = self.loss_taken(y, y_pred)
        dy = loss.backward()
        if np.shape(dy) != y_pred.shape:  # one row would be broadcast to all samples
            raise ValueError(
                f"{type(loss).__name__}.backward must return the gradient with respect to y_pred, "
                f"of shape {y_pred.shape}. Received: an array of shape {np.shape(dy)}"
            )
        self.backward(dy, from_logits, needs_dx=False)
        for p in self.parameters:
            if p.regularizer and p.grad is not None:
                p.grad = p.grad + p.regularizer.gradient(p.value)
        return value + self.penalty(), y_pred

    def _train_step(self, x: Array, y: Array) -> tuple[float, Array, bool]:
        """One step: loss, predictions, and whether the weights were updated.

        They are not if the loss, or the gradient that the backward ends with, is not finite: there
        all that goes wrong higher up arrives. What goes wrong aside, the next loss shows.
        """
        _, optimizer = self._compiled()
        value, y_pred = self._forward_backward(x, y, training=True)
        parameters = self.parameters
        last = next((p.grad for p in parameters if p.trainable), None)
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
        """The loss of a batch and its gradient by every trainable parameter; nothing is updated.

        Nor does any statistic move.

        Returns:
            The loss, and the gradients in the order of the trainable entries of `get_weights()`.
        """
        x, y = self._checked(x, y)
        with self._use.by("loss_and_gradients", self.name):
            value, _ = self._forward_backward(x, y, training)
        return value, [p.grad.copy() for p in self.parameters if p.trainable and p.grad is not None]

    def train_on_batch(
        self, x: Array, y: Array | None = None, **unknown: Any
    ) -> float | list[float]:
        """One training step. Returns [loss, accuracy] of this batch, from before the update.

        Raises:
            ValueError: for data that do not fit the model.
            TypeError: for an argument of Keras's that is not there, with what to write instead.
            NumericalError: if the loss is finite and a gradient is not. A loss that is not finite
                is returned. No weight is changed in either case.
        """
        refuse_unknown("train_on_batch", unknown, ("x", "y"))
        x, y = self._checked(x, y)
        with self._use.by("train_on_batch", self.name):
            value, y_pred, updated = self._train_step(x, y)
        if math.isfinite(value) and not updated:
            raise NumericalError(f"a gradient is not finite. {diagnose(self, x, y)}")
        return self._results(value, y, y_pred)

    def test_on_batch(
        self, x: Array, y: Array | None = None, **unknown: Any
    ) -> float | list[float]:
        """[loss, accuracy] of one batch; nothing is learned."""
        refuse_unknown("test_on_batch", unknown, ("x", "y"))
        x, y = self._checked(x, y)
        with self._use.by("test_on_batch", self.name):
            y_pred = self.forward(x)
            loss = self.loss_of(y, y_pred)
        return self._results(loss, y, y_pred)

    def _results(self, loss: float, y: Array, y_pred: Array) -> float | list[float]:
        return [loss, metrics_.accuracy(y, y_pred)] if self.metrics else loss

    # --- many batches -----------------------------------------------------------------------------

    def fit(
        self,
        x: Array,
        y: Array | None = None,
        batch_size: int = 32,
        epochs: int = 1,
        verbose: str | int = "auto",
        callbacks: Iterable[Callback] | None = None,
        validation_split: float = 0.0,
        validation_data: tuple[Array, Array] | None = None,
        shuffle: bool = True,
        initial_epoch: int = 0,
        **unknown: Any,
    ) -> History:
        """Trains the model.

        Args:
            x: samples (n, *input_shape).
            y: targets, as the loss expects them; always needed.
            batch_size: samples to a step; the last step of an epoch takes what is left.
            epochs: train until this epoch, counted with `initial_epoch`.
            verbose: 0 silent, 1 a live line for each epoch, 2 a plain one; "auto" is 1 on a
                terminal and 2 elsewhere.
            callbacks: see callbacks/base.py.
            validation_split: share of the data, its last part as it stands, to validate on.
            validation_data: (x, y) to validate on instead.
            shuffle: a new order of the samples in each epoch.
            initial_epoch: where to start counting.
            unknown: nothing; Keras's other arguments are refused with what to write instead.

        Returns:
            History: `.history` with accuracy, loss, val_accuracy and val_loss by epoch.

        Raises:
            ValueError: for data that do not fit the model, before anything is changed.
            TypeError: for any other argument.
            RuntimeError: before `compile`; while another thread uses the model.
            NumericalError: if the loss, a gradient or a weight is no longer finite, naming the
                first tensor that is not; no gradient that is not finite changes a weight.
            KeyboardInterrupt: after Ctrl-C, once the running batch is done; a second Ctrl-C does
                not wait.
        """
        refuse_unknown("fit", unknown, _FIT)
        epochs, batch_size = integer(epochs, "epochs"), integer(batch_size, "batch_size")
        initial_epoch = integer(initial_epoch, "initial_epoch", least=0)
        live = console.is_live(verbose)
        shuffle = truth(shuffle, "shuffle")
        history = History()
        hooks = [*checked_callbacks(callbacks), history]
        if verbose != 0:
            hooks.append(ProgressLine(live))
        hooks.sort(key=lambda hook: isinstance(hook, Checkpoint))  # last: it saves what others did
        x, y = self._checked(x, y)
        if not isinstance(self.layers[0], Rescaling):
            warning_signs.warn_of_unscaled(x)
        data, validation = {"x": x, "y": y}, None
        if validation_data is not None:
            if not isinstance(validation_data, (tuple, list)) or len(validation_data) != 2:
                kind = type(validation_data).__name__
                raise ValueError(f"`validation_data` must be a pair (x, y). Received: a {kind}")
            x_val, y_val = validation_data
            names = ("validation_data[0]", "validation_data[1]")
            validation = self._checked(x_val, y_val, names)
            data |= dict(zip(names, validation, strict=True))
            validation_split = 0.0
        elif number(validation_split, "validation_split", 0.0, 1.0):
            at = batches.split_at(len(x), validation_split)
            warning_signs.warn_of_uneven_split(
                y, at, isinstance(self.loss, losses.SparseCategoricalCrossentropy)
            )
            validation, x, y = (x[at:], y[at:]), x[:at], y[:at]
        self._compiled()[1].build(self.parameters)

        steps = -(-len(x) // batch_size)
        with self._use.by("fit", self.name), Interrupt() as interrupt:
            self._hand_to(hooks, {"epochs": epochs, "steps": steps, "verbose": verbose})
            logged = [*self.metrics, "loss"]
            logged += [f"val_{name}" for name in logged] if validation is not None else []
            ours = [hook for hook in hooks if type(hook).__module__.startswith("tinycnn.")]
            complete = ours == hooks and not any(hook.adds_logs for hook in hooks)
            for hook in hooks:
                hook.expect_logs(logged, complete)
            self.stop_training = False
            means = metrics_.EpochMeans(self.metrics)
            run = Run(hooks, history, interrupt, means, initial_epoch)
            for hook in hooks:
                if isinstance(hook, Checkpoint):
                    settings = {
                        "batch_size": batch_size,
                        "shuffle": shuffle,
                        "validation_split": validation_split,
                        "initial_epoch": initial_epoch,
                    }
                    hook.open(run, settings, data)
            call(hooks, "on_train_begin")
            logs = {name: values[-1] for name, values in history.history.items()}
            while run.epoch < epochs:
                epoch = run.epoch
                call(hooks, "on_epoch_begin", epoch)
                logs = self._train_epoch(x, y, batch_size, shuffle, run)
                if validation is not None:
                    values = self._evaluate(*validation, batch_size, hooks)
                    logs |= {f"val_{name}": value for name, value in values.items()}
                self.epochs_trained += 1
                run.end_epoch()
                call(hooks, "on_epoch_end", epoch, logs=logs)
                run.stop_if_interrupted()
                if self.stop_training:
                    break
            call(hooks, "on_train_end", logs=logs)
            self._forget()
        return history

    def _hand_to(self, hooks: Iterable[Callback], params: dict[str, Any]) -> None:
        """Tells callbacks what they are called for."""
        for hook in hooks:
            hook.set_model(self)  # type: ignore[arg-type]
            hook.set_params(params)

    def _train_epoch(self, x: Array, y: Array, batch_size: int, shuffle: bool, run: Run) -> Logs:
        """The batches of an epoch that are not done yet."""
        order = None
        if shuffle:
            order = np.random.default_rng([self.seed, FOR_ORDER, self.epochs_trained]).permutation(
                len(x)
            )
        chosen: slice | Array = slice(0)
        for chosen in islice(batches.batches(len(x), batch_size, order), run.batch, None):
            batch, y_true = run.batch, y[chosen]
            call(run.hooks, "on_train_batch_begin", batch)
            loss, y_pred, updated = self._train_step(x[chosen], y_true)
            run.end_batch()
            if math.isfinite(loss) and not updated:
                raise self._error("a gradient is not finite", run, x[chosen], y_true)
            logs = run.means.add(loss, y_true, y_pred)
            call(run.hooks, "on_train_batch_end", batch, logs=logs)
            if self.stop_training:
                break
            if not updated:
                raise self._error(f"the loss became {loss}", run, x[chosen], y_true)
            run.stop_if_interrupted()
        else:
            if not all(np.isfinite(parameter.value).all() for parameter in self.parameters):
                raise self._error("a weight is not finite", run, x[chosen], y[chosen])
        return run.means.result()

    def _error(self, what: str, run: Run, x: Array, y: Array) -> NumericalError:
        _, optimizer = self._compiled()
        checkpoint = f" The last good checkpoint: {run.last_good}." if run.last_good else ""
        return NumericalError(
            f"{what} in {run.position}, at learning rate {optimizer.learning_rate:g}. "
            f"{diagnose(self, x, y)}{checkpoint}"
        )

    def evaluate(
        self,
        x: Array,
        y: Array | None = None,
        batch_size: int = 32,
        verbose: str | int = "auto",
        callbacks: Iterable[Callback] | None = None,
        **unknown: Any,
    ) -> float | list[float]:
        """Loss and accuracy over a data set, in inference mode.

        Returns:
            [loss, accuracy], or the loss alone without metrics.

        Raises:
            ValueError: for data that do not fit the model.
            TypeError: for an argument of Keras's that is not there, with what to write instead.
            RuntimeError: while another thread uses the model.
        """
        refuse_unknown("evaluate", unknown, ("x", "y", "batch_size", "verbose", "callbacks"))
        batch_size = integer(batch_size, "batch_size")
        hooks = checked_callbacks(callbacks)
        x, y = self._checked(x, y)
        line = _line(verbose, len(x), batch_size)
        steps = -(-len(x) // batch_size)
        with self._use.by("evaluate", self.name):
            self._hand_to(hooks, {"epochs": 1, "steps": steps, "verbose": verbose})
            logs = self._evaluate(x, y, batch_size, hooks, line)
            self._forget()
        return (
            [logs["loss"], *(logs[name] for name in self.metrics)] if self.metrics else logs["loss"]
        )

    def _evaluate(
        self,
        x: Array,
        y: Array,
        batch_size: int,
        hooks: Sequence[Callback] = (),
        line: console.EpochLine | None = None,
    ) -> Logs:
        means = metrics_.EpochMeans(self.metrics)
        logs: Logs = {}
        self.stop_evaluating = False
        call(hooks, "on_test_begin")
        for batch, chosen in enumerate(batches.batches(len(x), batch_size)):
            call(hooks, "on_test_batch_begin", batch)
            y_pred = self.forward(x[chosen])
            logs = means.add(self.loss_of(y[chosen], y_pred), y[chosen], y_pred)
            call(hooks, "on_test_batch_end", batch, logs=logs)
            if line:
                line.update(batch + 1, logs)
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
        callbacks: Iterable[Callback] | None = None,
        **unknown: Any,
    ) -> Array:
        """The model's output for every sample: (n, *output_shape).

        Raises:
            ValueError: for data that do not fit the model.
            TypeError: for an argument of Keras's that is not there, with what to write instead.
            RuntimeError: while another thread does anything else than predict.
        """
        refuse_unknown("predict", unknown, ("x", "batch_size", "verbose", "callbacks"))
        batch_size = integer(batch_size, "batch_size")
        hooks = checked_callbacks(callbacks)
        x = self._checked_inputs(x)
        line = _line(verbose, len(x), batch_size)
        steps = -(-len(x) // batch_size)
        y = np.empty((len(x), *self.output_shape), self.dtype)
        done = 0
        with self._use.by("predict", self.name):
            self._hand_to(hooks, {"epochs": 1, "steps": steps, "verbose": verbose})
            self.stop_predicting = False
            call(hooks, "on_predict_begin")
            for batch, chosen in enumerate(batches.batches(len(x), batch_size)):
                call(hooks, "on_predict_batch_begin", batch)
                y[chosen] = self.forward(x[chosen])
                done += len(y[chosen])
                call(hooks, "on_predict_batch_end", batch, logs={"outputs": y[chosen]})
                if line:
                    line.update(batch + 1, {})
                if self.stop_predicting:
                    break
            call(hooks, "on_predict_end")
            if line:
                line.finish({})
            self._forget()
        return y[:done]

    # --- checks -----------------------------------------------------------------------------------

    def _checked_inputs(self, x: Any, name: str = "x") -> Array:
        x = batches.checked_inputs(x, self.input_shape, name)
        self.build(x.shape[1:])
        if x.dtype == np.float64 and self.dtype == "float32":
            batches.check_range(x, name)
        return x

    def _checked(self, x: Any, y: Any, names: tuple[str, str] = ("x", "y")) -> tuple[Array, Array]:
        loss, _ = self._compiled()
        x, y = self._checked_inputs(x, names[0]), batches.checked_numbers(y, names[1])
        batches.checked_lengths(x, y, names)
        loss.check_targets(y, self.output_shape)
        return x, y

    def _forget(self) -> None:
        """Frees what the layers kept for a backward."""
        for layer in self.layers:
            layer._cache = None


# The arguments of `fit`, for the error of another one.
_FIT = (
    *("x", "y", "batch_size", "epochs", "verbose", "callbacks", "validation_split"),
    *("validation_data", "shuffle", "initial_epoch"),
)


def _one_number(loss: losses.Loss, value: Any) -> float:
    """What the `forward` of a loss has returned, which somebody else may have written."""
    if np.ndim(value) or not isinstance(value, numbers.Real | np.ndarray):
        received = f"an array of shape {value.shape}" if np.ndim(value) else repr(value)
        raise TypeError(
            f"{type(loss).__name__}.forward must return the mean loss of the batch, one number. "
            f"Received: {received:.100}"
        )
    return float(value)


def _line(verbose: str | int, n: int, batch_size: int) -> console.EpochLine | None:
    live = console.is_live(verbose)
    return console.EpochLine("", -(-n // batch_size), live) if verbose else None
