"""Where a command writes: for one process at a time, and nothing that lies there is lost."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

LOCK = ".lock"


def place(command: str, name: str, path: str) -> Path:
    """The path that a user gave, with ``~`` as the home folder.

    Raises
    ------
    ValueError
        If it is empty, which would be the current folder, or nothing can have this name.
    """
    try:
        os.fsencode(path)
        if path and "\0" not in path:
            return Path(path).expanduser()
    except UnicodeEncodeError:
        raise ValueError(
            f"[{command}] {name} was {path!r}; it must be a name that this locale's encoding, "
            f"{sys.getfilesystemencoding()}, can write"
        ) from None
    except RuntimeError as error:
        raise ValueError(f"[{command}] {name} was {path!r}; it must be a path ({error})") from None
    raise ValueError(f"[{command}] {name} was {path!r}; it must be a path")


def check_root(command: str, root: str) -> None:
    """Refuse a folder of data that isn't there: others would be looked at instead."""
    if not place(command, "root", root).is_dir():
        raise ValueError(f"[{command}] root was {root!r}; it must be a folder that is there")


@contextlib.contextmanager
def claimed(command: str, path: str) -> Iterator[Path]:
    """The folder, made if need be, for this process alone: another one with the same is refused.

    A folder that was made and in which nothing was written is removed again.
    """
    folder = place(command, "out", path)
    there = folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = _lock(folder / LOCK, command)
    except OSError as error:
        raise ValueError(
            f"[{command}] out was {path!r}; it must be a folder that can be written "
            f"({error.strerror})"
        ) from None
    except _Busy as busy:
        raise ValueError(
            f"[{command}] out was {path!r}, where another fastfa {busy} is at work; name "
            "another folder, or wait for it"
        ) from None
    try:
        yield folder
    finally:
        _unlock(lock, folder / LOCK)
        if not there:
            with contextlib.suppress(OSError):
                folder.rmdir()


@contextlib.contextmanager
def claimed_file(command: str, name: str, path: Path) -> Iterator[None]:
    """The same for a file whose folder others may share."""
    lock_path = path.with_name(f".{path.name}{LOCK}")
    try:
        lock = _lock(lock_path, command)
    except OSError as error:
        raise ValueError(
            f"[{command}] {name} was {str(path)!r}; it must be a file that can be written "
            f"({error.strerror})"
        ) from None
    except _Busy as busy:
        raise ValueError(
            f"[{command}] {name} was {str(path)!r}, where another fastfa {busy} is at work; name "
            "another file, or wait for it"
        ) from None
    try:
        yield
    finally:
        _unlock(lock, lock_path)


class _Busy(Exception):
    """Another process has it; says which command."""


def _lock(path: Path, command: str) -> BinaryIO:
    """Lock the file, which is made for it; however the process ends, the system unlocks it."""
    while True:
        file = open(path, "a+b")  # noqa: SIM115
        try:
            _take(file)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EACCES):
                file.seek(0)
                words = file.read(100).decode("ascii", "replace").split()
                file.close()
                raise _Busy(words[0] if words else "command") from None
            # Some network file systems have no locks.
            print(f"fastfa: {path} can't be locked ({error.strerror}): nothing keeps another "
                  "fastfa from writing there too", file=sys.stderr)  # fmt: skip
        with contextlib.suppress(OSError):
            if os.path.samestat(os.fstat(file.fileno()), os.stat(path)):
                file.truncate(0)
                file.write(f"{command} {os.getpid()}\n".encode())
                file.flush()
                return file
        file.close()  # who had it before has removed it meanwhile


def _take(file: BinaryIO) -> None:
    """Lock the open file; OSError with EACCES or EAGAIN if another process has locked it."""
    if sys.platform == "win32":
        import msvcrt

        file.seek(1 << 30)  # a byte behind all that is written: nobody could read a locked one
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _unlock(file: BinaryIO, path: Path) -> None:
    if sys.platform == "win32":  # which removes no file that is open; others may have it before
        file.close()
    with contextlib.suppress(OSError):  # of a folder that has been removed, or can't be written now
        os.unlink(path)  # before others can have it
    with contextlib.suppress(OSError):
        file.close()
