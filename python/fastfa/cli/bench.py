"""``fastfa bench``: how fast fastfa itself trains here, on drawn data."""

from __future__ import annotations

import argparse
import json
import statistics
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from .folder import place

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..layers import ActivationName
    from ..network.parameters import LossName

SCHEMA = "fastfa-own-speed/1"
PEERS = "Against PyTorch, JAX and others: `make bench` in fastfa's source tree."
ENSEMBLE = "fa.Ensemble"

_DESCRIPTION = f"""\
Measure how long fastfa takes for a training step of some networks of the literature: float32, plain SGD,
dense inputs drawn at random, median over rounds. {PEERS}"""


@dataclass(frozen=True)
class Workload:
    """What is trained: the sizes of the dense layers, or of those above the paper's local layer."""

    sizes: tuple[int, ...]
    activation: ActivationName
    batch: int
    rule: str = "fa"
    loss: LossName = "squared_error"
    local: bool = False  # 28×28 inputs, 6 maps of 6×6 patches first
    replicas: int = 1

    def __str__(self) -> str:
        many = f"{self.replicas} × " if self.replicas > 1 else ""
        how = "online" if self.batch == 1 else f"batch {self.batch}"
        kind = "local " if self.local else ""
        return f"{many}{_short(self.sizes)} {kind}{self.activation}, {self.rule}, {how}"


_TEN = (784, *(1000,) * 10, 10)
WORKLOADS = {
    "online": Workload((784, 1000, 10), "logistic", 1, loss="cross_entropy"),
    "batch100": Workload((784, 1000, 10), "logistic", 100, loss="cross_entropy"),
    "deep": Workload((784, 1500, 1500, 1500, 10), "tanh", 100),
    "ten": Workload(_TEN, "tanh", 100),
    "ten-dfa": Workload(_TEN, "tanh", 100, rule="dfa"),
    "ten-bp": Workload(_TEN, "tanh", 100, rule="bp"),
    "local": Workload((784, 3174, 1500, 1500, 10), "tanh", 100, local=True),
    "linear": Workload((30, 20, 10), "linear", 1),
    "tanh": Workload((30, 20, 10, 10), "tanh", 1),
    "replicas": Workload((30, 20, 10), "linear", 1, replicas=20),
}


def register(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add the command to the parser of `fastfa.cli`."""
    parser = subparsers.add_parser(
        "bench", help="measure how fast fastfa trains on this machine", description=_DESCRIPTION
    )
    add = parser.add_argument
    add(
        "--workloads", nargs="+", choices=tuple(WORKLOADS), default=list(WORKLOADS), metavar="NAME",
        help=f"of {', '.join(WORKLOADS)}; default: all",
    )  # fmt: skip
    add("--rounds", type=int, default=5, metavar="N", help="samples of each; default 5")
    add("--seconds", type=float, default=0.3, metavar="S", help="about, per sample; default 0.3")
    add("--threads", type=int, metavar="N", help="of the compiled core; default: its own choice")
    add("--json", action="store_true", help="print JSON instead of the table")
    add("--out", metavar="FILE", help="write the JSON to a file too")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Measure the workloads and print them."""
    from .. import build_info, set_num_threads
    from ..atomic import atomic_write

    out = _checked(arguments)
    if arguments.threads is not None:
        set_num_threads(arguments.threads)
    facts = build_info()
    result: dict[str, Any] = {
        "schema": SCHEMA,
        "build": facts,
        "protocol": {"rounds": arguments.rounds, "seconds_per_sample": arguments.seconds},
        "workloads": {},
    }
    if not arguments.json:
        threads = f"{facts['threads']} thread{'s' * (facts['threads'] != 1)}"
        print(f"fastfa {facts['version']}, {facts['isa']}, {threads}, float32\n")
        print(f"{'':<10}{'µs/step':>12}{'range':>22}{'samples/s':>13}   network", flush=True)
    for name in arguments.workloads:
        found = measure(WORKLOADS[name], arguments.rounds, arguments.seconds)
        result["workloads"][name] = found
        if not arguments.json:
            print(_line(name, found), flush=True)
    text = json.dumps(result, indent=2)
    print(text if arguments.json else f"\n{PEERS}")
    if out is not None:
        with atomic_write(out) as file:
            file.write(f"{text}\n".encode())
    return 0


def measure(workload: Workload, rounds: int, seconds: float) -> dict[str, Any]:
    """Median time of a step.

    Parameters
    ----------
    workload
        What to train.
    rounds
        Samples to take the median of.
    seconds
        About how long a sample lasts; at least one step.
    """
    found: dict[str, Any] = {"network": str(workload), "batch": workload.batch}
    train = _trainer(workload)
    if train is None:
        return found | {"status": "missing", "reason": f"this fastfa has no {ENSEMBLE}"}
    train(1)
    steps = max(1, round(2 * seconds / max(_timed(train, 2), 1e-9)))
    taken = [_timed(train, steps) / steps * 1e6 for _ in range(rounds)]
    median = statistics.median(taken)
    return found | {
        "status": "ok",
        "us_per_step": [round(t, 4) for t in taken],
        "median_us_per_step": round(median, 4),
        "samples_per_s": round(workload.batch / median * 1e6, 1),
    }


def _trainer(workload: Workload) -> Callable[[int], None] | None:
    """A function that trains for a number of steps; None if this build can't."""
    import numpy as np

    import fastfa as fa

    sizes, batch = workload.sizes, workload.batch
    kept = max(1, 5000 // batch)  # steps in a call
    rng = np.random.default_rng(0)
    x = rng.standard_normal((kept * batch, sizes[0]), np.float32)
    if workload.replicas > 1 and not hasattr(fa, "Ensemble"):
        return None
    y = rng.uniform(0.1, 0.9, (kept * batch, sizes[-1])).astype(np.float32)
    layers: list[Any] = [fa.Dense(n, workload.activation) for n in sizes[1:]]
    if workload.local:
        layers[0] = fa.LocallyConnected2D(6, 6, activation=workload.activation)
    nets = [
        fa.Network((28, 28) if workload.local else sizes[0], layers, workload.rule,
                   loss=workload.loss, seed=seed)
        for seed in range(workload.replicas)
    ]  # fmt: skip
    learner: Any = nets[0] if workload.replicas == 1 else fa.Ensemble(nets)
    optimizer = fa.SGD(1e-3)

    def train(steps: int) -> None:
        while steps > 0:
            n = min(steps, kept) * batch
            learner.train_epoch(x[:n], y[:n], optimizer, batch_size=batch)
            steps -= kept

    return train


def _timed(train: Callable[[int], None], steps: int) -> float:
    begun = perf_counter()
    train(steps)
    return perf_counter() - begun


def _checked(arguments: argparse.Namespace) -> Path | None:
    """Refuse what can't be measured or written, before anything is measured."""
    for name in ("rounds", "seconds"):
        value = getattr(arguments, name)
        if not 0 < value < float("inf"):
            raise ValueError(f"[bench] {name} was {value}; it must be positive")
    if arguments.out is None:
        return None
    out = place("bench", "out", arguments.out)
    if out.is_dir():
        raise ValueError(f"[bench] out was {arguments.out!r}; it must be a file")
    if not out.absolute().parent.is_dir():
        raise ValueError(f"[bench] out was {arguments.out!r}; its folder must exist")
    return out


def _line(name: str, found: dict[str, Any]) -> str:
    if found["status"] != "ok":
        return f"{name:<10}{'not available: ' + found['reason']:<47}   {found['network']}"
    taken = found["us_per_step"]
    spread = f"{min(taken):,.2f}–{max(taken):,.2f}"
    return (
        f"{name:<10}{found['median_us_per_step']:>12,.2f}{spread:>22}"
        f"{found['samples_per_s']:>13,.0f}   {found['network']}"
    )


def _short(sizes: tuple[int, ...]) -> str:
    """784-1000×10-10."""
    runs = [(size, len(list(same))) for size, same in groupby(sizes)]
    return "-".join(f"{size}×{count}" if count > 1 else str(size) for size, count in runs)
