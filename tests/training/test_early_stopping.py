"""Early stopping, the best weights, and weights averaged over the last epochs."""

from __future__ import annotations

import fastfa as fa
import numpy as np
import pytest
from callback_cases import Scripted, assert_state, make_trainer
from fastfa.callbacks import AveragedWeights, BestWeights, EarlyStopping


def test_early_stopping_waits_for_its_patience_and_restores_the_best(noise):
    script = Scripted([5, 3, 4, 3, 9, 1])
    stopping = EarlyStopping("score", patience=3)
    trainer = make_trainer([script, stopping])
    history = trainer.fit(noise)
    assert history["epoch"] == [1, 2, 3, 4, 5]
    assert (stopping.stopped_epoch, stopping.best.epoch, stopping.best.value) == (5, 2, 3)
    assert_state(trainer.net, script.states[1])


def test_early_stopping_may_leave_the_last_weights(noise):
    script = Scripted([5, 3, 4, 3, 9, 1])
    trainer = make_trainer([script, EarlyStopping("score", patience=2, restore_best=False)])
    assert len(trainer.fit(noise)) == 4
    assert_state(trainer.net, script.states[3])


def test_an_improvement_of_min_delta_or_less_is_none(noise):
    stopping = EarlyStopping("score", patience=2, min_delta=1.0)
    assert len(make_trainer([Scripted([5, 4, 4.5, 1, 1, 1]), stopping]).fit(noise)) == 3
    stopping = EarlyStopping("score", patience=2, min_delta=0.9)
    assert len(make_trainer([Scripted([5, 4, 4.5, 1, 1, 1]), stopping]).fit(noise)) == 6


def test_the_best_is_restored_also_when_all_epochs_have_run(noise):
    script = Scripted([5, 3, 4, 3, 9, 8])
    stopping = EarlyStopping("score", patience=10)
    trainer = make_trainer([script, stopping])
    assert len(trainer.fit(noise)) == 6
    assert stopping.stopped_epoch is None
    assert_state(trainer.net, script.states[1])


def test_each_fit_counts_anew(noise):
    stopping = EarlyStopping("score", patience=2)
    trainer = make_trainer([Scripted([1, 2, 3, 9, 8, 7, 6, 5, 4]), stopping])
    trainer.fit(noise)
    assert stopping.stopped_epoch == 3
    trainer.fit(noise)
    assert stopping.stopped_epoch is None
    assert (trainer.epoch, stopping.best.epoch) == (9, 9)


def test_early_stopping_watches_the_validation_error_by_default(noise):
    stopping = EarlyStopping(patience=2)
    history = make_trainer([stopping], epochs=40).fit(noise, validation=0.3)
    assert stopping.best.value == min(history["validation_error"])
    assert stopping.best.epoch == history.best("validation_error")["epoch"]


def test_best_weights_are_kept_and_given_back_on_demand(noise):
    script, best = Scripted([5, 3, 4]), BestWeights("score", restore=False)
    trainer = make_trainer([script, best], epochs=3)
    trainer.fit(noise)
    assert_state(trainer.net, script.states[2])
    best.restore(trainer.net)
    assert_state(trainer.net, script.states[1])


@pytest.mark.parametrize("optimizer", [fa.SGD(0.3), fa.Adam(0.01)])
def test_averaged_weights_are_the_mean_over_the_last_epochs(noise, optimizer):
    script, mean = Scripted([0] * 5), AveragedWeights(begin=3)
    trainer = make_trainer([script, mean], epochs=5, optimizer=optimizer)
    trainer.fit(noise)
    assert mean.epochs == 3
    for name, array in trainer.net.state_dict().items():
        expected = np.mean([state[name] for state in script.states[2:]], axis=0, dtype=np.float64)
        np.testing.assert_allclose(array, expected, rtol=1e-6, atol=1e-7, err_msg=name)
    assert np.abs(trainer.net.weights[0] - script.states[-1]["weights.0"]).max() > 1e-4


def test_averaging_that_never_began_changes_nothing(noise):
    script, mean = Scripted([0] * 2), AveragedWeights(begin=3)
    trainer = make_trainer([script, mean], epochs=2)
    trainer.fit(noise)
    assert (mean.epochs, mean.state) == (0, None)
    assert_state(trainer.net, script.states[-1])
