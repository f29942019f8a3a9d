"""The ratios of a run as a chart: how many times as long as fastfa each contestant takes."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import Any

from contestants import SUBJECT

# From the top of each panel; a place is the contestant's in all of them, so no colour is needed to tell.
NAMES = {
    "fastfa-dfa": "fastfa, direct feedback",
    "fastfa-bp": "fastfa, backprop",
    "fastfa-loop": "fastfa, one by one",
    "jax": "JAX",
    "numpy": "NumPy",
    "torch-manual": "PyTorch by hand",
    "torch-compile": "PyTorch compiled",
    "torch-autograd": "PyTorch autograd",
    "biotorch": "BioTorch",
    "sklearn": "scikit-learn, backprop",
}
_PEERS, _OURS, _FLOOR = "#0072b2", "#d55e00", "#009e73"  # told apart by colour-blind eyes
_COLUMNS = 2
_EXPLAINED = """\
Each panel is a network that learns, and each
dot the median time of a step, as a multiple of
the time that fastfa takes for the same step (1).
A thin line spans seven rounds.

blue: other libraries, the same updates
orange: fastfa with another rule, or without
its ensemble
green bar: the floor, what this machine needs
for the products alone (one at a time: to read and
write W); where zeros are skipped, less is possible"""


def ratios(result: dict[str, Any], path: Path) -> None:
    """A panel for each workload, in it a line from 1 to each contestant's ratio, and the floor.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    from matplotlib.figure import Figure

    records = list(result["workloads"].values())
    shown = [[who for who in NAMES if "ratio" in r["contestants"].get(who, {})] for r in records]
    rows = -(-(len(records) + 1) // _COLUMNS)
    heights = [max(map(len, shown[k : k + _COLUMNS]), default=0) + 3 for k in range(0, 2 * rows, 2)]
    heights = [max(height, 8) if k == rows - 1 else height for k, height in enumerate(heights)]
    figure = Figure(figsize=(9.2, 0.5 + 0.19 * sum(heights)), layout="constrained")
    grid = figure.subplots(rows, _COLUMNS, height_ratios=heights, squeeze=False).ravel()
    ends = [
        end for r in records for c in r["contestants"].values() for end in c.get("ratio_range", [1])
    ]
    for axes, record, present in zip(grid, records, shown, strict=False):
        _panel(axes, record, present, 2.2 * max(ends, default=1))
    for axes in grid[len(records) :]:
        axes.set_axis_off()
    grid[-1].text(0, 1, _EXPLAINED, va="top", fontsize=8.5, transform=grid[-1].transAxes)
    figure.suptitle(
        f"Time of a step, fastfa = 1: to the right is slower. {result['machine']['cpu']}, "
        f"{result['threads']} threads, {result['date'][:10]}",
        fontsize=10,
    )
    figure.savefig(path, dpi=150)


def title(record: dict[str, Any]) -> str:
    """A workload in plain words: ``digits, 784-1000-10, one at a time: 11.4 µs a step``."""
    of = record["definition"]
    runs = [(size, len(list(same))) for size, same in groupby(of["sizes"])]
    sizes = "-".join(
        f"({size} × {count})" if count > 2 else "-".join([str(size)] * count)
        for size, count in runs
    )
    data = {"normal": "random inputs", "dense": "standardised digits"}.get(of["inputs"], "digits")
    many = f"{of['replicas']} networks {sizes}" if of["replicas"] > 1 else sizes
    batch = "one at a time" if of["batch"] == 1 else f"batches of {of['batch']}"
    time = record["contestants"].get(SUBJECT, {}).get("median_us_per_step")
    words = f"{data}, {many}, {batch}"
    if time is None:
        return words
    return f"{words}: {f'{time / 1000:.3g} ms' if time >= 1000 else f'{time:.3g} µs'}"


def _panel(axes: Any, record: dict[str, Any], present: list[str], right: float) -> None:
    axes.axvline(1, color="0.4", lw=1)
    for row, who in enumerate(present):
        found = record["contestants"][who]
        colour = _OURS if who.startswith(SUBJECT) else _PEERS
        axes.plot(
            [1, found["ratio"]], [row, row], color=colour, lw=4, alpha=0.3, solid_capstyle="butt"
        )
        axes.plot(found["ratio_range"], [row, row], color=colour, lw=1)
        axes.plot(found["ratio"], row, "o", color=colour, ms=4.5)
        end = max(1, *found["ratio_range"])
        axes.annotate(
            f"{found['ratio']:.3g} ×", (end, row), (6, 0), textcoords="offset points", va="center",
            fontsize=7.5,
        )  # fmt: skip
    if "percent" in record["floor"]:
        floor = record["floor"]["percent"] / 100
        axes.plot([floor, floor], [-0.6, len(present) - 0.4], color=_FLOOR, lw=2.5)
    axes.set_xscale("log")
    axes.set_xlim(0.25, right)
    ticks = [tick for tick in (0.3, 1, 3, 10, 30, 100, 300, 1000) if tick < right]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks], fontsize=8)
    axes.minorticks_off()
    axes.set_yticks(range(len(present)), [NAMES[who] for who in present], fontsize=8)
    axes.set_ylim(len(present) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="0.92")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_title(title(record), fontsize=8.5, loc="right")
