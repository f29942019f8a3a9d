#!/usr/bin/env python3
"""fastfa against its peers: the same learning rule, the same start, the same examples, one clock.

    python bench/run.py --workloads mnist-online mnist-batch100 --out results.json

writes results.json, the tables as results.txt and, where matplotlib is, a chart as results.png.

bench/README.md says what is measured and how to read it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from measuring import machine

DEFAULT_OUT = Path(__file__).resolve().parent.parent / "build" / "bench.json"


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parse(arguments)
    try:
        processors = machine.limit_threads(options.threads)
        names = _names(options)
    except ValueError as problem:
        print(problem, file=sys.stderr)
        return 2
    result = run(options, *names, processors)
    _write(options.out, result)
    statuses = [
        entry["status"]
        for record in result["workloads"].values()
        for entry in record["contestants"].values()
    ]
    return 1 if {"wrong", "failed"} & set(statuses) else 0


def run(
    options: argparse.Namespace,
    workload_names: list[str],
    contestant_names: list[str],
    processors: list[int],
) -> dict[str, Any]:
    """Measure, printing each workload's table as it is done; return the whole result."""
    # Only now: these import NumPy, whose BLAS reads the thread limits when it loads.
    from contestants import SUBJECT, entries_for
    from measuring import report
    from measuring.floor import NoFloor, floor_for
    from measuring.harness import CHECK_STEPS, TOLERANCE, LocalSeat, Settings, run_workload
    from measuring.isolate import RemoteSeat
    from tasks.workloads import WORKLOADS, make_task

    settings = Settings(options.seconds, options.rounds, options.threads)
    result: dict[str, Any] = {
        "schema": report.SCHEMA,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine.describe_machine(),
        "versions": machine.versions(),
        "build": _fastfa_build(options.threads),
        "threads": options.threads,
        "processors_used": processors,
        "mode": "isolated" if options.isolate else "same-process",
        "protocol": asdict(settings) | {"check_steps": CHECK_STEPS, "tolerance": TOLERANCE},
        "workloads": {},
    }
    for name in workload_names:
        task = make_task(WORKLOADS[name])
        entries = entries_for(task.workload, contestant_names)
        floor = NoFloor("not asked for") if options.no_floor else floor_for(task, settings)
        load = machine.foreign_load()

        def open_seat(entry, name=name, task=task):
            if options.isolate:
                return RemoteSeat(entry, name, settings.threads)
            return LocalSeat(entry, task, settings.threads)

        found = run_workload(entries, open_seat, settings, floor)
        subject = found.get(SUBJECT, {})
        under = floor.result(subject["us_per_step"] if subject.get("status") == "ok" else None)
        record = report.workload_record(task.workload, asdict(task.source), load, found, under)
        result["workloads"][name] = record
        print(report.table(name, record), end="\n\n", flush=True)
    return result


def _write(out: Path, result: dict[str, Any]) -> None:
    """The JSON; the tables and the chart beside it."""
    from measuring import chart, record, report

    out.parent.mkdir(parents=True, exist_ok=True)
    record.save(out, result)
    tables = [report.table(name, entry) for name, entry in result["workloads"].items()]
    out.with_suffix(".txt").write_text("\n\n".join([report.heading(result), *tables]) + "\n")
    print(f"written: {out}, {out.with_suffix('.txt').name}", end="")
    try:
        chart.ratios(result, out.with_suffix(".png"))
        print(f", {out.with_suffix('.png').name}")
    except ImportError as error:
        print(f"; no chart: {error}")


def _fastfa_build(threads: int) -> dict[str, Any] | None:
    """fa.build_info(), as proof of which kernels ran."""
    try:
        import fastfa
    except ImportError:
        return None
    fastfa.set_num_threads(threads)
    return dict(fastfa.build_info())


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench/run.py", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--workloads", nargs="+", metavar="NAME", help="default: all")
    parser.add_argument("--contestants", nargs="+", metavar="NAME", help="default: all")
    parser.add_argument("--seconds", type=float, default=0.5, help="per timed sample (0.5)")
    parser.add_argument("--rounds", type=int, default=7, help="timed samples of each (7)")
    parser.add_argument("--threads", type=int, default=2, help="for every contestant (2)")
    parser.add_argument("--isolate", action="store_true", help="one process per contestant")
    parser.add_argument("--no-floor", action="store_true", help="measure contestants only")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", default=DEFAULT_OUT,
        help="where the JSON goes; the tables (.txt) and the chart (.png) lie beside it "
        "(build/bench.json in the source tree)",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    for name in ("seconds", "rounds", "threads"):
        if getattr(options, name) <= 0:
            parser.error(f"{name} was {getattr(options, name)}; it must be positive")
    if options.out.suffix != ".json":
        parser.error(f"out was {options.out}; it must end in .json")
    return options


def _names(options: argparse.Namespace) -> tuple[list[str], list[str]]:
    """The workloads and contestants asked for, in the order of their lists."""
    from contestants import known_names
    from tasks.workloads import WORKLOADS

    chosen = []
    for what, known in (("workloads", list(WORKLOADS)), ("contestants", known_names())):
        asked = getattr(options, what) or known
        for name in asked:
            if name not in known:
                raise ValueError(f"[bench] {what} had {name!r}; known are {', '.join(known)}")
        chosen.append([name for name in known if name in asked])
    return chosen[0], chosen[1]


if __name__ == "__main__":
    raise SystemExit(main())
