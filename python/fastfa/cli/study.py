"""What ``fastfa tune`` searches, and one trial of it: settings are drawn, a network is trained.

Everything that a trial draws depends on the seed, the trial's number and the trials before it, so a
search that was cut off and goes on is, with one job, the search that wasn't cut off.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any, final

import numpy as np

from .. import DivergenceError, build_info
from ..callbacks import Callback
from ..data import Dataset
from ..data._digest import digest
from .build import build_augment, build_trainer, early_stopping
from .checks import check_settings, check_training
from .dataset import Prepared, load_data, measured, prepare
from .ranges import Choice, Range, Space, label
from .settings import differences, resolve
from .storage import connect, plain

if TYPE_CHECKING:
    import optuna

    from ..history import Record
    from ..trainer import Trainer

PLAN = "fastfa"  # the study's attribute that says what it searches
AT = "fastfa.at"  # a trial's: the process family that runs it
REASON = "fastfa.reason"
SAMPLERS = ("tpe", "random")
PRUNERS = ("median", "hyperband", "none")
_STARTUP = 5  # trials that the median pruner lets end, whatever they are


@final
@dataclass(frozen=True)
class SearchPlan:
    """The search: settings that stay (``file``, and ``given``, which wins), settings that vary."""

    file: Mapping[str, Any]
    given: Mapping[str, Any]
    space: Space
    seed: int
    sampler: str
    pruner: str
    data: str = ""  # digest of the training examples

    def settings(self, chosen: Mapping[str, Any]) -> argparse.Namespace:
        """All settings, where ``chosen`` has those that vary."""
        return resolve(self.file, {**self.given, **chosen})

    def corners(self) -> list[dict[str, Any]]:
        """Choices that show every value of a choice and both ends of a range."""
        first = {name: varied.ends()[0] for name, varied in self.space.items()}
        return [
            first | {name: value} for name, varied in self.space.items() for value in varied.ends()
        ]

    def first(self) -> dict[str, Any]:
        """What the file itself says of settings that vary: it is tried first."""
        own = {name: self.file[name] for name in self.space if name in self.file}
        for name, value in own.items():
            if not self.space[name].holds(value):
                raise ValueError(
                    f"[tune] {name} was {value!r} outside [search]; it must be one of the values "
                    "there, and is tried first"
                )
        return {name: label(value) for name, value in own.items()}

    def identity(self) -> dict[str, Any]:
        """What must be the same when a search goes on, as JSON has it."""
        space = {
            name: list(varied.values) if isinstance(varied, Choice) else dataclasses.asdict(varied)
            for name, varied in self.space.items()
        }
        settings = vars(self.settings(self.corners()[0]))
        settings = {
            k: v
            for k, v in settings.items()
            if k not in self.space and k not in ("threads", "root")
        }
        return {
            "settings": settings,
            "data": self.data,
            "first": self.first(),
            "search": space,
            "seed": self.seed,
            "sampler": self.sampler,
            "pruner": self.pruner,
            "version": build_info()["version"],
        }


@final
@dataclass(frozen=True)
class Outcome:
    """How a trial ended: ``state`` is complete, pruned, diverged or failed."""

    number: int
    state: str
    value: float | None
    epochs: int
    chosen: dict[str, Any]
    reason: str
    seconds: float


def blind(settings: argparse.Namespace) -> Dataset:
    """The data without a test set: what is not there can't be looked at."""
    data = load_data(settings)
    return dataclasses.replace(data, test=data.train.take([]))


def check_plan(plan: SearchPlan) -> tuple[SearchPlan, Dataset]:
    """Refuse what a trial would refuse, as far as each value on its own goes; the plan with the mark
    of its data, and the data."""
    plan.first()
    settings = plan.settings(plan.corners()[0])
    check_settings(settings)
    raw = blind(settings)
    found: dict[bool | None, Prepared] = {}
    for corner in plan.corners():
        settings = plan.settings(corner)
        check_settings(settings)
        if settings.normalise not in found:
            found[settings.normalise] = prepare(settings, raw)
        data, background, _ = found[settings.normalise]
        augment = build_augment(settings, data, background)
        check_training(settings, data, build_trainer(settings, data, augment, settings.seed))
    return dataclasses.replace(plan, data=digest(raw.train)), raw


@final
class Searcher:
    """Runs trials of a study, one after the other."""

    def __init__(self, plan: SearchPlan, study: optuna.Study, at: str) -> None:
        self.plan, self.study, self.at = plan, study, at
        self._data: dict[bool | None, Prepared] = {}

    def run(self, number: int | None) -> Outcome:
        """A new trial, or the one of this number again, which a process left unfinished."""
        import optuna

        begun = perf_counter()
        trial, reported = self._begin(number)
        chosen = {}
        for place, (name, varied) in enumerate(self.plan.space.items()):
            self.study.sampler = make_sampler(self.plan, trial.number, place)
            chosen[name] = suggest(trial, name, varied)
        report = _Report(trial, reported)
        state, value, reason = "complete", None, ""
        try:
            value = self._train(chosen, report)
            self.study.tell(trial, value)
        except optuna.TrialPruned:
            state, value = "pruned", report.value
            reason = f"pruned after epoch {report.epoch}"
        except DivergenceError as error:
            state, reason = "diverged", f"diverged: {error}"
        except (ValueError, MemoryError) as error:
            state, reason = "failed", str(error) or "there is not enough memory for this"
        if reason:
            trial.set_user_attr(REASON, reason)
            # A trial that diverged counts as pruned: the sampler is to learn that it was bad.
            states = optuna.trial.TrialState
            self.study.tell(trial, state=states.FAIL if state == "failed" else states.PRUNED)
        seconds = perf_counter() - begun
        return Outcome(trial.number, state, value, report.epoch, chosen, reason, seconds)

    def _begin(self, number: int | None) -> tuple[optuna.Trial, set[int]]:
        """The trial, and the epochs that it has reported already."""
        import optuna

        reported: set[int] = set()
        if number is None:
            trial = self.study.ask()
            trial.set_user_attr(AT, self.at)
        else:
            frozen = next(t for t in self.study.get_trials(deepcopy=False) if t.number == number)
            reported = set(frozen.intermediate_values)
            trial = optuna.Trial(self.study, frozen._trial_id)
        return trial, reported

    def _train(self, chosen: Mapping[str, Any], report: _Report) -> float:
        """The validation error: of the last epoch, or of the best one if training stops early."""
        settings = self.plan.settings(chosen)
        if settings.normalise not in self._data:
            raw = blind(settings)
            if digest(raw.train) != self.plan.data:
                raise OSError(f"[tune] the data of {settings.dataset!r} have changed meanwhile")
            self._data[settings.normalise] = prepare(settings, raw)
        data, background, _ = self._data[settings.normalise]
        augment = build_augment(settings, data, background)
        callbacks: list[Callback] = []
        if settings.early_stopping is not None:
            callbacks.append(early_stopping(settings, data))
        trainer = build_trainer(settings, data, augment, settings.seed, [*callbacks, report])
        history = trainer.fit(data.train, validation=settings.validation)
        errors = history[measured(history.records[-1], "validation")[0]]
        return errors[-1] if settings.early_stopping is None else min(errors)


@final
class _Report(Callback):
    """Tells the study of every epoch, and ends the trial if the pruner says so."""

    def __init__(self, trial: optuna.Trial, reported: set[int]) -> None:
        self.trial, self.reported = trial, reported
        self.epoch, self.value = 0, math.nan

    def on_epoch_end(self, trainer: Trainer, record: Record) -> None:
        import optuna

        self.epoch, self.value = record["epoch"], measured(record, "validation")[1]
        if self.epoch not in self.reported:
            self.trial.report(self.value, self.epoch)
        # What an unfinished trial reported before, it survived; but for the last.
        if self.epoch >= max(self.reported, default=0) and self.trial.should_prune():
            raise optuna.TrialPruned


def suggest(trial: optuna.Trial, name: str, varied: Range | Choice) -> Any:
    """What this setting is in this trial."""
    if isinstance(varied, Choice):
        named = {label(value): value for value in varied.values}
        return named[trial.suggest_categorical(name, list(named))]
    if varied.whole:
        step = 1 if varied.step is None else int(varied.step)
        return trial.suggest_int(name, int(varied.low), int(varied.high), log=varied.log, step=step)
    return trial.suggest_float(name, varied.low, varied.high, log=varied.log, step=varied.step)


def make_sampler(plan: SearchPlan, number: int, place: int) -> optuna.samplers.BaseSampler:
    """The sampler of one setting in one trial. Its seed is its own: nothing is left over from other
    trials, nor from settings before it, which a trial that was cut off may have drawn already."""
    from optuna.samplers import RandomSampler, TPESampler

    seed = int(np.random.SeedSequence([plan.seed, number, place]).generate_state(1)[0])
    return RandomSampler(seed) if plan.sampler == "random" else TPESampler(seed=seed)


def make_pruner(plan: SearchPlan) -> optuna.pruners.BasePruner:
    from optuna.pruners import HyperbandPruner, MedianPruner, NopPruner

    if plan.pruner == "none":
        return NopPruner()
    if plan.pruner == "median":
        return MedianPruner(n_startup_trials=_STARTUP)
    epochs = max(plan.settings(corner).epochs for corner in plan.corners())
    return HyperbandPruner(min_resource=1, max_resource=epochs, reduction_factor=3)


def open_study(plan: SearchPlan, url: str, name: str) -> optuna.Study:
    """The study of this name, new or to go on with.

    Raises
    ------
    ValueError
        If the storage can't be used, or holds a study of this name of another search.
    OSError
        If another process has it locked for a minute.
    """
    import optuna

    study = connect(url, name, make_pruner(plan))
    wanted = json.loads(json.dumps(plan.identity()))
    found = study.user_attrs.get(PLAN)
    if found is None and not study.get_trials(deepcopy=False):
        if plan.first():
            study.enqueue_trial(plan.first(), skip_if_exists=True)
        study.set_user_attr(PLAN, wanted)  # last: without it, the study is begun again
    elif found is None and all(
        t.state == optuna.trial.TrialState.WAITING for t in study.get_trials(deepcopy=False)
    ):
        study.set_user_attr(PLAN, wanted)
    elif found != wanted:
        changed = "it is not of fastfa tune" if found is None else differences(found, wanted)
        raise ValueError(
            f"[tune] study {name!r} in {plain(url)} is of another search ({changed}); name another one "
            "with --study and --out, or give what it was begun with"
        )
    return study
