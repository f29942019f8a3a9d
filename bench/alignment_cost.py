#!/usr/bin/env python3
"""What watching the alignment costs: epochs with fa.Alignment against the same epochs without.

    python bench/alignment_cost.py --out alignment_cost.json

784-1000-10 on MNIST, online and in batches of 100; the callback is asked 100 times per epoch on
100 examples. bench/README.md says how.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
import time
from collections.abc import Sequence
from typing import Any

from measuring import command, machine

SCHEMA = "fastfa-bench-alignment-cost/1"
SIZES = (784, 1000, 10)
LEARNING_RATE = 0.1
ASK_PSEUDOBACKPROP = {"auto": None, "always": True, "never": False}


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parse(arguments)
    processors = command.limit_threads(options.threads)
    from measuring import record  # only now: thread limits come before NumPy and fastfa

    protocol = {
        "network": "-".join(str(n) for n in SIZES) + " logistic, cross_entropy",
        "rule": options.rule,
        "dataset": options.dataset,
        "learning_rate": LEARNING_RATE,
        "asks_per_epoch": options.asks,
        "probe_examples": options.probe,
        "measures": options.measures,
        "standardised": options.standardised,
        "pseudobackprop": options.pseudobackprop,
        "threads": options.threads,
        "processors_used": processors,
        "rounds": options.rounds,
    }
    result = record.head(SCHEMA, protocol)
    try:
        with record.Neighbours() as neighbours:
            result["batches"] = {str(batch): measure(batch, options) for batch in options.batches}
    except ValueError as problem:
        print(problem, file=sys.stderr)
        return 2
    result["foreign_load"] = neighbours.load
    if options.out:
        record.save(options.out, result)
    print(_report(result, neighbours.warning(), record.markdown))
    return 0 if all(entry["same_weights"] for entry in result["batches"].values()) else 1


def measure(batch: int, options: argparse.Namespace) -> dict[str, Any]:
    """Epochs with and without, taking turns, from the same start and with the same examples."""
    import fastfa as fa

    fa.set_num_threads(options.threads)
    train, probe = _examples(options)
    steps = -(-len(train[0]) // batch)
    every = -(-steps // options.asks)
    watch = fa.Alignment(
        *probe,
        every=every,
        measures=options.measures,
        pseudobackprop=ASK_PSEUDOBACKPROP[options.pseudobackprop],
    )
    plain, watched = _Epochs(train, batch, options, []), _Epochs(train, batch, options, [watch])
    for epochs in (plain, watched):
        epochs.run()  # untimed: touches everything once
    pairs = []
    for turn in range(options.rounds):
        order = (plain, watched) if turn % 2 == 0 else (watched, plain)
        took = {epochs: epochs.run() for epochs in order}
        pairs.append((took[plain], took[watched]))
    ratios = [with_it / without for without, with_it in pairs]
    rows = len(watch.rows) / (options.rounds + 1)
    return {
        "steps": steps,
        "every": every,
        "rows_per_epoch": round(rows, 2),
        "seconds_without": [round(a, 4) for a, _ in pairs],
        "seconds_with": [round(b, 4) for _, b in pairs],
        "median_seconds_without": round(statistics.median(a for a, _ in pairs), 4),
        "ms_per_ask": round(1e3 * statistics.median(b - a for a, b in pairs) / rows, 4),
        "ratio": round(statistics.median(ratios), 4),
        "ratio_range": [round(min(ratios), 4), round(max(ratios), 4)],
        "same_weights": plain.same_weights(watched),
    }


class _Epochs:
    """A network with a trainer that trains one epoch a call."""

    def __init__(self, train: Any, batch: int, options: argparse.Namespace, watch: list) -> None:
        import fastfa as fa

        class Clock(fa.Callback):
            """Placed last: from the moment the loop begins until the callbacks before it end."""

            seconds = 0.0

            def on_epoch_begin(self, trainer: Any, epoch: int) -> None:
                self.seconds = time.perf_counter()

            def on_epoch_end(self, trainer: Any, record: dict[str, Any]) -> None:
                self.seconds = time.perf_counter() - self.seconds

        layers = [fa.Dense(n, "logistic") for n in SIZES[1:]]
        self.net = fa.Network(SIZES[0], layers, options.rule, loss="cross_entropy")
        self.clock, self.train = Clock(), train
        self.trainer = fa.Trainer(
            self.net, fa.SGD(LEARNING_RATE), batch_size=batch, epochs=1, progress=False,
            callbacks=[*watch, self.clock],
        )  # fmt: skip

    def run(self) -> float:
        """Seconds of one epoch."""
        machine.wait_until_idle()
        gc.collect()
        gc.disable()
        try:
            self.trainer.fit(self.train)
        finally:
            gc.enable()
        return self.clock.seconds

    def same_weights(self, other: _Epochs) -> bool:
        """Whether watching changed nothing, to the bit."""
        pairs = zip(self.net.weights, other.net.weights, strict=True)
        return all(bool((own == theirs).all()) for own, theirs in pairs)


def _examples(options: argparse.Namespace) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """What is trained on, and the probe: the last training examples, left out of the former."""
    import fastfa as fa

    data = fa.data.load(options.dataset)
    y = fa.data.one_hot(data.train.labels, data.classes)
    x, rest = data.train.x, len(y) - options.probe
    if options.standardised:
        x = fa.data.normalise(x).x
    most = min(rest, options.examples or rest)
    if most < 1:
        raise ValueError(f"[bench] probe was {options.probe}; {options.dataset} has {len(y)}")
    return (x[:most], y[:most]), (x[rest:], y[rest:])


def _report(result: dict[str, Any], warning: str, markdown: Any) -> str:
    protocol = result["protocol"]
    lines = [
        f"### Cost of Alignment: {protocol['network']}, {protocol['rule']}, "
        f"{protocol['dataset']}, {protocol['threads']} threads",
        "",
        f"Asked about {protocol['asks_per_epoch']} times per epoch on {protocol['probe_examples']} "
        f"examples; {protocol['rounds']} pairs of epochs, median and range of the paired ratios.",
    ]
    lines[-1] += warning
    columns = ("batch", "every", "epoch, s", "asks", "ms per ask", "cost, % of the epoch", "range")
    rows = [
        (
            batch,
            f"{entry['every']}",
            f"{entry['median_seconds_without']:.2f}",
            f"{entry['rows_per_epoch']:.0f}",
            f"{entry['ms_per_ask']:.2f}",
            f"{100 * (entry['ratio'] - 1):+.1f}",
            "{:+.1f} … {:+.1f}".format(*(100 * (r - 1) for r in entry["ratio_range"])),
        )
        for batch, entry in result["batches"].items()
    ]
    for batch, entry in result["batches"].items():
        if not entry["same_weights"]:
            lines.append(f"WRONG: at batch {batch} watching changed the weights.")
    return "\n".join([*lines, "", markdown(columns, rows)])


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = command.parser("alignment_cost.py", __doc__)
    add = parser.add_argument
    add("--batches", type=int, nargs="+", default=[1, 100], metavar="N", help="batch sizes (1 100)")
    add("--asks", type=int, default=100, metavar="N", help="measurements per epoch (100)")
    add("--probe", type=int, default=100, metavar="N", help="examples measured on (100)")
    add("--rule", default="fa", metavar="NAME", help="a preset (fa)")
    add("--measures", nargs="+", metavar="NAME", help="such as angle_bp (all there are)")
    add("--standardised", action="store_true", help="inputs of mean 0 and sd 1: none is zero")
    add("--pseudobackprop", choices=tuple(ASK_PSEUDOBACKPROP), default="auto", help="(auto)")
    add("--rounds", type=int, default=9, metavar="N", help="pairs of epochs (9)")
    add("--threads", type=int, default=2, metavar="N", help="threads of the core (2)")
    add("--dataset", choices=("mnist", "fashion-mnist", "mnist-mini"), default="mnist")
    add("--examples", type=int, metavar="N", help="train on the first N only, to try things out")
    positive = ("batches", "asks", "probe", "rounds", "threads", "examples")
    return command.parse(parser, arguments, positive)


if __name__ == "__main__":
    raise SystemExit(main())
