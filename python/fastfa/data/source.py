"""What a source of one's own holds, as it is there: a file, a frame, or arrays."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .. import _check, _frames
from .amat import read_amat
from .cifar import CifarFolder, find_cifar
from .csv_table import read_csv
from .idx import read_idx
from .image_folder import ImageSet, find_image_set
from .libsvm import read_pairs
from .limit import Limit, path_of
from .npz import read_npz
from .own import ENDINGS, ending_of, features, from_frame

WHERE = "read_dataset"


class Found(NamedTuple):
    """What a source holds, as it is there."""

    name: str
    x: npt.NDArray[Any]
    shape: tuple[int, int, int]
    answers: npt.NDArray[Any]  # numbers, booleans, or text
    columns: tuple[str, ...] = ()
    target: str = "label"
    is_table: bool = True
    of_classes: bool = False  # the format has no other labels
    ids: npt.NDArray[Any] | None = None  # which sequence each row belongs to


def image_set(source: Any) -> ImageSet | CifarFolder | None:
    """The set in a folder, if the source is the path of one."""
    if not isinstance(source, str | os.PathLike):
        return None
    path = os.path.expanduser(path_of(WHERE, "source", source))
    if os.path.isfile(path):
        return None
    images = find_cifar(path) or find_image_set(path)
    if images is None and os.path.isdir(path):
        raise ValueError(
            f"[{WHERE}] source was {path!r}, a folder without the files of an image set; it must "
            "be a file or hold such as train-images-idx3-ubyte or data_batch_1.bin"
        )
    return images


def find(
    argument: str,
    source: Any,
    target: Any,
    task: str | None,
    header: bool | None,
    ignore: tuple[str, ...],
    limit: int | None,
    like: Found | None = None,
    sequence: str | None = None,
) -> Found:
    """What the source holds; ``like`` is what its training part holds.

    ``sequence`` is the column that says which sequence a row belongs to.
    """
    if _frames.is_frame(source):
        _only_for_tables(header=header)
        x, answers, columns = from_frame(WHERE, source, target, ignore, "target", sequence)
        rows, shape = features(WHERE, "the frame: ", x, None)
        found = Found("frame", rows, shape, answers, columns.features, columns.label)
        if sequence is None:
            return found
        own = next(name for name in source.columns if str(name) == sequence)
        return found._replace(ids=_frames.column(source[own]))
    if isinstance(source, tuple | list):
        if len(source) != 2:
            raise ValueError(
                f"[{WHERE}] {argument} has {len(source)} parts; it must be (x, labels)"
            )
        _only_for_tables(target=target, header=header, sequence=sequence, ignore=ignore or None)
        return _of_arrays("arrays", f"{argument} ", *source)
    name = os.path.expanduser(path_of(WHERE, argument, source))
    if isinstance(target, str | os.PathLike) and _begins_as_idx(name):
        _only_for_tables(header=header, sequence=sequence, ignore=ignore or None)
        images, labels = (
            read_idx(os.path.expanduser(each), limit=limit) for each in (name, target)
        )
        return _of_arrays(os.path.basename(name), f"{name}: ", images, labels)._replace(
            of_classes=True
        )
    _check.regular_file(WHERE, name)
    ending = ending_of(WHERE, argument, name)
    bounds = Limit(WHERE, name, limit)
    short = os.path.basename(name)
    if ending in (".csv", ".tsv"):
        table, names, label = read_csv(
            bounds, target, header, names=task == "classification", ignore=ignore, dtype=np.float64,
            argument="target", sequence=sequence,
        )  # fmt: skip
        shape = (1, 1, table.x.shape[1])
        found = Found(short, table.x, shape, table.labels, names, label or "label")
        if sequence is None:
            return found
        others = (*ignore, label)
        table = read_csv(
            bounds, sequence, header, names=True, ignore=others, argument="sequence"
        ).table
        return found._replace(ids=table.labels)
    _only_for_tables(target=target, header=header, sequence=sequence, ignore=ignore or None)
    if ending == ".npz":
        x, answers = read_npz(bounds, ("x",), ("labels", "y"))
        return _of_arrays(short, f"{name}: ", x, answers, bounds)
    if ending == ".amat":
        split = read_amat(name, limit=limit)
        return Found(
            short, split.x, split.image_shape, split.labels, is_table=False, of_classes=True
        )
    width = None if like is None else like.x.shape[1]
    x, answers = read_pairs(bounds, width)
    return Found(short, x, (1, 1, x.shape[1]), answers)


def _only_for_tables(**given: Any) -> None:
    for name, value in given.items():
        if value is not None:
            raise ValueError(
                f"[{WHERE}] {name} was {_check.shown(value)}; it must be None but for tables with "
                "columns (CSV files and frames)"
            )


def _begins_as_idx(path: str) -> bool:
    name = os.path.basename(path).removesuffix(".gz")
    return os.path.splitext(name)[1].lower() not in ENDINGS


def _of_arrays(name: str, place: str, x: Any, labels: Any, limit: Limit | None = None) -> Found:
    grey = getattr(x, "dtype", None) == np.uint8
    rows, shape = features(WHERE, place, x, None, limit)
    answers = _check.as_array(WHERE, f"{place}labels", labels)
    if answers.shape != (len(rows),):
        raise ValueError(
            f"[{WHERE}] {place}labels has shape {answers.shape}; it must be ({len(rows)},)"
        )
    return Found(name, rows, shape, answers, is_table=not grey and shape[:2] == (1, 1))


def check_alike(found: Found, rest: Found) -> None:
    """Refuse a test part whose features are others than those of the training part."""
    if rest.x.shape[1] != found.x.shape[1] or rest.shape != found.shape:
        raise ValueError(
            f"[{WHERE}] test has {rest.x.shape[1]} features of shape {rest.shape}; it must have those "
            f"of source, {found.x.shape[1]} of shape {found.shape}"
        )
    if (rest.columns, rest.target) != (found.columns, found.target):
        raise ValueError(
            f"[{WHERE}] test has the columns {', '.join(rest.columns)[:200]} and {rest.target}; they "
            "must be those of source, in their order: "
            f"{', '.join(found.columns)[:200]} and {found.target}"
        )
