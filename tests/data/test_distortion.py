"""Distortions against their definition, and training on them."""

from __future__ import annotations

import fastfa as fa
import numpy as np
import pytest
import reference_streams as streams

DISTORTION = 11  # purpose


def drawn(shape, seed, epoch, image) -> tuple[np.ndarray, np.ndarray]:
    """Four numbers in (−1, 1) for the affine map, and the two fields (2, H, W) of U(−1, 1)."""
    count = 2 * shape[0] * shape[1]
    per_image = 1 + (count + 7) // 8
    index = np.arange(image * per_image, (image + 1) * per_image)
    words = streams.blocks_at(index, seed, DISTORTION, epoch)
    affine = (words[0].astype(float) + 0.5) / 2**31 - 1
    halves = np.stack([words[1:] & np.uint64(0xFFFF), words[1:] >> np.uint64(16)], axis=-1)
    signed = halves.reshape(-1).astype(np.uint16).view(np.int16).astype(float)
    return affine, ((signed[:count] + 0.5) / 32768).reshape(2, *shape)


def smoothed(field: np.ndarray, sigma: float) -> np.ndarray:
    """Convolved with a Gaussian, zeros outside."""

    def matrix(size):
        distance = np.arange(-60, 61)
        g = np.exp(-0.5 * (distance / sigma) ** 2)
        i = np.arange(size)
        return (g / g.sum())[60 + i[:, None] - i[None, :]]

    return matrix(field.shape[0]) @ field @ matrix(field.shape[1]).T


def expected(image, how, seed, epoch, number) -> np.ndarray:
    h, w = image.shape
    (ty, tx, angle, size), fields = drawn((h, w), seed, epoch, number)
    y, x = np.mgrid[:h, :w].astype(float)
    v, u = y - (h - 1) / 2 - ty * how.translate, x - (w - 1) / 2 - tx * how.translate
    theta, s = np.radians(angle * how.rotate), 1 + size * how.scale
    py = (h - 1) / 2 + (np.cos(theta) * v - np.sin(theta) * u) / s
    px = (w - 1) / 2 + (np.sin(theta) * v + np.cos(theta) * u) / s
    py = py + how.alpha * smoothed(fields[0], how.sigma)
    px = px + how.alpha * smoothed(fields[1], how.sigma)
    padded = np.pad(image, 1, constant_values=how.fill)
    inside = (py > -1) & (py < h) & (px > -1) & (px < w)
    y0, x0 = np.floor(np.where(inside, py, 0)), np.floor(np.where(inside, px, 0))
    fy, fx = np.where(inside, py, 0) - y0, np.where(inside, px, 0) - x0
    at = [
        padded[(y0 + dy + 1).astype(int), (x0 + dx + 1).astype(int)]
        for dy in (0, 1)
        for dx in (0, 1)
    ]
    top, bottom = at[0] + fx * (at[1] - at[0]), at[2] + fx * (at[3] - at[2])
    return np.where(inside, top + fy * (bottom - top), how.fill)


@pytest.mark.parametrize(
    "how",
    [
        fa.data.Distortion(),
        fa.data.Distortion(alpha=0, translate=2.5, fill=-0.4),
        fa.data.Distortion(alpha=0, rotate=30),
        fa.data.Distortion(alpha=0, scale=0.3),
        fa.data.Distortion(alpha=20, sigma=1.5, translate=1, rotate=15, scale=0.2, fill=0.1),
    ],
    ids=["elastic", "shift", "turn", "size", "all"],
)
@pytest.mark.parametrize("shape", [(28, 28), (7, 12), (1, 5)])
def test_images_are_distorted_as_defined(how, shape, rng):
    x = rng.random((5, *shape))
    made = how(x, shape, seed=2**40 + 1, epoch=3, first=7)
    for i in range(5):
        want = expected(x[i], how, 2**40 + 1, 3, 7 + i)
        assert np.abs(made[i] - want).max() < 2e-4  # places are float32


def test_nothing_to_do_leaves_images_as_they_are(rng):
    x = rng.random((3, 28, 28)).astype(np.float32)
    np.testing.assert_array_equal(fa.data.Distortion(alpha=0)(x, (28, 28)), x)


def test_channels_move_together_and_layout_does_not_matter(rng):
    x = rng.random((4, 1, 9, 9)).repeat(3, axis=1)
    how = fa.data.Distortion(alpha=10, sigma=2, rotate=20)
    made = how(x, (3, 9, 9), seed=5)
    np.testing.assert_array_equal(made[:, 0], made[:, 2])
    np.testing.assert_array_equal(made.reshape(4, -1), how(x.reshape(4, -1), (3, 9, 9), seed=5))
    np.testing.assert_array_equal(made[2:], how(x[2:], (3, 9, 9), seed=5, first=2))
    assert not np.array_equal(made, how(x, (3, 9, 9), seed=5, epoch=1))


def digits_net(seed=0):
    layers = [fa.Dense(40, "tanh"), fa.Dense(10, "softmax")]
    return fa.Network((28, 28), layers, "fa", loss="cross_entropy", seed=seed)


def test_training_takes_each_epoch_from_its_own_distortions():
    digits = fa.data.load("mnist-mini").train
    x, labels = digits.x[:300], digits.labels[:300]
    how = fa.data.Distortion(translate=1, rotate=5)
    net, by_hand = digits_net(), digits_net()
    trainer = fa.Trainer(
        net, fa.SGD(0.1), batch_size=20, epochs=2, seed=9, progress=False, augment=how
    )
    trainer.fit((x, labels))
    trainer.fit((x, labels))  # goes on with epochs 3 and 4
    y = fa.data.one_hot(labels, 10).astype(np.float32)
    for epoch in range(1, 5):
        by_hand.train_epoch(
            how(x, (28, 28), seed=9, epoch=epoch),
            y,
            fa.SGD(0.1),
            batch_size=20,
            order=fa.data.permutation(300, 9, epoch),
        )
    np.testing.assert_array_equal(net.weights[0], by_hand.weights[0])


def test_any_callable_may_augment_and_its_mistakes_are_told(rng):
    x, y = rng.standard_normal((30, 784)).astype(np.float32), np.eye(10)[np.arange(30) % 10]
    asked = []

    def same(X, shape, *, seed, epoch):
        asked.append((shape, seed, epoch))
        return X

    def fit(augment):
        options = {"batch_size": 10, "epochs": 3, "seed": 4, "progress": False}
        fa.Trainer(digits_net(), fa.SGD(0.1), augment=augment, **options).fit((x, y))

    fit(same)
    assert asked == [((28, 28), 4, 1), ((28, 28), 4, 2), ((28, 28), 4, 3)]
    with pytest.raises(ValueError, match=r"augment.*\(29, 784\).*\(30, 784\)"):
        fit(lambda X, shape, **_: X[1:])
    with pytest.raises(ValueError, match=r"augment.*nan"):
        fit(lambda X, shape, **_: X * np.nan)
    with pytest.raises(ZeroDivisionError):
        fit(lambda X, shape, **_: 1 / 0)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: fa.data.Distortion(alpha=-1), ["alpha", "-1"]),
        (lambda: fa.data.Distortion(sigma=0), ["sigma", "0"]),
        (lambda: fa.data.Distortion(scale=1), ["scale", "1"]),
        (lambda: fa.data.Distortion(rotate=np.nan), ["rotate", "nan"]),
        (lambda: fa.data.Distortion()(np.ones((2, 7)), (28, 28)), ["(2, 7)", "(28, 28)"]),
        (lambda: fa.data.Distortion()(np.ones((2, 7)), (7,)), ["(7,)", "(H, W)"]),
        (
            lambda: fa.Trainer(digits_net(), fa.SGD(0.1), epochs=1, augment="elastic"),
            ["augment", "elastic"],
        ),
        (
            lambda: fa.Trainer(
                fa.Network(784, [fa.Dense(10)]), fa.SGD(0.1), epochs=1, augment=fa.data.Distortion()
            ),
            ["augment", "784", "(H, W)"],
        ),
    ],
    ids=["alpha", "sigma", "scale", "rotate", "images", "shape", "not callable", "no image"],
)
def test_bad_distortions_are_explained(make, words):
    with pytest.raises((ValueError, TypeError)) as caught:
        make()
    for word in words:
        assert word in str(caught.value)
