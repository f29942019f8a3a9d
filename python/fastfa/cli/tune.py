"""``fastfa tune``: search the settings of ``fastfa train`` by the validation error, with Optuna."""

from __future__ import annotations

import argparse
import importlib.util
import os
import socket
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from .._interrupts import leave_to_commander
from ..processes import workers
from .ranges import FILES, Range, is_own_data, label, read_space, read_with_table, to_toml
from .settings import add_options, default_of, given_settings

if TYPE_CHECKING:
    import optuna

    from ..data import Dataset
    from .study import Outcome, Searcher, SearchPlan

_DESCRIPTION = """\
Search for settings of `fastfa train` with the lowest validation error. FILE is a file of settings
whose table [search] says what varies: lr = { low = 0.001, high = 1.0, log = true } or
activation = ["logistic", "tanh"]. FILE may be data of your own instead (a .csv file and such): then lr
and hidden are searched. The validation set is split off the training set; the test set is
never looked at. The same command goes on where it was cut off. OUT gets study.db (of Optuna; its
dashboard reads it), trials.csv and best.toml, which `fastfa train --config` runs."""

_VALIDATION = 0.2
_TRIALS, _BEST = "trial,state,validation_", "# Trial "  # how our files begin
_OWN = FILES | {"seed", "runs", "threads"}


def register(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add the command to the parser of `fastfa.cli`."""
    parser = subparsers.add_parser(
        "tune", help="search for good settings", description=_DESCRIPTION
    )
    parser.add_argument(
        "config", metavar="FILE", help="settings as TOML, with a table [search]; or your own data"
    )
    parser.add_argument(
        "--trials", type=int, default=50, metavar="N", help="of the study in the end; default: 50"
    )
    parser.add_argument("--timeout", type=float, metavar="SECONDS", help="begin no trial after it")
    parser.add_argument(
        "--jobs",
        type=int,
        default=1,
        metavar="N",
        help="processes that share the cores; default: 1",
    )
    parser.add_argument("--out", default="tuned", metavar="DIR", help="default: tuned")
    parser.add_argument(
        "--storage", metavar="URL", help="database of the study; default: sqlite:///OUT/study.db"
    )
    parser.add_argument("--study", default="fastfa", metavar="NAME", help="default: fastfa")
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", dest="search_seed",
        help="of the search; that of the networks is `seed` in FILE; default: 0",
    )  # fmt: skip
    parser.add_argument("--sampler", default="tpe", metavar="NAME", help="tpe (default) or random")
    parser.add_argument(
        "--pruner", default="median", metavar="NAME", help="median (default), hyperband or none"
    )
    add_options(parser, without=_OWN, dataset=False)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the trials that are missing, and write the best settings; the exit status."""
    if importlib.util.find_spec("optuna") is None:
        raise ValueError("[tune] Optuna is not installed; get it with: pip install 'fastfa[tune]'")
    from .._interrupts import told
    from .folder import claimed
    from .storage import plain, storage_url, using
    from .study import check_plan, open_study

    plan, data = check_plan(_plan(arguments))
    judge = "loss" if data.is_regression else "error"
    # macOS doesn't say which cores a process may use.
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    if arguments.jobs > cores:
        raise ValueError(f"[tune] jobs was {arguments.jobs}; it must be at most {cores}, the cores")
    with claimed("tune", arguments.out) as folder:
        url = arguments.storage or storage_url(folder / "study.db")
        _check_free(folder)
        with using(url):
            study = open_study(plan, url, arguments.study)
            at = f"{socket.gethostname()}:{folder.resolve()}"
            todo = _todo(study, arguments.trials, at, own=arguments.storage is None)
            _print_begin(plan, data, plain(url), arguments, study, todo)
            places = (plan, url, arguments.study, at)
            try:
                for outcome in _outcomes(places, study, todo, arguments, cores):
                    print(_told(outcome, judge), flush=True)
            except KeyboardInterrupt as stop:
                if arguments.traceback:
                    raise
                _write(folder, plan, study, judge)
                return told(stop, f"; what is done is in {plain(url)}, and the same command goes on "
                            "from there")  # fmt: skip
            _print_end(folder, study, judge, best=_write(folder, plan, study, judge))
    return 0


def _check_free(folder: Path) -> None:
    """Refuse to write over tables and settings that aren't of a search. (Those of one can be made
    again: the study has them.)"""
    for name, begin in (("trials.csv", _TRIALS), ("best.toml", _BEST)):
        path = folder / name
        if os.path.lexists(path):
            found = b"?"
            if path.is_file():
                with open(path, "rb") as file:
                    found = file.read(len(begin))
            if found.strip() and found != begin.encode():
                raise ValueError(
                    f"[tune] out was {str(folder)!r}, where {name} is not of fastfa tune; name another "
                    "folder"
                )


def _plan(arguments: argparse.Namespace) -> SearchPlan:
    """The search that the file and the command line describe; every value of its own checked."""
    from .. import _check
    from .study import PRUNERS, SAMPLERS, SearchPlan

    _check.integer("tune", "trials", arguments.trials, 1, 10**6)
    _check.integer("tune", "jobs", arguments.jobs, 1, 1024)
    _check.integer("tune", "seed", arguments.search_seed, 0, 2**63)
    if arguments.timeout is not None:
        _check.real("tune", "timeout", arguments.timeout, open_low=True)
    _check.choice("tune", "sampler", arguments.sampler, SAMPLERS)
    _check.choice("tune", "pruner", arguments.pruner, PRUNERS)
    if not arguments.study:
        raise ValueError("[tune] study was ''; it must be a name")
    file, table = read_with_table(arguments.config, "search")
    space, given = read_space(arguments.config, "search", table), given_settings(arguments, _OWN)
    for name in given.keys() & space.keys():
        raise ValueError(
            f"[tune] {name} was {given[name]!r}; it must not be given: [search] says what it may be"
        )
    if given.get("validation", file.get("validation")) is None:
        given["validation"] = _VALIDATION
    root = given.get("root", file.get("root")) or ""
    try:
        root.encode()
    except UnicodeEncodeError:
        raise ValueError(
            f"[tune] root was {root!r}; it must be text, for best.toml names it"
        ) from None
    return SearchPlan(
        file, given, space, arguments.search_seed, arguments.sampler, arguments.pruner
    )


def _todo(study: optuna.Study, trials: int, at: str, *, own: bool) -> list[int | None]:
    """What is missing of that many trials: those left unfinished here, then new ones (None)."""
    from optuna.trial import TrialState

    from .study import AT

    begun = _begun(study)
    # We hold the folder's lock, so whoever was running trials from here has gone. In a storage
    # that others use too, a trial without the mark may be one of theirs.
    left = [
        t.number
        for t in begun
        if t.state == TrialState.RUNNING and t.user_attrs.get(AT, at if own else None) == at
    ]
    return [*left, *[None] * max(0, trials - len(begun))]


def _begun(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    from optuna.trial import TrialState

    return [t for t in study.get_trials(deepcopy=False) if t.state != TrialState.WAITING]


# ---- running -------------------------------------------------------------------------------------


def _outcomes(
    places: tuple[SearchPlan, str, str, str],
    study: optuna.Study,
    todo: list[int | None],
    arguments: argparse.Namespace,
    cores: int,
) -> Iterator[Outcome]:
    """How each trial ended, as soon as it has; none begins after the timeout."""
    from .study import Searcher

    end = float("inf") if arguments.timeout is None else monotonic() + arguments.timeout
    if arguments.jobs == 1:
        searcher = Searcher(places[0], study, places[3])
        for number in todo:
            if monotonic() >= end:
                return
            yield searcher.run(number)
        return
    left, under_way = list(todo), 0
    threads = max(1, cores // arguments.jobs)
    try:
        with workers(arguments.jobs, _start_worker, *places, threads) as pool:
            while True:
                while left and under_way < arguments.jobs and monotonic() < end:
                    number = left.pop(0)
                    pool.submit(number, _run_trial, number)
                    under_way += 1
                if not under_way:
                    break
                yield pool.next_done()[1]
                under_way -= 1
    except BrokenProcessPool:
        raise ChildProcessError(
            "[tune] a process of the search was killed; the same command goes on from here"
        ) from None


_searcher: Searcher | None = None  # of a process of the pool
_url = ""


def _start_worker(plan: SearchPlan, url: str, study: str, at: str, threads: int) -> None:
    global _searcher, _url
    leave_to_commander()
    from .. import set_num_threads
    from .outputs import end_with_parent
    from .study import Searcher, open_study

    end_with_parent()
    set_num_threads(threads)
    _searcher, _url = Searcher(plan, open_study(plan, url, study), at), url


def _run_trial(number: int | None) -> Outcome:
    from .storage import using

    assert _searcher is not None
    with using(_url):
        return _searcher.run(number)


# ---- what is told and written --------------------------------------------------------------------


def _print_begin(
    plan: SearchPlan,
    data: Dataset,
    url: str,
    arguments: argparse.Namespace,
    study: optuna.Study,
    todo: list[int | None],
) -> None:
    settings = plan.settings(plan.corners()[0])
    n, part = len(data.train), round(settings.validation * len(data.train))
    there = len(_begun(study))
    more = f", {there} trials there" if there else ""
    print(f"study {arguments.study} in {url}{more}: {len(todo)} to run", flush=True)
    if data.origin:
        print(data.origin, flush=True)
    for name, varied in plan.space.items() if is_own_data(arguments.config) else ():
        values = " or ".join(str(label(value)) for value in varied.ends())
        span = (
            " to ".join(f"{end:g}" for end in varied.ends())
            if isinstance(varied, Range)
            else values
        )
        print(f"searched: {name}, {span}", flush=True)
    print(
        f"{data.name}: trained on {n - part} of the {n} training examples, judged by the other "
        f"{part}; the test set is not used",
        flush=True,
    )


def _value(judge: str, value: float) -> str:
    return f"validation {judge} {value:.4g}" if judge == "loss" else f"validation error {value:.2%}"


def _told(outcome: Outcome, judge: str) -> str:
    chosen = " ".join(f"{name}={_short(value)}" for name, value in outcome.chosen.items())
    value = "" if outcome.value is None else _value(judge, outcome.value)
    words = " ".join(filter(None, (value, outcome.reason)))
    return f"trial {outcome.number:>3}  {words}  {chosen}  ({outcome.seconds:.1f} s)"


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(label(value))


def _write(
    folder: Path, plan: SearchPlan, study: optuna.Study, judge: str
) -> optuna.trial.FrozenTrial | None:
    """trials.csv, and best.toml if a trial came to its end; the best one."""
    from optuna.trial import TrialState

    from ..atomic import atomic_write
    from ..history import csv_table
    from .study import REASON

    trials = _begun(study)
    rows = [
        {
            "trial": t.number,
            "state": t.state.name.lower(),
            f"validation_{judge}": t.value,
            "epochs": len(t.intermediate_values),
            "seconds": None if t.duration is None else t.duration.total_seconds(),
            "reason": t.user_attrs.get(REASON),
            **{name: t.params.get(name) for name in plan.space},
        }
        for t in trials
    ]
    with atomic_write(folder / "trials.csv") as file:
        file.write(csv_table(rows).encode())
    complete = [t for t in trials if t.state == TrialState.COMPLETE]
    if not complete:
        return None
    best = min(complete, key=lambda t: (t.value, t.number))
    with atomic_write(folder / "best.toml") as file:
        file.write(_best_toml(plan, study, best, judge).encode())
    return best


def _best_toml(
    plan: SearchPlan, study: optuna.Study, best: optuna.trial.FrozenTrial, judge: str
) -> str:
    values = {}
    for name, varied in plan.space.items():
        value = best.params[name]
        known = {label(v): v for v in getattr(varied, "values", ())}
        values[name] = known.get(value, value)
    settings = vars(plan.settings(values))
    said = {"dataset", "lr", "seed", *plan.file, *plan.given, *plan.space}
    kept = {k: v for k, v in settings.items() if k in said or v != default_of(k)}
    found = f"validation {judge} " + format(best.value, ".4%" if judge == "error" else ".6g")
    return (
        f"{_BEST}{best.number} of the study {study.study_name!r} of fastfa tune: {found}.\n"
        "# The search did not use the test set. Without `validation`, the whole training set is "
        "trained on.\n\n" + to_toml(kept)
    )


def _print_end(
    folder: Path, study: optuna.Study, judge: str, best: optuna.trial.FrozenTrial | None
) -> None:
    if best is None:
        raise ValueError(
            f"[tune] no trial came to its end; {folder / 'trials.csv'} says why for each"
        )
    print(f"best: trial {best.number}, {_value(judge, best.value)}")
    print(
        f"its settings are in {folder / 'best.toml'}; to measure the test {judge}: "
        f"fastfa train --config {folder / 'best.toml'}"
    )
