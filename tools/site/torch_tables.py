"""The tables of converted PyTorch models."""

from __future__ import annotations

from typing import Any

from site_table import load, measured, table

TORCH_COST = "torch-cost-2026-11-29.json"
TORCH_TRAINING = "torch-training-2026-11-29.json"


def torch_cost() -> str:
    result = load(TORCH_COST)
    rows = [
        [
            f"`{name}`",
            "{:.2f}× ({:.2f}–{:.2f})".format(entry["ratio"], *entry["ratio_quartiles"]),
            f"{entry['processor_ms']:.0f} ms",
            f"{entry['feedback_mib']:.2f} MiB",
            f"{entry['peak_mib']:.0f} MiB",
        ]
        for name, entry in result["rules"].items()
    ]
    busy = result["foreign_load"] or 0
    note = f"Others kept {busy:.0%} of the machine busy meanwhile." if busy >= 0.05 else ""
    return (
        f"A step of ResNet-20 (`bench/torch_cost.py`), batch {result['protocol']['batch']}, one thread, "
        f"processor time; median over {result['protocol']['rounds']} rounds and its quartiles. "
        f"{measured(result)} {note} [results/{TORCH_COST}](results/{TORCH_COST})\n\n"
        + table(["rule", "÷ autograd", "a step", "B", "peak of the process"], rows)
    )


def torch_training() -> str:
    result = load(TORCH_TRAINING)
    how = result["protocol"]["optimizer"]
    parts = [
        f"`bench/torch_training.py`, {how}; mean and standard deviation over the seeds. "
        f"{measured(result)} [results/{TORCH_TRAINING}](results/{TORCH_TRAINING})"
    ]
    names = {
        "lenet": "LeNet, Fashion-MNIST",
        "resnet20": "ResNet-20, synthetic classes (3, 32, 32)",
    }
    for task, found in result["tasks"].items():
        plan = found["protocol"]
        rows = [[f"`{name}`", *_of_runs(entry)] for name, entry in found["rules"].items()]
        parts.append(
            f"{names[task]}: {plan['train_examples']} training examples, {plan['epochs']} epochs, batch "
            f"{plan['batch']}."
            + (" The rate was set by hand, the same for all." if plan["rate_given"] else "")
        )
        columns = ("rule", "seeds", "rate", "test error", "Δh∠Δh_BP", "gradient angle", "W∠B")
        parts.append(table([*columns, "norm ratio"], rows))
    return "\n\n".join(parts)


def _of_runs(entry: dict[str, Any]) -> list[str]:
    """The cells of a rule: over its seeds."""
    keys = ("error_percent", "angle_bp", "gradient_angle", "weight_angle", "norm_ratio")
    cells = [str(len(entry["runs"])), f"{entry['rate']:g}"]
    for key in keys:
        found = [run[key] for run in entry["runs"] if run[key] is not None]
        unit = {"error_percent": " %", "norm_ratio": ""}.get(key, "°")
        if not found:
            cells.append("–")
            continue
        mean = sum(found) / len(found)
        shown = f"{mean:.1f}" if unit else f"{mean:.3g}"
        if len(found) > 1:
            spread = (sum((v - mean) ** 2 for v in found) / (len(found) - 1)) ** 0.5
            shown += f" ± {spread:.1f}" if unit else f" ± {spread:.2g}"
        cells.append(shown + unit)
    return cells
