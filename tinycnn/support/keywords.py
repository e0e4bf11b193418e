"""Errors for wrong keywords: they name what the user wrote, and what to write instead."""

import difflib
import inspect
from collections.abc import Collection, Mapping
from typing import Any, Self

from tinycnn.support.arguments import printable

# What earlier Keras versions, other libraries and habit call an argument, and what to write here.
OTHERWISE = {
    "lr": "learning_rate",
    "alpha": "negative_slope",
    "beta1": "beta_1",
    "beta2": "beta_2",
    "eps": "epsilon",
    "decay": "weight_decay, or a schedule as the learning_rate",
    "nb_filter": "filters",
    "n_filters": "filters",
    "out_channels": "filters",
    "border_mode": "padding",
    "subsample": "strides",
    "stride": "strides",
    "kernel": "kernel_size",
    "init": "kernel_initializer",
    "W_regularizer": "kernel_regularizer",
    "bias": "use_bias",
    "output_dim": "units",
    "p": "rate",
    "input_dim": "input_shape=(size,)",
    "batch_input_shape": "input_shape, without the batch axis",
    "batch_shape": "shape, without the batch axis",
    "nb_epoch": "epochs",
    "show_accuracy": "metrics=['accuracy'] in compile",
    "activity_regularizer": "kernel_regularizer, which penalizes weights",
    "bias_regularizer": "kernel_regularizer, which leaves biases alone",
    "gradient_accumulation_steps": "a larger batch_size in fit",
    "weighted_metrics": "metrics",
    "validation_batch_size": "batch_size, which validation uses, too",
    "return_dict": "dict(zip(['loss', *(m.name for m in model.metrics)], result))",
}

# What Keras has and tinycnn does not, and what to do about it.
MISSING = {
    "data_format": "Images are always (N, H, W, C), 'channels_last'.",
    "dilation_rate": "Dilated kernels are not supported.",
    "groups": "Grouped convolutions are not supported.",
    "kernel_constraint": "Constraints are not supported.",
    "bias_constraint": "Constraints are not supported.",
    "use_ema": "Averages of weights are not supported.",
    "loss_scale_factor": "Losses are float32 or float64 and need no scale.",
    "loss_weights": "A model has one output.",
    "run_eagerly": "Every step is plain Python already.",
    "steps_per_execution": "Every step is run by itself.",
    "jit_compile": "kernels.use('numpy') turns the compiled kernels off.",
    "auto_scale_loss": "Losses are float32 or float64 and need no scale.",
    "class_weight": "Repeat the samples of a rare class in x and y.",
    "sample_weight": "Repeat samples in x and y.",
    "reset_metrics": "Every call begins anew.",
    "validation_freq": "Validation comes after every epoch.",
    "by_name": "Layers are matched in their order.",
    "skip_mismatch": "All weights of the file must be the model's.",
    "safe_mode": "No file holds code that could run here.",
    "save_format": "The ending of the path decides: .npz, .keras or .h5.",
    "include_optimizer": "The optimizer's state is saved; save_weights saves none.",
    "workers": "Batches are made one after the other.",
    "use_multiprocessing": "Batches are made one after the other.",
    "max_queue_size": "Batches are made one after the other.",
}


def refuse_unknown(owner: str, unknown: Mapping[str, Any], known: Collection[str]) -> None:
    """Raises TypeError for the first of the `unknown` keywords, and says what to write instead.

    Args:
        owner: what was called, as the user wrote it: "Conv2D", "fit".
        unknown: the keywords that it does not have.
        known: those that it has.
    """
    for name in unknown:
        words = f"{owner} has no argument `{printable(name)}`"
        if name in MISSING:
            raise TypeError(f"{words}. {MISSING[name]}")
        instead = OTHERWISE.get(name)
        if instead is None or (instead.isidentifier() and instead not in known):
            instead = next(iter(difflib.get_close_matches(name, known, 1, 0.75)), None)
        raise TypeError(
            f"{words}; write {instead}"
            if instead
            else f"{words}; it has {', '.join(known) or 'none'}"
        )


class Named:
    """Base of the classes that users instantiate: a wrong keyword's error names their class."""

    def __new__(cls, *arguments: Any, **keywords: Any) -> Self:
        """Makes the object, if its `__init__` takes these keywords.

        Raises:
            TypeError: for another keyword; it names the class and what to write instead.
        """
        if keywords:
            known = keywords_of(cls)
            if known is not None:
                unknown = {name: keywords[name] for name in keywords if name not in known}
                refuse_unknown(cls.__name__, unknown, known)
        return super().__new__(cls)


def keywords_of(cls: type) -> list[str] | None:
    """The keywords of `__init__`, with those it hands on to its bases; None if it takes any."""
    known: list[str] = []
    for base in cls.__mro__[:-1]:  # without `object`
        if "__init__" not in base.__dict__:
            continue
        parameters = list(inspect.signature(base.__dict__["__init__"]).parameters.values())[1:]
        kinds = {parameter.kind for parameter in parameters}
        known += [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
        if inspect.Parameter.VAR_KEYWORD not in kinds:
            return known
    handed_on_to_nobody = any("__init__" in base.__dict__ for base in cls.__mro__[:-1])
    return None if handed_on_to_nobody else known
