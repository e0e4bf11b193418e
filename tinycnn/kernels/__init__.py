"""Picks the rung: `reference/` (NumPy, to read) or `compiled/` (Numba, to run).

Both hold the same functions, in files of the same names. `kernels.conv2d_forward(...)` calls the
active rung's function:

    kernels.use("numpy")              # from here on
    with kernels.use("numba"): ...    # only inside

Before any `use`, the rung is what the environment variable TINYCNN_KERNELS says, else "numba". The
choice is held in a ContextVar: it belongs to the thread, or the asyncio task, that made it.
"""

import os
import sys
from collections.abc import Callable, Hashable, Sequence
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar, Token
from functools import cache
from importlib import import_module
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from tinycnn.support import console

RUNGS = {"numba": "compiled", "numpy": "reference"}
_chosen: ContextVar[str | None] = ContextVar("tinycnn_kernels", default=None)

if TYPE_CHECKING:
    # What editors and type checkers see, and where "go to definition" leads: the readable rung.
    from tinycnn.kernels.reference import *
else:

    class _OfActiveRung:
        """A kernel's name: what it stands for is looked up each time that it is read."""

        def __init__(self, name: str) -> None:
            self._name = name

        def __get__(self, module: ModuleType | None, kind: type) -> Any:
            return _quiet(getattr(_module(_chosen.get() or _from_environment()), self._name))

    class _Kernels(ModuleType):
        """The class of this module. It gets the names that are asked for, one by one."""

    sys.modules[__name__].__class__ = _Kernels

    def __getattr__(name: str) -> Any:
        # Python comes here for a name that is not there yet, which takes longer than the rest.
        if name.startswith("_"):
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        if name in RUNGS.values():  # a rung itself, as a module that is not loaded yet
            return import_module(f"{__name__}.{name}")
        kernel = _quiet(getattr(_active(), name))
        setattr(_Kernels, name, _OfActiveRung(name))
        return kernel


@cache
def _quiet(kernel: Any) -> Any:
    """The kernel with NumPy's floating-point warnings off, whatever the caller has set.

    Moments and probabilities underflow to 0 in every long training. Numbers that are not finite are
    found by the model, on both rungs alike. The compiled rung's own functions warn of nothing.
    """
    if not callable(kernel) or kernel.__module__.startswith(f"{__name__}.{RUNGS['numba']}."):
        return kernel
    return np.errstate(all="ignore")(kernel)


class use:  # noqa: N801 - reads as a verb: kernels.use("numpy")
    """Chooses the rung at once; in a `with` statement, only until its end.

    Args:
        rung: "numba" (compiled, the default) or "numpy" (reference).

    Raises:
        ValueError: for any other name.
    """

    def __init__(self, rung: str) -> None:
        self._before: Token[str | None] = _chosen.set(_checked(rung, "rung"))

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _chosen.reset(self._before)


def active() -> str:
    """The name of the rung that runs: "numba" or "numpy"."""
    return "numpy" if _active() is _module("numpy") else "numba"


def warm_up(dtype: str = "float32") -> float:
    """Makes the compiled rung ready for arrays of `dtype`: compiles it, or loads it from the cache.

    The first call on a machine compiles for some seconds and shows its progress; without it the
    first training step does that. `model.warm_up(x, y)` compiles no more than the model needs, and
    also what layers of very few filters need, which have kernels of their own. On the reference
    rung there is nothing to do.

    Returns:
        The seconds it took.
    """
    return 0.0 if active() == "numpy" else float(_module("numba").warm_up(dtype))


def warm_up_for(work: Callable[[], object]) -> float:
    """The same for the kernels that `work` calls, and for no others.

    It is called once, and computes nothing: its kernels put zeros into all arrays that they are
    given, those that they would only read among them. So it has to work on copies.
    """
    return 0.0 if active() == "numpy" else float(_module("numba").warm_up(work))


def repeated(
    memory: dict[Hashable, Any],
    key: Hashable,
    given: Sequence[Any],
    work: Callable[[], list[tuple[Any, ...]]],
    kept: Sequence[Any] = (),
) -> list[tuple[Any, ...]]:
    """What `work` returns, on the compiled rung in a single launch if it comes again.

    See `compiled/together.py`, which also tells what the work has to be like.
    """
    if active() == "numpy":
        return work()
    results: list[tuple[Any, ...]] = _module("numba").repeated(memory, key, given, work, kept)
    return results


def turn() -> AbstractContextManager[Any]:
    """A `with` in which no other Python thread launches a kernel; the reference rung has none."""
    turn: AbstractContextManager[Any] = (
        nullcontext() if active() == "numpy" else _module("numba").taking_turns()
    )
    return turn


def get_num_threads() -> int:
    """How many threads the compiled kernels run on; 1 where there are none.

    It is what `set_num_threads` has set; else NUMBA_NUM_THREADS, an environment variable; else how
    many cores the process may use, by its CPU affinity and by a container's limit.
    """
    module = _module("numba")
    return 1 if module is _module("numpy") else int(module.get_num_threads())


def set_num_threads(threads: int) -> None:
    """Sets how many threads the compiled kernels run on, in this process.

    The results are the same to the bit for any number.

    Args:
        threads: 1 or more, of which the thread that calls the kernels is one.

    Raises:
        ValueError: for anything else.
        RuntimeError: if there are no compiled kernels here; NumPy's threads are its own.
    """
    module = _module("numba")
    if module is _module("numpy"):
        raise RuntimeError("only the compiled kernels have threads to set; they are not there")
    module.set_num_threads(threads)


def chosen() -> str:
    """The name of the rung that was asked for, by `use` or by TINYCNN_KERNELS; else "numba".

    Raises:
        ValueError: if TINYCNN_KERNELS names no rung.
    """
    return _chosen.get() or _from_environment()


def _active() -> ModuleType:
    return _module(chosen())


@cache
def _from_environment() -> str:
    return _checked(os.environ.get("TINYCNN_KERNELS") or "numba", "TINYCNN_KERNELS")


@cache
def _module(rung: str) -> ModuleType:
    """The module of a rung; the reference one, with a notice, if Numba can't be set up."""
    try:
        return import_module(f"tinycnn.kernels.{RUNGS[rung]}")
    except Exception as error:
        if rung == "numpy":
            raise
        console.notice(
            f"the compiled kernels can't be set up here ({type(error).__name__}: {error}); "
            "running on NumPy, several times slower",
            once=True,
        )
        return _module("numpy")


def _checked(rung: str, name: str) -> str:
    if rung not in RUNGS:
        raise ValueError(f"`{name}` must be 'numba' or 'numpy'. Received: {name}={rung!r}")
    return rung
