"""``python tools/torture/torture.py [CASE …] [--count N] [--smoke]``: what a bad day does to a training.

Each case lives in processes and in a folder of its own. It is right if afterwards there are the bits of
an undisturbed run, or an error that says what happened; and nothing half written or left behind.
"""

from __future__ import annotations

import argparse
import importlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

# The full number and that of the smoke test. Of disk failures: how many places are tried by each error.
CASES = {
    "kills.save": (200, 4),
    "kills.checkpoint": (200, 4),
    "kills.train": (200, 1),
    "kills.sweep": (200, 0),
    "kills.tune": (200, 0),
    "disk.files": (60, 8),
    "disk.checkpoint": (200, 3),
    "disk.train": (200, 0),
    "signals.fit": (200, 3),
    "signals.train": (100, 0),
    "threads.daemons": (100, 1),
    "threads.forks": (200, 5),
    "threads.eight": (8000, 80),
    "leaks.all_calls": (3000, 100),
}


def run(case: str, count: int, folder: Path) -> str:
    """One case; what it counted. AssertionError: what went wrong."""
    module, _, name = case.partition(".")
    if module == "disk":
        return _with_faults(name, count, folder)
    return getattr(importlib.import_module(module), name)(folder, count)


def _with_faults(name: str, count: int, folder: Path) -> str:
    """In a process that faults.c was put before."""
    from lives import Faults

    library = Faults.built(folder)
    if library is None:
        return "skipped: there is no C compiler (cc)"
    words = [sys.executable, str(HERE / "disk.py"), name, str(folder), str(count)]
    done = subprocess.run(
        words, env={**os.environ, "LD_PRELOAD": str(library)}, capture_output=True, text=True
    )
    if done.returncode != 0:
        raise AssertionError(done.stderr or f"status {done.returncode}")
    return done.stdout.strip()


def main() -> int:
    """Run the cases named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "cases", nargs="*", metavar="CASE", help=f"default: all of {', '.join(CASES)}"
    )
    parser.add_argument(
        "--count", type=int, help="kills, failures or repetitions; default: each case's own"
    )
    parser.add_argument(
        "--smoke", action="store_true", help="few of each, as the test suite has them"
    )
    given = parser.parse_args()
    failed = []
    for case in given.cases or CASES:
        count = given.count or CASES[case][given.smoke]
        if count == 0:
            continue
        folder = Path(tempfile.mkdtemp(prefix="fastfa-torture-"))
        began = time.monotonic()
        try:
            print(
                f"{case}: {run(case, count, folder)} ({time.monotonic() - began:.0f} s)", flush=True
            )
        except AssertionError as failure:
            failed.append(case)
            print(f"{case}: FAILED after {time.monotonic() - began:.0f} s: {failure}", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
    print(f"failed: {', '.join(failed)}" if failed else "all as promised")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
