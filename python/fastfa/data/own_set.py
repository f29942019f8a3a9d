"""A dataset of one's own: a table or other file, divided into a training and a test part."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from .. import _check
from .._class_names import found_names, is_text, numbered, shown_names
from . import frame
from .amat import read_amat
from .csv_table import read_csv
from .dataset import Dataset, Split
from .idx import read_idx
from .image_folder import ImageSet, find_image_set
from .libsvm import read_pairs
from .limit import Limit, path_of
from .npz import read_npz
from .own import ENDINGS, TASKS, ending_of, features, from_frame, targets

HELD_OUT = 0.2
_MOST_CLASSES = 20  # different whole numbers that are taken for classes without being told so
_WHERE = "read_dataset"


class _Found(NamedTuple):
    """What a source holds, as it is there."""

    name: str
    x: npt.NDArray[Any]
    shape: tuple[int, int, int]
    answers: npt.NDArray[Any]  # numbers, booleans, or text
    columns: tuple[str, ...] = ()
    target: str = "label"
    is_table: bool = True
    of_classes: bool = False  # the format has no other labels


def read_dataset(
    source: Any,
    *,
    target: Any = None,
    task: Literal["classification", "regression"] | None = None,
    test: Any = None,
    held_out: float | None = None,
    seed: int = 0,
    header: bool | None = None,
    ignore: Sequence[str] = (),
    limit: int | None = None,
) -> Dataset:
    """Read a dataset of your own: a table, another file, arrays, or a folder of images.

    A source without a test part is divided at random, each class by its share. `Dataset.origin` says in
    words what was understood and how it was divided.

    Parameters
    ----------
    source : str, path-like, frame, or pair of arrays
        A ``.csv``, ``.tsv``, ``.npz``, ``.amat``, ``.libsvm`` or ``.svm`` file, as for `read`; a frame of
        pandas or Polars; a pair (x, labels) of arrays; an IDX file of images; or a folder that
        torchvision has left, such as ``MNIST/raw``, ``KMNIST`` or ``FashionMNIST``. Of one that holds
        several sets, the beginning of the files' names: ``EMNIST/raw/emnist-letters``.
    target : int, str or path-like, optional
        Of a table: the column to predict, by its name, or its place (0 is the first, -1 the last).
        Default: as ``label_column`` of `read`. Of an IDX file of images: the IDX file of their labels.
    task : {"classification", "regression"}, optional
        What the target is. Default: names, booleans, and whole numbers of which there are at most 20
        different ones, are classes; numbers with decimals are to be predicted. More whole numbers may be
        either, and are refused unless this says which.
    test : as `source`, optional
        The test part, from a file of its own. Labels mean what they mean in `source`; columns must be the
        same.
    held_out : float, optional
        Without a test part: the share of the examples that becomes one. Default: 0.2.
    seed : int
        Of the choice of these examples.
    header : bool, optional
        Of a CSV file: whether its first line names the columns. Default: whether that is words.
    ignore : sequence of str
        Of a table: names of columns that are left out.
    limit : int, optional
        Bytes of memory that a file may take, as for `read`.

    Returns
    -------
    Dataset
        Its labels count classes in the order of ``class_names``, which are sorted; or they are the
        numbers to predict, and ``classes`` is 0. A table's ``x`` is float64, and not normalised: see
        `normalise_dataset`.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    TypeError, ValueError
        The source is none of these, malformed, or would take more than `limit`; a value is missing or no
        number; what the target is, is in doubt; the test part has other columns or classes; or an
        argument is wrong or not for such a source. The message names it.

    Examples
    --------
    >>> import fastfa as fa, numpy as np
    >>> x = np.random.default_rng(0).normal(size=(60, 4))
    >>> flowers = fa.data.read_dataset((x, ["rose", "lily", "iris"] * 20))
    >>> flowers.class_names, len(flowers.train), len(flowers.test)
    (('iris', 'lily', 'rose'), 48, 12)
    """
    if task is not None:
        _check.choice(_WHERE, "task", task, TASKS)
    if held_out is not None:
        held_out = _check.real(
            _WHERE, "held_out", held_out, high=1.0, open_low=True, open_high=True
        )
    seed = _check.integer(_WHERE, "seed", seed, 0, 2**64 - 1)
    ignore = _names(ignore)
    images = _image_set(source)
    if images is not None:
        given = {"target": target, "task": task, "test": test, "held_out": held_out}
        for name, value in {**given, "header": header, "ignore": ignore or None}.items():
            if value is not None:
                raise ValueError(
                    f"[{_WHERE}] {name} was {_check.shown(value)}; it must be None for a folder of images"
                )
        return _of_images(images, limit)
    if test is not None and held_out is not None:
        raise ValueError(
            f"[{_WHERE}] held_out was {held_out} beside test; it must be None where there is a test part"
        )
    found = _find("source", source, target, task, header, ignore, limit)
    if test is None:
        return _divided(found, task, HELD_OUT if held_out is None else held_out, seed)
    rest = _find("test", test, target, task, header, ignore, limit, found)
    _check_alike(found, rest)
    names = _understood(found, task)
    parts = [_part(each, names) for each in (found, rest)]
    origin = f"{_told(found, names, parts[0])}; {len(parts[0])} examples, tested on the {len(parts[1])} of {rest.name}"
    return _dataset(found, parts[0], parts[1], names, origin)


def _names(ignore: Any) -> tuple[str, ...]:
    listed = isinstance(ignore, Sequence) and not isinstance(ignore, str)
    if not listed or not all(isinstance(name, str) for name in ignore):
        raise TypeError(
            f"[{_WHERE}] ignore was {_check.shown(ignore)}; it must be a list of names of columns"
        )
    return tuple(ignore)


# ---- finding -------------------------------------------------------------------------------------


def _image_set(source: Any) -> ImageSet | None:
    if not isinstance(source, str | os.PathLike):
        return None
    path = os.path.expanduser(path_of(_WHERE, "source", source))
    if os.path.isfile(path):
        return None
    images = find_image_set(path)
    if images is None and os.path.isdir(path):
        raise ValueError(
            f"[{_WHERE}] source was {path!r}, a folder without the IDX files of an image set; it must be "
            "a file or hold such as train-images-idx3-ubyte"
        )
    return images


def _find(
    argument: str,
    source: Any,
    target: Any,
    task: str | None,
    header: bool | None,
    ignore: tuple[str, ...],
    limit: int | None,
    like: _Found | None = None,
) -> _Found:
    """What the source holds; ``like`` is what its training part holds."""
    if frame.is_frame(source):
        _only_for_tables(header=header)
        x, answers, columns = from_frame(_WHERE, source, target, ignore, "target")
        rows, shape = features(_WHERE, "the frame: ", x, None)
        return _Found("frame", rows, shape, answers, columns.features, columns.label)
    if isinstance(source, tuple | list):
        if len(source) != 2:
            raise ValueError(f"[{_WHERE}] {argument} has {len(source)} parts; it must be (x, labels)")
        _only_for_tables(target=target, header=header, ignore=ignore or None)
        return _of_arrays("arrays", f"{argument} ", *source)
    name = os.path.expanduser(path_of(_WHERE, argument, source))
    if isinstance(target, str | os.PathLike) and _begins_as_idx(name):
        _only_for_tables(header=header, ignore=ignore or None)
        images, labels = (read_idx(os.path.expanduser(each), limit=limit) for each in (name, target))
        return _of_arrays(os.path.basename(name), f"{name}: ", images, labels)._replace(of_classes=True)
    ending = ending_of(_WHERE, argument, name)
    bounds = Limit(_WHERE, name, limit)
    short = os.path.basename(name)
    if ending in (".csv", ".tsv"):
        table, names, label = read_csv(
            bounds, target, header, names=task == "classification", ignore=ignore, dtype=np.float64,
            argument="target",
        )  # fmt: skip
        shape = (1, 1, table.x.shape[1])
        return _Found(short, table.x, shape, table.labels, names, label or "label")
    _only_for_tables(target=target, header=header, ignore=ignore or None)
    if ending == ".npz":
        x, answers = read_npz(bounds, ("x",), ("labels", "y"))
        return _of_arrays(short, f"{name}: ", x, answers, bounds)
    if ending == ".amat":
        split = read_amat(name, limit=limit)
        return _Found(
            short, split.x, split.image_shape, split.labels, is_table=False, of_classes=True
        )
    width = None if like is None else like.x.shape[1]
    x, answers = read_pairs(bounds, width)
    return _Found(short, x, (1, 1, x.shape[1]), answers)


def _only_for_tables(**given: Any) -> None:
    for name, value in given.items():
        if value is not None:
            raise ValueError(
                f"[{_WHERE}] {name} was {_check.shown(value)}; it must be None but for tables with "
                "columns (CSV files and frames)"
            )


def _begins_as_idx(path: str) -> bool:
    name = os.path.basename(path).removesuffix(".gz")
    return os.path.splitext(name)[1].lower() not in ENDINGS


def _of_arrays(
    name: str, place: str, x: Any, labels: Any, limit: Limit | None = None
) -> _Found:
    grey = getattr(x, "dtype", None) == np.uint8
    rows, shape = features(_WHERE, place, x, None, limit)
    answers = frame.column(_WHERE, f"{place}labels", _check.as_array(_WHERE, f"{place}labels", labels))
    if answers.shape != (len(rows),):
        raise ValueError(
            f"[{_WHERE}] {place}labels has shape {answers.shape}; it must be ({len(rows)},)"
        )
    return _Found(name, rows, shape, answers, is_table=not grey and shape[:2] == (1, 1))


def _check_alike(found: _Found, rest: _Found) -> None:
    if rest.x.shape[1] != found.x.shape[1] or rest.shape != found.shape:
        raise ValueError(
            f"[{_WHERE}] test has {rest.x.shape[1]} features of shape {rest.shape}; it must have those of "
            f"source, {found.x.shape[1]} of shape {found.shape}"
        )
    if (rest.columns, rest.target) != (found.columns, found.target):
        raise ValueError(
            f"[{_WHERE}] test has the columns {', '.join(rest.columns)[:200]} and {rest.target}; they must "
            f"be those of source, in their order: {', '.join(found.columns)[:200]} and {found.target}"
        )


# ---- understanding -------------------------------------------------------------------------------


def _understood(found: _Found, task: str | None) -> tuple[str, ...] | None:
    """The names of the classes, sorted; None for regression.

    Raises
    ------
    ValueError
        It may be either, or there is one class only.
    """
    answers, place = found.answers, f"[{_WHERE}] {found.name}: the target {found.target!r}"
    if task == "regression":
        return None
    if is_text(answers):
        names = found_names(_WHERE, f"{found.name} {found.target}", answers)
    else:
        if answers.dtype.kind not in "fiub":
            raise ValueError(f"{place} has dtype {answers.dtype}; it must be of numbers or names")
        numbers = targets(_WHERE, f"{found.name} {found.target}", answers)
        different = np.unique(numbers)
        if task is None and (different != np.floor(different)).any():
            return None
        if task is None and len(different) > _MOST_CLASSES and not found.of_classes:
            raise ValueError(
                f"{place} has {len(different)} different whole numbers, which may be classes or numbers "
                "to predict; task must be 'classification' or 'regression'"
            )
        names = _of_numbers(different, answers.dtype.kind == "b")
    if len(names) < 2:
        raise ValueError(f"{place} is {names[0]!r} in all rows; it must have two classes or more")
    return names


def _of_numbers(different: npt.NDArray[np.float64], truth: bool) -> tuple[str, ...]:
    if truth:
        return tuple(str(bool(value)) for value in different)
    return tuple(f"{value:.15g}" for value in different)


def _part(found: _Found, names: tuple[str, ...] | None) -> Split:
    """The examples, with labels that count in these names."""
    answers, place = found.answers, f"{found.name} {found.target}"
    if names is None:
        if is_text(answers):
            at = next(i for i, value in enumerate(answers.tolist()) if isinstance(value, str))
            raise ValueError(
                f"[{_WHERE}] {place}[{at}] was {answers[at]!r}; for regression it must be a number"
            )
        return Split(found.x, targets(_WHERE, place, answers), found.shape)
    if not is_text(answers):
        different, places = np.unique(targets(_WHERE, place, answers), return_inverse=True)
        own = _of_numbers(different, answers.dtype.kind == "b")
        answers = np.array(own, object)[places]
    return Split(found.x, numbered(_WHERE, place, answers, names), found.shape, names)


def _told(found: _Found, names: tuple[str, ...] | None, split: Split) -> str:
    kind = "regression" if names is None else f"{len(names)} classes ({shown_names(names)})"
    what = f"{found.x.shape[1]} features"
    if not found.is_table:
        what = f"images of {' x '.join(map(str, found.shape))}"
    return f"{found.name}: {found.target}: {kind}; {what}"


def _divided(found: _Found, task: str | None, held_out: float, seed: int) -> Dataset:
    names = _understood(found, task)
    whole = _part(found, names)
    count = round(held_out * len(whole))
    if not 0 < count < len(whole):
        raise ValueError(
            f"[{_WHERE}] held_out was {held_out}, which is {count} of {len(whole)} examples; it must "
            "leave at least one in each part"
        )
    train, test = whole.split(held_out, seed, stratified=names is not None)
    how = "each class by its share, " if names is not None else ""
    origin = (
        f"{_told(found, names, whole)}; {len(train)} examples to train on, {len(test)} held out as test "
        f"set (a share of {held_out:g}, {how}seed {seed})"
    )
    return _dataset(found, train, test, names, origin)


def _dataset(
    found: _Found, train: Split, test: Split, names: tuple[str, ...] | None, origin: str
) -> Dataset:
    return Dataset(
        found.name,
        train,
        test,
        len(names or ()),
        found.shape,
        names or (),
        found.columns,
        found.is_table,
        origin,
    )


def _of_images(images: ImageSet, limit: int | None) -> Dataset:
    """The two parts as they were published."""
    parts, held = [], []
    for part in ("train", "test"):
        x, labels = images.part(part, limit)
        name = str(images.files[part, "images"])
        rows, shape = features(_WHERE, f"{name}: ", x, None, Limit(_WHERE, name, limit))
        if labels.shape != (len(rows),):
            raise ValueError(
                f"[{_WHERE}] {images.files[part, 'labels']} has labels of shape {labels.shape}; it must "
                f"be ({len(rows)},), one for each image"
            )
        parts.append((rows, labels, shape))
        held.append(int(labels.max()) + 1)
    names = images.names or tuple(str(n + images.first_label) for n in range(max(held)))
    train, test = (Split(x, labels, shape, names) for x, labels, shape in parts)
    if train.image_shape != test.image_shape:
        raise ValueError(
            f"[{_WHERE}] {images.name} has images of {train.image_shape} to train and {test.image_shape} "
            "to test; they must have the same shape"
        )
    stood = ", stood upright" if images.transposed else ""
    origin = (
        f"{images.name}: {len(names)} classes ({shown_names(names)}); images of "
        f"{' x '.join(map(str, train.image_shape))}{stood}; {len(train)} to train on, {len(test)} to test"
    )
    return Dataset(images.name, train, test, len(names), train.image_shape, names, origin=origin)
