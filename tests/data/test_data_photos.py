"""Digits over photographs: deterministic, textured, and under their own name."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator

import numpy as np
import pytest
from fastfa import data
from fastfa.data import Dataset, Split

pytest.importorskip("skimage", reason="scikit-image is not installed (fastfa[photos])")

from fastfa.data import photos


def blank(count: int, value: float = 0.0) -> Dataset:
    x = np.full((count, 784), value, np.float32)
    split = Split(x, np.arange(count) % 10, (1, 28, 28))
    return Dataset("blank", split, split, 10, (1, 28, 28))


@pytest.fixture(scope="module")
def photographs() -> list[np.ndarray]:
    return photos._photographs()


def test_the_set_made_from_mini_never_changes() -> None:
    made = data.load("mnist-mini-photo-background")
    base = data.load("mnist-mini")
    assert made.name == "mnist-mini-photo-background"
    assert (made.classes, made.image_shape) == (10, (1, 28, 28))
    for split, before in ((made.train, base.train), (made.test, base.test)):
        assert split.x.dtype == np.float32
        assert split.x.shape == before.x.shape
        assert np.array_equal(split.labels, before.labels)
        assert not np.shares_memory(split.labels, before.labels)
        assert split.x.min() >= 0
        assert split.x.max() == 1
        assert (split.x >= before.x - 1e-7).all()  # ink is never darkened
        assert (split.x[before.x == 1] == 1).all()
    # Written down once: the same set on every machine, with any NumPy and any scikit-image.
    levels = np.rint(made.train.x * 65025).astype("<u4")
    assert hashlib.sha256(levels.tobytes()).hexdigest() == TRAIN_SHA256


TRAIN_SHA256 = "9e295cf51ceda2728d7aeb5be1d4d24fb98d950b58de4392c4e7ab3548e249a9"


def test_behind_nothing_there_is_a_patch_of_a_photograph(photographs) -> None:
    made = photos.photo_background(blank(40), seed=3)
    windows = [np.lib.stride_tricks.sliding_window_view(p, (28, 28)) for p in photographs]
    for image in made.train.x:
        patch = np.rint(image.reshape(28, 28) * 255).astype(np.uint8)
        assert np.abs(patch - 255 * image.reshape(28, 28)).max() < 1e-4
        assert patch.std() >= 16
        assert any(patch.tobytes() in found for found in bytes_of_patches(windows, patch))


def bytes_of_patches(windows: list[np.ndarray], patch: np.ndarray) -> Iterator[set[bytes]]:
    """In each photograph, the patches that share two pixels with this one."""
    for window in windows:
        alike = (window[..., 0, 0] == patch[0, 0]) & (window[..., 9, 9] == patch[9, 9])
        yield {window[row, column].tobytes() for row, column in np.argwhere(alike)}


def test_the_ink_covers_the_photograph_as_far_as_it_is_opaque() -> None:
    clear, half, full = (photos.photo_background(blank(9, ink), 1).test.x for ink in (0, 0.5, 1))
    assert (full == 1).all()
    assert np.abs(half - (0.5 + 0.5 * clear)).max() < 1e-6


def test_seeds_and_parts_have_their_own_backgrounds() -> None:
    first, again, other = (photos.photo_background(blank(30), seed) for seed in (0, 0, 1))
    assert np.array_equal(first.train.x, again.train.x)
    assert not np.array_equal(first.train.x, first.test.x)
    assert not np.array_equal(first.train.x, other.train.x)
    assert len(np.unique(first.train.x, axis=0)) == 30
    longer = photos.photo_background(blank(50))
    assert np.array_equal(longer.train.x[:30], first.train.x)


def test_places_are_exactly_those_of_enough_texture() -> None:
    rng = np.random.default_rng(0)
    photograph = np.zeros((40, 61), np.uint8)
    photograph[:, 30:] = rng.integers(0, 60, (40, 31))
    found = set(photos._textured(photograph).tolist())
    for row in range(13):
        for column in range(34):
            patch = photograph[row : row + 28, column : column + 28].astype(float)
            assert (row * 61 + column in found) == (patch.var() >= 16**2)
    assert 0 < len(found) < 13 * 34


def test_every_photograph_is_used(photographs) -> None:
    counts = [len(photos._textured(photograph)) for photograph in photographs]
    assert min(counts) > 10_000
    assert all(photograph.ndim == 2 for photograph in photographs)


@pytest.mark.parametrize(
    "base",
    [
        blank(2, 1.5),
        blank(2, -0.1),
        Dataset(
            "wide",
            *[Split(np.zeros((2, 9), np.float32), np.zeros(2, int), (1, 3, 3))] * 2,
            10,
            (1, 3, 3),
        ),
    ],
)
def test_other_images_are_refused(base: Dataset) -> None:
    with pytest.raises(ValueError, match=r"\[photo_background\] base holds .*; they must be"):
        photos.photo_background(base)


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(ValueError, match=r"seed was -1"):
        photos.photo_background(blank(1), -1)


def test_other_photographs_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import skimage.data

    coins = skimage.data.coins().copy()
    coins[5, 5] ^= 1
    monkeypatch.setattr(skimage.data, "coins", lambda: coins)
    with pytest.raises(
        ValueError, match=r"photographs of scikit-image .* have SHA-256 [0-9a-f]{64}"
    ):
        photos.photo_background(blank(1))


def test_without_scikit_image_the_error_says_what_to_install(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(ImportError, match=r"pip install 'fastfa\[photos\]'"):
        data.load("mnist-mini-photo-background")


def test_it_is_made_from_the_named_set_and_no_other(tmp_path, monkeypatch) -> None:
    from fastfa.data import places

    monkeypatch.setattr(places, "search_roots", lambda root=None: [tmp_path])
    with pytest.raises(data.DatasetNotFound, match=r"\[load\] mnist was not found"):
        data.load("mnist-photo-background")
    assert data.locate("mnist-mini-photo-background") == data.locate("mnist-mini")
