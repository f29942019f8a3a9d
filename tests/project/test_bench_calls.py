"""bench/calls.py runs, and its NumPy step learns what fastfa's does."""

from __future__ import annotations

import json
import subprocess
import sys

from bench_cases import BENCH


def test_each_call_is_timed_beside_numpy(tmp_path):
    out = tmp_path / "calls.json"
    words = [
        sys.executable,
        str(BENCH / "calls.py"),
        "--rounds",
        "2",
        "--calls",
        "3",
        "--out",
        str(out),
    ]
    subprocess.run(words, check=True, capture_output=True, timeout=120)
    found = json.loads(out.read_text(encoding="utf-8"))
    assert found["calls"]["NumPy step"]["times_faster_than_numpy"] == 1
    assert {"step", "forward_step + apply_error", "forward", "deltas"} < found["calls"].keys()
    assert all(row["us"] > 0 for row in found["calls"].values())
