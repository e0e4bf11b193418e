"""`jit` compiles a kernel when it is first needed, keeps it for later processes, and launches it.

Numba could do all three by itself. Here the cache's key holds all that a kernel's code depends on,
a damaged cache costs a compilation and nothing else, Python threads take turns, and a forked
process gets an error that says what to do.

With NUMBA_DISABLE_JIT=1 `jit` returns the plain Python function.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls
# (what Numba calls, and is called with, has no types to declare)

import functools
import hashlib
import os
import pickle
import threading
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba.core.caching import FunctionCache
from numba.core.serialize import dumps
from numba.np.ufunc.parallel import _launch_threads

from tinycnn.kernels.compiled.simd import LANES
from tinycnn.support import console

JIT_OFF = bool(vars(numba.config)["DISABLE_JIT"])


def _announce() -> None:
    words = "compiling kernels that have not run here before; each takes some seconds, once"
    console.notice(words, once=True)


# Called just before a kernel is compiled, not when it comes from the cache; `warm_up` replaces it.
before_compile: Callable[[], None] = _announce

# Numba's "workqueue" threads abort the process when two Python threads start parallel kernels.
_one_kernel_at_a_time = threading.Lock()

_has_run = False  # whether this process, or one that it was forked from, has run kernels
_threads_lost = False  # whether it was forked after that


if vars(numba.config)["THREADING_LAYER"] not in ("default", "safe", "forksafe", "threadsafe"):
    # If the threading layer that was named is not there, Numba would raise inside the first kernel.
    # Starting its threads now raises here, which leads to the reference rung, with a notice.
    _launch_threads()


def _after_fork() -> None:
    global _threads_lost
    _threads_lost = _has_run


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def jit(parallel: bool) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Compiles a kernel on its first call with new types, or loads it from the cache.

    A kernel may close over plain numbers only: they are part of the cache's key. (A closed-over
    jitted helper would never be found again; helpers belong at module level.)

    Args:
        parallel: run its `prange` loops on all threads. Numba then also parallelizes every np.zeros
            and every `array[a:b] = ...` outside of them, at half a second of compilation each, so
            kernels keep those inside, or in a helper.
    """

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        if JIT_OFF:
            return function
        kernel: Any = numba.njit(parallel=parallel)(function)
        kernel._cache = _Cache(function)

        @functools.wraps(function)
        def launch(*arguments: Any) -> None:
            """Runs the kernel; raises in a forked child, which OpenMP would kill without a word."""
            global _has_run
            if _threads_lost:
                raise RuntimeError(
                    "this process was forked after compiled kernels had run, and their threads "
                    "did not come along: start it with multiprocessing.get_context('spawn'), or "
                    "compute in it with tinycnn.kernels.use('numpy')"
                )
            _has_run = True
            with _one_kernel_at_a_time:
                kernel(*arguments)

        return launch

    return decorate


@functools.cache
def _sources() -> bytes:
    """A hash of every file of this folder.

    Numba puts the code of jitted helpers, and the value of every global, into the kernel that uses
    them. So a kernel depends on other files than its own. All that kernels use is in this folder,
    so this hash changes whenever a kernel might.
    """
    files = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).digest()


class _Cache(FunctionCache):
    """Numba's cache with a stricter key and one checksummed file for each key; it never raises.

    Numba's own cache looks only at the kernel's source file, and lets a damaged file stop the
    program. It also numbers the files of a kernel's variants in an index, where two processes that
    compile different variants at once can end up with each other's code.
    """

    def __init__(self, function: Callable[..., None]) -> None:
        try:
            super().__init__(function)
        except RuntimeError:  # no folder to write to: compile in every process
            self._cache_path = None

    def _file(self, signature, codegen) -> Path:
        key = repr((self._index_key(signature, codegen), LANES, numba.__version__))
        name = f"{self._impl.filename_base}-{hashlib.sha256(key.encode()).hexdigest()[:24]}.nbc"
        return Path(self._cache_path, name)

    def load_overload(self, sig, target_context):
        target_context.refresh()
        try:
            content = self._file(sig, target_context.codegen()).read_bytes()
            if content[:32] == hashlib.sha256(_sources() + content[32:]).digest():
                return self._impl.rebuild(target_context, pickle.loads(content[32:]))
        except Exception:  # whatever is wrong with the file: compile
            pass
        before_compile()
        return None

    def save_overload(self, sig, data):
        try:
            if not self._impl.check_cachable(data):
                return
            file = self._file(sig, data.codegen)
            content = dumps(self._impl.reduce(data))
            unfinished = file.with_name(f"{file.name}.{uuid.uuid4().hex[:8]}")
            unfinished.write_bytes(hashlib.sha256(_sources() + content).digest() + content)
            unfinished.replace(file)
        except Exception:  # no folder, disk full, ...: the next process compiles again
            pass
