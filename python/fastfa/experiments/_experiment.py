"""What an experiment is: jobs that are independent of each other, claims, and a figure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np

from .. import _check
from .._attributes import immutable
from ._statistics import Verdict

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Settings = Mapping[str, Any]
PRESETS = ("quick", "paper")
KINDS = ("number", "words", "elsewhere", "ours")


@final
class Results:
    """The results of all runs of an experiment, by condition and in order of seeds.

    Parameters
    ----------
    settings
        What the runs were made with.
    runs
        For each condition one dict a seed, as `Experiment.run` returned it.
    """

    def __init__(self, settings: Settings, runs: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
        self.settings, self.runs = dict(settings), {name: list(rows) for name, rows in runs.items()}

    @property
    def conditions(self) -> list[str]:
        """Their names, in the experiment's order."""
        return list(self.runs)

    def of(self, condition: str, key: str) -> np.ndarray:
        """The value `key` of every run: (runs,) for numbers, (runs, n) for lists of n numbers."""
        return np.array([row[key] for row in self.runs[condition]], dtype=np.float64)

    def last(self, condition: str, key: str) -> np.ndarray:
        """The last entry of the curve `key` of every run, (runs,)."""
        return self.of(condition, key)[:, -1]

    def first(self, condition: str, key: str) -> np.ndarray:
        """The first entry of the curve `key` of every run, (runs,)."""
        return self.of(condition, key)[:, 0]


@final
@immutable
@dataclass(frozen=True)
class Claim:
    """One statement of the paper, of another paper, or of ours.

    Attributes
    ----------
    text : str
        The statement.
    paper : str
        The paper's number with its unit, or its words where it gives none.
    measure : callable
        `Results` -> `Verdict`.
    kind : str
        What ours is held to: ``"number"``, a number that the paper prints; ``"words"``, what it says,
        draws or proves, with a bound of ours; ``"elsewhere"``, what another paper says, with a bound of
        ours; ``"ours"``, a check of our own.
    """

    text: str
    paper: str
    measure: Callable[[Results], Verdict]
    kind: str = "words"

    def __post_init__(self) -> None:
        _check.choice("Claim", "kind", self.kind, KINDS)


@final
@immutable
@dataclass(frozen=True)
class Experiment:
    """One figure, table or theorem of the paper as a declaration.

    Attributes
    ----------
    name : str
        As on the command line.
    title : str
        One line.
    where : str
        In Lillicrap et al., Nature Communications 7:13276 (2016), its supplement, or the preprint.
    presets : mapping
        ``"quick"`` and ``"paper"``: settings, each with ``"runs"``, the number of seeds.
    conditions : callable
        settings -> names of the conditions; each is run with every seed, as a job of its own.
    run : callable
        (settings, condition, seed) -> dict of plain numbers and lists of them. Two conditions of
        the same seed get the same data and, as far as they can, the same initial weights.
    claims : tuple of Claim
    draw : callable
        `Results` -> a matplotlib figure in the paper's form.
    data : callable
        settings -> names of the data sets that the runs load.
    chosen : str
        How the settings were chosen, where the choice looked at what the claims are about: then a
        claim that holds says less. Empty elsewhere.
    """

    name: str
    title: str
    where: str
    presets: Mapping[str, Settings]
    conditions: Callable[[Settings], list[str]]
    run: Callable[[Settings, str, int], dict[str, Any]]
    claims: tuple[Claim, ...]
    draw: Callable[[Results], Figure]
    data: Callable[[Settings], list[str]] = lambda settings: []
    chosen: str = ""
