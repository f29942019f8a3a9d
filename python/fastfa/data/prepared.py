"""A dataset made ready for a network: inputs, and numbers to predict, of mean 0 and deviation 1."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .. import _check
from .dataset import Dataset
from .sequences import SequenceDataset, Sequences
from .transform import normalise


class NormalisedDataset(NamedTuple):
    """What `normalise_dataset` returns: the new dataset, and the statistics that made it.

    ``mean`` and ``sd`` are those of the inputs, () or (n_in,). ``target_mean`` and ``target_sd`` are
    those of the numbers to predict; 0 and 1 where there are classes.
    """

    data: Dataset
    mean: npt.NDArray[np.float64]
    sd: npt.NDArray[np.float64]
    target_mean: float
    target_sd: float


def normalise_dataset(data: Dataset, *, per_feature: bool | None = None) -> NormalisedDataset:
    """Shift and scale the inputs of both parts by the mean and deviation of the training part.

    Of regression the numbers to predict are shifted and scaled too, likewise. Of sequences all steps
    count that aren't padding.

    Parameters
    ----------
    data : Dataset
    per_feature : bool, optional
        Whether each feature has its own mean and deviation, or all have the same. Default: each its own
        in a table, where columns have different units, and in sequences; and in images all of a channel
        the same, so that red, green and blue have their own.

    Returns
    -------
    NormalisedDataset
        A column that is constant in the training part has deviation 1, and becomes 0 there.

    Raises
    ------
    TypeError, ValueError
        `data` is no Dataset, `per_feature` no bool, the training part is empty, or a value isn't finite.

    Examples
    --------
    >>> import fastfa as fa
    >>> normal = fa.data.normalise_dataset(fa.data.load("mnist-mini"))
    >>> normal.mean.shape
    ()
    """
    where = "normalise_dataset"
    if not isinstance(data, Dataset):
        raise TypeError(f"[{where}] data was {_check.shown(data)}; it must be a Dataset")
    if isinstance(data, SequenceDataset):
        return _of_sequences(data, per_feature)
    channels = data.image_shape[0] if per_feature is None and not data.is_table else 1
    if per_feature is None:
        per_feature = data.is_table
    per_feature = _check.flag(where, "per_feature", per_feature)
    train = normalise(data.train.x, per_feature=per_feature, channels=channels)
    test = normalise(data.test.x, train.mean, train.sd).x if len(data.test) else data.test.x
    mean, sd = 0.0, 1.0
    parts = {"train": data.train.labels, "test": data.test.labels}
    if data.is_regression:
        own = normalise(data.train.labels)
        mean, sd = float(own.mean), float(own.sd)
        parts = {name: (labels - mean) / sd for name, labels in parts.items()}
    xs: dict[str, Any] = {"train": train.x, "test": test}
    normal = dataclasses.replace(
        data,
        **{
            name: dataclasses.replace(getattr(data, name), x=xs[name], labels=parts[name])
            for name in parts
        },
    )
    return NormalisedDataset(normal, train.mean, train.sd, mean, sd)


def _of_sequences(data: SequenceDataset, per_feature: bool | None) -> NormalisedDataset:
    """The same of sequences; their targets have one mean and deviation, for all outputs and steps."""
    each = per_feature is None or _check.flag("normalise_dataset", "per_feature", per_feature)
    there = _steps(data.train)
    own = normalise(data.train.x[there], per_feature=each)
    mean, sd = 0.0, 1.0
    if data.is_regression:
        y = data.train.y if data.train.at_end else data.train.y[there]
        found = normalise(y.astype(np.float64))
        mean, sd = float(found.mean), float(found.sd)

    def made(part: Sequences) -> Sequences:
        there = _steps(part)
        x, y = np.zeros_like(part.x), (part.y - mean) / sd
        if len(part):
            x[there] = normalise(part.x[there], own.mean, own.sd).x
        if not part.at_end:
            y[~there] = 0
        return dataclasses.replace(part, x=x, y=y.astype(part.y.dtype))

    normal = dataclasses.replace(data, train=made(data.train), test=made(data.test))
    return NormalisedDataset(normal, own.mean, own.sd, mean, sd)


def _steps(part: Sequences) -> npt.NDArray[np.bool_]:
    """(N, T): which steps are there, and no padding."""
    n, steps = part.x.shape[:2]
    ends = np.full(n, steps) if part.lengths is None else part.lengths
    return np.arange(steps) < ends[:, None]
