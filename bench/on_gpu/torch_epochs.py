"""PyTorch's epochs in bench/gpu.py: a step as it comes, or captured in a CUDA graph, also compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch


def epoch_of(
    step: Callable[[], None], x: Any, y: Any, now_x: Any, now_y: Any, graph: bool
) -> Callable[[], None]:
    """Runs ``step`` on every batch: rows of ``x`` and ``y``, copied into ``now_x`` and ``now_y``."""
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
        for batch_x, batch_y in zip(x, y, strict=True):
            now_x.copy_(batch_x)
            now_y.copy_(batch_y)
            replay()
        torch.cuda.synchronize()

    return epoch
