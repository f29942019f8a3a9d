"""What the layers of a model are given, and what it puts out, found by running it on an example."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn


class Seen(NamedTuple):
    """The size of a B from the output to a layer's input."""

    units: int
    source: int
    by_position: bool  # each position of a sequence by itself


def shapes(
    model: nn.Module,
    example: Any,
    output: nn.Module,
    layers: Sequence[tuple[str, nn.Module, bool]],
) -> dict[int, Seen]:
    """By a layer's id, of those that the example passes through.

    Raises
    ------
    ValueError, TypeError
        If there is no example, the output isn't a tensor, or a layer's input doesn't go with it.
    """
    if example is None:
        raise ValueError(
            "[convert] example was None; with the routes direct and target it must be an input of the "
            "model, one example being enough: B has a row for each value that a layer is given"
        )
    given: dict[int, set[tuple[int, ...]]] = {}
    outputs: list[Any] = []

    def enter(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        given.setdefault(id(module), set()).add(tuple(inputs[0].shape))

    handles = [layer.register_forward_pre_hook(enter) for _, layer, _ in layers]
    handles.append(output.register_forward_hook(lambda _, __, y: outputs.append(y)))
    try:
        with probing(model), torch.no_grad():
            model(*example) if isinstance(example, tuple | list) else model(example)
    finally:
        for handle in handles:
            handle.remove()
    if len(outputs) != 1 or not isinstance(outputs[0], Tensor):
        raise TypeError(
            f"[convert] the output was {len(outputs)} × {type(outputs[0]).__name__ if outputs else ''}; "
            "it must be one Tensor: name the module that makes it with output="
        )
    shape = tuple(outputs[0].shape)
    seen: dict[int, Seen] = {}
    for name, layer, chosen in layers:
        found = {_size(layer, s, shape) for s in given.get(id(layer), ())}
        if chosen and (len(found) > 1 or None in found):
            raise ValueError(
                f"[convert] {name} was given {sorted(given[id(layer)])} and the output was {shape}; the "
                "first dimension must be that of the examples in both, and the same B fit each use, or "
                "the layer be named in exclude"
            )
        size = found.pop() if len(found) == 1 else None
        if size is not None:
            seen[id(layer)] = size
    return seen


def _size(layer: nn.Module, given: tuple[int, ...], output: tuple[int, ...]) -> Seen | None:
    if isinstance(layer, nn.Linear) and output and given[:-1] == output[:-1]:
        return Seen(given[-1], output[-1], True)
    dimensions = getattr(layer, "kernel_size", None)
    alone = isinstance(dimensions, tuple) and len(given) == len(dimensions) + 1
    if alone and len(output) == 1:
        return Seen(math.prod(given), output[0], False)
    if len(given) < 2 or not output or given[0] != output[0]:
        return None
    return Seen(math.prod(given[1:]), math.prod(output[1:]), False)


@contextmanager
def probing(model: nn.Module, *, training: bool = False) -> Iterator[None]:
    """Lets a model run without a trace: modes, buffers and random numbers are put back."""
    modes = [(module, module.training) for module in model.modules()]
    buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
    devices = {p.device for p in model.parameters() if p.device.type == "cuda"}
    try:
        with torch.random.fork_rng(list(devices)):
            if not training:
                model.eval()
            yield
    finally:
        for module, mode in modes:
            module.training = mode
        with torch.no_grad():
            for buffer, before in buffers:
                buffer.copy_(before)
