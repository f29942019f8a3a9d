"""Standard output and standard error that cost no results when they can't be written.

A reader such as `head` goes, a disk is full, a terminal is closed, a character isn't in the locale's
encoding: printing would raise, in the middle of a training. Here it doesn't. What can't be encoded is
written as an escape (``\\xe9``); once a stream has failed, what follows is dropped, and the exit status
says so in the end.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from typing import Any, final

BROKEN_PIPE = 141  # what a shell reports for a process that SIGPIPE ended


@final
class Stream:
    """A text stream whose writes don't raise; ``failure`` is the first error there was.

    ``stream`` is None where the process was started without one (``fastfa … >&-``).
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.failure: Exception | None = None

    @property
    def encoding(self) -> str:
        """Of the stream below, which tqdm asks for."""
        return getattr(self._stream, "encoding", None) or "utf-8"

    def write(self, text: str) -> int:
        """Write what can be written."""
        if text and self.failure is None:
            try:
                if self._stream is None:
                    raise OSError(errno.EBADF, os.strerror(errno.EBADF))
                code = self.encoding
                self._stream.write(text.encode(code, "backslashreplace").decode(code))
            except (OSError, ValueError) as error:  # a closed file is a ValueError
                self._fail(error)
        return len(text)

    def flush(self) -> None:
        """Write what is still in the buffer."""
        if self._stream is not None and self.failure is None:
            try:
                self._stream.flush()
            except (OSError, ValueError) as error:
                self._fail(error)

    def isatty(self) -> bool:
        """Whether somebody looks at it."""
        try:
            return self._stream is not None and self.failure is None and self._stream.isatty()
        except (OSError, ValueError):
            return False

    def _fail(self, error: Exception) -> None:
        self.failure = error
        # What is left in the buffer would raise again, when Python ends.
        with contextlib.suppress(OSError, ValueError, AttributeError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def unfailing() -> Iterator[Stream]:
    """Within it, ``sys.stdout`` and ``sys.stderr`` are such streams; the first is what it yields."""
    _open_standard_files()
    before = sys.stdout, sys.stderr
    out, err = Stream(before[0]), Stream(before[1])
    sys.stdout, sys.stderr = out, err
    try:
        yield out
    finally:
        out.flush()
        err.flush()
        sys.stdout, sys.stderr = before


def status(out: Stream) -> int:
    """The exit status of a command that did all but print: 0, 1 after a message, or 141."""
    out.flush()
    if out.failure is None:
        return 0
    if isinstance(out.failure, BrokenPipeError):  # the reader has gone and wants to hear no more
        return BROKEN_PIPE
    why = getattr(out.failure, "strerror", None) or out.failure
    print(f"fastfa: error: standard output could not be written: {why}", file=sys.stderr)
    return 1


def _open_standard_files() -> None:
    """Where 0, 1 or 2 is closed, open nothing there: else the next file, of results perhaps, gets
    that number, and whatever prints below Python prints into it."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(
                os.open(os.devnull, os.O_RDWR), True
            )  # the lowest number that is free
