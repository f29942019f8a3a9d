"""Recurrent networks learn a periodic output by random feedback local online learning."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import SGD, Adam, Dense, Feedback, Network, Recurrent
from ..data import add_task, periodic_task
from ..layers.recurrent import RecurrentFeedbackName
from ._experiment import Claim, Experiment, Results, Settings
from ._figures import BP, FA, SHALLOW, finish, geometric, panels
from ._statistics import Verdict, above, below, log_ratio
from ._tasks import spaced

# "example": the settings of the author's example (github.com/murray-lab/rflo-learning): one period of
# three sines, no input, no biases, h = 0.1 at first, an update at the end of each trial from its steps
# 1 … T − 1, divided by T. W_in is drawn there and never used.
# "20τ" to "160τ": the same with 30 units and these periods, as in the paper's figure 2. Rates are ours.
# "add": the add task, whose answer depends on inputs 6 and 10 steps ago. All of it is ours.
_EXAMPLE = {
    "units": 50,
    "steps": 100,
    "tau": 10.0,
    "scale": 1.5,
    "lr": 0.03,
    "start": 0.1,
    "trials": 10_000,
    "points": 60,
}
_ADD = {"units": 32, "tau": 2.0, "scale": 1.5, "lr": 3e-3, "sequences": 500, "batch_size": 10}
# B into the layer, and B_rec.
_RANDOM, _TRANSPOSE = Feedback("normal", scale=1.0), Feedback("transpose")
RULES: dict[str, tuple[Feedback, RecurrentFeedbackName]] = {
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
ALONE = (
    0.0390625  # loss of the best answer to the add task that uses no input: (0.5² + 0.25²) / 4 / 2
)
ABLATED = "80"  # the period, in τ, at which each change is made alone, too


def conditions(settings: Settings) -> list[str]:
    """``"example rflo"`` and so on: the task, the rule."""
    names = [f"example {rule}" for rule in RULES]
    for period in settings["periods"]:
        names += [
            f"{period}τ {rule}" for rule in (RULES if period == ABLATED else ("rflo", "bptt"))
        ]
    return [*names, *(f"add {rule}" for rule in RULES)]


def target(steps: int) -> np.ndarray:
    """(steps,): three sines of periods T, T/2 and T/4."""
    return periodic_task(steps).y[0, :, 0]


def network(settings: Settings, rule: str, seed: int, *, bias: bool = False) -> Network:
    """One input, a recurrent layer, one output; for all rules of a seed with the same weights."""
    n = settings["units"]
    feedback, back = RULES[rule]
    layers = [
        Recurrent(
            n,
            tau=settings["tau"],
            bias=bias,
            recurrent_scale=settings["scale"],
            recurrent_feedback=back,
        ),
        Dense(1, bias=bias, weight_scale=0.1 / np.sqrt(n)),
    ]
    return Network(1, layers, feedback, seed=seed, dtype="float64")


def run(settings: Settings, condition: str, seed: int) -> dict[str, Any]:
    """One network, trained."""
    task, rule = condition.split()
    if task == "add":
        return _add(settings["add"], rule, seed)
    own = settings["example"]
    if task != "example":
        period, longer = task.removesuffix("τ"), settings["longer"]
        steps = round(int(period) * own["tau"])
        own = own | longer | {"steps": steps, "lr": settings["periods"][period]}
    return _periodic(own, rule, seed)


def _periodic(settings: Settings, rule: str, seed: int) -> dict[str, Any]:
    """Loss of each trial that is kept, and the cosine between W_outᵀ and the random B."""
    steps, trials = settings["steps"], settings["trials"]
    net = network(settings, rule, seed)
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


def _add(settings: Settings, rule: str, seed: int) -> dict[str, Any]:
    """Mean loss of each epoch."""
    train = add_task(settings["sequences"], seed=seed)
    net, optimizer = network(settings, rule, seed, bias=True), Adam(settings["lr"])
    losses = [
        net.train_sequences(train.x, train.y, optimizer, batch_size=settings["batch_size"])
        for _ in range(settings["epochs"])
    ]
    return {"epochs": list(range(1, len(losses) + 1)), "loss": losses}


# ---- claims --------------------------------------------------------------------------------------


def _near(results: Results) -> Verdict:
    ours, theirs = (results.last(f"example {rule}", "loss") for rule in ("rflo", "bptt"))
    return log_ratio(ours, theirs, NEAR, "final loss, RFLO / backprop through time")


def _near_at_all_periods(results: Results) -> Verdict:
    """The geometric mean over the periods."""
    ours, theirs = (
        np.exp(np.mean([np.log(results.last(f"{p}τ {rule}", "loss")) for p in periods], axis=0))
        for periods in [results.settings["periods"]]
        for rule in ("rflo", "bptt")
    )
    return log_ratio(ours, theirs, NEAR, "final loss, RFLO / backprop through time")


def _add_ratio(smaller: str, larger: str) -> Callable[[Results], Verdict]:
    def measure(results: Results) -> Verdict:
        ours, theirs = (results.last(f"add {rule}", "loss") for rule in (smaller, larger))
        return log_ratio(ours, theirs, 0.5, f"final loss, {LABELS[smaller]} / {LABELS[larger]}")

    return measure


# ---- figure --------------------------------------------------------------------------------------


def draw(results: Results) -> Any:
    """Losses, how W_out turns to B, what RFLO's first network says at the end; periods; the add task."""
    figure = panels(3, 2, width=4.0, height=3.3)
    losses, cosines, said, periods, add, empty = figure.axes
    empty.set_axis_off()
    trials = results.of("example rflo", "trials")[0]
    for rule in RULES:
        geometric(
            losses, trials, results.of(f"example {rule}", "loss"), COLOURS[rule], LABELS[rule]
        )
    finish(losses, "Trials", "Loss of a trial", title="Example", legend="upper right", log="y")
    for row in results.of("example rflo", "cosine"):
        cosines.plot(trials, row, color=COLOURS["rflo"], linewidth=1)
    cosines.set_ylim(-0.5, 1)
    finish(cosines, "Trials", "Cosine of W_outᵀ and B, RFLO", title="Example")
    said.plot(
        target(results.settings["example"]["steps"])[1:],
        color="black",
        linestyle="--",
        label="target",
    )
    said.plot(results.of("example rflo", "output")[0], color=COLOURS["rflo"], label="RFLO, learned")
    finish(said, "Step", "Output", title="Example", legend="upper right")
    for rule in RULES:
        there = [p for p in results.settings["periods"] if f"{p}τ {rule}" in results.conditions]
        if not there:
            continue
        last = np.array([results.last(f"{p}τ {rule}", "loss") for p in there])
        x = np.array([int(p) for p in there], float)
        style: dict[str, Any] = {
            "color": COLOURS[rule],
            "marker": "o",
            "markersize": 4,
            "label": LABELS[rule],
        }
        middle = np.median(last, axis=1)
        quartiles = np.abs(np.quantile(last, (0.25, 0.75), axis=1) - middle)
        periods.errorbar(x, middle, quartiles, linewidth=1.5, **style)
    periods.set_xticks([int(p) for p in results.settings["periods"]])
    finish(
        periods, "Period (τ)", "Final loss, median and quartiles", title="Longer periods", log="y"
    )
    for rule in RULES:
        epochs = results.of(f"add {rule}", "epochs")[0]
        geometric(add, epochs, results.of(f"add {rule}", "loss"), COLOURS[rule])
    add.axhline(ALONE, color="black", linestyle="--", linewidth=1, label="without memory")
    finish(add, "Epochs", "Loss", title="Add task", legend="lower left", log="y")
    return figure


EXPERIMENT = Experiment(
    name="rflo",
    title="recurrent networks learn a periodic output by local rules",
    where="Murray, eLife 8:e43299 (2019), and its example",
    presets={
        "quick": {
            "example": _EXAMPLE | {"trials": 4000},
            "periods": {"20": 0.03},
            "longer": {"units": 30, "trials": 1500},
            "add": _ADD | {"epochs": 25},
            "runs": 3,
        },
        "paper": {
            "example": _EXAMPLE,
            "periods": {"20": 0.03, "40": 0.01, "80": 0.003, "160": 0.003},
            "longer": {"units": 30, "trials": 10_000},
            "add": _ADD | {"epochs": 60},
            "runs": 9,
        },
    },
    conditions=conditions,
    run=run,
    claims=(
        Claim(
            "RFLO learns the example nearly as well as backprop through time",
            "performance similar to BPTT",
            _near,
            kind="elsewhere",
        ),
        Claim(
            "... and longer periods, on average",
            "performance similar to BPTT",
            _near_at_all_periods,
            kind="elsewhere",
        ),
        Claim(
            "The readout weights turn towards the random feedback",
            "become partially aligned",
            lambda results: above(
                results.last("example rflo", "cosine"), 0.5, "", "cosine of W_outᵀ and B"
            ),
            kind="elsewhere",
        ),
        Claim(
            "The add task: RFLO learns from what is past, by at least a tenth of the loss",
            "a check of ours",
            lambda results: below(
                results.last("add rflo", "loss"), 0.9 * ALONE, "", "loss, without memory 0.039"
            ),
            kind="ours",
        ),
        Claim(
            "... but less than backprop through time",
            "a check of ours",
            _add_ratio("bptt", "rflo"),
            kind="ours",
        ),
        Claim(
            "... which locality costs: random feedback alone is far better",
            "a check of ours",
            _add_ratio("random", "rflo"),
            kind="ours",
        ),
    ),
    draw=draw,
)
