#!/usr/bin/env python3
"""How long the feedback product takes for each kind of matrix, against dense uniform in the same run.

    python bench/feedback_product.py --out feedback_product.json
    python bench/feedback_product.py --units 512 --batches 1 --kinds uniform hadamard --rounds 3

The product into a hidden layer from the layer above, δ_l = (δ_source Bᵀ) ∘ σ′, timed inside the
core on the buffers of a real step. bench/README.md says how.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from typing import Any

from measuring import command

SCHEMA = "fastfa-bench-feedback-product/1"
BASE = "uniform"  # ratios are to this kind
# (matrix, options) by name; ranks are cut to the layer's size
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "uniform": ("uniform", {}),
    "normal": ("normal", {}),
    "orthogonal": ("orthogonal", {}),
    "sparse(0.1)": ("sparse", {"density": 0.1}),
    "sparse(0.5)": ("sparse", {"density": 0.5}),
    "low_rank(64)": ("low_rank", {"rank": 64}),
    "binary": ("binary", {}),
    "ternary": ("ternary", {}),
    "hadamard": ("hadamard", {}),
    "procedural": ("procedural", {}),
    "transpose": ("transpose", {}),
    "sign": ("sign", {}),
}


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parse(arguments)
    processors = command.limit_threads(options.threads)
    from measuring import record  # only now: thread limits come before NumPy and fastfa

    result = record.head(
        SCHEMA,
        {
            "units": options.units,
            "source_units": options.source,
            "dtype": "float32",
            "threads": options.threads,
            "processors_used": processors,
            "rounds": options.rounds,
            "seconds_per_sample": options.seconds,
        },
    )
    with record.Neighbours() as neighbours:
        result["batches"] = measure(options)
    result["foreign_load"] = neighbours.load
    if options.out:
        record.save(options.out, result)
    print(_report(result, neighbours.warning(), record.markdown))
    return 0


def measure(options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Results by batch size and kind. Every kind plays once per round; the first moves on by one."""
    import fastfa as fa

    fa.set_num_threads(options.threads)
    networks = {kind: _network(kind, options) for kind in options.kinds}
    found = {}
    for batch in options.batches:
        for net in networks.values():
            _fill(net, batch)
        repeats = {kind: _calibrate(net, batch, options) for kind, net in networks.items()}
        seconds: dict[str, list[float]] = {kind: [] for kind in networks}
        for turn in range(options.rounds):
            shift = turn % len(networks)
            for kind in options.kinds[shift:] + options.kinds[:shift]:
                seconds[kind].append(_time(networks[kind], batch, repeats[kind]))
        found[str(batch)] = {
            kind: {
                "repeats": repeats[kind],
                "us_per_product": [round(s * 1e6, 3) for s in seconds[kind]],
                "median_us": round(statistics.median(seconds[kind]) * 1e6, 3),
                "bytes": net.feedback_bytes[0],
                **_ratios(seconds[kind], seconds[BASE]),
            }
            for kind, net in networks.items()
        }
    return found


def _ratios(seconds: list[float], base: list[float]) -> dict[str, Any]:
    ratios = [own / other for own, other in zip(seconds, base, strict=True)]
    return {
        "ratio": round(statistics.median(ratios), 4),
        "ratio_range": [round(min(ratios), 4), round(max(ratios), 4)],
    }


def _network(kind: str, options: argparse.Namespace) -> Any:
    """1 input, the hidden layer, its source, 1 output: only the two in the middle cost anything."""
    import fastfa as fa

    matrix, values = KINDS[kind]
    values = dict(values)
    if "rank" in values:
        values["rank"] = min(values["rank"], options.units, options.source)
    layers = [fa.Dense(options.units, "tanh"), fa.Dense(options.source, "tanh"), fa.Dense(1)]
    return fa.Network(1, layers, [fa.Feedback(matrix, **values), fa.Feedback("uniform")])


def _fill(net: Any, batch: int) -> None:
    """A step that changes nothing, so that the buffers hold deltas as they occur: none is zero."""
    import fastfa as fa
    import numpy as np

    x = np.random.default_rng(0).uniform(0.5, 1.5, (batch, 1))
    net.step(x, x + 1.0, fa.SGD(0.0))


def _time(net: Any, batch: int, repeats: int) -> float:
    """Seconds per product."""
    return net._net.time_feedback(0, batch, repeats)


def _calibrate(net: Any, batch: int, options: argparse.Namespace) -> int:
    """Products that take about the wanted time; touches everything once on the way."""
    _time(net, batch, 1)
    return max(1, round(options.seconds / max(_time(net, batch, 3), 1e-9)))


def _report(result: dict[str, Any], warning: str, markdown: Any) -> str:
    protocol = result["protocol"]
    lines = [
        f"### Feedback product into {protocol['units']} units from {protocol['source_units']}, "
        f"float32, {protocol['threads']} threads",
        "",
        f"Median of {protocol['rounds']} rounds; × uniform: median (lowest–highest) of the ratios "
        "within each round. Below 1, faster than dense uniform.",
    ]
    lines[-1] += warning
    batches = result["batches"]
    columns = ["matrix", "bytes"]
    for batch in batches:
        columns += [f"batch {batch}: µs", "× uniform"]
    rows = []
    for kind, entry in next(iter(batches.values())).items():
        row = [kind, f"{entry['bytes']:,}"]
        for entries in batches.values():
            own = entries[kind]
            low, high = own["ratio_range"]
            spread = "1" if kind == BASE else f"{own['ratio']:.2f} ({low:.2f}–{high:.2f})"
            row += [f"{own['median_us']:,.0f}", spread]
        rows.append(row)
    return "\n".join([*lines, "", markdown(columns, rows)])


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = command.parser("feedback_product.py", __doc__)
    add = parser.add_argument
    add("--units", type=int, default=4096, metavar="N", help="of the hidden layer (4096)")
    add("--source", type=int, metavar="N", help="units of the layer above (default: as --units)")
    add("--batches", type=int, nargs="+", default=[1, 100], metavar="N", help="batch sizes (1 100)")
    add("--threads", type=int, default=2, metavar="N", help="threads of the core (2)")
    add("--rounds", type=int, default=15, metavar="N", help="samples of each kind (15)")
    add("--seconds", type=float, default=0.05, metavar="S", help="about, per sample (0.05)")
    add(
        "--kinds", nargs="+", metavar="KIND",
        help=f"of {' '.join(KINDS)}; default: all. uniform always takes part",
    )  # fmt: skip
    positive = ("units", "source", "batches", "threads", "rounds", "seconds")
    options = command.parse(parser, arguments, positive)
    options.source = options.source or options.units
    asked = options.kinds or list(KINDS)
    for kind in asked:
        if kind not in KINDS:
            parser.error(f"kinds had {kind!r}; known are {', '.join(KINDS)}")
    options.kinds = [kind for kind in KINDS if kind in asked or kind == BASE]
    return options


if __name__ == "__main__":
    raise SystemExit(main())
