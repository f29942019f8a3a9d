"""``fastfa data``: downloads from servers that behave, break off, lie, or know no ranges."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from fastfa import data
from fastfa.cli import main
from fastfa.data import DATASETS, DataFile, DatasetInfo, FetchError, download, fetch
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


def use_mirrors(info: DatasetInfo, *mirrors: Mirror) -> None:
    DATASETS["tiny"] = replace(info, mirrors=tuple(mirror.url for mirror in mirrors))


def assert_complete(folder: Path, packed: dict[str, bytes]) -> None:
    """The four files are there as served, and nothing else."""
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == packed


def test_a_fetched_set_is_right_and_can_be_loaded(serve, packed, tiny, tmp_path: Path) -> None:
    mirror = serve(packed)
    use_mirrors(tiny, mirror)
    fetched = data.fetch_dataset("tiny", tmp_path / "new" / "root")
    folder = tmp_path / "new" / "root" / "tiny"
    assert_complete(folder, packed)
    assert fetched == [(folder / f"{name}.gz", f"{mirror.url}{name}.gz") for name in NAMES]
    assert mirror.requests == [(f"{name}.gz", None) for name in NAMES]
    loaded = data.load("tiny", tmp_path / "new" / "root")
    assert (len(loaded.train), len(loaded.test)) == (40, 7)


def test_the_default_place_is_fastfa_data_and_else_the_cache(
    serve, packed, tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_mirrors(tiny, serve(packed))
    data.fetch_dataset("tiny")
    assert_complete(tmp_path / "cache" / "fastfa" / "tiny", packed)
    monkeypatch.setenv("FASTFA_DATA", str(tmp_path / "mine"))
    data.fetch_dataset("tiny")
    assert_complete(tmp_path / "mine" / "tiny", packed)


def test_what_is_there_and_right_is_not_downloaded_again(
    serve, originals, packed, tiny, tmp_path: Path
) -> None:
    mirror = serve(packed)
    use_mirrors(tiny, mirror)
    data.fetch_dataset("tiny", tmp_path)
    (tmp_path / "tiny" / FIRST).unlink()
    plain = tmp_path / "tiny" / TRAIN_IMAGES
    plain.write_bytes(originals[TRAIN_IMAGES])
    mirror.requests.clear()
    lines: list[str] = []
    fetched = data.fetch_dataset("tiny", tmp_path, report=lines.append)
    assert mirror.requests == []
    assert fetched[0] == (plain, None)
    assert all(line.endswith(": already there, and right") for line in lines)
    assert len(lines) == 4
    data.fetch_dataset("tiny", tmp_path, force=True)
    assert [name for name, _ in mirror.requests] == [f"{name}.gz" for name in NAMES]


def test_a_wrong_file_is_replaced(serve, packed, tiny, tmp_path: Path) -> None:
    use_mirrors(tiny, serve(packed))
    data.fetch_dataset("tiny", tmp_path)
    path = tmp_path / "tiny" / FIRST
    for wrong in (b"", path.read_bytes()[:-1], gzip.compress(b"something else")):
        path.write_bytes(wrong)
        lines: list[str] = []
        data.fetch_dataset("tiny", tmp_path, report=lines.append)
        assert_complete(tmp_path / "tiny", packed)
        assert lines[0].endswith("; downloading it again")


def test_a_wrong_plain_file_is_not_removed_but_named(serve, packed, tiny, tmp_path: Path) -> None:
    mirror = serve(packed)
    use_mirrors(tiny, mirror)
    plain = tmp_path / "tiny" / TRAIN_IMAGES
    plain.parent.mkdir()
    plain.write_bytes(b"my own")
    for force in (False, True):
        with pytest.raises(FetchError, match=f"{plain}: has SHA-256 .* move it out of the"):
            data.fetch_dataset("tiny", tmp_path, force=force)
    assert mirror.requests == []
    assert plain.read_bytes() == b"my own"


def test_a_broken_connection_is_continued_where_it_broke(
    serve, packed, tiny, tmp_path: Path
) -> None:
    mirror = serve(packed, cuts=[1000, 1, 5000])
    use_mirrors(tiny, mirror)
    data.fetch_dataset("tiny", tmp_path)
    assert_complete(tmp_path / "tiny", packed)
    ranges = [asked for name, asked in mirror.requests if name == FIRST]
    assert ranges == [None, "bytes=1000-", "bytes=1001-", "bytes=6001-"]


def test_a_download_given_up_is_continued_by_the_next_call(
    serve, packed, tiny, tmp_path: Path
) -> None:
    mirror = serve(packed, cuts=[2000, 0])
    use_mirrors(tiny, mirror)
    with pytest.raises(FetchError, match=rf"broke off after 2000 of {len(packed[FIRST])} bytes"):
        data.fetch_dataset("tiny", tmp_path)
    part = tmp_path / "tiny" / f"{FIRST}.part"
    assert part.read_bytes() == packed[FIRST][:2000]
    assert not (tmp_path / "tiny" / FIRST).exists()
    mirror.requests.clear()
    data.fetch_dataset("tiny", tmp_path)
    assert mirror.requests[0] == (FIRST, "bytes=2000-")
    assert_complete(tmp_path / "tiny", packed)


def test_a_connection_that_breaks_over_and_over_is_given_up(
    serve, packed, tiny, tmp_path: Path
) -> None:
    mirror = serve(packed, cuts=[10] * 100)
    use_mirrors(tiny, mirror)
    with pytest.raises(FetchError, match="broke off after 50 of"):
        data.fetch_dataset("tiny", tmp_path)
    assert len(mirror.requests) == 5


def test_a_server_without_ranges_is_asked_for_all_and_the_rest_dropped(
    serve, packed, tiny, tmp_path: Path
) -> None:
    mirror = serve(packed, ranges=False, cuts=[1000, 900])
    use_mirrors(tiny, mirror)
    data.fetch_dataset("tiny", tmp_path)
    assert_complete(tmp_path / "tiny", packed)
    ranges = [asked for name, asked in mirror.requests if name == FIRST]
    assert ranges == [None, "bytes=1000-", "bytes=900-"]


def test_a_content_range_that_starts_elsewhere_is_not_appended(
    serve, packed, tiny, tmp_path: Path
) -> None:
    mirror = serve(packed, shift=1, cuts=[1000])
    use_mirrors(tiny, mirror)
    data.fetch_dataset("tiny", tmp_path)
    assert_complete(tmp_path / "tiny", packed)
    assert [asked for _, asked in mirror.requests[:3]] == [None, "bytes=1000-", None]


def test_a_part_that_is_whole_already_is_checked_and_kept(
    serve, packed, tiny, tmp_path: Path
) -> None:
    mirror = serve(packed)
    use_mirrors(tiny, mirror)
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / f"{FIRST}.part").write_bytes(packed[FIRST])
    data.fetch_dataset("tiny", tmp_path)
    assert_complete(tmp_path / "tiny", packed)
    asked = f"bytes={len(packed[FIRST])}-"
    assert mirror.requests[:2] == [(FIRST, asked), (f"{TRAIN_LABELS}.gz", None)]  # a 416


@pytest.mark.parametrize("extra", [0, 1, 1000])
def test_a_part_that_is_wrong_is_dropped(serve, packed, tiny, tmp_path: Path, extra: int) -> None:
    """Too long (answered with 416), of the right length, or only a beginning."""
    for length in (100, len(packed[FIRST]) + extra):
        mirror = serve(packed)
        use_mirrors(tiny, mirror)
        (tmp_path / "tiny").mkdir(exist_ok=True)
        (tmp_path / "tiny" / f"{FIRST}.part").write_bytes(b"x" * length)
        (tmp_path / "tiny" / FIRST).unlink(missing_ok=True)
        data.fetch_dataset("tiny", tmp_path)
        assert_complete(tmp_path / "tiny", packed)
        assert mirror.requests[:2] == [(FIRST, f"bytes={length}-"), (FIRST, None)]


def test_force_does_not_continue_a_part(serve, packed, tiny, tmp_path: Path) -> None:
    mirror = serve(packed)
    use_mirrors(tiny, mirror)
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / f"{FIRST}.part").write_bytes(packed[FIRST][:10])
    data.fetch_dataset("tiny", tmp_path, force=True)
    assert mirror.requests[0] == (FIRST, None)


def test_the_next_mirror_is_asked_when_one_fails_or_lies(
    serve, packed, tiny, tmp_path: Path
) -> None:
    other = gzip.compress(b"\0\0\x08\x01\0\0\0\1x")
    liars = [
        (serve({}), "HTTP 404 Not Found"),
        (serve(packed, status=503), "HTTP 503 Service Unavailable"),
        (serve(packed, status=204), "HTTP 204 instead of 200"),
        (serve(dict.fromkeys(packed, other)), "has SHA-256"),
        (serve(dict.fromkeys(packed, b"<html>welcome</html>")), "not a gzip file"),
        (serve({name: body[:-5] for name, body in packed.items()}), "gzip data are missing"),
        (serve({name: body + b"x" for name, body in packed.items()}), "bytes are left over"),
        (serve(packed, cuts=[0]), "broke off after 0 of"),
        (serve(packed, cuts=[9], length=False), "gzip data are missing"),
    ]
    good = serve(packed)
    gone = replace(good, url="http://127.0.0.1:9/")  # discard: nobody listens
    use_mirrors(tiny, gone, *(mirror for mirror, _ in liars), good)
    lines: list[str] = []
    fetched = data.fetch_dataset("tiny", tmp_path, report=lines.append)
    assert_complete(tmp_path / "tiny", packed)
    assert fetched[0].url == f"{good.url}{FIRST}"
    assert lines[0].startswith(f"{gone.url}{FIRST}: ")
    for (mirror, problem), line in zip(liars, lines[1:], strict=False):
        assert line.startswith(f"{mirror.url}{FIRST}: ")
        assert problem in line


def test_a_part_of_one_mirror_is_not_glued_to_another_compression(
    serve, originals, packed, tiny, tmp_path: Path
) -> None:
    """The second mirror holds the same data compressed otherwise: its end does not fit."""
    first = serve(packed, cuts=[700, 0])
    again = {f"{name}.gz": gzip.compress(body, 1, mtime=2) for name, body in originals.items()}
    second = serve(again)
    assert again[FIRST] != packed[FIRST]
    use_mirrors(tiny, first, second)
    data.fetch_dataset("tiny", tmp_path)
    assert (tmp_path / "tiny" / FIRST).read_bytes() == again[FIRST]
    assert [asked for name, asked in second.requests if name == FIRST] == ["bytes=700-", None]


def test_no_good_mirror_is_one_line_that_names_them_all(
    serve, packed, tiny, tmp_path: Path
) -> None:
    liar, missing = serve({FIRST: gzip.compress(b"else")}), serve({})
    use_mirrors(tiny, liar, missing)
    with pytest.raises(FetchError) as caught:
        data.fetch_dataset("tiny", tmp_path)
    message = str(caught.value)
    assert message.startswith(f"[fetch] no mirror delivered {FIRST}: {liar.url}{FIRST}: has SHA-")
    assert message.endswith(f"{missing.url}{FIRST}: HTTP 404 Not Found")
    assert "\n" not in message
    assert list((tmp_path / "tiny").iterdir()) == []


def test_a_failed_fetch_leaves_the_old_file_alone(serve, packed, tiny, tmp_path: Path) -> None:
    use_mirrors(tiny, serve(packed))
    data.fetch_dataset("tiny", tmp_path)
    use_mirrors(tiny, serve({name: gzip.compress(b"else") for name in packed}))
    with pytest.raises(FetchError):
        data.fetch_dataset("tiny", tmp_path, force=True)
    assert_complete(tmp_path / "tiny", packed)


def test_a_gzip_bomb_is_not_unpacked(
    serve, packed, tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bomb = gzip.compress(bytes(20_000_000))
    use_mirrors(tiny, serve({FIRST: bomb}))
    hashed = []
    real = hashlib.sha256

    class Counting:
        def __init__(self) -> None:
            self._digest = real()

        def update(self, data: bytes) -> None:
            hashed.append(len(data))
            self._digest.update(data)

    monkeypatch.setattr(fetch.hashlib, "sha256", Counting)
    size = tiny.files[0].size
    with pytest.raises(FetchError, match=rf"holds more than the {size} bytes of {TRAIN_IMAGES}"):
        data.fetch_dataset("tiny", tmp_path)
    assert sum(hashed) <= size


def test_an_endless_download_is_stopped(serve, packed, tiny, tmp_path: Path) -> None:
    size = tiny.files[0].size
    mirror = serve({FIRST: bytes(20 * size)}, length=False)
    use_mirrors(tiny, mirror)
    with pytest.raises(FetchError, match=rf"sends more than {size + size // 100 + 4096} bytes"):
        data.fetch_dataset("tiny", tmp_path)
    assert (tmp_path / "tiny" / f"{FIRST}.part").stat().st_size == 0


def test_a_given_mirror_replaces_the_known_ones(serve, packed, tiny, tmp_path: Path) -> None:
    known, given = serve(packed), serve({f"a/b/{name}": body for name, body in packed.items()})
    use_mirrors(tiny, known)
    data.fetch_dataset("tiny", tmp_path, mirror=f"{given.url}a/b")
    assert_complete(tmp_path / "tiny", packed)
    assert known.requests == []
    for wrong in ("ftp://a/", "file:///etc/", "mirror.org", ""):
        with pytest.raises(ValueError, match="must begin with http:// or https://"):
            data.fetch_dataset("tiny", tmp_path, mirror=wrong)


def test_a_redirect_is_followed_with_its_range(serve, packed, tiny, tmp_path: Path) -> None:
    target = serve(packed, cuts=[100])
    use_mirrors(tiny, serve({}, redirect=target.url))
    data.fetch_dataset("tiny", tmp_path)
    assert_complete(tmp_path / "tiny", packed)
    assert target.requests[1] == (FIRST, "bytes=100-")


def test_a_server_that_falls_silent_is_given_up(tiny, tmp_path: Path, monkeypatch) -> None:
    import socket

    monkeypatch.setenv("no_proxy", "*")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        mirror = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(FetchError, match="timed out"):
            data.fetch_dataset("tiny", tmp_path, mirror=mirror, timeout=0.05)


def test_a_second_process_is_turned_away(serve, packed, tiny, tmp_path: Path) -> None:
    pytest.importorskip("fcntl", reason="this system has no file locks of this kind")
    use_mirrors(tiny, serve(packed))
    (tmp_path / "tiny").mkdir()
    with (
        fetch._only_one(tmp_path / "tiny"),
        pytest.raises(FetchError, match="another process is downloading to"),
    ):
        data.fetch_dataset("tiny", tmp_path)
    data.fetch_dataset("tiny", tmp_path)
    assert_complete(tmp_path / "tiny", packed)


def test_a_part_that_cannot_be_written_is_an_error_at_once(
    serve, packed, tiny, tmp_path: Path
) -> None:
    mirror = serve(packed)
    use_mirrors(tiny, mirror, mirror)
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / f"{FIRST}.part").mkdir()
    with pytest.raises(OSError, match="directory"):
        data.fetch_dataset("tiny", tmp_path)
    assert len(mirror.requests) <= 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bytes 5-9/10", (5, 10)),
        ("bytes 5-9/*", (5, None)),
        ("bytes */10", (None, None)),
        ("bytes -5/10", (None, None)),
        ("lines 5-9/10", (None, None)),
        ("", (None, None)),
    ],
)
def test_content_range(text: str, expected: tuple) -> None:
    headers = download.Message()
    headers["Content-Range"] = text
    assert download._content_range(headers) == expected


def test_each_downloadable_set_has_several_mirrors_and_whole_digests() -> None:
    for info in DATASETS.values():
        assert [file.name for file in info.files] == list(NAMES)
        for file in info.files:
            assert re.fullmatch(r"[0-9a-f]{64}", file.sha256)
        if not info.embedded:
            assert len(set(info.mirrors)) >= 3
            assert info.download_size > 0
            for mirror in info.mirrors:
                assert re.fullmatch(r"https?://[^ ]+/", mirror)


def run_command(*words: str) -> int:
    return main(["data", *words])


def test_the_fetch_command_downloads_then_finds(
    serve, packed, tiny, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    use_mirrors(tiny, serve({}), serve(packed))
    assert run_command("fetch", "tiny", "--root", str(tmp_path)) == 0
    first = capsys.readouterr()
    assert first.out == f"tiny is in {tmp_path / 'tiny'}\n"
    assert "HTTP 404" in first.err
    assert "downloaded from" in first.err
    assert run_command("fetch", "tiny", "--root", str(tmp_path)) == 0
    assert capsys.readouterr().err.count("already there, and right") == 4
    assert_complete(tmp_path / "tiny", packed)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["tinny"], "fastfa: error: [data] name was 'tinny' (did you mean tiny?); it must be"),
        (["tiny", "--mirror", "x"], "fastfa: error: [fetch] mirror was 'x'; it must begin"),
        (["tiny", "--mirror", "http://127.0.0.1:9"], "fastfa: error: [fetch] no mirror deliv"),
        (["tiny", "--root", __file__], f"fastfa: error: {__file__}"),
    ],
)
def test_the_fetch_command_fails_in_one_line_with_status_1(
    tiny, words: list[str], message: str, capsys: pytest.CaptureFixture[str], monkeypatch
) -> None:
    monkeypatch.setenv("no_proxy", "*")
    assert run_command("fetch", *words) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    *_, last = printed.err.splitlines()
    assert last.startswith(message)


def test_the_fetch_command_has_nothing_to_do_for_mnist_mini(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run_command("fetch", "mnist-mini") == 0
    assert capsys.readouterr().out == "mnist-mini is part of fastfa: nothing to download\n"


def test_a_progress_bar_is_shown_where_asked_for(
    serve, packed, tiny, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    use_mirrors(tiny, serve(packed))
    data.fetch_dataset("tiny", tmp_path, progress=True)
    shown = capsys.readouterr().err
    assert FIRST in shown
    assert "100%" in shown
    data.fetch_dataset("tiny", tmp_path, progress=False, force=True)
    assert capsys.readouterr().err == ""


def test_the_list_command_tells_what_is_where(
    serve, packed, tiny, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    use_mirrors(tiny, serve(packed))

    def row(name: str) -> str:
        assert run_command("list", "--root", str(tmp_path)) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[0].split() == ["NAME", "IMAGES", "SIZE", "LICENCE", "WHERE"]
        return next(line for line in lines if line.split()[0] == name)

    assert row("tiny").endswith("to get it: fastfa data fetch tiny")
    data.fetch_dataset("tiny", tmp_path)
    assert row("tiny").endswith(f"  {tmp_path / 'tiny'}")
    (tmp_path / "tiny" / FIRST).unlink()
    partly = f"3 of 4 files in {tmp_path / 'tiny'}; to get it: fastfa data fetch tiny"
    assert row("tiny").endswith(partly)
    mini = row("mnist-mini")
    assert mini.endswith("part of fastfa")
    assert "6000 + 1000" in mini
    assert "1.1 MB" in mini
    assert "CC BY-SA 3.0" in mini
