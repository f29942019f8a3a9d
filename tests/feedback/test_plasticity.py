"""Feedback that learns, Kolen-Pollack and in general: by its equations and by what it does.

test_parity_rules.py compares it with the reference in many shapes; here are single steps that can
be followed by eye, what belongs to B's state, and the angle to Wᵀ on real digits.
"""

from __future__ import annotations

import fastfa as fa
import numpy as np
import pytest
from plasticity_cases import DECAY, RATE, copies, examples, network, plastic

# ---- Kolen-Pollack -----------------------------------------------------------------------------


def test_b_gets_the_transpose_of_the_update_of_w(rng):
    """Layerwise, what B gains is what W gains; each decays from its own value."""
    net = network("kp")
    x, y = examples(rng)
    for optimizer in (fa.SGD(RATE), fa.SGD(RATE, momentum=0.9), fa.SGD(RATE, reduction="sum")):
        for _ in range(3):
            w, b = copies(net.weights), copies(net.feedback_matrices)
            net.step(x, y, optimizer)
            for i in range(2):
                change = net.weights[i + 1] - w[i + 1]
                assert np.abs(change).max() > 1e-5
                np.testing.assert_allclose(net.feedback_matrices[i] - b[i], change.T, atol=1e-15)


def test_b_decays_as_w_does(rng):
    """W - Bᵀ shrinks by 1 - ηγ in every step, whatever is learned: so the two converge."""
    net = network("kp")
    x, y = examples(rng)
    difference = [net.weights[i + 1] - net.feedback_matrices[i].T for i in range(2)]
    for step in range(1, 20):
        net.step(x, y, fa.SGD(RATE, weight_decay=DECAY))
        for i in range(2):
            left = net.weights[i + 1] - net.feedback_matrices[i].T
            np.testing.assert_allclose(left, (1 - RATE * DECAY) ** step * difference[i], rtol=1e-9)


def test_the_direct_form_learns_from_the_output_error(rng):
    net = network(plastic("kolen_pollack", route="direct"))
    x, y = examples(rng)
    h, out, b = net.activations(x), net.deltas(x, y)[-1], copies(net.feedback_matrices)
    net.step(x, y, fa.SGD(RATE, weight_decay=DECAY))
    for i in range(2):
        expected = b[i] + RATE * (h[i].T @ out / len(x) - DECAY * b[i])
        np.testing.assert_allclose(net.feedback_matrices[i], expected, rtol=1e-12, atol=1e-15)


def test_layerwise_b_stays_where_the_weights_above_are_frozen(rng):
    x, y = examples(rng)
    for route, moves in (("layerwise", False), ("direct", True)):
        net = network(plastic("kolen_pollack", route=route), trainable=False)
        before = copies(net.feedback_matrices)
        net.step(x, y, fa.SGD(RATE, weight_decay=DECAY))
        assert np.array_equal(before[0], net.feedback_matrices[0]) != moves
        assert not np.array_equal(before[1], net.feedback_matrices[1])


def test_adam_moves_b_as_it_moves_w(rng):
    """B started at Wᵀ stays at Wᵀ, for every g is the same: kolen_pollack is then backprop."""
    bp = network("bp")
    arrays = [np.array(w.T) for w in bp.weights[1:]]
    net = network([fa.Feedback("array", array=a, plasticity="kolen_pollack") for a in arrays])
    x, y = examples(rng)
    for optimizer in (
        *(fa.Adam(0.01, weight_decay=0.1), fa.SGD(0.1, momentum=0.9), fa.AdamW(0.01)),
        *(fa.RMSprop(0.01), fa.SGD(0.1, momentum=0.9, nesterov=True)),
    ):
        for each in (net, bp):
            each.train_epoch(x, y, optimizer, batch_size=3)
        for left, right in zip(net.weights, bp.weights, strict=True):
            np.testing.assert_allclose(left, right, rtol=1e-9)
        for b, w in zip(net.feedback_matrices, net.weights[1:], strict=True):
            np.testing.assert_allclose(b, w.T, rtol=1e-12)
    assert not np.allclose(arrays[0], net.feedback_matrices[0], atol=1e-3)


# ---- state -------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", ["kp", "wm"])
def test_learned_feedback_is_saved_and_switching_starts_it_afresh(rule, rng):
    net, other = network(rule), network(rule, seed=9)
    x, y = examples(rng)
    start = copies(net.feedback_matrices)
    net.train_epoch(x, y, fa.SGD(RATE, momentum=0.9), batch_size=4)
    other.load_state_dict(net.state_dict())
    for left, right in zip(net.feedback_matrices, other.feedback_matrices, strict=True):
        np.testing.assert_array_equal(left, right)
        assert left.flags.writeable
    net.set_feedback("fa")
    net.set_feedback(rule)
    for left, right in zip(net.feedback_matrices, start, strict=True):
        np.testing.assert_array_equal(left, right)


def test_the_users_array_is_not_written(rng):
    own = rng.standard_normal((7, 4))
    kept = own.copy()
    for kind in ("kolen_pollack", "weight_mirror"):
        fb = fa.Feedback("array", array=own, plasticity=kind)
        net = network(["shallow", fb])
        net.train_epoch(*examples(rng), fa.SGD(RATE), batch_size=4)
        np.testing.assert_array_equal(own, kept)
        np.testing.assert_array_equal(fb.array, kept)
        assert not np.array_equal(net.feedback_matrices[1], kept)


def test_examples_that_lie_in_b_itself_are_copied_first(rng):
    """Sixteen units fill the core's rows, so Bᵀ is contiguous and would be read while it is learned."""
    layers, nets = [fa.Dense(16, "tanh"), fa.Dense(4, "linear")], []
    for _ in range(2):
        nets.append(fa.Network(16, layers, "kp", dtype="float64"))
    x, y = nets[0].feedback_matrices[0].T, rng.uniform(-1, 1, (4, 4))
    assert x.flags.c_contiguous
    for net, given in zip(nets, (x, x.copy()), strict=True):
        net.train_epoch(given, y, fa.SGD(0.5), batch_size=1)
    for left, right in zip(nets[0].weights, nets[1].weights, strict=True):
        np.testing.assert_array_equal(left, right)


# ---- what they are for -------------------------------------------------------------------------


def final_angles(rule, digits, decay: float) -> list[float]:
    x, y = digits
    layers = [fa.Dense(100, "tanh"), fa.Dense(60, "tanh"), fa.Dense(10, "softmax")]
    net = fa.Network(784, layers, rule, loss="cross_entropy", seed=1)
    sgd = fa.SGD(0.05, momentum=0.9, weight_decay=decay)
    for epoch in range(5):
        order = fa.data.permutation(len(x), 1, epoch)
        net.train_epoch(x, y, sgd, batch_size=20, order=order)
    return [row.weight_angle for row in fa.metrics.alignment(net, x[:100], y[:100])]


@pytest.fixture(scope="module")
def digits():
    data = fa.data.load("mnist-mini").train
    x = np.asarray(data.x, dtype="float32").reshape(len(data.x), -1)
    return x, fa.data.one_hot(data.labels, 10).astype("float32")


def test_kolen_pollack_and_the_weight_mirror_bring_the_weight_angle_under_15_degrees(digits):
    """On real digits, in both hidden layers, where feedback alignment stays above 30."""
    decay = 3e-3
    assert min(final_angles("fa", digits, decay)) > 30
    assert max(final_angles("kp", digits, decay)) < 15
    assert max(final_angles(plastic(fa.WeightMirror.average()), digits, decay)) < 15


def test_the_published_mirror_brings_the_angle_down_too(digits):
    """Its phases are small, so that a few epochs need a larger rate than 0.01; B's start stays in B."""
    mirrored = final_angles(plastic(fa.WeightMirror(growth=1.0)), digits, 0.0)
    for angle, fixed in zip(mirrored, final_angles("fa", digits, 0.0), strict=True):
        assert angle < fixed - 20
