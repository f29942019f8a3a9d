"""The table of convolutional networks."""

from __future__ import annotations

from typing import Any

from site_table import load, measured, table

CONV = "conv-2026-11-30.json"
NETWORKS = {
    "lenet": "LeNet-5, 28×28",
    "32-64-128": "32-64-128 maps of 3×3 with pooling, 28×28",
    "32-32-64-64": "32-32-64-64 maps of 3×3 with pooling, 32×32×3",
}
PEERS = {
    "torch, channels last": "PyTorch, channels last",
    "torch": "NCHW",
    "torch, channels last, compiled": "compiled",
    "jax, channels last": "JAX, channels last",
}


def conv() -> str:
    result = load(CONV)
    busy = result["foreign_load"] or 0
    note = f"Others kept {busy:.0%} of the machine busy meanwhile. " if busy >= 0.05 else ""
    rows = [_row(NETWORKS[name], found) for name, found in result["networks"].items()]
    columns = ["network", "fastfa", "of the floor", *PEERS.values(), "memory"]
    return (
        f"{result['protocol']['threads']} threads, {result['protocol']['rounds']} rounds. "
        f"{measured(result)} {note}[results/{CONV}](results/{CONV})\n\n{table(columns, rows)}"
    )


def _row(name: str, found: dict[str, Any]) -> list[str]:
    steps = found["steps"]
    own = steps["fastfa, bp"]
    peers = [f"{steps[peer]['ratio']:.2f}×" if peer in steps else "–" for peer in PEERS]
    return [
        f"{name}, batch {found['batch']}",
        f"{own['ms']:.2f} ms",
        f"{own['of_floor']:.0%}",
        *peers,
        f"{found['memory']['ratio']:.2f}×",
    ]
