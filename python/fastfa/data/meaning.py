"""What the target of a source means: classes, and what they are called, or numbers to predict."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .._class_names import found_names, is_text, numbered, shown_names
from .dataset import Split
from .own import targets
from .source import WHERE, Found

_MOST_CLASSES = 20  # different whole numbers that are taken for classes without being told so


def understood(found: Found, task: str | None) -> tuple[str, ...] | None:
    """The names of the classes, sorted; None for regression.

    Raises
    ------
    ValueError
        It may be either, or there is one class only.
    """
    answers, place = found.answers, f"[{WHERE}] {found.name}: the target {found.target!r}"
    if task == "regression":
        return None
    if is_text(answers):
        names = found_names(WHERE, f"{found.name} {found.target}", answers)
    else:
        if answers.dtype.kind not in "fiub":
            raise ValueError(f"{place} has dtype {answers.dtype}; it must be of numbers or names")
        numbers = targets(WHERE, f"{found.name} {found.target}", answers)
        different = np.unique(numbers)
        if task is None and (different != np.floor(different)).any():
            return None
        if task is None and len(different) > _MOST_CLASSES and not found.of_classes:
            raise ValueError(
                f"{place} has {len(different)} different whole numbers, which may be classes or numbers "
                "to predict; task must be 'classification' or 'regression'"
            )
        names = _of_numbers(different, answers.dtype.kind == "b")
    if len(names) < 2:
        raise ValueError(f"{place} is {names[0]!r} in all rows; it must have two classes or more")
    return names


def _of_numbers(different: npt.NDArray[np.float64], truth: bool) -> tuple[str, ...]:
    if truth:
        return tuple(str(bool(value)) for value in different)
    return tuple(f"{value:.15g}" for value in different)


def part_of(found: Found, names: tuple[str, ...] | None) -> Split:
    """The examples, with labels that count in these names."""
    answers, place = found.answers, f"{found.name} {found.target}"
    if names is None:
        if is_text(answers):
            at = next(i for i, value in enumerate(answers.tolist()) if isinstance(value, str))
            raise ValueError(
                f"[{WHERE}] {place}[{at}] was {answers[at]!r}; for regression it must be a number"
            )
        return Split(found.x, targets(WHERE, place, answers), found.shape)
    if not is_text(answers):
        different, places = np.unique(targets(WHERE, place, answers), return_inverse=True)
        own = _of_numbers(different, answers.dtype.kind == "b")
        answers = np.array(own, object)[places]
    return Split(found.x, numbered(WHERE, place, answers, names), found.shape, names)


def told(found: Found, names: tuple[str, ...] | None) -> str:
    kind = "regression" if names is None else f"{len(names)} classes ({shown_names(names)})"
    count = found.x.shape[1]
    what = f"{count} feature{'s' if count > 1 else ''}"
    if not found.is_table:
        what = f"images of {' x '.join(map(str, found.shape))}"
    return f"{found.name}: {found.target}: {kind}; {what}"
