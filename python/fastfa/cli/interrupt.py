"""Ctrl-C that isn't lost."""

from __future__ import annotations

import _thread
import contextlib
import sys
import threading
from collections.abc import Iterator

_SOON = 0.01  # seconds


@contextlib.contextmanager
def heard() -> Iterator[None]:
    """Within it, a Ctrl-C that came where Python drops exceptions comes once more.

    Such a place is a weak reference's callback or a finalizer; SQLAlchemy, which stores Optuna's
    trials, has many. Python would print the exception and go on.
    """
    before = sys.unraisablehook

    def hook(dropped: sys.UnraisableHookArgs) -> None:
        if issubclass(dropped.exc_type, KeyboardInterrupt):
            # Not from here: an exception of a hook is dropped too.
            again = threading.Timer(_SOON, _thread.interrupt_main)
            again.daemon = True
            again.start()
        else:
            before(dropped)

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = before
