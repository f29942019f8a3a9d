"""What ``fastfa sweep`` runs: the grid as a list of runs, and one of them from start to end."""

from __future__ import annotations

import argparse
import dataclasses
import functools
import hashlib
import itertools
import json
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any, final

from .. import DivergenceError, build_info, get_num_threads, set_num_threads
from .._interrupts import leave_to_commander
from ..callbacks import Callback, EarlyStopping
from ..data._digest import digest as data_digest
from .build import build_augment, build_trainer, early_stopping
from .checks import check_settings, check_training
from .dataset import load_data, measured, prepare
from .outputs import end_with_parent
from .ranges import FILES, Space, label
from .settings import resolve
from .table import OWN_DATA

if TYPE_CHECKING:
    from ..data import Dataset
    from ..network import Network

_ELSEWHERE = FILES | {"threads", "root", "runs"}  # no part of what a run computes
TIMING = ("seconds", "samples_per_second", "where")  # all that may differ between two of the same


@final
@dataclass(frozen=True)
class Run:
    """One training: ``varied`` is what the grid says, ``settings`` all of them as JSON has them."""

    name: str
    varied: dict[str, Any]
    seed: int
    settings: dict[str, Any]
    data: str = ""  # digest of the examples


def list_runs(
    file: Mapping[str, Any], given: Mapping[str, Any], grid: Space, seeds: Sequence[int]
) -> list[Run]:
    """Every combination with every seed, seed by seed: so what is there early can be compared."""
    combinations = [
        dict(zip(grid, values, strict=True))
        for values in itertools.product(*(choice.ends() for choice in grid.values()))
    ]
    runs = []
    for seed in seeds:
        for varied in combinations:
            settings = vars(resolve(file, {**given, **varied})) | {"seed": seed}
            told = {name: label(value) for name, value in varied.items()}
            runs.append(Run(_name(settings), told, seed, settings))
    return runs


def _name(settings: Mapping[str, Any]) -> str:
    own = {k: v for k, v in settings.items() if k not in _ELSEWHERE}
    return hashlib.sha256(json.dumps(own, sort_keys=True).encode()).hexdigest()[:12]


def check_runs(runs: Sequence[Run]) -> tuple[list[Run], dict[str, str]]:
    """Refuse, before any of them, a combination that can't be trained; says which. The runs with the
    digests of their data, and these by the data's name."""
    marks = {}
    for run in {json.dumps(run.varied): run for run in reversed(runs)}.values():
        settings = argparse.Namespace(**run.settings)
        try:
            check_settings(settings)
            data, background, mark = _loaded(settings)
            marks[settings.dataset] = mark
            augment = build_augment(settings, data, background)
            check_training(settings, data, build_trainer(settings, data, augment, run.seed))
        except (ValueError, TypeError) as error:
            if not run.varied:
                raise
            raise ValueError(f"{error} (with {told(run.varied)})") from None
    marked = [dataclasses.replace(run, data=marks[run.settings["dataset"]]) for run in runs]
    return marked, marks


def told(varied: Mapping[str, Any]) -> str:
    """``lr=0.1 feedback=fa``."""
    return " ".join(f"{name}={value}" for name, value in varied.items())


_OF_DATA = ("dataset", "root", "normalise", *sorted(OWN_DATA))


def _loaded(settings: argparse.Namespace) -> tuple[Dataset, float, str]:
    """The data, prepared; what 0 is in them; the digest of what they were before."""
    return _data(json.dumps({name: getattr(settings, name) for name in _OF_DATA}))


@functools.lru_cache(maxsize=2)
def _data(described: str) -> tuple[Dataset, float, str]:
    settings = argparse.Namespace(**json.loads(described))
    raw = load_data(settings)
    data, background, _ = prepare(settings, raw)
    return data, background, data_digest(raw)


@functools.cache
def _follow(commander: int | None) -> None:
    """A process of the sweep's own pool ends with it; one of a cluster has others to serve."""
    if commander is not None and os.getpid() != commander:
        leave_to_commander()
        end_with_parent()


def execute(run: Run, threads: int, version: str, commander: int | None) -> dict[str, Any]:
    """Train once; what a line of runs.jsonl says. Called in a process of its own.

    ``commander`` is the process whose pool this one may be of; None on a cluster.

    Raises
    ------
    ValueError
        If this process has another fastfa than the one that gave the order, or other data.
    """
    _follow(commander)
    here = build_info()
    if here["version"] != version:
        raise ValueError(
            f"[sweep] a worker has fastfa {here['version']}; it must have {version}, as here"
        )
    if get_num_threads() != threads:
        set_num_threads(threads)
    settings = argparse.Namespace(**run.settings)
    data, background, mark = _loaded(settings)
    if mark != run.data:
        raise ValueError(
            f"[sweep] a worker has other data of the name {settings.dataset!r} (digest {mark[:16]}); it "
            f"must have those with {run.data[:16]}, as here"
        )
    callbacks: list[Callback] = []
    if settings.early_stopping is not None:
        callbacks.append(early_stopping(settings, data))
    augment = build_augment(settings, data, background)
    trainer = build_trainer(settings, data, augment, run.seed, callbacks)
    begun, diverged = perf_counter(), None
    try:
        trainer.fit(data.train, validation=settings.validation, test=data.test)
    except DivergenceError as error:  # a result like others: every repetition ends so
        diverged = str(error)
    history = trainer.history
    last = dict(history.records[-1]) if len(history) else {"epoch": 0}
    line: dict[str, Any] = {"run": run.name, **run.varied, "seed": run.seed}
    line["epochs"] = last.pop("epoch")
    line["diverged"] = diverged
    line |= {k: v for k, v in last.items() if k not in (*TIMING, "lr")}
    for callback in callbacks:
        if isinstance(callback, EarlyStopping) and callback.best.epoch and diverged is None:
            kept = history.records[callback.best.epoch - 1]
            line["kept_epoch"] = kept["epoch"]
            for key, value, _ in (measured(kept, part) for part in ("validation", "test")):
                line[f"kept_{key}"] = value
    line["data_sha256"] = mark
    line["weights_sha256"] = digest(trainer.net)
    line["seconds"] = perf_counter() - begun
    line["where"] = (
        f"{socket.gethostname()}:{os.getpid()} {here['isa']} {get_num_threads()} threads"
    )
    return line


def digest(net: Network) -> str:
    """SHA-256 of all that the network has learned: names, shapes and bytes."""
    found = hashlib.sha256()
    for name, array in sorted(net.state_dict().items()):
        found.update(f"{name} {array.shape} {array.dtype.str}\n".encode())
        found.update(array.tobytes())
    return found.hexdigest()
