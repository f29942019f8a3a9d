"""What `Trainer` is given, checked."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _check
from ..callbacks import Callback
from ..data.crop_flip import AUGMENTATIONS
from ..ensemble import Ensemble
from ..history import History
from ..layers import Dense
from ..layers.recurrent import is_in_time
from ..network import Network
from ..network._arguments import default_targets
from ..perturbation import NodePerturbation
from ..schedules import Cosine, Steps, Warmup
from .in_time import InTime, TogetherInTime, check_way
from .own_loss import WithLoss
from .together import Together, check_alike

if TYPE_CHECKING:
    from ..trainer import Trainer


def learner_of(
    net: Any, loss: Any, update: Any, window: Any, carry: Any
) -> Network | Together | WithLoss | InTime:
    """What learns: the network, by its own loss or the caller's, in time, or an ensemble's together."""
    if loss is not None and not callable(loss):
        raise TypeError(
            f"[Trainer] loss was {loss!r}; it must be None, for the network's, or a callable "
            "(output, target) -> (losses, error)"
        )
    if isinstance(net, Ensemble):
        if loss is not None:
            raise TypeError(f"[Trainer] loss was {loss!r} for an Ensemble; it must be None")
        check_alike(net)
        way = check_way(net.networks, update, window, carry)
        return TogetherInTime(net, way) if is_in_time(net.networks[0].layers) else Together(net)
    if not hasattr(net, "_train_chunk"):
        raise TypeError(f"[Trainer] net was {net!r}; it must be a fastfa.Network or Ensemble")
    way = check_way((net,), update, window, carry)
    if loss is None:
        return InTime(net, way) if is_in_time(net.layers) else net
    if is_in_time(net.layers):
        raise TypeError(f"[Trainer] loss was {loss!r} for a network in time; it must be None")
    if isinstance(net.feedback, NodePerturbation):
        raise TypeError(
            f"[Trainer] loss was {loss!r} for a network that learns by NodePerturbation, which measures "
            "the network's own loss; it must be None"
        )
    return WithLoss(net, loss)


def check_optimizer(optimizer: Any) -> Any:
    kind = type(optimizer)
    if not dataclasses.is_dataclass(kind) or not hasattr(optimizer, "lr"):
        raise TypeError(
            f"[Trainer] optimizer was {optimizer!r}; it must be an optimizer such as "
            "fastfa.SGD(0.1)"
        )
    return optimizer


def check_callbacks(callbacks: Any) -> tuple[Callback, ...]:
    if not isinstance(callbacks, Sequence):
        raise TypeError(f"[Trainer] callbacks was {callbacks!r}; it must be a list or tuple")
    for index, callback in enumerate(callbacks):
        if not isinstance(callback, Callback):
            raise TypeError(
                f"[Trainer] callbacks[{index}] was {callback!r}; it must be a fastfa.Callback"
            )
        if callback.every is not None:
            _check.integer("Trainer", f"callbacks[{index}].every", callback.every, 1)
    return tuple(callbacks)


def check_history(history: Any) -> History:
    if not isinstance(history, History):
        raise TypeError(f"[Trainer] history was {history!r}; it must be a fastfa.History")
    return history


def check_augment(augment: Any, net: Network) -> Any:
    if augment is None:
        return None
    if not callable(augment):
        raise TypeError(
            f"[Trainer] augment was {augment!r}; it must be a fastfa.data.Distortion, a "
            "fastfa.data.CropFlip or another callable"
        )
    if not isinstance(augment, AUGMENTATIONS):
        return augment
    if is_in_time(net.layers):
        raise ValueError(
            f"[Trainer] augment was {augment!r} for a network in time; it must be None, or a callable "
            "of yours"
        )
    shape = net.input_shape
    if len(shape) < 2:
        raise ValueError(
            f"[Trainer] augment was {augment!r} for a network with input {shape[0]}; it "
            "must be one whose input is given as (H, W) or (C, H, W)"
        )
    if _check.channels_last(shape):
        raise ValueError(
            f"[Trainer] augment was {augment!r} for a network with input {shape}, which looks like "
            "(H, W, C); it must be one whose input is given as (C, H, W)"
        )
    return augment


def check_targets(net: Network, targets: Any) -> tuple[float, float]:
    if targets is None:
        return default_targets(net)
    if not isinstance(targets, Sequence) or len(targets) != 2:
        raise TypeError(f"[Trainer] targets was {targets!r}; it must be a pair (low, high)")
    low, high = (
        _check.real("Trainer", f"targets[{i}]", value, low=-np.inf)
        for i, value in enumerate(targets)
    )
    if low >= high:
        raise ValueError(f"[Trainer] targets was {targets!r}; low must be below high")
    return low, high


def check_rates(trainer: Trainer, examples: int) -> None:
    """Refuse, before training, an optimizer whose rate the core would refuse in the course of it.

    The limits of a rate depend on the batch, and the core knows them: a step of nothing asks it. Of the
    schedules only `Steps` and `Cosine` can raise it.
    """
    schedule: Any = trainer.schedule
    schedule = schedule.then if isinstance(schedule, Warmup) else schedule
    steps = list(schedule.rates.values()) if isinstance(schedule, Steps) else []
    if isinstance(schedule, Cosine):
        steps = [schedule.min_lr]
    zeros = np.zeros((min(trainer.batch_size, examples), 1))
    for rate in (trainer.optimizer.lr, *steps):
        optimizer = dataclasses.replace(trainer.optimizer, lr=rate)
        Network(1, [Dense(1)]).step(zeros, zeros, optimizer)


FIXED = ("net", "loss", "update", "window", "carry")  # what a trainer keeps, with its history
SETTINGS: dict[str, Callable[[Any, Any], Any]] = {
    "optimizer": lambda trainer, value: trainer._started_with(value),
    "schedule": lambda trainer, value: trainer._started(value),
    "batch_size": lambda _, value: _check.integer("Trainer", "batch_size", value, 1, 2**31 - 1),
    "epochs": lambda _, value: _check.integer("Trainer", "epochs", value, 1),
    "seed": lambda _, value: _check.integer("Trainer", "seed", value, 0, 2**64 - 1),
    "shuffle": lambda _, value: _check.flag("Trainer", "shuffle", value),
    "progress": lambda _, value: _check.flag("Trainer", "progress", value),
    "callbacks": lambda _, value: check_callbacks(value),
    "augment": lambda trainer, value: check_augment(value, trainer._one),
    "targets": lambda trainer, value: check_targets(trainer._one, value),
    "history": lambda _, value: check_history(value),
    "epoch": lambda _, value: _check.integer("Trainer", "epoch", value, 0),
    "batch": lambda _, value: _check.integer("Trainer", "batch", value, 0),
    "examples": lambda _, value: _check.integer("Trainer", "examples", value, 0),
}
