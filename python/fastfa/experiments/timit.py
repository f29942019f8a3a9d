"""Stop consonants of TIMIT (Supplementary Note 7)."""

from __future__ import annotations

from typing import Any

from . import _mnist as shared
from ._experiment import Claim, Experiment, Results
from ._figures import BP, FA

# Note 7: frames of 10 ms, 39 features (MFCC and two derivatives), "six stop consonants", 63,881 and
# 22,257 of them; 39-1000-1000-1000-6 tanh units: BP 24.3 %, "feedback alignment reliably performed
# better, giving 23.1%". Each feature is normalised by itself. The frames are those of
# `fastfa.data.load_timit`, which says what the note leaves open.
_NETS = {"bp": {"rule": "bp"}, "fa": {}}
STYLES = {"bp": ("BP", BP, "-"), "fa": ("FA", FA, "-")}
PAPER = {"bp": 24.3, "fa": 23.1}  # %
NAME = "timit-stops"
_COMMON = {"data": NAME, "nets": _NETS, "per_feature": True}


def draw(results: Results) -> Any:
    """Test error along the epochs, and at the last one with the paper's numbers."""
    return shared.draw(results, STYLES, PAPER)


EXPERIMENT = Experiment(
    name="timit",
    title="stop consonants in frames of speech",
    where="Supplementary Note 7",
    presets={
        "quick": shared.QUICK
        | _COMMON
        | {"hidden": [200] * 3, "epochs": 5, "lr": [[1, 1e-3], [4, 3e-4]]},
        "paper": shared.PAPER | _COMMON | {"hidden": [1000] * 3, "runs": 5},
    },
    conditions=shared.conditions,
    run=shared.run,
    data=shared.names,
    claims=(
        Claim("Backprop's error", "24.3 %", shared.reaches("bp", 24.3, NAME), kind="number"),
        Claim("Feedback alignment's", "23.1 %", shared.reaches("fa", 23.1, NAME), kind="number"),
        Claim("It is not worse than backprop", "-1.2 points", shared.near("fa", "bp", 0.5)),
    ),
    draw=draw,
)
