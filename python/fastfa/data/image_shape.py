"""The shape of an image: three positive numbers."""

from __future__ import annotations

import math
import operator
from typing import Any

from .. import _check


def image_shape_of(where: str, value: Any, n_in: int) -> tuple[int, int, int]:
    """`value` as (channels, height, width), three positive integers of product `n_in`.

    Raises
    ------
    TypeError, ValueError
        It is something else, or looks like (height, width, channels); the message begins with `where`.
    """
    must = f"it must be three numbers above 0, (channels, height, width), of product {n_in}"
    try:
        shape = tuple(operator.index(size) for size in value)
    except TypeError:
        raise TypeError(f"{where}image_shape was {value!r}; {must}") from None
    if len(shape) != 3 or min(shape) < 1 or math.prod(shape) != n_in:
        raise ValueError(f"{where}image_shape was {value!r}; {must}")
    if _check.channels_last(shape):
        height, width, channels = shape
        raise ValueError(
            f"{where}image_shape was {shape}, which looks like (height, width, channels); it must be "
            f"(channels, height, width), here {(channels, height, width)}, with the examples laid out "
            "so: x.transpose(0, 3, 1, 2)"
        )
    return shape
