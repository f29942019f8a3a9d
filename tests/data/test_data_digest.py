"""The digest of a dataset: the same numbers have the same one, anything else another."""

from __future__ import annotations

import dataclasses
import hashlib

import numpy as np
import pytest
from fastfa import data
from fastfa.data._digest import digest


def example() -> data.Dataset:
    rng = np.random.default_rng(0)

    def part(count: int) -> data.Split:
        x = rng.random((count, 6), np.float32)
        return data.Split(x, rng.integers(0, 3, count), (1, 2, 3))

    return data.Dataset("mine", part(5), part(4), 3, (1, 2, 3))


def test_the_same_numbers_have_the_same_digest_whatever_they_are_called() -> None:
    set_ = example()
    assert digest(set_) == digest(example())
    assert digest(dataclasses.replace(set_, name="yours")) == digest(set_)
    strided = np.asfortranarray(set_.train.x)
    again = data.Split(strided, set_.train.labels, (1, 2, 3))
    assert digest(dataclasses.replace(set_, train=again)) == digest(set_)


def test_it_is_sha_256_of_what_the_docstring_names() -> None:
    set_ = example()
    mark = hashlib.sha256(b"classes 3\n")
    for name, split in (("train", set_.train), ("test", set_.test)):
        mark.update(f"{name} (1, 2, 3)\n".encode())
        for array in (split.x, split.labels):
            mark.update(f"{array.dtype} {array.shape}\n".encode())
            mark.update(array.tobytes())
    assert digest(set_) == mark.hexdigest()


def one_pixel(split: data.Split, at: int) -> data.Split:
    x = split.x.copy()
    x.flat[at] = np.nextafter(x.flat[at], np.float32(2))
    return data.Split(x, split.labels, split.image_shape)


@pytest.mark.parametrize(
    "change",
    [
        lambda s: dataclasses.replace(s, train=one_pixel(s.train, 0)),
        lambda s: dataclasses.replace(s, train=one_pixel(s.train, -1)),
        lambda s: dataclasses.replace(s, test=one_pixel(s.test, 7)),
        lambda s: dataclasses.replace(s, train=s.test, test=s.train),
        lambda s: dataclasses.replace(s, classes=4),
        lambda s: dataclasses.replace(s, train=s.train.take(np.arange(5)[::-1])),
        lambda s: dataclasses.replace(s, train=data.Split(s.train.x, s.train.labels, (1, 3, 2))),
        lambda s: dataclasses.replace(
            s, train=data.Split(s.train.x.astype(float), s.train.labels, (1, 2, 3))
        ),
        lambda s: dataclasses.replace(
            s, train=data.Split(s.train.x, 2 - s.train.labels, (1, 2, 3))
        ),
        lambda s: s.train,
    ],
)
def test_anything_else_has_another_digest(change) -> None:
    assert digest(change(example())) != digest(example())


def test_what_lies_on_disk_has_one_digest() -> None:
    loaded = data.load("mnist-mini")
    assert digest(loaded) == digest(data.load("mnist-mini"))
    assert digest(loaded) != digest(dataclasses.replace(loaded, test=one_pixel(loaded.test, 99)))
    assert digest(loaded.train) != digest(loaded.test)
