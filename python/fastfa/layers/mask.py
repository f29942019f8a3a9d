"""Which weights of a dense layer exist."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _check
from .._attributes import immutable


@immutable
@dataclass(frozen=True)
class Mask:
    """The ``mask`` of a :class:`Dense` layer. ``np.asarray(mask)`` is a boolean array (n_out, n_in).

    It can't be changed, and is equal to every mask of the same weights.
    """

    shape: tuple[int, int]
    _packed: bytes  # eight weights a byte, row after row

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        flat = np.unpackbits(np.frombuffer(self._packed, np.uint8), count=self._size)
        return flat.reshape(self.shape).astype(bool if dtype is None else dtype)

    @property
    def share(self) -> float:
        """The share of the weights that exist, in (0, 1]."""
        return float(np.asarray(self).mean())

    def __repr__(self) -> str:
        return f"<{self.shape[0]}×{self.shape[1]} mask, {100 * self.share:.3g} %>"

    @property
    def _size(self) -> int:
        return self.shape[0] * self.shape[1]

    def _described(self) -> dict[str, Any]:
        return {"shape": list(self.shape), "bits": base64.b64encode(self._packed).decode("ascii")}


def checked_mask(value: Any, units: int, density: float) -> Mask | None:
    """``value``, an array or a Mask, as a mask of so many units."""
    if value is None:
        return None
    mask = value if isinstance(value, Mask) else _of_array(value)
    if mask.shape[0] != units:
        raise ValueError(
            f"[Dense] mask has shape {mask.shape}; it must be ({units}, n_in), a row for each unit"
        )
    if density != 1:
        raise ValueError(f"[Dense] density was {density:g} beside a mask; it must be 1")
    return mask


def _of_array(value: Any) -> Mask:
    array = _check.as_array("Dense", "mask", value)
    if array.ndim != 2 or 0 in array.shape:
        raise ValueError(
            f"[Dense] mask has shape {array.shape}; it must be (n_out, n_in), the shape of W"
        )
    if array.dtype.kind not in "biuf":
        raise TypeError(f"[Dense] mask was an array of {array.dtype}; it must be of truth values")
    if not ((array == 0) | (array == 1)).all():
        raise ValueError("[Dense] mask has other values than 0 and 1; it must be of truth values")
    kept = array.astype(bool)
    if not kept.any():
        raise ValueError("[Dense] mask has no weight; there must be at least one")
    return Mask((int(array.shape[0]), int(array.shape[1])), np.packbits(kept).tobytes())


def mask_described(value: dict[str, Any]) -> Mask:
    """The mask that `Mask._described` described, in a file."""
    rows, cols = value["shape"]
    count = _check.integer("Dense", "mask", rows, 1) * _check.integer("Dense", "mask", cols, 1)
    try:
        packed = base64.b64decode(value["bits"], validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        raise ValueError(f"[Dense] mask was {value!r:.60}; its bits must be base64") from error
    if len(packed) != (count + 7) // 8:
        raise ValueError(
            f"[Dense] mask has {len(packed)} bytes; {count} weights must have {(count + 7) // 8}"
        )
    flat = np.unpackbits(np.frombuffer(packed, np.uint8), count=count)
    return _of_array(flat.reshape(rows, cols))
