"""Adam: its closed form, its state, and when the state is dropped."""

from __future__ import annotations

import dataclasses

import fastfa as fa
import numpy as np
import pytest
import reference
from parity import relative_error

SGD, MOMENTUM = fa.SGD(0.05), fa.SGD(0.05, momentum=0.9)
ADAM = fa.Adam(0.01, epsilon=1e-3)


def network(feedback="fa", *, dtype="float64", seed=1, hidden="tanh") -> fa.Network:
    layers = [fa.Dense(11, hidden), fa.Dense(7, hidden), fa.Dense(3, "linear")]
    return fa.Network(5, layers, feedback, seed=seed, dtype=dtype)


def examples(rng, count=20):
    return rng.standard_normal((count, 5)), rng.uniform(-1, 1, (count, 3))


def gradients(net, x, y) -> list[np.ndarray]:
    """Mean over the batch, downhill: of each W, then of each b."""
    inputs, deltas = [x, *net.activations(x)[:-1]], net.deltas(x, y)
    steep = [d.T @ h / len(x) for d, h in zip(deltas, inputs, strict=True)]
    return [*steep, *(d.mean(axis=0) for d in deltas)]


def test_fields_and_defaults():
    adam = fa.Adam(0.1)
    values = {"lr": 0.1, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "weight_decay": 0.0}
    values |= {"clip_norm": None, "clip_value": None}
    assert dataclasses.asdict(adam) == values
    with pytest.raises(dataclasses.FrozenInstanceError):
        adam.lr = 0.2
    with pytest.raises(TypeError):
        fa.Adam(0.1, 0.9)


@pytest.mark.parametrize("batch", [1, 20])
def test_the_first_step_is_lr_times_g_over_its_size(batch, rng):
    """m̂ = g and v̂ = g², so the step is η g / (|g| + ε), whatever β1 and β2."""
    x, y = examples(rng, batch)
    for beta1, beta2, decay in [(0.9, 0.999, 0.0), (0.0, 0.0, 0.0), (0.5, 0.99, 0.2)]:
        net = network()
        arrays = [*net.weights, *net.biases]
        before, steep = [np.array(a) for a in arrays], gradients(net, x, y)
        adam = fa.Adam(0.01, beta1=beta1, beta2=beta2, epsilon=1e-4, weight_decay=decay)
        net.step(x, y, adam)
        for i, (old, new, g) in enumerate(zip(before, arrays, steep, strict=True)):
            if i < 3:  # biases do not decay
                g = g - decay * old
            expected = 0.01 * g / (np.abs(g) + 1e-4)
            np.testing.assert_allclose(new - old, expected, rtol=1e-9, atol=1e-15)


def test_constant_gradients_make_constant_steps(rng):
    """Bias correction makes up for moments that start at zero: every step is the first one's."""
    net = fa.Network(3, [fa.Dense(2, "linear", weight_scale=0.0, bias=False)], dtype="float64")
    x, y = np.eye(3)[:1], np.array([[1e6, -1e6]])  # so far away that e hardly changes
    for step in range(1, 30):
        net.step(x, y, fa.Adam(1e-3))
        np.testing.assert_allclose(net.weights[0][:, 0], [1e-3 * step, -1e-3 * step], rtol=1e-6)
        assert not net.weights[0][:, 1:].any()


@pytest.mark.parametrize("batch", [1, 6])
@pytest.mark.parametrize("rule", ["bp", "kp", "wm"])
def test_hundreds_of_steps_with_the_default_epsilon(rule, batch, rng):
    net = network(rule)
    ref = reference.of(net)
    x, y = examples(rng, 24)
    for each in (net, ref):
        for _ in range(20):
            each.train_epoch(x, y, fa.Adam(0.002), batch_size=batch)
    for left, right in zip([*net.weights, *net.biases], [*ref.weights, *ref.biases], strict=True):
        assert relative_error(left, right) < 1e-7


def test_inputs_that_are_zero_go_on_moving_their_weights(rng):
    """Like momentum: moments outlive the gradient; and a decay reaches every weight."""
    x, y = examples(rng)
    dark = x.copy()
    dark[:, 2] = 0
    for decay in (0.0, 0.1):
        net = network()
        ref = reference.of(net)
        adam = dataclasses.replace(ADAM, weight_decay=decay)
        net.step(x, y, adam)
        before = np.array(net.weights[0])
        net.step(dark, y, adam)
        assert (net.weights[0] != before)[:, 2].all()
        ref.step(x, y, adam), ref.step(dark, y, adam)
        assert relative_error(net.weights[0], ref.weights[0]) < 1e-12
    net = network()
    before = np.array(net.weights[0])
    net.step(dark, y, ADAM)  # the first step has no moments yet
    np.testing.assert_array_equal(net.weights[0][:, 2], before[:, 2])


# ---- state -------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", [1, 5])
@pytest.mark.parametrize("rule", ["fa", "kp", "direct kp"])
def test_another_kind_of_optimizer_drops_the_state(rule, batch, rng):
    """After a switch and back, t, moments and velocities start again; the same kind goes on."""
    if rule == "direct kp":
        rule = fa.Feedback("uniform", route="direct", plasticity="kolen_pollack")
    net = network(rule)
    ref = reference.of(net)
    x, y = examples(rng)
    other = dataclasses.replace(ADAM, lr=0.003, beta1=0.5)
    for optimizer in (ADAM, other, MOMENTUM, ADAM, SGD, ADAM, ADAM, MOMENTUM, SGD, MOMENTUM, ADAM):
        for each in (net, ref):
            each.train_epoch(x, y, optimizer, batch_size=batch)
        arrays = zip([*net.weights, *net.biases], [*ref.weights, *ref.biases], strict=True)
        assert max(relative_error(a, b) for a, b in arrays) < 1e-10, optimizer


def test_loading_a_state_drops_the_moments(rng):
    x, y = examples(rng)
    net, fresh = network(), network()
    start = net.state_dict()
    for _ in range(3):
        net.step(x, y, ADAM)
    net.load_state_dict(start)
    for each in (net, fresh):
        each.step(x, y, ADAM)
        each.step(x, y, ADAM)
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(value, fresh.state_dict()[name])


def test_switching_feedback_keeps_the_moments(rng):
    x, y = examples(rng)
    net = network("bp")
    ref = reference.of(net)
    for rule in ("bp", "fa", "dfa", "bp"):
        net.set_feedback(rule)
        ref.feedback = reference.of(net).feedback
        for each in (net, ref):
            each.train_epoch(x, y, ADAM, batch_size=4)
    for left, right in zip(net.weights, ref.weights, strict=True):
        assert relative_error(left, right) < 1e-10


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rule", ["fa", "kp"])
def test_divergence_leaves_the_network_usable(rule, dtype, rng):
    net, twin = (network(rule, dtype=dtype, hidden="linear") for _ in range(2))
    x, y = (a.astype(dtype) for a in examples(rng))
    for each in (net, twin):
        each.step(x, y, ADAM)
    before = net.state_dict()
    with pytest.raises(fa.DivergenceError) as caught:
        net.step(np.full_like(x, 1e30 if dtype == "float32" else 1e300), y, ADAM)
    assert caught.value.step == net.steps == 1
    for name, value in net.state_dict().items():
        assert value.tobytes() == before[name].tobytes(), name
    for each in (net, twin):  # moments and t are those of the last whole step
        each.step(x, y, ADAM)
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(value, twin.state_dict()[name])


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize(("dtype", "large"), [("float32", 1e13), ("float64", 1e139)])
def test_a_gradient_whose_square_is_infinite_makes_a_step_like_any_other(dtype, large, batch):
    """It is cut down before it is squared."""
    layer = fa.Dense(1, "linear", weight_scale=0.0, bias=False)
    net = fa.Network(1, [layer], dtype=dtype)
    x = np.full((batch, 1), large, dtype)
    net.step(x, x, fa.Adam(0.01))
    assert net.weights[0][0, 0] == pytest.approx(0.01, rel=1e-5)


def test_a_rate_that_is_far_too_large_is_found_out_before_weights_are_infinite(rng):
    x, y = (a.astype("float32") for a in examples(rng))
    net = network("fa", dtype="float32", hidden="linear")
    order = np.tile(np.arange(20), 100)
    with pytest.raises(fa.DivergenceError):
        net.train_epoch(1e3 * x, y, fa.Adam(1e8), batch_size=4, order=order)
    for a in [*net.weights, *net.biases]:
        assert np.isfinite(a).all()


def test_adam_learns_faster_than_sgd_where_inputs_differ_in_size(rng):
    x, y = rng.standard_normal((300, 5)) * [1, 0.1, 0.01, 1, 0.1], np.empty((300, 3))
    y[:] = np.tanh((x / [1, 0.1, 0.01, 1, 0.1]) @ rng.standard_normal((5, 3)))
    losses = {}
    for optimizer in (fa.Adam(0.01), fa.SGD(0.1)):
        net = network("fa")
        for epoch in range(30):
            order = fa.data.permutation(300, 0, epoch)
            net.train_epoch(x, y, optimizer, batch_size=10, order=order)
        losses[type(optimizer).__name__] = net.evaluate(x, y).loss
    assert losses["Adam"] < 0.7 * losses["SGD"]


def test_a_trainer_takes_adam(rng):
    x = rng.standard_normal((60, 5))
    y, net = x[:, :3], network("kp")
    history = fa.Trainer(net, ADAM, batch_size=5, epochs=8, progress=False).fit((x, y))
    losses = [record["train_loss"] for record in history.records]
    assert losses[-1] < 0.8 * losses[0]
