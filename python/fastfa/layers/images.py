"""What layers that look at patches of an image have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from .. import _check
from .layer import shape_below

Padding = Literal["valid", "same"]


def image_below(where: str, value: Any) -> tuple[int, int, int]:
    """(C, H, W) of an input (H, W) or (C, H, W)."""
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) not in (2, 3):
        raise ValueError(f"[{where}] input_shape was {value!r}; it must be (H, W) or (C, H, W)")
    *channels, height, width = shape_below(where, value)
    return channels[0] if channels else 1, height, width


def pair(where: str, name: str, value: Any) -> tuple[int, int]:
    """(height, width) from an integer for both or a pair."""
    if not isinstance(value, Sequence):
        both = _check.integer(where, name, value, 1, 2**31 - 1)
        return both, both
    if isinstance(value, str) or len(value) != 2:
        raise ValueError(f"[{where}] {name} was {value!r}; it must be an integer or a pair of them")
    height, width = (
        _check.integer(where, f"{name}[{i}]", v, 1, 2**31 - 1) for i, v in enumerate(value)
    )
    return height, width


def positions(
    image: tuple[int, int, int], kernel: tuple[int, int], stride: tuple[int, int], padding: Padding
) -> tuple[int, int]:
    """How many patches there are, down and along; 0 where none fits."""

    def along(size: int, kernel: int, stride: int) -> int:
        if padding == "same":
            return -(-size // stride)
        return (size - kernel) // stride + 1 if size >= kernel else 0

    return along(image[1], kernel[0], stride[0]), along(image[2], kernel[1], stride[1])


def check_channels_first(shape: tuple[int, ...], where: str, kind: str) -> None:
    """Refuse an input that looks like (H, W, C)."""
    if _check.channels_last(shape):
        height, width, channels = shape
        raise ValueError(
            f"[Network] input was {shape}, which looks like (H, W, C) below {where}, a {kind}; it must "
            f"be (C, H, W), here {(channels, height, width)}, with examples of X laid out so: "
            f"X.transpose(0, 3, 1, 2). (Of {height} channels that are {width} by {channels} pixels, "
            f"give (C, W, H) with the sides of all kernels exchanged.)"
        )
