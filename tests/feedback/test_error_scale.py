"""The size of the errors that reach each layer: equal after ∘ σ′, growing, by the command; refusals."""

from __future__ import annotations

import capi
import fastfa as fa
import numpy as np
import pytest
import reference_feedback
from fastfa.cli.build import build_trainer
from fastfa.cli.dataset import prepare
from fastfa.cli.settings import resolve
from parity_cases import HIDDEN
from scale_cases import CASES, WIDTHS, assert_same_b, examples, in_c, in_python, network, sizes


@pytest.mark.parametrize("activation", HIDDEN)
@pytest.mark.parametrize("scale", [None, 0.02, 1.5, 40.0])
def test_expected_slopes_are_those_of_normal_pre_activations(activation, scale):
    for density in (1.0, 0.3):
        net = network("fa", activation, (3, 40, 7, 9, 2), weight_scale=scale, density=density)
        slopes = reference_feedback.expected_slopes(net)
        for layer, beta in enumerate(net.feedback_scales):
            v = reference_feedback.variance_of(
                net.feedback[layer], [3, 40, 7, 9, 2], layer, None, slopes
            )
            assert beta == pytest.approx(np.sqrt(3 * v), rel=1e-9)


@pytest.mark.parametrize("activation", HIDDEN[1:])
def test_errors_are_equal_after_the_slope(activation):
    large = (
        {"weight_scale": 0.3} if activation == "hard_tanh" else {}
    )  # else few units are beyond ±1
    net = network(fa.Feedback("uniform", gain=0.7), activation, **large)
    found = sizes(net, *examples(net))
    np.testing.assert_allclose(found, [0.7, 0.7, 0.7, 1.0], rtol=0.12)
    before = network(
        fa.Feedback("uniform", scale="equal_before_slope", gain=0.7), activation, **large
    )
    shrunk = sizes(before, *examples(before))
    assert shrunk[0] < 0.85 * shrunk[2]


@pytest.mark.parametrize(("kind", "options", "route"), CASES)
def test_errors_grow_as_they_are_told_to(kind, options, route):
    options = {"rank": 20} if kind == "low_rank" else options
    rule = fa.Feedback(kind, gain=0.3, growth=2.0, route=route, **options)
    net = network(rule)
    # the route target begins at the target, whose mean square is 1
    x, y = examples(net)
    top = 1.0 if route != "target" else 1 / np.sqrt(np.mean((y - net.forward(x)) ** 2))
    np.testing.assert_allclose(sizes(net, x, y), [1.2 * top, 0.6 * top, 0.3 * top, 1.0], rtol=0.2)


@pytest.mark.parametrize("route", ["layerwise", "direct"])
@pytest.mark.parametrize("activation", ["logistic", "tanh"])
def test_the_default_gain_sends_to_the_last_hidden_layer_what_it_always_did(activation, route):
    one = (5, 30, 4)
    net = network(fa.Feedback("normal", route=route), activation, one)
    assert net.feedback_scales[0] == pytest.approx(np.sqrt(1 / 90), rel=1e-15)
    deep = network(fa.Feedback("normal", route=route), activation)
    assert deep.feedback_scales[-1] == pytest.approx(np.sqrt(1 / (3 * WIDTHS[-2])), rel=1e-14)
    found = sizes(deep, *examples(deep))
    np.testing.assert_allclose(found[:2], found[2], rtol=0.12)


def test_a_growth_of_its_own_for_each_layer():
    rules = [fa.Feedback("normal", growth=g, gain=0.5) for g in (3.0, 2.0, 1.0)]
    net = network(rules)
    np.testing.assert_allclose(sizes(net, *examples(net)), [3.0, 1.0, 0.5, 1.0], rtol=0.15)


def test_local_layers():
    layers = [
        fa.LocallyConnected2D(4, 5, activation="tanh"),
        fa.LocallyConnected2D(6, 3, activation="tanh"),
        fa.Dense(10),
    ]
    for rule in (
        fa.Feedback("uniform", gain=0.5, growth=2),
        fa.Feedback("sign", gain=0.5, growth=2),
    ):
        net = fa.Network((2, 12, 12), layers, rule, seed=3, dtype="float64")
        found = sizes(net, *examples(net))
        np.testing.assert_allclose(found[:2], [1.0, 0.5], rtol=0.2)
        net.calibrate_feedback(*examples(net), gain=0.25, growth=0.5)
        np.testing.assert_allclose(sizes(net, *examples(net)), [0.125, 0.25, 1], rtol=1e-12)


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        ({}, fa.Feedback("uniform")),
        ({"growth": 4.0, "gain": 0.5}, fa.Feedback("uniform", gain=0.5, growth=4)),
        ({"before_slope": 1}, fa.Feedback("uniform", scale="equal_before_slope")),
    ],
)
def test_c_callers_have_growth_and_the_old_rule(given, rule):
    theirs = in_c(given)
    assert theirs.status == 0
    assert_same_b(theirs, in_python(rule))


def test_a_negative_growth_is_refused_by_the_core():
    assert in_c({"growth": -2.0}).status != 0
    assert "growth was -2; it must be above 0" in capi.last_error()


# ---- what is refused -----------------------------------------------------------------------------


class Own:
    def propagate(self, delta):
        return np.ones((len(delta), 15))


@pytest.mark.parametrize(
    ("feedback", "words"),
    [
        ("bp", ["0", "transpose", "no scale"]),
        (["fa", fa.Feedback("pseudoinverse")], ["1", "pseudoinverse", "no scale"]),
        (["fa", "shallow"], ["1", "zero"]),
        (["fa", fa.Feedback(Own())], ["1", "custom"]),
        (["fa", fa.Feedback("normal", scale=0)], ["1", "normal", "scale 0"]),
        (fa.NodePerturbation(0.1), ["node perturbation"]),
    ],
)
def test_feedback_without_a_size_is_refused(feedback, words):
    net = network(feedback, widths=(6, 20, 15, 4))
    before = repr(net.feedback), net.state_dict()
    with pytest.raises(ValueError, match=r"\[calibrate_feedback\]") as caught:
        net.calibrate_feedback(*examples(net), gain=1)
    assert all(word in str(caught.value) for word in words)
    assert repr(net.feedback) == before[0]
    for name, value in before[1].items():
        np.testing.assert_array_equal(net.state_dict()[name], value)


OUT_OF_RANGE = [
    {"gain": 0},
    {"gain": -1},
    {"gain": np.inf},
    {"gain": 1, "growth": 0},
    {"gain": 1, "growth": np.nan},
    {"gain": 1e200, "growth": 1e200},
]


@pytest.mark.parametrize("bad", OUT_OF_RANGE)
def test_numbers_out_of_range_are_refused(bad):
    net = network("fa", widths=(6, 20, 15, 4))
    before = net.feedback_scales
    with pytest.raises(ValueError, match=r"\[calibrate_feedback\]"):
        net.calibrate_feedback(*examples(net), **bad)
    assert net.feedback_scales == before


def test_errors_that_are_zero_have_no_size():
    net = network("fa", widths=(6, 20, 15, 4))
    x, _ = examples(net)
    with pytest.raises(ValueError, match="the delta of layer 0 is 0"):
        net.calibrate_feedback(x, net.forward(x), gain=1)
    with pytest.raises(ValueError, match="at least 1"):
        net.calibrate_feedback(x[:0], x[:0, :4], gain=1)


def test_gain_and_growth_belong_to_the_rules_of_scale():
    for name in ("gain", "growth"):
        with pytest.raises(ValueError, match=rf"{name} was 2\.0 beside scale=0\.5"):
            fa.Feedback("uniform", scale=0.5, **{name: 2.0})
        with pytest.raises(ValueError, match="must not be given"):
            fa.Feedback("transpose", **{name: 2.0})
        for bad in (0, -1, np.nan, np.inf, "two"):
            with pytest.raises((ValueError, TypeError), match=name):
                fa.Feedback("uniform", **{name: bad})
    with pytest.raises(ValueError, match="equal_before_slope"):
        fa.Feedback("uniform", scale="equal")


# ---- by the command ------------------------------------------------------------------------------


def built(**given):
    """The trainer that `fastfa train` makes of these settings, before it learns, and its data."""
    settings = resolve({}, {"dataset": "mnist-mini", "hidden": [30, 20], "normalise": True} | given)
    data = prepare(settings, fa.data.load("mnist-mini")).data
    return build_trainer(settings, data, None, 0), data


def test_the_command_calibrates_on_training_examples():
    given = {"feedback_matrix": "binary", "feedback_gain": 0.3, "feedback_growth": 2.0}
    trainer, data = built(**given, feedback_calibrate=200)
    y = fa.data.one_hot(data.train.labels[:200], 10)
    np.testing.assert_allclose(sizes(trainer.net, data.train.x[:200], y), [0.6, 0.3, 1], rtol=1e-5)
    part, _ = built(**given, feedback_calibrate=200, validation=0.5)
    assert part.net.feedback_scales != trainer.net.feedback_scales


def test_the_command_has_growth_and_the_old_rule():
    assert built(feedback_growth=2.0)[0].net.feedback[0].growth == 2
    assert built(feedback_scale_rule="equal_before_slope")[0].net.feedback[0].scale == (
        "equal_before_slope"
    )


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"feedback_calibrate": 100}, "feedback_gain was not given"),
        ({"feedback_calibrate": 0, "feedback_gain": 1.0}, "feedback_calibrate was 0"),
        ({"feedback_calibrate": 6001, "feedback_gain": 1.0}, "from 1 to 6000"),
        ({"feedback_calibrate": 9, "feedback": "np"}, "feedback_calibrate was 9"),
        ({"feedback_scale": 1.0, "feedback_scale_rule": "equal_error"}, "feedback_scale_rule"),
        ({"feedback_scale_rule": "equal"}, "scale was 'equal'"),
    ],
)
def test_the_command_refuses(given, words):
    with pytest.raises(ValueError, match=words):
        built(**given)
