#!/usr/bin/env python3
"""A training step with products in bf16: fastfa beside PyTorch and JAX.

    python bench/bf16.py --out bf16.json                 # four networks, all contestants
    python bench/bf16.py --networks 784-1000-10 --batches 8 32 100 --contestants "fastfa bf16"

All contestants take turns within a round, so that each meets the same moments of the machine. A time is
the median over the rounds of the mean of a round's steps, a ratio the median of the ratios to fastfa's
float32 of the same round. Whose first update differs from one in float64 by more than bf16 explains
isn't timed; a pure contestant, which loses small updates by design, is only asked for finite weights.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from in_bf16.contestants import CONTESTANTS, Contestant
from in_bf16.task import NETWORKS, Task, draw, updated
from measuring import command

SCHEMA = "fastfa-bench-bf16/1"
BASE = "fastfa float32"
MOST = {"float32": 1e-4, "bf16": 3e-2}  # of the first update, relative


def checked(name: str, task: Task) -> Contestant | str:
    """The contestant after its first step, or why it doesn't take part."""
    try:
        made = CONTESTANTS[name](task)
        made.step()
    except ImportError as error:
        return f"{error.name} is not installed"
    except Exception as error:  # a compiler that is missing has many names
        return f"{type(error).__name__}: {str(error).splitlines()[0][:100]}"
    after = made.weights()
    if not all(np.isfinite(w).all() for w in after):
        return "its weights are not finite"
    if "pure" in name:
        return made
    most = MOST["bf16" if "bf16" in name else "float32"]
    for w, before, change in zip(after, task.weights, updated(task), strict=True):
        error = np.linalg.norm(w - before.astype(np.float64) - change) / np.linalg.norm(change)
        if not error < most:
            return f"its first update is {error:.1e} off"
    return made


def measure(task: Task, names: Sequence[str], rounds: int, steps: int) -> dict[str, Any]:
    made = {name: checked(name, task) for name in names}
    ready = {name: each for name, each in made.items() if not isinstance(each, str)}
    times: dict[str, list[float]] = {name: [] for name in ready}
    for round_ in range(rounds + 1):
        for name, each in ready.items():
            each.step()
            begin = time.perf_counter()
            for _ in range(steps):
                each.step()
            if round_ > 0:
                times[name].append((time.perf_counter() - begin) / steps)
    found: dict[str, Any] = {
        name: {"missing": why} for name, why in made.items() if isinstance(why, str)
    }
    for name, own in times.items():
        ratios = [a / b for a, b in zip(own, times[BASE], strict=True)]
        quartiles = statistics.quantiles(ratios, n=4)
        found[name] = {
            "ms": 1e3 * statistics.median(own),
            "least_ms": 1e3 * min(own),
            "ratio": statistics.median(ratios),
            "ratio_quartiles": [quartiles[0], quartiles[2]],
        }
    return {name: found[name] for name in names}


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parse(arguments)
    processors = command.limit_threads(options.threads)
    import fastfa as fa

    from measuring import record

    fa.set_num_threads(options.threads)
    _limit_torch(options.threads)
    protocol = {
        "task": "feedback alignment, tanh, squared error, SGD, standardised inputs",
        "rounds": options.rounds,
        "steps": options.steps,
        "threads": options.threads,
        "processors_used": processors,
        "bf16": fa.build_info()["bf16"],
    }
    result = record.head(SCHEMA, protocol) | {"networks": {}}
    result["versions"] |= record.peer_versions()
    rows = []
    with record.Neighbours() as neighbours:
        for name in options.networks:
            for batch in options.batches:
                task = draw(NETWORKS[name], batch)
                found = measure(task, options.contestants, options.rounds, options.steps)
                result["networks"][f"{name}, batch {batch}"] = found
                rows += [_row(name, batch, who, each) for who, each in found.items()]
    result["foreign_load"] = neighbours.load
    if options.out:
        record.save(options.out, result)
    columns = ("network", "batch", "contestant", "ms", "least", "÷ fastfa float32", "quartiles")
    print(record.markdown(columns, rows) + neighbours.warning())
    return 0


def _row(network: str, batch: int, who: str, found: dict[str, Any]) -> tuple[str, ...]:
    if "missing" in found:
        return (network, str(batch), who, found["missing"], "", "", "")
    return (
        network,
        str(batch),
        who,
        f"{found['ms']:.2f}",
        f"{found['least_ms']:.2f}",
        f"{found['ratio']:.2f}",
        "–".join(f"{q:.2f}" for q in found["ratio_quartiles"]),
    )


def _limit_torch(threads: int) -> None:
    try:
        import torch
    except ImportError:
        return
    torch.set_num_threads(threads)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = command.parser("bf16.py", __doc__)
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=NETWORKS)
    parser.add_argument("--batches", nargs="+", type=int, default=[100])
    parser.add_argument("--contestants", nargs="+", default=list(CONTESTANTS), choices=CONTESTANTS)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    options = command.parse(parser, arguments, ("batches", "rounds", "steps", "threads"))
    if BASE not in options.contestants:
        options.contestants = [BASE, *options.contestants]
    return options


if __name__ == "__main__":
    raise SystemExit(main())
