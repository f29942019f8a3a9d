"""Runs an experiment's jobs. Each result is a file, so a run goes on where it was cut off."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from time import perf_counter
from typing import Any

from .. import _check, build_info
from .._interrupts import interrupt_behind
from ..atomic import atomic_write
from ._experiment import PRESETS, Experiment, Results, Settings
from ._job import Job, data_of, jobs_of
from ._json import plain, write_json
from ._running import Report, check_scheduler, run_all, run_on_cluster
from ._statistics import Verdict


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
        back over the network. Needs ``pip install 'fastfa[dask]'``.
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
        check_scheduler(scheduler, jobs)
    folder = Path(out) / experiment.name / preset
    (folder / "runs").mkdir(parents=True, exist_ok=True)
    summary = _header(experiment, preset, settings, list(range(seed, seed + count)))
    begun = perf_counter()
    data = data_of(experiment, settings)
    if isinstance(data, str):
        for claim in summary["claims"]:
            claim |= {"verdict": "data not available", "note": data}
    else:
        summary["data"] = data
        todo = jobs_of(experiment, settings, summary["seeds"], folder / "runs", data)
        missing = [job for job in todo if job.read() is None]
        if scheduler is None or not missing:
            run_all(missing, jobs, report)
        else:
            run_on_cluster(missing, scheduler, report)
        done = [(job, job.result()) for job in todo]
        _judge(experiment, settings, done, summary, folder)
    summary["wall_seconds"] = perf_counter() - begun
    summary = plain(summary)
    write_json(folder / "results.json", summary)
    return summary


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
        if stop := interrupt_behind(error):
            raise stop from None
        lines = str(error).strip().splitlines() or [type(error).__name__]
        summary["no_figure"] = summary["figure_failed"] = lines[0][:300]
    else:
        summary["figure"] = "figure.png"


def judged(verdict: Verdict) -> dict[str, Any]:
    """A verdict as results.json has it."""
    return plain(
        {
            "ours": verdict.ours,
            "low": verdict.low,
            "high": verdict.high,
            "unit": verdict.unit,
            "verdict": verdict.word,
            "note": verdict.note,
        }
    )
