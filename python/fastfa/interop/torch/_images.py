"""Convolutions and pooling as PyTorch's own modules, and these as fastfa's layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from ...layers import AvgPool2D, Conv2D, MaxPool2D, Pooling
from .._patches import Pair, edges, image_shape

POOLS: dict[type[nn.Module], type[Pooling]] = {nn.AvgPool2d: AvgPool2D, nn.MaxPool2d: MaxPool2D}


def to_images(shape: tuple[int, ...]) -> list[nn.Module]:
    """What makes images of an input of this shape, flat or not, for modules that want (N, C, H, W)."""
    return [nn.Flatten(), nn.Unflatten(1, image_shape(shape))]


def padded_conv(layer: Conv2D, shape: tuple[int, ...], dtype: Any) -> list[nn.Module]:
    """The layer above this shape. PyTorch's own padding is as wide on all sides: else zeros are put
    around the image first."""
    before, after = edges(layer, shape)
    (top, left), (bottom, right) = before, after
    even = before == after
    channels = image_shape(shape)[0]
    conv = nn.Conv2d(
        channels,
        layer.maps,
        layer.kernel_size,
        layer.stride,
        padding=before if even else 0,
        bias=layer.bias,
        dtype=dtype,
    )
    return [conv] if even else [nn.ZeroPad2d((left, right, top, bottom)), conv]


def pool(layer: Pooling) -> nn.Module:
    """The module of a pooling layer."""
    kind = next(module for module, own in POOLS.items() if type(layer) is own)
    return kind(layer.size, layer.stride)


_CONV = {"dilation": (1, 1), "groups": 1, "padding_mode": "zeros"}
_AVERAGE = {"padding": (0, 0), "ceil_mode": False, "divisor_override": None}
_MAX = {"padding": (0, 0), "ceil_mode": False, "dilation": (1, 1), "return_indices": False}


def pooling_of(name: str, module: nn.Module) -> Pooling | None:
    """The pooling layer that a module is; None of another module.

    Raises
    ------
    ValueError
        It is one with a setting that fastfa hasn't.
    """
    for kind, own in POOLS.items():
        if isinstance(module, kind):
            _check(name, module, _AVERAGE if kind is nn.AvgPool2d else _MAX)
            size, stride = _pair(module.kernel_size), _pair(module.stride)
            return own(size, stride)  # type: ignore[call-arg]
    return None


def conv_of(
    name: str, module: nn.Conv2d, shape: tuple[int, ...], zeros: Sequence[int], **given: Any
) -> Conv2D:
    """The layer that a module is above this shape, where ``zeros`` stand around it: (left, right, top,
    bottom).

    Raises
    ------
    ValueError
        It has a setting or a padding that fastfa hasn't.
    """
    _check(name, module, _CONV)
    kernel, stride = _pair(module.kernel_size), _pair(module.stride)
    made = {
        padding: Conv2D(module.out_channels, kernel, stride=stride, padding=padding, **given)
        for padding in ("valid", "same")
    }
    if len(shape) not in (2, 3):
        return made["valid"]  # which can't stand there, as the network will say
    left, right, top, bottom = zeros
    before, after = (top, left), (bottom, right)
    if module.padding == "same":  # only with stride 1, and then the odd zero is at the end as ours
        around = kernel[0] - 1, kernel[1] - 1
        own = around[0] // 2, around[1] // 2
        before = before[0] + own[0], before[1] + own[1]
        after = after[0] + around[0] - own[0], after[1] + around[1] - own[1]
    elif module.padding != "valid":
        height, width = _pair(module.padding)
        before = before[0] + height, before[1] + width
        after = after[0] + height, after[1] + width
    sizes = image_shape(shape)[1:]
    positions = tuple(
        (n + b + a - k) // s + 1
        for n, b, a, k, s in zip(sizes, before, after, kernel, stride, strict=True)
    )
    # What stands at the end and no patch reaches is no matter.
    for layer in made.values():
        if edges(layer, shape).before == before and layer.output_shape(shape)[1:] == positions:
            return layer
    if before == after == (0, 0):
        return made["valid"]  # the kernel is larger than the image, as the network will say
    wanted = edges(made["same"], shape)
    raise ValueError(
        f"[from_module] {name} has {before} zeros before its image of {sizes} and {after} behind it; "
        f"there must be none, or as many as fastfa's 'same' has, {wanted.before} and {wanted.after}"
    )


def input_below(name: str, module: nn.Module) -> tuple[int, ...]:
    """The input that a first module says it has.

    Raises
    ------
    ValueError
        It doesn't say.
    """
    if isinstance(module, nn.Linear):
        return (module.in_features,)
    if hasattr(module, "input_shape"):  # a LocallyConnected2d
        return tuple(module.input_shape)
    raise ValueError(
        f"[from_module] input was None; it must be (C, H, W), for {name}, {module!r}, doesn't say how "
        "large its images are"
    )


def unflattened(name: str, module: nn.Unflatten, shape: tuple[int, ...] | None) -> tuple[int, ...]:
    """The shape above an Unflatten, which must be that below it but for its form.

    Raises
    ------
    ValueError
        It isn't, or not one of images.
    """
    size = tuple(module.unflattened_size)
    fits = shape is None or (len(shape) > 1 and image_shape(shape) == size)
    if module.dim != 1 or len(size) != 3 or not fits:
        raise ValueError(
            f"[from_module] {name} was {module!r}; it must make the images (1, (C, H, W)) that are the "
            "input" + ("" if shape is None else f", of shape {shape}")
        )
    return shape or size


def _pair(value: Any) -> Pair:
    return (value, value) if isinstance(value, int) else (value[0], value[1])


def _check(name: str, module: nn.Module, settings: dict[str, Any]) -> None:
    for setting, wanted in settings.items():
        value = getattr(module, setting)
        given = _pair(value) if isinstance(wanted, tuple) else value
        if given != wanted:
            must = wanted[0] if isinstance(wanted, tuple) else wanted
            raise ValueError(f"[from_module] {name}.{setting} was {value!r}; it must be {must!r}")
