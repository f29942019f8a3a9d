"""Where a curve of costs jumps: growth between neighbours against the growth on either side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

CLIFF = 1.5  # times the trend


def cliffs(sizes: Sequence[float], values: Sequence[float | None]) -> list[dict[str, Any]]:
    """Neighbouring sizes between which the value grows more than CLIFF times the trend.

    The trend between two sizes is the mean slope, in log-log, of the intervals on either side; one
    that falls counts as flat. Fewer than three sizes have no trend.
    """
    points = sorted(
        (size, value) for size, value in zip(sizes, values, strict=True) if value is not None
    )
    logs = [(math.log(size), math.log(value)) for size, value in points]
    slopes = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in pairwise(logs)]
    found = []
    for i, ((size, value), (size_to, value_to)) in enumerate(pairwise(points)):
        beside = [max(0.0, slopes[k]) for k in (i - 1, i + 1) if 0 <= k < len(slopes)]
        if not beside:
            continue
        slope = sum(beside) / len(beside)
        growth, expected = value_to / value, (size_to / size) ** slope
        if growth > CLIFF * expected:
            found.append(
                {
                    "from": size,
                    "to": size_to,
                    "growth": round(growth, 3),
                    "expected": round(expected, 3),
                }
            )
    return found
