"""What the tests of data share: only their own sets to be found, the full MNIST, a server."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fastfa import data
from fastfa.data import DATASETS, DataFile, DatasetInfo, places
from fastfa.data.registry import TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS
from mirrors import NAMES, Mirror


@pytest.fixture
def no_roots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing to be found anywhere, but for the system's folders; the cache is in tmp_path."""
    monkeypatch.delenv("FASTFA_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    real = places.search_roots
    monkeypatch.setattr(
        places,
        "search_roots",
        lambda root=None: [place for place in real(root) if not str(place).startswith("/usr/")],
    )
    return tmp_path


@pytest.fixture(scope="module")
def full_mnist() -> dict[str, np.ndarray]:
    """The arrays of the full MNIST, where $FASTFA_DATA has them."""
    root = os.environ.get("FASTFA_DATA")
    paths = places.files_in(Path(root or "", "mnist"), DATASETS["mnist"])
    if root is None or not all(paths.values()):
        pytest.skip("the full MNIST is not in $FASTFA_DATA")
    return {name: data.read_idx(str(path)) for name, path in paths.items()}


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Mirror]]:
    """Starts mirrors; stops them after the test."""
    monkeypatch.setenv("no_proxy", "*")
    running = []

    def start(files: dict[str, bytes], **behaviour: object) -> Mirror:
        mirror = Mirror(files, **behaviour)  # type: ignore[arg-type]

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                mirror.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = False  # so that server_close waits for them
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        running.append((server, thread))
        mirror.url = f"http://127.0.0.1:{server.server_port}/"
        return mirror

    yield start
    for server, thread in running:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def originals() -> dict[str, bytes]:
    """The decompressed IDX files of a small made-up dataset."""
    rng = np.random.default_rng(0)
    made = {}
    for images, labels, count in ((TRAIN_IMAGES, TRAIN_LABELS, 40), (TEST_IMAGES, TEST_LABELS, 7)):
        sizes = np.array([count, 28, 28], ">u4").tobytes()
        made[images] = b"\0\0\x08\x03" + sizes + rng.bytes(count * 784)
        made[labels] = b"\0\0\x08\x01" + sizes[:4] + bytes(rng.integers(0, 10, count, np.uint8))
    return made


@pytest.fixture
def packed(originals: dict[str, bytes]) -> dict[str, bytes]:
    """What a mirror of it holds."""
    return {f"{name}.gz": gzip.compress(body, mtime=1) for name, body in originals.items()}


@pytest.fixture
def tiny(
    originals: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> DatasetInfo:
    """Registers the made-up dataset as "tiny", without mirrors."""
    files = tuple(
        DataFile(name, len(originals[name]), hashlib.sha256(originals[name]).hexdigest())
        for name in NAMES
    )
    info = replace(DATASETS["mnist"], name="tiny", files=files, mirrors=())
    monkeypatch.setitem(DATASETS, "tiny", info)
    monkeypatch.delenv("FASTFA_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return info
