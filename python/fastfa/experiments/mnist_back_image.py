"""Digits in front of photographs (Supplementary Note 5)."""

from __future__ import annotations

from typing import Any

from . import _mnist as shared
from ._experiment import Claim, Experiment, Results
from ._figures import BP, FA, SHALLOW

# Note 5: mnist-back-image, 784-1500-1500-1500-10 tanh units, "the larger set for training and the
# smaller set for testing" (of its 12,000 and 50,000 images): BP 21.5 %, FA 20.66 %. Where its files
# aren't found, MNIST's digits in front of other photographs stand in: more images, no comparison.
_NETS = {"shallow": {"rule": "shallow"}, "bp": {"rule": "bp"}, "fa": {}}
STYLES = {
    "shallow": ("shallow", SHALLOW, "-"),
    "bp": ("BP", BP, "-"),
    "fa": ("FA", FA, "-"),
}
PAPER = {"bp": 21.5, "fa": 20.66}  # %
ORIGINAL = "mnist-back-image"


def draw(results: Results) -> Any:
    """Test error along the epochs, and the paper's numbers where the data is its own."""
    return shared.draw(results, STYLES, PAPER if shared.used_data(results) == ORIGINAL else {})


EXPERIMENT = Experiment(
    name="mnist-back-image",
    title="handwritten digits in front of photographs",
    where="Supplementary Note 5",
    presets={
        "quick": shared.QUICK
        | {"data": "mnist-mini-photo-background", "hidden": [300] * 3, "nets": _NETS},
        "paper": shared.PAPER
        | {
            "data": ORIGINAL,
            "instead": "mnist-photo-background",
            "hidden": [1500] * 3,
            "nets": _NETS,
            "runs": 5,
        },
    },
    conditions=shared.conditions,
    run=shared.run,
    data=shared.names,
    claims=(
        Claim("Backprop's error", "21.5 %", shared.reaches("bp", 21.5, ORIGINAL), kind="number"),
        Claim(
            "Feedback alignment's", "20.66 %", shared.reaches("fa", 20.66, ORIGINAL), kind="number"
        ),
        Claim("Feedback alignment beats backprop", "-0.84 points", shared.ahead("fa", "bp")),
        Claim(
            "... or is about as good",
            "a check of ours",
            shared.near("fa", "bp", 1.0),
            kind="ours",
        ),
        Claim(
            "It teaches the hidden layers",
            "a check of ours",
            shared.less("fa", "shallow", 0.7),
            kind="ours",
        ),
    ),
    draw=draw,
)
