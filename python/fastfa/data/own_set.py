"""A dataset of one's own: a table or other file, divided into a training and a test part."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Literal

from .. import _check
from .._class_names import shown_names
from .cifar import CifarFolder
from .dataset import Dataset, Split
from .image_folder import ImageSet
from .limit import Limit, path_of
from .meaning import part_of, told, understood
from .npz import holds_sequences
from .own import TASKS, features
from .own_sequences import grouped, sequences_of_npz
from .sequences import SequenceDataset, Sequences, sequence_dataset
from .source import WHERE, Found, check_alike, find, image_set

HELD_OUT = 0.2


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
    sequence: str | None = None,
    at_end: bool = False,
    limit: int | None = None,
) -> Dataset:
    """Read a dataset of your own: a table, another file, arrays, or a folder of images.

    A source without a test part is divided at random, each class by its share. `Dataset.origin` says in
    words what was understood and how it was divided.

    Sequences, for networks in time, are a table with a column ``sequence``, or an ``.npz`` file with X,
    Y and maybe lengths or mask, as for `from_sequences`. They become a `SequenceDataset`, which is
    divided by whole sequences.

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
    sequence : str, optional
        Of a table: the column that says by a number or a name which sequence a row belongs to. Rows of
        a sequence follow each other, step by step.
    at_end : bool
        Of a table with `sequence`: whether only the target in a sequence's last row counts, at that
        step. Otherwise each row has its target.
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
        _check.choice(WHERE, "task", task, TASKS)
    if held_out is not None:
        held_out = _check.real(WHERE, "held_out", held_out, high=1.0, open_low=True, open_high=True)
    seed = _check.integer(WHERE, "seed", seed, 0, 2**64 - 1)
    ignore = _names(ignore)
    if _check.flag(WHERE, "at_end", at_end) and sequence is None:
        raise ValueError(f"[{WHERE}] at_end was True without sequence; it must be False")
    columns = {"header": header, "ignore": ignore or None, "sequence": sequence}
    images = image_set(source)
    if images is not None:
        given = {"target": target, "task": task, "test": test, "held_out": held_out}
        _refuse("a folder of images", given | columns)
        return _of_images(images, limit)
    if test is not None and held_out is not None:
        raise ValueError(
            f"[{WHERE}] held_out was {held_out} beside test; it must be None where there is a test part"
        )
    share = HELD_OUT if held_out is None else held_out
    if _is_npz_of_sequences(source):
        _refuse("arrays of sequences", {"target": target, "task": task} | columns)
        whole = [sequences_of_npz(_limit("source", source, limit))]
        if test is not None:
            whole.append(sequences_of_npz(_limit("test", test, limit), whole[0]))
        return _of_sequences(whole, os.path.basename(source), share, seed)
    found = find("source", source, target, task, header, ignore, limit, None, sequence)
    if test is None and sequence is None:
        return _divided(found, task, share, seed)
    both = [found]
    if test is not None:
        both.append(find("test", test, target, task, header, ignore, limit, found, sequence))
        check_alike(found, both[1])
    names = understood(found, task)
    parts = [part_of(each, names) for each in both]
    if sequence is not None:
        whole = [
            grouped(WHERE, each.name, rows, each.ids, at_end, _bounds(file, limit))
            for each, rows, file in zip(both, parts, (source, test), strict=False)
        ]
        return _of_sequences(whole, told(found, names), share, seed, found)
    origin = (
        f"{told(found, names)}; {len(parts[0])} examples to train on, {len(parts[1])} of "
        f"{both[1].name} to test"
    )
    return _dataset(found, parts[0], parts[1], names, origin)


def _refuse(what: str, given: dict[str, Any]) -> None:
    for name, value in given.items():
        if value is not None:
            raise ValueError(
                f"[{WHERE}] {name} was {_check.shown(value)}; it must be None for {what}"
            )


def _limit(name: str, path: Any, limit: int | None) -> Limit:
    return Limit(WHERE, os.path.expanduser(path_of(WHERE, name, path)), limit)


def _bounds(source: Any, limit: int | None) -> Limit | None:
    return _limit("source", source, limit) if isinstance(source, str | os.PathLike) else None


def _is_npz_of_sequences(source: Any) -> bool:
    if not isinstance(source, str | os.PathLike):
        return False
    path = os.path.expanduser(path_of(WHERE, "source", source))
    return path.lower().endswith(".npz") and holds_sequences(path)


def _names(ignore: Any) -> tuple[str, ...]:
    listed = isinstance(ignore, Sequence) and not isinstance(ignore, str)
    if not listed or not all(isinstance(name, str) for name in ignore):
        raise TypeError(
            f"[{WHERE}] ignore was {_check.shown(ignore)}; it must be a list of names of columns"
        )
    return tuple(ignore)


def _divided(found: Found, task: str | None, held_out: float, seed: int) -> Dataset:
    names = understood(found, task)
    whole = part_of(found, names)
    count = round(held_out * len(whole))
    if not 0 < count < len(whole):
        raise ValueError(
            f"[{WHERE}] held_out was {held_out}, which is {count} of {len(whole)} examples; it must "
            "leave at least one in each part"
        )
    train, test = whole.split(held_out, seed, stratified=names is not None)
    how = "each class by its share, " if names is not None else ""
    origin = (
        f"{told(found, names)}; {len(train)} examples to train on, {len(test)} held out as test "
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


def _of_sequences(
    parts: list[Sequences], what: str, held_out: float, seed: int, found: Found | None = None
) -> SequenceDataset:
    """A dataset of these parts; of one alone a share is held out."""
    if len(parts) == 2:
        train, test = parts
        how = "to test"
    else:
        count = round(held_out * len(parts[0]))
        if not 0 < count < len(parts[0]):
            raise ValueError(
                f"[{WHERE}] held_out was {held_out}, which is {count} of {len(parts[0])} sequences; it "
                "must leave at least one in each part"
            )
        train, test = parts[0].split(held_out, seed)
        how = f"held out as test set (a share of {held_out:g}, seed {seed})"
    origin = (
        f"{what}; sequences of up to {train.x.shape[1]} steps; {len(train)} to train on, {len(test)} "
        f"{how}"
    )
    more = {} if found is None else {"feature_names": found.columns}
    name = what if found is None else found.name
    return sequence_dataset(name, train, test, origin=origin, is_table=True, **more)


def _of_images(images: ImageSet | CifarFolder, limit: int | None) -> Dataset:
    """The two parts as they were published."""
    if isinstance(images, CifarFolder):
        return images.load(limit)
    parts, held = [], []
    for part in ("train", "test"):
        x, labels = images.part(part, limit)
        name = str(images.files[part, "images"])
        rows, shape = features(WHERE, f"{name}: ", x, None, Limit(WHERE, name, limit))
        if labels.shape != (len(rows),):
            raise ValueError(
                f"[{WHERE}] {images.files[part, 'labels']} has labels of shape {labels.shape}; it must "
                f"be ({len(rows)},), one for each image"
            )
        parts.append((rows, labels, shape))
        held.append(int(labels.max()) + 1)
    names = images.names or tuple(str(n + images.first_label) for n in range(max(held)))
    train, test = (Split(x, labels, shape, names) for x, labels, shape in parts)
    if train.image_shape != test.image_shape:
        raise ValueError(
            f"[{WHERE}] {images.name} has images of {train.image_shape} to train and "
            f"{test.image_shape} to test; they must have the same shape"
        )
    stood = ", stood upright" if images.transposed else ""
    origin = (
        f"{images.name}: {len(names)} classes ({shown_names(names)}); images of "
        f"{' x '.join(map(str, train.image_shape))}{stood}; {len(train)} to train on, {len(test)} to "
        "test"
    )
    return Dataset(images.name, train, test, len(names), train.image_shape, names, origin=origin)
