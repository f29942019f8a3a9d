"""SVHN's MATLAB files of random images."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def write_part(folder: Path, part: str, count: int, seed: int, **others) -> dict[str, np.ndarray]:
    """The file of one part; the arrays in it."""
    from scipy import io

    rng = np.random.default_rng(seed)
    values = {
        "X": rng.integers(0, 256, (32, 32, 3, count), np.uint8),
        "y": rng.integers(1, 11, (count, 1)).astype(np.uint8),
    }
    values |= others
    values = {name: value for name, value in values.items() if value is not None}
    folder.mkdir(exist_ok=True, parents=True)
    io.savemat(folder / f"{part}_32x32.mat", values, do_compression=True)
    return values
