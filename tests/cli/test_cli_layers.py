"""`fastfa train` with layers of all kinds: as options, as tables, and again."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import fastfa as fa
import pytest
from cli_cases import PLAIN, assert_same, config_of, train, weights_of, write
from fastfa.cli.architecture import read_layers
from fastfa.cli.settings import read_config
from fastfa.history import History

EXAMPLES = Path(__file__).parents[2] / "examples"
QUICK = ("mnist-mini", "--epochs", "2", "--quiet", *PLAIN)
LAYERS = ("dropout:0.1", "local:2x5x4,stride=3x2,padding=same", "dropout:0.5", "dense:12")
ALL_KINDS = [
    {"kind": "dropout", "rate": 0.1},
    {"kind": "local", "maps": 2, "kernel_size": [5, 4], "stride": [3, 2], "padding": "same"},
    {"kind": "dropout", "rate": 0.5},
    {"kind": "dense", "units": 12},
]
TOML = """
dataset = "mnist-mini"
epochs = 2
[[layers]]
kind = "dropout"
rate = 0.1
[[layers]]
kind = "local"
maps = 2
kernel_size = [5, 4]
stride = [3, 2]
padding = "same"
[[layers]]
kind = "dropout"
rate = 0.5
[[layers]]
kind = "dense"
units = 12
"""


# ---- the same network as the library's -----------------------------------------------------------


def test_every_kind_of_layer_does_what_the_librarys_does(tmp_path, capsys):
    assert train(*QUICK, "--activation", "tanh", "--layers", *LAYERS, "--out", tmp_path) == 0
    net = fa.Network(
        (28, 28),
        [
            fa.Dropout(0.1),
            fa.LocallyConnected2D(2, (5, 4), stride=(3, 2), padding="same", activation="tanh"),
            fa.Dropout(0.5),
            fa.Dense(12, "tanh"),
            fa.Dense(10, "logistic"),
        ],
        loss="cross_entropy",
    )
    fa.Trainer(net, fa.SGD(0.1), epochs=2, progress=False).fit(fa.data.load("mnist-mini").train)
    assert_same(weights_of(tmp_path), net.state_dict())
    facts = config_of(tmp_path)["network"]
    assert facts["layers"] == ["280 tanh", "12 tanh", "10 logistic"]
    assert facts["dropout"] == [0.1, 0.5, 0, 0]


def test_a_layers_own_arguments_win_over_the_common_ones(tmp_path, capsys):
    first = "local:1x20x20,bias=true,weight_scale=0.1,activation=relu,trainable=false"
    layers = ("--layers", first, "--layers", "dense:7,density=0.25", "dense:6,weight_scale=0.2")
    common = ("--no-bias", "--weight-scale", 0.05, "--density", 0.5, "--feedback", "bp")
    assert train(*QUICK, *layers, *common, "--out", tmp_path) == 0
    own = {"bias": False, "weight_scale": 0.05}
    net = fa.Network(
        (1, 28, 28),
        [
            fa.LocallyConnected2D(
                1, 20, bias=True, weight_scale=0.1, activation="relu", trainable=False
            ),
            fa.Dense(7, "logistic", density=0.25, **own),
            fa.Dense(6, "logistic", density=0.5, bias=False, weight_scale=0.2),
            fa.Dense(10, "logistic", density=0.5, **own),
        ],
        feedback="bp",
        loss="cross_entropy",
    )
    fa.Trainer(net, fa.SGD(0.1), epochs=2, progress=False).fit(fa.data.load("mnist-mini").train)
    assert_same(weights_of(tmp_path), net.state_dict())


def test_convolutions_and_pooling_are_the_librarys(tmp_path, capsys):
    layers = ["conv:3x5x4,stride=3x2,padding=same", "pool:max:2", "conv:2x2x2", "pool:average:2x3"]
    plain = ("mnist-mini", "--epochs", 1, "--batch-size", 50, "--quiet")
    assert train(*plain, "--layers", *layers, "dense:7", "--out", tmp_path / "a") == 0
    net = fa.Network(
        (1, 28, 28),
        [
            fa.Conv2D(3, (5, 4), stride=(3, 2), padding="same", activation="relu"),
            fa.MaxPool2D(2),
            fa.Conv2D(2, 2, activation="relu"),
            fa.AvgPool2D((2, 3)),
            fa.Dense(7, "relu"),
            fa.Dense(10, "softmax"),
        ],
        loss="cross_entropy",
    )
    trainer = fa.Trainer(net, fa.Adam(0.001), batch_size=50, epochs=1, progress=False)
    trainer.fit(fa.data.load("mnist-mini").train)
    assert_same(weights_of(tmp_path / "a"), net.state_dict())
    again = ("--config", tmp_path / "a" / "config.json", "--quiet", "--out", tmp_path / "b")
    assert train(*again) == 0
    assert_same(weights_of(tmp_path / "b"), net.state_dict())


def test_hidden_is_short_for_dense_layers(tmp_path, capsys):
    assert train(*QUICK, "--hidden", 9, 8, "--out", tmp_path / "a") == 0
    assert train(*QUICK, "--layers", "dense:9", "dense:8", "--out", tmp_path / "b") == 0
    assert_same(weights_of(tmp_path / "a"), weights_of(tmp_path / "b"))


# ---- text, tables and config.json ----------------------------------------------------------------


def test_text_becomes_tables():
    assert read_layers(LAYERS) == ALL_KINDS
    assert read_layers(["dense: 5, bias = false, density=0.5"]) == [
        {"kind": "dense", "units": 5, "bias": False, "density": 0.5}
    ]


def test_a_file_may_have_tables_or_text(tmp_path):
    assert read_config(write(tmp_path / "t.toml", TOML))["layers"] == ALL_KINDS
    text = write(tmp_path / "s.toml", f"layers = {json.dumps(LAYERS)}")
    assert read_layers(read_config(text)["layers"]) == ALL_KINDS


def test_option_table_and_saved_config_train_the_same_network(tmp_path, capsys):
    a, b, c = (tmp_path / name for name in "abc")
    elastic = ("--augment", "elastic", "--normalise", "--augment-rotate", 7, "--seed", 3)
    more = (*elastic, "--optimizer", "adam", "--validation", 0.2)
    plain = ("mnist-mini", "--epochs", "2", "--quiet")
    assert train(*plain, "--layers", *LAYERS, *more, "--out", a) == 0
    assert train("--config", write(tmp_path / "c.toml", TOML), *more, "--quiet", "--out", b) == 0
    assert train("--config", a / "config.json", "--quiet", "--out", c) == 0
    assert config_of(a)["settings"]["layers"] == ALL_KINDS
    assert config_of(a)["settings"]["hidden"] is None
    for other in (b, c):
        assert_same(weights_of(a), weights_of(other))
        assert config_of(a)["settings"] | {"out": None} == config_of(other)["settings"] | {
            "out": None
        }
    first, again = (History.from_jsonl(folder / "history.jsonl") for folder in (a, c))
    for name in ("train_loss", "validation_loss", "test_loss"):
        assert first[name] == again[name]


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        ("hidden = [9]", ["--layers", "dense:4"], ["4 logistic", "10 logistic"]),
        ("layers = ['dense:9']", ["--hidden", "4"], ["4 logistic", "10 logistic"]),
        ("layers = ['dense:9', 'dense:8']", ["--layers", "dense:4"], ["4 logistic", "10 logistic"]),
        ("layers = []", [], ["10 logistic"]),
    ],
)
def test_the_command_line_replaces_a_files_layers(tmp_path, capsys, text, options, expected):
    file = write(tmp_path / "c.toml", text)
    assert train(*QUICK, "--config", file, *options, "--out", tmp_path / "o") == 0
    assert config_of(tmp_path / "o")["network"]["layers"] == expected


# Those of sweep and tune have a table that train doesn't take, and tests of their own.
OF_TRAIN = [path for path in sorted(EXAMPLES.glob("*.toml")) if path.stem not in ("sweep", "tune")]


@pytest.mark.parametrize("example", OF_TRAIN, ids=lambda path: path.stem)
def test_the_example_files_train(tmp_path, capsys, monkeypatch, example):
    full = fa.data.load("mnist-mini")
    few = dataclasses.replace(full, train=full.train.take(range(200)))
    monkeypatch.setattr(fa.data, "load", lambda name, root=None: few)
    short = ("--epochs", 1, "--schedule", "constant", "--out", tmp_path)
    assert train("--config", example, *short) == 0
    if example.stem == "local":
        layers = ["3174 leaky_relu", "1500 leaky_relu", "1500 leaky_relu", "10 tanh"]
        assert config_of(tmp_path)["network"]["layers"] == layers


def test_the_file_in_the_documentation_is_valid(tmp_path):
    page = (EXAMPLES.parent / "docs" / "cli.md").read_text(encoding="utf-8")
    toml = page.partition("```toml\n")[2].partition("```")[0]
    settings = read_config(write(tmp_path / "c.toml", toml))
    kinds = [layer["kind"] for layer in read_layers(settings["layers"])]
    assert kinds == ["local", "dropout", "dense"]


# ---- errors: one line that names option and value, and nothing written ---------------------------

WRONG_LAYERS = [
    (["dens:5"], "layers[0].kind was 'dens'; it must be one of dense, local, conv, pool:max"),
    (["pool:2"], "layers[0].kind was 'pool:2'; it must be one of"),
    (["pool:max"], "layers[0] was 'pool:max'; it must be pool:max:SIZE"),
    (["pool:max:29"], "layers[0].size was [29, 29]; it must not be larger than what is below"),
    (["conv:3"], "layers[0] was 'conv:3'; it must be conv:MAPSxHEIGHTxWIDTH"),
    (["conv:3x3x30"], "layers[0].kernel_size was [3, 30]; it must not be larger"),
    (["dense:5", "conv:3x3x3"], "layers[1] was a conv layer above a dense one"),
    (["pool:max:2,activation=relu"], "layers[0] has the unknown key 'activation'"),
    (["dense:5", "mnist"], "layers[1].kind was 'mnist'"),
    (["dense"], "layers[0] was 'dense'; it must be dense:UNITS"),
    (["dense:units=5"], "it must be dense:UNITS"),
    (["local:6x6"], "layers[0] was 'local:6x6'; it must be local:MAPSxHEIGHTxWIDTH"),
    (["local:6xx6"], "layers[0].kernel_size was 'x6'; it must be an integer, or two"),
    (["dropout:much"], "layers[0].rate was 'much'; it must be a number"),
    (["dense:5", "dense:x"], "layers[1].units was 'x'; it must be an integer"),
    (["dense:0"], "layers[0].units was 0; it must be an integer in [1,"),
    (["dropout:1"], "layers[0].rate was 1.0; it must be a finite number in [0, 1)"),
    (["dense:5,bias=yes"], "layers[0].bias was 'yes'; it must be true or false"),
    (["dense:5,bias"], "'bias' in it must be name=value"),
    (["dense:5,units=6"], "it must say units once"),
    (["dense:5,colour=red"], "layers[0] has the unknown key 'colour'"),
    (["local:1x2x2,density=0.5"], "layers[0] has the unknown key 'density'"),
    (["local:1x2x2,stride=1x1x1"], "layers[0].stride was '1x1x1'"),
    (["local:1x2x2,padding=full"], "layers[0].padding was 'full'; it must be one of valid, same"),
    (["dropout:.1", "dense:5,activation=sinus"], "layers[1].activation was 'sinus'"),
    (["dropout:.1", "dense:5,activation=softmax"], "layers[1].activation was 'softmax'"),
    (["dropout:.1", "local:1x29x9"], "layers[1].kernel_size was [29, 9]"),
    (["local:1x9x9", "local:1x9x21"], "what is below, [20, 20]"),
    (["dense:9", "dropout:.1", "local:1x2x2"], "layers[2] was a local layer above a dense one"),
    (["dropout:.1", "dropout:.1"], "layers[1] is the second Dropout in a row"),
    (["dense:5", "--hidden", "5"], "hidden was [5] beside layers; it must not be given"),
]
WRONG_OPTIONS = [
    (["--hidden", "5", "0"], "hidden[1].units was 0"),
    (["--activation", "sinus"], "[train] activation was 'sinus'; it must be one of"),
    (["--output-activation", "sinus"], "[train] output_activation was 'sinus'"),
    (["--weight-scale", "-1"], "[train] weight_scale was -1.0"),
    (["--augment", "elastik"], "[train] augment was 'elastik'; it must be one of none, elastic"),
    (["--augment-sigma", "3"], "[train] augment_sigma was 3.0; it must not be given"),
    (["--augment", "elastic", "--augment-sigma", "0"], "[train] augment_sigma was 0.0"),
    (["--augment", "elastic", "--augment-scale", "1"], "[train] augment_scale was 1.0"),
    (["--targets", "-0.9", "0.9"], "[train] targets was [-0.9, 0.9]; with loss 'cross_entropy'"),
    (["--validation", "1e-9"], "[train] validation was 1e-09, which is 0 of 6000 examples"),
    (["--lr", "1e10"], "lr was 1e+10"),
    (["--schedule", "steps:9=1e10"], "lr was 1e+10"),
    (
        ["--optimizer", "sgd", "--reduction", "sum", "--batch-size", "6000", "--lr", "1e6"],
        "lr was 1e+06",
    ),
    (["--targets", "1", "0"], "targets was (1.0, 0.0); low must be below high"),
]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--layers", *layers], message) for layers, message in WRONG_LAYERS] + WRONG_OPTIONS,
)
def test_what_is_wrong_is_told_before_anything_is_written(tmp_path, capsys, arguments, message):
    assert train("mnist-mini", *arguments, "--out", tmp_path / "o") == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert message in err
    assert not (tmp_path / "o").exists()


def test_a_network_too_large_for_the_machine_is_one_line(tmp_path, capsys, monkeypatch):
    def too_large(*_, **__):
        raise MemoryError("std::bad_alloc")

    monkeypatch.setattr(fa, "Network", too_large)
    assert train("mnist-mini", "--layers", "dense:2000000000", "--out", tmp_path / "o") == 1
    assert (
        capsys.readouterr().err
        == "fastfa: error: there is not enough memory for this (std::bad_alloc)\n"
    )
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("layers = 'dense:5'", "layers was 'dense:5'; it must be a list, each item a string, or a"),
        ("layers = [5]", "layers was [5]; it must be a list"),
        ("[layers]\nkind = 'dense'", "it must be a list"),
        ("hidden = [5]\nlayers = ['dense:5']", "hidden was [5] beside layers"),
        ("[[layers]]\nunits = 5", "layers[0] was {'units': 5}; it must have a kind"),
        ("[[layers]]\nkind = 5", "layers[0].kind was 5; it must be one of"),
        ("[[layers]]\nkind = 'dense'", "layers[0] was {'kind': 'dense'}; it must have units"),
        ("[[layers]]\nkind = 'dense'\nunits = '5'", "layers[0].units was '5'; it must be an int"),
        ("[[layers]]\nkind = 'dense'\nunits = 5\nbias = 1", "layers[0].bias was 1; it must be"),
        ("[[layers]]\nkind = 'dense'\nunits = 5\nepochs = 3", "must stand above all [[layers]]"),
        ("[[layers]]\nkind = 'local'\nmaps = 2\nkernel_size = [1.5, 2]", "kernel_size[0] was 1.5"),
        ("[[layers]]\nkind = 'local'\nmaps = 2\nkernel_size = {h = 2}", "kernel_size was {'h': 2}"),
        ("[[layers]]\nkind = 'dropout'\nrate = 2026-11-24", "layers[0].rate was datetime.date("),
        ("augment = true", "augment was True; it must be a string"),
        ("augment_rotate = 'far'", "augment_rotate was 'far'; it must be a number"),
    ],
)
def test_what_is_wrong_in_a_file_is_told_before_anything_is_written(
    tmp_path, capsys, text, message
):
    file = write(tmp_path / "c.toml", text)
    assert train("mnist-mini", "--config", file, "--out", tmp_path / "o") == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert message in err
    assert not (tmp_path / "o").exists()
