"""What happens when an attribute is assigned: it is honoured, or an AttributeError says what to do."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, TypeVar

_Class = TypeVar("_Class", bound=type)


class Guarded:
    """A class that refuses assignments which nothing would read.

    ``_SETTINGS`` has a check for each name that may be assigned: it is given the object and the value,
    and returns what is kept. Other public names are refused: a known one with what ``_INSTEAD`` says of
    it (under ``""`` of all others), an unknown one as such. A subclass that isn't fastfa's own may have
    more attributes. The class itself uses `_set`.
    """

    _SETTINGS: ClassVar[dict[str, Callable[[Any, Any], Any]]] = {}
    _INSTEAD: ClassVar[dict[str, str]] = {"": "make another one"}

    def _set(self, **values: Any) -> None:
        vars(self).setdefault("_fixed", set()).update(values)
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self._SETTINGS:
            value = self._SETTINGS[name](self, value)
        elif not name.startswith("_"):
            self._refuse(name, "assigned")
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        if not name.startswith("_"):
            self._refuse(name, "deleted")
        object.__delattr__(self, name)

    def _refuse(self, name: str, what: str) -> None:
        """Raise, unless ``name`` is the affair of a subclass that isn't ours."""
        kind = type(self)
        ours = [each for each in kind.__mro__ if is_ours(each)]
        fixed = {*self._SETTINGS, *vars(self).get("_fixed", ())}
        if name in fixed or any(name in vars(each) for each in ours):
            why = self._INSTEAD.get(name, self._INSTEAD[""])
            raise AttributeError(f"[{ours[0].__name__}] {name} can't be {what}: {why}")
        if kind is ours[0]:
            raise AttributeError(unknown(kind.__name__, name, [*dir(kind), *vars(self)]))


class Whole:
    """A copy shares nothing with what it is of: ``copy.copy`` does what ``copy.deepcopy`` does.

    Half a copy would change whenever the original learns.
    """

    def __copy__(self) -> Any:
        return copy.deepcopy(self)


def immutable(kind: _Class) -> _Class:
    """For a frozen dataclass, or a class with slots: what it says when an attribute is assigned."""
    replaced = dataclasses.is_dataclass(kind)
    names = (
        [f.name for f in dataclasses.fields(kind)] if replaced else list(vars(kind)["__slots__"])
    )
    advice = f", such as dataclasses.replace(old, {names[0]}=...)" if replaced else ""

    def refuse(self: Any, name: str) -> None:
        if type(self) is not kind and name not in names:
            return  # of a subclass
        if name not in names and not hasattr(kind, name):
            raise dataclasses.FrozenInstanceError(unknown(kind.__name__, name, dir(self)))
        raise dataclasses.FrozenInstanceError(
            f"[{kind.__name__}] {name} can't be assigned: what was made stays as it is; make another "
            f"one{advice}"
        )

    def __setattr__(self: Any, name: str, value: Any) -> None:
        refuse(self, name)
        object.__setattr__(self, name, value)

    def __delattr__(self: Any, name: str) -> None:
        refuse(self, name)
        object.__delattr__(self, name)

    for method in (__setattr__, __delattr__):
        setattr(kind, method.__name__, method)
    return kind


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """What to say of a name that ``kind`` doesn't have."""
    import difflib  # only for the message

    public = {each for each in known if not each.startswith("_")}
    close = difflib.get_close_matches(name, public, n=1)
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    return f"[{kind}] there is no attribute {name!r}{hint}; it must be one of those that are there"


def is_ours(kind: type) -> bool:
    """Whether the class is one of fastfa's, and not derived from one elsewhere."""
    return kind.__module__.partition(".")[0] == __name__.partition(".")[0]
