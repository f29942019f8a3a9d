"""Datasets in memory: images as rows of numbers in [0, 1], labels as integers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import _check
from .._attributes import immutable
from .idx import read_idx
from .image_shape import image_shape_of
from .limit import Limit
from .places import Root, check_root, files_in, folders
from .registry import (
    TEST_IMAGES,
    TEST_LABELS,
    TRAIN_IMAGES,
    TRAIN_LABELS,
    DatasetInfo,
    dataset_info,
)


class DatasetNotFound(FileNotFoundError):
    """A dataset is in none of the places looked at; the message names them all."""


@immutable
@dataclass(frozen=True, eq=False, repr=False)
class Split:
    """Examples and their labels.

    Attributes
    ----------
    x : ndarray, shape (N, n_in), float32 or float64
        One example a row.
    labels : ndarray, shape (N,), int64
        The class of each example.
    image_shape : tuple of int
        (channels, height, width), whose product is n_in.
    """

    x: npt.NDArray[Any]
    labels: npt.NDArray[np.int64]
    image_shape: tuple[int, int, int] = (1, 28, 28)

    def __post_init__(self) -> None:
        for name in ("x", "labels"):
            array = getattr(self, name)
            if not isinstance(array, np.ndarray):
                raise TypeError(f"[Split] {name} was {_check.shown(array)}; it must be an ndarray")
            if type(array) is not np.ndarray:
                object.__setattr__(self, name, _check.as_array("Split", name, array))
        if self.x.ndim != 2 or self.x.dtype not in (np.float32, np.float64):
            raise ValueError(
                f"[Split] x has shape {self.x.shape} and dtype {self.x.dtype}; "
                "it must be (N, n_in) and float32 or float64"
            )
        if self.labels.shape != self.x.shape[:1] or self.labels.dtype != np.int64:
            raise ValueError(
                f"[Split] labels has shape {self.labels.shape} and dtype {self.labels.dtype}; "
                f"it must be ({len(self.x)},) and int64"
            )
        shape = image_shape_of("[Split] ", self.image_shape, self.x.shape[1])
        object.__setattr__(self, "image_shape", shape)

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        return f"Split({len(self)} examples of {self.image_shape}, {self.x.dtype})"

    @property
    def images(self) -> npt.NDArray[Any]:
        """The examples as images, shape (N, channels, height, width): a view of `x`."""
        return self.x.reshape(len(self), *self.image_shape)

    def take(self, indices: npt.ArrayLike) -> Split:
        """The examples with these indices, in this order, copied.

        Parameters
        ----------
        indices : array_like, shape (M,)
            Integers from 0 to N - 1, repeats allowed.

        Raises
        ------
        TypeError
            `indices` are not integers.
        IndexError
            One is not that of an example.
        """
        chosen = _check.as_array("take", "indices", indices)
        if chosen.size == 0 and chosen.ndim == 1:
            chosen = chosen.astype(np.int64)
        if chosen.ndim != 1 or chosen.dtype.kind not in "iu":
            raise TypeError(
                f"[take] indices has shape {chosen.shape} and dtype {chosen.dtype}; "
                "it must be one-dimensional and integer"
            )
        if chosen.size and (chosen.min() < 0 or chosen.max() >= len(self)):
            raise IndexError(
                f"[take] indices go from {chosen.min()} to {chosen.max()}; "
                f"they must be from 0 to {len(self) - 1}"
            )
        return Split(self.x[chosen], self.labels[chosen], self.image_shape)

    def split(self, fraction: float, seed: int = 0) -> tuple[Split, Split]:
        """Divide the examples at random into two parts, for training and for validation.

        Each part keeps the examples' order. The choice depends on `seed`, N and `fraction` alone;
        it is not stratified.

        Parameters
        ----------
        fraction : float
            The second part's share, between 0 and 1; rounded to whole examples.
        seed : int
            Not negative.

        Returns
        -------
        train, validation : Split
            (1 - fraction) N and fraction N examples, copied.

        Raises
        ------
        ValueError
            A part would have no examples, or `seed` is negative.
        """
        count = round(fraction * len(self)) if 0 < fraction < 1 else 0
        if not 0 < count < len(self):
            raise ValueError(
                f"[split] fraction was {fraction}; it must leave at least one of the "
                f"{len(self)} examples in each part"
            )
        if seed < 0:
            raise ValueError(f"[split] seed was {seed}; it must not be negative")
        # Ranks of raw Philox words, and not Generator.permutation, whose numbers may change from
        # one NumPy to the next; those of the bit generators may not.
        order = np.argsort(np.random.Philox(seed).random_raw(len(self)), kind="stable")
        return self.take(np.sort(order[count:])), self.take(np.sort(order[:count]))


@immutable
@dataclass(frozen=True, eq=False)
class Dataset:
    """A dataset in memory.

    Attributes
    ----------
    name : str
        Its name.
    train, test : Split
        Its two parts, as published.
    classes : int
        The number of classes; labels go from 0 to classes - 1.
    image_shape : tuple of int
        (channels, height, width).
    """

    name: str
    train: Split
    test: Split
    classes: int
    image_shape: tuple[int, int, int]

    def __post_init__(self) -> None:
        for name in ("train", "test"):
            if not isinstance(part := getattr(self, name), Split):
                raise TypeError(f"[Dataset] {name} was {_check.shown(part)}; it must be a Split")
        image_shape_of("[Dataset] ", self.image_shape, self.train.x.shape[1])
        _check.integer("Dataset", "classes", self.classes, 1)


def load(name: str, root: Root = None, *, limit: int | None = None) -> Dataset:
    """Load a dataset that lies on this machine.

    It is looked for in ``<root>/<name>/``, with these roots in order: `root`, ``$FASTFA_DATA``,
    the user's cache (``$XDG_CACHE_HOME/fastfa`` or ``~/.cache/fastfa``), ``/usr/share/datasets``
    and ``/usr/local/share/datasets``. Each file may be plain or ``.gz``; all must be in one folder.
    ``mnist-mini`` (600 training and 100 test images of each MNIST digit) is part of the package
    and is always read from there. ``docs/data.md`` says how to get the others and how each is read.

    Parameters
    ----------
    name : str
        ``"mnist"``, ``"fashion-mnist"`` or ``"mnist-mini"``, which are IDX files; ``"mnist-basic"``,
        ``"mnist-rotation"``, ``"mnist-back-random"``, ``"mnist-back-image"`` or
        ``"mnist-rotation-back-image"`` (`read_amat`); ``"svhn-grey"`` (`load_svhn`);
        ``"timit-stops"`` (`load_timit`); ``"mnist-photo-background"`` or
        ``"mnist-mini-photo-background"`` (`photo_background`).
    root : str or path-like, optional
        A folder to look in before the others. It must be there.
    limit : int, optional
        Bytes of memory that each file may take, with what is kept beside its arrays meanwhile. Default:
        256 MiB, or 64 times the file's size if that is more.

    Returns
    -------
    Dataset
        ``x`` is float32 (N, n_in), grey values from 0 to 1 for images; ``labels`` is int64 (N,).

    Raises
    ------
    ImportError
        The dataset needs a library that is not installed; the message names it.
    TypeError, ValueError
        There is no dataset of this name, a file is malformed or would take more than `limit`, or files
        disagree with each other.
    MemoryError
        The machine has too little memory; the message names the file.
    FileNotFoundError
        `root` was given and is no folder.
    DatasetNotFound
        The files are in none of the places; the message says where they were looked for and how
        to get them. No other dataset is ever taken instead.
    IdxError
        A file is damaged.
    """
    info = dataset_info(name)
    check_root("load", root)
    if info.format == "photos":
        from .photos import photo_background

        return photo_background(load(info.made_from, root, limit=limit))
    paths = _find(info, root)
    if info.format != "idx":
        return _load_other(info, paths, limit)
    return Dataset(
        name=info.name,
        train=_read_split(info, paths[TRAIN_IMAGES], paths[TRAIN_LABELS], limit),
        test=_read_split(info, paths[TEST_IMAGES], paths[TEST_LABELS], limit),
        classes=info.classes,
        image_shape=info.image_shape,
    )


def _load_other(info: DatasetInfo, paths: Mapping[str, Path], limit: int | None) -> Dataset:
    """A dataset that is not IDX, through the reader of its format."""
    if info.format == "amat":
        from .amat import read_amat

        train, test = (read_amat(path, limit=limit) for path in paths.values())
        return Dataset(info.name, train, test, info.classes, info.image_shape)
    folder = next(iter(paths.values())).parent
    if info.format == "svhn":
        from .svhn import load_svhn

        return load_svhn(folder, limit=limit)
    from .timit import load_timit

    return load_timit(folder, limit=limit)


def _find(info: DatasetInfo, root: Root) -> Mapping[str, Path]:
    """Every file's path, from the first folder that has them all."""
    looked = []
    for folder in folders(info, root):
        found = files_in(folder, info)
        here = {name: path for name, path in found.items() if path is not None}
        if len(here) == len(found):
            return here
        missing = ", ".join(name for name in found if name not in here)
        if not os.path.isdir(folder):
            looked.append(f"  {folder}: no such folder")
        else:
            looked.append(f"  {folder}: without {missing}")
    hint = f"; {info.hint}" if info.hint else ""
    how = (
        "  The installed package is damaged: install fastfa again"
        if info.embedded
        else f"  To get it: fastfa data fetch {info.name}{hint}"
    )
    if info.format != "idx":
        how = f"  fastfa cannot download it. To get it: {info.hint}"
    packed = " (plain or .gz)" if info.format in ("idx", "amat") else ""
    raise DatasetNotFound("\n".join([f"[load] {info.name} was not found{packed} in", *looked, how]))


def _read_split(
    info: DatasetInfo, images_path: Path, labels_path: Path, limit: int | None
) -> Split:
    images, labels = read_idx(images_path, limit=limit), read_idx(labels_path, limit=limit)
    _, height, width = info.image_shape
    if images.dtype != np.uint8 or images.ndim != 3 or images.shape[1:] != (height, width):
        raise ValueError(
            f"[load] {images_path} holds {images.dtype} of shape {images.shape}; "
            f"it must be uint8 (N, {height}, {width})"
        )
    if labels.dtype != np.uint8 or labels.shape != images.shape[:1] or not len(labels):
        raise ValueError(
            f"[load] {labels_path} holds {labels.dtype} of shape {labels.shape}; "
            f"it must be uint8 ({len(images)},), a label for each image, and at least one"
        )
    if labels.max() >= info.classes:
        at = int(np.argmax(labels >= info.classes))
        raise ValueError(
            f"[load] {labels_path}: label {at} is {labels[at]}; it must be below {info.classes}, as "
            f"{info.name} has that many classes (fastfa.data.read((images, labels)) reads other sets)"
        )
    bounds = Limit("load", images_path, limit)
    bounds.check(5 * images.size, f"uint8 of shape {images.shape}, as float32")
    with bounds.memory():
        x = np.divide(images.reshape(len(images), -1), np.float32(255), dtype=np.float32)
    return Split(x, labels.astype(np.int64), info.image_shape)
