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
from .archive import in_the_way, most_bytes, unpack, wrong_archive
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
    file takes its name only after the SHA-256 of its decompressed bytes has been found right; of CIFAR
    the MD5 of the archive, which is all that was published, and the size of each file. A mirror that
    fails, or sends something else, is followed by the next.

    Parameters
    ----------
    name : str
        ``"mnist"``, ``"fashion-mnist"``, ``"cifar-10"`` or ``"cifar-100"``. (``"mnist-mini"`` is part
        of the package.)
    root : str or path-like, optional
        Default: ``$FASTFA_DATA``, or else the user's cache.
    mirror : str, optional
        The http or https address of a folder with the gzip files, or of CIFAR the archive, to use
        instead of the known mirrors.
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
        In the order of ``dataset_info(name).files``: training images, training labels, test images,
        test labels.

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
    if not info.can_be_fetched:
        raise FetchError(f"[fetch] fastfa cannot download {info.name}. To get it: {info.hint}")
    timeout = _check.real("fetch", "timeout", timeout, open_low=True)
    folder = _target(root) / info.name
    folder.mkdir(parents=True, exist_ok=True)
    job = _Job(info, folder, (mirror,) if mirror else info.mirrors, force, progress, say, timeout)
    with _only_one(folder):
        if info.archive:
            return job.bring_archive()
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
        # Deflate stores what it cannot compress, with some bytes for each 16 KiB at the worst.
        limit = file.size + file.size // 100 + 4096
        part = self.folder / f"{file.name}.gz.part"
        url = self._download(part, limit, lambda: problem_with(part, file, packed=True))
        publish(part, part.with_suffix(""))
        return Fetched(part.with_suffix(""), url)

    def bring_archive(self) -> list[Fetched]:
        """All files of an archive: found there, or downloaded with it and unpacked."""
        paths = [self.folder / file.name for file in self.info.files]
        problem = in_the_way(self.folder, self.info)
        if problem is not None:  # not ours to remove
            raise FetchError(f"[fetch] {problem}; move it out of the download's way")
        if not self.force and all(path.is_file() for path in paths):
            self.say(f"{self.folder}: already there, and of the right sizes")
            return [Fetched(path, None) for path in paths]
        part = self.folder / f"{self.info.archive}.part"
        url = self._download(part, most_bytes(self.info), lambda: wrong_archive(part, self.info))
        problem = unpack(part, self.folder, self.info)
        if problem is not None:
            raise FetchError(f"[fetch] {self.info.archive} {problem}")
        part.unlink()
        return [Fetched(path, url) for path in paths]

    def _download(self, part: Path, limit: int, wrong: Callable[[], str | None]) -> str:
        """Bring `part` to the file that ``wrong`` finds right; the address it came from."""
        if self.force:
            part.unlink(missing_ok=True)
        name, failures = part.stem, []
        for mirror in self.mirrors:
            url = f"{mirror.rstrip('/')}/{name}"
            problem = self._try_mirror(url, limit, part, wrong)
            if problem is None:
                self.say(f"{part.with_suffix('')}: downloaded from {url}, and right")
                return url
            self.say(f"{url}: {problem}")
            failures.append(f"{url}: {problem}")
        raise FetchError(f"[fetch] no mirror delivered {name}: {'; '.join(failures)}")

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

    def _try_mirror(
        self, url: str, limit: int, part: Path, check: Callable[[], str | None]
    ) -> str | None:
        """Bring `part` to the right file; None, or in words why this mirror could not."""
        problem = ""
        for _ in range(_MOST_TRIES):
            continued = part.exists() and part.stat().st_size > 0
            try:
                download(url, part, limit=limit, timeout=self.timeout, progress=self.progress)
            except MirrorError as error:
                problem = str(error)
                if error.gained == 0:
                    return problem
                continue  # it broke off, but brought us further
            wrong = check()
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
