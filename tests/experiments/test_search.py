"""Trials of settings on held-out digits: what they read, what they leave, and that they go on."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import fastfa as fa
import numpy as np
import pytest

pytest.importorskip("scipy", reason="experiments need SciPy")
from fastfa.experiments import _mnist, _search, mnist

TRIALS = Path(__file__).parents[2] / "docs/results/reproduce/trials"
SMALL = {
    "data": "mnist-mini",
    "optimizer": "sgd",
    "hidden": [12, 9],
    "gain": 0.5,
    "growth": [4.0, 1.0],
    "epochs": 3,
    "lr": [[1, 0.01], [2, 0.05]],
}


@pytest.fixture(autouse=True)
def one_thread(restore_threads):
    fa.set_num_threads(1)


def test_the_last_training_examples_stand_in_for_the_test_set():
    data = fa.data.load("mnist-mini")
    held = _search.held_out(data, 1000)
    np.testing.assert_array_equal(held.train.x, data.train.x[:-1000])
    np.testing.assert_array_equal(held.test.x, data.train.x[-1000:])
    np.testing.assert_array_equal(held.test.labels, data.train.labels[-1000:])
    for last in (0, -1, 6000):
        with pytest.raises(ValueError, match=f"last was {last}"):
            _search.held_out(data, last)


def test_a_trial_is_a_file_and_the_test_set_changes_nothing(tmp_path, monkeypatch):
    found = _search.trial(tmp_path, "fa", SMALL, last=1000)
    (path,) = tmp_path.glob("*.json")
    read = json.loads(path.read_text())["result"]
    assert read.keys() == found["result"].keys()
    assert read["error"] == pytest.approx(found["result"]["error"], rel=1e-8)
    assert found["settings"] == {**_mnist.DEFAULTS, **SMALL}
    assert len(found["result"]["error"]) == 3
    data = fa.data.load("mnist-mini")
    spoilt = replace(data, test=data.test.take(np.zeros(5, int)))
    monkeypatch.setattr(_search, "load", lambda name: spoilt)
    (tmp_path / "other").mkdir()
    again = _search.trial(tmp_path / "other", "fa", SMALL, last=1000)
    assert again["result"] == found["result"]
    monkeypatch.setattr(_search, "load", None)  # a trial that is there is read
    assert _search.trial(tmp_path, "fa", SMALL, last=1000)["seed"] == 0


def test_a_trial_that_was_cut_off_goes_on_to_the_same_numbers(tmp_path, monkeypatch):
    for name in ("a", "b", "unfinished"):
        (tmp_path / name).mkdir()
    whole = _search.trial(tmp_path / "a", "fa", SMALL, last=1000)

    class Cut(Exception):
        pass

    def cut(self, trainer):
        save(self, trainer)
        if trainer.epoch == 2:
            raise Cut

    save = fa.Checkpoint.on_epoch_done
    monkeypatch.setattr(fa.Checkpoint, "on_epoch_done", cut)
    part = {"last": 1000, "unfinished": tmp_path / "unfinished"}
    with pytest.raises(Cut):
        _search.trial(tmp_path / "b", "fa", SMALL, **part)
    monkeypatch.setattr(fa.Checkpoint, "on_epoch_done", save)
    assert len(list((tmp_path / "unfinished").iterdir())) == 1
    trained = []
    one = fa.Trainer._run_epoch
    monkeypatch.setattr(
        fa.Trainer,
        "_run_epoch",
        lambda self, epoch, *more: trained.append(epoch) or one(self, epoch, *more),
    )
    resumed = _search.trial(tmp_path / "b", "fa", SMALL, **part)
    assert trained == [3]
    assert resumed["result"] == {
        **whole["result"],
        "angle_before": resumed["result"]["angle_before"],
    }
    assert not list((tmp_path / "unfinished").iterdir())


def test_a_training_that_diverges_is_a_result(tmp_path):
    wild = {**SMALL, "activation": "leaky_relu", "lr": [[1, 1e8]]}
    found = _search.trial(tmp_path, "fa", wild, last=1000)
    assert "layer" in found["result"]["diverged"]
    assert len(list(tmp_path.iterdir())) == 1


def test_one_hidden_layer_has_trials_of_its_own(tmp_path):
    given = {"data": "mnist-mini", "hidden": 20, "rule": "bp", "epochs": 2, "lr": [[1, 0.05]]}
    folder = tmp_path / "mnist"
    folder.mkdir()
    found = _search.trial(folder, "bp", given, last=1000)
    settings = mnist.DEFAULTS | given
    assert found["settings"] == settings
    net = mnist.network(settings, "bp", 0)
    held = _search.held_out(fa.data.load("mnist-mini"), 1000)
    history = mnist.trainer(settings, net, 0).fit(held.train, test=held.test)
    assert found["result"]["error"] == [100 * error for error in history["test_error"]]


def test_a_new_default_leaves_the_files_of_trials_where_they_are(monkeypatch, tmp_path):
    path = _search.place(tmp_path, "fa", SMALL, 0)
    monkeypatch.setattr(_mnist, "DEFAULTS", {**_mnist.DEFAULTS, "something": 1})
    assert _search.place(tmp_path, "fa", SMALL, 0) == path
    assert _search.place(tmp_path, "fa", SMALL | {"something": 2}, 0) != path
    assert (
        _search.place(tmp_path, "bp", SMALL, 0) != path != _search.place(tmp_path, "fa", SMALL, 1)
    )


@pytest.mark.parametrize("name", sorted(path.name for path in TRIALS.iterdir()))
def test_plans_are_fair_and_trials_on_record_are_planned(name):
    plan = json.loads((TRIALS / name / "plan.json").read_text())
    for group in {each["group"] for each in plan}:
        counts = Counter(
            each["settings"].get("rule", "fa") for each in plan if each["group"] == group
        )
        assert counts["fa"] == counts["bp"] > 0, (group, counts)
    places = {_search.place(TRIALS / name, p["net"], p["settings"], 0): p for p in plan}
    assert len(places) == len(plan)
    for path in (TRIALS / name).glob("*.json"):
        if path.name == "plan.json":
            continue
        done = json.loads(path.read_text())
        experiment = mnist if name == "mnist" else _mnist
        assert done["settings"] == _search.whole(places[path]["settings"], experiment)
        assert done["held_out"] == 10_000
        if "diverged" not in done["result"]:
            assert len(done["result"]["error"]) == done["settings"]["epochs"]


def test_errors_grow_downwards_as_the_settings_say():
    spec = _search.whole({**SMALL, "scale": "equal_before_slope"})
    net = _mnist.classifier(spec, fa.data.load("mnist-mini"), 0)
    assert net.feedback_scales == pytest.approx([4 * np.sqrt(3 / 9), 0.5 * np.sqrt(3 / 10)])
    given = _mnist.classifier(spec | {"scales": [0.3, 0.2]}, fa.data.load("mnist-mini"), 0)
    assert given.feedback_scales == (0.3, 0.2)


def test_the_notes_rates_fall_by_tenths_after_two_smaller_epochs():
    expected = [[1, 0.1], [2, 0.45], [3, 0.9], [18, 0.09], [23, 0.009]]
    np.testing.assert_allclose(_mnist.falling(0.9, 25), expected, rtol=1e-14)
