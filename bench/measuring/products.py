"""A step's matrix products alone, by each library that is here: what `floor.py` adds up.

A library is a function (kind, n_in, n_out, batch) → pieces. A piece is a list of alternatives (layouts,
kernels), each a function of a number of repeats that returns seconds per product. A layer has the pieces
forward, x (N, n_in) · Wᵀ, and update, δᵀ (n_out, N) · x; feedback is δ (N, n_in) · Bᵀ. fastfa's own
core times a layer's two products as one piece (bias and the addition to W included).
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable

import numpy as np

Timer = Callable[[int], float]
Library = Callable[[str, int, int, int], list[list[Timer]]]


def available(threads: int) -> dict[str, Library]:
    """The libraries that are installed here, by name."""
    found: dict[str, Library] = {}
    if importlib.util.find_spec("torch") is not None:
        import torch

        torch.set_num_threads(threads)
        found["PyTorch's MKL"] = _mkl
        if torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise"):
            found["PyTorch's oneDNN"] = _onednn
    found["NumPy's BLAS"] = _numpy
    if importlib.util.find_spec("fastfa") is not None:
        import fastfa

        fastfa.set_num_threads(threads)
        found["fastfa"] = _fastfa
    return found


def fastest(variants: list[Timer], seconds: float) -> Callable[[], float]:
    """The quickest of the alternatives, with a number of repeats that takes about `seconds`."""
    for timer in variants:
        timer(1)
    best = min(variants, key=lambda t: min(t(1) for _ in range(3))) if variants[1:] else variants[0]
    return calibrated(best, seconds)


def calibrated(timer: Timer, seconds: float) -> Callable[[], float]:
    timer(1)
    repeats = max(1, round(seconds / max(timer(2), 1e-9)))
    return lambda: timer(repeats)


def repeat(call: Callable[[], object]) -> Timer:
    """Seconds per call."""

    def timer(repeats: int) -> float:
        begin = time.perf_counter()
        for _ in range(repeats):
            call()
        return (time.perf_counter() - begin) / repeats

    return timer


def _operands(n_in: int, n_out: int, batch: int) -> tuple[np.ndarray, ...]:
    """x (N, n_in), W (n_out, n_in), δ (N, n_out), none of whose elements is zero."""
    rng = np.random.default_rng(0)
    shapes = (batch, n_in), (n_out, n_in), (batch, n_out)
    return tuple(rng.uniform(0.5, 1.0, shape).astype(np.float32) for shape in shapes)


def _both_layouts(kind: str, x, w, delta, transpose, product) -> list[list[Timer]]:
    """Either layout of W, whichever the library likes better."""
    w_t, x_t, delta_t = transpose(w), transpose(x), transpose(delta)
    w_stored = product(x_t, delta)  # (n_in, n_out), contiguous
    out, change, change_t = product(x, w_t), product(delta_t, x), product(x_t, delta)
    forward = [
        repeat(lambda: product(x, w_t, out=out)),
        repeat(lambda: product(x, w_stored, out=out)),
    ]
    if kind == "feedback":
        return [forward]
    update = [
        repeat(lambda: product(delta_t, x, out=change)),
        repeat(lambda: product(x_t, delta, out=change_t)),
    ]
    return [forward, update]


def _numpy(kind: str, n_in: int, n_out: int, batch: int) -> list[list[Timer]]:
    return _both_layouts(kind, *_operands(n_in, n_out, batch), np.transpose, np.dot)


def _mkl(kind: str, n_in: int, n_out: int, batch: int) -> list[list[Timer]]:
    import torch

    x, w, delta = map(torch.from_numpy, _operands(n_in, n_out, batch))
    return _both_layouts(kind, x, w, delta, torch.t, torch.mm)


def _onednn(kind: str, n_in: int, n_out: int, batch: int) -> list[list[Timer]]:
    """oneDNN's linear, x · Wᵀ, with W as it is and in the order that oneDNN chooses for itself."""
    import torch

    linear = torch.ops.mkldnn._linear_pointwise
    x, w, delta = map(torch.from_numpy, _operands(n_in, n_out, batch))
    forward = [repeat(lambda: linear(x, w, None, "none", [], ""))]
    if hasattr(torch.ops.mkldnn, "_reorder_linear_weight"):
        own_order = torch.ops.mkldnn._reorder_linear_weight(w, batch)
        forward.append(repeat(lambda: linear(x, own_order, None, "none", [], "")))
    if kind == "feedback":
        return [forward]
    x_t, delta_t = x.t().contiguous(), delta.t().contiguous()
    update = [
        repeat(lambda: linear(delta_t, x_t, None, "none", [], "")),
        repeat(lambda: linear(x_t, delta_t, None, "none", [], "")),
    ]
    return [forward, update]


def _fastfa(kind: str, n_in: int, n_out: int, batch: int) -> list[list[Timer]]:
    import fastfa as fa

    if kind == "layer":
        layer = fa.Network(n_in, [fa.Dense(n_out)])._net
        return [[lambda repeats: layer.time_layer(0, batch, repeats)]]
    net = fa.Network(1, [fa.Dense(n_out), fa.Dense(n_in), fa.Dense(1)])._net
    return [[lambda repeats: net.time_feedback(0, batch, repeats)]]
