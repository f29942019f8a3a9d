"""What users see of locally connected layers, and how such networks learn otherwise."""

from __future__ import annotations

import fastfa as fa
import numpy as np
import pytest
import reference
import reference_local
from local_cases import SGD, assert_alike, examples, network
from parity import TOLERANCE, relative_error

LC = fa.LocallyConnected2D


def test_one_weight_reaches_one_unit_from_one_pixel(rng):
    """Views are writable and numbered as documented, whatever the core's own order is."""
    layer = LC(3, (2, 3), stride=(2, 1), padding="same", bias=False)
    net = fa.Network((2, 6, 5), [layer], dtype="float64")
    pattern = reference_local.of(layer, (2, 6, 5))
    unit, pixel, inside = pattern.places
    w = net.weights[0]
    assert w.shape == (3, 3, 5, 2, 2, 3)
    assert w.flags.writeable
    w[...] = 0
    eye = np.eye(60)
    for index in rng.permutation(list(np.ndindex(w.shape)))[:150]:
        index = tuple(index)
        w[index] = 2.0
        expected = np.zeros((60, 45))
        if inside[index]:
            expected[pixel[index], unit[index]] = 2.0
        np.testing.assert_array_equal(net.forward(eye), expected)
        np.testing.assert_array_equal(net.forward(eye.reshape(60, 2, 6, 5)), expected)
        w[index] = 0.0


def test_shapes_and_views():
    net = network()
    assert net.shapes == ((2, 6, 5), (3, 3, 5), (5, 3, 5), (3,))
    assert [w.shape for w in net.weights] == [(3, 3, 5, 2, 2, 3), (5, 3, 5, 3, 2, 2), (3, 75)]
    assert [b.shape for b in net.biases] == [(45,), (75,), (3,)]
    for view in [*net.weights, *net.biases]:
        view[...] = 0.5
    assert all((view == 0.5).all() for view in [*net.weights, *net.biases])
    kept = net.weights[0]
    del net
    assert (kept == 0.5).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_state_dict_brings_everything_back(dtype, rng):
    """B of a pattern, learned by Kolen-Pollack, included; momentum starts again."""
    net, other = network("kp", dtype=dtype), network("kp", dtype=dtype, seed=5)
    x, y = examples(rng, dtype=dtype)
    first = net.state_dict()
    net.train_epoch(x, y, SGD, batch_size=4)
    state = net.state_dict()
    assert all(array.flags.c_contiguous for array in state.values())
    assert state["feedback.0"].shape == net.weights[1].shape
    assert not np.array_equal(state["feedback.0"], first["feedback.0"])
    other.train_epoch(x, y, SGD, batch_size=3)
    for each in (net, other):
        each.load_state_dict(state)
    for name, array in other.state_dict().items():
        np.testing.assert_array_equal(array, state[name])
    for each in (net, other):
        each.train_epoch(x, y, SGD, batch_size=4)
    for name, array in other.state_dict().items():
        np.testing.assert_array_equal(array, net.state_dict()[name])
    for left, right in zip(net.deltas(x, y), other.deltas(x, y), strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("batch", [1, 9])
def test_kolen_pollack_moves_b_exactly_as_w(batch, rng):
    """The same step from other values: W - B shrinks by 1 - ηγ, also where the image ends."""
    net = network("kp")
    x, y = examples(rng)
    sgd = fa.SGD(0.1, weight_decay=0.5)
    before = net.weights[1] - net.state_dict()["feedback.0"]
    net.train_epoch(x, y, sgd, batch_size=batch)
    after = net.weights[1] - net.state_dict()["feedback.0"]
    np.testing.assert_allclose(after, (1 - 0.05) ** net.steps * before, rtol=1e-9, atol=1e-14)


# ---- learning without B, and B of the user's own -----------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_node_perturbation(dtype, rng):
    net = network(fa.NodePerturbation(0.3), dtype=dtype)
    ref = reference.of(net)
    assert net.feedback_matrices == ()
    for count in (1, 5, 130):
        x, y = examples(rng, count, dtype)
        flat = x.reshape(count, -1)
        for delta, expected in zip(net.deltas(x, y), ref.deltas(flat, y), strict=True):
            assert relative_error(delta, expected) < TOLERANCE[dtype]
        loss = net.step(x, y, fa.SGD(1e-3, momentum=0.5))
        expected = ref.step(flat, y, fa.SGD(1e-3, momentum=0.5))
        assert loss == pytest.approx(expected, rel=TOLERANCE[dtype])
    for w, expected in zip(net.weights, ref.weights, strict=True):
        assert relative_error(w, expected) < TOLERANCE[dtype]


class Asked:
    """The user's own feedback, which notes the shapes that it is asked for."""

    def __init__(self, b: np.ndarray) -> None:
        self.b, self.shapes = b, []

    def propagate(self, delta):
        self.shapes.append(delta.shape)
        return delta @ self.b.T


@pytest.mark.parametrize("route", ["layerwise", "direct", "target"])
def test_custom_feedback_through_a_local_layer(route, rng):
    source = 75 if route == "layerwise" else 3
    b = rng.standard_normal((45, source)) / source
    asked = Asked(b)
    net = network([fa.Feedback(asked, route=route), "bp"])
    own = network([fa.Feedback("array", array=b, route=route), "bp"])
    x, y = examples(rng)
    asked.shapes.clear()
    for each in (net, own):
        each.train_epoch(x, y, SGD, batch_size=8)
    assert asked.shapes == [(8, source), (8, source), (4, source)]
    assert_alike(net, own, x, y, 1e-12)
    np.testing.assert_array_equal(net.feedback_matrices[0], b)


@pytest.mark.parametrize("rule", ["bp", "fa", "dfa", "kp", "usf"])
def test_a_local_network_learns(rule, rng):
    net = network(rule, dtype="float32")
    x = rng.standard_normal((200, 2, 6, 5)).astype("float32")
    y = np.tanh(x.reshape(200, -1) @ rng.standard_normal((60, 3)) / 8).astype("float32")
    before = net.evaluate(x, y).loss
    for epoch in range(100):
        order = fa.data.permutation(200, 0, epoch)
        net.train_epoch(x, y, fa.SGD(0.05, momentum=0.5), batch_size=10, order=order)
    assert net.evaluate(x, y).loss < 0.5 * before


def test_a_trainer_takes_images(rng):
    """As the flat ones; and its instruments see the layers."""
    x, _ = examples(rng, 30, "float32")
    labels = rng.integers(0, 3, 30)
    nets = [network("kp", dtype="float32") for _ in range(2)]
    for net, images in zip(nets, (x, x.reshape(30, -1)), strict=True):
        probe = fa.Alignment(images, np.eye(3)[labels])
        options = {"batch_size": 7, "epochs": 2, "progress": False, "callbacks": [probe]}
        history = fa.Trainer(net, SGD, **options).fit((images, labels))
        assert len(history) == 2
    for left, right in zip(*(net.state_dict().values() for net in nets), strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("matrix", ["transpose", "sign"])
def test_what_follows_a_local_output_layer_is_the_same_by_both_routes(matrix, rng):
    """The output's delta is that of the next layer up, so 'direct' and 'layerwise' are one."""
    x, y = rng.normal(size=(4, 60)), rng.normal(size=(4, 3 * 4 * 3))
    deltas = []
    for route in ("layerwise", "direct"):
        rule = fa.Feedback(matrix, route=route)
        layers = [LC(2, (3, 2), activation="tanh"), LC(3, (1, 2), activation="linear")]
        net = fa.Network((2, 6, 5), layers, [rule], dtype="float64", seed=4)
        deltas.append((net.deltas(x, y)[0], net.feedback_scales))
    np.testing.assert_array_equal(deltas[0][0], deltas[1][0])
    assert deltas[0][1] == deltas[1][1]
