"""The compiled core against the NumPy reference, rule by rule: see parity.py for what is compared.

test_parity.py draws networks at random. Here every matrix on every route, every plasticity, node
perturbation, Adam and removed weights meet the sizes that kernels are cut at.
"""

from __future__ import annotations

import itertools
from dataclasses import replace

import fastfa as fa
import numpy as np
import pytest
import reference
import reference_feedback
import reference_streams as streams
from parity import TOLERANCE, check, errors, relative_error
from parity_cases import (
    ALL_RULES,
    HIDDEN,
    KINDS,
    OUTPUTS,
    PLASTIC,
    RULES,
    TIED,
    WIDTHS,
    build,
    draw_data,
    plain_case,
    rule_of,
)

WELL_POSED = [r for r in ALL_RULES if r not in (*RULES, "pbp", "pseudoinverse 3")]
BATCHES = itertools.cycle([1, 2, 3, 5, 8, 17, 33])
# units and source of the lower hidden layer: each width once on either side
PAIRS = list(zip(WIDTHS, WIDTHS[7:] + WIDTHS[:7], strict=True))
FAR_FROM_SQUARE = [(1, 3), (8, 3), (16, 33), (33, 15), (48, 7), (63, 129), (257, 64)]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("rule", WELL_POSED)
def test_every_rule_at_every_width(rule, dtype):
    for (units, source), batch in zip(PAIRS[len(rule) % 3 :: 3], BATCHES, strict=False):
        case = plain_case((6, units, source, 5), rules=(rule,), batch=batch, short=batch // 2)
        check(case, dtype)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("rule", ["pbp", "pseudoinverse 3", "pseudoinverse 20"])
def test_the_pseudoinverse_where_it_is_well_posed(rule, dtype):
    """A square random W is nearly singular too often for float32; the oracles look at such W."""
    for (units, source), batch in zip(FAR_FROM_SQUARE, BATCHES, strict=False):
        case = plain_case((6, units, source), rules=(rule,), batch=batch, short=batch // 2)
        check(case, dtype)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("rule", WELL_POSED)
def test_every_rule_with_batches_longer_than_any_block(rule, dtype):
    batch = {0: 257, 1: 300, 2: 513}[len(rule) % 3]
    case = plain_case((5, 17, 12, 9, 4), rules=(rule,), batch=batch, short=batch - 1)
    check(case, dtype)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("rule", [*KINDS, *TIED[1:4], "custom"])
def test_wide_layers(rule, dtype):
    """Matrices of several tiles either way, before and after three steps."""
    for widths, counts in [((5, 601, 530, 3), (1, 2, 64)), ((5, 130, 1030, 3), (1, 7, 300))]:
        rng = np.random.default_rng(3)
        net = build(plain_case(widths, rules=(rule,), hidden=("logistic",)), dtype, rng)
        ref = reference.of(net)
        for count in counts:
            x, y = draw_data(plain_case(widths), count, dtype, rng)
            for delta, expected in zip(net.deltas(x, y), ref.deltas(x, y), strict=True):
                assert relative_error(delta, expected) < TOLERANCE[dtype], (widths, count)
            net.step(x, y, fa.SGD(0.01))
            ref.step(x, y, fa.SGD(0.01))
        found = dict(errors(net, ref, x, y))
        assert max(found.values()) < TOLERANCE[dtype], found


@pytest.mark.parametrize("rule", ["sparse 0.1", "low_rank", "binary", "ternary", "hadamard", "brsf",
                                  "procedural"])  # fmt: skip
def test_layers_of_more_units_than_16_bits_count(rule):
    for widths in ((2, 70_001, 3), (2, 3, 70_001)):
        rng = np.random.default_rng(3)
        net = build(plain_case(widths, rules=(rule,)), "float32", rng)
        x, y = draw_data(plain_case(widths), 3, "float32", rng)
        expected = reference.of(net).deltas(x, y)
        for delta, wanted in zip(net.deltas(x, y), expected, strict=True):
            assert relative_error(delta, wanted) < TOLERANCE["float32"]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("rule", [*PLASTIC, "usf", "brsf", "binary", "target hadamard", "custom"])
def test_activations_and_losses_meet_plastic_and_computed_rules(rule, dtype):
    outputs = OUTPUTS + OUTPUTS[3:] + OUTPUTS[:3]
    for hidden, output, batch in zip(2 * HIDDEN, outputs, BATCHES, strict=False):
        case = plain_case(
            (12, 11, 9, 4),
            hidden=(hidden,),
            output=output,
            rules=(rule,),
            momentum=0.9 * (batch % 2),
            weight_decay=0.05,
            batch=batch,
        )
        check(case, dtype)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("output", OUTPUTS)
def test_node_perturbation(output, dtype):
    for hidden, batch, units in zip(
        HIDDEN, 2 * (1, 2, 7, 33, 300), 2 * (1, 8, 33, 17, 5), strict=True
    ):
        case = plain_case(
            (9, units, 11, 4),
            hidden=(hidden,),
            output=output,
            perturbation=0.5,
            momentum=0.5,
            weight_decay=0.01,
            batch=batch,
            short=batch // 2,
        )
        check(case, dtype)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("rule", ["bp", "fa", "direct binary", "kp", "direct kp", "wm", "brsf"])
def test_adam(rule, dtype):
    for (units, source), batch in zip(PAIRS[1::4], (1, 4, 33, 2, 300), strict=True):
        case = plain_case(
            (7, units, source, 5),
            rules=(rule,),
            adam=True,
            weight_decay=0.01,
            batch=batch,
            short=batch // 2,
            sparse=batch == 4,
        )
        check(case, dtype)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("other", ["nesterov", "adamw", "rmsprop"])
@pytest.mark.parametrize("rule", ["bp", "fa", "direct binary", "kp", "direct kp", "wm", "usf"])
def test_the_other_optimizers(rule, other, dtype):
    for (units, source), batch in zip(PAIRS[1::4], (1, 4, 33, 2, 300), strict=True):
        case = plain_case(
            (7, units, source, 5),
            rules=(rule,),
            density=(0.5 if batch in (2, 33) else 1.0,),
            other=other,
            momentum=0.9 if other == "nesterov" else 0.0,
            reduction="sum" if (other, batch) == ("nesterov", 4) else "mean",
            weight_decay=0.01,
            batch=batch,
            short=batch // 2,
            sparse=batch == 4,
        )
        check(case, dtype)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("rule", ["bp", "fa", "direct sparse", "usf", "frsf", "kp", "wm"])
def test_removed_weights(rule, dtype):
    for density, (units, source), batch in zip(
        (0.5, 0.1, 0.9, 0.02), PAIRS[2::5], (1, 3, 33, 260), strict=True
    ):
        case = plain_case(
            (20, units, source, 5),
            rules=(rule,),
            density=(density,),
            momentum=0.9,
            weight_decay=0.1,
            batch=batch,
            adam=batch == 3,
            sparse=batch == 1,
        )
        check(case, dtype)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_frozen_layers_among_plastic_ones(dtype):
    """Kolen-Pollack moves a layerwise B only with the W above it; a mirror looks at any W."""
    for trainable in itertools.product([True, False], repeat=4):
        rules = ("kp", "direct kp", "kp") if sum(trainable) % 2 else ("wm", "kp", "wm fast")
        case = plain_case((6, 9, 8, 7, 4), rules=rules, trainable=trainable, batch=3, momentum=0.5)
        check(case, dtype)


@pytest.mark.parametrize("batch", [1, 5])
def test_rules_change_in_mid_training(batch):
    """Every switch draws B anew from the seed, and Kolen-Pollack's velocity starts at zero."""
    case = plain_case((9, 17, 5, 3), rules=("bp",), batch=batch)
    rng = np.random.default_rng(5)
    net = build(case, "float64", rng)
    ref = reference.of(net)
    x, y = draw_data(case, 6 * batch, "float64", rng)
    sgd = fa.SGD(0.01, momentum=0.9)
    for rule in [*ALL_RULES, "pseudoinverse 4"]:
        net.set_feedback(
            [
                rule_of(rule, units, {"layerwise": above, "direct": 3, "target": 3}, rng)
                for units, above in [(17, 5), (5, 3)]
            ]
        )
        assert net.steps == ref.steps
        ref.feedback = reference.of(net).feedback
        ref.state = {name: v for name, v in ref.state.items() if name[0] != "B"}
        for each in (net, ref):
            each.train_epoch(x, y, sgd, batch_size=batch)
        found = dict(errors(net, ref, x, y))
        assert max(found.values()) < 1e-10, (rule, found)


def trained(rule, monkeypatch, change=None, *, by=None, **options) -> list[np.ndarray]:
    """The reference's weights and matrices after 20 steps; ``change`` makes it wrong before them."""
    perturbed = {"perturbation": 0.5} if rule == "perturbed" else {"rules": (rule,)}
    case = plain_case((8, 7, 6, 4), batch=4, **perturbed, **options)
    rng = np.random.default_rng(0)
    net = build(case, "float64", rng)
    x, y = draw_data(case, 80, "float64", rng)
    optimizer = by or fa.SGD(0.1, weight_decay=0.1)
    with monkeypatch.context() as patch:
        optimizer = (change and change(patch, optimizer)) or optimizer
        ref = reference.of(net)
        ref.train_epoch(x, y, optimizer, batch_size=4)
    matrices = [fb.at(w, ref.steps) for fb, w in zip(ref.feedback, ref.weights[1:], strict=False)]
    return [*ref.weights, *matrices]


def stream(name):
    """Draws from another purpose."""
    return lambda patch, _: patch.setattr(streams, name, 17)


def kolen_pollack_stops(patch, _) -> None:
    patch.setattr(reference_feedback, "plasticity_of", lambda fb: None)


def mirror(**fields):
    """A mirror of other fields."""
    wrong = reference_feedback.WeightMirror(**fields)
    return lambda patch, _: patch.setattr(reference_feedback, "WeightMirror", lambda: wrong)


def optimizer(**fields):
    """An optimizer of other fields."""
    return lambda _, right: replace(right, **fields)


BY = {
    "adam": fa.Adam(0.01, weight_decay=0.1),
    "adamw": fa.AdamW(0.01, weight_decay=0.1),
    "rmsprop": fa.RMSprop(0.01, rho=0.9, weight_decay=0.1),
    "nesterov": fa.SGD(0.1, momentum=0.9, nesterov=True),
}
MISTAKES = {
    "kp does not learn": ("kp", kolen_pollack_stops),
    "kp decays otherwise": ("kp", optimizer(weight_decay=0.09)),
    "direct kp does not learn": ("direct kp", kolen_pollack_stops),
    "wm of other noise": ("wm", stream("MIRROR")),
    "wm of smaller noise": ("wm", mirror(noise=0.99 * 0.1 / 12**0.5)),
    "wm at another rate": ("wm", mirror(growth=0.011)),
    "wm every other step": ("wm", mirror(every=2)),
    "wm with decay": ("wm", mirror(decay=1e-3)),
    "wm that is centred": ("wm", mirror(centred=True)),
    "perturbed by other noise": ("perturbed", stream("PERTURBATION")),
    "Adam with another beta1": ("adam", optimizer(beta1=0.89)),
    "Adam with another beta2": ("adam", optimizer(beta2=0.99)),
    "Adam with another epsilon": ("adam", optimizer(epsilon=1e-5)),
    "Adam with another decay": ("adam", optimizer(weight_decay=0.09)),
    "AdamW whose decay is Adam's": ("adamw", lambda *_: fa.Adam(0.01, weight_decay=0.1)),
    "AdamW with another decay": ("adamw", optimizer(weight_decay=0.09)),
    "RMSprop with another rho": ("rmsprop", optimizer(rho=0.89)),
    "RMSprop with another decay": ("rmsprop", optimizer(weight_decay=0.09)),
    "no Nesterov": ("nesterov", optimizer(nesterov=False)),
    "other weights removed": ("removed", stream("MASK")),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_the_comparison_sees_a_wrong_equation(name, monkeypatch):
    rule, change = MISTAKES[name]
    options = {"rule": rule}
    if rule in BY:
        options = {"rule": "fa", "by": BY[rule]}
    if rule == "removed":
        options = {"rule": "fa", "density": (0.5,)}
    right = trained(monkeypatch=monkeypatch, **options)
    wrong = trained(monkeypatch=monkeypatch, change=change, **options)
    assert max(map(relative_error, wrong, right)) > 1e-5
