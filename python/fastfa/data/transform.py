"""From labels to targets, and from raw numbers to standard ones."""

from __future__ import annotations

import math
import numbers
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .. import _check, _core


def one_hot(
    labels: npt.ArrayLike,
    classes: int,
    low: float = 0.0,
    high: float = 1.0,
    dtype: npt.DTypeLike = np.float32,
) -> npt.NDArray[Any]:
    """Targets for labels: `high` in the label's column, `low` in the others.

    Parameters
    ----------
    labels : array_like, shape (N,)
        Integers from 0 to classes - 1.
    classes : int
        The number of columns.
    low, high : float
        The two values, low < high. The paper's tanh networks have -0.9 and 0.9.
    dtype : dtype
        float32 or float64.

    Returns
    -------
    ndarray, shape (N, classes)
        A new C-contiguous array.

    Raises
    ------
    TypeError
        `labels` or `classes` are not integers.
    ValueError
        `labels` is not one-dimensional, a label is out of range, `low` and `high` are not finite
        or not in this order, or `dtype` is another.
    """
    if isinstance(classes, bool) or not isinstance(classes, int | np.integer):
        raise TypeError(f"[one_hot] classes was {classes!r}; it must be a positive integer")
    if classes < 1:
        raise ValueError(f"[one_hot] classes was {classes}; it must be a positive integer")
    index = _check.as_array("one_hot", "labels", labels)
    if index.ndim != 1:
        raise ValueError(f"[one_hot] labels has shape {index.shape}; it must be (N,)")
    if index.size and index.dtype.kind not in "iu":
        raise TypeError(f"[one_hot] labels has dtype {index.dtype}; it must be an integer one")
    wrong = (index < 0) | (index >= classes)
    if wrong.any():
        at = int(np.argmax(wrong))
        raise ValueError(
            f"[one_hot] labels[{at}] was {index[at]}; it must be from 0 to {classes - 1}"
            + _check.from_one_hint(index.min(), index.max(), classes)
        )
    for name, value in (("low", low), ("high", high)):
        if not isinstance(value, numbers.Real):
            raise TypeError(f"[one_hot] {name} was {value!r}; it must be a number")
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(
            f"[one_hot] low was {low} and high {high}; they must be finite, and low below high"
        )
    try:
        kind = np.dtype(dtype)
    except TypeError:
        raise TypeError(f"[one_hot] dtype was {dtype!r}; it must be float32 or float64") from None
    if kind not in (np.float32, np.float64):
        raise ValueError(f"[one_hot] dtype was {kind}; it must be float32 or float64")
    targets = np.full((len(index), classes), low, dtype)
    targets[np.arange(len(index)), index.astype(np.intp)] = high
    return targets


class Normalised(NamedTuple):
    """What `normalise` returns: the new values, and the statistics that made them."""

    x: npt.NDArray[Any]
    mean: npt.NDArray[np.float64]
    sd: npt.NDArray[np.float64]


def normalise(
    x: npt.NDArray[Any],
    mean: npt.ArrayLike | None = None,
    sd: npt.ArrayLike | None = None,
    *,
    per_feature: bool = False,
    channels: int = 1,
) -> Normalised:
    """Shift and scale to zero mean and unit standard deviation: (x - mean) / sd.

    Without statistics they are computed from `x`; give the training set's to normalise a test set.

    Parameters
    ----------
    x : ndarray, shape (N, ...), float32 or float64
        One example a row.
    mean, sd : array_like, shape () or x.shape[1:], optional
        Statistics to use: both or none.
    per_feature : bool
        Without statistics: compute them for each feature over the examples, and not one of each
        over all values. A feature that never varies has sd 1, and so becomes 0.
    channels : int
        Without statistics: compute one of each for each of so many channels of images, which lie one
        after the other in an example, as in (N, channels, height, width).

    Returns
    -------
    Normalised
        `x`, new, of the shape and dtype of the input; `mean` and `sd`, float64, as given or
        computed: of shape () or x.shape[1:], where those of a channel are repeated for its pixels.

    Raises
    ------
    TypeError
        `x` is not a float32 or float64 array, or only one of `mean` and `sd` is given.
    ValueError
        `x` has no examples, the statistics are not finite, `sd` is not positive, a shape does not
        fit, or `channels` are no whole part of an example or given beside `per_feature`.

    Examples
    --------
    >>> import fastfa as fa
    >>> digits = fa.data.load("mnist-mini")
    >>> train = fa.data.normalise(digits.train.x)
    >>> test = fa.data.normalise(digits.test.x, train.mean, train.sd)
    >>> abs(float(test.x.mean())) < 0.05
    True
    """
    if not isinstance(x, np.ndarray) or x.dtype not in (np.float32, np.float64):
        raise TypeError(
            f"[normalise] x was {getattr(x, 'dtype', type(x).__name__)}; "
            "it must be an array of float32 or float64"
        )
    x = _check.as_array("normalise", "x", x)
    if x.ndim < 1 or x.size == 0:
        raise ValueError(f"[normalise] x has shape {x.shape}; it must hold at least one example")
    if (mean is None) != (sd is None):
        raise TypeError("[normalise] mean and sd must be given both or not at all")
    channels = _channels(x, channels, per_feature)
    if mean is None or sd is None:
        centre, spread = (
            _statistics(x, axis=0 if per_feature else None)
            if channels == 1
            else _of_channels(x, channels)
        )
    else:
        centre, spread = (
            _check.real_numbers("normalise", name, value).astype(np.float64)
            for name, value in (("mean", mean), ("sd", sd))
        )
    for name, value in (("mean", centre), ("sd", spread)):
        if value.shape not in ((), x.shape[1:]):
            raise ValueError(
                f"[normalise] {name} has shape {value.shape}; it must be () or {x.shape[1:]}"
            )
        if not np.isfinite(value).all():
            raise ValueError(f"[normalise] {name} holds NaN or Inf (of x, or as given)")
    if not (spread > 0).all():
        raise ValueError(f"[normalise] sd was {spread.min()} somewhere; it must be positive")
    scaled = x - centre.astype(x.dtype)
    scaled /= spread.astype(x.dtype)
    return Normalised(scaled, centre, spread)


def _channels(x: npt.NDArray[Any], channels: int, per_feature: bool) -> int:
    """The number of channels, if the examples have so many."""
    channels = _check.integer("normalise", "channels", channels, 1)
    if channels > 1 and per_feature:
        raise ValueError(
            f"[normalise] channels was {channels} beside per_feature; it must not be given"
        )
    shape = x.shape[1:]
    stacked = len(shape) > 1  # then they are the first dimension
    if channels > 1 and (shape[:1] != (channels,) if stacked else math.prod(shape) % channels):
        raise ValueError(
            f"[normalise] channels was {channels} for x of shape {x.shape}; x must be (N, channels, "
            "height, width), or have rows that are so many channels of equal size"
        )
    return channels


def _of_channels(
    x: npt.NDArray[Any], channels: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Those of each channel, repeated for its pixels."""
    apart = x.reshape(len(x), channels, -1)
    found = [_statistics(apart[:, channel], None) for channel in range(channels)]
    pixels = apart.shape[2]
    mean, sd = (np.repeat(each, pixels).reshape(x.shape[1:]) for each in zip(*found, strict=True))
    return mean, sd


def _statistics(
    x: npt.NDArray[Any], axis: int | None
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Mean and standard deviation in float64, without a float64 copy of all of x."""
    count = len(x) if axis == 0 else x.size
    blocks = [x[begin : begin + 4096] for begin in range(0, len(x), 4096)]
    mean = np.asarray(sum(block.sum(axis=axis, dtype=np.float64) for block in blocks)) / count
    squares = np.zeros_like(mean)
    for block in blocks:
        squares = squares + (np.subtract(block, mean, dtype=np.float64) ** 2).sum(axis=axis)
    # Asked of the values, because the rounded mean of equal numbers may differ from them.
    constant = x.max(axis=axis) == x.min(axis=axis)
    return np.asarray(mean), np.where(constant, 1.0, np.sqrt(squares / count))


def permutation(n: int, seed: int, epoch: int) -> npt.NDArray[np.int64]:
    """The order in which the compiled core visits `n` examples in an epoch.

    A Philox4x32-10 shuffle that depends on its three arguments alone: the same on every machine
    and with any number of threads.

    Parameters
    ----------
    n : int
        The number of examples.
    seed : int
        Another seed, another sequence of orders.
    epoch : int
        Which of them.

    Returns
    -------
    ndarray, shape (n,), int64
        Each of 0, ..., n - 1 once.

    Raises
    ------
    ValueError, TypeError
        If an argument is negative, too large, or not an integer.
    """
    where = "permutation"
    return _core.permutation(
        _check.integer(where, "n", n, 0),
        _check.integer(where, "seed", seed, 0, 2**64 - 1),
        _check.integer(where, "epoch", epoch, 0, 2**32 - 1),
    )
