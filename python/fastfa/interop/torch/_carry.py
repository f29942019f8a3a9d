"""What a feedback does to gradients: rows (N, n_source) of the layer above → (N, n_l).

A class for each way of holding B. Those that follow W are given it; those in memory, their matrix.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import final

import numpy as np
import torch

from ...feedback import Feedback
from ...layers import Dense
from ...network import Network
from ...optim import SGD
from .._matrices import drawn, magnitudes, scaled_for


class Carry(ABC):
    """``carry(grad, weight, matrix)``; weight is W (n_source, n_l), matrix this one's own or None."""

    matrix: np.ndarray | None = None  # what the module keeps for it, float64

    @abstractmethod
    def __call__(
        self, grad: torch.Tensor, weight: torch.Tensor, matrix: torch.Tensor | None
    ) -> torch.Tensor: ...


def carry_of(
    rule: Feedback, units: int, source: int, *, seed: int, layer: int, last: bool
) -> Carry:
    """How to carry what this rule carries, B (units, source), in hidden layer ``layer``."""
    rule = scaled_for(rule, last=last)
    kind = rule._kind
    if kind in ("custom", "procedural") or rule.magnitude == "redrawn":
        return _Core(rule, units, source, seed, layer)
    if kind == "sign":
        return _Sign(magnitudes(rule, units, source, seed=seed, layer=layer))
    if kind == "transpose":
        return _Transpose()
    if kind == "pseudoinverse":
        return _Pseudoinverse(rule.refresh)
    if kind == "zero":
        return _Zero()
    return _Matrix(drawn(rule, units, source, seed=seed, layer=layer))


@final
class _Matrix(Carry):
    def __init__(self, matrix: np.ndarray) -> None:
        self.matrix = matrix

    def __call__(
        self, grad: torch.Tensor, weight: torch.Tensor, matrix: torch.Tensor
    ) -> torch.Tensor:
        return grad @ matrix.T


@final
class _Sign(Carry):
    """B = |B| ∘ sign(Wᵀ); matrix is |B|, or the one size of all as (1, 1)."""

    def __init__(self, matrix: np.ndarray) -> None:
        self.matrix = matrix

    def __call__(
        self, grad: torch.Tensor, weight: torch.Tensor, matrix: torch.Tensor
    ) -> torch.Tensor:
        return grad @ (weight.sign() * matrix.T)


@final
class _Transpose(Carry):
    def __call__(
        self, grad: torch.Tensor, weight: torch.Tensor, matrix: torch.Tensor
    ) -> torch.Tensor:
        return grad @ weight


@final
class _Zero(Carry):
    def __call__(
        self, grad: torch.Tensor, weight: torch.Tensor, matrix: torch.Tensor
    ) -> torch.Tensor:
        return grad.new_zeros(len(grad), weight.shape[1])


@final
class _Pseudoinverse(Carry):
    """B = W⁺, computed anew every ``refresh`` backward passes."""

    def __init__(self, refresh: int) -> None:
        self.refresh, self._used = refresh, 0
        self._inverse: torch.Tensor | None = None

    def __call__(
        self, grad: torch.Tensor, weight: torch.Tensor, matrix: torch.Tensor
    ) -> torch.Tensor:
        if self._inverse is None or self._used == self.refresh:
            # In double, as fastfa computes it: near a lost rank rounding decides what is inverted.
            self._inverse, self._used = torch.linalg.pinv(weight.double()).to(weight), 0
        self._used += 1
        return grad @ self._inverse.to(grad).T


@final
class _Core(Carry):
    """fastfa's own product: asked of a linear network whose output delta is the gradient."""

    def __init__(self, rule: Feedback, units: int, source: int, seed: int, layer: int) -> None:
        self._rule, self._units, self._source = rule, units, source
        self._seed, self._layer = seed, layer
        self._nets: dict[torch.dtype, Network] = {}

    def __call__(
        self, grad: torch.Tensor, weight: torch.Tensor, matrix: torch.Tensor
    ) -> torch.Tensor:
        net = self._network(grad.dtype)
        if self._rule._kind == "sign":
            net.weights[-1][...] = weight.detach().cpu().numpy()
        # With input 0 and no bias the output is 0, so δ = target − output is the target.
        delta = grad.detach().to("cpu").contiguous().numpy()
        below = net.deltas(np.zeros((len(delta), 1)), delta)[-2]
        if self._rule.magnitude == "redrawn":  # the next batch has magnitudes of its own
            net.step(np.zeros((1, 1)), np.zeros((1, self._source)), SGD(0.0))
        return torch.from_dlpack(below).to(grad)

    def _network(self, dtype: torch.dtype) -> Network:
        if dtype not in self._nets:
            units, source = self._units, self._source
            # Streams are numbered by hidden layer, so those below it have to be there.
            layers = [Dense(n, bias=False) for n in (*[1] * self._layer, units, source)]
            feedback: list[str | Feedback] = [*["shallow"] * self._layer, self._rule]
            name = "float64" if dtype == torch.float64 else "float32"
            self._nets[dtype] = Network(1, layers, feedback, seed=self._seed, dtype=name)
        return self._nets[dtype]
