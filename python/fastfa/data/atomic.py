"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a temporary neighbour of `path` for writing; rename it to `path` if the block succeeds.

    The neighbour lies in the same folder, because a rename is atomic only within one file system,
    and is removed if the block raises. What was at `path` before stays until the rename, and what
    replaces it has its mode. Where `path` is a link, the file that it leads to is replaced.

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
    temporary = target.with_name(f".{target.name}.{os.urandom(4).hex()}.tmp")
    try:
        # Not tempfile: its files are readable by their owner alone, whatever the umask says.
        with open(temporary, "xb") as file:
            with contextlib.suppress(FileNotFoundError):
                os.chmod(temporary, stat.S_IMODE(target.stat().st_mode))
            yield file
            file.flush()
            os.fsync(file.fileno())
        publish(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


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
