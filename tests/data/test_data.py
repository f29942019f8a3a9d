"""Where sets are looked for, what is loaded, and what is told of one that is not there or damaged."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from data_cases import NAMES, write_set
from fastfa import data
from fastfa.data import DATASETS, DatasetNotFound, IdxError, places, write_idx


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_load_gives_grey_values_over_255_and_integer_labels(no_roots: Path, suffix: str) -> None:
    arrays = write_set(no_roots / "mnist", suffix=suffix)
    loaded = data.load("mnist", no_roots)
    assert (loaded.name, loaded.classes, loaded.image_shape) == ("mnist", 10, (1, 28, 28))
    for split, images, labels in ((loaded.train, *NAMES[:2]), (loaded.test, *NAMES[2:])):
        assert split.x.dtype == np.float32
        assert split.labels.dtype == np.int64
        assert split.x.shape == (len(split), 784)
        assert split.x.flags.c_contiguous
        expected = (arrays[images].reshape(-1, 784) / 255.0).astype(np.float32)
        assert np.array_equal(split.x, expected)
        assert np.array_equal(split.labels, arrays[labels])


def test_the_roots_are_tried_in_order(no_roots: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ordered = [no_roots / "argument", no_roots / "environment", no_roots / "cache" / "fastfa"]
    monkeypatch.setenv("FASTFA_DATA", str(ordered[1]))
    ordered[0].mkdir()
    for count, root in ((1, ordered[2]), (2, ordered[1]), (3, ordered[0])):
        write_set(root / "mnist", train=count)
        assert len(data.load("mnist", ordered[0]).train) == count
    assert len(data.load("mnist").train) == 2
    assert data.locate("mnist")[NAMES[0]] == ordered[1] / "mnist" / NAMES[0]
    assert data.locate("mnist", ordered[0])[NAMES[0]] == ordered[0] / "mnist" / NAMES[0]


@pytest.mark.parametrize(
    "name", ["mnist", "mnist-mini", "svhn-grey", "mnist-mini-photo-background"]
)
def test_a_root_that_is_not_there_is_an_error(
    no_roots: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    write_set(no_roots / "environment" / "mnist")
    monkeypatch.setenv("FASTFA_DATA", str(no_roots / "environment"))
    (no_roots / "file").write_text("")
    for root in (no_roots / "misspelt", no_roots / "file", "~/no such folder"):
        with pytest.raises(
            FileNotFoundError, match=r"\[load\] root was .*; it must be a folder that"
        ):
            data.load(name, root)
        with pytest.raises(FileNotFoundError, match=r"\[locate\] root was .*; it must be a folder"):
            data.locate(name, root)
    for root in ("", "a\0b"):
        with pytest.raises(ValueError, match=r"\[load\] root was .*; it must be a path"):
            data.load(name, root)
    with pytest.raises(TypeError, match=r"\[load\] root was 5; it must be a path"):
        data.load(name, 5)  # type: ignore[arg-type]
    (no_roots / "empty").mkdir()
    assert len(data.load("mnist", no_roots / "empty").train) == 5  # which is there, without the set


def test_the_search_roots_are_the_documented_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTFA_DATA", "/elsewhere")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    system = ["/usr/share/datasets", "/usr/local/share/datasets"]
    assert [str(root) for root in places.search_roots("/mine")] == [
        "/mine",
        "/elsewhere",
        "/cache/fastfa",
        *system,
    ]
    monkeypatch.delenv("FASTFA_DATA")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative, thus to be ignored")
    monkeypatch.setenv("HOME", "/home/me")
    assert [str(root) for root in places.search_roots()] == ["/home/me/.cache/fastfa", *system]


def test_files_are_never_gathered_from_several_folders(
    no_roots: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FASTFA_DATA", str(no_roots / "whole"))
    write_set(no_roots / "part" / "mnist", train=1)
    (no_roots / "part" / "mnist" / NAMES[3]).unlink()
    assert data.locate("mnist", no_roots / "part")[NAMES[3]] is None
    write_set(no_roots / "whole" / "mnist", train=2)
    assert len(data.load("mnist", no_roots / "part").train) == 2
    found = data.locate("mnist", no_roots / "part")
    assert {path.parent for path in found.values() if path} == {no_roots / "whole" / "mnist"}


def test_a_set_that_is_not_found_is_an_error_that_says_where_and_how(
    no_roots: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FASTFA_DATA", str(no_roots / "environment"))
    write_set(no_roots / "argument" / "fashion-mnist")
    (no_roots / "argument" / "fashion-mnist" / NAMES[2]).unlink()
    with pytest.raises(FileNotFoundError) as caught:
        data.load("fashion-mnist", no_roots / "argument")
    assert isinstance(caught.value, DatasetNotFound)
    assert str(caught.value).splitlines() == [
        "[load] fashion-mnist was not found (plain or .gz) in",
        f"  {no_roots}/argument/fashion-mnist: without t10k-images-idx3-ubyte",
        f"  {no_roots}/environment/fashion-mnist: no such folder",
        f"  {no_roots}/cache/fastfa/fashion-mnist: no such folder",
        "  To get it: fastfa data fetch fashion-mnist; "
        "on Debian: apt install dataset-fashion-mnist",
    ]


@pytest.mark.parametrize("name", ["MNIST", "mnst", "fashion_mnist", "svhn", ""])
def test_an_unknown_name_is_refused_with_the_known_ones(name: str) -> None:
    for function in (data.load, data.locate, data.dataset_info, data.fetch_dataset):
        with pytest.raises(
            ValueError, match="be one of cifar-10, cifar-100, fashion-mnist"
        ) as caught:
            function(name)
        assert f"name was {name!r}" in str(caught.value)
        close = {"MNIST": "mnist", "mnst": "mnist", "fashion_mnist": "fashion-mnist"}.get(name)
        assert (f"did you mean {close}" in str(caught.value)) == (close is not None)


def test_a_name_that_is_no_string_is_refused() -> None:
    with pytest.raises(TypeError, match=r"name was 3; it must be a string"):
        data.load(3)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("file", "values", "message"),
    [
        (0, np.zeros((5, 28, 27), np.uint8), r"\(5, 28, 27\); it must be uint8 \(N, 28, 28\)"),
        (0, np.zeros((5, 784), np.uint8), r"\(5, 784\); it must be uint8 \(N, 28, 28\)"),
        (0, np.zeros((5, 28, 28), np.int32), r"int32 of shape .* must be uint8 \(N, 28, 28\)"),
        (1, np.zeros(4, np.uint8), r"\(4,\); it must be uint8 \(5,\)"),
        (1, np.zeros((5, 1), np.uint8), r"\(5, 1\); it must be uint8 \(5,\)"),
        (3, np.zeros(3, np.int8), r"int8 of shape \(3,\); it must be uint8 \(3,\)"),
        (1, np.array([0, 9, 1, 10, 200], np.uint8), r"label 3 is 10; it must be below 10"),
    ],
)
def test_files_that_disagree_are_refused(
    no_roots: Path, file: int, values: np.ndarray, message: str
) -> None:
    write_set(no_roots / "mnist")
    write_idx(no_roots / "mnist" / NAMES[file], values)
    with pytest.raises(ValueError, match=message) as caught:
        data.load("mnist", no_roots)
    assert str(no_roots / "mnist" / NAMES[file]) in str(caught.value)


def test_a_set_without_examples_is_refused(no_roots: Path) -> None:
    write_set(no_roots / "mnist", test=0)
    with pytest.raises(ValueError, match="at least one"):
        data.load("mnist", no_roots)


def test_a_damaged_file_is_refused_by_name_and_byte(no_roots: Path) -> None:
    write_set(no_roots / "mnist")
    path = no_roots / "mnist" / NAMES[0]
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(IdxError, match=r"train-images-idx3-ubyte: byte 16: 7 of 3920 data bytes"):
        data.load("mnist", no_roots)


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_the_full_sets_load_where_they_are(name: str) -> None:
    root = os.environ.get("FASTFA_DATA")
    if not root or not all(places.files_in(Path(root, name), DATASETS[name]).values()):
        pytest.skip(f"{name} is not in $FASTFA_DATA")
    info = DATASETS[name]
    for file in info.files:
        path = data.locate(name)[file.name]
        array = data.read_idx(str(path))
        digest = hashlib.sha256(
            bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()
        )
        assert digest.hexdigest() == file.sha256
    loaded = data.load(name)
    assert (len(loaded.train), len(loaded.test)) == (info.train_size, info.test_size)
    assert len(np.unique(loaded.test.labels)) == loaded.classes == 10


def test_the_data_package_imports_no_network_modules() -> None:
    code = (
        "import sys, fastfa.data\n"
        "slow = {'urllib.request', 'http.client', 'fastfa.data.fetch', 'fastfa.data.download'}\n"
        "assert not slow & set(sys.modules), slow & set(sys.modules)\n"
        "assert fastfa.data.fetch_dataset and fastfa.data.FetchError\n"
        "assert set(fastfa.data.__all__) <= set(dir(fastfa.data)) | {'fetch_dataset', 'FetchError'}"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_unknown_attribute_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        data.nothing  # noqa: B018


def test_a_format_that_no_reader_knows_is_refused(
    no_roots: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = dataclasses.replace(DATASETS["mnist"], name="other", format="hdf5", embedded=False)
    monkeypatch.setitem(DATASETS, "other", other)
    with pytest.raises(
        ValueError, match=r"\[load\] other has the format 'hdf5'; it must be one of idx"
    ):
        data.load("other")


def test_every_dataset_has_a_reader() -> None:
    from fastfa.data.load import _READERS

    formats = {info.format for info in (DATASETS | data.LOCAL_DATASETS).values()}
    assert formats == {*_READERS, "photos"}
