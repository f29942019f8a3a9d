"""What the tables of the documentation have in common: results, Markdown, numbers in words."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "docs" / "results"


def load(name: str) -> dict[str, Any]:
    return json.loads((RESULTS / name).read_text(encoding="utf-8"))


def table(columns: Iterable[str], rows: Iterable[Iterable[str]], numbers: bool = True) -> str:
    """A table in Markdown; all columns but the first to the right, if they are numbers."""
    columns = list(columns)
    lines = [
        columns,
        ["---"] + ["---:" if numbers else "---"] * (len(columns) - 1),
        *map(list, rows),
    ]
    return "\n".join("| " + " | ".join(c.replace("|", "∥") for c in line) + " |" for line in lines)


def digits(value: float, count: int = 3) -> str:
    """So many significant digits, never as a power of ten."""
    if value == 0:
        return "0"
    places = max(0, count - 1 - _exponent(value))
    rounded = round(value, count - 1 - _exponent(value))
    return f"{rounded:,.{places}f}"


def _exponent(value: float) -> int:
    return int(f"{abs(value):.15e}".partition("e")[2])


def time(us: float) -> str:
    return f"{digits(us / 1000, 3)} ms" if us >= 1000 else f"{digits(us, 3)} µs"


def ratio(entry: dict[str, Any] | None) -> str:
    if entry is None:
        return "–"
    if entry["status"] != "ok":
        return entry["status"]
    low, high = entry["ratio_range"]
    return f"{digits(entry['ratio'])}× ({digits(low)}–{digits(high)})"


def measured(result: dict[str, Any]) -> str:
    """The machine, the date and the versions, in a sentence."""
    machine, build = result["machine"], result["build"]
    used = {
        "torch": "PyTorch", "jax": "JAX", "biotorch": "BioTorch", "numpy": "NumPy", "python": "Python",
    }  # fmt: skip
    versions = ", ".join(
        f"{name} {result['versions'][key]}"
        for key, name in used.items()
        if result["versions"].get(key)
    )
    return (
        f"{machine['cpu']}, {machine['processors']} cores of a virtual machine, "
        f"kernels x86-64-{build['isa']}, "
        f"{build['compiler']}, {result['date'][:10]}; {versions}."
    )
