"""Convolutions and pooling on the emulated device: kernels of every cut, whole networks, every rule."""

from __future__ import annotations

import fastfa as fa
import numpy as np
import pytest
from conv_cases import (
    DTYPES,
    SGD,
    THROUGH,
    agrees,
    check_large_batch,
    check_noise_and_weights,
    check_random,
    check_rule,
    examples,
    lenet,
    states_equal,
)
from conv_kernel_cases import check_kernels
from device_arrays import ByDlpack
from devices import ORDERS, emulated
from parity import relative_error
from parity_cases import rule_of

pytestmark = emulated
DEVICE = ORDERS[2]

# (channels, height, width), maps and kernel of two convolutions, stride, padding, examples. A tile has
# 32 maps, 128 positions or values of a patch, and is 8 deep; a part of the gradient has 256 positions or
# more.
CASES = {
    "one of everything": ((1, 1, 1), (1, 1), (1, 1), 1, "valid", 1),
    "one unit": ((3, 5, 4), (2, 3), (9, (3, 2)), 1, "valid", 3),
    "one less than a tile": ((1, 1, 127), (31, (1, 7)), (31, 1), 1, "same", 1),
    "a tile": ((8, 8, 16), (32, 1), (32, 1), 1, "same", 1),
    "one more than a tile": ((1, 3, 43), (33, 3), (33, 2), 1, "same", 1),
    "a patch and its bias in a tile": ((127, 2, 3), (128, 1), (3, 1), 1, "valid", 2),
    "examples of one position": ((5, 4, 3), (7, (4, 3)), (6, 1), 1, "valid", 130),
    "many parts": ((1, 28, 28), (6, 5), (3, 3), 1, "same", 19),
    "a stride of two": ((4, 19, 17), (18, 5), (21, 3), 2, "same", 2),
    "a stride beyond the kernel": ((5, 31, 29), (19, 2), (16, 1), 3, "valid", 2),
    "a stride beyond the image": ((2, 4, 3), (3, 2), (2, 2), (5, 7), "same", 2),
    "a stride of rows": ((3, 22, 21), (6, 4), (7, 3), (2, 1), "same", 2),
    "a stride of columns": ((6, 11, 12), (10, 4), (24, 3), (1, 3), "valid", 2),
    "a kernel beyond the image": ((2, 3, 2), (3, (7, 5)), (4, 6), 1, "same", 2),
    "large tiles": ((1, 33, 32), (66, (1, 2)), (67, 1), 1, "same", 8),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", CASES)
def test_kernels_of_every_cut(case, dtype):
    check_kernels(*CASES[case], dtype=dtype, device=DEVICE)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("batch", [1, 2, 17])
def test_random_networks(batch, depth, dtype):
    check_random(batch, depth, dtype, enough=2, device=ORDERS[depth % 3])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("batch", [256, 257, 1000])
def test_large_batches(batch, dtype):
    """Sums over positions and examples that are formed in parts."""
    check_large_batch(batch, dtype, DEVICE)


# ---- every rule ----------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", THROUGH)
def test_every_rule_into_both_convolutions(rule):
    check_rule(rule, DEVICE)


@pytest.mark.parametrize("rule", ["wm", "pbp", "pseudoinverse 3"])
def test_rules_of_dense_layers_below_one(rule):
    rng = np.random.default_rng(1)
    rules = ["fa", rule_of(rule, 5, {"layerwise": 6}, rng), "fa"]
    agrees(lenet(rules, device=DEVICE), *examples())


@pytest.mark.parametrize("dtype", DTYPES)
def test_node_perturbation_and_examples_that_count(dtype):
    check_noise_and_weights(dtype, DEVICE)


OPTIMIZERS = [
    fa.SGD(0.02),
    SGD,
    fa.SGD(0.02, momentum=0.5, nesterov=True),
    fa.Adam(1e-3, weight_decay=0.1),
    fa.AdamW(1e-3),
    fa.RMSprop(1e-3),
]


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
@pytest.mark.parametrize("rule", ["kp", "brsf"])
def test_a_training_is_that_of_the_cpu(rule, optimizer):
    """With dropout, whose masks are the same; brsf draws its magnitudes alike."""
    nets = [lenet(rule, drop=0.25, device=device) for device in ("cpu", DEVICE)]
    x, y = examples(33)
    losses = [[net.train_epoch(x, y, optimizer, batch_size=4) for _ in range(2)] for net in nets]
    np.testing.assert_allclose(*losses, rtol=1e-9)
    for (name, own), expected in zip(
        nets[1].state_dict().items(), nets[0].state_dict().values(), strict=True
    ):
        assert relative_error(own, expected) < 1e-9, name
    for own, expected in zip(nets[1].activations(x), nets[0].activations(x), strict=True):
        assert relative_error(own, expected) < 1e-9


# ---- what else networks do -----------------------------------------------------------------------


@pytest.mark.parametrize("devices", [(DEVICE, "cpu"), ("cpu", DEVICE), ORDERS[:2]])
def test_what_one_device_learned_another_goes_on_with(devices, tmp_path):
    nets = [lenet("kp", device=device) for device in devices]
    x, y = examples()
    nets[0].step(x, y, fa.Adam(0.01))
    fa.save(tmp_path / "net.fastfa", nets[0])
    fa.load(tmp_path / "net.fastfa", into=nets[1])
    for net in nets:
        net.step(x, y, fa.Adam(0.01))
    for name, array in nets[1].state_dict().items():
        assert relative_error(array, np.array(nets[0].state_dict()[name])) < 1e-12, name
    assert nets[1].device == devices[1]


@pytest.mark.parametrize("rule", ["fa", "kp", ["fa", "dfa", "fa"]])
def test_instruments_are_those_of_the_cpu(rule):
    nets = [lenet(rule, device=device) for device in ("cpu", DEVICE)]
    here, there = (fa.metrics.alignment(net, *examples(30)) for net in nets)
    names = ("angle_bp", "angle_pbp", "gradient_angle", "weight_angle", "trace_bw", "descent")
    for expected, actual in zip(here, there, strict=True):
        for name in names:
            own = getattr(actual, name)
            np.testing.assert_allclose(own, getattr(expected, name), rtol=1e-7, err_msg=name)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_step_in_parts_has_the_same_bits(dtype):
    whole, parts = (
        lenet(["fa", "dfa", "kp"], dtype=dtype, drop=0.5, device=DEVICE) for _ in range(2)
    )
    x, y = examples(dtype=dtype)
    for _ in range(3):
        whole.step(x, y, SGD)
        out = np.array(parts.forward_step(x))
        parts.forward(x[::-1])  # a look in between leaves what is kept alone
        parts.apply_error(y - out, SGD)
    states_equal(whole, parts)


def test_an_ensemble_trains_each_as_alone():
    x, y = examples(20)
    nets, alone = ([lenet("fa", seed=s, device=DEVICE) for s in range(3)] for _ in range(2))
    fa.Ensemble(nets).train_epoch(x, y, SGD, batch_size=5)
    for net, other in zip(nets, alone, strict=True):
        other.train_epoch(x, y, SGD, batch_size=5)
        states_equal(net, other)


def test_arrays_of_the_device_are_used_where_they_are():
    nets = [lenet("fa", device=ORDERS[0]) for _ in range(2)]
    x, y = examples(20)
    nets[0].train_epoch(x, y, SGD, batch_size=5)
    nets[1].train_epoch(ByDlpack(x), ByDlpack(y), SGD, batch_size=5)
    states_equal(*nets)


@pytest.mark.parametrize(("value", "layer"), [(1e200, -1), (1e139, 0)])  # at the input, or above it
def test_divergence_stops_in_the_layer_and_the_step(value, layer):
    found, nets = [], [lenet("bp", device=device) for device in ("cpu", DEVICE)]
    x, y = examples(60)
    x[33] = value
    for net in nets:
        for w in net.weights:
            w *= 30
        with pytest.raises(fa.DivergenceError) as caught:
            net.train_epoch(x, y, SGD, batch_size=4, order=np.arange(60))
        found.append((str(caught.value), caught.value.layer, caught.value.step, net.steps))
    assert found[0] == found[1]
    assert found[0][1:3] == (layer, 8)
    for (name, own), expected in zip(
        nets[1].state_dict().items(), nets[0].state_dict().values(), strict=True
    ):
        assert relative_error(own, expected) < 1e-9, name
