"""Datasets by name, from where they lie on this machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from .amat import read_amat
from .cifar import load_cifar, pickled_in
from .dataset import Dataset, Split
from .idx import read_idx
from .known import dataset_info
from .limit import Limit
from .photos import photo_background
from .places import Root, check_root, files_in, folders
from .registry import (
    TEST_IMAGES,
    TEST_LABELS,
    TRAIN_IMAGES,
    TRAIN_LABELS,
    DatasetInfo,
)
from .svhn import load_svhn
from .tasks import load_task
from .timit import load_timit


class DatasetNotFound(FileNotFoundError):
    """A dataset is in none of the places looked at; the message names them all."""


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
        ``"mnist-rotation-back-image"`` (`read_amat`); ``"cifar-10"`` or ``"cifar-100"``
        (`read_cifar`); ``"svhn-grey"`` (`load_svhn`); ``"timit-stops"`` (`load_timit`);
        ``"mnist-photo-background"`` or ``"mnist-mini-photo-background"`` (`photo_background`). Or a task
        of sequences: ``"periodic"`` (`periodic_task`), ``"add"`` (1,000 and 200 of `add_task`) or
        ``"delayed-xor"`` (as many of `delayed_xor_task`).
    root : str or path-like, optional
        A folder to look in before the others. It must be there.
    limit : int, optional
        Bytes of memory that each file may take, with what is kept beside its arrays meanwhile. Default:
        256 MiB, or 64 times the file's size if that is more.

    Returns
    -------
    Dataset
        ``x`` is float32 (N, n_in), grey values from 0 to 1 for images; ``labels`` is int64 (N,). Of a
        task a `SequenceDataset`.

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
        return photo_background(load(info.made_from, root, limit=limit))
    if info.format not in _READERS:
        raise ValueError(
            f"[load] {info.name} has the format {info.format!r}; it must be one of "
            f"{', '.join(_READERS)}"
        )
    return _READERS[info.format](info, _find(info, root), limit)


Paths = Mapping[str, Path]


def _load_idx(info: DatasetInfo, paths: Paths, limit: int | None) -> Dataset:
    train = _read_split(info, paths[TRAIN_IMAGES], paths[TRAIN_LABELS], limit)
    test = _read_split(info, paths[TEST_IMAGES], paths[TEST_LABELS], limit)
    return Dataset(info.name, train, test, info.classes, info.image_shape, info.class_names)


def _load_amat(info: DatasetInfo, paths: Paths, limit: int | None) -> Dataset:
    train, test = (read_amat(path, limit=limit) for path in paths.values())
    return Dataset(info.name, train, test, info.classes, info.image_shape, info.class_names)


# By DatasetInfo.format.
_READERS: dict[str, Callable[[DatasetInfo, Paths, int | None], Dataset]] = {
    "idx": _load_idx,
    "amat": _load_amat,
    "cifar": load_cifar,
    "svhn": lambda info, paths, limit: load_svhn(_folder(paths), limit=limit),
    "task": lambda info, paths, limit: load_task(info.name),
    "timit": lambda info, paths, limit: load_timit(_folder(paths), limit=limit),
}


def _folder(paths: Paths) -> Path:
    return next(iter(paths.values())).parent


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
            pickled = pickled_in(info, folder) if info.format == "cifar" else None
            looked.append(f"  {folder}{f', {pickled}' if pickled else f': without {missing}'}")
    hint = f"; {info.hint}" if info.hint else ""
    how = (
        "  The installed package is damaged: install fastfa again"
        if info.embedded
        else f"  To get it: fastfa data fetch {info.name}{hint}"
    )
    if not info.can_be_fetched:
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
