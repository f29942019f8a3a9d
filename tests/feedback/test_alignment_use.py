"""fastfa.metrics.alignment and the Alignment callback in use; test_alignment.py has the fields."""

from __future__ import annotations

import fastfa as fa
import numpy as np
import pytest
from alignment_cases import FIELDS, SHAPES, network, probe
from parity_cases import ALL_RULES, build, draw_data, plain_case


@pytest.mark.parametrize("rule", ["fa", "brsf", "pbp", "wm", "kp", "custom"])
@pytest.mark.parametrize("optimizer", [fa.SGD(0.1, momentum=0.9), fa.Adam(0.01)])
def test_looking_changes_nothing(rule, optimizer, rng):
    widths = SHAPES["small"]
    net, twin = (network(rule, widths, np.random.default_rng(1)) for _ in range(2))
    x, y = probe(widths, 30, rng)
    for each in (net, twin):
        each.step(x, y, optimizer)
    before = net.state_dict()
    first, again = (fa.metrics.alignment(net, x, y, pseudobackprop=True) for _ in range(2))
    for one, other in zip(first, again, strict=True):
        for name, value in one.as_dict().items():
            np.testing.assert_array_equal(value, other.as_dict()[name])
    after = net.state_dict()
    assert before.keys() == after.keys()
    assert all(before[name].tobytes() == after[name].tobytes() for name in before)
    assert net.steps == 1
    for each in (net, twin):
        each.step(x, y, optimizer)
    for left, right in zip(net.weights, twin.weights, strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("rule", [*ALL_RULES, "perturbed"])
def test_looking_between_steps_changes_no_rule(rule):
    """Noise, magnitudes and W⁺ belong to steps; what was asked for in between leaves no trace."""
    options = {"perturbation": 0.3} if rule == "perturbed" else {"rules": (rule,)}
    case = plain_case((6, 9, 17, 4), **options)
    net, twin = (build(case, "float64", np.random.default_rng(1)) for _ in range(2))
    x, y = draw_data(case, 24, "float64", np.random.default_rng(2))
    for start in range(0, 24, 3):
        for each in (net, twin):
            each.step(x[start : start + 3], y[start : start + 3], fa.SGD(0.05, momentum=0.5))
        net.deltas(x, y), net.feedback_matrices, net.forward(x[:2]), net.evaluate(x, y)
        net.deltas(x[:5], y[:5], feedback="pbp"), net.deltas(x, y, feedback="brsf")
        net.deltas(x, y, feedback=fa.NodePerturbation(0.2))
        fa.metrics.alignment(net, x, y, pseudobackprop=start % 2 == 0)
    for left, right in zip([*net.weights, *net.biases], [*twin.weights, *twin.biases], strict=True):
        np.testing.assert_array_equal(left, right)
    for left, right in zip(net.feedback_matrices, twin.feedback_matrices, strict=True):
        np.testing.assert_array_equal(left, right)


def test_the_callbacks_rows_are_what_the_metric_says(rng):
    widths = SHAPES["small"]
    net = network("dfa", widths, rng)
    x, y = probe(widths, 40, rng)
    watch = fa.Alignment(x[:20], y[:20], every=2, pseudobackprop=True)
    options = {"batch_size": 10, "epochs": 3, "progress": False}
    history = fa.Trainer(net, fa.SGD(0.05), callbacks=[watch], **options).fit((x, y))
    assert [row["batch"] for row in watch.rows[::3]] == [0, 2, 4, 6, 8, 10, 12]
    now = fa.metrics.alignment(net, x[:20], y[:20], pseudobackprop=True)
    for row, entry in zip(watch.rows[-3:], now, strict=True):
        assert set(row) == {"epoch", "batch", "examples", *FIELDS}
        for name, value in entry.as_dict().items():
            np.testing.assert_array_equal(row[name], value, err_msg=name)
    for layer in range(3):
        rows = [r for r in watch.rows if r["layer"] == layer and r["epoch"] == 3]
        for name in ("angle_bp", "angle_pbp", "descent", "norm_ratio", "gradient_angle"):
            mean = np.mean([row[name] for row in rows])
            assert history.records[-1][f"{name}.{layer}"] == pytest.approx(mean)
    never = fa.Alignment(x[:20], y[:20], pseudobackprop=False)
    fa.Trainer(net, fa.SGD(0.05), callbacks=[never], **options).fit((x, y))
    assert [row["batch"] for row in never.rows[::3]] == [0, 4, 8, 12]
    assert all(np.isnan(row["angle_pbp"]) for row in never.rows)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"x": np.ones((4, 5))}, ["X", "5", "6"]),
        ({"y": np.ones((4, 3))}, ["Y", "3", "4"]),
        ({"y": np.ones((3, 4))}, ["Y", "3"]),
        ({"x": np.full((4, 6), np.nan)}, ["X"]),
        ({"x": np.ones((0, 6)), "y": np.ones((0, 4))}, ["X", "0"]),
        ({"pseudobackprop": "yes"}, ["pseudobackprop", "yes"]),
        ({"pseudobackprop": 2}, ["pseudobackprop", "2"]),
    ],
)
def test_bad_arguments_are_explained(change, words, rng):
    given = {"x": np.ones((4, 6)), "y": np.ones((4, 4)), "pseudobackprop": None} | change
    net = network("fa", SHAPES["small"], rng)
    with pytest.raises((ValueError, TypeError)) as caught:
        fa.metrics.alignment(net, given["x"], given["y"], pseudobackprop=given["pseudobackprop"])
    for word in words:
        assert word in str(caught.value)
