"""Momentum speeds feedback alignment up (Supplementary Figure 8)."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import SGD
from ._experiment import Claim, Experiment, Results, Settings
from ._figures import FA, finish, geometric, panels
from ._statistics import Verdict, log_ratio
from ._tasks import draw_biases, learning_curve, nonlinear_task, spaced, tanh_network

# Supplementary Figure 8 gives no numbers. Here: the task of "nonlinear", the same start, data and
# learning rate for every momentum. The rate is a tenth of that experiment's, so that momentum 0.9,
# whose steps add up to ten times as much, is where that one was.
_COMMON = {
    "sizes": [30, 20, 10, 10],
    "target_scale": 1.0,
    "task_seed": 0,
    "lr": 0.001,
    "momenta": [0.0, 0.5, 0.9],
    "train_examples": 50_000,
    "test_examples": 2000,
    "points": 80,
    "examples": 80_000,
}
REACHED = 0.35  # NSE
GREENS = {0.0: "#a6d9b4", 0.5: "#4fb870", 0.9: FA}


def run(settings: Settings, condition: str, seed: int) -> dict[str, Any]:
    """NSE on test points while one network learns online."""
    n = settings["train_examples"]
    X, Y = nonlinear_task(
        settings["task_seed"],
        settings["sizes"],
        settings["target_scale"],
        n + settings["test_examples"],
    )
    net = tanh_network(settings["sizes"], "fa", seed=seed)
    draw_biases(net, np.random.default_rng(seed))
    points = spaced(settings["examples"], settings["points"])
    optimizer = SGD(settings["lr"], momentum=float(condition))
    nse = learning_curve(net, (X[:n], Y[:n]), (X[n:], Y[n:]), optimizer, points)
    reached = next((p for p, e in zip(points, nse, strict=True) if e < REACHED), points[-1])
    return {"examples": points, "nse": nse, "reached": reached}


def _speed(alpha: str, bound: float) -> Any:
    def measure(results: Results) -> Verdict:
        what = f"examples to NSE {REACHED}, with / without"
        return log_ratio(results.of(alpha, "reached"), results.of("0.0", "reached"), bound, what)

    return measure


def draw(results: Results) -> Any:
    """NSE against examples, a green for each momentum."""
    figure = panels(1, width=5.2, height=3.6)
    (ax,) = figure.axes
    points = results.of(results.conditions[0], "examples")[0]
    for name in results.conditions:
        label = f"momentum {name}" if float(name) else "no momentum"
        geometric(ax, points / 1000, results.of(name, "nse"), GREENS[float(name)], label)
    finish(ax, "Examples (thousands)", "Error on test points (NSE)", legend="upper right")
    ax.set_ylim(bottom=0)
    ax.set_title("Feedback alignment, 30-20-10-10", fontsize="medium")
    return figure


EXPERIMENT = Experiment(
    name="momentum",
    title="momentum speeds feedback alignment up",
    where="Supplementary Figure 8",
    presets={"quick": _COMMON | {"runs": 4}, "paper": _COMMON | {"runs": 20, "examples": 200_000}},
    conditions=lambda settings: [str(alpha) for alpha in settings["momenta"]],
    run=run,
    claims=(
        Claim(
            "Momentum 0.9 makes learning much faster", "sped up significantly", _speed("0.9", 0.5)
        ),
        Claim("Momentum 0.5 makes it faster", "sped up significantly", _speed("0.5", 1.0)),
    ),
    draw=draw,
)
