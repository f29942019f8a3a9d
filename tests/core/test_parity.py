"""The compiled core against the NumPy reference: 20 steps on many networks, then every array.

parity.py says what is compared and how. The tolerances are 1e-10 in float64, 1e-4 in float32.
"""

from __future__ import annotations

import itertools
from dataclasses import replace

import fastfa as fa
import numpy as np
import pytest
import reference
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from parity import STEPS, TOLERANCE, check, disagreements, errors, relative_error
from parity_cases import (
    ALL_RULES,
    HIDDEN,
    OUTPUTS,
    RULES,
    WIDTHS,
    Case,
    build,
    draw_data,
    optimizer_of,
    plain_case,
)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Any network of 1 to 5 weighted layers, any way of training it."""
    depth = draw(st.integers(1, 5))
    width = st.one_of(st.integers(1, 20), st.sampled_from([w for w in WIDTHS if w < 70]))
    batch = draw(st.sampled_from([1, 1, 2, 3, 4, 7, 8, 9, 16, 33]))

    def each(values: st.SearchStrategy, length: int) -> st.SearchStrategy:
        return st.lists(values, min_size=length, max_size=length).map(tuple)

    return Case(
        widths=draw(each(width, depth + 1)),
        hidden=draw(each(st.sampled_from(HIDDEN), depth - 1)),
        output=draw(st.sampled_from(OUTPUTS)),
        rules=draw(each(st.sampled_from(ALL_RULES), depth - 1)),
        density=draw(each(st.sampled_from([1.0, 1.0, 0.5, 0.05]), depth)),
        perturbation=draw(st.sampled_from([0.0] * 9 + [0.5])),
        adam=draw(st.sampled_from([False, False, True])),
        bias=draw(each(st.sampled_from([True, True, False]), depth)),
        trainable=draw(each(st.sampled_from([True, True, True, False]), depth)),
        momentum=draw(st.sampled_from([0.0, 0.5, 0.9])),
        weight_decay=draw(st.sampled_from([0.0, 1e-6, 0.1])),
        reduction=draw(st.sampled_from(["mean", "sum"])),
        batch=batch,
        short=draw(st.integers(0, batch - 1)),
        drive=draw(st.sampled_from(["step", "epoch", "both"])),
        sparse=draw(st.booleans()),
        weighted=draw(st.sampled_from([False, True])),
        seed=draw(st.integers(0, 2**64 - 1)),
    )


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_random_networks(dtype):
    @settings(max_examples=500)
    @given(cases())
    def every_array_agrees(case):
        found = disagreements(case, dtype)
        assume(found is not None)
        assert not found, found

    every_array_agrees()


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("batch", [1, 8])
@pytest.mark.parametrize("rule", RULES)
def test_every_activation_and_loss_under_every_rule(rule, batch, dtype):
    for (i, hidden), (j, output) in itertools.product(enumerate(HIDDEN), enumerate(OUTPUTS)):
        if (i + j + batch) % 2:  # each pair at one batch size
            continue
        check(
            plain_case(
                (12, 11, 9, 4),
                hidden=(hidden,),
                output=output,
                rules=(rule,),
                momentum=0.9 * (i % 2),
                weight_decay=0.01,
                batch=batch,
                short=batch // 2,
            ),
            dtype,
        )


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("batch", [1, 6])
@pytest.mark.parametrize("width", WIDTHS)
def test_every_width_in_every_place(width, batch, dtype):
    for widths, rule in zip(
        [
            (width, 33, 5),
            (9, width, 10),
            (20, 15, width),
            (width, width, width),
            (5, width, width, 3),
        ],
        itertools.cycle(["bp", "fa", "direct array"]),
        strict=False,
    ):
        for sparse in (False, True):
            check(
                plain_case(widths, rules=(rule,), batch=batch, sparse=sparse, short=batch // 2),
                dtype,
            )


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    "batch",
    [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 127, 129, 256, 257, 300, 513],
)
def test_every_batch_size_with_a_short_last_batch(batch, dtype):
    for short, reduction, rule in [
        (0, "mean", "bp"),
        (batch - 1, "sum", "fa"),
        (batch // 3, "mean", "dfa"),
    ]:
        check(
            plain_case(
                (17, 33, 12, 10),
                hidden=("tanh", "logistic"),
                output=("cross_entropy", "softmax"),
                rules=(rule,),
                batch=batch,
                short=short,
                reduction=reduction,
                momentum=0.5,
                weight_decay=0.01,
                sparse=short > 0,
            ),
            dtype,
        )


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("batch", [1, 100])
@pytest.mark.parametrize(("rule", "drive"), [("bp", "step"), ("fa", "epoch")])
def test_the_papers_mnist_network(rule, drive, batch, dtype):
    check(
        plain_case(
            (784, 1000, 10),
            hidden=("logistic",),
            output=("cross_entropy", "logistic"),
            rules=(rule,),
            batch=batch,
            weight_decay=1e-6,
            short=batch // 3,
            drive=drive,
            sparse=True,
        ),
        dtype,
    )


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("batch", [1, 64])
def test_a_deep_wide_network_with_a_rule_of_its_own_in_each_layer(batch, dtype):
    check(
        plain_case(
            (300, 257, 200, 129, 65, 31),
            hidden=("tanh", "leaky_relu", "logistic", "tanh")
            if batch == 1
            else ("tanh", "logistic"),
            rules=("dfa", "bp", "normal", "array"),
            batch=batch,
            momentum=0.9,
            weight_decay=1e-3,
        ),
        dtype,
    )


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("rule", ["bp", "normal"])
def test_sums_longer_than_any_block(rule, dtype):
    """More than 512 inputs, hidden units, outputs and examples: sums that are cut into pieces."""
    for sparse, momentum in [(False, 0.0), (True, 0.9)]:
        case = plain_case((700, 520, 530), rules=(rule,), batch=530, sparse=sparse)
        rng = np.random.default_rng(1)
        net = build(case, dtype, rng)
        ref, sgd = reference.of(net), fa.SGD(0.01, momentum=momentum, weight_decay=0.01)
        x, y = draw_data(case, 1200, dtype, rng)
        for _ in range(2):
            net.train_epoch(x, y, sgd, batch_size=case.batch)
            ref.train_epoch(x, y, sgd, batch_size=case.batch)
        found = dict(errors(net, ref, x[:40], y[:40]))
        assert max(found.values()) < TOLERANCE[dtype], found


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("count", [1, 2, 127, 128, 129, 255, 256, 257, 511, 512, 513, 1024, 3001])
def test_any_number_of_examples_can_be_looked_at(count, dtype):
    case = plain_case((9, 17, 5, 3), rules=("fa", "dfa"))
    rng = np.random.default_rng(5)
    net = build(case, dtype, rng)
    ref = reference.of(net)
    x, y = draw_data(case, count, dtype, rng)
    found = dict(errors(net, ref, x, y))
    assert max(found.values()) < TOLERANCE[dtype], found
    np.testing.assert_array_equal(net.predict(x), net.forward(x).argmax(axis=1))
    wrong = np.mean(ref.forward(x).argmax(axis=1) != y.argmax(axis=1))
    assert net.evaluate(x, y).error_rate == pytest.approx(wrong, abs=1e-12)


@pytest.mark.parametrize("batch", [1, 5])
def test_the_optimizer_may_change_between_steps(batch):
    case = plain_case((9, 17, 5, 3), rules=("fa", "dfa"), batch=batch)
    rng = np.random.default_rng(5)
    net = build(case, "float64", rng)
    ref = reference.of(net)
    x, y = draw_data(case, 6 * batch, "float64", rng)
    for sgd in [
        fa.SGD(0.1, momentum=0.9),
        fa.SGD(0.01, momentum=0.9, weight_decay=0.1),
        fa.SGD(0.001, momentum=0.5, reduction="sum"),
    ]:
        net.train_epoch(x, y, sgd, batch_size=batch)
        ref.train_epoch(x, y, sgd, batch_size=batch)
    found = dict(errors(net, ref, x, y))
    assert max(found.values()) < 1e-10, found


@pytest.mark.parametrize("batch", [1, 5])
def test_a_step_without_momentum_drops_the_velocity(batch):
    """As documented: afterwards the velocity starts at zero, not at the last update."""
    case = plain_case((9, 17, 5, 3), rules=("fa", "dfa"), batch=batch)
    rng = np.random.default_rng(5)
    net = build(case, "float64", rng)
    ref = reference.of(net)
    x, y = draw_data(case, 6 * batch, "float64", rng)
    for momentum in (0.9, 0.0, 0.9, 0.0, 0.5):
        net.train_epoch(x, y, fa.SGD(0.05, momentum=momentum), batch_size=batch)
        ref.train_epoch(x, y, fa.SGD(0.05, momentum=momentum), batch_size=batch)
        if momentum == 0:
            ref = reference.of(net)
    found = dict(errors(net, ref, x, y))
    assert max(found.values()) < 1e-10, found


@pytest.mark.parametrize("batch", [1, 5])
def test_the_feedback_may_change_between_steps(batch):
    case = plain_case((9, 17, 5, 3), rules=("bp",), batch=batch)
    rng = np.random.default_rng(5)
    net = build(case, "float64", rng)
    ref = reference.of(net)
    x, y = draw_data(case, 6 * batch, "float64", rng)
    sgd = fa.SGD(0.05, momentum=0.9)
    for feedback in ["bp", "fa", fa.Feedback("normal", route="direct"), "shallow", ["bp", "dfa"]]:
        net.set_feedback(feedback)
        ref.feedback = reference.of(net).feedback
        net.train_epoch(x, y, sgd, batch_size=batch)
        ref.train_epoch(x, y, sgd, batch_size=batch)
    found = dict(errors(net, ref, x, y))
    assert max(found.values()) < 1e-10, found


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_numbers_written_through_the_views_are_used(dtype, rng):
    net = fa.Network(6, [fa.Dense(19, "tanh"), fa.Dense(3, "linear")], "fa", dtype=dtype)
    x, y = rng.standard_normal((8, 6)).astype(dtype), rng.standard_normal((8, 3)).astype(dtype)
    net.step(x, y, fa.SGD(0.1))
    for arrays in (net.weights, net.biases, net.feedback_matrices):
        for a in arrays:
            a[...] = rng.standard_normal(a.shape) / np.sqrt(a.size)
    ref = reference.of(net)
    for _ in range(3):
        net.train_epoch(x, y, fa.SGD(0.1), batch_size=1)
        ref.train_epoch(x, y, fa.SGD(0.1), batch_size=1)
    found = dict(errors(net, ref, x, y))
    assert max(found.values()) < TOLERANCE[dtype], found


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_saturated_units_give_finite_accurate_numbers(dtype):
    """|a| up to about 60: σ' is a difference of nearly equal numbers if it is made from h alone."""
    for hidden, output in itertools.product(
        ["logistic", "tanh"], [("cross_entropy", "logistic"), ("cross_entropy", "softmax")]
    ):
        case = plain_case((5, 8, 4), hidden=(hidden,), output=output, rules=("array",))
        rng = np.random.default_rng(2)
        net = build(case, dtype, rng)
        for w in net.weights:
            w[...] *= 30
        ref = reference.of(net)
        x, y = draw_data(case, 50, dtype, rng)
        assert max(np.abs(a).max() for a in ref.pre_activations(x)) > 30
        assert relative_error(net.forward(x), ref.forward(x)) < TOLERANCE[dtype]
        assert relative_error(net.evaluate(x, y).loss, ref.losses(x, y).mean()) < TOLERANCE[dtype]
        for delta, expected in zip(net.deltas(x, y), ref.deltas(x, y), strict=True):
            assert relative_error(delta, expected) < TOLERANCE[dtype]


def test_the_comparison_can_fail():
    """Each equation of the reference is one whose error the comparison notices."""
    case = plain_case((8, 7, 6, 4), momentum=0.5, weight_decay=0.01, batch=4, rules=("fa", "bp"))
    rng = np.random.default_rng(0)
    net = build(case, "float64", rng)
    ref, sgd = reference.of(net), optimizer_of(case)
    x, y = draw_data(case, 4 * STEPS, "float64", rng)

    def broken(sgd_change: dict, feedback_change=None) -> float:
        wrong = reference.of(net)
        if feedback_change:
            wrong.feedback = feedback_change
        wrong.train_epoch(x, y, replace(sgd, **sgd_change), batch_size=4)
        return max(map(relative_error, wrong.weights, ref.weights))

    shallow = [reference.Feedback(0 * np.asarray(b)) for b in net.feedback_matrices]
    direct = [replace(fb, route="direct") for fb in ref.feedback[1:]]
    start = reference.of(net)
    ref.train_epoch(x, y, sgd, batch_size=4)
    assert max(map(relative_error, start.weights, ref.weights)) > 1e-3  # 20 steps go somewhere
    assert broken({}) == 0
    for change in [
        {"momentum": 0.49},
        {"weight_decay": 0.0099},
        {"reduction": "sum"},
        {"lr": sgd.lr * 0.999},
    ]:
        assert broken(change) > 1e-6, change
    assert broken({}, shallow) > 1e-6
    assert (
        broken({}, [ref.feedback[0], *direct]) == 0
    )  # the topmost layer's source is the output either way
