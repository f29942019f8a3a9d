"""The tables of products in bf16."""

from __future__ import annotations

from typing import Any

from site_table import load, measured, table

STEPS = ("bf16-2026-11-30.json", "bf16-2026-12-01.json")  # by AMX, by AVX512-BF16
BATCHES = ("bf16-batches-2026-11-30.json", "bf16-batches-2026-12-01.json")
STORAGE = "bf16-storage-2026-12-01.json"
CONV = "conv-bf16-2026-12-01.json"
LEARNING = "bf16-learning-2026-11-30.json"


def bf16_steps() -> str:
    return "\n\n".join(_steps(name) for name in STEPS)


def _steps(file: str) -> str:
    """A column for each network, a row for each contestant."""
    result = load(file)
    networks = result["networks"]
    names = list(next(iter(networks.values())))
    rows = [[name, *(_cell(found[name]) for found in networks.values())] for name in names]
    columns = ["", *(name.partition(",")[0] for name in networks)]
    return f"{_told(result, file)}\n\n{table(columns, rows)}"


def bf16_batches() -> str:
    """A row for each size of batch: bf16's share of float32's time, by way and network."""
    results = [load(name) for name in BATCHES]
    cells: dict[str, dict[str, str]] = {}
    for result in results:
        for key, found in result["networks"].items():
            network, _, batch = key.partition(", batch ")
            column = f"{network}, {result['protocol']['bf16']}"
            cells.setdefault(batch, {})[column] = f"{found['fastfa bf16']['ratio']:.2f}"
    columns = list(next(iter(cells.values())))
    rows = [[batch, *(own[name] for name in columns)] for batch, own in cells.items()]
    told = " ".join(_told(*each) for each in zip(results, BATCHES, strict=True))
    return f"{told}\n\n{table(['batch', *columns], rows)}"


def bf16_storage() -> str:
    """A row for each network and batch: shares of float32's time, by precision and storage."""
    result = load(STORAGE)
    names = [name for name in next(iter(result["networks"].values())) if name != "fastfa float32"]
    rows = [
        [*key.split(", batch "), *(f"{found[name]['ratio']:.2f}" for name in names)]
        for key, found in result["networks"].items()
    ]
    columns = ["network", "batch", *(name.removeprefix("fastfa ") for name in names)]
    return f"{_told(result, STORAGE)}\n\n{table(columns, rows)}"


def bf16_conv() -> str:
    """A row for each network: milliseconds of a step by float32 and bf16."""
    result = load(CONV)
    names = [f"{who}{p}" for who in ("fastfa, bp", "torch, channels last") for p in ("", ", bf16")]
    rows = [
        [key, *(f"{found['steps'][name]['ms']:.1f} ms" for name in names)]
        for key, found in result["networks"].items()
    ]
    return f"{_told(result, CONV)}\n\n{table(['', *names], rows)}"


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
