"""Labels that are text: what they are numbered as, and the names of classes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from . import _check


def is_text(array: np.ndarray) -> bool:
    """Whether these labels are names: text, or objects that are no numbers."""
    if array.dtype.kind != "O":
        return array.dtype.kind in "UT"
    return any(isinstance(value, str) for value in array.flat)


def check_names(where: str, names: Any) -> tuple[str, ...]:
    """The names of classes 0, 1, …, as a tuple.

    Raises
    ------
    TypeError, ValueError
        They are no sequence of different texts.
    """
    must = "it must be a sequence of different names, of class 0, 1, ..."
    if isinstance(names, str) or not isinstance(names, Sequence | np.ndarray):
        raise TypeError(f"[{where}] class_names was {_check.shown(names)}; {must}")
    found = tuple(str(name) if isinstance(name, str) else name for name in names)
    if not all(isinstance(name, str) for name in found):
        raise TypeError(f"[{where}] class_names was {_check.shown(names)}; {must}")
    if len(set(found)) < len(found):
        raise ValueError(f"[{where}] class_names was {_check.shown(names)}; {must}")
    return found


def found_names(where: str, name: str, labels: np.ndarray) -> tuple[str, ...]:
    """The different names among these labels, in alphabetical order.

    Raises
    ------
    ValueError
        One is missing, or no text.
    """
    return tuple(sorted(set(_texts(where, name, labels))))


def numbered(where: str, name: str, labels: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """The place of each label, (N,), among ``names``: int64.

    Raises
    ------
    ValueError
        One is missing, no text, or not among them.
    """
    place = {known: at for at, known in enumerate(names)}
    texts = _texts(where, name, labels)
    numbers = np.fromiter((place.get(text, -1) for text in texts), np.int64, len(texts))
    if (numbers < 0).any():
        at = int(np.argmax(numbers < 0))
        raise ValueError(
            f"[{where}] {name}[{at}] was {texts[at]!r}; it must be one of {shown_names(names)}"
        )
    return numbers


def renumbered(
    where: str, name: str, labels: np.ndarray, own: Sequence[str], names: Sequence[str]
) -> np.ndarray:
    """Labels that count in ``own``, as they count in ``names``."""
    if not len(labels) or tuple(own) == tuple(names):
        return labels
    return numbered(where, name, np.array(own, object)[labels], names)


def shown_names(names: Iterable[str]) -> str:
    """The names for a message, the first ten of many."""
    names = list(names)
    more = f", … ({len(names)} in all)" if len(names) > 10 else ""
    return ", ".join(map(repr, names[:10])) + more


def _texts(where: str, name: str, labels: np.ndarray) -> list[str]:
    if labels.ndim != 1:
        raise ValueError(
            f"[{where}] {name} has shape {labels.shape}; names must have the shape (N,)"
        )
    texts = labels.tolist()
    for at, text in enumerate(texts):
        if not isinstance(text, str) or not text:
            raise ValueError(
                f"[{where}] {name}[{at}] was {_check.shown(text)}; it must be a name as the others are"
            )
    return texts
