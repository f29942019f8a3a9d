"""Errors that name an estimator's parameters, where what they are handed to has other names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def own_names(**names: str) -> Iterator[None]:
    """Errors within begin with ``[fit]`` and the estimator's name of the argument, ``theirs="ours"``."""
    try:
        yield
    except (TypeError, ValueError) as error:
        argument, space, told = str(error).partition("] ")[2].partition(" ")
        if not told:
            raise
        raise type(error)(f"[fit] {names.get(argument, argument)}{space}{told}") from None
