"""The callback that saves."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, final

from .. import _check
from ..callbacks import Callback

if TYPE_CHECKING:
    from ..trainer import Trainer


@final
class Checkpoint(Callback):
    """Saves the trainer after every ``every``-th epoch and after the last one.

    `Trainer.resume` goes on from what it wrote. Each file replaces the one before it in one step, so
    there is always a whole one, whenever the power fails.

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

    def __init__(self, path: str | os.PathLike[str], every: int = 1) -> None:
        self.path = os.fspath(path)
        self.every_epochs = _check.integer("Checkpoint", "every", every, 1)
        try:
            self._at(1)
        except (LookupError, ValueError) as error:
            raise ValueError(
                f"[Checkpoint] path was {self.path!r}; braces in it must be {{epoch}} ({error!r})"
            ) from None

    def _at(self, epoch: int) -> str:
        return self.path.format(epoch=epoch)

    def on_fit_begin(self, trainer: Trainer) -> None:
        from . import check

        check(self._at(trainer.epoch), trainer)

    def on_epoch_done(self, trainer: Trainer) -> None:
        if trainer.epoch % self.every_epochs == 0 or trainer.ending:
            from . import save

            save(self._at(trainer.epoch), trainer)

    def _arguments(self) -> dict[str, Any]:
        return {"path": self.path, "every": self.every_epochs}
