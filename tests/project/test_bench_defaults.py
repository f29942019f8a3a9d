"""bench/defaults.py: its numbers are those of the command, and it goes on with what is missing."""

from __future__ import annotations

import json
import subprocess
import sys

import fastfa as fa
import pytest
from bench_cases import BENCH
from fastfa.cli import main

PROGRAM = (sys.executable, str(BENCH / "defaults.py"), "--sets", "wine", "--seeds", "0")


def test_it_says_what_the_command_says_and_does_nothing_twice(tmp_path, monkeypatch):
    pytest.importorskip("sklearn")
    monkeypatch.syspath_prepend(BENCH)
    from default_table import sets, ways

    out = tmp_path / "found.json"
    call = (*PROGRAM, "--ways", "command", "--rules", "drtp", "np", "--out", str(out))
    first = subprocess.run(call, check=True, capture_output=True, text=True)
    assert len(first.stdout.splitlines()) == 2
    again = subprocess.run(call, check=True, capture_output=True, text=True)
    assert again.stdout == ""
    assert set(ways.RULES) == {*fa.PRESETS, "np"}

    table = sets._wine(tmp_path)
    for run in json.loads(out.read_text())["runs"]:
        folder = tmp_path / run["rule"]
        words = ["train", str(table), "--target", "kind", "--feedback", run["rule"], "--quiet"]
        assert main([*words, "--out", str(folder)]) == 0
        error = fa.History.from_jsonl(folder / "history.jsonl")["test_error"][-1]
        assert run["error"] == pytest.approx(100 * error, abs=1e-4)


def test_held_out_examples_are_none_of_the_test_set(tmp_path, monkeypatch):
    pytest.importorskip("sklearn")
    monkeypatch.syspath_prepend(BENCH)
    from default_table import sets

    whole, held = sets.load("mnist-mini", False).data, sets.load("mnist-mini", True).data
    assert len(held.train) + len(held.test) == len(whole.train)
    seen = {row.tobytes() for row in whole.test.x}
    assert not any(row.tobytes() in seen for row in held.test.x[:200])
    other = subprocess.run(
        [*PROGRAM, "--rules", "fa", "--ways", "estimator", "--out", str(tmp_path / "a")], check=True
    )
    assert other.returncode == 0
    refused = subprocess.run(
        [*PROGRAM, "--held-out", "--out", str(tmp_path / "a")], capture_output=True, text=True
    )
    assert refused.returncode == 2
    assert "other examples" in refused.stderr
