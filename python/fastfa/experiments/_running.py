"""Does jobs: in this process, in others, or on the workers of a cluster."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import build_info, set_num_threads
from .._interrupts import leave_to_commander
from ..processes import workers
from ._job import Job
from ._json import write_json

Report = Callable[[str], None]


def run_all(todo: list[Job], jobs: int, report: Report) -> None:
    if jobs == 1 or len(todo) < 2:
        for number, job in enumerate(todo, start=1):
            job.run()
            report(f"{job.experiment} {number}/{len(todo)}: {job.condition}, seed {job.seed}")
        return
    with workers(min(jobs, len(todo)), _start_worker) as pool:
        for job in todo:
            pool.submit(job, job.run)
        for number in range(1, len(todo) + 1):
            job, _ = pool.next_done()
            report(f"{job.experiment} {number}/{len(todo)}: {job.condition}, seed {job.seed}")


def check_scheduler(scheduler: Any, jobs: int) -> None:
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


def run_on_cluster(todo: list[Job], scheduler: str, report: Report) -> None:
    """The workers compute, we write: so a job that ended is on file, whatever happens to them."""
    from joblib import delayed

    from ..cli import cluster

    version = build_info()["version"]
    with cluster.joined("reproduce", scheduler):
        calls = (delayed(job.elsewhere)(version) for job in todo)
        for number, (job, content) in enumerate(cluster.results(calls, -1), start=1):
            write_json(job.path, content)
            report(f"{job.experiment} {number}/{len(todo)}: {job.condition}, seed {job.seed}")


def _start_worker() -> None:
    from ..cli.outputs import end_with_parent

    leave_to_commander()
    end_with_parent()  # also if that is killed, when somebody may begin anew in the same folder
    set_num_threads(1)
