"""The result as JSON and as a table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from itertools import groupby
from typing import Any

from contestants import SUBJECT
from measuring.floor import line as floor_line
from tasks.workloads import Workload

SCHEMA = "fastfa-bench/2"
_STATUSES = {"ok", "missing", "wrong", "failed"}
_TOP = {
    "schema", "date", "machine", "versions", "build", "threads", "processors_used", "mode",
    "protocol", "workloads",
}  # fmt: skip
_PER_WORKLOAD = {"definition", "data", "steps_per_pass", "foreign_load", "contestants", "floor"}


def workload_record(
    workload: Workload,
    data: dict[str, Any],
    load: float | None,
    results: dict[str, Any],
    floor: dict[str, Any],
) -> dict[str, Any]:
    for result in results.values():
        if result["status"] == "ok":
            per_step = result["median_us_per_step"]
            result["samples_per_s"] = round(workload.batch / per_step * 1e6, 1)  # per replica
    return {
        "definition": asdict(workload),
        "data": data,
        "steps_per_pass": workload.steps,
        "foreign_load": load,
        "contestants": results,
        "floor": floor,
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


def heading(result: dict[str, Any]) -> str:
    """Where, when and with what: the line above the tables."""
    of = result["machine"]
    versions = ", ".join(f"{k} {v}" for k, v in result["versions"].items() if v)
    return (
        f"{result['date']}, {of['cpu']}, {of['processors']} processors, {result['threads']} threads, "
        f"{result['mode']}\n{versions}"
    )


def table(name: str, record: dict[str, Any]) -> str:
    """One workload, fastest first; whoever was not timed follows with the reason."""
    definition = record["definition"]
    runs = [(size, len(list(same))) for size, same in groupby(definition["sizes"])]
    sizes = "-".join(f"{size}×{count}" if count > 1 else str(size) for size, count in runs)
    many = f"{definition['replicas']} × " if definition["replicas"] > 1 else ""
    lines = [
        f"{name}: {many}{sizes} {definition['activation']}, batch {definition['batch']}",
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
            lines.append(f"  {who:<16}{_absence(result)}")
    lines += _remarks(contestants)
    lines.append(floor_line(record["floor"]))
    return "\n".join(lines)


def _absence(result: dict[str, Any]) -> str:
    if result["reason"].startswith("not available"):
        return result["reason"]
    label = "not installed" if result["status"] == "missing" else result["status"].upper()
    return f"{label}: {result['reason']}"


def _remarks(contestants: dict[str, Any]) -> list[str]:
    """What the columns cannot say."""
    lines = []
    for who, result in contestants.items():
        if result["status"] != "ok":
            continue
        if "against" in result:
            low, high = result["against"]["ratio_range"]
            lines.append(
                f"  {result['against']['name']} takes {result['against']['ratio']:.2f} "
                f"({low:.2f}–{high:.2f}) times as long as {who}"
            )
        if result["update_error"] is None:
            lines.append(f"  {who}: {result['note']}; its weights are not checked")
    return lines


def _timed_line(who: str, result: dict[str, Any]) -> str:
    ratio, spread = "", ""
    if who == SUBJECT:
        ratio = "1"
    elif "ratio" in result:
        ratio = f"{result['ratio']:.2f}"
        spread = "{:.2f}–{:.2f}".format(*result["ratio_range"])
    error = "unchecked" if result["update_error"] is None else f"{result['update_error']:.0e}"
    return (
        f"  {who:<16}{result['median_us_per_step']:>10.2f}{result['samples_per_s']:>12,.0f}"
        f"{ratio:>10}  {spread:<16}{error}"
    )
