"""What a feedback does to gradients: a class for each way of holding B.

Those that follow W are given it; those in memory, their matrix, laid out by the layer's operation.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import final

import numpy as np
import torch
from torch import Tensor

from ...feedback import Feedback
from ...layers import Dense
from ...network import Network
from ...rules import Rule
from .._matrices import drawn, magnitudes
from ._operations import Linear, Local, Operation


class Carry(ABC):
    """From the gradient of a layer's output, or of another source, to that of its input."""

    matrix: np.ndarray | None = None  # what the module keeps for it, float64
    counts = False  # whether it is another one in every backward pass, by `step`
    step = 0

    @abstractmethod
    def stand_in(
        self, operation: Operation, weight: Tensor, matrix: Tensor | None
    ) -> Tensor | None:
        """B in the place and layout of the weights; None where it has no such layout."""

    def layerwise(
        self,
        operation: Operation,
        grad: Tensor,
        weight: Tensor,
        matrix: Tensor | None,
        like: Tensor,
    ) -> Tensor:
        """From the gradient of a layer's output to that of its input, which is like ``like``."""
        if self.by_rows(operation):
            return operation.by_rows(lambda rows: self.rows(rows, matrix), grad, like)
        instead = self.stand_in(operation, weight, matrix)
        assert instead is not None  # those without it have a way of their own
        return operation.to_input(grad, instead, like)

    def by_rows(self, operation: Operation) -> bool:
        """Whether `layerwise` goes by `rows`, and not by `stand_in`."""
        return False

    def rows(self, source: Tensor, matrix: Tensor | None) -> Tensor:
        """(N, n_source) → (N, n_l)."""
        raise NotImplementedError  # of matrices that follow the weights, which are layerwise


def carry_of(rule: Feedback, operation: Operation, *, seed: int, layer: int) -> Carry:
    """How to carry what this rule carries, with the B (units, source) of hidden layer ``layer``.

    ``rule.scale`` is as for ``Feedback.toarray``.
    """
    units, source, kind = operation.units, operation.source, rule._kind
    if kind == "custom" or (kind == "procedural" and not _small(operation)):
        return _Core(rule, units, source, seed, layer)
    if kind == "procedural":
        return _Drawn(rule, units, source, seed, layer)
    if rule.magnitude == "redrawn":
        return _Redrawn(rule, units, source, seed, layer)
    if kind == "sign":
        sizes = magnitudes(rule, units, source, seed=seed, layer=layer)
        return _Sign(sizes if sizes.size == 1 else operation.lay(sizes))
    if kind == "transpose":
        return _Transpose()
    if kind == "pseudoinverse":
        return Pseudoinverse(rule.refresh)
    if kind == "zero":
        return _Zero(units)
    return Matrix(operation.lay(drawn(rule, units, source, seed=seed, layer=layer)))


def _small(operation: Operation) -> bool:
    """Whether B is that of a patch: smaller than what a product with it would need otherwise."""
    return not isinstance(operation, Linear | Local)


@final
class Matrix(Carry):
    def __init__(self, matrix: np.ndarray | None = None) -> None:
        self.matrix = matrix

    def stand_in(
        self, operation: Operation, weight: Tensor, matrix: Tensor | None
    ) -> Tensor | None:
        assert matrix is not None  # the module keeps it
        return operation.as_weight(matrix) if operation.patterned else None

    def by_rows(self, operation: Operation) -> bool:
        return not operation.patterned

    def rows(self, source: Tensor, matrix: Tensor | None) -> Tensor:
        assert matrix is not None
        return source @ matrix.T


@final
class _Sign(Carry):
    """B = |B| ∘ sign(Wᵀ); matrix is |B|, or the one size of all as (1, 1)."""

    def __init__(self, matrix: np.ndarray) -> None:
        self.matrix = matrix

    def stand_in(
        self, operation: Operation, weight: Tensor, matrix: Tensor | None
    ) -> Tensor | None:
        assert matrix is not None
        sizes = matrix.reshape(()) if matrix.numel() == 1 else operation.as_weight(matrix)
        return weight.sign() * sizes


@final
class _Redrawn(Carry):
    """The same with magnitudes of the core's own stream, other ones at every backward pass."""

    counts = True

    def __init__(self, rule: Feedback, units: int, source: int, seed: int, layer: int) -> None:
        self._core = _Core(rule, units, source, seed, layer)

    def stand_in(
        self, operation: Operation, weight: Tensor, matrix: Tensor | None
    ) -> Tensor | None:
        sizes = operation.lay(self._core.magnitudes(self.step, weight.dtype))
        return weight.sign() * operation.as_weight(torch.from_numpy(sizes).to(weight))


@final
class _Drawn(Carry):
    """B drawn anew inside every product, and forgotten."""

    def __init__(self, rule: Feedback, units: int, source: int, seed: int, layer: int) -> None:
        self._rule, self._shape, self._seed, self._layer = rule, (units, source), seed, layer

    def stand_in(
        self, operation: Operation, weight: Tensor, matrix: Tensor | None
    ) -> Tensor | None:
        array = drawn(self._rule, *self._shape, seed=self._seed, layer=self._layer)
        return operation.as_weight(torch.from_numpy(operation.lay(array)).to(weight))


@final
class _Transpose(Carry):
    def stand_in(
        self, operation: Operation, weight: Tensor, matrix: Tensor | None
    ) -> Tensor | None:
        return weight


@final
class _Zero(Carry):
    def __init__(self, units: int) -> None:
        self._units = units

    def stand_in(
        self, operation: Operation, weight: Tensor, matrix: Tensor | None
    ) -> Tensor | None:
        return torch.zeros_like(weight)

    def layerwise(
        self,
        operation: Operation,
        grad: Tensor,
        weight: Tensor,
        matrix: Tensor | None,
        like: Tensor,
    ) -> Tensor:
        return torch.zeros_like(like, dtype=grad.dtype)

    def rows(self, source: Tensor, matrix: Tensor | None) -> Tensor:
        return source.new_zeros(len(source), self._units)


@final
class Pseudoinverse(Carry):
    """B = W⁺, computed anew every ``refresh`` backward passes."""

    def __init__(self, refresh: int = 1) -> None:
        self.refresh, self._used = refresh, 0
        self._inverse: Tensor | None = None

    def stand_in(
        self, operation: Operation, weight: Tensor, matrix: Tensor | None
    ) -> Tensor | None:
        if self._inverse is None or self._used == self.refresh:
            # In double, as fastfa computes it: near a lost rank rounding decides what is inverted.
            self._inverse, self._used = torch.linalg.pinv(weight.double()).to(weight), 0
        self._used += 1
        return self._inverse.to(weight).T


@final
class _Core(Carry):
    """fastfa's own product: asked of a linear network whose output delta is the gradient."""

    def __init__(self, rule: Feedback, units: int, source: int, seed: int, layer: int) -> None:
        self._rule, self._units, self._source = rule, units, source
        self._seed, self._layer = seed, layer
        self._nets: dict[str, Network] = {}

    def __getstate__(self) -> dict[str, object]:
        return self.__dict__ | {"_nets": {}}  # made again from the rest

    def stand_in(
        self, operation: Operation, weight: Tensor, matrix: Tensor | None
    ) -> Tensor | None:
        if not isinstance(operation, Linear):
            return None
        return self.rows(torch.eye(self._source).to(weight), None)

    def by_rows(self, operation: Operation) -> bool:
        return True

    def rows(self, source: Tensor, matrix: Tensor | None) -> Tensor:
        if not len(source):
            return source.new_zeros(0, self._units)
        net = self._network(source.dtype)
        # With input 0 and no bias the output is 0, so δ = target − output is the target.
        delta = source.detach().to("cpu", getattr(torch, net.dtype.name)).contiguous().numpy()
        below = net.deltas(np.zeros((len(delta), 1)), delta)[-2]
        return torch.from_numpy(below).to(source)

    def magnitudes(self, step: int, dtype: torch.dtype) -> np.ndarray:
        """|B| (units, source) of a rule whose magnitudes are redrawn, as those of this step."""
        net = self._network(dtype)
        _, memory, adam_steps, inverted = net._net.progress()
        net._net.set_progress(step, memory, adam_steps, inverted)
        net.weights[-1][...] = 1.0
        return np.array(net.feedback_matrices[-1])

    def _network(self, dtype: torch.dtype) -> Network:
        name = "float64" if dtype == torch.float64 else "float32"
        if name not in self._nets:
            units, source = self._units, self._source
            # Streams are numbered by hidden layer, so those below it have to be there.
            layers = [Dense(n, bias=False) for n in (*[1] * self._layer, units, source)]
            feedback: list[Rule] = [*["shallow"] * self._layer, self._rule]
            self._nets[name] = Network(1, layers, feedback, seed=self._seed, dtype=name)
        return self._nets[name]
