"""The paper's locally connected layer on a GPU, beside PyTorch.

Used by bench/gpu.py. 28×28 pixels, 6 maps of 6×6 patches that share no weights (3174 units, tanh), read
out by one unit, so that a step of feedback alignment is nearly all the layer's; float32, batch 100,
plain SGD. PyTorch multiplies position by position (bmm), the patches gathered with the batch innermost.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable

import fastfa as fa
import numpy as np

BATCH, RATE = 100, 0.01
SIDE, MAPS, KERNEL = 28, 6, 6
OUT = SIDE - KERNEL + 1
UNITS = MAPS * OUT * OUT


def data(steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Images (steps · BATCH, 784) and targets (steps · BATCH, 1)."""
    rng = np.random.default_rng(0)
    n = steps * BATCH
    x = rng.standard_normal((n, SIDE * SIDE), dtype=np.float32)
    return x, rng.standard_normal((n, 1), dtype=np.float32)


def fastfa_runner(steps: int, device: str) -> Callable[[], None]:
    """An epoch."""
    layers = [fa.LocallyConnected2D(MAPS, KERNEL, activation="tanh"), fa.Dense(1)]
    net = fa.Network((SIDE, SIDE), layers, "fa", device=device)
    x, y = data(steps)
    order = np.arange(len(x))
    if device == "cuda" and importlib.util.find_spec("torch"):
        import torch

        x, y = (torch.from_numpy(part).cuda() for part in (x, y))
    return lambda: net.train_epoch(x, y, fa.SGD(RATE), batch_size=BATCH, order=order)


def torch_runner(steps: int, graph: bool) -> Callable[[], None]:
    """The same; W is (positions, maps, taps), h and δ are (positions, maps, batch)."""
    import torch

    from on_gpu.torch_epochs import epoch_of

    torch.backends.cuda.matmul.allow_tf32 = False
    n, positions, taps = BATCH, OUT * OUT, KERNEL * KERNEL
    images, y = (torch.from_numpy(part).cuda() for part in data(steps))
    x = images.view(steps, n, SIDE, SIDE).permute(0, 2, 3, 1).contiguous()  # batch innermost
    y = y.view(steps, 1, n)
    now_x, now_y = x[0].clone(), y[0].clone()
    windows = now_x.as_strided(
        (OUT, OUT, KERNEL, KERNEL, n), (SIDE * n, n, SIDE * n, n, 1)
    )  # (row, column) of the position, then of the patch
    patches = torch.empty(windows.shape, device="cuda")
    flat = patches.view(positions, taps, n)
    w = (torch.rand(positions, MAPS, taps, device="cuda") * 2 - 1) / KERNEL
    bias = torch.zeros(positions, MAPS, 1, device="cuda")
    out = (torch.rand(1, UNITS, device="cuda") * 2 - 1) / np.sqrt(UNITS)
    out_bias = torch.zeros(1, 1, device="cuda")
    b = torch.rand(UNITS, 1, device="cuda") * 2 - 1
    rate = RATE / n

    def step() -> None:
        patches.copy_(windows)
        h = torch.baddbmm(bias, w, flat).tanh_()
        rows = h.view(UNITS, n)
        delta = now_y - torch.addmm(out_bias, out, rows)
        below = ((b @ delta) * (1 - rows * rows)).view(positions, MAPS, n)
        out.addmm_(delta, rows.T, alpha=rate)
        out_bias.add_(delta.sum(1, keepdim=True), alpha=rate)
        w.baddbmm_(below, flat.transpose(1, 2), alpha=rate)
        bias.add_(below.sum(2, keepdim=True), alpha=rate)

    return epoch_of(step, x, y, now_x, now_y, graph)


def contestants(steps: int, device: str) -> dict[str, Callable[[], Callable[[], None]]]:
    """Those that are there, to be made."""
    made: dict[str, Callable[[], Callable[[], None]]] = {
        "fastfa": lambda: fastfa_runner(steps, device)
    }
    if not device.startswith("cuda-emulated") and importlib.util.find_spec("torch"):
        made["PyTorch bmm, eager"] = lambda: torch_runner(steps, graph=False)
        made["PyTorch bmm, CUDA graph"] = lambda: torch_runner(steps, graph=True)
    return made
