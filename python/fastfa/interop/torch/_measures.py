"""What `alignment` measures, of what its passes recorded."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...metrics import LayerAlignment, angle
from ._layer import Converted
from ._operations import Local, Operation, TransposedConvolution

_NAN = float("nan")


@dataclass
class Use:
    """One use of a layer in one pass."""

    x: Tensor
    operation: Operation
    delta: Tensor | None = None  # the gradient at its output


@dataclass
class Measured:
    """What one pass recorded, by the layers' ids."""

    uses: dict[int, list[Use]] = field(default_factory=dict)
    gradients: dict[int, Tensor] = field(default_factory=dict)

    def enter(self, layer: Converted, x: Tensor, y: Tensor, operation: Operation) -> None:
        use = Use(x.detach().clone(), operation)  # what comes may overwrite it
        self.uses.setdefault(id(layer), []).append(use)

        def receive(grad: Tensor) -> None:
            use.delta = grad.detach()

        if y.requires_grad:
            hooked: Any = y
            hooked.register_hook(receive)

    def use(self, layer: Converted, x: Tensor, delta: Tensor, operation: Operation) -> None:
        self.uses.setdefault(id(layer), []).append(Use(x, operation, delta))

    def deltas(self, layer: Converted) -> np.ndarray | None:
        """(examples, values), float64; a layer used twice has each example twice."""
        found = [use.delta for use in self.uses.get(id(layer), []) if use.delta is not None]
        if not found:
            return None
        return np.concatenate([_array(delta).reshape(len(delta), -1) for delta in found])


def measures_of(
    index: int, layer: Converted, own: Measured, true: Measured, inverse: Measured | None
) -> LayerAlignment:
    mine, bp = own.deltas(layer), true.deltas(layer)
    pbp = None if inverse is None else inverse.deltas(layer)
    angle_bp, angle_bp_sd = _angles(mine, bp)
    angle_pbp, angle_pbp_sd = _angles(mine, pbp)
    ratio = whole = _NAN
    if mine is not None and bp is not None:
        reference = np.linalg.norm(bp, axis=1).sum()
        ratio = float(np.linalg.norm(mine, axis=1).sum() / reference) if reference > 0 else _NAN
        whole = float(angle(mine.ravel(), bp.ravel()))
    ours, theirs = own.gradients.get(id(layer)), true.gradients.get(id(layer))
    gradient = _NAN
    if ours is not None and theirs is not None:
        gradient = float(angle(_array(ours).ravel(), _array(theirs).ravel()))
    return LayerAlignment(
        layer=index,
        angle_bp=angle_bp,
        angle_bp_sd=angle_bp_sd,
        angle_bp_layer=whole,
        angle_pbp=angle_pbp,
        angle_pbp_sd=angle_pbp_sd,
        norm_ratio=ratio,
        gradient_angle=gradient,
        **_of_matrices(layer, own),
    )


def _angles(own: np.ndarray | None, other: np.ndarray | None) -> tuple[float, float]:
    if own is None or other is None:
        return _NAN, _NAN
    found = np.atleast_1d(angle(own, other))
    found = found[~np.isnan(found)]
    return (float(found.mean()), float(found.std())) if len(found) else (_NAN, _NAN)


@torch.no_grad()
def _of_matrices(layer: Converted, own: Measured) -> dict[str, Any]:
    """What needs B, of the layer's own."""
    names = ("weight_angle", "trace_bw", "descent", "descent_positive", "trace_abe")
    found: dict[str, Any] = dict.fromkeys(names, _NAN)
    how = layer._how
    operation, weight = how.operation, layer.weight.detach()
    found["neuron_angles"] = np.full(_inputs(operation, weight), _NAN)
    if how.carry is None or not how.layerwise:
        return found
    matrix = None if layer.feedback_matrix is None else layer.feedback_matrix.detach()
    b = how.carry.stand_in(operation, weight, matrix)
    if b is None:
        return found
    together, of_w, of_b = (_array(v) for v in (b * weight, weight**2, b**2))
    found["weight_angle"] = _degrees(together.sum(), of_w.sum(), of_b.sum())
    found["trace_bw"] = float(together.sum())
    rows = [_by_input(operation, v) for v in (b * weight, weight**2, b**2)]
    found["neuron_angles"] = np.array([_degrees(*row) for row in zip(*rows, strict=True)])
    descent, abe = [], []
    for use in own.uses.get(id(layer), []):
        x, delta = use.x, use.delta
        if delta is None or delta.dim() != x.dim():
            continue
        alone = isinstance(layer, nn.Linear) is False and x.dim() < weight.dim()
        if alone and not isinstance(operation, Local):
            x, delta = x.unsqueeze(0), delta.unsqueeze(0)
        sent = use.operation.to_input(delta, b.to(delta.dtype), x)  # −B e
        back = use.operation.forward(sent, weight.to(delta.dtype), None)
        descent.append(_dots(delta, back))
        abe.append(-_dots(x.reshape(sent.shape), sent))
    if descent:
        found["descent"] = float(np.concatenate(descent).mean())
        found["descent_positive"] = float((np.concatenate(descent) > 0).mean())
        found["trace_abe"] = float(np.concatenate(abe).mean())
    return found


def _inputs(operation: Operation, weight: Tensor) -> int:
    if isinstance(operation, Local):
        return math.prod(operation.image)
    groups = getattr(operation, "groups", 1)
    return (
        weight.shape[0]
        if isinstance(operation, TransposedConvolution)
        else weight.shape[1] * groups
    )


def _by_input(operation: Operation, products: Tensor) -> np.ndarray:
    """The sum of what a layer's weights hold, for each input feature, channel or pixel."""
    if isinstance(operation, Local):
        like = products.new_zeros(1, *operation.image)
        ones = products.new_ones(1, *products.shape[:3])
        return _array(operation.to_input(ones, products, like)).ravel()
    if isinstance(operation, TransposedConvolution):
        rows: np.ndarray = _array(products).reshape(len(products), -1).sum(1)
        return rows
    groups = getattr(operation, "groups", 1)
    held = _array(products).reshape(groups, -1, products.shape[1], products[0, 0].numel())
    sums: np.ndarray = held.sum((1, 3)).ravel()
    return sums


def _dots(a: Tensor, b: Tensor) -> np.ndarray:
    sums: np.ndarray = (_array(a).reshape(len(a), -1) * _array(b).reshape(len(b), -1)).sum(1)
    return sums


def _degrees(xy: float, xx: float, yy: float) -> float:
    if not (xx > 0 and yy > 0):
        return _NAN
    return math.degrees(math.acos(max(-1.0, min(1.0, xy / math.sqrt(xx) / math.sqrt(yy)))))


def _array(tensor: Tensor) -> np.ndarray:
    values: np.ndarray = tensor.detach().to("cpu", torch.float64).numpy()
    return values
