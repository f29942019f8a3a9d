"""Settings of `fastfa train`: from the command line, from files, and schedules as text."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import fastfa as fa
import pytest
from cli_cases import QUICK, settings_of, train, write
from fastfa.cli.build import build_optimizer
from fastfa.cli.settings import SETTINGS, add_options, parse_schedule, read_config, resolve
from fastfa.history import History
from fastfa.schedules import Constant, Cosine, Exponential, Plateau, Steps, Warmup


def test_the_command_line_wins_over_the_file_and_the_file_over_the_defaults(tmp_path, capsys):
    text = 'dataset = "mnist-mini"\nhidden = [9]\nlr = 0.25\nepochs = 5\nnormalise = true\n'
    file = write(tmp_path / "c.toml", text)
    assert train("--config", file, "--epochs", 1, "--no-normalise", "--out", tmp_path / "o") == 0
    settings = settings_of(tmp_path / "o")
    assert (settings["hidden"], settings["lr"]) == ([9], 0.25)
    assert (settings["epochs"], settings["normalise"]) == (1, False)
    assert settings["batch_size"] == 32


def test_a_runs_own_config_repeats_it(tmp_path, capsys):
    assert train(*QUICK, "--seed", 3, "--out", tmp_path / "a") == 0
    config = tmp_path / "a" / "config.json"
    assert train("--config", config, "--out", tmp_path / "b") == 0
    first, second = (History.from_jsonl(tmp_path / name / "history.jsonl") for name in "ab")
    assert first["test_loss"] == second["test_loss"]


OPTIMIZERS = {
    "sgd": fa.SGD(0.1),
    "sgd --momentum 0.5 --nesterov": fa.SGD(0.1, momentum=0.5, nesterov=True),
    "adam --beta1 0.8": fa.Adam(0.001, beta1=0.8),
    "adamw": fa.AdamW(0.001),
    "adamw --weight-decay 0 --lr 0.01": fa.AdamW(0.01, weight_decay=0),
    "rmsprop --rho 0.9 --epsilon 1e-6": fa.RMSprop(0.001, rho=0.9, epsilon=1e-6),
    "adam --clip-norm 1": fa.Adam(0.001, clip_norm=1.0),
    "sgd --clip-value 0.5": fa.SGD(0.1, clip_value=0.5),
}


@pytest.mark.parametrize("words", OPTIMIZERS)
def test_an_optimizer_has_its_own_settings_and_rate(words):
    parser = argparse.ArgumentParser()
    add_options(parser)
    given = vars(parser.parse_args(["mnist-mini", "--optimizer", *words.split()]))
    assert build_optimizer(resolve({}, given)) == OPTIMIZERS[words]


@pytest.mark.parametrize(
    ("optimizer", "setting", "owners"),
    [
        ("adam", "rho", "optimizer 'rmsprop'"),
        ("sgd", "beta2", "optimizer 'adam' or 'adamw'"),
        ("rmsprop", "momentum", "optimizer 'sgd'"),
    ],
)
def test_a_setting_of_another_optimizer_is_refused(optimizer, setting, owners):
    settings = resolve({"dataset": "mnist"}, {"optimizer": optimizer, setting: 0.5})
    with pytest.raises(ValueError, match=f"{setting} was 0.5; .* applies to {owners}"):
        build_optimizer(settings)


def test_the_example_file_is_valid():
    example = Path(__file__).parents[2] / "examples" / "train.toml"
    settings = read_config(example)
    assert settings["hidden"] == [1000]
    parse_schedule(settings["schedule"])


def test_every_setting_can_stand_in_a_file(tmp_path):
    samples = {int: 3, float: 0.5, str: "x", bool: True}
    expected = {}
    for setting in [setting for group in SETTINGS.values() for setting in group]:
        value = samples[setting.kind]
        expected[setting.name] = value if setting.count is None else [value, value]
    lines = [f"{name} = {json.dumps(value)}" for name, value in expected.items()]
    assert read_config(write(tmp_path / "c.toml", "\n".join(lines))) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("leraning_rate = 1", "unknown key 'leraning_rate'"),
        ("batchsize = 10", "did you mean batch_size"),
        ("batch-sise = 10", "did you mean batch_size"),
        ("epochs = 1.5", "epochs was 1.5; it must be an integer"),
        ("epochs = true", "epochs was True; it must be an integer"),
        ("lr = 'fast'", "lr was 'fast'; it must be a number"),
        ("normalise = 1", "normalise was 1; it must be true or false"),
        ("hidden = 100", "hidden was 100; it must be a list"),
        ("hidden = [100, 0.5]", "hidden was"),
        ("targets = [0, 0.5, 1]", "targets was"),
        ("[network]\nhidden = [10]", "unknown key 'network'"),
        ("lr = ", "c.toml"),
        ("lr = 1\nlr = 2", "c.toml"),
    ],
)
def test_a_malformed_file_is_one_clear_line(tmp_path, capsys, text, message):
    file = write(tmp_path / "c.toml", text)
    assert train("mnist-mini", "--config", file) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert "c.toml" in err
    assert message in err


@pytest.mark.parametrize("text", ["{}", "[]", '{"settings": 3}', "{oops", '{"settings": {"a": 1}}'])
def test_a_malformed_config_json_is_one_clear_line(tmp_path, capsys, text):
    file = write(tmp_path / "config.json", text)
    assert train("mnist-mini", "--config", file) == 1
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1
    assert "config.json" in err


def test_a_warm_up_comes_before_the_schedule(tmp_path, capsys):
    flags = (*QUICK, "--schedule", "cosine", "--warmup-updates", 9, "--warmup-start", 0.1)
    flags = (*flags, "--epochs", 2, "--hidden", 8, "--lr", 0.1, "--save", tmp_path / "run.st")
    assert train(*flags) == 0
    trainer = fa.load(tmp_path / "run.st")
    assert trainer.schedule == Warmup(Cosine(2, initial=0.1), updates=9, start=0.1)
    for wrong, words in (
        (("--warmup-start", 0.5), "warmup_start was 0.5"),
        (("--warmup-updates", 0), "warmup_updates was 0"),
        (("--warmup-updates", 3, "--warmup-epochs", 3), "one of them must be given"),
    ):
        assert train(*QUICK, *wrong) == 1
        assert words in capsys.readouterr().err


def test_schedules_are_read_from_their_text():
    assert parse_schedule("constant") == Constant()
    assert parse_schedule("plateau") == Plateau()
    assert parse_schedule("plateau:factor=0.5, patience=2,monitor=train_loss") == Plateau(
        factor=0.5, patience=2, monitor="train_loss"
    )
    assert parse_schedule("exponential:0.9") == Exponential(0.9)
    assert parse_schedule("cosine", 7) == Cosine(7)
    assert parse_schedule("cosine:epochs=5,min_lr=1e-4", 7) == Cosine(5, min_lr=1e-4)
    assert parse_schedule("steps:10=0.01,20=1e-3") == Steps({10: 0.01, 20: 0.001})


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "sine",
            "cosine:3",
            "cosine:epochs=0",
            "constant:1",
            "steps",
            "steps:1",
            "steps:a=1",
            "steps:0=1",
            "steps:3=-1",
        ),
        *("exponential", "exponential:x", "plateau:speed=1", "plateau:patience=x"),
        "plateau:monitor=test_loss",
    ],
)
def test_an_unreadable_schedule_is_an_error(text, capsys):
    assert train(*QUICK, "--schedule", text) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1
