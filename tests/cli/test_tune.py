"""fastfa tune: what it draws, prunes and writes."""

from __future__ import annotations

import json

import fastfa as fa
import pytest
from cli_cases import cores
from fastfa.cli import main, study
from fastfa.cli.settings import read_config
from fastfa.data import Split
from fastfa.history import History
from tune_cases import BASE, SEARCH, rows, timeless, tune, write

optuna = pytest.importorskip("optuna", reason="needs optuna (fastfa[tune])")


def test_the_best_settings_train_to_the_very_error_of_the_best_trial(tmp_path, capsys):
    out = tmp_path / "o"
    assert tune(write(tmp_path), out, "--trials", 6) == 0
    told = capsys.readouterr().out
    found = rows(out)
    assert [row["trial"] for row in found] == list("012345")
    complete = [row for row in found if row["state"] == "complete"]
    best = min(complete, key=lambda row: float(row["validation_error"]))
    assert f"best: trial {best['trial']}," in told
    for row in found:
        assert 0.01 <= float(row["lr"]) <= 3
        assert 0 <= float(row["momentum"]) <= 0.9
        assert int(row["batch_size"]) in range(20, 201, 20)
    settings = read_config(out / "best.toml")
    assert settings["lr"] == float(best["lr"])
    assert settings["activation"] == best["activation"]
    searched = {"lr", "momentum", "activation", "batch_size"}
    given = {"dataset", "hidden", "epochs", "validation", "seed", "optimizer", "weight_decay"}
    assert settings.keys() == searched | given
    assert main(["train", "--config", str(out / "best.toml"), "--out", str(tmp_path / "t")]) == 0
    history = History.from_jsonl(tmp_path / "t" / "history.jsonl")
    assert history["validation_error"][-1] == float(best["validation_error"])


def test_the_test_set_is_never_looked_at(tmp_path, capsys, monkeypatch):
    class Untouchable(Split):
        def __init__(self):
            pass

        def __getattribute__(self, name):
            raise AssertionError(f"the search looked at test.{name}")

    import dataclasses

    load = study.load_data
    monkeypatch.setattr(
        study, "load_data", lambda *a, **k: dataclasses.replace(load(*a, **k), test=Untouchable())
    )
    path = write(tmp_path, BASE + "normalise = true" + SEARCH)
    assert (
        main(["--traceback", "tune", str(path), "--out", str(tmp_path / "o"), "--trials", "2"]) == 0
    )
    assert "trained on 4500 of the 6000 training examples, judged by the other 1500" in (
        told := capsys.readouterr().out
    )
    assert "the test set is not used" in told
    assert "test set" in (tmp_path / "o" / "best.toml").read_text()


def test_a_seed_says_what_is_tried(tmp_path, capsys):
    path = write(tmp_path)
    for name, seed, trials in (("a", 3, 12), ("b", 3, 12), ("c", 4, 1)):  # the last two by TPE
        assert tune(path, tmp_path / name, "--trials", trials, "--seed", seed) == 0
    assert timeless(tmp_path / "a") == timeless(tmp_path / "b")
    assert timeless(tmp_path / "a")[0] != timeless(tmp_path / "c")[0]


def test_what_the_file_says_is_tried_first(tmp_path, capsys):
    path = write(tmp_path, BASE + "lr = 0.75\nactivation = 'tanh'" + SEARCH)
    assert tune(path, tmp_path / "o", "--trials", 2) == 0
    first, second = rows(tmp_path / "o")
    assert (first["lr"], first["activation"]) == ("0.75", "tanh")
    assert second["lr"] != "0.75"


def test_lists_and_layers_are_choices(tmp_path, capsys):
    search = '[search]\nlayers = [["dense:10"], ["dense:12,activation=tanh", "dropout:0.2"]]\n'
    path = write(tmp_path, BASE.replace("hidden = [20]\n", "") + search)
    assert tune(path, tmp_path / "o", "--trials", 4, "--sampler", "random") == 0
    assert {row["layers"] for row in rows(tmp_path / "o")} == {
        '["dense:10"]', '["dense:12,activation=tanh", "dropout:0.2"]'
    }  # fmt: skip
    assert main(["train", "--config", str(tmp_path / "o" / "best.toml"), "--quiet"]) == 0


@pytest.mark.parametrize("pruner", ["median", "hyperband"])
def test_bad_trials_are_cut_short(tmp_path, capsys, pruner):
    text = BASE.replace("epochs = 3", "epochs = 9")
    path = write(tmp_path, text + "[search]\nlr = { low = 1e-5, high = 3.0, log = true }\n")
    assert tune(path, tmp_path / "o", "--trials", 15, "--pruner", pruner) == 0
    pruned = [row for row in rows(tmp_path / "o") if row["state"] == "pruned"]
    assert pruned
    for row in pruned:
        assert row["reason"] == f"pruned after epoch {row['epochs']}"
    assert min(int(row["epochs"]) for row in pruned) < 9
    complete = [row for row in rows(tmp_path / "o") if row["state"] == "complete"]
    assert {row["epochs"] for row in complete} == {"9"}


def test_divergence_has_a_reason_and_the_search_goes_on(tmp_path, capsys):
    text = BASE + 'activation = "relu"\noutput_activation = "linear"\nloss = "squared_error"\n'
    text += 'feedback = "bp"\n[search]\nlr = { low = 0.01, high = 1e9, log = true }\n'
    assert tune(write(tmp_path, text), tmp_path / "o", "--trials", 12) == 0
    found = rows(tmp_path / "o")
    diverged = [row for row in found if row["reason"].startswith("diverged: ")]
    assert diverged
    assert all("step" in row["reason"] for row in diverged)
    assert {row["state"] for row in diverged} == {"pruned"}
    assert any(row["state"] == "complete" for row in found)


def test_a_combination_that_cannot_be_trained_fails_alone(tmp_path, capsys):
    search = '[search]\nloss = ["squared_error", "cross_entropy"]\n'
    search += 'output_activation = ["logistic", "linear"]\n'  # the last of both don't go together
    path = write(tmp_path, BASE + "lr = 0.01\n" + search)
    arguments = ("--trials", 12, "--sampler", "random", "--pruner", "none")
    assert tune(path, tmp_path / "o", *arguments) == 0
    found = rows(tmp_path / "o")
    for row in found:
        bad = (row["loss"], row["output_activation"]) == ("cross_entropy", "linear")
        assert row["state"] == ("fail" if bad else "complete")
        assert ("loss" in row["reason"]) == bad
    assert {row["state"] for row in found} == {"fail", "complete"}


def test_early_stopping_counts_with_the_epoch_that_it_keeps(tmp_path, capsys):
    text = BASE.replace("epochs = 3", "epochs = 12") + "early_stopping = 1\nlr = 3.0\n"
    assert tune(write(tmp_path, text + SEARCH), tmp_path / "o", "--trials", 4) == 0
    loaded = optuna.load_study(study_name="fastfa", storage=f"sqlite:///{tmp_path / 'o/study.db'}")
    for trial in loaded.get_trials(states=(optuna.trial.TrialState.COMPLETE,)):
        assert trial.value == min(trial.intermediate_values.values())


def test_optuna_and_its_dashboard_read_the_study(tmp_path, capsys):
    url = f"sqlite:///{tmp_path / 'elsewhere.db'}"
    arguments = ("--trials", 3, "--storage", url, "--study", "digits")
    assert tune(write(tmp_path), tmp_path / "o", *arguments) == 0
    loaded = optuna.load_study(study_name="digits", storage=url)
    assert len(loaded.trials) == 3
    assert loaded.user_attrs["fastfa"]["version"] == fa.__version__
    assert all(len(t.intermediate_values) == 3 for t in loaded.trials)
    assert not (tmp_path / "o" / "study.db").exists()
    dashboard = pytest.importorskip("optuna_dashboard", reason="needs optuna-dashboard")
    import io

    asked = {"REQUEST_METHOD": "GET", "PATH_INFO": "/api/studies", "SERVER_NAME": "x",
             "SERVER_PORT": "80", "wsgi.input": io.BytesIO(), "wsgi.errors": io.StringIO(),
             "wsgi.url_scheme": "http", "QUERY_STRING": ""}  # fmt: skip
    answer = b"".join(dashboard.wsgi(url)(asked, lambda *_: None))
    assert [s["study_name"] for s in json.loads(answer)["study_summaries"]] == ["digits"]


def test_two_jobs_run_as_many_trials_as_were_asked_for(tmp_path, capsys):
    assert tune(write(tmp_path), tmp_path / "o", "--trials", 7, "--jobs", min(2, cores())) == 0
    assert [row["trial"] for row in rows(tmp_path / "o")] == list("0123456")
    assert {row["state"] for row in rows(tmp_path / "o")} <= {"complete", "pruned"}


def test_nothing_begins_after_the_timeout(tmp_path, capsys):
    path = write(tmp_path)
    assert tune(path, tmp_path / "o", "--trials", 3, "--timeout", 1e-9) == 1
    assert "no trial came to its end" in capsys.readouterr().err
    assert tune(path, tmp_path / "o", "--trials", 3) == 0
    assert len(rows(tmp_path / "o")) == 3
