"""An epoch of recorded steps is, in every bit, the epoch of the same steps one by one."""

from __future__ import annotations

import fastfa as fa
import numpy as np
import pytest
from conv_cases import examples, lenet
from devices import ORDERS, emulated, kernels_run
from local_cases import Patches, local_case
from parity_cases import ALL_RULES, build, draw_data, optimizer_of, plain_case

pytestmark = emulated
DEVICE = ORDERS[2]
# Rules in whose steps the host has a part.
BY_HAND = ("pbp", "pseudoinverse", "custom", "direct custom", "target custom", "wm")
OPTIMIZERS = [
    {},
    {"momentum": 0.9, "weight_decay": 0.1},
    {"adam": True, "weight_decay": 0.1},
    {"other": "nesterov", "momentum": 0.9, "weight_decay": 0.1},
    {"other": "adamw", "weight_decay": 0.1},
    {"other": "rmsprop", "weight_decay": 0.1},
]


def counts(what: str) -> int:
    return kernels_run()[what]


def state(net: fa.Network) -> dict[str, np.ndarray]:
    found = net.state_dict()
    for i, b in enumerate(net.feedback_matrices):
        found[f"B {i}"] = np.array(b)
    return found


def two(make, monkeypatch) -> list[fa.Network]:
    """Two networks that are the same, the first of which records its steps."""
    nets = [make()]
    monkeypatch.setenv("FASTFA_CUDA_GRAPHS", "0")
    nets.append(make())
    monkeypatch.delenv("FASTFA_CUDA_GRAPHS")
    return nets


def twins(case, monkeypatch) -> list[fa.Network]:
    return two(lambda: build(case, "float32", np.random.default_rng(3)), monkeypatch)


def compare(case, monkeypatch, recorded: bool = True) -> None:
    data = draw_data(case, 12 * case.batch - 1, "float32", np.random.default_rng(5))
    compare_nets(twins(case, monkeypatch), *data, case.batch, optimizer_of(case), recorded)


def compare_nets(nets, x, y, batch, optimizer, recorded: bool = True) -> None:
    """Two epochs with a short last batch: the same losses, weights and feedback."""
    order = np.random.default_rng(6).permutation(len(x))
    before = kernels_run()
    losses = [
        [net.train_epoch(x, y, optimizer, batch_size=batch, order=order) for _ in range(2)]
        for net in nets
    ]
    assert losses[0] == losses[1]
    assert nets[0].steps == nets[1].steps == 24
    for (name, a), b in zip(state(nets[0]).items(), state(nets[1]).values(), strict=True):
        np.testing.assert_array_equal(a, b, err_msg=name)
    ran = kernels_run() - before
    # of 12 steps the first and the short last one are done as they come
    assert (ran["(record)"], ran["(replay)"]) == ((1, 20) if recorded else (0, 0))


@pytest.mark.parametrize("rule", ALL_RULES)
def test_every_rule(rule, monkeypatch):
    case = plain_case((6, 35, 17, 5), rules=(rule,), batch=5, device=DEVICE)
    compare(case, monkeypatch, recorded=not rule.startswith(BY_HAND))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("rule", ["fa", "kp", "brsf"])
def test_every_optimizer(rule, optimizer, monkeypatch):
    compare(plain_case((6, 35, 5), rules=(rule,), batch=3, device=DEVICE, **optimizer), monkeypatch)


@pytest.mark.parametrize("rule", ["fa", "bp", "kp", "usf"])
def test_locally_connected_layers(rule, monkeypatch):
    patches = (Patches(2, 3, padding="same"), Patches(3, (2, 1), stride=2))
    case = local_case((5, 4), patches, 3, rules=(rule,), batch=3, adam=True, device=DEVICE)
    compare(case, monkeypatch, recorded=rule != "usf")


@pytest.mark.parametrize("optimizer", [fa.SGD(0.05, momentum=0.5), fa.Adam(1e-3)])
@pytest.mark.parametrize("rule", ["fa", "dfa", "bp", "kp", "usf", "direct kp"])
def test_convolutions_and_pooling(rule, optimizer, monkeypatch):
    feedback = (
        fa.Feedback("uniform", route="direct", plasticity="kolen_pollack") if " " in rule else rule
    )
    nets = two(lambda: lenet(feedback, dtype="float32", drop=0.25, device=DEVICE), monkeypatch)
    data = examples(12 * 5 - 1, "float32")
    compare_nets(nets, *data, 5, optimizer, recorded=rule != "usf")


def test_node_perturbation_goes_step_by_step(monkeypatch):
    case = plain_case((6, 9, 5), batch=3, perturbation=0.5, device=DEVICE)
    compare(case, monkeypatch, recorded=False)


def test_dropout_draws_the_masks_of_each_step(monkeypatch, rng):
    layers = [fa.Dropout(0.2), fa.Dense(35, "tanh"), fa.Dropout(0.5), fa.Dense(3)]
    x, y = rng.standard_normal((60, 9)), rng.standard_normal((60, 3))
    nets = [fa.Network(9, layers, device=device) for device in (DEVICE, "cpu")]
    before = counts("(replay)")
    for net in nets:
        for _ in range(2):
            net.train_epoch(x, y, fa.SGD(0.05), batch_size=5)
    assert counts("(replay)") - before == 22
    for a, b in zip(nets[0].weights, nets[1].weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_a_recording_is_made_anew_when_what_it_holds_has_changed(monkeypatch, rng):
    """Rates, feedback, batch sizes, other arrays in between: never the old step again."""
    case = plain_case((6, 35, 17, 5), batch=5, device=DEVICE)
    nets = twins(case, monkeypatch)
    x, y = draw_data(case, 200, "float32", rng)

    def both(call, records: int) -> None:
        before = counts("(record)")
        assert call(nets[0]) == call(nets[1])
        assert counts("(record)") - before == records
        for a, b in zip(nets[0].weights, nets[1].weights, strict=True):
            np.testing.assert_array_equal(a, b)

    def train(net, lr=0.01, batch_size=5, feedback=None, **more):
        if feedback is not None:
            net.set_feedback(feedback)
        return net.train_epoch(x, y, fa.SGD(lr, **more), batch_size=batch_size)

    both(train, 1)
    both(train, 0)
    both(lambda net: train(net, lr=0.02), 1)
    both(lambda net: train(net, lr=0.02, feedback="bp"), 1)
    both(lambda net: train(net, lr=0.02, feedback=fa.Feedback("binary", scale=0.3)), 1)
    both(lambda net: train(net, lr=0.02, feedback=fa.Feedback("binary", scale=0.4)), 1)
    both(lambda net: train(net, lr=0.02, batch_size=7), 1)
    both(lambda net: train(net, lr=0.02, batch_size=7, momentum=0.5), 1)
    both(lambda net: net.evaluate(np.tile(x, (3, 1)), np.tile(y, (3, 1))), 0)  # larger buffers
    both(lambda net: train(net, lr=0.02, batch_size=7, momentum=0.5), 1)
    both(lambda net: train(net, lr=0.02, batch_size=50), 0)  # too few of them


def test_scratch_that_has_grown_since_is_not_used_where_it_was(monkeypatch, rng):
    case = plain_case((6, 35, 17, 5), rules=("hadamard", "sparse 0.1"), batch=5, device=DEVICE)
    nets = twins(case, monkeypatch)
    x, y = draw_data(case, 300, "float32", rng)
    for net in nets:
        net.evaluate(x, y)  # makes room for all of them in the network's own buffers
        for _ in range(2):
            net.train_epoch(x[:100], y[:100], fa.SGD(0.01), batch_size=5)
            net.deltas(x, y)  # and now in the scratch of the feedback
    for (name, a), b in zip(state(nets[0]).items(), state(nets[1]).values(), strict=True):
        np.testing.assert_array_equal(a, b, err_msg=name)


@pytest.mark.parametrize("input", [1e30, 1e13])  # out of range itself, or at the output
@pytest.mark.parametrize("optimizer", [fa.SGD(1e-6, momentum=0.9), fa.Adam(1e-6)])
def test_divergence_in_a_replay_is_told_as_ever(optimizer, input, monkeypatch, rng):
    case = plain_case((8, 20, 3), hidden=("relu",), batch=4, device=DEVICE)
    nets = twins(case, monkeypatch)
    x, y = draw_data(case, 400, "float32", rng)
    x[310, 2] = input
    found = []
    for net in nets:
        for w in net.weights:
            w *= 30
        before = counts("(replay)")
        for step in (77, 77 + 77):
            with pytest.raises(fa.DivergenceError) as error:
                net.train_epoch(x, y, optimizer, batch_size=4)
            assert (error.value.step, net.steps) == (step, step)
        assert (counts("(replay)") > before) == (net is nets[0])
        found.append((str(error.value), error.value.layer, net._net.progress()))
    assert found[0] == found[1]
    assert found[0][1] == (-1 if input == 1e30 else 0)
    for a, b in zip(nets[0].weights, nets[1].weights, strict=True):
        np.testing.assert_array_equal(a, b)
        assert np.isfinite(a).all()
    losses = [net.train_epoch(x[:300], y[:300], optimizer, batch_size=4) for net in nets]
    assert losses[0] == losses[1]
    assert np.isfinite(losses[0])
