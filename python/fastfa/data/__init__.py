"""Datasets: finding, fetching, reading and preparing them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .idx import read_idx, write_idx
from .load import Dataset, DatasetNotFound, Split, load
from .places import locate
from .registry import DATASETS, DataFile, DatasetInfo, dataset_info
from .stream import IdxError
from .transform import Normalised, normalise, one_hot, permutation

if TYPE_CHECKING:
    from .fetch import FetchError, fetch_dataset

__all__ = [
    "DATASETS",
    "DataFile",
    "Dataset",
    "DatasetInfo",
    "DatasetNotFound",
    "FetchError",
    "IdxError",
    "Normalised",
    "Split",
    "dataset_info",
    "fetch_dataset",
    "load",
    "locate",
    "normalise",
    "one_hot",
    "permutation",
    "read_idx",
    "write_idx",
]


def __getattr__(name: str) -> Any:
    # The network modules of the standard library cost more to import than all the rest together.
    if name in ("FetchError", "fetch_dataset"):
        from . import fetch

        return getattr(fetch, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
