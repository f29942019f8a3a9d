"""What a trainer is and how far it has come, with what its callbacks keep."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from .._attributes import is_ours
from ..callbacks import Callback
from ..layers.recurrent import is_in_time
from ..optim import EXPECTED, OPTIMIZERS
from ..schedules import Schedule, _FromCallable
from .describe import Tensors, describe, is_known, pack
from .network import Described, describe_network

if TYPE_CHECKING:
    from ..trainer import Trainer


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
    if trainer.histories:
        raise TypeError(
            "its networks are an Ensemble: save that, by fastfa.save(path, trainer.net)"
        )
    network, tensors = describe_network(trainer.net)
    plan = trainer._plan
    progress = {
        "optimizer": describe(trainer.optimizer),
        "epoch": trainer.epoch,
        "batch": trainer.batch,
        "examples": trainer.examples,
        "history": pack(trainer.history.records, "history", tensors),
        "stopped": trainer._stopping,
        "fit": None if plan is None else dataclasses.asdict(plan),
    }
    callbacks = [
        _describe_callback(callback, f"callbacks.{i}", tensors)
        for i, callback in enumerate(trainer.callbacks)
    ]
    own = {"is": configuration_of(trainer), "callbacks": callbacks, "progress": progress}
    return {"network": network, "trainer": own}, tensors


def configuration_of(trainer: Trainer) -> Described:
    if not isinstance(trainer.optimizer, OPTIMIZERS):
        raise TypeError(f"the optimizer was {trainer.optimizer!r}; it must be {EXPECTED}")
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
    if trainer.loss is not None:
        configuration["loss"] = _describe_part(trainer.loss)
    if is_in_time(trainer.net.layers):
        configuration |= {"update": trainer.update, "carry": trainer.carry}
        if trainer.window is not None:
            configuration["window"] = trainer.window
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


def _describe_callback(callback: Callback, name: str, tensors: Tensors) -> Described:
    arguments = callback._arguments() if is_ours(type(callback)) else None
    own = {"arguments": arguments, "state": callback.state_dict()}
    return {"kind": name_of(callback)} | pack(own, name, tensors)


def name_of(callback: Callback) -> str:
    return callback.name if isinstance(callback, Missing) else type(callback).__qualname__
