"""What `compare` is given to learn from: a set by its name, a `Dataset`, or what `Trainer.fit` takes."""

from __future__ import annotations

import numbers
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _check
from .._class_names import found_names, is_text
from ..data import Dataset, Sequences, load

HELD_OUT = 0.2  # of the examples, where nothing else is given to measure on


@dataclass(frozen=True)
class Sets:
    """The sets as `Trainer.fit` takes them, and what a network needs to know of them.

    ``input`` is for `Network`; ``outputs`` are classes if ``labelled``, else the numbers of a target.
    """

    train: Any
    validation: Any
    test: Any
    input: int | tuple[int, ...]
    outputs: int
    labelled: bool
    name: str
    in_time: bool = False


def read_sets(data: Any, validation: Any, test: Any) -> Sets:
    """The sets, of which one at least is there to measure on.

    Raises
    ------
    ValueError, TypeError
        If ``data`` is none of the things that it may be.
    """
    data = load(data) if isinstance(data, str) else data
    name, classes = "", 0
    if isinstance(data, Dataset):
        name, classes = data.name, data.classes
        test = data.test if test is None and len(data.test) else test
        data = data.train
    if validation is None and test is None:
        validation = HELD_OUT
    inputs, answers = _parts("data", data)
    if not len(inputs):
        raise ValueError("[compare] data was empty; it must have at least one example")
    if isinstance(data, Sequences):
        outputs, labelled = answers.shape[-1], bool(data.class_names)
        return Sets(data, validation, test, inputs.shape[2], outputs, labelled, name, in_time=True)
    shape = tuple(getattr(data, "image_shape", inputs.shape[1:]))
    size = shape if len(shape) > 1 else shape[0]
    others = []
    if validation is not None and not isinstance(validation, numbers.Real):
        others.append(_parts("validation", validation)[1])
    if test is not None:
        others.append(_parts("test", test)[1])
    if answers.ndim == 2:
        return Sets(data, validation, test, size, answers.shape[1], False, name)
    if is_text(answers):
        names = getattr(data, "class_names", ()) or found_names("compare", "data Y", answers)
        return Sets(data, validation, test, size, len(names), True, name)
    if answers.dtype.kind not in "iub":
        return Sets(data, validation, test, size, 1, False, name)
    classes = max(classes, *map(_classes, [answers, *others]))
    return Sets(data, validation, test, size, classes, True, name)


def _parts(name: str, source: Any) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and answers, looked at only; a fit checks them."""
    if isinstance(source, Sequences):
        return source.x, source.y
    if hasattr(source, "x") and hasattr(source, "labels"):
        pair = source.x, source.labels
    elif isinstance(source, tuple | list) and len(source) in (2, 3):
        pair = source[0], source[1]
    else:
        a_set = "the name of a data set, a Dataset, " if name == "data" else ""
        shape = getattr(source, "shape", None)
        was = _check.shown(source) if shape is None else f"an array of shape {shape}"
        raise TypeError(
            f"[compare] {name} was {was}; it must be {a_set}a Split, a pair "
            "(X, labels) or a pair (X, Y), or such a pair with the examples' weights as a third"
        )
    x = _check.as_array("compare", f"{name} X", pair[0])
    y = _check.as_array("compare", f"{name} Y", pair[1])
    if x.ndim < 2 or y.ndim not in (1, 2) or len(x) != len(y):
        raise ValueError(
            f"[compare] {name} X has shape {x.shape} and Y {y.shape}; they must be (N, n_in) and (N,) "
            "or (N, n_out), with the same N"
        )
    return x, y


def _classes(answers: np.ndarray) -> int:
    """How many classes there must be; a fit refuses what are no labels."""
    if answers.ndim == 2:
        return answers.shape[1]
    return int(answers.max()) + 1 if answers.size and answers.dtype.kind in "iub" else 0
