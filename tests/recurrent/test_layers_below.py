"""Layers below the recurrent one: each learns from the error that reaches it at every step."""

from __future__ import annotations

import fastfa as fa
import numpy as np
import pytest
import reference_recurrent as ref
from reference_units import sigma, sigma_prime

LAYERS = {  # below a recurrent layer, above 6 by 7 pixels
    "dense": [fa.Dense(5, "tanh"), fa.Dense(3, "silu", bias=False)],
    "sparse": [fa.Dense(16, "logistic", density=0.5)],
    "local": [fa.LocallyConnected2D(2, 3, activation="tanh")],
    "conv": [fa.Conv2D(3, 2, activation="softplus"), fa.AvgPool2D(2), fa.Dense(4, "tanh")],
    "pool": [fa.Conv2D(2, 3, activation="tanh"), fa.MaxPool2D(2)],
}


def data(inputs, k, N, T, seed=5):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(N, T, inputs)), rng.normal(size=(N, T, k)), rng.uniform(0, 2, (N, T))


def network(below, feedback, *, n=9, k=2, back="zero", inputs=(6, 7), tau=3.0, **more):
    layers = [*below, fa.Recurrent(n, tau=tau, recurrent_feedback=back), fa.Dense(k)]
    net = fa.Network(inputs, layers, feedback, seed=4, dtype="float64", **more)
    rng = np.random.default_rng(1)
    for bias in net.biases:
        if bias is not None:
            bias[...] = rng.normal(size=bias.shape) / 5
    return net


@pytest.mark.parametrize("sizes", [(1, 1, 1, 1), (3, 15, 17, 2), (16, 33, 8, 5), (2, 7, 64, 1)])
@pytest.mark.parametrize("back", ["zero", "transpose", "random"])
@pytest.mark.parametrize("route", ["layerwise", "direct", "target"])
def test_two_dense_layers_below_against_the_equations(sizes, back, route):
    m, a, n, k = sizes
    below = [fa.Dense(a, "tanh"), fa.Dense(a + 2, "logistic")]
    feedback = [fa.Feedback("normal", route=route, scale=0.5)] * 2 + [fa.Feedback("uniform")]
    net = network(below, feedback, n=n, k=k, back=back, inputs=m)
    x, y, mask = data(m, k, 3, 4)
    w, b, sent = net.weights, net.biases, [np.array(each) for each in net.feedback_matrices]
    hs, pre = [x], []
    for i, name in enumerate(("tanh", "logistic")):
        pre.append(hs[-1] @ w[i].T + b[i])
        hs.append(sigma(name, pre[-1]))
    rec = np.zeros((n, n)) if back == "zero" else w[2][:, a + 2 :].T
    if back == "random":
        rec = net_b_rec(net)
    p = ref.Weights(*(np.array(each) for each in (w[2], b[2], w[3], b[3])))
    _, _, es, ds = ref.deltas(p, ref.Rule(sent[2], rec, 3.0), hs[-1], y, mask)
    e, d = np.stack(es, axis=1), np.stack(ds, axis=1)
    changes = []
    for i, name in ((1, "logistic"), (0, "tanh")):
        source = {"layerwise": d, "direct": e, "target": mask[..., None] * y}[route]
        d = source @ sent[i].T * sigma_prime(name, pre[i])
        changes.insert(0, (np.einsum("nto,nti->oi", d, hs[i]), d.sum((0, 1))))
    before = [(np.array(w[i]), np.array(b[i])) for i in range(2)]
    net.train_sequences(x, y, fa.SGD(0.1, reduction="sum"), batch_size=3, mask=mask)
    for i, change in enumerate(changes):
        for now, old, part in zip((w[i], b[i]), before[i], change, strict=True):
            np.testing.assert_allclose(now, old + 0.1 * part, rtol=1e-12, atol=1e-12)


def net_b_rec(net):
    import reference_streams as streams

    n = net.shapes[3][0]
    return streams.normal((n, n), 1 / np.sqrt(n), 4, 13, 2)


@pytest.mark.parametrize("below", LAYERS)
def test_transposes_everywhere_make_the_gradient(below):
    """Central differences of the loss, of some weights of every layer."""
    net = network(LAYERS[below], "bptt", back="transpose")
    x, y, _ = data(42, 2, 2, 3)
    before = {name: array.copy() for name, array in net.state_dict().items()}
    net.train_sequences(x, y, fa.SGD(1.0), batch_size=2)
    after = net.state_dict()
    changes = {name: after[name] - array for name, array in before.items()}
    net.load_state_dict(before)
    rng = np.random.default_rng(0)
    for name, change in changes.items():
        part, _, number = name.partition(".")
        array = getattr(net, part)[int(number)]
        there = np.argwhere(array != 0)
        for at in map(tuple, rng.permutation(there)[:12]):
            losses = []
            for shift in (1e-5, -1e-5):
                array[at] = before[name][at] + shift
                losses.append(net.evaluate_sequences(x, y).loss)
            array[at] = before[name][at]
            found = -(losses[0] - losses[1]) / 2e-5
            np.testing.assert_allclose(change[at], found, rtol=1e-6, atol=1e-8)


RULES = {
    "stored": fa.Feedback("normal", scale=0.5),
    "transpose": fa.Feedback("transpose"),
    "sign": fa.Feedback("sign", scale=0.2),
    "kolen_pollack": fa.Feedback("uniform", scale=0.5, plasticity="kolen_pollack"),
    "bits": fa.Feedback("ternary", scale=0.3),
}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("below", LAYERS)
def test_layers_below_learn_as_in_a_network_whose_error_is_d(below, rule):
    """A plain network of the same layers, with a linear output in the place of the recurrent one."""
    net = network(LAYERS[below], RULES[rule], back="random")
    plain = fa.Network((6, 7), [*LAYERS[below], fa.Dense(9)], RULES[rule], seed=4, dtype="float64")
    top, width = len(plain.layers) - 1, plain.weights[-1].shape[1]
    known = {n: a for n, a in net.state_dict().items() if not n.endswith(f"s.{top}")}
    plain.load_state_dict({n: known.get(n, a) for n, a in plain.state_dict().items()})
    x, y, mask = data(42, 2, 3, 4)
    optimizer = fa.SGD(0.1, momentum=0.5, weight_decay=0.01)
    for _ in range(2):
        plain.weights[top][...] = net.weights[top][:, :width]
        d = net.deltas_sequences(x, y, mask=mask)
        plain.forward_step(x.reshape(-1, 42))
        plain.apply_error(d.reshape(-1, 9), optimizer)
        net.train_sequences(x, y, optimizer, batch_size=3, mask=mask)
    state = net.state_dict()
    for name, array in plain.state_dict().items():
        if not name.endswith(f"s.{top}"):
            np.testing.assert_allclose(state[name], array, rtol=1e-9, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("below", ["dense", "conv"])
def test_the_same_bits_on_any_number_of_threads_and_after_a_checkpoint(
    below, tmp_path, restore_threads
):
    x, y, mask = data(42, 2, 4, 20)
    found = []
    for threads in (1, 2, 3):
        fa.set_num_threads(threads)
        net = network(LAYERS[below], "kp", n=40, back="transpose")
        for _ in range(2):
            net.train_sequences(x, y, fa.Adam(0.01), batch_size=4, mask=mask, carry=True)
            fa.save(tmp_path / "net.ckpt", net)
            net = fa.load(tmp_path / "net.ckpt") if threads > 1 else net
        found.append(net.state_dict() | {"h": net.hidden_state})
    for other in found[1:]:
        for name, array in found[0].items():
            assert (array == other[name]).all(), name


def test_an_ensemble_learns_as_each_network_alone():
    x, y, _ = data(42, 2, 4, 5)
    together = [network(LAYERS["conv"], "fa", n=n) for n in (5, 20)]
    alone = [network(LAYERS["conv"], "fa", n=n) for n in (5, 20)]
    losses = fa.Ensemble(together).train_sequences(x, y, fa.SGD(0.05))
    for net, twin, loss in zip(alone, together, losses, strict=True):
        assert loss == net.train_sequences(x, y, fa.SGD(0.05))
        assert all((a == b).all() for a, b in zip(net.weights, twin.weights, strict=True))


def online(net, x, y, optimizer):
    net.train_sequences(x, y, optimizer, batch_size=len(x), update="step")


def by_parts(net, x, y, optimizer):
    for t in range(x.shape[1]):
        out = net.forward_step(x[:, t])
        net.deltas_sequences(x, y)  # looks, and leaves all as it is
        net.apply_error(y[:, t] - out, optimizer)


@pytest.mark.parametrize("learn", [online, by_parts])
def test_online_frozen_layers_below_are_part_of_the_input(learn):
    frozen = [fa.Dense(7, "tanh", trainable=False)]
    net = network(frozen, "fa", inputs=3)
    above = fa.Network(
        7, net.layers[1:], fa.Feedback("array", array=net.feedback_matrices[1]), dtype="float64"
    )
    for to, of in zip(
        (*above.weights, *above.biases), (*net.weights[1:], *net.biases[1:]), strict=True
    ):
        to[...] = of
    x, y, _ = data(3, 2, 2, 6)
    h = np.tanh(x @ net.weights[0].T + net.biases[0])
    before = [np.array(net.weights[0]), np.array(net.biases[0])]
    learn(net, x, y, fa.SGD(0.1))
    online(above, h, y, fa.SGD(0.1))
    assert (net.weights[0] == before[0]).all()
    assert (net.biases[0] == before[1]).all()
    for a, b in zip(net.weights[1:], above.weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-13)


def test_online_layers_below_learn_what_comes_straight_from_the_output():
    """With weights that stay, steps add up to what whole sequences teach."""
    x, y, _ = data(3, 2, 2, 6)
    nets = [network([fa.Dense(7, "tanh"), fa.Dense(5, "tanh")], "rflo", inputs=3) for _ in range(2)]
    rate, before = 1e-7, nets[0].state_dict()
    before = {name: array.copy() for name, array in before.items()}
    online(nets[0], x, y, fa.SGD(rate))
    nets[1].train_sequences(x, y, fa.SGD(rate * 6), batch_size=2)
    for name, array in nets[0].state_dict().items():
        change, wanted = array - before[name], nets[1].state_dict()[name] - before[name]
        np.testing.assert_allclose(change, wanted, rtol=1e-3, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("learn", [online, by_parts])
@pytest.mark.parametrize(
    "below", [[fa.Dense(7)], [fa.Dense(7), fa.Dense(7, trainable=False)], LAYERS["pool"]]
)
def test_online_layers_that_would_need_d_are_refused(learn, below):
    net = network(below, "fa", inputs=(6, 7))
    x, y, _ = data(42, 2, 2, 3)
    before = [w.copy() for w in net.weights]
    with pytest.raises(ValueError, match=r"layers\[0\] learns from what the recurrent layer above"):
        learn(net, x, y, fa.SGD(0.1))
    assert all((a == b).all() for a, b in zip(before, net.weights, strict=True))


def test_sequences_of_images_keep_their_shape():
    net = network(LAYERS["conv"], "fa")
    x, y, _ = data(42, 2, 2, 3)
    images = x.reshape(2, 3, 6, 7)
    assert (net.forward_sequences(images) == net.forward_sequences(x)).all()
    twin = network(LAYERS["conv"], "fa")
    net.train_sequences(images, y, fa.SGD(0.1))
    twin.train_sequences(x, y, fa.SGD(0.1))
    assert (net.weights[0] == twin.weights[0]).all()


def test_reset_takes_the_state_of_the_recurrent_layer():
    net = network(LAYERS["dense"], "fa", n=9)
    net.reset(np.ones((2, 9)))
    assert net.hidden_state.shape == (2, 9)
    net.forward_step(np.zeros((2, 42)))
    assert net._net.traces().shape == (2 * (3 + 9 + 1), 9)


def test_a_trainer_measures_the_angle_of_the_recurrent_layer(tmp_path):
    x, y, mask = data(42, 2, 8, 5)
    probe = fa.AlignmentInTime(x[:3], y[:3])
    net = network(LAYERS["conv"], "fa")
    trainer = fa.Trainer(
        net, fa.Adam(0.01), batch_size=4, epochs=2, callbacks=[probe], progress=False
    )
    history = trainer.fit((x, y, mask))
    assert history["angle_bptt.2"][-1] == probe.rows[-1]["angle_bptt"]
    assert history["train_loss"][-1] < history["train_loss"][0]
    assert "murray2019" in fa.citation(net)
