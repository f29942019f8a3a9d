"""Tables with commas between: which line is a header, and which column the label. Nothing is guessed."""

from __future__ import annotations

import re

from .. import _check
from .limit import Limit
from .table import Table, is_missing, read_table
from .text import number

# Names that are hardly ever those of a feature; compared in small letters without _, - and blanks.
_LABEL_NAMES = {
    *("label", "labels", "target", "targets", "class", "classes", "species"),
    *("classlabel", "targetlabel", "targetclass", "labelid", "classid", "ytrue", "groundtruth"),
}


def read_csv(limit: Limit, label_column: int | str | None, header: bool | None) -> Table:
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

    Raises
    ------
    TypeError, ValueError
        The table is malformed, its header is doubtful or contradicts `label_column`, or no argument
        says which column is the label and the last one holds a single class.
    """
    if header is not None:
        header = _check.flag(limit.where, "header", header)
    if not isinstance(label_column, str | None):
        label_column = _check.integer(limit.where, "label_column", label_column, -(2**31), 2**31)
    columns = _Columns(limit, label_column, header)
    table = read_table(limit, ",", columns.first)
    labels = table.labels
    if columns.by_default and len(labels) > 1 and (labels == labels[0]).all():
        raise ValueError(
            f"{columns.place}: the last column holds {labels[0]:.15g} in all {len(labels)} rows; "
            "label_column must say which column is the label (-1 if it is this one)"
        )
    return table


class _Columns:
    """What the first line decides."""

    def __init__(self, limit: Limit, label_column: int | str | None, header: bool | None) -> None:
        self.where = limit.where
        self.name = limit.name
        self.place = f"[{limit.where}] {limit.name}"
        self.label_column = label_column
        self.header = header
        self.by_default = False

    def first(self, fields: list[str]) -> tuple[bool, int]:
        """Whether the line is a header, and the column of the labels."""
        header = self._is_header(fields) if self.header is None else self.header
        if len(fields) < 2:
            raise ValueError(f"{self.place} has {len(fields)} column; it must have two or more")
        if header:
            self._check_names(fields)
        return header, self._label(fields if header else [], len(fields))

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
            if not name or name.startswith("Unnamed:"):
                what = f"the name {name[:40]!r}" if name else "no name"
                raise ValueError(
                    f"{self.place}: column {at} has {what}, as pandas' index has; it must have a "
                    "name, or not be written: to_csv(..., index=False)"
                )
        if self.header is None:
            everything = all(is_missing(name) for name in names)
            for at, name in enumerate(names, 1):
                if number(name) is None and (everything or _may_be_number(name)):
                    raise ValueError(
                        f"{self.place}: the first line's field {at} is {name[:40]!r}; it must be a "
                        "finite number, or the name of a column (header=True if it is one)"
                    )

    def _label(self, names: list[str], width: int) -> int:
        column, named = self.label_column, _named(names)
        where = f"[{self.where}] label_column was {column!r}"
        if isinstance(column, str):
            found = [at for at, name in enumerate(names) if name == column.strip()]
            if len(found) != 1:
                known = "a number, as there is no header"
                if names:
                    known = f"the name of one column, of {', '.join(names)[:200]}"
                raise ValueError(
                    f"{where}, which {self.name} has {len(found)} times; it must be {known}"
                )
            return found[0]
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
                f"{self.place}: the label may be any of the columns {several}; label_column must say "
                "which (a name or a number)"
            )
        self.by_default = not named
        return named[0] if named else width - 1


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
