"""A user's own arrays, .npz, CSV and IDX files."""

from __future__ import annotations

import contextlib
import gzip
import pickle
import traceback
import zipfile
from pathlib import Path

import numpy as np
import pytest
from fastfa import data
from fastfa.data import from_arrays, read, write_idx


def test_arrays_are_checked_and_copied() -> None:
    x, labels = np.arange(12, dtype=np.float64).reshape(3, 4), np.array([2, 0, 1], np.uint8)
    split = from_arrays(x, labels)
    assert split.x.dtype == np.float64
    assert split.labels.dtype == np.int64
    assert split.image_shape == (1, 1, 4)
    assert np.array_equal(split.x, x)
    assert not np.shares_memory(split.x, x)
    assert from_arrays(x.astype(np.float32), labels, (1, 2, 2)).images.shape == (3, 1, 2, 2)
    assert from_arrays(x.astype(int).tolist(), labels.tolist()).x.dtype == np.float32


@pytest.mark.parametrize(
    ("shape", "expected"), [((3, 8), (1, 1, 8)), ((3, 2, 4), (1, 2, 4)), ((3, 2, 2, 2), (2, 2, 2))]
)
def test_the_shape_of_an_image_is_that_of_the_array(shape, expected) -> None:
    values = np.arange(24, dtype=np.uint8).reshape(shape)
    split = from_arrays(values[::-1], [0, 1, 2])
    assert split.image_shape == expected
    assert np.array_equal(split.x, (values[::-1].reshape(3, 8) / 255).astype(np.float32))
    assert split.x.flags.c_contiguous


X, Y = np.zeros((3, 4), np.float32), np.arange(3)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((X.astype(complex), Y), TypeError, "x has dtype complex128; it must be of real numbers"),
        ((X > 0, Y), TypeError, "x has dtype bool"),
        ((np.array([["a"]]), [0]), TypeError, "x has dtype <U1"),
        ((X, Y.astype(float)), TypeError, "labels has dtype float64; it must be an integer one"),
        ((X[0], Y), ValueError, r"x has shape \(4,\); it must be \(N, n_in\)"),
        ((X[:0], Y[:0]), ValueError, r"x has shape \(0, 4\); .* hold something"),
        ((X, Y[:2]), ValueError, r"labels has shape \(2,\); it must be \(3,\)"),
        ((X, Y[:, None]), ValueError, r"labels has shape \(3, 1\); it must be \(3,\)"),
        ((X, Y - 1), ValueError, r"labels\[0\] was -1; it must be from 0"),
        (
            (np.array([[1.0], [np.nan], [1.0]]), Y),
            ValueError,
            "x holds nan in row 1; it must be finite",
        ),
        ((X, Y, (1, 2, 3)), ValueError, r"image_shape was \(1, 2, 3\); .* product 4"),
        ((X, Y, (2, 2)), ValueError, r"image_shape was \(2, 2\); .* three numbers"),
    ],
)
def test_from_arrays_refuses(arguments: tuple, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=rf"\[from_arrays\] {message}"):
        from_arrays(*arguments)


def test_a_pair_of_idx_files(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 4, 3), np.uint8)
    write_idx(tmp_path / "images.gz", images)
    write_idx(tmp_path / "labels", np.array([0, 3, 1, 2, 3], np.uint8))
    split = read((tmp_path / "images.gz", tmp_path / "labels"))
    assert split.image_shape == (1, 4, 3)
    assert split.labels.tolist() == [0, 3, 1, 2, 3]
    assert np.array_equal(split.x, (images.reshape(5, 12) / 255).astype(np.float32))
    with pytest.raises(ValueError, match=r"labels: x has shape \(5,\); it must be"):
        read((tmp_path / "labels", tmp_path / "images.gz"))
    with pytest.raises(ValueError, match=r"source has 3 files"):
        read((tmp_path / "images.gz",) * 3)  # type: ignore[arg-type]
    (tmp_path / "labels").write_bytes(b"\0\0\x08\1\0\0\0\5\0")
    with pytest.raises(data.IdxError, match="4 of 5 data bytes are missing"):
        read([tmp_path / "images.gz", tmp_path / "labels"])  # type: ignore[arg-type]


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("key", ["labels", "y"])
def test_npz(tmp_path: Path, save, key: str) -> None:
    x = np.random.default_rng(0).normal(size=(6, 2, 5))
    save(tmp_path / "a.npz", x=x, **{key: np.arange(6)})
    split = read(tmp_path / "a.npz")
    assert np.array_equal(split.x, x.reshape(6, 10))
    assert split.image_shape == (1, 2, 5)
    assert split.labels.tolist() == list(range(6))
    assert read(str(tmp_path / "a.npz"), image_shape=(10, 1, 1)).image_shape == (10, 1, 1)


class Bomb:
    """Whoever unpickles it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def test_nothing_is_ever_unpickled(tmp_path: Path) -> None:
    objects = np.array([Bomb(tmp_path / "gone off")], dtype=object)
    np.savez(tmp_path / "a.npz", x=objects, labels=np.zeros(1, int))
    np.savez(tmp_path / "b.npz", x=np.zeros((1, 2)), labels=objects)
    (tmp_path / "c.npz").write_bytes(pickle.dumps(Bomb(tmp_path / "gone off")))
    for name in "abc":
        with pytest.raises(
            ValueError, match=rf"{name}.npz cannot be read .* with x and labels"
        ) as caught:
            read(tmp_path / f"{name}.npz")
        # NumPy's words advise to unpickle; they must not be passed on, not even below ours.
        shown = "".join(traceback.format_exception(caught.value))
        assert "allow_pickle" not in shown
        assert ("holds Python objects, which fastfa never unpickles" in shown) == (name != "c")
    assert not (tmp_path / "gone off").exists()


def test_malformed_npz_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    for arrays, message in (
        ({"x": X}, r"it holds x, not x and labels"),
        ({"images": X, "labels": Y}, r"it holds images, labels, not x and labels"),
        ({"x": X, "labels": Y[:2]}, r"labels has shape \(2,\); it must be \(3,\)"),
        ({"x": X, "labels": Y - 0.5}, r"labels has dtype float64; it must be an integer one"),
        ({"x": np.full((3, 4), np.inf), "labels": Y}, r"x holds inf in row 0"),
    ):
        np.savez(path, **arrays)
        with pytest.raises(ValueError, match=message) as caught:
            read(path)
        assert f"[read] {path}" in str(caught.value)
    np.savez_compressed(path, x=np.random.default_rng(0).normal(size=(50, 7)), labels=np.arange(50))
    whole = path.read_bytes()
    for length in range(0, len(whole), 97):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"a.npz cannot be read"):
            read(path)
    for at in range(60, len(whole) - 40, 131):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 255]) + whole[at + 1 :])
        with contextlib.suppress(ValueError):  # else it is a time stamp and such
            assert read(path).labels.tolist() == list(range(50))
    np.save(tmp_path / "b", X)
    (tmp_path / "b.npy").rename(path)
    with pytest.raises(ValueError, match=r"a.npz cannot be read"):
        read(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", b"not an array")
        archive.writestr("labels.npy", b"")
    with pytest.raises(ValueError, match=r"a.npz"):
        read(path)
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "none.npz")


def test_csv(tmp_path: Path) -> None:
    plain = "0.5,1,-2e3,3\n0,0,0,0\n"
    ways = {
        "a.csv": plain.encode(),
        "b.csv": ("width, height,depth,class\r\n" + plain.replace("\n", "\r\n\r\n")).encode(),
        "c.CSV": b"\xef\xbb\xbf" + plain.rstrip().encode(),
        "d.csv.gz": gzip.compress(plain.replace(",", " ,\t").encode()),
    }
    for name, content in ways.items():
        (tmp_path / name).write_bytes(content)
        split = read(tmp_path / name)
        assert split.x.tolist() == [[0.5, 1, -2000], [0, 0, 0]]
        assert split.labels.tolist() == [3, 0]
        assert split.image_shape == (1, 1, 3)
    (tmp_path / "e.csv").write_text("label,a,b,c,d\n7,1,2,3,4\n")
    split = read(tmp_path / "e.csv", label_column=0, image_shape=(1, 2, 2))
    assert split.images.tolist() == [[[[1, 2], [3, 4]]]]
    assert split.labels.tolist() == [7]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2,0\n1,2\n", r"row 2 has 2 fields; it must have 3"),
        ("1,2,0\n1,2,3,4\n", r"row 2 has 4 fields; it must have 3"),
        ("a,b,c\n1,2,0\n1,,0\n", r"row 2, field 2 is ''; it must be a finite number"),
        ("1,2,0\n1,two,0\n", r"row 2, field 2 is 'two'; it must be a finite number"),
        ("1,inf,0\n", r"row 1, field 2 is 'inf'; it must be a finite number"),
        ("a,b\n1,2,0\n", r"row 1 has 3 fields; it must have 2"),
        ("1,2,0\n1,2,0.5\n", r"the label in row 2 is 0.5; it must be a whole number from 0"),
        ("1,2,-1\n", r"the label in row 1 is -1"),
        ("5\n6\n", r"has 1 column; it must have two or more"),
        ("", r"holds no numbers; it must hold at least one line"),
        ("a,b,c\n", r"holds no numbers; it must hold at least one line"),
    ],
)
def test_malformed_csv_files_are_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        read(tmp_path / "a.csv")
    assert f"[read] {tmp_path / 'a.csv'}" in str(caught.value)


def test_a_column_that_is_not_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("1,2,0\n")
    for column in (3, -4):
        with pytest.raises(
            ValueError, match=rf"label_column was {column}; it must be from -3 to 2"
        ):
            read(tmp_path / "a.csv", label_column=column)


def test_other_files_go_to_their_readers_and_unknown_ones_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.amat").write_text(" ".join(["0.5"] * 784 + ["4"]))
    (tmp_path / "a.svm").write_text("1 3:4\n")
    assert read(tmp_path / "a.amat").image_shape == (1, 28, 28)
    assert read(tmp_path / "a.svm").x.tolist() == [[0, 0, 4]]
    for name in ("a.pkl", "a.pt", "a", "train-images-idx3-ubyte"):
        with pytest.raises(ValueError, match=r"\[read\] source was .*; it must end in \.npz"):
            read(tmp_path / name)


def test_what_was_read_trains_a_network(tmp_path: Path) -> None:
    import fastfa as fa

    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 60)
    np.savez(tmp_path / "a.npz", x=labels[:, None] + rng.normal(0, 0.1, (60, 3)), y=labels)
    split = read(tmp_path / "a.npz")
    targets = data.one_hot(split.labels, 2, dtype=np.float64)
    net = fa.Network(3, [fa.Dense(8, "tanh"), fa.Dense(2, "tanh")], "fa", dtype="float64", seed=1)
    before = net.evaluate(split.x, targets).loss
    for _ in range(20):
        net.step(split.x, targets, fa.SGD(0.1))
    assert net.evaluate(split.x, targets).loss < before
