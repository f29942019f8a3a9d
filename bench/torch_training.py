#!/usr/bin/env python3
"""Converted PyTorch models learn: test errors and angles by rule.

    python bench/torch_training.py --out torch_training.json [--task lenet resnet20] [--seeds 3]

LeNet on Fashion-MNIST and ResNet-20 on synthetic classes of CIFAR's shape. Each rule has the learning
rate of the grid with the lowest error on held-out training examples, of one seed that is not used again;
the test set is looked at once, after the last epoch. bench/README.md says how.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from measuring import command

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "examples"))

SCHEMA = "fastfa-bench-torch-training/1"
# B as large as PyTorch's own initial weights: their variance is 1 / (3 n_in).
LAYERWISE = {"growth": 3**-0.5}
RULES = ("bp", "fa", "dfa", "usf", "kp")
TUNING_SEED = 1000
TASKS: dict[str, dict[str, Any]] = {
    "lenet": {
        "rates": [0.1, 0.03, 0.01],
        "examples": 20000,
        "epochs": 6,
        "tuning_epochs": 2,
        "direct_gain": 0.1,
        "batch": 64,
    },
    "resnet20": {
        "rates": [0.1, 0.02],
        "examples": 2048,
        "epochs": 6,
        "tuning_epochs": 2,
        # At the start errors are then about as large as backprop's.
        "direct_gain": 0.005,
        "batch": 16,
    },
}


def rule_of(name: str, task: str) -> Any:
    import fastfa as fa

    if name == "bp":
        return "bp"
    if name == "dfa":
        return fa.Feedback("uniform", route="direct", gain=TASKS[task]["direct_gain"])
    if name == "usf":
        return fa.Feedback("sign", **LAYERWISE)
    learns = {"plasticity": "kolen_pollack"} if name == "kp" else {}
    return fa.Feedback("uniform", **LAYERWISE, **learns)


def fashion(options: argparse.Namespace) -> dict[str, Any]:
    """{part: (x, labels)}; the held-out part is the end of the training set."""
    import fastfa as fa
    import torch

    found = fa.data.load("fashion-mnist")
    x = torch.from_numpy(found.train.x.astype("float32")).reshape(-1, 1, 28, 28)
    labels = torch.from_numpy(found.train.labels).long()
    test = torch.from_numpy(found.test.x.astype("float32")).reshape(-1, 1, 28, 28)
    count = options.examples or TASKS["lenet"]["examples"]
    return {
        "train": (x[:count], labels[:count]),
        "held_out": (x[59000:], labels[59000:]),
        "test": (test, torch.from_numpy(found.test.labels).long()),
    }


def synthetic(options: argparse.Namespace) -> dict[str, Any]:
    """Ten smooth random pictures (3, 32, 32), shifted by up to 6 pixels, mirrored, in noise (sd 0.5)."""
    import torch
    from torch.nn import functional as F

    generator = torch.Generator().manual_seed(1)
    coarse = torch.randn(10, 3, 8, 8, generator=generator)
    pictures = F.interpolate(coarse, size=(44, 44), mode="bicubic")

    def draw(count: int) -> Any:
        labels = torch.randint(10, (count,), generator=generator)
        shifts = torch.randint(0, 13, (count, 2), generator=generator).tolist()
        x = torch.stack(
            [
                pictures[label, :, i : i + 32, j : j + 32]
                for label, (i, j) in zip(labels.tolist(), shifts, strict=True)
            ]
        )
        mirrored = torch.rand(count, generator=generator) < 0.5
        x[mirrored] = x[mirrored].flip(3)
        return x + 0.5 * torch.randn(x.shape, generator=generator), labels

    count = options.examples or TASKS["resnet20"]["examples"]
    return {"train": draw(count), "held_out": draw(128), "test": draw(256)}


def error(model: Any, x: Any, labels: Any) -> float:
    import torch

    model.eval()
    with torch.no_grad():
        wrong = [
            (model(a).argmax(1) != b).sum().item()
            for a, b in zip(x.split(256), labels.split(256), strict=True)
        ]
    return 100 * sum(wrong) / len(x)


def train(
    task: str, rule: str, rate: float, seed: int, epochs: int, data: dict[str, Any], part: str
) -> dict[str, Any]:
    """One run: its error on a part of the data, and, with the test set, its angles of 64 others."""
    import fastfa as fa
    import torch
    from torch.nn import functional as F

    torch.manual_seed(seed)
    model = _model(task)
    x, labels = data["train"]
    fa.interop.torch.convert(
        model, rule_of(rule, task), seed=seed, example=x[:1] if rule == "dfa" else None
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=rate, momentum=0.9, weight_decay=5e-4)
    batch = TASKS[task]["batch"]
    steps = epochs * -(-len(x) // batch)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    losses: list[float] = []
    for _ in range(epochs):
        model.train()
        total = 0.0
        for rows in torch.randperm(len(x)).split(batch):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x[rows]), labels[rows])
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            total += loss.item() * len(rows)
        losses.append(total / len(x))
    result = {"seed": seed, "error_percent": error(model, *data[part]), "train_losses": losses}
    if part == "held_out":
        return result
    model.train()
    probe = tuple(values[:64] for values in data["held_out"])
    found = list(fa.interop.torch.alignment(model, F.cross_entropy, *probe).values())
    hidden = found[:-1]  # the last one's error is the true one
    return result | {
        "angle_bp": statistics.fmean(a.angle_bp for a in hidden),
        "gradient_angle": statistics.fmean(a.gradient_angle for a in hidden),
        "weight_angle": statistics.fmean(a.weight_angle for a in found[1:]),
        "norm_ratio": statistics.median(a.norm_ratio for a in hidden),
    }


def _model(task: str) -> Any:
    if task == "lenet":
        from torch_lenet import lenet

        return lenet()
    from torch_resnet20 import ResNet20

    return ResNet20()


def run(task: str, options: argparse.Namespace, save: Callable[[dict[str, Any]], None]) -> None:
    plan = TASKS[task]
    data = fashion(options) if task == "lenet" else synthetic(options)
    epochs = options.epochs or plan["epochs"]
    given = {"train_examples": len(data["train"][0]), "epochs": epochs, "rate_given": options.rate}
    result: dict[str, Any] = {"protocol": plan | given}
    result["rules"] = rules = {}
    for rule in options.rules:
        tried = {}
        for rate in plan["rates"] if options.rate is None else []:
            one = train(task, rule, rate, TUNING_SEED, plan["tuning_epochs"], data, "held_out")
            finite = one["train_losses"][-1] == one["train_losses"][-1]
            tried[str(rate)] = one["error_percent"] if finite else 100.0
        rate = options.rate or float(min(tried, key=tried.__getitem__))
        rules[rule] = {"rule": repr(rule_of(rule, task)), "held_out_errors": tried, "rate": rate}
        rules[rule]["runs"] = []
        print(task, rule, tried, flush=True)
    for seed in range(options.seeds):  # seed by seed, so that whatever is there is of all rules
        for rule in options.rules:
            rate = rules[rule]["rate"]
            rules[rule]["runs"].append(train(task, rule, rate, seed, epochs, data, "test"))
            print(task, rule, rate, rules[rule]["runs"][-1], flush=True)
            save(result)


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parse(arguments)
    command.limit_threads(options.threads)
    import torch

    from measuring import record

    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    protocol = {
        "optimizer": "SGD, momentum 0.9, weight decay 5e-4, gradients clipped at norm 1, "
        "cosine schedule",
        "seeds": options.seeds,
        "threads": options.threads,
        "tuning_seed": TUNING_SEED,
    }
    result = record.head(SCHEMA, protocol)
    result["versions"]["torch"] = torch.__version__
    result["tasks"] = {}
    if options.out and options.out.exists():  # tasks that another run wrote
        before = json.loads(options.out.read_text(encoding="utf-8"))
        if before.get("schema") == SCHEMA:
            result["tasks"] = before["tasks"]
    for task in options.task:

        def save(found: dict[str, Any], task: str = task) -> None:
            result["tasks"][task] = found
            if options.out:
                record.save(options.out, result)

        run(task, options, save)
    for task, found in result["tasks"].items():
        print(f"\n{task}\n\n{report(found, record.markdown)}")
    return 0


def report(found: dict[str, Any], markdown: Callable[..., str]) -> str:
    """The table: mean and standard deviation over the seeds."""
    columns = ("rule", "rate", "test error, %", "Δh∠Δh_BP", "gradient angle", "W∠B", "norm ratio")
    rows = []
    for name, entry in found["rules"].items():
        runs = entry["runs"]
        cells = [
            _spread([one[key] for one in runs])
            for key in ("error_percent", "angle_bp", "gradient_angle", "weight_angle", "norm_ratio")
        ]
        rows.append((name, str(entry["rate"]), *cells))
    return markdown(columns, rows)


def _spread(values: list[float | None]) -> str:
    numbers = [value for value in values if value is not None and value == value]
    if not numbers:
        return "–"
    spread = f" ± {statistics.stdev(numbers):.2g}" if len(numbers) > 1 else ""
    return f"{statistics.fmean(numbers):.3g}{spread}"


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = command.parser("torch_training.py", __doc__)
    parser.add_argument("--task", nargs="+", default=list(TASKS), choices=list(TASKS))
    parser.add_argument("--rules", nargs="+", default=list(RULES), choices=RULES)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, help="instead of the task's own")
    parser.add_argument(
        "--rate", type=float, help="for every rule, instead of the best of the grid"
    )
    parser.add_argument(
        "--examples", type=int, help="of the training set, instead of the task's own"
    )
    parser.add_argument("--threads", type=int, default=1)
    positive = ("seeds", "epochs", "rate", "examples", "threads")
    return command.parse(parser, arguments, positive)


if __name__ == "__main__":
    raise SystemExit(main())
