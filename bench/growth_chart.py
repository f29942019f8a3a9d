"""The charts of `growth.py`: a panel for each axis, log-log, cliffs marked."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def draw(result: dict[str, Any], path: Path) -> None:
    """All axes that were measured, in one figure.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    from matplotlib.figure import Figure

    measured = {axis: found for axis, found in result["axes"].items() if "series" in found}
    if not measured:
        return
    columns = min(4, len(measured))
    rows = -(-len(measured) // columns)
    figure = Figure(figsize=(3.6 * columns, 3.2 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid[len(measured) :]:
        axes.set_axis_off()
    for axes, (axis, found) in zip(grid, measured.items(), strict=False):
        for number, (name, series) in enumerate(found["series"].items()):
            color = f"C{number}"
            axes.plot(series["sizes"], series["values"], "o-", ms=3, lw=1, color=color, label=name)
            if axis == "memory":
                needed = [sum(parts.values()) / 2**20 for parts in series["needed"]]
                axes.plot(series["sizes"], needed, ":", lw=1, color=color)
            for cliff in series.get("cliffs", []) if found["cliffs"] else []:
                axes.axvspan(cliff["from"], cliff["to"], color=color, alpha=0.15, lw=0)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("parameters (dotted: needed)" if axis == "memory" else axis)
        axes.set_ylabel(found["unit"])
        axes.set_title(found["what"].rpartition(", by ")[0] or found["what"], fontsize="x-small")
        axes.grid(color="0.9")
        axes.legend(fontsize="x-small", frameon=False)
    figure.suptitle(
        f"{result['machine']['cpu']}, {result['protocol']['threads']} threads, {result['date'][:10]}",
        fontsize="small",
    )
    figure.savefig(path, dpi=150)
