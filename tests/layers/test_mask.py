"""A mask of one's own says which weights of a dense layer exist."""

from __future__ import annotations

import copy
import pickle
from itertools import pairwise

import fastfa as fa
import numpy as np
import pytest
from fastfa.layers.mask import mask_described

SIZES = (17, 40, 33, 5)
OPTIMIZERS = [fa.SGD(0.1, momentum=0.9, weight_decay=1e-2), fa.Adam(0.01), fa.SGD(0.05)]


def masks(seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.random((out, into)) < 0.4 for into, out in pairwise(SIZES)]


def network(given, rule="fa", **options) -> fa.Network:
    layers = [fa.Dense(len(m), "tanh", mask=m) for m in given]
    return fa.Network(SIZES[0], layers, rule, seed=2, **options)


def batch(rng, n=20, dtype="float64"):
    return tuple(rng.standard_normal((n, k)).astype(dtype) for k in (SIZES[0], SIZES[-1]))


def test_weights_that_exist_start_as_those_of_the_dense_layer():
    dense = fa.Network(SIZES[0], [fa.Dense(n, "tanh") for n in SIZES[1:]], seed=2)
    for w, whole, mask in zip(network(masks()).weights, dense.weights, masks(), strict=True):
        np.testing.assert_array_equal(w, np.where(mask, whole, 0))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("rule", ["fa", "bp", "dfa", "kp", "wm"])
@pytest.mark.parametrize("size", [1, 20])
def test_it_is_the_network_whose_density_drew_that_mask(size, rule, optimizer, rng):
    drawn = fa.Network(
        SIZES[0], [fa.Dense(n, "tanh", density=0.4) for n in SIZES[1:]],
        fa.PRESETS[rule]._with_scale(0.3) if rule != "bp" else "bp", seed=2, dtype="float64",
    )  # fmt: skip
    own = network([w != 0 for w in drawn.weights], drawn.feedback, dtype="float64")
    for i in range(3):
        x, y = batch(np.random.default_rng(i), size)
        assert drawn.step(x, y, optimizer) == own.step(x, y, optimizer)
    for name, value in drawn.state_dict().items():
        np.testing.assert_array_equal(own.state_dict()[name], value, err_msg=name)
    for w, mask in zip(own.weights, (layer.mask for layer in own.layers), strict=True):
        assert (w[~np.asarray(mask)] == 0).all()
        assert (w[np.asarray(mask)] != 0).all()


def test_default_scales_count_the_weights_that_exist():
    drawn = fa.Network(50, [fa.Dense(60, "tanh", density=0.3), fa.Dense(9, density=0.3)], "kp")
    kept = [w != 0 for w in drawn.weights]
    own = fa.Network(50, [fa.Dense(60, "tanh", mask=kept[0]), fa.Dense(9, mask=kept[1])], "kp")
    assert own.feedback_scales[0] == pytest.approx(drawn.feedback_scales[0], rel=0.05)
    assert (
        own.feedback_scales[0]
        > 1.2 * fa.Network(50, [fa.Dense(60), fa.Dense(9)]).feedback_scales[0]
    )


def test_a_mask_of_ones_is_no_mask(rng):
    x, y = batch(rng)
    own = network([np.ones_like(m) for m in masks()], dtype="float64")
    whole = fa.Network(
        SIZES[0], [fa.Dense(n, "tanh") for n in SIZES[1:]], "fa", seed=2, dtype="float64"
    )
    for net in (own, whole):
        net.train_epoch(x, y, fa.SGD(0.1), batch_size=1)
    for a, b in zip(own.weights, whole.weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_it_travels(tmp_path, rng):
    x, y = batch(rng)
    net = network(masks(), "kp", dtype="float64")
    net.step(x, y, fa.Adam(0.01))
    fa.save(tmp_path / "net.fastfa", net)
    others = [fa.load(tmp_path / "net.fastfa"), copy.deepcopy(net), pickle.loads(pickle.dumps(net))]
    for each in (net, *others):
        each.set_feedback("bp")  # which makes new feedback from the layers' descriptions
        each.step(x, y, fa.Adam(0.01))
        assert each.layers == net.layers
        for a, b, mask in zip(each.weights, net.weights, masks(), strict=True):
            np.testing.assert_array_equal(a, b)
            assert (a[~mask] == 0).all()


def test_a_mask_is_a_value():
    first, other = fa.Dense(2, mask=[[1, 0, 1], [0, 0, 1]]), fa.Dense(2, mask=np.eye(2, 3))
    again = fa.Dense(2, mask=np.array([[True, False, True], [False, False, True]]))
    assert first == again
    assert hash(first) == hash(again)
    assert first != other
    assert fa.Dense(2, mask=first.mask) == first
    assert repr(first.mask) == "<2×3 mask, 50 %>"
    np.testing.assert_array_equal(
        np.asarray(first.mask), [[True, False, True], [False, False, True]]
    )
    assert first.mask.share == 0.5


@pytest.mark.parametrize(
    "change", [{"bits": "?"}, {"bits": "AAAA"}, {"shape": [40, 3]}, {"bits": "AA=="}]
)
def test_a_damaged_description_is_refused(change):
    described = fa.Dense(2, mask=np.ones((2, 3))).mask._described() | change
    with pytest.raises(ValueError, match=r"\[Dense\] mask"):
        mask_described(described)
