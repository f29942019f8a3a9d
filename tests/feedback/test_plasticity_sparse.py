"""B that learns where W lacks some of its weights, and below layers that nothing is sent to."""

from __future__ import annotations

import fastfa as fa
import numpy as np
import pytest
from plasticity_cases import copies, examples, network

# ---- layers that lack some of their weights ----------------------------------------------------


def sparse_network(rule, *, density=0.5, dtype="float64", device="cpu", widths=(17, 40, 33, 5)):
    layers = [fa.Dense(n, "tanh", density=density) for n in widths[1:]]
    return fa.Network(widths[0], layers, rule, seed=8, dtype=dtype, device=device)


LEARNING = {
    "kp": "kp",
    "kp normal": fa.Feedback("normal", plasticity="kolen_pollack"),
    "kp orthogonal": fa.Feedback("orthogonal", plasticity="kolen_pollack"),
    "kp direct": ["kp", fa.Feedback("uniform", route="direct", plasticity="kolen_pollack")],
    "wm": "wm",
    "wm average": fa.Feedback("uniform", plasticity=fa.WeightMirror.average(0.5)),
}
OPTIMIZERS = [fa.SGD(0.1), fa.SGD(0.05, momentum=0.9, weight_decay=0.1), fa.Adam(0.01)]
OPTIMIZERS += [fa.AdamW(0.01), fa.RMSprop(0.01), fa.SGD(0.05, momentum=0.9, nesterov=True)]


def assert_zero_where_w_is(net):
    for b, w in zip(net.feedback_matrices, net.weights[1:], strict=True):
        missing = np.asarray(w).T == 0
        assert missing.mean() > 0.3
        assert not np.asarray(b)[missing].any()
        assert np.asarray(b)[~missing].all()


@pytest.mark.parametrize("batch", [1, 7, 24])
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
@pytest.mark.parametrize("rule", LEARNING)
def test_b_lacks_what_w_lacks(rule, optimizer, batch, rng):
    for dtype in ("float32", "float64"):
        net = sparse_network(LEARNING[rule], dtype=dtype)
        assert_zero_where_w_is(net)
        x, y = rng.standard_normal((24, 17)), rng.uniform(-1, 1, (24, 5))
        for _ in range(3):
            net.train_epoch(x, y, optimizer, batch_size=batch)
        assert_zero_where_w_is(net)


def test_b_lacks_it_in_a_step_in_parts_and_in_an_ensemble(rng):
    nets = [sparse_network("kp") for _ in range(3)]
    x, y = rng.standard_normal((24, 17)), rng.uniform(-1, 1, (24, 5))
    for first in range(0, 24, 8):
        out = nets[0].forward_step(x[first : first + 8])
        nets[0].apply_error(y[first : first + 8] - out, fa.SGD(0.1))
    fa.Ensemble(nets[1:]).train_epoch(x, y, fa.SGD(0.1), batch_size=8)
    for net in nets:
        assert_zero_where_w_is(net)


def test_kolen_pollack_below_a_sparse_layer_becomes_the_transpose(rng):
    """With decay W - Bᵀ fades, and there is nothing else in B: the angle goes to zero."""
    net = sparse_network("kp")
    x, y = rng.standard_normal((24, 17)), rng.uniform(-1, 1, (24, 5))
    for _ in range(200):
        net.train_epoch(x, y, fa.SGD(0.1, weight_decay=0.5), batch_size=8)
    for row in fa.metrics.alignment(net, x, y):
        assert row.weight_angle < 0.1


def test_what_is_assigned_or_loaded_is_not_kept_where_w_has_nothing(rng):
    own = rng.uniform(1, 2, (40, 33))
    rule = fa.Feedback("array", array=own, plasticity="kolen_pollack")
    net = sparse_network([rule, "kp"])
    assert_zero_where_w_is(net)
    there = np.asarray(net.weights[1]).T != 0
    np.testing.assert_array_equal(np.asarray(net.feedback_matrices[0])[there], own[there])
    state = net.state_dict() | {"feedback.0": own}
    net.load_state_dict(state)
    assert_zero_where_w_is(net)
    net.set_feedback("fa")
    assert np.asarray(net.feedback_matrices[0]).all()  # what doesn't learn is whole
    net.set_feedback([rule, "kp"])
    assert_zero_where_w_is(net)


def test_errors_of_equal_size_return_through_a_sparse_b(rng):
    """Half of the elements, each √2 as large. (After the slope they also depend on W's density.)"""
    rule = fa.Feedback("uniform", scale="equal_before_slope", plasticity="kolen_pollack")
    whole, half = sparse_network(rule, density=1.0), sparse_network(rule)
    for one, other in zip(whole.feedback_scales, half.feedback_scales, strict=True):
        assert other == pytest.approx(one * np.sqrt(2))


# ---- layers that nothing is sent to ------------------------------------------------------------


@pytest.mark.parametrize("optimizer", [*OPTIMIZERS, fa.SGD(0.1, weight_decay=0.1)], ids=repr)
@pytest.mark.parametrize("batch", [1, 3, 12])
def test_a_layer_that_nothing_is_sent_to_stays(optimizer, batch, rng):
    """Shallow learning changes the output only; decay, momentum and Adam do not change that."""
    direct = fa.Feedback("uniform", route="direct")
    cases = {
        ("shallow", "shallow"): (False, False),
        ("fa", "shallow"): (False, False),  # what comes from a silent layer is nothing
        ("shallow", "fa"): (False, True),
        (direct, "shallow"): (True, False),
        ("kp", "shallow"): (False, False),
    }
    for rules, moves in cases.items():
        for dtype in ("float32", "float64"):
            net = network(list(rules), dtype=dtype)
            x, y = examples(rng)
            before = copies([*net.weights, *net.biases, *net.feedback_matrices])
            for _ in range(2):
                net.train_epoch(x, y, optimizer, batch_size=batch)
            after = [*net.weights, *net.biases, *net.feedback_matrices]
            for i, expected in enumerate([*moves, True, *moves, True, False, False]):
                assert np.array_equal(before[i], after[i]) != expected, (rules, i)


def test_what_was_remembered_of_a_silent_layer_is_kept_for_later(rng):
    """A switch to shallow learning and back goes on with the velocity of before."""
    x, y = examples(rng)
    sgd = fa.SGD(0.05, momentum=0.9)
    net, other = network("fa"), network("fa")
    for each in (net, other):
        each.train_epoch(x, y, sgd, batch_size=4)
    w = np.array(net.weights[0])
    net.set_feedback("shallow")
    net.train_epoch(x, y, sgd, batch_size=4)
    np.testing.assert_array_equal(net.weights[0], w)
    net.set_feedback("fa")
    for each in (net, other):  # without an error, only the velocity moves them
        out = each.forward_step(x)
        each.apply_error(np.zeros_like(out), sgd)
    np.testing.assert_array_equal(net.weights[0], other.weights[0])
