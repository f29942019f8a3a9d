"""Sixty drawn images under the name of MNIST, so that a command trains in milliseconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def write_tiny(root: Path, seed: int = 0, examples: int = 60) -> Path:
    """IDX files of ``mnist`` below ``root``; the root."""
    rng, folder = np.random.default_rng(seed), root / "mnist"
    folder.mkdir(parents=True)
    for part, n in (("train", examples), ("t10k", 20)):
        images = rng.integers(0, 256, (n, 28, 28), dtype=np.uint8)
        _write(folder / f"{part}-images-idx3-ubyte", images)
        _write(folder / f"{part}-labels-idx1-ubyte", (np.arange(n) % 10).astype(np.uint8))
    return root


def _write(path: Path, array: np.ndarray) -> None:
    sizes = np.array(array.shape, ">i4").tobytes()
    path.write_bytes(bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes())
