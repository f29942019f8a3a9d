"""``fastfa train --save`` and ``--resume``."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import fastfa as fa
import numpy as np
import pytest
from fastfa.cli import main
from fastfa.history import History

RUN = (
    "mnist-mini", "--layers", "dropout:0.2", "dense:20", "--lr", "0.5",
    "--optimizer", "sgd", "--momentum", "0.5",
    "--validation", "0.2", "--schedule", "plateau:patience=1,min_delta=0.3", "--early-stopping", "5",
)  # fmt: skip


def train(*arguments):
    return main(["train", "--quiet", *map(str, arguments)])


def results(folder):
    with np.load(folder / "weights.npz", allow_pickle=False) as weights:
        arrays = {name: weights[name].tobytes() for name in weights}
    times = ("seconds", "samples_per_second")
    records = [
        {key: value for key, value in record.items() if key not in times}
        for record in History.from_jsonl(folder / "history.jsonl")
    ]
    return arrays, records


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_run_in_two_parts_is_the_run_in_one(tmp_path, optimizer, capsys):
    own = RUN if optimizer == "sgd" else ("mnist-mini", "--hidden", 20, "--optimizer", "adam")
    assert train(*own, "--epochs", 4, "--out", tmp_path / "one") == 0
    parts = (*own, "--out", tmp_path / "two", "--save", tmp_path / "two.safetensors")
    assert train(*parts, "--epochs", 2) == 0
    assert train(*parts, "--epochs", 4, "--resume") == 0
    assert results(tmp_path / "two") == results(tmp_path / "one")
    capsys.readouterr()
    before = (tmp_path / "two.safetensors").read_bytes()
    assert train(*parts, "--epochs", 4, "--resume") == 0  # nothing is left to do
    assert "at epoch 4" in capsys.readouterr().out
    assert results(tmp_path / "two") == results(tmp_path / "one")
    assert (tmp_path / "two.safetensors").read_bytes() == before


def test_a_killed_run_goes_on(tmp_path):
    assert train(*RUN, "--epochs", 3, "--out", tmp_path / "one") == 0
    save, folder = tmp_path / "two.safetensors", tmp_path / "two"
    command = [sys.executable, "-m", "fastfa", "train", *RUN, "--epochs", "3"]
    command += ["--out", str(folder), "--save", str(save), "--resume"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    for line in child.stdout:
        if line.startswith("epoch   2"):
            child.send_signal(signal.SIGKILL)
            break
    child.wait()
    child.stdout.close()
    assert fa.load(save).epoch in (1, 2, 3)
    subprocess.run(command, check=True, capture_output=True)
    assert results(folder) == results(tmp_path / "one")


def test_each_seed_has_a_file_of_its_own(tmp_path, capsys):
    save = tmp_path / "run-{seed}.safetensors"
    own = ("mnist-mini", "--hidden", 20, "--runs", 2, "--seed", 7)
    assert train(*own, "--epochs", 1, "--save", save) == 0
    assert sorted(os.listdir(tmp_path)) == ["run-7.safetensors", "run-8.safetensors"]
    assert train(*own, "--epochs", 2, "--save", save, "--resume") == 0
    assert [fa.load(tmp_path / f"run-{seed}.safetensors").epoch for seed in (7, 8)] == [2, 2]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--resume",), "save was not given beside --resume"),
        (("--save", "run.st", "--runs", 2), "it must have {seed} in it"),
        (("--save", "{epoch}.st", "--resume"), "it must name one file"),
        (("--save", "none/run.st"), "its folder must exist"),
        (("--save", "there.st"), "is there already; name another file, or give --resume"),
        (("--save", "{step}.st"), "braces in it must be {epoch}"),
        (
            ("--save", "there.st", "--resume", "--lr", 0.3),
            "optimizer.lr was 0.001 there and is 0.3 here",
        ),
        (
            ("--save", "there.st", "--resume", "--hidden", 9),
            "layers[0].units was 20 there and is 9",
        ),
        (("--save", "there.st", "--resume", "--epochs", 1), "[resume] epochs was 1"),
    ],
)
def test_what_does_not_go_together_is_refused(tmp_path, monkeypatch, capsys, options, words):
    monkeypatch.chdir(tmp_path)
    own = ("mnist-mini", "--hidden", 20)
    if "--hidden" in options:
        own = ("mnist-mini",)
    assert train("mnist-mini", "--hidden", 20, "--epochs", 2, "--save", "there.st") == 0
    before = (tmp_path / "there.st").read_bytes()
    epochs = () if "--epochs" in options else ("--epochs", 3)
    assert train(*own, *epochs, *options) == 1
    assert words in capsys.readouterr().err
    assert (tmp_path / "there.st").read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == ["there.st"]
