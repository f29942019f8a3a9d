"""What the machine itself needs: the least time a step can take with what is installed here.

In batches: the step's matrix products alone, each at the best of the libraries in `products.py`. Online:
the bytes that a step must move, at the speed of a plain sweep over memory of the size of W. Both are
sampled in the same rounds as the contestants. A floor is no bound in the strict sense: whoever skips
zeros, or keeps in registers what others pass through memory, may get below it.
"""

from __future__ import annotations

import gc
import statistics
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from measuring import machine, products, sweep
from measuring.harness import Settings, paired
from tasks.workloads import Task

SMALLEST_SWEEP = 1 << 18  # bytes; a shorter sweep is over sooner than a call from Python


def floor_for(task: Task, settings: Settings) -> ProductFloor | TrafficFloor | NoFloor:
    what = task.workload
    if what.batch > 1:
        return ProductFloor(what.sizes, what.batch, settings)
    size = 4 * what.replicas * sum(n * n_out for n, n_out in pairwise(what.sizes))
    if size < SMALLEST_SWEEP:
        return NoFloor(
            f"W takes {size / 1024:.1f} KiB: it stays in L1 and registers, which no call from Python "
            "is short enough to measure"
        )
    return TrafficFloor(task, settings, size)


class NoFloor:
    """Where none can be measured."""

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def sample(self) -> None: ...

    def result(self, subject: list[float] | None) -> dict[str, Any]:
        return {"kind": "none", "reason": self.reason}


class ProductFloor:
    """Σ over the step's products of the best library's time for that shape.

    A product is repeated on the same buffers, which are as warm as they can be. `sizes` are those of
    dense layers; errors come down to the inputs too if something `learns_below` them.
    """

    def __init__(
        self, sizes: Sequence[int], batch: int, settings: Settings, learns_below: bool = False
    ) -> None:
        shapes = [("layer", n, n_out) for n, n_out in pairwise(sizes)]
        taught = sizes if learns_below else sizes[1:]
        shapes += [("feedback", n_source, n) for n, n_source in pairwise(taught)]
        self.counts = Counter(shapes)
        self.libraries = products.available(settings.threads)
        seconds = settings.seconds / (len(self.counts) * max(1, len(self.libraries)))
        self.timers = {
            (shape, name): [
                products.fastest(variants, seconds / 2) for variants in library(*shape, batch)
            ]
            for name, library in self.libraries.items()
            for shape in self.counts
        }
        self.times = {key: [[] for _ in pieces] for key, pieces in self.timers.items()}
        machine.wait_until_idle()

    def sample(self) -> None:
        """Every product once, library after library, with quiet in between."""
        for library in self.libraries:
            gc.collect()
            for shape in self.counts:
                key = shape, library
                for times, timer in zip(self.times[key], self.timers[key], strict=True):
                    times.append(timer() * 1e6)
            machine.wait_until_idle()

    def result(self, subject: list[float] | None) -> dict[str, Any]:
        rounds = [0.0] * len(next(iter(self.times.values()))[0])
        parts = []
        for shape, count in self.counts.items():
            name, pieces = self._best(shape)
            for times in pieces:
                rounds = [total + count * t for total, t in zip(rounds, times, strict=True)]
            kind, n, n_out = shape
            medians = {who: _median_sum(self.times[shape, who]) for who in self.libraries}
            parts.append(
                {
                    "product": f"{kind} {n} to {n_out}",
                    "times_per_step": count,
                    "best": name,
                    "median_us": {who: round(us, 3) for who, us in medians.items()},
                }
            )
        return {"kind": "products", "parts": parts} | _times(rounds, subject)

    def _best(self, shape: tuple) -> tuple[str, list[list[float]]]:
        """Who is fastest, and its samples: whole layers, or each piece by whoever does it best."""
        of = {library: self.times[shape, library] for library in self.libraries}
        pieces = max(map(len, of.values()))
        choices = {name: times for name, times in of.items() if len(times) < pieces}
        split = {name: times for name, times in of.items() if len(times) == pieces}
        best = [
            min(split, key=lambda n, i=i: statistics.median(split[n][i])) for i in range(pieces)
        ]
        mixed = " + ".join(dict.fromkeys(best))
        choices[mixed] = [split[name][i] for i, name in enumerate(best)]
        name = min(choices, key=lambda n: _median_sum(choices[n]))
        return name, choices[name]


class TrafficFloor:
    """Every weight read and written once, B read once, at the speed of a read-and-write sweep."""

    def __init__(self, task: Task, settings: Settings, size: int) -> None:
        what = task.workload
        layers = list(pairwise(what.sizes))
        inputs = layers[0][0] * layers[0][1] * (1 - task.source.zero_fraction)
        weights = inputs + sum(n * n_out for n, n_out in layers[1:])
        feedback = sum(n * n_source for n, n_source in pairwise(what.sizes[1:]))
        self.moved = round(4 * what.replicas * (2 * weights + feedback))
        self.size = size
        self.sweeps = {
            name: products.calibrated(timer, settings.seconds / 4)
            for name, timer in sweep.available(size, settings.threads).items()
        }
        self.seconds: dict[str, list[float]] = {name: [] for name in self.sweeps}
        machine.wait_until_idle()

    def sample(self) -> None:
        for name, timer in self.sweeps.items():
            self.seconds[name].append(timer())
            machine.wait_until_idle()

    def result(self, subject: list[float] | None) -> dict[str, Any]:
        best = min(self.seconds, key=lambda name: statistics.median(self.seconds[name]))
        speed = [2 * self.size / seconds for seconds in self.seconds[best]]  # bytes per second
        return {
            "kind": "traffic",
            "bytes_per_step": self.moved,
            "swept_bytes": self.size,
            "swept_by": best,
            "median_gb_per_s": round(statistics.median(speed) / 1e9, 2),
        } | _times([self.moved / s * 1e6 for s in speed], subject)


def _median_sum(pieces: list[list[float]]) -> float:
    return sum(map(statistics.median, pieces))


def _times(rounds: list[float], subject: list[float] | None) -> dict[str, Any]:
    """The floor of each round; `percent`: fastfa's speed, 100 where it takes as long as the floor."""
    found: dict[str, Any] = {
        "us_per_step": [round(t, 3) for t in rounds],
        "median_us_per_step": round(statistics.median(rounds), 3),
    }
    if subject is not None:
        ratios = paired(rounds, subject)
        found["percent"] = round(100 * ratios["ratio"], 1)
        found["percent_range"] = [round(100 * r, 1) for r in ratios["ratio_range"]]
    return found


def line(floor: dict[str, Any]) -> str:
    """For the table."""
    if floor["kind"] == "none":
        return f"  floor: none; {floor['reason']}"
    if floor["kind"] == "products":
        what = "the products alone, by " + ", ".join(
            dict.fromkeys(name for part in floor["parts"] for name in part["best"].split(" + "))
        )
    else:
        what = (
            f"{floor['bytes_per_step'] / 1e6:.2f} MB moved at {floor['median_gb_per_s']:.0f} GB/s "
            f"({floor['swept_by']})"
        )
    text = f"  floor {floor['median_us_per_step']:.2f} µs/step: {what}"
    if "percent" in floor:
        text += "; fastfa is at {:.0f} % of it ({:.0f}–{:.0f})".format(
            floor["percent"], *floor["percent_range"]
        )
    return text
