"""The result as JSON and as a table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from contestants import SUBJECT
from workloads import Workload

SCHEMA = "fastfa-bench/1"
_STATUSES = {"ok", "missing", "wrong", "failed"}
_TOP = {
    "schema", "date", "machine", "versions", "build", "threads", "processors_used", "mode",
    "protocol", "workloads",
}  # fmt: skip
_PER_WORKLOAD = {"definition", "data", "steps_per_pass", "foreign_load", "contestants"}


def workload_record(
    workload: Workload, data: dict[str, Any], load: float | None, results: dict[str, Any]
) -> dict[str, Any]:
    for result in results.values():
        if result["status"] == "ok":
            per_step = result["median_us_per_step"]
            result["samples_per_s"] = round(workload.batch / per_step * 1e6, 1)
    return {
        "definition": asdict(workload),
        "data": data,
        "steps_per_pass": workload.steps,
        "foreign_load": load,
        "contestants": results,
    }


def schema_problems(result: dict[str, Any]) -> list[str]:
    """What a result lacks or has too much; empty when it follows the schema."""
    problems = _difference("result", result, _TOP)
    if result.get("schema") != SCHEMA:
        problems.append(f"schema is {result.get('schema')!r}, not {SCHEMA!r}")
    for name, record in result.get("workloads", {}).items():
        problems += _difference(name, record, _PER_WORKLOAD)
        for who, entry in record.get("contestants", {}).items():
            where = f"{name}.{who}"
            status = entry.get("status")
            if status not in _STATUSES:
                problems.append(f"{where}: status is {status!r}")
            elif status == "ok":
                needed = {"us_per_step", "median_us_per_step", "samples_per_s", "update_error"}
                problems += [f"{where}: no {key}" for key in sorted(needed - entry.keys())]
            elif "ratio" in entry or not entry.get("reason"):
                problems.append(f"{where}: {status} needs a reason and may have no ratio")
    return problems


def _difference(where: str, record: dict[str, Any], keys: set[str]) -> Iterable[str]:
    missing = [f"{where}: no {key}" for key in sorted(keys - record.keys())]
    return missing + [f"{where}: unknown {key}" for key in sorted(record.keys() - keys)]


def table(name: str, record: dict[str, Any]) -> str:
    """One workload, fastest first; whoever was not timed follows with the reason."""
    definition = record["definition"]
    sizes = "-".join(str(n) for n in definition["sizes"])
    lines = [
        f"{name}: {sizes} {definition['activation']}, batch {definition['batch']}",
        f"  data: {record['data']['detail']} ({record['data']['zero_fraction']:.0%} zeros)",
    ]
    if record["foreign_load"] is not None and record["foreign_load"] > 0.03:
        lines.append(f"  NOT QUIET: others kept {record['foreign_load']:.0%} of this machine busy")
    head = ("", "µs/step", "samples/s", "× fastfa", "range", "update error")
    lines.append("  {:<16}{:>10}{:>12}{:>10}  {:<16}{}".format(*head))
    contestants = record["contestants"]
    timed = [(r["median_us_per_step"], n) for n, r in contestants.items() if r["status"] == "ok"]
    lines += [_timed_line(who, contestants[who]) for _, who in sorted(timed)]
    for who, result in contestants.items():
        if result["status"] != "ok":
            label = "not installed" if result["status"] == "missing" else result["status"].upper()
            lines.append(f"  {who:<16}{label}: {result['reason']}")
    return "\n".join(lines)


def _timed_line(who: str, result: dict[str, Any]) -> str:
    ratio, spread = "", ""
    if who == SUBJECT:
        ratio = "1"
    elif "ratio" in result:
        ratio = f"{result['ratio']:.2f}"
        spread = "{:.2f}–{:.2f}".format(*result["ratio_range"])
    return (
        f"  {who:<16}{result['median_us_per_step']:>10.2f}{result['samples_per_s']:>12,.0f}"
        f"{ratio:>10}  {spread:<16}{result['update_error']:.0e}"
    )
