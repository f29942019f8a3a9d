"""CIFAR-10 and CIFAR-100 in their binary version.

A. Krizhevsky, "Learning multiple layers of features from tiny images", University of Toronto, 2009, and
its page <https://www.cs.toronto.edu/~kriz/cifar.html>. A file is images alone, one after the other: a
byte for the class (CIFAR-10), or two for superclass and class (CIFAR-100), then 3072 bytes: red, green
and blue, each 32 rows of 32 pixels.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .. import _check
from .._class_names import shown_names
from .cifar_names import CIFAR_10, CIFAR_100, SUPERCLASSES
from .dataset import Dataset, Split
from .limit import Limit
from .registry import DATASETS, DatasetInfo

_SHAPE = (3, 32, 32)
_PIXELS = 3 * 32 * 32
_HOW = (
    "it must be the binary version, of files that end in .bin "
    "(https://www.cs.toronto.edu/~kriz/cifar.html)"
)
_NAMES = {10: CIFAR_10, 20: SUPERCLASSES, 100: CIFAR_100}


def read_cifar(
    path: str | os.PathLike[str], classes: int = 10, *, limit: int | None = None
) -> Split:
    """Read one file of the binary version of CIFAR-10 or CIFAR-100.

    Parameters
    ----------
    path : str or path-like
        A file such as ``data_batch_1.bin`` or ``train.bin``, with any number of images.
    classes : {10, 100, 20}
        10 for CIFAR-10. Of CIFAR-100 the labels are its 100 classes, or its 20 superclasses.
    limit : int, optional
        Bytes of memory that the file may take. Default: 256 MiB, or 64 times its size if that is more.

    Returns
    -------
    Split
        ``x`` is float32 (N, 3072), from 0 to 1, channel by channel; ``labels`` is int64 (N,).

    Raises
    ------
    FileNotFoundError
        There is no such file.
    MemoryError
        The machine has too little memory; the message names the file.
    TypeError, ValueError
        `classes` is another number, the file is no whole number of images (it may be the version for
        Python, which is pickled, or the archive), a label is out of range, or the images would take
        more than `limit`. The message names the file.
    """
    where = "read_cifar"
    classes = _check.integer(where, "classes", classes, 1)
    if classes not in _NAMES:
        raise ValueError(f"[{where}] classes was {classes}; it must be 10, 100 or 20")
    file = Limit(where, path, limit)
    count = _count(file, classes)
    with file.memory():
        x, labels = np.empty((count, _PIXELS), np.float32), np.empty(count, np.int64)
        _fill(file, classes, x, labels)
    return Split(x, labels, _SHAPE, _NAMES[classes])


def load_cifar(info: DatasetInfo, paths: Mapping[str, Path], limit: int | None) -> Dataset:
    """The set whose files lie at these paths. Each must have as many images as were published."""
    files = {name: Limit("load", path, limit) for name, path in paths.items()}
    for published in info.files:
        _count(file := files[published.name], info.classes)
        if file.size != published.size:
            raise ValueError(
                f"[load] {file.name} has {file.size} bytes; it must have {published.size}"
            )
    parts = []
    for is_test, size in ((False, info.train_size), (True, info.test_size)):
        own = [file for name, file in files.items() if name.startswith("test") == is_test]
        with own[-1].memory():  # the largest array: filled file by file
            x, labels = np.empty((size, _PIXELS), np.float32), np.empty(size, np.int64)
        begin = 0
        for file in own:
            end = begin + file.size // _record(info.classes)
            with file.memory():
                _fill(file, info.classes, x[begin:end], labels[begin:end])
            begin = end
        parts.append(Split(x, labels, _SHAPE, info.class_names))
    train, test = parts
    return Dataset(info.name, train, test, info.classes, _SHAPE, info.class_names)


class CifarFolder(NamedTuple):
    """A folder that holds the files of one of the sets."""

    info: DatasetInfo
    paths: dict[str, Path]

    def load(self, limit: int | None) -> Dataset:
        """The set, with a word on where it came from."""
        data = load_cifar(self.info, self.paths, limit)
        origin = (
            f"{data.name}: {data.classes} classes ({shown_names(data.class_names)}); images of "
            f"3 x 32 x 32; {len(data.train)} to train on, {len(data.test)} to test"
        )
        return dataclasses.replace(data, origin=origin)


def find_cifar(folder: str) -> CifarFolder | None:
    """The set in this folder, if one is.

    Raises
    ------
    ValueError
        It holds the version for Python, which is pickled.
    """
    for info in (each for each in DATASETS.values() if each.format == "cifar"):
        paths = {file.name: Path(folder, file.name) for file in info.files}
        if all(path.is_file() for path in paths.values()):
            return CifarFolder(info, paths)
        if pickled := pickled_in(info, folder):
            raise ValueError(f"[read_dataset] source was {folder!r}, {pickled}")
    return None


def pickled_in(info: DatasetInfo, folder: str | os.PathLike[str]) -> str | None:
    """What to say of a folder with the version for Python of this set; None of another folder."""
    stems = [Path(folder, file.name.removesuffix(".bin")) for file in info.files]
    if not all(os.path.isfile(stem) for stem in stems):
        return None
    return f"which holds {info.name} for Python, in files that are pickled; {_HOW}"


def _record(classes: int) -> int:
    """Bytes of an image with its label or labels."""
    return _PIXELS + (1 if classes == 10 else 2)


def _count(file: Limit, classes: int) -> int:
    """The number of images, from the file's size; refuses too many."""
    record = _record(classes)
    count, rest = divmod(file.size, record)
    if rest or not count:
        with open(file.name, "rb") as raw:
            begin = raw.read(2)
        place = f"[{file.where}] {file.name}"
        if begin[:1] == b"\x80":
            raise ValueError(f"{place} is pickled, as in the version for Python; {_HOW}")
        if begin == b"\x1f\x8b":
            raise ValueError(f"{place} is packed; it must be unpacked first (tar -xzf)")
        raise ValueError(
            f"{place} has {file.size} bytes; it must have {record} for each image, and one image or more"
        )
    file.check(file.size + count * (4 * _PIXELS + 8), f"{count} images, as float32,")
    return count


def _fill(
    file: Limit, classes: int, x: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]
) -> None:
    """Read a file into its part of the arrays."""
    place = f"[{file.where}] {file.name}"
    raw = np.fromfile(file.name, np.uint8)
    if raw.size != len(x) * _record(classes):
        raise ValueError(
            f"{place} had {file.size} bytes and now has {raw.size}; it must not change"
        )
    images = raw.reshape(len(x), -1)
    limits = {"label": 10} if classes == 10 else {"coarse label": 20, "fine label": 100}
    for column, (what, most) in enumerate(limits.items()):
        if (images[:, column] >= most).any():
            at = int(np.argmax(images[:, column] >= most))
            raise ValueError(
                f"{place}: the {what} of image {at} is {images[at, column]}; it must be below {most}"
            )
    labels[:] = images[:, 1 if classes == 100 else 0]
    np.divide(images[:, len(limits) :], np.float32(255), out=x, dtype=np.float32)
