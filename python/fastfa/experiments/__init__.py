"""The paper's experiments, a file each; ``fastfa reproduce`` runs them.

Lillicrap, Cownden, Tweed & Akerman, Nature Communications 7:13276 (2016), its supplement, and the
preprint arXiv:1411.0247. `get` gives an `Experiment`; `reproduce` runs one, writes what it found into a
folder and returns the summary. Needs SciPy, and matplotlib for figures:
``pip install 'fastfa[reproduce]'``.
"""

from __future__ import annotations

from ._experiment import PRESETS, Claim, Experiment, Results
from ._names import NAMES, get
from ._runner import reproduce
from ._statistics import Verdict

__all__ = ["NAMES", "PRESETS", "Claim", "Experiment", "Results", "Verdict", "get", "reproduce"]


def __dir__() -> list[str]:
    return sorted(__all__)
