"""Sets in memory: parts, splits, images, targets and normalisation."""

from __future__ import annotations

import numpy as np
import pytest
from fastfa import data
from fastfa.data import Split
from hypothesis import given, settings
from hypothesis import strategies as st


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
