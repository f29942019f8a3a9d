"""Is a new build of fastfa slower than an old one? Every workload, both builds in turn.

    python bench/builds.py OLD/bin/python NEW/bin/python
    python bench/builds.py OLD/bin/python NEW/bin/python --workloads mnist-online --rounds 21

Each build is installed in an environment of its own, and each workload runs in a process of each. Both
processes do the same work from the same weights, one after the other, and who begins changes with the
round. What counts is the ratio new / old within a round: its median and its quartiles.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

LOCAL = "local-batch100"  # bench/local.py's network with a locally connected first layer


class Process:
    """One build at one workload."""

    def __init__(self, python: str, workload: str, threads: int) -> None:
        command = [python, __file__, "--serve", workload, "--threads", str(threads)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, *call: Any) -> Any:
        print(json.dumps(call), file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


def serve(workload: str, threads: int) -> None:
    """Answers calls of a LocalSeat's methods, a line each."""
    import contestants
    from local_layers import tasks as local_tasks
    from measuring import harness
    from tasks.workloads import WORKLOADS, make_task

    if workload == LOCAL:
        entry = contestants.Entry("fastfa", "local_layers.fastfa", "LocalNetwork", (), "")
        task = local_tasks.training_task(local_tasks.TRAINING)
    else:
        (entry,) = contestants.entries_for(WORKLOADS[workload], [contestants.SUBJECT])
        task = make_task(WORKLOADS[workload])
    seat = harness.LocalSeat(entry, task, threads)
    for line in sys.stdin:
        method, *arguments = json.loads(line)
        print(json.dumps(getattr(seat, method)(*arguments)), flush=True)


def compare(pythons: tuple[str, str], workload: str, given: argparse.Namespace) -> dict[str, Any]:
    old, new = (Process(python, workload, given.threads) for python in pythons)
    passes = old.ask("calibrate", given.seconds)
    new.ask("calibrate", given.seconds)
    times: dict[str, list[float]] = {"old": [], "new": []}
    for turn in range(given.rounds):
        order = (("old", old), ("new", new))
        for name, process in order if turn % 2 == 0 else reversed(order):
            times[name].append(process.ask("sample", passes))
    old.close()
    new.close()
    ratios = [n / o for o, n in zip(times["old"], times["new"], strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    return {
        "workload": workload,
        "old_us": statistics.median(times["old"]) * 1e6,
        "new_us": statistics.median(times["new"]) * 1e6,
        "ratio": middle,
        "quartiles": [low, high],
    }


def main() -> int:
    from tasks.workloads import WORKLOADS

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "pythons", nargs="*", metavar="PYTHON", help="of the old build, of the new one"
    )
    parser.add_argument("--workloads", nargs="+", default=[*WORKLOADS, LOCAL])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--seconds", type=float, default=0.3, help="of a sample")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve(given.serve, given.threads)
        return 0
    if len(given.pythons) != 2 or given.rounds < 2:
        parser.error("give two interpreters, and at least two rounds")
    results = []
    print("| workload | old | new | new / old | quartiles |\n|---|---:|---:|---:|---:|")
    for workload in given.workloads:
        r = compare(tuple(given.pythons), workload, given)
        results.append(r)
        low, high = r["quartiles"]
        print(
            f"| {workload} | {r['old_us']:.4g} µs | {r['new_us']:.4g} µs | {r['ratio']:.3f} | "
            f"{low:.3f} – {high:.3f} |",
            flush=True,
        )
    if given.out:
        given.out.write_text(json.dumps(results, indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
