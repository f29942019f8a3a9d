"""The tables of docs/defaults.md say what was measured, and what wasn't."""

from __future__ import annotations

import importlib
from pathlib import Path

TOOLS = Path(__file__).resolve().parents[2] / "tools" / "site"


def test_cells_tell_one_seed_from_several_and_what_is_missing(monkeypatch):
    monkeypatch.syspath_prepend(TOOLS)
    module = importlib.import_module("defaults_table")
    found = {
        ("fa", "a"): [2.0, 4.0],
        ("fa", "b"): [1.0],
        ("bp", "a"): [3.0, 3.0],
        ("np", "a"): [1.0, None],
    }
    runs = [
        {"way": "command", "set": name, "rule": rule, "seed": seed, "error": error}
        for (rule, name), errors in found.items()
        for seed, error in enumerate(errors)
    ]
    result = {"protocol": {"sets": {"a": "A", "b": "B", "c": "C"}}, "runs": runs}

    def table(columns, rows):
        return repr([list(columns), *map(list, rows)])

    monkeypatch.setattr(module, "load", {"result.json": result}.get)
    monkeypatch.setattr(module, "table", table)
    monkeypatch.setattr(module, "measured", lambda result: "measured somewhere")
    told = module.defaults("result.json")
    assert "['', 'A', 'B']" in told
    assert "['`fa`', '3.0 (2.0–4.0)', '1.0 (one seed)']" in told
    assert "['`bp`', '3.0', '–']" in told
    assert "['`np`', 'diverges', '–']" in told
