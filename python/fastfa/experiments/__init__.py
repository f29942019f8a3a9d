"""The paper's experiments, a file each; ``fastfa reproduce`` runs them.

Lillicrap, Cownden, Tweed & Akerman, Nature Communications 7:13276 (2016), its supplement, and the
preprint arXiv:1411.0247. `get` gives an `Experiment`; `reproduce` runs one, writes what it found into a
folder and returns the summary. Needs SciPy, and matplotlib for figures:
``pip install fastfa[reproduce]``.
"""

from __future__ import annotations

from importlib import import_module

from .. import _check
from ._experiment import PRESETS, Claim, Experiment, Results
from ._runner import reproduce
from ._statistics import Verdict

__all__ = ["NAMES", "PRESETS", "Claim", "Experiment", "Results", "Verdict", "get", "reproduce"]

#: The experiments, in the order of the paper; each is a module of this package.
NAMES = (
    "linear",
    "nonlinear",
    "xor",
    "momentum",
    "small-weights",
    "frozen-control",
    "neuron-alignment",
    "flow-field",
    "decoupled",
    "coupled",
    "switch",
    "theory",
    "mnist",
    "receptive-fields",
    "mnist-deep",
    "mnist-local",
    "mnist-elastic",
    "mnist-ten",
    "mnist-back-image",
    "svhn",
    "timit",
    "autoencoder",
)


def get(name: str) -> Experiment:
    """The experiment of that name, one of `NAMES`.

    Raises
    ------
    ValueError, TypeError
        If there is none.
    """
    _check.choice("reproduce", "name", name, NAMES)
    return import_module(f".{name.replace('-', '_')}", __name__).EXPERIMENT
