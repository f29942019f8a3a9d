"""A finished run's file: the network that the fit ended with, and the run that goes on."""

from __future__ import annotations

import checkpoint_cases as cases
import fastfa as fa
import numpy as np
from callback_cases import Scripted, assert_state
from fastfa.callbacks import AveragedWeights, BestWeights, EarlyStopping
from fastfa.cli import main


def keepers(folder):
    """The file is written first, so that no order of callbacks makes a difference."""
    return [
        fa.Checkpoint(folder / "run.st"),
        Scripted([5, 3, 4, 9, 2, 8]),
        BestWeights("score"),
    ]


def test_a_finished_runs_file_has_the_best_weights_and_can_go_on_from_the_last(tmp_path):
    file, data = tmp_path / "run.st", cases.examples()
    run = cases.trainer("momentum", keepers(tmp_path), epochs=4)
    run.fit(data)
    assert_state(run.net, run.callbacks[1].states[1])
    assert_state(fa.load(file).net, run.net.state_dict())
    assert_state(fa.load(file, into=cases.trainer("momentum").net), run.net.state_dict())
    into = cases.trainer("momentum", keepers(tmp_path))
    assert_state(fa.load(file, into=into).net, run.net.state_dict())
    fa.save(tmp_path / "net.st", run.net)
    assert_state(fa.load(tmp_path / "net.st"), run.net.state_dict())

    whole = cases.trainer("momentum", keepers(tmp_path / ".."), epochs=6)
    whole.callbacks = whole.callbacks[1:]
    whole.fit(data)
    longer = fa.Trainer.resume(
        file, data, epochs=6, into=cases.trainer("momentum", keepers(tmp_path))
    )
    assert (longer.callbacks[-1].epoch, longer.callbacks[-1].value) == (5, 2)
    assert cases.digest(longer.net) == cases.digest(whole.net)


def test_averaged_and_early_stopped_weights_are_those_of_a_loaded_run(tmp_path):
    callbacks = [AveragedWeights(2), fa.Checkpoint(tmp_path / "{epoch}.st")]
    run = cases.trainer("adam", callbacks)
    run.fit(cases.examples(), 0.2)
    assert_state(fa.load(tmp_path / "4.st").net, run.net.state_dict())
    run = cases.trainer("momentum", [EarlyStopping(patience=1, min_delta=9), *callbacks[1:]])
    run.fit(cases.examples(), 0.2)
    assert (run.epoch, run.callbacks[0].best.epoch) == (2, 1)
    assert_state(fa.load(tmp_path / "2.st").net, fa.load(tmp_path / "1.st").net.state_dict())


def test_a_run_within_its_fit_is_loaded_as_it_was(tmp_path):
    """What the callbacks keep waits for the end."""
    script = Scripted([1, 2, 3, 4])
    callbacks = [script, BestWeights("score"), fa.Checkpoint(tmp_path / "{epoch}.st")]
    cases.trainer("momentum", callbacks).fit(cases.examples())
    assert_state(fa.load(tmp_path / "3.st").net, script.states[2])
    assert_state(fa.load(tmp_path / "4.st").net, script.states[0])


def test_the_command_saves_what_it_reports(tmp_path):
    file, out = tmp_path / "run.st", tmp_path / "out"
    options = "--hidden 10 --lr 3 --epochs 4 --validation 0.2 --early-stopping 1 --quiet"
    assert main(f"train mnist-mini {options} --save {file} --out {out}".split()) == 0
    kept = fa.load(file)
    assert kept.callbacks[0].best.epoch < kept.epoch  # so the last weights are others
    with np.load(out / "weights.npz", allow_pickle=False) as weights:
        assert_state(kept.net, weights)
