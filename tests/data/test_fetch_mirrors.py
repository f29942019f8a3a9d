"""Downloads from servers that fail, lie, fall silent or never end; and who writes at the same time."""

from __future__ import annotations

import gzip
import hashlib
import re
from dataclasses import replace
from pathlib import Path

import pytest
from fastfa import data
from fastfa.data import DATASETS, FetchError, download, fetch
from fastfa.data.registry import TRAIN_IMAGES
from mirrors import FIRST, NAMES, assert_complete, use_mirrors


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
    for info in (each for each in DATASETS.values() if each.format == "idx"):
        assert [file.name for file in info.files] == list(NAMES)
        for file in info.files:
            assert re.fullmatch(r"[0-9a-f]{64}", file.sha256)
        if not info.embedded:
            assert len(set(info.mirrors)) >= 3
            assert info.download_size > 0
            for mirror in info.mirrors:
                assert re.fullmatch(r"https?://[^ ]+/", mirror)
