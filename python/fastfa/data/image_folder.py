"""Image sets of IDX files in a folder, as torchvision and others leave them there.

Names are those of MNIST with dashes or dots between their parts, plain or gzip, and with the name of the
set before them where there are several: ``train-images-idx3-ubyte``, ``t10k-labels.idx1-ubyte.gz``,
``emnist-letters-test-images-idx3-ubyte``, ``qmnist-train-labels-idx2-int``.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .idx import read_idx
from .registry import FASHION_MNIST

_FILE = re.compile(
    r"(?P<set>.*?)(?P<part>train|t10k|test)[-._](?P<what>images|labels)"
    r"[-._]idx[1-4][-._](ubyte|int)(?P<gz>\.gz)?"
)
_PARTS = {"train": "train", "t10k": "test", "test": "test"}
_UPPER, _LOWER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz"
_DIGITS = "0123456789"
_EMNIST = {  # the names of classes; those of letters count from 1
    "byclass": _DIGITS + _UPPER + _LOWER,
    "bymerge": _DIGITS + _UPPER + "abdefghnqrt",
    "balanced": _DIGITS + _UPPER + "abdefghnqrt",
    "letters": _LOWER,
    "digits": _DIGITS,
    "mnist": _DIGITS,
}
_KMNIST = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")


class ImageSet(NamedTuple):
    """The four files of a set, and what is known of it. ``names`` are those of the classes, or None."""

    name: str
    files: dict[tuple[str, str], Path]
    transposed: bool
    first_label: int
    names: tuple[str, ...] | None

    def part(self, part: str, limit: int | None) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """The images, upright, and the labels of "train" or "test", with class 0 the first."""
        images, labels = (
            read_idx(self.files[part, what], limit=limit) for what in ("images", "labels")
        )
        if images.ndim != 3:
            raise ValueError(
                f"[read_dataset] {self.files[part, 'images']} has shape {images.shape}; it must be "
                "(N, height, width)"
            )
        if labels.ndim == 2 and labels.dtype.kind == "i":  # QMNIST: class, writer, ...
            labels = np.ascontiguousarray(labels[:, 0])
        labels = labels.astype(np.int64) - self.first_label
        most = len(self.names) - 1 if self.names else 255
        if labels.size and (labels.min() < 0 or labels.max() > most):
            low, high = labels.min() + self.first_label, labels.max() + self.first_label
            raise ValueError(
                f"[read_dataset] {self.files[part, 'labels']} has labels from {low} to {high}; they "
                f"must be from {self.first_label} to {most + self.first_label}"
            )
        if self.transposed:
            images = np.ascontiguousarray(images.transpose(0, 2, 1))
        return images, labels


def find_image_set(path: str) -> ImageSet | None:
    """The set in this folder, in its folder ``raw``, or whose files' names begin so; None if none is.

    Raises
    ------
    ValueError
        There are several, or files of one are missing; says which.
    """
    whole = Path(path).expanduser()
    folder, wanted = (whole, None) if whole.is_dir() else (whole.parent, whole.name)
    if not folder.is_dir():
        return None
    sets = _sets_in(folder)
    if not sets and wanted is None:
        folder = folder / "raw"
        sets = _sets_in(folder)
    if wanted is not None:
        sets = {name: files for name, files in sets.items() if name == wanted.rstrip("-._")}
    if not sets:
        return None
    if len(sets) > 1:
        known = ", ".join(str(folder / (name or "train-…")) for name in sorted(sets))
        raise ValueError(
            f"[read_dataset] source was {path!r}, which holds the sets {known}; it must be one of these"
        )
    name, files = next(iter(sets.items()))
    missing = [
        f"{part} {what}"
        for part in ("train", "test")
        for what in ("images", "labels")
        if (part, what) not in files
    ]
    if missing:
        raise ValueError(
            f"[read_dataset] source was {path!r}, which has no {' and no '.join(missing)}; it must have "
            "images and labels to train and to test on"
        )
    return _known(name, folder, files)


def _sets_in(folder: Path) -> dict[str, dict[tuple[str, str], Path]]:
    """The files in a folder by the name of their set, and then by part and what they hold."""
    sets: dict[str, dict[tuple[str, str], Path]] = {}
    for name in sorted(os.listdir(folder)) if folder.is_dir() else []:  # so plain comes before gzip
        found = _FILE.fullmatch(name)
        if found and (folder / name).is_file():
            files = sets.setdefault(found["set"].rstrip("-._"), {})
            files.setdefault((_PARTS[found["part"]], found["what"]), folder / name)
    return sets


def _known(name: str, folder: Path, files: dict[tuple[str, str], Path]) -> ImageSet:
    """With what is known of a set of this name, or else of one in a folder of this name."""
    first, names = 0, None
    around = folder.parent.name if folder.name == "raw" else folder.name
    called = name or around or "images"
    kind = re.sub(r"[^a-z]", "", called.lower())
    if kind.startswith("emnist"):
        names = tuple(_EMNIST.get(kind.removeprefix("emnist"), "")) or None
        first = int(kind == "emnistletters")
    elif kind == "kmnist":
        names = _KMNIST
    elif kind == "fashionmnist":
        names = FASHION_MNIST.class_names
    elif kind in ("mnist", "qmnist"):
        names = tuple(_DIGITS)
    return ImageSet(called, files, kind.startswith("emnist"), first, names)
