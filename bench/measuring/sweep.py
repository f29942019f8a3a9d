"""How fast memory of a given size is read and written: x ← x + c, in place, by all threads."""

from __future__ import annotations

import importlib.util
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from measuring.products import Timer, repeat


def available(size: int, threads: int) -> dict[str, Timer]:
    """Sweeps over `size` bytes by name; each returns seconds per sweep."""
    found = {"NumPy": _numpy(size, threads)}
    if importlib.util.find_spec("torch") is not None:
        import torch

        torch.set_num_threads(threads)
        values = torch.ones(size // 4)
        found["PyTorch"] = repeat(lambda: values.add_(1e-3))
    return found


def _numpy(size: int, threads: int) -> Timer:
    """Each thread goes over its own part again and again: the part stays in that core's cache."""
    parts = np.array_split(np.ones(size // 4, np.float32), threads)
    step = np.float32(1e-3)

    def sweep(part: np.ndarray, repeats: int) -> None:
        for _ in range(repeats):
            np.add(part, step, out=part)

    def timer(repeats: int) -> float:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(sweep, parts, [1] * threads))  # the threads exist now
            begin = time.perf_counter()
            list(pool.map(sweep, parts, [repeats] * threads))
            return (time.perf_counter() - begin) / repeats

    return timer
