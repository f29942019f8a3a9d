"""What hidden units look at (Supplementary Figure 5)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..data import load
from . import mnist
from ._experiment import Claim, Experiment, Results, Settings
from ._figures import panels
from ._statistics import Verdict, above, around

# Supplementary Figure 5: "Receptive fields for 100 randomly selected hidden units relating to Figure
# 3a-b", at the beginning and after learning; "White denotes strong positive, black denotes strong
# negative." The training is that of "mnist".
TITLES = {
    "initial": "Initial",
    "bp": "Backprop",
    "fa": "Feedback alignment",
    "sparse": "Sparse feedback alignment",
}
UNITS, SIDE = 100, 28


def run(settings: Settings, condition: str, seed: int) -> dict[str, Any]:
    """The fields of 100 units as grey levels, and how alike neighbouring pixels are, of all units."""
    rule = "fa" if condition == "initial" else condition
    net = mnist.network(settings, rule, seed)
    if condition != "initial":
        data = load(settings["data"])
        mnist.trainer(settings, net, seed).fit(data.train)
    fields = net.weights[0].astype(np.float64)
    chosen = np.random.default_rng(seed).choice(len(fields), UNITS, replace=False)
    level = np.abs(fields[chosen]).max(axis=1, keepdims=True)
    grey = np.rint(127.5 + 127.5 * fields[chosen] / level).astype(int)
    return {"grey": grey, "smoothness": smoothness(fields)}


def smoothness(fields: np.ndarray) -> float:
    """Correlation of neighbouring pixels, mean over fields (n, 784): 0 for noise, towards 1 for strokes.

    Of the 20 × 20 pixels in the middle, where the digits are: elsewhere weights hardly change.
    """
    middle = fields.reshape(-1, SIDE, SIDE)[:, 4:24, 4:24]
    middle = middle - middle.mean(axis=(1, 2), keepdims=True)
    across = np.mean(middle[:, :, 1:] * middle[:, :, :-1], axis=(1, 2))
    down = np.mean(middle[:, 1:] * middle[:, :-1], axis=(1, 2))
    return float(np.mean((across + down) / 2 / np.mean(middle**2, axis=(1, 2))))


def _initial(results: Results) -> Verdict:
    what = "correlation of neighbouring pixels"
    return around(results.of("initial", "smoothness"), 0, 0.05, what=what)


def _structured(rule: str) -> Any:
    def measure(results: Results) -> Verdict:
        gain = results.of(rule, "smoothness") - results.of("initial", "smoothness")
        return above(gain, 0.1, what="correlation of neighbouring pixels less the initial one")

    return measure


def _similar(rule: str) -> Any:
    def measure(results: Results) -> Verdict:
        ratio = results.of(rule, "smoothness") / results.of("bp", "smoothness")
        return around(
            ratio, 1, 0.5, what="correlation of neighbouring pixels relative to backprop's"
        )

    return measure


def draw(results: Results) -> Any:
    """Four squares of 10 × 10 fields of 28 × 28 pixels."""
    figure = panels(2, 2, width=4.2, height=4.4)
    for ax, name in zip(figure.axes, results.conditions, strict=True):
        grey = results.of(name, "grey")[0].reshape(10, 10, SIDE, SIDE)
        tiles = np.pad(grey, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=255)
        picture = tiles.transpose(0, 2, 1, 3).reshape(10 * (SIDE + 2), 10 * (SIDE + 2))
        ax.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="none")
        ax.set_axis_off()
        ax.set_title(TITLES[name], fontsize="medium")
    return figure


EXPERIMENT = Experiment(
    name="receptive-fields",
    title="what hidden units look at, before and after learning digits",
    where="Supplementary Figure 5",
    presets={
        "quick": mnist.PRESETS["quick"] | {"runs": 3},
        "paper": mnist.PRESETS["paper"] | {"runs": 3},
    },
    conditions=lambda settings: list(TITLES),
    run=run,
    data=lambda settings: [settings["data"]],
    claims=(
        Claim("Initial fields are noise", "figure only", _initial),
        Claim("Backprop's have structure", "figure only", _structured("bp")),
        Claim("Feedback alignment's have structure", "figure only", _structured("fa")),
        Claim("... within half of backprop's", "similar feature detectors", _similar("fa")),
        Claim("... also with half of W and B removed", "similar", _similar("sparse")),
    ),
    draw=draw,
)
