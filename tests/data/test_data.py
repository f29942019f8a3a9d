"""Finding and loading datasets, mnist-mini, targets and normalisation."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import importlib.util
import math
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from fastfa import data
from fastfa.data import DATASETS, DatasetNotFound, IdxError, Split, places, write_idx
from hypothesis import given, settings
from hypothesis import strategies as st

TOOL = Path(__file__).resolve().parents[2] / "tools" / "make_mnist_mini.py"
NAMES = [file.name for file in DATASETS["mnist"].files]


@pytest.fixture
def no_roots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing to be found anywhere, but for the system's folders; the cache is in tmp_path."""
    monkeypatch.delenv("FASTFA_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    real = places.search_roots
    monkeypatch.setattr(
        places,
        "search_roots",
        lambda root=None: [place for place in real(root) if not str(place).startswith("/usr/")],
    )
    return tmp_path


@pytest.fixture(scope="module")
def full_mnist() -> dict[str, np.ndarray]:
    """The arrays of the full MNIST, where $FASTFA_DATA has them."""
    root = os.environ.get("FASTFA_DATA")
    paths = places.files_in(Path(root or "", "mnist"), DATASETS["mnist"])
    if root is None or not all(paths.values()):
        pytest.skip("the full MNIST is not in $FASTFA_DATA")
    return {name: data.read_idx(str(path)) for name, path in paths.items()}


def write_set(
    folder: Path, train: int = 5, test: int = 3, suffix: str = "", seed: int = 0
) -> dict[str, np.ndarray]:
    """A made-up dataset of random images in this folder; its arrays."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    arrays = {}
    for images, labels, count in ((*NAMES[:2], train), (*NAMES[2:], test)):
        arrays[images] = rng.integers(0, 256, (count, 28, 28), np.uint8)
        arrays[labels] = rng.integers(0, 10, count, np.uint8)
    for name, values in arrays.items():
        write_idx(folder / (name + suffix), values)
    return arrays


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
            ValueError, match="be one of fashion-mnist, mnist, mnist-mini"
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


def test_mnist_mini_has_its_documented_size_everywhere(no_roots: Path) -> None:
    mini = data.load("mnist-mini", no_roots)  # from the package: there is nothing in no_roots
    assert np.bincount(mini.train.labels).tolist() == [600] * 10
    assert np.bincount(mini.test.labels).tolist() == [100] * 10
    for split in (mini.train, mini.test):
        assert split.x.shape == (len(split), 784)
        assert split.x.min() == 0.0
        assert split.x.max() == 1.0
        assert len(np.unique(split.x, axis=0)) == len(split)


def test_mnist_mini_files_are_those_that_the_registry_describes() -> None:
    info = data.dataset_info("mnist-mini")
    paths = data.locate("mnist-mini")
    assert set(paths) == set(NAMES)
    size = 0
    for file in info.files:
        path = paths[file.name]
        assert path is not None
        size += path.stat().st_size
        content = gzip.decompress(path.read_bytes())
        assert (len(content), hashlib.sha256(content).hexdigest()) == (file.size, file.sha256)
        assert path.read_bytes()[3:8] == bytes(5)  # neither name nor time
    assert size <= 1_500_000
    attribution = (path.parent / "ATTRIBUTION.txt").read_text(encoding="utf-8")
    for word in ("LeCun", "Cortes", "Burges", "CC BY-SA 3.0"):
        assert word in attribution


def load_tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_mnist_mini", TOOL)
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    return tool


@given(
    counts=st.lists(st.integers(7, 40), min_size=1, max_size=5),
    per_class=st.integers(1, 7),
    seed=st.integers(0, 99),
)
@settings(deadline=None)
def test_the_mini_set_is_spread_evenly_over_each_class(
    counts: list[int], per_class: int, seed: int
) -> None:
    labels = np.repeat(np.arange(len(counts), dtype=np.uint8), counts)
    np.random.default_rng(seed).shuffle(labels)
    chosen = load_tool().spread(labels, per_class)
    assert (np.diff(chosen) > 0).all()
    for label, count in enumerate(counts):
        ranks = np.searchsorted(np.flatnonzero(labels == label), chosen[labels[chosen] == label])
        stretch = count / per_class
        assert len(ranks) == per_class
        assert set(np.diff(ranks)) <= {math.floor(stretch), math.ceil(stretch)}
        assert 0 <= ranks[0] <= stretch / 2
        assert 0 < count - ranks[-1] <= stretch / 2 + 1


def test_mnist_mini_is_what_the_tool_makes_of_the_full_set(
    full_mnist: dict[str, np.ndarray], tmp_path: Path
) -> None:
    made = load_tool().make(os.environ["FASTFA_DATA"], tmp_path)
    shipped = data.locate("mnist-mini")
    assert [path.name.removesuffix(".gz") for path in made] == NAMES
    for path in made:
        original = shipped[path.name.removesuffix(".gz")]
        assert original is not None
        assert gzip.decompress(path.read_bytes()) == gzip.decompress(original.read_bytes())
    assert (tmp_path / "ATTRIBUTION.txt").read_text() == (
        original.parent / "ATTRIBUTION.txt"
    ).read_text()


def test_every_mini_image_is_in_the_same_part_of_the_full_set_with_its_label(
    full_mnist: dict[str, np.ndarray],
) -> None:
    for images, labels in (NAMES[:2], NAMES[2:]):
        full = {
            image.tobytes(): (at, label)
            for at, (image, label) in enumerate(
                zip(full_mnist[images], full_mnist[labels], strict=True)
            )
        }
        shipped = data.locate("mnist-mini")
        mini_images = data.read_idx(str(shipped[images]))
        mini_labels = data.read_idx(str(shipped[labels]))
        matches = [full[image.tobytes()] for image in mini_images]
        assert [label for _, label in matches] == mini_labels.tolist()
        positions = [at for at, _ in matches]
        assert positions == sorted(positions)
        assert positions[-1] > 0.98 * len(full)


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


def test_images_are_a_view_of_the_rows() -> None:
    split = Split(np.arange(24, dtype=np.float32).reshape(2, 12), np.zeros(2, np.int64), (3, 2, 2))
    assert split.images.shape == (2, 3, 2, 2)
    split.images[1, 2, 1, 0] = -1
    assert split.x[1, 10] == -1


def test_take_copies_the_chosen_examples_in_order() -> None:
    split = Split(np.arange(8, dtype=np.float64).reshape(4, 2), np.arange(4), (1, 1, 2))
    taken = split.take([3, 0, 3])
    assert taken.labels.tolist() == [3, 0, 3]
    assert taken.x.tolist() == [[6, 7], [0, 1], [6, 7]]
    assert taken.image_shape == (1, 1, 2)
    assert taken.x.dtype == np.float64
    taken.x[:] = -1
    assert split.x.min() == 0
    assert len(split.take([])) == 0
    with pytest.raises(IndexError, match=r"go from -1 to 0; they must be from 0 to 3"):
        split.take([0, -1])
    with pytest.raises(IndexError, match=r"from 0 to 4"):
        split.take([0, 4])
    for wrong in ([0.5], [[0, 1]], [True, False, True, True], 2):
        with pytest.raises(TypeError, match=r"must be one-dimensional and integer"):
            split.take(wrong)


@given(count=st.integers(2, 60), share=st.floats(0.01, 0.99), seed=st.integers(0, 2**64 - 1))
@settings(deadline=None)
def test_split_divides_the_examples_and_keeps_their_order(
    count: int, share: float, seed: int
) -> None:
    whole = Split(np.zeros((count, 1), np.float32), np.arange(count), (1, 1, 1))
    wanted = round(share * count)
    if wanted in (0, count):
        with pytest.raises(ValueError, match="at least one"):
            whole.split(share, seed)
        return
    train, validation = whole.split(share, seed)
    assert len(validation) == wanted
    assert sorted([*train.labels, *validation.labels]) == list(range(count))
    for part in (train, validation):
        assert (np.diff(part.labels) > 0).all()
    again = whole.split(share, seed)
    assert np.array_equal(again[1].labels, validation.labels)


def test_split_depends_on_the_seed_and_never_changes() -> None:
    whole = Split(np.zeros((12, 1), np.float32), np.arange(12), (1, 1, 1))
    chosen = [whole.split(0.25, seed)[1].labels.tolist() for seed in range(50)]
    assert len(np.unique(chosen, axis=0)) > 30
    assert np.unique(chosen).tolist() == list(range(12))
    # Written down once: a later version must divide a user's data as this one does.
    assert chosen[:2] == [[0, 8, 9], [0, 1, 2]]


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 1.5, float("nan"), 0.01])
def test_a_fraction_that_leaves_a_part_empty_is_refused(fraction: float) -> None:
    whole = Split(np.zeros((12, 1), np.float32), np.arange(12), (1, 1, 1))
    with pytest.raises(ValueError, match=r"\[split\] fraction was .* at least one of the 12"):
        whole.split(fraction)
    with pytest.raises(ValueError, match=r"\[split\] seed was -1; it must not be negative"):
        whole.split(0.5, -1)


def test_a_split_checks_its_arrays() -> None:
    x, labels = np.zeros((3, 4), np.float32), np.zeros(3, np.int64)
    for wrong in (x[0], x.astype(np.int64), x.astype(np.float16)):
        with pytest.raises(ValueError, match=r"\[Split\] x has shape"):
            Split(wrong, labels, (1, 2, 2))
    for wrong in (labels[:2], labels.astype(np.int32), labels[:, None]):
        with pytest.raises(
            ValueError, match=r"\[Split\] labels has shape .* must be \(3,\) and int64"
        ):
            Split(x, wrong, (1, 2, 2))
    with pytest.raises(ValueError, match=r"\[Split\] image_shape was \(1, 28, 28\); .* product 4"):
        Split(x, labels)


@pytest.mark.parametrize(
    "shape",
    [(1, -2, -2), (-1, -2, 2), (4, 1), (1, 1, 1, 4), (1, 2.0, 2), (0, 2, 2), 4, None, "114"],
)
def test_the_shape_of_an_image_is_three_positive_integers(shape: object) -> None:
    x, labels = np.zeros((3, 4), np.float32), np.zeros(3, np.int64)
    part = Split(x, labels, (1, 2, 2))
    for make in (
        lambda: Split(x, labels, shape),  # type: ignore[arg-type]
        lambda: data.Dataset("a", part, part, 2, shape),  # type: ignore[arg-type]
        lambda: data.from_arrays(x, labels, shape or "None"),  # type: ignore[arg-type]
    ):
        with pytest.raises((TypeError, ValueError), match=r"image_shape was .*; .* of product 4"):
            make()
    assert Split(x, labels, [1, np.int64(2), 2]).image_shape == (1, 2, 2)  # type: ignore[arg-type]
    for classes in (0, -1, 2.0, True):
        with pytest.raises((TypeError, ValueError), match=r"\[Dataset\] classes was"):
            data.Dataset("a", part, part, classes, (1, 2, 2))  # type: ignore[arg-type]


def test_masked_values_are_no_numbers() -> None:
    x = np.ma.masked_equal(np.array([[1.0, 2.0], [3.0, 4.0]]), 3.0)
    labels = np.ma.masked_equal(np.array([0, 1]), 1)
    plain, zeros = np.zeros((2, 2)), np.zeros(2, np.int64)
    for call in (
        lambda: data.from_arrays(x, zeros),
        lambda: data.from_arrays(plain, labels),
        lambda: Split(x, zeros, (1, 1, 2)),
        lambda: Split(plain, labels, (1, 1, 2)),
        lambda: data.one_hot(labels, 2),
        lambda: data.normalise(x),
    ):
        with pytest.raises(
            ValueError, match=r"has masked values .1, the first at \[.*; it must have none"
        ):
            call()
    assert data.from_arrays(np.ma.array(plain), zeros).x.tolist() == [[0, 0], [0, 0]]


@given(
    labels=st.lists(st.integers(0, 6), max_size=20),
    low=st.floats(-2, 0),
    dtype=st.sampled_from(["float32", "float64"]),
)
def test_one_hot_is_high_at_the_label_and_low_elsewhere(
    labels: list[int], low: float, dtype: str
) -> None:
    targets = data.one_hot(labels, 7, low, 0.9, dtype)
    assert targets.shape == (len(labels), 7)
    assert targets.dtype == dtype
    assert targets.flags.c_contiguous
    for row, label in zip(targets, labels, strict=True):
        for column, value in enumerate(row):
            assert value == np.dtype(dtype).type(0.9 if column == label else low)


def test_one_hot_takes_every_integer_type_and_gives_zeros_and_ones() -> None:
    for code in ("u1", "i1", "i4", "u8", "i8"):
        targets = data.one_hot(np.array([1, 0], code), 3)
        assert targets.dtype == np.float32
        assert targets.tolist() == [[0, 1, 0], [1, 0, 0]]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([0, 3], 3), ValueError, r"labels\[1\] was 3; it must be from 0 to 2$"),
        (([1, 3], 3), ValueError, r"labels\[1\] was 3; .* \(where labels count from 1, give label"),
        (([-1], 3), ValueError, r"labels\[0\] was -1; it must be from 0 to 2"),
        (([[0]], 3), ValueError, r"labels has shape \(1, 1\); it must be \(N,\)"),
        (([0.0], 3), TypeError, r"labels has dtype float64; it must be an integer one"),
        (([True], 3), TypeError, r"labels has dtype bool"),
        (([0], 0), ValueError, r"classes was 0; it must be a positive integer"),
        (([0], 3.0), TypeError, r"classes was 3.0; it must be a positive integer"),
        (([0], True), TypeError, r"classes was True; it must be a positive integer"),
        (([0], 3, 1.0, 1.0), ValueError, r"low was 1.0 and high 1.0; .* low below high"),
        (([0], 3, 0.0, float("inf")), ValueError, r"low was 0.0 and high inf; they must be finite"),
        (([0], 3, 0.0, 1.0, "int32"), ValueError, r"dtype was int32; it must be float32 or"),
    ],
)
def test_one_hot_refuses(arguments: tuple, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=rf"\[one_hot\] {message}"):
        data.one_hot(*arguments)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("per_feature", [False, True])
def test_normalised_values_have_zero_mean_and_unit_sd(dtype: str, per_feature: bool) -> None:
    x = np.random.default_rng(0).gamma(2.0, 3.0, (5000, 2, 3)).astype(dtype)
    before = x.copy()
    result = data.normalise(x, per_feature=per_feature)
    axis = 0 if per_feature else None
    assert np.array_equal(x, before)
    assert result.x.dtype == dtype
    assert result.x.shape == x.shape
    assert result.mean.shape == result.sd.shape == ((2, 3) if per_feature else ())
    assert np.allclose(result.mean, x.mean(axis, np.float64), rtol=1e-12)
    assert np.allclose(result.sd, x.std(axis, np.float64), rtol=1e-12)
    assert np.abs(result.x.mean(axis, np.float64)).max() < 1e-6
    assert np.abs(result.x.std(axis, np.float64) - 1).max() < 1e-6


def test_the_test_set_is_normalised_with_the_training_sets_statistics() -> None:
    train = np.array([[1.0, 5.0], [3.0, 5.0]])
    _, mean, sd = data.normalise(train, per_feature=True)
    assert mean.tolist() == [2, 5]
    assert sd.tolist() == [1, 1]
    again = data.normalise(np.array([[4.0, 6.0]]), mean, sd)
    assert again.x.tolist() == [[2, 1]]
    assert again.mean.tolist() == [2, 5]
    assert data.normalise(np.array([[4.0, 6.0]]), 4, 2).x.tolist() == [[0, 1]]


def test_a_feature_that_never_varies_becomes_zero() -> None:
    x = np.full((7, 2), 0.1)  # the mean of seven 0.1s is not 0.1
    x[:, 1] = range(7)
    result = data.normalise(x, per_feature=True)
    assert np.abs(result.x[:, 0]).max() < 1e-15
    assert result.sd[0] == 1


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([[1.0]],), TypeError, "x was list; it must be an array of float32 or float64"),
        ((np.ones((2, 2), int),), TypeError, "x was int64"),
        ((np.ones((0, 2)),), ValueError, r"x has shape \(0, 2\); it must hold at least one"),
        ((np.ones((2, 2)), 1.0), TypeError, "mean and sd must be given both or not at all"),
        ((np.ones((2, 2)), 1.0, 0.0), ValueError, "sd was 0.0 somewhere; it must be positive"),
        ((np.ones((2, 2)), [1.0] * 3, 1.0), ValueError, r"mean has shape \(3,\); it must be \(\)"),
        ((np.ones((2, 2)), 0.0, [1.0] * 3), ValueError, r"sd has shape \(3,\); it must be \(\)"),
        ((np.array([[1.0, np.nan]]),), ValueError, "mean holds NaN or Inf"),
        ((np.ones((2, 2)), 0.0, np.inf), ValueError, "sd holds NaN or Inf"),
    ],
)
def test_normalise_refuses(arguments: tuple, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=rf"\[normalise\] {message}"):
        data.normalise(*arguments)


def test_permutation_is_the_cores() -> None:
    core = pytest.importorskip("fastfa._core", reason="the compiled core is not built")
    order = data.permutation(100, 7, 3)
    assert order.dtype == np.int64
    assert sorted(order) == list(range(100))
    assert np.array_equal(order, core.permutation(100, 7, 3))


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
