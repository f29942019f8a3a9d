"""Sets that are published as one archive: downloaded, checked and unpacked."""

from __future__ import annotations

import hashlib
import io
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fastfa import data
from fastfa.cli import main
from fastfa.data import DATASETS, DataFile, FetchError

NAME = "cifar-10-binary.tar.gz"


def archive(files: dict[str, bytes]) -> bytes:
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return whole.getvalue()


@pytest.fixture
def files() -> dict[str, bytes]:
    rng = np.random.default_rng(0)
    body = rng.integers(0, 256, (2, 3073), np.uint8)
    body[:, 0] %= 10
    names = [file.name for file in DATASETS["cifar-10"].files]
    return {name: bytes([at]) + body.tobytes()[1:] for at, name in enumerate(names)}


@pytest.fixture
def few(files, monkeypatch, no_roots):
    """Makes cifar-10 a set of two images a file, as an archive of this content, and serves it."""

    def publish(serve, content: bytes, **behaviour):
        mirror = serve({NAME: content}, **behaviour)
        info = replace(
            DATASETS["cifar-10"],
            files=tuple(DataFile(name, len(body), "") for name, body in files.items()),
            train_size=10,
            test_size=2,
            mirrors=(mirror.url,),
            md5=hashlib.md5(content).hexdigest(),
        )
        monkeypatch.setitem(DATASETS, "cifar-10", info)
        return mirror

    return publish


def inside(files: dict[str, bytes]) -> dict[str, bytes]:
    others = {"readme.html": b"read me", "batches.meta.txt": b"cat"}
    return {f"cifar-10-batches-bin/{name}": body for name, body in (others | files).items()}


def test_an_archive_is_fetched_unpacked_and_loaded(few, serve, files, tmp_path, capsys) -> None:
    mirror = few(serve, archive(inside(files)), cuts=[1000])
    assert main(["data", "fetch", "cifar-10", "--root", str(tmp_path)]) == 0
    folder = tmp_path / "cifar-10"
    assert f"cifar-10 is in {folder}" in capsys.readouterr().out
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == files
    assert len(data.load("cifar-10", tmp_path).train) == 10
    assert [asked for _, asked in mirror.requests] == [None, "bytes=1000-"]
    lines: list[str] = []
    fetched = data.fetch_dataset("cifar-10", tmp_path, report=lines.append)
    assert [path.name for path, _ in fetched] == list(files)
    assert {url for _, url in fetched} == {None}
    assert lines == [f"{folder}: already there, and of the right sizes"]
    data.fetch_dataset("cifar-10", tmp_path, force=True)
    assert len(mirror.requests) == 3


def test_another_archive_than_the_published_one_is_not_unpacked(
    few, serve, files, tmp_path
) -> None:
    mirror = few(serve, archive(inside(files)))
    mirror.files[NAME] = archive(inside(files))[:-1] + b"x"
    with pytest.raises(FetchError, match=r"no mirror delivered cifar-10-binary.tar.gz: .*has MD5 "):
        data.fetch_dataset("cifar-10", tmp_path)
    assert not list((tmp_path / "cifar-10").iterdir())


def test_an_archive_without_a_file_is_told(few, serve, files, tmp_path) -> None:
    held = inside(files)
    held["cifar-10-batches-bin/test_batch.bin"] = b"short"
    few(serve, archive(held))
    with pytest.raises(FetchError, match=r"has no test_batch.bin of the right size"):
        data.fetch_dataset("cifar-10", tmp_path)
    few(serve, b"no archive")
    with pytest.raises(FetchError, match=r"is no tar archive"):
        data.fetch_dataset("cifar-10", tmp_path / "other")


def test_nothing_lands_outside_the_folder(few, serve, files, tmp_path) -> None:
    held = {f"../../{name}": body for name, body in files.items()}
    few(serve, archive(held | {"/etc/other": b"x"}))
    data.fetch_dataset("cifar-10", tmp_path / "a" / "b")
    assert {path.name for path in (tmp_path / "a" / "b" / "cifar-10").iterdir()} == set(files)
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b"]


def test_what_is_in_the_way_is_named_and_stays(few, serve, files, tmp_path: Path) -> None:
    mirror = few(serve, archive(inside(files)))
    own = tmp_path / "cifar-10" / "test_batch.bin"
    own.parent.mkdir()
    own.write_bytes(b"mine")
    for force in (False, True):
        with pytest.raises(
            FetchError, match=f"{own}: has 4 bytes and not 6146; move it out of the"
        ):
            data.fetch_dataset("cifar-10", tmp_path, force=force)
    assert own.read_bytes() == b"mine"
    assert not mirror.requests


def test_the_list_says_how_to_get_it(no_roots, capsys) -> None:
    assert main(["data", "list", "--root", str(no_roots)]) == 0
    (row,) = [line for line in capsys.readouterr().out.splitlines() if "cifar-100" in line]
    assert "to get it: fastfa data fetch cifar-100" in row
    assert "168.5 MB" in row
    with pytest.raises(data.DatasetNotFound, match=r"To get it: fastfa data fetch cifar-10$"):
        data.load("cifar-10", no_roots)
