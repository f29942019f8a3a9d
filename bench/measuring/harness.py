"""Check, calibrate and time: one seat per contestant, rounds that go round-robin over the seats."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from contestants import SUBJECT, Entry
from measuring import machine
from tasks import reference
from tasks.workloads import Task

CHECK_STEPS = 50
TOLERANCE = 1e-3  # of the change over CHECK_STEPS updates, float32 against the float64 reference


@dataclass(frozen=True)
class Settings:
    seconds: float = 0.5  # aimed at per timed sample
    rounds: int = 7
    threads: int = 2


class Seat(Protocol):
    """A contestant at a task, in this process (`LocalSeat`) or in one of its own."""

    def check(self) -> float | None:
        """Relative error of the change after CHECK_STEPS updates; None: not to be checked."""

    def calibrate(self, seconds: float) -> int:
        """Passes over the slice that take about `seconds`; at least one."""

    def sample(self, passes: int) -> float:
        """Seconds per step over `passes` passes, from the task's start."""

    def close(self) -> None: ...


class LocalSeat:
    def __init__(self, entry: Entry, task: Task, threads: int) -> None:
        self.task, self.entry = task, entry
        self.steps = task.x.shape[0]
        self.warm_steps = min(CHECK_STEPS, self.steps)
        self.contestant = entry.load(task, threads)

    def check(self) -> float | None:
        if not self.entry.checked:
            return None
        expected = reference.expected(self.task, self.warm_steps, self.entry.rule)
        self.contestant.reset()
        self.contestant.train(self.warm_steps)
        return reference.update_error(self.task.start, self.contestant.parameters(), expected)

    def calibrate(self, seconds: float) -> int:
        self.sample(1)  # compiles and touches everything once
        return max(1, round(seconds / (self.sample(1) * self.steps)))

    def sample(self, passes: int) -> float:
        """The same work every time: start weights, an untimed warm-up, then the timed passes."""
        self.contestant.reset()
        self.contestant.train(self.warm_steps)
        gc.collect()
        gc.disable()
        try:
            begin = time.perf_counter()
            for _ in range(passes):
                self.contestant.train(self.steps)
            elapsed = time.perf_counter() - begin
        finally:
            gc.enable()
        self._require_finite()
        machine.wait_until_idle()
        return elapsed / (passes * self.steps)

    def _require_finite(self) -> None:
        if not all(np.all(np.isfinite(p)) for p in self.contestant.parameters()):
            raise FloatingPointError("the parameters are no longer finite after a timed sample")

    def close(self) -> None:
        del self.contestant
        gc.collect()


class Floor(Protocol):
    """What is measured beside the contestants, once per round."""

    def sample(self) -> None: ...


def run_workload(
    entries: list[Entry],
    open_seat: Callable[[Entry], Seat],
    settings: Settings,
    floor: Floor | None = None,
) -> dict[str, dict[str, Any]]:
    """Results by contestant name. Whoever is missing, wrong or failing is named, and not timed."""
    results: dict[str, dict[str, Any]] = {}
    seats: dict[str, Seat] = {}
    for entry in entries:
        results[entry.name] = _admit(entry, open_seat, seats, settings)
    _play_rounds(seats, results, settings.rounds, floor)
    for seat in seats.values():
        seat.close()
    _compare(results)
    for entry in entries:
        _compare_with(entry.against, results[entry.name], results)
    return results


def _admit(
    entry: Entry,
    open_seat: Callable[[Entry], Seat],
    seats: dict[str, Seat],
    settings: Settings,
) -> dict[str, Any]:
    """Seat a contestant if it is here and right; return the head of its result."""
    head: dict[str, Any] = {"note": entry.note}
    if reason := entry.missing():
        return head | {"status": "missing", "reason": reason}
    seat = None
    try:
        seat = open_seat(entry)
        error = seat.check()
        head["update_error"] = error if error is not None and np.isfinite(error) else None
        if error is not None and not error <= TOLERANCE:
            reason = f"update error {error:.2g} after {CHECK_STEPS} steps, allowed {TOLERANCE:g}"
            seat.close()
            return head | {"status": "wrong", "reason": reason}
        head["passes"] = seat.calibrate(settings.seconds)
    except Exception as failure:  # a broken peer must not take the others' measurement with it
        if seat is not None:
            seat.close()
        return head | {"status": "failed", "reason": _brief(failure)}
    seats[entry.name] = seat
    return head | {"status": "ok", "us_per_step": []}


def _play_rounds(
    seats: dict[str, Seat],
    results: dict[str, dict[str, Any]],
    rounds: int,
    floor: Floor | None = None,
) -> None:
    """Everyone once per round. The first to play moves on by one, so that nobody always follows
    the same neighbour (whose leftovers in the cache it would inherit)."""
    for turn in range(rounds):
        names = list(seats)
        shift = turn % len(names) if names else 0
        for name in names[shift:] + names[:shift]:
            try:
                seconds = seats[name].sample(results[name]["passes"])
            except Exception as failure:
                results[name] |= {"status": "failed", "reason": _brief(failure)}
                seats.pop(name).close()
                continue
            results[name]["us_per_step"].append(round(seconds * 1e6, 4))
        if floor is not None:
            floor.sample()


def _compare(results: dict[str, dict[str, Any]]) -> None:
    """Medians per step, and the median of the ratios taken within each round."""
    subject = results.get(SUBJECT, {})
    for name, result in results.items():
        if result["status"] != "ok":
            continue
        times = result["us_per_step"]
        result["median_us_per_step"] = statistics.median(times)
        if name == SUBJECT or subject.get("status") != "ok":
            continue
        result |= paired(times, subject["us_per_step"])


def _compare_with(other: str, own: dict[str, Any], results: dict[str, dict[str, Any]]) -> None:
    """`other`'s time over this one's, where both were timed."""
    theirs = results.get(other, {})
    if own["status"] == theirs.get("status") == "ok":
        own["against"] = {"name": other} | paired(theirs["us_per_step"], own["us_per_step"])


def paired(times: list[float], base: list[float]) -> dict[str, Any]:
    """Median and extremes of the ratios times / base within each round."""
    ratios = [t / b for t, b in zip(times, base, strict=True)]
    return {
        "ratio": round(statistics.median(ratios), 4),
        "ratio_range": [round(min(ratios), 4), round(max(ratios), 4)],
    }


def _brief(failure: Exception) -> str:
    text = str(failure).strip().split("\n", 1)[0]
    return f"{type(failure).__name__}: {text}"[:200]
