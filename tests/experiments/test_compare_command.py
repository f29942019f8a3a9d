"""fastfa compare: what it writes, trains and refuses."""

from __future__ import annotations

import csv
import json
import signal

import fastfa as fa
import pytest

stats = pytest.importorskip("scipy.stats", reason="needs SciPy (fastfa[compare])")

from fastfa.cli import main  # noqa: E402

COMMAND = ["compare", "mnist-mini", "--hidden", "10", "--epochs", "1", "--activation", "tanh"]


def test_the_command(tmp_path, capsys, restore_threads):
    out = tmp_path / "o"
    words = [*COMMAND, "--rules", "bp", "fa,lr=0.3", "--seeds", "4", "7", "--out", str(out)]
    assert main(words) == 0
    told = capsys.readouterr().out
    assert "seed 7  fa,lr=0.3: test error" in told
    assert "test error at the last epoch on mnist-mini" in told
    with open(out / "records.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["contestant"], row["seed"], row["lr"]) for row in rows] == [
        ("bp", "4", "0.001"), ("bp", "7", "0.001"), ("fa,lr=0.3", "4", "0.3"), ("fa,lr=0.3", "7", "0.3"),
    ]  # fmt: skip
    plan = json.loads((out / "compare.json").read_text())
    assert plan["settings"]["fa,lr=0.3"]["feedback"] == "fa"
    assert plan["seeds"] == [4, 7]
    for name in ("summary.csv", "differences.csv", "comparison.html"):
        assert (out / name).stat().st_size > 50
    assert main(words) == 1
    assert "is there already" in capsys.readouterr().err
    assert main([*words, "--overwrite", "--quiet"]) == 0


def test_the_command_trains_as_train_does(tmp_path, capsys, restore_threads):
    assert main([*COMMAND, "--rules", "fa", "--seeds", "1", "--out", str(tmp_path / "c")]) == 0
    words = ["--feedback", "fa", "--out", str(tmp_path / "t")]
    assert main(["train", *COMMAND[1:], *words]) == 0
    with open(tmp_path / "c/records.csv") as ours, open(tmp_path / "t/history.csv") as theirs:
        (a,), (b,) = csv.DictReader(ours), csv.DictReader(theirs)
    assert (a["train_loss"], a["test_error"]) == (b["train_loss"], b["test_error"])


def test_a_signal_leaves_what_is_done(tmp_path, capsys, monkeypatch, restore_threads):
    fit, calls = fa.Trainer.fit, []

    def interrupted(self, *sets):
        calls.append(self)
        if len(calls) == 3:
            signal.raise_signal(signal.SIGTERM)
        return fit(self, *sets)

    monkeypatch.setattr(fa.Trainer, "fit", interrupted)
    out = tmp_path / "o"
    assert main([*COMMAND, "--seeds", "2", "--out", str(out)]) == 128 + signal.SIGTERM
    captured = capsys.readouterr()
    assert "Interrupted: 2 of 4 networks" in captured.out
    assert "interrupted (SIGTERM); what was finished before" in captured.err
    with open(out / "records.csv", newline="") as file:
        assert [(row["contestant"], row["seed"]) for row in csv.DictReader(file)] == [
            ("bp", "0"), ("fa", "0"),
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--rules", "bp", "bp"], "rules had 'bp' twice"),
        (["--rules", "bpp"], "feedback was 'bpp'"),
        (["--rules", "fa,lrr=1"], "did you mean lr?"),
        (["--rules", "fa,lr"], "must be name=value"),
        (["--rules", "fa,lr=x"], "whose lr was 'x'; it must be a number"),
        (["--rules", "fa,validation=0.1"], "'validation=0.1' in it"),
        (["--base", "dfa"], "base was 'dfa'"),
        (["--seeds", "0"], "seeds was 0"),
        (["--seeds", "1", "1"], "different seeds"),
        (["--out", ""], "[compare] out was ''"),
    ],
)
def test_the_command_refuses(words, message, capsys):
    assert main([*COMMAND, *words]) == 1
    assert message in capsys.readouterr().err


def test_a_file_says_what_is_common(tmp_path, capsys, restore_threads):
    path = tmp_path / "c.toml"
    path.write_text('dataset = "mnist-mini"\nhidden = [8]\nepochs = 1\nlr = 0.2\nseed = 0\n')
    assert main(["compare", "--config", str(path), "--seeds", "1", "--quiet"]) == 0
    path.write_text('dataset = "mnist-mini"\nseed = 3\n')
    assert main(["compare", "--config", str(path)]) == 1
    assert "seed was 3; it must not be given" in capsys.readouterr().err
