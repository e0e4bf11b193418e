"""Who is using a model: any number of threads that predict, or one that does something else."""

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

# One lock for all models, held only while looking up who is at work: a model with a lock of its own
# could be neither copied nor pickled.
_door = threading.Lock()
_NOTHING = nullcontext()


class Use:
    """The threads that are at work on a model, and what each does.

    Layers keep what their backward will need, so a forward in another thread would replace it.
    Within one thread anything may call anything: a callback of `fit` may predict.
    """

    def __init__(self) -> None:
        self._threads: dict[int, list[str]] = {}  # what a thread does, innermost last

    def __reduce__(self) -> tuple[type["Use"], tuple[()]]:
        """No thread is at work on a copy."""
        return Use, ()

    def by(self, what: str, name: str) -> AbstractContextManager[None]:
        """Inside its `with`, this thread does `what`; only "predict" may run in several at once.

        Args:
            what: the method's name.
            name: the model's name, for the error.

        Raises:
            RuntimeError: if another thread is doing something that does not go with it.
        """
        if what == "forward" and list(self._threads) == [threading.get_ident()]:
            return _NOTHING  # a part of what this thread does already, and no other one is here
        return self._by(what, name)

    @contextmanager
    def _by(self, what: str, name: str) -> Iterator[None]:
        me = threading.get_ident()
        with _door:
            mine = self._threads.get(me, [])
            if mine and what == "forward":  # it is a part of what this thread does already
                what = mine[-1]
            for thread, doing in self._threads.items():
                if thread != me and (what, doing[0]) != ("predict", "predict"):
                    raise RuntimeError(
                        f"{name}: {doing[0]} is running in another thread, and {what} would "
                        "interfere; wait until it ends, or work on a copy.deepcopy of the model"
                    )
            self._threads.setdefault(me, []).append(what)
        try:
            yield
        finally:
            with _door:
                self._threads[me].pop()
                if not self._threads[me]:
                    del self._threads[me]
