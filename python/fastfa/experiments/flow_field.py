"""The flow of a three-neuron network (Supplementary Figure 10)."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from ._dynamics import LinearDynamics
from ._experiment import Claim, Experiment, Results, Settings
from ._figures import FA, panels
from ._statistics import Verdict, all_above, all_below, share

# Supplementary Figure 10: A and W are numbers, T = 1, B = 1, expected updates; "There is a small region
# of weight space (shaded grey) from which the system travels to the "bad" hyperbola at lower left, but
# this is simply avoided by starting near 0." The window is ours, as are the rate and the starts near 0.
# Trajectories come from an integrator, the grid of starts from updates with a small rate.
_COMMON = {
    "half_width": 2.5,
    "starts": 21,
    "arrows": 17,
    "eta": 0.01,
    "steps": 3000,
    "near": 0.1,
}
ONE = np.ones((1, 1))


def run(settings: Settings, condition: str, seed: int) -> dict[str, Any]:
    """``field``: the flow and where a grid of starts leads to. ``start``: one trajectory from near 0."""
    if condition == "start":
        dynamics = LinearDynamics(ONE, ONE)
        near = settings["near"]
        start = np.random.default_rng(seed).uniform(-near, near, 2)
        path = _integrated(dynamics, start, settings["eta"] * settings["steps"])
        c = path[:, 0] ** 2 - 2 * path[:, 1]
        return {"path": path, "drift": float(np.abs(c - c[0]).max()), "end": path[-1]}
    keys = ("half_width", "starts", "arrows", "eta", "steps")
    return dict(_field(*(settings[key] for key in keys)))  # runs share nothing that changes


@cache  # it is the same for every seed
def _field(half: float, starts: int, arrows: int, eta: float, steps: int) -> dict[str, Any]:
    dynamics = LinearDynamics(ONE, ONE)
    grid, places = np.linspace(-half, half, starts), np.linspace(-half, half, arrows)
    ends = [[_follow(dynamics, (a, w), eta, steps) for a in grid] for w in grid]
    flow = [[dynamics.flow(np.array([a, w])) for a in places] for w in places]
    return {"grid": grid, "ends": ends, "arrows": places, "flow": flow}


def _integrated(dynamics: LinearDynamics, start: np.ndarray, until: float) -> np.ndarray:
    """(301, 2): A and W along the continuous dynamics from `start`."""
    from scipy.integrate import solve_ivp

    found = solve_ivp(
        lambda _, state: dynamics.flow(state),
        (0, until),
        start,
        method="LSODA",
        t_eval=np.linspace(0, until, 301),
        rtol=1e-10,
        atol=1e-12,
    )
    return found.y.T


def _follow(dynamics: LinearDynamics, start: Any, eta: float, steps: int) -> np.ndarray:
    """(2,): A and W after `steps` updates from `start`."""
    dynamics.A[...], dynamics.W[...] = start
    dynamics.learn(steps, eta)
    return np.array([dynamics.A.item(), dynamics.W.item()])


def _good(results: Results) -> Verdict:
    ends = results.of("start", "end")
    return share(
        (ends[:, 1] > 0) & (np.abs(ends.prod(axis=1) - 1) < 1e-3), 80, "reach W > 0, AW = 1"
    )


def _bad(results: Results) -> np.ndarray:
    """(starts, starts), by W and A: whether a start of the grid ends where W < 0."""
    return results.of("field", "ends")[0][:, :, 1] < 0


def _small_region(results: Results) -> Verdict:
    percent = 100 * _bad(results).mean()
    return all_below([percent], 25, "%", "starts in the window that end at W < 0")


def predicted(a: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Whether the flow from A = `a`, W = `w`, of one shape, leads to W < 0; for T = B = 1.

    On the parabola W = (A² − c)/2 that a start stays on, AW = 1 is A³ − cA − 2 = 0. For c ≤ 3 it has
    one solution, the good one; else two more with A < 0, of which the upper one is unstable: whatever
    begins below that ends at the lower.
    """
    found = np.zeros(a.shape, bool)
    for place in np.ndindex(a.shape):
        c = a[place] ** 2 - 2 * w[place]
        if c > 3:
            unstable = np.sort(np.roots([1, 0, -c, -2]).real)[1]
            found[place] = a[place] < unstable
    return found


def _as_predicted(results: Results) -> Verdict:
    a, w = np.meshgrid(*[results.of("field", "grid")[0]] * 2)
    percent = 100 * (predicted(a, w) == _bad(results)).mean()
    what = "starts that end where A² − 2W predicts"
    return all_above([percent], 99, "%", what)


def _not_near_zero(results: Results) -> Verdict:
    a, w = np.meshgrid(*[results.of("field", "grid")[0]] * 2)
    return all_above(np.hypot(a, w)[_bad(results)].min(), 1, what="distance of such starts to 0")


def _parabolas(results: Results) -> Verdict:
    return all_below(results.of("start", "drift"), 1e-6, what="drift of A² − 2W")


def draw(results: Results) -> Any:
    """Arrows, both hyperbolas, the bad region and the trajectory."""
    figure = panels(1, width=5.6, height=5.2)
    (ax,) = figure.axes
    half = results.settings["half_width"]
    grid, arrows = results.of("field", "grid")[0], results.of("field", "arrows")[0]
    ax.contourf(grid, grid, _bad(results).astype(float), [0.5, 2], colors=["#dddddd"])
    flow = results.of("field", "flow")[0]
    length = np.hypot(flow[:, :, 0], flow[:, :, 1])
    shown = flow / np.maximum(length, 1e-9)[:, :, None] * np.minimum(length, 1.0)[:, :, None] ** 0.5
    ax.quiver(
        arrows, arrows, shown[:, :, 0], shown[:, :, 1], color="#777777", scale=28, width=0.003
    )
    right = np.linspace(1 / half, half, 200)
    ax.plot(right, 1 / right, color="#8c8c8c", linewidth=4, label="stable, eᵀWBe > 0")
    stable = np.linspace(-half, -1, 100)  # of B W + A² > 0, the trace of the Jacobian: −1 < W < 0
    ax.plot(stable, 1 / stable, color="black", linewidth=4, label="stable, eᵀWBe < 0")
    unstable = np.linspace(-1, -1 / half, 100)
    ax.plot(unstable, 1 / unstable, color="black", linewidth=2.5, linestyle="--", label="unstable")
    path = results.of("start", "path")[0]
    ax.plot(path[:, 0], path[:, 1], color=FA, linewidth=2.5, label="from near 0")
    ax.plot(*path[0], "o", color=FA, markersize=6)
    middle = int(np.argmin(np.abs(path[:, 0] - 0.8)))
    ax.annotate(
        "",
        path[min(middle + 3, len(path) - 1)],
        path[middle],
        arrowprops={"arrowstyle": "-|>", "color": FA, "lw": 2.5, "mutation_scale": 22},
    )
    ax.set_xlim(-half, half)
    ax.set_ylim(-half, half)
    ax.set_xlabel("A")
    ax.set_ylabel("W")
    ax.set_aspect("equal")
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(loc="upper left", fontsize="small", framealpha=0.95)
    ax.set_title("T = B = 1; grey area: leads to the lower left", fontsize="medium")
    return figure


EXPERIMENT = Experiment(
    name="flow-field",
    title="the flow of a three-neuron network",
    where="Supplementary Figure 10, Supplementary Note 11 (preprint: figure 3)",
    presets={"quick": _COMMON | {"runs": 20}, "paper": _COMMON | {"runs": 20, "starts": 101}},
    conditions=lambda settings: ["field", "start"],
    run=run,
    claims=(
        Claim("From near 0 the network reaches the hyperbola with W > 0", "it does", _good),
        Claim("The region that leads to the bad hyperbola is small", "small", _small_region),
        Claim(
            "... and is the one that the constant A² − 2BW predicts",
            "a check of ours",
            _as_predicted,
            kind="ours",
        ),
        Claim("... and avoided by starting near 0", "simply avoided", _not_near_zero),
        Claim("The paths are parabolas, A² − 2BW constant", "parabolic paths", _parabolas),
    ),
    draw=draw,
)
