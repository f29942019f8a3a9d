"""The points of `growth.py`: which networks stand on an axis, and what a step of each takes."""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastfa as fa
import numpy as np

from growing import convolutions, trend
from measuring import machine, sweep

Train = Callable[[int], None]  # a number of steps

_WIDTHS = [2**k for k in range(5, 14)]  # 32 … 8192
_DEPTHS = [1, 2, 4, 8, 16, 32]
_BATCHES = [2**k for k in range(11)]  # 1 … 1024
_REPLICAS = [2**k for k in range(9)]  # 1 … 256
_DENSITIES = [0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0]
_RANKS = [2**k for k in range(11)]  # 1 … 1024
_LARGEST_STEP = 256  # steps in one call of train_epoch


def measure(axis: str, options: argparse.Namespace) -> dict[str, Any]:
    """`what`, `unit`, `cliffs` (whether they are looked for) and `series` of an axis."""
    if axis == "memory":
        return _memory(options)
    if axis == "replicas" and not hasattr(fa, "Ensemble"):
        what = "fa.Ensemble of 30-20-10 linear networks, online"
        return {"what": what, "reason": "not available: this fastfa has no Ensemble"}
    what, lines = _AXES[axis](options.quick)
    series = {
        name: _time([(size, make(size)) for size in sizes], options)
        for name, (sizes, make) in lines.items()
    }
    fa.set_num_threads(options.threads)
    return {"what": what, "unit": "µs/step", "cliffs": axis != "threads", "series": series}


def _time(points: list[tuple[float, Train]], options: argparse.Namespace) -> dict[str, Any]:
    """Median time of a step at each size; sizes take turns, so that a slow moment hits all alike."""
    fa.set_num_threads(options.threads)
    steps = [_calibrate(train, options.seconds) for _, train in points]
    taken: list[list[float]] = [[] for _ in points]
    for turn in range(options.rounds):
        order = list(range(len(points)))
        for i in order[turn % len(points) :] + order[: turn % len(points)]:
            machine.wait_until_idle()
            gc.collect()
            taken[i].append(_seconds(points[i][1], steps[i]) / steps[i] * 1e6)
    sizes, values = [size for size, _ in points], [statistics.median(t) for t in taken]
    return {
        "sizes": sizes,
        "values": [round(v, 4) for v in values],
        "rounds": [[round(t, 4) for t in own] for own in taken],
        "cliffs": trend.cliffs(sizes, values),
    }


def _seconds(train: Train, steps: int) -> float:
    begin = time.perf_counter()
    train(steps)
    return time.perf_counter() - begin


def _calibrate(train: Train, seconds: float) -> int:
    train(1)
    return max(1, round(seconds / max(_seconds(train, 2) / 2, 1e-9)))


def _trainer(net: Any, n_in: int, n_out: int, batch: int, threads: int | None = None) -> Train:
    """Steps of `net` on drawn examples, in calls of at most a few hundred steps."""
    rng = np.random.default_rng(0)
    kept = max(1, min(_LARGEST_STEP, 20_000 // batch))
    x = rng.standard_normal((kept * batch, n_in), np.float32)
    y = rng.uniform(0.1, 0.9, (kept * batch, n_out)).astype(np.float32)
    optimizer = fa.SGD(1e-3)

    def train(steps: int) -> None:
        if threads is not None:
            fa.set_num_threads(threads)
        while steps > 0:
            n = min(steps, kept) * batch
            net.train_epoch(x[:n], y[:n], optimizer, batch_size=batch)
            steps -= kept

    return train


def _dense(sizes: list[int], batch: int, activation="tanh", feedback: Any = "fa", **more) -> Train:
    layers = [fa.Dense(n, activation) for n in sizes[1:]]
    return _trainer(fa.Network(sizes[0], layers, feedback), sizes[0], sizes[-1], batch, **more)


def _some(sizes: list, quick: bool) -> list:
    """All sizes, or for --quick every other one of the smaller ones."""
    return sizes[: 1 + (2 * len(sizes)) // 3 : 2] if quick else sizes


Lines = dict[str, tuple[list, Callable[[Any], Train]]]  # by name: sizes, and what trains at one
Axis = tuple[str, Lines]


def _width(quick: bool) -> Axis:
    def line(batch: int) -> tuple[list, Callable[[int], Train]]:
        return _some(_WIDTHS, quick), lambda w: _dense([64, w, w, 10], batch)

    lines = {f"batch {n}": line(n) for n in ((100,) if quick else (1, 100))}
    if not quick:  # where the machine's own cliffs are
        lines["sweep of W and B"] = _WIDTHS[3:], lambda w: _sweep(4 * (64 + 2 * (w + 10)) * w)
    return "64-w-w-10 tanh, by w", lines


def _sweep(size: int) -> Train:
    """A plain pass over so many bytes, each read and written."""
    timer = sweep.available(size, fa.get_num_threads())["NumPy"]

    def train(steps: int) -> None:
        timer(steps)

    return train


def _depth(quick: bool) -> Axis:
    def line(rule: str) -> tuple[list, Callable[[int], Train]]:
        return _some(_DEPTHS, quick), lambda d: _dense([256] * (d + 1) + [10], 100, feedback=rule)

    return "256-(256 × d)-10 tanh, batch 100, by d", {rule: line(rule) for rule in ("fa", "dfa")}


def _batch(quick: bool) -> Axis:
    sizes = [784, 100 if quick else 1000, 10]
    line = _some(_BATCHES, quick), lambda n: _dense(sizes, n, "logistic")
    return f"{_name(sizes)} logistic, by batch", {"fa": line}


def _threads(quick: bool) -> Axis:
    deep = [784, 300, 10] if quick else [784, 1500, 1500, 1500, 10]
    most = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2

    def line(sizes: list[int], batch: int) -> tuple[list, Callable[[int], Train]]:
        return [n for n in (1, 2) if n <= most], lambda n: _dense(sizes, batch, threads=n)

    cases = ([784, 1000, 10], 1), ([784, 1000, 10], 100), (deep, 100)
    lines = {f"{_name(sizes)} batch {batch}": line(sizes, batch) for sizes, batch in cases}
    return "tanh networks, by threads", lines


def _replicas(quick: bool) -> Axis:
    def ensemble(count: int) -> Train:
        nets = [fa.Network(30, [fa.Dense(20), fa.Dense(10)], "fa", seed=s) for s in range(count)]
        return _trainer(fa.Ensemble(nets), 30, 10, 1)

    what = "fa.Ensemble of 30-20-10 linear networks, online, by replicas"
    return what, {"all replicas": (_some(_REPLICAS, quick), ensemble)}


def _density(quick: bool) -> Axis:
    sizes = [64, *[200 if quick else 2000] * 2, 10]

    def sparse(density: float) -> Train:
        return _dense(sizes, 100, feedback=fa.Feedback("sparse", density=density))

    what = f"{_name(sizes)} tanh, batch 100, sparse B, by density"
    return what, {"sparse": (_some(_DENSITIES, quick), sparse)}


def _rank(quick: bool) -> Axis:
    sizes = [64, *[200 if quick else 2000] * 2, 10]

    def low_rank(rank: int) -> Train:  # into the upper hidden layer B has 10 columns only
        return _dense(sizes, 100, feedback=[fa.Feedback("low_rank", rank=rank), "fa"])

    what = f"{_name(sizes)} tanh, batch 100, low-rank B, by rank"
    return what, {"low_rank": ([r for r in _some(_RANKS, quick) if r <= sizes[1]], low_rank)}


def _name(sizes: list[int]) -> str:
    return "-".join(map(str, sizes))


_AXES = {
    "width": _width, "depth": _depth, "batch": _batch, "threads": _threads,
    "replicas": _replicas, "density": _density, "rank": _rank,
    **convolutions.axes(_trainer, _some),
}  # fmt: skip


def _memory(options: argparse.Namespace) -> dict[str, Any]:
    """Each network in a process of its own, whose peak is then its own too."""
    script = Path(__file__).with_name("memory.py")
    series: dict[str, Any] = {}
    for optimizer in ("sgd", "adam") if options.quick else ("sgd", "momentum", "adam"):
        found = []
        for width in _some(_WIDTHS[2:] if optimizer == "sgd" else _WIDTHS[2:-1], options.quick):
            asked = [str(width), optimizer, str(options.threads)]
            done = subprocess.run(
                [sys.executable, str(script), *asked], capture_output=True, text=True, check=False
            )
            if done.returncode:
                reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
                return {"what": "peak memory", "reason": f"failed at {asked}: {reason}"}
            found.append(json.loads(done.stdout))
        series[optimizer] = {
            "sizes": [f["parameters"] for f in found],
            "values": [f["peak_bytes"] / 2**20 for f in found],
            "ratios": [f["ratio"] for f in found],
            "needed": [f["needed_bytes"] for f in found],
        }
    what = "64-w-w-10 tanh, batch 100: peak above what was resident before, by parameters"
    return {"what": what, "unit": "MiB", "cliffs": False, "series": series}
