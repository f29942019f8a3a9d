"""The commands with a file of one's own."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import fastfa as fa
import numpy as np
import pytest
from fastfa.cli import main
from fastfa.data._digest import digest

FAST = ["--hidden", "10", "--epochs", "2"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch) -> Path:
    """A folder with a table of three species, whose columns have different units."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    kinds = ["daisy", "tulip", "rose"]
    rows = []
    for at in range(90):
        kind = at % 3
        rows.append([1000 + 300 * rng.normal(), kind + 0.2 * rng.normal(), kinds[kind]])
    text = "\n".join(f"{a:.3f},{b:.5f},{name}" for a, b, name in rows)
    (tmp_path / "measured.csv").write_text("weight,shape,species\n" + text)
    prices = "\n".join(f"{a:.3f},{b:.5f},{100_000 + 5000 * b:.1f}" for a, b, _ in rows)
    (tmp_path / "priced.csv").write_text("weight,shape,price\n" + prices)
    return tmp_path


def test_train_learns_a_table_and_says_what_it_understood(here: Path, capsys) -> None:
    command = ["train", "measured.csv", "--target", "species", "--hidden", "20", "--epochs", "60"]
    command += ["--held-out", "0.3", "--split-seed", "4", "--batch-size", "10", "--lr", "0.01"]
    assert main([*command, "--out", "run"]) == 0
    out = capsys.readouterr().out
    assert (
        "species: 3 classes ('daisy', 'rose', 'tulip'); 2 features; 63 examples to train on" in out
    )
    assert "27 held out as test set (a share of 0.3, each class by its share, seed 4)" in out
    config = json.loads((here / "run" / "config.json").read_text())
    data = fa.data.read_dataset("measured.csv", held_out=0.3, seed=4)
    known = config["data"]
    assert known["sha256"] == digest(data)
    assert known["origin"] == data.origin
    assert known["class_names"] == ["daisy", "rose", "tulip"]
    assert known["feature_names"] == ["weight", "shape"]
    assert known["normalised"] == "per feature"
    assert config["settings"]["target"] == "species"
    assert (config["settings"]["held_out"], config["settings"]["split_seed"]) == (0.3, 4)
    with np.load(here / "run" / "normalisation.npz", allow_pickle=False) as found:
        assert np.allclose(found["mean"], data.train.x.mean(axis=0))
        assert np.allclose(found["sd"], data.train.x.std(axis=0))
        mean, sd = found["mean"], found["sd"]
    with (here / "run" / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["target"] for row in rows] == [data.class_names[n] for n in data.test.labels]
    wrong = np.mean([row["target"] != row["predicted"] for row in rows])
    last = json.loads((here / "run" / "history.jsonl").read_text().splitlines()[-1])
    assert last["test_error"] == pytest.approx(wrong)
    assert wrong < 0.2
    net = fa.Network(2, [fa.Dense(20, "relu"), fa.Dense(3, "softmax")], loss="cross_entropy")
    with np.load(here / "run" / "weights.npz", allow_pickle=False) as weights:
        net.load_state_dict(dict(weights))
    net.class_names = known["class_names"]
    assert net.evaluate((data.test.x - mean) / sd, data.test.labels)[1] == pytest.approx(wrong)
    # The file alone repeats the run.
    assert main(["train", "--config", "run/config.json", "--out", "again"]) == 0
    assert (here / "again" / "predictions.csv").read_text() == (
        here / "run" / "predictions.csv"
    ).read_text()
    assert main([*command, "--no-normalise", "--out", "raw"]) == 0
    assert not (here / "raw" / "normalisation.npz").exists()
    raw = json.loads((here / "raw" / "history.jsonl").read_text().splitlines()[-1])
    assert raw["test_error"] > 0.4  # the column with large numbers hides the other


def test_a_checkpoint_knows_the_names(here: Path) -> None:
    assert main(["train", "measured.csv", *FAST, "--save", "run.safetensors", "--quiet"]) == 0
    assert fa.load("run.safetensors").net.class_names == ("daisy", "rose", "tulip")


def test_numbers_are_predicted_in_their_own_units(here: Path, capsys) -> None:
    command = ["train", "priced.csv", "--hidden", "20", "--epochs", "40", "--lr", "0.02"]
    command += [
        "--batch-size",
        "5",
        "--validation",
        "0.2",
        "--early-stopping",
        "30",
        "--out",
        "run",
    ]
    assert main(command) == 0
    out = capsys.readouterr().out
    assert "price: regression; 2 features" in out
    assert "kept the weights of epoch" in out
    with (here / "run" / "predictions.csv").open() as file:
        rows = [(float(row["target"]), float(row["predicted"])) for row in csv.DictReader(file)]
    target, predicted = np.array(rows).T
    assert np.corrcoef(target, predicted)[0, 1] > 0.9
    assert target.min() > 90_000
    config = json.loads((here / "run" / "config.json").read_text())
    assert config["settings"]["loss"] == "squared_error"
    assert config["settings"]["output_activation"] == "linear"
    assert main([*command[:-6], "--out", "last"]) == 0
    out = capsys.readouterr().out
    with (here / "last" / "predictions.csv").open() as file:
        rows = [(float(row["target"]), float(row["predicted"])) for row in csv.DictReader(file)]
    target, predicted = np.array(rows).T
    rmse = np.sqrt(np.mean((target - predicted) ** 2))
    said = float(out.partition("root mean square error ")[2].partition(")")[0])
    assert said == pytest.approx(rmse, rel=1e-3)


def test_compare_tune_and_sweep_take_the_file_itself(here: Path, capsys) -> None:
    pytest.importorskip("scipy")
    assert main(["compare", "measured.csv", *FAST, "--seeds", "2", "--out", "c"]) == 0
    plan = json.loads((here / "c" / "compare.json").read_text())
    assert plan["data_sha256"] == digest(fa.data.read_dataset("measured.csv"))
    assert "species: 3 classes" in plan["data"]
    pytest.importorskip("joblib")
    assert (
        main(["sweep", "priced.csv", "--target", "price", *FAST, "--jobs", "1", "--out", "s"]) == 0
    )
    lines = [json.loads(line) for line in (here / "s" / "runs.jsonl").read_text().splitlines()]
    assert len(lines) == 15
    assert {line["feedback"] for line in lines} == {"bp", "fa", "dfa"}
    assert all("test_loss" in line and "test_error" not in line for line in lines)
    assert "test loss: mean" in capsys.readouterr().out
    pytest.importorskip("optuna")
    command = ["tune", "measured.csv", "--target", "species", "--trials", "2", "--epochs", "2"]
    assert main([*command, "--out", "t"]) == 0
    out = capsys.readouterr().out
    assert "trained on 58 of the 72 training examples" in out  # never on those that are held out
    assert "searched: lr" in out
    assert main(["train", "--config", "t/best.toml", "--quiet"]) == 0


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (
            ["mnist-mini", "--target", "x"],
            "target was 'x' with dataset 'mnist-mini'; it must not be",
        ),
        (["mnist-mini", "--held-out", "0.1"], "held_out was 0.1 with dataset 'mnist-mini'"),
        (["none.csv"], "none.csv: No such file"),
        (["measured.csv", "--target", "kind"], "target was 'kind', which measured.csv has 0 times"),
        (["measured.csv", "--task", "guess"], "task was 'guess'; it must be one of classification"),
        (
            ["measured.csv", "--held-out", "1"],
            "held_out was 1.0; it must be a finite number in (0, 1)",
        ),
        (
            ["measured.csv", "--task", "regression"],
            "was 'daisy'; for regression it must be a number",
        ),
        (["measured.csv", "--root", "."], "root was '.' with dataset 'measured.csv', a path"),
        (["priced.csv", "--loss", "cross_entropy"], "loss was 'cross_entropy' for regression"),
        (["priced.csv", "--targets", "0", "1"], "it applies to classes"),
        (["measured.toml"], "measured.toml"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_written(
    here: Path, capsys, command: list[str], message: str
) -> None:
    before = sorted(here.iterdir())
    assert main(["train", *command, "--out", "run"]) == 1
    assert message in capsys.readouterr().err
    assert sorted(here.iterdir()) == before


def test_settings_of_the_data_may_stand_in_a_file(here: Path, capsys) -> None:
    (here / "a.toml").write_text(
        'dataset = "measured.csv"\ntarget = "shape"\nignore = ["species"]\nhidden = [5]\nepochs = 1\n'
        "lr = 0.01\n"
    )
    assert main(["train", "--config", "a.toml"]) == 0
    assert "shape: regression; 1 feature;" in capsys.readouterr().out
    (here / "b.toml").write_text(
        'dataset = "measured.csv"\n[sweep]\ntarget = ["shape", "weight"]\n'
    )
    pytest.importorskip("joblib")
    assert main(["sweep", "b.toml"]) == 1
    assert "target is the same for all" in capsys.readouterr().err


def test_a_name_of_fastfas_is_no_file(here: Path, capsys) -> None:
    (here / "mnist-mini").write_text("1,2\n")
    assert main(["train", "mnist-mini", *FAST, "--quiet"]) == 0
