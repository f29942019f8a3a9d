"""Markdown from the runs of bench/rules.py."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from typing import Any

from measuring.record import markdown
from rule_table.settings import NETWORKS, PUBLISHED, Choice, choice_for

Runs = list[dict[str, Any]]  # as train of run.py returns them


def tables(runs: Runs, sweep: bool) -> str:
    """Everything that was asked for, network by network."""
    parts = []
    for network in dict.fromkeys(run["identity"]["network"] for run in runs):
        for group in _groups(runs, ("dataset", "split", "epochs"), network):
            parts.append(_sweep_table(network, group) if sweep else _table(network, group))
            if not sweep and _comparable(network, group[0]):
                parts.append(_beside_published(network, group))
    return "\n\n".join(parts)


def _groups(runs: Runs, keys: tuple[str, ...], network: str) -> Iterable[Runs]:
    found: dict[tuple[Any, ...], Runs] = {}
    for run in runs:
        if run["identity"]["network"] == network:
            found.setdefault(tuple(run["identity"][key] for key in keys), []).append(run)
    return found.values()


def _heading(network: str, run: dict[str, Any]) -> str:
    identity = run["identity"]
    setup = NETWORKS[network]
    inputs = "" if setup.inputs == "pixels" else f" ({setup.inputs})"
    epochs = _counted(identity["epochs"], "epoch")
    return f"### {network}: {setup.title}; {identity['dataset']}{inputs}, {epochs}"


def _measured_on(run: dict[str, Any]) -> str:
    trained = f"trained on {run['trained_on']:,} examples" if "trained_on" in run else ""
    if run["identity"]["split"] == "test":
        return f"Test error at the fixed last epoch; {trained}"
    return f"Error on the last sixth of the training set at the fixed last epoch; {trained}"


# ---- all rules ---------------------------------------------------------------------------------


def _table(network: str, group: Runs) -> str:
    columns = (
        "rule", "η", "error %", "each seed", "Δh∠Δh_BP °", "B∠Wᵀ °", "samples/s", "bytes of B",
    )  # fmt: skip
    rows = [_row(runs) for runs in _by_choice(group)]
    good = [run for run in group if run["status"] == "ok"]
    note = _measured_on(good[0]) if good else "No run ended well"
    note += (
        ". Angles: final, on 500 training examples that were never trained on, hidden layer by "
        "hidden layer, the first one first. samples/s: one thread, median over epochs."
    )
    guesses = sorted({run["identity"]["rule"] for run in group if run["source"] == "guess"})
    if guesses:
        note += f" Hyper-parameters not searched yet: {', '.join(guesses)}."
    return f"{_heading(network, group[0])}\n\n{note}\n\n{markdown(columns, rows)}"


def _by_choice(group: Runs) -> Iterable[Runs]:
    found: dict[str, Runs] = {}
    for run in group:
        found.setdefault(f"{run['identity']['rule']} {run['identity']['choice']}", []).append(run)
    return (sorted(runs, key=lambda run: run["identity"]["seed"]) for runs in found.values())


def _row(runs: Runs) -> tuple[str, ...]:
    good = [run for run in runs if run["status"] == "ok"]
    first = runs[0]["identity"]
    name = (first["rule"], Choice(**first["choice"]).label)
    each = ", ".join(_percent(r["error"]) if r["status"] == "ok" else r["status"] for r in runs)
    if not good:
        return (*name, "–", each, "–", "–", "–", "–")
    return (
        *name,
        _percent(statistics.mean(run["error"] for run in good)),
        each,
        _layers(good, "angle_bp"),
        _layers(good, "weight_angle"),
        f"{statistics.median(run['samples_per_s'] for run in good):,.0f}",
        f"{sum(good[0]['feedback_bytes']):,}",
    )


def _layers(runs: Runs, key: str) -> str:
    """The mean over seeds for each hidden layer; – where a layer has no such angle."""
    values = []
    for layer in zip(*(run["alignment"] for run in runs), strict=True):
        found = [row[key] for row in layer if row[key] is not None]
        values.append(f"{statistics.mean(found):.1f}" if found else "–")
    return " / ".join(values)


def _counted(n: int, noun: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 's'}"


def _percent(error: float) -> str:
    return f"{100 * error:.2f}"


# ---- the choice of η ---------------------------------------------------------------------------


def _sweep_table(network: str, group: Runs) -> str:
    rates = sorted({run["identity"]["choice"]["lr"] for run in group})
    rows, lines = [], []
    for rule in dict.fromkeys(run["identity"]["rule"] for run in group):
        runs = {r["identity"]["choice"]["lr"]: r for r in group if r["identity"]["rule"] == rule}
        ended = {lr: run["error"] for lr, run in runs.items() if run["status"] == "ok"}
        best = min(ended, key=ended.__getitem__) if ended else None
        declared = choice_for(network, rule)
        rows.append((rule, *(_cell(runs.get(lr), lr == best) for lr in rates)))
        if best is None:
            continue
        chosen = Choice(**(runs[best]["identity"]["choice"] | {"source": "sweep"}))
        edge = "" if min(ended) < best < max(ended) else "  # at the edge of the rates tried"
        if declared is None or declared.lr != best or declared.source == "guess":
            lines.append(f'        "{rule}": {_source_line(chosen)},{edge}')
    good = [run for run in group if run["status"] == "ok"]
    note = _measured_on(good[0]) if good else "No run ended well"
    seeds = ", ".join(str(s) for s in sorted({run["identity"]["seed"] for run in group}))
    text = f"{_heading(network, group[0])}\n\n{note}, seed {seeds}; %, by learning rate\n\n"
    text += markdown(("rule", *(f"{lr:g}" for lr in rates)), rows)
    if lines:
        declared_as = (
            f'HYPER["{network}"] in rule_table/settings.py differs from the best of these:'
        )
        text += f"\n\n{declared_as}\n\n" + "\n".join(lines)
    return text


def _cell(run: dict[str, Any] | None, best: bool) -> str:
    if run is None:
        return ""
    if run["status"] != "ok":
        return run["status"]
    return f"**{_percent(run['error'])}**" if best else _percent(run["error"])


def _source_line(choice: Choice) -> str:
    parts = [f"{choice.lr:g}"]
    for name in ("weight_decay", "beta2", "epsilon", "sigma"):
        value = getattr(choice, name)
        if value:
            parts.append(f"{name}={value:g}")
    return f"Choice({', '.join(parts)})"


# ---- ours beside the published -----------------------------------------------------------------


def _comparable(network: str, run: dict[str, Any]) -> bool:
    identity = run["identity"]
    return (
        network in PUBLISHED
        and identity["split"] == "test"
        and identity["dataset"] == NETWORKS[network].dataset
    )


def _beside_published(network: str, group: Runs) -> str:
    theirs = PUBLISHED[network]
    columns = ("rule", "published %", "ours, last epoch %", "difference", "ours, lowest of all %")
    rows = []
    for runs in _by_choice(group):
        good = [run for run in runs if run["status"] == "ok"]
        rule = runs[0]["identity"]["rule"]
        if rule not in theirs.error or not good:
            continue
        last = 100 * _mean(good, lambda run: run["error"])
        lowest = 100 * _mean(good, lambda run: min(run["errors"]))
        rows.append(
            (
                f"{rule} (η {good[0]['identity']['choice']['lr']:g})",
                f"{theirs.error[rule]:.2f}",
                f"{last:.2f}",
                f"{last - theirs.error[rule]:+.2f}",
                f"{lowest:.2f}",
            )
        )
    epochs = _counted(group[0]["identity"]["epochs"], "epoch")
    seeds = _counted(len({run["identity"]["seed"] for run in group}), "seed")
    return "\n".join(
        [
            f"#### {network}: ours beside the published",
            "",
            markdown(columns, rows),
            "",
            f"- Published: {theirs.source}; {theirs.epochs} epochs; {theirs.protocol}.",
            f"- Ours: {epochs}, mean of {seeds}, fixed last epoch; beside it the lowest test error "
            "of any epoch, which chooses on the test set.",
            f"- Differences: {theirs.differences}.",
        ]
    )


def _mean(runs: Runs, value: Callable[[dict[str, Any]], float]) -> float:
    return statistics.mean(value(run) for run in runs)
