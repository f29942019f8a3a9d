"""A step in parts: wrong orders, wrong arguments, and what drops the pass."""

from __future__ import annotations

import fastfa as fa
import numpy as np
import pytest
from parity_cases import bits
from stepwise_cases import SGD, examples, network


def test_without_an_optimizer_there_is_an_error(rng):
    net = network()
    x, y = examples(rng)
    out = net.forward_step(x)
    with pytest.raises(TypeError, match=r"\[apply_error\] optimizer was None; it must be an SGD"):
        net.apply_error(y - out)
    with pytest.raises(TypeError, match=r"\[apply_error\] optimizer was 0\.1"):
        net.apply_error(y - out, 0.1)
    net.apply_error(y - out, SGD)


def drop_by_step(net, x, y):
    net.step(x, y, SGD)


def drop_by_epoch(net, x, y):
    net.train_epoch(x, y, SGD, batch_size=2)


def drop_by_loading(net, x, y):
    net.load_state_dict(net.state_dict())


def drop_by_ensemble(net, x, y):
    other = network(seed=9)
    fa.Ensemble([net, other]).train_epoch(x, y, SGD, batch_size=1)


@pytest.mark.parametrize("drop", [drop_by_step, drop_by_epoch, drop_by_loading, drop_by_ensemble])
def test_calls_that_learn_or_load_drop_the_pass(drop, rng):
    net = network()
    x, y = examples(rng)
    out = net.forward_step(x)
    drop(net, x, y)
    assert net.state is None
    before = bits(net)
    with pytest.raises(RuntimeError, match=r"\[apply_error\] no forward pass is kept"):
        net.apply_error(y - out, SGD)
    assert bits(net) == before


def test_every_wrong_order_is_told(rng):
    net = network()
    x, y = examples(rng)
    with pytest.raises(
        RuntimeError, match=r"\[apply_error\] no forward pass is kept; call forward_step"
    ):
        net.apply_error(y, SGD)
    with pytest.raises(RuntimeError, match=r"\[feedback_step\] no forward pass is kept"):
        net.feedback_step(y)
    with pytest.raises(RuntimeError, match=r"\[update_step\] no forward pass is kept"):
        net.update_step(SGD)
    out = net.forward_step(x)
    with pytest.raises(RuntimeError, match=r"\[update_step\] no error came since forward_step"):
        net.update_step(SGD)
    net.apply_error(y - out, SGD)
    before = bits(net)
    for again in (net.apply_error, net.feedback_step):
        with pytest.raises(RuntimeError, match="the update of this forward pass is done"):
            again(y - out)
    with pytest.raises(RuntimeError, match="the update of this forward pass is done"):
        net.update_step()
    assert bits(net) == before


def nan_at(a, *at):
    a = a.copy()
    a[at] = np.nan
    return a


@pytest.mark.parametrize(
    ("wrong", "error", "told"),
    [
        (lambda e: e[:, :2], ValueError, r"e has shape \(4, 2\).*must be \(4, 3\)"),
        (lambda e: e[:3], ValueError, r"e has shape \(3, 3\).*must be \(4, 3\)"),
        (lambda e: e[0], ValueError, r"e has shape \(1, 3\).*must be \(4, 3\)"),
        (lambda e: e[..., None], ValueError, r"e has shape \(4, 3, 1\)"),
        (
            lambda e: nan_at(e, 2, 1),
            ValueError,
            r"e has nan at \[2, 1\]; every value must be finite",
        ),
        (lambda e: nan_at(e, 3, 0).tolist(), ValueError, r"e has nan at \[3, 0\]"),
        (lambda e: e * np.inf, ValueError, r"e has -?inf at \[0, 0\]"),
        (lambda e: e.astype(complex), TypeError, "e has dtype complex128"),
        (lambda e: "error", TypeError, "e has dtype"),
    ],
)
@pytest.mark.parametrize("part", ["apply_error", "feedback_step"])
def test_a_wrong_error_is_told_and_the_right_one_can_follow(part, wrong, error, told, rng):
    left, right = network(), network()
    x, y = examples(rng)
    left.step(x, y, SGD)
    out = right.forward_step(x)
    before = bits(right)
    optimizer = [SGD] if part == "apply_error" else []
    with pytest.raises(error, match=rf"\[{part}\] " + told):
        getattr(right, part)(wrong(y - out), *optimizer)
    assert bits(right) == before
    right.apply_error(y - out, SGD)
    assert bits(left) == bits(right)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (lambda x: x[:, :4], r"x has shape \(4, 4\); it must be \(N, 5\)"),
        (lambda x: x[:0], r"x has shape \(0, 5\)"),
        (lambda x: x[0, :3], r"x has shape \(1, 3\)"),
        (lambda x: nan_at(x, 1, 4), r"x has nan at \[1, 4\]; every value must be finite"),
        (lambda x: -x / 0, r"x has -?inf at \[0, 0\]"),
    ],
)
def test_a_wrong_input_is_told_and_the_pass_before_is_kept(wrong, told, rng):
    left, right = network(), network()
    x, y = examples(rng)
    left.step(x, y, SGD)
    out = right.forward_step(x)
    with np.errstate(divide="ignore"), pytest.raises(ValueError, match=r"\[forward_step\] " + told):
        right.forward_step(wrong(x))
    right.apply_error(y - out, SGD)
    assert bits(left) == bits(right)


def test_the_target_is_asked_for_where_a_route_starts_there_and_only_there(rng):
    net = network("drtp")
    x, y = examples(rng)
    out = net.forward_step(x)
    with pytest.raises(ValueError, match=r"\[apply_error\] target was null; it must be \(4, 3\)"):
        net.apply_error(y - out, SGD)
    with pytest.raises(ValueError, match=r"\[apply_error\] target has nan at \[1, 1\]"):
        net.apply_error(y - out, SGD, target=nan_at(y, 1, 1))
    net.apply_error(y - out, SGD, target=y)
    net = network("dfa")
    out = net.forward_step(x)
    with pytest.raises(ValueError, match=r"target was given; it must not be"):
        net.feedback_step(y - out, target=y)


def test_node_perturbation_has_no_error_to_carry(rng):
    net = network(fa.NodePerturbation(0.1))
    x, y = examples(rng)
    out = net.forward_step(x)
    with pytest.raises(ValueError, match="node perturbation: from losses, not from an error"):
        net.apply_error(y - out, SGD)
    net.set_feedback("fa")
    net.apply_error(y - out, SGD)


def test_an_optimizer_that_does_not_fit_changes_nothing(rng):
    net = network()
    x, y = examples(rng)
    out = net.forward_step(x)
    before = bits(net)
    with pytest.raises(ValueError, match=r"\[SGD\] lr"):
        net.apply_error(y - out, fa.SGD(1e12))
    assert net.state.deltas is None
    assert bits(net) == before
    net.apply_error(y - out, SGD)
