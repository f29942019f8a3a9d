"""Small files that would take gigabytes, and files without an end: refused by name, in little memory."""

from __future__ import annotations

import gzip
import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fastfa import data
from fastfa.data import IdxError, read, read_amat, read_idx, read_libsvm, write_idx
from fastfa.data.limit import Limit
from limit_cases import MB, peak_of
from sound_files import riff, speech, sphere, write_sentence


def npz(**members: bytes) -> bytes:
    """A zip archive of these files, packed."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return whole.getvalue()


def npy(shape: tuple[int, ...], descr: str = "<f8", values: bytes = b"") -> bytes:
    """A header of NumPy's, and these bytes."""
    whole = io.BytesIO()
    fields = {"descr": descr, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(whole, fields)
    return whole.getvalue() + values


LABELS = npy((2,), "<i8", np.arange(2).tobytes())

SMALL_BUT_LARGE = {
    "a.svm": b"0 1048576:1\n" * 1000,
    "b.svm": b"0 0:1\n" + b"1 1000000:1\n" * 3000,
    "b.csv": gzip.compress(b"0," * 20_000_000),  # one line, and no end of it
    "c.csv": gzip.compress(b'"' + b"a" * 20_000_000),
    "c.amat": gzip.compress(b" " * 40_000_000),
    "a.npz": npz(x=npy((1_500_000, 1_000_000)), labels=LABELS),
    "b.npz": npz(x=npy((2, 30 * MB), "<f4", bytes(240 * MB)), labels=LABELS),
    "c.npz": npz(x=npy((2, 30 * MB), "|u1", bytes(60 * MB)), labels=LABELS),
}


@pytest.mark.parametrize("name", SMALL_BUT_LARGE)
def test_a_small_file_takes_no_gigabytes_and_is_named(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(SMALL_BUT_LARGE[name])
    assert path.stat().st_size < 4 * MB

    def refused() -> None:
        with pytest.raises(ValueError, match=r"the limit is 268435456, which a larger") as caught:
            read(path)
        assert str(path) in str(caught.value)

    assert peak_of(refused) < 320 * MB


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", (b"0," * 999 + b"1\n") * 3000),
        ("a.amat", (b"0 " * 784 + b"1\n") * 3000),
        ("a.svm", b"1 1000:1\n" * 30_000),
        ("b.svm", b"1 0:0\n" * 110_000),
        ("b.csv", b"1,1\n" * 600_000),
    ],
)
def test_text_is_given_up_when_its_numbers_are_too_many(
    tmp_path: Path, name: str, text: bytes
) -> None:
    (tmp_path / f"{name}.gz").write_bytes(gzip.compress(text, 1))

    def refused() -> None:
        with pytest.raises(
            ValueError, match=rf"{name}.gz: .* or more of .* the limit is 6000000, "
        ):
            read(tmp_path / f"{name}.gz", limit=6_000_000)

    assert peak_of(refused) < 40_000_000


@pytest.mark.parametrize(
    ("name", "text"), [("a.amat", b"\n"), ("a.csv", b" \n"), ("a.svm", b"#\n"), ("b.svm", b"\r")]
)
def test_a_file_of_empty_lines_is_given_up(tmp_path, monkeypatch, name: str, text: bytes) -> None:
    from fastfa.data import text as module

    monkeypatch.setattr(module, "_MOST_EMPTY", 1000)
    (tmp_path / name).write_bytes(gzip.compress(text * 100_000))
    with pytest.raises(
        ValueError, match=rf"{name} has 1001 empty lines in its first 1001; it must"
    ):
        read(tmp_path / name)
    (tmp_path / "c.svm").write_bytes((b"1 1:2\n" + text) * 5000 + text * 900)
    assert len(read(tmp_path / "c.svm")) == 5000


def test_idx_that_unpacks_to_more_than_its_share_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    write_idx(path, np.zeros((300, MB), np.uint8))

    def refused() -> None:
        with pytest.raises(IdxError, match=r"a\.gz: byte 4: uint8 of shape .* limit is \d+"):
            read_idx(path)

    assert peak_of(refused) < MB


def test_the_limit_is_an_argument_of_every_reader(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    write_idx(tmp_path / "images", rng.integers(0, 9, (20, 5, 5), np.uint8))
    write_idx(tmp_path / "labels", np.arange(20, dtype=np.uint8))
    np.savez(tmp_path / "a.npz", x=rng.random((20, 25)), labels=np.arange(20))
    (tmp_path / "a.csv").write_text("1,2,0\n3,4,1\n")
    (tmp_path / "a.svm").write_text("1 1:2\n0 2:1\n")
    (tmp_path / "a.amat").write_text(" ".join(["0.5"] * 784 + ["4"]))
    ways: list[Callable[[int | None], object]] = [
        lambda limit: read((tmp_path / "images", tmp_path / "labels"), limit=limit),
        lambda limit: read_idx(tmp_path / "images", limit=limit),
        lambda limit: read(tmp_path / "a.npz", limit=limit),
        lambda limit: read(tmp_path / "a.csv", limit=limit),
        lambda limit: read(tmp_path / "a.svm", limit=limit),
        lambda limit: read_libsvm(tmp_path / "a.svm", limit=limit),
        lambda limit: read(tmp_path / "a.amat", limit=limit),
        lambda limit: read_amat(tmp_path / "a.amat", limit=limit),
        lambda limit: data.load("mnist-mini", limit=limit),
    ]
    for way in ways:
        way(None)
        way(100 * MB)
        with pytest.raises(ValueError, match=r"would take \d+ bytes of memory; the limit is 8, "):
            way(8)
        for wrong in (0, -1):
            with pytest.raises(
                ValueError, match=rf"limit was {wrong}; it must be an integer of at"
            ):
                way(wrong)
        for wrong in (1.5, "8", True):
            with pytest.raises(TypeError, match=r"limit was .*; it must be an integer of at"):
                way(wrong)  # type: ignore[arg-type]


def test_a_larger_limit_lets_a_file_through(tmp_path: Path) -> None:
    path = tmp_path / "a.svm"
    path.write_text("0 1048576:1\n" * 80)
    with pytest.raises(ValueError, match=r"64 examples or more of 1048576 features would take"):
        read(path)
    assert read(path, limit=400 * MB).x.shape == (80, 1048576)


def test_the_default_grows_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    for size, bytes_ in ((0, 256 * MB), (4 * MB, 256 * MB), (5 * MB, 320 * MB)):
        with open(path, "wb") as file:
            file.truncate(size)
        assert Limit("here", path).bytes == bytes_


def test_too_little_memory_names_the_file(tmp_path: Path, monkeypatch) -> None:
    enormous = 1 << 62  # no machine has it, whatever may be promised
    big = npz(x=npy((1 << 50,), "<f8"), labels=LABELS)
    (tmp_path / "a.npz").write_bytes(big)
    with pytest.raises(ValueError, match=r"a\.npz cannot be read .* but 0 are there"):
        read(tmp_path / "a.npz", limit=enormous)

    def full(*_: object, **__: object) -> None:
        raise MemoryError("Unable to allocate")

    np.savez(tmp_path / "b.npz", x=np.zeros((2, 3)), labels=np.arange(2))
    write_idx(tmp_path / "c", np.zeros((2, 3), np.uint8))
    (tmp_path / "d.svm").write_text("1 1:2\n")
    (tmp_path / "e.csv").write_text("1,1\n2,2\n")
    for function in ("empty", "zeros", "concatenate"):
        monkeypatch.setattr(np, function, full)
    monkeypatch.setattr(np.lib.format, "read_array", full)
    for name in ("b.npz", "d.svm", "e.csv"):
        with pytest.raises(MemoryError, match=rf"{name}: this machine has too little memory to"):
            read(tmp_path / name)
    with pytest.raises(MemoryError, match=r"c: this machine has too little memory to read it"):
        read_idx(tmp_path / "c")


@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
@pytest.mark.parametrize("ending", [".npz", ".csv", ".csv.gz", ".amat", ".svm", ".libsvm"])
def test_what_may_have_no_end_is_refused(tmp_path: Path, kind: str, ending: str) -> None:
    path = tmp_path / f"a{ending}"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    with pytest.raises(ValueError, match=rf"a{ending} is not a regular file; it must be one"):
        read(path)


def test_sets_of_several_files_refuse_what_has_no_end_too(tmp_path: Path) -> None:
    pytest.importorskip("soundfile", reason="soundfile is not installed (fastfa[timit])")
    write_sentence(tmp_path / "TRAIN" / "A" / "SX1")
    write_sentence(tmp_path / "TEST" / "B" / "SX2")
    data.load_timit(tmp_path)
    phones = tmp_path / "TEST" / "B" / "SX2.PHN"
    phones.unlink()
    phones.symlink_to("/dev/zero")
    with pytest.raises(ValueError, match=r"SX2\.PHN is not a regular file"):
        data.load_timit(tmp_path)
    for name in ("train", "extra", "test"):
        os.mkfifo(tmp_path / f"{name}_32x32.mat")
    with pytest.raises(ValueError, match=r"train_32x32\.mat is not a regular file"):
        data.load_svhn(tmp_path)


@pytest.mark.parametrize("wrong", [None, 5, b"a.csv", ["a"], 1.5])
def test_what_is_no_path_is_refused(wrong: object) -> None:
    with pytest.raises((TypeError, ValueError), match=r"\[read\] source "):
        read(wrong)  # type: ignore[arg-type]
    for reader in (read_idx, read_amat, read_libsvm):
        with pytest.raises(TypeError, match=r"path was .*; it must be a path"):
            reader(wrong)  # type: ignore[arg-type]
    for reader in (read_idx, read_amat, read_libsvm):
        for text in ("", "a\0b"):
            with pytest.raises(ValueError, match=r"path was .*; it must be a path"):
                reader(text)


@pytest.mark.parametrize("make", [sphere, riff])
def test_sound_that_promises_more_than_is_there_is_refused(tmp_path: Path, make) -> None:
    pytest.importorskip("soundfile", reason="soundfile is not installed (fastfa[timit])")
    write_sentence(tmp_path / "TRAIN" / "A" / "SX1")
    sound = bytearray(make(speech()))
    if make is riff:
        at = sound.index(b"data") + 4
        sound[at : at + 4] = b"\xff\xff\xff\xff"
    else:
        sound = bytearray(sphere(speech(), sample_count=999_999_999_999))
    write_sentence(tmp_path / "TEST" / "B" / "SX2", sound=bytes(sound))

    def refused() -> None:
        with pytest.raises(ValueError, match=r"SX2.WAV has 8000 samples; it must have \d{10,12}, "):
            data.load_timit(tmp_path)

    assert peak_of(refused) < 16 * MB
