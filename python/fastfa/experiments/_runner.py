"""Runs an experiment's jobs. Each result is a file, so a run goes on where it was cut off."""

from __future__ import annotations

import functools
import hashlib
import json
import math
import multiprocessing
import os
import platform
import socket
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, final

from .. import _check, build_info, get_num_threads, set_num_threads
from ..data._digest import digest
from ..data.atomic import atomic_write
from ..data.load import DatasetNotFound, load
from ._experiment import PRESETS, Experiment, Results, Settings
from ._statistics import Verdict

Report = Callable[[str], None]


@final
@dataclass(frozen=True)
class Job:
    """One condition with one seed, and the file for its result."""

    experiment: str
    condition: str
    seed: int
    settings: Settings
    path: Path
    data: Mapping[str, str]  # digests of the data sets by name

    def read(self) -> dict[str, Any] | None:
        """The file's content; None if it isn't there, isn't whole, or is another job's.

        Raises
        ------
        ValueError
            If it is this job's, done by another fastfa or with other data; or isn't a regular file.
        """
        if self.path.exists():
            _check.regular_file("reproduce", self.path)
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError, RecursionError):
            return None
        own = (self.condition, self.seed, _plain(dict(self.settings)))
        known = isinstance(content, dict) and "result" in content
        if not known or _identity(content) != own:
            return None
        origin = {"fastfa": build_info()["version"], "data": dict(self.data)}
        for name, here in origin.items():
            there = content.get(name, {})
            if there != here:
                raise ValueError(
                    f"[reproduce] {self.path} is a result with another {name}: it was "
                    f"{json.dumps(there)}, is {json.dumps(here)}; name another folder for these"
                )
        return content

    def run(self) -> None:
        """Do it, and write the result."""
        write_json(self.path, self.content())

    def content(self) -> dict[str, Any]:
        """Do it; what its file is to say."""
        from . import get

        begun = perf_counter()
        result = get(self.experiment).run(self.settings, self.condition, self.seed)
        return {
            "condition": self.condition,
            "seed": self.seed,
            "settings": dict(self.settings),
            "fastfa": build_info()["version"],
            "data": dict(self.data),
            "wall_seconds": perf_counter() - begun,
            "result": result,
        }

    def elsewhere(self, version: str) -> tuple[Job, dict[str, Any]]:
        """Do it as a worker of a cluster, which may share no files with us; itself and its `content`,
        with the worker's host, process and instruction set as ``where``.

        Raises
        ------
        ValueError
            If the worker has another fastfa than `version`, or other data.
        """
        here = build_info()
        if here["version"] != version:
            raise ValueError(
                f"[reproduce] a worker has fastfa {here['version']}; it must have {version}, as here"
            )
        for name, mark in self.data.items():
            try:
                there = _mark(name)
            except (DatasetNotFound, ImportError) as error:
                told = " ".join(str(error).split())
                raise ValueError(f"[reproduce] a worker lacks the data {name!r}: {told}") from None
            if there != mark:
                raise ValueError(
                    f"[reproduce] a worker has other data of the name {name!r} (digest {there[:16]}); "
                    f"it must have those with {mark[:16]}, as here"
                )
        if get_num_threads() != 1:
            set_num_threads(1)
        where = f"{socket.gethostname()}:{os.getpid()} {here['isa']}"
        return self, _plain(self.content() | {"where": where})


def reproduce(
    experiment: Experiment,
    preset: str = "quick",
    *,
    out: str | os.PathLike[str],
    runs: int | None = None,
    seed: int = 0,
    jobs: int = 1,
    scheduler: str | None = None,
    report: Report = lambda line: None,
) -> dict[str, Any]:
    """Run what is not there yet, judge the claims, draw the figure.

    Parameters
    ----------
    experiment
    preset
        ``"quick"`` or ``"paper"``.
    out
        A folder. ``OUT/NAME/PRESET`` gets ``runs/*.json``, a file for each condition, seed and
        settings; ``results.json`` with everything; and ``figure.png`` where matplotlib is.
    runs
        Seeds ``seed`` … ``seed + runs − 1``; the preset's own number if None.
    seed
        The first seed, at least 0.
    jobs
        Processes; with more than one, each has one thread. 1 with a scheduler.
    scheduler
        Address of a Dask cluster (``"tcp://HOST:PORT"``) whose workers do the jobs: as many at a time
        as they have threads, one thread each. They need the data, but no common files: results come
        back over the network. Needs ``pip install fastfa[dask]``.
    report
        Called with a line whenever a job is done.

    Returns
    -------
    dict
        The content of ``results.json``: ``experiment``, ``title``, ``where``, ``preset``, ``settings``,
        ``seeds``, ``versions``, ``machine``, ``chosen`` (how settings were, where the outcome played a
        part), ``wall_seconds``, ``job_seconds`` (the sum over jobs,
        whenever they ran), ``data`` (a digest of each data set), ``claims`` (each with ``verdict``) and
        ``runs``. If the figure could not be drawn, ``no_figure`` says why, and ``figure_failed`` too
        unless matplotlib is missing.

    Raises
    ------
    ValueError, TypeError
        If an argument is outside its range, the folder has results of another version or of other
        data, the scheduler doesn't answer, or a worker has another fastfa or other data.
    ChildProcessError
        If each worker that tried a job was killed; the same call goes on from there.
    OSError
        If the folder can't be written.
    KeyboardInterrupt
        At Ctrl-C; what was finished stays, and the same call goes on from there.
    """
    _check.choice("reproduce", "preset", preset, PRESETS)
    settings = {k: v for k, v in experiment.presets[preset].items() if k != "runs"}
    count = experiment.presets[preset]["runs"] if runs is None else runs
    count = _check.integer("reproduce", "runs", count, 1, 100_000)
    seed = _check.integer("reproduce", "seed", seed, 0, 2**63)
    jobs = _check.integer("reproduce", "jobs", jobs, 1, 1024)
    if scheduler is not None:
        _check_scheduler(scheduler, jobs)
    folder = Path(out) / experiment.name / preset
    (folder / "runs").mkdir(parents=True, exist_ok=True)
    summary = _header(experiment, preset, settings, list(range(seed, seed + count)))
    begun = perf_counter()
    data = _data(experiment, settings)
    if isinstance(data, str):
        for claim in summary["claims"]:
            claim |= {"verdict": "data not available", "note": data}
    else:
        summary["data"] = data
        todo = _jobs(experiment, settings, summary["seeds"], folder / "runs", data)
        missing = [job for job in todo if job.read() is None]
        if scheduler is None or not missing:
            _run_all(missing, jobs, report)
        else:
            _run_on_cluster(missing, scheduler, report)
        done = [(job, job.read()) for job in todo]
        _judge(experiment, settings, done, summary, folder)
    summary["wall_seconds"] = perf_counter() - begun
    summary = _plain(summary)
    write_json(folder / "results.json", summary)
    return summary


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Strict JSON, all or nothing; numbers with 9 significant digits, NaN and infinities as null."""
    with atomic_write(path) as file:
        file.write((json.dumps(_plain(content), indent=1) + "\n").encode())


# ---- jobs ----------------------------------------------------------------------------------------


def _jobs(
    experiment: Experiment,
    settings: Settings,
    seeds: list[int],
    folder: Path,
    data: Mapping[str, str],
) -> list[Job]:
    """Seed by seed, so that a run that was cut off has whole comparisons."""
    found = []
    for seed in seeds:
        for condition in experiment.conditions(settings):
            own = _own(settings, condition)
            text = json.dumps(_plain(own), sort_keys=True)
            mark = hashlib.sha256(text.encode()).hexdigest()[:10]
            slug = "".join(c if c.isalnum() or c in "-." else "-" for c in condition)
            path = folder / f"{slug}-{seed}-{mark}.json"
            found.append(Job(experiment.name, condition, seed, own, path, data))
    if len({job.path for job in found}) != len(found):
        raise ValueError(f"[reproduce] two conditions of {experiment.name} have the same file")
    return found


def _own(settings: Settings, condition: str) -> Settings:
    """Of the networks' settings those of this one: what another is given changes no result of its."""
    if "nets" not in settings:
        return settings
    return {**settings, "nets": {condition: settings["nets"][condition]}}


def _run_all(todo: list[Job], jobs: int, report: Report) -> None:
    if jobs == 1 or len(todo) < 2:
        for number, job in enumerate(todo, start=1):
            job.run()
            report(f"{job.experiment} {number}/{len(todo)}: {job.condition}, seed {job.seed}")
        return
    before = set(multiprocessing.active_children())
    # Spawned: a fork would copy the thread team's locks without its threads.
    pool = ProcessPoolExecutor(
        min(jobs, len(todo)), multiprocessing.get_context("spawn"), initializer=_start_worker
    )
    try:
        waiting = {pool.submit(job.run): job for job in todo}
        number = 0
        while waiting:
            for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                job = waiting.pop(future)
                future.result()
                number += 1
                report(f"{job.experiment} {number}/{len(todo)}: {job.condition}, seed {job.seed}")
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in set(multiprocessing.active_children()) - before:
            child.kill()  # or Ctrl-C would wait for the jobs under way
            child.join()
        raise
    pool.shutdown()


def _check_scheduler(scheduler: Any, jobs: int) -> None:
    from ..cli import cluster

    if not isinstance(scheduler, str):
        raise TypeError(
            f"[reproduce] scheduler was {scheduler!r}; it must be an address, tcp://HOST:PORT"
        )
    if jobs != 1:
        raise ValueError(
            f"[reproduce] jobs was {jobs} with a scheduler; it must be 1: the cluster's workers say how "
            "many jobs they take"
        )
    cluster.need("reproduce", cluster=True)


def _run_on_cluster(todo: list[Job], scheduler: str, report: Report) -> None:
    """The workers compute, we write: so a job that ended is on file, whatever happens to them."""
    from joblib import delayed

    from ..cli import cluster

    version = build_info()["version"]
    with cluster.joined("reproduce", scheduler):
        calls = (delayed(job.elsewhere)(version) for job in todo)
        for number, (job, content) in enumerate(cluster.results(calls, -1), start=1):
            write_json(job.path, content)
            report(f"{job.experiment} {number}/{len(todo)}: {job.condition}, seed {job.seed}")


@functools.lru_cache(maxsize=4)
def _mark(name: str) -> str:
    """The digest of a data set of this process."""
    return digest(load(name))


def _start_worker() -> None:
    from ..cli.interrupt import leave_to_commander
    from ..cli.outputs import end_with_parent

    leave_to_commander()
    end_with_parent()  # also if that is killed, when somebody may begin anew in the same folder
    set_num_threads(1)


def _data(experiment: Experiment, settings: Settings) -> dict[str, str] | str:
    """The digest of each data set of the experiment; or the message, on one line, that one is not to be
    had, or its reader."""
    try:
        return {name: digest(load(name)) for name in experiment.data(settings)}
    except (DatasetNotFound, ImportError) as error:
        return " ".join(str(error).split())


# ---- the summary ---------------------------------------------------------------------------------


def _header(
    experiment: Experiment, preset: str, settings: Settings, seeds: list[int]
) -> dict[str, Any]:
    import numpy
    import scipy

    facts = build_info()
    return {
        "experiment": experiment.name,
        "title": experiment.title,
        "where": experiment.where,
        "preset": preset,
        "settings": settings,
        "seeds": seeds,
        "versions": {
            "fastfa": facts["version"],
            "python": platform.python_version(),
            "numpy": numpy.__version__,
            "scipy": scipy.__version__,
        },
        "machine": {
            "system": platform.system(),
            "processor": platform.machine(),
            "cores": os.cpu_count(),
            "isa": facts["isa"],
        },
        "data": {},
        "figure": None,
        "chosen": experiment.chosen,
        "claims": [
            {"text": claim.text, "paper": claim.paper, "kind": claim.kind}
            for claim in experiment.claims
        ],
        "runs": [],
    }


def _judge(
    experiment: Experiment,
    settings: Settings,
    done: list[tuple[Job, dict[str, Any]]],
    summary: dict[str, Any],
    folder: Path,
) -> None:
    by_condition: dict[str, list[dict[str, Any]]] = {}
    for job, content in done:
        by_condition.setdefault(job.condition, []).append(content["result"])
        summary["runs"].append(
            {k: v for k, v in content.items() if k not in ("settings", "fastfa", "data")}
        )
    summary["job_seconds"] = sum(run["wall_seconds"] for run in summary["runs"])
    results = Results(settings, by_condition)
    for entry, claim in zip(summary["claims"], experiment.claims, strict=True):
        entry |= judged(claim.measure(results))
    # The numbers don't need a figure. matplotlib may be missing, or fail by settings of the user's own.
    try:
        figure = experiment.draw(results)
        with atomic_write(folder / "figure.png") as file:
            figure.savefig(file, format="png")
    except ImportError as error:
        summary["no_figure"] = str(error)
    except Exception as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        summary["no_figure"] = summary["figure_failed"] = lines[0][:300]
    else:
        summary["figure"] = "figure.png"


def judged(verdict: Verdict) -> dict[str, Any]:
    """A verdict as results.json has it."""
    return _plain(
        {
            "ours": verdict.ours,
            "low": verdict.low,
            "high": verdict.high,
            "unit": verdict.unit,
            "verdict": verdict.word,
            "note": verdict.note,
        }
    )


def _identity(content: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(content.get(key) for key in ("condition", "seed", "settings"))


def _plain(value: Any) -> Any:
    """What JSON can say: floats of 9 digits, null for NaN and infinities, lists for arrays."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.9g}") if math.isfinite(value) else None
    return value
