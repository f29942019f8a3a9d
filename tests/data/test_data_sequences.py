"""Sequences as data: made, read, padded, divided, normalised; and the tasks."""

from __future__ import annotations

from pathlib import Path

import fastfa as fa
import numpy as np
import pytest
from fastfa.cli import main
from fastfa.data import Sequences, from_sequences, read_dataset
from fastfa.data._digest import digest

X = np.random.default_rng(0).normal(size=(6, 5, 3))
Y = np.random.default_rng(1).normal(size=(6, 5, 2))
ROWS = """trial,speed,turn,target
a,1,2,0.5
a,3,4,1.5
a,5,6,2.5
b,7,8,3.5
c,9,10,4.5
c,11,12,5.5
"""


@pytest.fixture
def of(tmp_path: Path):
    def call(text: str, **options) -> fa.data.Dataset:
        (tmp_path / "a.csv").write_text(text)
        return read_dataset(tmp_path / "a.csv", **{"sequence": "trial"} | options)

    return call


def whole(data: fa.data.SequenceDataset) -> dict[float, tuple[np.ndarray, np.ndarray, int]]:
    """Each sequence of both parts by its first input: x, y and length."""
    found = {}
    for part in (data.train, data.test):
        lengths = [part.x.shape[1]] * len(part) if part.lengths is None else part.lengths
        for x, y, length in zip(part.x, part.y, lengths, strict=True):
            found[float(x[0, 0])] = (x, y, int(length))
    return found


def test_lists_of_different_lengths_are_padded() -> None:
    made = from_sequences([X[0, :2], X[1], X[2, :3]], [Y[0, :2], Y[1], Y[2, :3]])
    assert made.lengths.tolist() == [2, 5, 3]
    assert (made.x[0, :2] == X[0, :2]).all()
    assert (made.y[2, :3] == Y[2, :3]).all()
    assert not made.x[0, 2:].any()
    assert not made.y[2, 3:].any()
    named = from_sequences(X, ["left", "right", "left"] * 2)
    assert named.y.tolist()[:2] == [[1, 0], [0, 1]]
    assert (named.class_names, named.at_end) == (("left", "right"), True)
    assert from_sequences(X, [2, 0, 0, 0, 0, 0]).class_names == ("0", "1", "2")
    assert repr(named) == "Sequences(6 of 5 steps, 3 inputs, 2 classes at the last step, float64)"


def test_parts_are_whole_sequences_with_what_belongs_to_them() -> None:
    mask = np.arange(30.0).reshape(6, 5)
    made = Sequences(X, Y, mask=mask)
    train, rest = made.split(0.5, seed=3)
    for part in (train, rest):
        at = [int(np.flatnonzero((x == X).all((1, 2)))[0]) for x in part.x]
        assert at == sorted(at)
        assert (part.y == Y[at]).all()
        assert (part.mask == mask[at]).all()
    assert len(train) == len(rest) == 3
    rest.x[...] = 0
    assert X.all()
    ends = from_sequences(X, Y[:, 0], lengths=[5, 4, 3, 2, 1, 5])
    assert ends.take([4, 1]).lengths.tolist() == [1, 4]


@pytest.mark.parametrize("held_out", [0.3, 0.6])
def test_rows_of_a_table_become_sequences(of, held_out: float) -> None:
    data = of(ROWS, held_out=held_out)
    found = whole(data)
    assert isinstance(data, fa.data.SequenceDataset)
    assert data.feature_names == ("speed", "turn")
    assert {first: length for first, (_, _, length) in found.items()} == {1: 3, 7: 1, 9: 2}
    assert found[9][0][:2].tolist() == [[9, 10], [11, 12]]
    assert found[1][1][:, 0].tolist() == [0.5, 1.5, 2.5]
    assert not found[7][0][1:].any()
    assert len(data.test) == round(held_out * 3)
    assert "target: regression; 2 features; sequences of up to 3 steps" in data.origin


def test_the_target_may_be_a_class_or_that_of_the_last_row(of) -> None:
    text = ROWS
    for value, name in zip(range(6), ["up", "up", "down", "up", "down", "down"], strict=True):
        text = text.replace(f"{value}.5", name)
    steps = whole(of(text))
    assert steps[1][1].tolist() == [[0, 1], [0, 1], [1, 0]]
    assert of(text).class_names == ("down", "up")
    ends = whole(of(text, at_end=True))
    assert ends[1][1].tolist() == [1, 0]
    assert ends[7][1].tolist() == [0, 1]
    assert whole(of(ROWS, at_end=True))[9][1].tolist() == [5.5]


def test_a_test_file_and_frames(of, tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_text(ROWS.replace("a,", "z,").replace("5,6", "50,60"))
    data = of(ROWS, test=tmp_path / "test.csv")
    assert len(data.train) == len(data.test) == 3
    assert data.test.x.max() == 60
    pandas = pytest.importorskip("pandas")
    frame = read_dataset(pandas.read_csv(tmp_path / "a.csv"), sequence="trial")
    for a, b in zip(whole(frame).values(), whole(of(ROWS)).values(), strict=True):
        assert all(np.array_equal(own, other) for own, other in zip(a, b, strict=True))


def test_an_npz_file_of_sequences(tmp_path: Path) -> None:
    path = tmp_path / "s.npz"
    mask = np.ones((6, 5))
    mask[:, 0] = 0
    np.savez(path, X=X, Y=Y, mask=mask)
    data = read_dataset(path, held_out=0.5)
    assert (data.outputs, data.classes, data.image_shape) == (2, 0, (1, 1, 3))
    assert len(data.train) + len(data.test) == 6
    assert not data.test.mask[:, 0].any()
    np.savez(path, X=X, Y=np.array([0, 1, 2, 0, 1, 2]), lengths=np.arange(6) % 5 + 1)
    np.savez(tmp_path / "t.npz", X=X[:1], Y=np.array([0]))
    data = read_dataset(path, test=tmp_path / "t.npz")
    assert data.class_names == data.test.class_names == ("0", "1", "2")
    assert data.train.lengths.tolist() == [1, 2, 3, 4, 5, 1]
    with pytest.raises(ValueError, match="X is of sequences, which read_dataset reads"):
        fa.data.read(path)
    np.savez(path, X=X, Y=Y, lengths=[9] * 6)
    with pytest.raises(ValueError, match=r"s.npz: lengths has 9; each must be in \[1, 5\]"):
        read_dataset(path)


@pytest.mark.parametrize(
    ("change", "options", "words"),
    [
        (("b,7", "a,7"), {"held_out": 0.9}, "held_out was 0.9, which is 2 of 2 sequences"),
        (("c,9", "a,9"), {}, r"row 5 is of sequence a, which ended before"),
        (("b,7", ",7"), {}, r"row 4, field 1 is ''; it must be a name"),
        (("a", "a"), {"sequence": "run"}, "sequence was 'run', which a.csv has 0 times"),
        (("a", "a"), {"target": "trial"}, "sequence was 'trial'; it must not be the col"),
        (("a", "a"), {"sequence": None, "at_end": True}, "at_end was True without sequence"),
    ],
)
def test_what_is_in_doubt_is_refused(of, tmp_path: Path, change, options, words: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        of(ROWS.replace(*change), **options)
    assert words in str(caught.value).replace(f"{tmp_path}/", "")


def test_a_small_file_takes_no_gigabytes_by_padding_or_by_a_label(of, tmp_path: Path) -> None:
    lines = ["trial,speed,target", *["0,1,2.5"] * 3000, *[f"{n},1,2.5" for n in range(1, 3000)]]
    with pytest.raises(
        ValueError, match=r"3000 sequences, padded to 3000 steps, would take 144000000 b"
    ):
        of("\n".join(lines), limit=10**8)
    path = tmp_path / "s.npz"
    for label in (10**12, -1):
        np.savez(path, X=X, Y=np.array([0, 0, 0, 0, 0, label]))
        with pytest.raises(ValueError, match=r"Y lies in .*; labels must be from 0 to 99999"):
            read_dataset(path)
    np.savez(path, X=X, Y=np.array([0, 0, 0, 0, 0, 99_999]))
    with pytest.raises(ValueError, match="would take 2401536 bytes"):
        read_dataset(path, limit=10**6)


def test_steps_that_are_there_are_normalised_and_no_padding() -> None:
    lengths = np.array([2, 5, 3, 5, 5, 1])
    x, y = X * [1, 10, 100] + 5, Y * 7 - 3
    there = np.arange(5) < lengths[:, None]
    data = fa.data.SequenceDataset(
        "mine", Sequences(x, y, lengths), Sequences(x[:2], y[:2]), 0, (1, 1, 3)
    )
    normal = fa.data.normalise_dataset(data)
    np.testing.assert_allclose(normal.data.train.x[there].mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(normal.data.train.x[there].std(0), 1)
    assert np.isclose(normal.data.train.y[there].std(), 1)
    np.testing.assert_allclose(normal.data.test.x * normal.sd + normal.mean, x[:2])
    np.testing.assert_allclose(normal.data.test.y * normal.target_sd + normal.target_mean, y[:2])
    assert not normal.data.train.x[~there].any()
    assert normal.data.train.lengths.tolist() == lengths.tolist()


def test_the_tasks_are_what_they_say() -> None:
    wave = fa.data.periodic_task(40, level=0.5)
    assert (wave.x == 0.5).all()
    assert wave.y.shape == (1, 40, 1)
    np.testing.assert_allclose(wave.y[0, 10, 0], 1.0)  # sin π/2 + sin(π)/2 + sin(2π)/4

    add = fa.data.add_task(50, 30, first=2, second=7, seed=5)
    x, y = add.x[:, :, 0], add.y[:, :, 0]
    np.testing.assert_array_equal(y[:, 7:], 0.5 + 0.5 * x[:, 5:-2] - 0.25 * x[:, :-7])
    np.testing.assert_array_equal(y[:, 2:7], 0.5 + 0.5 * x[:, :5])
    assert (y[:, :2] == 0.5).all()
    assert set(np.unique(x)) == {0, 1}
    assert 0.45 < x.mean() < 0.55
    assert digest(fa.data.add_task(3, seed=1)) != digest(fa.data.add_task(3, seed=2))
    # Written down once: a later version must make the same.
    assert fa.data.add_task(1, 8).x.ravel().tolist() == [0, 0, 0, 0, 1, 0, 1, 0]

    xor = fa.data.delayed_xor_task(200, pulse=2, delay=3, report=4)
    assert xor.x.shape == (200, 14, 1)
    first, second = xor.x[:, 1, 0], xor.x[:, 6, 0]
    assert (np.abs(first) == 1).all()
    assert xor.x[0, :, 0].tolist() == [first[0]] * 2 + [0] * 3 + [second[0]] * 2 + [0] * 7
    assert (xor.y[:, -1, 0] == np.where(first == second, -1, 1)).all()
    assert (xor.mask == ([0] * 10 + [1] * 4)).all()
    assert {(-1, -1), (-1, 1), (1, -1), (1, 1)} == set(zip(first, second, strict=True))


@pytest.mark.parametrize("name", ["periodic", "add", "delayed-xor"])
def test_tasks_are_datasets_by_name(name: str, capsys) -> None:
    data = fa.data.load(name)
    info = fa.data.dataset_info(name)
    assert (len(data.train), len(data.test)) == (info.train_size, info.test_size)
    assert digest(data) == digest(fa.data.load(name))
    if name != "periodic":
        assert not (data.train.x[:200] == data.test.x).all()
    assert main(["data", "list"]) == 0
    row = next(line for line in capsys.readouterr().out.splitlines() if line.startswith(name))
    assert row.endswith("part of fastfa")
    assert main(["data", "fetch", name]) == 0
    assert "nothing to download" in capsys.readouterr().out
