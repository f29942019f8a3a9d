#!/usr/bin/env python3
"""What a step of a converted PyTorch model costs beside autograd's own: ResNet-20, batch 64, CPU.

    python bench/torch_cost.py --out torch_cost.json

All rules take turns within a round, so that each meets the same moments of the machine. A rule's time is
its median ratio to the unconverted model's of the same round, in processor time of the one thread.
Memory is measured by a process of its own for each rule. bench/README.md says how.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from measuring import command

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "examples"))

SCHEMA = "fastfa-bench-torch-cost/1"
LAYERWISE = ("bp", "fa", "usf", "frsf", "brsf", "kp")
FROM_OUTPUT = ("dfa", "dfa shared", "drtp")
NAMES = ("autograd", *LAYERWISE, *FROM_OUTPUT)


class Steps:
    """A model, an optimizer and a batch."""

    def __init__(self, name: str, batch: int) -> None:
        import fastfa as fa
        import torch
        from torch_resnet20 import ResNet20

        torch.manual_seed(0)
        self.x, self.y = torch.randn(batch, 3, 32, 32), torch.randint(10, (batch,))
        self.model, self.target = ResNet20(), name == "drtp"
        rule, _, shared = name.partition(" ")
        if name != "autograd":
            example = self.x[:1] if name in FROM_OUTPUT else None
            fa.interop.torch.convert(self.model, rule, example=example, shared=bool(shared))
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=1e-3, momentum=0.9)

    def step(self) -> None:
        import fastfa as fa
        from torch.nn import functional as F

        self.optimizer.zero_grad()
        loss = F.cross_entropy(self.model(self.x), self.y)
        if self.target:
            with fa.interop.torch.targets(self.model, self.y):
                loss.backward()
        else:
            loss.backward()
        self.optimizer.step()

    def feedback_bytes(self) -> int:
        state = self.model.state_dict(keep_vars=True)
        return sum(v.nbytes for n, v in state.items() if "feedback" in n)


def measure(names: Sequence[str], batch: int, rounds: int) -> dict[str, Any]:
    contestants = {name: Steps(name, batch) for name in names}
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    for each in contestants.values():
        each.step()
    for _ in range(rounds):
        for name, each in contestants.items():
            wall, processor = time.perf_counter(), time.process_time()
            each.step()
            times[name].append((time.perf_counter() - wall, time.process_time() - processor))
    base = [processor for _, processor in times["autograd"]]
    found = {}
    for name, pairs in times.items():
        ratios = [own / other for (_, own), other in zip(pairs, base, strict=True)]
        quartiles = statistics.quantiles(ratios, n=4)
        found[name] = {
            "ratio": statistics.median(ratios),
            "ratio_quartiles": [quartiles[0], quartiles[2]],
            "processor_ms": 1e3 * statistics.median(own for _, own in pairs),
            "wall_ms": 1e3 * statistics.median(wall for wall, _ in pairs),
            "feedback_mib": contestants[name].feedback_bytes() / 2**20,
        }
    return found


def peak(name: str, options: argparse.Namespace) -> float:
    """MiB that a process of its own had in memory at most."""
    words = [sys.executable, __file__, "--peak-of", name, "--batch", str(options.batch)]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    return float(done.stdout.split()[-1])


def high_water() -> float:
    """MiB that this process has had in memory at most; getrusage would tell its parent's, too."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise OSError("/proc/self/status has no VmHWM")


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parse(arguments)
    processors = command.limit_threads(1)
    import torch

    from measuring import record

    torch.set_num_threads(1)
    if options.peak_of:
        one = Steps(options.peak_of, options.batch)
        for _ in range(2):
            one.step()
        print(high_water())
        return 0
    protocol = {
        "model": "ResNet-20, (3, 32, 32), batch normalisation; SGD with momentum",
        "batch": options.batch,
        "rounds": options.rounds,
        "threads": 1,
        "processors_used": processors,
        "ratio": "median over the rounds of a step's processor time to that of the unconverted model",
    }
    result = record.head(SCHEMA, protocol)
    result["versions"]["torch"] = torch.__version__
    with record.Neighbours() as neighbours:
        result["rules"] = measure(options.rules, options.batch, options.rounds)
    result["foreign_load"] = neighbours.load
    for name, entry in result["rules"].items():
        entry["peak_mib"] = peak(name, options)
    if options.out:
        record.save(options.out, result)
    columns = ("rule", "÷ autograd", "quartiles", "ms (processor)", "B, MiB", "peak, MiB")
    rows = [
        (
            name,
            f"{entry['ratio']:.3f}",
            "–".join(f"{q:.3f}" for q in entry["ratio_quartiles"]),
            f"{entry['processor_ms']:.0f}",
            f"{entry['feedback_mib']:.2f}",
            f"{entry['peak_mib']:.0f}",
        )
        for name, entry in result["rules"].items()
    ]
    print(record.markdown(columns, rows) + neighbours.warning())
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = command.parser("torch_cost.py", __doc__)
    parser.add_argument("--rules", nargs="+", default=list(NAMES), choices=NAMES)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--peak-of", help=argparse.SUPPRESS)
    options = command.parse(parser, arguments, ("batch", "rounds"))
    if "autograd" not in options.rules:
        options.rules = ["autograd", *options.rules]
    return options


if __name__ == "__main__":
    raise SystemExit(main())
