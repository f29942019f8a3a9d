"""fastfa train: what it prints, the files that it leaves, and that it does what the library does."""

from __future__ import annotations

import csv
import json
import sys

import fastfa as fa
import numpy as np
import pytest
from cli_cases import QUICK, settings_of, train
from fastfa.data._digest import digest
from fastfa.history import History


def test_train_ends_with_a_summary_line(capsys):
    assert train(*QUICK, "--quiet") == 0
    out, err = capsys.readouterr()
    history_end = out.splitlines()[-1]
    for word in ("test error", "at epoch 2", "lowest", "samples/s", " s"):
        assert word in history_end
    assert len(out.splitlines()) == 1
    assert err == ""


def test_train_prints_a_line_an_epoch(capsys):
    assert train(*QUICK, "--validation", 0.1) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    for number, line in enumerate(lines[:2], start=1):
        assert line.startswith(f"epoch   {number}")
        assert "train error" in line
        assert "validation error" in line
        assert "test error" in line


def test_train_leaves_files_that_agree_with_each_other(tmp_path, capsys):
    out = tmp_path / "new" / "run"
    assert train(*QUICK, "--hidden", 10, "--out", out) == 0
    history = History.from_jsonl(out / "history.jsonl")
    assert history["epoch"] == [1, 2]
    with open(out / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["test_error"]) for row in rows] == history["test_error"]

    net = fa.Network(
        784,
        [fa.Dense(units, "logistic") for units in (20, 10, 10)],
        loss="cross_entropy",
        seed=99,
    )
    with np.load(out / "weights.npz", allow_pickle=False) as weights:
        net.load_state_dict(dict(weights))
    data = fa.data.load("mnist-mini")
    error = fa.metrics.error_rate(net, data.test.x, data.test.labels)
    assert error == pytest.approx(history["test_error"][-1])

    config = json.loads((out / "config.json").read_text())
    assert config["settings"]["hidden"] == [20, 10]
    assert config["seeds"] == [0]
    assert config["versions"]["fastfa"] == fa.build_info()["version"]
    assert config["machine"]["isa"] == fa.build_info()["isa"]
    assert config["machine"]["threads"] == fa.get_num_threads()
    assert config["data"] == {
        "name": "mnist-mini", "train": 6000, "test": 1000, "sha256": digest(data),
        "class_names": list("0123456789"),
    }  # fmt: skip


def test_train_draws_a_curve_where_matplotlib_is(tmp_path, capsys):
    pytest.importorskip("matplotlib", reason="figures need matplotlib")
    assert train(*QUICK, "--out", tmp_path) == 0
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_train_says_that_matplotlib_is_missing_and_goes_on(tmp_path, capsys, monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert train(*QUICK, "--out", tmp_path) == 0
    assert "pip install 'fastfa[plots]'" in capsys.readouterr().err
    assert (tmp_path / "weights.npz").exists()
    assert not (tmp_path / "curve.png").exists()


def test_train_does_what_the_library_does(tmp_path, capsys):
    options = ("--feedback-scale", 0.3, "--weight-scale", 0.05, "--momentum", 0.5, "--seed", 4)
    more = ("--weight-decay", 1e-4, "--batch-size", 50, "--schedule", "steps:2=0.05")
    assert train(*QUICK, *options, *more, "--out", tmp_path) == 0
    data = fa.data.load("mnist-mini")
    net = fa.Network(
        784,
        [fa.Dense(units, "logistic", weight_scale=0.05) for units in (20, 10)],
        feedback=fa.Feedback("uniform", scale=0.3),
        loss="cross_entropy",
        seed=4,
    )
    fa.Trainer(
        net,
        fa.SGD(0.5, momentum=0.5, weight_decay=1e-4),
        batch_size=50,
        epochs=2,
        seed=4,
        schedule={2: 0.05},
        progress=False,
    ).fit(data.train)
    with np.load(tmp_path / "weights.npz") as weights:
        for name, array in net.state_dict().items():
            np.testing.assert_array_equal(weights[name], array, err_msg=name)


@pytest.mark.parametrize("rule", ["bp", "fa", "dfa", "shallow"])
def test_every_rule_trains(rule, capsys):
    assert train(*QUICK, "--feedback", rule, "--quiet") == 0


def test_normalised_inputs_and_tanh_targets(tmp_path, capsys):
    tanh = ("--activation", "tanh", "--output-activation", "tanh", "--loss", "squared_error")
    arguments = ("--normalise", "--targets", -0.8, 0.8, "--lr", 0.01, "--dtype", "float64")
    assert train(*QUICK, *tanh, *arguments, "--out", tmp_path) == 0
    data = fa.data.load("mnist-mini")
    train_x = fa.data.normalise(data.train.x)
    layers = [fa.Dense(20, "tanh"), fa.Dense(10, "tanh")]
    net = fa.Network(784, layers, loss="squared_error", dtype="float64")
    trainer = fa.Trainer(net, fa.SGD(0.01), epochs=2, targets=(-0.8, 0.8), progress=False)
    test_x = fa.data.normalise(data.test.x, train_x.mean, train_x.sd)
    own = trainer.fit((train_x.x, data.train.labels), test=(test_x.x, data.test.labels))
    with np.load(tmp_path / "weights.npz") as weights:
        np.testing.assert_array_equal(weights["weights.0"], net.weights[0])
    assert History.from_jsonl(tmp_path / "history.jsonl")["test_loss"] == own["test_loss"]


def test_early_stopping_keeps_the_best_weights_and_says_so(tmp_path, capsys):
    arguments = ("--validation", 0.2, "--early-stopping", 1, "--epochs", 40, "--lr", 3)
    assert train(*QUICK, *arguments, "--quiet", "--out", tmp_path) == 0
    history = History.from_jsonl(tmp_path / "history.jsonl")
    best = history.best("validation_error")
    assert len(history) == best["epoch"] + 1 < 40
    assert f"kept the weights of epoch {best['epoch']}," in capsys.readouterr().out
    assert settings_of(tmp_path)["early_stopping"] == 1


def test_runs_repeat_with_seeds_that_count_up(tmp_path, capsys):
    assert train(*QUICK, "--runs", 2, "--seed", 7, "--quiet", "--out", tmp_path / "two") == 0
    out = capsys.readouterr().out
    assert train(*QUICK, "--seed", 8, "--quiet", "--out", tmp_path / "one") == 0
    with open(tmp_path / "two" / "runs.csv", newline="") as file:
        runs = list(csv.DictReader(file))
    assert [run["seed"] for run in runs] == ["7", "8"]
    errors = [float(run["test_error"]) for run in runs]
    assert f"mean {np.mean(errors):.2%}" in out
    assert all(f"{error:.2%}" in out for error in errors)
    second = History.from_jsonl(tmp_path / "two" / "seed-8" / "history.jsonl")
    alone = History.from_jsonl(tmp_path / "one" / "history.jsonl")
    assert second["test_loss"] == alone["test_loss"]
    assert errors[1] == alone["test_error"][-1]


def test_results_are_not_overwritten_unless_told(tmp_path, capsys):
    assert train(*QUICK, "--out", tmp_path) == 0
    before = (tmp_path / "history.jsonl").read_bytes()
    assert train(*QUICK, "--out", tmp_path) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert (tmp_path / "history.jsonl").read_bytes() == before
    assert train(*QUICK, "--epochs", 1, "--out", tmp_path, "--overwrite") == 0
    assert len(History.from_jsonl(tmp_path / "history.jsonl")) == 1


def test_threads_are_set(restore_threads, capsys):
    assert train(*QUICK, "--threads", 1) == 0
    assert fa.get_num_threads() == 1
