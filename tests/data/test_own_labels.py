"""Frames, names, booleans and integers as labels: what a network makes of them."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import fastfa as fa
import numpy as np
import pytest

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3))
NUMBERS = np.arange(60) % 3
NAMES = np.array(["b", "c", "a"])[NUMBERS]  # in alphabetical order 1, 2, 0
ORDERED = np.array([1, 2, 0])[NUMBERS]
SGD = fa.SGD(0.1)


def network(outputs: int = 3, output: str = "softmax", loss: str = "cross_entropy") -> fa.Network:
    return fa.Network(3, [fa.Dense(5, "tanh"), fa.Dense(outputs, output)], loss=loss, seed=1)


def trainer(net: fa.Network, **more) -> fa.Trainer:
    return fa.Trainer(net, SGD, epochs=2, batch_size=7, progress=False, **more)


def same(one: fa.Network, other: fa.Network) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one.weights, other.weights, strict=True))


@pytest.mark.parametrize("kind", [list, np.array, lambda v: np.array(v, object)])
def test_a_fit_to_names_is_that_to_their_numbers(kind) -> None:
    named, numbered = network(), network()
    trainer(named).fit((X, kind(NAMES.tolist())), validation=(X[:9], NAMES[:9]))
    trainer(numbered).fit((X, ORDERED), validation=(X[:9], ORDERED[:9]))
    assert same(named, numbered)
    assert named.class_names == ("a", "b", "c")
    assert numbered.class_names == ()


def test_sets_that_are_measured_go_by_the_names_of_the_training_set() -> None:
    net, few = network(), NAMES != "a"
    record = trainer(net).fit((X, NAMES), test=(X[few], NAMES[few])).records[-1]
    assert record["test_loss"] == pytest.approx(net.evaluate(X[few], ORDERED[few]).loss)
    with pytest.raises(
        ValueError, match=r"\[fit\] test labels\[0\] was 'd'; it must be one of 'a'"
    ):
        trainer(net).fit((X, NAMES), test=(X, ["d"] * 60))
    # What comes later has the same numbers, though it lacks a class.
    before = net.class_names
    trainer(net).fit((X[few], NAMES[few]))
    assert net.class_names == before


def test_names_that_are_no_classes_of_the_network_are_refused_before_anything_changes() -> None:
    net = network(4)
    weights = net.state_dict()
    with pytest.raises(
        ValueError, match=r"has 3 names \('a', 'b', 'c'\); the network has 4 outputs"
    ):
        trainer(net).fit((X, NAMES))
    assert net.class_names == ()
    net.class_names = ["a", "b", "c", "d"]
    with pytest.raises(ValueError, match=r"train labels\[59\] was ''; it must be a name"):
        trainer(net).fit((X, [*NAMES[:59], ""]))
    assert all(np.array_equal(net.state_dict()[name], array) for name, array in weights.items())
    trainer(net).fit((X, NAMES))


@pytest.mark.parametrize("output", ["softmax", "tanh"])
def test_labels_stand_for_targets_wherever_these_are_taken(output: str) -> None:
    loss = "cross_entropy" if output == "softmax" else "squared_error"
    net = network(3, output, loss)
    low, high = (0.0, 1.0) if output == "softmax" else (-0.9, 0.9)
    Y = fa.data.one_hot(ORDERED, 3, low, high)
    net.class_names = ("a", "b", "c")
    for labels in (ORDERED, ORDERED.tolist(), NAMES, ORDERED.astype(np.uint8)):
        assert net.evaluate(X, labels) == net.evaluate(X, Y)
        assert all(map(np.array_equal, net.deltas(X, labels), net.deltas(X, Y)))
        one, two = fa.metrics.alignment(net, X, labels)[0], fa.metrics.alignment(net, X, Y)[0]
        assert (one.angle_bp, one.descent) == (two.angle_bp, two.descent)
        one, two = copy.deepcopy(net), copy.deepcopy(net)
        assert one.step(X, labels, SGD) == two.step(X, Y, SGD)
        one.train_epoch(X, labels, SGD, batch_size=7)
        two.train_epoch(X, Y, SGD, batch_size=7)
        assert same(one, two)
    assert fa.metrics.error_rate(net, X, NAMES) == fa.metrics.error_rate(net, X, ORDERED)


def test_booleans_are_classes_0_and_1_of_two_outputs_and_the_target_of_one() -> None:
    truth = X[:, 0] > 0
    pairs = []
    for labels in (truth, truth.astype(int), np.where(truth, "yes", "no")):
        one, two = network(1, "logistic"), network(2)
        trainer(one).fit((X, labels), validation=(X, labels))
        trainer(two).fit((X, labels), validation=(X, labels))
        pairs.append((one, two))
    for one, two in pairs[1:]:
        assert same(one, pairs[0][0])
        assert same(two, pairs[0][1])
    assert pairs[2][0].class_names == pairs[2][1].class_names == ("no", "yes")
    assert pairs[0][0].evaluate(X, truth) == pytest.approx(
        pairs[0][0].evaluate(X, truth[:, None].astype(float)), nan_ok=True
    )


def test_names_go_wherever_the_network_goes(tmp_path: Path) -> None:
    run = trainer(network(), callbacks=[fa.Alignment(X[:20], NAMES[:20])])
    run.fit((X, NAMES))
    fa.save(tmp_path / "run.st", run)
    again = fa.load(tmp_path / "run.st")
    for net in (again.net, copy.copy(run.net), pickle.loads(pickle.dumps(run.net))):
        assert net.class_names == ("a", "b", "c")
        assert net.evaluate(X, NAMES) == run.net.evaluate(X, ORDERED)
    into = network()
    fa.load(tmp_path / "run.st", into=into)
    assert into.class_names == ("a", "b", "c")
    angles = [[row["angle_bp"] for row in each.callbacks[0].rows] for each in (run, again)]
    assert angles[0] == angles[1]
    again.epochs = 4
    again.fit((X[NAMES != "b"], NAMES[NAMES != "b"]))


@pytest.mark.parametrize("value", [("a", "b"), "abc", ("a", "b", "b"), (1, 2, 3), 5])
def test_names_must_be_different_texts_one_for_each_output(value) -> None:
    net = network()
    with pytest.raises((TypeError, ValueError), match=r"\[Network\] class_names was .*must"):
        net.class_names = value
    net.class_names = np.array(["a", "b", "c"])
    assert net.class_names == ("a", "b", "c")
    net.class_names = ()


def test_rules_are_compared_on_names() -> None:
    pytest.importorskip("scipy")
    options = {"epochs": 1, "seeds": 2, "progress": False}
    one = fa.compare(["bp", "fa"], (X, NAMES), **options)
    two = fa.compare(["bp", "fa"], (X, ORDERED), **options)
    assert [row["mean"] for row in one.table()] == [row["mean"] for row in two.table()]
    assert one.measure == two.measure == "validation_error"


# ---- frames --------------------------------------------------------------------------------------


def test_frames_and_their_columns() -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X, columns=["p", "q", "r"], index=range(100, 160))
    frame["n"] = np.arange(60)  # an integer column beside floats
    series = pd.Series(NAMES, index=range(7, 67))
    plain = np.column_stack([X, np.arange(60)])
    nets = [fa.Network(4, [fa.Dense(3, "softmax")], loss="cross_entropy") for _ in range(6)]
    answers = [series, series.astype("category"), pd.Series(ORDERED, dtype="Int64"), ORDERED]
    for net, labels in zip(nets, answers, strict=False):
        trainer(net).fit((frame, labels))
    trainer(nets[4]).fit((plain, ORDERED))
    assert all(same(net, nets[4]) for net in nets[:4])
    assert np.array_equal(nets[0].forward(frame), nets[0].forward(plain))
    assert nets[0].step(frame, series, SGD) == nets[4].step(plain, ORDERED, SGD)
    assert fa.metrics.alignment(nets[0], frame, series) == []
    small = frame.astype({"p": "Float64", "n": "Int64"})
    assert np.array_equal(nets[0].forward(small), nets[0].forward(plain))


def test_what_is_no_number_in_a_frame_is_named() -> None:
    pd = pytest.importorskip("pandas")
    net = network()
    frame = pd.DataFrame(X, columns=["p", "q", "r"])
    wrong = frame.astype({"q": object})
    wrong.loc[3, "q"] = "much"
    with pytest.raises(
        TypeError, match=r"X: column 'q' holds text, such as 'much'; it must hold real"
    ):
        net.forward(wrong)
    for kind, column in (("float64", "r"), ("Float64", "p"), ("Int64", "q"), ("boolean", "q")):
        gone = (frame > 0 if kind in ("Int64", "boolean") else frame).astype({column: kind})
        gone.loc[5, column] = None
        with pytest.raises(ValueError, match=rf"X: column '{column}' has nan in row 5; .*fill in"):
            net.step(gone, ORDERED, SGD)
    gone = pd.Series(NAMES).mask(NAMES == "b")
    with pytest.raises(ValueError, match=r"labels\[0\] was nan; it must be a name"):
        trainer(net).fit((frame, gone))
    both = frame.assign(species=NAMES)
    both.loc[5, "r"] = None
    with pytest.raises(ValueError, match=r"the frame: column 'r' has nan in row 5"):
        fa.data.read_dataset(both)


def test_a_frame_is_read_as_its_csv_file_is(tmp_path: Path) -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X.round(3), columns=["p", "q", "r"]).assign(species=NAMES)
    frame.to_csv(tmp_path / "f.csv", index=False)
    one, two = fa.data.read_dataset(frame), fa.data.read_dataset(tmp_path / "f.csv")
    assert (one.class_names, one.feature_names) == (two.class_names, two.feature_names)
    for part in ("train", "test"):
        assert np.array_equal(getattr(one, part).x, getattr(two, part).x)
        assert np.array_equal(getattr(one, part).labels, getattr(two, part).labels)
    assert fa.data.read(frame).class_names == fa.data.read(tmp_path / "f.csv").class_names
    predicted = fa.data.read_dataset(frame, target="q", ignore=["species"])
    assert predicted.is_regression
    assert predicted.feature_names == ("p", "r")
    with pytest.raises(ValueError, match=r"target was 'z', which the frame has 0 times"):
        fa.data.read_dataset(frame, target="z")


def test_polars_frames() -> None:
    pl = pytest.importorskip("polars")
    frame = pl.DataFrame({"p": X[:, 0], "n": np.arange(60), "species": NAMES.tolist()})
    data = fa.data.read_dataset(frame)
    assert data.class_names == ("a", "b", "c")
    assert data.feature_names == ("p", "n")
