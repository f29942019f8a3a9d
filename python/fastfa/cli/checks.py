"""What ``fastfa train`` refuses that no constructor looks at, before it writes anything."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .folder import check_root, place

if TYPE_CHECKING:
    from ..data import Dataset
    from ..trainer import Trainer


def check_settings(settings: argparse.Namespace) -> None:
    """What can be told before there are data."""
    from .. import _check

    _check.integer("train", "runs", settings.runs, 1, 10**6)
    _check.integer("train", "epochs", settings.epochs, 1, 10**9)
    _check.integer("train", "seed", settings.seed, 0, 2**64 - settings.runs)
    if settings.root is not None:
        check_root("train", settings.root)
    if settings.early_stopping is not None and settings.validation is None:
        raise ValueError(
            "[train] early_stopping was given without validation; give --validation FRACTION: "
            "it decides by the validation error"
        )
    if settings.validation is not None and not 0 < settings.validation < 1:
        raise ValueError(
            f"[train] validation was {settings.validation}; it must be between 0 and 1"
        )
    loss, targets = settings.loss or "cross_entropy", settings.targets
    inside = targets is None or all(0 <= target <= 1 for target in targets)
    if loss == "cross_entropy" and not inside:
        raise ValueError(
            f"[train] targets was {targets}; with loss 'cross_entropy' it must lie in [0, 1]"
        )


def check_training(settings: argparse.Namespace, data: Dataset, trainer: Trainer) -> None:
    """What training itself would refuse, when its folder is there already."""
    from ..training.settings import check_rates

    n = len(data.train)
    if settings.validation is not None and not 0 < (count := round(settings.validation * n)) < n:
        raise ValueError(
            f"[train] validation was {settings.validation}, which is {count} of {n} examples; it "
            "must leave at least one in each part"
        )
    check_rates(trainer, n)


def checkpoint_paths(
    settings: argparse.Namespace, seeds: Sequence[int], *, resume: bool, replace: bool
) -> list[Path | None]:
    """Where each seed's checkpoint goes: ``--save``, with the seed in the place of ``{seed}``."""
    save = settings.save
    if save is None:
        if resume:
            raise ValueError(
                "[train] save was not given beside --resume; it must name the checkpoint"
            )
        return [None for _ in seeds]
    if settings.runs > 1 and "{seed}" not in save:
        raise ValueError(
            f"[train] save was {save!r} for {settings.runs} runs; it must have {{seed}} in it"
        )
    if resume and "{epoch}" in save:
        raise ValueError(f"[train] save was {save!r} beside --resume; it must name one file")
    pattern = str(place("train", "save", save))
    paths = [Path(pattern.replace("{seed}", str(seed))) for seed in seeds]
    for path in paths:
        check_save(save, path, replace=replace)
    return list(paths)


def check_save(save: str, path: Path, *, replace: bool) -> None:
    """Refuse a checkpoint's path that can't be written, or not without being told so."""
    if path.is_dir():
        raise ValueError(f"[train] save was {save!r}, and {path} is a folder; it must be a file")
    if not path.absolute().parent.is_dir():
        raise ValueError(f"[train] save was {save!r}; its folder must exist")
    if path.exists() and not replace:
        raise ValueError(
            f"[train] save was {save!r}, and {path} is there already; name another file, or give "
            "--resume or --overwrite"
        )
