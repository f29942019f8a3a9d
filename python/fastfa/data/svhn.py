"""SVHN, cropped digits: the MATLAB files ``{train,extra,test}_32x32.mat``, read by SciPy.

Y. Netzer, T. Wang, A. Coates, A. Bissacco, B. Wu, A. Y. Ng, "Reading digits in natural images with
unsupervised feature learning", NIPS workshop on deep learning, 2011. ``X`` is uint8
(32, 32, 3, N), row, column, channel, image; ``y`` is (N, 1), from 1 to 10, where 10 means zero.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .load import Dataset, Split

_BLOCK = 512  # images that are made grey at a time
_MOST_EXPANSION = 1032  # of deflate


def load_svhn(folder: str | os.PathLike[str], extra: bool = True) -> Dataset:
    """Read SVHN as grey images, the mean of the three channels divided by 255.

    As the supplement of Lillicrap et al. (2016), note 6, has it: the training set is ``train`` (73,257
    images) followed by ``extra`` (531,131), together 604,388. The float32 array of each part is made
    once and filled in blocks, so that at most it and the bytes of one file (1.6 GB for ``extra``) are in
    memory.

    Parameters
    ----------
    folder : str or path-like
        Where the files lie.
    extra : bool
        Whether ``extra_32x32.mat`` is part of the training set; without, it need not be there.

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
    ValueError
        A file is not of MATLAB, damaged, or X or y is not what it must be. The message names the file.
    """
    place = Path(folder)
    train = ["train_32x32.mat", *(["extra_32x32.mat"] if extra else [])]
    return Dataset(
        name="svhn-grey",
        train=_read([place / name for name in train]),
        test=_read([place / "test_32x32.mat"]),
        classes=10,
        image_shape=(1, 32, 32),
    )


def _read(paths: list[Path]) -> Split:
    """The images of some files, one after the other in one array."""
    counts = [_count(path) for path in paths]
    x = np.empty((sum(counts), 1024), np.float32)
    labels = np.empty(len(x), np.int64)
    begin = 0
    for path, count in zip(paths, counts, strict=True):
        end = begin + count
        _fill(path, x[begin:end], labels[begin:end])
        begin = end
    return Split(x, labels, (1, 32, 32))


def _scipy(path: Path, function: str, **options: Any) -> Any:
    """Call a function of scipy.io on a file; whatever that thinks of it becomes a ValueError."""
    try:
        import scipy.io
    except ImportError as error:
        raise ImportError(
            "[load_svhn] SciPy is not installed; get it with: pip install fastfa[svhn]"
        ) from error
    if not path.is_file():
        raise FileNotFoundError(f"[load_svhn] {path} is not there")
    try:
        return getattr(scipy.io, function)(str(path), **options)
    except MemoryError:
        raise
    except Exception as error:  # of a damaged file SciPy raises nearly anything
        problem = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(
            f"[load_svhn] {path} cannot be read ({problem}); it must be a MATLAB file, version 5"
        ) from error


def _count(path: Path) -> int:
    """The number of images, from the headers of the variables alone."""
    found = {name: (shape, kind) for name, shape, kind in _scipy(path, "whosmat")}
    for name in ("X", "y"):
        if name not in found:
            held = ", ".join(found) or "nothing"
            raise ValueError(f"[load_svhn] {path} holds {held}; it must hold X and y")
    (shape, kind), (label_shape, label_kind) = found["X"], found["y"]
    if kind != "uint8" or len(shape) != 4 or shape[:3] != (32, 32, 3) or shape[3] < 1:
        raise ValueError(
            f"[load_svhn] {path}: X is {kind} {tuple(shape)}; it must be uint8 (32, 32, 3, N)"
        )
    count = int(shape[3])
    if label_kind not in ("uint8", "double") or tuple(label_shape) != (count, 1):
        raise ValueError(
            f"[load_svhn] {path}: y is {label_kind} {tuple(label_shape)}; "
            f"it must be uint8 or double ({count}, 1)"
        )
    if 3072 * count > _MOST_EXPANSION * path.stat().st_size:
        raise ValueError(
            f"[load_svhn] {path}: X declares {3072 * count} bytes, "
            f"more than a file of {path.stat().st_size} can hold"
        )
    return count


def _fill(path: Path, x: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]) -> None:
    """Read one file into its part of the arrays."""
    values = _scipy(path, "loadmat", variable_names=["X", "y"])
    images, raw = values["X"], values["y"].ravel()
    if images.shape[3] != len(x) or raw.shape != labels.shape:  # a variable that occurs twice
        raise ValueError(
            f"[load_svhn] {path}: X is {images.shape}; it must be what its header says"
        )
    wrong = ~np.isin(raw, np.arange(1, 11))
    if wrong.any():
        at = int(np.argmax(wrong))
        raise ValueError(f"[load_svhn] {path}: label {at} is {raw[at]}; it must be from 1 to 10")
    labels[:] = raw % 10
    for begin in range(0, len(x), _BLOCK):
        block = images[..., begin : begin + _BLOCK]
        total = block.sum(axis=2, dtype=np.uint16).transpose(2, 0, 1).reshape(-1, 1024)
        np.divide(total, np.float32(3 * 255), out=x[begin : begin + _BLOCK], dtype=np.float32)
