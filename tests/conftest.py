"""What several test files share: derandomised hypothesis, clean subprocesses, restored threads."""

from __future__ import annotations

import os

# NumPy's threads and the core's would fight for the machine; set before NumPy is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

TESTS = Path(__file__).resolve().parent
sys.path.insert(0, str(TESTS))  # so that tests can import reference.py under any import mode

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

    def run(source: str, *, env: dict[str, str] | None = None, timeout: float = 60) -> str:
        path = [str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])]
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
