"""Ensembles on a device: each network learns as it would alone, tiny ones all in one launch."""

from __future__ import annotations

import fastfa as fa
import numpy as np
import pytest
from device_arrays import ByDlpack
from devices import ORDERS, emulated, kernels_run
from ensemble_cases import assert_same, compare, examples, networks

pytestmark = emulated
DEEP = [fa.Dense(9, "tanh"), fa.Dense(5, "logistic"), fa.Dense(3)]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("batch_size", [1, 7])
@pytest.mark.parametrize("device", ORDERS)
def test_each_learns_as_it_would_alone(batch_size, dtype, device, rng):
    def make():
        return networks(5, DEEP, dtype=dtype, device=device)

    compare(
        make, [fa.SGD(0.02 * (1 + i), weight_decay=0.01 * i) for i in range(5)], rng, batch_size
    )


@pytest.mark.parametrize("feedback", [*fa.PRESETS, fa.NodePerturbation(0.1)], ids=str)
def test_every_rule(feedback, rng):
    make = lambda: networks(3, DEEP, feedback, dtype="float64", device=ORDERS[1])  # noqa: E731
    compare(make, fa.SGD(0.01), rng)


@pytest.mark.parametrize("batch_size", [1, 4])
def test_each_learns_as_on_the_cpu(batch_size, rng):
    """Of several kinds, in one ensemble: depths, rules, losses, optimizers."""

    def make(device):
        common = {"dtype": "float64", "device": device}
        softmax = [fa.Dense(8, "relu"), fa.Dense(3, "softmax")]
        return [
            *networks(2, DEEP, "dfa", **common),
            *networks(2, DEEP, "bp", **common),
            *networks(2, [fa.Dense(3)], **common),
            *networks(2, softmax, loss="cross_entropy", **common),
            *networks(1, [fa.Dense(300, "tanh"), fa.Dense(3)], **common),  # not tiny
            *networks(1, [fa.Dense(8, bias=False), fa.Dense(3, trainable=False)], **common),
        ]

    optimizers = [*[fa.SGD(0.01)] * 8, fa.SGD(0.001, momentum=0.5), fa.SGD(0.01, weight_decay=0.1)]
    there, here = make(ORDERS[2]), make("cpu")
    x, y = examples(here[0], rng, 60)
    for _ in range(2):
        losses = [
            fa.Ensemble(nets).train_epoch(x, y, optimizers, batch_size=batch_size)
            for nets in (there, here)
        ]
        np.testing.assert_allclose(*losses, rtol=1e-11)
    for net, other in zip(there, here, strict=True):
        assert net.steps == other.steps
        assert_same(net, other)


def test_tiny_ones_are_one_launch(rng):
    nets = networks(20, DEEP, device=ORDERS[0])
    x, y = examples(nets[0], rng, 50)
    before = kernels_run()
    fa.Ensemble(nets).train_epoch(x, y, fa.SGD(0.01), batch_size=1)
    ran = kernels_run() - before
    assert set(ran) == {"tiny_run", "(copy)"}
    assert ran["tiny_run"] == 1
    alone = networks(20, DEEP, device=ORDERS[0])
    for net, other in zip(nets, alone, strict=True):
        other.train_epoch(x, y, fa.SGD(0.01), batch_size=1)
        for a, b in zip(net.weights, other.weights, strict=True):
            np.testing.assert_array_equal(a, b)
    there = networks(20, DEEP, device=ORDERS[0])
    fa.Ensemble(there).train_epoch(ByDlpack(x), ByDlpack(y), fa.SGD(0.01), batch_size=1)
    assert_same(there[7], nets[7])


@pytest.mark.parametrize("layers", [DEEP, [fa.Dense(3)]])
def test_one_that_diverges_stops_where_it_would_alone(layers, rng):
    rates = [fa.SGD(0.01), fa.SGD(1e6), fa.SGD(0.02)]
    nets = networks(3, layers, dtype="float64", device=ORDERS[0])
    alone = networks(3, layers, dtype="float64", device=ORDERS[0])
    x, y = examples(nets[0], rng, 100)
    if layers is DEEP:  # whose hidden units are bounded
        x[40:, 0] = 1e200
        rates[1] = fa.SGD(0.01)
    order = np.arange(100)
    with pytest.raises(fa.DivergenceError) as error:
        fa.Ensemble(nets).train_epoch(x, y, rates, batch_size=1, order=order)
    for i, net in enumerate(alone):
        if i not in error.value.stopped:
            net.train_epoch(x, y, rates[i], batch_size=1, order=order)
        else:
            with pytest.raises(fa.DivergenceError) as own:
                net.train_epoch(x, y, rates[i], batch_size=1, order=order)
            assert str(own.value) == str(error.value.stopped[i])
        assert net.steps == nets[i].steps
        assert_same(net, nets[i])
    assert len(error.value.stopped) == (3 if layers is DEEP else 1)


def test_networks_of_several_devices_are_refused():
    nets = [fa.Network(4, [fa.Dense(2)], device=device) for device in ("cpu", ORDERS[0])]
    with pytest.raises(
        ValueError, match=r"\[Ensemble\] networks\[1\].device was 'cuda-emulated:0'"
    ):
        fa.Ensemble(nets)
    same = [fa.Network(4, [fa.Dense(2)], device=device) for device in ("cuda-emulated", ORDERS[0])]
    assert len(fa.Ensemble(same)) == 2
