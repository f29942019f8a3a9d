"""What ``fastfa train`` prints while it trains."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from ..callbacks import Callback

if TYPE_CHECKING:
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
        parts.append(f"{record['samples_per_second']:,.0f} samples/s")
        line = "  ".join(parts)
        if not self.bar:
            print(line, flush=True)
            return
        from tqdm import tqdm

        tqdm.write(line)  # to standard output, with the bar moved out of the way
