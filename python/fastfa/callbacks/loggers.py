"""Callbacks that write each epoch's record to a file."""

from __future__ import annotations

import csv
import os
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from .. import _check
from ..atomic import atomic_write
from ..history import History, Record, check_records, column_names, csv_table, json_line
from .base import Writing

if TYPE_CHECKING:
    from ..trainer import Trainer


class _Logger(Writing):
    """Writes records to a file that is made anew when the first epoch begins.

    Not in `on_fit_begin`, where another callback may yet refuse the fit.
    """

    path: Path

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._set(path=Path(_check.path(type(self).__name__, "path", path)))
        self._records: list[Record] = []
        self._begun = False

    def _check_fit(self, trainer: Trainer, keys: Collection[str], complete: bool) -> None:
        self._check_path(self.path)

    def on_fit_begin(self, trainer: Trainer) -> None:
        self._begun = False

    def on_epoch_begin(self, trainer: Trainer, epoch: int) -> None:
        self._begin()

    def on_fit_end(self, trainer: Trainer, history: History) -> None:
        self._begin()  # of a fit that had no epoch left

    def _begin(self) -> None:
        if not self._begun:
            self._write()
        self._begun = True

    def _write(self) -> None:
        raise NotImplementedError

    def state_dict(self) -> dict[str, Any]:
        return {"records": self._records}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._records = check_records(state["records"])

    def _arguments(self) -> dict[str, Any]:
        return {"path": os.fspath(self.path)}


@final
class CSVLogger(_Logger):
    """Writes each epoch's record as a line of a CSV table, as soon as there is one.

    The file is made anew at the first ``fit`` and grows in later ones; a resumed run brings it to
    where its checkpoint was. If a record brings a key that the header lacks, the whole table is
    written again.

    Parameters
    ----------
    path
        The file; its folder must exist.
    """

    def on_epoch_end(self, trainer: Trainer, record: Record) -> None:
        self._records.append(dict(record))
        if set(record) <= set(self._header):
            with open(self.path, "a", encoding="utf-8", newline="") as file:
                csv.DictWriter(file, self._header, lineterminator="\n").writerow(record)
        else:
            self._write()

    def _write(self) -> None:
        self._header = column_names(self._records)
        with atomic_write(self.path) as file:
            file.write(csv_table(self._records).encode() if self._records else b"")


@final
class JSONLLogger(_Logger):
    """Writes each epoch's record as a line of JSON, as soon as there is one.

    The file is made anew at the first ``fit`` and grows in later ones; a resumed run brings it to
    where its checkpoint was. `History.from_jsonl` reads it.

    Parameters
    ----------
    path
        The file; its folder must exist.
    """

    def on_epoch_end(self, trainer: Trainer, record: Record) -> None:
        self._records.append(dict(record))
        with open(self.path, "a", encoding="utf-8", newline="") as file:
            file.write(json_line(record))

    def _write(self) -> None:
        with atomic_write(self.path) as file:
            file.writelines(json_line(record).encode() for record in self._records)
