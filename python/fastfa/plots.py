"""Figures: learning curves, and the angle between two rules' hidden updates.

Needs matplotlib (``pip install 'fastfa[plots]'``). Figures are made without pyplot, so drawing here
neither opens a window nor changes a notebook's settings, and a notebook shows them without any.
Colours are the paper's: backprop black, feedback alignment green, shallow learning grey.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .history import History

__all__ = ["new_figure", "plot_angles", "plot_history", "plot_learning_curves"]


def __dir__() -> list[str]:
    return sorted(__all__)


COLOURS = {"BP": "#000000", "FA": "#1a9641", "shallow": "#9a9a9a"}
_OTHERS = ("#0072b2", "#d55e00", "#cc79a7", "#56b4e9", "#e69f00")  # told apart by colour-blind eyes
_SETS = {
    "train_error": ("training, while learning", "#0072b2", ":"),
    "validation_error": ("validation", "#d55e00", "--"),
    "test_error": ("test", "#000000", "-"),
}


def new_figure(columns: int = 1, *, width: float = 4.8, height: float = 3.6) -> Figure:
    """An empty figure with ``columns`` axes side by side, for files and notebooks: no window, no pyplot.

    Parameters
    ----------
    columns
        How many axes.
    width, height
        Of one of them, in inches; files have 200 dots an inch.

    Raises
    ------
    ImportError
        If matplotlib is missing; says how to get it.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.layout_engine import ConstrainedLayoutEngine

        from ._shown import ShownFigure
    except ImportError as error:
        raise ImportError(
            "[plots] matplotlib is not installed; get it with: pip install 'fastfa[plots]'"
        ) from error
    layout = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.06, wspace=0.06)
    figure = ShownFigure(figsize=(width * columns, height), dpi=200, layout=layout)
    FigureCanvasAgg(figure)
    figure.subplots(1, columns)
    return figure


def plot_history(history: History, ax: Axes | None = None) -> Figure:
    """Error rates in percent of every set that ``history`` has, against epochs.

    Parameters
    ----------
    history
        With at least one record.
    ax
        Axes to draw on; a new figure if None.

    Raises
    ------
    ValueError
        If there is nothing to draw.
    """
    present = [key for key in _SETS if len(history) and key in history.columns]
    if not present:
        raise ValueError(
            "[plot] history has no records with an error; train at least one epoch (a network with "
            "one output has none)"
        )
    ax = new_figure().axes[0] if ax is None else ax
    for key in present:
        label, colour, style = _SETS[key]
        _curve(ax, history, key, label=label, color=colour, linestyle=style)
    _finish_errors(ax, "Error (%)")
    return _figure_of(ax)


def plot_learning_curves(
    histories: Mapping[str, History], ax: Axes | None = None, key: str = "test_error"
) -> Figure:
    """One measure of several runs, in percent against epochs.

    Parameters
    ----------
    histories
        By the name in the legend; ``BP``, ``FA`` and ``shallow`` get the paper's colours.
    ax
        Axes to draw on; a new figure if None.
    key
        The fraction to draw, such as ``test_error``.
    """
    ax = new_figure().axes[0] if ax is None else ax
    spare = iter(_OTHERS * len(histories))
    for name, history in histories.items():
        colour = COLOURS.get(name) or next(spare)
        _curve(ax, history, key, label=name, color=colour, linestyle="-")
    _finish_errors(ax, f"{key.replace('_', ' ').capitalize()} (%)")
    return _figure_of(ax)


def plot_angles(
    rows: Sequence[Mapping[str, Any]],
    ax: Axes | None = None,
    *,
    key: str = "angle_bp",
    examples_per_batch: int = 1,
) -> Figure:
    """The angle between the network's hidden updates and backprop's, as learning goes on.

    A line for each hidden layer, with a band of one standard deviation over the probe examples
    where the rows have one. The scale is logarithmic along the examples seen: much of the
    alignment comes early. (Figure 2b of Lillicrap et al., arXiv 1411.0247.)

    Parameters
    ----------
    rows
        `fastfa.callbacks.Alignment.rows`.
    ax
        Axes to draw on; a new figure if None.
    key
        The angle to draw, in degrees.
    examples_per_batch
        The batch size, so that the axis counts examples.
    """
    if not rows:
        raise ValueError("[plot_angles] rows was empty; it must hold at least one measurement")
    ax = new_figure().axes[0] if ax is None else ax
    layers = sorted({row["layer"] for row in rows})
    greens = _shades(len(layers))
    for layer, colour in zip(layers, greens, strict=True):
        own = [row for row in rows if row["layer"] == layer]
        seen = np.array([row["batch"] for row in own], dtype=float) * examples_per_batch
        angle = np.array([row[key] for row in own], dtype=float)
        label = f"hidden layer {layer + 1}" if len(layers) > 1 else "mean"
        ax.plot(seen, angle, color=colour, label=label)
        if f"{key}_sd" in own[0]:
            spread = np.array([row[f"{key}_sd"] for row in own], dtype=float)
            band = ax.fill_between(
                seen, angle - spread, angle + spread, color=colour, alpha=0.2, lw=0
            )
            if layer == layers[-1]:
                band.set_label("one s.d. over the examples")
    ax.axhline(90, color="black", lw=0.8, ls=":")
    _finish_angles(ax, rows, examples_per_batch)
    ax.legend(frameon=False, loc="lower right")
    return _figure_of(ax)


def _figure_of(ax: Axes) -> Figure:
    """The figure, which can be saved, also of axes in a part of one."""
    from matplotlib.figure import Figure

    return ax.figure if isinstance(ax.figure, Figure) else ax.figure.figure


def _curve(ax: Axes, history: History, key: str, **style: Any) -> None:
    percent = [np.nan if value is None else 100 * value for value in history[key]]
    epochs = history["epoch"]
    marker = "o" if len(epochs) <= 30 else None  # a single epoch would draw no line at all
    ax.plot(epochs, percent, marker=marker, markersize=3, linewidth=1.5, **style)


def _finish_errors(ax: Axes, label: str) -> None:
    from matplotlib.ticker import MaxNLocator

    ax.set_xlabel("Epochs")
    ax.set_ylabel(label)
    ax.set_ylim(bottom=0)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    _plain_frame(ax)
    ax.legend(frameon=False)


def _finish_angles(ax: Axes, rows: Iterable[Mapping[str, Any]], examples_per_batch: int) -> None:
    seen = sorted({row["batch"] * examples_per_batch for row in rows if row["batch"]})
    if seen:  # linear up to the first measurement, so that the one at 0 has a place
        ax.set_xscale("symlog", linthresh=seen[0], linscale=0.4)
        ax.set_xlim(0, seen[-1])
        decades = [10**k for k in range(12) if seen[0] <= 10**k <= seen[-1]]
        ax.set_xticks([0, *decades] if decades else [0, seen[-1]])
        ax.minorticks_off()
    ax.set_ylim(0, 105)
    ax.set_yticks([0, 30, 60, 90])
    ax.set_xlabel("Examples seen")
    ax.set_ylabel("Angle to backprop's update (degrees)")
    _plain_frame(ax)


def _plain_frame(ax: Axes) -> None:
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis="y", alpha=0.25, linewidth=0.6)


def _shades(count: int) -> list[tuple[float, float, float]]:
    """Greens from FA's own to a dark one, one a layer."""
    full = np.array([0x1A, 0x96, 0x41]) / 255
    return [tuple(full * (1 - 0.7 * i / max(count - 1, 1))) for i in range(count)]
