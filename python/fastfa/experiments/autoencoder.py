"""Autoencoders: feedback alignment fails where the network is narrow (Supplementary Note 9)."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import Adam, Dense, Feedback, Network, Trainer
from ..data import load
from ._experiment import Claim, Experiment, Results, Settings
from ._figures import BP, FA, curve, finish, panels
from ._statistics import Verdict, above, around, below, log_ratio, no_comparison

# Note 9: 784-1000-500-10-500-1000-784 tanh units on all of MNIST, pixels "between -0.9 and 0.9",
# "average squared reconstruction error on the test set": BP 8.6, FA 30.2; without the bottleneck,
# 784-1000-1000-1000-1000-1000-784: BP 1.5, FA 0.72. Read here as Σ e² over an image's pixels, mean over
# images, in the units of pixels from 0 to 1, as in the work that the note refers to (Hinton &
# Salakhutdinov 2006): in those from -0.9 to 0.9 every error is 3.24 times as large, and 8.6 from ten
# units would be better than what they have from thirty. No training is told: ours is Adam with batches
# of 100, and output biases that start at the mean image, without which the units of pixels that are
# always black hold up all the others.
LOW, HIGH = -0.9, 0.9
UNIT = (HIGH - LOW) ** 2
_COMMON = {"gain": 0.1, "batch_size": 100, "probes": 200}
PRESETS = {
    "quick": _COMMON
    | {
        "data": "mnist-mini",
        "narrow": [200, 100, 10, 100, 200],
        "wide": [300] * 5,
        "epochs": 12,
        "lr": [[1, 1e-3], [8, 3e-4], [11, 1e-4]],
        "runs": 3,
    },
    "paper": _COMMON
    | {
        "data": "mnist",
        "narrow": [1000, 500, 10, 500, 1000],
        "wide": [1000] * 5,
        "epochs": 60,
        "lr": [[1, 3e-4], [30, 1e-4], [45, 3e-5], [55, 1e-5]],
        "runs": 5,
    },
}
CONDITIONS = ("narrow-bp", "narrow-fa", "wide-bp", "wide-fa")
PAPER = {"narrow-bp": 8.6, "narrow-fa": 30.2, "wide-bp": 1.5, "wide-fa": 0.72}  # Σ e² an image


def run(settings: Settings, condition: str, seed: int) -> dict[str, Any]:
    """Squared error of a test image after every epoch, and of the mean image; pixels LOW … HIGH."""
    shape, rule = condition.split("-")
    data = load(settings["data"])
    train, test = (LOW + (HIGH - LOW) * part.x for part in (data.train, data.test))
    mean = train.mean(axis=0)
    net = Network(
        train.shape[1],
        [Dense(n, "tanh") for n in (*settings[shape], train.shape[1])],
        feedback=Feedback("uniform", scale="equal_before_slope", gain=settings["gain"])
        if rule == "fa"
        else rule,
        seed=seed,
    )
    net.biases[-1][...] = np.arctanh(mean)
    rates = {int(epoch): float(rate) for epoch, rate in settings["lr"]}
    learning = Trainer(
        net,
        Adam(rates[1]),
        batch_size=settings["batch_size"],
        epochs=settings["epochs"],
        seed=seed,
        schedule=rates,
        progress=False,
    )
    history = learning.fit((train, train), test=(test, test))
    return {
        "data": settings["data"],
        "error": [2 * loss for loss in history["test_loss"]],  # the loss is half of it
        "mean_image": float(((test - mean) ** 2).sum(axis=1).mean()),
    }


def _last(results: Results, condition: str) -> np.ndarray:
    """The last epoch's error of every run, in the paper's units."""
    return results.last(condition, "error") / UNIT


def _reaches(condition: str) -> Any:
    def measure(results: Results) -> Verdict:
        errors, paper = _last(results, condition), PAPER[condition]
        if results.settings["data"] != "mnist":
            return no_comparison(errors, "", results.settings["data"])
        return below(errors, 1.25 * paper, what="Σ e² an image, 1.25 times the paper's")

    return measure


def _near(condition: str) -> Any:
    """Neither much larger nor much smaller than the paper's: where it is the one that does worse, a
    smaller error is not the paper's finding."""

    def measure(results: Results) -> Verdict:
        errors, paper = _last(results, condition), PAPER[condition]
        if results.settings["data"] != "mnist":
            return no_comparison(errors, "", results.settings["data"])
        return around(errors, paper, 0.25 * paper, what="Σ e² an image,")

    return measure


def _fails(results: Results) -> Verdict:
    ratio = results.last("narrow-fa", "error") / results.last("narrow-bp", "error")
    return above(ratio, 1.4, "x", "error, FA / BP, narrow")


def _wide(results: Results) -> Verdict:
    errors = results.last("wide-fa", "error"), results.last("wide-bp", "error")
    if results.settings["data"] != "mnist":
        return no_comparison(errors[0] / errors[1], "x", results.settings["data"])
    return log_ratio(*errors, 1.0, "error, FA / BP, wide")


def _bottleneck(results: Results) -> Verdict:
    last = {name: results.last(name, "error") for name in CONDITIONS}
    wide, narrow = (last[f"{shape}-fa"] / last[f"{shape}-bp"] for shape in ("wide", "narrow"))
    what = "(FA / BP, wide) / (FA / BP, narrow)"
    return log_ratio(wide, narrow, 0.9, what, paired=False)  # they share nothing but the seed


def _learns(results: Results) -> Verdict:
    ratio = results.last("wide-fa", "error") / results.of("wide-fa", "mean_image")
    return below(ratio, 0.4, "x", "error relative to that of the mean image, wide")


def draw(results: Results) -> Any:
    """Squared error along the epochs, narrow at the left and wide at the right."""
    figure = panels(2, width=4.4, height=3.7)
    ours = results.settings["data"] == "mnist"
    for ax, shape in zip(figure.axes, ("narrow", "wide"), strict=True):
        for rule, colour in (("bp", BP), ("fa", FA)):
            name = f"{shape}-{rule}"
            error = results.of(name, "error") / UNIT
            curve(ax, np.arange(1, error.shape[1] + 1), error, colour, rule.upper())
            if ours:
                ax.axhline(PAPER[name], color=colour, linewidth=0.9, linestyle="--")
        if ours:
            ax.plot([], [], color="grey", linewidth=0.9, linestyle="--", label="the paper")
        mean = results.of(f"{shape}-fa", "mean_image")[0] / UNIT
        ax.axhline(mean, color="grey", linewidth=0.9, linestyle=":", label="mean image")
        finish(ax, "Epochs", "Squared error of a test image (pixels 0–1)", legend="best", log="y")
        ax.locator_params(axis="x", integer=True)
        ax.set_title("-".join(map(str, [784, *results.settings[shape], 784])), fontsize="medium")
    low = 0.85 * min(ax.get_ylim()[0] for ax in figure.axes)
    for ax in figure.axes:
        ax.set_ylim(low, 1.15 * mean)
        ticks = [t for t in (0.2, 0.5, 1, 2, 5, 10, 20, 30, 50) if low <= t <= 1.15 * mean]
        ax.set_yticks(ticks, [f"{t:g}" for t in ticks])
        ax.set_yticks([], minor=True)
    return figure


EXPERIMENT = Experiment(
    name="autoencoder",
    title="autoencoders with and without a bottleneck",
    where="Supplementary Note 9",
    presets=PRESETS,
    conditions=lambda settings: list(CONDITIONS),
    run=run,
    data=lambda settings: [settings["data"]],
    claims=(
        Claim("Narrow: backprop's error", "8.6", _reaches("narrow-bp"), kind="number"),
        Claim("Narrow: feedback alignment's error", "30.2", _near("narrow-fa"), kind="number"),
        Claim("Narrow: it fails where backprop doesn't", "30.2 / 8.6 = 3.5", _fails),
        Claim("Wide: backprop's error", "1.5", _near("wide-bp"), kind="number"),
        Claim("Wide: feedback alignment's error", "0.72", _reaches("wide-fa"), kind="number"),
        Claim("Wide: feedback alignment beats backprop", "0.72 / 1.5 = 0.48", _wide),
        Claim(
            "Relative to backprop, it is worse off with the bottleneck",
            "0.48 / 3.5 = 0.14",
            _bottleneck,
        ),
        Claim("Wide: it reconstructs digits", "a check of ours", _learns, kind="ours"),
    ),
    draw=draw,
)
