"""fa.compare: the same seeds and examples for all, and the statistics of SciPy."""

from __future__ import annotations

import math

import fastfa as fa
import numpy as np
import pytest

stats = pytest.importorskip("scipy.stats", reason="needs SciPy (fastfa[compare])")

from compare_cases import LABELS, LAYERS, RNG, TEST, TRAIN, X, compared  # noqa: E402
from fastfa.experiments._statistics import holm, paired  # noqa: E402

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
