"""Recurrent networks learn a periodic output by random feedback local online learning."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import SGD, Dense, Feedback, Network, Recurrent
from ..data import periodic_task
from ..layers.recurrent import RecurrentFeedbackName
from ._experiment import Claim, Experiment, Results, Settings
from ._figures import BP, FA, SHALLOW, finish, geometric, panels
from ._statistics import Verdict, above, log_ratio
from ._tasks import spaced

# The settings are those of the author's example (github.com/murray-lab/rflo-learning): one period of
# three sines, no input, no biases, h = 0.1 at first, an update at the end of each trial from its steps
# 1 … T − 1, divided by T. W_in is drawn there and never used.
_COMMON = {
    "units": 50,
    "steps": 100,
    "tau": 10.0,
    "scale": 1.5,
    "lr": 0.03,
    "start": 0.1,
    "trials": 10_000,
    "points": 60,
}
# B into the layer, and B_rec.
_RANDOM, _TRANSPOSE = Feedback("normal", scale=1.0), Feedback("transpose")
CONDITIONS: dict[str, tuple[Feedback, RecurrentFeedbackName]] = {
    "rflo": (_RANDOM, "zero"),
    "bptt": (_TRANSPOSE, "transpose"),
    "local": (_TRANSPOSE, "zero"),
    "random": (_RANDOM, "transpose"),
}
LABELS = {
    "rflo": "RFLO",
    "bptt": "backprop through time",
    "local": "locality alone",
    "random": "random feedback alone",
}
COLOURS = {"rflo": FA, "bptt": BP, "local": SHALLOW, "random": "#c2379b"}
NEAR = 3.0  # times the loss of backprop through time


def target(steps: int) -> np.ndarray:
    """(steps,): three sines of periods T, T/2 and T/4."""
    return periodic_task(steps).y[0, :, 0]


def network(settings: Settings, condition: str, seed: int) -> Network:
    """The network of one condition; all start with the same weights."""
    n = settings["units"]
    rule, back = CONDITIONS[condition]
    layers = [
        Recurrent(
            n,
            tau=settings["tau"],
            bias=False,
            recurrent_scale=settings["scale"],
            recurrent_feedback=back,
        ),
        Dense(1, bias=False, weight_scale=0.1 / np.sqrt(n)),
    ]
    return Network(1, layers, rule, seed=seed, dtype="float64")


def run(settings: Settings, condition: str, seed: int) -> dict[str, Any]:
    """Loss of each trial that is kept, and the cosine between W_outᵀ and the random B."""
    steps, trials = settings["steps"], settings["trials"]
    net = network(settings, condition, seed)
    other = network(settings, "rflo", seed)  # its B, also for those that don't use it
    b = other.feedback_matrices[0].ravel()
    X, Y = np.zeros((1, steps - 1, 1)), target(steps)[None, 1:, None]
    start = np.full((1, settings["units"]), settings["start"])
    optimizer = SGD(settings["lr"] * (steps - 1) / steps)
    kept = [each for each in spaced(trials, settings["points"]) if each]
    losses, cosines, wanted = [], [], set(kept)
    for trial in range(1, trials + 1):
        net.reset(start)
        loss = net.train_sequences(X, Y, optimizer, carry=True)
        if trial in wanted:
            losses.append(loss * (steps - 1) / steps)
            w = net.weights[1].ravel()
            cosines.append(float(w @ b / np.linalg.norm(w) / np.linalg.norm(b)))
    net.reset(start)
    y = [float(net.forward_step(X[:, t])[0, 0]) for t in range(steps - 1)]
    return {"trials": kept, "loss": losses, "cosine": cosines, "output": y}


def _near(results: Results) -> Verdict:
    what = "final loss, RFLO / backprop through time"
    return log_ratio(results.last("rflo", "loss"), results.last("bptt", "loss"), NEAR, what)


def draw(results: Results) -> Any:
    """Losses, how W_out turns to B, and what RFLO's first network says at the end."""
    figure = panels(3, width=4.0, height=3.4)
    left, middle, right = figure.axes
    trials = results.of(results.conditions[0], "trials")[0]
    for name in results.conditions:
        geometric(left, trials, results.of(name, "loss"), COLOURS[name], LABELS[name])
    left.set_yscale("log")
    finish(left, "Trials", "Loss of a trial", legend="upper right")
    for row in results.of("rflo", "cosine"):
        middle.plot(trials, row, color=COLOURS["rflo"], linewidth=1)
    middle.set_ylim(-0.5, 1)
    finish(middle, "Trials", "Cosine of W_outᵀ and B, RFLO")
    wanted = target(results.settings["steps"])[1:]
    right.plot(wanted, color="black", linestyle="--", label="target")
    right.plot(results.of("rflo", "output")[0], color=COLOURS["rflo"], label="RFLO, learned")
    finish(right, "Step", "Output", legend="upper right")
    return figure


EXPERIMENT = Experiment(
    name="rflo",
    title="recurrent networks learn a periodic output by local rules",
    where="Murray, eLife 8:e43299 (2019), and its example",
    presets={"quick": _COMMON | {"runs": 3}, "paper": _COMMON | {"runs": 9}},
    conditions=lambda settings: list(CONDITIONS),
    run=run,
    claims=(
        Claim(
            "RFLO learns the task nearly as well as backprop through time",
            "performance similar to BPTT",
            _near,
        ),
        Claim(
            "The readout weights turn towards the random feedback",
            "become partially aligned",
            lambda results: above(
                results.last("rflo", "cosine"), 0.5, "", "cosine of W_outᵀ and B"
            ),
        ),
    ),
    draw=draw,
)
