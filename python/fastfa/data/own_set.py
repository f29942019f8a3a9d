"""A dataset of one's own: a table or other file, divided into a training and a test part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from .. import _check
from .._class_names import found_names, is_text, numbered, shown_names
from .cifar import CifarFolder
from .dataset import Dataset, Split
from .image_folder import ImageSet
from .limit import Limit
from .own import TASKS, features, targets
from .source import Found, check_alike, find, image_set

HELD_OUT = 0.2
_MOST_CLASSES = 20  # different whole numbers that are taken for classes without being told so
_WHERE = "read_dataset"


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
        A ``.csv``, ``.tsv``, ``.npz``, ``.amat``, ``.libsvm`` or ``.svm`` file, as for `read`; a frame
        of pandas or Polars; a pair (x, labels) of arrays; an IDX file of images; or a folder that
        torchvision has left, such as ``MNIST/raw``, ``KMNIST`` or ``FashionMNIST``. Of one that holds
        several sets, the beginning of the files' names: ``EMNIST/raw/emnist-letters``. Or a folder of
        the binary version of CIFAR: ``cifar-10-batches-bin``.
    target : int, str or path-like, optional
        Of a table: the column to predict, by its name, or its place (0 is the first, -1 the last).
        Default: as ``label_column`` of `read`. Of an IDX file of images: the IDX file of their labels.
    task : {"classification", "regression"}, optional
        What the target is. Default: names, booleans, and whole numbers of which there are at most 20
        different ones, are classes; numbers with decimals are to be predicted. More whole numbers may be
        either, and are refused unless this says which.
    test : as `source`, optional
        The test part, from a file of its own. Labels mean what they mean in `source`; columns must be
        the same.
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
    images = image_set(source)
    if images is not None:
        given = {"target": target, "task": task, "test": test, "held_out": held_out}
        for name, value in {**given, "header": header, "ignore": ignore or None}.items():
            if value is not None:
                raise ValueError(
                    f"[{_WHERE}] {name} was {_check.shown(value)}; it must be None for a folder of "
                    "images"
                )
        return _of_images(images, limit)
    if test is not None and held_out is not None:
        raise ValueError(
            f"[{_WHERE}] held_out was {held_out} beside test; it must be None where there is a test part"
        )
    found = find("source", source, target, task, header, ignore, limit)
    if test is None:
        return _divided(found, task, HELD_OUT if held_out is None else held_out, seed)
    rest = find("test", test, target, task, header, ignore, limit, found)
    check_alike(found, rest)
    names = _understood(found, task)
    parts = [_part(each, names) for each in (found, rest)]
    origin = (
        f"{_told(found, names)}; {len(parts[0])} examples to train on, {len(parts[1])} of "
        f"{rest.name} to test"
    )
    return _dataset(found, parts[0], parts[1], names, origin)


def _names(ignore: Any) -> tuple[str, ...]:
    listed = isinstance(ignore, Sequence) and not isinstance(ignore, str)
    if not listed or not all(isinstance(name, str) for name in ignore):
        raise TypeError(
            f"[{_WHERE}] ignore was {_check.shown(ignore)}; it must be a list of names of columns"
        )
    return tuple(ignore)


def _understood(found: Found, task: str | None) -> tuple[str, ...] | None:
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


def _part(found: Found, names: tuple[str, ...] | None) -> Split:
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


def _told(found: Found, names: tuple[str, ...] | None) -> str:
    kind = "regression" if names is None else f"{len(names)} classes ({shown_names(names)})"
    count = found.x.shape[1]
    what = f"{count} feature{'s' if count > 1 else ''}"
    if not found.is_table:
        what = f"images of {' x '.join(map(str, found.shape))}"
    return f"{found.name}: {found.target}: {kind}; {what}"


def _divided(found: Found, task: str | None, held_out: float, seed: int) -> Dataset:
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
        f"{_told(found, names)}; {len(train)} examples to train on, {len(test)} held out as test "
        f"set (a share of {held_out:g}, {how}seed {seed})"
    )
    return _dataset(found, train, test, names, origin)


def _dataset(
    found: Found, train: Split, test: Split, names: tuple[str, ...] | None, origin: str
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


def _of_images(images: ImageSet | CifarFolder, limit: int | None) -> Dataset:
    """The two parts as they were published."""
    if isinstance(images, CifarFolder):
        return images.load(limit)
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
            f"[{_WHERE}] {images.name} has images of {train.image_shape} to train and "
            f"{test.image_shape} to test; they must have the same shape"
        )
    stood = ", stood upright" if images.transposed else ""
    origin = (
        f"{images.name}: {len(names)} classes ({shown_names(names)}); images of "
        f"{' x '.join(map(str, train.image_shape))}{stood}; {len(train)} to train on, {len(test)} to "
        "test"
    )
    return Dataset(images.name, train, test, len(names), train.image_shape, names, origin=origin)
