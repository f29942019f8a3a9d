"""A dataset in memory: examples as rows of numbers, labels as integers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import _check
from .._attributes import immutable
from .._class_names import check_names
from .image_shape import image_shape_of


@immutable
@dataclass(frozen=True, eq=False, repr=False)
class Split:
    """Examples and their labels.

    Attributes
    ----------
    x : ndarray, shape (N, n_in), float32 or float64
        One example a row.
    labels : ndarray, shape (N,), int64 or float64
        The class of each example; or, of regression, the number to predict, as float64.
    image_shape : tuple of int
        (channels, height, width), whose product is n_in.
    class_names : tuple of str
        What the labels 0, 1, ... are called; empty where they are numbers only.
    """

    x: npt.NDArray[Any]
    labels: npt.NDArray[Any]
    image_shape: tuple[int, int, int] = (1, 28, 28)
    class_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("x", "labels"):
            array = getattr(self, name)
            if not isinstance(array, np.ndarray):
                raise TypeError(f"[Split] {name} was {_check.shown(array)}; it must be an ndarray")
            if type(array) is not np.ndarray:
                object.__setattr__(self, name, _check.as_array("Split", name, array))
        if self.x.ndim != 2 or self.x.dtype not in (np.float32, np.float64):
            raise ValueError(
                f"[Split] x has shape {self.x.shape} and dtype {self.x.dtype}; "
                "it must be (N, n_in) and float32 or float64"
            )
        right = self.labels.dtype in (np.int64, np.float64)
        if self.labels.shape != self.x.shape[:1] or not right:
            raise ValueError(
                f"[Split] labels has shape {self.labels.shape} and dtype {self.labels.dtype}; "
                f"it must be ({len(self.x)},) and int64"
            )
        shape = image_shape_of("[Split] ", self.image_shape, self.x.shape[1])
        object.__setattr__(self, "image_shape", shape)
        object.__setattr__(self, "class_names", check_names("Split", self.class_names))
        count = len(self.class_names)
        if count and len(self) and (self.is_regression or self.labels.max() >= count):
            raise ValueError(
                f"[Split] class_names has {count} names for labels of {self.labels.dtype} up to "
                f"{self.labels.max()}; there must be one for each class, and none for regression"
            )

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        kind = ", regression" if self.is_regression else ""
        kind = f", {len(self.class_names)} named classes" if self.class_names else kind
        return f"Split({len(self)} examples of {self.image_shape}, {self.x.dtype}{kind})"

    @property
    def is_regression(self) -> bool:
        """Whether the labels are numbers to predict, and not classes."""
        return self.labels.dtype == np.float64

    @property
    def images(self) -> npt.NDArray[Any]:
        """The examples as images, shape (N, channels, height, width): a view of `x`."""
        return self.x.reshape(len(self), *self.image_shape)

    def take(self, indices: npt.ArrayLike) -> Split:
        """The examples with these indices, in this order, copied.

        Parameters
        ----------
        indices : array_like, shape (M,)
            Integers from 0 to N - 1, repeats allowed.

        Raises
        ------
        TypeError
            `indices` are not integers.
        IndexError
            One is not that of an example.
        """
        chosen = _check.as_array("take", "indices", indices)
        if chosen.size == 0 and chosen.ndim == 1:
            chosen = chosen.astype(np.int64)
        if chosen.ndim != 1 or chosen.dtype.kind not in "iu":
            raise TypeError(
                f"[take] indices has shape {chosen.shape} and dtype {chosen.dtype}; "
                "it must be one-dimensional and integer"
            )
        if chosen.size and (chosen.min() < 0 or chosen.max() >= len(self)):
            raise IndexError(
                f"[take] indices go from {chosen.min()} to {chosen.max()}; "
                f"they must be from 0 to {len(self) - 1}"
            )
        return Split(self.x[chosen], self.labels[chosen], self.image_shape, self.class_names)

    def split(
        self, fraction: float, seed: int = 0, *, stratified: bool = False
    ) -> tuple[Split, Split]:
        """Divide the examples at random into two parts, for training and for validation.

        Each part keeps the examples' order. The choice depends on `seed`, N and `fraction` alone, and
        on the labels if it is stratified.

        Parameters
        ----------
        fraction : float
            The second part's share, between 0 and 1; rounded to whole examples.
        seed : int
            Not negative.
        stratified : bool
            Whether each class has its share in both parts, up to one example. (Of regression it makes
            no difference.)

        Returns
        -------
        train, validation : Split
            (1 - fraction) N and fraction N examples, copied.

        Raises
        ------
        ValueError
            A part would have no examples, or `seed` is negative.
        """
        count = round(fraction * len(self)) if 0 < fraction < 1 else 0
        if not 0 < count < len(self):
            raise ValueError(
                f"[split] fraction was {fraction}; it must leave at least one of the "
                f"{len(self)} examples in each part"
            )
        if seed < 0:
            raise ValueError(f"[split] seed was {seed}; it must not be negative")
        # Ranks of raw Philox words, and not Generator.permutation, whose numbers may change from
        # one NumPy to the next; those of the bit generators may not.
        order = np.argsort(np.random.Philox(seed).random_raw(len(self)), kind="stable")
        if _check.flag("split", "stratified", stratified) and not self.is_regression:
            order = order[np.argsort(_shares(self.labels[order]), kind="stable")]
        return self.take(np.sort(order[count:])), self.take(np.sort(order[:count]))


def _shares(labels: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Of each example in the middle of which share of its class it stands, in their order."""
    shares = np.empty(len(labels))
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        shares[own] = (np.arange(len(own)) + 0.5) / len(own)
    return shares


@immutable
@dataclass(frozen=True, eq=False)
class Dataset:
    """A dataset in memory.

    Attributes
    ----------
    name : str
        Its name.
    train, test : Split
        Its two parts, as published, or as `read_dataset` has divided them.
    classes : int
        The number of classes; labels go from 0 to classes - 1. 0 for regression.
    image_shape : tuple of int
        (channels, height, width).
    class_names : tuple of str
        What the classes are called; empty where that is not known.
    feature_names : tuple of str
        What the columns of x are called; empty where that is not known.
    is_table : bool
        Whether the features are columns of a table, each with a unit of its own, and no image.
    origin : str
        How the parts were made, in words; empty for a published set.
    """

    name: str
    train: Split
    test: Split
    classes: int
    image_shape: tuple[int, int, int]
    class_names: tuple[str, ...] = ()
    feature_names: tuple[str, ...] = ()
    is_table: bool = False
    origin: str = ""

    def __post_init__(self) -> None:
        for name in ("train", "test"):
            if not isinstance(part := getattr(self, name), Split):
                raise TypeError(f"[Dataset] {name} was {_check.shown(part)}; it must be a Split")
        image_shape_of("[Dataset] ", self.image_shape, self.train.x.shape[1])
        _check.integer("Dataset", "classes", self.classes, 0 if self.is_regression else 1)
        object.__setattr__(self, "class_names", check_names("Dataset", self.class_names))
        if self.class_names and len(self.class_names) != self.classes:
            raise ValueError(
                f"[Dataset] class_names has {len(self.class_names)} names; there must be "
                f"{self.classes}, one for each class"
            )

    @property
    def is_regression(self) -> bool:
        """Whether the labels are numbers to predict, and not classes."""
        return self.train.is_regression

    @property
    def outputs(self) -> int:
        """The outputs that a network needs: one for each class, or one for regression."""
        return self.classes or 1
