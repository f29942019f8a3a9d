"""A layer of PyTorch's whose backward pass sends the error down by our feedback.

A converted layer is the same object with the same parameters; its class is made from the original one
and `Converted`, and has B beside the weights.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor, nn

from ...feedback import Feedback
from ...perturbation import NodePerturbation
from ._carry import Carry
from ._how import How, Sources
from ._local import LocallyConnected2d
from ._operations import Operation, TransposedConvolution
from ._send import refuse, send

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
KINDS: tuple[type[nn.Module], ...] = (nn.Linear, *CONVOLUTIONS, *TRANSPOSED, LocallyConnected2d)


class Recorder(Protocol):
    """Stands in for the forward pass of every converted layer while it is `watching`."""

    def __call__(self, layer: Converted, x: Tensor, arguments: tuple[Any, ...]) -> Tensor: ...


class _Watch(threading.local):
    recorder: Recorder | None = None


_watch = _Watch()


class watching:
    """While it lasts, converted layers of this thread are what the recorder makes of them."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def __enter__(self) -> None:
        self._before, _watch.recorder = _watch.recorder, self._recorder

    def __exit__(self, *_: object) -> None:
        _watch.recorder = self._before


class Converted(nn.Module):
    """What converted layers have in common; beside it stands the original class."""

    _how: How
    _original: type[nn.Module]
    weight: Tensor
    bias: Any  # nn.Parameter or None
    feedback_matrix: Tensor | None
    feedback_passes: Tensor | None

    @property
    def feedback(self) -> Feedback | NodePerturbation:
        return self._how.rule

    @feedback.setter
    def feedback(self, value: object) -> None:
        raise AttributeError(
            f"[{type(self).__name__}] feedback can't be assigned: B was made from it; make another "
            f"{type(self).__name__}, or revert() and convert() the model, and give it this one's "
            "state_dict() if its weights are to stay"
        )

    def forward(self, x: Tensor, *arguments: Any) -> Tensor:
        """As of the original layer."""
        if _watch.recorder is not None:
            return _watch.recorder(self, x, arguments)
        return self._run(x, arguments)

    def _plain(self, x: Tensor, arguments: tuple[Any, ...]) -> Tensor:
        y: Tensor = self._original.forward(self, x, *arguments)
        return y

    def _run(self, x: Tensor, arguments: tuple[Any, ...]) -> Tensor:
        how, matrix = self._how, self.feedback_matrix
        how.seen = tuple(x.shape)
        learns = matrix is not None and matrix.requires_grad
        wanted = x.requires_grad or learns
        if how.carry is None:  # node perturbation
            y = self._plain(x, arguments)
            return refuse(y, how.name) if y.requires_grad else y
        if how.plain or not wanted or not torch.is_grad_enabled() or _exporting():
            return self._plain(x, arguments)
        return self._send(x, arguments, how.carry, how.sources)

    def _send(
        self, x: Tensor, arguments: tuple[Any, ...], carry: Carry, sources: Sources | None
    ) -> Tensor:
        how, passes = self._how, self.feedback_passes
        operation = self._operation(x, arguments)
        alone = isinstance(self, (*CONVOLUTIONS, *TRANSPOSED)) and x.dim() < self.weight.dim()
        given = x.unsqueeze(0) if alone else x
        source = None if sources is None else sources.current(how)
        weight, bias, matrix = self.weight, self.bias, self._matrix()
        device = x.device.type
        if torch.is_autocast_enabled(device):
            # As autocast does before the operations that it casts.
            dtype = torch.get_autocast_dtype(device)
            given, weight = _cast(given, dtype), _cast(weight, dtype)
            bias = (
                bias if bias is None or isinstance(self, LocallyConnected2d) else _cast(bias, dtype)
            )
            with torch.autocast(device, enabled=False):
                y = send(given, weight, bias, matrix, how, passes, operation, carry, source)
        else:
            y = send(given, weight, bias, matrix, how, passes, operation, carry, source)
        return y.squeeze(0) if alone else y

    def _operation(self, x: Tensor, arguments: tuple[Any, ...]) -> Operation:
        """As of a call: it may ask for an ``output_size``."""
        operation = self._how.operation
        if not isinstance(operation, TransposedConvolution):
            return operation
        return operation.sized(_output_padding(self, x, arguments))

    def _matrix(self) -> Tensor | None:
        how = self._how
        return (
            self.feedback_matrix if how.factor is None or not how.sources else how.sources.shared()
        )

    def extra_repr(self) -> str:
        """What the module's printed form says in brackets."""
        return f"{super().extra_repr()}, feedback={self.feedback!r}"

    def __reduce_ex__(self, protocol: Any) -> Any:
        # Classes that are made here have no name that pickle would find.
        return _remade, (self._original,), self.__dict__


# PyTorch 2.4 has no such question; its exports run without gradients, where the layer is plain anyway.
_is_exporting: Callable[[], bool] = getattr(torch.compiler, "is_exporting", lambda: False)


def _exporting() -> bool:
    return torch.onnx.is_in_onnx_export() or _is_exporting()


def _cast(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    eligible = tensor.is_floating_point() and tensor.dtype != torch.float64
    return tensor.to(dtype) if eligible else tensor


def _output_padding(layer: Any, x: Tensor, arguments: tuple[Any, ...]) -> tuple[int, ...]:
    size = arguments[0] if arguments else None
    dimensions = len(layer.kernel_size)
    padding = layer._output_padding(
        x, size, layer.stride, layer.padding, layer.kernel_size, dimensions, layer.dilation
    )
    return tuple(padding)


def check_whole(where: str, layers: Iterable[Converted]) -> None:
    """Refuse weights of which this process has a part only."""
    for layer in layers:
        weight = layer.weight
        if hasattr(weight, "full_tensor") or tuple(weight.shape) != layer._how.shape:
            raise RuntimeError(
                f"[{where}] {layer._how.name}.weight is sharded (FSDP); it must be whole: use "
                "DistributedDataParallel, or a copy of the model on one process"
            )


_CLASSES: dict[type[nn.Module], type[Converted]] = {}


Made = TypeVar("Made", bound=type[Converted])


def converted_class(original: type[nn.Module]) -> type[Converted]:
    """The class of converted layers of this class; the same one for the same."""
    if original not in _CLASSES:
        made: Any = type(
            f"Feedback{original.__name__}", (Converted, original), {"_original": original}
        )
        _CLASSES[original] = made
    return _CLASSES[original]


def register(made: Made) -> Made:
    """Make a class written by hand that of all converted layers of its original class."""
    _CLASSES[made._original] = made
    return made


def _remade(original: type[nn.Module]) -> Converted:
    cls = converted_class(original)
    return cls.__new__(cls)


def become(layer: nn.Module, how: How) -> None:
    """Make a layer a converted one."""
    original = type(layer)
    layer.__class__ = converted_class(original)
    assert isinstance(layer, Converted)
    equip(layer, how)


def equip(layer: Converted, how: How) -> None:
    """Give a converted layer its feedback, and the B that it keeps."""
    layer.__dict__["_how"] = how
    how.shape = tuple(layer.weight.shape)
    layer.register_buffer("feedback_matrix", None)
    counts = how.carry is None or how.carry.counts or how.mirror is not None
    passes = torch.zeros((), dtype=torch.int64, device=layer.weight.device) if counts else None
    layer.register_buffer("feedback_passes", passes)
    array = None if how.carry is None else how.carry.matrix
    if array is None or how.carry is None:
        return
    how.carry.matrix = None  # the module's alone
    matrix = torch.as_tensor(array).to(layer.weight)
    if isinstance(how.rule, Feedback) and how.rule.plasticity == "kolen_pollack":
        del layer.feedback_matrix
        learns = layer.weight.requires_grad
        layer.feedback_matrix = nn.Parameter(matrix, requires_grad=learns)
    else:
        layer.feedback_matrix = matrix


def restore(layer: Converted) -> None:
    """Make a converted layer an ordinary one again."""
    original = layer._original
    del layer.feedback_matrix, layer.feedback_passes
    del layer.__dict__["_how"]
    instance: Any = layer
    instance.__class__ = original
