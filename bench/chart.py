"""The ratios of a run as a chart: how many times as long as fastfa each contestant takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from contestants import SUBJECT


def ratios(result: dict[str, Any], path: Path) -> None:
    """One row per workload, a dot per contestant with the range of its rounds, and the floor.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    from matplotlib.figure import Figure

    records = result["workloads"]
    names = sorted({who for entry in records.values() for who in entry["contestants"]} - {SUBJECT})
    figure = Figure(figsize=(8, 1.2 + 0.45 * len(records)), layout="constrained")
    axes = figure.add_subplot()
    for number, who in enumerate(names):
        rows = [
            (row, entry["contestants"][who])
            for row, entry in enumerate(records.values())
            if "ratio" in entry["contestants"].get(who, {})
        ]
        if not rows:
            continue
        middle = [found["ratio"] for _, found in rows]
        spread = [[abs(end - found["ratio"]) for _, found in rows for end in [found["ratio_range"][i]]]
                  for i in (0, 1)]  # fmt: skip
        shift = (number - (len(names) - 1) / 2) * 0.07
        axes.errorbar(
            middle, [row + shift for row, _ in rows], xerr=spread, fmt="o", ms=4, lw=1,
            color=f"C{number % 10}", label=who,
        )  # fmt: skip
    floors = [
        (row, entry["floor"]["percent"] / 100)
        for row, entry in enumerate(records.values())
        if "percent" in entry["floor"]
    ]
    if floors:
        axes.plot(
            [share for _, share in floors], [row for row, _ in floors], "k|", ms=14, label="floor"
        )
    axes.axvline(1, color="0.5", lw=1)
    axes.set_xscale("log")
    axes.set_yticks(range(len(records)), list(records))
    axes.set_ylim(len(records) - 0.5, -0.5)
    axes.grid(axis="x", color="0.9")
    axes.set_xlabel("time of a step, fastfa = 1 (right of the line: fastfa is faster)")
    axes.set_title(
        f"{result['machine']['cpu']}, {result['threads']} threads, {result['date'][:10]}",
        fontsize="medium",
    )
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    figure.savefig(path, dpi=150)
