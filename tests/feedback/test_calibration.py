"""The size of errors by calibration: as measured on examples, for every rule, in C and on devices."""

from __future__ import annotations

import ctypes as c
import json

import capi
import fastfa as fa
import numpy as np
import pytest
from devices import ORDERS, emulated
from safetensors import safe_open
from scale_cases import CASES, assert_same_b, examples, in_c, in_python, network, sizes


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("kind", "options", "route"), CASES)
def test_calibration_gives_the_profile_that_is_asked_for(kind, options, route, dtype):
    net = network(
        fa.Feedback(kind, route=route, **options), "logistic", (7, 33, 31, 32, 5), dtype=dtype
    )
    x, y = examples(net, 300)
    x *= 3  # nothing that the rule at construction could know
    before = [b / np.abs(b).max() for b in net.feedback_matrices]
    scales = net.calibrate_feedback(x, y, gain=0.6, growth=4.0)
    assert scales == net.feedback_scales == tuple(rule.scale for rule in net.feedback)
    close = 1e-12 if dtype == "float64" else 1e-5
    np.testing.assert_allclose(sizes(net, x, y), [9.6, 2.4, 0.6, 1.0], rtol=close)
    for b, was in zip(net.feedback_matrices, before, strict=True):
        np.testing.assert_allclose(b / np.abs(b).max(), was, atol=close)
    # the same B, to the bit, by what the network says of itself
    again = network(list(net.feedback), "logistic", (7, 33, 31, 32, 5), dtype=dtype)
    for b, other in zip(net.feedback_matrices, again.feedback_matrices, strict=True):
        np.testing.assert_array_equal(b, other)


def test_calibration_of_mixed_routes_and_of_an_array():
    rng = np.random.default_rng(2)
    rules = [
        fa.Feedback("normal"),
        fa.Feedback("array", array=rng.standard_normal((30, 5)), route="direct"),
        fa.Feedback("uniform", route="target"),
        fa.Feedback("array", array=rng.standard_normal((20, 5))),
    ]
    net = network(rules, widths=(7, 40, 30, 25, 20, 5))
    given = net.feedback_matrices[1].copy()
    x, y = examples(net, 64)
    scales = net.calibrate_feedback(x, y, gain=0.1, growth=0.5)
    assert scales[1] == scales[3] == 0
    np.testing.assert_allclose(sizes(net, x, y), [0.0125, 0.025, 0.05, 0.1, 1], rtol=1e-12)
    b = net.feedback_matrices[1]
    np.testing.assert_allclose(b / b[0, 0], given / given[0, 0], rtol=1e-12)
    np.testing.assert_array_equal(net.feedback[1].array, b)
    net.set_feedback(net.feedback)
    np.testing.assert_array_equal(net.feedback_matrices[1], b)


@emulated
def test_calibration_on_a_device():
    rules = [fa.Feedback("procedural"), "kp", fa.Feedback("sign", magnitude="fixed")]
    layers = [fa.Dense(n, "tanh") for n in (33, 20, 17)] + [fa.Dense(4)]
    nets = [fa.Network(6, layers, rules, seed=3, device=d) for d in ("cpu", ORDERS[2])]
    x, y = examples(nets[0], 70)
    for net in nets:
        net.step(x, y, fa.SGD(0.1))  # so that B into layer 1 has learned
        net.calibrate_feedback(x, y, gain=0.3, growth=2)
        np.testing.assert_allclose(sizes(net, x, y), [1.2, 0.6, 0.3, 1.0], rtol=1e-5)
    np.testing.assert_allclose(nets[0].feedback_scales, nets[1].feedback_scales, rtol=1e-5)


def test_weights_that_were_made_smaller_are_seen():
    net = network(fa.Feedback("uniform", gain=0.5), "logistic")
    for w in net.weights:
        w *= 0.1
    x, y = examples(net)
    net.calibrate_feedback(x, y, gain=0.5)
    np.testing.assert_allclose(sizes(net, x, y), [0.5, 0.5, 0.5, 1], rtol=1e-12)


@pytest.mark.parametrize("plasticity", ["kolen_pollack", "weight_mirror"])
def test_a_b_that_has_learned_is_multiplied_and_learns_on(plasticity):
    net = network(fa.Feedback("uniform", plasticity=plasticity), widths=(6, 20, 15, 4))
    x, y = examples(net, 40)
    for _ in range(5):
        net.step(x, y, fa.SGD(0.1, momentum=0.9))
    learned = [b.copy() for b in net.feedback_matrices]
    old = net.feedback_scales
    scales = net.calibrate_feedback(x, y, gain=0.3, growth=2)
    for b, was, new, before in zip(net.feedback_matrices, learned, scales, old, strict=True):
        np.testing.assert_allclose(b, was * (new / before), rtol=1e-12)
    np.testing.assert_allclose(sizes(net, x, y), [0.6, 0.3, 1], rtol=1e-12)
    net.step(x, y, fa.SGD(0.1, momentum=0.9))
    assert all(r.plasticity == plasticity for r in net.feedback)


def test_a_calibrated_network_goes_on_from_its_checkpoint(tmp_path):
    for kind, options, route in CASES:
        if kind == "sign" and options["magnitude"] == "redrawn":
            continue
        net = network(
            fa.Feedback(kind, route=route, **options), widths=(6, 33, 31, 5), dtype="float32"
        )
        x, y = examples(net, 40)
        net.calibrate_feedback(x, y, gain=0.3, growth=2)
        fa.save(tmp_path / "net.safetensors", net)
        other = fa.load(tmp_path / "net.safetensors")
        assert other.feedback_scales == net.feedback_scales
        for b, same in zip(net.feedback_matrices, other.feedback_matrices, strict=True):
            np.testing.assert_array_equal(b, same)


def test_files_from_before_mean_what_they_meant(tmp_path):
    """Then "equal_error" was said of errors equal before ∘ σ′; a newer word tells the new rule."""
    path = tmp_path / "net.safetensors"
    for scale, word in (
        ("equal_before_slope", "equal_error"),
        ("equal_error", "equal_after_slope"),
    ):
        net = network(fa.Feedback("binary", scale=scale, gain=0.5), widths=(6, 9, 8, 3))
        fa.save(path, net)
        with safe_open(path, "np") as file:
            described = json.loads(file.metadata()["fastfa"])["network"]["is"]["feedback"]
        assert {each["scale"] for each in described} == {word}
        assert fa.load(path).feedback_scales == net.feedback_scales
        assert fa.load(path).feedback[0].scale == scale


def test_calibration_by_c_is_the_same():
    theirs, ours = in_c({}), in_python("fa")
    x, y = examples(ours, 11)
    ours.calibrate_feedback(x, y, gain=0.2, growth=3)
    numbers = c.c_double(0.2), c.c_double(3.0)
    assert theirs.call("calibrate_feedback", capi.view(x), capi.view(y), *numbers) == 0
    assert_same_b(theirs, ours)


def test_only_scales_change():
    net = network("fa", widths=(6, 20, 15, 4))
    x, y = examples(net, 40)
    net.step(x, y, fa.Adam(0.01))
    kept = {k: v for k, v in net.state_dict().items() if not k.startswith("feedback")}
    net.calibrate_feedback(x, y, gain=1)
    for name, value in kept.items():
        np.testing.assert_array_equal(net.state_dict()[name], value)
    assert net.steps == 1
