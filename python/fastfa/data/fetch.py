"""Downloads datasets from public mirrors and checks every byte of them."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from .. import _check
from ..atomic import publish
from .download import MirrorError, download
from .known import dataset_info
from .limit import path_of
from .places import Root, cache_root, folders
from .registry import DataFile, DatasetInfo
from .stream import CHUNK, IdxError, open_source

_MOST_TRIES = 5  # at one mirror, for one file

Report = Callable[[str], None]


class FetchError(OSError):
    """A dataset could not be downloaded; the message, one line, says why."""


class Fetched(NamedTuple):
    """One file of a dataset: where it is, and the address it came from (None: was there)."""

    path: Path
    url: str | None


def fetch_dataset(
    name: str,
    root: Root = None,
    *,
    mirror: str | None = None,
    force: bool = False,
    progress: bool = False,
    report: Report | None = None,
    timeout: float = 30.0,
) -> list[Fetched]:
    """Download a dataset's files into ``<root>/<name>/``, where `load` finds them.

    A file that is there and right is left alone. A download that was broken off is continued. A
    file takes its name only after the SHA-256 of its decompressed bytes has been found right. A
    mirror that fails, or sends something else, is followed by the next.

    Parameters
    ----------
    name : str
        ``"mnist"`` or ``"fashion-mnist"``. (``"mnist-mini"`` is part of the package.)
    root : str or path-like, optional
        Default: ``$FASTFA_DATA``, or else the user's cache.
    mirror : str, optional
        The http or https address of a folder with the gzip files, to use instead of the known
        mirrors.
    force : bool
        Download also what is there and right.
    progress : bool
        Show progress bars.
    report : callable, optional
        Called with one line of text for each thing worth knowing.
    timeout : float
        Seconds without an answer after which a mirror is given up.

    Returns
    -------
    list of Fetched
        Training images, training labels, test images, test labels.

    Raises
    ------
    ValueError
        There is no dataset of this name, or `mirror` is no address.
    FetchError
        The dataset cannot be downloaded, no mirror delivered a file, another process is downloading
        the same dataset, or a damaged plain file is in the way.
    OSError
        The folder cannot be written.
    """
    info = dataset_info(name)
    say = report or (lambda line: None)
    if report is not None and not callable(report):
        raise TypeError(f"[fetch] report was {report!r}; it must be callable")
    if mirror is not None and not isinstance(mirror, str):
        raise TypeError(f"[fetch] mirror was {mirror!r}; it must be an address")
    if mirror is not None and not mirror.startswith(("http://", "https://")):
        raise ValueError(f"[fetch] mirror was {mirror!r}; it must begin with http:// or https://")
    if info.embedded:
        return [Fetched(folders(info)[0] / f"{file.name}.gz", None) for file in info.files]
    if info.format != "idx":
        raise FetchError(f"[fetch] fastfa cannot download {info.name}. To get it: {info.hint}")
    timeout = _check.real("fetch", "timeout", timeout, open_low=True)
    folder = _target(root) / info.name
    folder.mkdir(parents=True, exist_ok=True)
    job = _Job(info, folder, (mirror,) if mirror else info.mirrors, force, progress, say, timeout)
    with _only_one(folder):
        return [job.bring(file) for file in info.files]


def _target(root: Root) -> Path:
    if root is not None:
        return Path(path_of("fetch", "root", root)).expanduser()
    if os.environ.get("FASTFA_DATA"):
        return Path(os.environ["FASTFA_DATA"]).expanduser()
    cache = cache_root()
    if cache is None:
        raise FetchError("[fetch] there is no home folder to keep a cache in; give a root")
    return cache


@contextlib.contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Keep a second process from writing the same ``.part`` files, where locks can be had."""
    try:
        import fcntl

        handle = os.open(folder, os.O_RDONLY)
    except (ImportError, OSError):
        yield
        return
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FetchError(f"[fetch] another process is downloading to {folder}") from None
        except OSError:
            pass  # a network file system that does not lock folders
        yield
    finally:
        os.close(handle)


@dataclass(frozen=True)
class _Job:
    """What is the same for all files of one call of `fetch_dataset`."""

    info: DatasetInfo
    folder: Path
    mirrors: tuple[str, ...]
    force: bool
    progress: bool
    say: Report
    timeout: float

    def bring(self, file: DataFile) -> Fetched:
        """One file: found there, or downloaded."""
        there = self._already_there(file)
        if there is not None:
            self.say(f"{there}: already there, and right")
            return Fetched(there, None)
        part = self.folder / f"{file.name}.gz.part"
        if self.force:
            part.unlink(missing_ok=True)
        failures = []
        for mirror in self.mirrors:
            url = f"{mirror.rstrip('/')}/{file.name}.gz"
            problem = self._try_mirror(url, file, part)
            if problem is None:
                target = part.with_suffix("")
                publish(part, target)
                self.say(f"{target}: downloaded from {url}, and right")
                return Fetched(target, url)
            self.say(f"{url}: {problem}")
            failures.append(f"{url}: {problem}")
        raise FetchError(f"[fetch] no mirror delivered {file.name}.gz: {'; '.join(failures)}")

    def _already_there(self, file: DataFile) -> Path | None:
        plain, packed = self.folder / file.name, self.folder / f"{file.name}.gz"
        if plain.is_file():
            problem = problem_with(plain, file)
            if problem is not None:  # not ours to remove
                raise FetchError(f"[fetch] {plain}: {problem}; move it out of the download's way")
            if not self.force:
                return plain
        if packed.is_file() and not self.force:
            problem = problem_with(packed, file)
            if problem is None:
                return packed
            self.say(f"{packed}: {problem}; downloading it again")
        return None

    def _try_mirror(self, url: str, file: DataFile, part: Path) -> str | None:
        """Bring `part` to the right file; None, or in words why this mirror could not."""
        problem = ""
        # Deflate stores what it cannot compress, with some bytes for each 16 KiB at the worst.
        limit = file.size + file.size // 100 + 4096
        for _ in range(_MOST_TRIES):
            continued = part.exists() and part.stat().st_size > 0
            try:
                download(url, part, limit=limit, timeout=self.timeout, progress=self.progress)
            except MirrorError as error:
                problem = str(error)
                if error.gained == 0:
                    return problem
                continue  # it broke off, but brought us further
            wrong = problem_with(part, file, packed=True)
            if wrong is None:
                return None
            part.unlink()
            problem = wrong
            if not continued:
                return problem
            # Its beginning may be another mirror's, compressed otherwise: once more, all of it.
        return problem


def problem_with(path: Path, file: DataFile, *, packed: bool = False) -> str | None:
    """Why the file at `path` is not `file` (must be gzip if `packed`); None if it is.

    Stops decompressing as soon as more comes out than `file` has.
    """
    digest, size = hashlib.sha256(), 0
    try:
        with open_source(path) as source:
            if packed and not source.compressed:
                return "not a gzip file"
            while data := source.read(CHUNK):
                size += len(data)
                if size > file.size:
                    return f"holds more than the {file.size} bytes of {file.name}"
                digest.update(data)
    except IdxError as error:
        return error.problem
    if digest.hexdigest() != file.sha256:
        return f"has SHA-256 {digest.hexdigest()[:12]}... and not {file.sha256[:12]}..."
    return None
