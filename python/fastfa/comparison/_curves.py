"""The curves of a comparison: means over seeds with bands, errors on the left, angles on the right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import plots
from .._curves import plain_frame, right_angle
from .._labels import factor, label
from ..experiments._statistics import summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .result import Comparison

_OWN = {name.lower(): colour for name, colour in plots.COLOURS.items()}
_MARKERS = "os^Dv<>P"
_STYLES = ("-", "--", ":", "-.")  # of hidden layers
_MOST_MARKED = 30  # a curve with more epochs than this is drawn without markers


def draw(of: Comparison) -> Figure:
    """Both axes, or one where no angle is a number."""
    measured = not np.isnan([row["angle_bp"] for row in of.angles]).all()
    figure = plots.new_figure(1 + measured)
    colours = _colours(of.contestants)
    _errors(figure.axes[0], of, colours)
    if measured:
        _angles(figure.axes[1], of, colours)
    columns = min(len(colours), 2 + 2 * measured)
    figure.legend(
        loc="outside upper center", ncols=columns, frameon=False
    )  # no curve lies below it
    return figure


def _colours(names: Sequence[str]) -> dict[str, str]:
    """The paper's for its rules, and others that eyes can tell apart."""
    spare = iter(plots._OTHERS * len(names))
    return {name: _OWN.get(name.lower()) or next(spare) for name in names}


def _errors(ax: Axes, of: Comparison, colours: dict[str, str]) -> None:
    for i, name in enumerate(of.contestants):
        ended = [h for s, h in of.histories[name].items() if s not in of.diverged[name]]
        longest = max((len(history) for history in ended), default=0)
        curves = [[record[of.measure] for record in history] for history in ended]
        columns = [[curve[k] for curve in curves if len(curve) > k] for k in range(longest)]
        marker = _MARKERS[i % len(_MARKERS)] if longest <= _MOST_MARKED else None
        places = np.arange(1, longest + 1)
        _band(ax, places, columns, factor(of.measure), name, color=colours[name], marker=marker)
    ax.set_ylabel(label(of.measure))
    _finish(ax)
    ax.set_ylim(bottom=0)


def _angles(ax: Axes, of: Comparison, colours: dict[str, str]) -> None:
    rows = of.angles
    layers = sorted({row["layer"] for row in rows})
    for i, name in enumerate(of.contestants):
        for layer in layers:
            own = [row for row in rows if row["contestant"] == name and row["layer"] == layer]
            epochs = sorted({row["epoch"] for row in own})
            columns = [[row["angle_bp"] for row in own if row["epoch"] == e] for e in epochs]
            style = _STYLES[layers.index(layer) % len(_STYLES)]
            marker = _MARKERS[i % len(_MARKERS)] if len(epochs) <= _MOST_MARKED else None
            _band(ax, epochs, columns, 1, None, color=colours[name], marker=marker, linestyle=style)
    if len(layers) > 1:
        lines = []
        for k, layer in enumerate(layers):
            style = _STYLES[k % len(_STYLES)]
            (line,) = ax.plot([], [], color="0.3", linestyle=style)
            lines.append((line, f"hidden layer {layer + 1}"))
        # Opaque: it hides the part of the line at 90° that would cross its text.
        ax.legend(*zip(*lines, strict=True), edgecolor="none", framealpha=1)
    _finish(ax)
    right_angle(ax)
    ax.set_ylim(bottom=-3)  # so that backprop's line at 0 is seen
    ax.set_ylabel("Angle to backprop's update (°)")


def _band(
    ax: Axes, places: Any, columns: Sequence[Any], unit: float, name: str | None, **style: Any
) -> None:
    """A line of means, and a band of their intervals where there are any."""
    found = [summary(np.asarray(column, np.float64) * unit) for column in columns]
    mean, low, high = ([row[key] for row in found] for key in ("mean", "low", "high"))
    ax.plot(places, mean, markersize=3.5, linewidth=1.5, label=name, **style)
    ax.fill_between(places, low, high, color=style["color"], alpha=0.18, lw=0)


def _finish(ax: Axes) -> None:
    from matplotlib.ticker import MaxNLocator

    ax.set_xlabel("Epochs")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    plain_frame(ax)
