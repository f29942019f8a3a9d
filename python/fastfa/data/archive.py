"""The files of a dataset that is published as one archive, ``.tar.gz``."""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
from pathlib import Path

from ..atomic import atomic_write
from .registry import DatasetInfo
from .stream import CHUNK


def in_the_way(folder: Path, info: DatasetInfo) -> str | None:
    """What to say of a file of the dataset's names that isn't of its size; None if there is none."""
    for file in info.files:
        path = folder / file.name
        if path.is_file() and os.path.getsize(path) != file.size:
            return f"{path}: has {os.path.getsize(path)} bytes and not {file.size}"
    return None


def most_bytes(info: DatasetInfo) -> int:
    """More than the archive can have: that of its files if nothing could be compressed."""
    size = sum(file.size for file in info.files)
    return size + size // 100 + (1 << 20)


def wrong_archive(path: Path, info: DatasetInfo) -> str | None:
    """Why the file is not the archive; None if it is."""
    digest = hashlib.md5(usedforsecurity=False)  # what was published
    with open(path, "rb") as file:
        while data := file.read(CHUNK):
            digest.update(data)
    if digest.hexdigest() != info.md5:
        return f"has MD5 {digest.hexdigest()[:12]}... and not {info.md5[:12]}..."
    return None


def unpack(path: Path, folder: Path, info: DatasetInfo) -> str | None:
    """Write the dataset's files into the folder, each whole or not at all, and nothing else of what is
    in the archive; None, or what is missing there."""
    sizes = {file.name: file.size for file in info.files}
    try:
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                name = os.path.basename(member.name)
                if not member.isfile() or member.size != sizes.get(name):
                    continue
                source = archive.extractfile(member)
                assert source is not None  # as it is a file
                with atomic_write(folder / name) as target:
                    shutil.copyfileobj(source, target, CHUNK)
                del sizes[name]
    except (tarfile.TarError, EOFError) as error:
        return f"is no tar archive: {error}"
    return f"has no {', '.join(sizes)} of the right size" if sizes else None
