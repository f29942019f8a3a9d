"""A linear network learns a linear function with four rules (figure 2; preprint, figure 1d-e)."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import SGD, Dense, Network, NodePerturbation, metrics
from ._experiment import Claim, Experiment, Results, Settings
from ._figures import (
    BP,
    FA,
    REINFORCEMENT,
    SHALLOW,
    SHALLOW_FAST,
    curve,
    finish,
    panels,
    right_angle,
)
from ._statistics import Verdict, above, around, below, log_ratio
from ._tasks import linear_network, linear_task, spaced

# Methods, task 1: "A 30-20-10 linear network", "The elements of T were drawn at random, i.e. uniformly
# from the range [-1, 1]", W0 and W "uniformly from the range [-0.01, 0.01]", B "uniform over
# [-0.5, 0.5]", x ~ N(0, I), one sequence of examples for all rules. Learning rates were chosen "via
# manual search in order to optimize learning speed": ours are the largest of 1, 2, 3, 5 x 10^k with
# which no run diverged, and for the shallow rule two. With backprop's the loss hardly falls, as in the
# paper's figure; with its fastest, 500 times as large, the readout does with 20 random units, whose
# outputs are small but hold 20 of the 30 dimensions of x, what can be done: an NSE of 1/3. The output
# layer learns by ΔW ∝ e hᵀ with every rule.
_COMMON = {
    "sizes": [30, 20, 10],
    "weight_scale": 0.01,
    "feedback_scale": 0.5,
    "examples": 2000,
    "test_examples": 1000,
    "points": 80,
    "lr": {"shallow": 0.01, "shallow, its own rate": 5.0, "bp": 0.01, "fa": 0.01},
    "np_lr": 1e-3,
    "np_output_lr": 0.005,
    "np_sigma": 0.01,
}
RULES = {
    "shallow": ("shallow", SHALLOW),
    "shallow, its own rate": ("shallow, its own rate", SHALLOW_FAST),
    "reinforcement": ("node perturbation", REINFORCEMENT),
    "bp": ("backprop", BP),
    "fa": ("feedback alignment", FA),
}
REACHED = 0.05  # NSE at which a rule counts as having learned
WINDOW = 10  # figure 1e: "two standard deviations for a sliding window of 10"; ours doesn't slide


def run(settings: Settings, condition: str, seed: int) -> dict[str, Any]:
    """NSE on test points while learning online, and for FA the angle to backprop at every example."""
    sizes, n = settings["sizes"], settings["examples"]
    _, X, Y = linear_task(seed, sizes[0], sizes[-1], n + settings["test_examples"])
    test, points = (X[n:], Y[n:]), spaced(n, settings["points"])
    step, net = _learner(settings, condition, seed)
    wanted = set(points)
    nse, angles = [metrics.nse(test[1], net.forward(test[0]))], []
    before = None  # of the shallow rule, which sends nothing to the hidden layer, there is no angle
    if not condition.startswith("shallow"):
        before = np.nanmean(metrics.angle(net.deltas(*test)[0], net.deltas(*test, "bp")[0]))
    for i in range(n):
        x, y = X[i : i + 1], Y[i : i + 1]
        if condition == "fa":
            angles.append(metrics.angle(net.deltas(x, y)[0], net.deltas(x, y, "bp")[0])[0])
        step(x, y)
        if i + 1 in wanted:
            nse.append(metrics.nse(test[1], net.forward(test[0])))
    reached = next((p for p, e in zip(points, nse, strict=True) if e < REACHED), n)
    return {
        "examples": points,
        "nse": nse,
        "reached": reached,
        "before": before,
        "angles": angles,
    }


def _learner(settings: Settings, condition: str, seed: int) -> tuple[Any, Network]:
    """A function that learns one example, and the network that it teaches."""
    scales = settings["weight_scale"], settings["feedback_scale"]
    if condition != "reinforcement":
        rule = condition.partition(",")[0]
        net = linear_network(settings["sizes"], rule, seed, *scales)
        optimizer = SGD(settings["lr"][condition])
        return (lambda x, y: net.step(x, y, optimizer)), net
    # The paper perturbs the hidden units alone. NodePerturbation teaches every layer, so two networks
    # share their weights: one learns the hidden layer from noise, the other the output layer from e.
    hidden = _half(settings, NodePerturbation(settings["np_sigma"]), seed, learns=0)
    output = _half(settings, "shallow", seed, learns=1)
    rates = SGD(settings["np_lr"]), SGD(settings["np_output_lr"])

    def step(x: np.ndarray, y: np.ndarray) -> None:
        hidden.step(x, y, rates[0])
        output.step(x, y, rates[1])
        output.weights[0][...] = hidden.weights[0]
        hidden.weights[1][...] = output.weights[1]

    return step, hidden


def _half(settings: Settings, feedback: Any, seed: int, learns: int) -> Network:
    layers = [
        Dense(n, bias=False, weight_scale=settings["weight_scale"], trainable=i == learns)
        for i, n in enumerate(settings["sizes"][1:])
    ]
    return Network(settings["sizes"][0], layers, feedback=feedback, seed=seed, dtype="float64")


def _shallow(results: Results) -> Verdict:
    return above(results.last("shallow", "nse"), 0.8, what="final NSE")


def _own_rate(results: Results) -> Verdict:
    return above(results.last("shallow, its own rate", "nse"), 0.25, what="final NSE")


def _reinforcement(results: Results) -> Verdict:
    slow, fast = results.of("reinforcement", "reached"), results.of("bp", "reached")
    return log_ratio(fast, slow, 0.75, what="examples to NSE 0.05, BP / node perturbation")


def _as_fast(results: Results) -> Verdict:
    ours, theirs = results.of("fa", "reached"), results.of("bp", "reached")
    return log_ratio(ours, theirs, 1.1, what="examples to NSE 0.05, FA / BP")


def _starts(results: Results) -> Verdict:
    return around(results.of("fa", "before"), 90, 10, "°", "mean over test points, before learning")


def _ends(results: Results) -> Verdict:
    late = results.of("fa", "angles")[:, 300:600].mean(axis=1)
    return below(late, 60, "°", "mean over examples 300 to 600")


def draw(results: Results) -> Any:
    """NSE of the four rules, and the angle of one run with two standard deviations of its windows."""
    figure = panels(2)
    left, right = figure.axes
    points = results.of("bp", "examples")[0]
    for name, (label, colour) in RULES.items():
        curve(left, points, results.of(name, "nse"), colour, label)
    finish(left, "Examples", "Error on test points (NSE)", legend=(0.5, 0.48))
    left.set_ylim(0, 1.05)
    left.set_title("30-20-10 linear network", fontsize="medium")
    angles = results.of("fa", "angles")[0]
    angles = angles[: len(angles) // WINDOW * WINDOW].reshape(-1, WINDOW)[:100]
    middle = WINDOW * (np.arange(len(angles)) + 0.5)
    mean, spread = angles.mean(axis=1), 2 * angles.std(axis=1)
    right.fill_between(middle, mean - spread, mean + spread, color=FA, alpha=0.2, linewidth=0)
    right.plot(middle, mean, color=FA, linewidth=1.8)
    right_angle(right)
    finish(right, "Examples", "Δh by FA ∠ Δh by BP (°)")
    right.set_title("One run; band: 2 s.d. over windows of 10", fontsize="medium")
    return figure


EXPERIMENT = Experiment(
    name="linear",
    title="a linear network learns a linear function with four rules",
    where="Figure 2 (preprint: figure 1d and e); Methods, task 1",
    presets={"quick": _COMMON | {"runs": 5}, "paper": _COMMON | {"runs": 20}},
    conditions=lambda settings: list(RULES),
    run=run,
    claims=(
        Claim(
            "At backprop's rate, shallow learning hardly reduces the error",
            "the loss hardly decreases",
            _shallow,
        ),
        Claim(
            "... and at its own no further than random units allow",
            "a check of ours",
            _own_rate,
            kind="ours",
        ),
        Claim(
            "Node perturbation is slower than backprop", "some progress, but slow", _reinforcement
        ),
        Claim("Feedback alignment is as fast as backprop", "as quickly as backprop does", _as_fast),
        Claim(
            "At first its hidden updates are orthogonal to backprop's",
            "about 90°",
            _starts,
            kind="number",
        ),
        Claim("Then the angle falls", "soon shrinks", _ends),
    ),
    draw=draw,
)
