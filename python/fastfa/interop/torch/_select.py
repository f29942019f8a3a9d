"""Which layers of a model `convert` is to convert, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase

import torch
from torch import nn

from ._layer import KINDS, Converted

Choice = str | Sequence[str] | Callable[[str, nn.Module], bool] | None

# They multiply by weights in ways of their own: through time, by reading those of other modules.
_UNSERVED = (
    nn.MultiheadAttention,
    nn.RNNBase,
    nn.RNNCellBase,
    nn.Bilinear,
    nn.modules.lazy.LazyModuleMixin,
)


def choose(
    where: str, model: nn.Module, include: Choice, exclude: Choice
) -> list[tuple[str, nn.Module, bool]]:
    """(name, layer, whether it is chosen) of all that could be, each once, in the tree's order.

    Raises
    ------
    ValueError, TypeError
        If a choice is none or matches nothing, or a module that is not left out can't be converted.
    """
    wanted, unwanted = (
        _test(where, "include", include, model),
        _test(where, "exclude", exclude, model),
    )
    found: list[tuple[str, nn.Module, bool]] = []
    inside_unserved: list[str] = []
    for name, module in model.named_modules():
        if isinstance(module, nn.parallel.DistributedDataParallel | nn.DataParallel):
            raise ValueError(
                f"[{where}] {_called(name)} was a {type(module).__name__}, which knows the parameters "
                "that it was made with; it must be made of the converted model"
            )
        chosen = (include is None or wanted(name, module)) and not unwanted(name, module)
        if isinstance(module, _UNSERVED):
            inside_unserved.append(name)
            if chosen:
                raise ValueError(
                    f"[{where}] {_called(name)} was a {type(module).__name__}, which multiplies by its "
                    "weights in a way of its own; it must be named in exclude, which leaves it to "
                    "backprop, or be written with Linear layers"
                )
            continue
        if not isinstance(module, KINDS):
            continue
        if any(name == outer or name.startswith(f"{outer}.") for outer in inside_unserved):
            continue  # read, but never called, by the module around it
        if chosen:
            _check(where, name, module)
        found.append((name, module, chosen))
    if not any(chosen for _, _, chosen in found):
        raise ValueError(
            f"[{where}] model was {type(model).__name__} with include={include!r} and "
            f"exclude={exclude!r}; a Linear, Conv, ConvTranspose or LocallyConnected2d must remain"
        )
    return found


def _check(where: str, name: str, layer: nn.Module) -> None:
    if isinstance(layer, Converted):
        raise ValueError(
            f"[{where}] {_called(name)} was a {type(layer).__name__}, with feedback already; revert() "
            "the model first, or name it in exclude"
        )
    for taken in ("feedback", "feedback_matrix", "feedback_passes"):
        if hasattr(layer, taken):
            raise ValueError(
                f"[{where}] {_called(name)} has an attribute {taken!r}, which a converted layer needs; "
                "it must be named in exclude, or its attribute have another name"
            )
    base = next(kind for kind in KINDS if isinstance(layer, kind))
    if type(layer).forward is not base.forward or "forward" in layer.__dict__:
        raise ValueError(
            f"[{where}] {_called(name)} was a {type(layer).__name__}, whose forward isn't that of "
            f"{base.__name__}; it must be, or be named in exclude"
        )
    weight = layer.weight
    if not isinstance(weight, torch.Tensor) or weight.is_complex():
        raise TypeError(f"[{where}] {_called(name)}.weight was {weight!r}; it must be real")
    if hasattr(weight, "full_tensor"):
        raise ValueError(
            f"[{where}] {_called(name)}.weight is sharded (FSDP); it must be whole: convert the "
            "model first"
        )


def _called(name: str) -> str:
    return f"module {name!r}" if name else "the model"


def _test(
    where: str, argument: str, choice: Choice, model: nn.Module
) -> Callable[[str, nn.Module], bool]:
    if choice is None:
        return lambda name, module: False
    if callable(choice):
        predicate = choice
        return lambda name, module: bool(predicate(name, module))
    patterns = [choice] if isinstance(choice, str) or not isinstance(choice, Sequence) else choice
    names = [name for name, _ in model.named_modules()]
    for pattern in patterns:
        if not isinstance(pattern, str):
            raise TypeError(
                f"[{where}] {argument} had {pattern!r}; it must be names, or a function of a name and a "
                "module"
            )
        if not any(_matches(pattern, name) for name in names):
            raise ValueError(
                f"[{where}] {argument} had {pattern!r}, which is no module of the model; its modules "
                f"are {', '.join(filter(None, names[:12]))}{' …' if len(names) > 12 else ''}"
            )
    return lambda name, module: any(_matches(pattern, name) for pattern in patterns)


def _matches(pattern: str, name: str) -> bool:
    """Whether the pattern is that of the module, or of one around it."""
    parts = name.split(".") if name else []
    around = (".".join(parts[:count]) for count in range(1, len(parts) + 1))
    return pattern == name or any(fnmatchcase(outer, pattern) for outer in around)
