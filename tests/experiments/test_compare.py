"""fa.compare and fastfa compare: the same seeds and examples for all, and the statistics of SciPy."""

from __future__ import annotations

import csv
import json
import math
import pickle
import signal
from html.parser import HTMLParser

import fastfa as fa
import numpy as np
import pytest

stats = pytest.importorskip("scipy.stats", reason="needs SciPy (fastfa[compare])")

from fastfa.cli import main  # noqa: E402
from fastfa.experiments._statistics import holm, paired  # noqa: E402

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 6))
LABELS = (X[:, 0] > 0).astype(np.int64) + (X[:, 1] > 0.5)
TEST = (X[90:], LABELS[90:])
TRAIN = (X[:90], LABELS[:90])
LAYERS = [fa.Dense(8, "tanh"), fa.Dense(5, "tanh"), fa.Dense(3, "softmax")]
QUICK = {"layers": LAYERS, "epochs": 3, "optimizer": fa.SGD(0.3), "progress": False}


def compared(contestants=("bp", "fa", "dfa"), data=TRAIN, **options):
    return fa.compare(contestants, data, **{"test": TEST, "seeds": 4, **QUICK, **options})


@pytest.fixture(scope="module")
def found():
    return compared()


# ---- statistics ----------------------------------------------------------------------------------


def test_a_paired_test_is_scipys():
    a, b = RNG.normal(size=(2, 7))
    test = stats.ttest_rel(a, b)
    interval = test.confidence_interval(0.95)
    assert paired(a, b) == pytest.approx((np.mean(a - b), *interval, test.pvalue))


@pytest.mark.parametrize("values", [[0.25], [0.1, 0.2], [0.5, 0.5, 0.5]])
def test_without_spread_there_is_no_p(values):
    values = np.array(values)
    mean, *_, p = paired(values + 0.1, values)  # 0.1 but for rounding
    assert mean == pytest.approx(0.1)
    assert math.isnan(p)


def test_holms_method():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == [1, 1]
    adjusted = holm([math.nan, 0.01, 0.03])  # what couldn't be tested doesn't count
    assert math.isnan(adjusted[0])
    assert adjusted[1:] == pytest.approx([0.02, 0.03])


def test_the_table_has_means_and_intervals(found):
    for row in found.table():
        values = found.values()[row["contestant"]]
        low, high = stats.t.interval(0.95, 3, values.mean(), stats.sem(values))
        assert [row["mean"], row["low"], row["high"]] == pytest.approx([values.mean(), low, high])
        assert (row["n"], row["diverged"]) == (4, 0)
        assert row["seconds"] > 0


def test_differences_are_in_pairs(found):
    values = found.values("test_loss")
    rows = found.differences(base="fa", measure="test_loss")
    assert [row["contestant"] for row in rows] == ["bp", "dfa"]
    p = []
    for row in rows:
        test = stats.ttest_rel(values[row["contestant"]], values["fa"])
        p.append(test.pvalue)
        assert row["p"] == pytest.approx(test.pvalue)
        assert [row["low"], row["high"]] == pytest.approx([*test.confidence_interval()])
    assert [row["p_holm"] for row in rows] == pytest.approx(holm(p))


# ---- what is trained -----------------------------------------------------------------------------


def test_each_is_trained_as_it_would_be_alone(found):
    for rule in ("bp", "dfa"):
        net = fa.Network(6, LAYERS, rule, "cross_entropy", seed=2)
        trainer = fa.Trainer(net, fa.SGD(0.3), batch_size=20, epochs=3, seed=2, progress=False)
        alone = trainer.fit(TRAIN, test=TEST)
        ours = found.histories[rule][2]
        for key in ("train_loss", "test_loss", "test_error"):
            assert ours[key] == alone[key]
        assert found.values()[rule][2] == alone["test_error"][-1]


def test_kinds_of_contestants_and_their_own_settings():
    seen = []

    def network(seed):
        seen.append(seed)
        return fa.Network(6, LAYERS, "fa", "cross_entropy", seed)

    found = compared(
        {
            "a": fa.Feedback("uniform"),
            "function": network,
            "settings": {"feedback": "fa", "epochs": 2, "optimizer": fa.SGD(0.3)},
            "both": {"network": network, "batch_size": 90},
            "one each": ["fa", "fa"],
            "np": fa.NodePerturbation(0.01),
        },
        seeds=[5, 3],
    )
    assert found.seeds == (5, 3)
    assert {*seen} == {5, 3}
    first = found.histories["a"][5]["test_loss"]
    assert found.histories["function"][5]["test_loss"] == first
    assert found.histories["one each"][5]["test_loss"] == first
    assert found.histories["settings"][5]["test_loss"] == first[:2]
    assert found.histories["both"][5]["test_loss"] != first
    assert found.histories["a"][3]["test_loss"] != first


class Passing:
    """An object with propagate, which can be called, too."""

    def propagate(self, delta):
        return delta @ np.ones((delta.shape[1], 8), delta.dtype)

    def __call__(self, seed):
        raise AssertionError


def test_an_object_with_propagate_is_no_function_of_the_seed():
    layers = [fa.Dense(8, "tanh"), fa.Dense(3, "softmax")]
    found = compared({"own": Passing()}, layers=layers, seeds=1, epochs=1)
    assert found.table()[0]["n"] == 1


def test_defaults_serve_labels_and_targets():
    digits = fa.data.load("mnist-mini")
    few = fa.data.Dataset(
        "few", digits.train.take(range(0, 6000, 20)), digits.test, 10, (1, 28, 28)
    )
    found = fa.compare(["fa"], few, epochs=2, seeds=1, progress=False)
    assert (found.measure, found.data) == ("test_error", "few")
    assert found.values()["fa"][0] < 0.6
    for y in (X[:, :2], X[:, 0]):
        found = fa.compare(["fa"], (X, y), epochs=2, seeds=1, progress=False)
        assert found.measure == "validation_loss"


def test_what_is_compared_is_said():
    assert compared(seeds=1).measure == "test_error"
    assert compared(seeds=1, test=None).measure == "validation_error"
    assert compared(seeds=1, validation=0.2, measure="validation_loss").measure == "validation_loss"
    one_hot = np.eye(3)[LABELS]
    assert compared(data=(X, one_hot), test=None, seeds=1).measure == "validation_error"


def test_test_labels_may_have_a_class_that_training_has_not():
    found = fa.compare(["fa"], (X, LABELS * 0), test=TEST, epochs=1, seeds=1, progress=False)
    assert found.table()[0]["n"] == 1


# ---- what doesn't come to its end ----------------------------------------------------------------


def diverging(seed):
    layers = [fa.Dense(8, "relu"), fa.Dense(3, "linear")]
    net = fa.Network(6, layers, "bp", seed=seed, dtype="float32")
    if seed == 1:
        net.weights[0][:] = 1e30
        net.weights[1][:] = 1e30
    return net


def test_divergence_is_told_and_has_no_part():
    found = compared({"good": "bp", "bad": diverging}, measure="test_error", seeds=3)
    good, bad = found.table()
    assert (good["n"], good["diverged"], bad["n"], bad["diverged"]) == (3, 0, 2, 1)
    assert np.isnan(found.values()["bad"]).tolist() == [False, True, False]
    (row,) = found.differences()
    values = found.values()
    assert row["n"] == 2
    assert row["mean"] == pytest.approx(np.nanmean(values["bad"] - values["good"]))
    assert "1 diverged" in str(found)
    assert "bad, seed 1, diverged" in str(found)
    assert "bad, seed 1, diverged" in found._repr_html_()
    assert found.complete


def test_what_diverged_later_has_no_part_either():
    layers = [fa.Dense(8, "relu"), fa.Dense(3, "linear")]
    bad = {
        "layers": layers,
        "optimizer": fa.SGD(0.01),
        "schedule": {2: 1e9},
        "loss": "squared_error",
    }
    found = compared({"good": "bp", "<b>": bad}, measure="test_error", seeds=2)
    assert [len(history) for history in found.histories["<b>"].values()] == [1, 1]
    assert math.isnan(found.table()[1]["mean"])
    assert found.differences()[0]["n"] == 0
    assert "–" in str(found)
    assert "<b>, seed 1, diverged" in str(found)
    assert "<b>," not in found._repr_html_()
    pytest.importorskip("matplotlib")
    lines = {line.get_label(): line for line in found.plot().axes[0].lines}
    assert len(lines["good"].get_ydata()) == 3
    assert len(lines["<b>"].get_ydata()) == 0


class Stop(fa.Schedule):
    """Ctrl-C in the training number `at`."""

    def __init__(self, at):
        self.at, self.begun = at, 0

    def lr(self, epoch, history):
        self.begun += epoch == 1
        if self.begun == self.at:
            raise KeyboardInterrupt
        return 0.1


def test_ctrl_c_keeps_what_is_done():
    with pytest.warns(RuntimeWarning, match="interrupted"):
        found = compared(["bp", "fa"], schedule=Stop(4))
    assert [len(found.histories[name]) for name in ("bp", "fa")] == [2, 1]
    assert not found.complete
    assert [row["n"] for row in found.table()] == [2, 1]
    assert found.differences()[0]["n"] == 1
    assert "Interrupted: 3 of 8 networks" in str(found)
    with pytest.raises(KeyboardInterrupt):
        compared(["bp", "fa"], schedule=Stop(1))


# ---- what is told --------------------------------------------------------------------------------


def test_records_and_csv(found, tmp_path):
    found.to_csv(tmp_path / "r.csv")
    with open(tmp_path / "r.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(found.records) == 3 * 4 * 3
    last = [row for row in rows if (row["contestant"], row["seed"]) == ("fa", "3")][-1]
    assert float(last["test_error"]) == found.values()["fa"][3]
    assert {"angle_bp.0", "angle_bp.1"} <= last.keys()


def test_angles_are_those_of_the_training_examples(found):
    first = [row for row in found.angles if row["epoch"] == 0 and row["seed"] == 1]
    assert {(row["contestant"], row["layer"]) for row in first} == {
        (name, layer) for name in ("bp", "fa", "dfa") for layer in (0, 1)
    }
    net = fa.Network(6, LAYERS, "fa", "cross_entropy", seed=1)
    alone = fa.metrics.alignment(net, X[:90], np.eye(3)[LABELS[:90]])
    ours = next(row for row in first if row["contestant"] == "fa" and row["layer"] == 1)
    assert ours["angle_bp"] == pytest.approx(alone[1].angle_bp)
    assert not compared(angles=False, seeds=1).angles


def test_the_text(found):
    text = str(found)
    assert text.startswith("test error at the last epoch, mean over seeds")
    row = found.table()[1]
    assert f"{100 * row['mean']:.2f}" in text
    assert "less that of bp" in text


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags = []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)


def test_pages_are_escaped_and_whole(tmp_path):
    found = compared({"<script>": "bp", "a & b": "fa"}, seeds=2, epochs=1)
    found.save_html(tmp_path / "c.html")
    page = (tmp_path / "c.html").read_text()
    reader = Tags()
    reader.feed(page)
    assert "script" not in reader.tags
    assert "&lt;script&gt;" in page
    assert "a &amp; b" in page
    assert reader.tags.count("table") == 2
    pytest.importorskip("matplotlib")
    assert "data:image/png;base64" in page


def test_curves_and_bands(found):
    pytest.importorskip("matplotlib")
    errors, angles = found.plot().axes
    line = next(line for line in errors.lines if line.get_label() == "fa")
    last = 100 * found.values()["fa"].mean()
    assert line.get_ydata()[-1] == pytest.approx(last)
    assert len(errors.collections) == 3  # a band each
    assert "Test error (%)" in errors.get_ylabel()
    assert {"hidden layer 1", "hidden layer 2"} == {
        text.get_text() for text in angles.get_legend().get_texts()
    }
    assert len(compared(["shallow"], seeds=1).plot().axes) == 1  # no angle is a number


def test_it_travels(found):
    again = pickle.loads(pickle.dumps(found))
    assert again.table() == found.table()


# ---- errors, before any training -----------------------------------------------------------------

REFUSED = [
    ({"contestants": "bp"}, "contestants was 'bp'; it must be a dict"),
    ({"contestants": {}}, "contestants was empty"),
    ({"contestants": ["bp", "bp"]}, "must have different names"),
    ({"contestants": {"a": "bpp"}}, "feedback was 'bpp'"),
    ({"contestants": {"bp": "bp", "a": "bpp"}}, r"of contestant 'a'"),
    ({"contestants": {3: "bp"}}, "the name 3"),
    (
        {"contestants": {"a": fa.Network(6, LAYERS, loss="cross_entropy")}},
        "must be a function of the seed",
    ),
    ({"contestants": {"a": lambda seed: 5}}, "returned 5 for the seed 0"),
    ({"contestants": {"a": {"lr": 0.1}}}, "a key of contestants"),
    ({"contestants": {"a": {"network": 5}}}, "must be a function of the seed"),
    ({"contestants": {"a": {"network": diverging, "loss": "cross_entropy"}}}, "beside 'network'"),
    ({"contestants": {"a": {"optimizer": 5}}}, "optimizer was 5"),
    ({"data": 5}, "data was 5"),
    ({"data": "mnist-mimi"}, "mnist-mimi"),
    ({"data": (X, LABELS[:5])}, "with the same N"),
    ({"data": (X * np.nan, LABELS)}, r"\[compare\] data X has nan"),
    ({"test": (X[:, :4], LABELS)}, "test X"),
    ({"test": 5}, "test was 5"),
    ({"validation": 2.0}, r"\[compare\] validation was 2.0"),
    ({"seeds": 0}, "seeds was 0"),
    ({"seeds": [1, 1]}, "list of different seeds"),
    ({"seeds": [1.5]}, r"seeds\[0\] was 1.5"),
    ({"base": "fb"}, "base was 'fb'; it must be one of bp, fa, dfa"),
    ({"measure": "test_eror"}, "measure was 'test_eror'"),
    ({"angles": 1}, "angles was 1"),
    ({"epochs": 0}, "epochs was 0"),
    ({"contestants": {"bp": "bp", "a": {"optimizer": fa.SGD(1e15)}}}, r"lr was 1e\+15.*'a'"),
    ({"schedule": {3: 1e15}}, r"lr was 1e\+15"),
    ({"layers": 5}, "layers was 5"),
    ({"layers": []}, "layers was empty"),
]


@pytest.mark.parametrize(("options", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_nothing_is_trained_before_all_is_checked(options, message, monkeypatch):
    monkeypatch.setattr(fa.Trainer, "fit", lambda *_: pytest.fail("trained"))
    with pytest.raises((TypeError, ValueError), match=message):
        compared(**options)


def test_losses_of_two_kinds_are_not_compared():
    squared = {"feedback": "bp", "loss": "squared_error", "layers": [fa.Dense(3, "linear")]}
    with pytest.raises(ValueError, match=r"losses cross_entropy and squared_error"):
        compared({"a": "bp", "b": squared}, measure="test_loss")
    compared({"a": "bp", "b": squared}, seeds=1)  # errors can


def test_a_measure_that_is_not_there(found):
    for call in (found.table, found.values, lambda m: found.differences(measure=m)):
        with pytest.raises(ValueError, match=r"measure was 'seed'"):
            call("seed")
    with pytest.raises(ValueError, match=r"base was 'x'"):
        found.differences("x")


def test_without_scipy_nothing_begins(run_python):
    told = run_python(
        "import sys; sys.modules['scipy'] = None\n"
        "import fastfa as fa\n"
        "try: fa.compare(['bp'], 'mnist-mini')\n"
        "except ImportError as error: print(error)"
    )
    assert "pip install 'fastfa[compare]'" in told


# ---- the command ---------------------------------------------------------------------------------

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
        ("bp", "4", "0.1"), ("bp", "7", "0.1"), ("fa,lr=0.3", "4", "0.3"), ("fa,lr=0.3", "7", "0.3"),
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
