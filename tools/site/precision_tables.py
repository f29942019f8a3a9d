"""The tables of products in bf16."""

from __future__ import annotations

from typing import Any

from site_table import load, measured, table

STEPS = "bf16-2026-11-30.json"
BATCHES = "bf16-batches-2026-11-30.json"
LEARNING = "bf16-learning-2026-11-30.json"


def bf16_steps() -> str:
    """A column for each network, a row for each contestant."""
    result = load(STEPS)
    networks = result["networks"]
    names = list(next(iter(networks.values())))
    rows = [[name, *(_cell(found[name]) for found in networks.values())] for name in names]
    columns = ["", *(name.partition(",")[0] for name in networks)]
    return f"{_told(result, STEPS)}\n\n{table(columns, rows)}"


def bf16_batches() -> str:
    """A row for each size of batch: bf16's share of float32's time, by network."""
    result = load(BATCHES)
    cells: dict[str, dict[str, str]] = {}
    for key, found in result["networks"].items():
        network, _, batch = key.partition(", batch ")
        cells.setdefault(batch, {})[network] = f"{found['fastfa bf16']['ratio']:.2f}"
    networks = list(next(iter(cells.values())))
    rows = [[batch, *(own[name] for name in networks)] for batch, own in cells.items()]
    return f"{_told(result, BATCHES)}\n\n{table(['batch', *networks], rows)}"


def bf16_learning() -> str:
    result = load(LEARNING)
    rows = [
        [
            *key.split("/"),
            f"{own['float32 %']:.2f}",
            f"{own['bf16 %']:.2f}",
            f"{own['difference']:+.2f} ± {own['half_interval']:.2f}",
            f"{own['largest_angle_difference']:.1f}°",
        ]
        for key, own in result["table"].items()
    ]
    seeds = {own["seeds"] for own in result["table"].values()}
    columns = ("data", "network", "rule", "float32 %", "bf16 %", "bf16 − float32", "angles")
    return (
        f"`bench/bf16_learning.py`, {result['protocol']['optimizer']}, batches of "
        f"{result['protocol']['batch']}, {_span(seeds)} seeds. {measured(result)} "
        f"[results/{LEARNING}](results/{LEARNING})\n\n{table(columns, rows)}"
    )


def _cell(found: dict[str, Any]) -> str:
    return f"{found['ms']:.2f} ms ({found['ratio']:.2f})" if "ms" in found else found["missing"]


def _told(result: dict[str, Any], name: str) -> str:
    plan, busy = result["protocol"], result["foreign_load"] or 0
    note = f"Others kept {busy:.0%} of the machine busy meanwhile. " if busy >= 0.05 else ""
    return (
        f"Products by `{plan['bf16']}`, {plan['threads']} threads, {plan['rounds']} rounds. "
        f"{measured(result)} {note}[results/{name}](results/{name})"
    )


def _span(counts: set[int]) -> str:
    return "–".join(str(n) for n in sorted({min(counts), max(counts)}))
