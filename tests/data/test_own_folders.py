"""Image sets as torchvision and others leave them in a folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fastfa.data import read_dataset, write_idx

RNG = np.random.default_rng(0)


def leave(
    folder: Path,
    names: str,
    first: int = 0,
    classes: int = 10,
    test: str = "t10k",
    ending: str = "",
) -> dict[str, np.ndarray]:
    """The four files of a set; ``names`` says how they are called. The arrays that they hold."""
    folder.mkdir(parents=True, exist_ok=True)
    held = {}
    for part, count in ((("train"), 30), (test, 20)):
        images = RNG.integers(0, 256, (count, 5, 4), np.uint8)
        labels = (np.arange(count) % classes + first).astype(np.uint8)
        for what, dims, array in (("images", 3, images), ("labels", 1, labels)):
            held[f"{part}-{what}"] = array
            name = names.format(part=part, what=what, dims=dims)
            write_idx(folder / (name + ending), array)
    return held


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize(
    "names", ["{part}-{what}-idx{dims}-ubyte", "{part}-{what}.idx{dims}-ubyte"]
)
@pytest.mark.parametrize("path", ["MNIST/raw", "MNIST"])
def test_the_folder_of_an_image_set(tmp_path: Path, names: str, ending: str, path: str) -> None:
    held = leave(tmp_path / "MNIST" / "raw", names, ending=ending)
    data = read_dataset(tmp_path / path)
    assert data.name == "MNIST"
    assert data.image_shape == (1, 5, 4)
    assert data.class_names == tuple("0123456789")
    assert not data.is_table
    for part, split in (("train", data.train), ("t10k", data.test)):
        assert np.array_equal(split.images[:, 0], (held[f"{part}-images"] / 255).astype(np.float32))
        assert np.array_equal(split.labels, held[f"{part}-labels"])


def test_a_plain_file_wins_over_its_gzip(tmp_path: Path) -> None:
    names = "{part}-{what}-idx{dims}-ubyte"
    leave(tmp_path, names, ending=".gz")
    held = leave(tmp_path, names)
    assert np.array_equal(read_dataset(tmp_path).train.images[:, 0] * 255, held["train-images"])


def test_emnist_is_stood_upright_and_its_letters_count_from_one(tmp_path: Path) -> None:
    raw = tmp_path / "EMNIST" / "raw"
    for kind, first, classes in (("letters", 1, 26), ("balanced", 0, 47), ("digits", 0, 10)):
        names = f"emnist-{kind}-{{part}}-{{what}}-idx{{dims}}-ubyte"
        held = leave(raw, names, first, min(classes, 20), test="test")
        data = read_dataset(raw / f"emnist-{kind}")
        assert data.classes == classes
        stored = held["train-images"]
        assert data.image_shape == (1, 4, 5)
        for row in range(5):
            for column in range(4):
                upright = data.train.images[:, 0, column, row]
                assert np.allclose(upright * 255, stored[:, row, column])
        assert np.array_equal(data.train.labels, held["train-labels"].astype(int) - first)
        assert "stood upright" in data.origin
    letters = read_dataset(raw / "emnist-letters")
    assert letters.class_names[0] == "a"
    assert letters.class_names[25] == "z"
    assert read_dataset(raw / "emnist-balanced").class_names[36:39] == ("a", "b", "d")
    with pytest.raises(ValueError, match=r"holds the sets .*emnist-balanced, .*emnist-letters"):
        read_dataset(raw)
    write_idx(raw / "emnist-letters-test-labels-idx1-ubyte", np.zeros(20, np.uint8))
    with pytest.raises(ValueError, match=r"has labels from 0 to 0; they must be from 1 to 26"):
        read_dataset(raw / "emnist-letters")


def test_qmnist_and_kmnist(tmp_path: Path) -> None:
    raw = tmp_path / "QMNIST" / "raw"
    leave(raw, "qmnist-{part}-{what}-idx{dims}-ubyte", test="test")
    for part, count in (("train", 30), ("test", 20)):  # class, writer and six others
        (raw / f"qmnist-{part}-labels-idx1-ubyte").unlink()
        wide = RNG.integers(100, 200, (count, 8), np.int32)
        wide[:, 0] = np.arange(count) % 10
        write_idx(raw / f"qmnist-{part}-labels-idx2-int", wide)
    data = read_dataset(raw)
    assert data.train.labels.tolist() == [at % 10 for at in range(30)]
    leave(tmp_path / "KMNIST" / "raw", "{part}-{what}-idx{dims}-ubyte")
    assert read_dataset(tmp_path / "KMNIST").class_names[:3] == ("o", "ki", "su")
    leave(tmp_path / "FashionMNIST" / "raw", "{part}-{what}-idx{dims}-ubyte")
    assert read_dataset(tmp_path / "FashionMNIST").class_names[9] == "Ankle boot"


def test_a_pair_of_idx_files(tmp_path: Path) -> None:
    held = leave(tmp_path, "{part}-{what}-idx{dims}-ubyte", classes=3)
    images, labels = (tmp_path / f"train-{what}-ubyte" for what in ("images-idx3", "labels-idx1"))
    data = read_dataset(images, target=labels)
    assert (len(data.train), len(data.test), data.classes) == (24, 6, 3)
    assert data.image_shape == (1, 5, 4)
    seen = np.concatenate([data.train.x, data.test.x])
    assert sorted(seen.sum(axis=1)) == pytest.approx(
        sorted((held["train-images"] / 255).reshape(30, -1).sum(axis=1)), rel=1e-6
    )


def test_what_is_no_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a folder without the files of an image set"):
        read_dataset(tmp_path)
    with pytest.raises(FileNotFoundError):
        read_dataset(tmp_path / "MNIST" / "raw")
    leave(tmp_path / "m", "{part}-{what}-idx{dims}-ubyte")
    (tmp_path / "m" / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(ValueError, match=r"which has no test labels; it must have"):
        read_dataset(tmp_path / "m")
    leave(tmp_path / "n", "{part}-{what}-idx{dims}-ubyte")
    with pytest.raises(ValueError, match=r"target was 'x'; it must be None for a folder of images"):
        read_dataset(tmp_path / "n", target="x")
