"""Checkpoints: networks, ensembles and trainers as files, from which they go on in the same bits.

The format is safetensors: one text of JSON that describes the whole, and the arrays. There is no code
in it, and none is run to read it. ``docs/checkpoints.md`` lists what is inside.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from .. import _check
from ..callbacks import Writing
from ..ensemble import Ensemble
from ..errors import CheckpointError
from ..network import Network
from ..trainer import Trainer
from .callback import Checkpoint
from .describe import Tensors
from .file import NONSENSE, Mismatch, reading, write
from .network import Described, Plan, describe_network
from .trainer import TrainerPlan, describe_trainer

__all__ = ["Checkpoint", "CheckpointError", "load", "save"]

Path = str | os.PathLike[str]
Saved = Network | Ensemble | Trainer


def save(path: Path, what: Saved) -> None:
    """Write a network, an ensemble or a trainer to a file, with all that `load` needs to make it again.

    That is its description; weights, biases and those B that a seed doesn't give; the optimizer's
    velocities or moments; the step count, which is the counter of every random stream; and of a trainer
    also epoch, history, schedule, augmentation and what its callbacks keep.

    Parameters
    ----------
    path
        The file, by custom ``….safetensors``. It is written beside its place, synced, and renamed: if
        that fails, what was there stays as it was. A file that is replaced keeps its mode.
    what : Network, Ensemble or Trainer
        Not while another thread trains it, and a trainer not in the middle of an epoch.

    Raises
    ------
    CheckpointError
        If it holds feedback with ``propagate``, which is code and can't be written (of a schedule,
        augmentation or callback of your own the name and state are, see `load`), or a weight that isn't
        finite.
    OSError
        If the file can't be written.
    """
    path = _check.path("save", "path", path)
    write(path, *_described(path, what))


def check(path: Path, what: Saved) -> None:
    """Raise what `save` would, without writing."""
    _described(path, what)
    folder = os.path.dirname(os.path.realpath(path))
    if not os.path.isdir(folder):
        raise CheckpointError(path, f"can't be written: there is no folder {folder}")


def load(path: Path, into: Saved | None = None, *, write_outside: bool = False) -> Any:
    """The network, ensemble or trainer of a file, ready to go on in the same bits.

    Loading runs no code of the file's and writes nothing. A trainer whose `fit` was interrupted ends it
    with `Trainer.resume`.

    Parameters
    ----------
    path
        What `save` or `Checkpoint` wrote.
    into
        None: it is built from the file. A schedule, augmentation or callback that isn't fastfa's own is
        missing then: the network of such a trainer can be used, training it is refused. Otherwise a
        network, ensemble or trainer made as the saved one was, but for the device, which is given the
        state; a network may also be given that of a trainer's. Callbacks find theirs by their class.
    write_outside
        Whether loggers and checkpoints that the file describes may later write outside the folder that
        it lies in. If not, training such a trainer is refused, before anything is written.

    Returns
    -------
    Network, Ensemble or Trainer
        ``into`` if it was given.

    Raises
    ------
    CheckpointError
        If the file is malformed, damaged, not fastfa's, of another schema, or doesn't fit ``into``,
        which is then unchanged. No memory is taken for arrays before their sizes were found to be right.
    DeviceError
        If the saved network's device isn't to be had here; give it to one ``into`` on another.
    OSError
        If the file can't be read.
    """
    wanted = None if into is None else _kind("[load] into", into)
    _check.flag("load", "write_outside", write_outside)
    path = _check.path("load", "path", path)
    with reading(path) as file:
        kind: Any = file.content.get("kind")
        if kind not in _PLANS:
            file.refuse(f"holds {kind!r}; it must be one of {', '.join(_PLANS)}")
        plan = whole = _PLANS[kind](file.content)
        if isinstance(whole, TrainerPlan) and wanted == "network":
            plan = whole.network
        elif wanted not in (None, kind):
            file.refuse(f"holds the state of a {kind}, which doesn't fit into {into!r}")
        file.check(whole.needed, whole.possible, whole.other)
        if into is not None:
            plan.check_like(into)
        tensors = file.read()
        if into is None:
            made = plan.build(tensors)
            if isinstance(made, Trainer) and not write_outside:
                _confine(made, path)
            return made
        plan.write(into, tensors)
        return into


def _confine(trainer: Trainer, path: Path) -> None:
    """Let the callbacks that a file describes write in the file's folder alone."""
    for callback in trainer.callbacks:
        if isinstance(callback, Writing):
            callback._within = os.path.dirname(os.path.realpath(path))


def load_trainer(path: Path, into: Trainer | None, write_outside: bool) -> Trainer:
    """`load` of a trainer and nothing else."""
    if into is not None and not isinstance(into, Trainer):
        raise TypeError(f"[resume] into was {into!r}; it must be a Trainer")
    trainer = load(path, into, write_outside=write_outside)
    if not isinstance(trainer, Trainer):
        raise CheckpointError(path, f"holds a {_kind('what', trainer)}; it must be a trainer")
    return trainer


def _described(path: Path, what: Saved) -> tuple[Described, Tensors]:
    try:
        content: Described = {"kind": _kind("what", what)}
        if isinstance(what, Trainer):
            own, tensors = describe_trainer(what)
            return content | own, tensors
        if isinstance(what, Network):
            own, tensors = describe_network(what)
            return content | {"network": own}, tensors
        content["networks"], tensors = [], {}
        for i, net in enumerate(what.networks):
            own, arrays = describe_network(net, f"networks.{i}.")
            content["networks"].append(own)
            tensors |= arrays
        return content, tensors
    except NONSENSE as error:
        raise CheckpointError(path, f"can't be written: {error}") from error


def _kind(name: str, what: Any) -> str:
    for kind, known in {"network": Network, "ensemble": Ensemble, "trainer": Trainer}.items():
        if isinstance(what, known):
            return kind
    raise TypeError(f"{name} was {what!r}; it must be a Network, an Ensemble or a Trainer")


class _EnsemblePlan:
    """A file that holds an ensemble; see `fastfa.checkpoint.network.Plan`."""

    def __init__(self, content: Described) -> None:
        self.plans = [Plan(each, f"networks.{i}.") for i, each in enumerate(content["networks"])]
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


_PLANS: dict[str, Callable[[Described], Any]] = {
    "network": lambda content: Plan(content["network"]),
    "ensemble": _EnsemblePlan,
    "trainer": TrainerPlan,
}
