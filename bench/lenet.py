#!/usr/bin/env python3
"""LeNet-5 in fastfa's core under six rules on MNIST and Fashion-MNIST, beside the figures of BioTorch.

    python bench/lenet.py --out lenet.json [--sets mnist fashion-mnist] [--seeds 3] [--epochs 8]

Each rule has the learning rate with the lowest error on the last 10,000 training images, after one
epoch of a seed that isn't used again. Then every seed trains on all 60,000; the test set is looked at
once, after the last epoch. Runs that are in OUT already are kept, so the same command goes on where it
was cut off.

BioTorch's figures (Sanfiz & Akrout, arXiv:2108.13446) were selected on the test set.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from measuring import command

SCHEMA = "fastfa-bench-lenet/1"
RULES = ("bp", "fa", "dfa", "usf", "brsf", "frsf")
RATES = (0.1, 0.03, 0.01, 0.003, 0.001)
HELD_OUT, TUNING_SEED, TUNING_EPOCHS = 10_000, 1000, 1
BATCH = 100


def network(rule: str, seed: int) -> Any:
    """LeNet-5 with rectifiers, softmax at the output."""
    import fastfa as fa

    layers = [
        fa.Conv2D(6, 5, padding="same", activation="relu"),
        fa.MaxPool2D(2),
        fa.Conv2D(16, 5, activation="relu"),
        fa.MaxPool2D(2),
        fa.Dense(120, "relu"),
        fa.Dense(84, "relu"),
        fa.Dense(10, "softmax"),
    ]
    return fa.Network((1, 28, 28), layers, rule, "cross_entropy", seed=seed)


def train(rule: str, rate: float, seed: int, epochs: int, train: Any, test: Any) -> dict[str, Any]:
    """One run: its error on `test`, in percent, after the last epoch; 100 if it diverged."""
    import fastfa as fa

    net = network(rule, seed)
    optimizer = fa.SGD(rate, momentum=0.9, weight_decay=5e-4, clip_norm=1.0)
    trainer = fa.Trainer(
        net,
        optimizer,
        batch_size=BATCH,
        epochs=epochs,
        seed=seed,
        schedule=fa.Cosine(epochs),
        progress=False,
    )
    try:
        history = trainer.fit(train)
    except fa.DivergenceError as error:
        return {"seed": seed, "error_percent": 100.0, "diverged": str(error)}
    angles = fa.metrics.alignment(net, test[0][:1000], fa.data.one_hot(test[1][:1000], 10))
    return {
        "seed": seed,
        "error_percent": 100 * net.evaluate(*test).error_rate,
        "train_error_percent": 100 * history["train_error"][-1],
        "angles_bp": [layer.angle_bp for layer in angles],
    }


def parts(name: str) -> dict[str, Any]:
    """{part: (x, labels)}, inputs with the mean and standard deviation of the training part."""
    import fastfa as fa

    data = fa.data.load(name)
    train = fa.data.normalise(data.train.x)
    x, labels = train.x.reshape(-1, 1, 28, 28), data.train.labels
    test = fa.data.normalise(data.test.x, train.mean, train.sd).x
    return {
        "fewer": (x[:-HELD_OUT], labels[:-HELD_OUT]),
        "held_out": (x[-HELD_OUT:], labels[-HELD_OUT:]),
        "all": (x, labels),
        "test": (test.reshape(-1, 1, 28, 28), data.test.labels),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--sets", nargs="+", default=["fashion-mnist", "mnist"])
    parser.add_argument("--rules", nargs="+", default=list(RULES), choices=RULES)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    command.limit_threads(options.threads)
    from measuring import record

    protocol = {
        "network": "6 maps 5x5 same, max 2, 16 maps 5x5, max 2, 120, 84, 10; relu, softmax",
        "optimizer": "SGD, momentum 0.9, weight decay 5e-4, gradients clipped at norm 1, cosine "
        "schedule",
        "batch": BATCH,
        "epochs": options.epochs,
        "rates": RATES,
        "held_out": HELD_OUT,
        "tuning": {"seed": TUNING_SEED, "epochs": TUNING_EPOCHS},
        "threads": options.threads,
    }
    result = record.head(SCHEMA, protocol) | {"sets": {}}
    if options.out.exists():
        before = json.loads(options.out.read_text(encoding="utf-8"))
        if before.get("schema") == SCHEMA and before["protocol"] == json.loads(
            json.dumps(protocol)
        ):
            result["sets"] = before["sets"]
    for name in options.sets:
        data, rules = parts(name), result["sets"].setdefault(name, {})
        for rule in options.rules:
            entry = rules.setdefault(rule, {"held_out_errors": {}, "runs": []})
            for rate in RATES:
                if str(rate) in entry["held_out_errors"]:
                    continue
                one = train(rule, rate, TUNING_SEED, TUNING_EPOCHS, data["fewer"], data["held_out"])
                entry["held_out_errors"][str(rate)] = one["error_percent"]
                print(name, rule, rate, one, flush=True)
                record.save(options.out, result)
            tried = entry["held_out_errors"]
            entry["rate"] = float(min(tried, key=tried.__getitem__))
        for seed in range(options.seeds):  # seed by seed, so that whatever is there is of all rules
            for rule in options.rules:
                entry = rules[rule]
                if any(run["seed"] == seed for run in entry["runs"]):
                    continue
                one = train(rule, entry["rate"], seed, options.epochs, data["all"], data["test"])
                entry["runs"].append(one)
                print(name, rule, entry["rate"], one, flush=True)
                record.save(options.out, result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
