"""A few of each of the tortures of tools/torture; `make torture` has hundreds."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TORTURE = Path(__file__).resolve().parents[2] / "tools" / "torture" / "torture.py"
pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="forks and kills"),
    pytest.mark.skipif(not TORTURE.exists(), reason="needs the source tree"),
]
CASES = [
    "kills.save",
    "kills.checkpoint",
    "disk.files",
    "disk.checkpoint",
    "signals.fit",
    "threads.daemons",
    "threads.forks",
    "threads.eight",
    "leaks.all_calls",
]


@pytest.mark.parametrize("case", CASES)
def test_as_promised(case):
    words = [sys.executable, str(TORTURE), case, "--smoke"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
