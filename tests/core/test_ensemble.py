"""An ensemble's networks learn as each would alone, to rounding, whatever way they are trained."""

from __future__ import annotations

import collections

import fastfa as fa
import numpy as np
import pytest
from ensemble_cases import DEEP, SMALL, assert_same, compare, examples, networks
from parity_cases import HIDDEN


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("count", [1, 2, 6, 17, 40])
@pytest.mark.parametrize("batch_size", [1, 7])
def test_each_learns_as_it_would_alone(count, batch_size, dtype, rng):
    def make():
        return networks(count, [fa.Dense(9, "tanh"), fa.Dense(5, "tanh"), fa.Dense(3)], dtype=dtype)

    rates = [fa.SGD(0.02 * (1 + i % 4)) for i in range(count)]
    compare(make, rates, rng, batch_size)


@pytest.mark.parametrize("feedback", [*fa.PRESETS, fa.NodePerturbation(0.1)], ids=str)
def test_every_rule(feedback, rng):
    compare(
        lambda: networks(7, DEEP, feedback, dtype="float64"),
        fa.SGD(0.01),
        rng,
    )


@pytest.mark.parametrize("activation", HIDDEN)
@pytest.mark.parametrize(
    ("output", "loss"),
    [
        ("linear", "squared_error"),
        ("tanh", "squared_error"),
        ("logistic", "cross_entropy"),
        ("logistic", "squared_error"),
        ("softmax", "cross_entropy"),
    ],
)
def test_every_activation_and_loss(activation, output, loss, rng):
    layers = [fa.Dense(11, activation), fa.Dense(4, output)]
    compare(lambda: networks(6, layers, loss=loss, dtype="float64"), fa.SGD(0.05), rng)


@pytest.mark.parametrize(
    "layers",
    [
        [fa.Dense(1, "tanh"), fa.Dense(1)],
        [fa.Dense(3)],
        [fa.Dense(4, "tanh", bias=False), fa.Dense(13, "tanh"), fa.Dense(2, bias=False)],
        [fa.Dense(4, "tanh", trainable=False), fa.Dense(5, "tanh"), fa.Dense(2)],
        [fa.Dense(4, "tanh"), fa.Dense(5, "tanh", trainable=False), fa.Dense(2)],
        [fa.Dense(9, "tanh", density=0.5), fa.Dense(2)],
        [fa.Dropout(0.3), fa.Dense(9, "tanh"), fa.Dense(2)],
        [fa.Dense(300, "tanh"), fa.Dense(2)],
    ],
    ids=[
        "ones",
        "one layer",
        "no bias",
        "frozen first",
        "frozen second",
        "half",
        "dropout",
        "wide",
    ],
)
@pytest.mark.parametrize(
    "optimizer",
    [
        *(fa.SGD(0.02), fa.SGD(0.02, weight_decay=0.1), fa.SGD(0.02, momentum=0.9), fa.Adam(1e-3)),
        *(fa.SGD(0.02, momentum=0.9, nesterov=True), fa.AdamW(1e-3), fa.RMSprop(1e-3)),
    ],
    ids=["sgd", "decay", "momentum", "adam", "nesterov", "adamw", "rmsprop"],
)
def test_every_kind_of_layer_and_optimizer(layers, optimizer, rng):
    compare(lambda: networks(7, layers, dtype="float64"), optimizer, rng)
    compare(lambda: networks(7, layers, "shallow", dtype="float64"), optimizer, rng)


def test_kinds_may_be_mixed(rng):
    def make():
        nets = networks(7, SMALL, dtype="float64") + networks(8, DEEP, "bp", dtype="float64")
        nets += networks(6, DEEP, "dfa", dtype="float64") + networks(3, DEEP, "fa", dtype="float64")
        return nets + networks(1, [fa.Dense(200, "relu"), fa.Dense(3)], dtype="float64")

    compare(make, fa.SGD(0.03), rng)


def test_the_bits_do_not_depend_on_the_number_of_threads(rng):
    results = []
    x, y = rng.standard_normal((300, 6)), rng.standard_normal((300, 3))
    before = fa.get_num_threads()
    for threads in (1, 2, 3):
        fa.set_num_threads(threads)
        nets = networks(37, [fa.Dense(9, "tanh"), fa.Dense(3)])
        nets += networks(2, [fa.Dense(400, "tanh"), fa.Dense(3)])
        fa.Ensemble(nets).train_epoch(x, y, fa.SGD(0.01), batch_size=1)
        results.append(b"".join(a.tobytes() for net in nets for a in net.state_dict().values()))
    fa.set_num_threads(before)
    assert results[0] == results[1] == results[2]


def test_step_and_evaluate(rng):
    nets, alone = (networks(4, SMALL) for _ in range(2))
    x, y = examples(nets[0], rng, 20)
    ensemble = fa.Ensemble(nets)
    losses = ensemble.step(x, y, fa.SGD(0.1))
    assert losses == pytest.approx([net.step(x, y, fa.SGD(0.1)) for net in alone])
    assert [e.loss for e in ensemble.evaluate(x, y)] == pytest.approx(
        [n.evaluate(x, y).loss for n in alone]
    )
    assert len(ensemble) == 4


@pytest.mark.parametrize("units", [8, 300])
def test_who_diverges_stops_and_the_others_go_on(units, rng):
    def make():
        return networks(7, [fa.Dense(units, "linear"), fa.Dense(3)], "bp", dtype="float64")

    together, alone = make(), make()
    x, y = examples(together[0], rng, 400)
    rates = [fa.SGD(50.0 if i in (1, 3) else 1e-3) for i in range(7)]
    with pytest.raises(fa.DivergenceError, match=r"2 of 7 networks: network 1, ") as caught:
        fa.Ensemble(together).train_epoch(x, y, rates, batch_size=1)
    assert sorted(caught.value.stopped) == [1, 3]
    for i, net in enumerate(alone):
        if i in (1, 3):
            with pytest.raises(fa.DivergenceError) as own:
                net.train_epoch(x, y, rates[i], batch_size=1)
            assert caught.value.stopped[i].step == own.value.step == net.steps == together[i].steps
            assert all(np.isfinite(a).all() for a in together[i].state_dict().values())
        else:
            net.train_epoch(x, y, rates[i], batch_size=1)
            assert_same(together[i], net)
            assert together[i].steps == 400


def test_an_exception_of_custom_feedback_is_raised(rng):
    class Broken:
        def propagate(self, delta):
            raise RuntimeError("mine")

    nets = networks(3, [fa.Dense(4, "tanh"), fa.Dense(3)], Broken())
    with pytest.raises(RuntimeError, match="mine"):
        fa.Ensemble(nets).train_epoch(*examples(nets[0], rng), fa.SGD(0.1), batch_size=1)


def test_custom_feedback_must_not_call_a_network_of_the_ensemble(run_python):
    """Whichever thread of the team it runs on; waiting for the network would be for ever."""
    source = """
import numpy as np
import fastfa as fa
nets = []
class Caller:
    def __init__(self, whom): self.whom = whom
    def propagate(self, sent):
        nets[self.whom].forward(np.zeros((1, 4)))
fa.set_num_threads(2)
nets += [fa.Network(4, [fa.Dense(6), fa.Dense(2)], [Caller((i + 1) % 4)]) for i in range(4)]
try:
    fa.Ensemble(nets).train_epoch(np.ones((4, 4)), np.ones((4, 2)), fa.SGD(0.1), batch_size=4)
except RuntimeError as error:
    print("called from within" in str(error), end="")
nets[0].forward(np.zeros((1, 4)))
"""
    assert run_python(source) == "True"


@pytest.mark.parametrize("threads", [1, 2])
def test_custom_feedback_may_call_another_network(threads, restore_threads):
    helper = fa.Network(4, [fa.Dense(6)])

    class Caller:
        def propagate(self, sent):
            return 0.0 * helper.forward(np.ones((len(sent), 4)))

    fa.set_num_threads(threads)
    nets = [fa.Network(4, [fa.Dense(6), fa.Dense(2)], [Caller()], seed=i) for i in range(4)]
    order = np.arange(400) % 4
    fa.Ensemble(nets).train_epoch(
        np.ones((4, 4)), np.ones((4, 2)), fa.SGD(0.1), batch_size=1, order=order
    )
    assert [net.steps for net in nets] == [400] * 4


def test_lanes_that_one_had_to_leave_do_not_come_back_with_old_weights():
    """Its first sum reaches the limit in the lanes' order of adding, and doesn't in its own."""
    limit, unit, count = np.float32(1e14), np.float32(8388608), 1_400_000  # two chunks
    x, y = np.full((count, 2), 0.5, "float32"), np.ones((count, 1), "float32")
    x[0] = 1

    def learner(seed):
        return fa.Network(2, [fa.Dense(2, "logistic"), fa.Dense(1)], seed=seed)

    nets, alone = [learner(seed) for seed in range(6)], learner(1)
    nets[0].weights[0][0] = [0.75 * unit, -0.45 * unit]
    nets[0].biases[0][0] = limit - unit
    fa.Ensemble(nets).train_epoch(x, y, fa.SGD(1e-5), batch_size=1)
    alone.train_epoch(x, y, fa.SGD(1e-5), batch_size=1)
    assert [net.steps for net in nets] == [count] * 6
    for mine, own in zip(nets[1].weights, alone.weights, strict=True):
        np.testing.assert_allclose(mine, own, atol=1e-4)


def test_bad_input():
    a, b = networks(2, [fa.Dense(3)])
    x, y = np.zeros((5, 6)), np.zeros((5, 3))
    for bad, error in [
        ([], ValueError),
        (a, TypeError),
        ([a, 1], TypeError),
        ([a, b, a], ValueError),
    ]:
        with pytest.raises(error, match=r"\[Ensemble\] networks"):
            fa.Ensemble(bad)
    for other in (
        fa.Network(6, [fa.Dense(3)], dtype="float64"),
        fa.Network(7, [fa.Dense(3)]),
        fa.Network(6, [fa.Dense(4)]),
    ):
        with pytest.raises(ValueError, match=r"\[Ensemble\] networks\[1\]\."):
            fa.Ensemble([a, other])
    before = [a.state_dict(), b.state_dict()]
    for bad in ([fa.SGD(1)], [fa.SGD(1)] * 3, 1, None):
        with pytest.raises(ValueError, match="optimizer"):
            fa.Ensemble([a, b]).train_epoch(x, y, bad, batch_size=1)
    with pytest.raises(TypeError, match="optimizer"):
        fa.Ensemble([a, b]).train_epoch(x, y, [fa.SGD(1), "sgd"], batch_size=1)
    with pytest.raises(ValueError, match="batch_size"):
        fa.Ensemble([a, b]).train_epoch(x, y, fa.SGD(1), batch_size=0)
    with pytest.raises(ValueError, match="order"):
        fa.Ensemble([a, b]).train_epoch(x, y, fa.SGD(1), batch_size=1, order=[5])
    for state, net in zip(before, (a, b), strict=True):
        assert all(np.array_equal(v, net.state_dict()[k]) for k, v in state.items())


def test_the_callers_subnormal_numbers_are_left_alone(rng):
    nets = networks(4, SMALL)
    fa.Ensemble(nets).train_epoch(*examples(nets[0], rng), fa.SGD(0.1), batch_size=1)
    assert (np.full(64, 1e-40, np.float32) * np.float32(0.5) > 0).all()


@pytest.mark.parametrize("kind", [list, tuple, collections.deque, np.array])
def test_any_sequence_of_optimizers(kind, rng):
    rates = [0.01, 0.1, 0.2]
    nets, alone = networks(3, SMALL), networks(3, SMALL)
    x, y = examples(nets[0], rng, 20)
    fa.Ensemble(nets).step(x, y, kind([fa.SGD(rate) for rate in rates]))
    for net, own, rate in zip(nets, alone, rates, strict=True):
        own.step(x, y, fa.SGD(rate))
        assert_same(net, own)
