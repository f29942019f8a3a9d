"""fastfa tune: a search that was cut off goes on, and mixes in nothing of another one."""

from __future__ import annotations

import os
import signal
import time

import pytest
from cli_cases import cores, start
from fastfa.cli import study
from tune_cases import BASE, SEARCH, end, rows, timeless, tune, write

optuna = pytest.importorskip("optuna", reason="needs optuna (fastfa[tune])")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("blow", "status"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)]
)
def test_a_search_that_was_cut_off_ends_as_the_one_that_was_not(tmp_path, capsys, blow, status):
    path = write(tmp_path, BASE.replace("hidden = [20]", "hidden = [300]") + SEARCH)
    assert tune(path, tmp_path / "whole", "--trials", 14) == 0
    for lines in (4, 3):  # of them two say what is done
        process = start("tune", path, tmp_path / "cut", "--trials", 14)
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
    process = start("tune", path, tmp_path / "o", "--trials", 9, "--jobs", 2)
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


@pytest.mark.parametrize("name", ["a?b", "per%cent", "a#b", "{x}", "sp ace", "café", "a%3Fb"])
def test_a_folder_may_have_any_name(tmp_path, capsys, tiny_search, name):
    out = tmp_path / "below" / name
    assert tune(tiny_search, out, "--trials", 1) == 0
    assert sorted(os.listdir(out)) == ["best.toml", "study.db", "trials.csv"]
    assert os.listdir(tmp_path / "below") == [name]
    assert tune(tiny_search, out, "--trials", 2) == 0
    told = capsys.readouterr().out
    url = told.splitlines()[-1 - 4].split(" in ")[1].split(": ")[0].removesuffix(", 1 trials there")
    assert len(optuna.load_study(study_name="fastfa", storage=url).trials) == 2


def test_other_data_of_the_same_name_are_not_mixed_in(tmp_path, capsys, tiny_search):
    from tiny_data import write_tiny

    assert tune(tiny_search, tmp_path / "o", "--trials", 1) == 0
    before = rows(tmp_path / "o")
    capsys.readouterr()
    other = write_tiny(tmp_path / "other", seed=1)
    assert tune(tiny_search, tmp_path / "o", "--trials", 2, "--root", other) == 1
    assert "of another search (data was " in capsys.readouterr().err
    assert rows(tmp_path / "o") == before
    same = write_tiny(tmp_path / "same")
    assert tune(tiny_search, tmp_path / "o", "--trials", 2, "--root", same) == 0


@pytest.mark.parametrize("name", ["trials.csv", "best.toml"])
def test_files_of_somebody_elses_are_not_written_over(tmp_path, capsys, tiny_search, name):
    (tmp_path / "o").mkdir()
    (tmp_path / "o" / name).write_text("mine")
    assert tune(tiny_search, tmp_path / "o", "--trials", 1) == 1
    assert f"where {name} is not of fastfa tune" in capsys.readouterr().err
    assert os.listdir(tmp_path / "o") == [name]
    assert (tmp_path / "o" / name).read_text() == "mine"


def test_a_signal_ends_a_search_that_goes_on(tmp_path, capsys, monkeypatch, tiny_search):
    train = study.Searcher._train
    begun = []

    def stop(*arguments):
        begun.append(1)
        if len(begun) == 2:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)
        return train(*arguments)

    monkeypatch.setattr(study.Searcher, "_train", stop)
    assert tune(tiny_search, tmp_path / "o", "--trials", 3) == 128 + signal.SIGTERM
    err = capsys.readouterr().err
    assert err.startswith("fastfa: interrupted (SIGTERM); what is done is in sqlite:///")
    assert [row["state"] for row in rows(tmp_path / "o")] == ["complete", "running"]
    assert tune(tiny_search, tmp_path / "o", "--trials", 3) == 0
    assert [row["state"] for row in rows(tmp_path / "o")] == ["complete"] * 3
