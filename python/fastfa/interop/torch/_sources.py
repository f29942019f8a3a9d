"""The routes direct and target: how the error at a model's output, or the target, reaches its layers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ... import _check
from ._how import How
from ._layer import Converted

SHARED = "feedback_shared"


class _Passes(threading.local):
    def __init__(self) -> None:
        self.running: list[Pass] = []


_passes = _Passes()


class Hub:
    """What the layers of one call of ``convert`` have in common; its methods are hooks of the model."""

    def __init__(self, model: nn.Module, route: str) -> None:
        self.model, self.route = model, route
        self.targets: Tensor | None = None
        self.mean, self.scale = True, 1.0  # what the loss makes of an example's error

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"targets": None}

    def begin(self, module: nn.Module, inputs: Any) -> None:
        """Before the model's forward pass."""
        _passes.running.append(Pass(self))

    def tap(self, module: nn.Module, inputs: Any, output: Any) -> None:
        """After that of the module whose output's error is sent."""
        own = self._running()
        if own is None or not torch.is_grad_enabled():
            return
        if not isinstance(output, Tensor):
            raise TypeError(
                f"[convert] the output was a {type(output).__name__}; it must be a Tensor: name the "
                "module that makes it with output="
            )
        own.shape = tuple(output.shape)
        if output.requires_grad:
            hooked: Any = output
            hooked.register_hook(own.receive)

    def end(self, module: nn.Module, inputs: Any, output: Any) -> None:
        """After the model's forward pass, also one that failed."""
        own = self._running()
        if own is not None:
            _passes.running.remove(own)

    def _running(self) -> Pass | None:
        return next((p for p in reversed(_passes.running) if p.hub is self), None)

    def current(self, how: How) -> Pass:
        return self._running() or Pass(self)

    def shared(self) -> Tensor:
        found: Tensor = self.model.get_buffer(SHARED)
        return found

    def hook(self, output: nn.Module) -> None:
        self.model.register_forward_pre_hook(self.begin)
        output.register_forward_hook(self.tap)
        self.model.register_forward_hook(self.end, always_call=True)

    def share(self, matrix: Tensor) -> None:
        self.model.register_buffer(SHARED, matrix)


class Pass:
    """One forward pass of the model, and the error that came back to its output."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.shape: tuple[int, ...] = ()
        self.error: Tensor | None = None

    def receive(self, grad: Tensor) -> None:
        self.error = grad.detach()

    def rows(self, how: How, like: Tensor) -> Tensor:
        """What B multiplies, (M, n_source), for a layer whose input is like this."""
        name = how.name
        if not self.shape:
            raise RuntimeError(
                f"[{name}] its backward pass belongs to no forward pass of the converted model; call "
                "the whole model, and checkpoint with use_reentrant=False"
            )
        error = self._target() if self.hub.route == "target" else self.error
        if error is None:
            raise RuntimeError(
                f"[{name}] no error reached the output of the converted model; the loss must "
                "depend on it"
            )
        units, source = how.b_shape
        each = how.by_position
        count = like.numel() // like.shape[-1] if each else len(like)
        if like.numel() != count * units or error.numel() != count * source:
            raise ValueError(
                f"[{name}] was given {tuple(like.shape)} while the output was {self.shape}; B was made "
                f"for {units} values and {source} of the output at a time, as in the example"
            )
        return error.reshape(count, source)

    def _target(self) -> Tensor:
        y, shape = self.hub.targets, self.shape
        if y is None:
            raise RuntimeError(
                "[convert] backward() of a model with route='target' found no target; call it within "
                "fastfa.interop.torch.targets(model, y)"
            )
        if not y.is_floating_point() and tuple(y.shape) == shape[:-1]:
            _check_labels(y, shape[-1])
            y = nn.functional.one_hot(y.long(), shape[-1])
        if tuple(y.shape) != shape:
            raise ValueError(
                f"[targets] y has shape {tuple(y.shape)}; it must be the output's, {shape}, or labels "
                f"{shape[:-1]}"
            )
        rows = y.numel() // shape[-1] if self.hub.mean else 1
        wide = y if y.is_floating_point() else y.to(torch.get_default_dtype())
        return wide * (-self.hub.scale / max(1, rows))  # a gradient: minus what is to be added


def _check_labels(y: Tensor, count: int) -> None:
    low, high = int(y.min()), int(y.max())
    if low < 0 or high >= count:
        raise ValueError(f"[targets] y lies in [{low}, {high}]; it must lie in [0, {count - 1}]")


@contextmanager
def targets(
    model: nn.Module, y: Tensor, *, reduction: str = "mean", scale: float = 1.0
) -> Iterator[None]:
    """Tell a model with ``route="target"`` its targets while ``backward()`` runs.

    >>> with fa.interop.torch.targets(model, labels):  # doctest: +SKIP
    ...     loss.backward()

    What reaches a layer's input is then −B y*, in the gradient's sign, as a part of the loss.

    Parameters
    ----------
    model : torch.nn.Module
        Converted, or with a converted model in it.
    y : Tensor
        Targets of the output's shape (…, n_out), or integer labels of its shape without the last
        dimension, which count as one-hot.
    reduction : {"mean", "sum"}
        How the loss takes its examples together; with "mean", y* is divided by their number.
    scale : float
        What the loss is multiplied by: ``GradScaler.get_scale()`` with mixed precision in float16.

    Raises
    ------
    ValueError, TypeError
        If an argument is wrong, or the model has no layer with the route target.

    References
    ----------
    Frenkel, Lefebvre & Bol, Frontiers in Neuroscience 15:629892 (2021).
    """
    where = "targets"
    if not isinstance(model, nn.Module):
        raise TypeError(f"[{where}] model was {model!r}; it must be a torch.nn.Module")
    if not isinstance(y, Tensor):
        raise TypeError(f"[{where}] y was a {type(y).__name__}; it must be a Tensor")
    mean = _check.choice(where, "reduction", reduction, ("mean", "sum")) == "mean"
    scale = _check.real(where, "scale", scale, open_low=True)
    waiting = [hub for hub in hubs(model) if hub.route == "target"]
    if not waiting:
        raise ValueError(
            f"[{where}] model was {type(model).__name__} without layers of the route target; it must "
            "have been converted with feedback='drtp' or route='target'"
        )
    for hub in waiting:
        hub.targets, hub.mean, hub.scale = y.detach(), mean, scale
    try:
        yield
    finally:
        for hub in waiting:
            hub.targets = None


def hubs(model: nn.Module) -> list[Hub]:
    """Those of the calls of ``convert`` that made direct or target layers in this tree."""
    found = {
        id(layer._how.sources): layer._how.sources
        for layer in model.modules()
        if isinstance(layer, Converted) and isinstance(layer._how.sources, Hub)
    }
    return [hub for hub in found.values() if isinstance(hub, Hub)]


def unhook(model: nn.Module) -> None:
    """Take a model's hubs off its modules."""
    for module in model.modules():
        for hooks in (module._forward_hooks, module._forward_pre_hooks):
            for key, hook in list(hooks.items()):
                if isinstance(getattr(hook, "__self__", None), Hub):
                    del hooks[key]
                    module._forward_hooks_always_called.pop(key, None)
        if SHARED in module._buffers:
            del module._buffers[SHARED]
