"""The smaller the initial weights, the more FA acts like pseudobackprop (Supplementary Figure 13)."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import SGD, metrics
from ._experiment import Claim, Experiment, Results, Settings
from ._figures import finish, geometric, panels, right_angle
from ._statistics import Verdict, above, below
from ._tasks import linear_network, linear_task, spaced

# Supplementary Figure 13 (preprint: figure 4): A and W uniform in ±ω; "essentially the same as those for
# Fig. 1 except that the learning rate for the runs was set to η = 10^-3". Not given: how many examples.
_COMMON = {
    "sizes": [30, 20, 10],
    "feedback_scale": 0.5,
    "lr": 1e-3,
    "omegas": [0.0001, 0.001, 0.01, 0.05, 0.1, 0.125, 0.15, 0.2, 0.25],
    "examples": 6000,
    "probe": 200,
    "points": 30,
}


def run(settings: Settings, condition: str, seed: int) -> dict[str, Any]:
    """NSE and the two angles on probe points, while one network learns online."""
    n, sizes = settings["examples"], settings["sizes"]
    _, X, Y = linear_task(seed, sizes[0], sizes[-1], n + settings["probe"])
    net = linear_network(sizes, "fa", seed, float(condition), settings["feedback_scale"])
    probe, points = (X[n:], Y[n:]), spaced(n, settings["points"])
    rows, seen = [], 0
    for point in points:
        order = np.arange(seen, point)
        if len(order):
            net.train_epoch(X, Y, SGD(settings["lr"]), batch_size=1, order=order)
        seen = point
        (layer,) = metrics.alignment(net, *probe, measures=["angle_bp", "angle_pbp"])
        rows.append((metrics.nse(probe[1], net.forward(probe[0])), layer.angle_bp, layer.angle_pbp))
    nse, bp, pbp = zip(*rows, strict=True)
    return {"examples": points, "nse": nse, "angle_bp": bp, "angle_pbp": pbp}


def _closer_to_pseudobackprop(results: Results) -> Verdict:
    name = results.conditions[0]
    gap = results.last(name, "angle_bp") - results.last(name, "angle_pbp")
    return above(gap, 0, "°", f"angle to BP less angle to pseudobackprop, ω = {name}")


def _small(results: Results) -> Verdict:
    name = results.conditions[0]
    return below(results.last(name, "angle_pbp"), 15, "°", f"angle to pseudobackprop, ω = {name}")


def _monotonous(results: Results) -> Verdict:
    from scipy import stats

    omegas = [float(name) for name in results.conditions]
    angles = np.array([results.last(name, "angle_pbp") for name in results.conditions])
    rho = [stats.spearmanr(omegas, column).statistic for column in angles.T]
    return above(rho, 0.7, what="rank correlation of ω and angle to pseudobackprop, each run")


def _grows(results: Results) -> Verdict:
    small, large = results.conditions[0], results.conditions[-1]
    gap = results.last(large, "angle_pbp") - results.last(small, "angle_pbp")
    return above(gap, 10, "°", f"angle to pseudobackprop, ω = {large} less ω = {small}")


def draw(results: Results) -> Any:
    """NSE and both angles, from blue for the smallest ω to red for the largest."""
    from matplotlib import colormaps

    figure = panels(3, width=3.9)
    shades = colormaps["coolwarm"](np.linspace(0, 1, len(results.conditions)))
    for name, shade in zip(results.conditions, shades, strict=True):
        first = results.runs[name][0]
        label = f"{float(name):g}"
        for ax, key in zip(figure.axes, ("nse", "angle_bp", "angle_pbp"), strict=True):
            geometric(ax, first["examples"], first[key], shade, label, linewidth=1.4)
    loss, bp, pbp = figure.axes
    finish(loss, "Examples", "NSE", log="y")
    loss.legend(title="ω", frameon=False, fontsize="x-small", ncols=2, title_fontsize="small")
    for ax, other in ((bp, "backprop"), (pbp, "pseudobackprop")):
        right_angle(ax)
        finish(ax, "Examples", f"Angle to {other}'s update (°)")
    return figure


EXPERIMENT = Experiment(
    name="small-weights",
    title="from small weights, B acts like a pseudoinverse of W",
    where="Supplementary Figure 13, Supplementary Note 13 (preprint: figure 4)",
    presets={"quick": _COMMON | {"runs": 3}, "paper": _COMMON | {"runs": 20, "examples": 10_000}},
    conditions=lambda settings: [str(omega) for omega in settings["omegas"]],
    run=run,
    claims=(
        Claim(
            "From small weights, the angle to pseudobackprop is smaller than to backprop",
            "quickly becomes smaller",
            _closer_to_pseudobackprop,
        ),
        Claim("There it is small", "figure only", _small),
        Claim("It grows with the initial weights", "figure only", _monotonous),
        Claim("From the largest weights it stays large", "figure only", _grows),
    ),
    draw=draw,
)
