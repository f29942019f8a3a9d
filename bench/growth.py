#!/usr/bin/env python3
"""How the cost of fastfa grows: step time along one axis at a time, and peak memory.

    python bench/growth.py --out growth.json
    python bench/growth.py --quick --axes width batch
    python bench/growth.py --report --out growth.json     # cliffs and charts again, nothing measured

Writes growth.json and, where matplotlib is, growth.png; prints every cliff: two neighbouring sizes
between which the time grows more than 1.5 times as much as on either side. It needs no peers.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from measuring import command

SCHEMA = "fastfa-bench-growth/1"
AXES = (
    *("width", "depth", "batch", "threads", "replicas", "density", "rank"),
    *("maps", "kernel", "image", "conv-batch", "memory"),
)
DEFAULT_OUT = Path(__file__).resolve().parent.parent / "build" / "growth.json"


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parse(arguments)
    if options.report:
        result = json.loads(options.out.read_text(encoding="utf-8"))
    else:
        processors = command.limit_threads(options.threads)
        result = measure(options, processors)
    _write(options, result)
    return 0


def measure(options: argparse.Namespace, processors: list[int]) -> dict[str, Any]:
    # Only now: thread limits come before NumPy and fastfa.
    from growing import points, trend
    from measuring import record

    result = record.head(
        SCHEMA,
        {
            "threads": options.threads,
            "processors_used": processors,
            "rounds": options.rounds,
            "seconds_per_sample": options.seconds,
            "quick": options.quick,
            "dtype": "float32",
            "cliff": trend.CLIFF,
        },
    )
    result["axes"] = {}
    for axis in options.axes:
        with record.Neighbours() as neighbours:
            found = points.measure(axis, options)
        found["foreign_load"] = neighbours.load
        result["axes"][axis] = found
        print(_lines(axis, found, neighbours.warning()), flush=True)
    return result


def _lines(axis: str, found: dict[str, Any], warning: str = "") -> str:
    from growing import trend

    lines = [f"{axis}: {found['what']}{warning}"]
    if found.get("reason"):
        return f"{lines[0]}\n  {found['reason']}"
    for name, series in found["series"].items():
        values = " ".join(
            f"{size:g}:{value:.4g}" if value is not None else f"{size:g}:-"
            for size, value in zip(series["sizes"], series["values"], strict=True)
        )
        lines.append(f"  {name} ({found['unit']})  {values}")
        if "ratios" in series:
            ratios = " ".join(f"{ratio:.2f}" for ratio in series["ratios"])
            lines.append(f"    × (weights + feedback + optimizer + h and δ of a batch): {ratios}")
        lines += [
            f"  CLIFF in {name} between {cliff['from']:g} and {cliff['to']:g}: "
            f"× {cliff['growth']:.2f}, expected × {cliff['expected']:.2f}"
            for cliff in trend.cliffs(series["sizes"], series["values"])
            if found["cliffs"]
        ]
    return "\n".join(lines)


def _write(options: argparse.Namespace, result: dict[str, Any]) -> None:
    from growing import chart
    from measuring import record

    if options.report:
        print("\n".join(_lines(axis, found) for axis, found in result["axes"].items()))
    else:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        record.save(options.out, result)
        print(f"written: {options.out}")
    picture = options.out.with_suffix(".png")
    try:
        chart.draw(result, picture)
        print(f"written: {picture}")
    except ImportError as error:
        print(f"no chart: {error}")


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = command.parser("growth.py", __doc__)
    add = parser.add_argument
    add("--axes", nargs="+", choices=AXES, default=list(AXES), metavar="AXIS", help=" ".join(AXES))
    add("--quick", action="store_true", help="fewer and smaller sizes, two short rounds")
    add("--rounds", type=int, metavar="N", help="samples of each size (5; quick: 2)")
    add("--seconds", type=float, metavar="S", help="about, per sample (0.2; quick: 0.01)")
    add("--threads", type=int, default=2, metavar="N", help="threads of the core (2)")
    add("--report", action="store_true", help="print and draw what --out holds")
    add(
        "--out", type=Path, default=DEFAULT_OUT, metavar="FILE",
        help="the JSON (build/growth.json in the source tree); the chart lies beside it",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    options.rounds = options.rounds or (2 if options.quick else 5)
    options.seconds = options.seconds or (0.01 if options.quick else 0.2)
    for name in ("rounds", "seconds", "threads"):
        if getattr(options, name) <= 0:
            parser.error(f"{name} was {getattr(options, name)}; it must be positive")
    if options.out.suffix != ".json":
        parser.error(f"out was {options.out}; it must end in .json")
    if options.report and not options.out.is_file():
        parser.error(f"out was {options.out}; with --report it must exist")
    return options


if __name__ == "__main__":
    raise SystemExit(main())
