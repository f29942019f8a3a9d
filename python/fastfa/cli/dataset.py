"""The data that the settings name: a set that fastfa knows, or a file of one's own."""

from __future__ import annotations

import argparse
import os
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from .settings import default_of
from .table import OWN_DATA

if TYPE_CHECKING:
    from ..data import Dataset
    from ..data.prepared import NormalisedDataset


def load_data(settings: argparse.Namespace) -> Dataset:
    """The dataset, as it lies there.

    Raises
    ------
    ValueError
        There is none of this name, or settings for one's own data are given beside one of fastfa's.
    """
    from ..data import load, read_dataset

    name = settings.dataset
    given = {key: getattr(settings, key) for key in sorted(OWN_DATA)}
    if not is_own(name):
        for key, value in given.items():
            if value != default_of(key):
                raise ValueError(
                    f"[train] {key} was {value!r} with dataset {name!r}; it must not be given: it "
                    "applies to a file of your own"
                )
        return load(name, root=settings.root)
    if settings.root is not None:
        raise ValueError(
            f"[train] root was {settings.root!r} with dataset {name!r}, a path; it must not be given"
        )
    target = given.pop("target")
    if target is not None and re.fullmatch(r"-?[0-9]{1,9}", target):
        target = int(target)
    seed, ignore = given.pop("split_seed"), given.pop("ignore")
    try:
        return read_dataset(name, target=target, seed=seed, ignore=ignore or (), **given)
    except (TypeError, ValueError) as error:
        if str(error).startswith("[read_dataset] source "):
            raise ValueError(f"[train] dataset {str(error).partition('source ')[2]}") from None
        raise


def is_own(name: str) -> bool:
    """Whether this names a file or folder of the user's, and no set that fastfa knows."""
    from ..data import DATASETS, LOCAL_DATASETS
    from ..data.own import ENDINGS

    if name in DATASETS or name in LOCAL_DATASETS:
        return False
    path = os.path.expanduser(name)
    ending = os.path.splitext(path.removesuffix(".gz"))[1].lower()
    return os.path.exists(path) or os.sep in path or ending in ENDINGS


def settled(settings: argparse.Namespace, data: Dataset) -> argparse.Namespace:
    """The settings with the defaults that depend on what there is to learn."""
    own = vars(settings).copy()
    regression = data.is_regression
    if own["loss"] is None:
        own["loss"] = "squared_error" if regression else "cross_entropy"
    if own["output_activation"] is None:
        classes = "softmax" if own["loss"] == "cross_entropy" else "logistic"
        own["output_activation"] = "linear" if regression else classes
    if own["activation"] is None:
        tanh = _sends_targets(settings) or is_in_time(settings)
        own["activation"] = "tanh" if tanh else "relu"
    if regression:
        if own["loss"] != "squared_error":
            raise ValueError(
                f"[train] loss was {own['loss']!r} for regression; it must be squared_error (or task "
                "classification)"
            )
        if own["targets"] is not None:
            raise ValueError(
                f"[train] targets was {own['targets']}; it must not be given: it applies to classes"
            )
    return argparse.Namespace(**own)


def is_in_time(settings: argparse.Namespace) -> bool:
    """Whether the network that the settings describe is one in time."""
    return any(layer["kind"] == "recurrent" for layer in settings.layers or ())


def _sends_targets(settings: argparse.Namespace) -> bool:
    """Whether hidden layers learn from targets, which are never negative: relu units then die."""
    from .. import PRESETS

    if settings.feedback_route is not None:
        return settings.feedback_route == "target"
    return settings.feedback in PRESETS and PRESETS[settings.feedback].route == "target"


class Prepared(NamedTuple):
    """The data as a network is given them, and what 0, the background of digits, is in them.

    Images of several channels, each with its own mean, have 0 there: what is their mean.
    ``statistics`` is None where they are as they were.
    """

    data: Dataset
    background: float
    statistics: NormalisedDataset | None = None


def prepare(settings: argparse.Namespace, data: Dataset) -> Prepared:
    """The data as the settings want them: of mean 0 and standard deviation 1 over the training set, each
    column of a table by itself, all pixels of an image's channel together (Supplementary Note 5)."""
    from ..data import SequenceDataset, normalise, normalise_dataset

    wanted = settings.normalise
    if wanted is None:
        # Sequences of no table, such as a made task, are taken as they are.
        made = isinstance(data, SequenceDataset) and not data.is_table
        wanted = data.is_table or (data.is_regression and not made)
    if not wanted:
        return Prepared(data, 0.0)
    found = normalise_dataset(data)
    zero = 0.0
    if not found.mean.ndim and not isinstance(data, SequenceDataset):
        # What 0 has become, to the last bit.
        zero = float(normalise(data.train.x[:1, :1] * 0, found.mean, found.sd).x[0, 0])
    return Prepared(found.data, zero, found)


def measured(record: Any, part: str) -> tuple[str, float, str]:
    """The measure of a part by which it is judged: its key, its value, and this as text."""
    key = f"{part}_error"
    if key in record:
        return key, record[key], f"{record[key]:.2%}"
    key = f"{part}_loss"
    return key, record[key], f"{record[key]:.4g}"
