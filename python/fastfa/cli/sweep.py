"""``fastfa sweep``: every combination of some settings with some seeds, here or on a Dask cluster."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import _check
from . import cluster
from .ranges import FILES, FIXED, read_space, read_with_table
from .settings import add_options, differences, given_settings

if TYPE_CHECKING:
    from .runs import Run

_DESCRIPTION = """\
Train every combination of the values in the table [sweep] of FILE (lists, such as lr = [0.1, 0.3]),
with every seed of its `seeds` (a number or a list). FILE may be data of your own instead (a .csv file
and such): then bp, fa and dfa are trained with five seeds. OUT gets runs.jsonl, a line a run as soon as
it ends, and summary.csv: mean, standard deviation and n of each combination, its 95 % interval
(Student's t over seeds), and the difference to the first combination in pairs of the same seed, with
the p of a paired t-test as it is and by Holm's method. The same command goes on where it was cut off;
seeds may be added. Results do not depend, by a bit, on jobs, threads or on where they were computed, as
long as processors have the same instruction set."""

_OWN = FILES | {"seed", "runs"}
_ATTEMPTS = 3  # how often in a row processes may be killed without any run coming to its end


def register(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add the command to the parser of `fastfa.cli`."""
    parser = subparsers.add_parser(
        "sweep", help="train a grid of settings and seeds", description=_DESCRIPTION
    )
    parser.add_argument(
        "config", metavar="FILE", help="settings as TOML, with a table [sweep]; or your own data"
    )
    parser.add_argument("--out", default="swept", metavar="DIR", help="default: swept")
    parser.add_argument(
        "--jobs", type=int, metavar="N", help="runs at a time; default: a core (--threads) each"
    )
    parser.add_argument(
        "--scheduler", metavar="ADDRESS", help="of a Dask cluster to run on, tcp://HOST:PORT"
    )
    parser.add_argument("--quiet", action="store_true", help="print the summary only")
    add_options(parser, without=_OWN, dataset=False)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run what is missing and print the summary; the exit status."""
    cluster.need("sweep", cluster=arguments.scheduler is not None)
    from .._interrupts import told
    from .folder import claimed
    from .runs import check_runs
    from .summary import summarise

    runs, plan = _plan(arguments)
    jobs, threads = _share(arguments, runs[0].settings["threads"])
    runs, plan["data"] = check_runs(runs)
    with claimed("sweep", arguments.out) as folder:
        done = _begin(folder, plan, runs)
        named = {run.name: run for run in runs}
        todo = [run for run in runs if run.name not in done]
        if not arguments.quiet:
            there = f", {len(done)} of them there already" if done else ""
            print(f"{len(runs)} runs{there}", flush=True)
        commander = os.getpid() if arguments.scheduler is None else None
        try:
            with cluster.joined("sweep", arguments.scheduler):
                for line in _results(todo, jobs, threads, commander):
                    _append(folder / "runs.jsonl", line)
                    done[line["run"]] = line
                    if not arguments.quiet:
                        print(_told(named[line["run"]], line, len(done), len(runs)), flush=True)
        except KeyboardInterrupt as stop:
            if arguments.traceback:
                raise
            return told(stop, f"; {len(done)} of {len(runs)} runs are in {folder / 'runs.jsonl'}, and "
                        "the same command goes on from there")  # fmt: skip
        summarise(folder, runs, [done[run.name] for run in runs])
    return 0


def _plan(arguments: argparse.Namespace) -> tuple[list[Run], dict[str, Any]]:
    """The runs, and what must be the same when the sweep goes on."""
    from .. import build_info
    from .runs import list_runs

    file, table = read_with_table(arguments.config, "sweep")
    seeds = _seeds(arguments.config, table.pop("seeds", 1), file.pop("seed", 0))
    grid, given = read_space(arguments.config, "sweep", table), given_settings(arguments, _OWN)
    for name in given.keys() & grid.keys():
        raise ValueError(
            f"[sweep] {name} was {given[name]!r}; it must not be given: [sweep] says what it is"
        )
    runs = list_runs(file, given, grid, seeds)
    base = {k: v for k, v in runs[0].settings.items() if k not in (*grid, *FIXED["sweep"])}
    plan = {
        "settings": base,
        "sweep": {name: list(choice.ends()) for name, choice in grid.items()},
        "seeds": seeds,
        "version": build_info()["version"],
    }
    return runs, json.loads(json.dumps(plan))


def _seeds(path: str, value: Any, first: int) -> list[int]:
    """``5`` is five seeds, counting from the file's own."""
    whole = isinstance(value, int) and not isinstance(value, bool) and value > 0
    if whole:
        return list(range(first, first + value))
    listed = isinstance(value, list) and all(type(seed) is int and seed >= 0 for seed in value)
    if not listed or not value or len(set(value)) != len(value):
        raise ValueError(
            f"[sweep] {path}: sweep.seeds was {value!r}; it must be a positive integer, or a list of "
            "different seeds that are not negative"
        )
    return list(value)


def _share(arguments: argparse.Namespace, threads: int | None) -> tuple[int, int]:
    """Runs at a time and threads of each; together no more than there are cores."""
    from joblib import cpu_count

    from .. import _check

    if threads is not None:
        _check.integer("sweep", "threads", threads, 1, 1024)
    if arguments.jobs is not None:
        _check.integer("sweep", "jobs", arguments.jobs, 1, 10**6)
    if arguments.scheduler is not None:  # its workers know how many tasks they take
        return arguments.jobs or -1, threads or 1
    cores = cpu_count()
    jobs = arguments.jobs or max(1, cores // (threads or 1))
    threads = threads or max(1, cores // jobs)
    if jobs * threads > cores:
        raise ValueError(
            f"[sweep] jobs was {jobs} with {threads} threads each; their product must be at most "
            f"{cores}, the cores of this machine"
        )
    return jobs, threads


# ---- running -------------------------------------------------------------------------------------


def _results(
    todo: Sequence[Run], jobs: int, threads: int, commander: int | None
) -> Iterator[dict[str, Any]]:
    """The line of each run as soon as it ends. Runs of a process that was killed are run again."""
    from joblib import delayed
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    from .. import build_info
    from .runs import execute

    version, left, attempts = build_info()["version"], list(todo), 0
    while left:
        calls = (delayed(execute)(run, threads, version, commander) for run in left)
        try:
            for line in cluster.results(calls, jobs):
                left = [run for run in left if run.name != line["run"]]
                attempts = 0
                yield line
        except TerminatedWorkerError:
            attempts += 1
            if attempts == _ATTEMPTS:
                raise ChildProcessError(
                    f"[sweep] worker processes were killed {attempts} times in a row, for lack of "
                    "memory perhaps; the same command goes on from here, with fewer --jobs if need be"
                ) from None
            print("fastfa: a worker process was killed; its runs begin anew", file=sys.stderr)


# ---- the folder ----------------------------------------------------------------------------------


def _begin(folder: Path, plan: dict[str, Any], runs: Sequence[Run]) -> dict[str, dict[str, Any]]:
    """The finished runs by name, after refusing a folder of another sweep."""
    from ..atomic import atomic_write

    path, lines = folder / "sweep.json", folder / "runs.jsonl"
    done: dict[str, dict[str, Any]] = {}
    if path.exists():
        found = _read_plan(path)
        more = {"seeds": plan["seeds"]} if set(found["seeds"]) <= set(plan["seeds"]) else {}
        if found | more != plan:
            raise ValueError(
                f"[sweep] out was {str(folder)!r}, which holds another sweep "
                f"({differences(found | more, plan)}); name another folder with --out"
            )
        done = _read_lines(lines) if lines.exists() else {}
    else:
        for other in (lines, folder / "summary.csv"):
            if os.path.lexists(other):
                raise ValueError(
                    f"[sweep] {other} has no sweep.json beside it; name another folder"
                )
    with atomic_write(path) as file:
        file.write((json.dumps(plan, indent=1) + "\n").encode())
    names = {run.name for run in runs}
    return {name: line for name, line in done.items() if name in names}


def _read_plan(path: Path) -> dict[str, Any]:
    try:
        _check.regular_file("sweep", path)
        plan = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(plan, dict) and isinstance(plan["seeds"], list):
            return plan
    except (ValueError, KeyError, RecursionError):
        pass
    raise ValueError(f"[sweep] {path} is not of a sweep; name another folder with --out")


def _read_lines(path: Path) -> dict[str, dict[str, Any]]:
    """What runs.jsonl says; a last line without an end, which a kill cut off, is removed."""
    _check.regular_file("sweep", path)
    data = path.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    done = {}
    for number, text in enumerate(whole.decode(errors="replace").splitlines(), start=1):
        try:
            line = json.loads(text)
            done[line["run"]] = line
        except (ValueError, KeyError, TypeError, RecursionError):
            raise ValueError(
                f"[sweep] {path}, line {number} was {text[:60]!r}; it must be the line of a run"
            ) from None
    if whole != data:
        with open(path, "r+b") as file:
            file.truncate(len(whole))
    return done


def _append(path: Path, line: Mapping[str, Any]) -> None:
    from ..history import json_line

    try:
        with open(path, "a", encoding="utf-8") as file:
            file.write(json_line(line))
    except OSError as error:
        raise OSError(
            f"[sweep] {path} could not be written: {error.strerror}; the same command goes on from there"
        ) from None


# ---- what is told --------------------------------------------------------------------------------


def _told(run: Run, line: Mapping[str, Any], number: int, count: int) -> str:
    from .dataset import measured
    from .runs import told

    result = "diverged"
    if not line["diverged"]:
        key, _, value = measured(line, "test")
        result = f"{key.replace('_', ' ')} {value}"
    varied = told(run.varied | {"seed": run.seed})
    return f"{number:>{len(str(count))}}/{count}  {result}  {varied}  ({line['seconds']:.1f} s)"
