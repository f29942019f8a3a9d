#!/usr/bin/env python3
"""Training steps of convolutional networks beside PyTorch and JAX, and how near they are to the floor.

    python bench/conv.py --out conv.json       # three networks, two threads
    python bench/conv.py --threads 1 --rounds 30 --only lenet
    python bench/conv.py --layers              # fastfa's layers one by one

One step of backprop, and in fastfa of feedback alignment too, with plain SGD on the mean over the batch,
in float32, and with products in bf16 and float32 weights (PyTorch: autocast). All take turns in one
process; the table has medians. The floor is what a step's multiply-adds in float32
(forward, and both gradients but for that of the input) take at the rate of fastfa's own dense product of
512 × 1024 × 1024, measured beside them; Winograd's algorithm needs fewer. Memory is the peak of a
process of its own, above what it had before.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from measuring import command

SCHEMA = "fastfa-bench-conv/1"
NAMES = ("lenet", "32-64-128", "32-32-64-64")
LR = 1e-4
MOST = {"float32": 1e-2, "bf16": 0.1}  # of the first update, a small difference of float32 weights


def product_rate() -> Callable[[], float]:
    """Multiply-adds a second of a large dense product."""
    import fastfa as fa

    net = fa.Network(1024, [fa.Dense(1024), fa.Dense(1024)], "bp")
    return lambda: 512 * 1024**2 / net._net.time_feedback(0, 512, 1)


def agreeing(net: Any, x: Any, y: Any, peers: dict[str, Any]) -> dict[str, Any]:
    """Those of the peers whose first update is that of `net`, which isn't changed."""
    import copy

    import fastfa as fa
    import numpy as np

    other = copy.copy(net)
    other.step(x, y, fa.SGD(LR))
    kept = {}
    for name, each in peers.items():
        each.step()
        errors = [
            np.linalg.norm(theirs - ours) / np.linalg.norm(ours - before)
            for theirs, ours, before in zip(each.weights(), other.weights, net.weights, strict=True)
        ]
        if max(errors) < MOST["bf16" if "bf16" in name else "float32"]:
            kept[name] = each
        else:
            print(f"{name} isn't timed: its first update is {max(errors):.1e} off")
    return kept


def compare(name: str, rounds: int) -> dict[str, Any]:
    import fastfa as fa

    from convolutions import jax, torch
    from convolutions.networks import PLANS, Contestant, batch_of, multiplications

    shape, batch, layers = PLANS[name]
    nets = {
        f"fastfa, {rule}{', bf16' * (precision == 'bf16')}": fa.Network(
            shape, layers, rule, matmul_precision=precision
        )
        for precision in MOST
        for rule in ("bp", "fa")
    }
    net, sgd = nets["fastfa, bp"], fa.SGD(LR)
    x, y = batch_of(net, batch)
    peers = torch.steps(net, x, y, LR) | jax.steps(net, x, y, LR)
    own = {
        key: Contestant(lambda net=net: net.step(x, y, sgd), lambda net=net: list(net.weights))
        for key, net in nets.items()
    }
    steps = {key: each.step for key, each in (own | agreeing(net, x, y, peers)).items()}
    times: dict[str, list[float]] = {key: [] for key in steps}
    rate, rates = product_rate(), []
    for i in range(rounds + 2):
        for key, step in steps.items():
            begin = time.perf_counter()
            step()
            if i >= 2:
                times[key].append(time.perf_counter() - begin)
        rates.append(rate())
    floor = multiplications(net, batch) / max(rates)
    return {
        "batch": batch,
        "floor_ms": 1e3 * floor,
        "product_rate": max(rates),
        "steps": {
            key: {
                "ms": 1e3 * statistics.median(own),
                "least_ms": 1e3 * min(own),
                "of_floor": floor / statistics.median(own),
                "ratio": statistics.median(
                    a / b for a, b in zip(own, times["fastfa, bp"], strict=True)
                ),
            }
            for key, own in times.items()
        },
    }


def peak(name: str, threads: int) -> dict[str, Any]:
    script = Path(__file__).parent / "convolutions" / "memory.py"
    words = [sys.executable, str(script), name, str(threads)]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def layer_by_layer(name: str) -> None:
    import fastfa as fa
    import numpy as np

    from convolutions.networks import PLANS

    shape, batch, layers = PLANS[name]
    net, rate = fa.Network(shape, layers, "bp"), product_rate()()
    print(f"{name}, batch {batch}, {rate / 1e9:.0f} G/s")
    for i, layer in enumerate(net.layers):
        size = batch * np.prod(net.shapes[i + 1]) * net.weights[i][0].size
        passes = min(net._net.time_layer(i, batch, 5) for _ in range(5))
        back = min(net._net.time_feedback(i - 1, batch, 5) for _ in range(5)) if i else np.inf
        print(
            f"  {type(layer).__name__:8} forward and update {1e3 * passes:7.3f} ms, "
            f"{2 * size / passes / rate:4.0%}   back {1e3 * back:7.3f} ms, {size / back / rate:4.0%}"
        )


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parse(arguments)
    processors = command.limit_threads(options.threads)
    import fastfa as fa

    from measuring import record

    fa.set_num_threads(options.threads)
    if options.layers:
        for name in options.only:
            layer_by_layer(name)
        return 0
    protocol = {
        "rounds": options.rounds,
        "threads": options.threads,
        "processors_used": processors,
        "bf16": fa.build_info()["bf16"],
    }
    result = record.head(SCHEMA, protocol)
    result["versions"] |= record.peer_versions()
    with record.Neighbours() as neighbours:
        result["networks"] = {name: compare(name, options.rounds) for name in options.only}
    result["foreign_load"] = neighbours.load
    for name, found in result["networks"].items():
        found["memory"] = peak(name, options.threads)
    if options.out:
        record.save(options.out, result)
    rows = [
        (name, who, f"{own['ms']:.2f}", f"{own['least_ms']:.2f}", f"{own['ratio']:.2f}",
         f"{own['of_floor']:.0%}")
        for name, found in result["networks"].items()
        for who, own in found["steps"].items()
    ]  # fmt: skip
    columns = ("network", "contestant", "ms", "least", "÷ fastfa, bp", "of the floor")
    print(record.markdown(columns, rows) + neighbours.warning())
    for name, found in result["networks"].items():
        print(f"{name}: peak memory {found['memory']['ratio']:.2f} × what it must hold")
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = command.parser("conv.py", __doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--only", choices=NAMES, nargs="*", default=list(NAMES))
    parser.add_argument("--layers", action="store_true", help="fastfa's layers one by one")
    return command.parse(parser, arguments, ("threads", "rounds"))


if __name__ == "__main__":
    raise SystemExit(main())
