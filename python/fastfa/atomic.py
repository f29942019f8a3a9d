"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # of other systems: nothing is removed there
    fcntl = None  # type: ignore[assignment]


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a temporary neighbour of `path` for writing; rename it to `path` if the block succeeds.

    The neighbour lies in the same folder, because a rename is atomic only within one file system,
    and is removed if the block raises. What was at `path` before stays until the rename, and what
    replaces it has its mode. Where `path` is a link, the file that it leads to is replaced. The
    neighbours of earlier writers of `path` that were killed are removed.

    Parameters
    ----------
    path : str or path-like
        Where the finished file shall be.

    Raises
    ------
    OSError
        If there is something else than a file: a folder, a device, a pipe; or no file can be made.

    Yields
    ------
    BinaryIO
        The temporary file, open for binary writing.
    """
    target = Path(os.path.realpath(path))
    if not target.parent.is_dir():  # said here, because else it would be said of the temporary file
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(target.parent))
    if target.exists() and not target.is_file():
        code = errno.EISDIR if target.is_dir() else errno.EINVAL
        raise OSError(code, f"{os.strerror(code)}, a file can't take its place", str(target))
    _remove_abandoned(target)
    file, temporary = _neighbour(target)
    try:
        with file:
            with contextlib.suppress(FileNotFoundError):
                os.chmod(temporary, stat.S_IMODE(target.stat().st_mode))
            yield file
            file.flush()
            _sync(file.fileno())
            if fcntl is not None:
                publish(temporary, target)  # while it is locked
        if fcntl is None:  # Windows renames no file that Python has open
            publish(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _neighbour(target: Path) -> tuple[BinaryIO, Path]:
    """A new file beside `target`, locked for as long as it is open: so others see that it is in use."""
    while True:
        temporary = target.with_name(f".{target.name}.{os.urandom(4).hex()}.tmp")
        # Not tempfile: its files are readable by their owner alone, whatever the umask says.
        file = open(temporary, "xb")  # noqa: SIM115
        try:
            _lock(file.fileno(), wait=True)
            # In the moment before it was locked, somebody may have taken it for abandoned.
            if os.path.lexists(temporary):
                return file, temporary
        except BaseException:
            file.close()
            temporary.unlink(missing_ok=True)
            raise
        file.close()


def _remove_abandoned(target: Path) -> None:
    """Remove the neighbours of `target` that a killed process left: those that nobody has locked.

    What can't be looked into or removed stays: that is no reason not to write.
    """
    # The second form is that of C++ before (cpp/core/state/atomic_file.cpp).
    own = re.compile(re.escape(f".{target.name}.") + r"([0-9a-f]{8}|[0-9]+-[0-9]+)\.tmp")
    if fcntl is None:
        return
    with contextlib.suppress(OSError):
        for name in os.listdir(target.parent):
            if own.fullmatch(name):
                with contextlib.suppress(OSError):
                    _remove_unlocked(target.with_name(name))


def _remove_unlocked(path: Path) -> None:
    safe = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        number = os.open(path, os.O_RDWR | safe)
    except PermissionError:  # it has the mode of the file that it was to replace
        number = os.open(path, os.O_RDONLY | safe)
    try:
        if stat.S_ISREG(os.fstat(number).st_mode) and _lock(number, wait=False):
            path.unlink()
    finally:
        os.close(number)


def _sync(number: int) -> None:
    os.fsync(number)
    full = getattr(fcntl, "F_FULLFSYNC", None)  # macOS: out of the drive's own memory, too
    if full is not None:
        with contextlib.suppress(OSError):  # not every file system knows it
            fcntl.fcntl(number, full)


def _lock(number: int, *, wait: bool) -> bool:
    """Whether the open file is ours alone now. Never so where there are no locks."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(number, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        return False
    return True


def publish(source: Path, target: Path) -> None:
    """Rename `source`, whose bytes are already synced, to `target` in the same folder."""
    os.replace(source, target)
    # The rename itself lives in the folder; not every system lets a folder be opened and synced.
    with contextlib.suppress(OSError):
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
