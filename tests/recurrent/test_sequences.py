"""The compiled core against the reference: every way of learning, both dtypes."""

from __future__ import annotations

from dataclasses import replace

import fastfa as fa
import numpy as np
import pytest
import reference_recurrent as ref
import reference_streams as streams

SHAPES = [(1, 7, 1, 1, 6, 1.0), (3, 20, 2, 2, 9, 10.0), (2, 33, 5, 6, 5, 2.5)]
ONLINE = fa.SGD(0.05)
TOLERANCE = {"float64": 1e-12, "float32": 3e-5}


def made(m, n, k, dtype="float64", *, tau=1.0, back="zero", phi="tanh", b=None):
    rng = np.random.default_rng(3)
    b = rng.normal(size=(n, k)) if b is None else b
    net = fa.Network(
        m,
        [fa.Recurrent(n, phi, tau=tau, recurrent_feedback=back), fa.Dense(k)],
        fa.Feedback("array", array=b),
        seed=4,
        dtype=dtype,
    )
    net.biases[0][...] = rng.normal(size=n) * 0.1
    b_rec = np.zeros((n, n))
    if back == "transpose":
        b_rec = np.array(net.weights[0][:, m:], float).T
    if back == "random":
        b_rec = streams.normal((n, n), 1 / np.sqrt(n), 4, 13, 0)
    return net, ref.Rule(b, b_rec, tau, phi)


def weights(net) -> ref.Weights:
    arrays = (net.weights[0], net.biases[0], net.weights[1], net.biases[1])
    return ref.Weights(*(np.array(a, float) for a in arrays))


def data(m, k, N, T):
    rng = np.random.default_rng(5)
    return rng.normal(size=(N, T, m)), rng.normal(size=(N, T, k)), rng.uniform(0, 2, (N, T))


def close(net, wanted: ref.Weights, tolerance: float) -> None:
    found = weights(net)
    for name in ("w", "bias", "w_out", "bias_out"):
        np.testing.assert_allclose(
            getattr(found, name), getattr(wanted, name), rtol=tolerance, atol=tolerance
        )


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("back", ["zero", "transpose", "random"])
@pytest.mark.parametrize("shape", SHAPES)
def test_whole_sequences(shape, back, dtype):
    m, n, k, N, T, tau = shape
    net, rule = made(m, n, k, dtype, tau=tau, back=back)
    x, y, mask = data(m, k, N, T)
    p = weights(net)
    wanted = p.plus(ref.at_end(p, rule, x, y, mask), 0.1 / (N * T))
    losses = ref.loss(p, rule, x, y, mask)
    loss = net.train_sequences(x, y, fa.SGD(0.1), batch_size=N, mask=mask)
    close(net, wanted, TOLERANCE[dtype])
    np.testing.assert_allclose(loss, losses / mask.sum(), rtol=TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("shape", SHAPES)
def test_learning_at_every_step(shape, dtype):
    m, n, k, N, T, tau = shape
    net, rule = made(m, n, k, dtype, tau=tau)
    x, y, mask = data(m, k, N, T)
    wanted, _, traces, state = ref.online(weights(net), rule, x, y, mask, 0.05)
    net.train_sequences(x, y, ONLINE, batch_size=N, mask=mask, update="step")
    close(net, wanted, TOLERANCE[dtype])
    np.testing.assert_allclose(net.hidden_state, state, atol=TOLERANCE[dtype])
    kept = net._net.traces().reshape(N, m + n + 1, n)
    np.testing.assert_allclose(kept[:, :-1], traces.w.transpose(0, 2, 1), atol=TOLERANCE[dtype])
    np.testing.assert_allclose(kept[:, -1], traces.bias, atol=TOLERANCE[dtype])


@pytest.mark.parametrize("phi", ["linear", "logistic", "silu"])
@pytest.mark.parametrize("update", ["sequence", "step"])
def test_other_activations(phi, update):
    net, rule = made(2, 9, 2, tau=3.0, phi=phi)
    x, y, mask = data(2, 2, 1, 6)
    p = weights(net)
    if update == "sequence":
        wanted = p.plus(ref.at_end(p, rule, x, y, mask), 0.05 / 6)
    else:
        wanted = ref.online(p, rule, x, y, mask, 0.05)[0]
    net.train_sequences(x, y, ONLINE, mask=mask, update=update)
    close(net, wanted, 1e-11)


@pytest.mark.parametrize("feedback", ["bp", "dfa"])
def test_one_example_is_the_same_whether_the_core_runs_or_steps(feedback):
    """The loop over one example, its parts from Python, and the loop cut in two: the same bits."""
    x, y, _ = data(2, 3, 1, 40)
    nets = [
        fa.Network(2, [fa.Recurrent(20, tau=5.0), fa.Dense(3)], feedback, seed=1) for _ in range(3)
    ]
    nets[0].train_sequences(x, y, ONLINE, update="step")
    for part in (slice(0, 13), slice(13, 40)):
        nets[1].train_sequences(x[:, part], y[:, part], ONLINE, update="step", carry=True)
    for t in range(40):
        out = nets[2].forward_step(x[0, t].astype(np.float32))
        nets[2].apply_error(y[0, t].astype(np.float32) - out, ONLINE)
    for net in nets[1:]:
        for a, b in zip(nets[0].weights, net.weights, strict=True):
            np.testing.assert_allclose(a, b, rtol=2e-6, atol=1e-7)
        np.testing.assert_allclose(nets[0].hidden_state, net.hidden_state, rtol=2e-6, atol=1e-7)
    assert all((a == b).all() for a, b in zip(nets[0].weights, nets[1].weights, strict=True))


def test_a_step_without_an_error_still_counts_for_the_traces():
    net, rule = made(2, 9, 1, tau=4.0)
    x, y, _ = data(2, 1, 2, 8)
    mask = np.ones((2, 8))
    mask[:, [0, 3, 4]] = 0
    wanted = ref.online(weights(net), rule, x, y, mask, 0.05)[0]
    for t in range(8):
        out = net.forward_step(x[:, t])
        if mask[0, t]:
            net.forward_sequences(x)  # looks, and leaves all as it is
            net.apply_error(y[:, t] - out, ONLINE)
    close(net, wanted, 1e-12)


@pytest.mark.parametrize(
    "optimizer", [fa.SGD(0.05, momentum=0.9), fa.Adam(0.01), fa.SGD(0.05, clip_norm=0.1)]
)
def test_optimizers_with_memory_or_limits_learn_online(optimizer):
    """τ = 1 and T = 1: the trace is the gradient of that step, which whole sequences know as well."""
    x, y, _ = data(2, 2, 3, 1)
    nets = [made(2, 9, 2)[0] for _ in range(2)]
    for _ in range(3):
        for net, update in zip(nets, ("sequence", "step"), strict=True):
            net.train_sequences(x, y, optimizer, batch_size=3, update=update)
    close(nets[0], weights(nets[1]), 1e-12)


def test_deltas_are_those_of_this_rule_or_another():
    net, rule = made(2, 9, 2, tau=4.0)
    x, y, mask = data(2, 2, 3, 8)
    p = weights(net)
    z = np.stack(ref.forward(p, rule, x, np.zeros((3, 9)))[0], axis=1)
    backprop = replace(rule, b=p.w_out.T, b_rec=p.w[:, 2:].T)
    for rules, found in (
        (rule, net.deltas_sequences(x, y, mask=mask)),
        (backprop, net.deltas_sequences(x, y, "bptt", mask=mask)),
    ):
        change = np.einsum("etj,eti->ji", found, z)
        np.testing.assert_allclose(change, ref.at_end(p, rules, x, y, mask).w, atol=1e-11)
    with pytest.raises(ValueError, match="no such matrix"):
        net.deltas_sequences(x, y, recurrent_feedback="random")


def test_state_is_carried_or_reset():
    net, rule = made(2, 9, 2, tau=4.0)
    x, y, mask = data(2, 2, 3, 8)
    p = weights(net)
    first = p.plus(ref.at_end(p, rule, x[:, :5], y[:, :5], mask[:, :5]), 0.1 / 15)
    h = ref.forward(p, rule, x[:, :5], np.zeros((3, 9)))[1][-1]
    wanted = first.plus(ref.at_end(first, rule, x[:, 5:], y[:, 5:], mask[:, 5:], h), 0.1 / 9)
    for part in (slice(0, 5), slice(5, 8)):
        net.train_sequences(
            x[:, part], y[:, part], fa.SGD(0.1), batch_size=3, mask=mask[:, part], carry=True
        )
    close(net, wanted, 1e-12)
    net.reset()
    assert net.hidden_state is None


def test_outputs_and_loss_of_sequences():
    net, rule = made(2, 9, 2, tau=4.0)
    x, y, _mask = data(2, 2, 3, 8)
    out = np.stack(ref.forward(weights(net), rule, x, np.zeros((3, 9)))[3], axis=1)
    np.testing.assert_allclose(net.forward_sequences(x), out, atol=1e-12)
    lengths = np.array([8, 2, 5])
    ends = np.arange(8) < lengths[:, None]
    found = net.evaluate_sequences(x, y, lengths=lengths)
    assert np.isclose(found.loss, ref.loss(weights(net), rule, x, y, ends) / 15, rtol=1e-12)
    at_end = net.evaluate_sequences(x, y[:, 0], lengths=lengths).loss
    last = out[np.arange(3), lengths - 1]
    assert np.isclose(at_end, 0.5 * ((y[:, 0] - last) ** 2).sum() / 3, rtol=1e-12)


def test_deeper_readouts_learn_what_the_same_rows_teach_them():
    """Above the recurrent layer a sequence is a batch: so says a dense network on the layer's h."""
    x, y, _ = data(2, 2, 3, 8)
    top = [fa.Dense(6, "tanh"), fa.Dense(2)]
    frozen = fa.Recurrent(9, tau=3.0, trainable=False)
    net = fa.Network(2, [frozen, *top], "kp", seed=2, dtype="float64")
    plain = fa.Network(9, top, "kp", seed=7, dtype="float64")
    for to, of in zip(plain.weights, net.weights[1:], strict=True):
        to[...] = of
    plain.feedback_matrices[0][...] = net.feedback_matrices[1]
    rule = ref.Rule(np.zeros((9, 2)), np.zeros((9, 9)), 3.0)
    p = ref.Weights(net.weights[0], net.biases[0], np.zeros((2, 9)), np.zeros(2))
    h = np.stack(ref.forward(p, rule, x, np.zeros((3, 9)))[1])  # (T, N, n), the order of rows
    rows = y.transpose(1, 0, 2).reshape(-1, 2)
    for _ in range(3):
        net.train_sequences(x, y, fa.SGD(0.1), batch_size=3)
        plain.step(h.reshape(-1, 9), rows, fa.SGD(0.1))
    for found, wanted in zip(net.weights[1:], plain.weights, strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-12)
    np.testing.assert_allclose(net.feedback_matrices[1], plain.feedback_matrices[0], atol=1e-12)


@pytest.mark.parametrize("update", ["sequence", "step"])
@pytest.mark.parametrize("shape", [(1, 300, 1), (5, 130, 7)])
def test_the_same_bits_on_any_number_of_threads(shape, update, restore_threads):
    m, n, batch = shape
    x, y, _ = data(m, 2, batch, 4)
    found = []
    for threads in (1, 2, 3):
        fa.set_num_threads(threads)
        net = fa.Network(m, [fa.Recurrent(n), fa.Dense(2)], "fa", seed=1, dtype="float64")
        net.train_sequences(x, y, ONLINE, batch_size=batch, update=update)
        found.append(net.weights[0].copy())
    assert (found[0] == found[1]).all()
    assert (found[0] == found[2]).all()


def test_initial_weights_are_what_the_layer_says():
    net = fa.Network(
        3, [fa.Recurrent(50, recurrent_scale=1.5, weight_scale=0.2), fa.Dense(1)], seed=4
    )
    w = streams.normal((50, 50), 1.5 / np.sqrt(50), 4, 12, 0)
    np.testing.assert_allclose(net.weights[0][:, 3:], w, atol=1e-6)
    assert 0.15 < np.abs(net.weights[0][:, :3]).max() <= 0.2
    twin = fa.Network(3, [fa.Dense(50, weight_scale=0.2), fa.Dense(1)], seed=4)
    assert (net.weights[0][:, :3] == twin.weights[0]).all()


def test_divergence_leaves_the_weights_of_before():
    net, _ = made(1, 9, 1, phi="linear")
    x, y, _ = data(1, 1, 1, 6)
    x[0, 3] = 1e200
    before = weights(net)
    with pytest.raises(fa.DivergenceError):
        net.train_sequences(x, y, ONLINE)
    close(net, before, 0)
    with pytest.raises(fa.DivergenceError):
        net.train_sequences(x, y, ONLINE, update="step")
    wanted = ref.online(
        before, replace(made(1, 9, 1, phi="linear")[1]), x[:, :3], y[:, :3], np.ones((1, 3)), 0.05
    )
    close(net, wanted[0], 1e-12)
    np.testing.assert_allclose(net.hidden_state, wanted[3], atol=1e-12)
