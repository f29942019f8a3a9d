"""What the figures share: the paper's colours, curves with bands, plain axes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .._curves import right_angle as right_angle
from ..plots import COLOURS, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# The paper's: figures 1 and 2, and in figure 2d magenta and blue for four layers; cyan and magenta in
# Supplementary Figure 6 for a frozen first layer.
BP, FA, SHALLOW = COLOURS["BP"], COLOURS["FA"], COLOURS["shallow"]
REINFORCEMENT, SHALLOW_FAST = "#5f5f5f", "#d9a441"
BP4, FA4 = "#c2379b", "#1f5fbf"
FROZEN_BP, FROZEN_FA = "#17a2b8", "#c2379b"
RED = "#c0392b"


def panels(columns: int, rows: int = 1, *, width: float = 4.3, height: float = 3.4) -> Figure:
    """A figure of ``rows`` × ``columns`` axes, without pyplot; sizes are of one of them, in inches."""
    figure = new_figure(width=width * columns, height=height * rows)
    figure.clear()
    figure.subplots(rows, columns)
    return figure


def curve(ax: Axes, x: Any, runs: Any, colour: str, label: str | None = None, **style: Any) -> None:
    """The mean of `runs` (runs, points) against `x` (points,), with each run as a faint line."""
    runs = np.atleast_2d(np.asarray(runs, dtype=np.float64))
    _lines(ax, x, runs, runs.mean(axis=0), colour, label, style)


def geometric(
    ax: Axes, x: Any, runs: Any, colour: str, label: str | None = None, **style: Any
) -> None:
    """As `curve`, with the geometric mean, which is the mean on a logarithmic scale."""
    runs = np.atleast_2d(np.asarray(runs, dtype=np.float64))
    mean = np.exp(np.log(np.maximum(runs, 1e-300)).mean(axis=0))
    _lines(ax, x, runs, mean, colour, label, style)


def _lines(
    ax: Axes, x: Any, runs: Any, mean: Any, colour: str, label: str | None, style: dict[str, Any]
) -> None:
    if len(runs) > 1:
        ax.plot(x, runs.T, color=colour, linewidth=0.5, alpha=0.22)
    ax.plot(x, mean, color=colour, label=label, **({"linewidth": 1.8} | style))


def finish(
    ax: Axes,
    x: str,
    y: str,
    *,
    title: str | None = None,
    legend: Any = None,
    log: str = "",
) -> None:
    """Labels, a plain frame, and a legend at the place `legend` if one is wanted."""
    ax.set_xlabel(x)
    ax.set_ylabel(y)
    if "x" in log:
        ax.set_xscale("log")
    if "y" in log:
        ax.set_yscale("log")
    if title:
        ax.set_title(title, fontsize="medium")
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis="y", alpha=0.25, linewidth=0.6)
    if legend:
        ax.legend(frameon=False, loc=legend, fontsize="small")
