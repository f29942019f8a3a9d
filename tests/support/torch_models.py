"""Small models of PyTorch's that several tests convert."""

from __future__ import annotations

from itertools import pairwise

import torch
from fastfa.interop.torch import convert
from torch import nn


def chain(*widths: int, dtype=torch.float64) -> nn.Sequential:
    torch.manual_seed(1)
    parts: list[nn.Module] = []
    for n, m in pairwise(widths):
        parts += [nn.Linear(n, m, dtype=dtype), nn.Tanh()]
    return nn.Sequential(*parts[:-1])


def drtp() -> nn.Module:
    return convert(chain(6, 4, 3), "drtp", example=torch.zeros(2, 6, dtype=torch.float64))


def converted(model: nn.Module) -> list[str]:
    """The names of the layers that learn through B."""
    return [name for name, m in model.named_modules() if hasattr(m, "feedback")]
