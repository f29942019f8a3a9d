"""A set of random images under the names of MNIST's files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from fastfa.data import DATASETS, write_idx

NAMES = [file.name for file in DATASETS["mnist"].files]


def write_set(
    folder: Path, train: int = 5, test: int = 3, suffix: str = "", seed: int = 0
) -> dict[str, np.ndarray]:
    """A made-up dataset of random images in this folder; its arrays."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    arrays = {}
    for images, labels, count in ((*NAMES[:2], train), (*NAMES[2:], test)):
        arrays[images] = rng.integers(0, 256, (count, 28, 28), np.uint8)
        arrays[labels] = rng.integers(0, 10, count, np.uint8)
    for name, values in arrays.items():
        write_idx(folder / (name + suffix), values)
    return arrays
