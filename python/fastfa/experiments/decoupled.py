"""A and W of a linear network learn by turns or together (Supplementary Figure 11)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._dynamics import random_dynamics
from ._experiment import Claim, Experiment, Results, Settings
from ._figures import curve, finish, panels
from ._statistics import Verdict, above, all_above, below

# Supplementary Figure 11: 30-20-10, deterministic dynamics ΔW = η E Aᵀ, ΔA = η B E, 20 runs with random
# weights and a random target. Not given, and taken from task 1 of the Methods: T in ±1, B in ±0.5, A and
# W in ±0.01; η = 0.01, half of what is still smooth.
_COMMON = {
    "sizes": [30, 20, 10],
    "weight_scale": 0.01,
    "feedback_scale": 0.5,
    "eta": 0.01,
    "phases": {
        "once": [["A", 100], ["W", 100]],
        "many": [["A", 20], ["W", 20]] * 10,
        "together": [["AW", 200]],
    },
    "every": 2,
    "runs": 20,
}
TITLES = {
    "once": "First A learns, then W",
    "many": "A and W by turns",
    "together": "A and W together",
}
# Of the bars; colour-blind eyes tell them apart.
COLOURS = {
    "A": ("#0072b2", "A learns"),
    "W": ("#e69f00", "W learns"),
    "AW": ("#000000", "both learn"),
}
ROWS = {
    "abe": "tr(AᵀBE):\nwhat A knows of B",
    "bw": "tr(BW):\nwhat W knows of B",
    "error": "Error |E|² / |T|²",
}


def run(settings: Settings, condition: str, seed: int) -> dict[str, Any]:
    """The three measures along the updates."""
    scales = settings["weight_scale"], settings["feedback_scale"]
    dynamics = random_dynamics(seed, settings["sizes"], *scales)
    every, rows, which = settings["every"], [dynamics.measures()], []
    for layers, steps in settings["phases"][condition]:
        for _ in range(steps // every):
            dynamics.learn(every, settings["eta"], layers)
            rows.append(dynamics.measures())
            which.append(layers)
    abe, bw, error = zip(*rows, strict=True)
    steps = [every * k for k in range(len(rows))]
    return {"steps": steps, "which": which, "abe": abe, "bw": bw, "error": error}


def _at(results: Results, condition: str, key: str, step: int) -> np.ndarray:
    return results.of(condition, key)[:, step // results.settings["every"]]


def _first(results: Results, condition: str) -> int:
    return results.settings["phases"][condition][0][1]


def _no_change(results: Results) -> Verdict:
    change = np.abs(_at(results, "once", "error", _first(results, "once")) - 1)
    return below(100 * change, 10, "%", "change of the error while A learns")


def _builds_up(results: Results) -> Verdict:
    abe = _at(results, "once", "abe", _first(results, "once"))
    return above(abe, 10, what="tr(AᵀBE) when A has learned")


def _w_still(results: Results) -> Verdict:
    turn = _first(results, "once")
    share = np.abs(_at(results, "once", "bw", turn)) / np.abs(results.last("once", "bw"))
    return below(share, 0.02, what="tr(BW) when A has learned, relative to its end")


def _w_turns(results: Results) -> Verdict:
    return above(results.last("once", "bw"), 2, what="tr(BW) at the end")


def _teaches(results: Results) -> Verdict:
    turns = [steps for _, steps in results.settings["phases"]["many"][:3]]
    before = _at(results, "many", "error", sum(turns[:2]))
    after = _at(results, "many", "error", sum(turns))
    return below(after / before, 0.95, what="error after / before A learns for the second time")


def _positive(results: Results) -> Verdict:
    lowest = [results.of(name, "abe")[:, 1:].min(axis=1) for name in results.conditions]
    return all_above(lowest, 0, what="least tr(AᵀBE) of all runs")


def _same(results: Results) -> Verdict:
    return all_above(
        results.last("together", "bw"), 2, what="tr(BW) at the end, learning together,"
    )


def _order(results: Results) -> Verdict:
    """How many updates tr(AᵀBE) is ahead: to half of its peak, and tr(BW) to half of its end."""
    abe, bw = results.of("together", "abe"), results.of("together", "bw")
    first = (abe >= abe.max(axis=1, keepdims=True) / 2).argmax(axis=1)
    second = (bw >= bw[:, -1:] / 2).argmax(axis=1)
    ahead = results.settings["every"] * (second - first)
    return all_above(ahead, 0, what="updates between the halves of tr(AᵀBE) and of tr(BW)")


def _by_error(results: Results) -> Verdict:
    """tr(AᵀBE) / |E|²: at the end against where tr(AᵀBE) is largest."""
    abe, error = results.of("together", "abe"), results.of("together", "error")
    ratio, top = abe / error, abe.argmax(axis=1)
    grown = ratio[:, -1] / ratio[np.arange(len(ratio)), top]
    return all_above(grown, 1, "x", "tr(AᵀBE) / |E|² at the end, of that at the peak,")


def draw(results: Results) -> Any:
    """A column for each regimen, a row for each measure; above, what learns. Thin lines are runs."""
    figure = panels(3, 3, width=3.6, height=2.4)
    axes = np.array(figure.axes, dtype=object).reshape(3, 3)
    for column, name in enumerate(results.conditions):
        first = results.runs[name][0]
        for row, (key, label) in enumerate(ROWS.items()):
            ax = axes[row, column]
            curve(ax, first["steps"], results.of(name, key), "black", linewidth=1.5)
            finish(ax, "Updates" if row == 2 else "", label if column == 0 else "")
            if key == "error":
                ax.set_ylim(0, 1.05)
            else:
                ax.axhline(0, color="#888888", linewidth=0.8, linestyle=":")
            _mark(ax, first)
        axes[0, column].set_title(TITLES[name], fontsize="medium", pad=14)
        axes[0, column].legend(frameon=False, fontsize="small", loc="best")
    return figure


def _mark(ax: Any, run: Any) -> None:
    """A bar above the axes in the colour of what is learning."""
    steps, named = run["steps"], set()
    for k, layers in enumerate(run["which"]):
        colour, label = COLOURS[layers]
        ax.plot(
            steps[k : k + 2],
            [1.04, 1.04],
            color=colour,
            linewidth=5,
            label=None if label in named else label,
            clip_on=False,
            solid_capstyle="butt",
            transform=ax.get_xaxis_transform(),
        )
        named.add(label)


EXPERIMENT = Experiment(
    name="decoupled",
    title="information about B flows through A into W",
    where="Supplementary Figure 11, Supplementary Note 12",
    presets={"quick": _COMMON, "paper": _COMMON},
    conditions=lambda settings: list(settings["phases"]),
    run=run,
    claims=(
        Claim("While A learns alone, the error hardly changes", "very little change", _no_change),
        Claim("... and tr(AᵀBE) becomes positive", "quickly increases, positive", _builds_up),
        Claim(
            "... and tr(BW), of a W that rests, is near zero", "small and close to zero", _w_still
        ),
        Claim("When W learns, tr(BW) becomes positive", "quickly increases", _w_turns),
        Claim(
            "By turns: when A learns again, its teaching signals lower the error",
            "error continues to drop (black arrow)",
            _teaches,
        ),
        Claim("tr(AᵀBE) stays positive in all regimens and runs", "stays positive", _positive),
        Claim("Learning together aligns W with B in all runs", "all 20 the same", _same),
        Claim("... in the order A, then W, too", "recapitulates the decoupled", _order),
        Claim("When tr(AᵀBE) falls, the error falls further", "driven by the error", _by_error),
    ),
    draw=draw,
)
