"""The theorems, checked in numbers (Supplementary Notes 11, 14, 15 and 16)."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import SGD, Dense, Feedback, Network, metrics
from ._dynamics import random_dynamics
from ._experiment import Claim, Experiment, Results, Settings
from ._figures import BP, FA, finish, geometric, panels
from ._statistics import Verdict, all_above, all_below, around

# B uniform in ±0.5 and T in ±1 as in task 1 of the Methods, with small sizes for the integrator in the
# quick preset. Theorem 1 names no time.
_COMMON = {
    "sizes": [12, 8, 4],
    "feedback_scale": 0.5,
    "until": 100.0,
    "times": 60,
    "lemma_eta": 0.02,
    "lemma_steps": 400,
    "newton_etas": [1e-2, 1e-3, 1e-4, 1e-5],
}


def run(settings: Settings, condition: str, seed: int) -> dict[str, Any]:
    """The measures of one theorem, for one random B and T."""
    return {
        "theorem 1": _theorem_1,
        "theorem 2": _theorem_2,
        "note 15": _note_15,
        "note 16": _note_16,
    }[condition](settings, seed)


def _theorem_1(settings: Settings, seed: int) -> dict[str, Any]:
    """The continuous dynamics from A = W = 0: |E|, the invariant, and V = |BE|²."""
    from scipy.integrate import solve_ivp

    dynamics = random_dynamics(seed, settings["sizes"], 0.0, settings["feedback_scale"])
    start = np.zeros(dynamics.A.size + dynamics.W.size)
    times = np.concatenate([[0], np.geomspace(1e-2, settings["until"], settings["times"])])
    found = solve_ivp(
        lambda _, state: dynamics.flow(state),
        (0, times[-1]),
        start,
        method="LSODA",
        t_eval=times,
        rtol=1e-10,
        atol=1e-12,
    )
    error, invariant, size, v = [], [], [], []
    for state in found.y.T:
        dynamics.flow(state)
        bw = dynamics.B @ dynamics.W
        aa = dynamics.A @ dynamics.A.T
        error.append(np.linalg.norm(dynamics.E) / np.linalg.norm(dynamics.T))
        invariant.append(np.linalg.norm(bw + bw.T - aa))
        size.append(np.linalg.norm(aa))
        v.append(np.sum((dynamics.B @ dynamics.E) ** 2))
    return {
        "times": times,
        "error": error,
        "v": v,
        "drift": max(invariant) / max(size),
        "rise": max(0.0, float(np.max(np.diff(v)))) / v[0],
    }


def _theorem_2(settings: Settings, seed: int) -> dict[str, Any]:
    """One example from A = W = 0: the angles of h to By*, W to y*(By*)ᵀ, Be to W⁺e at every step."""
    n_in, hidden, n_out = settings["sizes"]
    rng = np.random.default_rng(seed)
    B = rng.uniform(-0.5, 0.5, (hidden, n_out))
    x = rng.standard_normal((1, n_in))
    x /= np.linalg.norm(x)  # then the rate of h, xᵀx η, is that of W
    y = rng.uniform(-1, 1, (1, n_out))
    layers = [Dense(n, bias=False, weight_scale=0.0) for n in (hidden, n_out)]
    net = Network(n_in, layers, Feedback("array", array=B), dtype="float64")
    by = (B @ y[0])[None]
    rows, optimizer = [], SGD(settings["lemma_eta"])
    for step in range(settings["lemma_steps"]):
        net.step(x, y, optimizer)
        if step == 0:
            continue  # W is still zero: h was, and ΔW = η e hᵀ
        if np.linalg.norm(y - net.forward(x)) < 1e-6 * np.linalg.norm(y):
            break  # learned; further on e has no direction but that of rounding errors
        fa, pbp = (net.deltas(x, y, rule)[0] for rule in (None, "pbp"))
        rows.append(
            (
                metrics.angle(net.activations(x)[0], by)[0],
                metrics.angle(net.weights[1].ravel(), np.outer(y, by).ravel()),
                metrics.angle(fa, pbp)[0],
            )
        )
    h, w, pbp = np.array(rows).T
    return {"h": h.max(), "w": w.max(), "pbp": pbp.max()}


def _note_15(settings: Settings, seed: int) -> dict[str, Any]:
    """Pseudobackprop's change of h against η D² xᵀx times Gauss–Newton's W⁺e, for smaller η."""
    n_in, hidden, n_out = settings["sizes"]
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((1, n_in)), rng.uniform(-1, 1, (1, n_out))
    errors = []
    for eta in settings["newton_etas"]:
        layers = [Dense(hidden, "tanh", bias=False), Dense(n_out, bias=False)]
        net = Network(n_in, layers, "pbp", seed=seed, dtype="float64")
        h = net.activations(x)[0]
        newton = (y - net.forward(x)) @ np.linalg.pinv(net.weights[1]).T
        expected = eta * (1 - h**2) ** 2 * np.sum(x**2) * newton
        net.step(x, y, SGD(eta))
        change = net.activations(x)[0] - h
        errors.append(float(np.linalg.norm(change - expected) / np.linalg.norm(expected)))
    order = np.polyfit(np.log(settings["newton_etas"]), np.log(errors), 1)[0]
    return {"etas": settings["newton_etas"], "error": errors, "order": float(order)}


def _note_16(settings: Settings, seed: int) -> dict[str, Any]:
    """The Jacobian of the scalar flow, by central differences, against equation 79 and its transpose.

    In print the equation has h² for d(eh)/dW and −W + e for d(eh)/dc; with y = W h + b they are −h²
    and −W h + e, as here. Backprop's flow is a gradient and so a check of the measure.
    """
    rng = np.random.default_rng(seed)
    W, b, A, c, B, x, y = rng.uniform(-1, 1, 7)
    layers = [Dense(1), Dense(1)]
    net = Network(1, layers, Feedback("array", array=[[B]]), dtype="float64")
    places = [net.weights[1][0], net.biases[1], net.weights[0][0], net.biases[0]]
    point, small = np.array([W, b, A, c]), 1e-5

    def flow(at: np.ndarray, rule: str | None) -> np.ndarray:
        for place, value in zip(places, at, strict=True):
            place[0] = value
        hidden, output = (d.item() for d in net.deltas([[x]], [[y]], rule))
        h = net.activations([[x]])[0].item()
        return np.array([output * h, output, hidden * x, hidden])

    def differences(rule: str | None) -> np.ndarray:
        moves = small * np.eye(4)
        both = [flow(point + move, rule) - flow(point - move, rule) for move in moves]
        return np.array(both).T / (2 * small)

    jacobian, backprop = differences(None), differences("bp")
    h = A * x + c
    e = y - W * h - b
    stated = np.array(
        [
            [-h * h, -h, -W * x * h + e * x, -W * h + e],
            [-h, -1, -W * x, -W],
            [-B * h * x, -B * x, -B * W * x * x, -B * W * x],
            [-B * h, -B, -B * W * x, -B * W],
        ]
    )
    size = np.linalg.norm(stated)
    return {
        "mismatch": float(np.linalg.norm(jacobian - stated) / size),
        "asymmetry": float(np.linalg.norm(jacobian - jacobian.T) / size),
        "backprop": float(np.linalg.norm(backprop - backprop.T) / np.linalg.norm(backprop)),
    }


def _largest(condition: str, key: str, bound: float, unit: str, what: str) -> Any:
    def measure(results: Results) -> Verdict:
        return all_below(results.of(condition, key), bound, unit, what)

    return measure


def _error(results: Results) -> Verdict:
    return all_below(results.last("theorem 1", "error"), 1e-3, what="|E| / |T| at the end")


def _first_order(results: Results) -> Verdict:
    return around(
        results.of("note 15", "order"), 1, 0.05, what="order in η of the relative difference"
    )


def _same_limit(results: Results) -> Verdict:
    return all_below(results.last("note 15", "error"), 1e-2, what="relative difference at η = 1e-5")


def _asymmetric(results: Results) -> Verdict:
    return all_above(results.of("note 16", "asymmetry"), 1e-3, what="|J − Jᵀ| / |J|")


def draw(results: Results) -> Any:
    """|E| and V along the dynamics, and how fast pseudobackprop tends to Gauss–Newton."""
    figure = panels(2, width=4.6, height=3.8)
    left, right = figure.axes
    times = results.of("theorem 1", "times")[0]
    error, v = results.of("theorem 1", "error"), results.of("theorem 1", "v")
    geometric(left, times[1:], error[:, 1:], FA, "error |E| / |T|")
    geometric(left, times[1:], v[:, 1:] / v[:, :1], BP, "V = |BE|², never rising", linestyle="--")
    left.plot([], [], color="#888888", linewidth=0.5, label=f"one of {len(error)} networks")
    finish(
        left,
        "Time (learning is continuous)",
        "Relative to the start",
        legend="lower left",
        log="xy",
    )
    left.set_ylim(1e-9, 3)
    left.set_xlim(times[1], min(30, times[-1]))
    left.set_title("Theorem 1: from A = W = 0\nthe error goes to zero", fontsize="medium")
    etas, gap = results.of("note 15", "etas")[0], results.of("note 15", "error")
    geometric(right, etas, gap, FA, "measured", marker="o", markersize=4)
    middle = np.exp(np.log(gap).mean(axis=0))
    right.plot(etas, middle[-1] * etas / etas[-1], "k:", linewidth=1.5, label="proportional to η")
    right.plot([], [], color="#888888", linewidth=0.5, label=f"one of {len(gap)} networks")
    words = "Relative difference of Δh"
    finish(right, "Learning rate η", words, legend="upper left", log="xy")
    title = "Note 15: pseudobackprop's Δh tends to\nGauss–Newton's as the rate becomes small"
    right.set_title(title, fontsize="medium")
    return figure


_ROUNDING = "exactly"
EXPERIMENT = Experiment(
    name="theory",
    title="the theorems in numbers",
    where="Supplementary Notes 11, 14, 15 and 16",
    presets={
        "quick": _COMMON | {"runs": 3},
        "paper": _COMMON | {"runs": 20, "sizes": [30, 20, 10]},
    },
    conditions=lambda settings: ["theorem 1", "theorem 2", "note 15", "note 16"],
    run=run,
    claims=(
        Claim("Theorem 1: from A = W = 0 the error goes to zero", "E → 0", _error),
        Claim(
            "BW + WᵀBᵀ − AAᵀ stays constant",
            _ROUNDING,
            _largest("theorem 1", "drift", 1e-6, "", "drift relative to |AAᵀ|"),
        ),
        Claim(
            "V = |BE|² never rises",
            _ROUNDING,
            _largest("theorem 1", "rise", 1e-9, "", "rise relative to V(0)"),
        ),
        Claim("Lemma 5: h ∝ By*", _ROUNDING, _largest("theorem 2", "h", 1e-4, "°", "angle")),
        Claim("... and W ∝ y*(By*)ᵀ", _ROUNDING, _largest("theorem 2", "w", 1e-4, "°", "angle")),
        Claim("Theorem 2: Be ∝ W⁺e", _ROUNDING, _largest("theorem 2", "pbp", 1e-4, "°", "angle")),
        Claim("Note 15: pseudobackprop's Δh is Gauss–Newton's", "to first order", _first_order),
        Claim("... in the limit of small η", "equal", _same_limit),
        Claim(
            "Note 16: the flow's Jacobian is equation 79's, with −h² and −Wh + e for h² and −W + e",
            _ROUNDING,
            _largest("note 16", "mismatch", 1e-6, "", "relative difference"),
        ),
        Claim("... which is not symmetric: no gradient", "not symmetric", _asymmetric),
        Claim(
            "... while backprop's is symmetric",
            "a gradient",
            _largest("note 16", "backprop", 1e-6, "", "|J − Jᵀ| / |J|"),
        ),
    ),
    draw=draw,
)
