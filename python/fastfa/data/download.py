"""One file over HTTP into a ``.part`` file that a later attempt continues."""

from __future__ import annotations

import os
import re
import urllib.error
import urllib.request
from email.message import Message
from http.client import HTTPException
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from .._bar import progress_bar
from .stream import CHUNK

_NETWORK_ERRORS = (OSError, HTTPException)  # OSError covers URLError, time-outs, TLS


class MirrorError(Exception):
    """A mirror that did not deliver.

    Attributes
    ----------
    gained : int
        Bytes that it did deliver; they are in the ``.part`` file.
    """

    def __init__(self, problem: str, gained: int = 0) -> None:
        super().__init__(problem)
        self.gained = gained


class _Answer(NamedTuple):
    response: Any
    start: int  # where in the file its bytes belong
    total: int | None  # size of the whole file, where the server tells


def download(url: str, part: Path, *, limit: int, timeout: float, progress: bool) -> None:
    """Bring `part` to the whole of `url`, continuing after the bytes it already has.

    Parameters
    ----------
    url : str
        What to download.
    part : pathlib.Path
        The file to make or to extend. After an error it holds what has arrived.
    limit : int
        Most bytes that the whole file may have.
    timeout : float
        Seconds without an answer after which to give up.
    progress : bool
        Whether to show a progress bar on stderr.

    Raises
    ------
    MirrorError
        The server refuses, breaks off, or sends more than `limit`.
    OSError
        `part` cannot be written.
    """
    have = part.stat().st_size if part.exists() else 0
    answer = _ask(url, have, timeout)
    if answer is None:
        return
    with answer.response, open(part, "r+b" if part.exists() else "xb") as file:
        file.truncate(answer.start)
        file.seek(answer.start)
        try:
            end = _copy(answer, file, limit, progress)
        finally:
            file.flush()
            os.fsync(file.fileno())
    if answer.total is not None and end != answer.total:
        raise MirrorError(f"broke off after {end} of {answer.total} bytes", end - answer.start)


def _copy(answer: _Answer, file: BinaryIO, limit: int, progress: bool) -> int:
    """Append the response to the file; the position after its last byte."""
    end = answer.start
    label = os.path.basename(answer.response.url)
    with progress_bar(
        progress,
        total=answer.total,
        initial=answer.start,
        desc=label,
        unit="B",
        unit_scale=True,
        dynamic_ncols=True,
    ) as bar:
        while True:
            try:
                data = answer.response.read(CHUNK)
            except _NETWORK_ERRORS as error:
                raise MirrorError(_describe(error), end - answer.start) from error
            if not data:
                return end
            if end + len(data) > limit:
                file.truncate(0)
                raise MirrorError(f"sends more than {limit} bytes")
            file.write(data)
            end += len(data)
            bar.update(len(data))


def _ask(url: str, have: int, timeout: float) -> _Answer | None:
    """Ask for what follows the first `have` bytes; None if nothing does.

    A server that cannot or will not continue there is asked for the whole file.
    """
    headers = {"User-Agent": "fastfa", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    try:
        response = urllib.request.urlopen(
            urllib.request.Request(url, headers=headers), timeout=timeout
        )
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 416 and have:  # nothing follows; whether it is right, the digest tells
                return None
            raise MirrorError(f"HTTP {error.code} {error.reason}") from error
    except _NETWORK_ERRORS as error:
        raise MirrorError(_describe(error)) from error

    if response.status == 200:
        length = response.headers.get("Content-Length", "")
        told = re.fullmatch("[0-9]{1,18}", length)
        return _Answer(response, 0, int(length) if told else None)
    start, total = _content_range(response.headers)
    if response.status == 206 and have and start == have:
        return _Answer(response, start, total)
    response.close()
    if have:
        return _ask(url, 0, timeout)
    raise MirrorError(f"HTTP {response.status} instead of 200")


def _content_range(headers: Message) -> tuple[int | None, int | None]:
    """First byte and total of a Content-Range such as ``bytes 5-9/10`` or ``bytes 5-9/*``."""
    match = re.fullmatch(
        r"bytes ([0-9]{1,18})-[0-9]+/([0-9]{1,18}|\*)", headers.get("Content-Range", "")
    )
    if match is None:
        return None, None
    start, total = match.groups()
    return int(start), None if total == "*" else int(total)


def _describe(error: BaseException) -> str:
    reason = getattr(error, "reason", None) or error
    return " ".join(str(reason).split()) or type(error).__name__
