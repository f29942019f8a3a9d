"""What several test files share: derandomised hypothesis, clean subprocesses, restored threads."""

from __future__ import annotations

import os

# NumPy's threads and the core's would fight for the machine; set before NumPy is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import importlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

SUPPORT = str(Path(__file__).resolve().parent / "support")
sys.path.insert(0, SUPPORT)  # what tests import from each other: reference.py and the like

# Derandomised: the same examples everywhere, so that a red run is red again when it is looked into.
settings.register_profile(
    "fastfa",
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("fastfa")


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator with a fixed seed, new for every test."""
    return np.random.default_rng(20161108)


@pytest.fixture
def run_python() -> Callable[..., str]:
    """Runs Python source in a fresh interpreter; returns its standard output, fails on a bad exit.

    A process that outlives ``timeout`` seconds is killed, and the test fails: so a hang shows.
    """

    def run(source: str, *, env: dict[str, str] | None = None, timeout: float = 300) -> str:
        path = [SUPPORT, *filter(None, [os.environ.get("PYTHONPATH")])]
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", source],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path), **(env or {})},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert done.returncode == 0, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    return run


@pytest.fixture
def restore_threads() -> Iterator[None]:
    """Puts the size of the thread team back after a test that changes it."""
    import fastfa as fa

    before = fa.get_num_threads()
    yield
    fa.set_num_threads(before)


@pytest.fixture
def bench(monkeypatch, restore_threads) -> Iterator[SimpleNamespace]:
    """The modules of bench/, by the last part of their names. They are no package of their own, so
    their path and names (which other tests may use for modules of theirs) are lent for one test."""
    from bench_cases import BENCH, MODULES

    names = {path.stem for path in BENCH.iterdir() if path.is_dir() or path.suffix == ".py"}

    def taken() -> dict[str, ModuleType]:
        found = [name for name in sys.modules if name.partition(".")[0] in names]
        return {name: sys.modules.pop(name) for name in found}

    lent = taken()
    monkeypatch.syspath_prepend(str(BENCH))
    modules = {name.rpartition(".")[2]: importlib.import_module(name) for name in MODULES}
    yield SimpleNamespace(**modules)
    taken()
    sys.modules.update(lent)


@pytest.fixture
def kept_environment() -> Iterator[None]:
    """Undo what bench/measuring/machine.py's limit_threads does to this process."""
    environment = dict(os.environ)
    processors = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    yield
    os.environ.clear()
    os.environ.update(environment)
    if processors is not None:
        os.sched_setaffinity(0, processors)


@pytest.fixture
def cluster():
    """Two Dask workers, a process and a thread each."""
    distributed = pytest.importorskip("distributed", reason="needs distributed (fastfa[dask])")
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
    ) as cluster:
        assert distributed
        yield cluster
