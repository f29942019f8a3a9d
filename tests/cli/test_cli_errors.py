"""A user's errors are one line and a status; divergence and Ctrl-C keep what there was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from cli_cases import QUICK, train
from fastfa import trainer as trainer_module
from fastfa.cli import main
from fastfa.cli.settings import SETTINGS
from fastfa.history import History


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere"),
        ([], "no dataset was named"),
        ([*QUICK, "--lr", "-1"], "lr"),
        ([*QUICK, "--epochs", "0"], "epochs was 0"),
        ([*QUICK, "--runs", "0"], "runs was 0"),
        ([*QUICK, "--hidden", "0"], "units"),
        ([*QUICK, "--activation", "sinus"], "sinus"),
        ([*QUICK, "--loss", "hinge"], "hinge"),
        ([*QUICK, "--feedback", "magic"], "magic"),
        ([*QUICK, "--feedback-matrix", "magic"], "magic"),
        ([*QUICK, "--validation", "1.5"], "validation was 1.5"),
        ([*QUICK, "--early-stopping", "3"], "--validation"),
        ([*QUICK, "--config", "no-such-file.toml"], "no-such-file.toml"),
    ],
)
def test_a_users_error_is_one_line_and_exit_1_and_leaves_no_folder(
    tmp_path, capsys, arguments, message
):
    assert train(*arguments, "--out", tmp_path / "o") == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert err.startswith("fastfa: error: ")
    assert message in err
    assert not (tmp_path / "o").exists()


def test_a_dataset_that_is_not_there_says_where_it_was_looked_for(tmp_path, capsys, monkeypatch):
    for name in ("FASTFA_DATA", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    (tmp_path / "mine").mkdir()
    assert train("fashion-mnist", "--root", tmp_path / "mine") in (0, 1)
    err = capsys.readouterr().err
    if err:  # some systems have Fashion-MNIST installed
        assert str(tmp_path / "mine") in err
        assert "fastfa data fetch fashion-mnist" in err


def test_divergence_is_told_and_keeps_what_there_was(tmp_path, capsys):
    linear = ("--activation", "relu", "--output-activation", "linear", "--loss", "squared_error")
    bad = (*QUICK, *linear, "--lr", 0.01, "--epochs", 5, "--schedule", "steps:3=1e6")
    assert train(*bad, "--feedback", "bp", "--quiet", "--out", tmp_path) == 1
    err = capsys.readouterr().err
    assert err.startswith("fastfa: error: ")
    assert "step" in err
    history = History.from_jsonl(tmp_path / "history.jsonl")
    assert history["epoch"][:2] == [1, 2]
    with np.load(tmp_path / "weights.npz", allow_pickle=False) as weights:
        assert all(np.isfinite(weights[name]).all() for name in weights)


def test_an_interrupt_is_exit_130_and_keeps_what_there_was(tmp_path, capsys, monkeypatch):
    order = trainer_module.Trainer._order

    def interrupt(self, epoch, n):
        if epoch == 2:
            raise KeyboardInterrupt
        return order(self, epoch, n)

    monkeypatch.setattr(trainer_module.Trainer, "_order", interrupt)
    assert train(*QUICK, "--out", tmp_path) == 130
    assert "interrupted" in capsys.readouterr().err
    assert History.from_jsonl(tmp_path / "history.jsonl")["epoch"] == [1]
    assert (tmp_path / "weights.npz").exists()


def test_ctrl_c_in_the_compiled_loop_ends_a_run_that_keeps_its_files(tmp_path):
    endless = "train mnist-mini --hidden 1000 --batch-size 1 --epochs 1000000 --out"
    # A shell may start background jobs with Ctrl-C ignored; the handler is Python's usual one.
    source = (
        "import signal, sys; from fastfa.cli import main\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"sys.exit(main({[*endless.split(), str(tmp_path)]!r}))"
    )
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", source],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "FASTFA_NUM_THREADS": "1"},
    )
    try:
        process.stdout.readline()  # the first epoch is over, the second one runs
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=300)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130
    assert err == "fastfa: interrupted\n"
    assert len(History.from_jsonl(tmp_path / "history.jsonl")) >= 1
    with np.load(tmp_path / "weights.npz", allow_pickle=False) as weights:
        assert all(np.isfinite(weights[name]).all() for name in weights)


@pytest.mark.parametrize("arguments", [["--traceback", "train"], ["train", "--traceback"]])
def test_traceback_shows_where_an_error_comes_from(arguments):
    with pytest.raises(ValueError, match="no dataset was named"):
        main(arguments)


@pytest.mark.parametrize(
    "arguments",
    [[], ["fly"], ["train", "--lr", "fast"], ["train", "--no-such-option"], ["info", "extra"]],
)
def test_wrong_arguments_are_exit_2(arguments, capsys):
    assert main(arguments) == 2
    assert "usage: fastfa" in capsys.readouterr().err


@pytest.mark.parametrize("command", [[], ["train"], ["demo"], ["data"], ["info"]])
def test_help_is_exit_0(command, capsys):
    assert main([*command, "--help"]) == 0
    assert "usage: fastfa" in capsys.readouterr().out


def test_every_setting_is_an_option(capsys):
    main(["train", "--help"])
    text = capsys.readouterr().out
    for setting in [setting for group in SETTINGS.values() for setting in group]:
        assert f"--{setting.name.replace('_', '-')}" in text
