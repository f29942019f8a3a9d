"""Callbacks: when they are called, and what they and their arguments are told before training."""

from __future__ import annotations

import fastfa as fa
import numpy as np
import pytest
from callback_cases import CLASSES, Diary, Scripted, assert_state, make_trainer
from fastfa.callbacks import (
    Alignment,
    AveragedWeights,
    BestWeights,
    Callback,
    CSVLogger,
    EarlyStopping,
)
from fastfa.cli.report import EpochLines
from fastfa.data import one_hot


def test_an_epoch_is_done_when_it_is_counted(noise):
    class After(Callback):
        def on_epoch_done(self, trainer):
            seen.append((trainer.epoch, len(trainer.history), trainer.ending))

    seen = []
    make_trainer([After()], epochs=2).fit(noise)
    assert seen == [(1, 1, False), (2, 2, True)]


def test_callbacks_are_called_in_the_documented_order(noise):
    diary = Diary()
    make_trainer([diary], epochs=2).fit(noise)  # 6 batches an epoch
    assert diary.lines == [
        *(("fit begins", 0), ("epoch begins", 1), ("batches", 4), ("epoch ends", 1, 0)),
        *(("epoch begins", 2), ("batches", 8), ("batches", 12), ("epoch ends", 2, 1)),
        ("fit ends", 2),
    ]


def test_what_a_callback_adds_to_a_record_is_seen_after_it_and_kept(noise):
    seen = []

    class Look(Callback):
        def on_epoch_end(self, trainer, record):
            seen.append(record.get("score"))

    trainer = make_trainer([Look(), Scripted([5, 4]), Look()], epochs=2)
    assert trainer.fit(noise)["score"] == [5, 4]
    assert seen == [None, 5, None, 4]


def test_fit_end_is_not_called_after_an_exception(noise):
    class Fail(Callback):
        def on_epoch_begin(self, trainer, epoch):
            raise RuntimeError("enough")

    diary = Diary()
    with pytest.raises(RuntimeError, match="enough"):
        make_trainer([diary, Fail()]).fit(noise)
    assert diary.lines == [("fit begins", 0), ("epoch begins", 1)]


@pytest.mark.parametrize("kind", [EarlyStopping, BestWeights])
def test_no_decision_by_the_test_set(kind):
    with pytest.raises(ValueError, match=r"monitor was 'test_error'.*never used for a decision"):
        kind("test_error")


@pytest.mark.parametrize("kind", [EarlyStopping, BestWeights])
def test_a_missing_validation_set_is_told_before_training(noise, kind):
    trainer = make_trainer([kind("validation_error")])
    before = trainer.net.state_dict()
    with pytest.raises(ValueError, match="no validation set"):
        trainer.fit(noise)
    assert_state(trainer.net, before)


class Noted(Callback):
    """What a fit has done to its callbacks."""

    def __init__(self):
        self.seen = []

    def on_fit_begin(self, trainer):
        self.seen.append("begin")


@pytest.mark.parametrize("monitor", ["accuracy", "train_los", "validation_eror", "angle_bp.2"])
@pytest.mark.parametrize("kind", [EarlyStopping, BestWeights, fa.Plateau])
def test_an_unknown_monitor_is_told_before_anything_is_changed(noise, kind, monitor, tmp_path):
    noted = Noted()
    first = [noted, Alignment(noise[0][:5], one_hot(noise[1][:5], CLASSES)), AveragedWeights(1)]
    watcher = kind(monitor=monitor)
    own = [*first, CSVLogger(tmp_path / "h.csv"), fa.Checkpoint(tmp_path / "run.st")]
    trainer = make_trainer(own if kind is fa.Plateau else [*own, watcher])
    if kind is fa.Plateau:
        trainer.schedule = watcher
    before = trainer.net.state_dict()
    close = {"train_los": "train_loss", "validation_eror": "validation_error"}.get(monitor, "")
    with pytest.raises(ValueError, match="must be a key of the record") as caught:
        trainer.fit(noise, validation=0.2)
    told = str(caught.value)
    assert told.startswith(
        f"[{kind.__name__}] monitor was {monitor!r}; it must be a key of the record: "
    )
    assert "validation_loss, " in told
    assert "angle_bp.1" in told
    assert f"did you mean {close!r}" in told or not close
    assert_state(trainer.net, before)
    assert (noted.seen, first[1].rows, list(tmp_path.iterdir())) == ([], [], [])


def test_a_callback_of_the_command_line_hides_no_misspelling(noise):
    trainer = make_trainer([EpochLines(False), EarlyStopping("train_los")])
    with pytest.raises(ValueError, match="did you mean 'train_loss'"):
        trainer.fit(noise)
    assert trainer.net.steps == 0


@pytest.mark.parametrize("kind", [EarlyStopping, BestWeights, fa.Plateau])
def test_a_key_that_a_callback_of_the_users_may_add_is_looked_for_after_the_first_epoch(
    noise, kind
):
    """Who it is that adds a key isn't known before it has."""

    def trained(monitor):
        watcher, script = kind(monitor=monitor), Scripted([5, 4, 3, 2, 1, 0])
        trainer = make_trainer([script] if kind is fa.Plateau else [script, watcher])
        if kind is fa.Plateau:
            trainer.schedule = watcher
        try:
            trainer.fit(noise)
        finally:
            assert len(trainer.net.weights) == 3
        return trainer

    assert trained("score").epoch == 6
    with pytest.raises(
        ValueError, match=rf"\[{kind.__name__}\] monitor was 'scores'.*did you mean 'score'"
    ):
        trained("scores")


def test_a_watcher_before_the_callback_that_adds_its_key_is_told(noise):
    probe = Alignment(noise[0][:5], one_hot(noise[1][:5], CLASSES))
    make_trainer([probe, BestWeights("angle_bp.0")], epochs=1).fit(noise)
    trainer = make_trainer([BestWeights("angle_bp.0"), probe])
    with pytest.raises(
        ValueError, match=r"\[BestWeights\] monitor was 'angle_bp.0'; it must be a key"
    ):
        trainer.fit(noise)
    assert trainer.net.steps == 0


@pytest.mark.parametrize("schedule", [fa.Plateau(monitor="validation_error"), None])
def test_a_measure_of_validation_without_a_set_is_told(noise, schedule):
    """Only Plateau's default, validation_loss, stands for train_loss then."""
    trainer = make_trainer([] if schedule else [EarlyStopping("validation_loss")])
    trainer.schedule = schedule
    with pytest.raises(ValueError, match="no validation set"):
        trainer.fit(noise)
    assert trainer.net.steps == 0
    trainer.callbacks, trainer.schedule = (), fa.Plateau()
    trainer.fit(noise)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: EarlyStopping(patience=0), r"\[EarlyStopping\] patience was 0"),
        (lambda: EarlyStopping(min_delta=-1), "min_delta was -1"),
        (lambda: AveragedWeights(0), r"\[AveragedWeights\] begin was 0"),
        (lambda: BestWeights(min_delta=float("nan")), "min_delta was nan"),
        (lambda: Alignment(np.ones((3, 2)), np.ones((3, 2)), every=0), "every was 0"),
        (lambda: Alignment(np.ones((3, 2)), np.ones((2, 2))), "the same N"),
        (lambda: Alignment(np.ones((3, 2)), np.ones(3)), "the same N"),
        (lambda: Alignment(np.ones((0, 2)), np.ones((0, 2))), "at least 1"),
    ],
)
def test_a_wrong_argument_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
