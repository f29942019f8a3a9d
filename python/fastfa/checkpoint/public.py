"""The two calls: a network, an ensemble or a trainer to a file, and back."""

from __future__ import annotations

import os
from typing import Any

from ..ensemble import Ensemble
from ..network import Network
from ..trainer import Trainer
from . import loading, saving

Path = str | os.PathLike[str]
Saved = Network | Ensemble | Trainer


def save(path: Path, what: Saved) -> None:
    """Write a network, an ensemble or a trainer to a file, with all that `load` needs to make it again.

    That is its description; weights, biases and those B that a seed doesn't give; the optimizer's
    velocities or moments; the step count, which is the counter of every random stream; and of a trainer
    also epoch, history, schedule, augmentation and what its callbacks keep.

    Parameters
    ----------
    path
        The file, by custom ``….safetensors``. It is written beside its place, synced, and renamed: if
        that fails, what was there stays as it was. A file that is replaced keeps its mode.
    what : Network, Ensemble or Trainer
        Not while another thread trains it, and a trainer not in the middle of an epoch.

    Raises
    ------
    CheckpointError
        If it holds feedback with ``propagate``, which is code and can't be written (of a schedule,
        augmentation or callback of your own the name and state are, see `load`), or a weight that isn't
        finite.
    OSError
        If the file can't be written.
    """
    saving.save(path, what)


def load(path: Path, into: Saved | None = None, *, write_outside: bool = False) -> Any:
    """The network, ensemble or trainer of a file, ready to go on in the same bits.

    Loading runs no code of the file's and writes nothing. A trainer whose `fit` was interrupted ends it
    with `Trainer.resume`. One whose last epoch was done has the weights that `fit` ended with: the best
    or averaged ones, where `EarlyStopping`, `BestWeights` or `AveragedWeights` keep them.

    Parameters
    ----------
    path
        What `save` or `Checkpoint` wrote.
    into
        None: it is built from the file. A schedule, augmentation or callback that isn't fastfa's own is
        missing then: the network of such a trainer can be used, training it is refused. Otherwise a
        network, ensemble or trainer made as the saved one was, but for the device, which is given the
        state; a network may also be given that of a trainer's. Callbacks find theirs by their class.
    write_outside
        Whether loggers and checkpoints that the file describes may later write outside the folder that
        it lies in. If not, training such a trainer is refused, before anything is written.

    Returns
    -------
    Network, Ensemble or Trainer
        ``into`` if it was given.

    Raises
    ------
    CheckpointError
        If the file is malformed, damaged, not fastfa's, of another schema, or doesn't fit ``into``,
        which is then unchanged. No memory is taken for arrays before their sizes were found to be right.
    DeviceError
        If the saved network's device isn't to be had here; give it to one ``into`` on another.
    OSError
        If the file can't be read.
    """
    return loading.load(path, into, write_outside, Trainer)
