"""Learning-rate schedules: which η an epoch uses.

A schedule is asked once before each epoch; only a warm-up over updates changes the rate within one.
The built-in ones are frozen and read only the history, so training that goes on in a second ``fit``
goes on with the rate it had reached.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, is_dataclass, replace
from typing import Any, final

from . import _check
from ._attributes import immutable
from .history import History


class Schedule(ABC):
    """What `Trainer` needs of a schedule. Subclass it, or give a callable ``epoch -> η``."""

    @property
    def warm_updates(self) -> int:
        """From this update of the trainer's on, the rate is the same within an epoch; 0: always."""
        return 0

    def share(self, updates: int) -> float:
        """What η is multiplied by for the update that comes after so many; 1 from `warm_updates` on."""
        return 1.0

    @abstractmethod
    def lr(self, epoch: int, history: History) -> float:
        """The learning rate η of an epoch.

        Parameters
        ----------
        epoch
            The epoch that is about to begin, from 1.
        history
            The records of the epochs before it.
        """

    def starting_at(self, lr: float) -> Schedule:
        """This schedule with ``lr`` (the optimizer's) where it has no first rate of its own."""
        return self

    def _check_keys(self, keys: Collection[str], complete: bool) -> None:  # noqa: B027
        """Refuse to look for a key that no record will have. Unless ``complete``, there may be more."""


@final
@immutable
@dataclass(frozen=True)
class Constant(Schedule):
    """The same η in every epoch.

    Parameters
    ----------
    initial
        η; the optimizer's if None.
    """

    initial: float | None = None

    def __post_init__(self) -> None:
        _check_initial(self)

    def starting_at(self, lr: float) -> Constant:
        return _starting_at(self, lr)

    def lr(self, epoch: int, history: History) -> float:
        return _first_rate(self)


@final
@immutable
@dataclass(frozen=True)
class Steps(Schedule):
    """Fixed steps: from epoch ``e`` on, η is ``rates[e]``.

    Parameters
    ----------
    rates
        ``{epoch: η}``, epochs from 1.
    initial
        η before the first step; the optimizer's if None.
    """

    rates: Mapping[int, float]
    initial: float | None = None

    def __post_init__(self) -> None:
        _check_initial(self)
        if not isinstance(self.rates, Mapping):
            raise TypeError(f"[Steps] rates was {self.rates!r}; it must be a mapping {{epoch: η}}")
        if not self.rates:
            raise ValueError("[Steps] rates was empty; it must have at least one step")
        rates = {
            _check.integer("Steps", "an epoch of rates", epoch, 1): _check.real(
                "Steps", f"rates[{epoch}]", rate
            )
            for epoch, rate in self.rates.items()
        }
        _set(self, rates=dict(sorted(rates.items())))

    def starting_at(self, lr: float) -> Steps:
        return _starting_at(self, lr)

    def lr(self, epoch: int, history: History) -> float:
        reached = [start for start in self.rates if start <= epoch]
        return self.rates[max(reached)] if reached else _first_rate(self)


@final
@immutable
@dataclass(frozen=True)
class Exponential(Schedule):
    """η falls by a constant factor every epoch: η_k = η_1 · decay^(k − 1).

    Parameters
    ----------
    decay
        The factor, in (0, 1].
    initial
        η_1; the optimizer's if None.
    """

    decay: float
    initial: float | None = None

    def __post_init__(self) -> None:
        _check_initial(self)
        _set(self, decay=_check.real("Exponential", "decay", self.decay, high=1.0, open_low=True))

    def starting_at(self, lr: float) -> Exponential:
        return _starting_at(self, lr)

    def lr(self, epoch: int, history: History) -> float:
        return _first_rate(self) * self.decay ** (epoch - 1)


@final
@immutable
@dataclass(frozen=True)
class Cosine(Schedule):
    """η falls along half a cosine: η_k = m + (η_1 − m) (1 + cos(π (k − 1) / epochs)) / 2.

    Parameters
    ----------
    epochs
        After which ``min_lr`` is reached, and kept.
    min_lr
        m, at least 0.
    initial
        η_1; the optimizer's if None.

    References
    ----------
    Loshchilov & Hutter, International Conference on Learning Representations (2017), equation 5,
    without restarts.
    """

    epochs: int
    min_lr: float = 0.0
    initial: float | None = None

    def __post_init__(self) -> None:
        _check_initial(self)
        _set(
            self,
            epochs=_check.integer("Cosine", "epochs", self.epochs, 1),
            min_lr=_check.real("Cosine", "min_lr", self.min_lr),
        )

    def starting_at(self, lr: float) -> Cosine:
        return _starting_at(self, lr)

    def lr(self, epoch: int, history: History) -> float:
        if epoch > self.epochs:
            return self.min_lr
        height = (1 + math.cos(math.pi * (epoch - 1) / self.epochs)) / 2
        return self.min_lr + (_first_rate(self) - self.min_lr) * height


@final
@immutable
@dataclass(frozen=True)
class Warmup(Schedule):
    """Another schedule whose rates are smaller at first and grow to their own size in equal steps.

    In the k-th of n updates or epochs, the rate is that of ``then`` times
    start + (1 − start) k / (n + 1); after them it is that of ``then``. Large first steps of feedback
    alignment can saturate units for good; after a warm-up it bears rates, or a gain of B, several times
    as large.

    Parameters
    ----------
    then
        The schedule: None (constant), a `Schedule`, a mapping ``{epoch: η}`` or a callable, as for
        `Trainer`. Its epochs are counted from the first one, warm-up included.
    updates
        n, at least 1: batches since the trainer's beginning. Or:
    epochs
        n, at least 1.
    start
        Where it begins, as a share of the rate, in [0, 1).

    Notes
    -----
    The ``lr`` of an epoch's record is that of its last update. An epoch with a warm-up over updates is
    trained an update at a time, which takes a little longer, and gives what one call would.
    """

    then: Any = None
    updates: int | None = None
    epochs: int | None = None
    start: float = 0.0

    def __post_init__(self) -> None:
        where = "Warmup"
        if (self.updates is None) == (self.epochs is None):
            raise ValueError(
                f"[Warmup] updates was {self.updates!r} and epochs {self.epochs!r}; "
                "one of them must be given"
            )
        for name in ("updates", "epochs"):
            if getattr(self, name) is not None:
                _set(self, **{name: _check.integer(where, name, getattr(self, name), 1)})
        _set(
            self,
            start=_check.real(where, "start", self.start, high=1.0, open_high=True),
            then=_named(self.then, where, "then"),
        )

    @property
    def warm_updates(self) -> int:
        return max(self.updates or 0, self.then.warm_updates)

    def share(self, updates: int) -> float:
        own = 1.0 if self.updates is None else self._part(updates + 1, self.updates)
        return own * self.then.share(updates)

    def starting_at(self, lr: float) -> Warmup:
        return replace(self, then=self.then.starting_at(lr))

    def lr(self, epoch: int, history: History) -> float:
        rate = self.then.lr(epoch, history)
        return rate if self.epochs is None else rate * self._part(epoch, self.epochs)

    def _check_keys(self, keys: Collection[str], complete: bool) -> None:
        self.then._check_keys(keys, complete)

    def _part(self, k: int, n: int) -> float:
        return 1.0 if k > n else self.start + (1 - self.start) * k / (n + 1)


@final
@immutable
@dataclass(frozen=True)
class Plateau(Schedule):
    """The paper's schedule: η is divided by ten once progress has slowed.

    An epoch makes progress when ``monitor`` falls below its best value so far by more than the fraction
    ``min_delta`` of that value's magnitude. After ``patience`` epochs in a row without progress η is
    multiplied by ``factor``, and the count starts anew.

    Parameters
    ----------
    factor
        In (0, 1); the paper's is 0.1 (10⁻² → 10⁻³ → 10⁻⁴).
    patience
        Epochs without progress that are borne, at least 1.
    min_delta
        What counts as progress, as a fraction of the magnitude of the best value, in [0, 1).
    monitor
        The measure that is watched, a key of the records. ``validation_loss``, the default, stands for
        ``train_loss`` in a ``fit`` without a validation set; progress is then judged anew. Any other
        must be there, which is checked when ``fit`` begins. It can't be one of the test set's, which
        is only ever reported.
    min_lr
        η isn't lowered below it.
    initial
        The first η; the optimizer's if None.

    Notes
    -----
    Lillicrap et al. 2016, Supplementary Note 5: "η was reduced by an order of magnitude once
    progress had slowed substantially". The paper doesn't say how progress was judged; patience
    and ``min_delta`` are ours.
    """

    factor: float = 0.1
    patience: int = 3
    min_delta: float = 0.01
    monitor: str = "validation_loss"
    min_lr: float = 0.0
    initial: float | None = None

    def __post_init__(self) -> None:
        where = "Plateau"
        _check_initial(self)
        check_monitor(where, self.monitor)
        _set(
            self,
            factor=_check.real(
                where, "factor", self.factor, high=1.0, open_low=True, open_high=True
            ),
            patience=_check.integer(where, "patience", self.patience, 1),
            min_delta=_check.real(where, "min_delta", self.min_delta, high=1.0, open_high=True),
            min_lr=_check.real(where, "min_lr", self.min_lr),
        )

    def starting_at(self, lr: float) -> Plateau:
        return _starting_at(self, lr)

    def lr(self, epoch: int, history: History) -> float:
        rate, best, waited, watched = _first_rate(self), math.inf, 0, self.monitor
        for record in history.records:
            key = self._watched(record)
            if key not in record:  # of a fit that didn't measure it
                continue
            if key != watched:  # another measure, which can't be compared
                best, waited, watched = math.inf, 0, key
            if record[key] < best * (1 - math.copysign(self.min_delta, best)):
                best, waited = record[key], 0
                continue
            waited += 1
            if waited == self.patience:
                rate, waited = min(rate, max(rate * self.factor, self.min_lr)), 0
        return rate

    def _watched(self, keys: Collection[str]) -> str:
        instead = self.monitor == "validation_loss" and self.monitor not in keys
        return "train_loss" if instead else self.monitor

    def _check_keys(self, keys: Collection[str], complete: bool) -> None:
        check_measured("Plateau", self._watched(keys), keys, complete)


@final
@immutable
@dataclass(frozen=True)
class _FromCallable(Schedule):
    """A plain function ``epoch -> η`` as a schedule."""

    function: Callable[[int], float]

    def lr(self, epoch: int, history: History) -> float:
        return self.function(epoch)


def as_schedule(schedule: Any, lr: float) -> Schedule:
    """What a user may give as a schedule, as a `Schedule` that starts at the optimizer's ``lr``.

    Parameters
    ----------
    schedule
        None (constant), a `Schedule`, a mapping ``{epoch: η}`` or a callable ``epoch -> η``.
    """
    return _named(schedule, "Trainer", "schedule").starting_at(lr)


def _named(schedule: Any, where: str, name: str) -> Schedule:
    """What a user may give as a schedule, as a `Schedule`."""
    if schedule is None:
        return Constant()
    if isinstance(schedule, Mapping):
        return Steps(schedule)
    if isinstance(schedule, Schedule):
        return schedule
    if not callable(schedule) or isinstance(schedule, type):
        raise TypeError(
            f"[{where}] {name} was {schedule!r}; it must be None, a Schedule, "
            "a mapping {epoch: lr} or a callable epoch -> lr"
        )
    return _FromCallable(schedule)


def check_monitor(where: str, monitor: Any) -> None:
    """Refuse a measure of the test set: a decision that uses it spoils what it reports."""
    if not isinstance(monitor, str) or monitor.startswith("test_"):
        raise ValueError(
            f"[{where}] monitor was {monitor!r}; it must be a measure of the training or "
            "validation set (the test set is only reported, never used for a decision)"
        )


def check_measured(kind: str, monitor: str, keys: Collection[str], complete: bool = True) -> None:
    """Refuse a measure that is no key of a record; unless ``complete``, ``keys`` may lack some."""
    if monitor in keys:
        return
    if monitor.startswith("validation_") and f"train_{monitor.partition('_')[2]}" in keys:
        raise ValueError(
            f"[{kind}] monitor was {monitor!r}, but fit() was given no validation set; "
            "give one, or watch a measure of the training set"
        )
    if not complete:
        return
    import difflib  # only for the message

    close = difflib.get_close_matches(monitor, keys, n=1)
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    raise ValueError(
        f"[{kind}] monitor was {monitor!r}; it must be a key of the record: {', '.join(keys)}{hint}"
    )


def restarted(schedule: Schedule, lr: float, epoch: int) -> tuple[Schedule, int]:
    """``schedule`` begun anew after ``epoch`` with rate ``lr``, and how many epochs it doesn't see.

    Steps that come later stay where they are. A schedule of the user's own, and a callable, say every
    epoch's rate themselves. A warm-up over epochs that has ended isn't repeated.
    """
    if isinstance(schedule, Warmup):
        then, after = restarted(schedule.then, lr, epoch)
        if schedule.epochs is not None and epoch >= schedule.epochs:
            return then, after
        return replace(schedule, then=then), after
    if isinstance(schedule, Steps):
        later = {start: rate for start, rate in schedule.rates.items() if start > epoch + 1}
        return (Steps(later, lr) if later else Constant(lr)), 0
    if is_dataclass(schedule) and hasattr(schedule, "initial"):
        return replace(schedule, initial=lr), counted_from(schedule, epoch)
    return schedule.starting_at(lr), 0


def counted_from(schedule: Schedule, epoch: int) -> int:
    """The epochs that a schedule which begins after ``epoch`` doesn't see: those that it would count."""
    if isinstance(schedule, Warmup):
        return counted_from(schedule.then, epoch)
    absolute = isinstance(schedule, Constant | Steps) or not hasattr(schedule, "initial")
    return 0 if absolute else epoch


def _check_initial(schedule: Any) -> None:
    if schedule.initial is not None:
        _set(schedule, initial=_check.real(type(schedule).__name__, "initial", schedule.initial))


def _set(schedule: Schedule, **fields: Any) -> None:
    """Python's own numbers in place of NumPy's, so that a schedule from a file computes the same."""
    for name, value in fields.items():
        object.__setattr__(schedule, name, value)


def _starting_at(schedule: Any, lr: float) -> Any:
    return schedule if schedule.initial is not None else replace(schedule, initial=lr)


def _first_rate(schedule: Any) -> float:
    if schedule.initial is None:
        raise ValueError(
            f"[{type(schedule).__name__}] initial was None; outside a Trainer, which puts the "
            "optimizer's rate there, it must be given"
        )
    return schedule.initial
