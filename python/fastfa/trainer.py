"""The training loop: epochs, shuffling, schedules, evaluation. The arithmetic is compiled."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from . import _check
from ._attributes import Guarded, Whole
from .callbacks import Callback, begin_fit, check_fit, failure_told
from .data import Sequences
from .errors import DivergenceError
from .history import History, Record
from .schedules import Schedule, as_schedule, counted_from, restarted
from .training import settings as _given
from .training.augment import Ahead
from .training.chunks import all_finite, finite_state, order_of, samples_bar, train
from .training.examples import Examples, FitPlan, Sets, fingerprint, names_in, prepare_sets
from .training.in_time import check_carry
from .training.together import evaluated, records

if TYPE_CHECKING:
    from tqdm import tqdm

    from .ensemble import Ensemble
    from .network import Network
    from .training.own_loss import Loss


class Trainer(Whole, Guarded):
    """Trains a network epoch after epoch and keeps a `History`.

    Parameters
    ----------
    net : fastfa.Network or Ensemble
        Trained in place. Networks of an ensemble, of one input shape, loss and kind of targets, see the
        same batches at the same rates, and learn as they would alone, to rounding. The schedule sees
        their mean measures. Callbacks for one network, and checkpoints, are refused.
    optimizer : fastfa.SGD, Adam, AdamW or RMSprop
        Its ``lr`` is where the schedule starts.
    batch_size
        Examples in an update; 1 is online learning. An epoch's last batch may be smaller. Examples of a
        network in time, which has a `Recurrent` layer, are sequences.
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
        Whether to show a progress bar (tqdm: on standard error, in a notebook with ipywidgets a widget).
    augment
        None, a `fastfa.data.Distortion` or `CropFlip`, or another callable
        ``(X, shape, *, seed, epoch) -> X`` that makes each epoch's inputs from X (N, n_in), images of
        the network's input shape. The next epoch's are made in another thread while this one is trained.
    targets
        (low, high), what class labels become. None: (0, 1), or (−0.9, 0.9) for a network with
        tanh outputs (Lillicrap et al. 2016, Supplementary Note 5).
    loss
        None: the network's. Or a callable ``(output, target) -> (losses, error)`` of yours: arrays (N,
        n_out), the examples' losses (N,), and −∂L/∂output, (N, n_out); with a network of
        ``cross_entropy`` −∂L/∂a, to which no σ′ is applied. Not for networks in time.
    update, window, carry
        Of a network in time, as for `Network.train_sequences`. With carry, sequences go on from the
        state in which the epoch before has ended; all are one batch, in their order.

    Attributes
    ----------
    history : History
        The records so far, also after an exception; of an ensemble the means.
    histories : tuple of History
        Each network's own records, if they are an ensemble; else empty.
    optimizer
        That of the current epoch: the given one with the schedule's rate.
    epoch, batch, examples : int
        Epochs finished, batches and examples trained, over all calls of `fit`.

    Raises
    ------
    ValueError, TypeError
        Naming the argument that is wrong.

    Notes
    -----
    All but ``net``, ``loss``, ``update``, ``window`` and ``carry`` may be assigned later, with the same
    checks, and counts from the next `fit` on. Callbacks may assign ``optimizer`` and ``batch_size``,
    which count at once, ``schedule`` and ``shuffle``, from the next epoch on. A schedule that is
    assigned starts at the optimizer's rate. An optimizer of another rate gives the schedule a new start:
    its rate is used until the schedule, which counts its epochs anew, changes it. ``Steps`` (a dict)
    keep those to come; a callable or a `Schedule` of your own says every epoch's rate itself.
    """

    net: Any
    optimizer: Any
    batch_size: int
    epochs: int
    shuffle: bool
    seed: int
    schedule: Any
    callbacks: Sequence[Callback]
    progress: bool
    augment: Any
    targets: Any
    loss: Loss | None
    update: str
    window: int | None
    carry: bool
    history: History
    histories: tuple[History, ...]
    epoch: int
    batch: int
    examples: int
    has_validation: bool
    _lr: float
    _first_lr: float

    _SETTINGS: ClassVar[dict[str, Callable[[Any, Any], Any]]] = _given.SETTINGS
    _checkpoint_kind: ClassVar[str] = "trainer"
    _AT_ONCE: ClassVar[tuple[str, ...]] = ("optimizer", "schedule", "batch_size", "shuffle")
    _INSTEAD: ClassVar[dict[str, str]] = {
        "": "it follows from what the trainer is given and does",
        **dict.fromkeys(_given.FIXED, "make another Trainer; this one's history belongs to it"),
    }

    def __init__(
        self,
        net: Network | Ensemble,
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
        loss: Loss | None = None,
        update: Literal["sequence", "step", "window"] = "sequence",
        window: int | None = None,
        carry: bool = False,
    ) -> None:
        self._fitting = False  # whether a fit is running
        self._learner = _given.learner_of(net, loss, update, window, carry)
        self._one: Any = getattr(net, "networks", (net,))[0]  # has what all have in common
        self._set(net=net, loss=loss, update=update, window=window, carry=carry)
        self._set(epoch=0, batch=0, examples=0, history=History(), has_validation=False)
        self._set(histories=tuple(History() for _ in getattr(net, "networks", ())))
        self._after = 0  # epochs that the schedule doesn't see
        self._trained = False  # whether an epoch has its updates, but isn't in the history yet
        self._set(optimizer=_given.check_optimizer(optimizer))
        self.batch_size, self.epochs, self.seed, self.shuffle = batch_size, epochs, seed, shuffle
        self.progress, self.schedule, self.callbacks = progress, schedule, callbacks
        self.augment, self.targets = augment, targets
        self._plan: FitPlan | None = None  # of a fit that has begun and not come to its end
        self._within: int | None = None  # the epoch that has begun and not come to its end
        self._stopping = False
        self._numbers = False  # whether the training set says that its targets are no classes
        self._chunk = 1  # batches; grows to what _CHUNK_SECONDS hold

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self._SETTINGS and name not in self._AT_ONCE and vars(self).get("_fitting"):
            raise AttributeError(
                f"[Trainer] {name} can't be assigned while fit runs, which has read it already: assign "
                "it before fit, or after"
            )
        super().__setattr__(name, value)

    def __getstate__(self) -> dict[str, Any]:
        """All there is, for copies and pickles: between fits, for else half an epoch would be lost."""
        if self._fitting:
            raise TypeError(
                "[Trainer] a fit is running, which can't be copied or pickled: do so before fit or "
                "after; in a callback fastfa.save writes the trainer, and trainer.net can be copied"
            )
        return dict(vars(self))

    def _started_with(self, optimizer: Any) -> Any:
        """The optimizer; if it has another rate, the schedule begins anew there."""
        optimizer = _given.check_optimizer(optimizer)
        if optimizer.lr == self.optimizer.lr:
            return optimizer
        schedule, self._after = restarted(self.schedule, optimizer.lr, self._past)
        self._set(schedule=schedule)
        self._first_lr = optimizer.lr  # where the schedule starts
        return optimizer

    def _started(self, schedule: Any) -> Schedule:
        """The schedule, begun at the optimizer's rate."""
        made = as_schedule(schedule, self.optimizer.lr)
        self._after, self._first_lr = counted_from(made, self._past), self.optimizer.lr
        return made

    @property
    def _past(self) -> int:
        """The epochs whose rate has been used up."""
        return self.epoch + self._trained

    @property
    def _has_errors(self) -> bool:
        """Whether the outputs stand for classes, so that the records have error rates."""
        return self._one.output_size > 1 and not self._numbers

    @property
    def ending(self) -> bool:
        """Whether no further epoch of this `fit` will begin."""
        return self._stopping or self._plan is None or self.epoch >= self._plan.end

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
            (N, *net.input_shape), or a frame of pandas or Polars; labels (N,) integers from 0, booleans,
            or names of classes (in the order of ``net.class_names``, which otherwise becomes the
            alphabetical one); Y (N, n_out) targets. Or such a pair with a third, (N,): what each example
            counts, as ``sample_weight`` of `Network.step`. Losses and errors in the history are then
            weighted means. Sets whose weights are all 0 are refused. With one output, Y may be (N,) too.
            Of a network in time: `fastfa.data.Sequences`, or a pair (X, Y) of X (N, T, n_in) and Y
            (N, T, n_out), or of the last steps Y (N, n_out) or labels (N,); a third is (N,) or (N, T).
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
        DivergenceError, KeyboardInterrupt
            If a value isn't finite; on Ctrl-C. Weights are the last good ones, the records in `history`.
        """
        sets = self._prepare(train, validation, test)
        plan = FitPlan(self.epoch + self.epochs, {n: fingerprint(part) for n, part in sets.items()})
        return self._fit(sets, plan, names_in(self._one, train))

    @classmethod
    def resume(
        cls,
        path: str | os.PathLike[str],
        train: Any,
        validation: Any = None,
        test: Any = None,
        *,
        epochs: int | None = None,
        into: Trainer | None = None,
        write_outside: bool = False,
    ) -> Trainer:
        """Load a trainer and finish the `fit` that it was saved in.

        It ends as if it had never been interrupted: with the same bits in weights, feedback, velocities,
        history (but for the seconds) and callbacks, on any number of threads, and on another machine of
        the same instruction set. Loggers bring their files to where the checkpoint was and go on.

        Parameters
        ----------
        path
            What `fastfa.save` or `fastfa.Checkpoint` wrote.
        train, validation, test
            The same as `fit` was given.
        epochs
            The epoch after which to end. None: where `fit` would have; nothing is done if it has.
        into
            None: the trainer is built from the file. Otherwise a trainer made as the first was, needed
            where the file can't hold all of it: a schedule, augmentation, loss or callback of your own.
            See `fastfa.load`.
        write_outside
            Whether loggers and checkpoints that the file describes may write outside the folder that
            the file lies in. Not asked of those of ``into``, which are yours.

        Returns
        -------
        Trainer
            ``into`` or a new one, after training; its ``history`` has all epochs.

        Raises
        ------
        CheckpointError
            If the file isn't a trainer's checkpoint, or not one that fits ``into``.
        ValueError, TypeError
            If examples are others than before, ``epochs`` lies behind, or the file describes something
            that writes outside its folder; else as `fit`.
        """
        from .checkpoint.resume import resume  # not for who only trains

        return resume(Trainer, path, (train, validation, test), epochs, into, write_outside)

    def _fit(self, sets: Sets, plan: FitPlan, names: Any = (), resumed: bool = False) -> History:
        """Epochs up to the plan's end; a resumed fit goes on with its callbacks' state."""
        _given.check_callbacks(self.callbacks)
        good = finite_state(self._learner)
        check_fit(self, [name for name in sets if name != "train"])
        for net in getattr(self.net, "networks", (self.net,)) if names else ():
            net.class_names = names
        self._set(has_validation="validation" in sets)
        self._stopping, self._plan = self._stopping and resumed, plan
        self._fitting = True
        try:
            self._run(good, sets, plan, resumed)
        finally:
            self._fitting = self._trained = False
        self._plan = None
        return self.history

    def _run(self, good: dict[str, np.ndarray], sets: Sets, plan: FitPlan, resumed: bool) -> None:
        """The epochs of a fit and what goes around them; ``good`` are the weights to fall back on."""
        examples, measured = sets["train"], {k: v for k, v in sets.items() if k != "train"}
        epochs = range(self.epoch + 1, plan.end + 1)
        begin_fit(self, resumed)
        with (
            failure_told(self),
            samples_bar(self.progress, len(epochs) * len(examples.x)) as bar,
            Ahead(self.augment, examples, self._one.input_shape, self.seed) as ahead,
        ):
            try:
                for epoch in epochs:
                    if self._stopping:
                        break
                    own = ahead.epoch(epoch, last=epoch == plan.end)
                    if not self._run_epoch(epoch, own, measured, bar):
                        break
                    good = self._learner.state_dict()
            except DivergenceError:
                if not all_finite(self._learner):
                    self._learner.load_state_dict(good)
                raise
        for callback in self.callbacks:
            callback.on_fit_end(self, self.history)

    def _prepare(self, train: Any, validation: Any, test: Any) -> Sets:
        """The checked examples by name: "train", and the sets to measure after each epoch."""
        sets = prepare_sets(self._one, self.targets, self.seed, train, validation, test)
        check_carry(self._learner, sets["train"].x, self.batch_size, train)
        self._numbers = isinstance(train, Sequences) and train.is_regression
        return sets

    def _run_epoch(
        self, epoch: int, examples: Examples, measured: dict[str, Examples], bar: tqdm
    ) -> bool:
        """One epoch with its evaluations and callbacks; False when training was to stop."""
        past = History(self.history.records[self._after :]) if self._after else self.history
        rate = self.schedule.lr(epoch - self._after, past)
        rate = _check.real("fit", f"the schedule's lr for epoch {epoch}", rate)
        self._set(optimizer=dataclasses.replace(self.optimizer, lr=rate))
        bar.set_description(f"epoch {epoch}", refresh=False)
        for callback in self.callbacks:
            callback.on_epoch_begin(self, epoch)
        if self._stopping:
            return False
        self._within = epoch
        loss, error, seconds, seen = train(self, self._order(epoch, len(examples.x)), examples, bar)
        self._trained = True
        measures = {"train_loss": loss, "train_error": error} | evaluated(self._learner, measured)
        times = {"seconds": seconds, "samples_per_second": seen / max(seconds, 1e-9)}
        place: Record = {"epoch": epoch, "lr": self._lr}
        record, *each = records(self._learner, self._has_errors, measures, place, times)
        for callback in self.callbacks:
            callback.on_epoch_end(self, record)
        self.schedule._check_keys(record, True)
        for history, own in zip((self.history, *self.histories), (record, *each), strict=True):
            history.records.append(own)
        self._set(epoch=epoch)
        self._within, self._trained = None, False
        for callback in self.callbacks:
            callback.on_epoch_done(self)
        return not self._stopping

    def _order(self, epoch: int, n: int) -> np.ndarray:
        return order_of(self, epoch, n)
