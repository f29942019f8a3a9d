"""MNIST digits for the workloads: the full set where $FASTFA_DATA has it, else the embedded one.

The full set is read here in a few lines of NumPy, so that peers can be measured and checked in an
environment without fastfa.
"""

from __future__ import annotations

import gzip
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Source:
    """Where the inputs of a task come from, for the report."""

    name: str
    detail: str
    zero_fraction: float  # of the input values a pass sees that are exactly 0


@dataclass(frozen=True)
class Digits:
    x: np.ndarray  # (N, 784) float32
    labels: np.ndarray  # (N,) integers 0 … 9
    source: Source


@cache
def load_digits(standardised: bool) -> Digits:
    """Training digits, pixels in [0, 1] or standardised to mean 0 and sd 1 over the whole set."""
    root = os.environ.get("FASTFA_DATA")
    folder = Path(root, "mnist") if root else None
    if folder is not None and folder.is_dir():
        x = _read_idx(folder, "train-images-idx3-ubyte").reshape(-1, 784) / np.float32(255)
        labels = _read_idx(folder, "train-labels-idx1-ubyte").astype(np.int64)
        name, detail = "mnist", f"MNIST, all {len(labels)} training digits"
    else:
        x, labels = _load_mini()
        name, detail = "mnist-mini", f"mnist-mini, the {len(labels)} digits embedded in fastfa"
    if standardised:
        x = (x - x.mean(dtype=np.float64)) / x.std(dtype=np.float64)
        detail += ", standardised to mean 0, sd 1"
    else:
        detail += ", pixels in [0, 1]"
    return Digits(x.astype(np.float32), labels, Source(name, detail, float(np.mean(x == 0))))


def _read_idx(folder: Path, stem: str) -> np.ndarray:
    """One unsigned-byte IDX file, plain or gzipped; the magic number's last byte is the rank."""
    plain = folder / stem
    packed = folder / f"{stem}.gz"
    raw = plain.read_bytes() if plain.exists() else gzip.decompress(packed.read_bytes())
    rank = raw[3]
    shape = np.frombuffer(raw, ">i4", count=rank, offset=4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * rank).reshape(tuple(shape))


def _load_mini() -> tuple[np.ndarray, np.ndarray]:
    try:
        import fastfa
    except ImportError as error:
        raise RuntimeError(
            "[bench] no digits: FASTFA_DATA names no folder with mnist/, and fastfa, which embeds "
            "mnist-mini, is not installed in this environment"
        ) from error
    train = fastfa.data.load("mnist-mini").train
    return np.asarray(train.x).reshape(len(train.labels), -1), np.asarray(train.labels)
