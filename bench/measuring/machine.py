"""The machine under the benchmark: thread limits, quiet moments, and a description for the report.

Standard library only at import time: `limit_threads` must run before NumPy, PyTorch or JAX load,
because their thread pools read the environment once.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any

_POOL_VARIABLES = (
    "OMP_NUM_THREADS",  # PyTorch (libgomp), OpenBLAS builds on OpenMP
    "MKL_NUM_THREADS",  # PyTorch's GEMM
    "OPENBLAS_NUM_THREADS",  # NumPy's GEMM
    "NPROC",  # XLA's CPU client: size of its Eigen pool
    "PJRT_NPROC",  # the same in some releases
    "FASTFA_NUM_THREADS",
)


def limit_threads(threads: int) -> list[int]:
    """Give every contestant the same number of threads and the same processors.

    The variables above reach each library's own pool. Pinning the process to `threads` processors
    holds whatever they do not reach, so that no contestant can use more than another.
    Returns the processors pinned to (empty where the system has no affinity calls).
    """
    for name in _POOL_VARIABLES:
        os.environ[name] = str(threads)
    os.environ["JAX_PLATFORMS"] = "cpu"
    if threads == 1:
        flags = os.environ.get("XLA_FLAGS", "")
        os.environ["XLA_FLAGS"] = f"{flags} --xla_cpu_multi_thread_eigen=false".strip()
    if not hasattr(os, "sched_setaffinity"):
        return []
    processors = _one_per_core(sorted(os.sched_getaffinity(0)))
    if len(processors) < threads:
        raise ValueError(
            f"[bench] threads was {threads}; it must be at most {len(processors)}, "
            "the number of processors this process may use"
        )
    os.sched_setaffinity(0, processors[:threads])
    return processors[:threads]


def _one_per_core(processors: list[int]) -> list[int]:
    """Order processors so that hyper-thread siblings come last: two threads, two real cores."""
    first, siblings, seen = [], [], set()
    for cpu in processors:
        path = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        try:
            core = path.read_text()
        except OSError:
            core = str(cpu)
        (siblings if core in seen else first).append(cpu)
        seen.add(core)
    return first + siblings


def wait_until_idle(limit: float = 1.0, window: float = 0.02) -> float:
    """Sleep until no thread of this process burns CPU time; return the seconds waited.

    OpenMP workers spin for a while after the last parallel region. Left alone they would take
    processor time from the next contestant; measuring the process's own CPU time shows when they
    have gone to sleep, without shortening a spin that its owner relies on.
    """
    start = time.perf_counter()
    while time.perf_counter() - start < limit:
        busy = time.process_time()
        time.sleep(window)
        if time.process_time() - busy < 0.05 * window:
            break
    return time.perf_counter() - start


def foreign_load(window: float = 0.5) -> float | None:
    """Fraction of all processors that others keep busy, measured while this process sleeps."""
    before = _busy_and_total()
    time.sleep(window)
    after = _busy_and_total()
    if before is None or after is None or after[1] == before[1]:
        return None
    return round((after[0] - before[0]) / (after[1] - before[1]), 4)


def _busy_and_total() -> tuple[int, int] | None:
    try:
        fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    except OSError:
        return None
    ticks = [int(field) for field in fields]  # user nice system idle iowait irq softirq steal
    return sum(ticks) - ticks[3] - ticks[4], sum(ticks)


def describe_machine() -> dict[str, Any]:
    """What a reader must know to compare; no host or user names."""
    return {
        "cpu": _cpu_model(),
        "processors": os.cpu_count(),
        "memory_gib": _memory_gib(),
        "architecture": platform.machine(),
        "system": f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}",
    }


def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"


def _memory_gib() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (ValueError, OSError, AttributeError):
        return None


def versions() -> dict[str, Any]:
    """Versions of Python and of every contestant's library; None for what is not installed."""
    found: dict[str, Any] = {"python": sys.version.split()[0]}
    for package in ("fastfa", "numpy", "torch", "biotorch", "jax", "jaxlib", "scikit-learn"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = None
    return found
