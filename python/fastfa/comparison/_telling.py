"""A comparison as text, for notebooks, and as a page of its own."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from .. import _html

if TYPE_CHECKING:
    from .result import Comparison

_WIDTH = 480  # pixels of one of the figure's axes
_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; color: #222 }
body { padding: 0 1rem } h1 { line-height: 1.2 }
img { max-width: 100%; height: auto } p { max-width: 46rem }
"""


def text(of: Comparison) -> str:
    """Two tables for a terminal."""
    what, pairs = _titles(of)
    lines = [what, *_aligned(_heads(of), _rows(of))]
    if len(of.contestants) > 1:
        lines += ["", pairs, *_aligned(_pair_heads(of), _differences(of))]
    return "\n".join([*lines, *_notes(of)])


def html(of: Comparison) -> str:
    """The same as tables, with the curves where matplotlib is there."""
    what, pairs = _titles(of)
    parts = [_html._titled("Comparison", [what], _html._table(_heads(of), _rows(of), text=(0, 5)))]
    if len(of.contestants) > 1:
        table = _html._table(_pair_heads(of), _differences(of), text=(0,))
        parts.append(_html._titled("Differences", [pairs], table))
    parts += [f"<p>{escape(note)}</p>" for note in _notes(of)]
    return "".join([*parts, _figure(of)])


def page(of: Comparison) -> str:
    """A whole file of HTML."""
    title = escape("Comparison of " + " · ".join(of.contestants))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{title}</title><style>{_STYLE}</style></head><body><h1>{title}</h1>{html(of)}"
        "<p>Means are over seeds, and intervals are those of the mean, by Student's t: they speak of "
        "other seeds, not of other examples. The p-values are of paired, two-sided t-tests. Nothing was "
        "chosen by the test examples: numbers are those of the last epoch.</p></body></html>\n"
    )


def _titles(of: Comparison) -> tuple[str, str]:
    words = of.measure.replace("_", " ")
    on = f" on {of.data}" if of.data else ""
    what = f"{words} at the last epoch{on}, mean over seeds"
    return what, f"{words} less that of {of.base}, in pairs of the same seed"


def _heads(of: Comparison) -> Sequence[str]:
    unit = " (%)" if of.measure.endswith("_error") else ""
    lost = ("",) if any(of.diverged.values()) else ()
    return ("", "n", f"mean{unit}", "95 % interval", "seconds", *lost)


def _pair_heads(of: Comparison) -> Sequence[str]:
    unit = " (points)" if of.measure.endswith("_error") else ""
    return ("", "n", f"difference{unit}", "95 % interval", "p", "p, Holm")


def _rows(of: Comparison) -> list[Sequence[str]]:
    rows: list[Sequence[str]] = []
    for row in of.table():
        lost = [f"{row['diverged']} diverged" if row["diverged"] else ""]
        limits = _limits(of, row, "")
        mean, seconds = _number(of, row["mean"]), _plain(row["seconds"], ".2f")
        rows.append(
            (row["contestant"], str(row["n"]), mean, limits, seconds, *lost)[: len(_heads(of))]
        )
    return rows


def _differences(of: Comparison) -> list[Sequence[str]]:
    return [
        (
            row["contestant"],
            str(row["n"]),
            _number(of, row["mean"], "+"),
            _limits(of, row, "+"),
            _p(row["p"]),
            _p(row["p_holm"]),
        )
        for row in of.differences()
    ]


def _notes(of: Comparison) -> list[str]:
    notes = []
    if not of.complete:
        done = sum(map(len, of.histories.values()))
        notes.append(f"Interrupted: {done} of {len(of.contestants) * len(of.seeds)} networks.")
    lost = [
        f"{name}, seed {seed}, diverged and has no part in the means: {why}"
        for name in of.contestants
        for seed, why in of.diverged[name].items()
    ]
    return [*notes, *lost]


def _limits(of: Comparison, row: Any, sign: str) -> str:
    if math.isnan(row["low"]):
        return "–"
    return f"{_number(of, row['low'], sign)} to {_number(of, row['high'], sign)}"


def _number(of: Comparison, value: float, sign: str = "") -> str:
    """Errors in percent, differences of errors in points; losses to four digits."""
    if not of.measure.endswith("_error"):
        return _plain(value, f"{sign}.4g")
    return _plain(100 * value, f"{sign}.2f")


def _plain(value: float, form: str) -> str:
    return "–" if math.isnan(value) else f"{value:{form}}"


def _p(value: float) -> str:
    return "< 0.0001" if value < 1e-4 else _plain(value, ".2g")


def _aligned(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of columns: names and remarks to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    left = [i for i, head in enumerate(heads) if not head]
    return [
        "  ".join(
            cell.ljust(width) if i in left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (heads, *rows)
    ]


def _figure(of: Comparison) -> str:
    try:
        figure: Any = of.plot()
    except ImportError:
        return ""
    picture = base64.b64encode(figure._repr_png_()[0]).decode()
    width = _WIDTH * len(figure.axes)
    return (
        f'<img width="{width}" style="max-width:100%;height:auto" alt="learning curves" '
        f'src="data:image/png;base64,{picture}">'
    )
