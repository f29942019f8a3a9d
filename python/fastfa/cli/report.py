"""What ``fastfa train`` prints while it trains."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from ..callbacks import Callback, JSONLLogger

if TYPE_CHECKING:
    from ..checkpoint import Checkpoint
    from ..history import Record
    from ..trainer import Trainer


@final
class EpochLines(Callback):
    """Prints a line an epoch, above the progress bar if there is one."""

    def __init__(self, bar: bool) -> None:
        self.bar = bar

    def on_epoch_end(self, trainer: Trainer, record: Record) -> None:
        parts = [f"epoch {record['epoch']:>3}", f"lr {record['lr']:.3g}"]
        parts.append(f"loss {record['train_loss']:.4f}")
        for name in ("train", "validation", "test"):
            if f"{name}_error" in record:
                parts.append(f"{name} error {record[f'{name}_error']:6.2%}")
            elif name != "train" and f"{name}_loss" in record:
                parts.append(f"{name} loss {record[f'{name}_loss']:.4f}")
        parts.append(f"{record['samples_per_second']:,.0f} samples/s")
        line = "  ".join(parts)
        if not self.bar:
            print(line, flush=True)
            return
        from tqdm import tqdm

        tqdm.write(line)  # to standard output, with the bar moved out of the way


@final
class Unfailing:
    """Lets a file that a callback can't write not end the training.

    It is told once. A history is written as a whole at the next epoch, a checkpoint after it.

    Attributes
    ----------
    failed : bool
        Whether the file lacks something now.
    begun : bool
        Whether an epoch has begun: from then on there is something to lose.
    """

    def __init__(self, callback: JSONLLogger | Checkpoint, path: str | Path) -> None:
        self.path, self._told = Path(path), False
        self.failed = self.begun = False
        self.is_history = isinstance(callback, JSONLLogger)
        self._callback = callback
        whole = ("on_epoch_begin", "on_fit_end") if self.is_history else ("on_epoch_done",)
        for name in {*whole, "on_epoch_begin", "on_epoch_end"}:
            # Of this object alone: a checkpoint knows callbacks by their class.
            vars(callback)[name] = self._unfailing(getattr(callback, name), name in whole)

    def _unfailing(self, method: Callable[..., None], whole: bool) -> Callable[..., None]:
        def call(*arguments: Any) -> None:
            from .outputs import tell_unwritten

            self.begun = True
            try:
                method(*arguments)
            except OSError as error:
                if not self._told:
                    tell_unwritten(self.path, error, "; training goes on, and it is tried again")
                self.failed = self._told = True
                if isinstance(self._callback, JSONLLogger):
                    self._callback._begun = False  # so that it writes all records next time
            else:
                self.failed = self.failed and not whole

        return call
