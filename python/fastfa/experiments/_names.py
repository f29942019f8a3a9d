"""The names of the experiments."""

from __future__ import annotations

from importlib import import_module

from .. import _check
from ._experiment import Experiment

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
    "conv-local",
    "rflo",
)


def get(name: str) -> Experiment:
    """The experiment of that name, one of `NAMES`.

    Raises
    ------
    ValueError, TypeError
        If there is none.
    """
    _check.choice("reproduce", "name", name, NAMES)
    return import_module(f".{name.replace('-', '_')}", __package__).EXPERIMENT
