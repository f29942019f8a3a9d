"""What ``fastfa sweep`` says in its end: summary.csv, and its most wanted part as a table."""

from __future__ import annotations

import importlib.util
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..atomic import atomic_write
from ..history import csv_table
from .runs import told

if TYPE_CHECKING:
    from .runs import Run

Line = Mapping[str, Any]  # of runs.jsonl
Row = dict[str, Any]


def summarise(folder: Path, runs: Sequence[Run], lines: Sequence[Line]) -> None:
    """Write summary.csv and print the table: means, their intervals, and differences to the first."""
    groups: dict[str, list[Line]] = {}
    varied = {}
    for run, line in zip(runs, lines, strict=True):
        key = told(run.varied) or "all"
        varied[key] = run.varied
        groups.setdefault(key, []).append(line)
    rows = {key: varied[key] | _moments(group) for key, group in groups.items()}
    first = next(iter(rows))
    known = ("kept_test_error", "test_error", "kept_test_loss", "test_loss")
    measure = next((name for name in known if f"{name}_mean" in rows[first]), "test_error")
    compared = importlib.util.find_spec("scipy") is not None
    if compared:
        _compare(rows, groups, measure)
    with atomic_write(folder / "summary.csv") as file:
        file.write(csv_table(list(rows.values())).encode())
    width, words = max(map(len, rows)), measure.replace("_", " ")
    between = ", 95 % interval" if compared else ""
    print(f"{'':<{width}}  {words}: mean{between}, sd, n")
    for key, row in rows.items():
        print(f"{key:<{width}}  {_mean(row, measure)}")
    if not compared:
        print('no intervals: SciPy is not installed (pip install "fastfa[sweep]")', file=sys.stderr)
    elif len(rows) > 1:
        print(
            f"\nless that of {first}, in pairs of the same seed: mean, 95 % interval, p, p by Holm"
        )
        for key, row in list(rows.items())[1:]:
            print(f"{key:<{width}}  {_difference(row, measure)}")
    print(f"results in {folder}")


def _moments(group: Sequence[Line]) -> Row:
    """Of the runs that came to their end: n, and of each measure the mean and standard deviation."""
    ended = [line for line in group if not line["diverged"]]
    row: Row = {"n": len(ended), "diverged": len(group) - len(ended)}
    names = [k for k in (ended[0] if ended else ()) if k.endswith(("_error", "_loss"))]
    for name in names:
        values = [line[name] for line in ended if line.get(name) is not None]
        if values:
            row[f"{name}_mean"] = statistics.fmean(values)
            row[f"{name}_sd"] = statistics.stdev(values) if len(values) > 1 else None
    return row


def _compare(rows: Mapping[str, Row], groups: Mapping[str, Sequence[Line]], measure: str) -> None:
    """Add to each row the interval of its mean, and its difference to the first in pairs of a seed."""
    from ..experiments._statistics import paired_rows, summary

    # The runs of a group are in the order of the seeds.
    values = {
        key: np.array([np.nan if _lost(line, measure) else line[measure] for line in group])
        for key, group in groups.items()
    }
    for key, row in rows.items():
        found = summary(values[key])
        row |= {f"{measure}_{name}": _number(found[name]) for name in ("low", "high")}
    for pair in paired_rows(values, next(iter(rows))):
        row = rows[pair["name"]]
        row |= {"pairs": pair["n"], "difference": _number(pair["mean"])}
        row |= {f"difference_{name}": _number(pair[name]) for name in ("low", "high")}
        row |= {name: _number(pair[name]) for name in ("p", "p_holm")}


def _lost(line: Line, measure: str) -> bool:
    return bool(line["diverged"]) or line.get(measure) is None


def _number(value: float) -> float | None:
    return None if np.isnan(value) else value


def _mean(row: Row, measure: str) -> str:
    mean, sd, low = (row.get(f"{measure}_{name}") for name in ("mean", "sd", "low"))
    lost = f"  ({row['diverged']} diverged)" if row["diverged"] else ""
    if mean is None:
        return f"-  {row['n']}{lost}"
    form = ".2%" if measure.endswith("error") else ".4g"
    limits = "" if low is None else f" ({low:{form}} to {row[f'{measure}_high']:{form}})"
    return f"{mean:{form}}{limits}  {'-' if sd is None else f'{sd:{form}}'}  {row['n']}{lost}"


def _difference(row: Row, measure: str) -> str:
    if row["difference"] is None:
        return "-"
    error = measure.endswith("error")
    scale, form, unit = (100, "+.2f", " points") if error else (1, "+.4g", "")
    text = f"{scale * row['difference']:{form}}{unit}"
    if row["difference_low"] is not None:
        low, high = (scale * row[f"difference_{name}"] for name in ("low", "high"))
        text += f" ({low:{form}} to {high:{form}})"
    p = ("-" if row[name] is None else f"{row[name]:.2g}" for name in ("p", "p_holm"))
    return f"{text}  {'  '.join(p)}"
