"""What is assigned to a trainer, between fits and by callbacks within one."""

from __future__ import annotations

import dataclasses
import inspect

import fastfa as fa
import numpy as np
import pytest
from fastfa import schedules
from public_classes import MADE, X, Y, network, trainer


def test_an_optimizer_assigned_after_a_fit_is_used_with_its_rate():
    run = trainer(optimizer=fa.SGD(0.1), epochs=2)
    run.fit((X, Y))
    run.optimizer = fa.Adam(0.001)
    run.fit((X, Y))
    assert run.history["lr"] == [0.1, 0.1, 0.001, 0.001]
    assert run.optimizer == fa.Adam(0.001)

    alone = fa.Trainer(network(), fa.SGD(0.1), epochs=2, progress=False, batch_size=4)
    alone.fit((X, Y))
    for epoch in (3, 4):
        order = fa.data.permutation(12, 0, epoch)
        alone.net.train_epoch(X, Y, fa.Adam(0.001), batch_size=4, order=order)
    np.testing.assert_array_equal(run.net.weights[0], alone.net.weights[0])


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        (fa.Exponential(0.5), [0.1, 0.05, 0.001, 0.0005, 0.00025]),
        (fa.Plateau(patience=1, min_delta=0.99), [0.1, 0.1, 0.001, 0.001, 0.0001]),
        ({2: 0.05, 5: 0.02}, [0.1, 0.05, 0.001, 0.001, 0.02]),
        ({2: 0.05}, [0.1, 0.05, 0.001, 0.001, 0.001]),
        (lambda epoch: 1 / epoch, [1, 1 / 2, 1 / 3, 1 / 4, 1 / 5]),  # it says every epoch's itself
    ],
)
def test_an_assigned_optimizer_gives_the_schedule_a_new_start(schedule, rates, tmp_path):
    run = trainer(epochs=2, schedule=schedule)
    run.fit((X, Y))
    run.optimizer = fa.SGD(0.001)
    run.epochs = 3
    run.fit((X, Y))
    assert run.history["lr"] == pytest.approx(rates, rel=1e-12)
    if callable(schedule) and not isinstance(schedule, fa.Schedule):
        return
    fa.save(tmp_path / "run.st", run)
    again = fa.load(tmp_path / "run.st")
    fresh = trainer(epochs=2, optimizer=fa.SGD(0.001), schedule=run.schedule)
    fa.load(tmp_path / "run.st", into=fresh)
    for each in (again, run, fresh):
        each.epochs = 2
        each.fit((X, Y))
    assert again.history["lr"] == run.history["lr"] == fresh.history["lr"]


@pytest.mark.parametrize("schedule", [fa.Plateau(patience=2, min_delta=0.99), fa.Exponential(0.5)])
def test_an_optimizer_of_the_same_rate_leaves_the_schedule_alone(schedule):
    """A callback that changes the momentum before each epoch."""

    class Warm(fa.Callback):
        def on_epoch_begin(self, trainer, epoch):
            trainer.optimizer = dataclasses.replace(trainer.optimizer, momentum=0.1 * epoch)

    warm, plain = (trainer(epochs=5, schedule=schedule, callbacks=c) for c in ([Warm()], []))
    for run in (warm, plain):
        run.fit((X, Y))
    assert warm.history["lr"] == plain.history["lr"]
    assert len(set(warm.history["lr"])) > 1
    assert warm.optimizer.momentum == 0.5


def test_a_schedule_assigned_starts_at_the_rate_reached():
    run = trainer(epochs=2, schedule=fa.Exponential(0.5))
    run.fit((X, Y))
    run.schedule = fa.Exponential(0.1)
    run.fit((X, Y))
    run.schedule = {6: 0.7}
    run.fit((X, Y))
    assert run.history["lr"] == pytest.approx([0.1, 0.05, 0.05, 0.005, 0.005, 0.7])


class Assign(fa.Callback):
    """Does something to the trainer at a place of an epoch."""

    every = 2

    def __init__(self, at, epoch, what):
        self.at, self.epoch, self.what = at, epoch, what

    def _maybe(self, trainer, at):
        if at == self.at and trainer.epoch + 1 == self.epoch:
            self.what(trainer)

    def on_epoch_begin(self, trainer, epoch):
        self._maybe(trainer, "begin")

    def on_batches(self, trainer, batch):
        self._maybe(trainer, "batches")

    def on_epoch_end(self, trainer, record):
        self._maybe(trainer, "end")

    def on_epoch_done(self, trainer):
        if self.at == "done" and trainer.epoch == self.epoch:
            self.what(trainer)


def lower(trainer):
    trainer.optimizer = dataclasses.replace(trainer.optimizer, lr=0.001)


@pytest.mark.parametrize(
    ("at", "rates"),
    [
        ("begin", [0.1, 0.001, 0.001, 0.001]),
        ("batches", [0.1, 0.001, 0.001, 0.001]),  # that of the epoch's last batch
        ("end", [0.1, 0.1, 0.001, 0.001]),
        ("done", [0.1, 0.1, 0.001, 0.001]),
    ],
)
@pytest.mark.parametrize("decay", [1.0, 0.5])
def test_a_rate_that_a_callback_sets_is_used_and_recorded(at, rates, decay):
    """12 examples in batches of 2: the callback looks after batches 2, 4 and 6 of an epoch."""
    schedule = fa.Exponential(decay, initial=0.1)
    run = trainer(epochs=4, batch_size=2, schedule=schedule, callbacks=[Assign(at, 2, lower)])
    run.fit((X, Y))
    if decay == 0.5:
        first = rates.index(0.001)
        rates = [0.1 * 0.5**k for k in range(first)] + [0.001 * 0.5**k for k in range(4 - first)]
    assert run.history["lr"] == pytest.approx(rates, rel=1e-12)


def test_a_rate_set_after_the_last_batch_is_the_next_epochs():
    run = trainer(epochs=2, batch_size=6, callbacks=[Assign("batches", 1, lower)])
    run.fit((X, Y))  # the callback's only look at an epoch is after its last batch
    assert run.history["lr"] == [0.1, 0.001]


def test_what_a_fit_has_read_cannot_be_assigned_while_it_runs():
    for name, value in {
        "epochs": 9, "seed": 4, "progress": True, "callbacks": (), "augment": None, "targets": (0, 1),
        "history": fa.History(), "epoch": 7, "batch": 3, "examples": 9,
    }.items():  # fmt: skip
        run = trainer(callbacks=[Assign("begin", 1, lambda t: setattr(t, name, value))])  # noqa: B023
        with pytest.raises(
            AttributeError, match=rf"\[Trainer\] {name} can't be assigned while fit"
        ):
            run.fit((X, Y))
        setattr(run, name, value)
        assert getattr(run, name) is value or getattr(run, name) == value


def test_every_setting_of_a_trainer_counts_from_the_next_fit_on():
    class Seen(fa.Callback):
        every = 1

        def __init__(self):
            self.batches = []

        def on_batches(self, trainer, batch):
            self.batches.append(batch)

    seen, made = Seen(), []

    def augment(x, shape, *, seed, epoch):
        made.append((seed, epoch))
        return x.copy()

    run = trainer()
    run.callbacks, run.batch_size, run.epochs, run.augment, run.seed = [seen], 3, 2, augment, 17
    run.shuffle = False
    run.epoch, run.batch = 5, 100
    run.history = fa.History([{"epoch": i, "lr": 0.1, "train_loss": 1.0} for i in range(1, 6)])
    run.fit((X, Y))
    assert run.history["epoch"] == [1, 2, 3, 4, 5, 6, 7]
    assert seen.batches == list(range(101, 109))
    assert made == [(17, 6), (17, 7)]
    same = network()
    for _ in range(2):
        same.train_epoch(X, Y, fa.SGD(0.1), batch_size=3)
    np.testing.assert_array_equal(run.net.weights[0], same.weights[0])
    with pytest.raises(TypeError, match=r"\[Trainer\] optimizer was 0.1"):
        run.optimizer = 0.1
    with pytest.raises(TypeError, match=r"\[Trainer\] callbacks\[0\] was 3"):
        run.callbacks = [3]
    with pytest.raises(TypeError, match=r"\[Trainer\] history was \[\]"):
        run.history = []
    with pytest.raises(TypeError, match=r"\[History\] records was 3; it must be a list of dicts"):
        run.history.records = 3


def test_a_callbacks_every_is_looked_at_when_fit_begins():
    watch = Assign("never", 1, None)
    run = trainer(callbacks=[watch])
    watch.every = 0
    with pytest.raises(ValueError, match=r"callbacks\[0\].every was 0"):
        run.fit((X, Y))
    assert run.net.steps == 0


def test_the_names_of_schedules_are_those_of_the_package():
    """Each schedule takes up a rate that is assigned; a new one that doesn't would fail here."""
    for name in fa.__all__:
        kind = getattr(fa, name)
        if not (inspect.isclass(kind) and issubclass(kind, fa.Schedule)) or kind is fa.Schedule:
            continue
        schedule, after = schedules.restarted(MADE[kind]().starting_at(0.5), 0.125, 7)
        assert schedule.lr(8 - after, fa.History()) == 0.125, name
