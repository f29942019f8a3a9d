"""Noise that is the same for the same seed, layer and step, on every device and in every process."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor

_PURPOSES = {"mirror": 1, "perturb": 2}


def noise(
    kind: Literal["mirror", "perturb"],
    shape: tuple[int, ...],
    like: Tensor,
    *,
    seed: int,
    layer: int,
    step: int,
    call: int = 0,
) -> Tensor:
    """With mean 0 and variance 1: uniform for the weight mirror, normal for node perturbation."""
    key = np.random.SeedSequence([seed, _PURPOSES[kind], layer, step, call])
    rng = np.random.Generator(np.random.Philox(key))
    values = (
        rng.uniform(-(3**0.5), 3**0.5, shape) if kind == "mirror" else rng.standard_normal(shape)
    )
    return torch.from_numpy(np.asarray(values)).to(like)
