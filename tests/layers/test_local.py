"""Locally connected layers against the NumPy reference, on shapes of every kind: see parity.py.

What is compared is training as a whole: all weights, biases, matrices, activations, deltas, losses,
after 20 steps. That the reference's matrix is the layer's equation is in test_reference_local.py.
"""

from __future__ import annotations

import itertools
from dataclasses import replace

import fastfa as fa
import numpy as np
import pytest
import reference
from local_cases import (
    ABSENT,
    BATCHES,
    THROUGH,
    Patches,
    draw_rows,
    draw_stack,
    local_case,
    random_case,
)
from parity import TOLERANCE, check, errors, relative_error
from parity_cases import ALL_RULES, HIDDEN, OUTPUTS, build, draw_data

DTYPES = ["float64", "float32"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("batch", BATCHES)
def test_local_random_networks(batch, depth, dtype):
    for seed in range(8):
        check(random_case(seed, batch, depth), dtype)


def test_the_random_networks_have_every_kind_of_shape():
    drawn = [draw_stack(s, b, d)[:2] for s in range(3) for b in BATCHES for d in (1, 2, 3)]
    stacks = [patches for _, stack in drawn for patches in stack]
    images = [image if len(image) == 3 else (1, *image) for image, _ in drawn]
    assert {image[0] for image in images} == {1, 2, 3}
    assert {n for image in images for n in image[1:]} >= {1, 2, 3, 5, 8, 13, 14}
    assert any(image[1] != image[2] for image in images)
    assert {p.maps for p in stacks} == set(range(1, 10))
    for padding in ("valid", "same"):
        some = [p for p in stacks if p.padding == padding]
        assert {n for p in some for n in p.kernel} == set(range(1, 7))
        assert {n for p in some for n in p.stride} == {1, 2, 3}
        assert any(p.kernel[0] != p.kernel[1] for p in some)
        assert any(p.stride[0] != p.stride[1] for p in some)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("batch", [1, 3, 4, 5, 33, 35, 69, 100])
def test_local_rows_of_units_around_the_length_of_vectors(batch, dtype):
    for seed in range(8):
        image, patches = draw_rows(8 * batch + seed)
        case = local_case(
            image,
            [patches],
            3,
            rules=("kp",) if seed % 2 else ("fa",),
            hidden=(("tanh", "logistic", "linear")[seed % 3],),  # of a relu, some are at 0
            bias=(seed % 5 > 0, True),
            batch=batch,
            short=batch // 2,
            momentum=0.5 * (seed % 4 == 1),
            weight_decay=0.02 * (seed % 4 > 1),
        )
        check(case, dtype)


def test_the_rows_have_every_kind_of_shape():
    drawn = [
        draw_rows(8 * batch + seed) for batch in (1, 3, 4, 5, 33, 35, 69, 100) for seed in range(8)
    ]
    widths = [image[2] - patches.kernel[1] + 1 for image, patches in drawn]
    assert set(widths) == {7, 8, 9, 15, 16, 17, 23, 31, 32, 33, 40}
    assert {image[0] for image, _ in drawn} == {1, 2, 3}
    assert {patches.maps for _, patches in drawn} == set(range(1, 14))
    assert {patches.stride[0] for _, patches in drawn} == {1, 2, 3}
    of_a_position = [image[0] * p.kernel[0] * p.kernel[1] * p.maps for image, p in drawn]
    assert min(of_a_position) < 16 < 1024 < max(of_a_position)  # few enough for the rows, and not


EDGES = {
    "one row of a vector": ((1, 16), [Patches(6, 1)]),
    "one row of a vector and a unit": ((1, 3, 19), [Patches(7, 3)]),
    "padded on one side only": ((1, 4, 20), [Patches(2, (1, 2), 1, "same")]),
    "padded below only": ((1, 4, 20), [Patches(2, (2, 1), 1, "same")]),
    "every second column": ((1, 4, 40), [Patches(6, (2, 3), (1, 2))]),
    "one pixel": ((1, 1), [Patches(1, 1), Patches(1, 1)]),
    "one pixel, padded by a large kernel": (
        (1, 1),
        [Patches(9, 6, 3, "same"), Patches(2, (1, 5), 1, "same")],
    ),
    "one row": ((3, 1, 14), [Patches(2, (1, 4), (1, 3)), Patches(17, (1, 2), 1, "same")]),
    "one column": ((2, 13, 1), [Patches(5, (6, 1), 2, "same"), Patches(3, (3, 1))]),
    "a patch as large as the image": ((2, 5, 6), [Patches(16, (5, 6)), Patches(33, 1)]),
    "strides beyond the kernel": ((1, 14, 13), [Patches(4, 1, 3), Patches(8, (2, 1), 3, "same")]),
    "32 maps of 3 x 3": ((14, 14), [Patches(32, 3, 3), Patches(32, 3)]),
    "32 maps on 32 maps": ((3, 6, 6), [Patches(32, 3, 2, "same"), Patches(32, 3, 1, "same")]),
    "31 and 65 maps": ((2, 4, 5), [Patches(31, 2, 2), Patches(65, 2, 1, "same")]),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("edge", EDGES)
def test_local_edges_of_shape(edge, dtype):
    image, stack = EDGES[edge]
    for batch, rule in ((1, "kp"), (5, "fa"), (19, "bp")):
        case = local_case(image, stack, 3, rules=(rule,), batch=batch, short=batch // 2)
        check(replace(case, momentum=0.5 * (batch % 2), weight_decay=0.02), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rule", THROUGH)
def test_local_every_rule_through_and_into(rule, dtype):
    """Through a locally connected layer, through a dense one, and between two of them."""
    stack = [Patches(3, (2, 3)), Patches(4, 2, (2, 1), "same")]
    for batch, decay in ((1, 0.05), (9, 0.0)):
        options = {"weight_decay": decay, "batch": batch, "short": batch // 2, "adam": batch == 9}
        check(local_case((2, 5, 6), stack, 5, 3, rules=(rule,), **options), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rule", [rule for rule in ALL_RULES if rule.startswith(ABSENT)])
def test_local_rules_that_need_a_dense_layer_above(rule, dtype):
    case = local_case((7, 5), [Patches(3, 3, 2), Patches(2, 2)], 17, 4, batch=4, seed=1)
    check(replace(case, rules=("fa", rule, rule)), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("output", OUTPUTS)
def test_local_every_activation_and_a_local_output(output, dtype):
    stack = [Patches(2, 2), Patches(3, (2, 3), 1, "same"), Patches(2, 3, 2)]
    for hidden, rule, batch in zip(
        HIDDEN, 2 * ("bp", "fa", "kp", "dfa", "drtp"), 2 * (1, 2, 5, 8, 33), strict=True
    ):
        options = {"output": output, "hidden": (hidden,), "rules": (rule,), "batch": batch}
        check(local_case((2, 5, 6), stack, **options), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_local_frozen_layers_and_layers_without_bias(dtype):
    stack = [Patches(2, 2), Patches(3, 2, 2, "same")]
    for trainable, bias in zip(
        itertools.product([True, False], repeat=3), itertools.cycle([(True, False), (False,)])
    , strict=False):  # fmt: skip
        options = {"trainable": trainable, "bias": bias, "momentum": 0.5, "weight_decay": 0.1}
        check(local_case((6, 5), stack, 3, rules=("kp",), batch=3, **options), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_local_papers_mnist_network(dtype):
    """Supplement, Note 5: 6 maps of 6 x 6 patches of a 28 x 28 image, 3174 units."""
    rng = np.random.default_rng(0)
    options = {"hidden": ("logistic",), "output": ("cross_entropy", "logistic"), "sparse": True}
    case = local_case((28, 28), [Patches(6, 6)], 10, **options)
    net = build(case, dtype, rng)
    ref = reference.of(net)
    assert net.shapes == ((28, 28), (6, 23, 23), (10,))
    assert case.widths[1] == 3174
    x, y = draw_data(case, 5, dtype, rng)
    for rows in (slice(0, 1), slice(1, 5)):
        for each in (net, ref):
            each.step(x[rows], y[rows], fa.SGD(0.01, momentum=0.5, weight_decay=0.01))
    found = dict(errors(net, ref, x, y))
    assert max(found.values()) < TOLERANCE[dtype], found


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rule", ["bp", "fa", "kp", "frsf", "direct binary", "perturbed"])
def test_local_wide_layers(rule, dtype):
    """Many tiles either way, for three steps; the batch is longer than any block."""
    options = {"perturbation": 0.3} if rule == "perturbed" else {"rules": (rule,)}
    stack = [Patches(9, 5, 2, "same"), Patches(33, 3, (1, 2))]
    case = local_case((3, 14, 13), stack, 70, 3, hidden=("logistic", "tanh"), **options)
    rng = np.random.default_rng(3)
    net = build(case, dtype, rng)
    ref, sgd = reference.of(net), fa.SGD(1e-3, momentum=0.5)
    for count in (1, 16, 300):
        x, y = draw_data(case, count, dtype, rng)
        for delta, expected in zip(net.deltas(x, y), ref.deltas(x, y), strict=True):
            assert relative_error(delta, expected) < TOLERANCE[dtype], count
        net.step(x, y, sgd)
        ref.step(x, y, sgd)
    found = dict(errors(net, ref, x, y))
    assert max(found.values()) < TOLERANCE[dtype], found
