"""The tables of speed and memory."""

from __future__ import annotations

from typing import Any

from site_table import load, measured, ratio, table, time

PEERS = {
    "jax": "JAX",
    "torch-manual": "PyTorch by hand",
    "torch-autograd": "PyTorch autograd",
    "biotorch": "BioTorch",
}


def speed(name: str) -> str:
    result = load(name)
    floors = any("floor" in record for record in result["workloads"].values())
    columns = ["workload", "fastfa, a step"] + ["of the floor"] * floors + list(PEERS.values())
    rows = []
    for workload, record in result["workloads"].items():
        who = record["contestants"]
        row = [f"`{workload}`", time(who["fastfa"]["median_us_per_step"])]
        if floors:
            percent = record["floor"].get("percent")
            row.append("–" if percent is None else f"{percent:.0f} %")
        rows.append(row + [ratio(who.get(peer)) for peer in PEERS])
    busy = max(record["foreign_load"] or 0 for record in result["workloads"].values())
    note = (
        f"At most {busy:.0%} of the machine was busy with other work in a workload."
        if busy >= 0.05
        else ""
    )
    source = f"[results/{name}](results/{name})"
    return f"{measured(result)} {note} {source}\n\n{table(columns, rows)}".replace("  ", " ")


def local_layer() -> str:
    part = load("local-2026-11-26.json")["layer"]["contestants"]
    return _local("forward and weight gradient", part, skip=("fastfa-step",))


def local_training() -> str:
    part = load("local-2026-11-26.json")["training"]["contestants"]
    return _local("training step", part)


def _local(what: str, contestants: dict[str, Any], skip: tuple[str, ...] = ()) -> str:
    rows = [
        [
            f"`{name}`: {entry['note']}",
            time(entry["median_us_per_step"]),
            "1" if "ratio" not in entry else ratio(entry),
        ]
        for name, entry in contestants.items()
        if name not in skip and entry["status"] == "ok"
    ]
    return table([what, "median", "÷ fastfa"], rows)


def local_memory() -> str:
    result = load("local-2026-11-26.json")
    needed, peak = result["memory"]["needed_total"], result["memory"]["peak_trained"]
    return (
        f"{measured(result)} Peak memory in training: {peak / 1e6:.1f} MB, "
        f"{result['memory']['ratio']:.2f} times weights, feedback and activations, "
        f"which take {needed / 1e6:.1f} MB."
    )
