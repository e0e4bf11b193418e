"""The student's process: loads the file, calls its functions, and writes down what came of it.

The grader starts this file as a script. There is no tinycnn in this process, so that no function
can return the right answer by asking for it, and nothing that is printed gets anywhere. What comes
from the grader are the arguments; what goes back are arrays and words (see wire.py).

It is a fence and not a prison: whoever wants to cheat can, for instance by reading files. The
grader is made for those who want to know where they stand.
"""

import importlib.util
import os
import sys
import threading
import time
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, BinaryIO

TIME_IS_UP = 97  # the exit code
PATIENCE = 10


def _beside(name: str) -> ModuleType:
    """The module of this folder, by its file: `import tinycnn` does not work here."""
    return _load(name, Path(__file__).with_name(f"{name}.py"))


def _load(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


if TYPE_CHECKING:
    from tinycnn.grader import calls, wire
elif __name__ == "__main__":
    calls, wire = _beside("calls"), _beside("wire")


def main() -> None:
    """Reads one message with the file and the questions; writes one for each function."""
    (work,) = wire.unpack(sys.stdin.buffer.read())
    with os.fdopen(os.dup(1), "wb") as out:
        nowhere = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(nowhere, number)
        _limit_memory(work["bytes"])
        sys.modules["tinycnn"] = None  # type: ignore[assignment]  # an import is refused
        path = Path(work["file"])
        sys.path.append(str(path.parent))
        stop = _start_clock(work["seconds"])
        try:
            module = _load("student", path)
        except (Exception, SystemExit) as error:
            _send(out, {"file": tuple(calls.failure_of(error, str(path)))})
            return
        finally:
            stop.set()
        _send(out, {"file": None})
        for task in work["tasks"]:
            function = getattr(module, task["name"], None)
            called = calls.calls_of(function, work["names"]) if callable(function) else []
            _send(out, {"begin": task["name"], "calls": called})  # it may be the last message
            stop = _start_clock(work["seconds"])
            answer = _answer(function, task)
            stop.set()
            _send(out, answer)
    os._exit(0)  # whatever the student's file has asked for at exit


def _answer(function: Any, task: dict[str, Any]) -> dict[str, Any]:
    if not callable(function):
        return {"done": task["name"], "outcomes": None}
    outcomes: list[Any] = []
    for case in task["cases"]:
        outcome = calls.call(
            function, case["arguments"], task["count"], task["in_place"], case["strict"]
        )
        outcomes.append(
            {**outcome._asdict(), "failure": outcome.failure and tuple(outcome.failure)}
        )
        if outcome.failure is not None and outcome.failure.type == "NotImplementedError":
            break
    return {"done": task["name"], "outcomes": outcomes}


def _send(out: BinaryIO, value: dict[str, Any]) -> None:
    out.write(wire.pack(value))
    out.flush()


def _start_clock(seconds: float) -> threading.Event:
    """Ends the process after so many seconds of its own work, unless the event is set before.

    The processor's time counts, so that a busy machine makes nobody late. Who waits, for instance
    for a key, is stopped after PATIENCE times as long by the clock on the wall.
    """
    stop = threading.Event()
    work, wall = time.process_time(), time.monotonic()

    def watch() -> None:
        while not stop.wait(0.05):
            waited = time.monotonic() - wall > PATIENCE * seconds
            if waited or time.process_time() - work > seconds:
                os._exit(TIME_IS_UP)

    threading.Thread(target=watch, daemon=True).start()
    return stop


def _limit_memory(size: int) -> None:
    """No more than `size` bytes of address space; Windows has no such limit."""
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_AS, (size, size))


if __name__ == "__main__":
    main()
