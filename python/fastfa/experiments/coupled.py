"""Larger networks show the same alignment with less variance (Supplementary Figure 12)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._dynamics import random_dynamics
from ._experiment import Claim, Experiment, Results, Settings
from ._figures import curve, finish, panels
from ._statistics import Verdict, all_above, log_ratio
from .decoupled import ROWS

# Supplementary Figure 12: 100-50-20, "As in the third regimen in Figure 11, the weight matrices are
# updated simultaneously", 20 runs. Scales and η as in "decoupled".
_COMMON = {
    "networks": {"30-20-10": [30, 20, 10], "100-50-20": [100, 50, 20]},
    "weight_scale": 0.01,
    "feedback_scale": 0.5,
    "eta": 0.01,
    "steps": 150,
    "every": 2,
    "runs": 20,
}


def run(settings: Settings, condition: str, seed: int) -> dict[str, Any]:
    """The three measures along the updates."""
    sizes = settings["networks"][condition]
    dynamics = random_dynamics(seed, sizes, settings["weight_scale"], settings["feedback_scale"])
    rows = [dynamics.measures()]
    for _ in range(settings["steps"] // settings["every"]):
        dynamics.learn(settings["every"], settings["eta"])
        rows.append(dynamics.measures())
    abe, bw, error = zip(*rows, strict=True)
    steps = [settings["every"] * k for k in range(len(rows))]
    return {"steps": steps, "abe": abe, "bw": bw, "error": error}


def spread(curves: np.ndarray) -> np.ndarray:
    """(runs,): each run's relative distance from the others' mean, root mean square in time."""
    n = len(curves)
    if n == 1:
        return np.array([np.nan])
    others = (curves.sum(axis=0) - curves) / (n - 1)
    kept = np.abs(others).min(axis=0) > 0.1 * np.abs(others).max()
    return np.sqrt(np.mean((curves / others - 1)[:, kept] ** 2, axis=1))


def _less(key: str) -> Any:
    def measure(results: Results) -> Verdict:
        small, large = (spread(results.of(name, key)) for name in ("30-20-10", "100-50-20"))
        what = f"relative spread of {ROWS[key]}, large / small network"
        return log_ratio(large, small, what=what, paired=False)

    return measure


def _aligned(results: Results) -> Verdict:
    return all_above(results.last("100-50-20", "bw"), 0, what="tr(BW) at the end")


def _positive(results: Results) -> Verdict:
    lowest = results.of("100-50-20", "abe")[:, 1:].min(axis=1)
    return all_above(lowest, 0, what="least tr(AᵀBE)")


def draw(results: Results) -> Any:
    """The measures of both networks; each run in black."""
    figure = panels(3, 2, width=3.6, height=2.5)
    axes = np.array(figure.axes, dtype=object).reshape(2, 3)
    for row, name in enumerate(results.conditions):
        steps = results.runs[name][0]["steps"]
        for ax, (key, label) in zip(axes[row], ROWS.items(), strict=True):
            curve(ax, steps, results.of(name, key), "black", linewidth=1.5)
            finish(ax, "Updates" if row == 1 else "", label)
            ax.set_ylim(bottom=0)
        axes[row, 1].set_title(name, fontsize="medium")
    return figure


EXPERIMENT = Experiment(
    name="coupled",
    title="a larger network aligns in the same way, with less variance",
    where="Supplementary Figure 12",
    presets={"quick": _COMMON, "paper": _COMMON},
    conditions=lambda settings: list(settings["networks"]),
    run=run,
    claims=(
        Claim("W aligns with B in every run", "identical trends", _aligned),
        Claim(
            "Relative to its mean, tr(AᵀBE) varies less in the larger network",
            "smaller variance",
            _less("abe"),
        ),
        Claim("... and so does tr(BW)", "smaller variance", _less("bw")),
        Claim("... and so does the error", "smaller variance", _less("error")),
        Claim("A is aligned with BE in every run, all along", "identical trends", _positive),
    ),
    draw=draw,
)
