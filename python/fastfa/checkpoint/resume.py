"""A fit that was interrupted goes on."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from .. import _check
from ..errors import CheckpointError
from ..training.examples import FitPlan, fingerprint
from .loading import load
from .saving import kind_of

if TYPE_CHECKING:
    from ..trainer import Trainer


def resume(
    kind: type[Trainer],
    path: str | os.PathLike[str],
    examples: tuple[Any, Any, Any],
    epochs: int | None,
    into: Trainer | None,
    write_outside: bool,
) -> Trainer:
    """See `fastfa.Trainer.resume`; ``examples`` are those for training, validation and test."""
    if into is not None and not isinstance(into, kind):
        raise TypeError(f"[resume] into was {into!r}; it must be a Trainer")
    trainer = load(path, into, write_outside, kind, to_go_on=True)
    if not isinstance(trainer, kind):
        raise CheckpointError(path, f"holds a {kind_of('what', trainer)}; it must be a trainer")
    plan = trainer._plan
    if epochs is not None:
        epochs = _check.integer("resume", "epochs", epochs, trainer.epoch)
    end = epochs if epochs is not None else plan.end if plan else trainer.epoch
    if plan is None and end == trainer.epoch:
        return trainer
    sets = trainer._prepare(*examples)
    found = {name: fingerprint(part) for name, part in sets.items()}
    if plan is not None:
        _check_same(plan.examples, found)
    trainer._fit(sets, FitPlan(end, found), resumed=plan is not None)
    return trainer


def _check_same(saved: dict[str, str], found: dict[str, str]) -> None:
    """Refuse to go on with examples that aren't those of the fit that was interrupted."""
    if missing := sorted(saved.keys() - found.keys()):
        raise ValueError(f"[resume] {missing[0]} was not given; the interrupted fit had it")
    for name, mark in found.items():
        if name not in saved:
            raise ValueError(f"[resume] {name} was given; the interrupted fit had none")
        if mark != saved[name]:
            raise ValueError(
                f"[resume] {name} was {mark}; it must be the examples of the interrupted fit, "
                f"{saved[name]}"
            )
