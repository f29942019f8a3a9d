"""A tiny task for the tests of bench/, and contestants made by hand."""

from __future__ import annotations

from pathlib import Path

BENCH = Path(__file__).resolve().parents[2] / "bench"
MODULES = (
    "contestants", "growing.points", "growing.trend", "growth", "measuring.chart",
    "measuring.floor", "measuring.harness", "measuring.machine", "measuring.products",
    "measuring.report", "measuring.sweep", "run", "tasks.pixels", "tasks.reference",
    "tasks.workloads",
)  # fmt: skip


def tiny_workload(bench, **changes):
    values = {
        "name": "tiny", "sizes": (7, 6, 5, 3), "activation": "tanh", "loss": "squared_error",
        "lr": 0.2, "batch": 4, "steps": 60, "weight_scale": (0.5, 0.5, 0.5),
        "feedback_scale": 0.5, "inputs": "normal", "targets": None,
    }  # fmt: skip
    return bench.workloads.Workload(**(values | changes))


def entry_for(bench, name, contestant, **more):
    """An entry whose contestant is made by `contestant` and needs nothing."""
    entry = bench.contestants.Entry(name, "unused", "Unused", (), f"test's {name}", **more)
    object.__setattr__(entry, "load", contestant)
    return entry
