"""Tables with commas between: which line is a header, and which column the label. Nothing is guessed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import _check
from .limit import Limit
from .table import Layout, Table, TextLabels, is_missing, read_table
from .text import number

# Names that are hardly ever those of a feature; compared in small letters without _, - and blanks.
_LABEL_NAMES = {
    *("label", "labels", "target", "targets", "class", "classes", "species"),
    *("classlabel", "targetlabel", "targetclass", "labelid", "classid", "ytrue", "groundtruth"),
}


class Csv(NamedTuple):
    """What a CSV file holds: the table, and the names of its features and of the label's column."""

    table: Table
    features: tuple[str, ...]
    label: str


def read_csv(
    limit: Limit,
    label_column: int | str | None,
    header: bool | None,
    *,
    names: bool = False,
    ignore: Sequence[str] = (),
    dtype: Any = np.float32,
    argument: str = "label_column",
    sequence: str | None = None,
) -> Csv:
    """The rows of a CSV file and their labels.

    Parameters
    ----------
    limit : Limit
        The file.
    label_column : int or str, optional
        Its place, also from the end, or its name. Default: the one that the header calls a label, or
        else the last.
    header : bool, optional
        Whether the first line names the columns. Default: whether it consists of words.
    names : bool
        Whether some labels may be numbers and some not: all are names then.
    ignore : sequence of str
        Names of columns that are left out.
    dtype : dtype
        Of the features.
    argument : str
        What the caller calls `label_column`, for messages.
    sequence : str, optional
        A column that is left out too, for it says which sequence a row belongs to.

    Raises
    ------
    TypeError, ValueError
        The table is malformed, its header is doubtful or contradicts `label_column`, some labels are
        numbers and some are not, or no argument says which column is the label and the last one holds a
        single class.
    """
    if header is not None:
        header = _check.flag(limit.where, "header", header)
    columns = Columns(limit.where, limit.name, label_column, header, ignore, argument, sequence)
    try:
        table = read_table(limit, "", columns.first, dtype=dtype)
    except TextLabels as found:
        table = read_table(limit, "", columns.first, dtype=dtype, text_labels=True)
        if not names and any(_may_be_number(text) for text in table.labels):
            raise ValueError(str(found)) from None
    columns.check_default(table.labels)
    return Csv(table, columns.features, columns.label)


class Columns:
    """What the first line decides."""

    def __init__(
        self,
        where: str,
        name: str,
        label_column: int | str | None,
        header: bool | None,
        ignore: Sequence[str] = (),
        argument: str = "label_column",
        sequence: str | None = None,
    ) -> None:
        if not isinstance(label_column, str | None):
            label_column = _check.integer(where, argument, label_column, -(2**31), 2**31)
        self.argument = argument
        self.where = where
        self.name = name
        self.place = f"[{where}] {name}"
        self.label_column = label_column
        self.header = header
        self.ignore = ignore
        self.sequence = sequence
        self.by_default = False
        self.features: tuple[str, ...] = ()
        self.label = ""

    def check_default(self, labels: Any) -> None:
        """Refuse to take the last column for the label if nothing says so and it is the same in all."""
        if self.by_default and len(labels) > 1 and (labels == labels[0]).all():
            one = labels[0] if isinstance(labels[0], str) else f"{labels[0]:.15g}"
            raise ValueError(
                f"{self.place}: the last column holds {one} in all {len(labels)} rows; "
                f"{self.argument} must say which column is the label (-1 if it is this one)"
            )

    def first(self, fields: list[str]) -> Layout:
        """Whether the line is a header, the column of the labels, and those that are left out."""
        header = self._is_header(fields) if self.header is None else self.header
        if len(fields) < 2:
            raise ValueError(f"{self.place} has {len(fields)} column; it must have two or more")
        if header:
            self._check_names(fields)
        return self.layout(fields if header else [], len(fields), header)

    def layout(self, names: list[str], width: int, header: bool = True) -> Layout:
        """The column of the labels and those left out, of ``width`` columns with these names or none."""
        label = self._label(names, width)
        ignored = tuple(
            _only(names, name, f"[{self.where}] ignore", self.name) for name in self.ignore
        )
        if label in ignored:
            raise ValueError(
                f"[{self.where}] ignore was {list(self.ignore)!r}; {names[label]!r} in it must not be "
                "the column of the labels"
            )
        if self.sequence is not None:
            place = _only(names, self.sequence, f"[{self.where}] sequence", self.name)
            if label == place:
                raise ValueError(
                    f"[{self.where}] sequence was {self.sequence!r}; it must not be the column of the "
                    f"labels ({self.argument} says which that is)"
                )
            ignored = (*ignored, place)
        if width - len(set(ignored)) < 2:
            raise ValueError(f"{self.place} has {width} columns; one feature must not be ignored")
        if names:
            self.label = names[label]
            self.features = tuple(
                name for at, name in enumerate(names) if at != label and at not in ignored
            )
        return Layout(header, label, ignored)

    def _is_header(self, fields: list[str]) -> bool:
        words = [field for field in fields if number(field) is None]
        counted = [field for field in fields if number(field) is not None]
        # As pandas numbers columns that have no names.
        counts = counted == [str(at) for at in range(len(counted))]
        if not words and counts and len(fields) > 1:
            raise ValueError(
                f"{self.place}: the first line counts from 0 to {len(fields) - 1}, as pandas numbers "
                "columns; header must be True if that is what it is, or False"
            )
        # Among numbers, a word is a damaged one, unless it is "label" beside columns with numbers.
        return not counted or (counts and bool(_named(words)))

    def _check_names(self, names: list[str]) -> None:
        """Refuse a header that may be data, or that has a column which is no feature."""
        for at, name in enumerate(names, 1):
            if name in self.ignore:
                continue
            if not name or name.startswith("Unnamed:"):
                what = f"the name {name[:40]!r}" if name else "no name"
                raise ValueError(
                    f"{self.place}: column {at} has {what}, as pandas' index has; it must have a "
                    "name, or not be written: to_csv(..., index=False)"
                )
        if self.header is None:
            everything = all(is_missing(name) for name in names)
            for at, name in enumerate(names, 1):
                if name in self.ignore:
                    continue
                if number(name) is None and (everything or _may_be_number(name)):
                    raise ValueError(
                        f"{self.place}: the first line's field {at} is {name[:40]!r}; it must be a "
                        "finite number, or the name of a column (header=True if it is one)"
                    )

    def _label(self, names: list[str], width: int) -> int:
        column, named = self.label_column, _named(names)
        where = f"[{self.where}] {self.argument} was {column!r}"
        if isinstance(column, str):
            return _only(names, column.strip(), f"[{self.where}] {self.argument}", self.name)
        if column is not None:
            if not -width <= column < width:
                raise ValueError(f"{where}; it must be from {-width} to {width - 1}")
            if named and column % width not in named:
                raise ValueError(
                    f"{where}, the column {names[column % width]!r}, but {self.name} has a column "
                    f"{names[named[0]]!r}; it must be the name of the one that is meant"
                )
            return column % width
        inside = named and _plain(names[named[0]]) == "y" and 0 < named[0] < width - 1
        if len(named) > 1 or inside:
            several = ", ".join(repr(names[at]) for at in sorted({*named, width - 1}))
            raise ValueError(
                f"{self.place}: the label may be any of the columns {several}; {self.argument} must say "
                "which (a name or a number)"
            )
        self.by_default = not named
        return named[0] if named else width - 1


def _only(names: list[str], name: str, argument: str, file: str) -> int:
    """The place of the one column of this name."""
    found = [at for at, each in enumerate(names) if each == name]
    if len(found) != 1:
        known = "a number, as there is no header"
        if names:
            known = f"the name of one column, of {', '.join(names)[:200]}"
        raise ValueError(
            f"{argument} was {name!r}, which {file} has {len(found)} times; it must be {known}"
        )
    return found[0]


def _plain(name: str) -> str:
    return re.sub(r"[\s_.-]", "", name).lower()


def _named(names: list[str]) -> list[int]:
    """The columns whose names say that they are labels; one called y only if nothing says more."""
    plain = [_plain(name) for name in names]
    strong = [at for at, name in enumerate(plain) if name in _LABEL_NAMES]
    return strong or [at for at, name in enumerate(plain) if name == "y"]


def _may_be_number(name: str) -> bool:
    """Whether some reader would see a number (1_000, 0x10, nan, other digits), or none a name."""
    for parse in (float, lambda text: int(text, 0)):
        try:
            parse(name)
        except ValueError:
            continue
        return True
    return not any(letter.isalpha() for letter in name)
