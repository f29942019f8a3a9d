"""The table of convolutional networks."""

from __future__ import annotations

from statistics import fmean, stdev
from typing import Any

from site_table import load, measured, table

CONV = "conv-2026-11-30.json"
LENET = "lenet-2026-11-30.json"
SETS = {"fashion-mnist": "Fashion-MNIST", "mnist": "MNIST"}
# Test errors in percent of LeNet in BioTorch's table: 100 epochs, selected on the test set.
BIOTORCH = {
    "fashion-mnist": {
        "bp": 9.2,
        "fa": 13.06,
        "dfa": 12.81,
        "usf": 9.69,
        "brsf": 10.02,
        "frsf": 9.61,
    },
    "mnist": {"bp": 0.91, "fa": 1.7, "dfa": 1.61, "usf": 0.94, "brsf": 0.91, "frsf": 0.97},
}
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


def lenet() -> str:
    result = load(LENET)
    plan = result["protocol"]
    columns = ["rule", "test error", "rate", "BioTorch", "Δh∠Δh_BP, lowest layer"]
    parts = [
        f"`bench/lenet.py`: {plan['network']}; {plan['optimizer']}; batch {plan['batch']}, "
        f"{plan['epochs']} epochs; mean and standard deviation over the seeds. {measured(result)} "
        f"[results/{LENET}](results/{LENET})"
    ]
    for name, rules in result["sets"].items():
        seeds = len(next(iter(rules.values()))["runs"])
        rows = [_of_rule(rule, found, BIOTORCH[name][rule]) for rule, found in rules.items()]
        parts += [f"{SETS[name]}, {seeds} seeds.", table(columns, rows)]
    return "\n\n".join(parts)


def _of_rule(rule: str, found: dict[str, Any], theirs: float) -> list[str]:
    errors = [run["error_percent"] for run in found["runs"]]
    return [
        f"`{rule}`",
        f"{fmean(errors):.2f} ± {stdev(errors):.2f} %",
        f"{found['rate']:g}",
        f"{theirs} %",
        f"{fmean(run['angles_bp'][0] for run in found['runs']):.0f}°",
    ]
