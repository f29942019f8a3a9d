"""What a comparison found: records, a table, differences in pairs, curves, files."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

from .. import _check
from .._attributes import immutable
from ..atomic import atomic_write
from ..experiments import _statistics
from ..history import History, Record, csv_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@final
@immutable
@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """What `fastfa.compare` found. Print it; a notebook shows tables and curves.

    Attributes
    ----------
    contestants : tuple of str
        Their names.
    seeds : tuple of int
        With which each was to be trained.
    base : str
        The contestant with which the others are compared.
    measure : str
        The column of the records that is compared, such as ``test_error``: it says of which examples.
    histories : dict
        ``histories[name][seed]`` is the `History` of a network. After Ctrl-C some are missing.
    diverged : dict
        ``diverged[name][seed]`` says where a network diverged; its history ends before.
    angles : list of dict
        A row for each measurement: ``contestant``, ``seed``, ``epoch`` (0: before training), ``batch``,
        ``layer`` (hidden, from 0) and ``angle_bp`` (Δh∠Δh_BP in degrees, NaN where an update is zero).
    data : str
        The name of the data set, or empty.

    Notes
    -----
    Intervals are of the mean over seeds, 95 %, by Student's t. They speak of other seeds, on these
    examples; not of other examples.
    """

    contestants: tuple[str, ...]
    seeds: tuple[int, ...]
    base: str
    measure: str
    histories: Mapping[str, Mapping[int, History]]
    diverged: Mapping[str, Mapping[int, str]]
    angles: Sequence[Record]
    data: str = ""

    def __repr__(self) -> str:
        counts = f"{len(self.contestants)} contestants, {len(self.seeds)} seeds"
        return f"Comparison({counts}, {self.measure})"

    def __str__(self) -> str:
        from . import _telling

        return _telling.text(self)

    def _repr_html_(self) -> str:
        from . import _telling

        return _telling.html(self)

    @property
    def complete(self) -> bool:
        """Whether each contestant was trained with each seed (or diverged)."""
        return all(len(self.histories[name]) == len(self.seeds) for name in self.contestants)

    @property
    def records(self) -> list[Record]:
        """A record for each epoch of each network: ``contestant``, ``seed``, then those of `History`.

        With angles each has ``angle_bp.0`` and so on, by hidden layer.
        """
        return [
            {"contestant": name, "seed": seed} | record
            for name in self.contestants
            for seed, history in self.histories[name].items()
            for record in history
        ]

    def values(self, measure: str | None = None) -> dict[str, np.ndarray]:
        """The measure at the last epoch by contestant, (seeds,); NaN where a network has none.

        A network that diverged, or that Ctrl-C came before, has none.

        Raises
        ------
        ValueError
            If no record has ``measure``.
        """
        measure = self._known("values", measure)
        return {
            name: np.array([self._last(name, seed, measure) for seed in self.seeds])
            for name in self.contestants
        }

    def table(self, measure: str | None = None) -> list[Record]:
        """A row for each contestant, as `pandas.DataFrame` takes them.

        Parameters
        ----------
        measure
            A column of the records; None: ``self.measure``.

        Returns
        -------
        list of dict
            ``contestant``; ``n``, how many networks came to their end; ``diverged``, how many didn't;
            ``mean`` of the measure over the n, ``low`` and ``high`` of its interval (NaN for one
            network), ``seconds``, the mean of a network's training alone. Errors are fractions.

        Raises
        ------
        ValueError
            If no record has ``measure``.
        """
        return [
            {
                "contestant": name,
                **_statistics.summary(values),
                "diverged": len(self.diverged[name]),
                "seconds": self._seconds(name),
            }
            for name, values in self.values(self._known("table", measure)).items()
        ]

    def differences(self, base: str | None = None, measure: str | None = None) -> list[Record]:
        """A row for each other contestant: how much more it has than ``base``, in pairs of a seed.

        Parameters
        ----------
        base
            A contestant; None: ``self.base``.
        measure
            As for `table`.

        Returns
        -------
        list of dict
            ``contestant``, ``base``; ``n``, the seeds with which both came to their end; ``mean`` of the
            differences, ``low`` and ``high`` of its 95 % interval, ``p`` of a paired t-test, and
            ``p_holm``, adjusted for all rows by Holm's method. Intervals aren't adjusted. NaN where the
            pairs are too few, or all the same.

        Raises
        ------
        ValueError
            If ``base`` is no contestant, or no record has ``measure``.
        """
        known = self.contestants
        base = self.base if base is None else _check.choice("differences", "base", base, known)
        values = self.values(self._known("differences", measure))
        rows = _statistics.paired_rows(values, base)
        return [{"contestant": row.pop("name"), "base": base} | row for row in rows]

    def plot(self) -> Figure:
        """Learning curves, and angles to backprop's update where they were measured. Needs matplotlib.

        Lines are means over seeds, bands their 95 % intervals. Save it with ``.savefig(path)``.
        """
        from ._curves import draw

        return draw(self)

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write `records` as a CSV table, atomically; a missing value is an empty field."""
        text = csv_table(self.records)
        with atomic_write(_check.path("to_csv", "path", path)) as file:
            file.write(text.encode(errors="backslashreplace"))

    def save_html(self, path: str | os.PathLike[str]) -> None:
        """Write a page with tables and curves that needs no other file, atomically.

        Without matplotlib it has no curves.
        """
        from . import _telling

        page = _telling.page(self)
        with atomic_write(_check.path("save_html", "path", path)) as file:
            file.write(page.encode(errors="backslashreplace"))

    def _known(self, where: str, measure: str | None) -> str:
        if measure is None or measure == self.measure:
            return self.measure
        numbers = [
            key
            for key, value in (self.records or [{}])[0].items()
            if key not in ("contestant", "seed", "epoch") and isinstance(value, int | float)
        ]
        return _check.choice(where, "measure", measure, numbers)

    def _last(self, name: str, seed: int, measure: str) -> float:
        history = self.histories[name].get(seed)
        if history is None or seed in self.diverged[name] or not len(history):
            return np.nan
        value = history.records[-1].get(measure)
        return np.nan if value is None else float(value)

    def _seconds(self, name: str) -> float:
        """The mean over networks that came to their end of what their epochs took."""
        ended = [h for seed, h in self.histories[name].items() if seed not in self.diverged[name]]
        return float(np.mean([sum(h["seconds"]) for h in ended])) if ended else np.nan
