"""The updates of an epoch, in chunks of whole batches between which Python looks around."""

from __future__ import annotations

import dataclasses
import math
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _check
from .._bar import progress_bar
from ..data import permutation
from .examples import Examples
from .in_time import InTime
from .together import Sums, Together

if TYPE_CHECKING:
    from tqdm import tqdm

    from ..trainer import Trainer

_CHUNK_SECONDS = (
    0.25  # time between two returns to Python: progress moves, and Python costs nothing
)
_CHUNK_GROWTH = 8  # from one batch up, until the speed is known


def train(
    trainer: Trainer, order: np.ndarray, examples: Examples, bar: tqdm
) -> tuple[Any, Any, float, int]:
    """The updates of an epoch: mean loss, mean error, seconds and how many examples it saw.

    Of an ensemble the means are arrays with one for each network.

    The order is cut into chunks of whole batches, which gives the same updates and sums, hence
    the same bits, as one call.
    """
    own = vars(trainer)  # what changes with every chunk is written there, which is quick
    sums: Sums = (0.0, 0.0, 0.0)
    loss: Any = math.nan
    error: Any = math.nan
    seconds, seen = 0.0, 0
    while seen < len(order):
        batches, optimizer = _next_chunk(trainer, examples), trainer.optimizer
        if trainer.batch < trainer.schedule.warm_updates:
            rate = optimizer.lr * trainer.schedule.share(trainer.batch)
            batches, optimizer = 1, dataclasses.replace(optimizer, lr=rate)
        part = order[seen : seen + batches * trainer.batch_size]
        batches = -(-len(part) // trainer.batch_size)
        own["_lr"] = optimizer.lr  # as used
        begun = perf_counter()
        _, sums = trainer._learner._train_chunk(
            examples.x,
            examples.y,
            optimizer,
            trainer.batch_size,
            part,
            sums,
            examples.weights,
        )
        elapsed = perf_counter() - begun
        seen, seconds = seen + len(part), seconds + elapsed
        if sums[2] > 0:
            loss, error = sums[0] / sums[2], sums[1] / sums[2]
        own["batch"] += batches
        own["examples"] += len(part)
        _adapt_chunk(trainer, batches, elapsed)
        errors = f", error {np.mean(error):.2%}" if trainer._has_errors else ""
        bar.set_postfix_str(f"loss {np.mean(loss):.4f}{errors}", refresh=False)
        bar.update(len(part))
        for callback in trainer.callbacks:
            if callback.every is not None and trainer.batch % callback.every == 0:
                callback.on_batches(trainer, trainer.batch)
        if trainer._stopping:
            break
    return loss, error, seconds, seen


def order_of(trainer: Trainer, epoch: int, n: int) -> np.ndarray:
    """The order of the n examples in an epoch."""
    if trainer.shuffle and not trainer.carry:
        return permutation(n, trainer.seed, epoch)
    return np.arange(n, dtype=np.int64)


def _next_chunk(trainer: Trainer, examples: Examples) -> int:
    """Batches until a callback is due, at most the current chunk."""
    learner = trainer._learner
    due = [c.every - trainer.batch % c.every for c in trainer.callbacks if c.every is not None]
    if isinstance(learner, Together | InTime):
        most = learner.batches_at_once(examples.x, trainer.batch_size)
    else:
        most = trainer._chunk
    return min([most, *due])


def _adapt_chunk(trainer: Trainer, batches: int, seconds: float) -> None:
    wanted = int(batches * _CHUNK_SECONDS / max(seconds, 1e-9))
    vars(trainer)["_chunk"] = max(1, min(wanted, _CHUNK_GROWTH * max(batches, trainer._chunk)))


def samples_bar(shown: bool, examples: int) -> tqdm:
    return progress_bar(shown, total=examples, unit=" samples", unit_scale=True)


def finite_state(learner: Any) -> dict[str, np.ndarray]:
    """What the network has learned so far, refused if a value isn't finite."""
    state = learner.state_dict()
    for name, array in state.items():
        _check.finite("fit", f"net's {name}", array)
    return state


def all_finite(learner: Any) -> bool:
    arrays = learner.state_dict()
    return all(np.isfinite(array).all() for name, array in arrays.items() if "feedback" not in name)
