"""Known wrong code, kept as small changes of the right one.

    Mistake("relu_backward", "the mask is reversed", "...", (Edit("relu_backward", ">", "<="),))

A mistake holds what is wrong and not a copy of what is right. A piece that is not found exactly
once is an error, so a change of the formulas cannot silently make a mistake stale.
"""

import inspect
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from types import CodeType
from typing import Any, NamedTuple

# Those files of these that a change touches are executed as one, so that a change of col2im reaches
# conv2d_backward. What is named twice is what the last of them calls so.
FILES = (
    "tinycnn.grader.definitions",
    "tinycnn.kernels.reference.convolution",
    "tinycnn.kernels.reference.pooling",
    "tinycnn.kernels.reference.normalization",
    "tinycnn.kernels.reference.regularization",
    "tinycnn.kernels.reference.optimizers",
    "tinycnn.kernels.reference.activations",
)


class Edit(NamedTuple):
    """In the source of the function `target`, `new` stands for `old`."""

    target: str
    old: str
    new: str


@dataclass(frozen=True)
class Mistake:
    """One way to write a function wrong.

    Attributes:
        exercise: the function that is wrong.
        name: the mistake, in words that follow "the likely cause is that".
        rule: what holds instead: one or two sentences, without code.
        edits: what is written instead of the right code.
    """

    exercise: str
    name: str
    rule: str
    edits: tuple[Edit, ...]


@cache
def known_function(mistake: Mistake) -> Callable[..., Any]:
    """The function that has the mistake."""
    return wrong_function(mistake.exercise, mistake.edits)


def wrong_function(exercise: str, edits: tuple[Edit, ...]) -> Callable[..., Any]:
    """The function `exercise` with the edits in it and in what it calls.

    Raises:
        ValueError: if a piece is not found exactly once.
    """
    namespace: dict[str, Any] = {"__name__": "tinycnn.grader.mistakes.patched"}
    files = {_file(name) for name in (exercise, *(edit.target for edit in edits))}
    for file in sorted(files, key=FILES.index):
        exec(_code(file), namespace)
    for target in dict.fromkeys(edit.target for edit in edits):
        source = _source(target)
        for edit in edits:
            if edit.target == target:
                if source.count(edit.old) != 1 or edit.old == edit.new:
                    raise ValueError(
                        f"{target} must hold this piece once, and not {source.count(edit.old)} "
                        f"times:\n{edit.old}"
                    )
                source = source.replace(edit.old, edit.new)
        exec(compile(source, f"<{target}>", "exec"), namespace)
    wrong: Callable[..., Any] = namespace[exercise]
    return wrong


@cache
def _code(file: str) -> CodeType:
    return compile(inspect.getsource(_module(file)), file, "exec")


@cache
def _source(target: str) -> str:
    source = textwrap.dedent(inspect.getsource(getattr(_module(_file(target)), target)))
    head, _, rest = source.partition('"""')  # without its docstring, which takes time to compile
    return head.rstrip() + rest.partition('"""')[2]


@cache
def _file(name: str) -> str:
    """The one that defines a function."""
    return next(
        file
        for file in FILES
        if getattr(getattr(_module(file), name, None), "__module__", None) == file
    )


def _module(file: str) -> Any:
    return sys.modules[file]
