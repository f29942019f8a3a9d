"""What the first hidden layer of four layers learns matters (Supplementary Figure 6)."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import SGD
from ._experiment import Claim, Experiment, Results, Settings
from ._figures import BP, FA, FROZEN_BP, FROZEN_FA, finish, geometric, panels
from ._statistics import Verdict, log_ratio
from ._tasks import draw_biases, learning_curve, nonlinear_task, spaced, tanh_network

# Supplementary Note 3: minibatches of 100, learning rate 0.05, target 30-20-10-10, networks 30-40-10 and
# 30-40-20-10, tanh hidden and linear output units, x ~ N(0, 1), weights and biases uniform; Figure 6: 5
# runs. The paper does not give the following; we chose it. The target's weights and biases are uniform
# in ±1, the learners' in ±1/√n_in. Errors have equal size in all layers. An update is the mean over the
# batch.
_COMMON = {
    "target": [30, 20, 10, 10],
    "three": [30, 40, 10],
    "four": [30, 40, 20, 10],
    "target_scale": 1.0,
    "task_seed": 0,
    "lr": 0.05,
    "batch_size": 100,
    "train_examples": 50_000,
    "test_examples": 2000,
    "points": 40,
}
CURVES = {
    "three bp": ("3 layers, BP", BP, ":"),
    "three fa": ("3 layers, FA", FA, ":"),
    "four bp": ("4 layers, BP", BP, "-"),
    "four fa": ("4 layers, FA", FA, "-"),
    "frozen bp": ("4 layers, first frozen, BP", FROZEN_BP, "-"),
    "frozen fa": ("4 layers, first frozen, FA", FROZEN_FA, "-"),
}


def run(settings: Settings, condition: str, seed: int) -> dict[str, Any]:
    """NSE on the test points while one network learns."""
    kind, rule = condition.split()
    n = settings["train_examples"]
    X, Y = nonlinear_task(
        settings["task_seed"],
        settings["target"],
        settings["target_scale"],
        n + settings["test_examples"],
    )
    sizes = settings["three" if kind == "three" else "four"]
    net = tanh_network(sizes, rule, seed=seed, frozen=[0] if kind == "frozen" else [])
    draw_biases(net, np.random.default_rng(seed))
    points = spaced(settings["examples"], settings["points"], settings["batch_size"])
    nse = learning_curve(
        net,
        (X[:n], Y[:n]),
        (X[n:], Y[n:]),
        SGD(settings["lr"]),
        points,
        settings["batch_size"],
    )
    return {"examples": points, "nse": nse}


def _ratio(better: str, worse: str, bound: float, what: str) -> Any:
    def measure(results: Results) -> Verdict:
        errors = results.last(better, "nse"), results.last(worse, "nse")
        # A net with a frozen layer begins with the weights of that without; one of three layers doesn't.
        paired = "three" not in (better.split()[0], worse.split()[0])
        return log_ratio(*errors, bound, f"final NSE, {what}", paired=paired)

    return measure


def draw(results: Results) -> Any:
    """NSE against updates for the six networks."""
    figure = panels(1, width=5.6, height=4.0)
    (ax,) = figure.axes
    updates = results.of("four bp", "examples")[0] / results.settings["batch_size"]
    for name, (label, colour, style) in CURVES.items():
        geometric(ax, updates / 1000, results.of(name, "nse"), colour, label, linestyle=style)
    finish(ax, "Updates (thousands)", "Error on test points (NSE)", legend="lower left", log="y")
    return figure


EXPERIMENT = Experiment(
    name="frozen-control",
    title="four layers with a frozen first one are worse than three",
    where="Supplementary Figure 6, Supplementary Note 3",
    presets={
        "quick": _COMMON | {"runs": 5, "examples": 600_000},
        "paper": _COMMON | {"runs": 5, "examples": 3_000_000},
    },
    conditions=lambda settings: list(CURVES),
    run=run,
    claims=(
        Claim(
            "Freezing the first layer makes feedback alignment much worse",
            "much worse (magenta)",
            _ratio("four fa", "frozen fa", 0.5, "4 layers / frozen"),
        ),
        Claim(
            "... and backprop",
            "much worse (cyan)",
            _ratio("four bp", "frozen bp", 0.5, "4 layers / frozen"),
        ),
        Claim(
            "Frozen is worse than three layers, with feedback alignment",
            "worse",
            _ratio("three fa", "frozen fa", 1.0, "3 layers / frozen"),
        ),
        Claim(
            "... and with backprop",
            "worse",
            _ratio("three bp", "frozen bp", 1.0, "3 layers / frozen"),
        ),
    ),
    draw=draw,
)
