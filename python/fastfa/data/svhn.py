"""SVHN, cropped digits: the MATLAB files ``{train,extra,test}_32x32.mat``, read by SciPy.

Y. Netzer, T. Wang, A. Coates, A. Bissacco, B. Wu, A. Y. Ng, "Reading digits in natural images with
unsupervised feature learning", NIPS workshop on deep learning, 2011. ``X`` is uint8
(32, 32, 3, N), row, column, channel, image; ``y`` is (N, 1), from 1 to 10, where 10 means zero.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt

from .. import _check
from .dataset import Dataset, Split
from .limit import Limit, path_of
from .matlab import START, call_scipy, unpacking, variables

_BLOCK = 512  # images that are made grey at a time


def load_svhn(
    folder: str | os.PathLike[str], extra: bool = True, *, limit: int | None = None
) -> Dataset:
    """Read SVHN as grey images, the mean of the three channels divided by 255.

    As the supplement of Lillicrap et al. (2016), note 6, has it: the training set is ``train`` (73,257
    images) followed by ``extra`` (531,131), together 604,388. The float32 array of each part (2.5 GB for
    the training set) is made once and filled in blocks, so that at most it and the bytes of one file
    (1.6 GB for ``extra``) are in memory.

    Parameters
    ----------
    folder : str or path-like
        Where the files lie.
    extra : bool
        Whether ``extra_32x32.mat`` is part of the training set; without, it need not be there.
    limit : int, optional
        Bytes of memory that each file may take. Default: 256 MiB, or 64 times its size if that is more.

    Returns
    -------
    Dataset
        ``x`` is float32 (N, 1024), ``labels`` int64 (N,) from 0 to 9.

    Raises
    ------
    ImportError
        SciPy is not installed.
    FileNotFoundError
        A file is not there.
    MemoryError
        The machine has too little memory; the message names the file.
    TypeError, ValueError
        A file is not of MATLAB (version 5 to 7), damaged, would take more than `limit`, or X or y is
        not what it must be. The message names the file.
    """
    _check.flag("load_svhn", "extra", extra)
    place = Path(path_of("load_svhn", "folder", folder))
    train = ["train_32x32.mat", *(["extra_32x32.mat"] if extra else [])]
    return Dataset(
        name="svhn-grey",
        train=_read([place / name for name in train], limit),
        test=_read([place / "test_32x32.mat"], limit),
        classes=10,
        image_shape=(1, 32, 32),
    )


def _read(paths: list[Path], limit: int | None) -> Split:
    """The images of some files, one after the other in one array."""
    files = [_bounds(path, limit) for path in paths]
    counts = [_count(file) for file in files]
    with files[-1].memory():
        x = np.empty((sum(counts), 1024), np.float32)
        labels = np.empty(len(x), np.int64)
    begin = 0
    for file, count in zip(files, counts, strict=True):
        end = begin + count
        _fill(file, x[begin:end], labels[begin:end])
        begin = end
    return Split(x, labels, (1, 32, 32))


def _bounds(path: Path, limit: int | None) -> Limit:
    try:
        return Limit("load_svhn", path, limit)
    except FileNotFoundError:
        raise FileNotFoundError(f"[load_svhn] {path} is not there") from None


def _count(file: Limit) -> int:
    """The number of images, from the headers of the variables alone."""
    place = f"[load_svhn] {file.name}"
    found: dict[str, tuple[tuple[int, ...], str, int]] = {}
    for name, shape, kind, size in variables(file):
        if name in found:
            raise ValueError(f"{place} holds {name[:40]} twice; it must hold X and y once")
        found[name] = shape, kind, size
    for name in ("X", "y"):
        if name not in found:
            held = ", ".join(found)[:200] or "nothing"
            raise ValueError(f"{place} holds {held}; it must hold X and y")
    (shape, kind, size), (label_shape, label_kind, label_size) = found["X"], found["y"]
    if kind != "uint8" or len(shape) != 4 or shape[:3] != (32, 32, 3) or shape[3] < 1:
        raise ValueError(f"{place}: X is {kind} {shape}; it must be uint8 (32, 32, 3, N)")
    count = shape[3]
    if label_kind not in ("uint8", "double") or label_shape != (count, 1):
        raise ValueError(
            f"{place}: y is {label_kind} {label_shape}; it must be uint8 or double ({count}, 1)"
        )
    for name, least, most, there in (
        ("X", 3072 * count, 3072 * count + START, size),
        ("y", count, 8 * count + START, label_size),
    ):
        if not least <= there <= most:
            raise ValueError(
                f"{place}: {name} of {count} images has {there} bytes; "
                f"it must have from {least} to {most}"
            )
    need = count * (3 * 1024 + 4 * 1024 + 2 * 8) + unpacking(3 * 1024 * count)
    file.check(need, f"{count} images, unpacked and as float32,")
    return count


def _fill(file: Limit, x: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]) -> None:
    """Read one file into its part of the arrays."""
    place = f"[load_svhn] {file.name}"
    values = call_scipy(file, "loadmat", file.name, variable_names=["X", "y"])
    images, raw = (np.asarray(values[name]) for name in ("X", "y"))
    if images.dtype != np.uint8 or images.shape != (32, 32, 3, len(x)):
        raise ValueError(
            f"{place}: X is stored as {images.dtype} {images.shape}; "
            f"it must be as uint8 (32, 32, 3, {len(x)})"
        )
    if raw.dtype.kind not in "uif" or raw.shape != (len(x), 1):
        raise ValueError(
            f"{place}: y is stored as {raw.dtype} {raw.shape}; it must be as real ({len(x)}, 1)"
        )
    wrong = ~np.isin(raw, np.arange(1, 11))
    if wrong.any():
        at = int(np.argmax(wrong))
        raise ValueError(f"{place}: label {at} is {raw.flat[at]}; it must be from 1 to 10")
    labels[:] = raw[:, 0] % 10
    for begin in range(0, len(x), _BLOCK):
        block = images[..., begin : begin + _BLOCK]
        total = block.sum(axis=2, dtype=np.uint16).transpose(2, 0, 1).reshape(-1, 1024)
        np.divide(total, np.float32(3 * 255), out=x[begin : begin + _BLOCK], dtype=np.float32)
