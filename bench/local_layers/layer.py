"""What takes part in the first part of bench/local.py, and its seat in the rounds of harness.py."""

from __future__ import annotations

import gc
import statistics
import time
from abc import ABC, abstractmethod

from contestants import Entry
from local_layers.tasks import LayerTask
from measuring import machine

_SHORTEST, _LONGEST = 5, 5000  # calls in a sample


class Layer(ABC):
    """Forward and weight gradient of the layer. Construction is never timed."""

    def __init__(self, task: LayerTask, threads: int) -> None:
        self.task = task
        self.threads = threads

    @abstractmethod
    def error(self) -> float:
        """Relative error against the float64 reference."""

    @abstractmethod
    def run(self) -> None:
        """Forward and weight gradient, once."""

    def seconds(self) -> float:
        """How long that takes, this time."""
        begin = time.perf_counter()
        self.run()
        return time.perf_counter() - begin


class LayerSeat:
    """A sample is the median over calls that are timed one by one.

    A call is far shorter than a neighbour's time slice: the median holds off what the mean over
    the sample would take in.
    """

    def __init__(self, entry: Entry, task: LayerTask, threads: int) -> None:
        self.layer = entry.load(task, threads)
        self.fastest = float("inf")  # call of all samples, in seconds

    def check(self) -> float:
        return self.layer.error()

    def calibrate(self, seconds: float) -> int:
        self.sample(3)
        return min(_LONGEST, max(_SHORTEST, round(seconds / self.sample(_SHORTEST))))

    def sample(self, calls: int) -> float:
        gc.collect()
        gc.disable()
        try:
            for _ in range(3):
                self.layer.run()  # wakes the pool, fills the cache
            times = [self.layer.seconds() for _ in range(calls)]
        finally:
            gc.enable()
        machine.wait_until_idle()
        self.fastest = min(self.fastest, *times)
        return statistics.median(times)

    def close(self) -> None:
        del self.layer
        gc.collect()
