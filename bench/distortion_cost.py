#!/usr/bin/env python3
"""What elastic distortions cost: epochs with fa.data.Distortion against the same epochs without.

    python bench/distortion_cost.py --out distortion_cost.json

784-3174-1500-1500-10, the first layer locally connected, on MNIST in batches of 100.
bench/README.md says how.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from typing import Any

from measuring import command

SCHEMA = "fastfa-bench-distortion-cost/1"


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parse(arguments)
    processors = command.limit_threads(options.threads)
    from measuring import record  # only now: thread limits come before NumPy and fastfa

    protocol = {
        "network": "784-3174-1500-1500-10 tanh, the first layer local",
        "dataset": options.dataset,
        "batch": 100,
        "epochs_per_turn": options.epochs,
        "rounds": options.rounds,
        "threads": options.threads,
        "processors_used": processors,
    }
    result = record.head(SCHEMA, protocol)
    with record.Neighbours() as neighbours:
        result |= measure(options)
    result["foreign_load"] = neighbours.load
    if options.out:
        record.save(options.out, result)
    columns = ("threads", "epoch, s", "with distortions", "ratio", "range")
    row = (
        f"{options.threads}",
        f"{result['median_seconds_without']:.2f}",
        f"{result['median_seconds_with']:.2f}",
        f"{result['ratio']:.3f}",
        "{:.3f} … {:.3f}".format(*result["ratio_range"]),
    )
    print(neighbours.warning().strip(), record.markdown(columns, [row]), sep="\n")
    return 0


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Seconds of an epoch without and with, taking turns, and the ratios of the pairs."""
    import fastfa as fa
    from fastfa.experiments import _mnist, get

    fa.set_num_threads(options.threads)
    data = fa.data.load(options.dataset)
    train = fa.data.normalise(data.train.x)
    settings = get("mnist-elastic").presets["paper"]
    net = settings | settings["nets"]["elastic"]
    distortion = fa.data.Distortion(**net["distortion"], fill=_mnist.background(train))
    pairs = []
    for turn in range(options.rounds):
        took = {}
        for distorted in (False, True) if turn % 2 == 0 else (True, False):
            trainer = fa.Trainer(
                _mnist.classifier(net, data, seed=turn),
                fa.Adam(1e-4),
                epochs=options.epochs + 2,
                augment=distortion if distorted else None,
                callbacks=[clock := _clock(options.epochs)],
                progress=False,
            )
            trainer.fit((train.x, data.train.labels))
            took[distorted] = clock.seconds / options.epochs
        pairs.append((took[False], took[True]))
    ratios = [with_it / without for without, with_it in pairs]
    return {
        "seconds_without": [round(a, 4) for a, _ in pairs],
        "seconds_with": [round(b, 4) for _, b in pairs],
        "median_seconds_without": round(statistics.median(a for a, _ in pairs), 4),
        "median_seconds_with": round(statistics.median(b for _, b in pairs), 4),
        "ratio": round(statistics.median(ratios), 4),
        "ratio_range": [round(min(ratios), 4), round(max(ratios), 4)],
    }


def _clock(epochs: int) -> Any:
    """Times that many epochs after the first, in each of which the next one's images are made."""
    import fastfa as fa

    class Clock(fa.Callback):
        seconds = 0.0

        def on_epoch_end(self, trainer: Any, record: dict[str, Any]) -> None:
            if record["epoch"] == 1:
                self.seconds = time.perf_counter()
            elif record["epoch"] == 1 + epochs:
                self.seconds = time.perf_counter() - self.seconds
                trainer.stop()

    return Clock()


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = command.parser("distortion_cost.py", __doc__)
    add = parser.add_argument
    add("--epochs", type=int, default=2, metavar="N", help="timed epochs of a turn (2)")
    add("--rounds", type=int, default=5, metavar="N", help="pairs of turns (5)")
    add("--threads", type=int, default=2, metavar="N", help="threads of the core (2)")
    add("--dataset", choices=("mnist", "fashion-mnist", "mnist-mini"), default="mnist")
    return command.parse(parser, arguments, ("epochs", "rounds", "threads"))


if __name__ == "__main__":
    raise SystemExit(main())
