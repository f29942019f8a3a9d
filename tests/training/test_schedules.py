"""Learning-rate schedules: the exact rates that they give, epoch by epoch."""

from __future__ import annotations

import dataclasses
import math

import fastfa as fa
import numpy as np
import pytest
from fastfa.history import History
from fastfa.schedules import (
    Constant,
    Cosine,
    Exponential,
    Plateau,
    Schedule,
    Steps,
    Warmup,
    as_schedule,
)


def rates(schedule: Schedule, epochs: int, losses: list[float] | None = None, **columns) -> list:
    """The rate before each epoch when the epochs turn out as told."""
    history, given = History(), []
    for epoch in range(1, epochs + 1):
        given.append(schedule.lr(epoch, history))
        record = {"epoch": epoch, "train_loss": losses[epoch - 1] if losses else 1.0}
        history.records.append(record | {key: values[epoch - 1] for key, values in columns.items()})
    return given


def test_constant_keeps_the_optimizers_rate():
    assert rates(Constant().starting_at(0.3), 3) == [0.3, 0.3, 0.3]


def test_a_schedules_own_first_rate_wins_over_the_optimizers():
    assert rates(Constant(initial=0.2).starting_at(0.3), 1) == [0.2]


def test_steps_hold_from_their_epoch_on_whatever_their_order():
    schedule = Steps({4: 0.001, 2: 0.01}).starting_at(0.1)
    assert rates(schedule, 5) == [0.1, 0.01, 0.01, 0.001, 0.001]


def test_exponential_multiplies_once_an_epoch():
    assert rates(Exponential(0.5).starting_at(0.8), 4) == [0.8, 0.4, 0.2, 0.1]


def test_plateau_divides_by_ten_each_time_progress_has_slowed():
    losses = [1.0, 0.5, 0.5, 0.5, 0.4, 0.4, 0.4, 0.4]
    given = rates(Plateau(patience=2, min_delta=0.01).starting_at(0.01), 8, losses)
    assert given == pytest.approx([1e-2, 1e-2, 1e-2, 1e-2, 1e-3, 1e-3, 1e-3, 1e-4], rel=1e-12)


def test_plateau_counts_a_gain_below_min_delta_as_none_until_it_adds_up():
    slow = [1.0, 0.95, 0.89, 0.88, 0.87]  # with 10 %, only 0.89 is progress over 1.0
    given = rates(Plateau(patience=2, min_delta=0.1).starting_at(1.0), 6, [*slow, 0.86])
    assert given == pytest.approx([1, 1, 1, 1, 1, 0.1], rel=1e-12)


def test_plateau_watches_validation_where_there_is_one_and_training_elsewhere():
    schedule = Plateau(patience=1).starting_at(1.0)
    falling, flat = [4.0, 3.0, 2.0], [1.0, 1.0, 1.0]
    assert rates(schedule, 3, falling) == [1.0, 1.0, 1.0]
    assert rates(schedule, 3, falling, validation_loss=flat) == pytest.approx([1.0, 1.0, 0.1])


@pytest.mark.parametrize("sign", [1, -1])
def test_plateau_judges_by_the_magnitude_of_the_best_value(sign):
    """A measure that falls below zero makes progress as one above does, and no more easily."""
    schedule = Plateau(patience=2, min_delta=0.1).starting_at(1.0)
    falling = [-1.0, -1.2, -1.5, -1.9, -2.4, -3.0, 0]
    assert rates(schedule, 7, falling) == [1.0] * 7
    rising = [-1.0, -0.95, -0.92, -0.91, -0.905, 0]
    assert rates(schedule, 6, rising) == pytest.approx([1, 1, 1, 0.1, 0.1, 0.01])
    flat = [sign * x for x in (1.0, 1.05, 1.05, 1.05, 1.05, 0)]
    assert rates(schedule, 6, flat) == pytest.approx([1, 1, 1, 0.1, 0.1, 0.01])
    assert rates(schedule, 3, [0.0, 0.0, 0.0]) == [1, 1, 1]


def test_plateau_compares_a_measure_with_itself_alone():
    """Two epochs without a validation set, whose training loss is no measure of what comes after."""
    schedule = Plateau(patience=2).starting_at(1.0)
    history = History([{"epoch": 1, "train_loss": 0.1}, {"epoch": 2, "train_loss": 0.1}])
    for epoch, loss in enumerate([0.9, 0.8, 0.7, 0.7, 0.7], start=3):
        assert schedule.lr(epoch, history) == 1.0
        history.records.append({"epoch": epoch, "train_loss": 0.1, "validation_loss": loss})
    assert schedule.lr(8, history) == pytest.approx(0.1)
    other = Plateau(monitor="angle_bp.0", patience=2).starting_at(1.0)
    assert other.lr(8, history) == 1.0


def test_plateau_stops_at_min_lr_and_never_raises_the_rate():
    flat = [1.0] * 5
    schedule = Plateau(patience=1, min_lr=0.005)
    assert rates(schedule.starting_at(0.1), 5, flat) == pytest.approx(
        [0.1, 0.1, 0.01, 0.005, 0.005]
    )
    assert rates(schedule.starting_at(0.001), 4, flat) == [0.001] * 4


def test_plateau_takes_a_loss_that_is_not_a_number_for_no_progress():
    given = rates(Plateau(patience=2).starting_at(1.0), 4, [1.0, float("nan"), float("nan"), 1.0])
    assert given == pytest.approx([1.0, 1.0, 1.0, 0.1])


def test_cosine_falls_along_half_a_wave_and_stays_down():
    given = rates(Cosine(4, min_lr=0.2).starting_at(1.0), 6)
    wave = [0.2 + 0.8 * (1 + math.cos(math.pi * k / 4)) / 2 for k in range(4)]
    assert given == pytest.approx([*wave, 0.2, 0.2], rel=1e-14)
    assert given[0] == 1.0
    assert rates(Cosine(1, initial=0.5).starting_at(9.0), 3) == [0.5, 0.0, 0.0]


def test_warmup_over_epochs_grows_in_equal_steps():
    schedule = Warmup(epochs=3, start=0.2).starting_at(0.5)
    assert rates(schedule, 5) == pytest.approx([0.2, 0.3, 0.4, 0.5, 0.5])
    assert schedule.warm_updates == 0
    assert schedule.share(0) == 1.0


OTHERS = [
    None,
    {2: 0.05, 4: 0.01},
    lambda epoch: 0.3 / epoch,
    Constant(0.2),
    Exponential(0.5),
    Plateau(patience=1),
    Cosine(4),
    Warmup(epochs=2),
]


@pytest.mark.parametrize("then", OTHERS)
def test_warmup_composes_with_every_schedule(then):
    losses = [1.0, 0.5, 0.5, 0.5, 0.5]
    plain = rates(as_schedule(then, 0.1), 5, losses)
    warm = rates(as_schedule(Warmup(then, epochs=2), 0.1), 5, losses)
    assert warm == pytest.approx([plain[0] / 3, plain[1] * 2 / 3, *plain[2:]], rel=1e-14)
    by_updates = as_schedule(Warmup(then, updates=3), 0.1)
    assert rates(by_updates, 5, losses) == plain
    assert [by_updates.share(k) for k in range(5)] == [0.25, 0.5, 0.75, 1.0, 1.0]


def net_and_data(seed=4):
    rng = np.random.default_rng(seed)
    layers = [fa.Dense(9, "tanh"), fa.Dense(3, "tanh")]
    net = fa.Network(5, layers, seed=seed, dtype="float64")
    return net, rng.standard_normal((23, 5)), rng.uniform(-0.9, 0.9, (23, 3))


@pytest.mark.parametrize("optimizer", [fa.SGD(0.3, momentum=0.9, weight_decay=0.01), fa.Adam(0.1)])
@pytest.mark.parametrize("updates", [1, 3, 7, 9, 50])
def test_a_warmup_over_updates_gives_each_one_its_own_rate(optimizer, updates):
    net, x, y = net_and_data()
    schedule = Warmup({2: 0.2}, updates=updates, start=0.1)
    trainer = fa.Trainer(
        net, optimizer, batch_size=4, epochs=1, seed=6, schedule=schedule, progress=False
    )
    for _ in range(3):  # each a fit of its own: there is one warm-up
        trainer.fit((x, y))
    other, _, _ = net_and_data()
    done, told = 0, []
    for epoch in range(1, 4):
        order = fa.data.permutation(23, 6, epoch)
        for first in range(0, 23, 4):
            part = order[first : first + 4]
            done += 1
            share = min(1.0, 0.1 + 0.9 * done / (updates + 1)) if done <= updates else 1.0
            rate = (optimizer.lr if epoch == 1 else 0.2) * share
            other.step(x[part], y[part], dataclasses.replace(optimizer, lr=rate))
        told.append(rate)
    for ours, theirs in zip(net.weights, other.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert trainer.history["lr"] == pytest.approx(told, rel=1e-15)


def test_callbacks_are_called_during_a_warmup_as_otherwise():
    class Counts(fa.Callback):
        every = 4

        def __init__(self):
            self.at = []

        def on_batches(self, trainer, batch):
            self.at.append(batch)

    counts = Counts()
    net, x, y = net_and_data()
    fa.Trainer(net, fa.SGD(0.1), batch_size=2, epochs=2, schedule=Warmup(updates=7),
               callbacks=[counts], progress=False).fit((x, y))  # fmt: skip
    assert counts.at == [4, 8, 12, 16, 20, 24]


def test_a_callable_and_a_dict_are_schedules():
    assert rates(as_schedule(lambda epoch: 1 / epoch, 0.5), 3) == [1, 1 / 2, 1 / 3]
    assert rates(as_schedule({2: 0.1}, 0.5), 3) == [0.5, 0.1, 0.1]
    assert rates(as_schedule(None, 0.5), 2) == [0.5, 0.5]


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: Constant(initial=-1.0), "initial"),
        (lambda: Constant(initial=float("nan")), "initial"),
        (lambda: Steps({}), "rates"),
        (lambda: Steps({0: 0.1}), "an epoch of rates was 0"),
        (lambda: Steps({1.5: 0.1}), "rates"),
        (lambda: Steps({3: -0.1}), r"rates\[3\]"),
        (lambda: Exponential(0.0), "decay"),
        (lambda: Exponential(1.1), "decay"),
        (lambda: Plateau(factor=1.0), "factor"),
        (lambda: Plateau(patience=0), "patience"),
        (lambda: Plateau(patience=True), "patience"),
        (lambda: Plateau(min_delta=1.0), "min_delta"),
        (lambda: Plateau(min_lr=-1.0), "min_lr"),
        (lambda: Cosine(0), "epochs"),
        (lambda: Cosine(2.5), "epochs"),
        (lambda: Cosine(3, min_lr=-1), "min_lr"),
        (lambda: Warmup(), "updates was None and epochs None"),
        (lambda: Warmup(updates=1, epochs=1), "updates was 1 and epochs 1"),
        (lambda: Warmup(updates=0), "updates"),
        (lambda: Warmup(epochs=1.5), "epochs"),
        (lambda: Warmup(epochs=1, start=1.0), "start"),
        (lambda: Warmup("cosine", epochs=1), r"\[Warmup\] then"),
        (lambda: Warmup({0: 1.0}, epochs=1), "an epoch of rates was 0"),
        (lambda: as_schedule("plateau", 0.1), "schedule"),
        (lambda: as_schedule(Plateau, 0.1), "schedule"),
    ],
)
def test_a_wrong_argument_is_named(make, word):
    with pytest.raises((ValueError, TypeError), match=word):
        make()


@pytest.mark.parametrize("monitor", ["test_error", "test_loss"])
def test_plateau_refuses_to_decide_by_the_test_set(monitor):
    with pytest.raises(ValueError, match="never used for a decision"):
        Plateau(monitor=monitor)


def test_a_schedule_without_a_first_rate_says_so():
    with pytest.raises(ValueError, match="initial was None"):
        Exponential(0.5).lr(1, History())
