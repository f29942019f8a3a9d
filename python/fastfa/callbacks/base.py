"""The protocol of callbacks, what fastfa's own have in common, and what is asked of all before a fit."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from .._attributes import Guarded, Whole, is_ours
from ..history import History, Record

if TYPE_CHECKING:
    from ..network import Network
    from ..trainer import Trainer


class Callback:
    """The protocol. ``every`` is how often, in batches, `on_batches` is called; None: never."""

    every: int | None = None

    def on_fit_begin(self, trainer: Trainer) -> None:
        """Once, when everything has been checked and nothing has been changed yet."""

    def on_epoch_begin(self, trainer: Trainer, epoch: int) -> None:
        """Before the epoch numbered ``epoch`` (from 1); ``trainer.optimizer`` has its rate."""

    def on_batches(self, trainer: Trainer, batch: int) -> None:
        """Whenever ``batch``, the batches trained since the trainer was made, is a multiple of
        ``every``. The compiled loop pauses there, so a small ``every`` costs speed."""

    def on_epoch_end(self, trainer: Trainer, record: Record) -> None:
        """After an epoch and its evaluations, before ``record`` enters the history. May add keys
        (to plain numbers and strings), and should add the same ones every epoch."""

    def on_epoch_done(self, trainer: Trainer) -> None:
        """When the record is in the history and ``trainer.epoch`` counts the epoch."""

    def on_fit_end(self, trainer: Trainer, history: History) -> None:
        """Once, after the last epoch or a stop. Not called when an exception ends training."""

    def on_fit_failed(self, trainer: Trainer, error: BaseException) -> None:
        """Once, instead of `on_fit_end`, when an exception ends training (Ctrl-C is one), before the
        caller of ``fit`` gets it. Also when another callback's `on_fit_begin` raised it."""

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps of this callback, so that a resumed run goes on with it: numbers,
        strings, arrays, and lists and dicts of them."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up a ``state_dict()`` again. A resumed fit calls it before and after `on_fit_begin`."""

    def _arguments(self) -> dict[str, Any] | None:
        """What makes this callback again; None if only its author can."""
        return None

    def _adds(self, trainer: Trainer) -> Sequence[str] | None:
        """The keys that `on_epoch_end` adds to a record; None: not known before it has."""
        inherited = getattr(self.on_epoch_end, "__func__", None) is Callback.on_epoch_end
        return () if inherited or is_ours(type(self)) else None

    def _check_fit(self, trainer: Trainer, keys: Collection[str], complete: bool) -> None:
        """Refuse what can't go well, before anything is changed; ``keys`` are the record's so far, to
        which there may be more unless ``complete``."""


class BuiltIn(Whole, Guarded, Callback):
    """A callback of fastfa's: what it was made with stays."""

    _of_one: ClassVar[bool] = False  # whether it needs a network of its own, not an ensemble

    _INSTEAD: ClassVar[dict[str, str]] = {
        "": "it is what the callback was made with, or what it has seen; make another one, and give it "
        "to the trainer: trainer.callbacks = [...]"
    }

    def _end_with(self, net: Network) -> None:
        """Give the network the weights with which a fit ends, where these aren't the last ones."""


class Writing(BuiltIn):
    """A callback of fastfa's that writes files."""

    _within: str | None = None  # the only folder where it may, of one that a file described

    def _check_path(self, path: str | os.PathLike[str]) -> None:
        """Refuse a place that the caller has neither named nor consented to."""
        if self._within is None or _lies_in(path, self._within):
            return
        raise ValueError(
            f"[fit] {type(self).__name__} comes from a checkpoint in {self._within} and writes "
            f"{os.fspath(path)!r}; it must write in that folder, unless you say that it may elsewhere: "
            "write_outside=True of Trainer.resume or fastfa.load, or trainer.callbacks = [...]"
        )


def _lies_in(path: str | os.PathLike[str], folder: str) -> bool:
    inside = os.path.realpath(folder)
    return os.path.commonpath([inside, os.path.realpath(path)]) == inside


def check_fit(trainer: Trainer, measured: Collection[str]) -> None:
    """Refuse, before anything is changed, callbacks and a schedule that can't do what they say.

    ``measured`` are the sets that are evaluated after each epoch.
    """
    own = ["loss", "error"] if trainer._has_errors else ["loss"]
    keys = ["epoch", "lr", *(f"{name}_{what}" for name in ("train", *measured) for what in own)]
    keys += ["seconds", "samples_per_second"]
    complete = True
    for i, callback in enumerate(trainer.callbacks):
        if trainer.histories and getattr(callback, "_of_one", False):
            raise TypeError(
                f"[fit] callbacks[{i}] is {type(callback).__name__}, which is for one network; this "
                "trainer has an Ensemble: train its networks one by one, or leave the callback out"
            )
        callback._check_fit(trainer, keys, complete)
        added = callback._adds(trainer)
        keys, complete = [*keys, *(added or ())], complete and added is not None
    trainer.schedule._check_keys(keys, complete)


def begin_fit(trainer: Trainer, resumed: bool) -> None:
    """Tell callbacks that a fit begins; those of a resumed one keep their state."""
    with failure_told(trainer):
        for callback in trainer.callbacks:
            state = callback.state_dict()
            callback.on_fit_begin(trainer)
            if resumed:
                callback.load_state_dict(state)


@contextlib.contextmanager
def failure_told(trainer: Trainer) -> Iterator[None]:
    """Callbacks hear of an exception before the caller does."""
    try:
        yield
    except BaseException as error:
        for callback in trainer.callbacks:
            callback.on_fit_failed(trainer, error)
        raise
