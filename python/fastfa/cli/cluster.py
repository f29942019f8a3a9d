"""Independent jobs by joblib, in processes here or on a Dask cluster: for `sweep` and `reproduce`."""

from __future__ import annotations

import contextlib
import importlib.util
import warnings
from collections.abc import Iterable, Iterator
from typing import Any


def need(where: str, *, cluster: bool) -> None:
    """Refuse to begin without joblib, or without distributed where a cluster is asked for.

    Raises
    ------
    ValueError
        With the extra to install.
    """
    for module, extra in (("joblib", "sweep"), ("distributed", "dask")):
        if (module == "joblib" or cluster) and importlib.util.find_spec(module) is None:
            wanted = "dask" if cluster else extra
            raise ValueError(
                f"[{where}] {module} is not installed; get it with: pip install 'fastfa[{wanted}]'"
            )


@contextlib.contextmanager
def joined(where: str, address: str | None) -> Iterator[None]:
    """Within it, joblib's work is done by the Dask cluster at this address, if there is one.

    Raises
    ------
    ValueError
        If no scheduler answers there.
    ChildProcessError
        If each worker that tried a job was killed.
    """
    if address is None:
        yield
        return
    from distributed import Client, KilledWorker
    from joblib import parallel_config

    try:
        client = Client(address, timeout="10s", set_as_default=True)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(
            f"[{where}] scheduler was {address!r}; it must be the address of a Dask scheduler that "
            f"answers ({reason})"
        ) from None
    with client, parallel_config(backend="dask", wait_for_workers_timeout=60):
        try:
            yield
        except KilledWorker as error:  # Dask has run it again several times before it says so
            raise ChildProcessError(
                f"[{where}] each worker that tried a run was killed ({error.last_worker}), for lack of "
                "memory perhaps; the same command goes on from here"
            ) from None


def results(calls: Iterable[Any], jobs: int) -> Iterator[Any]:
    """What joblib's delayed `calls` return, each as soon as it ends."""
    from joblib import Parallel

    # At Ctrl-C joblib counts the runs that were under way; the message at the end says what to do.
    warnings.filterwarnings("ignore", r"\d+ tasks which were still being", UserWarning)
    yield from Parallel(n_jobs=jobs, return_as="generator_unordered", batch_size=1)(calls)
