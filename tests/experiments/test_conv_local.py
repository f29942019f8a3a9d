"""Shared, local and full weights: the networks that are compared, and verdicts that can fail."""

from __future__ import annotations

import fastfa as fa
import numpy as np
import pytest

pytest.importorskip("scipy", reason="experiments need SciPy")
from fastfa.experiments import Results, conv_local, get, reproduce

CONV = get("conv-local")


@pytest.mark.parametrize("preset", ["quick", "paper"])
def test_the_networks_have_the_same_units_and_other_weights(preset):
    settings, data = CONV.presets[preset], fa.data.load("mnist-mini")
    nets = {s: conv_local.network(settings, s, "fa", data, 0) for s in conv_local.SHAPES}
    units = {s: [int(np.prod(shape)) for shape in net.shapes] for s, net in nets.items()}
    assert units["conv"] == units["local"] == units["dense"]
    free = {s: sum(w.size for w in net.weights[:-1]) for s, net in nets.items()}
    assert 10 * free["conv"] < free["local"] < free["dense"] / 10
    assert nets["conv"].weights[1].ndim == 4  # errors go through a convolution


def test_backprop_and_feedback_of_a_seed_begin_with_the_same_weights():
    settings, data = CONV.presets["quick"], fa.data.load("mnist-mini")
    for shape in conv_local.SHAPES:
        one, other = (conv_local.network(settings, shape, rule, data, 3) for rule in ("bp", "fa"))
        for a, b in zip(one.weights, other.weights, strict=True):
            np.testing.assert_array_equal(a, b)


def results(costs, sets=("mnist-mini",)):
    """Errors of five seeds: backprop's 10 %, and ``costs`` times that, with a little noise."""
    rng = np.random.default_rng(0)
    weights = {"conv": 400, "local": 9000, "dense": 200_000}
    rows = {}
    for name in sets:
        for shape in conv_local.SHAPES:
            for rule in conv_local.RULES:
                cost = {"bp": 1.0, "usf": 1.05}.get(rule, costs[shape])
                errors = 10 * cost * np.exp(rng.normal(0, 0.02, 5))
                rows[f"{name} {shape} {rule}"] = [
                    {"data": name, "weights": weights[shape], "error": [50.0, float(error)]}
                    for error in errors
                ]
    return Results({"sets": list(sets)}, rows)


def words(found):
    return [claim.measure(found).word for claim in CONV.claims]


def test_the_supposition_is_confirmed_where_shared_weights_cost_most_and_only_there():
    as_supposed = {"conv": 1.6, "local": 1.2, "dense": 1.1}
    assert words(results(as_supposed)) == ["reproduced"] * 6
    assert words(results(as_supposed, ("mnist", "fashion-mnist"))) == ["reproduced"] * 6
    assert words(results({"conv": 0.9, "local": 1.2, "dense": 1.4})) == ["differs"] * 6
    alike = words(results({"conv": 1.4, "local": 1.4, "dense": 1.4}))
    assert alike[0] == "reproduced"
    assert "reproduced" not in alike[1:5]


def test_a_run_is_repeatable_and_says_what_the_claims_read():
    small = dict(CONV.presets["quick"]) | {"examples": 200, "epochs": 2, "lr": [[1, 1e-3]]}
    rows = [CONV.run(small, "mnist-mini conv fa", 1) for _ in range(2)]
    assert rows[0] == rows[1]
    assert rows[0]["weights"] == 4 * 25 + 8 * 4 * 9
    assert len(rows[0]["error"]) == 2
    assert CONV.data(CONV.presets["paper"]) == ["mnist", "fashion-mnist"]


@pytest.mark.slow
def test_the_quick_preset_finds_that_feedback_alignment_struggles(tmp_path):
    summary = reproduce(CONV, "quick", out=tmp_path)
    verdicts = [claim["verdict"] for claim in summary["claims"]]
    assert verdicts[0] == "reproduced"
    assert "differs" not in verdicts  # five seeds of a tenth of the digits leave some undecided


def test_the_figure_has_a_row_for_each_set():
    pytest.importorskip("matplotlib")
    figure = CONV.draw(
        results({"conv": 1.6, "local": 1.2, "dense": 1.1}, ("mnist", "fashion-mnist"))
    )
    assert [ax.get_title() for ax in figure.axes] == ["mnist"] * 2 + ["fashion-mnist"] * 2
    assert [text.get_text() for text in figure.axes[1].get_legend().get_texts()] == [
        *("FA", "direct FA", "sign-symmetric")
    ]
