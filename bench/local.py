#!/usr/bin/env python3
"""The paper's locally connected layer, and the network that it opens, against PyTorch and JAX.

    python bench/local.py --out local.json
    python bench/local.py --parts layer --rounds 3 --seconds 0.1

Three parts, batches of 100, float32: forward and weight gradient of the layer alone (28×28, 6 maps of
6×6 patches, 3174 units), the whole 784-3174-1500-1500-10 step, and that training's peak memory.
bench/README.md says how.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import Any

from measuring import command, machine

SCHEMA = "fastfa-bench-local/1"
PARTS = ("memory", "layer", "training")  # memory first: see local_layers/memory.py
BATCH = 100
FASTEST = {"layer": "fastest call", "training": "fastest round"}
# name: (module of local_layers, class, needs, note)
LAYER = {
    "fastfa": ("fastfa", "Core", "fastfa", "timed in the core: _net.time_layer"),
    "fastfa-step": ("fastfa", "PublicStep", "fastfa", "net.step of 784-3174-1 tanh: all of it"),
    "jax-conv-local": ("jax", "ConvLocal", "jax", "lax.conv_general_dilated_local and its vjp"),
    "jax-slices": ("jax", "Slices", "jax", "patches by 36 slices, batched products"),
    "torch-bmm": ("torch", "BatchOutside", "torch", "position-major bmm, images as they come"),
    "torch-bmm-t": ("torch", "BatchInnermost", "torch", "the same with the batch innermost"),
    "torch-einsum": ("torch", "UnfoldEinsum", "torch", "unfold and einsum"),
}
TRAINING = {
    "fastfa": ("fastfa", "LocalNetwork", "fastfa", "net.train_epoch on the slice"),
    "jax-conv-local": ("jax", "ConvLocalNetwork", "jax", "one lax.scan, the primitive"),
    "jax-slices": ("jax", "SlicesNetwork", "jax", "one lax.scan, patches by 36 slices"),
    "torch-manual": ("torch", "TorchNetwork", "torch", "by hand, in place, bmm batch innermost"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parse(arguments)
    os.environ.pop("OPENBLAS_CORETYPE", None)  # a kernel forced on OpenBLAS would slow a peer
    processors = command.limit_threads(options.threads)
    memory = None
    if "memory" in options.parts:
        from local_layers import memory as local_memory

        memory = local_memory.measure(options.threads)
    # Only now: thread limits come before NumPy and the peers.
    from measuring import harness, record

    result = record.head(
        SCHEMA,
        {
            "batch": BATCH,
            "dtype": "float32",
            "threads": options.threads,
            "processors_used": processors,
            "rounds": options.rounds,
            "seconds_per_sample": options.seconds,
            "tolerance": harness.TOLERANCE,
        },
    )
    result["versions"] = machine.versions()
    if memory:
        result["memory"] = memory
    for part, measure in (("layer", measure_layer), ("training", measure_training)):
        if part in options.parts:
            with record.Neighbours() as neighbours:
                definition, contestants, under = measure(options)
            result[part] = {
                "definition": definition,
                "foreign_load": neighbours.load,
                "load_average": round(os.getloadavg()[0], 2),
                "warning": neighbours.warning().strip(),
                "contestants": contestants,
                "floor": under,
            }
    if options.out:
        record.save(options.out, result)
    print(_report(result, record.markdown))
    return _status(result)


def measure_layer(
    options: argparse.Namespace,
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Definition, results by contestant and floor of forward + weight gradient."""
    from local_layers import layer as local_layer
    from local_layers import tasks as local_tasks

    task = local_tasks.layer_task(BATCH)
    seats: dict[str, local_layer.LayerSeat] = {}

    def open_seat(entry: Any) -> local_layer.LayerSeat:
        seats[entry.name] = local_layer.LayerSeat(entry, task, options.threads)
        return seats[entry.name]

    found = _play(LAYER, open_seat, options)
    for name, seat in seats.items():
        if found[name]["status"] == "ok":
            found[name]["fastest_call_us"] = round(seat.fastest * 1e6, 3)
    definition = {
        "input": [local_tasks.SIDE, local_tasks.SIDE],
        "maps": local_tasks.MAPS,
        "kernel": local_tasks.KERNEL,
        "units": local_tasks.UNITS,
        "data": "x, delta ~ N(0, 1), W ~ U(-1/6, 1/6)",
    }
    return definition, found, {"kind": "none", "reason": "no library has this product"}


def measure_training(
    options: argparse.Namespace,
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Definition and results by contestant of the whole training step, and its dense layers' floor."""
    from dataclasses import asdict

    from local_layers import tasks as local_tasks
    from measuring import floor, harness
    from tasks import reference

    task = local_tasks.training_task(local_tasks.TRAINING)
    expected: list[Any] = []  # the same for everyone

    class Seat(harness.LocalSeat):
        def check(self) -> float:
            if not expected:
                expected.extend(local_tasks.train(task, self.warm_steps))
            self.contestant.reset()
            self.contestant.train(self.warm_steps)
            return reference.update_error(task.start, self.contestant.parameters(), expected)

    settings = harness.Settings(options.seconds, options.rounds, options.threads)
    dense = floor.ProductFloor(task.workload.sizes[1:], BATCH, settings, learns_below=True)
    found = _play(TRAINING, lambda entry: Seat(entry, task, options.threads), options, dense)
    own = found["fastfa"]
    under = dense.result(own["us_per_step"] if own["status"] == "ok" else None)
    return {**asdict(task.workload), "data": asdict(task.source)}, found, under


def _play(
    table: dict[str, tuple[str, str, str, str]],
    open_seat: Any,
    options: argparse.Namespace,
    floor: Any = None,
) -> dict[str, Any]:
    """`harness.run_workload` on the wanted rows of `table`; fastfa always takes part."""
    from contestants import Entry
    from measuring import harness

    entries = [
        Entry(name, f"local_layers.{module}", cls, (need,), note)
        for name, (module, cls, need, note) in table.items()
        if not options.contestants or name in options.contestants or name == "fastfa"
    ]
    settings = harness.Settings(options.seconds, options.rounds, options.threads)
    found = harness.run_workload(entries, open_seat, settings, floor)
    for result in found.values():
        if result["status"] == "wrong":  # the harness speaks of its own number of steps
            error = result["update_error"]
            result["reason"] = f"error {error}, allowed {harness.TOLERANCE:g}"
    return found


def _status(result: dict[str, Any]) -> int:
    """1 if anything was wrong or failed; what is merely not installed is no fault."""
    found = [result["memory"]] if "memory" in result else []
    for part in ("layer", "training"):
        found += result.get(part, {}).get("contestants", {}).values()
    return int(any(entry["status"] in ("wrong", "failed") for entry in found))


def _report(result: dict[str, Any], markdown: Any) -> str:
    from measuring.floor import line as floor_line

    protocol = result["protocol"]
    lines = [
        f"### The paper's local layer, batch {protocol['batch']}, {protocol['dtype']}, "
        f"{protocol['threads']} threads",
        "",
        f"Median of {protocol['rounds']} rounds; × fastfa: median (lowest–highest) of the ratios "
        "peer / fastfa within each round. Above 1, fastfa is faster.",
    ]
    titles = {
        "layer": "Forward and weight gradient, 28×28, 6 maps of 6×6, 3174 units",
        "training": "Training step, 784-3174-1500-1500-10 tanh, feedback alignment",
    }
    for part, title in titles.items():
        if part not in result:
            continue
        entry = result[part]
        lines += ["", f"**{title}**", ""]
        lines += [f"Load average {entry['load_average']}. {entry['warning']}".rstrip(), ""]
        columns = ("contestant", "ms", FASTEST[part], "× fastfa", "error", "how")
        rows = [_row(name, own) for name, own in entry["contestants"].items()]
        lines.append(markdown(columns, rows))
        if entry["floor"]["kind"] == "products":
            lines += ["", "Dense layers alone:" + floor_line(entry["floor"])]
    if "memory" in result:
        lines += ["", "**Peak memory of that training, fastfa**", "", _memory(result["memory"])]
    return "\n".join(lines)


def _row(name: str, own: dict[str, Any]) -> tuple[str, ...]:
    if own["status"] != "ok":
        label = "not installed" if own["status"] == "missing" else own["status"].upper()
        return name, label, "", "", "", own["reason"]
    spread = "1" if name == "fastfa" else ""
    if "ratio" in own:
        spread = "{:.2f} ({:.2f}–{:.2f})".format(own["ratio"], *own["ratio_range"])
    fastest = own.get("fastest_call_us", min(own["us_per_step"]))
    return (
        name,
        f"{own['median_us_per_step'] / 1e3:.3f}",
        f"{fastest / 1e3:.3f}",
        spread,
        f"{own['update_error']:.0e}",
        own["note"],
    )


def _memory(own: dict[str, Any]) -> str:
    if own["status"] != "ok":
        return f"{own['status'].upper()}: {own['reason']}"
    mib = {name: f"{value / 2**20:.1f}" for name, value in own["needed_bytes"].items()}
    return (
        f"{own['peak_trained'] / 2**20:.1f} MiB at its peak ({own['peak_built'] / 2**20:.1f} when "
        f"built) against weights {mib['weights']} + feedback {mib['feedback']} + activations "
        f"{mib['activations']} = {own['needed_total'] / 2**20:.1f} MiB: × {own['ratio']:.2f}"
    )


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = command.parser("local.py", __doc__)
    add = parser.add_argument
    add("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="(all)")
    add(
        "--contestants", nargs="+", metavar="NAME", choices=[*{**LAYER, **TRAINING}],
        help=f"of {' '.join({**LAYER, **TRAINING})}; default: all. fastfa always takes part",
    )  # fmt: skip
    add("--rounds", type=int, default=11, metavar="N", help="samples of each contestant (11)")
    add("--seconds", type=float, default=0.3, metavar="S", help="about, per sample (0.3)")
    add("--threads", type=int, default=2, metavar="N", help="threads of everyone (2)")
    return command.parse(parser, arguments, ("rounds", "seconds", "threads"))


if __name__ == "__main__":
    raise SystemExit(main())
