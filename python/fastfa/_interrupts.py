"""Ctrl-C, SIGTERM and SIGHUP: a command that is ended by one keeps what there is.

All three raise `Stopped`, a KeyboardInterrupt. It isn't lost where Python drops exceptions, and it
doesn't come between files that belong together.
"""

from __future__ import annotations

import _thread
import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType

_SOON = 0.01  # seconds
_SHELL = 128  # a shell reports 128 + the signal's number


class Stopped(KeyboardInterrupt):
    """A signal has asked the command to end."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


class _Ear:
    """The handler of the three signals."""

    def __init__(self) -> None:
        self.heard: int | None = None  # the first signal
        self.held, self.waiting = 0, False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        again, self.heard = self.heard is not None, self.heard or number
        if again and number != signal.SIGINT:
            return  # a closed terminal, or the system's end, sends several; who types Ctrl-C means it
        if self.held and not again:
            self.waiting = True
            return
        raise Stopped(self.heard)

    def forget(self) -> int:
        """Be as before the first signal; which one it was."""
        number, self.heard = self.heard or signal.SIGINT, None
        return number


_ear: _Ear | None = None  # of the command that runs


@contextlib.contextmanager
def heard() -> Iterator[None]:
    """Within it, the three signals raise `Stopped`, where they would have ended the process.

    One that is ignored (``nohup`` ignores SIGHUP) stays so. One that comes where Python drops
    exceptions comes once more: such a place is a weak reference's callback or a finalizer; SQLAlchemy,
    which stores Optuna's trials, has many. Python would print the exception and go on.
    """
    global _ear
    ear, before = _Ear(), sys.unraisablehook

    def hook(dropped: sys.UnraisableHookArgs) -> None:
        if issubclass(dropped.exc_type, KeyboardInterrupt):
            # Not from here: an exception of a hook is dropped too.
            again = threading.Timer(_SOON, _thread.interrupt_main, [ear.forget()])
            again.daemon = True
            again.start()
        else:
            before(dropped)

    usual = (signal.SIG_DFL, signal.default_int_handler)
    handlers = {}
    if threading.current_thread() is threading.main_thread():
        names = ("SIGINT", "SIGTERM", "SIGHUP")
        for number in (getattr(signal, name) for name in names if hasattr(signal, name)):
            if signal.getsignal(number) in usual:
                handlers[number] = signal.signal(number, ear)
    outer, _ear, sys.unraisablehook = _ear, ear, hook
    try:
        yield
    finally:
        _ear, sys.unraisablehook = outer, before
        for number, handler in handlers.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Within it, the first signal waits: for files that are written or moved together. A second
    Ctrl-C doesn't."""
    ear = _ear
    if ear is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    ear.held += 1
    try:
        yield
    finally:
        ear.held -= 1
    if ear.waiting and not ear.held:
        ear.waiting = False
        raise Stopped(ear.heard or signal.SIGINT)


def told(error: BaseException, more: str = "") -> int:
    """Say on standard error that a signal has ended the command; its exit status."""
    number = getattr(error, "number", signal.SIGINT)
    which = "" if number == signal.SIGINT else f" ({signal.Signals(number).name})"
    print(f"fastfa: interrupted{which}{more}", file=sys.stderr)
    return _SHELL + number


def leave_to_commander() -> None:
    """In a process that works for another: that one hears Ctrl-C or a closed terminal, and ends it."""
    for name in ("SIGINT", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)


def interrupt_behind(error: BaseException) -> KeyboardInterrupt | None:
    """The KeyboardInterrupt that ``error`` was made from, if it was.

    Python 3.11 makes a RuntimeError of whatever ends ``__set_name__``, and so of a Ctrl-C that comes
    while a library is imported. Whoever goes on after any error asks this first.
    """
    cause = error.__cause__
    while cause is not None and not isinstance(cause, KeyboardInterrupt):
        cause = cause.__cause__
    return cause
