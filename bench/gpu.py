"""Feedback alignment on a GPU, beside PyTorch (eager, CUDA graph, compiled) and JAX (lax.scan).

python bench/gpu.py --out FOLDER [--device cuda]

The same networks, batch and rule in each: 784-1000-10 and 784-1500×3-10 with batch 100,
4096-4096-4096 with batch 1024; tanh, float32, plain SGD; the data are on the device beforehand. (Where
PyTorch isn't there to put them, fastfa's time includes copying X and Y once for each epoch.) fastfa
forms its products itself, has cuBLAS form them, or takes the faster of both for each; "products alone"
is what PyTorch, which calls cuBLAS, takes for the products of a step. And the paper's locally connected
layer (on_gpu/local.py), and 1,000 tiny networks that learn online (on_gpu/ensemble.py). Each is timed
for a second after a warm-up, in three rounds in turn; the median counts. On the emulated device only
fastfa runs, briefly: to show that this works.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import fastfa as fa

from on_gpu import dense, ensemble, local

ROUNDS = 3


def seconds_per_step(run: Callable[[], None], steps: int, at_least: float) -> float:
    done, begin = 0, time.perf_counter()
    while done == 0 or time.perf_counter() - begin < at_least:
        run()
        done += steps
    return (time.perf_counter() - begin) / done


def ready(made: dict[str, Callable[[], Callable[[], None]]]) -> dict[str, Callable[[], None]]:
    """Those that can run, having run an epoch."""
    found = {}
    for name, make in made.items():
        try:
            run = make()
            run()
            found[name] = run
        except Exception as error:  # a peer that can't run is reported, not fatal
            if name == "fastfa":
                raise
            print(f"{name} can't run: {error}")
    return found


def median_times(
    runs: dict[str, Callable[[], None]], steps: int, at_least: float, rounds: int
) -> dict[str, float]:
    """Seconds per step of each, in turn."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            times[name].append(seconds_per_step(run, steps, at_least))
    return {name: statistics.median(values) for name, values in times.items()}


def main() -> None:
    """Measure, and leave gpu.json and gpu.md."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--device", default="cuda")
    arguments = parser.parse_args()
    device = arguments.device
    brief = device.startswith("cuda-emulated")
    at_least, rounds = (0.0, 1) if brief else (1.0, ROUNDS)
    report: dict = {"device": device, "cuda": fa.build_info()["cuda"],
                    "python": platform.python_version(), "ms_per_step": {}}  # fmt: skip
    if not brief:
        query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
        report["gpu"] = subprocess.run(query, capture_output=True, text=True).stdout.strip()

    # name, contestants, steps of an epoch, examples of a step
    races = []
    for name, task in (dense.BRIEF if brief else dense.TASKS).items():
        title = f"{name}, batch {task.batch}"
        races.append((title, dense.contestants(task, device), task.steps, task.batch))
    steps = 1 if brief else 600
    title = f"paper's local layer, batch {local.BATCH}"
    races.append((title, local.contestants(steps, device), steps, local.BATCH))
    count, steps = (3, 10) if brief else (1000, 6000)
    title = f"{count:,} of 30-20-10, online"
    races.append((title, ensemble.contestants(count, steps, device), steps, count))

    lines = ["| network | contestant | ms per step | samples per second |", "|---|---|---|---|"]
    for title, made, steps, examples in races:
        medians = median_times(ready(made), steps, at_least, rounds)
        report["ms_per_step"][title] = {name: 1e3 * value for name, value in medians.items()}
        lines += [
            f"| {title} | {name} | {1e3 * value:.4f} | {examples / value:,.0f} |"
            for name, value in medians.items()
        ]
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "gpu.json").write_text(json.dumps(report, indent=1) + "\n")
    (arguments.out / "gpu.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
