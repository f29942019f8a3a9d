"""The charts of `growth.py`: a panel for each axis, log-log, cliffs marked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

_STYLES = [("#0072b2", "o"), ("#d55e00", "s"), ("#000000", "^")]  # told apart by colour-blind eyes
_AXES = {
    "width": "Width w of the hidden layers",
    "depth": "Hidden layers",
    "batch": "Examples in a batch",
    "threads": "Threads",
    "replicas": "Networks in the ensemble",
    "density": "Fraction of B that is not zero",
    "rank": "Rank of B",
    "maps": "Maps",
    "kernel": "Width of the kernel",
    "image": "Width of the image",
    "conv-batch": "Examples in a batch",
    "memory": "Parameters",
}
_NAMES = {
    "fa": "feedback alignment",
    "dfa": "direct feedback alignment",
    "sparse": "sparse B",
    "low_rank": "low-rank B",
    "sweep of W and B": "reading W and B once (NumPy)",
    "sgd": "SGD",
    "momentum": "with momentum",
    "adam": "Adam",
}
_UNITS = {"µs/step": "µs a step", "MiB": "Memory (MiB)"}


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
    columns = 2 if len(measured) in (2, 4) else min(3, len(measured))
    rows = -(-len(measured) // columns)
    figure = Figure(figsize=(3.7 * columns, 3.1 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid[len(measured) :]:
        axes.set_axis_off()
    for axes, (axis, found) in zip(grid, measured.items(), strict=False):
        _panel(axes, axis, found)
    if len(grid) > len(measured) and any(
        series.get("cliffs") for found in measured.values() for series in found["series"].values()
    ):
        words = (
            "Bands: between these two sizes, the time\ngrows by more than 1.5 times the trend of\n"
            "the sizes on either side. Both are written\nin the band of the line's colour."
        )
        grid[-1].text(0.05, 0.9, words, va="top", fontsize=8.5, transform=grid[-1].transAxes)
    figure.suptitle(
        f"{result['machine']['cpu']}, {result['protocol']['threads']} threads, {result['date'][:10]}",
        fontsize="small",
    )
    figure.savefig(path, dpi=150)


def _panel(axes: Any, axis: str, found: dict[str, Any]) -> None:
    for (name, series), (colour, marker) in zip(found["series"].items(), _STYLES, strict=False):
        label, sizes = _NAMES.get(name, name), series["sizes"]
        axes.plot(sizes, series["values"], marker=marker, ms=4, lw=1, color=colour, label=label)
        if axis == "memory":
            needed = [sum(parts.values()) / 2**20 for parts in series["needed"]]
            axes.plot(sizes, needed, ":", lw=1, color=colour)
        for cliff in series.get("cliffs", []) if found["cliffs"] else []:
            axes.axvspan(cliff["from"], cliff["to"], color=colour, alpha=0.15, lw=0)
            words = f"× {cliff['growth']:.1f}, trend × {cliff['expected']:.1f}"
            middle = (cliff["from"] * cliff["to"]) ** 0.5
            axes.text(
                middle, 0.03, words, rotation=90, color=colour, fontsize=7.5, ha="center",
                va="bottom", transform=axes.get_xaxis_transform(),
            )  # fmt: skip
    axes.set_xscale("log")
    axes.set_yscale("log")
    if axis in ("threads", "kernel", "image"):  # within a power of ten or so
        sizes = sorted({size for series in found["series"].values() for size in series["sizes"]})
        axes.set_xticks(sizes, [f"{size:g}" for size in sizes])
        axes.tick_params(axis="x", which="minor", bottom=False, labelbottom=False)
    if axis in ("density", "rank"):  # less than a decade: the whole of it has more to say
        axes.set_yscale("linear")
        axes.set_ylim(bottom=0)
    axes.set_xlabel(_AXES.get(axis, axis) + (" (dotted: needed)" if axis == "memory" else ""))
    axes.set_ylabel(_UNITS.get(found["unit"], found["unit"]))
    what = found["what"].rpartition(", by ")[0] or found["what"]
    axes.set_title(what.replace(": ", ":\n"), fontsize="small")
    axes.grid(color="0.9")
    axes.spines[["top", "right"]].set_visible(False)
    if len(found["series"]) > 1:
        if axis != "threads":
            axes.set_ylim(top=axes.get_ylim()[1] * 20)  # room for the names
        place = (0.02, 0.2) if axis == "threads" else "upper left"
        axes.legend(fontsize="small", frameon=False, loc=place)
