"""`machine_code` compiles a function when it is first needed, and keeps it for later processes.

Numba makes machine code of a Python function whose types it is told. Its decorators also make
wrappers, through which Python and C call it, and compile them with it, at half the time of all.
Here nothing but the function itself is compiled, and one entry, which is called with a few words.

What is kept is object code, which LLVM puts in memory, here as in later processes. These need Numba
for the names of types alone: most modules of its compiler, which take longer to load than all the
code, are not loaded there.

The cache's key holds all that the code depends on: the sources of this folder, the types, the
number of lanes, the versions, the processor. A damaged cache costs a compilation and nothing else.
A folder that several computers share (a home directory, a container's image, a course's machine)
may hold the code for each kind of processor side by side.

With NUMBA_DISABLE_JIT=1 nothing is compiled: kernels run as the Python functions that they are.
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
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

import numba
from llvmlite import binding, ir
from numba import types
from numba.core.caching import FunctionCache
from numba.extending import intrinsic

from tinycnn.kernels.compiled.simd import LANES
from tinycnn.kernels.compiled.words import I64
from tinycnn.support import console

try:  # what of Numba's own parts is used here, and may change its place in another version
    from numba.core import codegen, compiler, compiler_lock, dispatcher, registry, runtime

    _parts: Any = vars(dispatcher) | vars(runtime) | vars(codegen.CPUCodeLibrary)
    _FunctionCompiler: Any = _parts["_FunctionCompiler"]
    _lock: Any = compiler_lock.global_compiler_lock
    _object_code: Any = _parts["serialize_using_object_code"]
    _destructor: int = _parts["_nrt_python"].c_helpers["MemInfo_call_dtor"]
    _MISSING = ""
except (AttributeError, ImportError, KeyError) as error:
    _FunctionCompiler, _lock, _object_code, _destructor = object, threading.RLock(), None, 0
    _MISSING = str(error)

JIT_OFF = bool(vars(numba.config)["DISABLE_JIT"])

_OPTIONS = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True, "error_model": "numpy"}


def helper(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that kernels call; it is compiled with the first kernel that does."""
    njit: Any = numba.njit
    jitted: Callable[..., Any] = njit(**_OPTIONS)(function)
    return jitted


def verb(generator: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A Numba intrinsic of this name; with the JIT off, the plain function that it decorates."""

    def choose(twin: Callable[..., Any]) -> Callable[..., Any]:
        chosen: Callable[..., Any] = twin if JIT_OFF else intrinsic(generator)
        return chosen

    return choose


def _announce(name: str) -> None:
    words = "compiling kernels that have not run here before; each takes a second or more, once"
    console.notice(words, once=True)


# Called with a function's name just before it is compiled, not when it comes from the cache.
before_compile: Callable[[str], None] = _announce

# What owns the machine code, which must outlive every thread that runs it: LLVM's engines, each
# with the names of the entries in it, and Numba's functions.
_engines: list[tuple[Any, set[str]]] = []
_kept: list[Any] = []


def as_they_are(context, builder, words):
    """The arguments of a function of words."""
    return list(words)


def machine_code(
    function: Callable[..., None],
    argument_types: tuple[Any, ...],
    unpack: Callable[..., list[Any]] = as_they_are,
    words: int = 3,
    compiles: bool = True,
) -> int:
    """The address of `void entry(word, ..., word)`, which calls the function.

    Args:
        function: what is compiled. It may close over plain numbers only, which are part of the
            cache's key. Helpers belong at module level.
        argument_types: Numba's types of its arguments.
        unpack: (context, builder, the words) -> the function's arguments.
        words: how many the entry takes, 3 or 4.
        compiles: False only looks into the cache, and returns 0 if it is not there.
    """
    with _lock:
        if _MISSING:
            return _public_code(function, argument_types, unpack, words) if compiles else 0
        cache = _Cache(function, argument_types)
        made = cache.load()
        if made is None and not compiles:
            return 0
        if made is None:
            before_compile(function.__name__)
            made = _compiled(function, argument_types, unpack, words)
            cache.save(made)
        return _in_memory(made)


class _Made(NamedTuple):
    """A kernel's entry, an object file's content, whether other processes can run it."""

    name: str
    code: bytes
    lasting: bool = True


def _in_memory(made: _Made) -> int:
    """The address of the entry, once LLVM has put the code in memory."""
    # Two processes may have given their functions one name, which would be ambiguous in one engine.
    if not _engines or made.name in _engines[-1][1]:
        _engines.append((_new_engine(), set()))
    engine, names = _engines[-1]
    names.add(made.name)
    engine.add_object_file(binding.ObjectFileRef.from_data(made.code))
    engine.finalize_object()
    address: int = engine.get_function_address(made.name)
    return address


def _new_engine() -> Any:
    """LLVM's engine, which finds room for code and links it."""
    # Numba's code for what owns an array's memory refers to this. No array of a kernel has such.
    binding.add_symbol("NRT_MemInfo_call_dtor", _destructor)
    machine = binding.Target.from_triple(binding.get_process_triple()).create_target_machine()
    return binding.create_mcjit_compiler(binding.parse_assembly(""), machine)


_parts_of = attrgetter("target_context", "library", "fndesc")  # of what Numba has compiled


def _compiled(function, argument_types, unpack, words) -> _Made:
    options = {"error_model": "numpy", "nopython": True}
    maker = _Compiler(function, registry.cpu_target, options, {}, compiler.Compiler)
    result = maker.compile(argument_types, types.none)
    _add_entry(result, argument_types, unpack, words)
    _, library, fndesc = _parts_of(result)
    _, _, (code, _) = _object_code(library)
    return _Made(fndesc.llvm_cfunc_wrapper_name, code, not library.has_dynamic_globals)


class _Compiler(_FunctionCompiler):  # type: ignore[misc]
    """Types and lowers a function, without wrappers, and leaves the optimizing for later."""

    def _customize_flags(self, flags):
        flags.no_cpython_wrapper = flags.no_cfunc_wrapper = flags.no_compile = True
        return flags


def _add_entry(result, argument_types, unpack, words):
    """Adds the entry to the function's library, and compiles both as one."""
    context, library, fndesc = _parts_of(result)
    module = context.create_module("entry")
    kind = context.call_conv.get_function_type(types.none, argument_types)
    callee = ir.Function(module, kind, fndesc.llvm_func_name)
    entry_kind = ir.FunctionType(ir.VoidType(), [I64] * words)
    entry = ir.Function(module, entry_kind, fndesc.llvm_cfunc_wrapper_name)
    builder = ir.IRBuilder(entry.append_basic_block())
    arguments = unpack(context, builder, entry.args)
    context.call_conv.call_function(builder, callee, types.none, argument_types, arguments)
    builder.ret_void()
    library.add_ir_module(module)
    library.finalize()


def _public_code(function, argument_types, unpack, words):
    """The same by Numba's public names alone: slower to compile, and without a cache."""
    console.notice(
        f"this version of Numba ({numba.__version__}) lacks what the kernels' cache needs "
        f"({_MISSING}): they are compiled in every process",
        once=True,
    )
    inner = helper(function)

    def generator(typingctx, given):
        def codegen(context, builder, sig, args):
            given = [builder.extract_value(args[0], index) for index in range(words)]
            return context.make_tuple(builder, sig.return_type, unpack(context, builder, given))

        return types.Tuple(argument_types)(types.UniTuple(types.int64, words)), codegen

    arguments: Any = intrinsic(generator)

    def of_three(a, b, c):
        inner(*arguments((a, b, c)))

    def of_four(a, b, c, d):
        inner(*arguments((a, b, c, d)))

    entry = of_three if words == 3 else of_four
    signature = types.void(*[types.int64] * words)
    before_compile(function.__name__)
    made = numba.cfunc(signature, error_model="numpy")(entry)
    _kept.append(made)
    return made.address


@functools.cache
def _sources() -> bytes:
    """A hash of every file of this folder.

    Numba puts the code of helpers, and the value of every global, into the function that uses
    them. So a kernel depends on other files than its own. All that kernels use is in this folder,
    so this hash changes whenever a kernel might.
    """
    files = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).digest()


class _Cache(FunctionCache):
    """Numba's cache with a stricter key and one checksummed file for each key; it never raises.

    Numba's own cache looks only at the function's source file, and lets a damaged file stop the
    program. It also numbers the files of a function's variants in an index, where two processes
    that compile different variants at once can end up with each other's code.
    """

    def __init__(self, function: Callable[..., None], argument_types: tuple[Any, ...]) -> None:
        self._types = argument_types
        try:
            super().__init__(function)
        except RuntimeError:  # no folder to write to: compile in every process
            self._cache_path = None

    def _file(self) -> Path:
        codegen = registry.cpu_target.target_context.codegen()
        key = repr((self._index_key(self._types, codegen), LANES, numba.__version__))
        name = f"{self._impl.filename_base}-{hashlib.sha256(key.encode()).hexdigest()[:24]}.nbc"
        return Path(self._cache_path, name)

    def load(self) -> _Made | None:
        """What was compiled before, or None."""
        try:
            content = self._file().read_bytes()
            if content[:32] == hashlib.sha256(_sources() + content[32:]).digest():
                return _Made(*pickle.loads(content[32:]))
        except Exception:  # whatever is wrong with the file: compile
            pass
        return None

    def save(self, made: _Made) -> None:
        """Keeps it for later processes, if that is possible."""
        try:
            if not made.lasting:
                return
            file = self._file()
            content = pickle.dumps(tuple(made))
            unfinished = file.with_name(f"{file.name}.{uuid.uuid4().hex[:8]}")
            try:
                unfinished.write_bytes(hashlib.sha256(_sources() + content).digest() + content)
                unfinished.replace(file)
            finally:  # on a full disk every start would leave another half of a file
                unfinished.unlink(missing_ok=True)
        except Exception:  # no folder, disk full, ...: the next process compiles again
            pass


# A forked process has no thread but the one that forked. Another one's compilation would never end
# in it, nor give back the lock: a fork waits until nothing is being compiled or loaded.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release
    )
