"""CIFAR-10 and CIFAR-100 in their binary version: read, damaged, taken for another, and normalised."""

from __future__ import annotations

import gzip
import pickle
from dataclasses import replace
from pathlib import Path

import fastfa as fa
import numpy as np
import pytest
from fastfa import data
from fastfa.data import DATASETS, DataFile, read_cifar
from fastfa.data.cifar_names import SUPERCLASSES
from limit_cases import peak_of

FEW = {"cifar-10": 4, "cifar-100": 20}  # images of a file in these tests


def records(count: int, classes: int, seed: int = 0) -> np.ndarray:
    """Images with their labels, (count, record)."""
    rng = np.random.default_rng(seed)
    labels = [10] if classes == 10 else [20, 100]
    columns = [rng.integers(0, most, (count, 1)) for most in labels]
    return np.hstack([*columns, rng.integers(0, 256, (count, 3072))]).astype(np.uint8)


@pytest.fixture(params=sorted(FEW))
def small(request, monkeypatch, no_roots: Path) -> tuple[str, dict[str, np.ndarray], Path]:
    """A set as if it had been published with few images, and what its files hold."""
    info = DATASETS[request.param]
    count, train = FEW[info.name], len(info.files) - 1
    held = {
        file.name: records(count, info.classes, at) for at, file in enumerate(reversed(info.files))
    }
    files = tuple(DataFile(file.name, held[file.name].size, "") for file in info.files)
    own = replace(info, files=files, train_size=train * count, test_size=count)
    monkeypatch.setitem(DATASETS, info.name, own)
    folder = no_roots / info.folder
    folder.mkdir()
    for name, values in held.items():
        values.tofile(folder / name)
    return info.name, held, folder


def test_what_was_published_is_what_is_expected() -> None:
    ten, hundred = DATASETS["cifar-10"], DATASETS["cifar-100"]
    assert sum(file.size for file in ten.files) == 60_000 * 3073
    assert sum(file.size for file in hundred.files) == 60_000 * 3074
    assert (ten.classes, hundred.classes, len(set(hundred.class_names))) == (10, 100, 100)
    assert list(hundred.class_names) == sorted(hundred.class_names)
    assert len(set(SUPERCLASSES)) == 20
    assert ten.class_names[3] == "cat"
    assert ten.image_shape == hundred.image_shape == (3, 32, 32)


def test_a_set_is_its_files_in_their_order(small) -> None:
    name, held, folder = small
    train = [held[file.name] for file in DATASETS[name].files[:-1]]
    test = [held[DATASETS[name].files[-1].name]]
    labels = 1 if name == "cifar-10" else 2
    for loaded in (data.load(name, folder.parent), data.read_dataset(folder)):
        assert (loaded.name, loaded.image_shape) == (name, (3, 32, 32))
        assert loaded.class_names == loaded.train.class_names == DATASETS[name].class_names
        for split, files in ((loaded.train, train), (loaded.test, test)):
            whole = np.concatenate(files)
            assert split.x.dtype == np.float32
            assert np.array_equal(split.x, whole[:, labels:] / np.float32(255))
            assert np.array_equal(split.labels, whole[:, labels - 1])
            # red of the second row's third pixel
            assert split.images[1, 0, 1, 2] == np.float32(whole[1, labels + 34]) / np.float32(255)
    assert "3 x 32 x 32" in loaded.origin


@pytest.mark.parametrize(("classes", "column"), [(10, 0), (20, 0), (100, 1)])
def test_a_file_has_the_labels_that_are_asked_for(
    tmp_path: Path, classes: int, column: int
) -> None:
    values = records(7, classes)
    values.tofile(tmp_path / "train.bin")
    split = read_cifar(tmp_path / "train.bin", classes)
    assert np.array_equal(split.labels, values[:, column])
    assert len(split.class_names) == classes
    assert split.images.shape == (7, 3, 32, 32)


def changed(values: np.ndarray, row: int, column: int, value: int) -> bytes:
    values = values.copy()
    values[row, column] = value
    return values.tobytes()


TEN, HUNDRED = records(3, 10), records(3, 100)


@pytest.mark.parametrize(
    ("content", "classes", "words"),
    [
        (b"", 10, "has 0 bytes; it must have 3073 for each image"),
        (TEN.tobytes()[:-1], 10, "has 9218 bytes; it must have 3073 for each image"),
        (TEN.tobytes(), 100, "has 9219 bytes; it must have 3074 for each image"),
        (changed(TEN, 2, 0, 10), 10, "the label of image 2 is 10; it must be below 10"),
        (changed(HUNDRED, 1, 0, 20), 100, "the coarse label of image 1 is 20; it must be below 20"),
        (changed(HUNDRED, 1, 1, 100), 20, "the fine label of image 1 is 100; it must be below 100"),
        (pickle.dumps({"data": [1] * 50}), 10, "is pickled, as in the version for Python; it must"),
        (gzip.compress(TEN.tobytes()), 10, "is packed; it must be unpacked first"),
    ],
)
def test_damage_is_told_by_file(tmp_path: Path, content: bytes, classes: int, words: str) -> None:
    path = tmp_path / "data_batch_1.bin"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"^\[read_cifar\] ") as caught:
        read_cifar(path, classes)
    assert f"{path}" in str(caught.value)
    assert words in str(caught.value)


def test_a_file_with_fewer_images_than_published_is_no_part_of_the_set(small) -> None:
    name, held, folder = small
    last = DATASETS[name].files[-1].name
    held[last][:-1].tofile(folder / last)
    with pytest.raises(ValueError, match=rf"\[load\] .*{last} has \d+ bytes; it must have \d+"):
        data.load(name, folder.parent)


def test_the_version_for_python_is_refused_and_never_unpickled(small, monkeypatch) -> None:
    name, held, folder = small
    monkeypatch.setattr(pickle, "load", None)
    for file in held:
        (folder / file).rename(folder / file.removesuffix(".bin"))
    for call in (lambda: data.load(name, folder.parent), lambda: data.read_dataset(folder)):
        with pytest.raises(
            (ValueError, FileNotFoundError), match=r"for Python.*it must be the bin"
        ):
            call()


def test_a_limit_is_asked_before_anything_is_allocated(tmp_path: Path) -> None:
    records(200, 10).tofile(tmp_path / "a.bin")
    with pytest.raises(ValueError, match=r"a.bin: 200 images, as float32, would take \d+ bytes"):
        read_cifar(tmp_path / "a.bin", limit=200 * 3073)
    size = 200 * 3073
    assert peak_of(lambda: read_cifar(tmp_path / "a.bin")) < 5.2 * size


def test_colours_are_normalised_each_by_itself() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 3, 4, 4)) * [[[[1]], [[2]], [[3]]]] + [[[[5]], [[6]], [[7]]]]
    labels = np.arange(50) % 2
    split = data.Split(x.reshape(50, -1), labels, (3, 4, 4))
    found = data.normalise_dataset(data.Dataset("own", split, split, 2, (3, 4, 4)))
    assert found.mean.shape == found.sd.shape == (48,)
    assert np.allclose(found.mean.reshape(3, 16), x.mean((0, 2, 3))[:, None])
    assert np.allclose(found.sd.reshape(3, 16), x.std((0, 2, 3))[:, None])
    expected = (x - x.mean((0, 2, 3), keepdims=True)) / x.std((0, 2, 3), keepdims=True)
    assert np.allclose(found.data.train.images, expected)
    assert np.array_equal(found.data.test.x, found.data.train.x)
    assert np.allclose(data.normalise(x, channels=3).x, expected)
    assert data.normalise(x, channels=3).mean.shape == (3, 4, 4)
    assert data.normalise_dataset(found.data, per_feature=False).mean.shape == ()
    for wrong in ({"channels": 4}, {"channels": 3, "per_feature": True}):
        with pytest.raises(ValueError, match=r"\[normalise\] channels was"):
            data.normalise(x, **wrong)


def test_a_channel_that_never_varies_becomes_zero() -> None:
    x = np.full((7, 2, 8), 0.1)
    x[:, 1] = np.arange(56).reshape(7, 8)
    result = data.normalise(x, channels=2)
    assert np.abs(result.x[:, 0]).max() < 1e-15
    assert np.abs(result.x[:, 1].mean()) < 1e-12


PICTURES = np.zeros((2, 28, 28, 3), np.float32)


@pytest.mark.parametrize(
    "call",
    [
        lambda: data.from_arrays(PICTURES, [0, 1]),
        lambda: data.from_arrays(PICTURES.reshape(2, -1), [0, 1], image_shape=(28, 28, 3)),
        lambda: data.read_dataset((np.repeat(PICTURES, 5, 0), [0, 1] * 5)),
        lambda: data.Split(PICTURES.reshape(2, -1), np.arange(2), (28, 28, 3)),
        lambda: fa.Network((28, 28, 3), [fa.Conv2D(2, 3), fa.Dense(2)]),
    ],
)
def test_channels_last_is_named(call) -> None:
    with pytest.raises(
        ValueError, match=r"(28, 28, 3).*, which looks like .*must be .*\(3, 28, 28\)"
    ):
        call()


def test_pictures_with_channels_last_are_no_inputs() -> None:
    net = fa.Network((3, 28, 28), [fa.Conv2D(2, 3), fa.Dense(2)])
    with pytest.raises(ValueError, match=r"channels first: X.transpose\(0, 3, 1, 2\)"):
        net.forward(PICTURES)
    assert net.forward(PICTURES.transpose(0, 3, 1, 2)).shape == (2, 2)


@pytest.mark.parametrize(
    "shape", [(1, 28, 28), (3, 32, 32), (28, 28, 2), (6, 6, 3), (1, 1, 39), (64, 8, 8)]
)
def test_other_shapes_are_as_they_were(shape: tuple[int, int, int]) -> None:
    assert data.from_arrays(np.zeros((2, *shape), "f4"), [0, 1]).image_shape == shape
