"""fastfa tune: an error is one line, and what is done is kept."""

from __future__ import annotations

import pytest
from fastfa.cli import main, storage, study
from fastfa.cli.ranges import to_toml
from fastfa.cli.settings import read_config
from tune_cases import BASE, SEARCH, rows, timeless, tune, write

optuna = pytest.importorskip("optuna", reason="needs optuna (fastfa[tune])")


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
        (BASE.replace("sgd", "adam") + SEARCH, [], "momentum"),
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


def test_a_folder_whose_name_is_no_text_is_told(tmp_path, capsys, tiny_search):
    assert tune(tiny_search, tmp_path / "\udcff", "--trials", 1) == 1
    err = capsys.readouterr().err
    assert "its name must be text" in err
    assert not (tmp_path / "\udcff").exists()
    url = f"sqlite:///{tmp_path / 'study.db'}"
    assert tune(tiny_search, tmp_path / "\udcff", "--trials", 1, "--storage", url) == 0


@pytest.mark.parametrize("moment", ["at the start", "in a trial"])
def test_a_locked_database_is_one_line_and_what_is_done_is_kept(
    tmp_path, capsys, monkeypatch, tiny_search, moment
):
    import sqlite3

    out = tmp_path / "o"
    assert tune(tiny_search, out, "--trials", 1) == 0
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
        assert tune(tiny_search, out, "--trials", 3) == 1
    finally:
        other.close()
    err = capsys.readouterr().err
    assert err.startswith(f"fastfa: error: [tune] sqlite:///{out / 'study.db'} could not be used: ")
    assert "database is locked; what is done is kept" in err
    assert len(err.splitlines()) == 1
    monkeypatch.undo()
    assert tune(tiny_search, out, "--trials", 3) == 0
    assert [row["state"] for row in rows(out)] == ["complete"] * 3
    alone = tmp_path / "alone"
    assert tune(tiny_search, alone, "--trials", 3) == 0
    assert timeless(alone) == timeless(out)


def test_a_password_is_not_shown(tmp_path, capsys, tiny_search):
    url = "postgresql://me:secret@127.0.0.1:9/x"
    assert tune(tiny_search, tmp_path / "o", "--storage", url) == 1
    err = capsys.readouterr().err
    assert "secret" not in err
    assert "[tune] storage was 'postgresql://me:***@" in err
