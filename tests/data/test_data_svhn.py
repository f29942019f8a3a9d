"""SVHN's MATLAB files: written by SciPy as they were by MATLAB, read back, and damaged."""

from __future__ import annotations

import struct
import sys
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from fastfa import data
from svhn_files import write_part

scipy_io = pytest.importorskip("scipy.io", reason="SciPy is not installed (fastfa[svhn])")
scipy_sparse = pytest.importorskip("scipy.sparse")

SIZES = {"train": 5, "extra": 7, "test": 3}


@pytest.fixture
def written(tmp_path: Path) -> dict[str, dict[str, np.ndarray]]:
    return {
        part: write_part(tmp_path / "svhn-grey", part, count, seed)
        for seed, (part, count) in enumerate(SIZES.items())
    }


def grey(values: dict[str, np.ndarray]) -> np.ndarray:
    """One image after the other, pixel by pixel, in float64."""
    count = values["X"].shape[3]
    return (
        np.array(
            [
                [values["X"][row, column, :, n].astype(float).mean() / 255 for row in range(32)]
                for n in range(count)
                for column in range(32)
            ]
        )
        .reshape(count, 32, 32)
        .transpose(0, 2, 1)
        .reshape(count, 1024)
    )


def test_images_are_the_mean_of_their_channels_and_ten_is_zero(written, tmp_path: Path) -> None:
    loaded = data.load("svhn-grey", tmp_path)
    assert (loaded.name, loaded.classes, loaded.image_shape) == ("svhn-grey", 10, (1, 32, 32))
    assert (len(loaded.train), len(loaded.test)) == (12, 3)
    for split, parts in ((loaded.train, ("train", "extra")), (loaded.test, ("test",))):
        assert split.x.dtype == np.float32
        assert split.x.flags.c_contiguous
        expected = np.concatenate([grey(written[part]) for part in parts])
        assert np.abs(split.x - expected).max() < 1e-7
        raw = np.concatenate([written[part]["y"].ravel() for part in parts])
        assert split.labels.tolist() == [0 if y == 10 else y for y in raw]


def test_without_extra_the_training_set_is_train_alone(written, tmp_path: Path) -> None:
    (tmp_path / "svhn-grey" / "extra_32x32.mat").unlink()
    assert len(data.load_svhn(tmp_path / "svhn-grey", extra=False).train) == 5
    with pytest.raises(FileNotFoundError, match=r"extra_32x32.mat is not there"):
        data.load_svhn(tmp_path / "svhn-grey")
    with pytest.raises(data.DatasetNotFound, match=r"without extra_32x32.mat\n"):
        data.load("svhn-grey", tmp_path)


def test_labels_may_be_doubles_and_blocks_may_end_anywhere(tmp_path: Path, monkeypatch) -> None:
    from fastfa.data import svhn

    monkeypatch.setattr(svhn, "_BLOCK", 2)
    labels = np.array([[10.0], [1.0], [9.0], [10.0], [2.0]])
    values = {part: write_part(tmp_path, part, 5, 3, y=labels) for part in SIZES}
    loaded = data.load_svhn(tmp_path)
    assert loaded.test.labels.tolist() == [0, 1, 9, 0, 2]
    assert np.abs(loaded.test.x - grey(values["test"])).max() < 1e-7


def test_memory_is_one_float_array_and_the_bytes_of_one_file(tmp_path: Path) -> None:
    count = 3000
    for part in SIZES:
        write_part(tmp_path, part, count if part != "test" else 1, 0)
    data.load_svhn(tmp_path)  # what is imported at first use
    tracemalloc.start()
    try:
        data.load_svhn(tmp_path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    floats, file = 2 * count * 1024 * 4, count * 3072
    assert floats < peak < floats + 1.1 * file + 3_000_000  # the blocks; SciPy's buffers


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"X": None}, r"holds y; it must hold X and y"),
        ({"y": None}, r"holds X; it must hold X and y"),
        ({"X": np.zeros((32, 32, 3, 7))}, r"X is double \(32, 32, 3, 7\); it must be uint8"),
        ({"X": np.zeros((32, 31, 3, 7), np.uint8)}, r"\(32, 31, 3, 7\); it must be uint8 \(32, 32"),
        ({"X": np.zeros((7, 32, 32, 3), np.uint8)}, r"\(7, 32, 32, 3\); it must be uint8"),
        ({"X": np.zeros((32, 32, 3), np.uint8)}, r"X is uint8 \(32, 32, 3\); it must be"),
        ({"y": np.ones((6, 1), np.uint8)}, r"y is uint8 \(6, 1\); it must be .* \(7, 1\)"),
        ({"y": np.ones((1, 7), np.uint8)}, r"y is uint8 \(1, 7\); it must be .* \(7, 1\)"),
        ({"y": np.array(["1234567"])}, r"y is char .*; it must be uint8 or double \(7, 1\)"),
        ({"y": np.full((7, 1), 0, np.uint8)}, r"label 0 is 0; it must be from 1 to 10"),
        ({"y": np.full((7, 1), 11, np.uint8)}, r"label 0 is 11; it must be from 1 to 10"),
        ({"y": np.full((7, 1), 1.5)}, r"label 0 is 1.5; it must be from 1 to 10"),
        ({"y": np.full((7, 1), np.nan)}, r"label 0 is nan; it must be from 1 to 10"),
    ],
)
def test_a_file_that_holds_something_else_is_refused(written, tmp_path, change, message) -> None:
    write_part(tmp_path / "svhn-grey", "extra", 7, 0, **change)
    with pytest.raises(ValueError, match=message) as caught:
        data.load("svhn-grey", tmp_path)
    assert f"{tmp_path / 'svhn-grey' / 'extra_32x32.mat'}" in str(caught.value)


def test_a_file_cut_off_or_overwritten_anywhere_is_refused(written, tmp_path: Path) -> None:
    path = tmp_path / "svhn-grey" / "test_32x32.mat"
    whole = path.read_bytes()
    for length in [0, 1, 100, 127, 128, 132, 140, *range(200, len(whole), 977), len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"test_32x32\.mat"):
            data.load("svhn-grey", tmp_path)
    for at in range(200, len(whole) - 64, 1501):
        path.write_bytes(whole[:at] + bytes(64) + whole[at + 64 :])
        with pytest.raises(ValueError, match=r"test_32x32\.mat"):
            data.load("svhn-grey", tmp_path)


@pytest.mark.parametrize(
    "content", [b"", b"PK\3\4" + bytes(300), b"\x89HDF\r\n\x1a\n" + bytes(600)]
)
def test_what_is_no_matlab_file_is_refused(written, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "svhn-grey" / "train_32x32.mat").write_bytes(content)
    with pytest.raises(ValueError, match=r"train_32x32.mat cannot be read .* MATLAB file"):
        data.load("svhn-grey", tmp_path)


def test_without_scipy_the_error_says_what_to_install(written, tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(ImportError, match=r"pip install 'fastfa\[svhn\]'"):
        data.load("svhn-grey", tmp_path)


@pytest.mark.parametrize("packed", [True, False])
def test_names_shapes_classes_and_sizes_are_known_before_the_numbers(tmp_path, packed) -> None:
    from fastfa.data.limit import Limit
    from fastfa.data.matlab import variables

    rng = np.random.default_rng(0)
    values = {
        "bytes": rng.integers(0, 256, (30, 40, 50), np.uint8),
        "few": np.array([[1], [2]], np.uint8),
        "doubles": rng.normal(size=(7, 2)),
        "nothing": np.zeros((0, 3)),
        "text": np.array(["words"]),
        "cells": np.array([[1, "a"]], object),
        "structure": {"a": 1.0, "b": {"c": "d"}},
        "sparse": scipy_sparse.csc_matrix(np.eye(3)),
        "both": rng.normal(size=(2, 2)) + 1j,
    }
    path = tmp_path / "a.mat"
    scipy_io.savemat(path, values, do_compression=packed)
    found = list(variables(Limit("here", path)))
    theirs = scipy_io.whosmat(path)
    assert theirs[-1] == ("both", (2, 2), "double")  # SciPy doesn't tell
    assert [each[:3] for each in found] == [*theirs[:-1], ("both", (2, 2), "complex double")]
    sizes = {name: size for name, _, _, size in found}
    tag, flags = 8, 16  # then dimensions and name, each with a tag and padded to eight
    assert sizes["bytes"] == tag + flags + (tag + 16) + (tag + 8) + (tag + 60_000)
    assert sizes["doubles"] == tag + flags + (tag + 8) + (tag + 8) + (tag + 7 * 2 * 8)
    if not packed:
        assert sum(sizes.values()) == path.stat().st_size - 128


def test_other_variables_are_passed_over_unread(written, tmp_path: Path) -> None:
    others = {"a": np.array([[1, "a"]], object), "z": {"b": 2.0}, "w": np.zeros((500, 500))}
    expected = data.load("svhn-grey", tmp_path).test
    write_part(tmp_path / "svhn-grey", "test", SIZES["test"], 2, **others)
    again = data.load("svhn-grey", tmp_path).test
    assert np.array_equal(again.x, expected.x)
    assert np.array_equal(again.labels, expected.labels)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"X": np.zeros((32, 32, 3, 7), object)}, r"X is cell \(32, 32, 3, 7\); it must be uint8"),
        (
            {"X": {"a": np.zeros((32, 32, 3, 7), np.uint8)}},
            r"X is struct \(1, 1\); it must be uint8",
        ),
        ({"X": np.ones((32, 32, 3, 7), bool)}, r"X is logical \(32, 32, 3, 7\); it must be uint8"),
        ({"y": np.full((7, 1), "a", object)}, r"y is cell \(7, 1\); it must be uint8 or double"),
        ({"y": scipy_sparse.csc_matrix(np.ones((7, 1)))}, r"y is sparse \(7, 1\); it must be"),
        ({"y": np.ones((7, 1)) + 0j}, r"y is complex double \(7, 1\); it must be"),
        (
            {"X": np.zeros((32, 32, 3, 7), np.uint8) + 0j},
            r"X is complex double \(32, 32, 3, 7\); it must be uint8",
        ),
    ],
)
def test_cells_structures_and_complex_numbers_are_refused(
    written, tmp_path, change, message
) -> None:
    write_part(tmp_path / "svhn-grey", "extra", 7, 0, **change)
    with pytest.raises(ValueError, match=message) as caught:
        data.load("svhn-grey", tmp_path)
    assert f"{tmp_path / 'svhn-grey' / 'extra_32x32.mat'}" in str(caught.value)


def test_too_little_memory_names_the_file(written, tmp_path, monkeypatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(scipy_io, "loadmat", full)
    with pytest.raises(MemoryError, match=r"train_32x32.mat: this machine has too little memory"):
        data.load("svhn-grey", tmp_path)


def test_files_of_machines_of_the_other_byte_order_read_alike(written, tmp_path: Path) -> None:
    values = written["test"]
    elements = []
    for name, shape in (("X", (32, 32, 3, 3)), ("y", (3, 1))):
        dims = struct.pack(f">{len(shape)}i", *shape)
        body = struct.pack(">IIIIII", 6, 8, 9, 0, 5, len(dims)) + dims
        body += struct.pack(">II", 1, 1) + name.encode().ljust(8, b"\0")
        numbers = values[name].tobytes(order="F")
        body += struct.pack(">II", 2, len(numbers)) + numbers + bytes(-len(numbers) % 8)
        packed = zlib.compress(struct.pack(">II", 14, len(body)) + body)
        elements.append(struct.pack(">II", 15, len(packed)) + packed)
    head = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack(">H", 0x0100) + b"MI"
    expected = data.load("svhn-grey", tmp_path).test
    (tmp_path / "svhn-grey" / "test_32x32.mat").write_bytes(head + b"".join(elements))
    again = data.load("svhn-grey", tmp_path).test
    assert np.array_equal(again.x, expected.x)
    assert np.array_equal(again.labels, expected.labels)
