"""fastfa tune: what it draws, prunes, refuses and writes; that it goes on where it was cut off."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time

import fastfa as fa
import pytest
from fastfa.cli import main, storage, study
from fastfa.cli.ranges import to_toml
from fastfa.cli.settings import read_config
from fastfa.data import Split
from fastfa.history import History

optuna = pytest.importorskip("optuna", reason="needs optuna (fastfa[tune])")

BASE = """
dataset = "mnist-mini"
hidden = [20]
epochs = 3
validation = 0.25
"""
SEARCH = """
[search]
lr = { low = 0.01, high = 3.0, log = true }
momentum = { low = 0.0, high = 0.9 }
activation = ["logistic", "tanh"]
batch_size = { low = 20, high = 200, step = 20 }
"""


def write(tmp_path, text=BASE + SEARCH, name="tune.toml"):
    path = tmp_path / name
    path.write_text(text)
    return path


def tune(path, out, *arguments):
    return main(["tune", str(path), "--out", str(out), *map(str, arguments)])


def rows(out):
    with open(out / "trials.csv", newline="") as file:
        return list(csv.DictReader(file))


def timeless(out):
    return [{k: v for k, v in row.items() if k != "seconds"} for row in rows(out)]


# ---- the search ----------------------------------------------------------------------------------


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
    assert settings.keys() == searched | {"dataset", "hidden", "epochs", "validation", "seed"}
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


def cores():
    return len(os.sched_getaffinity(0))


def test_nothing_begins_after_the_timeout(tmp_path, capsys):
    path = write(tmp_path)
    assert tune(path, tmp_path / "o", "--trials", 3, "--timeout", 1e-9) == 1
    assert "no trial came to its end" in capsys.readouterr().err
    assert tune(path, tmp_path / "o", "--trials", 3) == 0
    assert len(rows(tmp_path / "o")) == 3


# ---- going on ------------------------------------------------------------------------------------


def start(path, out, *arguments):
    """The command in a process of its own, whose Ctrl-C is Python's usual one."""
    words = ["tune", str(path), "--out", str(out), *map(str, arguments)]
    source = (
        "import signal, sys; from fastfa.cli import main\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"sys.exit(main({words!r}))"
    )
    return subprocess.Popen(
        [sys.executable, "-c", source],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def end(process):
    process.kill()
    process.wait()
    process.stdout.close()
    process.stderr.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("blow", "status"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)]
)
def test_a_search_that_was_cut_off_ends_as_the_one_that_was_not(tmp_path, capsys, blow, status):
    path = write(tmp_path, BASE.replace("hidden = [20]", "hidden = [300]") + SEARCH)
    assert tune(path, tmp_path / "whole", "--trials", 14) == 0
    for lines in (4, 3):  # of them two say what is done
        process = start(path, tmp_path / "cut", "--trials", 14)
        try:
            for _ in range(lines + 2):
                process.stdout.readline()
            time.sleep(0.1)  # into the next trial
            os.killpg(process.pid, blow)  # as a terminal does
            _, err = process.communicate(timeout=300)
        finally:
            end(process)
        assert process.returncode == status, err
        if blow == signal.SIGINT:
            assert "the same command goes on from there" in err
            assert len(err.splitlines()) == 1
    loaded = optuna.load_study(
        study_name="fastfa", storage=f"sqlite:///{tmp_path / 'cut/study.db'}"
    )
    assert 7 <= len(loaded.trials) < 14
    assert tune(path, tmp_path / "cut", "--trials", 14) == 0
    assert timeless(tmp_path / "cut") == timeless(tmp_path / "whole")
    best = [(tmp_path / name / "best.toml").read_text() for name in ("cut", "whole")]
    assert best[0] == best[1]


@pytest.mark.slow
def test_ctrl_c_ends_all_jobs_and_they_go_on(tmp_path, capsys):
    if cores() < 2:
        pytest.skip("needs two cores")
    path = write(tmp_path, BASE.replace("hidden = [20]", "hidden = [300]") + SEARCH)
    process = start(path, tmp_path / "o", "--trials", 9, "--jobs", 2)
    try:
        for _ in range(4):
            process.stdout.readline()
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        _, err = process.communicate(timeout=300)
    finally:
        end(process)
    assert process.returncode == 130, err
    assert tune(path, tmp_path / "o", "--trials", 9, "--jobs", 2) == 0
    found = rows(tmp_path / "o")
    assert [int(row["trial"]) for row in found] == list(range(9))
    assert {row["state"] for row in found} <= {"complete", "pruned"}


def test_more_trials_are_added_to_those_there(tmp_path, capsys):
    path = write(tmp_path)
    assert tune(path, tmp_path / "o", "--trials", 3) == 0
    before = rows(tmp_path / "o")
    assert tune(path, tmp_path / "o", "--trials", 5) == 0
    assert rows(tmp_path / "o")[:3] == before
    assert len(rows(tmp_path / "o")) == 5


def test_another_search_is_not_mixed_in(tmp_path, capsys):
    assert tune(write(tmp_path), tmp_path / "o", "--trials", 1) == 0
    capsys.readouterr()
    changed = write(tmp_path, (BASE + SEARCH).replace("high = 3.0", "high = 4.0"), "other.toml")
    assert tune(changed, tmp_path / "o", "--trials", 2) == 1
    err = capsys.readouterr().err
    assert "of another search (high was 3.0, is 4.0)" in err
    assert tune(write(tmp_path), tmp_path / "o", "--trials", 2, "--epochs", 4) == 1
    assert "epochs was 3, is 4" in capsys.readouterr().err
    assert tune(changed, tmp_path / "o", "--trials", 1, "--study", "second") == 0


def test_a_study_of_another_program_is_left_alone(tmp_path, capsys):
    url = f"sqlite:///{tmp_path / 'theirs.db'}"
    theirs = optuna.create_study(study_name="fastfa", storage=url)
    theirs.tell(theirs.ask(), 1.0)
    assert tune(write(tmp_path), tmp_path / "o", "--storage", url) == 1
    assert "it is not of fastfa tune" in capsys.readouterr().err
    assert len(optuna.load_study(study_name="fastfa", storage=url).trials) == 1


def test_a_folder_serves_one_search_at_a_time(tmp_path, capsys):
    from fastfa.cli.folder import claimed

    with claimed("tune", str(tmp_path / "o")):
        assert tune(write(tmp_path), tmp_path / "o", "--trials", 1) == 1
    assert "another fastfa tune is at work" in capsys.readouterr().err


# ---- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "arguments", "message"),
    [
        (BASE, [], "no table [search]"),
        (BASE + "[search]", [], "no table [search]"),
        (BASE + "[search]\nlearning = [1]", [], "unknown key 'learning'"),
        (BASE + "[search]\nlr = 3", [], "it must be a list of values, or a range"),
        (BASE + "[search]\nlr = {low = 1}", [], "it must have low and high"),
        (BASE + "[search]\nlr = {low = 1, high = 2, lg = true}", [], "it must have low and high"),
        (BASE + "[search]\nlr = {low = 2, high = 1}", [], "low must be below high"),
        (BASE + "[search]\nlr = {low = 0, high = 1, log = true}", [], "low is above 0"),
        (BASE + "[search]\nlr = {low = 0, high = 1, step = 2}", [], "step was 2"),
        (BASE + "[search]\nlr = {low = 'a', high = 1}", [], "it must be a number"),
        (BASE + "[search]\nbatch_size = {low = 1.5, high = 3}", [], "it must be an integer"),
        (BASE + "[search]\nactivation = []", [], "at least one value"),
        (BASE + "[search]\nactivation = ['tanh', 'tanh']", [], "differ from each other"),
        (BASE + "[search]\nactivation = ['tanh', 'sinus']", [], "sinus"),
        (BASE + "[search]\nactivation = {low = 1, high = 2}", [], "it must be a list of values"),
        (BASE + "[search]\nseed = [1, 2]", [], "seed is the same for all"),
        (BASE + "[search]\nvalidation = [0.1, 0.2]", [], "validation is the same for all"),
        (BASE + "[search]\nlr = {low = -1.0, high = 1.0}", [], "lr"),
        (BASE + "lr = 9\n" + SEARCH, [], "lr was 9.0 outside [search]"),
        (BASE + "out = 'x'\n" + SEARCH, [], "give --out on the command line"),
        (BASE + 'optimizer = "adam"\n' + SEARCH, [], "momentum"),
        (BASE.replace("0.25", "1.5") + SEARCH, [], "validation was 1.5"),
        (BASE.replace("mnist-mini", "nowhere") + SEARCH, [], "nowhere"),
        (BASE + SEARCH, ["--lr", "0.1"], "[search] says what it may be"),
        (BASE + SEARCH, ["--trials", "0"], "trials was 0"),
        (BASE + SEARCH, ["--jobs", "0"], "jobs was 0"),
        (BASE + SEARCH, ["--jobs", "1000"], "jobs was 1000; it must be at most"),
        (BASE + SEARCH, ["--timeout", "-1"], "timeout was -1"),
        (BASE + SEARCH, ["--sampler", "grid"], "sampler was 'grid'"),
        (BASE + SEARCH, ["--pruner", "all"], "pruner was 'all'"),
        (BASE + SEARCH, ["--seed", "-1"], "seed was -1"),
        (BASE + SEARCH, ["--study", ""], "study was ''"),
        ("lr = ", [], "tune.toml"),
    ],
)
def test_an_error_is_one_line_and_leaves_no_folder(tmp_path, capsys, text, arguments, message):
    assert tune(write(tmp_path, text), tmp_path / "o", *arguments) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert message in err
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize("url", ["nonsense", "sqlite:////no/such/folder/x.db", "oracle:thing"])
def test_a_storage_that_cannot_be_used_is_one_line(tmp_path, capsys, url):
    assert tune(write(tmp_path), tmp_path / "o", "--storage", url) == 1
    err = capsys.readouterr().err
    assert err.startswith(f"fastfa: error: [tune] storage was {url!r}")
    assert len(err.splitlines()) == 1


def test_an_out_that_is_a_file_is_one_line(tmp_path, capsys):
    assert tune(write(tmp_path), write(tmp_path, "", "file"), "--trials", 1) == 1
    assert "it must be a folder that can be written" in capsys.readouterr().err


def test_a_missing_optuna_is_told_with_its_extra(tmp_path, capsys, monkeypatch):
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "optuna" else find(name, *a)
    )
    assert tune(write(tmp_path), tmp_path / "o") == 1
    assert "pip install 'fastfa[tune]'" in capsys.readouterr().err


def test_train_says_whom_a_table_is_for(tmp_path, capsys):
    assert main(["train", "--config", str(write(tmp_path))]) == 1
    assert "has the table [search]; it is for: fastfa tune" in capsys.readouterr().err


def test_settings_survive_toml(tmp_path):
    settings = {
        "dataset": 'a "quoted"\\ name\n\x7fé',
        "lr": 1e-07,
        "epochs": 3,
        "bias": False,
        "targets": [-0.9, 0.9],
        "hidden": None,
        "layers": [
            {"kind": "local", "maps": 2, "kernel_size": [3, 4]},
            {"kind": "dropout", "rate": 0.5},
        ],
    }
    read = read_config(write(tmp_path, to_toml(settings), "c.toml"))
    assert read == {k: v for k, v in settings.items() if v is not None}


# ---- its database, its data, its folder ----------------------------------------------------------


@pytest.fixture
def tiny(tmp_path):
    """A search that takes milliseconds."""
    from tiny_data import write_tiny

    root = write_tiny(tmp_path / "data")
    text = f'dataset = "mnist"\nroot = "{root}"\nhidden = [4]\nepochs = 1\n'
    return write(tmp_path, text + "[search]\nlr = { low = 0.1, high = 1.0 }\n")


@pytest.mark.parametrize("name", ["a?b", "per%cent", "a#b", "{x}", "sp ace", "café", "a%3Fb"])
def test_a_folder_may_have_any_name(tmp_path, capsys, tiny, name):
    out = tmp_path / "below" / name
    assert tune(tiny, out, "--trials", 1) == 0
    assert sorted(os.listdir(out)) == ["best.toml", "study.db", "trials.csv"]
    assert os.listdir(tmp_path / "below") == [name]
    assert tune(tiny, out, "--trials", 2) == 0
    told = capsys.readouterr().out
    url = told.splitlines()[-1 - 4].split(" in ")[1].split(": ")[0].removesuffix(", 1 trials there")
    assert len(optuna.load_study(study_name="fastfa", storage=url).trials) == 2


def test_a_folder_whose_name_is_no_text_is_told(tmp_path, capsys, tiny):
    assert tune(tiny, tmp_path / "\udcff", "--trials", 1) == 1
    err = capsys.readouterr().err
    assert "its name must be text" in err
    assert not (tmp_path / "\udcff").exists()
    url = f"sqlite:///{tmp_path / 'study.db'}"
    assert tune(tiny, tmp_path / "\udcff", "--trials", 1, "--storage", url) == 0


@pytest.mark.parametrize("moment", ["at the start", "in a trial"])
def test_a_locked_database_is_one_line_and_what_is_done_is_kept(
    tmp_path, capsys, monkeypatch, tiny, moment
):
    import sqlite3

    out = tmp_path / "o"
    assert tune(tiny, out, "--trials", 1) == 0
    monkeypatch.setattr(storage, "_PATIENCE", 0.05)
    other = sqlite3.connect(out / "study.db", isolation_level=None)
    train = study.Searcher._train

    def lock(*arguments):
        value = train(*arguments)
        other.execute("BEGIN EXCLUSIVE")
        return value

    if moment == "at the start":
        other.execute("BEGIN EXCLUSIVE")
    else:
        monkeypatch.setattr(study.Searcher, "_train", lock)
    capsys.readouterr()
    try:
        assert tune(tiny, out, "--trials", 3) == 1
    finally:
        other.close()
    err = capsys.readouterr().err
    assert err.startswith(f"fastfa: error: [tune] sqlite:///{out / 'study.db'} could not be used: ")
    assert "database is locked; what is done is kept" in err
    assert len(err.splitlines()) == 1
    monkeypatch.undo()
    assert tune(tiny, out, "--trials", 3) == 0
    assert [row["state"] for row in rows(out)] == ["complete"] * 3
    alone = tmp_path / "alone"
    assert tune(tiny, alone, "--trials", 3) == 0
    assert timeless(alone) == timeless(out)


def test_a_password_is_not_shown(tmp_path, capsys, tiny):
    url = "postgresql://me:secret@127.0.0.1:9/x"
    assert tune(tiny, tmp_path / "o", "--storage", url) == 1
    err = capsys.readouterr().err
    assert "secret" not in err
    assert "[tune] storage was 'postgresql://me:***@" in err


def test_other_data_of_the_same_name_are_not_mixed_in(tmp_path, capsys, tiny):
    from tiny_data import write_tiny

    assert tune(tiny, tmp_path / "o", "--trials", 1) == 0
    before = rows(tmp_path / "o")
    capsys.readouterr()
    other = write_tiny(tmp_path / "other", seed=1)
    assert tune(tiny, tmp_path / "o", "--trials", 2, "--root", other) == 1
    assert "of another search (data was " in capsys.readouterr().err
    assert rows(tmp_path / "o") == before
    same = write_tiny(tmp_path / "same")
    assert tune(tiny, tmp_path / "o", "--trials", 2, "--root", same) == 0


@pytest.mark.parametrize("name", ["trials.csv", "best.toml"])
def test_files_of_somebody_elses_are_not_written_over(tmp_path, capsys, tiny, name):
    (tmp_path / "o").mkdir()
    (tmp_path / "o" / name).write_text("mine")
    assert tune(tiny, tmp_path / "o", "--trials", 1) == 1
    assert f"where {name} is not of fastfa tune" in capsys.readouterr().err
    assert os.listdir(tmp_path / "o") == [name]
    assert (tmp_path / "o" / name).read_text() == "mine"


def test_a_signal_ends_a_search_that_goes_on(tmp_path, capsys, monkeypatch, tiny):
    train = study.Searcher._train
    begun = []

    def stop(*arguments):
        begun.append(1)
        if len(begun) == 2:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)
        return train(*arguments)

    monkeypatch.setattr(study.Searcher, "_train", stop)
    assert tune(tiny, tmp_path / "o", "--trials", 3) == 128 + signal.SIGTERM
    err = capsys.readouterr().err
    assert err.startswith("fastfa: interrupted (SIGTERM); what is done is in sqlite:///")
    assert [row["state"] for row in rows(tmp_path / "o")] == ["complete", "running"]
    assert tune(tiny, tmp_path / "o", "--trials", 3) == 0
    assert [row["state"] for row in rows(tmp_path / "o")] == ["complete"] * 3
