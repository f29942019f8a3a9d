"""bench/bf16.py and bench/bf16_learning.py run, and refuse a contestant that computes something else."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from bench_cases import BENCH


def test_both_precisions_are_timed(tmp_path):
    out = tmp_path / "bf16.json"
    words = "--networks 784-1000-10 --batches 32 --rounds 2 --steps 1 --threads 1 --out"
    words = [sys.executable, str(BENCH / "bf16.py"), *words.split(), str(out)]
    words += ["--contestants", "fastfa bf16"]
    subprocess.run(words, check=True, capture_output=True, timeout=120)
    (found,) = json.loads(out.read_text(encoding="utf-8"))["networks"].values()
    assert list(found) == ["fastfa float32", "fastfa bf16"]
    assert all(each["ms"] > 0 for each in found.values())


def test_another_update_is_not_timed(bench, monkeypatch):
    import bf16
    from in_bf16.task import draw

    task = draw((40, 50, 10), 33)
    assert not isinstance(bf16.checked("fastfa bf16", task), str)
    monkeypatch.setattr(bf16, "updated", lambda task: [2 * w for w in task.weights])
    assert "its first update is" in bf16.checked("fastfa bf16", task)


def test_pairs_of_trainings_are_summed_up(bench):
    import bf16_learning

    def run(error, angle):
        return {"test_error": error, "seconds": 2.0, "angles": [angle, 50.0]}

    pairs = {f"a/b/fa/{i}": {"float32": run(3.0, 40), "bf16": run(3.0 + d, 41)} for i, d in
             enumerate((0.1, 0.3))}  # fmt: skip
    told = bf16_learning.summed(pairs, "a/b/fa")
    assert told["difference"] == pytest.approx(0.2)
    assert told["half_interval"] == pytest.approx(12.706 * 0.1, rel=1e-3)
    assert told["largest_angle_difference"] == 1
    assert told["seeds"] == 2
