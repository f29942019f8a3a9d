"""A trainer's description, what its callbacks keep, and the way back."""

from __future__ import annotations

import dataclasses
from typing import Any

from .. import _check
from .. import callbacks as _callbacks
from ..callbacks import Callback
from ..data import Distortion
from ..history import History, check_records
from ..schedules import Schedule, _FromCallable
from ..trackers import TensorBoardLogger
from ..trainer import Plan as FitPlan
from ..trainer import Trainer
from .callback import Checkpoint
from .describe import (
    OPTIMIZERS,
    SCHEDULES,
    Tensors,
    build,
    describe,
    difference,
    is_known,
    pack,
    packed_tensors,
    unpack,
)
from .file import Mismatch
from .network import Described, Plan, describe_network

# Not MLflowLogger: a file from elsewhere is not to say which server this machine talks to.
_BUILT_IN: dict[str, type[Callback]] = {
    each.__name__: each
    for each in (
        Checkpoint,
        _callbacks.Alignment,
        _callbacks.AveragedWeights,
        _callbacks.BestWeights,
        _callbacks.CSVLogger,
        _callbacks.EarlyStopping,
        _callbacks.JSONLLogger,
        TensorBoardLogger,
    )
}
_MAY_DIFFER = (
    "epochs",
    "progress",
    "schedule_after",
)  # of a trainer that a checkpoint is loaded into


class Missing(Callback, Schedule):
    """Stands where the trainer had something that its author alone can make; training refuses it."""

    def __init__(self, what: str, name: str, state: dict[str, Any] | None = None) -> None:
        self.what, self.name, self._state = what, name, state or {}

    def _refuse(self, *_: Any, **__: Any) -> Any:
        raise ValueError(
            f"[fit] the trainer comes from a checkpoint, which can't hold its {self.what} "
            f"{self.name}; make a trainer as the first was and load into it: "
            "Trainer.resume(path, …, into=trainer)"
        )

    _check_fit = _check_keys = lr = __call__ = _refuse

    def state_dict(self) -> dict[str, Any]:
        return self._state


def describe_trainer(trainer: Trainer) -> tuple[Described, Tensors]:
    """What the trainer is and how far it has come, and all arrays.

    Raises
    ------
    ValueError, TypeError
        If it is in the middle of an epoch, or holds what no description has words for.
    """
    if trainer._within is not None:
        raise ValueError(
            f"the trainer was in the middle of epoch {trainer._within}; it must be between epochs: save "
            "from on_epoch_done (as fastfa.Checkpoint does), or save the network"
        )
    network, tensors = describe_network(trainer.net)
    plan = trainer._plan
    progress = {
        "optimizer": describe(trainer.optimizer),
        "epoch": trainer.epoch,
        "batch": trainer.batch,
        "history": pack(trainer.history.records, "history", tensors),
        "stopped": trainer._stopping,
        "fit": None if plan is None else dataclasses.asdict(plan),
    }
    callbacks = [
        _describe_callback(callback, f"callbacks.{i}", tensors)
        for i, callback in enumerate(trainer.callbacks)
    ]
    own = {"is": _configuration(trainer), "callbacks": callbacks, "progress": progress}
    return {"network": network, "trainer": own}, tensors


def _configuration(trainer: Trainer) -> Described:
    if not isinstance(trainer.optimizer, OPTIMIZERS):
        raise TypeError(f"the optimizer was {trainer.optimizer!r}; it must be an SGD or an Adam")
    configuration = {
        "optimizer": describe(dataclasses.replace(trainer.optimizer, lr=trainer._first_lr)),
        "batch_size": trainer.batch_size,
        "epochs": trainer.epochs,
        "shuffle": trainer.shuffle,
        "seed": trainer.seed,
        "progress": trainer.progress,
        "targets": list(trainer.targets),
        "schedule": _describe_part(trainer.schedule),
        "augment": None if trainer.augment is None else _describe_part(trainer.augment),
    }
    if trainer._after:  # a fastfa that doesn't know it refuses the file
        configuration["schedule_after"] = trainer._after
    return pack(configuration, "trainer", {})


def _describe_part(part: Any) -> Described:
    """A schedule or augmentation; one that isn't ours by its name alone."""
    if is_known(part):
        return describe(part)
    if isinstance(part, Missing):
        return {"custom": part.name}
    code = part.function if isinstance(part, _FromCallable) else part
    return {"custom": getattr(code, "__qualname__", type(code).__qualname__)}


def _build_part(description: Any, what: str, *classes: type) -> Any:
    if "custom" in description:
        return Missing(what, str(description["custom"]))
    return build(description, *classes)


def _describe_callback(callback: Callback, name: str, tensors: Tensors) -> Described:
    arguments = callback._arguments() if type(callback) in _BUILT_IN.values() else None
    own = {"arguments": arguments, "state": callback.state_dict()}
    return {"kind": _name(callback)} | pack(own, name, tensors)


def _build_callback(described: Described, tensors: Tensors) -> Callback:
    kind, own = described["kind"], unpack(described, tensors)
    if not isinstance(own["state"], dict):
        raise TypeError(f"the state of callback {kind!r} is no object")
    if own["arguments"] is None:
        return Missing("callback", str(kind), own["state"])
    if kind not in _BUILT_IN:
        raise ValueError(f"a callback was {kind!r}; it must be one of {', '.join(_BUILT_IN)}")
    callback = _BUILT_IN[kind](**own["arguments"])
    callback.load_state_dict(own["state"])
    return callback


def _name(callback: Callback) -> str:
    return callback.name if isinstance(callback, Missing) else type(callback).__qualname__


class TrainerPlan:
    """A described trainer before it is built; see `fastfa.checkpoint.network.Plan`."""

    def __init__(self, content: Described) -> None:
        self.network = Plan(content["network"])
        described = content["trainer"]
        self.configuration, self.progress = described["is"], described["progress"]
        self.callbacks = described["callbacks"]
        self.needed, self.possible = self.network.needed, self.network.possible
        self.other = packed_tensors(self.callbacks) | packed_tensors(self.progress["history"])

    def build(self, tensors: Tensors) -> Trainer:
        """The trainer, with all that the file says of it."""
        own = dict(self.configuration)
        own["optimizer"] = build(own["optimizer"], *OPTIMIZERS)
        own["schedule"] = _build_part(own["schedule"], "schedule", *SCHEDULES)
        if own["augment"] is not None:
            own["augment"] = _build_part(own["augment"], "augmentation", Distortion)
        own.pop("schedule_after", None)
        callbacks = [_build_callback(each, tensors) for each in self.callbacks]
        net = self.network.build(tensors)
        trainer = Trainer(net, own.pop("optimizer"), **own, callbacks=callbacks)
        self._advance(trainer, tensors)
        return trainer

    def check_like(self, trainer: Trainer) -> None:
        """Refuse a trainer that is another one than the described, or lacks a callback with state."""
        self.network.check_like(trainer.net)
        saved, own = dict(self.configuration), _configuration(trainer)
        for name in _MAY_DIFFER:
            saved.pop(name, None), own.pop(name, None)
        found = difference(saved, own)
        if found is not None:
            raise Mismatch(f"another trainer: {found}")
        names = [_name(callback) for callback in trainer.callbacks]
        for described in self.callbacks:
            if not described["state"]:
                continue
            if described["kind"] not in names:
                raise Mismatch(f"another trainer, which had a callback {described['kind']!r}")
            names.remove(described["kind"])

    def write(self, trainer: Trainer, tensors: Tensors) -> None:
        """Put the state into a trainer of this description. Callbacks find theirs by their class."""
        left = list(trainer.callbacks)
        pairs = []
        for described in filter(lambda each: each["state"], self.callbacks):
            callback = next(each for each in left if _name(each) == described["kind"])
            left.remove(callback)
            pairs.append((callback, unpack(described["state"], tensors)))
        self.network.write(trainer.net, tensors)
        for callback, state in pairs:
            callback.load_state_dict(state)
        self._advance(trainer, tensors)

    def _advance(self, trainer: Trainer, tensors: Tensors) -> None:
        own, fit = self.progress, self.progress["fit"]
        epoch = _check.integer("progress", "epoch", own["epoch"], 0)
        plan = None
        if fit is not None:
            end = _check.integer("progress", "end", fit["end"], epoch)
            plan = FitPlan(end, dict(fit["examples"]))
        batch = _check.integer("progress", "batch", own["batch"], 0)
        stopped = _check.flag("progress", "stopped", own["stopped"])
        history = History(check_records(unpack(own["history"], tensors)))
        after = self.configuration.get("schedule_after", 0)
        trainer._after = _check.integer("progress", "schedule_after", after, 0, epoch)
        trainer._set(optimizer=build(own["optimizer"], *OPTIMIZERS), history=history)
        trainer._set(epoch=epoch, batch=batch)
        trainer._plan, trainer._stopping, trainer._within = plan, stopped, None
