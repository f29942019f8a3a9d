"""Memory that doesn't come back: resident bytes before and after thousands of everything."""

from __future__ import annotations

import contextlib
import ctypes
import gc
from collections.abc import Callable
from pathlib import Path

import fastfa as fa
import numpy as np
from lives import digits, expect, lived, net, trainer

_ALLOWED = 1 << 20  # bytes that a thousand repetitions may cost: an allocator's play, not a leak


def _resident() -> int:
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def _grown(work: Callable[[], object], count: int) -> int:
    for _ in range(max(20, count // 10)):  # caches and pools fill
        work()
    before = _resident()
    for _ in range(count):
        work()
    return _resident() - before


def all_calls(folder: Path, count: int) -> str:
    """Networks made, saved, loaded, trained, refused; files that are refused."""
    x, labels = digits(30)
    y = np.eye(3)[labels]
    path, bad = folder / "net.safetensors", folder / "bad.safetensors"
    fa.save(path, net())
    data = path.read_bytes()
    bad.write_bytes(data[:-8])
    kept = net()

    def refused(call: Callable[[], object]) -> None:
        with contextlib.suppress(ValueError, TypeError, RuntimeError, fa.DivergenceError):
            call()

    works: dict[str, Callable[[], object]] = {
        "construct": net,
        "construct of every matrix": lambda: [
            fa.Network(6, [fa.Dense(8), fa.Dense(4)], feedback=fa.Feedback(matrix, **more)).step(
                np.ones((2, 6)), np.ones((2, 4)), fa.SGD(0.01)
            )
            for matrix, more in (
                ("sparse", {}),
                ("hadamard", {}),
                ("low_rank", {"rank": 2}),
                ("pseudoinverse", {}),
            )
        ],
        "step": lambda: kept.step(x, y, fa.SGD(1e-4)),
        "Adam": lambda: net().step(x, y, fa.Adam(1e-4)),
        "local": lambda: fa.Network((5, 5), [fa.LocallyConnected2D(2, 3), fa.Dense(2)]).forward(
            np.ones((2, 25))
        ),
        "save": lambda: fa.save(path, kept),
        "load": lambda: fa.load(path),
        "load of a bad file": lambda: refused(lambda: fa.load(bad)),
        "bad construct": lambda: refused(
            lambda: fa.Network(3, [fa.Dense(2, "softmax"), fa.Dense(1)])
        ),
        "bad call": lambda: refused(lambda: kept.forward(np.ones((2, 5)))),
        "divergence": lambda: refused(lambda: kept.step(x * 1e30, y, fa.SGD(0.1))),
        "fit": lambda: trainer(1).fit((x, labels)),
    }
    told = []
    for name, work in works.items():
        n = max(20, count // 20) if name == "fit" else count
        grown = lived(folder, lambda work=work, n=n: [_grown(work, n)])[0]
        allowed = _ALLOWED * max(1.0, n / 1000)
        expect(grown < allowed, f"{name}: {grown / n:.0f} bytes lost each time ({n} times)")
        told.append(f"{name} {grown / 1024:+.0f} kB")
    return f"{count} times: " + ", ".join(told)
