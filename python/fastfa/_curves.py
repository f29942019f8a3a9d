"""Lines with their axes, for `plots.py` and the figures of the experiments."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ._labels import factor

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .history import History

_FEW = 30  # points, up to which each has a dot: one alone would have no line


def right_angle(ax: Axes) -> None:
    """The scale of an angle in degrees: up to beyond 90, a dotted line, or to 180 if need be."""
    top = 105 if not ax.dataLim.y1 > 105 else 183
    ax.axhline(90, color="black", linewidth=0.8, linestyle=":")
    ax.set_ylim(0, top)
    ax.set_yticks(range(0, top, 30))


def figure_of(ax: Axes) -> Figure:
    """The figure, which can be saved, also of axes in a part of one."""
    from matplotlib.figure import Figure

    return ax.figure if isinstance(ax.figure, Figure) else ax.figure.figure


def curve(ax: Axes, histories: Sequence[History], key: str, **style: Any) -> None:
    """Against epochs. Those without a value are left out; NaN, which is none either, is a gap."""
    curves = []
    for history in histories:
        points = [
            (e, v) for e, v in zip(history["epoch"], history[key], strict=True) if v is not None
        ]
        epochs, values = zip(*points, strict=True) if points else ((), ())
        try:
            measured = factor(key) * np.array(values, dtype=float)
        except (TypeError, ValueError):
            measured = np.empty((0, 0))
        if measured.ndim != 1:
            raise ValueError(
                f"[plot] key was {key!r}; each record must have one number of that name"
            )
        curves.append((np.array(epochs), measured))
    mean_line(ax, curves, **style)


def mean_line(ax: Axes, curves: Sequence[tuple[Any, Any]], **style: Any) -> None:
    """A line, or thin lines and their mean where all have points."""
    x, y = curves[0]
    if len(curves) > 1:
        for each in curves:
            ax.plot(*each, color=style["color"], linewidth=0.6, alpha=0.4)
        found = [dict(zip(x.tolist(), y.tolist(), strict=True)) for x, y in curves]
        x = np.array(sorted(set.intersection(*map(set, found))))
        y = np.array([np.mean([each[at] for each in found]) for at in x.tolist()])
    marker = "o" if len(x) <= _FEW or np.isnan(y).any() else None
    ax.plot(x, y, marker=marker, markersize=3, **({"linewidth": 1.5} | style))


def finish_curves(ax: Axes, y: str, zero: bool = True) -> None:
    from matplotlib.ticker import MaxNLocator

    ax.set_xlabel("Epochs")
    ax.set_ylabel(y)
    if zero and ax.dataLim.y0 >= 0:
        ax.set_ylim(bottom=0)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    plain_frame(ax)
    ax.legend(frameon=False)


def finish_seen(ax: Axes, seen: Sequence[float], examples: bool) -> None:
    """A logarithmic axis, linear up to the first measurement, so that the one at 0 has a place."""
    ax.set_xlabel("Examples seen" if examples else "Batches seen")
    later = [at for at in seen if at]
    if later:
        ax.set_xscale("symlog", linthresh=later[0], linscale=0.4)
        ax.set_xlim(0, max(later[-1], ax.dataLim.x1))
        decades = [10**k for k in range(12) if later[0] <= 10**k <= later[-1]]
        if len(decades) > 1:
            ax.set_xticks([0, *decades])
        else:
            ends = sorted({0, later[0], later[-1]})
            ax.set_xticks(ends, [f"{end:,.0f}" for end in ends])
        ax.minorticks_off()
    else:
        ax.set_xticks([0])


def wrapped(text: str) -> str:
    """Over two lines where one would be longer than an axis."""
    return textwrap.fill(text, 38)


def plain_frame(ax: Axes) -> None:
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis="y", alpha=0.25, linewidth=0.6)


def shades(count: int) -> list[tuple[float, float, float]]:
    """Greens from FA's own to a dark one, one a layer."""
    full = np.array([0x1A, 0x96, 0x41]) / 255
    return [tuple(full * (1 - 0.7 * i / max(count - 1, 1))) for i in range(count)]
