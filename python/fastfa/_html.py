"""What notebooks show of a network, an ensemble and a history: tables, whose every text is escaped."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from ._labels import FRACTIONS

if TYPE_CHECKING:
    from .ensemble import Ensemble
    from .feedback import Feedback
    from .history import History
    from .layers import Pooling
    from .network import Network

_ROWS = 12  # of a table: from there on, its middle is left out
_WIDTH = 360  # of a figure, in pixels
_CELL = "padding:2px 10px;white-space:nowrap;text-align:"
_HEAD = "padding:2px 10px;vertical-align:bottom;text-align:"


def network(net: Network) -> str:
    """A row for each layer: what it is, how large it is, and by which B it learns."""
    rows: list[Sequence[str]] = [("input", _by(net.input_shape), "", "", "", "", "", "")]
    rows += [_pooling(each) for each in net.pooling[0]]
    if net.dropout[0]:
        rows.append(_dropout(net.dropout[0]))
    total = bytes_of_b = 0
    for i, layer in enumerate(net.layers):
        w, b = net.weights[i], net.biases[i]
        existing = w.size if layer._density == 1 else int(np.count_nonzero(w))
        parameters = existing + (0 if b is None else b.size)
        kind = f"{type(layer).__name__}, {layer.activation}"
        kind += "" if layer.trainable else ", fixed"
        fed, total = i in net._fed, total + parameters
        bytes_of_b += net.feedback_bytes[i] if fed else 0
        rows.append(
            (
                kind,
                _by(net.shapes[i + 1]),
                _by(w.shape) + ("" if existing == w.size else f", {existing / w.size:.0%} of it"),
                "–" if b is None else _by(b.shape),
                f"{parameters:,}",
                _rule(net._rules[i]) if fed else "",
                _by(_b_shape(net, i)) if fed else "",
                _size(net.feedback_bytes[i]) if fed else "",
            )
        )
        rows += [_pooling(each) for each in net.pooling[i + 1]]
        if net.dropout[i + 1]:
            rows.append(_dropout(net.dropout[i + 1]))
    rows.append(("total", "", "", "", f"{total:,}", "", "", _size(bytes_of_b) if net._fed else ""))
    heads: Sequence[str] = (
        "layer",
        "units",
        "W",
        "b",
        "parameters",
        "feedback B",
        "shape of B",
        "memory of B",
    )
    if not net._fed:
        rows, heads = [row[:5] for row in rows], heads[:5]  # node perturbation, or one layer
    facts = [net.loss.replace("_", " "), net.dtype.name, f"seed {net.seed}", net.device]
    facts += [f"{net.steps:,} steps", f"{_size(total * net.dtype.itemsize)} of parameters"]
    if not isinstance(net.feedback, tuple):
        facts.append(repr(net.feedback))
    return _titled(f"Network {_sizes(net)}", facts, _table(heads, rows, text=(0, 5)))


def ensemble(of: Ensemble) -> str:
    """A row for each network."""
    rows = [
        (str(i), _sizes(net), _rules(net), str(net.seed), f"{net.steps:,}")
        for i, net in _shortened(list(enumerate(of.networks)))
    ]
    facts = [of.networks[0].dtype.name, of.networks[0].device]
    heads = ("", "units", "feedback", "seed", "steps")
    left = len(of) - len(rows)
    table = _table(heads, rows, text=(2,), left=left, noun="networks")
    return _titled(f"Ensemble of {len(of)} network{'s' * (len(of) > 1)}", facts, table)


def history(of: History) -> str:
    """The records, and the learning curves where matplotlib is there and errors were measured."""
    heads = of.columns
    records = _shortened(of.records)
    rows = [[_value(key, record.get(key)) for key in heads] for record in records]
    table = _table(heads, rows, left=len(of) - len(records), noun="epochs")
    return _titled(f"History of {len(of)} epoch{'s' * (len(of) != 1)}", [], table + _curves(of))


def _curves(of: History) -> str:
    try:
        png, _ = of.plot()._repr_png_()  # type: ignore[attr-defined]
    except (ImportError, LookupError, TypeError, ValueError):  # no matplotlib, or nothing to draw
        return ""
    picture = base64.b64encode(png).decode()
    return f'<img width="{_WIDTH}" alt="learning curves" src="data:image/png;base64,{picture}">'


def _titled(title: str, facts: Iterable[str], body: str) -> str:
    about = escape(" · ".join(facts))
    return f'<div><div style="margin:4px 0"><b>{escape(title)}</b> &ensp;{about}</div>{body}</div>'


def _table(
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    text: Sequence[int] = (),
    left: int = 0,
    noun: str = "",
) -> str:
    """Columns of ``text`` stand to the left, numbers to the right; ``left`` rows are missing."""

    def row(cells: Iterable[str], tag: str, style: str) -> str:
        inner = "".join(
            f'<{tag} style="{style}{"left" if i in text else "right"}">{cell}</{tag}>'
            for i, cell in enumerate(cells)
        )
        return f"<tr>{inner}</tr>"

    lines = [row(map(escape, cells), "td", _CELL) for cells in rows]
    if left:
        words = escape(f"… {left:,} {noun} …")
        middle = f'<tr><td colspan="{len(heads)}" style="{_CELL}center">{words}</td></tr>'
        lines.insert(len(lines) // 2, middle)
    names = (escape(head).replace("_", "_<wbr>") for head in heads)  # where a long one may break
    inner = f"<thead>{row(names, 'th', _HEAD)}</thead><tbody>{''.join(lines)}</tbody>"
    table = f'<table style="border-collapse:collapse">{inner}</table>'
    return f'<div style="overflow-x:auto">{table}</div>'


def _shortened(rows: list[Any]) -> list[Any]:
    """The first and the last of many rows."""
    return rows if len(rows) <= _ROWS else rows[: _ROWS // 2] + rows[-_ROWS // 2 :]


def _dropout(rate: float) -> Sequence[str]:
    return (f"Dropout, {rate:g}", *[""] * 7)


def _pooling(layer: Pooling) -> Sequence[str]:
    kind = f"{type(layer).__name__}, {_by(layer.size)}"
    kind += "" if layer.stride == layer.size else f", stride {_by(layer.stride)}"
    return (kind, *[""] * 7)


def _by(shape: Sequence[int]) -> str:
    return " × ".join(map(str, shape))


def _sizes(net: Network) -> str:
    return "-".join(str(math.prod(shape)) for shape in net.shapes)


def _b_shape(net: Network, layer: int) -> tuple[int, int]:
    source = net.shapes[layer + 2 if net._rules[layer].route == "layerwise" else -1]
    return math.prod(net._below[layer + 1]), math.prod(source)


def _rule(rule: Feedback) -> str:
    """What was asked of a B: ``uniform, route=direct``."""
    words = repr(rule)[len("Feedback(") : -1]
    return words.replace("'", "") if isinstance(rule.matrix, str) else words


def _rules(net: Network) -> str:
    if not isinstance(net.feedback, tuple):
        return repr(net.feedback)
    return "; ".join(dict.fromkeys(map(_rule, net.feedback))) or "–"


def _size(count: int) -> str:
    """Bytes: ``3.1 MB``."""
    power = sum(count >= limit for limit in (999.5, 999.5e3, 999.5e6, 999.5e9))
    return f"{count / 1000**power:.3g} {('B', 'kB', 'MB', 'GB', 'TB')[power]}"


def _value(key: str, value: Any) -> str:
    """A record's value: fractions of errors in percent, other numbers to four digits."""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        return str(value)
    if key in FRACTIONS:
        return f"{float(value):.2%}"
    number = float(value)
    whole = isinstance(value, int | np.integer) or 1e4 <= abs(number) < 1e9
    return f"{number:,.0f}" if whole else f"{number:#.4g}" if "loss" in key else f"{number:.4g}"
