"""Feedback alignment on a GPU, beside PyTorch (eager, CUDA graph) and JAX (lax.scan).

python bench/gpu.py --out FOLDER [--device cuda]

The same networks, batch and rule in each: 784-1000-10 and 784-1500×3-10 with batch 100,
4096-4096-4096 with batch 1024; tanh, float32, plain SGD; the data are on the device beforehand. (Where
PyTorch isn't there to put them, fastfa's time includes copying X and Y once for each epoch.) fastfa
forms its products itself, has cuBLAS form them, or takes the faster of both for each; "products alone"
is what PyTorch, which calls cuBLAS, takes for the products of a step. And 1,000 tiny networks that learn
online: gpu_ensemble.py. Each is timed for a second after a warm-up, in three rounds in turn; the median
counts. On the emulated device only fastfa runs, briefly: to show that this works.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import platform
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import fastfa as fa
import gpu_ensemble
import numpy as np

RATE, ROUNDS = 0.01, 3


@dataclass(frozen=True)
class Task:
    """A network's widths, the examples of a batch, and the batches of an epoch."""

    widths: tuple[int, ...]
    batch: int
    steps: int


TASKS = {
    "784-1000-10": Task((784, 1000, 10), 100, 600),
    "784-1500x3-10": Task((784, 1500, 1500, 1500, 10), 100, 600),
    "4096-4096-4096": Task((4096, 4096, 4096), 1024, 20),
}


def data(task: Task) -> tuple[np.ndarray, np.ndarray]:
    rng, widths = np.random.default_rng(0), task.widths
    x = rng.standard_normal((task.steps * task.batch, widths[0]), dtype=np.float32)
    return x, np.eye(widths[-1], dtype=np.float32)[rng.integers(0, widths[-1], len(x))]


def matrices(widths: tuple[int, ...]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """W (n_out, n_in) of each layer, and B (n_l, n_above) of each hidden one."""
    rng = np.random.default_rng(1)
    pairs = list(zip(widths[1:], widths[:-1], strict=True))
    w = [rng.uniform(-1, 1, pair).astype(np.float32) / np.sqrt(pair[1]) for pair in pairs]
    return w, [rng.uniform(-1, 1, m.T.shape).astype(np.float32) / np.sqrt(len(m)) for m in w[1:]]


def fastfa_runner(task: Task, device: str, library: str) -> Callable[[], None]:
    widths = task.widths
    layers = [*(fa.Dense(n, "tanh") for n in widths[1:-1]), fa.Dense(widths[-1])]
    net = fa.Network(widths[0], layers, "fa", device=device, matmul_library=library)
    x, y = data(task)
    order = np.arange(len(x))
    if device == "cuda" and importlib.util.find_spec("torch"):
        import torch

        x, y = (torch.from_numpy(part).cuda() for part in (x, y))
    return lambda: net.train_epoch(x, y, fa.SGD(RATE), batch_size=task.batch, order=order)


def torch_runner(task: Task, graph: bool) -> Callable[[], None]:
    import torch

    batch, rate = task.batch, RATE / task.batch
    torch.backends.cuda.matmul.allow_tf32 = False
    w, b = ([torch.from_numpy(m).cuda() for m in part] for part in matrices(task.widths))
    bias = [torch.zeros(len(m), device="cuda") for m in w]
    x, y = (torch.from_numpy(part).cuda() for part in data(task))
    now_x, now_y = x[:batch].clone(), y[:batch].clone()

    def step() -> None:
        h = [now_x]
        for i, m in enumerate(w):
            a = torch.addmm(bias[i], h[-1], m.T)
            h.append(torch.tanh(a) if i + 1 < len(w) else a)
        delta = now_y - h[-1]
        for i in reversed(range(len(w))):
            below = (delta @ b[i - 1].T) * (1 - h[i] * h[i]) if i else None
            w[i].addmm_(delta.T, h[i], alpha=rate)
            bias[i].add_(delta.sum(0), alpha=rate)
            delta = below

    replay: Callable[[], None] = step
    if graph:
        side = torch.cuda.Stream()
        with torch.cuda.stream(side):
            for _ in range(3):
                step()
        torch.cuda.synchronize()
        captured = torch.cuda.CUDAGraph()
        with torch.cuda.graph(captured):
            step()
        replay = captured.replay

    def epoch() -> None:
        for at in range(0, len(x), batch):
            now_x.copy_(x[at : at + batch])
            now_y.copy_(y[at : at + batch])
            replay()
        torch.cuda.synchronize()

    return epoch


def products_runner(task: Task) -> Callable[[], None]:
    """The products of a step alone: forward, feedback, gradient."""
    import torch

    torch.backends.cuda.matmul.allow_tf32 = False
    w, b = ([torch.from_numpy(m).cuda() for m in part] for part in matrices(task.widths))
    h = [torch.randn(task.batch, n, device="cuda") for n in task.widths]
    gradients = [torch.empty_like(m) for m in w]
    below = [torch.empty_like(part) for part in h]

    def epoch() -> None:
        for _ in range(task.steps):
            for i, m in enumerate(w):
                torch.mm(h[i], m.T, out=below[i + 1])
            for i in reversed(range(len(w))):
                torch.mm(h[i + 1].T, h[i], out=gradients[i])
                if i:
                    torch.mm(h[i + 1], b[i - 1].T, out=below[i])
        torch.cuda.synchronize()

    return epoch


def jax_runner(task: Task) -> Callable[[], None]:
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_default_matmul_precision", "float32")
    w, b = ([jnp.asarray(m) for m in part] for part in matrices(task.widths))
    x, y = (jnp.asarray(part).reshape(task.steps, task.batch, -1) for part in data(task))
    rate = RATE / task.batch

    def step(state, batch):
        w, bias = state
        h = [batch[0]]
        for i, m in enumerate(w):
            a = h[-1] @ m.T + bias[i]
            h.append(jnp.tanh(a) if i + 1 < len(w) else a)
        delta = batch[1] - h[-1]
        new_w, new_bias = list(w), list(bias)
        for i in reversed(range(len(w))):
            new_w[i] = w[i] + rate * delta.T @ h[i]
            new_bias[i] = bias[i] + rate * delta.sum(0)
            if i:
                delta = (delta @ b[i - 1].T) * (1 - h[i] * h[i])
        return (new_w, new_bias), None

    epoch = jax.jit(lambda state: jax.lax.scan(step, state, (x, y))[0])
    state = [(w, [jnp.zeros(len(m), jnp.float32) for m in w])]

    def run() -> None:
        state[0] = epoch(state[0])
        jax.block_until_ready(state[0])

    return run


def seconds_per_step(run: Callable[[], None], steps: int, at_least: float) -> float:
    done, begin = 0, time.perf_counter()
    while done == 0 or time.perf_counter() - begin < at_least:
        run()
        done += steps
    return (time.perf_counter() - begin) / done


def contestants(task: Task, device: str) -> dict[str, Callable[[], Callable[[], None]]]:
    """Those that are there, to be made."""
    made: dict[str, Callable[[], Callable[[], None]]] = {
        "fastfa": lambda: fastfa_runner(task, device, "fastfa"),
        "fastfa, cuBLAS": lambda: fastfa_runner(task, device, "cublas"),
        "fastfa, fastest": lambda: fastfa_runner(task, device, "fastest"),
    }
    if device.startswith("cuda-emulated"):
        return made
    if importlib.util.find_spec("torch"):
        made["PyTorch eager"] = lambda: torch_runner(task, graph=False)
        made["PyTorch CUDA graph"] = lambda: torch_runner(task, graph=True)
        made["products alone"] = lambda: products_runner(task)
    if importlib.util.find_spec("jax"):
        made["JAX lax.scan"] = lambda: jax_runner(task)
    return made


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
    brief = arguments.device.startswith("cuda-emulated")
    at_least = 0.0 if brief else 1.0
    report: dict = {"device": arguments.device, "cuda": fa.build_info()["cuda"],
                    "python": platform.python_version(), "ms_per_step": {}}  # fmt: skip
    if not brief:
        query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
        report["gpu"] = subprocess.run(query, capture_output=True, text=True).stdout.strip()
    lines = [
        "| network | " + "contestant | ms per step | samples per second |",
        "|---|---|---|---|",
    ]
    tasks = {"784-30-10": Task((784, 30, 10), 100, 1)} if brief else TASKS
    rounds = 1 if brief else ROUNDS
    for name_of_task, task in tasks.items():
        runs = ready(contestants(task, arguments.device))
        medians = median_times(runs, task.steps, at_least, rounds)
        report["ms_per_step"][name_of_task] = {name: 1e3 * t for name, t in medians.items()}
        for name, value in medians.items():
            lines.append(
                f"| {name_of_task}, batch {task.batch} | {name} | {1e3 * value:.4f} "
                f"| {task.batch / value:,.0f} |"
            )
    count = 3 if brief else 1000
    steps = 10 if brief else 6000
    runs = ready(gpu_ensemble.contestants(count, steps, arguments.device))
    medians = median_times(runs, steps, at_least, rounds)
    network = f"{count:,} of 30-20-10, online"
    report["ms_per_step"][network] = {name: 1e3 * value for name, value in medians.items()}
    for name, value in medians.items():
        lines.append(f"| {network} | {name} | {1e3 * value:.4f} | {count / value:,.0f} |")
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "gpu.json").write_text(json.dumps(report, indent=1) + "\n")
    (arguments.out / "gpu.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
