"""A network's arrays, a layer each: a tuple whose entries can be written to."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Any, Generic, TypeVar

import numpy as np

from .. import _check

_Entry = TypeVar("_Entry", bound=np.ndarray | None)


class LayerArrays(tuple[_Entry, ...], Generic[_Entry]):
    """A tuple of arrays. Assigning to an entry writes the values into its array, and copies them.

    So ``net.weights[0] = array`` and ``net.weights[0] *= 0.5`` change the network.
    """

    _name: str

    def __new__(cls, arrays: Iterable[_Entry], name: str) -> LayerArrays[_Entry]:
        """``name`` is the property's, for errors."""
        self = super().__new__(cls, arrays)
        self._name = name
        return self

    def __setitem__(self, index: Any, value: Any) -> None:
        """Write ``value``, an array of the entry's shape or one number, into entry ``index``.

        Raises
        ------
        ValueError, TypeError
            If the entry is None or can't be written to, or the value doesn't fit or isn't finite.
        IndexError
            If there is no such layer.
        """
        where, name = "Network", self._name
        try:
            index = operator.index(index)
        except TypeError:
            raise TypeError(
                f"[{where}] {name}[{index!r}] was assigned; the index must be one integer: write one "
                "array after another"
            ) from None
        array, place = self[index], f"{name}[{index}]"
        if value is array:  # after net.weights[0] *= 0.5, which has written already
            return
        if array is None:
            raise TypeError(
                f"[{where}] {place} was assigned; the layer has no bias, and must be made with one"
            )
        if not array.flags.writeable:
            raise ValueError(
                f"[{where}] {place} was assigned; this B is drawn or follows from the weights, and must "
                "be another kind to be written to: "
                "net.set_feedback(fastfa.Feedback('array', array=array))"
            )
        if value is None:
            raise TypeError(f"[{where}] {place} was None; it must be an array {array.shape}")
        given = np.shape(_check.as_array(where, place, value))
        if given not in ((), array.shape):
            raise ValueError(f"[{where}] {place} has shape {given}; it must be {array.shape}")
        new = _check.numeric(where, place, value, array.dtype)
        _check.finite(where, place, new)
        array[...] = new

    def __reduce__(self) -> Any:
        return tuple, (tuple(self),)  # a copy shares nothing with the network
