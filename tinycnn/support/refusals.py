"""Refuses what a Keras user may set or override although it would have no effect here.

Only tinycnn's own classes refuse an attribute; a user's own class may have any.
"""

from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any, ClassVar

from tinycnn.support.keras_names import NOT_THERE, OTHERWISE
from tinycnn.support.keywords import Named, keywords_of


class Strict(Named):
    """Base of layers, losses, optimizers, callbacks and models.

    Each of them says what it would ignore:
    - `not_there`: attributes of Keras's. A class whose constructor takes one does have it.
    - `fixed`: attributes that may no longer be changeable; `why_fixed` says whether they are.
    - `never_called`: methods of Keras's, each with what to write here, a method's name first. A
      class may have one only if it overrides the method that is named, too.
    """

    not_there: ClassVar[frozenset[str]] = frozenset()
    fixed: ClassVar[frozenset[str]] = frozenset()
    never_called: ClassVar[Mapping[str, str]] = {}

    def __init_subclass__(cls, **arguments: Any) -> None:
        """Checks the methods of a user's own class.

        Raises:
            TypeError: for one that would never be called; the message names the one that would.
        """
        super().__init_subclass__(**arguments)
        if _is_ours(cls):
            return
        base = next(base for base in cls.__mro__ if _is_ours(base))
        for name, instead in cls.never_called.items():
            method = instead.split()[0]
            if name in vars(cls) and getattr(cls, method) is getattr(base, method):
                raise TypeError(
                    f"{cls.__name__}.{name} would never be called; write {instead}: see "
                    f"tinycnn's {base.__name__}"
                )

    def __setattr__(self, name: str, value: Any) -> None:
        cls: Any = type(self)
        if name in cls.not_there and _is_ours(cls) and not hasattr(cls, name):
            known = _constructor(cls)
            if name not in known:
                raise AttributeError(f"{cls.__name__} has no `{name}`; {_advice(name, known)}")
        if name in cls.fixed and _is_ours(cls) and (why := self.why_fixed(name)):
            raise AttributeError(f"`{name}` of this {cls.__name__} can't be set: {why}")
        super().__setattr__(name, value)

    def why_fixed(self, name: str) -> str:
        """Why setting `name`, one of `fixed`, would have no effect by now; "" if it would."""
        return ""


@lru_cache(maxsize=256)
def _constructor(cls: type) -> frozenset[str]:
    return frozenset(keywords_of(cls) or ())


def _is_ours(cls: type) -> bool:
    return cls.__module__.partition(".")[0] == "tinycnn"


def _advice(name: str, known: Collection[str]) -> str:
    if name in NOT_THERE:
        words = NOT_THERE[name].rstrip(".")
        return words[0].lower() + words[1:]
    instead = OTHERWISE.get(name, "")
    if instead and (instead in known or not instead.isidentifier()):
        return f"write {instead}"
    return "setting it would change nothing"
