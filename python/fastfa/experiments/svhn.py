"""House numbers in grey (Supplementary Note 6)."""

from __future__ import annotations

from typing import Any

from . import _mnist as shared
from ._experiment import Claim, Experiment, Results
from ._figures import FA, FA4

# Note 6: 604,388 images for training, 26,032 for testing, "converted to grey-scale by taking the mean
# across the three colour channels"; 1024-3000-3000-3000-3000-10 tanh units: 9.7 %; "8 maps of neurons
# with 10x10 pixel receptive fields" as the first layer (8 · 23 · 23 = 4232 units): 8.1 %; and with the
# piecewise linear function: 7.1 %. No other setting is given: ours are those of "mnist-deep", with
# fewer epochs, as there are ten times as many images.
STYLES = {
    "fa": ("FA", FA, "-"),
    "local": ("FA, local", FA4, "-"),
    "leaky": ("FA, local, leaky", FA4, ":"),
}
PAPER = {"fa": 9.7, "local": 8.1, "leaky": 7.1}  # %
NAME = "svhn-grey"


def nets(maps: int, units: int) -> dict[str, Any]:
    """Four hidden layers; a local one and three; the same with leaky units."""
    local = {"local": [maps, 10], "hidden": [units] * 3}
    return {
        "fa": {"hidden": [units] * 4},
        "local": local,
        "leaky": local | {"activation": "leaky_relu"},
    }


def draw(results: Results) -> Any:
    """Test error along the epochs, and at the last one with the paper's numbers."""
    return shared.draw(results, STYLES, PAPER)


EXPERIMENT = Experiment(
    name="svhn",
    title="house numbers in grey: dense, local, leaky",
    where="Supplementary Note 6",
    presets={
        "quick": shared.QUICK
        | {"data": NAME, "nets": nets(2, 200), "epochs": 1, "lr": [[1, 3e-4]], "runs": 3},
        "paper": shared.PAPER
        | {
            "data": NAME,
            "nets": nets(8, 3000),
            "epochs": 15,
            "lr": [[1, 1e-4], [8, 3e-5], [13, 1e-5]],
            "runs": 5,
        },
    },
    conditions=shared.conditions,
    run=shared.run,
    data=shared.names,
    claims=(
        Claim(
            "Feedback alignment's error", "9.7 %", shared.reaches("fa", 9.7, NAME), kind="number"
        ),
        Claim(
            "... with a local first layer",
            "8.1 %",
            shared.reaches("local", 8.1, NAME),
            kind="number",
        ),
        Claim("... and leaky units", "7.1 %", shared.reaches("leaky", 7.1, NAME), kind="number"),
        Claim("A local layer is better than none", "8.1 / 9.7 %", shared.less("local", "fa")),
        Claim("Leaky units are better than tanh", "7.1 / 8.1 %", shared.less("leaky", "local")),
    ),
    draw=draw,
)
