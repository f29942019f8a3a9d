"""What is loaded: a file is made into a plan, which is checked before anything is built or changed."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .. import _check
from ..callbacks import Writing
from ..ensemble import Ensemble
from ..network import Network
from .describe import Tensors
from .file import Mismatch, reading
from .network import Described, NetworkPlan
from .saving import kind_of
from .trainer_plan import TrainerPlan

if TYPE_CHECKING:
    from ..trainer import Trainer

Path = str | os.PathLike[str]


def load(
    path: Path,
    into: Any,
    write_outside: bool,
    make_trainer: Callable[..., Trainer],
    *,
    to_go_on: bool = False,
) -> Any:
    """See `fastfa.load`. ``make_trainer`` makes a trainer from the arguments that the file has.

    ``to_go_on``: a fit whose last epoch is done is still not brought to its end, which may be put off.
    """
    wanted = None if into is None else kind_of("[load] into", into)
    _check.flag("load", "write_outside", write_outside)
    path = _check.path("load", "path", path)
    with reading(path) as file:
        kind: Any = file.content.get("kind")
        if kind not in _PLANS:
            file.refuse(f"holds {kind!r}; it must be one of {', '.join(_PLANS)}")
        plan = whole = _PLANS[kind](file.content, make_trainer)
        if isinstance(whole, TrainerPlan) and wanted == "network":
            plan = whole.network
        elif wanted not in (None, kind):
            file.refuse(f"holds the state of a {kind}, which doesn't fit into {into!r}")
        file.check(whole.needed, whole.possible, whole.other)
        if into is not None:
            plan.check_like(into)
        tensors = file.read()
        if into is None:
            into = plan.build(tensors)
            if kind == "trainer" and not write_outside:
                _confine(into, path)
        else:
            plan.write(into, tensors)
        if isinstance(whole, TrainerPlan) and whole.is_over and not to_go_on:
            whole.end(into, tensors)
        return into


def _confine(trainer: Trainer, path: Path) -> None:
    """Let the callbacks that a file describes write in the file's folder alone."""
    for callback in trainer.callbacks:
        if isinstance(callback, Writing):
            callback._within = os.path.dirname(os.path.realpath(path))


class _EnsemblePlan:
    """A file that holds an ensemble; see `fastfa.checkpoint.network.NetworkPlan`."""

    def __init__(self, content: Described) -> None:
        self.plans = [
            NetworkPlan(each, Network, f"networks.{i}.")
            for i, each in enumerate(content["networks"])
        ]
        self.needed = {k: v for plan in self.plans for k, v in plan.needed.items()}
        self.possible = {k: v for plan in self.plans for k, v in plan.possible.items()}
        self.other: set[str] = set()

    def build(self, tensors: Tensors) -> Ensemble:
        return Ensemble([plan.build(tensors) for plan in self.plans])

    def check_like(self, ensemble: Ensemble) -> None:
        if len(ensemble) != len(self.plans):
            raise Mismatch(f"{len(self.plans)} networks, not {len(ensemble)}")
        for plan, net in zip(self.plans, ensemble.networks, strict=True):
            plan.check_like(net)

    def write(self, ensemble: Ensemble, tensors: Tensors) -> None:
        for plan, net in zip(self.plans, ensemble.networks, strict=True):
            plan.write(net, tensors)


_PLANS: dict[str, Callable[[Described, Callable[..., Trainer]], Any]] = {
    "network": lambda content, _: NetworkPlan(content["network"], Network),
    "ensemble": lambda content, _: _EnsemblePlan(content),
    "trainer": TrainerPlan,
}
