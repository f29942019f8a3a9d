"""Dense networks on a GPU: fastfa, PyTorch by hand, JAX. Used by bench/gpu.py."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass

import fastfa as fa
import numpy as np

RATE = 0.01


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


BRIEF = {"784-30-10": Task((784, 30, 10), 100, 1)}


def data(task: Task) -> tuple[np.ndarray, np.ndarray]:
    rng, widths = np.random.default_rng(0), task.widths
    x = rng.standard_normal((task.steps * task.batch, widths[0]), dtype=np.float32)
    return x, np.eye(widths[-1], dtype=np.float32)[rng.integers(0, widths[-1], len(x))]


def uniform(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """U(-1, 1) / √columns, as float32."""
    return (rng.uniform(-1, 1, shape) / np.sqrt(shape[1])).astype(np.float32)


def matrices(widths: tuple[int, ...]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """W (n_out, n_in) of each layer, and B (n_l, n_above) of each hidden one."""
    rng = np.random.default_rng(1)
    pairs = list(zip(widths[1:], widths[:-1], strict=True))
    w = [uniform(rng, pair) for pair in pairs]
    return w, [uniform(rng, m.T.shape) for m in w[1:]]


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


def torch_runner(task: Task, graph: bool, compiled: bool = False) -> Callable[[], None]:
    import torch

    from on_gpu.torch_epochs import epoch_of

    batch, rate = task.batch, RATE / task.batch
    torch.backends.cuda.matmul.allow_tf32 = False
    w, b = ([torch.from_numpy(m).cuda() for m in part] for part in matrices(task.widths))
    bias = [torch.zeros(len(m), device="cuda") for m in w]
    x, y = (
        torch.from_numpy(part).cuda().view(task.steps, batch, part.shape[1]) for part in data(task)
    )
    now_x, now_y = x[0].clone(), y[0].clone()

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

    return epoch_of(torch.compile(step) if compiled else step, x, y, now_x, now_y, graph)


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
        made["PyTorch compiled, CUDA graph"] = lambda: torch_runner(task, graph=True, compiled=True)
        made["products alone"] = lambda: products_runner(task)
    if importlib.util.find_spec("jax"):
        made["JAX lax.scan"] = lambda: jax_runner(task)
    return made
