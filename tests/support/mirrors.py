"""A server of a small data set that behaves, breaks off, lies, or knows no ranges."""

from __future__ import annotations

import http.server
import re
from dataclasses import dataclass, field, replace
from pathlib import Path

from fastfa.data import DATASETS, DatasetInfo
from fastfa.data.registry import TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS

NAMES = (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS)
FIRST = f"{TRAIN_IMAGES}.gz"


@dataclass
class Mirror:
    """An HTTP server on this machine, and how it misbehaves.

    `files` are by address; `cuts` holds, for each request to come, after how many body bytes the
    connection breaks; `requests` records address and Range of those that came.
    """

    files: dict[str, bytes]
    ranges: bool = True
    cuts: list[int] = field(default_factory=list)
    status: int = 0  # answer everything with this
    shift: int = 0  # error of the offsets in Content-Range
    length: bool = True  # tell the Content-Length
    redirect: str = ""
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    url: str = ""

    def answer(self, request: http.server.BaseHTTPRequestHandler) -> None:
        asked = request.headers.get("Range")
        self.requests.append((request.path.lstrip("/"), asked))
        if self.redirect:
            return self._head(request, 302, {"Location": self.redirect + request.path.lstrip("/")})
        body = self.files.get(request.path.lstrip("/"))
        if self.status or body is None:
            return self._head(request, self.status or 404, {"Content-Length": "0"})
        status, headers, start = 200, {}, 0
        if asked and self.ranges:
            start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1])
            if start >= len(body):
                sizes = {"Content-Range": f"bytes */{len(body)}", "Content-Length": "0"}
                return self._head(request, 416, sizes)
            status = 206
            first = start + self.shift
            headers["Content-Range"] = f"bytes {first}-{len(body) - 1}/{len(body)}"
        if self.length:
            headers["Content-Length"] = str(len(body) - start)
        self._head(request, status, headers)
        request.wfile.write(body[start:][: self.cuts.pop(0) if self.cuts else None])
        return None

    def _head(
        self, request: http.server.BaseHTTPRequestHandler, status: int, headers: dict[str, str]
    ) -> None:
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        request.end_headers()


def use_mirrors(info: DatasetInfo, *mirrors: Mirror) -> None:
    DATASETS["tiny"] = replace(info, mirrors=tuple(mirror.url for mirror in mirrors))


def assert_complete(folder: Path, packed: dict[str, bytes]) -> None:
    """The four files are there as served, and nothing else."""
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == packed
