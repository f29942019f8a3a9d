"""Ctrl-C, and what a command makes one of, where it comes as the cause of another error."""

from __future__ import annotations


def interrupt_behind(error: BaseException) -> KeyboardInterrupt | None:
    """The KeyboardInterrupt that ``error`` was made from, if it was.

    Python 3.11 makes a RuntimeError of whatever ends ``__set_name__``, and so of a Ctrl-C that comes
    while a library is imported. Whoever goes on after any error asks this first.
    """
    cause = error.__cause__
    while cause is not None and not isinstance(cause, KeyboardInterrupt):
        cause = cause.__cause__
    return cause
