"""The callback that saves."""

from __future__ import annotations

import os
import string
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, final

from .. import _check
from ..callbacks import Writing
from .saving import check, save

if TYPE_CHECKING:
    from ..trainer import Trainer


@final
class Checkpoint(Writing):
    """Saves the trainer after every ``every``-th epoch and after the last one.

    `Trainer.resume` goes on from what it wrote. Each file replaces the one before it in one step, so
    there is always a whole one, whenever the power fails. From the last one `fastfa.load` makes the
    trained network, with the best weights where `EarlyStopping` or `BestWeights` restores them, and
    `Trainer.resume` a longer run, which goes on from the last epoch's.

    Parameters
    ----------
    path
        The file; its folder must exist. ``{epoch}`` in its name, as in
        ``"run-{epoch:03d}.safetensors"``, keeps one for each epoch.
    every
        Epochs between two of them, at least 1.

    Raises
    ------
    CheckpointError
        When training begins, if the trainer can't be saved.
    """

    path: str
    every_epochs: int

    def __init__(self, path: str | os.PathLike[str], every: int = 1) -> None:
        path = _check.path("Checkpoint", "path", path)
        try:
            parts = [part[1:] for part in string.Formatter().parse(path) if part[1] is not None]
            # A width of a billion, in a file from elsewhere, would take as many bytes.
            if any(name != "epoch" or len(form or "") > 3 for name, form, _ in parts):
                raise ValueError("unknown")
            path.format(epoch=1)
        except (LookupError, ValueError) as error:
            raise ValueError(
                f"[Checkpoint] path was {path!r}; braces in it must be {{epoch}} or such as "
                f"{{epoch:03d}} ({error!r})"
            ) from None
        self._set(path=path, every_epochs=_check.integer("Checkpoint", "every", every, 1))

    def _at(self, epoch: int) -> str:
        return self.path.format(epoch=epoch)

    def _check_fit(self, trainer: Trainer, keys: Collection[str], complete: bool) -> None:
        self._check_path(self._at(trainer.epoch))

    def on_fit_begin(self, trainer: Trainer) -> None:
        check(self._at(trainer.epoch), trainer)

    def on_epoch_done(self, trainer: Trainer) -> None:
        if trainer.epoch % self.every_epochs == 0 or trainer.ending:
            self._check_path(self._at(trainer.epoch))  # an epoch's folder may be a link
            save(self._at(trainer.epoch), trainer)

    def _arguments(self) -> dict[str, Any]:
        return {"path": self.path, "every": self.every_epochs}
