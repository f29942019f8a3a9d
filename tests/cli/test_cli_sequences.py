"""Commands with sequences: what they train is what the library trains, and what doesn't go is named."""

from __future__ import annotations

import csv
import re

import fastfa as fa
import numpy as np
import pytest
from cli_cases import assert_same, config_of, settings_of, train, weights_of, write
from fastfa.cli import main
from fastfa.history import History

QUICK = ("--epochs", "2", "--quiet")
FIRST = "recurrent:6,tau=3,recurrent_scale=1.5,bias=false,weight_scale=0.3,activation=logistic"
TOML = """
dataset = "delayed-xor"
epochs = 2
feedback = "bptt"
[[layers]]
kind = "recurrent"
units = 6
tau = 3.0
[[layers]]
kind = "dense"
units = 4
"""


def fitted(net, data, optimizer=None, **options):
    given = {"batch_size": 32, "epochs": 2, "progress": False} | options
    trainer = fa.Trainer(net, optimizer or fa.Adam(0.001), **given)
    trainer.fit(data.train, test=data.test)
    return trainer


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Forty sequences of 3 to 9 steps, whose side can be told from their force."""
    rng = np.random.default_rng(0)
    lines = ["trial,force,angle,side,hand"]
    for trial in range(40):
        side = rng.choice([-1, 1])
        for _ in range(rng.integers(3, 10)):
            force, angle = side + rng.normal() / 2, 100 + rng.normal()
            lines.append(
                f"t{trial},{force:.3f},{angle:.2f},{side}.5,{'left' if side < 0 else 'right'}"
            )
    return write(tmp_path_factory.mktemp("own") / "trials.csv", "\n".join(lines))


def predictions(folder):
    with open(folder / "predictions.csv", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    ("rule", "back"), [("rflo", "zero"), ("bptt", "transpose"), ("random_bptt", "random")]
)
def test_the_layer_and_its_rule_are_the_librarys(tmp_path, rule, back):
    assert train("add", *QUICK, "--layers", FIRST, "--feedback", rule, "--out", tmp_path) == 0
    layer = fa.Recurrent(
        6, "logistic", tau=3, recurrent_scale=1.5, bias=False, weight_scale=0.3, recurrent_feedback=back
    )  # fmt: skip
    net = fa.Network(1, [layer, fa.Dense(1)], rule)
    history = fitted(net, fa.data.load("add")).history
    assert_same(weights_of(tmp_path), net.state_dict())
    assert History.from_jsonl(tmp_path / "history.jsonl")["test_loss"] == history["test_loss"]
    assert not (tmp_path / "predictions.csv").exists()
    assert config_of(tmp_path)["data"]["train"] == 1000


def test_a_file_says_the_same_and_a_run_is_repeated(tmp_path):
    file = write(tmp_path / "run.toml", TOML)
    assert train("--config", file, "--quiet", "--out", tmp_path / "a") == 0
    layers = [
        fa.Recurrent(6, tau=3, recurrent_feedback="transpose"),
        fa.Dense(4, "tanh"),
        fa.Dense(1),
    ]
    net = fa.Network(1, layers, fa.Feedback("transpose"))
    fitted(net, fa.data.load("delayed-xor"))
    assert_same(weights_of(tmp_path / "a"), net.state_dict())
    again = tmp_path / "a" / "config.json"
    assert train("--config", again, "--quiet", "--out", tmp_path / "b") == 0
    assert_same(weights_of(tmp_path / "a"), weights_of(tmp_path / "b"))


@pytest.mark.parametrize(
    ("text", "table", "feedback"),
    [
        ("sign", 'matrix = "sign"', fa.Feedback("sign")),
        (
            "uniform:scale=0.2:plasticity=kolen_pollack",
            'matrix = "uniform", scale = 0.2, plasticity = "kolen_pollack"',
            fa.Feedback("uniform", scale=0.2, plasticity="kolen_pollack"),
        ),
    ],
)
def test_any_matrix_goes_back_in_time(tmp_path, text, table, feedback):
    layers = f"recurrent:6,tau=3,input_delay=2,recurrent_feedback={text}"
    how = ("--update", "window", "--window", "7")
    assert train("add", *QUICK, *how, "--layers", layers, "--out", tmp_path / "a") == 0
    layer = fa.Recurrent(6, tau=3, input_delay=2, recurrent_feedback=feedback)
    net = fa.Network(1, [layer, fa.Dense(1)], "fa")
    fitted(net, fa.data.load("add"), update="window", window=7)
    assert_same(weights_of(tmp_path / "a"), net.state_dict())
    again = tmp_path / "a" / "config.json"
    assert train("--config", again, "--quiet", "--out", tmp_path / "b") == 0
    assert_same(weights_of(tmp_path / "b"), net.state_dict())
    layer = 'kind = "recurrent"\nunits = 6\ntau = 3\ninput_delay = 2\n'
    layer += f"recurrent_feedback = {{{table}}}\n"
    head = 'dataset = "add"\nepochs = 2\nupdate = "window"\nwindow = 7\n[[layers]]\n'
    file = write(tmp_path / "run.toml", head + layer)
    assert train("--config", file, "--quiet", "--out", tmp_path / "c") == 0
    assert_same(weights_of(tmp_path / "c"), net.state_dict())
    file = write(tmp_path / "run.toml", head + layer.replace("matrix", "rate"))
    assert train("--config", file, "--quiet", "--out", tmp_path / "d") == 1


def test_learning_at_every_step_with_carry_goes_on_after_an_interruption(tmp_path):
    data = fa.data.load("periodic")
    command = (
        "periodic", "--layers", "recurrent:6,tau=3", "--feedback", "rflo", "--update", "step", "--carry",
        "--optimizer", "sgd", "--lr", "0.01", "--quiet",
    )  # fmt: skip
    net = fa.Network(1, [fa.Recurrent(6, tau=3), fa.Dense(1)], "rflo")
    fitted(net, data, fa.SGD(0.01), epochs=4, update="step", carry=True)
    save = tmp_path / "run.safetensors"
    assert train(*command, "--epochs", 2, "--save", save) == 0
    assert (
        train(*command, "--epochs", 4, "--save", save, "--resume", "--out", tmp_path / "out") == 0
    )
    assert_same(weights_of(tmp_path / "out"), net.state_dict())
    assert (fa.load(save).net.hidden_state == net.hidden_state).all()
    assert settings_of(tmp_path / "out")["update"] == "step"


def test_a_table_of_sequences_with_classes(tmp_path, table, capsys):
    command = ("--sequence", "trial", "--at-end", "--ignore", "side", "--target", "hand")
    layers = ("--layers", "recurrent:20,tau=3", "dense:5", "--lr", "0.01")
    assert train(table, *command, *layers, "--epochs", 20, "--out", tmp_path / "out") == 0
    said = capsys.readouterr().out
    assert "hand: 2 classes ('left', 'right'); 2 features; sequences of up to 9 steps; 32" in said
    assert "test error" in said
    assert History.from_jsonl(tmp_path / "out" / "history.jsonl")["test_error"][-1] < 0.2
    data = fa.data.read_dataset(
        table, sequence="trial", at_end=True, ignore=["side"], target="hand"
    )
    rows = predictions(tmp_path / "out")
    assert [int(row["step"]) + 1 for row in rows] == data.test.lengths.tolist()
    assert [row["target"] for row in rows] == [data.class_names[i] for i in data.test.y.argmax(1)]
    with np.load(tmp_path / "out" / "normalisation.npz") as found:
        assert 99 < found["mean"][1] < 101
    assert config_of(tmp_path / "out")["data"]["normalised"] == "per feature"


def test_numbers_are_told_in_their_own_units_at_every_step(tmp_path, table, capsys):
    command = ("--sequence", "trial", "--ignore", "hand", "--target", "side", "--quiet")
    layers = ("--layers", "recurrent:20,tau=3", "--feedback", "rflo", "--lr", "0.01")
    assert train(table, *command, *layers, "--epochs", 30, "--out", tmp_path / "out") == 0
    rows = predictions(tmp_path / "out")
    data = fa.data.read_dataset(table, sequence="trial", ignore=["hand"], target="side")
    assert len(rows) == data.test.lengths.sum()
    at, step = int(rows[-1]["sequence"]), int(rows[-1]["step"])
    assert np.isclose(float(rows[-1]["target"]), data.test.y[at, step, 0], rtol=1e-6)
    errors = [float(row["target"]) - float(row["predicted"]) for row in rows]
    told = float(capsys.readouterr().out.partition("mean square error ")[2].partition(")")[0])
    assert np.isclose(np.sqrt(np.mean(np.square(errors))), told, rtol=1e-3)


def test_arrays_of_several_outputs_have_no_error_rate(tmp_path, capsys):
    rng = np.random.default_rng(1)
    path = tmp_path / "s.npz"
    np.savez(
        path, X=rng.normal(size=(20, 6, 2)), Y=rng.normal(size=(20, 6, 3)), mask=np.ones((20, 6))
    )
    assert train(path, "--layers", "recurrent:5", "--out", tmp_path / "out", *QUICK) == 0
    columns = History.from_jsonl(tmp_path / "out" / "history.jsonl").columns
    assert "test_loss" in columns
    assert "test_error" not in columns
    assert "test loss" in capsys.readouterr().out
    rows = predictions(tmp_path / "out")
    assert [*rows[0]] == [
        "sequence", "step", "target.0", "target.1", "target.2",
        "predicted.0", "predicted.1", "predicted.2",
    ]  # fmt: skip
    assert len(rows) == 4 * 6


def test_compare_tune_and_sweep_train_sequences(tmp_path, capsys):
    layers = ("--layers", "recurrent:6,tau=2", "--epochs", "1")
    pytest.importorskip("scipy")
    command = (
        "compare",
        "add",
        "--rules",
        "rflo",
        "bptt",
        "rflo,update=step",
        "--seeds",
        "2",
        "--quiet",
    )
    assert main([*command, *layers]) == 0
    assert "rflo,update=step" in capsys.readouterr().out
    file = write(tmp_path / "s.toml", TOML + "[sweep]\nseeds = 1\nlr = [0.1, 0.01]\n")
    assert main(["sweep", str(file), "--out", str(tmp_path / "sweep")]) == 0
    assert len((tmp_path / "sweep" / "runs.jsonl").read_text().splitlines()) == 2
    pytest.importorskip("optuna")
    found = TOML.replace("[[", "validation = 0.2\n[[", 1) + "[search]\nlr = [0.1, 0.01]\n"
    file = write(tmp_path / "t.toml", found)
    assert main(["tune", str(file), "--trials", "2", "--out", str(tmp_path / "tune")]) == 0
    assert "validation loss" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("add", "layers was not given with dataset 'add'; it must have a recurrent layer"),
        ("add --hidden 5", "layers was not given with dataset 'add'"),
        ("add --layers dense:5", "layers was of kinds dense with dataset 'add'; it must have a"),
        ("add --layers recurrent:5 recurrent:5", r"layers\[1\] was a second recurrent layer; there"),
        ("mnist-mini --layers recurrent:5", "layers was of kinds recurrent with dataset 'mnist-mini'"),
        ("mnist-mini --feedback rflo", "feedback was 'rflo'; it must not be given: it applies to a ne"),
        ("mnist-mini --update step", "update was 'step' for a network without a recurrent layer"),
        ("mnist-mini --carry", "carry was True for a network without a recurrent layer"),
        ("mnist-mini --sequence trial", "sequence was 'trial' with dataset 'mnist-mini'; it must not"),
        ("mnist-mini --at-end", "at_end was True with dataset 'mnist-mini'; it must not be given"),
        ("add --layers recurrent:5 --feedback np", "feedback was 'np' for a network in time"),
        ("add --layers recurrent:5 --feedback bptt --update step", "update was 'step' for a network wh"),
        ("add --layers recurrent:5 --update end", "update was 'end'; it must be one of sequence, step"),
        ("add --layers recurrent:5 --update window", "window was None; it must be an integer"),
        ("add --layers recurrent:5 --window 3", "window was 3 with update 'sequence'; it must be None"),
        ("mnist-mini --update window --window 3", "update was 'window' for a network without a recurr"),
        ("add --layers recurrent:5,input_delay=x", r"layers\[0\].input_delay was 'x'; it must be an in"),
        ("add --layers recurrent:5,recurrent_feedback=sparse:density=2",
         r"layers\[0\].recurrent_feedback.density was 2.0; it must be"),
        ("add --layers recurrent:5,recurrent_feedback=sparse:rate=2",
         r"recurrent_feedback was 'sparse:rate=2'; it must be zero, transpose, random, or a kind of"),
        ("add --layers recurrent:5,recurrent_feedback=sign:magnitude=fixed:magnitude=fixed",
         r"recurrent_feedback was 'sign:magnitude=fixed:magnitude=fixed'; it must be zero, transpose"),
        ("add --layers recurrent:5 --carry", "with carry; it must have at most batch_size=32"),
        ("add --layers recurrent:5 --augment crop", "augment was 'crop' .* the examples are no images"),
        ("add --layers recurrent:5 dropout:0.1", r"layers\[0\].dropout was 0.1; in a network with a"),
        ("add --layers recurrent:5,tau=0", r"layers\[0\].tau was 0.0; it must be a finite number"),
        ("add --layers recurrent:5,tau=x", r"layers\[0\].tau was 'x'; it must be a number"),
        ("add --layers recurrent:5,density=1", r"layers\[0\] has the unknown key 'density'"),
        ("add --layers recurrent:x", r"layers\[0\].units was 'x'; it must be an integer"),
        ("add --layers recurrent", r"layers\[0\] was 'recurrent'; it must be recurrent:UNITS"),
        ("add --layers recurrent:5,recurrent_feedback=fixed",
         r"layers\[0\].recurrent_feedback.matrix was 'fixed'; it must be one of"),
        ("add --layers recurrent:5,recurrent_feedback=zero --feedback bptt",
         r"layers\[0\].recurrent_feedback was 'zero' with feedback 'bptt'; it must be 'transpose'"),
        ("add --layers recurrent:5 --feedback-calibrate 9 --feedback-gain 1",
         "feedback_calibrate was 9; it must not be given for a network in time"),
    ],
)  # fmt: skip
def test_what_does_not_go_is_named_before_anything_is_written(tmp_path, capsys, command, words):
    assert train(*command.split(), *QUICK, "--out", tmp_path / "out") == 1
    assert not (tmp_path / "out").exists()
    error = capsys.readouterr().err
    assert re.search(words, error), error
