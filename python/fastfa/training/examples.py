"""Examples as a user gives them, checked and laid out as the compiled loop wants them."""

from __future__ import annotations

import hashlib
import numbers
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .. import _check
from .._class_names import found_names, is_text, numbered, renumbered, shown_names
from ..data import Sequences, Split, one_hot
from ..layers.recurrent import is_in_time
from ..network import _arguments
from .in_time import prepared

if TYPE_CHECKING:
    from ..network import Network


class Examples(NamedTuple):
    """x (N, n_in), y (N, n_out) and weights (N,): C-contiguous, finite, of the network's dtype.

    Of sequences (N, T, n_in), (N, T, n_out) and (N, T).
    """

    x: np.ndarray
    y: np.ndarray
    weights: np.ndarray | None = None  # all 1

    def take(self, indices: np.ndarray) -> Examples:
        """A copy of the examples at ``indices``, in that order."""
        weights = None if self.weights is None else self.weights[indices]
        return Examples(self.x[indices], self.y[indices], weights)


Sets = dict[str, Examples]  # "train", and those that are measured


@dataclass(frozen=True)
class FitPlan:
    """What a fit was begun with: the epoch it ends after, and a fingerprint of each set by name."""

    end: int
    examples: dict[str, str]


def prepare(
    net: Network,
    source: Any,
    name: str,
    targets: tuple[float, float],
    names: Sequence[str] = (),
) -> Examples:
    """Examples from a Split, a pair (X, labels) or (X, Y), or such a pair with weights as a third.

    Parameters
    ----------
    net
        The network that they are for.
    source
        Has ``x`` and ``labels``, or is a pair (inputs, 1-D labels or 2-D targets), or that with a weight
        for each example. Labels are integers, booleans or names. For a network with one output, 1-D
        values are its targets.
    name
        The argument's name, for errors.
    targets
        (low, high): what labels become.
    names
        Those of the classes, where labels have names.

    Raises
    ------
    ValueError, TypeError
        Naming the argument, what it was and what it must be.
    """
    if is_in_time(net.layers):
        return Examples(*prepared(net, source, name, targets, names))
    inputs, answers, weights, of_classes = _parts(source, name)
    x = _arguments.inputs(net, "fit", f"{name} X", inputs)
    answers = _check.as_array("fit", f"{name} Y", answers)
    own = getattr(source, "class_names", ())
    if of_classes and own and names:
        answers = renumbered("fit", f"{name} labels", answers, own, names)
    elif is_text(answers):
        answers = numbered("fit", f"{name} labels", answers, names)
    if answers.ndim == 1 and net.output_size == 1:
        answers = _for_one_output(answers, name, targets, of_classes)
    if answers.ndim == 2:
        y = _targets(net, answers, len(x), name)
    else:
        y = _from_labels(net, answers, len(x), name, targets)
    return Examples(x, y, _arguments.sample_weight(net, "fit", weights, len(x), f"{name} weights"))


def _parts(source: Any, name: str) -> tuple[Any, Any, Any, bool]:
    """Inputs, labels or targets, weights or None; and whether these are of a Split with classes."""
    if hasattr(source, "x") and hasattr(source, "labels"):
        return source.x, source.labels, None, np.asarray(source.labels).dtype.kind != "f"
    if isinstance(source, tuple | list) and len(source) in (2, 3):
        inputs, answers, weights = (*source, None)[:3]
        return inputs, answers, weights, False
    if isinstance(source, Sequences):
        return source.x, source.y, None, False
    raise TypeError(
        f"[fit] {name} was {_describe(source)}; it must be a Split, a pair (X, labels) or a "
        "pair (X, Y), or such a pair with the examples' weights as a third"
    )


def names_in(net: Network, train: Any) -> tuple[str, ...]:
    """The names of the classes: those that the network has, else those of the training examples.

    Raises
    ------
    ValueError
        These have another number of names than the network has outputs.
    """
    if net.class_names:
        return net.class_names
    classes = max(net.output_size, 2)
    own = getattr(train, "class_names", ())
    if own:
        return tuple(own) if len(own) == classes else ()
    answers = _check.as_array("fit", "train Y", _parts(train, "train")[1])
    if not is_text(answers):
        return ()
    found = found_names("fit", "train labels", answers)
    if len(found) != classes:
        raise ValueError(
            f"[fit] train labels has {len(found)} names ({shown_names(found)}); the network has "
            f"{net.output_size} outputs, so there must be {classes}, or net.class_names must name them"
        )
    return found


def prepare_sets(
    net: Network, targets: tuple[float, float], seed: int, train: Any, validation: Any, test: Any
) -> dict[str, Examples]:
    """The checked examples of a fit by name: "train", and the sets to measure after each epoch."""
    names = names_in(net, train)
    sets = {"train": prepare(net, train, "train", targets, names)}
    if isinstance(validation, numbers.Real):
        fraction = _check.real(
            "fit", "validation", validation, high=1.0, open_low=True, open_high=True
        )
        sets["train"], sets["validation"] = split_off(sets["train"], fraction, seed)
    elif validation is not None:
        sets["validation"] = prepare(net, validation, "validation", targets, names)
    if test is not None:
        sets["test"] = prepare(net, test, "test", targets, names)
    for name, part in sets.items():
        _arguments.check_some_weight("fit", f"{name} weights", part.weights)
    return sets


def split_off(examples: Examples, fraction: float, seed: int) -> tuple[Examples, Examples]:
    """(the rest, a random ``fraction`` of the examples), chosen as `Split.split` chooses."""
    n = len(examples.x)
    count = round(fraction * n)
    if not 0 < count < n:
        raise ValueError(
            f"[fit] validation was {fraction!r}, which is {count} of {n} training examples; "
            "at least one must be split off and one must stay"
        )
    numbers = Split(np.zeros((n, 1)), np.arange(n, dtype=np.int64), (1, 1, 1))
    rest, chosen = numbers.split(fraction, seed)
    return examples.take(rest.labels), examples.take(chosen.labels)


def fingerprint(examples: Examples) -> str:
    """A mark by which to know these examples again, from their number and 1,024 of them."""
    n = len(examples.x)
    some = np.linspace(0, n - 1, min(n, 1024)).astype(np.int64)
    mark = hashlib.sha256(f"{examples.x.shape} {examples.y.shape} {examples.x.dtype}".encode())
    for array in examples.take(some):
        if array is not None:
            mark.update(array.data)
    return f"{n} examples with mark {mark.hexdigest()[:16]}"


def _targets(net: Network, values: np.ndarray, n: int, name: str) -> np.ndarray:
    return _arguments.targets(net, "fit", f"{name} Y", values, n)


def _for_one_output(
    values: np.ndarray, name: str, targets: tuple[float, float], of_classes: bool
) -> np.ndarray:
    """(N,) values as (N, 1) targets. Labels are taken for them only where both mean the same."""
    integers = values.dtype.kind in "iub"
    if integers and targets != (0.0, 1.0):
        raise ValueError(
            f"[fit] {name} labels are integers, for one output and targets={targets!r}; give targets of "
            f"shape ({len(values)}, 1), which are taken as they are"
        )
    if of_classes and values.size and not 0 <= values.min() <= values.max() <= 1:
        raise ValueError(
            f"[fit] {name} labels lies in [{values.min()}, {values.max()}]; the network has one output, "
            "so it must lie in [0, 1], or the network have an output for each class"
        )
    return values[:, None]


def _from_labels(
    net: Network, labels: np.ndarray, n: int, name: str, targets: tuple[float, float]
) -> np.ndarray:
    if labels.shape != (n,) or labels.dtype.kind not in "iub":
        raise ValueError(
            f"[fit] {name} labels has shape {labels.shape} and dtype {labels.dtype}; it must be "
            f"({n},) and of an integer type, or targets of shape ({n}, {net.output_size})"
        )
    if labels.dtype.kind == "b":
        labels = labels.astype(np.int64)
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= net.output_size:
        raise ValueError(
            f"[fit] {name} labels lies in [{low}, {high}]; the network has {net.output_size} "
            f"outputs, so it must lie in [0, {net.output_size - 1}]"
            + _check.from_one_hint(low, high, net.output_size)
        )
    _arguments.check_probabilities(net, "fit", "targets", *targets)
    return one_hot(labels, net.output_size, *targets, dtype=net.dtype)


def _describe(value: Any) -> str:
    shape = getattr(value, "shape", None)
    return type(value).__name__ if shape is None else f"an array of shape {shape}"
