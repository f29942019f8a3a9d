"""Datasets: finding, fetching, reading, making and preparing them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .amat import read_amat
from .cifar import read_cifar
from .crop_flip import CropFlip
from .dataset import Dataset, Split
from .distortion import Distortion
from .idx import read_idx, write_idx
from .known import dataset_info
from .libsvm import read_libsvm
from .load import DatasetNotFound, load
from .local import LOCAL_DATASETS
from .mfcc import mfcc
from .own import from_arrays, read
from .own_sequences import from_sequences
from .own_set import read_dataset
from .photos import photo_background
from .places import locate
from .prepared import NormalisedDataset, normalise_dataset
from .registry import DATASETS, DataFile, DatasetInfo
from .sequences import SequenceDataset, Sequences
from .stream import IdxError
from .svhn import load_svhn
from .tasks import add_task, delayed_xor_task, periodic_task
from .timit import load_timit
from .transform import Normalised, normalise, one_hot, permutation

if TYPE_CHECKING:
    from .fetch import FetchError, fetch_dataset

__all__ = [
    "DATASETS",
    "LOCAL_DATASETS",
    "CropFlip",
    "DataFile",
    "Dataset",
    "DatasetInfo",
    "DatasetNotFound",
    "Distortion",
    "FetchError",
    "IdxError",
    "Normalised",
    "NormalisedDataset",
    "SequenceDataset",
    "Sequences",
    "Split",
    "add_task",
    "dataset_info",
    "delayed_xor_task",
    "fetch_dataset",
    "from_arrays",
    "from_sequences",
    "load",
    "load_svhn",
    "load_timit",
    "locate",
    "mfcc",
    "normalise",
    "normalise_dataset",
    "one_hot",
    "periodic_task",
    "permutation",
    "photo_background",
    "read",
    "read_amat",
    "read_cifar",
    "read_dataset",
    "read_idx",
    "read_libsvm",
    "write_idx",
]


def __dir__() -> list[str]:
    return sorted(__all__)


def __getattr__(name: str) -> Any:
    # The network modules of the standard library cost more to import than all the rest together.
    if name in ("FetchError", "fetch_dataset"):
        from . import fetch

        return getattr(fetch, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
