"""What fa.compare keeps, tells and shows; what does not come to its end; what is refused."""

from __future__ import annotations

import csv
import math
import pickle
from html.parser import HTMLParser

import fastfa as fa
import numpy as np
import pytest

stats = pytest.importorskip("scipy.stats", reason="needs SciPy (fastfa[compare])")

from compare_cases import LABELS, LAYERS, X, compared  # noqa: E402

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
