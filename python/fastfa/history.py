"""What a training run measured: one record an epoch, and the files that hold them."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import reprlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from . import _check
from ._attributes import Guarded, Whole
from .atomic import atomic_write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Record = dict[str, Any]


def column_names(records: list[Record]) -> list[str]:
    """Every key of ``records``, in order of first appearance."""
    return list(dict.fromkeys(key for record in records for key in record))


class History(Whole, Guarded):
    """The records of a training run, in order of their epochs.

    Each record is a dict. `Trainer` writes ``epoch`` (1-based), ``lr`` (that of the epoch's last
    batch), ``train_loss``, ``train_error``, ``validation_loss``, ``validation_error``, ``test_loss``,
    ``test_error`` (those of the sets that it was given), ``seconds`` (of training alone) and
    ``samples_per_second``; callbacks may add keys. Losses are means over examples, errors are
    fractions of examples between 0 and 1; a network with one output, which tells no classes apart, has
    none.

    Attributes
    ----------
    records : list of dict
    """

    records: list[Record]

    _SETTINGS: ClassVar[dict[str, Callable[[Any, Any], Any]]] = {
        "records": lambda self, value: check_records(value)
    }
    _INSTEAD: ClassVar[dict[str, str]] = {"": "it follows from the records; change those"}

    def __init__(self, records: list[Record] | None = None) -> None:
        if isinstance(records, Iterable) and not isinstance(records, str | bytes | Mapping):
            records = list(records)
        self._set(records=[] if records is None else check_records(records))

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[Record]:
        return iter(self.records)

    def __repr__(self) -> str:
        return f"History({len(self)} epochs: {', '.join(self.columns)})"

    def _repr_html_(self) -> str:
        from . import _html  # for notebooks alone

        return _html.history(self)

    def __getitem__(self, key: str) -> list[Any]:
        """The column ``key``, one value an epoch; None where a record lacks it."""
        if key not in self.columns:
            raise KeyError(f"[History] no record has {key!r}; there are: {', '.join(self.columns)}")
        return [record.get(key) for record in self.records]

    @property
    def columns(self) -> list[str]:
        """Every key that a record has, in order of first appearance."""
        return column_names(self.records)

    def best(self, key: str, mode: str = "min") -> Record:
        """The record whose ``key`` is smallest (``mode="max"``: largest); the first, in a tie.

        Raises
        ------
        KeyError
            If no record has ``key``.
        ValueError
            If ``mode`` is neither, or every value is missing or NaN.
        """
        if mode not in ("min", "max"):
            raise ValueError(f"[best] mode was {mode!r}; it must be 'min' or 'max'")
        values = self[key]
        usable = [i for i, value in enumerate(values) if value is not None and value == value]
        if not usable:
            raise ValueError(f"[best] key was {key!r}; none of its values is a number")
        choose = min if mode == "min" else max
        return self.records[choose(usable, key=values.__getitem__)]

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write a CSV table with a header line, atomically; a missing value is an empty field."""
        with atomic_write(
            _check.path("to_csv", "path", path)
        ) as file:  # JSON can name half a character, which UTF-8 can't write
            file.write(csv_table(self.records).encode(errors="backslashreplace"))

    def to_jsonl(self, path: str | os.PathLike[str]) -> None:
        """Write one JSON object a line, atomically; `from_jsonl` reads the same values back.

        JSON has no words for what isn't finite: NaN is null, infinity 1e999, which readers of JSON take
        for infinity or refuse.
        """
        with atomic_write(_check.path("to_jsonl", "path", path)) as file:
            file.writelines(json_line(record).encode() for record in self.records)

    @classmethod
    def from_jsonl(cls, path: str | os.PathLike[str]) -> History:
        """Read what `to_jsonl` or `fastfa.callbacks.JSONLLogger` wrote; null is NaN.

        Raises
        ------
        ValueError
            If a line isn't a JSON object, which names file and line; or the path is that of a folder, a
            pipe or a device.
        """
        path = _check.path("from_jsonl", "path", path)
        records: list[Record] = []
        _check.regular_file("from_jsonl", path)
        with open(path, "rb") as file:  # what isn't UTF-8 has a line too
            for number, line in enumerate(file, start=1):
                try:
                    record = json.loads(line)
                except (ValueError, RecursionError) as error:
                    raise ValueError(f"[from_jsonl] {path}, line {number}: {error}") from None
                if not isinstance(record, dict):
                    raise ValueError(
                        f"[from_jsonl] {path}, line {number} holds {type(record).__name__}; "
                        "each line must be a JSON object"
                    )
                records.append(_with_nan(record))
        return cls(records)

    def plot(self, ax: Axes | None = None, measure: str | None = None) -> Figure:
        """Learning curves: the error rate or loss of every set against epochs. Needs matplotlib.

        Parameters
        ----------
        ax
            Axes to draw on; without one, a new figure is made.
        measure
            ``"error"`` or ``"loss"``; None: errors if there are any, else losses.

        Returns
        -------
        matplotlib.figure.Figure
            Save it with ``.savefig(path)``.
        """
        from . import plots

        return plots.plot_history(self, ax, measure)


def check_records(value: Any) -> list[Record]:
    """Records that come from a file: a list of dicts, as a list of its own."""
    if not isinstance(value, list) or not all(isinstance(record, dict) for record in value):
        raise TypeError(f"[History] records was {reprlib.repr(value)}; it must be a list of dicts")
    return list(value)


def csv_table(records: list[Record]) -> str:
    """``records`` as CSV with a header line; what a record lacks is an empty field."""
    text = io.StringIO()
    writer = csv.DictWriter(text, column_names(records), lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue()


def json_line(record: Mapping[str, Any]) -> str:
    """``record`` as one line of strict JSON: NaN is null, infinities are numbers out of range."""
    return _json(record) + "\n"


def _json(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(k)}: {_json(v)}" for k, v in value.items()) + "}"
    if hasattr(value, "tolist"):  # of NumPy
        value = value.tolist()
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_json, value)) + "]"
    if isinstance(value, float) and not math.isfinite(value):
        return "null" if math.isnan(value) else "1e999" if value > 0 else "-1e999"
    return json.dumps(value)


def _key(value: Any) -> str:
    """A dict's key, which JSON has as text."""
    return json.dumps(value if isinstance(value, str) else str(value))


def _with_nan(value: Any) -> Any:
    """What was read, with NaN for null."""
    if isinstance(value, dict):
        return {key: _with_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_nan(item) for item in value]
    return math.nan if value is None else value
