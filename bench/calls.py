#!/usr/bin/env python3
"""What a call from Python costs, on one example, beside a NumPy step of the same equations.

    python bench/calls.py --out calls.json

30-20-10, logistic units, squared error, feedback alignment, one example a call, float32, one thread.
The contestants take turns in each round; times are medians over the rounds, ratios those of a round.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

from measuring import command

SCHEMA = "fastfa-bench-calls/1"
SIZES = (30, 20, 10)
RATE = 0.01
PEER = "NumPy step"


def contestants() -> dict[str, Callable[[], Any]]:
    """Calls by name; NumPy's and `step` begin with the same weights, and are compared first."""
    import fastfa as fa
    import numpy as np

    rng = np.random.default_rng(0)
    x = rng.standard_normal((1, SIZES[0]), dtype="float32")
    y = rng.random((1, SIZES[2]), dtype="float32")
    layers = [fa.Dense(SIZES[1], "logistic"), fa.Dense(SIZES[2], "logistic")]
    net = fa.Network(SIZES[0], layers, feedback="fa", loss="squared_error", seed=0)
    optimizer, rate = fa.SGD(RATE), np.float32(RATE)
    w, b = [np.array(each) for each in net.weights], [np.array(each) for each in net.biases]
    feedback = np.array(net.feedback_matrices[0])

    def numpy_step() -> float:
        hidden = 1 / (1 + np.exp(-(x @ w[0].T + b[0])))
        output = 1 / (1 + np.exp(-(hidden @ w[1].T + b[1])))
        error = y - output
        top = error * output * (1 - output)
        below = (top @ feedback.T) * hidden * (1 - hidden)
        for layer, delta, source in ((1, top, hidden), (0, below, x)):
            w[layer] += rate * (delta.T @ source)
            b[layer] += rate * delta[0]
        return float((error * error).sum() / 2)

    for _ in range(20):
        net.step(x, y, optimizer)
        numpy_step()
    for ours, theirs in zip(net.weights, w, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)

    def in_parts() -> None:
        net.apply_error(y - net.forward_step(x), optimizer)

    return {
        PEER: numpy_step,
        "step": lambda: net.step(x, y, optimizer),
        "forward_step + apply_error": in_parts,
        "train_epoch": lambda: net.train_epoch(x, y, optimizer, batch_size=1),
        "forward": lambda: net.forward(x),
        "deltas": lambda: net.deltas(x, y),
        "evaluate": lambda: net.evaluate(x, y),
        "alignment": lambda: fa.metrics.alignment(net, x, y),
    }


def seconds(call: Callable[[], Any], calls: int) -> float:
    begin = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - begin) / calls


def measure(rounds: int, calls: int) -> dict[str, dict[str, float]]:
    """Microseconds of each call, and how often it fits into NumPy's step."""
    taking_part = contestants()
    found: dict[str, list[float]] = {name: [] for name in taking_part}
    for call in taking_part.values():
        seconds(call, calls // 10 + 1)  # untimed
    for _ in range(rounds):
        for name, call in taking_part.items():
            found[name].append(seconds(call, calls))
    return {
        name: {
            "us": round(1e6 * statistics.median(times), 3),
            "times_faster_than_numpy": round(
                statistics.median(b / a for a, b in zip(times, found[PEER], strict=True)), 2
            ),
        }
        for name, times in found.items()
    }


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parse(arguments)
    command.limit_threads(1)
    from measuring import record  # only now: thread limits come before NumPy and fastfa

    protocol = {
        "network": "-".join(map(str, SIZES)),
        "rounds": options.rounds,
        "calls": options.calls,
    }
    result = record.head(SCHEMA, protocol)
    with record.Neighbours() as neighbours:
        result["calls"] = measure(options.rounds, options.calls)
    result["foreign_load"] = neighbours.load
    if options.out:
        record.save(options.out, result)
    for name, row in result["calls"].items():
        print(f"{name:28} {row['us']:8.2f} us  {row['times_faster_than_numpy']:6.2f}x")
    print(neighbours.warning().strip() or "quiet")
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = command.parser("calls.py", __doc__)
    add = parser.add_argument
    add("--rounds", type=int, default=15, metavar="N", help="turns of each contestant (15)")
    add("--calls", type=int, default=2000, metavar="N", help="calls in a turn (2000)")
    return command.parse(parser, arguments, ("rounds", "calls"))


if __name__ == "__main__":
    raise SystemExit(main())
