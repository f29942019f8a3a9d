"""Crops and mirror images against their definition, and training on them."""

from __future__ import annotations

import fastfa as fa
import numpy as np
import pytest
from fastfa.data import CropFlip, crop_flip

SHAPE = (3, 6, 5)


def parts_of(
    made: np.ndarray, image: np.ndarray, padding: int, fill: float
) -> tuple[int, int, bool]:
    """Where in the padded image this lies, and whether it is turned around; fails if nowhere."""
    pad = [(0, 0), (padding, padding), (padding, padding)]
    whole = np.pad(image, pad, constant_values=fill)
    height, width = image.shape[1:]
    found = [
        (y, x, turned)
        for y in range(2 * padding + 1)
        for x in range(2 * padding + 1)
        for turned in (False, True)
        if np.array_equal(
            made, whole[:, y : y + height, x : x + width][..., :: -1 if turned else 1]
        )
    ]
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_crop_is_one_of_the_padded_image_and_all_come_equally_often(rng, dtype) -> None:
    x = rng.normal(size=(4000, *SHAPE)).astype(dtype)
    before = x.copy()
    made = CropFlip(padding=1, flip=0.3, fill=-0.5)(x.reshape(4000, -1), SHAPE, seed=7, epoch=3)
    assert made.dtype == dtype
    assert made.shape == (4000, 90)
    assert np.array_equal(x, before)
    found = [parts_of(new, old, 1, -0.5) for new, old in zip(made.reshape(x.shape), x, strict=True)]
    assert np.mean([turned for *_, turned in found]) == pytest.approx(0.3, abs=0.03)
    counts = np.zeros((3, 3))
    np.add.at(counts, tuple(np.array(found)[:, :2].T), 1)
    assert np.abs(counts / 4000 - 1 / 9).max() < 0.02


def test_without_padding_and_mirrors_nothing_changes(rng) -> None:
    x = rng.normal(size=(3, 4, 5))
    assert np.array_equal(CropFlip(padding=0, flip=0)(x, (4, 5)), x)
    assert np.array_equal(CropFlip(padding=0, flip=1)(x, (4, 5)), x[..., ::-1])


def test_an_image_gets_what_seed_epoch_and_its_place_say(rng, monkeypatch) -> None:
    x = rng.normal(size=(40, *SHAPE))
    how = CropFlip(padding=2)
    whole = how(x, SHAPE, seed=5, epoch=2)
    assert np.array_equal(how(x[30:], SHAPE, seed=5, epoch=2, first=30), whole[30:])
    monkeypatch.setattr(crop_flip, "_BLOCK", 7)
    assert np.array_equal(how(x, SHAPE, seed=5, epoch=2), whole)
    for other in ({"seed": 6, "epoch": 2}, {"seed": 5, "epoch": 3}, {"seed": 2**64 - 1}):
        assert not np.array_equal(how(x, SHAPE, **other), whole)
    # Of this seed and epoch, for ever: images 0 and 1 go where the first words of Philox say.
    words = np.random.Philox(key=np.array([5, 0x63726F70], np.uint64), counter=[0, 2, 0, 0])
    for image in (0, 1):
        down, along, turned, _ = (int(word) for word in words.random_raw(4))
        place = (down % 5, along % 5, turned / 2**64 < 0.5)
        assert parts_of(whole[image], x[image], 2, 0.0) == place


def test_training_takes_each_epoch_from_its_own_crops(rng) -> None:
    x, labels = rng.normal(size=(30, 90)), np.arange(30) % 3
    how = CropFlip(padding=1)

    def net() -> fa.Network:
        layers = [fa.Conv2D(4, 3, activation="relu"), fa.MaxPool2D(2), fa.Dense(3, "softmax")]
        return fa.Network(SHAPE, layers, loss="cross_entropy", dtype="float64", seed=1)

    trained, by_hand = net(), net()
    options = {"batch_size": 10, "epochs": 2, "seed": 9, "progress": False}
    fa.Trainer(trained, fa.SGD(0.1), augment=how, **options).fit((x, labels))
    for epoch in (1, 2):
        by_hand.train_epoch(
            how(x, SHAPE, seed=9, epoch=epoch),
            fa.data.one_hot(labels, 3, dtype="float64"),
            fa.SGD(0.1),
            batch_size=10,
            order=fa.data.permutation(30, 9, epoch),
        )
    np.testing.assert_array_equal(trained.weights[0], by_hand.weights[0])


def trainer(shape: int | tuple[int, ...], augment: object) -> fa.Trainer:
    return fa.Trainer(fa.Network(shape, [fa.Dense(2)]), fa.SGD(0.1), epochs=1, augment=augment)


@pytest.mark.parametrize("kind", [CropFlip, fa.data.Distortion])
def test_what_is_no_image_is_refused(kind) -> None:
    with pytest.raises(ValueError, match=r"augment was .* input 784; it must be one whose input"):
        trainer(784, kind())
    with pytest.raises(
        ValueError, match=r"augment was .*\(28, 28, 3\), which looks like \(H, W, C\)"
    ):
        trainer((28, 28, 3), kind())
    assert trainer((3, 28, 28), kind()).augment == kind()
    with pytest.raises(ValueError, match=r"shape was \(28, 28, 3\), which looks like \(H, W, C\)"):
        kind()(np.zeros((2, 28, 28, 3)), (28, 28, 3))
    with pytest.raises(ValueError, match=r"X has shape \(2, 7\) and shape was \(28, 28\)"):
        kind()(np.ones((2, 7)), (28, 28))
