"""Weights that are shared, local or full under feedback alignment (Supplementary Notes 5 and 9)."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import Adam, Conv2D, Dense, LocallyConnected2D, Network, Trainer
from ..data import Dataset, load, normalise
from ..layers import Layer
from ._experiment import Claim, Experiment, Results, Settings
from ._figures import BP, FA, FA4, finish, panels
from ._mnist import HIGH, LOW
from ._statistics import Verdict, below, log_ratio

# Note 5 has not tried convolutions. It says that others found feedback alignment to struggle with them,
# and supposes why: "Since convolutional layers use substantial weight sharing, they have very little
# redundancy in their parameters"; a local layer, "essentially a convolutional layer without weight
# sharing", did well. Note 9 has the lack of redundancy as the one limitation. So three networks have the
# same units here, two hidden layers of them, and differ in how many weights these units have: shared
# between positions, own ones for each position, or from everywhere. Through the second layer FA sends
# errors by a random kernel, a random local matrix, or a random full one. Redundancy is told as the
# number of weights that learn on their own.
#
# All else is ours: sizes, tanh units, targets of ±0.9, Adam with one schedule for all rules and
# networks, so that none has been chosen for one of them.
SHAPES = ("conv", "local", "dense")
RULES = ("bp", "fa", "dfa", "usf")
LABELS = {"bp": "BP", "fa": "FA", "dfa": "direct FA", "usf": "sign-symmetric"}
COLOURS = {"bp": BP, "fa": FA, "dfa": FA4, "usf": "#7a3fb0"}
NAMES = {"conv": "convolutional", "local": "local", "dense": "dense"}


def conditions(settings: Settings) -> list[str]:
    """``"mnist conv fa"`` and so on: the set, the network, the rule."""
    return [
        f"{name} {shape} {rule}" for name in settings["sets"] for shape in SHAPES for rule in RULES
    ]


def network(settings: Settings, shape: str, rule: str, data: Dataset, seed: int) -> Network:
    """784-…-10, with hidden layers of the same numbers of units in each of the three shapes."""
    layers: list[Layer] = []
    below_it: tuple[int, ...] = data.image_shape
    for maps, kernel, stride in settings["hidden"]:
        conv = Conv2D(maps, kernel, stride=stride, activation="tanh")
        local = LocallyConnected2D(maps, kernel, stride=stride, activation="tanh")
        below_it = conv.output_shape(below_it)
        dense = Dense(int(np.prod(below_it)), "tanh")
        layers.append({"conv": conv, "local": local, "dense": dense}[shape])
    net = Network(data.image_shape, [*layers, Dense(data.classes, "tanh")], rule, seed=seed)
    net.biases[-1][...] = np.arctanh(LOW + (HIGH - LOW) / data.classes)
    return net


def run(settings: Settings, condition: str, seed: int) -> dict[str, Any]:
    """One training: errors in percent after every epoch, and the weights of the hidden layers."""
    name, shape, rule = condition.split()
    data = load(name)
    most = settings["examples"] or len(data.train)
    train = normalise(data.train.x[:most])
    test = normalise(data.test.x, train.mean, train.sd).x
    net = network(settings, shape, rule, data, seed)
    rates = {int(epoch): float(rate) for epoch, rate in settings["lr"]}
    history = Trainer(
        net,
        Adam(rates[1]),
        batch_size=settings["batch_size"],
        epochs=settings["epochs"],
        seed=seed,
        schedule=rates,
        progress=False,
    ).fit((train.x, data.train.labels[:most]), None, (test, data.test.labels))
    return {
        "data": name,
        "weights": sum(w.size for w in net.weights[:-1]),
        "error": [100 * error for error in history["test_error"]],
        "train_error": [100 * error for error in history["train_error"]],
    }


# ---- claims --------------------------------------------------------------------------------------


def cost(results: Results, shape: str, rule: str = "fa") -> np.ndarray:
    """The error as a multiple of backprop's, its logarithm, of every seed: the mean over the sets.

    A rule and backprop of the same seed begin with the same weights.
    """
    logs = [
        np.log(results.last(f"{name} {shape} {rule}", "error"))
        - np.log(results.last(f"{name} {shape} bp", "error"))
        for name in results.settings["sets"]
    ]
    return np.mean(logs, axis=0)


def weights(results: Results, shape: str) -> float:
    """The weights of the hidden layers that learn on their own."""
    return float(results.of(f"{results.settings['sets'][0]} {shape} fa", "weights")[0])


def costly(shape: str) -> Any:
    """Feedback alignment's errors are above backprop's."""

    def measure(results: Results) -> Verdict:
        ratio = np.exp(cost(results, shape))
        return log_ratio(1 / ratio, np.ones_like(ratio), 1.0, f"error, BP / FA, {NAMES[shape]}")

    return measure


def cheaper(shape: str, rule: str = "fa") -> Any:
    """The error as a multiple of backprop's is less than with convolutions."""

    def measure(results: Results) -> Verdict:
        ours, theirs = np.exp(cost(results, shape, rule)), np.exp(cost(results, "conv", rule))
        what = f"{LABELS[rule]} / BP, {NAMES[shape]} / convolutional"
        return log_ratio(ours, theirs, 1.0, what, paired=False)

    return measure


def with_redundancy(results: Results) -> Verdict:
    """The slope of what feedback alignment costs along the decimal logarithm of the weights."""
    places = np.log10([weights(results, shape) for shape in SHAPES])
    costs = np.array([cost(results, shape) for shape in SHAPES])
    slopes = np.polyfit(places, costs, 1)[0]
    return below(
        100 * (np.exp(slopes) - 1), 0.0, "%", "change of FA / BP for ten times the weights"
    )


def signs(results: Results) -> Verdict:
    """Feedback with the signs of the weights costs less in convolutions."""
    ours, theirs = (np.exp(cost(results, "conv", rule)) for rule in ("usf", "fa"))
    return log_ratio(ours, theirs, 1.0, "error, sign-symmetric / FA, convolutional")


# ---- figure --------------------------------------------------------------------------------------


def draw(results: Results) -> Any:
    """For each set the last test errors, and these as multiples of backprop's along the weights."""
    sets = results.settings["sets"]
    figure = panels(2, len(sets), width=4.6, height=3.6)
    for row, name in enumerate(sets):
        left, right = figure.axes[2 * row : 2 * row + 2]
        for at, rule in enumerate(RULES):
            style: dict[str, Any] = {"color": COLOURS[rule], "markersize": 5}
            errors = [results.last(f"{name} {shape} {rule}", "error") for shape in SHAPES]
            for place, runs in enumerate(errors):
                x = np.full(len(runs), place + 0.16 * (at - 1.5))
                left.plot(x, runs, "o", alpha=0.4, **style)
                label = LABELS[rule] if not place else None
                left.plot(
                    x[0],
                    np.exp(np.log(runs).mean()),
                    "_",
                    label=label,
                    **style | {"markersize": 14},
                )
            if rule == "bp":
                continue
            bps = [results.last(f"{name} {shape} bp", "error") for shape in SHAPES]
            ratios = np.array(errors) / np.array(bps)
            places = [weights(results, shape) for shape in SHAPES]
            right.plot(places, ratios, "o", alpha=0.4, **style)
            right.plot(
                places, np.exp(np.log(ratios).mean(axis=1)), color=COLOURS[rule], label=LABELS[rule]
            )
        left.set_xticks(range(len(SHAPES)), [NAMES[shape] for shape in SHAPES])
        right.axhline(1, color=BP, linewidth=1)
        finish(left, "", "Test error (%)", title=name, legend="best")
        finish(
            right,
            "Weights of the hidden layers",
            "Error / backprop's",
            title=name,
            legend="best",
            log="x",
        )
    return figure


EXPERIMENT = Experiment(
    name="conv-local",
    title="shared, local and full weights under feedback alignment",
    where="Supplementary Notes 5 and 9",
    presets={
        "quick": {
            "sets": ["mnist-mini"],
            "examples": 3000,
            "hidden": [[4, 5, 3], [8, 3, 2]],  # maps, kernel, stride
            "epochs": 6,
            "lr": [[1, 2e-3], [4, 5e-4]],
            "batch_size": 50,
            "runs": 5,
        },
        "paper": {
            "sets": ["mnist", "fashion-mnist"],
            "examples": None,
            "hidden": [[8, 5, 2], [16, 3, 2]],
            "epochs": 10,
            "lr": [[1, 1e-3], [6, 3e-4], [9, 1e-4]],
            "batch_size": 100,
            "runs": 5,
        },
    },
    conditions=conditions,
    run=run,
    data=lambda settings: list(settings["sets"]),
    claims=(
        Claim(
            "With shared weights feedback alignment is worse than backprop",
            "struggles",
            costly("conv"),
        ),
        Claim("Local weights of their own do better", "does well", cheaper("local")),
        Claim("... and so do dense ones", "about as well as backprop", cheaper("dense")),
        Claim(
            "The more redundancy, the less it costs", "is reliant on redundancy", with_redundancy
        ),
        Claim(
            "Direct feedback has the same problem",
            "a check of ours",
            cheaper("local", "dfa"),
            kind="ours",
        ),
        Claim(
            "The signs of the weights help with shared ones", "a check of ours", signs, kind="ours"
        ),
    ),
    draw=draw,
)
