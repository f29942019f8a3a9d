"""From backprop's local minimum, feedback alignment first raises the error (Supplementary Figure 14)."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import SGD, Dense, Feedback, Network, metrics
from ._experiment import Claim, Experiment, Results, Settings
from ._figures import BP, FA, finish, geometric, panels
from ._statistics import Verdict, above, below, log_ratio
from ._tasks import quadratic_task, spaced

# Supplementary Figure 14 and Note 16: backprop close to a local minimum of error above zero over a
# training set, then feedback alignment; "a quadratic function, as in the simulations for Figures 3a, 3c
# and 9", whose 20-1000-20 network would fit a small training set to zero. Chosen here: 10-10-5 and 200
# examples in one batch, too few hidden units to fit them. At 0.05 backprop oscillates in some runs; the
# spike is no matter of the rate: it is about as high at 0.05, 0.02 and 0.01. `CONTROL` goes on with
# backprop instead.
CONDITION, CONTROL = "bp, then fa", "bp goes on"
_COMMON = {
    "sizes": [10, 10, 5],
    "examples": 200,
    "lr": 0.02,
    "feedback_scale": 0.5,
    "bp_updates": 25_000,
    "control_updates": 2000,
    "points": 60,
}


def run(settings: Settings, condition: str, seed: int) -> dict[str, Any]:
    """NSE over the training set along the updates of both phases."""
    n_in, hidden, n_out = settings["sizes"]
    X, Y = quadratic_task(seed, n_in, n_out, settings["examples"])
    net = Network(n_in, [Dense(hidden, "tanh"), Dense(n_out)], "bp", seed=seed, dtype="float64")
    optimizer, done, curve = SGD(settings["lr"]), 0, []
    bp = spaced(settings["bp_updates"], settings["points"])
    last = settings["fa_updates" if condition == CONDITION else "control_updates"]
    after = np.unique(np.geomspace(1, last, 2 * settings["points"]).astype(int))
    points = [*bp, *(bp[-1] + int(k) for k in after)]
    for point in points:
        order = np.tile(np.arange(len(X)), point - done)
        if len(order):
            net.train_epoch(X, Y, optimizer, batch_size=len(X), order=order)
        curve.append(metrics.nse(Y, net.forward(X)))
        done = point
        if point == bp[-1] and condition == CONDITION:
            net.set_feedback(Feedback("uniform", scale=settings["feedback_scale"]))
    at, later = curve[len(bp) - 1], np.array(curve[len(bp) :])
    top = int(later.argmax())
    half = next((k for k in range(top, len(later)) if later[k] < (later[top] + at) / 2), -1)
    return {
        "updates": points,
        "nse": curve,
        "switch": bp[-1],
        "before": curve[np.searchsorted(bp, 0.9 * bp[-1])],
        "at": at,
        "peak": later[top],
        "recovery": int(after[half] - after[top]),
        "end": curve[-1],
    }


def _ratio(results: Results, smaller: str, larger: str, bound: float, what: str) -> Verdict:
    return log_ratio(results.of(CONDITION, smaller), results.of(CONDITION, larger), bound, what)


def _spikes(results: Results) -> Verdict:
    return _ratio(results, "at", "peak", 0.67, "error at the switch / highest after it")


def _close(results: Results) -> Verdict:
    before, at = results.of(CONDITION, "before"), results.of(CONDITION, "at")
    return below(100 * np.abs(before / at - 1), 5, "%", "change of the error in its last tenth")


def _goes_on(results: Results) -> Verdict:
    highest = results.of(CONTROL, "peak") / results.of(CONTROL, "at")
    return below(highest, 1.05, "x", "highest error later / error there")


def _quickly(results: Results) -> Verdict:
    percent = 100 * results.of(CONDITION, "recovery") / results.of(CONDITION, "switch")
    return below(percent, 10, "%", "updates from the peak to half of it, of backprop's number")


def _recovers(results: Results) -> Verdict:
    at, peak, end = (results.of(CONDITION, key) for key in ("at", "peak", "end"))
    gone = 100 * (peak - end) / (peak - at)
    return above(gone, 70, "%", "of the spike that is gone at the end")


def _low(results: Results) -> Verdict:
    return _ratio(results, "end", "at", 2, "error at the end / at the switch")


def draw(results: Results) -> Any:
    """NSE along the updates: backprop in black, feedback alignment in green."""
    figure = panels(2, width=4.4)
    whole, close = figure.axes
    updates, nse = results.of(CONDITION, "updates")[0], results.of(CONDITION, "nse")
    switch = results.of(CONDITION, "switch")[0]
    first, second = updates <= switch, updates >= switch
    geometric(whole, updates[first] / 1000, nse[:, first], BP, "backprop")
    geometric(whole, updates[second] / 1000, nse[:, second], FA, "feedback alignment")
    finish(whole, "Updates (thousands)", "Error (NSE)", legend="upper right")
    whole.set_ylim(bottom=0)
    later = updates > switch
    at = nse[:, first][:, -1:]
    geometric(close, updates[later] - switch, nse[:, later] / at, FA)
    go_on, kept = results.of(CONTROL, "updates")[0], results.of(CONTROL, "nse")
    later = go_on > switch
    at = kept[:, go_on == switch]
    geometric(close, go_on[later] - switch, kept[:, later] / at, BP, "backprop goes on")
    finish(
        close,
        "Updates after the switch",
        "Error relative to the switch",
        legend="upper left",
        log="x",
    )
    close.set_ylim(bottom=0)
    return figure


EXPERIMENT = Experiment(
    name="switch",
    title="a minimum that backprop found is no equilibrium of feedback alignment",
    where="Supplementary Figure 14, Supplementary Note 16",
    presets={
        "quick": _COMMON | {"runs": 6, "fa_updates": 15_000},
        "paper": _COMMON | {"runs": 20, "fa_updates": 100_000},
    },
    conditions=lambda settings: [CONDITION, CONTROL],
    run=run,
    claims=(
        Claim("After the switch the error rises", "increases sharply", _spikes),
        Claim("Feedback alignment recovers from the spike", "quickly recovers", _recovers),
        Claim("... and finds other weights with a low error", "low error rates", _low),
        Claim("Half of the spike is gone soon", "quickly", _quickly),
        Claim("Before the switch backprop is close to a minimum", "close to it", _close),
        Claim("... where the error does not rise if backprop goes on", "a minimum", _goes_on),
    ),
    draw=draw,
)
