"""``fastfa.data.fetch_dataset``: what breaks off is continued, what is wrong replaced."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from fastfa import data
from fastfa.data import FetchError
from fastfa.data.registry import TRAIN_IMAGES, TRAIN_LABELS
from mirrors import FIRST, NAMES, assert_complete, use_mirrors


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
