"""The C interface while a network learns: mirrors, divergence, polls, feedback of the caller."""

from __future__ import annotations

import ctypes as c
import threading

import capi
import fastfa as fa
import numpy as np
import pytest
from capi import LIBRARY, STATUS, Feedback, Layer, Network, Optimizer, last_error, view
from capi_cases import OPTIMIZERS, SGD, assert_same, epoch, examples, pair

MIRRORS = [  # settings of fastfa_feedback, and where it ends; Python's
    ({}, None, fa.WeightMirror()),
    ({"mirror_growth": 0.5, "mirror_decay": 0.1}, None, fa.WeightMirror(growth=0.5, decay=0.1)),
    (
        {"mirror_growth": 0.0, "mirror_decay": -1.0, "mirror_centred": 1, "mirror_noise": 1.0},
        None,
        fa.WeightMirror.average(),
    ),
    (
        {"mirror_lr": 0.3, "mirror_noise": 0.7, "mirror_every": 2},
        None,
        fa.WeightMirror.average(0.3, noise=0.7, every=2),
    ),
    # callers who were compiled before there were growth and decay
    ({"mirror_noise": 1.0}, "mirror_growth", fa.WeightMirror.average()),
    ({"mirror_lr": 0.3, "mirror_noise": 0.5}, "mirror_growth", fa.WeightMirror.average(0.3, noise=0.5)),
]  # fmt: skip


@pytest.mark.parametrize(("given", "ends", "mirror"), MIRRORS)
def test_the_weight_mirrors_settings_are_pythons(given, ends, mirror, rng):
    feedback = Feedback(plasticity=b"weight_mirror", **given)
    if ends:
        feedback.struct_size = getattr(Feedback, ends).offset
    layers = [Layer(units=12, activation=b"tanh"), Layer(units=4, activation=b"logistic")]
    ours = Network(7, layers, [feedback], seed=5)
    assert ours.status == 0, last_error()
    rule = fa.Feedback("uniform", plasticity=mirror)
    net = fa.Network(7, [fa.Dense(12, "tanh"), fa.Dense(4, "logistic")], rule, seed=5)
    x, y = examples(rng, "float32")
    for _ in range(4):
        net.step(x, y, fa.SGD(0.1))
        step = Optimizer(lr=0.1)
        assert ours.call("step", view(x), view(y), c.byref(step), None) == 0, last_error()
    assert_same(ours, net)


@pytest.mark.parametrize(
    ("rule", "same"), [(b"sgd", fa.SGD(0.1, momentum=0.5)), (b"rmsprop", fa.RMSprop(0.1))]
)
def test_an_optimizer_of_before_there_were_nesterov_and_rho(rule, same, rng):
    """What lies behind an older caller's struct isn't read."""
    ours, net = pair("fa")
    x, y = examples(rng, "float32")
    momentum = getattr(same, "momentum", 0.0)
    older = Optimizer(rule=rule, lr=0.1, momentum=momentum, nesterov=1, rho=0.5)
    older.struct_size = Optimizer.nesterov.offset
    for _ in range(3):
        net.step(x, y, same)
        assert ours.call("step", view(x), view(y), c.byref(older), None) == 0, last_error()
    assert_same(ours, net)


def test_a_layer_has_rates_of_its_own_and_gradients_a_limit(rng):
    own = {"lr_scale": 0.5, "decay_scale": 2.0, "bias_lr_scale": 0.25, "bias_decay_scale": 3.0}
    ours = Network(7, [Layer(units=12, activation=b"tanh", **own), Layer(units=4)], [], seed=5)
    assert ours.status == 0, last_error()
    net = fa.Network(7, [fa.Dense(12, "tanh", **own), fa.Dense(4)], "fa", seed=5)
    x, y = examples(rng, "float32")
    for limits in ({}, {"clip_norm": 0.1}, {"clip_value": 0.01}):
        step = Optimizer(lr=0.1, weight_decay=0.1, **limits)
        for _ in range(3):
            net.step(x, y, fa.SGD(0.1, weight_decay=0.1, **limits))
            assert ours.call("step", view(x), view(y), c.byref(step), None) == 0, last_error()
    assert_same(ours, net)


def test_divergence_has_a_layer_and_a_step(rng):
    net, _ = pair("fa")
    x, y = examples(rng, "float32")
    assert net.call("step", view(x), view(y), SGD, None) == 0
    net.array("weights", 1)[...] = 9e13
    assert net.call("step", view(x + 9), view(y), SGD, None) == STATUS["DIVERGED"]
    layer, step = c.c_int32(), c.c_int64()
    LIBRARY.fastfa_last_divergence(c.byref(layer), c.byref(step))
    assert (layer.value, step.value) == (1, 1)
    assert "layer 1 at step 1" in last_error()


def test_a_poll_ends_an_epoch(rng):
    net, _ = pair("fa")
    x, y = examples(rng, "float32")
    asked = []
    assert epoch(net, x, y, poll=capi.POLL(lambda _: asked.append(1) or 1)) == STATUS["INTERRUPTED"]
    assert asked
    assert net.count("steps") == 0


def test_feedback_of_the_callers(rng):
    b = rng.standard_normal((12, 9))
    calls = []

    def propagate(user, delta, n, n_source, out, n_l):
        given = np.ctypeslib.as_array(delta, (n, n_source))
        np.ctypeslib.as_array(out, (n, n_l))[...] = given @ b.T
        calls.append(net.call("reset_memory"))
        return 0 if len(calls) < 3 else 42

    net, same = pair("shallow", "float64")
    own = Feedback(matrix=b"custom", propagate=capi.PROPAGATE(propagate))
    both = (Feedback * 2)(own, Feedback(matrix=b"zero"))
    assert net.call("set_feedback", both, 2, 0.0) == 0, last_error()
    # δ of layer 1 is zero, so is what is sent from there; from the output it is not
    direct = Feedback(matrix=b"custom", route=b"direct", propagate=capi.PROPAGATE(propagate))
    b = rng.standard_normal((12, 4))
    both = (Feedback * 2)(direct, Feedback(matrix=b"zero"))
    assert net.call("set_feedback", both, 2, 0.0) == 0, last_error()
    same.set_feedback([fa.Feedback("array", array=b, route="direct"), "shallow"])
    x, y = examples(rng, "float64")
    assert net.call("step", view(x), view(y), SGD, None) == 0, last_error()
    same.step(x, y, OPTIMIZERS["sgd"][1])
    np.testing.assert_allclose(net.array("weights", 0), same.weights[0], rtol=1e-12)
    assert calls == [STATUS["FAILED"]]  # it may not call its own network
    assert net.call("step", view(x), view(y), SGD, None) == 0
    before = net.state()
    assert net.call("step", view(x), view(y), SGD, None) == STATUS["CALLBACK"]
    assert "propagate returned 42" in last_error()
    for name, value in net.state().items():
        np.testing.assert_array_equal(value, before[name])


def test_activations_of_the_callers(rng):
    calls = []

    def activate(user, a, n, units, h, slope):
        calls.append((n, units))
        given = np.ctypeslib.as_array(a, (n, units))
        np.ctypeslib.as_array(h, (n, units))[...] = np.sin(given)
        np.ctypeslib.as_array(slope, (n, units))[...] = np.cos(given)
        return 0 if len(calls) < 4 else 7

    own = Layer(units=5, activation=b"custom", activate=capi.ACTIVATE(activate))
    net = Network(4, [own, Layer(units=2)], [Feedback(scale=0.2)], seed=3, dtype=1)
    assert net.status == 0, last_error()
    layers = [fa.Dense(5, fa.Activation(np.sin, np.cos)), fa.Dense(2)]
    same = fa.Network(4, layers, fa.Feedback("uniform", scale=0.2), seed=3, dtype="float64")
    x, y = rng.standard_normal((6, 4)), rng.standard_normal((6, 2))
    for _ in range(3):
        assert net.call("step", view(x), view(y), SGD, None) == 0, last_error()
        same.step(x, y, OPTIMIZERS["sgd"][1])
    np.testing.assert_array_equal(net.array("weights", 0), same.weights[0])
    assert net.call("step", view(x), view(y), SGD, None) == STATUS["CALLBACK"]
    assert "activate returned 7" in last_error()
    np.testing.assert_array_equal(net.array("weights", 0), same.weights[0])
    assert set(calls) == {(6, 5)}
    none = Network(4, [Layer(units=5, activation=b"custom"), Layer(units=2)])
    assert none.status != 0
    assert "'custom' without an activator" in last_error()


def test_noise_elsewhere_and_magnitudes_of_the_callers(rng):
    place = {"perturbation": 0.1, "noisy_layers": b"hidden", "noise_on": b"activation"}
    layers = [Layer(units=5, activation=b"tanh"), Layer(units=2)]
    net = Network(4, layers, seed=3, dtype=1, **place)
    assert net.status == 0, last_error()
    rule = fa.NodePerturbation(0.1, layers="hidden", noise_on="activation")
    same = fa.Network(4, [fa.Dense(5, "tanh"), fa.Dense(2)], rule, seed=3, dtype="float64")
    x, y = rng.standard_normal((6, 4)), rng.standard_normal((6, 2))
    sizes = rng.random((5, 2))
    for _ in range(2):
        assert net.call("step", view(x), view(y), SGD, None) == 0, last_error()
        same.step(x, y, OPTIMIZERS["sgd"][1])
        own = Feedback(matrix=b"sign", magnitude=b"array", rows=5, cols=2)
        own.array = sizes.ctypes.data_as(c.POINTER(c.c_double))
        assert net.call("set_feedback", c.byref(own), 1, 0.0) == 0, last_error()
        same.set_feedback(fa.Feedback("sign", magnitude="array", array=sizes))
    np.testing.assert_array_equal(net.array("weights", 0), same.weights[0])


def test_node_perturbation_has_no_feedback_to_show():
    net = Network(4, [Layer(units=3), Layer(units=2)], perturbation=0.1)
    assert net.status == 0, last_error()
    b = np.zeros((3, 2), "f4")
    assert net.call("feedback_array", c.c_int64(0), view(b)) == STATUS["INVALID_ARGUMENT"]
    assert "has no feedback" in last_error()
    assert net.call("set_feedback", c.byref(Feedback()), 1, 0.0) == 0, last_error()
    assert net.call("feedback_array", c.c_int64(0), view(b)) == 0
    assert b.any()
    assert net.call("set_feedback", None, 0, 0.1) == 0, last_error()


def test_one_network_in_many_threads_makes_every_step(rng):
    net, _ = pair("fa")
    x, y = examples(rng, "float32")

    def learn():
        for _ in range(200):
            assert net.call("step", view(x), view(y), SGD, None) == 0

    threads = [threading.Thread(target=learn) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert net.count("steps") == 800
