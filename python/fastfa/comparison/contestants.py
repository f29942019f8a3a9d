"""Who is compared: from what a user gives, a trainer for each seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .. import _check
from .._feedback_arguments import propagates
from ..layers import Dense
from ..network import Network
from ..optim import Adam
from ..trainer import Trainer
from .examples import Sets

_OF_NETWORK = ("layers", "feedback", "loss", "dtype")
_OF_TRAINER = (
    "optimizer",
    "batch_size",
    "epochs",
    "schedule",
    "augment",
    "targets",
    "update",
    "window",
)
_KEYS = (*_OF_NETWORK, "network", *_OF_TRAINER)
_UNITS = 200  # of the hidden layer, where no layers are given


@dataclass(frozen=True)
class Contestant:
    """A name, and what makes its trainer with a seed."""

    name: str
    make: Callable[[int], Trainer]


def read_contestants(given: Any, common: Mapping[str, Any], sets: Sets) -> list[Contestant]:
    """The contestants, in their order; ``common`` are the settings of those that say nothing else.

    Raises
    ------
    ValueError, TypeError
        If there are none, a name isn't text, or a dict has a key that isn't a setting.
    """
    if isinstance(given, Sequence) and not isinstance(given, str):
        names = list(given)
        if not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
            raise TypeError(
                f"[compare] contestants was {_check.shown(given)}; a list must have different names of "
                "rules, such as ['bp', 'fa']; give others as a dict"
            )
        given = {name: name for name in names}
    if not isinstance(given, Mapping):
        raise TypeError(
            f"[compare] contestants was {_check.shown(given)}; it must be a dict of names and rules, "
            "such as {'bp': 'bp', 'fa': 'fa'}"
        )
    if not given:
        raise ValueError("[compare] contestants was empty; it must have at least one")
    return [Contestant(*_one(name, value, common, sets)) for name, value in given.items()]


def _one(
    name: Any, value: Any, common: Mapping[str, Any], sets: Sets
) -> tuple[str, Callable[[int], Trainer]]:
    if not isinstance(name, str) or not name:
        raise TypeError(f"[compare] contestants has the name {_check.shown(name)}; it must be text")
    what = f"contestants[{name!r}]"
    if isinstance(value, Network):
        raise TypeError(
            f"[compare] {what} was {_check.shown(value)}; it must be a function of the seed that makes "
            "a Network, for each seed needs a new one"
        )
    if isinstance(value, Mapping):
        own = dict(value)
    elif callable(value) and not propagates(value):
        own = {"network": value}
    else:
        own = {"feedback": value}
    for key in own:
        _check.choice("compare", f"a key of {what}", key, _KEYS)
    settings = {**common, **own}
    network = settings.pop("network", None)
    if network is None:
        return name, lambda seed: _trainer(_network(settings, sets, seed), settings, seed)
    if not callable(network):
        raise TypeError(
            f"[compare] {what}['network'] was {_check.shown(network)}; it must be a function of the seed"
        )
    for key in own.keys() & {*_OF_NETWORK}:
        raise ValueError(
            f"[compare] {what}[{key!r}] was {_check.shown(own[key])} beside 'network'; it must not be "
            "given: the function makes the network"
        )
    return name, lambda seed: _trainer(_made(network, what, seed), settings, seed)


def _made(network: Callable[[int], Any], what: str, seed: int) -> Network:
    net = network(seed)
    if not isinstance(net, Network):
        raise TypeError(
            f"[compare] {what} returned {_check.shown(net)} for the seed {seed}; it must return a "
            "fastfa.Network"
        )
    if net.steps:
        raise ValueError(
            f"[compare] {what} returned a network with {net.steps} steps for the seed {seed}; it must "
            "return a new one"
        )
    return net


def _network(settings: Mapping[str, Any], sets: Sets, seed: int) -> Network:
    layers = settings["layers"]
    if layers is None and sets.in_time:
        raise ValueError(
            "[compare] layers was None for sequences; it must be a list with a Recurrent"
        )
    if layers is None:
        layers = [
            Dense(_UNITS, "tanh"),
            Dense(sets.outputs, "softmax" if sets.labelled else "linear"),
        ]
    feedback = settings.get("feedback", "fa")
    loss = settings["loss"]
    # A wrong one of these is told by Network.
    activation = (
        getattr(layers[-1], "activation", "") if isinstance(layers, Sequence) and layers else ""
    )
    if loss is None:
        classes = activation == "softmax" or (activation == "logistic" and sets.labelled)
        loss = "cross_entropy" if classes else "squared_error"
    return Network(sets.input, layers, feedback, loss, seed, settings["dtype"])


def _trainer(net: Network, settings: Mapping[str, Any], seed: int) -> Trainer:
    own = {key: settings[key] for key in _OF_TRAINER if key != "optimizer"}
    optimizer = Adam(0.001) if settings["optimizer"] is None else settings["optimizer"]
    return Trainer(net, optimizer, seed=seed, progress=False, **own)
