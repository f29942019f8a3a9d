"""What an example counts: a factor on its loss and on its output delta, in every way of training."""

from __future__ import annotations

from dataclasses import replace

import fastfa as fa
import numpy as np
import pytest
import reference
from device_arrays import ByDlpack
from devices import ORDERS, emulated, kernels_run
from ensemble_cases import DEEP, assert_same, examples, networks
from gradient_cases import assert_close, core_network, loss_of, numerical_gradient
from local_cases import Patches, local_case
from parity import check, relative_error
from parity_cases import ALL_RULES, build, draw_data, draw_weights, plain_case

OPTIMIZERS = [fa.SGD(0.05), fa.SGD(0.05, momentum=0.5, weight_decay=0.1), fa.Adam(0.01)]
LOCAL = (Patches(3, (2, 3), stride=(2, 1), padding="same"), Patches(5, 2))


def state(net):
    return {**net.state_dict(), **{f"B {i}": b for i, b in enumerate(net.feedback_matrices)}}


def assert_equal(net, other):
    for (name, a), b in zip(state(net).items(), state(other).values(), strict=True):
        np.testing.assert_array_equal(a, b, err_msg=name)


def pair(make):
    return make(), make()


def small(feedback="fa", output="tanh", loss="squared_error", dtype="float64", **more):
    layers = [fa.Dense(7, "tanh"), fa.Dense(5, "logistic"), fa.Dense(3, output)]
    return fa.Network(4, layers, feedback, loss=loss, dtype=dtype, **more)


# ---- against the reference ----------------------------------------------------------------------


@pytest.mark.parametrize("batch", [1, 7])
@pytest.mark.parametrize("rule", ALL_RULES)
def test_every_rule_equals_the_reference(rule, batch):
    case = plain_case((5, 9, 17, 4), rules=(rule,), batch=batch, short=batch // 2, weighted=True)
    check(case, "float64")


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    "case",
    [
        plain_case((4, 9, 3), perturbation=0.5, batch=3),
        plain_case((4, 9, 3), perturbation=0.5, batch=1, drive="both"),
        plain_case((300, 20, 3), batch=2, drive="both"),  # too large to be tiny; updates wait
        plain_case((300, 20, 3), batch=1, weight_decay=0.1, sparse=True),
        plain_case((6, 5, 3), output=("cross_entropy", "softmax"), batch=37, adam=True),
        plain_case((6, 5, 3), output=("cross_entropy", "logistic"), batch=8, momentum=0.5),
        plain_case((6, 5, 1), batch=1, reduction="sum", drive="step"),
        plain_case((6, 1, 257), batch=33, rules=("target uniform",)),
        plain_case((3,) * 2, batch=5),
        local_case((2, 7, 6), LOCAL, 4, rules=("bp", "fa"), batch=5),
        local_case((7, 6), LOCAL, 4, rules=("dfa",), batch=1),
    ],
)
def test_every_way_of_training_equals_the_reference(case, dtype):
    check(replace(case, weighted=True), dtype)


def test_backprop_of_weighted_examples_is_the_gradient():
    net, (x, y) = core_network("tanh", "cross_entropy", "softmax")
    w = np.array([0.0, 1.0, 2.5, 0.3, 1.0, 7.0])
    deltas = net.deltas(x, y, sample_weight=w)
    inputs = [x, *net.activations(x)[:-1]]
    for layer, (delta, h) in enumerate(zip(deltas, inputs, strict=True)):

        def weighted():
            each = [loss_of(net, x[i : i + 1], y[i : i + 1]) for i in range(len(x))]
            return np.dot(w, each) / len(x)  # the update's mean is over examples

        downhill = -numerical_gradient(weighted, net.weights[layer])
        assert_close(delta.T @ h / len(x), downhill)
    before = [np.array(a) for a in net.weights]
    net.step(x, y, fa.SGD(1.0), sample_weight=w)
    for a, b, delta, h in zip(net.weights, before, deltas, inputs, strict=True):
        np.testing.assert_allclose(a - b, delta.T @ h / len(x), rtol=1e-10, atol=1e-13)


# ---- what weights mean --------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [1, 3, 40])
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
@pytest.mark.parametrize(
    "feedback", ["bp", "fa", "drtp", "kp", "wm", fa.NodePerturbation(0.1)], ids=str
)
def test_weights_of_one_are_none_to_the_last_bit(feedback, optimizer, batch_size, rng):
    net, other = pair(lambda: small(feedback, dtype="float32"))
    x, y = examples(net, rng, 40)
    for ones in (np.ones(40), np.ones(40, dtype=bool)):
        loss = net.train_epoch(x, y, optimizer, batch_size=batch_size)
        assert loss == other.train_epoch(x, y, optimizer, batch_size=batch_size, sample_weight=ones)
    assert_equal(net, other)
    assert net.evaluate(x, y) == other.evaluate(x, y, sample_weight=np.ones(40))
    for a, b in zip(net.deltas(x, y), net.deltas(x, y, sample_weight=np.ones(40)), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("feedback", ["bp", "fa", "dfa", "drtp", "kp", fa.NodePerturbation(0.1)])
@pytest.mark.parametrize("batch_size", [1, 4])
def test_an_example_of_weight_zero_changes_nothing(feedback, batch_size, rng):
    net, other = pair(lambda: small(feedback))
    x, y = examples(net, rng, 12)
    loss = net.train_epoch(x, y, fa.SGD(0.1), batch_size=batch_size, sample_weight=np.zeros(12))
    assert np.isnan(loss)
    assert_equal(net, other)
    for delta in net.deltas(x, y, sample_weight=np.zeros(12)):
        assert not delta.any()


@pytest.mark.parametrize("feedback", ["bp", "fa", "dfa", "drtp", "kp", "usf"])
def test_weight_two_is_showing_it_twice_in_a_sum(feedback, rng):
    net, other = pair(lambda: small(feedback))
    x, y = examples(net, rng, 12)
    count = rng.integers(0, 4, 12)
    rows = np.repeat(np.arange(12), count)
    for optimizer in (fa.SGD(0.1, reduction="sum"), fa.SGD(0.1, momentum=0.5, reduction="sum")):
        loss = net.step(x, y, optimizer, sample_weight=count)
        assert loss == pytest.approx(other.step(x[rows], y[rows], optimizer), rel=1e-12)
        assert_same(net, other)
    found, expected = net.evaluate(x, y, sample_weight=count), other.evaluate(x[rows], y[rows])
    assert found == pytest.approx(expected, rel=1e-9)


def test_the_mean_is_over_the_examples_whatever_they_weigh(rng):
    """So weights mean something in a batch of one weight: it moves that many times as far."""
    x, y = examples(small(), rng, 5)
    moves = []
    for weight in (1.0, 4.0):
        net = small()
        before = net.state_dict()
        net.step(x, y, fa.SGD(0.1), sample_weight=np.full(5, weight))
        moves.append({name: a - before[name] for name, a in net.state_dict().items()})
    for name, move in moves[0].items():
        np.testing.assert_allclose(moves[1][name], 4 * move, rtol=1e-9, atol=1e-15)


def test_the_error_rate_counts_weights(rng):
    net = small(output="softmax", loss="cross_entropy")
    x, y = examples(net, rng, 300)  # several blocks of the CPU's
    w = rng.random(300) * (rng.random(300) < 0.7)
    wrong = net.predict(x) != y.argmax(axis=1)
    assert 0 < wrong.mean() < 1
    found = net.evaluate(x, y, sample_weight=w)
    assert found.error_rate == pytest.approx(np.average(wrong, weights=w), rel=1e-12)
    each = reference.of(net).losses(x, y)
    assert found.loss == pytest.approx(np.average(each, weights=w), rel=1e-12)
    assert fa.Ensemble([net]).evaluate(x, y, sample_weight=w) == [found]


@pytest.mark.parametrize("batch_size", [1, 2, 50])
def test_the_same_bits_at_any_number_of_threads(batch_size, rng):
    x, y = rng.standard_normal((50, 300)), rng.standard_normal((50, 40))
    w, threads, found = rng.random(50), fa.get_num_threads(), []
    try:
        for n in (1, 3):
            fa.set_num_threads(n)
            net = fa.Network(300, [fa.Dense(90, "tanh"), fa.Dense(40)], "drtp", dtype="float32")
            loss = net.train_epoch(x, y, fa.SGD(0.1), batch_size=batch_size, sample_weight=w)
            found.append((net, loss))
    finally:
        fa.set_num_threads(threads)
    assert found[0][1] == found[1][1]
    assert_equal(found[0][0], found[1][0])


def test_a_step_in_parts_is_given_the_weighted_error(rng):
    """There the user multiplies e, and the target, himself."""
    for feedback in ("fa", "drtp"):
        net, other = pair(lambda feedback=feedback: small(feedback, output="linear"))
        x, y = examples(net, rng, 6)
        w = rng.random(6)
        net.step(x, y, fa.SGD(0.1), sample_weight=w)
        e = w[:, None] * (y - other.forward_step(x))
        target = {"target": w[:, None] * y} if feedback == "drtp" else {}
        other.apply_error(e, fa.SGD(0.1), **target)
        assert_same(net, other)


# ---- networks side by side ----------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    ("device", "batch_size", "softmax"),
    [("cpu", 1, False), ("cpu", 1, True), ("cpu", 7, False)]
    + [pytest.param(device, n, False, marks=emulated) for device in ORDERS[:2] for n in (1, 7)],
)
def test_an_ensemble_learns_as_each_alone(device, batch_size, softmax, dtype, rng):
    layers = [*DEEP[:-1], fa.Dense(3, "softmax")] if softmax else DEEP
    more = {"loss": "cross_entropy"} if softmax else {}
    together, alone = pair(lambda: networks(9, layers, dtype=dtype, device=device, **more))
    x, y = examples(together[0], rng, 60)
    w, order = rng.random(60) * (rng.random(60) < 0.8), rng.permutation(60)[:50]
    arguments = {"batch_size": batch_size, "order": order, "sample_weight": w}
    losses = fa.Ensemble(together).train_epoch(x, y, fa.SGD(0.05, weight_decay=0.01), **arguments)
    for net, other, loss in zip(together, alone, losses, strict=True):
        expected = other.train_epoch(x, y, fa.SGD(0.05, weight_decay=0.01), **arguments)
        assert loss == pytest.approx(expected, rel=1e-11 if dtype == "float64" else 1e-4)
        assert_same(net, other)
    both = [fa.Ensemble(networks(7, DEEP, dtype=dtype)) for _ in range(2)]
    ones = both[0].train_epoch(x, y, fa.SGD(0.1), batch_size=1, sample_weight=np.ones(60))
    np.testing.assert_array_equal(ones, both[1].train_epoch(x, y, fa.SGD(0.1), batch_size=1))
    for net, other in zip(both[0].networks, both[1].networks, strict=True):
        assert_equal(net, other)
    both[0].step(x, y, fa.SGD(0.1), sample_weight=w)
    both[1].networks[0].step(x, y, fa.SGD(0.1), sample_weight=w)
    assert_same(both[0].networks[0], both[1].networks[0])


@pytest.mark.parametrize("device", ["cpu", pytest.param(ORDERS[0], marks=emulated)])
@pytest.mark.parametrize("batch_size", [1, 7])
def test_the_sums_of_an_ensemble_are_those_of_each_alone(device, batch_size, rng):
    nets, others = pair(lambda: networks(9, DEEP, dtype="float64", device=device))
    x, y = examples(nets[0], rng, 60)
    w, order, rate = rng.random(60), rng.permutation(60)[:50], fa.SGD(0.05)
    rows = fa._core.train_together(
        [net._net for net in nets], x, y, [rate._spec()] * 9, batch_size, order, w
    )
    for other, (loss, missed, weight) in zip(others, rows, strict=True):
        mean, sums = other._train_chunk(x, y, rate, batch_size, order, sample_weight=w)
        assert (loss, missed, weight) == pytest.approx((mean, *sums[1:]), rel=1e-11)
        assert 0 < missed < weight


# ---- devices ------------------------------------------------------------------------------------

DEVICE_CASES = {
    "output": plain_case((9, 41), output=("cross_entropy", "softmax"), batch=7),
    "times_slope": plain_case((5, 33, 7), rules=("drtp",), batch=5, short=2),
    "tally": plain_case((6, 5, 3), batch=37, short=2),
    "next_batch": plain_case((9, 33, 4), rules=("target normal",), batch=3, short=1),
    "tiny_run": plain_case((9, 33, 17, 4), rules=("fa", "bp"), weight_decay=0.1, batch=1),
    "draw": plain_case((5, 9, 3), perturbation=0.5, batch=3, drive="both"),
}


@emulated
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("kernel", DEVICE_CASES)
def test_devices_equal_the_reference(kernel, dtype):
    before = kernels_run()
    for device in ORDERS:
        check(replace(DEVICE_CASES[kernel], device=device, weighted=True), dtype)
    assert (kernels_run() - before)[kernel] > 0


@emulated
@pytest.mark.parametrize("batch", [1, 4])
def test_error_rates_and_sums_on_a_device_are_the_cpus(batch, rng):
    """Also where steps are recorded, and where weights take turns with none."""
    case = plain_case((300, 9, 3), output=("cross_entropy", "softmax"), batch=batch)
    tiny = replace(case, widths=(4, 9, 3))
    for own in (case, tiny):
        nets = [
            build(replace(own, device=device), "float64", np.random.default_rng(3))
            for device in ("cpu", ORDERS[2])
        ]
        x, y = draw_data(own, 60, "float64", rng)
        w = draw_weights(replace(own, weighted=True), 60, "float64", rng)
        rate, order = fa.SGD(0.05), np.arange(60)
        for weights in (w, None, 3 * w):
            sums = [
                net._train_chunk(x, y, rate, batch, order, (1.0, 2.0, 3.0), weights)[1]
                for net in nets
            ]
            assert sums[0] == pytest.approx(sums[1], rel=1e-11)
            total = 60 if weights is None else weights.sum()
            assert sums[0][2] == pytest.approx(3 + total, rel=1e-12)
            assert nets[0].evaluate(x, y, sample_weight=w) == pytest.approx(
                nets[1].evaluate(x, y, sample_weight=w), rel=1e-11
            )
        for a, b in zip(nets[0].weights, nets[1].weights, strict=True):
            assert relative_error(a, np.array(b)) < 1e-11


@emulated
def test_weights_lie_in_main_memory_wherever_the_examples_do(rng):
    net, twin = pair(lambda: small(dtype="float32", device=ORDERS[0]))
    x, y = examples(net, rng, 12)
    w, there = rng.random(12), (ByDlpack(x), ByDlpack(y))
    assert net.step(*there, fa.SGD(0.1), sample_weight=w) == twin.step(
        x, y, fa.SGD(0.1), sample_weight=w
    )
    assert net.evaluate(*there, sample_weight=w) == twin.evaluate(x, y, sample_weight=w)
    assert_equal(net, twin)
    with pytest.raises(TypeError, match=r"sample_weight was .* in main memory"):
        net.step(*there, fa.SGD(0.1), sample_weight=ByDlpack(w.astype("f4")))


# ---- out of range -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("weights", "error", "message"),
    [
        ([1, 2, 3], ValueError, r"sample_weight has shape \(3,\); it must be \(4,\)"),
        (np.ones((4, 1)), ValueError, r"sample_weight has shape \(4, 1\); it must be \(4,\)"),
        (2.0, ValueError, r"sample_weight has shape \(\); it must be \(4,\)"),
        ([1, 2, -3, 4], ValueError, r"sample_weight\[2\] was -3; it must be at least 0"),
        ([1, 2, 3, np.nan], ValueError, r"sample_weight has nan at \[3\]"),
        ([1, np.inf, 3, 4], ValueError, r"sample_weight has inf at \[1\]"),
        ([1e39, 2, 3, 4], ValueError, r"sample_weight\[0\] was 1e\+39; .* at most 1e\+14"),
        (["a"] * 4, TypeError, "sample_weight has dtype"),
        ([1j] * 4, TypeError, "sample_weight has dtype complex128"),
    ],
)
def test_weights_that_are_none_are_refused(weights, error, message, rng):
    net, other = pair(lambda: small(dtype="float32"))
    x, y = examples(net, rng, 4)
    ensemble = fa.Ensemble([net])
    for where, call in {
        "step": lambda w: net.step(x, y, fa.SGD(1.0), sample_weight=w),
        "train_epoch": lambda w: net.train_epoch(
            x, y, fa.SGD(1.0), batch_size=2, order=[0], sample_weight=w
        ),
        "evaluate": lambda w: net.evaluate(x, y, sample_weight=w),
        "deltas": lambda w: net.deltas(x, y, "bp", sample_weight=w),
        r"train_epoch\]|\[step": lambda w: ensemble.step(x, y, fa.SGD(1.0), sample_weight=w),
    }.items():
        with pytest.raises(error, match=rf"\[{where}\] {message}"):
            call(weights)
    assert_equal(net, other)


def test_the_core_looks_itself(rng):
    net = small()
    x, y = examples(net, rng, 4)
    for weight in (-1.0, np.nan, np.inf, 2e14):
        bad = np.array([1.0, weight, 1.0, 1.0])
        with pytest.raises(ValueError, match=r"sample_weight\[1\] was"):
            net._net.evaluate(x, y, bad)
        with pytest.raises(ValueError, match=r"sample_weight\[1\] was"):
            net._net.deltas(x, y, sample_weight=bad)
        with pytest.raises(ValueError, match=r"sample_weight\[1\] was"):
            net._train_chunk(x, y, fa.SGD(1.0), 2, np.arange(4), sample_weight=bad)
    with pytest.raises(ValueError, match="sample_weight must have one dimension"):
        net._net.evaluate(x, y, np.ones(3))


def test_a_measure_of_nothing_is_refused(rng):
    net = small()
    x, y = examples(net, rng, 4)
    with pytest.raises(ValueError, match=r"\[evaluate\] sample_weight was 0 for all 4 examples"):
        net.evaluate(x, y, sample_weight=np.zeros(4))


@pytest.mark.parametrize(
    ("device", "batch_size", "count"),
    [("cpu", 1, 1), ("cpu", 4, 1), ("cpu", 1, 8)]
    + [pytest.param(ORDERS[0], n, c, marks=emulated) for n, c in ((1, 1), (4, 1), (1, 8))],
)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_too_large_a_weight_stops_before_the_update(dtype, device, batch_size, count):
    """A delta of allowed size that its weight takes beyond the range: no NaN, no inf, an error."""
    bias = 1e6 if dtype == "float32" else 1e130
    make = lambda: networks(count, [fa.Dense(3)], n_in=2, dtype=dtype, device=device)  # noqa: E731
    nets, others = pair(make)
    x, y = np.ones((4, 2)), np.full((4, 3), bias)
    w = np.array([0.0, 0.0, 0.0, 1e14])
    with pytest.raises(fa.DivergenceError, match="a delta is NaN, infinite or beyond"):
        fa.Ensemble(nets).train_epoch(x, y, fa.SGD(0.1), batch_size=batch_size, sample_weight=w)
    for net, other in zip(nets, others, strict=True):
        assert_equal(net, other)
    if dtype == "float32":
        assert np.isfinite(nets[0].evaluate(x, y, sample_weight=w).loss)


def test_an_infinite_loss_that_counts_nothing_is_nothing():
    net = fa.Network(1, [fa.Dense(1)], dtype="float64")
    x, y = np.ones((2, 1)), np.array([[1e300], [0.0]])  # whose square is infinite
    assert net.evaluate(x, y).loss == np.inf
    assert np.isfinite(net.evaluate(x, y, sample_weight=[0.0, 1.0]).loss)
