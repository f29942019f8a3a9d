"""Figures: learning curves, how the hidden updates turn towards backprop's, and sequences in time.

Needs matplotlib (``pip install 'fastfa[plots]'``). Figures are made without pyplot, so drawing here
neither opens a window nor changes a notebook's settings, and a notebook shows them without any.
Colours are the paper's: backprop black, feedback alignment green, shallow learning grey.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _check
from ._curves import (
    curve,
    figure_of,
    finish_curves,
    finish_seen,
    mean_line,
    plain_frame,
    right_angle,
    shades,
    wrapped,
)
from ._labels import ANGLES, FRACTIONS, label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .history import History

__all__ = [
    "new_figure",
    "plot_angles",
    "plot_angles_in_time",
    "plot_history",
    "plot_learning_curves",
    "plot_sequence",
]


def __dir__() -> list[str]:
    return sorted(__all__)


COLOURS = {"BP": "#000000", "FA": "#1a9641", "shallow": "#9a9a9a"}
_OTHERS = ("#0072b2", "#d55e00", "#cc79a7", "#56b4e9", "#e69f00")  # told apart by colour-blind eyes
_SETS = {
    "train": ("training, while learning", "#0072b2", ":"),
    "validation": ("validation", "#d55e00", "--"),
    "test": ("test", "#000000", "-"),
}
_EARLY, _LATE = np.array([0.65, 0.86, 0.62]), np.array([0.0, 0.2, 0.1])  # greens
_FIRST = [
    f"{name}_{what}" for what in ("error", "loss") for name in ("test", "validation", "train")
]


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


def plot_history(history: History, ax: Axes | None = None, measure: str | None = None) -> Figure:
    """The error rate or loss of every set that ``history`` has, against epochs.

    Parameters
    ----------
    history
        With at least one record.
    ax
        Axes to draw on; a new figure if None.
    measure
        ``"error"``, in percent, or ``"loss"``, or another that records have with ``train_``,
        ``validation_`` or ``test_`` before it. None: the errors if there are any, else the losses (a
        network with one output has no errors).

    Raises
    ------
    ValueError
        If there is nothing to draw.
    """
    columns = history.columns
    for what in ("error", "loss") if measure is None else (measure,):
        present = [name for name in _SETS if f"{name}_{what}" in columns]
        if present:
            break
    else:
        wanted = "error or loss" if measure is None else repr(measure)
        raise ValueError(
            f"[plot] history has no records with {wanted}; train at least one epoch"
            + (f" (they have: {', '.join(columns)})" if columns else "")
        )
    ax = new_figure().axes[0] if ax is None else ax
    for name in present:
        text, colour, style = _SETS[name]
        curve(ax, [history], f"{name}_{what}", label=text, color=colour, linestyle=style)
    unit = " (%)" if f"{present[0]}_{what}" in FRACTIONS else ""
    finish_curves(ax, what.replace("_", " ").capitalize() + unit)
    return figure_of(ax)


def plot_learning_curves(
    histories: Mapping[str, History | Sequence[History]],
    ax: Axes | None = None,
    key: str | None = None,
) -> Figure:
    """One measure of several runs against epochs; error rates are in percent.

    Parameters
    ----------
    histories
        By the name in the legend; ``BP``, ``FA`` and ``shallow`` get the paper's colours. Several
        histories of one name, such as those of several seeds, are thin lines, with their mean over
        the epochs that all of them have.
    ax
        Axes to draw on; a new figure if None.
    key
        What to draw: any key of the records, such as ``train_loss`` or ``angle_bp.0``. None: the first
        of ``test_error``, ``validation_error``, ``train_error`` and the three losses that all have.

    Raises
    ------
    ValueError
        If there is nothing to draw.
    KeyError
        If a history has no ``key``.
    """
    runs = {
        name: list(each) if isinstance(each, Sequence) else [each]
        for name, each in histories.items()
    }
    if not all(runs.values()) or not runs:
        raise ValueError(
            f"[plot_learning_curves] histories was {histories!r}; it must name at least one history"
        )
    if key is None:
        every = [set(history.columns) for each in runs.values() for history in each]
        key = next((key for key in _FIRST if set.intersection(*every) >= {key}), None)
        if key is None:
            raise ValueError(
                "[plot_learning_curves] histories have no error or loss in common; name a key of theirs"
            )
    for history in (history for each in runs.values() for history in each):
        history[key]  # whose error says which there are, before anything is drawn
    ax = new_figure().axes[0] if ax is None else ax
    paper = {name.lower(): colour for name, colour in COLOURS.items()}
    spare = cycle([(colour, style) for style in ("-", "--", ":") for colour in _OTHERS])
    for name, each in runs.items():
        colour, style = (paper[name.lower()], "-") if name.lower() in paper else next(spare)
        curve(ax, each, key, label=name, color=colour, linestyle=style)
    finish_curves(ax, wrapped(label(key)), zero=key in _FIRST)
    return figure_of(ax)


def plot_angles(
    rows: Sequence[Mapping[str, Any]] | Sequence[Sequence[Mapping[str, Any]]],
    ax: Axes | None = None,
    *,
    key: str = "angle_bp",
    examples_per_batch: int | None = None,
) -> Figure:
    """The angle between the network's hidden updates and backprop's, as learning goes on.

    A line for each hidden layer, with a band of one standard deviation over the probe examples
    where the rows have one. The scale is logarithmic along the examples seen: much of the
    alignment comes early. (Figure 2b of Lillicrap et al., arXiv 1411.0247.)

    Parameters
    ----------
    rows
        `fastfa.callbacks.Alignment.rows`. Or a list of such lists, one a run: thin lines for the
        runs, with their mean where all were measured.
    ax
        Axes to draw on; a new figure if None.
    key
        What to draw: an angle, in degrees, or another measure that the rows have. Of ``neuron_angles``
        the mean over the units, with a band of one standard deviation.
    examples_per_batch
        The batch size, for rows that don't say how many examples had been seen. Without it the axis
        of such rows counts batches.

    Raises
    ------
    ValueError
        If there are no rows.
    KeyError
        If they have no ``key``.
    """
    several: Any = [rows] if not rows or isinstance(rows[0], Mapping) else rows
    runs: list[list[Mapping[str, Any]]] = [list(own) for own in several]
    if not all(runs):
        raise ValueError("[plot_angles] rows was empty; it must hold at least one measurement")
    every = [row for own in runs for row in own]
    if any(key not in row for row in every):
        raise KeyError(f"[plot_angles] rows have no {key!r}; they have: {', '.join(every[0])}")
    ax = new_figure().axes[0] if ax is None else ax
    counted = "examples" if all("examples" in row for row in every) else "batch"
    times = 1 if counted == "examples" else examples_per_batch or 1
    layers = sorted({row["layer"] for row in every})
    for layer, colour in zip(layers, shades(len(layers)), strict=True):
        curves = []
        for own in runs:
            here = [row for row in own if row["layer"] == layer]
            seen = np.array([row[counted] for row in here], dtype=float) * times
            values = np.array(
                [row[key] for row in here], dtype=float
            )  # a file has None in the place of NaN
            spread = [row.get(f"{key}_sd") for row in here]
            if values.ndim == 2:
                units = np.ma.masked_invalid(values)
                values, spread = (f(axis=1).filled(np.nan) for f in (units.mean, units.std))
            curves.append((seen, values))
        text = f"hidden layer {layer + 1}" if len(layers) > 1 else "mean"
        mean_line(ax, curves, color=colour, label=text)
        if len(runs) == 1 and any(each is not None for each in spread):
            ends = (values + k * np.array(spread, dtype=float) for k in (-1, 1))
            low, high = (np.clip(end, 0, 180) for end in ends)  # there are no other angles
            band = ax.fill_between(seen, low, high, color=colour, alpha=0.2, lw=0)
            if layer == layers[-1]:
                of = "units" if key == "neuron_angles" else "examples"
                band.set_label(f"one s.d. over the {of}")
    counts_examples = counted == "examples" or examples_per_batch is not None
    finish_seen(ax, sorted({row[counted] * times for row in every}), counts_examples)
    ax.set_ylabel(wrapped(label(key)))
    if key in ANGLES and not key.endswith("_sd"):
        right_angle(ax)
    plain_frame(ax)
    ax.legend(frameon=False, loc="best")
    return figure_of(ax)


def plot_sequence(target: Any, output: Any, ax: Axes | None = None, *, mask: Any = None) -> Figure:
    """What a network in time was to say, and what it says, step by step.

    Parameters
    ----------
    target : array_like, shape (T, k) or (T,)
        Of one sequence, such as ``data.test.y[0]``.
    output : array_like, of the same shape
        Such as ``net.forward_sequences(data.test.x)[0]``.
    ax
        Axes to draw on; a new figure if None.
    mask : array_like, shape (T,), optional
        What each step counts: the target is drawn where that is above 0.

    Raises
    ------
    ValueError, TypeError
        If shapes differ, or one holds no real numbers.
    """
    where = "plot_sequence"
    wanted, said = (
        _check.real_numbers(where, name, value).astype(float)
        for name, value in (("target", target), ("output", output))
    )
    if wanted.ndim not in (1, 2) or not wanted.size or said.shape != wanted.shape:
        raise ValueError(
            f"[{where}] target has shape {wanted.shape} and output {said.shape}; both must be (T, k), "
            "or (T,), of one sequence"
        )
    wanted, said = (each.reshape(len(each), -1) for each in (wanted, said))
    if mask is not None:
        counts = _check.real_numbers(where, "mask", mask)
        if counts.shape != wanted.shape[:1]:
            raise ValueError(
                f"[{where}] mask has shape {counts.shape}; it must be {wanted.shape[:1]}, of each step"
            )
        wanted = np.where(counts[:, None] > 0, wanted, np.nan)
    ax = new_figure().axes[0] if ax is None else ax
    steps = np.arange(len(said))
    count = said.shape[1]
    for k, colour in enumerate(shades(count)):
        text = f"output {k + 1}" if count > 1 else "output"
        ax.plot(steps, said[:, k], color=colour, linewidth=1.5, label=text)
    marker = "o" if np.isfinite(wanted[:, 0]).sum() <= 1 else None
    drawn = ax.plot(steps, wanted, "--", color="black", linewidth=1.2, marker=marker, markersize=4)
    drawn[0].set_label("target")
    ax.set_xlabel("Step")
    ax.set_ylabel("Outputs" if count > 1 else "Output")
    plain_frame(ax)
    ax.legend(frameon=False, loc="best")
    return figure_of(ax)


def plot_angles_in_time(
    rows: Sequence[Mapping[str, Any]], ax: Axes | None = None, *, lines: int = 5
) -> Figure:
    """The angle to backprop through time at each step of sequences, before, while and after learning.

    Parameters
    ----------
    rows
        `fastfa.callbacks.AlignmentInTime.rows`.
    ax
        Axes to draw on; a new figure if None.
    lines
        How many measurements are drawn, at least 1: the first, the last, and some between, evenly.

    Raises
    ------
    ValueError, TypeError
        If there are no rows, or ``lines`` isn't a number from 1.
    KeyError
        If they have no ``angle_bptt_steps``.
    """
    where, key = "plot_angles_in_time", "angle_bptt_steps"
    lines = _check.integer(where, "lines", lines, 1)
    if not len(rows):
        raise ValueError(f"[{where}] rows was empty; it must hold at least one measurement")
    if any(key not in row for row in rows):
        raise KeyError(f"[{where}] rows have no {key!r}; they have: {', '.join(rows[0])}")
    ax = new_figure().axes[0] if ax is None else ax
    chosen = np.unique(np.linspace(len(rows) - 1, 0, lines).round().astype(int))
    for at, share in zip(chosen, np.linspace(0, 1, len(chosen)), strict=True):
        colour = (1 - share) * _EARLY + share * _LATE
        values = np.array(rows[at][key], dtype=float)  # a file has None in the place of NaN
        marker = "o" if np.isfinite(values).sum() <= 1 else None
        text = f"{rows[at]['examples']:,}"
        ax.plot(
            np.arange(len(values)), values, color=colour, marker=marker, markersize=3, label=text
        )
    ax.set_xlabel("Step")
    ax.set_ylabel(wrapped(label("angle_bptt")))
    right_angle(ax)
    plain_frame(ax)
    ax.legend(
        frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(chosen),
        title="sequences seen", handlelength=1.2, columnspacing=1.0,
    )  # fmt: skip
    return figure_of(ax)
