"""Errors for wrong keywords: they name what the user wrote, and what to write instead."""

import inspect
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, Protocol, Self

from tinycnn.support import keras_names
from tinycnn.support.arguments import closest, printable
from tinycnn.support.keras_names import NOT_THERE, OTHERWISE


def refuse_unknown(owner: str, unknown: Mapping[str, Any], known: Collection[str]) -> None:
    """Raises TypeError for the first of the `unknown` keywords, and says what to write instead.

    Those that ask for what is so anyway pass, see keras_names.py.

    Args:
        owner: what was called, as the user wrote it: "Conv2D", "fit".
        unknown: the keywords that it does not have.
        known: those that it has.
    """
    for name in keras_names.settled(owner, unknown, known):
        raise _error(owner, name, known)


def _error(owner: str, name: str, known: Collection[str]) -> TypeError:
    """The error for one keyword."""
    words = f"{owner} has no argument `{printable(name)}`"
    if name in NOT_THERE:
        return TypeError(f"{words}. {NOT_THERE[name]}")
    instead = OTHERWISE.get(name)
    if instead is None or (instead.isidentifier() and instead not in known):
        instead = closest(name, known)
    return TypeError(
        f"{words}; write {instead}" if instead else f"{words}; it has {', '.join(known) or 'none'}"
    )


class Door(type(Protocol)):  # type: ignore[misc]
    """What a call of a class goes through: a wrong keyword's error names that class.

    Keywords of Keras's that have another name here, or ask for what is so anyway, pass by today's
    names: see keras_names.py.

    It is made from the metaclass of protocols, which is one of abstract classes, so that a user's
    own layer may also have an `abc.ABC` or a `Protocol` among its bases.
    """

    def __call__(cls, *arguments: Any, **keywords: Any) -> Any:
        """Makes the object, if its `__init__` takes these keywords.

        Raises:
            TypeError: for another keyword; it names the class and what to write instead.
        """
        known = keywords_of(cls) if keywords else None
        if known is not None:
            keywords = keras_names.settled(cls.__name__, keywords, known)
            for name in keywords:
                if name not in known:
                    raise _error(cls.__name__, name, known)
        return super().__call__(*arguments, **keywords)

    @property
    def __signature__(cls) -> inspect.Signature:
        """The signature that `help` and editors show: that of `__init__`."""
        signature = inspect.signature(cls.__init__)  # type: ignore[misc]
        return signature.replace(parameters=[*signature.parameters.values()][1:])


class Named(metaclass=Door):
    """Base of the classes that users instantiate; attributes may have Keras's names."""

    _is_protocol = False  # Python 3.11's `isinstance` asks it of every class of Door's metaclass

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """The object that `get_config` of another one describes."""
        made: Self = cls(**config)
        return made

    if not TYPE_CHECKING:  # to a type checker it would make every name a right one

        def __getattr__(self, name: str) -> Any:
            return keras_names.attribute(self, name)


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
            return [*dict.fromkeys(known)]  # a class and its base may have the same one
    handed_on_to_nobody = any("__init__" in base.__dict__ for base in cls.__mro__[:-1])
    return None if handed_on_to_nobody else [*dict.fromkeys(known)]
