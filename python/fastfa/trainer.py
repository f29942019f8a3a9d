"""The training loop: epochs, shuffling, schedules, evaluation. The arithmetic is compiled."""

from __future__ import annotations

import contextlib
import dataclasses
import numbers
from collections.abc import Iterator, Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _check
from ._augment import Ahead
from ._examples import Examples, prepare, split_off
from .callbacks import Callback
from .data import Distortion, permutation
from .errors import DivergenceError
from .history import History, Record
from .schedules import as_schedule

if TYPE_CHECKING:
    from tqdm import tqdm

    from .network import Network

_CHUNK_SECONDS = (
    0.25  # time between two returns to Python: progress moves, and Python costs nothing
)
_CHUNK_GROWTH = 8  # from one batch up, until the speed is known


class Trainer:
    """Trains a network epoch after epoch and keeps a `History`.

    Parameters
    ----------
    net : fastfa.Network
        Trained in place.
    optimizer : fastfa.SGD or fastfa.Adam
        Its ``lr`` is where the schedule starts.
    batch_size
        Examples in an update; 1 is online learning. An epoch's last batch may be smaller.
    epochs
        Epochs that one `fit` runs.
    shuffle
        Whether the epoch numbered k (from 1) takes the examples in the order
        ``fastfa.data.permutation(n, seed, k)``, or always as they are.
    seed
        Of the shuffles and of a validation split.
    schedule
        None (constant), a `fastfa.schedules.Schedule`, a dict ``{epoch: lr}`` or a callable
        ``epoch -> lr``.
    callbacks
        `fastfa.callbacks.Callback` objects, called in this order.
    progress
        Whether to show a progress bar (tqdm, on standard error).
    augment
        None, a `fastfa.data.Distortion`, or another callable ``(X, shape, *, seed, epoch) -> X`` that
        makes each epoch's inputs from X (N, n_in), images of the network's input shape. The next epoch's
        are made in another thread while this one is trained.
    targets
        (low, high), what class labels become. None: (0, 1), or (−0.9, 0.9) for a network with
        tanh outputs (Lillicrap et al. 2016, Supplementary Note 5).

    Attributes
    ----------
    history : History
        The records so far, also after an exception.
    optimizer
        The optimizer of the current epoch: the given one with the schedule's rate.
    epoch : int
        Epochs finished, over all calls of `fit`.
    batch : int
        Batches trained, over all calls of `fit`.

    Raises
    ------
    ValueError, TypeError
        Naming the argument that is wrong.
    """

    def __init__(
        self,
        net: Network,
        optimizer: Any,
        *,
        batch_size: int = 100,
        epochs: int,
        shuffle: bool = True,
        seed: int = 0,
        schedule: Any = None,
        callbacks: Sequence[Callback] = (),
        progress: bool = True,
        augment: Any = None,
        targets: tuple[float, float] | None = None,
    ) -> None:
        self.net, self.optimizer = _check_net(net), _check_optimizer(optimizer)
        self.batch_size = _check.integer("Trainer", "batch_size", batch_size, 1, 2**31 - 1)
        self.epochs = _check.integer("Trainer", "epochs", epochs, 1)
        self.seed = _check.integer("Trainer", "seed", seed, 0, 2**64 - 1)
        self.shuffle = _check.flag("Trainer", "shuffle", shuffle)
        self.progress = _check.flag("Trainer", "progress", progress)
        self.schedule = as_schedule(schedule, optimizer.lr)
        self.callbacks = _check_callbacks(callbacks)
        self.augment = _check_augment(augment, net)
        self.targets = _check_targets(net, targets)
        self.history, self.epoch, self.batch = History(), 0, 0
        self.has_validation = False
        self._stopping = False
        self._chunk = 1  # batches; grows to what _CHUNK_SECONDS hold

    def stop(self) -> None:
        """End training; callbacks call this.

        From ``on_epoch_end`` no further epoch begins. From ``on_batches`` the epoch is cut short:
        it is recorded with the examples it has seen.
        """
        self._stopping = True

    def fit(self, train: Any, validation: Any = None, test: Any = None) -> History:
        """Train for ``epochs`` epochs; another call goes on where this one ended.

        Epoch numbers, shuffles, schedule and history go on too. An epoch that an exception
        interrupted isn't recorded, and its number is used again.

        Parameters
        ----------
        train
            A `fastfa.data.Split`, a pair (X, labels) or a pair (X, Y): X (N, n_in) or
            (N, *net.input_shape), labels (N,) integers from 0, Y (N, n_out) targets.
        validation
            None, examples as for ``train``, or a fraction in (0, 1) of ``train`` that is split
            off as ``Split.split(fraction, seed)`` does. Schedules and callbacks may decide by it.
        test
            None or examples as for ``train``. Measured after each epoch and only ever reported:
            nothing here decides by it.

        Returns
        -------
        History
            ``self.history``: the records of this and all earlier calls.

        Raises
        ------
        ValueError, TypeError
            If an argument is wrong or a weight isn't finite, before anything is changed.
        DivergenceError
            If a value stops being finite. The network ends with its last good weights; the
            records so far are in ``self.history``.
        KeyboardInterrupt
            On Ctrl-C. The network is usable; the records so far are in ``self.history``.
        """
        examples, measured = self._prepare(train, validation, test)
        good = self.net.state_dict()
        for name, array in good.items():
            _check.finite("fit", f"net's {name}", array)
        self.has_validation = "validation" in measured
        self._stopping = False
        with _failure_told(self):
            for callback in self.callbacks:
                callback.on_fit_begin(self)
        end = self.epoch + self.epochs
        with (
            _failure_told(self),
            _progress_bar(self.progress, self.epochs * len(examples.x)) as bar,
            Ahead(self.augment, examples, self.net.input_shape, self.seed) as ahead,
        ):
            try:
                for epoch in range(self.epoch + 1, end + 1):
                    own = ahead.epoch(epoch, last=epoch == end)
                    if not self._run_epoch(epoch, own, measured, bar):
                        break
                    good = self.net.state_dict()
            except DivergenceError:
                if not _all_finite(self.net):
                    self.net.load_state_dict(good)
                raise
        for callback in self.callbacks:
            callback.on_fit_end(self, self.history)
        return self.history

    def _prepare(
        self, train: Any, validation: Any, test: Any
    ) -> tuple[Examples, dict[str, Examples]]:
        """The checked training examples, and the sets to measure after each epoch by name."""
        examples = prepare(self.net, train, "train", self.targets)
        measured: dict[str, Examples] = {}
        if isinstance(validation, numbers.Real):
            fraction = _check.real(
                "fit", "validation", validation, high=1.0, open_low=True, open_high=True
            )
            examples, measured["validation"] = split_off(examples, fraction, self.seed)
        elif validation is not None:
            measured["validation"] = prepare(self.net, validation, "validation", self.targets)
        if test is not None:
            measured["test"] = prepare(self.net, test, "test", self.targets)
        return examples, measured

    def _run_epoch(
        self, epoch: int, examples: Examples, measured: dict[str, Examples], bar: tqdm
    ) -> bool:
        """One epoch with its evaluations and callbacks; False when training was to stop."""
        if self._stopping:
            return False
        rate = self.schedule.lr(epoch, self.history)
        rate = _check.real("fit", f"the schedule's lr for epoch {epoch}", rate)
        self.optimizer = dataclasses.replace(self.optimizer, lr=rate)
        bar.set_description(f"epoch {epoch}", refresh=False)
        for callback in self.callbacks:
            callback.on_epoch_begin(self, epoch)
        if self._stopping:
            return False
        loss, error, seconds, seen = self._train(self._order(epoch, len(examples.x)), examples, bar)
        record: Record = {"epoch": epoch, "lr": rate, "train_loss": loss, "train_error": error}
        for name, part in measured.items():
            record[f"{name}_loss"], record[f"{name}_error"] = map(float, self.net.evaluate(*part))
        record |= {"seconds": seconds, "samples_per_second": seen / max(seconds, 1e-9)}
        for callback in self.callbacks:
            callback.on_epoch_end(self, record)
        self.history.records.append(record)
        self.epoch = epoch
        return not self._stopping

    def _train(
        self, order: np.ndarray, examples: Examples, bar: tqdm
    ) -> tuple[float, float, float, int]:
        """The updates of an epoch: mean loss, mean error, seconds and how many examples it saw.

        The order is cut into chunks of whole batches, which gives the same updates, hence the
        same bits, as one call.
        """
        loss = error = seconds = 0.0
        seen = 0
        while seen < len(order):
            batches = self._next_chunk()
            part = order[seen : seen + batches * self.batch_size]
            batches = -(-len(part) // self.batch_size)
            begun = perf_counter()
            chunk_loss, chunk_error = self.net._train_chunk(
                examples.x, examples.y, self.optimizer, self.batch_size, part
            )
            elapsed = perf_counter() - begun
            seen, seconds = seen + len(part), seconds + elapsed
            loss, error = loss + chunk_loss * len(part), error + chunk_error * len(part)
            self.batch += batches
            self._adapt_chunk(batches, elapsed)
            bar.set_postfix_str(f"loss {loss / seen:.4f}, error {error / seen:.2%}", refresh=False)
            bar.update(len(part))
            for callback in self.callbacks:
                if callback.every is not None and self.batch % callback.every == 0:
                    callback.on_batches(self, self.batch)
            if self._stopping:
                break
        return loss / seen, error / seen, seconds, seen

    def _order(self, epoch: int, n: int) -> np.ndarray:
        if self.shuffle:
            return permutation(n, self.seed, epoch)
        return np.arange(n, dtype=np.int64)

    def _next_chunk(self) -> int:
        """Batches until a callback is due, at most the current chunk."""
        due = [c.every - self.batch % c.every for c in self.callbacks if c.every is not None]
        return min([self._chunk, *due])

    def _adapt_chunk(self, batches: int, seconds: float) -> None:
        wanted = int(batches * _CHUNK_SECONDS / max(seconds, 1e-9))
        self._chunk = max(1, min(wanted, _CHUNK_GROWTH * max(batches, self._chunk)))


@contextlib.contextmanager
def _failure_told(trainer: Trainer) -> Iterator[None]:
    """Callbacks hear of an exception before the caller does."""
    try:
        yield
    except BaseException as error:
        for callback in trainer.callbacks:
            callback.on_fit_failed(trainer, error)
        raise


def _progress_bar(shown: bool, examples: int) -> tqdm:
    from tqdm import tqdm  # not at import: `import fastfa` is to stay quick

    return tqdm(total=examples, disable=not shown, unit=" samples", unit_scale=True)


def _all_finite(net: Network) -> bool:
    arrays = [*net.weights, *(bias for bias in net.biases if bias is not None)]
    return all(np.isfinite(array).all() for array in arrays)


def _check_net(net: Any) -> Network:
    if not hasattr(net, "_train_chunk"):
        raise TypeError(f"[Trainer] net was {net!r}; it must be a fastfa.Network")
    return net


def _check_optimizer(optimizer: Any) -> Any:
    kind = type(optimizer)
    if not dataclasses.is_dataclass(kind) or not hasattr(optimizer, "lr"):
        raise TypeError(
            f"[Trainer] optimizer was {optimizer!r}; it must be an optimizer such as "
            "fastfa.SGD(0.1)"
        )
    return optimizer


def _check_callbacks(callbacks: Any) -> tuple[Callback, ...]:
    if not isinstance(callbacks, Sequence):
        raise TypeError(f"[Trainer] callbacks was {callbacks!r}; it must be a list or tuple")
    for index, callback in enumerate(callbacks):
        if not isinstance(callback, Callback):
            raise TypeError(
                f"[Trainer] callbacks[{index}] was {callback!r}; it must be a fastfa.Callback"
            )
    return tuple(callbacks)


def _check_augment(augment: Any, net: Network) -> Any:
    if augment is None:
        return None
    if not callable(augment):
        raise TypeError(
            f"[Trainer] augment was {augment!r}; it must be a fastfa.data.Distortion or a callable"
        )
    if isinstance(augment, Distortion) and len(net.input_shape) < 2:
        raise ValueError(
            f"[Trainer] augment was {augment!r} for a network with input {net.input_shape[0]}; it "
            "must be one whose input is given as (H, W) or (C, H, W)"
        )
    return augment


def _check_targets(net: Network, targets: Any) -> tuple[float, float]:
    if targets is None:
        return (-0.9, 0.9) if net.layers[-1].activation == "tanh" else (0.0, 1.0)
    if not isinstance(targets, Sequence) or len(targets) != 2:
        raise TypeError(f"[Trainer] targets was {targets!r}; it must be a pair (low, high)")
    low, high = (
        _check.real("Trainer", f"targets[{i}]", value, low=-np.inf)
        for i, value in enumerate(targets)
    )
    if low >= high:
        raise ValueError(f"[Trainer] targets was {targets!r}; low must be below high")
    return low, high
