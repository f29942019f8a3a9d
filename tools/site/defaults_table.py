"""The tables of docs/defaults.md: what every rule reaches with nothing said but its name."""

from __future__ import annotations

import statistics
from typing import Any

from site_table import load, measured, table

WAYS = {
    "command": "`fastfa train SET --feedback RULE`",
    "compare": "`fa.compare([RULE], SET)`, which trains by a `Trainer`",
    "estimator": "`fastfa.sklearn`: `FeedbackAlignmentClassifier(feedback=RULE)` and `…Regressor`",
}


def defaults(name: str) -> str:
    """A table for each way of calling: rows are rules, columns are sets."""
    result = load(name)
    sets = result["protocol"]["sets"]
    parts = [f"{measured(result)} The sets: {'; '.join(sets.values())}."]
    rules = dict.fromkeys(run["rule"] for run in result["runs"])
    for way, title in WAYS.items():
        runs = [run for run in result["runs"] if run["way"] == way]
        shown = [name for name in sets if any(run["set"] == name for run in runs)]
        rows = [[f"`{rule}`", *(_cell(runs, name, rule) for name in shown)] for rule in rules]
        parts += [
            f"### {title}",
            table(["", *(sets[name].partition(",")[0] for name in shown)], rows),
        ]
    return "\n\n".join(parts)


def _cell(runs: list[dict[str, Any]], name: str, rule: str) -> str:
    """The mean over seeds, and in brackets the lowest and the highest."""
    errors = [run["error"] for run in runs if (run["set"], run["rule"]) == (name, rule)]
    if not errors:
        return "–"
    if None in errors:
        return "diverges"
    mean = f"{statistics.mean(errors):.1f}"
    low, high = f"{min(errors):.1f}", f"{max(errors):.1f}"
    if low != high:
        return f"{mean} ({low}–{high})"
    return mean if len(errors) > 1 else f"{mean} (one seed)"
