"""Sequences in memory: inputs and targets step by step, for networks in time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import _check
from .._attributes import immutable
from .._class_names import check_names
from .dataset import Dataset, Split

_FLOATS = (np.float32, np.float64)


@immutable
@dataclass(frozen=True, eq=False, repr=False)
class Sequences:
    """Sequences and their targets, as `Trainer.fit` takes them for a network in time.

    Attributes
    ----------
    x : ndarray, shape (N, T, n_in), float32 or float64
        The inputs, step by step.
    y : ndarray, shape (N, T, k) or (N, k), float32 or float64
        The targets of each step, or of each sequence's last step alone. Of classes 1 for the right one
        and 0 for the others.
    lengths : ndarray, shape (N,), int64, optional
        Where each sequence ends, 1 ... T: what comes later is padding, and doesn't count.
    mask : ndarray, shape (N, T), float32 or float64, optional
        What each step counts, at least 0: a factor on its loss and error. Not beside `lengths`, nor with
        targets of the last steps.
    class_names : tuple of str
        What the k outputs stand for; empty where y are numbers to predict.

    Raises
    ------
    TypeError, ValueError
        An array has another type or shape, a value is not finite, or a length or mask is out of range.
    """

    x: npt.NDArray[Any]
    y: npt.NDArray[Any]
    lengths: npt.NDArray[np.int64] | None = None
    mask: npt.NDArray[Any] | None = None
    class_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        where = "Sequences"
        for name in ("x", "y"):
            array = _check.as_array(where, name, getattr(self, name))
            if array.dtype not in _FLOATS:
                raise TypeError(
                    f"[{where}] {name} is of {array.dtype}; it must be float32 or float64"
                )
            _check.finite(where, name, array)
            object.__setattr__(self, name, array)
        if self.x.ndim != 3 or 0 in self.x.shape[1:]:
            raise ValueError(
                f"[{where}] x has shape {self.x.shape}; it must be (N, T, n_in), with T and n_in at "
                "least 1"
            )
        n, steps = self.x.shape[:2]
        if self.y.shape[:-1] not in ((n, steps), (n,)) or not self.y.shape[-1]:
            raise ValueError(
                f"[{where}] y has shape {self.y.shape}; it must be ({n}, {steps}, k), or ({n}, k) for "
                "the last steps"
            )
        if self.lengths is not None and self.mask is not None:
            raise ValueError(f"[{where}] mask and lengths were given; it must be one of them")
        if self.lengths is not None:
            object.__setattr__(self, "lengths", _lengths(self.lengths, n, steps))
        if self.mask is not None:
            object.__setattr__(self, "mask", _mask(self.mask, self.x, self.at_end))
        object.__setattr__(self, "class_names", check_names(where, self.class_names))
        if self.class_names and len(self.class_names) != self.y.shape[-1]:
            raise ValueError(
                f"[{where}] class_names has {len(self.class_names)} names; it must have "
                f"{self.y.shape[-1]}, one for each of y's columns"
            )

    def __len__(self) -> int:
        return len(self.x)

    def __repr__(self) -> str:
        n, steps, inputs = self.x.shape
        ends = " at the last step" if self.at_end else ""
        kind = f"{self.y.shape[-1]} classes" if self.class_names else f"{self.y.shape[-1]} targets"
        more = ", with lengths" * (self.lengths is not None) + ", masked" * (self.mask is not None)
        return (
            f"Sequences({n} of {steps} steps, {inputs} inputs, {kind}{ends}{more}, {self.x.dtype})"
        )

    @property
    def at_end(self) -> bool:
        """Whether the targets are those of each sequence's last step alone."""
        return self.y.ndim == 2

    @property
    def is_regression(self) -> bool:
        """Whether the targets are numbers to predict, and not classes."""
        return not self.class_names

    def take(self, indices: npt.ArrayLike) -> Sequences:
        """The sequences with these indices (M,), in this order, copied.

        Raises
        ------
        TypeError, IndexError
            `indices` are not integers, or one is not that of a sequence.
        """
        numbers = np.arange(len(self), dtype=np.int64)
        chosen = Split(np.zeros((len(self), 1)), numbers, (1, 1, 1)).take(indices).labels
        lengths, mask = (
            None if array is None else array[chosen] for array in (self.lengths, self.mask)
        )
        return Sequences(self.x[chosen], self.y[chosen], lengths, mask, self.class_names)

    def split(self, fraction: float, seed: int = 0) -> tuple[Sequences, Sequences]:
        """Divide whole sequences at random into two parts, as `Split.split` divides examples.

        Parameters
        ----------
        fraction : float
            The second part's share, between 0 and 1; rounded to whole sequences.
        seed : int
            Not negative.

        Returns
        -------
        train, validation : Sequences
            (1 - fraction) N and fraction N sequences, copied, in their order.

        Raises
        ------
        ValueError
            A part would have no sequences, or `seed` is negative.
        """
        numbers = np.arange(len(self), dtype=np.int64)
        parts = Split(np.zeros((len(self), 1)), numbers, (1, 1, 1)).split(fraction, seed)
        return self.take(parts[0].labels), self.take(parts[1].labels)


def _lengths(value: Any, n: int, steps: int) -> npt.NDArray[np.int64]:
    given = _check.as_array("Sequences", "lengths", value)
    if given.shape != (n,) or given.dtype.kind not in "iu":
        raise ValueError(
            f"[Sequences] lengths has shape {given.shape} and dtype {given.dtype}; it must be of "
            f"integers, ({n},)"
        )
    if n and not 1 <= given.min() <= given.max() <= steps:
        wrong = given.min() if given.min() < 1 else given.max()
        raise ValueError(f"[Sequences] lengths has {wrong}; each must be in [1, {steps}]")
    return given.astype(np.int64)


def _mask(value: Any, x: npt.NDArray[Any], at_end: bool) -> npt.NDArray[Any]:
    given = _check.as_array("Sequences", "mask", value)
    if at_end:
        raise ValueError("[Sequences] mask was given with y of the last steps; it must be None")
    if given.shape != x.shape[:2] or given.dtype.kind not in "fiub":
        raise ValueError(
            f"[Sequences] mask has shape {given.shape} and dtype {given.dtype}; it must be of numbers, "
            f"{x.shape[:2]}"
        )
    mask = given.astype(x.dtype)
    _check.finite("Sequences", "mask", mask)
    if mask.size and mask.min() < 0:
        raise ValueError(f"[Sequences] mask has {mask.min():g}; each value must be at least 0")
    return mask


@immutable
@dataclass(frozen=True, eq=False)
class SequenceDataset(Dataset):
    """A dataset whose parts are `Sequences`.

    Attributes
    ----------
    name : str
        Its name.
    train, test : Sequences
        Its two parts, of as many inputs and outputs.
    classes : int
        The number of classes; 0 where numbers are to be predicted.
    image_shape : tuple of int
        (1, 1, n_in).
    class_names, feature_names : tuple of str
        What the classes and the inputs are called; empty where that is not known.
    is_table : bool
        Whether the inputs are columns of a table, each with a unit of its own.
    origin : str
        How the parts were made, in words.
    """

    train: Sequences  # type: ignore[assignment]
    test: Sequences  # type: ignore[assignment]

    def __post_init__(self) -> None:
        for name in ("train", "test"):
            part = getattr(self, name)
            if not isinstance(part, Sequences):
                raise TypeError(
                    f"[SequenceDataset] {name} was {_check.shown(part)}; it must be Sequences"
                )
        for what in ("x", "y"):
            sizes = [getattr(part, what).shape[-1] for part in (self.train, self.test)]
            if sizes[0] != sizes[1] or self.train.at_end != self.test.at_end:
                raise ValueError(
                    f"[SequenceDataset] test has {what} of shape {getattr(self.test, what).shape} and "
                    f"train {getattr(self.train, what).shape}; they must have the same columns"
                )

        if self.train.class_names != self.test.class_names:
            raise ValueError(
                f"[SequenceDataset] test has class_names {_check.shown(self.test.class_names)}; they "
                f"must be those of train, {_check.shown(self.train.class_names)}"
            )

    @property
    def outputs(self) -> int:
        """The outputs that a network needs."""
        return self.train.y.shape[-1]


def sequence_dataset(name: str, train: Sequences, test: Sequences, **known: Any) -> SequenceDataset:
    """The dataset of two parts, with what follows from them."""
    names = train.class_names
    return SequenceDataset(name, train, test, len(names), (1, 1, train.x.shape[2]), names, **known)
