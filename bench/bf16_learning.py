#!/usr/bin/env python3
"""Does a network learn the same with products in bf16? Pairs of trainings that differ in nothing else.

    python bench/bf16_learning.py --out learning.json      # two data sets, two networks, four rules

A pair has one seed: the same first weights, B, and order of examples, by float32 and by bf16. Adam at
0.001, batches of 100, tanh units below softmax and cross-entropy, on all training examples; the test
error is that after the last epoch, which the test set has no part in choosing. Angles are those between
a layer's delta and backprop's, of 256 test examples, after it. A pair that is in --out already is not
trained again.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
from collections.abc import Sequence
from itertools import product
from typing import Any

from measuring import command

SCHEMA = "fastfa-bench-bf16-learning/1"
NETWORKS = {"784-1000-10": ((1000,), 5), "784-1500×3-10": ((1500,) * 3, 3)}  # hidden units, epochs
RULES = ("bp", "fa", "dfa", "kp")
PRECISIONS = ("float32", "bf16")


def train(data: Any, name: str, rule: str, seed: int, precision: str) -> dict[str, Any]:
    import fastfa as fa

    hidden, epochs = NETWORKS[name]
    layers = [*(fa.Dense(n, "tanh") for n in hidden), fa.Dense(10, "softmax")]
    net = fa.Network(784, layers, rule, loss="cross_entropy", seed=seed, matmul_precision=precision)
    trainer = fa.Trainer(net, fa.Adam(1e-3), epochs=epochs, batch_size=100, progress=False)
    history = list(trainer.fit(data.train, test=data.test))
    x = data.test.x[:256].reshape(256, -1)
    y = fa.data.one_hot(data.test.labels[:256], 10)
    told = fa.metrics.alignment(net, x, y)
    return {
        "test_error": 100 * history[-1]["test_error"],
        "seconds": sum(each["seconds"] for each in history),
        "angles": [float(layer.angle_bp) for layer in told],
    }


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Mean, and half the width of its 95 % interval by Student's t."""
    import scipy.stats

    mean = statistics.fmean(values)
    if len(values) < 2:
        return mean, math.inf
    half = statistics.stdev(values) / math.sqrt(len(values))
    return mean, half * float(scipy.stats.t.ppf(0.975, len(values) - 1))


def summed(pairs: dict[str, dict[str, Any]], key: str) -> dict[str, Any]:
    """Of all seeds of one data set, network and rule."""
    own = [pair for name, pair in pairs.items() if name.rpartition("/")[0] == key]
    errors = {p: [pair[p]["test_error"] for pair in own] for p in PRECISIONS}
    mean, half = interval([b - a for a, b in zip(*errors.values(), strict=True)])
    angles = [
        max((abs(a - b) for a, b in zip(*(pair[p]["angles"] for p in PRECISIONS), strict=True)))
        for pair in own
    ]
    return {
        "seeds": len(own),
        **{f"{p} %": statistics.fmean(values) for p, values in errors.items()},
        "difference": mean,
        "half_interval": half,
        "largest_angle_difference": max(angles),
        "time_ratio": statistics.median(
            pair["bf16"]["seconds"] / pair["float32"]["seconds"] for pair in own
        ),
    }


def summary(pairs: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {key: summed(pairs, key) for key in dict.fromkeys(k.rpartition("/")[0] for k in pairs)}


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parse(arguments)
    command.limit_threads(options.threads)
    import fastfa as fa

    from measuring import record

    fa.set_num_threads(options.threads)
    protocol = {"optimizer": "Adam(0.001)", "batch": 100, "threads": options.threads}
    result = record.head(SCHEMA, protocol) | {"pairs": {}}
    if options.out and options.out.exists():
        result["pairs"] = json.loads(options.out.read_text(encoding="utf-8"))["pairs"]
    sets = {name: fa.data.load(name) for name in options.data}
    for seed, data, net, rule in product(
        range(options.seeds), options.data, options.networks, options.rules
    ):
        key = f"{data}/{net}/{rule}/{seed}"
        if key in result["pairs"]:
            continue
        result["pairs"][key] = {p: train(sets[data], net, rule, seed, p) for p in PRECISIONS}
        print(key, result["pairs"][key], flush=True)
        result["table"] = summary(result["pairs"])
        if options.out:
            record.save(options.out, result)
    columns = ("data", "network", "rule", "seeds", "float32 %", "bf16 %", "bf16 − float32")
    rows = [
        (
            *key.split("/"),
            str(each["seeds"]),
            f"{each['float32 %']:.2f}",
            f"{each['bf16 %']:.2f}",
            f"{each['difference']:+.2f} ± {each['half_interval']:.2f}",
        )
        for key, each in summary(result["pairs"]).items()
    ]
    print(record.markdown(columns, rows))
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = command.parser("bf16_learning.py", __doc__)
    parser.add_argument("--data", nargs="+", default=["mnist", "fashion-mnist"])
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=NETWORKS)
    parser.add_argument("--rules", nargs="+", default=list(RULES))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    return command.parse(parser, arguments, ("seeds", "threads"))


if __name__ == "__main__":
    raise SystemExit(main())
