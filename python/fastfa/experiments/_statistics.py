"""What runs say about a claim: intervals from Student's t, and verdicts that can fail."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np

CONFIDENCE = 0.95
FEWEST = 3  # runs that a verdict about their mean needs


@final
@dataclass(frozen=True)
class Verdict:
    """What our runs have to say about one claim.

    Attributes
    ----------
    ours : float
        The measured number, mostly a mean over runs.
    low, high : float
        Its 95 % interval; NaN where one run gives none.
    unit : str
        Of these three: ``"°"``, ``"%"``, ``"points"`` (a difference of percentages), ``"x"`` (a ratio)
        or empty.
    holds : bool or None
        Whether the claim holds; None: the runs can't tell, as their interval lies on both sides.
    note : str
        What was compared with what and, where the mean lies on the wrong side, by how much.
    """

    ours: float
    low: float
    high: float
    unit: str
    holds: bool | None
    note: str

    @property
    def word(self) -> str:
        """``reproduced``, ``differs`` or ``undecided``."""
        return {True: "reproduced", False: "differs", None: "undecided"}[self.holds]


def interval(values: Any) -> tuple[float, float, float]:
    """Mean of `values` (n,) and its two-sided 95 % interval from Student's t; NaN for n = 1.

    Raises
    ------
    ValueError
        If there is no value.
    """
    from scipy import stats

    data = np.asarray(values, dtype=np.float64).ravel()
    if not data.size:
        raise ValueError("[interval] values was empty; it must hold at least one number")
    mean = float(data.mean())
    if data.size == 1:
        return mean, math.nan, math.nan
    half = stats.t.ppf(0.5 + CONFIDENCE / 2, data.size - 1) * stats.sem(data)
    return mean, mean - float(half), mean + float(half)


def no_comparison(values: Any, unit: str, used: str, wanted: str = "mnist") -> Verdict:
    """What was measured on the data set `used` decides nothing about one on `wanted`."""
    why = "is a tenth of the set" if used.startswith("mnist-mini") else f"is not {wanted}"
    return Verdict(*interval(values), unit, None, f"{used} {why}: no comparison")


def below(values: Any, bound: float, unit: str = "", what: str = "") -> Verdict:
    """Holds if the whole interval of the mean lies below `bound`, fails if it lies above."""
    return _verdict(values, -math.inf, bound, unit, what)


def above(values: Any, bound: float, unit: str = "", what: str = "") -> Verdict:
    """Holds if the whole interval of the mean lies above `bound`, fails if it lies below."""
    return _verdict(values, bound, math.inf, unit, what)


def around(values: Any, number: float, within: float, unit: str = "", what: str = "") -> Verdict:
    """Holds if the interval of the mean lies within `within` of `number`, fails if it lies outside."""
    mean, low, high = interval(values)
    note = f"{what or 'mean'} {number:.4g} ± {within:.3g}{unit}"
    if abs(mean - number) >= within:
        note += f"; off by {mean - number:+.3g}{unit}"
    holds = _side(low, high, number - within, number + within)
    return _if_enough(values, Verdict(mean, low, high, unit, holds, note))


def all_below(values: Any, bound: float, unit: str = "", what: str = "") -> Verdict:
    """Holds if every single value lies below `bound`; the interval is the values' range."""
    data = np.asarray(values, dtype=np.float64).ravel()
    note = f"{what or 'largest'} < {bound:.3g}{unit} in each of {data.size}"
    return Verdict(
        float(data.max()),
        float(data.min()),
        float(data.max()),
        unit,
        bool(np.all(data < bound)),
        note,
    )


def all_above(values: Any, bound: float, unit: str = "", what: str = "") -> Verdict:
    """Holds if every single value lies above `bound`; the interval is the values' range."""
    data = np.asarray(values, dtype=np.float64).ravel()
    low, high = float(data.min()), float(data.max())
    note = f"{what or 'smallest'} > {bound:.3g}{unit} in each of {data.size}"
    return Verdict(low, low, high, unit, low > bound, note)


def share(flags: Any, bound: float, what: str = "") -> Verdict:
    """The percentage of `flags` (n,) that are true, with its exact interval; as `above`."""
    from scipy import stats

    data = np.asarray(flags, dtype=bool).ravel()
    exact = stats.binomtest(int(data.sum()), data.size).proportion_ci(CONFIDENCE)
    mean, low, high = (100 * float(value) for value in (data.mean(), exact.low, exact.high))
    holds = _side(low, high, bound, math.inf)
    return Verdict(mean, low, high, "%", holds, _note(mean, bound, ">", "%", what))


def significant(a: Any, b: Any, bound: float) -> Verdict:
    """Holds if `p_value` of the two is below `bound`. A p has no interval."""
    p = p_value(a, b)
    note = f"p of a t-test, n = {np.size(a)} and {np.size(b)}, < {bound:.4g}"
    return Verdict(p, math.nan, math.nan, "", p < bound, note)


def log_ratio(
    smaller: Any, larger: Any, bound: float = 1.0, what: str = "", *, paired: bool = True
) -> Verdict:
    """The ratio of the geometric means of `smaller` and `larger`, with its interval; as `below`.

    Errors differ by factors, so their logarithms are what the interval is taken of. Paired, run by
    run: both are (n,), and runs of a seed share more than its number (initial weights, the task).
    Else `welch`: networks of other shapes have nothing in common that a pair could cancel.
    """
    logs = [np.log(np.asarray(values, np.float64)).ravel() for values in (smaller, larger)]
    found = interval(logs[0] - logs[1]) if paired else welch(*logs)
    mean, low, high = (math.exp(value) for value in found)
    holds = _side(low, high, -math.inf, bound)
    note = _note(mean, bound, "<", "x", what if paired else f"{what or 'mean'}, unpaired,")
    fewest = min(logs, key=len)
    return _if_enough(fewest, Verdict(mean, low, high, "x", holds, note))


def welch(a: Any, b: Any) -> tuple[float, float, float]:
    """Mean of `a` (n,) less that of `b` (m,), and its 95 % interval without pairs or equal variances.

    Student's t with Welch's degrees of freedom (Biometrika 34:28, 1947); NaN where n or m is 1.
    """
    from scipy import stats

    values = [np.asarray(each, dtype=np.float64).ravel() for each in (a, b)]
    mean = float(values[0].mean() - values[1].mean())
    if min(each.size for each in values) < 2:
        return mean, math.nan, math.nan
    parts = [float(each.var(ddof=1)) / each.size for each in values]
    total = sum(parts)
    if not total > 0:  # all runs the same, or one without a number
        return mean, mean + 0 * total, mean + 0 * total
    freedom = total**2 / sum(
        part**2 / (each.size - 1) for part, each in zip(parts, values, strict=True)
    )
    half = float(stats.t.ppf(0.5 + CONFIDENCE / 2, freedom)) * math.sqrt(total)
    return mean, mean - half, mean + half


def first_below(places: Any, curves: Any, bound: float) -> np.ndarray:
    """Of `places` (points,), where each of `curves` (n, points) first lies below `bound`; or NaN."""
    low = np.asarray(curves, np.float64) < bound
    return np.where(low.any(axis=1), np.asarray(places, np.float64)[low.argmax(axis=1)], np.nan)


def paired(a: Any, b: Any) -> tuple[float, float, float, float]:
    """Mean of `a` (n,) less `b` (n,), pair by pair, its 95 % interval, and the p of a paired t-test.

    The test is Student's, two-sided. One pair has no interval and no p (NaN). Where all differences are
    the same but for rounding, p is NaN too: without spread there is no test.
    """
    from scipy import stats

    values = [np.asarray(each, dtype=np.float64).ravel() for each in (a, b)]
    differences = values[0] - values[1]
    mean, low, high = interval(differences)
    rounding = 1e-12 * max(float(np.abs(each).max()) for each in values)
    if differences.size == 1 or not differences.std(ddof=1) > rounding:
        return mean, low, high, math.nan
    t = mean / float(stats.sem(differences))
    return mean, low, high, 2 * float(stats.t.sf(abs(t), differences.size - 1))


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values of several tests, adjusted by Holm's method (Scand. J. Stat. 6:65, 1979).

    The chance of one false "different" or more is at most that of one test. A NaN, of a test that could
    not be done, stays and doesn't count.
    """
    adjusted, largest = [math.nan] * len(p_values), 0.0
    done = sorted((p, i) for i, p in enumerate(p_values) if not math.isnan(p))
    for rank, (p, i) in enumerate(done):
        largest = adjusted[i] = max(largest, min(1.0, (len(done) - rank) * p))
    return adjusted


def summary(values: Any) -> dict[str, Any]:
    """``n``, ``mean``, ``low`` and ``high`` of those of `values` that are numbers; NaN without any."""
    data = np.asarray(values, dtype=np.float64)
    data = data[~np.isnan(data)]
    mean, low, high = interval(data) if data.size else (math.nan,) * 3
    return {"n": data.size, "mean": mean, "low": low, "high": high}


def paired_rows(values: Mapping[str, Any], base: str) -> list[dict[str, Any]]:
    """A row for each of `values` (n,) but `base`, which is subtracted: `paired`, with `holm` over all.

    Item i of each is of the same seed; a pair of which one is NaN has no part.
    """
    rows = []
    for name in values:
        if name == base:
            continue
        pairs = np.array([values[name], values[base]], dtype=np.float64)
        pairs = pairs[:, ~np.isnan(pairs).any(axis=0)]
        mean, low, high, p = paired(*pairs) if pairs.size else (math.nan,) * 4
        row = {"name": name, "n": pairs.shape[1], "mean": mean, "low": low, "high": high, "p": p}
        rows.append(row)
    for row, p in zip(rows, holm([row["p"] for row in rows]), strict=True):
        row["p_holm"] = p
    return rows


def p_value(a: Any, b: Any) -> float:
    """Student's two-sample t-test of (n,) against (m,) values, two-sided, as in the paper."""
    from scipy import stats

    return float(stats.ttest_ind(np.asarray(a, np.float64), np.asarray(b, np.float64)).pvalue)


def _verdict(values: Any, least: float, most: float, unit: str, what: str) -> Verdict:
    """Whether the interval of the mean lies between `least` and `most`, one of which is infinite."""
    mean, low, high = interval(values)
    holds = _side(low, high, least, most)
    relation, bound = ("<", most) if least == -math.inf else (">", least)
    note = _note(mean, bound, relation, unit, what)
    return _if_enough(values, Verdict(mean, low, high, unit, holds, note))


def _if_enough(values: Any, verdict: Verdict) -> Verdict:
    """The verdict; without an answer if it rests on fewer than `FEWEST` runs."""
    runs = np.size(values)
    if runs >= FEWEST:
        return verdict
    note = f"{verdict.note}; {runs} run{'s' * (runs > 1)}, a verdict needs {FEWEST}"
    return replace(verdict, holds=None, note=note)


def _side(low: float, high: float, least: float, most: float) -> bool | None:
    """Whether the interval lies between `least` and `most`; None: on both sides, or there is none."""
    if least < low and high < most:
        return True
    return False if high <= least or low >= most else None


def _note(mean: float, bound: float, relation: str, unit: str, what: str) -> str:
    unit = f" {unit}" if unit == "points" else unit
    note = f"{what or 'mean'} {relation} {bound:.4g}{unit}"
    if mean < bound if relation == "<" else mean > bound:
        return note
    return f"{note}; off the bound by {mean - bound:+.3g}{unit}"
